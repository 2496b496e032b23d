"""Margins: how much worse a model may be, or how far apart two may lie, judged by the interval of their difference.

``noninferior(accuracy)<0.005`` passes where the interval of the difference lies above −0.005, and fails where all of it
lies below: then the model was shown to be worse. What lies across the margin is inconclusive, and it is told how many
rows would decide if the value were the truth. So are margins of equivalence, on both sides. With an interval of 95 %
each side is tested at 2.5 %, as regulators ask for.
``drop(accuracy)<=0.005`` judges the values alone.

``accuracy@region=EU`` is that of a slice, and ``accuracy@region=*`` of all slices by a column: it passes where each of
them does, which claims no more than every one shows, so that no level has to be shared out (an intersection-union
test). It fails where one does, each by its own interval.

Sources: Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach; Berger 1982,
Multiparameter hypothesis testing and acceptance sampling.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Literal, NamedTuple

from evalcli.comparing.data import NAMES
from evalcli.comparing.doubt import ends_of
from evalcli.drops import exact, gravest, plainly
from evalcli.errors import UsageError
from evalcli.metrics.address import WORST, split_address, written
from evalcli.metrics.registry import is_registered, parse
from evalcli.report import Verdict
from evalcli.rules import parse_amount
from evalcli.shell import word
from evalcli.sources.spelling import ways_to_write
from evalcli.uncertainty.comparison import equivalent, not_worse
from evalcli.uncertainty.decisions import Decision, rows_to_decide, rows_to_lie_within, told
from evalcli.uncertainty.intervals import Confidence, Interval

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from fractions import Fraction

    from evalcli.comparing.data import Comparison, Difference, MetricRow

Kind = Literal["noninferior", "equivalent", "drop"]
_FLAG = {"noninferior": "--noninferior", "equivalent": "--equivalent", "drop": "--max-drop"}
_RULE = re.compile(r"(?P<kind>noninferior|equivalent|drop)\((?P<name>.+)\)\s*<=?\s*(?P<bound>[^<>=]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Margin:
    """One gate on a difference. ``relative`` reads the bound as a share of the reference's value."""

    metric: str
    kind: Kind
    bound: float
    relative: bool = False

    def text(self) -> str:
        """The margin as it stands in the output.

        >>> Margin("accuracy", "noninferior", 0.005).text(), Margin("mcc", "drop", 0.02, relative=True).text()
        ('noninferior(accuracy)<0.005', 'drop(mcc)<=2%')
        """
        amount = f"{self.bound * 100:.12g}%" if self.relative else plainly(self.bound)
        return f"{self.kind}({self.metric})<{'=' if self.kind == 'drop' else ''}{amount}"


def parse_margins(
    noninferior: Iterable[str] = (),
    equivalences: Iterable[str] = (),
    drops: Iterable[str] = (),
    known: Container[str] = (),
) -> tuple[Margin, ...]:
    """Margins from ``NAME=V`` texts; ``known`` are names that the registry does not have.

    >>> [margin.text() for margin in parse_margins(["accuracy=0.5pp"], ["f1_macro=2%"], ["mcc@sex=f=0.1"])]
    ['noninferior(accuracy)<0.005', 'equivalent(f1_macro)<2%', 'drop(mcc@sex=f)<=0.1']

    Raises:
        UsageError: a name that no metric has, or an amount that is no margin.

    """
    given: tuple[tuple[Kind, Iterable[str]], ...] = (
        ("noninferior", noninferior),
        ("equivalent", equivalences),
        ("drop", drops),
    )
    return tuple(_parsed(text, kind, known) for kind, texts in given for text in texts)


def is_margin(text: str) -> bool:
    """Whether a rule is about two models, and not about one.

    >>> is_margin("drop(mcc)<=0.01"), is_margin("mcc>=0.5")
    (True, False)
    """
    return text.lstrip().startswith(tuple(f"{kind}(" for kind in _FLAG))


def parse_margin(text: str, known: Container[str] = ()) -> Margin:
    """One margin from its text; ``known`` are names that the registry does not have.

    >>> parse_margin("noninferior(accuracy@region=EU) < 1pp")
    Margin(metric='accuracy@region=EU', kind='noninferior', bound=0.01, relative=False)

    Raises:
        UsageError: a text that is none.

    """
    found = _RULE.fullmatch(text.strip())
    if found is None:
        fix = "write it like noninferior(accuracy)<0.5pp, equivalent(f1_macro)<2% or drop(mcc)<=0.01"
        raise UsageError(f"{text!r} is no rule about a comparison", fix=fix)
    kind: Kind = (
        "drop" if found["kind"] == "drop" else "noninferior" if found["kind"] == "noninferior" else "equivalent"
    )
    return _parsed(f"{found['name'].strip()}={found['bound']}", kind, known)


