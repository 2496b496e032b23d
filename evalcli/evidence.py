"""What the whole input shows about itself, gathered while it is counted.

Evidence only grows, and merges in any order to the same value. So a decision that is a function of the evidence of
the *whole* input cannot depend on the batch size, the number of workers or the order of the batches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evalcli.sources.base import Array

EDGE = 1e-6
"""How far float32 arithmetic carries a probability out of [0, 1]."""

SHOWN = 3
"""How many offending rows an error names."""


def in_unit(low: float, high: float) -> bool:
    """Whether ``low`` to ``high`` is in [0, 1], but for what rounding adds: a mean of them may be 1.0000001."""
    return low >= -EDGE and high <= 1 + EDGE


@dataclass(slots=True)
class Fault:
    """Rows that cannot be counted: how many, and the first few with their values, by row number."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    numbered: bool = True
    """Whether rows have numbers of their own; rows that were counted together do not, and are told by value."""

    def merge(self, other: Fault) -> None:
        """Add the rows of ``other``."""
        self.count += other.count
        self.numbered = self.numbered and other.numbered
        first = sorted(self.first + other.first)
        if not self.numbered:  # each value once, where it comes first
            first = [(row, value) for i, (row, value) in enumerate(first) if value not in {v for _, v in first[:i]}]
        self.first = first[:SHOWN]

    def named(self, place_of: Callable[[int], str] = "row {}".format, labels: tuple[str, ...] | None = None) -> str:
        """The first rows in words, where ``place_of`` says; codes of text by their text."""
        shown = []
        for row, value in self.first:
            text = repr(labels[int(value)]) if labels is not None else value
            place = place_of(row) if self.numbered else ""
            shown.append(": ".join(filter(None, (place, text))))
        more = self.count > len(self.first) if self.numbered else len(self.first) == SHOWN
        return ", ".join(dict.fromkeys(shown)) + (", …" if more else "")  # elements of one row may be alike


def _faults_from(text: bytes) -> dict[str, Fault]:
    """The faults of saved evidence; ``ValueError`` for what is none."""
    found = json.loads(text) if text else {}
    try:
        return {
            str(code): Fault(int(count), [(int(row), str(value)) for row, value in first[:SHOWN]], bool(numbered))
            for code, (count, numbered, first) in found.items()
        }
    except (AttributeError, TypeError) as e:
        raise ValueError("the saved evidence has no list of faults") from e


