"""A second look at rows of several labels: how models differ in each metric, and whether by chance.

With the metrics of all models known, a row's terms on each of them are too (``label_contrasts``). What is a share of
rows or of the cells of one label needs no more than the joint counts of them, and has the exact test of McNemar and the
score interval, as a table of two classes has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.comparing.apart import Apart
from evalcli.comparing.clusters import GroupSums, clusters_at
from evalcli.comparing.differences import CountDifferences
from evalcli.comparing.elements import in_common
from evalcli.comparing.joint import Cells, JointCounts
from evalcli.comparing.label_bins import OfBins
from evalcli.comparing.label_clusters import LabelClusters
from evalcli.comparing.label_contrasts import Contrast, OfLosses, OfRows
from evalcli.comparing.label_curves import OfCurve
from evalcli.comparing.label_flips import LabelFlips
from evalcli.comparing.label_rankings import OfRanks
from evalcli.comparing.label_ratios import HAMMING, OfCells, OverLabels
from evalcli.comparing.label_rows import LEFT_OUT, LOSSES, MEASURES, RowLook
from evalcli.comparing.powers import last_places, unweighted
from evalcli.evidence import Evidence
from evalcli.metrics.entry import OVER_ROWS
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.registry import class_index, parse
from evalcli.uncertainty.rankinfluences import AREAS
from evalcli.uncertainty.slopes import RATIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.label_rows import LabelNumbers
    from evalcli.comparing.labels import LabelsPass
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.rows import Rows
    from evalcli.comparing.sliced import Asking
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence

_RATIO = frozenset({*RATIOS, "f1", "fbeta"})
_BINARY = ("0", "1")


def contrast_of(name: MetricName, pair: tuple[int, int], numbers: tuple[LabelNumbers, LabelNumbers]) -> Contrast | None:
    """What tells of a metric row by row; ``None`` where joint counts do, or nothing does."""
    kind: type[Contrast] | None = None
    if name.average == OVER_ROWS or name.base in MEASURES:
        kind = OfRows
    elif name.base in LOSSES:
        kind = OfLosses
    elif name.entry.state == "KeyTable":
        kind = OfCurve if name.average in {None, "micro"} and name.base not in AREAS else OfRanks
    elif name.base == "ece":
        kind = OfBins
    elif name.base in HAMMING or (name.average == "micro" and name.base in _RATIO):
        kind = OfCells
    elif name.average is not None and name.base in _RATIO:
        kind = OverLabels
    return None if kind is None else kind(name, pair, numbers)


@dataclass(frozen=True, slots=True)
class LabelDifferences:
    """Differences of metrics of several labels, from what was ``counted`` of all models.

    None is compared that is undefined or infinite for one of a pair. ``flips`` are the rows of each kind to name.
    """

    counted: Counted
    numbers: Sequence[LabelNumbers]
    confidence: Confidence
    flips: int

    def of(self, names: Sequence[MetricName], reference: int) -> Asking[Looked]:
        """Every other model less the ``reference``, in every metric that has a test; one pass for all of them."""
        others = [i for i in range(len(self.numbers)) if i != reference]
        contrasts = []
        for other in others:
            pair = reference, other
            known = (name for name in names if self._is_known(name, pair))
            found = (contrast_of(name, pair, (self.numbers[reference], self.numbers[other])) for name in known)
            contrasts += [each for each in found if each is not None]
        total: LabelLook = yield partial(LabelLook.empty, self.counted, self.numbers, reference, contrasts, self.flips)
        parts = total.parts()
        every: dict[int, dict[str, Difference | None]] = {other: dict.fromkeys(map(str, names)) for other in others}
        for each, sums, clustered in zip(contrasts, parts, self._clustered(total, len(contrasts)), strict=True):
            other = each.pair[1]
            every[other][str(each.name)] = each.found(sums, total.pairs[other].joint, self.confidence, clustered)
        for other in others:
            for name in names:
                if contrast_of(name, (0, 0), (self.numbers[0], self.numbers[0])) is None:
                    every[other][str(name)] = self.by_counts(name, total.pairs[other])
        return Looked(every, total)

    def _clustered(self, total: LabelLook, count: int) -> Iterator[Callable[..., Difference] | None]:
        """What makes each of so many differences that of whole clusters."""
        if total.clusters is None:
            yield from [None] * count
            return
        clusters = total.clusters.clusters.paired(self.confidence)
        for moved in total.clusters.moved():
            yield partial(clusters.difference, moved=moved)

    def _is_known(self, name: MetricName, pair: tuple[int, int]) -> bool:
        return self.counted.total.rows > 1 and all(isfinite(float(self.numbers[i].value(name).value)) for i in pair)

    def by_counts(self, name: MetricName, pair: PairCounts) -> Difference | None:
        """The difference in what is a share of rows, or of the cells of one label."""
        if name.base == "subset_accuracy":
            return self._counts(pair, None).of(parse("accuracy"))
        if name.label is None or name.base not in _RATIO:
            return None
        place = class_index(name, None, self.numbers[0].counted.labels)
        return self._counts(pair, place).of(replace(name, label=None))

    def _counts(self, pair: PairCounts, place: int | None) -> CountDifferences:
        """Of a label, or of whole rows, as of two classes."""
        if place not in pair.told:
            cells = pair.rows.cells() if place is None else pair.of_label(place)
            joint = None if pair.clusters is None else pair.clusters.of(place)
            pair.told[place] = CountDifferences(
                cells, self.confidence, positive=1, classes=_BINARY, declared=None, clusters=joint
            )
        return pair.told[place]


class Looked(NamedTuple):
    """The differences of every other model, by metric, and the joint counts behind them."""

    differences: dict[int, dict[str, Difference | None]]
    total: LabelLook


class PairCounts:
    """Cells of every label by what is true and what two models say, and rows by which of them is wholly right."""

    travels = ("clusters", "counts", "_sums", "_squares", "rows")

    def __init__(self, labels: int, *, weighted: bool, clusters: KnownClusters | None = None) -> None:
        self.weighted = weighted
        self.clusters = None if clusters is None else LabelClusters(clusters, labels, weighted=weighted)
        self.counts = np.zeros((labels, LEFT_OUT + 1), np.int64)
        cells = labels * (LEFT_OUT + 1) if weighted else 0
        self._sums, self._squares = ExactSum(cells), ExactSum(cells)
        self.rows = JointCounts(weighted=weighted)
        self.told: dict[int | None, CountDifferences] = {}

    def update(self, look: RowLook, pair: tuple[int, int], groups: HostArray | None = None) -> None:
        """Take in the rows of a batch, in ``groups`` of clusters (n,)."""
        width = LEFT_OUT + 1
        if self.clusters is not None and groups is not None:
            self.clusters.update(look, pair, groups)
        for label, codes in enumerate(look.codes(pair)):
            self.counts[label] += np.bincount(codes, minlength=width)
            if self.weighted and look.weight is not None and len(codes):
                cells = codes.astype(np.int64) + label * width
                self._sums.add(look.weight, cells)
                self._squares.add(look.weight * look.weight, cells)
        first, second = (look.right(place).astype(np.int64) for place in pair)
        self.rows.update(np.ones(look.rows, np.int64), first, second, look.weight)

    def merge(self, other: PairCounts) -> None:
        """Take in what another has counted."""
        self.counts += other.counts
        self._sums.merge(other._sums)
        self._squares.merge(other._squares)
        self.rows.merge(other.rows)
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)

    @cached_property
    def joint(self) -> HostArray:
        """The rows or weights of each label and code (L, 9), once all were seen."""
        return self._of(self._sums)

    def _of(self, sums: ExactSum) -> HostArray:
        if not self.weighted:
            return self.counts.astype(np.float64)
        found: HostArray = sums.value().reshape(self.counts.shape)
        return found

    @cached_property
    def _spread(self) -> HostArray:
        return self._of(self._squares)

    def of_label(self, label: int) -> Cells:
        """The cells of one label as those of two classes."""
        code = np.arange(LEFT_OUT)
        parts = code & 1, code >> 1 & 1, code >> 2 & 1
        held = self.counts[label, :LEFT_OUT] > 0
        amounts = (every[label, :LEFT_OUT][held] for every in (self.counts, self.joint, self._spread))
        return Cells(*(part[held] for part in parts), *amounts)


@dataclass(slots=True)
class LabelLook(Apart):
    """What one worker gathers."""

    travels = ("sums", "pairs", "flips", "clusters")

    counted: LabelsPass
    numbers: Sequence[LabelNumbers]
    reference: int
    contrasts: Sequence[Contrast]
    sums: ExactSum
    pairs: dict[int, PairCounts]
    flips: LabelFlips
    clusters: GroupSums | None

    @classmethod
    def empty(
        cls,
        counted: Counted,
        numbers: Sequence[LabelNumbers],
        reference: int,
        contrasts: Sequence[Contrast],
        flips: int,
    ) -> LabelLook:
        """No rows yet."""
        labels, weighted = len(numbers[0].counted.labels), counted.total.passes[0].plan.source.weighted
        others = [i for i in range(len(numbers)) if i != reference]
        pairs = {other: PairCounts(labels, weighted=weighted, clusters=counted.clusters) for other in others}
        sums = ExactSum(sum(one.cells for one in contrasts))
        clusters = None if counted.clusters is None else GroupSums(counted.clusters, len(contrasts))
        return cls(counted.total, numbers, reference, contrasts, sums, pairs, LabelFlips.of(flips), clusters)

    def add(self, rows: Rows) -> bool:
        """Look at the rows of all models."""
        passes = self.counted.passes
        every = [one.prepare(batch, one.task, Evidence()) for one, batch in zip(passes, rows.batches, strict=True)]
        cells, places = in_common(every)
        if not cells[0].length:
            return True
        look = RowLook(cells, self.numbers)
        groups = None if self.clusters is None else self.clusters.clusters.group_of(clusters_at(rows, places))
        for other, pair in self.pairs.items():
            pair.update(look, (self.reference, other), groups)
        if self.flips.limit:
            self.flips.update(look, rows.batches[0], places)
        start = 0
        with np.errstate(over="ignore", under="ignore"):
            for number, one in enumerate(self.contrasts):
                powers = one.powers(look)
                self.sums.add_rows(powers, start + self._places(one))
                start += one.cells
                if self.clusters is not None and groups is not None:
                    self.clusters.update(number, one.moves(look, powers), groups)
        return True

    def merge(self, other: LabelLook) -> None:
        """Take in what another worker has gathered."""
        self.sums.merge(other.sums)
        for place, pair in self.pairs.items():
            pair.merge(other.pairs[place])
        self.flips.merge(other.flips)
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)

    def parts(self) -> list[Sequence[float]]:
        """The sums of every contrast."""
        left = iter(self.sums.value().tolist())
        every = [tuple(islice(left, one.cells)) for one in self.contrasts]
        if self._weighted:
            return [*every]
        return [unweighted(sums, one.sets) for one, sums in zip(self.contrasts, every, strict=True)]

    def _places(self, one: Contrast) -> HostArray:
        """Which of its sums rows add to."""
        return np.arange(one.cells) if self._weighted else last_places(one.cells, one.sets)

    @property
    def _weighted(self) -> bool:
        return self.counted.passes[0].plan.source.weighted