def _parsed(text: str, kind: Kind, known: Container[str] = ()) -> Margin:
    name, equals, amount = text.rpartition("=")
    name, amount = name.strip(), amount.strip()
    flag = _FLAG[kind]
    if not equals or not name or not amount:
        raise UsageError(f"{flag} {text!r} is not NAME=AMOUNT", fix=f"write it as in {flag} accuracy=0.5pp")
    address = split_address(name)
    foreign = (name if address is None else address.metric) in known
    metric, bound, relative = parse_amount(name, amount, flag, (name,) if foreign else ())
    if kind != "drop" and not bound > 0:
        raise UsageError(f"{flag} {text}: a margin is more than 0", fix=f"write it as in {flag} accuracy=0.5pp")
    if address is not None and (address.value is None or (not foreign and parse(metric).entry.reads == "slices")):
        fix = f"name one slice, or the worst: {written('NAME', 'slice', address.by, WORST)}"
        raise UsageError(f"{flag} {text}: gaps between slices are not compared", fix=fix)
    return Margin(metric, kind, bound, relative)


def metrics_of(margins: Iterable[Margin]) -> tuple[str, ...]:
    """The metrics of the registry that margins read, of all rows or in slices."""
    known = (margin.metric for margin in margins if is_registered(margin.metric))
    return tuple(dict.fromkeys(str(parse(metric).whole) for metric in known))


def judge(comparison: Comparison, margins: Iterable[Margin], least: int = 1) -> tuple[Verdict, ...]:
    """A verdict for each margin, of the second model against the first; the worst slice is of those of ``least`` rows.

    Of more models there is one for each but the first.

    Raises:
        UsageError: there are more than two models, and an interval of a difference is asked for.

    """
    margins, models = tuple(margins), len(comparison.models)
    check_two(margins, models)
    if models == 2:
        return tuple(_judged(margin, comparison, least) for margin in margins)
    each = ((margin, place) for margin in margins for place in range(1, models))
    return tuple(
        replace(found, rule=f"{NAMES[place]}:{found.rule}")
        for margin, place in each
        for found in (_judged(margin, comparison, least, place),)
    )


def check_two(margins: Sequence[Margin], models: int) -> None:
    """Refuse intervals of differences of more models than two, which are of each and the best.

    Raises:
        UsageError: there are more.

    """
    if models > 2 and any(margin.kind != "drop" for margin in margins):
        what = "--noninferior and --equivalent are about two models"
        fix = "compare the first with each of the others by itself, or judge each by --min and --max, and --max-drop"
        raise UsageError(what, fix=fix)


class Place(NamedTuple):
    """A metric of ``n`` rows, and which these are where that was not said."""

    row: MetricRow
    n: int
    where: str = ""


def _judged(margin: Margin, comparison: Comparison, least: int, model: int = 1) -> Verdict:
    places = places_of(margin.metric, comparison, least)
    if isinstance(places, str):
        return _none(margin, "missing", places)
    places = [place._replace(row=_of_two(place.row, model)) for place in places]
    verdicts = [_at(margin, place, NAMES[model], comparison) for place in places]
    return gravest(verdicts, [_harm(margin, place) for place in places], [place.where for place in places])


