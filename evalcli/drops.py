"""Drops: how much worse a metric is than that of a baseline, in the metric's bad direction.

The baseline is a saved report, of which only values and intervals are known: the two are taken to be of independent
samples. Or it is the predictions of another model for the same rows: then the interval is that of the paired
difference, which is narrower the more the two models agree.

Of the worst slice, ``accuracy@region=*``, it is the drop of the slice that loses most, each beside itself.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import hypot, isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from evalcli.addresses import look_up
from evalcli.errors import UsageError
from evalcli.metrics.address import WORST, written
from evalcli.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from evalcli.addresses import Found
    from evalcli.metrics.address import Address
    from evalcli.report import Report, Value
    from evalcli.rules import Basis, Rule


_ROUNDING = 1e-9
"""What a sum may lie beyond the range of its metric."""


class Pair(NamedTuple):
    """A metric of two models on the same ``rows``; ``low`` and ``high`` are the interval of ``now − before``.

    ``where`` says which rows these are where the name does not, of the worst slice.
    """

    before: float | None
    now: float | None
    rows: int
    low: float | None = None
    high: float | None = None
    method: str | None = None
    note: str = ""
    """What a reader of the verdict should know."""
    where: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether the interval of what differs is known; of what is undefined there is none."""
        return self.low is not None or None in {self.before, self.now}


class Baseline(NamedTuple):
    """What drops are counted from: pairs of values by metric, and a report for what is not paired.

    The worst slice has a pair of every slice: it is the one that loses most. ``alone`` says by metric why it has none,
    and ``failed`` which metrics of the user's own failed there.
    """

    report: Report | None = None
    pairs: Mapping[str, Sequence[Pair]] = MappingProxyType({})
    alone: Mapping[str, str] = MappingProxyType({})
    failed: tuple[str, ...] = ()


class _Sides(NamedTuple):
    """Two values that are known, and the ends of the interval of ``before − now``."""

    before: float
    now: float
    ends: tuple[float, float] | None
    method: str | None


def judged_drop(rule: Rule, found: Found, report: Report, baseline: Baseline, *, least: int, on: Basis) -> Verdict:
    """The verdict on a rule about a drop: its value is the drop itself, of values as they are printed."""
    then = baseline.report
    note, direction = "", direction_of(rule.metric, report)
    if then is not None:
        before = look_up(then, rule.metric, least)
        sides: _Sides | Verdict = _of_reports(rule, found.value, before, direction, on)
        if on == "interval" and isinstance(sides, _Sides) and not _equally_sure(then, report):
            sides = _none(rule, "missing", _LEVELS.format(then.confidence, report.confidence))
        elsewhere = "" if isinstance(before, str) or before.where == found.where else f"in the baseline {before.where}"
        sizes = "" if then.n == report.n else f"of {then.n:,} rows then, {report.n:,} now"
        chosen = _chosen(then.where, report.where)
        note = "; ".join(filter(None, (elsewhere, sizes, chosen, _otherwise(then.signature, report.signature))))
    else:
        sides = _none(rule, "missing", "the baseline was not measured by it")
    why = baseline.alone.get(rule.metric, "")
    return _noted(
        sides if isinstance(sides, Verdict) else _judged(rule, sides, found.n, report, on, why), found.n, note
    )


def _chosen(then: str | None, now: str | None) -> str:
    """That rows were chosen otherwise; empty where they were not.

    >>> _chosen("split = 'test'", None)
    "the baseline is of rows where split = 'test', this of all"
    """
    if then == now:
        return ""
    of = ("all" if one is None else f"rows where {one}" for one in (then, now))
    return "the baseline is of {}, this of {}".format(*of)


def _otherwise(then: str, now: str) -> str:
    """What else moves the number and was set otherwise, as the signatures of both reports say; empty: nothing.

    >>> _otherwise("task:binary|nan:drop|weights:no|v:0.1.0", "task:binary|nan:error|weights:yes|v:0.1.0")
    'the baseline has nan:drop, weights:no, this nan:error, weights:yes'
    """
    before, after = ({"cluster": "-", **dict(_SETTING.findall(signature))} for signature in (then, now))
    odd = [key for key in before if key in after and before[key] != after[key]]
    if not odd:
        return ""
    sides = (", ".join(f"{key}:{side[key]}" for key in odd) for side in (before, after))
    return "the baseline has {}, this {}".format(*sides)


_SETTING = re.compile(r"(?<=\|)(ignore|nan|weights|cluster|v|classes|labels(?=:seen|:declared)):([^|(]*)")


def _equally_sure(then: Report, now: Report) -> bool:
    """Whether the intervals of both reports promise the same; a report without any is told of elsewhere."""
    return None in {then.confidence, now.confidence} or then.confidence == now.confidence


_LEVELS = (
    "intervals of the baseline are at {:g}, these at {:g}; report both at one --confidence, or judge by --gate-on point"
)