@dataclass(slots=True)
class Evidence:
    """Ranges, whole-number checks and faults over all rows that count (ignored rows leave no trace but their number).

    ``pred_low`` and ``pred_high`` span the finite and infinite prediction values, ``off_rows`` counts rows of score
    columns that lie in [0, 1] but do not sum to 1 (``off_worst`` is the largest deviation, ``off_row`` its first row).
    """

    rows: int = 0
    ignored: int = 0
    dropped: int = 0
    pred_low: float = inf
    pred_high: float = -inf
    pred_whole: bool = True
    target_low: float = inf
    target_high: float = -inf
    off_rows: int = 0
    off_worst: float = 0.0
    off_row: int = -1
    tied: int = 0
    fractions: bool = False
    """Whether a target is a finite number that is not whole."""
    fractional: int = 0
    """How many of them, where values are counted."""
    multi_hot: bool = False
    """Whether a row of 0 and 1 in a table of targets holds no 1, or several, or a cell that is to be left out."""
    ignored_cells: int = 0
    """Cells left out of rows that count."""
    names_ignored: bool = False
    """Whether a prediction is the very label whose targets are left out."""
    unclear: int = 0
    """Rows that a device has counted without looking what is wrong with them: none, once all were counted with care."""
    faults: dict[str, Fault] = field(default_factory=dict)

    def merge(self, other: Evidence) -> None:
        """Take in what ``other`` has seen."""
        self.rows += other.rows
        self.ignored += other.ignored
        self.dropped += other.dropped
        self.note_preds(other.pred_low, other.pred_high)
        self.pred_whole = self.pred_whole and other.pred_whole
        self.note_target(other.target_low, other.target_high)
        self.off_rows += other.off_rows
        self.note_off(other.off_worst, other.off_row)
        self.tied += other.tied
        self.fractions = self.fractions or other.fractions
        self.fractional += other.fractional
        self.multi_hot = self.multi_hot or other.multi_hot
        self.ignored_cells += other.ignored_cells
        self.names_ignored = self.names_ignored or other.names_ignored
        self.unclear += other.unclear
        for code, fault in other.faults.items():
            self.faults.setdefault(code, Fault()).merge(fault)

    def with_(self, other: Evidence) -> Evidence:
        """Both together, as a value of its own: good for deciding, not for counting."""
        both = replace(self, faults={})
        both.merge(replace(other, faults={}))
        return both

    def state_dict(self) -> dict[str, Array]:
        """Everything but what is unclear as arrays, ready to be saved; the faults as JSON text."""
        state = {
            one.name: np.array(getattr(self, one.name), np.array(one.default).dtype)
            for one in fields(self)
            if one.name not in {"faults", "unclear"}
        }
        faults = {code: [fault.count, fault.numbered, fault.first] for code, fault in sorted(self.faults.items())}
        state["faults"] = np.frombuffer(json.dumps(faults).encode() if faults else b"", np.uint8)
        return state

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        blank = Evidence().state_dict()
        for name, default in blank.items():
            array = state.get(name)
            if array is None or array.dtype != default.dtype or array.ndim != default.ndim:
                raise ValueError(f"the saved evidence lacks {name!r}")
            if name != "faults":
                setattr(self, name, array.item())
        counts = [self.rows, self.ignored, self.dropped, self.off_rows, self.tied, self.off_row + 1]
        counts += [self.fractional, self.ignored_cells]
        spans = (self.pred_low, self.pred_high, self.target_low, self.target_high, self.off_worst)
        if min(counts) < 0 or any(number != number for number in spans):  # noqa: PLR0124  NaN
            raise ValueError("the saved evidence counts less than nothing")
        self.faults = _faults_from(bytes(state["faults"]))

    def signs(self) -> tuple[object, ...]:
        """The part of the evidence that a decision can turn on, cheap to compare."""
        return (
            self.within,
            self.pred_whole,
            self.target_high > 1,
            self.off_rows > 0,
            self.pred_high > 1,
            self.pred_low < -EDGE,
            self.fractions,
            self.multi_hot,
            self.names_ignored,
        )

    @property
    def within(self) -> bool:
        """Whether all predictions lie in [0, 1], but for what rounding adds."""
        return in_unit(self.pred_low, self.pred_high)

    @property
    def doubtful(self) -> bool:
        """Whether scores are no probabilities, and yet none is below 0, as one of many logits would be."""
        return self.pred_low >= -EDGE and self.pred_high > 1 + EDGE

    def note_off(self, worst: float, row: int) -> None:
        """Keep the largest deviation of a row sum from 1, the first row among equals."""
        if row >= 0 and (
            worst > self.off_worst or (worst == self.off_worst and row < self.off_row) or self.off_row < 0
        ):
            self.off_worst, self.off_row = worst, row

    def note_preds(self, low: float, high: float) -> None:
        """Widen the range of prediction values."""
        self.pred_low, self.pred_high = min(self.pred_low, low), max(self.pred_high, high)

    def note_target(self, low: float, high: float) -> None:
        """Widen the range of target values."""
        self.target_low, self.target_high = min(self.target_low, low), max(self.target_high, high)

    def fault(self, code: str, rows: np.ndarray[tuple[int], np.dtype[np.int64]], values: Array | None = None) -> None:
        """Record that ``rows`` (ascending row numbers) are at fault, with their ``values`` if they help."""
        if rows.size:
            shown = ["" if values is None else str(values[i]) for i in range(min(SHOWN, rows.size))]
            first = [(int(row), value) for row, value in zip(rows[:SHOWN], shown, strict=False)]
            self.faults.setdefault(code, Fault()).merge(Fault(int(rows.size), first))

    def group_fault(self, code: str, rows: Array, values: Array | None, repeats: Array) -> None:
        """Likewise for rows that each stand for ``repeats`` rows of the input; ``rows`` only say what comes first."""
        if rows.size:
            place = [0] if values is None else np.unique(values, return_index=True)[1].tolist()
            first = sorted((int(rows[i]), "" if values is None else str(values[i])) for i in place)
            found = Fault(int(repeats.sum()), first[:SHOWN], numbered=False)
            self.faults.setdefault(code, Fault(numbered=False)).merge(found)
