"""The interval of any number that is read off the curve of a ranking: a distance, a part of an area, a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.uncertainty.distances import distance_interval
from evalcli.uncertainty.operating import POINTS, operating_interval
from evalcli.uncertainty.partial import partial_interval

if TYPE_CHECKING:
    from evalcli.metrics.roc import Certified, Ranking
    from evalcli.uncertainty.intervals import Confidence, Interval


def read_off_interval(
    base: str,
    exact: Certified,
    ranking: Ranking,
    confidence: Confidence,
    *arguments: float,
    mean_weight: float = 1.0,
    drawn: bool = True,
) -> Interval | None:
    """That of what the formula of ``base`` made of a ranking, ``exact``; ``None`` where it is undefined.

    ``mean_weight`` is Σw² / Σw. Unless ``drawn``, as little is drawn as will do.
    """
    if base == "ks":
        return distance_interval(ranking, confidence, mean_weight, drawn=drawn)
    [argument] = arguments
    if base in POINTS:
        return operating_interval(base, exact, ranking, confidence, argument, mean_weight)
    return partial_interval(exact, ranking, confidence, argument, mean_weight)