def judged_pairs(rule: Rule, pairs: Sequence[Pair], report: Report, on: Basis) -> Verdict:
    """The same where both models are known row by row; of several slices that of the worst."""
    verdicts = [_judged_pair(rule, pair, report, on) for pair in pairs]
    harms = [float((one.value if on == "point" else one.high) or 0.0) for one in verdicts]
    return gravest(verdicts, harms, [pair.where for pair in pairs])


def judged_slices(
    rule: Rule,
    address: Address,
    report: Report,
    baseline: Baseline,
    *,
    least: int,
    judged: Callable[[Rule], Verdict],
) -> Verdict:
    """The same of a saved report: each slice that both know is ``judged``, and the gravest verdict counts."""
    then = baseline.report
    assert then is not None  # else there are pairs
    verdicts, harms, where, unknown = [], [], [], []
    for row in report.slices:
        if row.by != address.by or row.n < least:
            continue
        name = written(address.metric, "slice", row.by, row.value, starred=row.value == WORST)
        before = look_up(then, name)
        if isinstance(before, str):
            unknown.append((row.value, before))
            continue
        found = judged(replace(rule, metric=name))
        verdicts.append(replace(found, rule=rule.text(), metric=rule.metric))
        harms.append(float(found.high if found.high is not None else found.value or 0.0))
        where.append(f"'{row.value}'")
    if not verdicts:
        return _none(rule, "missing", f"in the baseline: {unknown[0][1]}")
    here = {row.value for row in report.slices if row.by == address.by}
    gone = [row.value for row in then.slices if row.by == address.by and row.n >= least and row.value not in here]
    odd = {"not in the baseline": [value for value, _ in unknown], "only in the baseline": gone}
    verdict = gravest(verdicts, harms, where)
    notes = (f"{place}: {_few(values)}" for place, values in odd.items() if values)
    return _noted(verdict, verdict.n or 0, "; ".join(notes))


def _few(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values[:_NAMED]) + (", …" if len(values) > _NAMED else "")


_NAMED = 5
_GRAVEST = ("fail", "undefined", "missing", "inconclusive", "pass")
_SAID = {"fail": "fail", "inconclusive": "are inconclusive"}


def gravest(verdicts: Sequence[Verdict], harms: Sequence[float], where: Sequence[str]) -> Verdict:
    """The gravest verdict of several slices, of these the one of most harm, which says ``where`` that is."""
    worst = max(range(len(verdicts)), key=lambda i: (-_GRAVEST.index(verdicts[i].status), harms[i]))
    found = verdicts[worst]
    if not where[worst]:
        return found
    alike = sum(verdict.status == found.status for verdict in verdicts)
    told = f"the worst of {len(verdicts):,} is {where[worst]}, n = {found.n or 0:,}"
    told += f"; {alike:,} of them {_SAID[found.status]}" if alike > 1 and found.status in _SAID else ""
    return replace(found, reason="; ".join(filter(None, (told, found.reason))))


def _judged_pair(rule: Rule, pair: Pair, report: Report, on: Basis) -> Verdict:
    sides = _paired(rule, pair)
    if on == "interval" and not pair.is_sure and report.confidence is not None:
        sides = _none(rule, "missing", "no paired interval is known of it; judge by --gate-on point")
    verdict = sides if isinstance(sides, Verdict) else _judged(rule, sides, pair.rows, report, on, "")
    return _noted(verdict, pair.rows, pair.note)


def _noted(verdict: Verdict, rows: int, note: str) -> Verdict:
    return replace(verdict, reason="; ".join(filter(None, (verdict.reason, note))), n=rows)


def _none(rule: Rule, status: str, reason: str) -> Verdict:
    return Verdict(rule.text(), rule.metric, None, rule.bound, status, reason)


def _paired(rule: Rule, pair: Pair) -> _Sides | Verdict:
    if pair.before is None or pair.now is None:
        return _none(rule, "undefined", f"undefined {'in the baseline' if pair.before is None else 'of these rows'}")
    ends = None if pair.low is None or pair.high is None else (-pair.high, -pair.low)
    return _Sides(pair.before, pair.now, ends, pair.method)


def _of_reports(rule: Rule, now: Value, then: Found | str, direction: str, on: Basis) -> _Sides | Verdict:
    if isinstance(then, str):
        return _none(rule, "missing", f"in the baseline: {then}")
    if then.value.value is None:
        return _none(rule, "undefined", "undefined in the baseline")
    odd = beyond_range(rule.metric, then.value.value)
    if odd:
        return _none(rule, "missing", f"in the baseline: {odd}")
    higher = direction in {"higher", "neither"}
    ends = _independent(now, then.value) if on == "interval" and direction != "zero" else None
    before, after = certain_end(then.value, low=not higher), certain_end(now, low=higher)
    return _Sides(before, after, ends, None if ends is None else "newcombe")


