"""Texts that a person reads as something else than names: ``1,5`` as a number, ``['a', 'b']`` as a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalcli.errors import InputError
from evalcli.sources.labels import NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection

_COMMAS = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*,[0-9]+(?:\.[0-9]+)?")
"""Numbers with a decimal comma, or with marks between thousands."""
_NESTED = re.compile(r"""\[\s*(?:['"0-9.+\-\[{].*)?\]|\{\s*['"].*\}""", re.DOTALL)
"""Lists and objects as Python, NumPy and JSON print them; ``[PAD]`` and ``{a}`` are names."""
_AS_CLASSES = "--task multiclass takes the texts for classes"


def refuse_foreign(preds: Collection[str], target: Collection[str], path: str) -> None:
    """Refuse texts of either side that are numbers with commas, or print a list or an object.

    Raises:
        InputError: so they are; numbers with commas may be names where the target has every prediction.

    """
    for texts in (preds, target):
        if texts and all(map(_NESTED.fullmatch, texts)):
            what = f"texts such as {min(texts)[:60]!r} print a list or an object, and would be classes"
            fix = f"save it as JSON lines or Parquet, where lists are lists; {_AS_CLASSES}"
            raise InputError(what, fix=fix, path=path)
    every = {*preds, *target}
    commas = sorted(text for text in every if _COMMAS.fullmatch(text.strip()))
    if not commas or {*preds} <= {*target}:
        return
    if all(text in commas or NUMBER.fullmatch(text.strip()) for text in every):
        what = f"numbers with commas, such as {commas[0]!r}, would be classes"
        raise InputError(what, fix=f"write a decimal point and no other marks; {_AS_CLASSES}", path=path)