def places_of(metric: str, comparison: Comparison, least: int) -> Sequence[Place] | str:
    """What a name is of: all rows, a slice, or for the worst every slice of ``least`` rows; or why it is not there."""
    address = split_address(metric)
    if address is None:
        row = comparison.metric(metric)
        return "this metric was not compared" if row is None else (Place(row, comparison.n),)
    rows = [row for row in comparison.slices if row.by == address.by]
    if not rows:
        return f"nothing was compared by {address.by!r}; add --by {word(address.by)}"
    if any(address.metric not in row.metrics for row in rows):
        return "this metric was not compared"
    if address.is_worst:
        found = [Place(row.metrics[address.metric], row.n, f"'{row.value}'") for row in rows if row.n >= least]
        return found or f"no slice has {least:,} rows"
    written = ways_to_write(str(address.value))
    one = next((row for row in rows if row.value in written), None)
    if one is None:
        known = ", ".join(repr(row.value) for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        return f"no slice {address.value!r}; there are {known}"
    return (Place(one.metrics[address.metric], one.n),)


def _of_two(row: MetricRow, model: int) -> MetricRow:
    """The first model and another one; how they differ is known of two."""
    if len(row.values) == 2:
        return row
    return row._replace(values=(row.values[0], row.values[model]), differences=(None, None))


def _none(margin: Margin, status: str, reason: str) -> Verdict:
    return Verdict(margin.text(), margin.metric, None, margin.bound, status, reason)


def _at(margin: Margin, place: Place, model: str, comparison: Comparison) -> Verdict:
    """The verdict on one metric, of the model of this name."""
    row = place.row
    found, (base, now) = row.differences[1], row.values
    if margin.kind == "noninferior" and row.direction == "neither" and is_registered(row.name):
        raise UsageError(f"{margin.text()}: more of it is neither better nor worse", fix="use --equivalent")
    if base is None or now is None:
        where = "both" if base is None and now is None else "one of the two"
        return replace(_none(margin, "undefined", f"undefined for {where}"), n=place.n)
    if margin.kind == "drop":
        return _of_values(margin, place, base, now, model)
    if found is None:
        return replace(_none(margin, "missing", "no interval is known for it"), n=place.n)
    bound = margin.bound * abs(base) if margin.relative else margin.bound
    status = _status(margin, row, found, bound)
    reason = "all of the interval lies beyond the margin" if status == "fail" else ""
    if status == "inconclusive":
        reason = _told(margin, place, found, bound, comparison)
    verdict = Verdict(margin.text(), margin.metric, found.value, bound, status, reason, found.low, found.high)
    return replace(verdict, n=place.n, baseline=base, current=now, method=found.method)


def _of_values(margin: Margin, place: Place, base: float, now: float, model: str) -> Verdict:
    """Whether the second value is worse than the first by no more than the margin, as numbers are printed."""
    if place.row.direction == "zero":
        base, now = abs(base), abs(now)
    verdict = replace(_none(margin, "undefined", ""), n=place.n, baseline=base, current=now)
    if margin.relative and base == 0:
        return replace(verdict, reason="the first is 0, of which there is no share")
    if not (isfinite(base) and isfinite(now)):
        return replace(verdict, reason=f"{base:g} and {now:g}: there is no difference")
    drop = _drop(margin, place.row, base, now)
    status, reason = "pass" if drop <= exact(margin.bound) else "fail", f"{base:.4f} in A, {now:.4f} in {model}"
    if status == "pass" and _drop(margin, place.row, *_worst(place.row)) > exact(margin.bound):
        status, reason = "fail", f"{reason}, certain only to a range: more memory (--ranking-budget) tells"
    return replace(verdict, value=float(drop), status=status, reason=reason)


def _worst(row: MetricRow) -> tuple[float, float]:
    """The best that the first may be, and the worst that the second may be; the values, where they are in no doubt."""
    spans = [ends_of(value) or (value or 0.0, value or 0.0) for value in row.values[:2]]
    if row.direction == "zero":
        spans = [
            (0.0 if low <= 0.0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high))) for low, high in spans
        ]
    (low, high), (least, most) = spans
    return (high, least) if row.direction in {"higher", "neither"} else (low, most)


def _drop(margin: Margin, row: MetricRow, base: float, now: float) -> Fraction:
    """How much is lost, of the first value itself or as a share of it."""
    lost = exact(base) - exact(now) if row.direction in {"higher", "neither"} else exact(now) - exact(base)
    return lost / abs(exact(base)) if margin.relative else lost


def _harm(margin: Margin, place: Place) -> float:
    """How near a difference is to failing its margin, or how far beyond it."""
    row, found = place.row, place.row.differences[1]
    base, now = row.values
    if base is None or now is None:
        return 0.0
    share = abs(base) if margin.relative and base else 1.0
    higher = row.direction in {"higher", "neither"}
    if margin.kind == "drop":
        lost = base - now if higher else now - base
        return (abs(now) - abs(base) if row.direction == "zero" else lost) / share
    if found is None:
        return 0.0
    if margin.kind == "equivalent":
        return max(-found.low, found.high) / share
    return (-found.low if higher else found.high) / share


def _told(margin: Margin, place: Place, found: Difference, bound: float, comparison: Comparison) -> str:
    """Why these rows cannot tell, and how many would."""
    value, interval = found.value, Interval(found.low, found.high, found.method)
    sure = Confidence(comparison.confidence)
    if margin.kind == "equivalent":
        beyond, rows = abs(value) > bound, rows_to_lie_within(value, interval, bound, place.n, sure)
    else:
        higher = place.row.direction in {"higher", "neither"}
        worst = -bound if higher else bound
        beyond = value < worst if higher else value > worst
        rows = rows_to_decide(value, interval, worst, place.n, sure)
    why = "the value lies beyond the margin, its interval" if beyond else "the interval reaches"
    both = ", counted in both samples" if rows is not None and comparison.kind == "independent" else ""
    return f"{why} {'on both sides' if beyond else 'across the margin'}: {told(Decision('inconclusive', rows))}{both}"


def _status(margin: Margin, row: MetricRow, found: Difference, bound: float) -> str:
    interval = Interval(found.low, found.high, found.method)
    if margin.kind == "equivalent":
        if equivalent(interval, bound):
            return "pass"
        return "fail" if found.low >= bound or found.high <= -bound else "inconclusive"
    higher = row.direction in {"higher", "neither"}  # of what a user defines, more is taken to be better
    direction: Literal["higher", "lower"] = "higher" if higher else "lower"
    if not_worse(interval, bound, direction):
        return "pass"
    worse = found.high <= -bound if direction == "higher" else found.low >= bound
    return "fail" if worse else "inconclusive"