def _judged(rule: Rule, sides: _Sides, rows: int, report: Report, on: Basis, why: str) -> Verdict:
    """The drop beside its bound; ``why`` the two values are not paired."""
    direction = direction_of(rule.metric, report)
    before, now, ends = sides.before, sides.now, sides.ends
    if direction == "zero":
        before, now = abs(before), abs(now)  # and a pair's interval is that of these
    verdict = replace(_none(rule, "undefined", ""), baseline=before, current=now)
    if rule.relative and before == 0:
        return replace(verdict, reason="the baseline is 0, of which there is no share")
    if not (isfinite(before) and isfinite(now)):
        return replace(verdict, reason=f"{before:g} before, {now:g} now: there is no difference")
    higher = direction in {"higher", "neither"}
    share = abs(exact(before)) if rule.relative else exact(1.0)
    drop = (exact(before) - exact(now)) * (1 if higher else -1) / share
    change = f"{_shown(before)} before, {_shown(now)} now"
    verdict = replace(verdict, value=float(drop), reason=change)
    if ends is not None:
        low, high = ends if higher else (-ends[1], -ends[0])
        verdict = replace(verdict, low=low / float(share), high=high / float(share), method=sides.method)
    if on == "point":
        return replace(verdict, status="pass" if drop <= exact(rule.bound) else "fail")
    return _on_interval(verdict, rows, report, why)


def _on_interval(verdict: Verdict, rows: int, report: Report, why: str) -> Verdict:
    """Whether the whole interval of the drop is on one side of the bound; if not, how many rows would tell."""
    from evalcli.uncertainty.decisions import judged, told
    from evalcli.uncertainty.intervals import Confidence, Interval

    if verdict.value is None or verdict.low is None or verdict.high is None:
        if report.confidence is None:
            reason = "there is no interval of it; report without --no-intervals, or judge by --gate-on point"
        else:
            reason = f"{f'{why}, and ' if why else ''}one of the two reports has no interval of it; "
            reason += "judge by --gate-on point"
        return replace(verdict, status="missing", reason=reason)
    interval = Interval(verdict.low, verdict.high, verdict.method or "")
    sure = Confidence(0.95 if report.confidence is None else report.confidence)
    decision = judged(verdict.value, interval, verdict.bound, "max", rows, sure)
    reason = f"{verdict.reason}, the drop {_shown(verdict.low)} to {_shown(verdict.high)}"
    if decision.outcome == "inconclusive":
        reason += f": {told(decision)}"
        if decision.rows is not None and verdict.method == "newcombe" and not why:
            reason += ", with as many times more in the baseline"  # whose own interval may be as wide as the distance
    if why:
        reason += f"; {why}, so they are judged as of independent samples"
    return replace(verdict, status=decision.outcome, reason=reason)


def _independent(now: Value, before: Value) -> tuple[float, float] | None:
    """The interval of ``before − now`` from those of both values, which are taken to be of independent samples.

    Source: Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
    """
    ends = now.low, now.high, before.low, before.high
    if now.value is None or before.value is None or any(end is None for end in ends):
        return None
    low, high, low_before, high_before = (float(end or 0.0) for end in ends)
    gap = before.value - now.value
    return gap - hypot(before.value - low_before, high - now.value), gap + hypot(
        high_before - before.value, now.value - low
    )


def direction_of(metric: str, report: Report) -> str:
    """Which values are better; of gaps the lower ones, of what neither the registry nor the report knows the higher."""
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import parse

    address = split_address(metric)
    try:
        entry = parse(metric).entry
    except UsageError:
        entry = None
    if address is not None and address.value is None and (entry is None or entry.reads != "slices"):
        return "lower"
    if entry is not None:
        return entry.direction
    return report.directions.get(metric if address is None else address.metric, "higher")


def certain_end(value: Value, *, low: bool) -> float:
    """The value, or the end of the interval that is certain to hold it: what cannot be excluded counts as so."""
    assert value.value is not None
    return value.value if value.certified is None else value.certified[0 if low else 1]


def beyond_range(name: str, value: float) -> str:
    """Why a number cannot be that of a metric: a saved report may have been written by anyone, in percent too."""
    from evalcli.metrics.registry import is_registered, parse

    if not is_registered(name):
        return ""
    entry = parse(name).entry
    if entry.low - _ROUNDING <= value <= entry.high + _ROUNDING:
        return ""
    return f"{value!r} is none: it lies from {entry.low:g} to {entry.high:g}"


def exact(value: float) -> Fraction:
    """The number as printed: 0.95 - 0.94 is 0.01, which binary fractions would miss."""
    from fractions import Fraction

    return Fraction(repr(value))


def _shown(value: float) -> str:
    """Four decimals, of large numbers six digits; the whole of it is in the verdict's fields."""
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.6g}"


def plainly(value: float) -> str:
    """The number with all its digits, and without those that say nothing.

    >>> plainly(1.0), plainly(0.125)
    ('1', '0.125')
    """
    return repr(value).removesuffix(".0")
