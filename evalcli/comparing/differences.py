"""From joint counts to differences: each metric's interval and p-value, Holm over all of them, and the verdict.

The share correct has the exact test of McNemar and Tango's interval. Composites have the paired count bootstrap of the
joint table where every class has enough rows right and wrong to draw from, else the score interval; their p-value is
that of the score test, which no number of resamples rounds. A difference is shown where its p-value, adjusted for the
number of metrics, is below the level and its interval leaves out 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evalcli.comparing.data import Difference
from evalcli.uncertainty import comparison
from evalcli.uncertainty.cells import JointCells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.comparing.joint import JointCounts
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence

SHARES = frozenset({"accuracy", "error_rate"})
ENOUGH = 10.0
"""Rows of a class, right ones and wrong ones each, that a bootstrap has to draw from."""
MOST_DRAWS = 1 << 24
"""Beyond so many draws (resamples times cells) the score interval takes over."""


class CountDifferences:
    """Differences of metrics of counts: the second model of a joint table less the first; ``swapped``, the reverse."""

    def __init__(
        self,
        table: JointCounts,
        confidence: Confidence,
        *,
        swapped: bool = False,
        positive: int | None,
        classes: Sequence[str],
        declared: int | None,
    ) -> None:
        cells = table.cells()
        ours, theirs = (cells.first, cells.second) if swapped else (cells.second, cells.first)
        self.cells = JointCells.of(cells.target, ours, theirs, cells.amounts, cells.squares)
        self._classes = classes
        methods: tuple[Literal["score", "bootstrap"], ...] = ("score", "bootstrap")
        self._score, self._bootstrap = (
            comparison.PairedCounts(
                self.cells, confidence, positive=positive, classes=classes, declared=declared, method=method
            )
            for method in methods
        )
        self._ample = self._is_ample() and len(self.cells.amounts) * confidence.resamples <= MOST_DRAWS

    def _is_ample(self) -> bool:
        """Whether every class has enough rows right and wrong, by either model, counted as rows of equal weight."""
        for side in self.cells.sides:
            margins = side.margins
            weight = float(side.spread.n) / side.n if side.n > 0 else 1.0
            wrong = margins.support + margins.predicted - 2.0 * margins.tp
            if not (np.minimum(margins.tp, wrong) >= ENOUGH * weight).all():
                return False
        return True

    def of(self, name: MetricName) -> comparison.Difference | None:
        """The difference of a metric; ``None`` where it is undefined for one of the models, or has no test."""
        if name.base == "majority_baseline":
            return None
        found = self._score.of(name)
        if found is None or name.base in SHARES or not self._ample:
            return found
        drawn = self._bootstrap.of(name)
        return found if drawn is None else replace(found, interval=drawn.interval)


def judged(
    found: Mapping[str, comparison.Difference | None],
    values: Mapping[str, float],
    directions: Mapping[str, str],
    level: float,
) -> dict[str, Difference | None]:
    """Differences as plain data: ``values`` are those that are reported, ``level`` is that of the tests."""
    adjusted = comparison.holm({name: None if each is None else each.p for name, each in found.items()})
    plain: dict[str, Difference | None] = {}
    for name, each in found.items():
        p = adjusted[name]
        if each is None or p is None:
            plain[name] = None
            continue
        value, interval = values[name], each.interval
        shown = p < level and (interval.low > 0.0 or interval.high < 0.0)
        better = (value > 0.0) == (directions[name] == "higher")
        verdict = ("better" if better else "worse") if shown else "none"
        plain[name] = Difference(
            value, interval.low, interval.high, interval.method, each.p, p, each.detectable, verdict
        )
    return plain
