"""All states of scores of one pass, gathered on a device: each part here is what one state of the host takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import torch

from evalcli.metrics.arrays import asnumpy, count_cells, to_device
from evalcli.metrics.calibration import GRID, CalibrationBins, ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable, tied
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.rank_sample import RankSample
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.scorestate import ProbabilityState
from evalcli.metrics.sizes import SIZES
from evalcli.metrics.temperature import TemperatureSample
from evalcli.metrics.topk import RankHistogram
from evalcli.ondevice.keys import ColumnsThere
from evalcli.ondevice.odds import one_vs_rest_columns
from evalcli.ondevice.ranked import RankedThere
from evalcli.ondevice.rows import look
from evalcli.ondevice.samples import HashedRows, Hashes, SampleThere
from evalcli.ondevice.sums import SumsThere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.base import Metric
    from evalcli.metrics.probability import ScoreForm
    from evalcli.ondevice.keys import Entries
    from evalcli.ondevice.rows import RowsThere

_SCORES = 1 << 24
"""Scores that are looked at at a time, on a device of 80 GB or more; on others in proportion."""
_BYTES = 5 << 10
"""Of a device's memory for each of them: what is made of one takes 80, and eight workers share the rest with others."""


class Part(Protocol):
    """What is gathered for one state."""

    def take(self, rows: RowsThere) -> None:
        """Take in rows that were looked at."""

    def merge(self, other: Self) -> None:
        """Take in what another has gathered."""

    def settle(self) -> None:
        """Let the state take everything over; nothing is left."""


class _Counts:
    """Whole numbers by cell, and one more cell for what is not to be counted."""

    def __init__(self, cells: int, device: Any) -> None:
        self.cells = cells
        self.held = torch.zeros(cells + 1, dtype=torch.int64, device=device)

    def add(self, cells: Array, rows: RowsThere) -> None:
        """Count ``cells`` (…, n) of ``rows``."""
        self.held += count_cells(rows.only(cells, self.cells).reshape(-1), len(self.held))

    def taken(self) -> Any:
        found = asnumpy(self.held[: self.cells]).copy()
        self.held.zero_()
        return found


class _Losses:
    """Of ``LogLoss`` and of ``Brier``: the sum, sizes, and how many were infinite or clipped."""

    def __init__(self, state: LogLoss | Brier, device: Any) -> None:
        self.state = state
        self.total, self.sizes = SumsThere(1, device), _Counts(SIZES, device)
        self.told = torch.zeros(3, dtype=torch.int64, device=device)

    def take(self, rows: RowsThere) -> None:
        loss = rows.brier
        if isinstance(self.state, LogLoss):
            infinite = torch.isinf(rows.loss)
            loss = torch.where(infinite, 0.0, rows.loss)
            self.told[0] += rows.only(infinite).sum()
            if rows.clipped is not None:
                clipped = rows.only(rows.clipped)
                self.told[1] += (clipped < 0).sum()
                self.told[2] += (clipped > 0).sum()
        self.total.add(rows.only(loss))
        self.sizes.add((loss.clamp(min=0.0).float().view(torch.int32) >> 16).long(), rows)

    def merge(self, other: Self) -> None:
        self.total.merge(other.total)
        self.sizes.held += other.sizes.held
        self.told += other.told

    def settle(self) -> None:
        self.total.into(self.state.total)
        self.state.sizes.take_counts(self.sizes.taken())
        told = self.told.tolist()
        self.told.zero_()
        if isinstance(self.state, LogLoss):
            self.state.infinite += told[0]
            self.state.clipped += told[1]
            self.state.capped += told[2]


class _Bins:
    """Of ``CalibrationBins``."""

    def __init__(self, state: CalibrationBins, device: Any) -> None:
        self.state = state
        self.edges = to_device(state.edges, device)
        self.counts, self.confidence = _Counts(2 * state.bins, device), SumsThere(state.bins, device)

    def take(self, rows: RowsThere) -> None:
        values, right = rows.confidence, rows.right
        if self.state.of == "positive":
            assert rows.positive is not None
            values, right = rows.positive, rows.target == 1
        places = _bin_places(_stored(values, self.state.form), self.edges)
        self.counts.add(2 * places + right, rows)
        self.confidence.add(rows.only(values), places)

    def merge(self, other: Self) -> None:
        self.counts.held += other.counts.held
        self.confidence.merge(other.confidence)

    def settle(self) -> None:
        self.state.counts = self.state.counts + self.counts.taken()
        self.confidence.into(self.state.confidence)


