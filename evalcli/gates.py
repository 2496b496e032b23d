"""Gates: rules about a report, and the verdicts that a pipeline can trust.

A rule is ``accuracy>=0.9``, ``log_loss<=0.3`` or ``drop(f1_macro)<=0.01`` (against a baseline). A value on its bound
passes. An undefined value fails its rule, and what the report does not hold is ``missing``: then there is no verdict at
all, because a metric that nobody measured must not let a model through, nor blame it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal

from evalcli.errors import ExitCode, InputError, UsageError
from evalcli.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from fractions import Fraction

    from evalcli.report import Report, Value

Kind = Literal["min", "max", "drop"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FLAG = {"min": "--min", "max": "--max", "drop": "--max-drop"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One gate before it meets a report.

    ``plain`` is a rule as a first-time user types it (``--min-f1``): the positive class of a binary task, else the
    macro mean. ``relative`` reads the bound of a drop as a share of the baseline's value.
    """

    metric: str
    kind: Kind
    bound: float
    plain: bool = False
    relative: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The metrics that it may come to mean, once the task is known."""
        from evalcli.metrics.registry import parse

        macro = {f"{self.metric}_macro"} if self.plain and parse(self.metric).entry.averages else set()
        return frozenset({self.metric, *macro})

    def replaces(self, other: Rule) -> bool:
        """Whether both bound the same metric from the same side: ``--min-f1`` and ``--min f1_macro`` do."""
        return self.kind == other.kind and bool(self.names & other.names)

    def text(self) -> str:
        """The rule as it stands in the report.

        >>> Rule("accuracy", "min", 0.9).text(), Rule("f1_macro", "drop", 0.02, relative=True).text()
        ('accuracy>=0.9', 'drop(f1_macro)<=2%')
        """
        if self.kind == "drop":
            amount = f"{self.bound * 100:.12g}%" if self.relative else _plainly(self.bound)
            return f"drop({self.metric})<={amount}"
        return f"{self.metric}{'>=' if self.kind == 'min' else '<='}{_plainly(self.bound)}"


def parse_rules(
    minimum: Iterable[str] = (),
    maximum: Iterable[str] = (),
    drops: Iterable[str] = (),
    known: Container[str] = (),
) -> tuple[Rule, ...]:
    """Rules from ``NAME=V`` texts, in the order given; ``known`` are names that the registry does not have.

    >>> [rule.text() for rule in parse_rules(["recall[a=b]=0.8"], ["error_rate=0.1"], ["mcc=1pp"])]
    ['recall[a=b]>=0.8', 'error_rate<=0.1', 'drop(mcc)<=0.01']

    Raises:
        UsageError: a name that no metric has, or a bound that no value could meet or miss.

    """
    given: tuple[tuple[Kind, Iterable[str]], ...] = (("min", minimum), ("max", maximum), ("drop", drops))
    return tuple(_parsed(text, kind, known) for kind, texts in given for text in texts)


_RULE = re.compile(r"(?P<drop>drop\()?(?P<name>.+?)(?(drop)\))\s*(?P<sign>>=|<=)\s*(?P<bound>[^<>=]+)", re.DOTALL)


def parse_rule(text: str, known: Container[str] = ()) -> Rule:
    """One rule from its text; ``known`` are names beyond the registry, of which nothing is known but their value.

    >>> parse_rule("recall[cat] >= 0.8"), parse_rule("drop(mcc)<=1pp").bound
    (Rule(metric='recall[cat]', kind='min', bound=0.8, plain=False, relative=False), 0.01)

    Raises:
        UsageError: a text that is no rule, a name that no metric has, or a bound that no value could meet or miss.

    """
    found = _RULE.fullmatch(text.strip())
    if found is None or (found["drop"] and found["sign"] == ">="):
        raise UsageError(f"{text!r} is no rule", fix="write it like accuracy>=0.9, log_loss<=0.3 or drop(mcc)<=0.01")
    kind: Kind = "drop" if found["drop"] else "min" if found["sign"] == ">=" else "max"
    return _parsed(f"{found['name'].strip()}={found['bound']}", kind, known)


def plain_rules(bounds: Mapping[str, float | None]) -> tuple[Rule, ...]:
    """Minimums under the names a first-time user would type: ``f1`` is of the positive class, or macro.

    >>> plain_rules({"accuracy": 0.9, "recall": None})
    (Rule(metric='accuracy', kind='min', bound=0.9, plain=True, relative=False),)
    """
    return tuple(
        replace(_bounded(name, "min", value), plain=True) for name, value in bounds.items() if value is not None
    )


def override(inherited: Iterable[Rule], given: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """All rules, where one that was ``given`` replaces an inherited one on the same metric."""
    return (*(old for old in inherited if not any(rule.replaces(old) for rule in given)), *given)


def _parsed(text: str, kind: Kind, known: Container[str] = ()) -> Rule:
    name, equals, amount = text.rpartition("=")
    name, amount = name.strip(), amount.strip()
    if not equals or not name or not amount:
        fix = f"write {_FLAG[kind]} NAME=NUMBER, as in {_FLAG[kind]} accuracy=0.9"
        raise UsageError(f"{_FLAG[kind]} {text!r} is not NAME=NUMBER", fix=fix)
    if kind == "drop":
        return _parsed_drop(name, amount, known)
    if not _NUMBER.fullmatch(amount):
        raise UsageError(f"{_FLAG[kind]} {text!r}: {amount!r} is not a number", fix="write it like 0.9")
    return _bounded(name, kind, float(amount), known)


def _bounded(name: str, kind: Kind, bound: float, known: Container[str] = ()) -> Rule:
    """A rule whose bound lies where the metric lies. The four plain names follow the task where it matters."""
    from evalcli.metrics.registry import parse

    if not isfinite(bound):
        raise UsageError(f"{_FLAG[kind]} {name}={bound}: the bound is not a finite number", fix="write it like 0.9")
    if not _is_registered(name) and name in known:
        return Rule(name, kind, bound)
    parsed = parse(name)
    entry = parsed.entry
    if not entry.low <= bound <= entry.high:
        share = f"{bound / 100:.10g}"
        share = f"{bound / 100:.2f}" if len(share) < 4 else share
        likely = bound >= 2 and bound / 100 <= entry.high
        guess = f"did you mean {share}?" if likely else "change the bound"
        raise UsageError(f"{parsed} lies in {entry.low:g}…{entry.high:g}, so {bound:g} bounds nothing", fix=guess)
    return Rule(str(parsed), kind, bound)


def _is_registered(name: str) -> bool:
    """Whether the registry knows this name."""
    from evalcli.metrics.registry import parse

    try:
        parse(name)
    except UsageError:
        return False
    return True


def _parsed_drop(name: str, amount: str, known: Container[str] = ()) -> Rule:
    from evalcli.metrics.registry import parse

    foreign = not _is_registered(name) and name in known
    low, high = (-inf, inf) if foreign else (parse(name).entry.low, parse(name).entry.high)
    number = amount.removesuffix("pp").removesuffix("%").strip()
    if not _NUMBER.fullmatch(number):
        fix = "write 0.01 or 1pp (absolute), or 2% (of the baseline)"
        raise UsageError(f"--max-drop {name}={amount}: {amount!r} is not an amount", fix=fix)
    hundredth = number != amount
    exact = hundredth and "e" not in number.lower()
    bound = float(f"{number}e-2") if exact else float(number) / (100 if hundredth else 1)  # 2.3 / 100 is not 0.023
    relative = amount.endswith("%")
    if abs(bound) == inf or (not relative and abs(bound) > high - low):
        fix = f"write {number}pp (absolute) or {number}% (of the baseline)" if not hundredth else "change the amount"
        raise UsageError(f"{name} lies in {low:g}…{high:g}, so no drop can be {amount}", fix=fix)
    return Rule(name if foreign else str(parse(name)), "drop", bound, relative=relative)


def metrics_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The names that rules read, in both meanings of a plain rule; which of them the task has is known only later.

    >>> metrics_of(plain_rules({"f1": 0.8}))
    ('f1', 'f1_macro')
    """
    return tuple(dict.fromkeys(name for rule in rules for name in sorted(rule.names)))


