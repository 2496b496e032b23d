"""What adds up of scores, gathered on a device: each part is what one state of the host takes over.

A part may be of many groups of rows, side by side: then it is what the states of all of them take over, each its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from evalcli.metrics.arrays import asnumpy, count_cells, to_device
from evalcli.metrics.calibration import GRID, CalibrationBins, ClasswiseBins
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.sizes import SIZES
from evalcli.metrics.topk import RankHistogram
from evalcli.ondevice.sums import SumsThere

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.metrics.probability import ScoreForm
    from evalcli.ondevice.rows import RowsThere

MOST_CELLS = 1 << 24
"""Numbers that all slices may take, or the weights of all pairs of labels: 128 MB."""


class Part(Protocol):
    """What is gathered for the states of all groups; what is not of a group is of one."""

    def take(self, rows: RowsThere) -> None:
        """Take in rows that were looked at."""

    def merge(self, other: Self) -> None:
        """Take in what another has gathered."""

    def settle(self, states: Sequence[Any]) -> None:
        """Let each group's state take its own over, ``None`` where the group has no rows; nothing is left."""


class CountsThere:
    """Whole numbers by cell, ``cells`` of each group, and one more for what is not to be counted."""

    def __init__(self, cells: int, device: Any, groups: int = 1) -> None:
        self.cells, self.groups = cells, groups
        self.held = torch.zeros(groups * cells + 1, dtype=torch.int64, device=device)

    def add(self, cells: Array, rows: RowsThere) -> None:
        """Count ``cells`` (…, n) of ``rows``."""
        cells = rows.only(rows.apart(cells, self.cells), len(self.held) - 1)
        self.held += count_cells(cells.reshape(-1), len(self.held))

    def add_where(self, mask: Array, rows: RowsThere) -> None:
        """Count at the one cell of each group the ``rows`` that ``mask`` (n,) marks."""
        if rows.group is None:
            self.held[0] += rows.only(mask).sum()
        else:
            self.add(torch.where(mask, 0, self.groups - rows.group), rows)  # the last cell is nobody's

    def merge(self, other: Self) -> None:
        """Take in what another has counted."""
        self.held += other.held

    def taken(self) -> HostArray:
        """What was counted of each group (G, cells); nothing is left."""
        found: HostArray = asnumpy(self.held[:-1]).reshape(self.groups, self.cells).copy()
        self.held.zero_()
        return found

    def into_each(self, states: Sequence[Any], name: str) -> None:
        """Add what was counted of each group to the array ``name`` of its state, if any; nothing is left."""
        for state, counts in zip(states, self.taken(), strict=True):
            if state is not None:
                setattr(state, name, getattr(state, name) + counts)


class WeightsThere:
    """The same of the weights of rows, which are added exactly."""

    def __init__(self, cells: int, device: Any, groups: int = 1) -> None:
        self.cells, self.sums = cells, SumsThere(groups * cells, device)

    def add(self, cells: Array, rows: RowsThere) -> None:
        """Add the weights of ``rows`` at ``cells`` (…, n)."""
        assert rows.weight is not None
        place = rows.only(rows.apart(cells, self.cells))
        self.sums.add(rows.only(rows.weight).expand(place.shape).reshape(-1), place.reshape(-1))

    def add_where(self, mask: Array, rows: RowsThere) -> None:
        """Add at the one cell of each group the weights of the ``rows`` that ``mask`` (n,) marks."""
        assert rows.weight is not None
        self.sums.add(rows.only(rows.weight.masked_fill(~mask, 0)), rows.place)

    def merge(self, other: Self) -> None:
        """Take in what another has added."""
        self.sums.merge(other.sums)

    def into_each(self, states: Sequence[Any], name: str) -> None:
        """Let the exact sums ``name`` of each group's state, if any, take its own over; nothing is left."""
        self.sums.into_each([None if state is None else getattr(state, name) for state in states])


def _amounts(state: Any, cells: int, device: Any, groups: int) -> Any:
    """What such a state has of rows: their number, or their weights."""
    return (WeightsThere if state.weighted else CountsThere)(cells, device, groups)


