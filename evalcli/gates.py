"""Gates: the verdicts on a report that a pipeline can trust.

A value on its bound passes. An undefined value fails its rule, and what the report does not hold is ``missing``: then
there is no verdict at all, because a metric that nobody measured must not let a model through, nor blame it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.addresses import look_up
from evalcli.drops import (
    Baseline,
    beyond_range,
    certain_end,
    direction_of,
    judged_drop,
    judged_pairs,
    judged_slices,
    plainly,
)
from evalcli.errors import ExitCode, InputError, UsageError
from evalcli.report import Verdict
from evalcli.rules import FLAGS, resolved, standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.addresses import Found
    from evalcli.report import Report, Value
    from evalcli.rules import Basis, Kind, Rule


def judge(
    report: Report,
    rules: Iterable[Rule],
    baseline: Report | Baseline | None = None,
    *,
    least: int = 1,
    on: Basis = "point",
) -> tuple[Verdict, ...]:
    """A verdict for every rule, in order. The worst of slices, and their gap, are of those with ``least`` rows.

    ``on`` the interval a rule passes when all of it is on the right side of the bound, and fails when all of it is on
    the wrong one; else the sample cannot tell.

    Raises:
        InputError: the baseline is of another task or of other classes.
        UsageError: a rule about a drop, and no baseline.

    """
    rules = standing([resolved(rule, report.task) for rule in rules])
    if baseline is None and any(rule.kind == "drop" for rule in rules):
        raise UsageError("--max-drop compares with a baseline", fix="name a saved report with --baseline REPORT.json")
    before = baseline if baseline is None or isinstance(baseline, Baseline) else Baseline(baseline)
    if before is not None and before.report is not None:
        _check_comparable(report, before.report)
    return tuple(_sided(rule, _judged(rule, report, before, least, on), rules, report) for rule in rules)


def _sided(rule: Rule, verdict: Verdict, rules: Iterable[Rule], report: Report) -> Verdict:
    """A verdict that says so where it passed a value for not being too good, and no rule bounds how bad it may be."""
    from evalcli.metrics.registry import is_registered

    known = is_registered(rule.metric) or rule.metric in report.directions
    better = direction_of(rule.metric, report) if known else "neither"
    sides: dict[str, Kind] = {"higher": "min", "lower": "max"}
    meant = sides.get(better)
    bounded = any(other.metric == rule.metric and other.kind == meant for other in rules)
    if verdict.status != "pass" or rule.kind == "drop" or meant is None or bounded:
        return verdict
    return replace(verdict, reason=_joined(verdict.reason, f"{better} is better: {FLAGS[meant]} fails what is too bad"))


def exit_code(verdicts: Iterable[Verdict]) -> ExitCode:
    """The exit code: a missing value outranks a failed one, because then the verdict is not known; and a failed one
    outranks one that this sample could not decide.

    >>> exit_code([Verdict("mcc>=0.5", "mcc", 0.4, 0.5, "fail")]).name
    'FAIL'
    """
    statuses = {verdict.status for verdict in verdicts}
    if statuses - {"pass", "fail", "undefined", "inconclusive"}:
        return ExitCode.NO_VERDICT
    if statuses & {"fail", "undefined"}:
        return ExitCode.FAIL
    return ExitCode.INCONCLUSIVE if "inconclusive" in statuses else ExitCode.PASS


def _check_comparable(report: Report, baseline: Report) -> None:
    if baseline.task != report.task:
        what = f"the baseline's task is {baseline.task}, this report's is {report.task}"
    elif set(baseline.outputs) != set(report.outputs):
        odd = sorted(set(baseline.outputs) ^ set(report.outputs))
        what = f"the baseline has other outputs: only one side has {', '.join(map(repr, odd[:5]))}"
    elif set(baseline.classes) != set(report.classes):
        odd = sorted(set(baseline.classes) ^ set(report.classes))
        what = f"the baseline has other classes: only one side has {', '.join(map(repr, odd[:5]))}"
    elif baseline.positive != report.positive:
        what = f"the baseline's positive class is {baseline.positive!r}, this report's is {report.positive!r}"
    else:
        return
    things = "outputs" if report.task == "regression" else "classes"
    raise InputError(what, fix=f"compare reports on the same task and {things}", path="--baseline")


def _judged(rule: Rule, report: Report, baseline: Baseline | None, least: int, on: Basis) -> Verdict:
    from evalcli.metrics.address import split_address

    found = look_up(report, rule.metric, least, rule.kind)
    if isinstance(found, str):
        return Verdict(rule.text(), rule.metric, None, rule.bound, "missing", found)
    value, n, where = found
    pairs = baseline.pairs.get(rule.metric, ()) if baseline is not None and rule.kind == "drop" else ()
    if pairs and pairs[0].where:  # the slice that loses most, which need not be the worst one
        return judged_pairs(rule, pairs, report, on)
    address = split_address(rule.metric)
    if rule.kind == "drop" and baseline is not None and address is not None and address.is_worst:
        return judged_slices(
            rule, address, report, baseline, least=least, judged=lambda one: _judged(one, report, baseline, 1, on)
        )
    if value.value is None:
        reason = f"undefined here ({_why_undefined(rule.metric, report)}), and undefined never passes"
        return Verdict(rule.text(), rule.metric, None, rule.bound, "undefined", _joined(where, reason), n=n)
    odd = beyond_range(rule.metric, value.value)
    if odd:
        return Verdict(rule.text(), rule.metric, value.value, rule.bound, "missing", _joined(where, odd), n=n)
    if rule.kind == "drop" and baseline is not None:
        if pairs:
            return judged_pairs(rule, pairs, report, on)
        judged = judged_drop(rule, found, report, baseline, least=least, on=on)
        return replace(judged, reason=_joined(where, judged.reason))
    digits = ".4g" if report.task == "regression" else ".4f"
    status, reason = _on_point(rule, value, digits) if on == "point" else _on_interval(rule, found, report)
    verdict = Verdict(rule.text(), rule.metric, value.value, rule.bound, status, _joined(where, reason))
    return replace(verdict, low=value.low, high=value.high, n=n)


def _why_undefined(metric: str, report: Report) -> str:
    """What leaves a metric without a value, as far as the report tells."""
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import is_registered, parse

    address = split_address(metric)
    metric = metric if address is None else address.metric
    if not is_registered(metric):
        return "what defines it has no finite value"
    if report.task == "regression":
        return "see the findings"
    unscored = any(finding.code == "unusable-rows" for finding in report.findings)
    return "rows without a score, see the findings" if unscored and parse(metric).entry.needs_scores else "0/0"


def _on_point(rule: Rule, found: Value, digits: str) -> tuple[str, str]:
    """Whether the value itself is on the right side, and why not."""
    assert found.value is not None
    passes, certainly = (
        end >= rule.bound if rule.kind == "min" else end <= rule.bound
        for end in (found.value, certain_end(found, low=rule.kind == "min"))
    )
    if certainly:
        return "pass", ""
    if passes and found.certified is not None:
        low, high = found.certified
        return "fail", f"only certain to lie in {low!r} … {high!r}: more memory (--ranking-budget) tells"
    return "fail", _compared(found.value, "<" if rule.kind == "min" else ">", rule.bound, digits)


def _on_interval(rule: Rule, found: Found, report: Report) -> tuple[str, str]:
    """Whether the whole interval is on one side; if not, how many rows would tell."""
    from evalcli.uncertainty.decisions import judged, told
    from evalcli.uncertainty.intervals import Confidence, Interval

    value = found.value
    assert value.value is not None
    if value.low is None or value.high is None or rule.kind == "drop":
        way = "" if report.confidence is not None else "report without --no-intervals, or "
        return "missing", f"there is no interval of it; {way}judge by --gate-on point"
    interval = Interval(value.low, value.high, value.method or "")
    sure = Confidence(0.95 if report.confidence is None else report.confidence)
    decision = judged(value.value, interval, rule.bound, rule.kind, found.n, sure)
    if decision.outcome == "pass":
        return decision.outcome, ""
    span = f"{value.low:.4f} to {value.high:.4f}"
    if decision.outcome == "fail":
        return decision.outcome, f"all of {span} is {'below' if rule.kind == 'min' else 'above'} {plainly(rule.bound)}"
    return decision.outcome, f"{span} holds {plainly(rule.bound)}: {told(decision)}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _compared(value: float, sign: str, bound: float, digits: str = ".4f") -> str:
    """The comparison with the digits that show it: four, unless rounding would hide the reason."""
    short = f"{value:{digits}}"
    if short != f"{bound:{digits}}":
        return f"{short} {sign} {plainly(bound)}"
    return f"{value!r} {sign} {plainly(bound)}, shown as {short}"