def judge(report: Report, rules: Iterable[Rule], baseline: Report | None = None) -> tuple[Verdict, ...]:
    """A verdict for every rule, in order.

    Raises:
        InputError: the baseline is of another task or of other classes.
        UsageError: a rule about a drop, and no baseline.

    """
    rules = tuple(_resolved(rule, report) for rule in rules)
    if baseline is None and any(rule.kind == "drop" for rule in rules):
        raise UsageError("--max-drop compares with a baseline", fix="name a saved report with --baseline REPORT.json")
    if baseline is not None:
        _check_comparable(report, baseline)
    return tuple(_judged(rule, report, baseline) for rule in rules)


def exit_code(verdicts: Iterable[Verdict]) -> ExitCode:
    """The exit code: a missing value outranks a failed one, because then the verdict is not known.

    >>> exit_code([Verdict("mcc>=0.5", "mcc", 0.4, 0.5, "fail")]).name
    'FAIL'
    """
    statuses = {verdict.status for verdict in verdicts}
    if statuses - {"pass", "fail", "undefined"}:
        return ExitCode.NO_VERDICT
    return ExitCode.FAIL if statuses - {"pass"} else ExitCode.PASS


def _resolved(rule: Rule, report: Report) -> Rule:
    """A plain rule under its full name, now that the task is known."""
    from evalcli.metrics.registry import METRICS

    binary = report.task == "binary"
    if not rule.plain or binary or not METRICS[rule.metric].averages:
        return rule
    return replace(rule, metric=f"{rule.metric}_macro")


