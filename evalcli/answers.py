"""What a worker that is a process hands back: errors in words, and arrays through memory that both know."""

from __future__ import annotations

import json
import math
import mmap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli import errors
from evalcli.errors import EvalError, LimitError
from evalcli.forks import write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalcli.sources.base import Array


class Answer(NamedTuple):
    """What came back: the number of the load that failed and its error, or arrays by what they belong to."""

    about: dict[str, Any]
    arrays: dict[str, Array]

    def of(self, what: str) -> dict[str, Array]:
        """The arrays of one kind, by their own names."""
        head = f"{what}/"
        return {name.removeprefix(head): array for name, array in self.arrays.items() if name.startswith(head)}


def in_words(error: BaseException) -> list[str]:
    """An error in words that another process can raise."""
    if isinstance(error, EvalError):
        return [type(error).__name__, error.what, error.fix, error.path]
    if isinstance(error, MemoryError):
        return ["MemoryError", "", "", ""]
    import traceback

    return ["", "".join(traceback.format_exception(error)), "", ""]


def raise_first(all_told: Iterable[dict[str, Any]]) -> None:
    """Raise what went wrong first in the order of the input."""
    failed = [about for about in all_told if "error" in about]
    if not failed:
        return
    error = min(failed, key=lambda about: about["number"])["error"]
    if isinstance(error, Exception):  # this process's own
        raise error
    name, what, fix, path = error
    if name == "MemoryError":
        raise MemoryError
    if not name:
        raise RuntimeError(f"a worker failed:\n{what}")
    raise getattr(errors, name, LimitError)(what, fix=fix, path=path)


def write_answer(file: int, about: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """The answer: the length of a JSON text, the text, and the arrays one after the other, each at a multiple of 8."""
    held = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    listed = [[name, array.dtype.str, list(np.shape(arrays[name]))] for name, array in held.items()]
    text = json.dumps({**about, "arrays": listed}).encode()
    for data in (len(text).to_bytes(8, "little"), text, *(array.reshape(-1).view(np.uint8) for array in held.values())):
        write_all(file, data)
        write_all(file, bytes(-len(data) % 8))


def read_answer(file: int) -> Answer:
    """What ``write_answer`` has written, where it stands: what is changed of it is changed for this process alone."""
    memory = mmap.mmap(file, 0, access=mmap.ACCESS_COPY)
    at = 8 + int.from_bytes(memory[:8], "little")
    about, arrays = json.loads(memory[8:at]), {}
    for name, code, shape in about.pop("arrays"):
        at += -at % 8
        dtype, count = np.dtype(code), math.prod(shape)
        arrays[name] = np.frombuffer(memory, dtype, count, at).reshape(shape) if count else np.empty(shape, dtype)
        at += count * dtype.itemsize
    return Answer(about, arrays)