class _Classwise:
    """Of ``ClasswiseBins``."""

    def __init__(self, state: ClasswiseBins, device: Any) -> None:
        self.state = state
        self.edges = to_device(state.edges, device)
        cells = state.form.classes * state.bins
        self.counts, self.right = _Counts(cells, device), _Counts(cells, device)
        self.confidence = SumsThere(cells, device)

    def take(self, rows: RowsThere) -> None:
        assert rows.probs is not None
        probs = (rows.probs * GRID).round_().div_(GRID)
        cells = _bin_places(probs, self.edges)
        cells += torch.arange(len(probs), device=probs.device)[:, None] * self.state.bins
        self.right.add(cells.gather(0, rows.target[None])[0], rows)
        self.counts.add(cells, rows)
        self.confidence.add(rows.only(probs).reshape(-1), cells.reshape(-1))

    def merge(self, other: Self) -> None:
        self.counts.held += other.counts.held
        self.right.held += other.right.held
        self.confidence.merge(other.confidence)

    def settle(self) -> None:
        self.state.counts = self.state.counts + self.counts.taken()
        self.state.right = self.state.right + self.right.taken()
        self.confidence.into(self.state.confidence)


class _Ranks:
    """Of ``RankHistogram``."""

    def __init__(self, state: RankHistogram, device: Any) -> None:
        self.state, self.counts, self.tied = state, _Counts(state.form.classes, device), _Counts(1, device)

    def take(self, rows: RowsThere) -> None:
        self.counts.add(rows.rank, rows)
        self.tied.held[0] += rows.only(rows.tied).sum()

    def merge(self, other: Self) -> None:
        self.counts.held += other.counts.held
        self.tied.held += other.tied.held

    def settle(self) -> None:
        self.state.histogram = self.state.histogram + self.counts.taken()
        self.state.tied = self.state.tied + self.tied.taken()


class _Confidences:
    """Of ``ConfidenceTable``: its wrong rows stand on side 1."""

    def __init__(self, state: ConfidenceTable, device: Any) -> None:
        self.state, self.columns = state, ColumnsThere(1, state.bits, device)

    def take(self, rows: RowsThere) -> None:
        form = self.state.form
        ranked = -tied(rows.doubt) if form.kind == "logits" else _stored(rows.confidence, form)
        self.columns.add(ranked[None], ~rows.right, rows.kept)
        if self.columns.is_full:
            self.settle()

    def merge(self, other: Self) -> None:
        self.columns.merge(other.columns)

    def settle(self) -> None:
        self.columns.into([self.state.column], [1])


class _Sample:
    """Of ``TemperatureSample``, whose rows are of a finite loss."""

    def __init__(self, state: TemperatureSample, device: Any) -> None:
        self.state: TemperatureSample = state
        self.sample, self.finite = SampleThere(state.sample, device), _Counts(1, device)

    def take(self, rows: RowsThere, scores: Array, hashes: HashedRows) -> None:
        finite = rows.only(torch.isfinite(rows.loss))
        self.finite.held[0] += finite.sum()
        self.sample.add(hashes, [scores, rows.target], finite.long())

    def merge(self, other: Self) -> None:
        self.sample.merge(other.sample)
        self.finite.held += other.finite.held

    def settle(self) -> None:
        self.sample.settle()
        self.state.finite += int(self.finite.taken()[0])


class _Ranked:
    """Of ``RankSample``."""

    def __init__(self, state: RankSample, device: Any) -> None:
        self.sample = SampleThere(state.sample, device)

    def take(self, scores: Array, target: Array, hashes: HashedRows, kept: Array | None) -> None:
        self.sample.add(hashes, [scores, target], torch.ones_like(target) if kept is None else kept.long())

    def merge(self, other: Self) -> None:
        self.sample.merge(other.sample)

    def settle(self) -> None:
        self.sample.settle()


_PARTS: dict[type, Callable[[Any, Any], Part]] = {
    LogLoss: _Losses,
    Brier: _Losses,
    CalibrationBins: _Bins,
    ClasswiseBins: _Classwise,
    RankHistogram: _Ranks,
    ConfidenceTable: _Confidences,
}


