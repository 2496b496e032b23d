"""What metrics of the caller's own give: numbers by name, of all rows and of slices, and what failed."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalcli.own.groups import Sure


_OURS = __file__.rpartition("/")[0] + "/"
RAISED = (Exception, SystemExit)
"""What a stranger's code raises where it fails: an exit code is ours to choose."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a metric raised: in words, and the ``place`` that raised it, as ``my.py, line 12``."""

    name: str
    what: str
    place: str
    where: str = ""
    """Which slices it failed in, where that is not all rows."""

    def __str__(self) -> str:
        return self.told()

    def told(self, model: str = "") -> str:
        """In one line; of several models on which."""
        where = f"{f' on {model}' if model else ''}{f' in {self.where}' if self.where else ''}"
        return f"{self.name} failed{where}: {self.what}{f' ({self.place})' if self.place else ''}"


def failure_of(name: str, error: BaseException, file: str | None = None) -> Failure:
    """The failure that an exception is; its place is the last line of the user's ``file``, else the last of all.

    Where that is a line of ours or of the importer, it is the user's file that has to be mended.
    """
    text = str(error).partition("\n")[0].rstrip()
    return Failure(name, f"{type(error).__name__}{': ' if text else ''}{text}", _place(error, file))


def _place(error: BaseException, file: str | None) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if file is not None and frame.filename == file] or list(frames)
    if isinstance(error, SyntaxError) or not own:  # which says itself where
        return ""
    if file is not None and own[-1].filename != file and own[-1].filename.startswith((_OURS, "<frozen")):
        return file.rpartition("/")[2]
    return f"{own[-1].filename.rpartition('/')[2]}, line {own[-1].lineno}"


class OwnValues(NamedTuple):
    """What metrics compute of all rows, and of each slice by column and value; what failed, of each metric once.

    ``sure`` says how sure those of all rows are, ``inside`` those of each slice, where there are some.
    """

    values: dict[str, dict[str, float]]
    slices: dict[tuple[str, str], dict[str, dict[str, float]]]
    failures: tuple[Failure, ...]
    sure: Mapping[str, dict[str, Sure]] = MappingProxyType({})
    inside: Mapping[tuple[str, str], Mapping[str, dict[str, Sure]]] = MappingProxyType({})


def told_once(
    whole: Iterable[Failure], slices: Iterable[tuple[tuple[str, str], Iterable[Failure]]]
) -> tuple[Failure, ...]:
    """What failed on all rows, then of what failed in several slices the first, with their number.

    What fails on all rows says nothing new in slices.
    """
    told = list(whole)
    known = {one.name for one in told}
    failed: dict[str, list[Failure]] = {}
    for (by, value), failures in slices:
        for one in failures:
            failed.setdefault(one.name, []).append(replace(one, where=f"{by}={value}"))
    for name, each in failed.items():
        if name not in known:
            more = f" and {len(each) - 1:,} more slice{'s' if len(each) > 2 else ''}" if len(each) > 1 else ""
            told.append(replace(each[0], where=each[0].where + more))
    return tuple(told)


def number_names(name: str, keys: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """What each of the numbers of a metric is called, by its key: of as many as there are classes by the class.

    >>> number_names("own", ["0", "1"], ["cat", "dog"]), number_names("own", ["", "low"], [])
    ({'0': 'own[cat]', '1': 'own[dog]'}, {'': 'own', 'low': 'own.low'})
    """
    if len(keys) == len(classes) and [*keys] == [str(i) for i in range(len(keys))]:
        return {key: f"{name}[{each}]" for key, each in zip(keys, classes, strict=True)}
    return {key: f"{name}.{key}" if key else name for key in keys}


def plain_values(result: Any) -> dict[str, float]:
    """A result as plain numbers: one under ``""``; of a mapping or an array each under its key or place.

    >>> plain_values({"low": 0.1, "both": [1, 2]})
    {'low': 0.1, 'both.0': 1.0, 'both.1': 2.0}

    Raises:
        TypeError: it holds something else.

    """
    return dict(_flat(result, ""))


def _flat(result: Any, place: str) -> Iterator[tuple[str, float]]:
    if hasattr(result, "detach"):
        result = result.detach().cpu()
        result = result.float().numpy() if "bfloat16" in str(result.dtype) else result.numpy()
    if isinstance(result, dict):
        inside = [(str(key), value) for key, value in result.items()]
    elif isinstance(result, (list, tuple)) or getattr(result, "ndim", None):
        inside = [(str(i), value) for i, value in enumerate(result)]
    elif isinstance(result, (bool, int, float)) or hasattr(result, "__float__"):
        yield place, float(result)
        return
    else:
        raise TypeError(f"compute gave a {type(result).__name__}, which is no number")
    for key, value in inside:
        yield from _flat(value, f"{place}.{key}" if place else key)
