"""How far apart the best and the worst of several slices lie, and how sure that is.

Whoever picks the best and the worst of many finds a gap where there is none, so the interval is of all pairs at once:
each slice has an interval at ``1 − α/m`` for ``m`` pairs (Bonferroni), each difference that of Newcombe from both, and
the gap lies between the largest of the lower ends and the largest of the upper ones. Slices are taken to be
independent; where the same clusters lie in several, which makes these move together, it is wider than it need be.

Source: Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from evalcli.uncertainty.intervals import Interval, trials_of, wilson_ends
from evalcli.uncertainty.quantiles import normal_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.report import Value
    from evalcli.uncertainty.intervals import Confidence


def widest(
    metrics: Sequence[Sequence[Value]], confidence: Confidence, least: float = -inf, most: float = inf
) -> Interval | None:
    """The interval of the largest gap between two slices in any of the ``metrics``, each a value of every slice.

    No value lies outside ``least`` and ``most``.

    ``None`` where a value or an interval is unknown, or where there are no two slices.

    >>> from evalcli.report import Value
    >>> from evalcli.uncertainty.intervals import Confidence
    >>> found = widest([[Value(0.9, 0.88, 0.92, "delta"), Value(0.8, 0.77, 0.83, "delta")]], Confidence())
    >>> round(found.low, 4), round(found.high, 4)
    (0.0639, 0.1361)
    """
    count = len(metrics[0])
    every = [value for values in metrics for value in values]
    if count < 2 or any(None in (value.value, value.low, value.high) for value in every):
        return None
    pairs = len(metrics) * count * (count - 1) // 2
    critical = normal_quantile(1.0 - confidence.tail / pairs)
    ends = [_widest(values, (confidence.critical, critical), (least, most)) for values in metrics]
    method = "newcombe" if pairs == 1 else "newcombe (all pairs)"
    return Interval(max(low for low, _ in ends), max(high for _, high in ends), method)


def _widest(values: Sequence[Value], critical: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    """The largest lower end of all differences, at least 0, and the largest upper one."""
    import numpy as np

    value = np.array([one.value for one in values])
    ends = np.array([_at(one, *critical) for one in values]).clip(*bounds)
    below, above = value - ends[:, 0], ends[:, 1] - value
    low = high = 0.0
    for i in range(len(values)):  # row by row, for there may be thousands of slices
        more = value[i] - value
        low = max(low, float((more - np.hypot(below[i], above)).max()))
        high = max(high, float((more + np.hypot(above[i], below)).max()))
    return low, high


def _at(value: Value, usual: float, critical: float) -> tuple[float, float]:
    """The interval of a value at another confidence: Wilson's from its trials, any other by its width."""
    assert value.value is not None
    assert value.low is not None
    assert value.high is not None
    if (value.method or "").startswith("wilson"):
        inner = value.low if value.value > 0.5 else value.high  # the other may be at its border, which tells nothing
        trials = trials_of(value.value, inner, usual)
        if trials is not None:
            low, high = wilson_ends(value.value, trials, critical)
            return float(low), float(high)
    stretch = critical / usual
    return value.value - stretch * (value.value - value.low), value.value + stretch * (value.high - value.value)