class DeviceScores:
    """What a device has seen of the rows, and ``states``, by their names, have not yet taken over."""

    kinds: ClassVar[frozenset[type]] = frozenset({*_PARTS, TemperatureSample, RankSample, KeyTable})

    def __init__(self, states: Mapping[str, Metric], form: ScoreForm, device: str) -> None:
        self.states, self.form, self.device = states, form, torch.device(device)
        self.rows, self._left_out, self._most = 0, torch.zeros((), dtype=torch.int64, device=self.device), _SCORES
        if self.device.type == "cuda":
            self._most = min(_SCORES, torch.cuda.get_device_properties(self.device).total_memory // _BYTES)
        self._parts: dict[str, Part] = {}
        self._tables: dict[str, ColumnsThere] = {}
        self._sorted: set[str] = set()
        self.ranked: RankedThere | None = None
        """How all rows of the table of ranks rank, where they were sorted here at once."""
        for name, state in states.items():
            if type(state) in _PARTS:
                self._parts[name] = _PARTS[type(state)](state, self.device)
            elif isinstance(state, KeyTable):
                self._tables[name] = ColumnsThere(state.columns, state.bits, self.device)
        held, there = states.values(), self.device
        self._samples = [_Sample(state, there) for state in held if isinstance(state, TemperatureSample)]
        self._ranked = [_Ranked(state, there) for state in held if isinstance(state, RankSample)]
        if self._samples or self._ranked:
            self._hashes = Hashes(1 if form.binary else form.classes, there)
        self._looks = any(isinstance(state, ProbabilityState) for state in states.values())

    @classmethod
    def suits(cls, states: Mapping[str, Metric], device: str) -> bool:
        """Whether all ``states`` can be gathered on ``device``, which must know float64."""
        kept = all(type(state) in cls.kinds and not getattr(state, "weighted", False) for state in states.values())
        return kept and not device.startswith("mps")

    def update(self, scores: Array, target: Array, kept: Array | None = None) -> None:
        """Take in rows that lie there: ``scores`` (n, C), or (n,) of the positive class, and ``target`` (n,) int64.

        ``kept`` (n,) bool: no others count, but their targets are classes, too, and their scores are numbers.
        """
        step = max(1, self._most // (1 if scores.ndim == 1 else scores.shape[1]))
        with torch.inference_mode():
            for start in range(0, len(target), step):
                part = slice(start, start + step)
                self._take(scores[part], target[part], None if kept is None else kept[part])
            if kept is not None:
                self._left_out += (~kept).sum()
        self.rows += len(target)

    def _take(self, scores: Array, target: Array, kept: Array | None) -> None:
        first = self._hashes.first(scores, target) if self._samples or self._ranked else None
        if self._looks:
            rows = look(scores, target, self.form)
            rows.kept = kept
            for part in self._parts.values():
                part.take(rows)
            for sample in self._samples:
                sample.take(rows, scores, HashedRows(first, self._hashes.second(scores, target)))
            del rows
        if not self._tables and not self._ranked:
            return
        columns = scores[None] if scores.ndim == 1 else one_vs_rest_columns(scores, self.form.kind)
        for ranked in self._ranked:
            ranked.take(columns.T, target, HashedRows(first, self._hashes.second(columns.T, target)), kept)
        for name, table in self._tables.items():
            table.add(columns, target, kept)
            if table.is_full:
                self._sort(name)

    def _sort(self, name: str) -> Entries | None:
        table: Any = self.states[name]
        columns = [table.column(number) for number in range(table.columns)]
        positives = [1] if table.columns == 1 else list(range(table.columns))
        self._sorted.add(name)
        return self._tables[name].into(columns, None if table.pairwise else positives)

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered; what its states hold, these take from them."""
        self.rows += other.rows
        self._left_out += other._left_out
        self._sorted |= other._sorted
        for name, part in self._parts.items():
            part.merge(other._parts[name])
        for name, table in self._tables.items():
            table.merge(other._tables[name])
        for sample, more in zip(self._samples, other._samples, strict=True):
            sample.merge(more)
        for ranked, others in zip(self._ranked, other._ranked, strict=True):
            ranked.merge(others)

    def settle(self) -> None:
        """Let the states take everything over; nothing is left here."""
        if not self.rows:
            return
        with torch.inference_mode():
            self.rows -= int(self._left_out)
            self._left_out.zero_()
            for part in self._parts.values():
                part.settle()
            for sample in self._samples:
                sample.settle()
            for ranked in self._ranked:
                ranked.settle()
            for name in self._tables:
                table: Any = self.states[name]
                is_first = not (table.pairwise or table.rows or name in self._sorted)
                if (entries := self._sort(name)) is not None and is_first:
                    self.ranked = RankedThere(entries, self.rows)
        for state in self.states.values():
            state.rows += self.rows  # type: ignore[attr-defined]  # all of these count them
        self.rows = 0


def _stored(values: Array, form: ScoreForm) -> Array:
    """``1 − p`` of a stored ``p``, on the grid of stored numbers from ½ to 1."""
    if not form.binary or form.kind == "logits" or form.eps <= 2.0**-52:
        return values
    grid = form.eps / 2  # a power of 2
    return torch.where(values < 0.5, values, (values / grid).round() * grid)


def _bin_places(values: Array, edges: Array) -> Array:
    """The bin of each of ``values`` (…): the number of the edges below it, less one."""
    return torch.bucketize(values, edges[1:-1])
