"""From joint counts to differences: each metric's interval and p-value, Holm over all of them, and the verdict.

The share correct has the exact test of McNemar and Tango's interval. Composites have the paired count bootstrap of the
joint table where every class has enough rows right and wrong to draw from, else the score interval; their p-value is
that of swapped predictions, McNemar's toss of a coin for any metric. In a table too large for draws it is the level at
which the interval would end at 0, by the normal distribution. A difference is shown where its p-value, adjusted
for the number of metrics, is below the level and its interval leaves out 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalcli.comparing.data import Difference
from evalcli.metrics.threads import each
from evalcli.uncertainty import comparison
from evalcli.uncertainty.cells import JointCells
from evalcli.uncertainty.quantiles import two_sided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.comparing.clusters import PairClusters
    from evalcli.comparing.defined import Compared
    from evalcli.comparing.joint import Cells
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.pairedclusters import ClusteredCounts

SHARES = frozenset({"accuracy", "error_rate"})
ENOUGH = 10.0
"""Rows of a class, right ones and wrong ones each, that a bootstrap has to draw from."""
MOST_DRAWS = 1 << 24
"""Beyond so many draws (resamples times cells) nothing is drawn."""


class CountDifferences:
    """Differences of metrics of counts: the second model of joint cells less the first; ``swapped``, the reverse.

    Whichever model is the first, it is the same rows that are drawn, so that the one difference is the other's mirror
    image. As many ``sharers``, the slices of a comparison, share the draws that a table may have.
    """

    def __init__(
        self,
        cells: Cells,
        confidence: Confidence,
        *,
        swapped: bool = False,
        positive: int | None,
        classes: Sequence[str],
        declared: int | None,
        clusters: PairClusters | None = None,
        sharers: int = 1,
    ) -> None:
        ours, theirs = (cells.first, cells.second) if swapped else (cells.second, cells.first)
        self.cells = JointCells.of(cells.target, ours, theirs, cells.amounts, cells.squares)
        self._turn = self.cells.turn
        if self._turn < 0:
            self.cells, swapped = self.cells.turned, not swapped
        self._classes = classes
        self._confidence = confidence
        self._few = len(self.cells.amounts) * confidence.resamples * sharers <= MOST_DRAWS
        if not self._few:
            confidence = replace(confidence, resamples=1)  # nothing reads what is drawn
        methods: tuple[Literal["score", "bootstrap"], ...] = ("score", "bootstrap")
        self._score: comparison.PairedCounts | ClusteredCounts
        self._score, self._bootstrap = (
            comparison.PairedCounts(
                self.cells, confidence, positive=positive, classes=classes, declared=declared, method=method
            )
            for method in methods
        )
        self._ample = self._few and clusters is None and self._is_ample()
        if clusters is not None:
            from evalcli.uncertainty.pairedclusters import ClusteredCounts

            joint = clusters.joint(self.cells, confidence, swapped=swapped)
            self._score = ClusteredCounts(self.cells, joint, positive=positive, classes=classes, declared=declared)
        self._clustered = clusters is not None

    def _is_ample(self) -> bool:
        """Whether every class has enough rows right and wrong, by either model, counted as rows of equal weight."""
        for side in self.cells.sides:
            margins = side.margins
            weight = float(side.spread.n) / side.n if side.n > 0 else 1.0
            wrong = margins.support + margins.predicted - 2.0 * margins.tp
            if not (np.minimum(margins.tp, wrong) >= ENOUGH * weight).all():
                return False
        return True

    def tell(self, names: Sequence[MetricName], workers: int) -> None:
        """Find out now about these metrics, where draws are needed: score intervals and tosses beside resamples."""
        tested = [name for name in names if name.base != "majority_baseline"]
        composites = [name for name in tested if name.base not in SHARES]
        if self._ample and composites and workers > 1:
            shares = [name for name in tested if name.base in SHARES]
            asked = [(self._bootstrap, composites), (self._score, composites), (self._score, shares)]
            each(lambda some: [some[0].of(name) for name in some[1]], asked, 2)

    def of(self, name: MetricName) -> comparison.Difference | None:
        """The difference of a metric; ``None`` where it is undefined for one of the models, or has no test."""
        found = self._of(name)
        if found is None or self._turn > 0:
            return found
        if self._turn < 0:
            return found.turned()
        reach = max(found.interval.high, -found.interval.low)  # the models are each other's mirror image
        return replace(found, interval=replace(found.interval, low=-reach, high=reach))

    def _of(self, name: MetricName) -> comparison.Difference | None:
        """That of the cells as they are drawn."""
        if name.base == "majority_baseline":
            return None
        found = self._score.of(name)
        if found is None or self._clustered or (name.base in SHARES and not self.cells.sides[0].weighted):
            return found
        if not self._few:
            return replace(found, p=self._normal_p(found))
        if name.base in SHARES or not self._ample:
            return found
        drawn = self._bootstrap.of(name)
        return found if drawn is None else replace(found, interval=drawn.interval)

    def _normal_p(self, found: comparison.Difference) -> float:
        """Two-sided, with the standard error on the side of 0."""
        interval, value = found.interval, found.value
        reach = value - interval.low if value > 0.0 else interval.high - value
        return two_sided(value * self._confidence.critical / reach) if value and reach > 0.0 else 1.0


def judged(
    found: Mapping[str, comparison.Difference | None],
    values: Mapping[str, float],
    names: Mapping[str, Compared],
    level: float,
    models: int = 2,
) -> dict[str, Difference | None]:
    """Differences as plain data: ``values`` are those that are reported, of the metrics ``names``; ``level`` is that of
    the tests, and the best of ``models`` is one side of each. What so small a sample could show only beyond the range
    of its metric it could not show at all.
    """
    adjusted = comparison.holm({name: None if one is None else one.p for name, one in found.items()}, models)
    plain: dict[str, Difference | None] = {}
    for name, one in found.items():
        p = adjusted[name]
        if one is None or p is None:
            plain[name] = None
            continue
        value, interval = values[name], one.interval
        shown = p < level and (interval.low > 0.0 or interval.high < 0.0)
        entry = names[name].entry
        verdict = _verdict(value, entry.direction) if shown else "none"
        low, high = float(interval.low), float(interval.high)
        least = float(one.detectable) if one.detectable <= entry.high - entry.low else None
        plain[name] = Difference(float(value), low, high, interval.method, float(one.p), float(p), least, verdict)
    return plain


def _verdict(value: float, direction: str) -> str:
    """What is said of a model that has so much more of a metric."""
    if direction == "neither":
        return "higher" if value > 0.0 else "lower"
    return "better" if (value > 0.0) == (direction == "higher") else "worse"


def verdicts(
    names: Sequence[Compared],
    values: Sequence[Mapping[str, float | None]],
    found: Mapping[int, Mapping[str, comparison.Difference | None]],
    reference: int,
    confidence: Confidence,
) -> dict[int, dict[str, Difference | None]]:
    """Those of every other model: of two, Holm goes over all metrics, in a league over all pairs, metric by metric."""
    level = 1.0 - confidence.level
    if len(values) == 2:
        (other,) = found
        gaps = {str(name): gap_of(name, values[other], values[reference]) for name in names}
        told = {str(name): found[other][str(name)] for name in names}
        return {other: judged(told, gaps, {str(name): name for name in names}, level)}
    plain: dict[int, dict[str, Difference | None]] = {other: {} for other in found}
    for name in names:
        one = judged(
            {str(other): found[other][str(name)] for other in found},
            {str(other): gap_of(name, values[other], values[reference]) for other in found},
            {str(other): name for other in found},
            level,
            len(values),
        )
        for other in found:
            plain[other][str(name)] = one[str(other)]
    return plain


def gap_of(name: Compared, mine: Mapping[str, float | None], base: Mapping[str, float | None]) -> float:
    """A model's metric less that of another; of what is best at 0, their sizes. 0 where one is undefined."""
    one, other = mine[str(name)], base[str(name)]
    if one is None or other is None:
        return 0.0
    return abs(one) - abs(other) if name.entry.direction == "zero" else one - other
