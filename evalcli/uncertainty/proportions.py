"""Metrics of counts that are shares of something counted, or follow from one: Wilson's interval.

Precision is a share of the predicted rows, recall of a class's own, and so on. The Jaccard index of a class is the
share of right rows among those that are of the class or called so, and F1 is ``2J / (1 + J)``, so its interval is that
of J, seen through the same curve. Where every row has a prediction all micro averages follow from the accuracy.

The share of the most frequent class is the largest of several, and of classes that are about as frequent the largest
was seen too often: of seven alike in 100 rows Wilson's lower end lay above the truth in 12 to 19 % of samples. So the
lower end is that of all classes at once that may be the most frequent (Bonferroni): they lie no farther below the first
than chance explains. Its upper end is that of any class, so also of the largest.

Source: Wilson 1927; Lam et al. 2024, Confidence intervals for the F1 score: a comparison of four methods; Gupta and
Nagel 1967, On selection and ranking procedures and order statistics from the multinomial distribution.
"""

from __future__ import annotations

from dataclasses import replace
from math import isnan, log, sqrt
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from evalcli.metrics.counts import Counts
from evalcli.uncertainty.intervals import Interval, wilson, wilson_ends, wilson_weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import Cells, Margins

T = TypeVar("T", float, "HostArray")

SHARES = ("precision", "recall", "specificity", "npv", "jaccard", "f1")
"""Per class, one against the rest, each a share of counted rows or a function of one."""


def of_class(base: str, cells: Cells, place: int, critical: float) -> Interval:
    """The interval of one class; (0, 1) where the metric is undefined."""
    sides = _rows(base, cells.margins, place)
    squares = _rows(base, cells.spread, place) if cells.weighted else sides
    found = wilson_weighted(*sides, *squares, critical)
    return Interval(through(base, found.low), through(base, found.high), found.method)


def of_margins(base: str, margins: Margins, critical: float) -> list[Interval | None]:
    """The same from amounts (C,) alone, ``n`` may be (C,) too; ``None`` where the metric is undefined."""
    low, high = ends_of(base, margins, critical)
    ends = zip(low.tolist(), high.tolist(), strict=True)
    return [None if isnan(start) else Interval(start, stop, "wilson") for start, stop in ends]


def ends_of(base: str, margins: Margins, critical: float) -> tuple[HostArray, HostArray]:
    """The lower and upper ends (C,) of counted rows, NaN where the metric is undefined."""
    right, wrong = _shares(base, margins)
    trials = right + wrong
    ends = wilson_ends(right / np.where(trials > 0, trials, 1.0), trials, critical)
    low, high = (np.where(trials > 0, through(base, np.asarray(end)), np.nan) for end in ends)
    return low, high


def _rows(base: str, margins: Margins, place: int) -> tuple[float, float]:
    right, wrong = _shares(base, margins)
    return float(right[place]), float(wrong[place])


def _shares(base: str, margins: Margins) -> tuple[HostArray, HostArray]:
    """What a metric of one class counts as right and as wrong: (C,) each."""
    tp, support, predicted, n, answered, n_answered = margins
    fp, fn = predicted - tp, support - tp
    if base not in {"specificity", "npv"}:
        return tp, {"precision": fp, "recall": fn}.get(base, fp + fn)
    if answered is None or n_answered is None:
        return np.maximum(n - support - fp, 0.0), fp if base == "specificity" else fn
    lost = np.maximum(n - n_answered - (support - answered), 0.0)  # of other classes, without a prediction
    return np.maximum(n_answered - answered - fp, 0.0), fp + lost if base == "specificity" else answered - tp


def through(base: str, share: T) -> T:
    """The metric at a share: F1 at a Jaccard index, all else the share itself."""
    return 2.0 * share / (1.0 + share) if base == "f1" else share


def largest_share(support: HostArray, rows: float, critical: float) -> Interval:
    """The interval of the share of the most frequent class, by the support of all (C,), of ``rows`` of equal weight."""
    right = float(support.max()) / float(support.sum()) * rows
    return replace(wilson(right, rows, critical), low=wilson(right, rows, _at_once(support, rows, critical)).low)


def _at_once(support: HostArray, rows: float, critical: float) -> float:
    """The critical value at which all classes are held at once that may be the most frequent.

    Of ``k`` classes it is ``√(z² + 2·ln k)``, whose tail is at most ``1 / k`` of that of ``z``: Mills's ratio falls.
    """
    shares = support / support.sum()
    largest = float(shares.max())
    may = largest - shares <= critical * ((largest + shares) / rows) ** 0.5
    return sqrt(critical * critical + 2.0 * log(int(may.sum())))


def overall(name: MetricName, cells: Cells, critical: float, classes: int) -> Interval | None:
    """Accuracy, and what follows from it; ``None`` for another metric. ``classes`` are those a micro average pools."""
    if name.base == "majority_baseline":
        most = int(np.argmax(cells.margins.support))
        right, squares = (float(part.support[most]) for part in (cells.margins, cells.spread))
        sides = right, cells.n - right, squares, float(cells.spread.n) - squares
        first = _at_once(cells.margins.support, cells.n**2 / float(cells.spread.n), critical)
        return replace(wilson_weighted(*sides, critical), low=wilson_weighted(*sides, first).low)
    if name.base in {"accuracy", "error_rate"} or (name.base == "recall" and name.average == "weighted"):
        found = _accuracy(cells, critical)
        return found.flipped(1.0) if name.base == "error_rate" else found
    if name.average != "micro" or (cells.preds < 0).any():
        return None
    return micro(name, [cells], critical, [classes])[0]


def micro(name: MetricName, every: Sequence[Cells], critical: float, classes: Sequence[int]) -> list[Interval]:
    """The intervals of a micro average over so many ``classes`` of samples of which all rows have a prediction."""
    accuracy = np.array([(found.low, found.high) for found in (_accuracy(one, critical) for one in every)])
    n = np.array([[one.n] for one in every])
    right = (accuracy * n)[..., None]
    of_class = np.broadcast_to(n[..., None], right.shape)
    one = Counts(right, of_class, of_class, np.broadcast_to(n * np.array(classes)[:, None], accuracy.shape))
    ends = np.sort(name.entry.formula(one, *name.arguments)[..., 0])
    return [Interval(low, high, "wilson") for low, high in ends.tolist()]


def _accuracy(cells: Cells, critical: float) -> Interval:
    """The interval of the accuracy, which every micro average asks for."""
    key = "accuracy", critical
    if key not in cells.known:
        right, squares = (float(part.tp.sum()) for part in (cells.margins, cells.spread))
        ends = right, cells.n - right, squares, float(cells.spread.n) - squares
        cells.known[key] = wilson_weighted(*ends, critical)
    found: Interval = cells.known[key]
    return found
