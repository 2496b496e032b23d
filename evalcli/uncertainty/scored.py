"""Which interval a metric of scores gets: one row for each, beside what its state computes.

The registry names the state of a metric; ``interval_of`` takes what that state computes, as the metric's formula does.
Rankings come one column at a time, or all with the weights of a mean. ``WAYS`` is the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.metrics.confidence import equal_mass_bins, equal_mass_ece
from evalcli.uncertainty import ranks
from evalcli.uncertainty.bins import calibration_interval, confidence_interval, largest_gap_interval
from evalcli.uncertainty.curves import curve_interval, selective_interval, worst_together
from evalcli.uncertainty.intervals import Interval, wilson
from evalcli.uncertainty.means import WORST_LOSS, Moments, mean_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.metrics.calibration import BinTable
    from evalcli.metrics.confidence import ConfidenceGroups
    from evalcli.metrics.ranking import KeyTable
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.roc import Ranking
    from evalcli.metrics.topk import Ranks
    from evalcli.uncertainty.intervals import Confidence


@dataclass(frozen=True, slots=True)
class Asked:
    """A metric, how sure its interval is to be, and Σw² / Σw of the rows, 1 without weights."""

    name: MetricName
    confidence: Confidence
    mean_weight: float = 1.0


def interval_of(asked: Asked, computed: Any) -> Interval | None:
    """The interval of a metric from what its state computes; ``None`` where it is undefined.

    Of log loss and Brier score ``computed`` is ``Moments`` of the losses, of rankings a list with one for each column
    that has positives and negatives, whose plain mean is meant.

    >>> from evalcli.metrics.ranking import KeyTable
    >>> from evalcli.metrics.registry import parse
    >>> from evalcli.uncertainty.intervals import Confidence
    >>> table = KeyTable()
    >>> table.update(np.array([0.1, 0.4, 0.35, 0.8] * 25), np.array([0, 0, 1, 1] * 25))
    >>> found = interval_of(Asked(parse("auroc"), Confidence()), table.compute())
    >>> round(found.low, 2), round(found.high, 2), found.method
    (0.64, 0.84, 'delong')
    """
    return WAYS[asked.name.base](asked, computed)


def ranked(
    asked: Asked,
    rankings: Sequence[Ranking],
    weights: Sequence[float] | None = None,
    squares: Sequence[ranks.Squares] | None = None,
) -> Interval | None:
    """The interval of one column, or of the mean of several; ``weights`` by support in place of equal ones.

    ``squares`` are Σw² of the positives and of the negatives of each column, where a state keeps them apart.
    """
    held = [number for number, one in enumerate(rankings) if one.defined]
    if not held:
        return None
    chosen = [rankings[number] for number in held]
    shares = np.ones(len(held)) if weights is None else np.array([weights[number] for number in held], float)
    rows = None if weights is None else float(shares.sum()) / asked.mean_weight
    shares = shares / shares.sum()
    if asked.name.base not in _ESTIMATES:
        return _read_off(asked, chosen, shares.tolist())
    overall = [asked.mean_weight * (one.positives + one.negatives) for one in chosen]
    known = (
        [ranks.Squares.of(one, square) for one, square in zip(chosen, overall, strict=True)]
        if squares is None
        else [squares[number] for number in held]
    )
    estimate, method = _ESTIMATES[asked.name.base]
    found = [one for one in map(estimate, chosen, known) if one is not None]
    return ranks.mean_interval(found, shares.tolist(), asked.confidence, method, rows)


def _read_off(asked: Asked, rankings: Sequence[Ranking], weights: Sequence[float]) -> Interval | None:
    """The interval of a point of the curve."""
    formula, arguments = asked.name.entry.formula, asked.name.arguments
    found = [
        curve_interval(formula, one, asked.confidence, *arguments, mean_weight=asked.mean_weight) for one in rankings
    ]
    known = [one for one in found if one is not None]
    values = [float(formula(one, *arguments).value) for one in rankings]
    return worst_together(known, values, weights) if len(known) == len(rankings) else None


def _of_pairs(asked: Asked, table: KeyTable) -> Interval | None:
    return ranks.pairs_interval(table, asked.confidence)


def _of_losses(asked: Asked, moments: Moments) -> Interval | None:
    if not moments.first[0] > 0:
        return None
    entry = asked.name.entry
    return mean_interval(moments, asked.confidence, entry.low, entry.high, worst=min(entry.high, WORST_LOSS))


def _of_bins(asked: Asked, table: BinTable) -> Interval | None:
    if not table.n.sum() > 0:
        return None
    of = {"mce": largest_gap_interval, "mean_confidence": confidence_interval}.get(
        asked.name.base, calibration_interval
    )
    found = of(table, asked.confidence, asked.mean_weight)
    value = float(asked.name.entry.formula(table))
    return found.holding(value, 0.0, 1.0)


def _of_equal_mass(asked: Asked, groups: ConfidenceGroups) -> Interval | None:
    exact = equal_mass_ece(groups)
    if isnan(exact.value):
        return None
    found = calibration_interval(equal_mass_bins(groups), asked.confidence, asked.mean_weight)
    low, high = found.low - (exact.value - exact.low), found.high + (exact.high - exact.value)
    return replace(found, low=low, high=high).holding(exact.value, 0.0, 1.0)


def _of_groups(asked: Asked, groups: ConfidenceGroups) -> Interval | None:
    formula, arguments = asked.name.entry.formula, asked.name.arguments
    return selective_interval(formula, groups, asked.confidence, *arguments, mean_weight=asked.mean_weight)


def _of_ranks(asked: Asked, ranked_rows: Ranks) -> Interval | None:
    histogram = ranked_rows.histogram.astype(np.float64)
    if not ranked_rows.n > 0:
        return None
    if asked.name.base == "topk_accuracy":
        value = float(asked.name.entry.formula(ranked_rows, *asked.name.arguments))
        rows = ranked_rows.n / asked.mean_weight
        return wilson(value * rows, rows, asked.confidence.critical)
    places = np.arange(1.0, len(histogram) + 1.0)
    values, ends = (places, (1.0, places[-1])) if asked.name.base == "mean_rank" else (1.0 / places, (0.0, 1.0))
    return mean_interval(Moments.of_histogram(values, histogram, asked.mean_weight), asked.confidence, *ends)


_ESTIMATES = {
    "auroc": (ranks.auroc_estimate, "delong"),
    "average_precision": (ranks.average_precision_estimate, "influence"),
}

WAYS: dict[str, Callable[[Asked, Any], Interval | None]] = {
    "auroc": ranked,
    "average_precision": ranked,
    "auroc_fpr": ranked,
    "recall_at_precision": ranked,
    "precision_at_recall": ranked,
    "specificity_at_sensitivity": ranked,
    "ks": ranked,
    "auroc_ovo": _of_pairs,
    "log_loss": _of_losses,
    "brier": _of_losses,
    "ece": _of_bins,
    "ece_positive": _of_bins,
    "ece_classwise": _of_bins,
    "mce": _of_bins,
    "mean_confidence": _of_bins,
    "ece_equal_mass": _of_equal_mass,
    "aurc": _of_groups,
    "accuracy_at_coverage": _of_groups,
    "topk_accuracy": _of_ranks,
    "mean_rank": _of_ranks,
    "mrr": _of_ranks,
}
"""Every metric of scores."""
