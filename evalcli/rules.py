"""Rules about a report: what is typed or configured, as names, sides and bounds.

A rule is ``accuracy>=0.9``, ``log_loss<=0.3`` or ``drop(f1_macro)<=0.01`` (against a baseline).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal

from evalcli.drops import plainly
from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from evalcli.metrics.registry import MetricName

Kind = Literal["min", "max", "drop"]
Basis = Literal["point", "interval"]
"""What a gate judges: the value, or the whole of its interval."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_RELATIVE = frozenset({"mape", "wape"})
"""Shares of the target, though they may be larger than 1."""
FLAGS = {"min": "--min", "max": "--max", "drop": "--max-drop"}
"""The option that says a rule of each kind."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One gate before it meets a report.

    ``plain`` is a rule as a first-time user types it (``--min-f1``): the positive class of a binary task, else the
    macro mean. ``relative`` reads the bound of a drop as a share of the baseline's value. An ``inherited`` one gives
    way to another on the same metric, if the task that is found makes it the same.
    """

    metric: str
    kind: Kind
    bound: float
    plain: bool = False
    relative: bool = False
    inherited: bool = field(default=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The metrics that it may come to mean, once the task is known."""
        from evalcli.metrics.registry import parse

        macro = {f"{self.metric}_macro"} if self.plain and parse(self.metric).entry.averages else set()
        return frozenset({self.metric, *macro})

    def replaces(self, other: Rule) -> bool:
        """Whether both bound the same metric from the same side, whatever the task."""
        return self.kind == other.kind and self.names == other.names

    def may_replace(self, other: Rule) -> bool:
        """Whether they do in some task: ``--min-f1`` is ``--min f1_macro`` unless there are two classes."""
        return self.kind == other.kind and bool(self.names & other.names)

    def text(self) -> str:
        """The rule as it stands in the report.

        >>> Rule("accuracy", "min", 0.9).text(), Rule("f1_macro", "drop", 0.02, relative=True).text()
        ('accuracy>=0.9', 'drop(f1_macro)<=2%')
        """
        if self.kind == "drop":
            amount = f"{self.bound * 100:.12g}%" if self.relative else plainly(self.bound)
            return f"drop({self.metric})<={amount}"
        return f"{self.metric}{'>=' if self.kind == 'min' else '<='}{plainly(self.bound)}"


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
    kept = (kept_beside(old, given) for old in inherited)
    return (*(old for old in kept if old is not None), *given)


def kept_beside(old: Rule, given: Sequence[Rule]) -> Rule | None:
    """An inherited rule beside those that were ``given``; ``None`` where one of them replaces it."""
    if any(rule.replaces(old) for rule in given):
        return None
    return replace(old, inherited=any(rule.may_replace(old) for rule in given))


def _parsed(text: str, kind: Kind, known: Container[str] = ()) -> Rule:
    name, equals, amount = text.rpartition("=")
    name, amount = name.strip(), amount.strip()
    if not equals or not name or not amount or (name[-1] in "<>" and "@" not in name):  # a class ends in ]
        fix = f"write {FLAGS[kind]} NAME=NUMBER, as in {FLAGS[kind]} accuracy=0.9"
        raise UsageError(f"{FLAGS[kind]} {text!r} is not NAME=NUMBER", fix=fix)
    if kind == "drop":
        return _parsed_drop(name, amount, known)
    if not _NUMBER.fullmatch(amount):
        raise UsageError(f"{FLAGS[kind]} {text!r}: {amount!r} is not a number", fix="write it like 0.9")
    return _bounded(name, kind, float(amount), known)


def _bounded(name: str, kind: Kind, bound: float, known: Container[str] = ()) -> Rule:
    """A rule whose bound lies where the metric lies. The four plain names follow the task where it matters."""
    from evalcli.metrics.registry import is_registered, parse

    if not isfinite(bound):
        raise UsageError(f"{FLAGS[kind]} {name}={bound}: the bound is not a finite number", fix="write it like 0.9")
    if not is_registered(name) and name in known:
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


def _parsed_drop(name: str, amount: str, known: Container[str] = ()) -> Rule:
    metric, bound, relative = parse_amount(name, amount, "--max-drop", known)
    return Rule(metric, "drop", bound, relative=relative)


def parse_amount(name: str, amount: str, flag: str, known: Container[str] = ()) -> tuple[str, float, bool]:
    """How much a metric may change: its full name, the amount, and whether that is a share of its value.

    >>> parse_amount("accuracy", "0.5pp", "--noninferior"), parse_amount("f1_macro", "2%", "--equivalent")
    (('accuracy', 0.005, False), ('f1_macro', 0.02, True))

    Raises:
        UsageError: a name that no metric has, or an amount by which it cannot change.

    """
    from evalcli.metrics.registry import is_registered, parse

    foreign = not is_registered(name) and name in known
    low, high = (-inf, inf) if foreign else (parse(name).entry.low, parse(name).entry.high)
    number = amount.removesuffix("pp").removesuffix("%").strip()
    if not _NUMBER.fullmatch(number):
        fix = "write 0.01 or 1pp (absolute), or 2% (of the baseline)"
        raise UsageError(f"{flag} {name}={amount}: {amount!r} is not an amount", fix=fix)
    if amount.endswith("pp") and not foreign and not _has_points(parse(name)):
        what = f"{flag} {name}={amount}: {name} is no share, and has no percentage points"
        raise UsageError(what, fix=f"write the number itself, as in {name}={number}, or {number}% (of the baseline)")
    hundredth = number != amount
    exact = hundredth and "e" not in number.lower()
    bound = float(f"{number}e-2") if exact else float(number) / (100 if hundredth else 1)  # 2.3 / 100 is not 0.023
    relative = amount.endswith("%")
    if abs(bound) == inf or (not relative and abs(bound) > high - low):
        fix = f"write {number}pp (absolute) or {number}% (of the baseline)" if not hundredth else "change the amount"
        raise UsageError(f"{name} lies in {low:g}…{high:g}, so no drop can be {amount}", fix=fix)
    return name if foreign else str(parse(name)), bound, relative


def _has_points(name: MetricName) -> bool:
    """Whether a metric is a share, or as large as one, so that a hundredth of 1 is something that people speak of."""
    return isfinite(name.entry.high) or name.base in _RELATIVE


def metrics_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The names that rules read, in both meanings of a plain rule; which of them the task has is known only later.

    >>> metrics_of(plain_rules({"f1": 0.8}))
    ('f1', 'f1_macro')
    """
    return tuple(dict.fromkeys(name for rule in rules for name in sorted(rule.names)))


def slicers_of(names: Iterable[str]) -> tuple[str, ...]:
    """What rows must be sliced by for these metrics.

    >>> slicers_of(["accuracy", "recall@region=EU", "f1@region:gap"])
    ('region',)
    """
    from evalcli.metrics.address import split_address

    return tuple(dict.fromkeys(address.by for address in map(split_address, names) if address is not None))


def resolved(rule: Rule, task: str) -> Rule:
    """A plain rule under its full name, now that the task is known."""
    from evalcli.metrics.registry import METRICS

    if not rule.plain or task == "binary" or not METRICS[rule.metric].averages:
        return rule
    return replace(rule, metric=f"{rule.metric}_macro", plain=False)


def standing(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Those that no other gives a new bound, now that the task is known."""
    typed = {(rule.kind, rule.metric) for rule in rules if not rule.inherited}
    return tuple(rule for rule in rules if not (rule.inherited and (rule.kind, rule.metric) in typed))