def _check_comparable(report: Report, baseline: Report) -> None:
    if baseline.task != report.task:
        what = f"the baseline's task is {baseline.task}, this report's is {report.task}"
    elif set(baseline.classes) != set(report.classes):
        odd = sorted(set(baseline.classes) ^ set(report.classes))
        what = f"the baseline has other classes: only one side has {', '.join(map(repr, odd[:5]))}"
    elif baseline.positive != report.positive:
        what = f"the baseline's positive class is {baseline.positive!r}, this report's is {report.positive!r}"
    else:
        return
    raise InputError(what, fix="compare reports on the same task and classes", path="--baseline")


def _judged(rule: Rule, report: Report, baseline: Report | None) -> Verdict:
    found = look_up(report, rule.metric)
    if isinstance(found, str):
        return Verdict(rule.text(), rule.metric, None, rule.bound, "missing", found)
    if found.value is None:
        reason = "undefined here (0/0), and undefined never passes"
        return Verdict(rule.text(), rule.metric, None, rule.bound, "undefined", reason)
    if rule.kind == "drop" and baseline is not None:
        judged = _judged_drop(rule, found, look_up(baseline, rule.metric))
        sizes = "" if baseline.n == report.n else f"; of {baseline.n:,} rows then, {report.n:,} now"
        return replace(judged, reason=judged.reason + sizes)
    passes, certainly = (
        end >= rule.bound if rule.kind == "min" else end <= rule.bound
        for end in (found.value, _end(found, low=rule.kind == "min"))
    )
    if certainly:
        return Verdict(rule.text(), rule.metric, found.value, rule.bound, "pass")
    reason = _compared(found.value, "<" if rule.kind == "min" else ">", rule.bound)
    if passes and found.certified is not None:
        low, high = found.certified
        reason = f"only certain to lie in {low!r} … {high!r}: more memory (--ranking-budget) tells"
    return Verdict(rule.text(), rule.metric, found.value, rule.bound, "fail", reason)


def _end(found: Value, *, low: bool) -> float:
    """The value, or the end of the interval that is certain to hold it: what cannot be excluded counts as so."""
    assert found.value is not None
    return found.value if found.certified is None else found.certified[0 if low else 1]


def _judged_drop(rule: Rule, now: Value, before: Value | str) -> Verdict:
    """The value of the verdict is the drop itself, in the metric's bad direction; numbers are taken as printed."""
    from evalcli.metrics.registry import parse

    def verdict(value: float | None, status: str, reason: str) -> Verdict:
        return Verdict(rule.text(), rule.metric, value, rule.bound, status, reason)

    if isinstance(before, str):
        return verdict(None, "missing", f"in the baseline: {before}")
    if before.value is None:
        return verdict(None, "undefined", "undefined in the baseline")
    higher = not _is_registered(rule.metric) or parse(rule.metric).entry.direction == "higher"
    old, new = _end(before, low=not higher), _end(now, low=higher)
    if rule.relative and old == 0:
        return verdict(None, "undefined", "the baseline is 0, of which there is no share")
    if not (isfinite(old) and isfinite(new)):
        return verdict(None, "undefined", f"{old:g} before, {new:g} now: there is no difference")
    drop = (_exact(old) - _exact(new)) * (1 if higher else -1)
    if rule.relative:
        drop /= abs(_exact(old))
    change = f"{_plainly(old)} before, {_plainly(new)} now"
    return verdict(float(drop), "pass" if drop <= _exact(rule.bound) else "fail", change)


def look_up(report: Report, metric: str) -> Value | str:
    """The value under this name, or why there is none."""
    from evalcli.metrics.registry import parse

    if metric in report.metrics:
        return report.metrics[metric]
    name = parse(metric)
    if name.slice_by is not None:
        return "the report has no slices"
    if str(name) in report.metrics:
        return report.metrics[str(name)]
    if name.label is None:
        if name.average is None and name.entry.averages and report.task != "binary":
            return f"not one number in a {report.task} task: say {metric}_macro or {metric}[CLASS]"
        if name.entry.needs_scores and report.scores == "labels":
            return "it needs scores, and the predictions are labels"
        return f"the report does not have it; report again with -m {metric}"
    row = next((row for row in report.per_class if row.name == name.label), None)
    if row is None:
        known = ", ".join(repr(one.name) for one in report.per_class[:5])
        more = ", …" if len(report.per_class) > 5 else ""
        return f"no class {name.label!r}; there are {known}{more}" if known else "the report has no classes"
    return row.metrics.get(str(replace(name, label=None)), "the report does not have it")


def _exact(value: float) -> Fraction:
    """The number as printed: 0.95 - 0.94 is 0.01, which binary fractions would miss."""
    from fractions import Fraction

    return Fraction(repr(value))


def _plainly(value: float) -> str:
    return repr(value).removesuffix(".0")


def _compared(value: float, sign: str, bound: float) -> str:
    """The comparison with the digits that show it: four, unless rounding would hide the reason."""
    short = f"{value:.4f}"
    if short != f"{bound:.4f}":
        return f"{short} {sign} {_plainly(bound)}"
    return f"{value!r} {sign} {_plainly(bound)}, shown as {short}"