class _Losses:
    """Of ``LogLoss`` and of ``Brier``: the sum, sizes, and how many were infinite or clipped."""

    def __init__(self, state: LogLoss | Brier, device: Any, groups: int = 1) -> None:
        self.is_log = isinstance(state, LogLoss)
        self.total, self.sizes = SumsThere(groups, device), CountsThere(SIZES, device, groups)
        self.told = [CountsThere(1, device, groups) for _ in range(3 * self.is_log)]
        self.weights = WeightsThere(1, device, groups) if state.weighted else None

    def take(self, rows: RowsThere) -> None:
        loss, heavy = rows.brier, rows.heavy
        if self.is_log:
            infinite = torch.isinf(rows.loss) | torch.isinf(rows.weighed(rows.loss))
            loss = torch.where(infinite, 0.0, rows.loss)
            self.told[0].add_where(infinite, heavy)
            if rows.clipped is not None:
                self.told[1].add_where(rows.clipped < 0, rows)
                self.told[2].add_where(rows.clipped > 0, rows)
        self.total.add(rows.only(rows.weighed(loss)), rows.place)
        self.sizes.add((loss.clamp(min=0.0).float().view(torch.int32) >> 16).long(), heavy)
        if self.weights is not None:
            self.weights.add(torch.zeros_like(rows.target), rows)

    def merge(self, other: Self) -> None:
        self.total.merge(other.total)
        self.sizes.merge(other.sizes)
        for mine, theirs in zip(self.told, other.told, strict=True):
            mine.merge(theirs)
        if self.weights is not None and other.weights is not None:
            self.weights.merge(other.weights)

    def settle(self, states: Sequence[Any]) -> None:
        if self.weights is not None:
            self.weights.into_each(states, "weights")
        self.total.into_each([None if state is None else state.total for state in states])
        sizes, told = self.sizes.taken(), [one.taken()[:, 0].tolist() for one in self.told]
        for number, state in enumerate(states):
            if state is None:
                continue
            state.sizes.take_counts(sizes[number])
            if self.is_log:
                state.infinite += told[0][number]
                state.clipped += told[1][number]
                state.capped += told[2][number]


class _Bins:
    """Of ``CalibrationBins``."""

    def __init__(self, state: CalibrationBins, device: Any, groups: int = 1) -> None:
        self.state = state
        self.edges = to_device(state.edges, device)
        self.counts = _amounts(state, 2 * state.bins, device, groups)
        self.confidence = SumsThere(groups * state.bins, device)

    def take(self, rows: RowsThere) -> None:
        values, right = rows.confidence, rows.right
        if self.state.of == "positive":
            assert rows.positive is not None
            values, right = rows.positive, rows.target == 1
        places = bin_places(stored(values, self.state.form), self.edges)
        self.counts.add(2 * places + right, rows)
        self.confidence.add(rows.only(rows.weighed(values)), rows.only(rows.apart(places, self.state.bins)))

    def merge(self, other: Self) -> None:
        self.counts.merge(other.counts)
        self.confidence.merge(other.confidence)

    def settle(self, states: Sequence[Any]) -> None:
        self.confidence.into_each([None if state is None else state.confidence for state in states])
        self.counts.into_each(states, "counts")


class _Classwise:
    """Of ``ClasswiseBins``."""

    def __init__(self, state: ClasswiseBins, device: Any, groups: int = 1) -> None:
        self.bins, self.cells = state.bins, state.form.classes * state.bins
        self.edges = to_device(state.edges, device)
        self.counts, self.right = (_amounts(state, self.cells, device, groups) for _ in range(2))
        self.confidence = SumsThere(groups * self.cells, device)

    def take(self, rows: RowsThere) -> None:
        assert rows.probs is not None
        probs = (rows.probs * GRID).round_().div_(GRID)
        cells = bin_places(probs, self.edges)
        cells += torch.arange(len(probs), device=probs.device)[:, None] * self.bins
        self.right.add(cells.gather(0, rows.target[None])[0], rows)
        self.counts.add(cells, rows)
        places = rows.only(rows.apart(cells, self.cells))
        self.confidence.add(rows.only(rows.weighed(probs)).reshape(-1), places.reshape(-1))

    def merge(self, other: Self) -> None:
        self.counts.merge(other.counts)
        self.right.merge(other.right)
        self.confidence.merge(other.confidence)

    def settle(self, states: Sequence[Any]) -> None:
        self.confidence.into_each([None if state is None else state.confidence for state in states])
        self.counts.into_each(states, "counts")
        self.right.into_each(states, "right")


class _Ranks:
    """Of ``RankHistogram``."""

    def __init__(self, state: RankHistogram, device: Any, groups: int = 1) -> None:
        self.counts, self.tied = (_amounts(state, cells, device, groups) for cells in (state.form.classes, 1))

    def take(self, rows: RowsThere) -> None:
        self.counts.add(rows.rank, rows)
        self.tied.add_where(rows.tied, rows)

    def merge(self, other: Self) -> None:
        self.counts.merge(other.counts)
        self.tied.merge(other.tied)

    def settle(self, states: Sequence[Any]) -> None:
        self.counts.into_each(states, "histogram")
        self.tied.into_each(states, "tied")


PARTS: dict[type, Callable[..., Part]] = {
    LogLoss: _Losses,
    Brier: _Losses,
    CalibrationBins: _Bins,
    ClasswiseBins: _Classwise,
    RankHistogram: _Ranks,
}


def stored(values: Array, form: ScoreForm) -> Array:
    """``1 − p`` of a stored ``p``, on the grid of stored numbers from ½ to 1."""
    if not form.binary or form.kind == "logits" or form.eps <= 2.0**-52:
        return values
    grid = form.eps / 2  # a power of 2
    return torch.where(values < 0.5, values, (values / grid).round() * grid)


def bin_places(values: Array, edges: Array) -> Array:
    """The bin of each of ``values`` (…): the number of the edges below it, less one."""
    return torch.bucketize(values, edges[1:-1])
