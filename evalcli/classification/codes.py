"""From texts and declared names to class indices: the tables that connect the two sides of an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.classification.prepare import Codes, Prepare
from evalcli.errors import InputError
from evalcli.metrics.arrays import column_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.layout import Layout
    from evalcli.sources.base import Field, Source
    from evalcli.task import Choices

LARGEST_VALUE = 2**24
"""Declared class numbers are looked up in a table of this length at most."""


def make_prepare(
    layout: Layout, choices: Choices, source: Source, names: Sequence[str], device: str | None = None
) -> Prepare:
    """How the batches of ``source`` become class indices of ``names``; tables for text are made here, once.

    Raises:
        InputError: when one side holds text and the other numbers, and nothing says which is which.

    """
    preds, target = source.preds, source.target
    fixed = choices.labels is not None or layout.width is not None
    text = preds.labels is not None or target.labels is not None
    classes = len(names) if fixed or text else None
    declared = choices.labels is not None
    beside = preds if layout.preds == "labels" else None
    target_codes = _codes(target, names, declared or _is_named(preds), beside)
    if layout.target == "one-hot":
        target_codes = _places(names) if _is_named(preds) and target.columns is None else None
        if target.columns is not None and {*target.columns} == {*names}:
            target_codes = Codes(0, np.array([names.index(name) for name in target.columns], np.int64))
    pred_codes = _codes(preds, names, declared, target) if layout.preds == "labels" else None
    order = column_order(preds.columns, names) if layout.preds == "columns" else None
    return Prepare(layout, choices, preds, target, classes, target_codes, pred_codes, order, device)


def _is_named(preds: Field) -> bool:
    """Whether score columns say which class they are of: ``p_3`` is of the class 3 wherever it stands."""
    return preds.columns is not None


def _places(names: Sequence[str]) -> Codes | None:
    """The place in a one-hot row is the place of the class, unless the classes are named 0, 1, … in another order."""
    numbers = [int(name) for name in names if _is_number(name)]
    return _by_value(numbers) if sorted(numbers) == list(range(len(names))) else None


def _codes(side: Field, names: Sequence[str], declared: bool, other: Field | None) -> Codes | None:
    """The table from what ``side`` holds to class indices; ``None`` where it holds them already.

    ``declared``: the names were given, not read off the labels, so that numbers are found among them or count them.
    """
    if side.labels is not None:
        if tuple(side.labels) == tuple(names):
            return None
        index = {name: i for i, name in enumerate(names)}
        return Codes(0, np.array([index.get(label, -1) for label in side.labels] or [-1], np.int64))
    beside_text = other is not None and other.labels is not None
    if not (beside_text or declared):
        return None
    if all(_is_number(name) for name in names):
        return _by_value([int(name) for name in names])
    if not declared:
        assert other is not None
        message = f"{side.path} holds numbers, {other.path} text such as {names[0]!r}"
        raise InputError(message, fix="name the classes in the order of their numbers: --labels a,b,c")
    return None


def _is_number(name: str) -> bool:
    """Whether a name is a whole number as a file of numbers would give it back: ``-1``, but not ``007``."""
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < 19 and name == str(int(name))


def _by_value(values: list[int]) -> Codes | None:
    """Classes that are whole numbers are found by value, not by place."""
    if not values or values == list(range(len(values))):
        return None
    least, largest = min(values), max(values)
    if max(largest, -least) > LARGEST_VALUE:
        raise InputError(
            f"class number {max(largest, least, key=abs)} is too large",
            fix="number the classes from 0, or save them as text",
        )
    table = np.full(largest - least + 1, -1, np.int64)
    table[np.array(values) - least] = np.arange(len(values))
    return Codes(least, table)
