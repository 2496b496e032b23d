"""Texts that a person reads as something else than names: ``1,5`` and ``90%`` as numbers, ``['a', 'b']`` as a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalcli.errors import InputError
from evalcli.sources.labels import NUMBER

if TYPE_CHECKING:
    from collections.abc import Collection

_MARKED = re.compile(
    r"([^\w.,+−-]*)[+−-]?([^\w.,+−-]*)([0-9]+(?:\.[0-9]+)?|[0-9]+(?:[.,][0-9]+)*,[0-9]+(?:\.[0-9]+)?)(\D{0,4})"
)
"""Numbers with a decimal comma, with marks between thousands, or with a currency, a percent sign or a unit."""
_LONGEST = 64
"""Characters of a number."""
_NESTED = re.compile(r"""\[\s*(?:['"0-9.+\-\[{].*)?\]|\{\s*['"].*\}""", re.DOTALL)
"""Lists and objects as Python, NumPy and JSON print them; ``[PAD]`` and ``{a}`` are names."""
_AS_CLASSES = "--task multiclass takes the texts for classes"


def refuse_foreign(preds: Collection[str], target: Collection[str], path: str) -> None:
    """Refuse texts of both sides that are numbers with other marks, and those that print a list or an object.

    Raises:
        InputError: so they are; numbers may be names where the target has every prediction.

    """
    for texts in (preds, target):
        if texts and all(map(_NESTED.fullmatch, texts)):
            what = f"texts such as {min(texts)[:60]!r} print a list or an object, and would be classes"
            fix = f"save it as JSON lines or Parquet, where lists are lists; {_AS_CLASSES}"
            raise InputError(what, fix=fix, path=path)
    if {*preds} <= {*target}:
        return
    every = sorted({*preds, *target})
    found = [_MARKED.fullmatch(text.strip()) if len(text) < _LONGEST else None for text in every]
    marks = {(one[1] + one[2], one[4]) if one else None for one in found} - {("", "")}
    fractions = any(one is not None and not one[3].isdecimal() for one in found)
    odd = next((text for text in every if not NUMBER.fullmatch(text.strip())), None)
    if odd is not None and fractions and None not in marks and len(marks) < 2:
        what = f"numbers with other marks than a decimal point, such as {odd!r}, would be classes"
        raise InputError(what, fix=f"write digits and a decimal point alone; {_AS_CLASSES}", path=path)
