"""Gates that know how sure they are: pass, fail or inconclusive, and the sample size that would tell.

A gate on a point flips with the sample: a model exactly at its bound passes half of the time. A gate on an interval
passes when the whole interval lies on the right side, fails when all of it lies on the wrong one, and otherwise says
that this sample cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Literal

from evalcli.uncertainty.intervals import trials_of
from evalcli.uncertainty.quantiles import normal_quantile, normal_tail

if TYPE_CHECKING:
    from evalcli.uncertainty.intervals import Confidence, Interval

Outcome = Literal["pass", "fail", "inconclusive"]

MOST_ROWS = 10**12
"""A larger sample than this is none."""
POWER = 0.8
"""How often that many rows would tell."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome and, where it is inconclusive, how many rows would decide; ``None`` where no number would."""

    outcome: Outcome
    rows: int | None = None


def decide(interval: Interval, bound: float, kind: Literal["min", "max"]) -> Outcome:
    """Whether a metric is at least (``min``) or at most (``max``) ``bound``; an end on the bound is on the right side.

    >>> from evalcli.uncertainty.intervals import Interval
    >>> decide(Interval(0.91, 0.95, "wilson"), 0.9, "min"), decide(Interval(0.88, 0.93, "wilson"), 0.9, "min")
    ('pass', 'inconclusive')
    """
    low, high = (interval.low, interval.high) if kind == "min" else (-interval.high, -interval.low)
    bound = bound if kind == "min" else -bound
    if low >= bound:
        return "pass"
    return "fail" if high < bound else "inconclusive"


def judged(
    value: float, interval: Interval, bound: float, kind: Literal["min", "max"], rows: float, confidence: Confidence
) -> Decision:
    """The decision, with the number of rows that would decide if the value were the truth."""
    outcome = decide(interval, bound, kind)
    if outcome != "inconclusive":
        return Decision(outcome)
    return Decision(outcome, rows_to_decide(value, interval, bound, rows, confidence))


def told(decision: Decision) -> str:
    """How many rows would decide, in words.

    >>> told(Decision("inconclusive", 12000)), told(Decision("inconclusive"))
    ('about 12,000 rows would tell', 'no number of rows would tell')
    """
    return "no number of rows would tell" if decision.rows is None else f"about {decision.rows:,} rows would tell"


def rows_to_decide(value: float, interval: Interval, bound: float, rows: float, confidence: Confidence) -> int | None:
    """How many rows in all would put the whole interval on one side of ``bound`` in ``POWER`` of all samples.

    The ends of the interval come nearer with 1 / √n, soon both alike, and the value itself moves from sample to sample:
    ``n·((z + z_power) / z · reach / distance)²``. Of an interval that ends at 0 or 1 its longer side tells. Wilson's
    leaves a bound out where the score test rejects it: ``((z·√(b(1 − b)) + z_power·√(p(1 − p))) / (b − p))²`` rows of
    its own kind. Rounded up to two digits, for it is no better known. ``None`` for a value on its bound.

    Source: Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, ch. 2.

    >>> from evalcli.uncertainty.intervals import Confidence, wilson
    >>> rows_to_decide(0.92, wilson(920, 1000, Confidence().critical), 0.91, 1000, Confidence())
    6300
    >>> rows_to_decide(1.0, wilson(10, 10, Confidence().critical), 0.9, 10, Confidence())
    35
    """
    distance = abs(value - bound)
    end = interval.low if bound < value else interval.high
    if distance == 0.0:
        return None
    critical, beyond = confidence.critical, normal_quantile(POWER)
    held = trials_of(value, end, critical) if interval.method.startswith("wilson") and 0.0 < bound < 1.0 else None
    if held is not None:
        spread = critical * sqrt(bound * (1.0 - bound)) + beyond * sqrt(value * (1.0 - value))
        return _rounded(rows * (spread / distance) ** 2 / held, rows)
    return _rounded(rows * ((critical + beyond) / critical * _reach(value, interval) / distance) ** 2, rows)


def rows_to_lie_within(
    value: float, interval: Interval, margin: float, rows: float, confidence: Confidence
) -> int | None:
    """How many rows would put the whole interval between ``−margin`` and ``margin``, as often as ``rows_to_decide``.

    Both ends have to lie there: ``P(|d + Z·s| + z·s < m) = Φ((m − d)/s − z) + Φ((m + d)/s − z) − 1`` is the power at
    the standard error ``s``. Of a value beyond the margin it is the number that shows so.

    Source: Chow, Shao, Wang and Lokhnygina 2018, Sample Size Calculations in Clinical Research, ch. 3.

    >>> from evalcli.uncertainty.intervals import Confidence, Interval
    >>> rows_to_lie_within(0.0, Interval(-0.02, 0.02, "score"), 0.01, 1000, Confidence())
    11000
    """
    distance = margin - abs(value)
    if distance <= 0.0:
        return rows_to_decide(value, interval, margin if value > 0.0 else -margin, rows, confidence)
    critical, far = confidence.critical, (margin + abs(value)) / distance
    low, high = (critical + normal_quantile(power) for power in (POWER, (1.0 + POWER) / 2))
    while high - low > 1e-6:  # how many standard errors the nearer margin is away
        middle = (low + high) / 2
        missed = normal_tail(middle - critical) + normal_tail(middle * far - critical)
        low, high = (low, middle) if missed <= 1.0 - POWER else (middle, high)
    return _rounded(rows * (high / critical * _reach(value, interval) / distance) ** 2, rows)


def _reach(value: float, interval: Interval) -> float:
    """How far an interval reaches to either side."""
    sides = value - interval.low, interval.high - value
    return max(sides) if interval.low == 0.0 or interval.high == 1.0 else sum(sides) / 2


def _rounded(needed: float, rows: float) -> int | None:
    """Two digits of as many rows, which are at least those there are; of what is infinite no number would do."""
    if not max(needed, rows) <= MOST_ROWS:
        return None
    needed = max(needed, rows)
    unit: int = 10 ** max(len(str(ceil(needed))) - 2, 0)
    return ceil(needed / unit) * unit
