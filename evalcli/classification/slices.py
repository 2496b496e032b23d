"""Slices: the same states once more for each value of a column, filled in the same pass.

Rows are brought together by slice, so that every state takes a run of them at once. Counts of few classes are added for
all slices in one go.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.classification.scoring import take_runs
from evalcli.metrics.arrays import asnumpy, count_cells, namespace
from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.labels import out_of_range
from evalcli.slicepasses import share_of, within
from evalcli.slicerows import apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalcli.classification.labels import Labels
    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.sources.base import Array, Slicer

TABLE_CELLS = 1 << 20
"""Cells that the tables of all slices may have for their rows to be counted in one go."""
_CHUNK = 1 << 16
"""Rows whose cells stay in the cache; no fewer, for each chunk is added to the whole table."""


class Slice(NamedTuple):
    """What one value has gathered."""

    confusion: ConfusionCounts
    scores: ScoreStates | None


class SliceStates:
    """One slicer's slices, by code; a slice without a row is not there."""

    def __init__(self, slicer: Slicer, classes: int | None, scoring: Scoring | None, *, weighted: bool) -> None:
        self.slicer, self.size = slicer, len(slicer.values)
        self.classes, self.weighted = classes, weighted
        self.scoring = scoring
        if scoring is not None:
            self.scoring = scoring.inside(share_of(scoring.budget, slicer))
        self._slices: dict[int, Slice] = {}
        self._table: Any = None if weighted or not self._fits(classes or 1) else self._empty(classes or 1)
        self._there: Any = None
        """What a device has counted into such a table, with one more cell for rows in no slice, or its weights."""

    @property
    def fits_device(self) -> bool:
        """Whether a device can count labels here, since all classes are known and few."""
        if not self.weighted or self.classes is None:
            return self.classes is not None and self._table is not None
        from evalcli.ondevice.pairs import PairsThere

        return PairsThere.suits(self.classes, self.size)

    def count_there(self, labels: Labels, codes: Array) -> None:
        """Count labels of a device, which are classes, by their codes (N,) there; nobody waits for it."""
        if self.weighted:
            self._weigh_there(labels, codes)
            return
        classes, size = self._table.shape[1], self._table.size
        cells = (codes * classes + labels.target.long()) * (classes + 1) + (labels.preds.long() + 1)
        counted = count_cells(namespace(cells).where(codes < 0, size, cells), size + 1)
        self._there = counted if self._there is None else self._there + counted

    def _weigh_there(self, labels: Labels, codes: Array) -> None:
        from evalcli.ondevice.pairs import PairsThere

        if self._there is None:
            assert self.classes is not None
            self._there = PairsThere(self.classes, labels.preds.device, self.size)
        self._there.take(labels, codes)

    def _take_over(self) -> None:
        """What a device has counted, to the table, or to each slice."""
        there, self._there = self._there, None
        if there is not None and self.weighted:
            there.settle(lambda code: self._at(code).confusion)
        elif there is not None:
            self._table += asnumpy(there)[:-1].reshape(self._table.shape)

    def states_of(self, code: int) -> ScoreStates:
        """The states of scores of a slice that has rows."""
        held = self._at(code).scores
        assert held is not None
        return held

    def _fits(self, classes: int) -> bool:
        return self.size * classes * (classes + 1) <= TABLE_CELLS

    def _empty(self, classes: int) -> Any:
        """A table of no rows: slice, target, prediction (of which the first is none)."""
        return np.zeros((self.size, classes, classes + 1), np.int64)

    def update(self, labels: Labels, codes: Array) -> Labels | None:
        """Count labels by the slice that each row is in, (N,) from 0, −1 for none.

        The same labels in a row for each pair that occurs, where all were counted so: whoever counts them again need
        not look at each.
        """
        inside = codes >= 0
        if not (every := bool(inside.all())):
            held = np.flatnonzero(inside)
            labels, codes = labels.pick(held), codes[held]
        if not len(codes):
            return None
        counted = self._count_all(labels, codes)
        if counted is None:
            for code, part in apart(labels, codes):
                self._at(code).confusion.update(part.preds, part.target, part.weight, part.repeats)
        return None if counted is None or not every else _in_pairs(labels, counted.sum(axis=0))

    def score(self, runs: Iterable[tuple[int, Labels]], whole: ScoreStates | None) -> None:
        """Take in the scores of rows by slice, −1 for those in none; and all of them in ``whole``."""
        take_runs(runs, lambda code: None if code < 0 else self._at(code).scores, whole)

    def _count_all(self, labels: Labels, codes: Array) -> HostArray | None:
        """Add rows, each in a slice, to the table at once, and what was added; ``None`` where it cannot take them."""
        if self._table is None:
            return None
        preds, target = labels.preds, labels.target
        classes = self._table.shape[1]
        if self.classes is None:
            classes = max(classes, int(preds.max()) + 1, int(target.max()) + 1)
        if out_of_range(preds, target, classes) or not self._grow(classes):
            return None
        counted = np.zeros(self._table.size, np.int64)
        for start in range(0, len(codes), _CHUNK):
            part = slice(start, start + _CHUNK)
            cells = codes[part] * classes
            cells += target[part]
            cells *= classes + 1
            cells += preds[part]
            cells += 1
            counted += count_cells(cells, len(counted), None if labels.repeats is None else labels.repeats[part])
        table: HostArray = counted.reshape(self._table.shape)
        self._table += table
        return table

    def _grow(self, classes: int) -> bool:
        """Make room for open classes; beyond what a table may hold every slice counts for itself."""
        if self._table is None or classes <= (held := self._table.shape[1]):
            return self._table is not None
        if not self._fits(classes):
            self._settle()
            return False
        grown = self._empty(classes)
        grown[:, :held, : held + 1] = self._table
        self._table = grown
        return True

    def _settle(self) -> None:
        """What the table holds, to each slice."""
        self._take_over()
        table, self._table = self._table, None
        for code in [] if table is None else np.flatnonzero(table.any(axis=(1, 2))).tolist():
            target, column = np.nonzero(table[code])
            self._at(code).confusion.update(column - 1, target, repeats=table[code][target, column])

    def _at(self, code: int) -> Slice:
        if code not in self._slices:
            scores = None if self.scoring is None else self.scoring.fresh()
            self._slices[code] = Slice(ConfusionCounts(self.classes, weighted=self.weighted), scores)
        return self._slices[code]

    def merge(self, other: Self) -> None:
        """Take in what another worker has counted."""
        self._take_over()
        other._take_over()
        if self._table is None or other._table is None or not self._grow(other._table.shape[1]):
            self._settle()
            other._settle()
        else:
            held = other._table.shape[1]
            self._table[:, :held, : held + 1] += other._table
        for code, theirs in other._slices.items():
            mine = self._at(code)
            mine.confusion.merge(theirs.confusion)
            if mine.scores is not None and theirs.scores is not None:
                mine.scores.merge(within(theirs.scores, mine.scores.scoring))

    def columns(self) -> Iterator[KeyColumn]:
        """Where keys of scores wait to be sorted."""
        for here in self._slices.values():
            if here.scores is not None:
                yield from here.scores.columns()

    def state_dict(self) -> dict[str, Array]:
        """The states of every slice that has rows, as ``code.confusion.…`` and ``code.scores.…``."""
        found: dict[str, Array] = {}
        for code, here in self.slices().items():
            found |= {f"{code}.confusion.{name}": array for name, array in here.confusion.state_dict().items()}
            if here.scores is not None:
                found |= {f"{code}.scores.{name}": array for name, array in here.scores.state_dict().items()}
        return found

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        parts: dict[str, dict[str, dict[str, Array]]] = {}
        for key, array in state.items():
            code, _, rest = key.partition(".")
            part, _, name = rest.partition(".")
            if part not in {"confusion", "scores"}:
                raise ValueError(f"a slice has no state {key!r}")
            parts.setdefault(code, {"confusion": {}, "scores": {}})[part][name] = array
        self._table, self._there, self._slices = None, None, {}
        places = {str(code): code for code in range(self.size)}
        for code, saved in parts.items():
            if code not in places:
                raise ValueError(f"there is no slice {code!r}")
            here = self._at(places[code])
            if (here.scores is None) != (not saved["scores"]):
                raise ValueError("there are states of scores on one side only")
            here.confusion.load_state_dict(saved["confusion"])
            if here.scores is not None:
                here.scores.load_state_dict(saved["scores"])

    def agrees(self, rows: int) -> bool:
        """Whether all states of each slice have seen the same rows, in all no more than ``rows``."""
        total = 0
        for confusion, held in self._slices.values():
            counted = {confusion.rows, confusion.rows if confusion.weighted else confusion.total()}
            if held is not None:
                counted |= held.rows()
            if len(counted) > 1 or confusion.rows < 1:
                return False
            total += confusion.rows
        return total <= rows

    def under(self, other: SliceStates, recoded: Callable[[ConfusionCounts], ConfusionCounts]) -> SliceStates:
        """The same slices by their places among the values of ``other``, with the classes that ``recoded`` gives.

        Raises: ``ValueError`` where ``other`` lacks a value.
        """
        place = {value: code for code, value in enumerate(other.slicer.values)}
        if not {*self.slicer.values} <= {*place}:
            raise ValueError("slices that the others do not have")
        found = copy.copy(other)
        found._table = found._there = None
        found._slices = {
            place[self.slicer.values[code]]: Slice(recoded(here.confusion), here.scores)
            for code, here in self.slices().items()
        }
        return found

    def slices(self) -> dict[int, Slice]:
        """Every slice that has rows, by code."""
        self._settle()
        return dict(sorted(self._slices.items()))


def _in_pairs(labels: Labels, counts: HostArray) -> Labels:
    """Labels with these ``counts`` (C, C + 1) of target and prediction, of which the first is none."""
    target, column = np.nonzero(counts)
    return labels._replace(preds=column - 1, target=target, repeats=counts[target, column])
