"""Bounds on each of the models that are compared, by itself: ``B:recall>=0.8``, judged as in a report on that model.

Where nobody says which model is meant, it is every one but the first: that is the one to be replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from evalcli.addresses import made_of
from evalcli.comparing.data import NAMES
from evalcli.comparing.doubt import ends_of
from evalcli.errors import UsageError
from evalcli.gates import judge
from evalcli.metrics.registry import is_registered, parse
from evalcli.report import ClassRow, Report, SliceRow, Value, Verdict
from evalcli.rules import Rule, kept_beside, parse_rule, parse_rules, plain_rules, resolved

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from evalcli.comparing.data import Comparison, MetricRow

_MODEL = re.compile(r"\s*(?:(?P<model>[A-Z])\s*:)?(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bound:
    """A ``rule`` about the ``model`` of this letter, or, where there is none, about all but the first."""

    rule: Rule
    model: str = ""

    def places(self, models: int) -> tuple[int, ...]:
        """Which of so many models it is about.

        Raises:
            UsageError: there is no such model.

        """
        if not self.model:
            return tuple(range(1, models))
        if self.model not in NAMES[:models]:
            what = f"{self.model}:{self.rule.text()}: there is no model {self.model}"
            raise UsageError(what, fix=f"the models are {', '.join(NAMES[:models])}, in the order of the arguments")
        return (NAMES.index(self.model),)


def parse_bounds(
    minimum: Iterable[str],
    maximum: Iterable[str],
    known: Container[str] = (),
    plain: Mapping[str, float | None] = MappingProxyType({}),
) -> tuple[Bound, ...]:
    """Bounds from ``NAME=V`` texts, or ``A:NAME=V``; ``known`` are names that the registry does not have.

    ``plain`` are minimums by the name that a first-time user types.

    >>> [(one.model, one.rule.text()) for one in parse_bounds(["mcc=0.5", "A:recall[a:b]=0.8"], ["log_loss=0.3"])]
    [('', 'mcc>=0.5'), ('A', 'recall[a:b]>=0.8'), ('', 'log_loss<=0.3')]

    Raises:
        UsageError: a name that no metric has, or a bound that no value could meet or miss.

    """
    found = [Bound(rule) for rule in plain_rules(plain)]
    for is_least, texts in ((True, minimum), (False, maximum)):
        for text in texts:
            model, rest = _parted(text)
            (rule,) = parse_rules([rest] if is_least else [], [] if is_least else [rest], known=known)
            found.append(Bound(rule, model))
    return tuple(found)


def override(inherited: Iterable[Bound], given: tuple[Bound, ...]) -> tuple[Bound, ...]:
    """All bounds, where one that was ``given`` replaces an inherited one on the same metric of the same model."""
    kept = ((old, kept_beside(old.rule, [one.rule for one in given if one.model == old.model])) for old in inherited)
    return (*(replace(old, rule=rule) for old, rule in kept if rule is not None), *given)


def parse_bound(text: str, known: Container[str] = ()) -> Bound:
    """One from its text.

    >>> parse_bound("B: accuracy >= 0.9").model
    'B'

    Raises:
        UsageError: a text that is none.

    """
    model, rest = _parted(text)
    return Bound(parse_rule(rest, known), model)


def _parted(text: str) -> tuple[str, str]:
    found = _MODEL.fullmatch(text)
    assert found is not None  # it takes anything
    return found["model"] or "", found["rest"]


def metrics_of(bounds: Iterable[Bound]) -> tuple[str, ...]:
    """The metrics of the registry that bounds read, of all rows or in slices."""
    known = (parse(name) for one in bounds for name in sorted(one.rule.names) if is_registered(name))
    return tuple(dict.fromkeys(str(parse(name)) for one in known for name in made_of(one)))


def judge_alone(
    comparison: Comparison, bounds: Iterable[Bound], least: int = 1, apart: Mapping[int, Report] | None = None
) -> tuple[Verdict, ...]:
    """A verdict for each bound on each of its models; the worst of slices, and their gap, are of those of ``least``.

    ``apart`` are reports by the place of the model, where intervals are to be judged and not the values.

    Raises:
        UsageError: a bound is on a model that there is not.

    """
    models = len(comparison.models)
    on = [(one.rule, place) for one in _standing(bounds, comparison.task) for place in one.places(models)]
    return tuple(_judged(comparison, [rule, *_beside(rule, place, on)], least, apart, place) for rule, place in on)


def _standing(bounds: Iterable[Bound], task: str) -> list[Bound]:
    """Those that no other gives a new bound, now that the task is known."""
    found = [replace(one, rule=resolved(one.rule, task)) for one in bounds]
    typed = {(one.model, one.rule.kind, one.rule.metric) for one in found if not one.rule.inherited}
    return [
        replace(one, rule=replace(one.rule, inherited=False))
        for one in found
        if not (one.rule.inherited and (one.model, one.rule.kind, one.rule.metric) in typed)
    ]


def _beside(rule: Rule, place: int, on: Sequence[tuple[Rule, int]]) -> list[Rule]:
    """What bounds the same metric of the same model."""
    return [other for other, at in on if other.metric == rule.metric and at == place]


def _judged(
    comparison: Comparison, rules: Sequence[Rule], least: int, apart: Mapping[int, Report] | None, place: int
) -> Verdict:
    """The verdict on the first of the rules, all of which bound one metric."""
    alone = alone_of(comparison, place)
    found = judge(alone, rules, least=least)[0]
    if apart is not None and found.value is not None:
        report = apart[place]
        if report.n == alone.n:
            found = judge(report, rules, least=least, on="interval")[0]
        else:
            reason = f"its interval is of {report.n:,} rows, and {alone.n:,} are compared; judge by --gate-on point"
            found = replace(found, status="missing", reason=reason)
    return replace(found, rule=f"{NAMES[place]}:{found.rule}")


def alone_of(comparison: Comparison, place: int) -> Report:
    """What is known of one of the models, as a report says it: values without intervals."""
    model = comparison.models[place]
    rows = [*comparison.metrics, *(row for label in comparison.per_class for row in label.metrics.values())]
    return Report(
        version=comparison.version,
        signature="",
        task=comparison.task,
        scores=model.scores,
        n=comparison.n if model.n is None else model.n,
        ignored=comparison.ignored,
        weighted=comparison.weighted,
        classes=comparison.classes,
        metrics=dict(_values(rows, place)),
        per_class=[ClassRow(name, 0, 0, {}) for name in comparison.classes],
        positive=comparison.positive,
        slices=tuple(
            SliceRow(row.by, row.value, row.n, dict(_values(row.metrics.values(), place)))
            for row in comparison.slices
        ),
        directions={row.name: row.direction for row in rows if row.direction != "neither"},
    )  # fmt: skip


def _values(rows: Iterable[MetricRow], place: int) -> Iterator[tuple[str, Value]]:
    for row in rows:
        yield row.name, Value(row.values[place], certified=ends_of(row.values[place]))
