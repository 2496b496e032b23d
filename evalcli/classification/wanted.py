"""Which rows a person asks for by the names of their classes, and the codes that these names have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import UsageError
from evalcli.sources.naming import near_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalcli.sources.base import Array


class Wanted(NamedTuple):
    """Which of the rows to list: those of any of the ``pairs`` (target, other label) or ``classes``, by codes."""

    pairs: tuple[tuple[int, int], ...] = ()
    classes: tuple[int, ...] = ()

    def mask(self, target: Array, other: Array) -> Array:
        """Whether each row is one of them; where nothing was asked for, all are."""
        if not self.pairs and not self.classes:
            return np.ones(target.shape, bool)
        found: Array = np.isin(target, self.classes) | np.isin(other, self.classes)
        for pair in self.pairs:
            found |= (target == pair[0]) & (other == pair[1])
        return found


ALL = Wanted()


class Names:
    """The classes that can be asked for, with their ``codes``; in other tasks the labels of a row, or the outputs."""

    def __init__(self, codes: Mapping[str, int], path: str, noun: str = "class") -> None:
        self.codes = codes
        self.path = path
        self.noun = noun

    def __len__(self) -> int:
        return len(self.codes)

    def wanted(self, pairs: Iterable[str], classes: Iterable[str]) -> Wanted:
        """What was asked for, by codes; a pair is ``target:other``.

        Raises:
            UsageError: a class that is not there, or a pair that can be read in two ways, or in none.

        """
        return Wanted(tuple(map(self._pair, pairs)), tuple(map(self._class, classes)))

    def chosen(self, names: Iterable[str]) -> Array:
        """The codes of these names, in order; those of all where there are none.

        Raises:
            UsageError: a name that is not there.

        """
        found = [self._class(name) for name in names] or list(self.codes.values())
        return np.unique(np.array(found, np.int64))

    def _class(self, name: str) -> int:
        if name not in self.codes:
            raise UsageError(f"--class: there is no {self.noun} {name!r}", fix=self._fix(name), path=self.path)
        return self.codes[name]

    def _pair(self, text: str) -> tuple[int, int]:
        halves = [(text[:i], text[i + 1 :]) for i, sign in enumerate(text) if sign == ":"]
        found = [pair for pair in halves if all(name in self.codes for name in pair)] or _quoted_pair(text)
        if len(found) > 1:
            what = f"--pair {text} can be read as {' or as '.join(f'{a!r} and {b!r}' for a, b in found)}"
            raise UsageError(what, fix='put both names in quotes: --pair \'"a:b":"c"\'', path=self.path)
        if not halves:
            raise UsageError(f"--pair {text!r} is no pair", fix="write target:prediction, as in cat:dog")
        target, pred = found[0] if found else halves[0]
        for name in (target, pred):
            if name not in self.codes:
                raise UsageError(f"--pair {text}: there is no class {name!r}", fix=self._fix(name), path=self.path)
        if target == pred:
            raise UsageError(f"--pair {text}: a row of that kind is no mistake", fix="name two classes")
        return self.codes[target], self.codes[pred]

    def _fix(self, name: str) -> str:
        near = near_name(name, self.codes)
        shown = ", ".join(map(repr, list(self.codes)[:12]))
        more = f" and {len(self.codes) - 12} more" if len(self.codes) > 12 else ""
        every = "classes" if self.noun == "class" else f"{self.noun}s"
        return (f"did you mean {near!r}? " if near is not None else "") + f"{every} are {shown}{more}"


def _quoted_pair(text: str) -> list[tuple[str, str]]:
    """Two names in double quotes, as JSON writes them.

    >>> _quoted_pair('"a:b":"c"'), _quoted_pair("a:b")
    ([('a:b', 'c')], [])
    """
    try:
        found = json.loads(f"{{{text}}}")
    except ValueError:
        return []
    return [pair for pair in found.items() if isinstance(pair[1], str)]
