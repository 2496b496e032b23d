"""Margins: how much worse a model may be, or how far apart two may lie, judged by the interval of their difference.

``noninferior(accuracy)<0.005`` passes where the interval of the difference lies above −0.005, and fails where all of it
lies below: then the model was shown to be worse. What lies across the margin is inconclusive. So are margins of
equivalence, on both sides. With an interval of 95 % each side is tested at 2.5 %, as regulators ask for.

Source: Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from evalcli.errors import UsageError
from evalcli.gates import parse_amount
from evalcli.report import Verdict
from evalcli.uncertainty.comparison import equivalent, not_worse
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.comparing.data import Comparison, Difference, MetricRow

Kind = Literal["noninferior", "equivalent"]


@dataclass(frozen=True, slots=True)
class Margin:
    """One gate on a difference. ``relative`` reads the bound as a share of the reference's value."""

    metric: str
    kind: Kind
    bound: float
    relative: bool = False

    def text(self) -> str:
        """The margin as it stands in the output.

        >>> Margin("accuracy", "noninferior", 0.005).text(), Margin("mcc", "equivalent", 0.02, relative=True).text()
        ('noninferior(accuracy)<0.005', 'equivalent(mcc)<2%')
        """
        amount = f"{self.bound * 100:.12g}%" if self.relative else f"{self.bound!r}".removesuffix(".0")
        return f"{self.kind}({self.metric})<{amount}"


def parse_margins(noninferior: Iterable[str] = (), equivalences: Iterable[str] = ()) -> tuple[Margin, ...]:
    """Margins from ``NAME=V`` texts.

    >>> [margin.text() for margin in parse_margins(["accuracy=0.5pp"], ["f1_macro=2%"])]
    ['noninferior(accuracy)<0.005', 'equivalent(f1_macro)<2%']

    Raises:
        UsageError: a name that no metric has, or an amount that is no margin.

    """
    given: tuple[tuple[Kind, Iterable[str]], ...] = (("noninferior", noninferior), ("equivalent", equivalences))
    return tuple(_parsed(text, kind) for kind, texts in given for text in texts)


def _parsed(text: str, kind: Kind) -> Margin:
    name, equals, amount = text.rpartition("=")
    name, amount = name.strip(), amount.strip()
    flag = f"--{kind}"
    if not equals or not name or not amount:
        raise UsageError(f"{flag} {text!r} is not NAME=AMOUNT", fix=f"write it as in {flag} accuracy=0.5pp")
    metric, bound, relative = parse_amount(name, amount, flag)
    if not bound > 0:
        raise UsageError(f"{flag} {text}: a margin is more than 0", fix=f"write it as in {flag} accuracy=0.5pp")
    return Margin(metric, kind, bound, relative)


def metrics_of(margins: Iterable[Margin]) -> tuple[str, ...]:
    """The metrics that margins read."""
    return tuple(dict.fromkeys(margin.metric for margin in margins))


def judge(comparison: Comparison, margins: Iterable[Margin]) -> tuple[Verdict, ...]:
    """A verdict for each margin, of the second model against the first.

    Raises:
        UsageError: there are more than two models.

    """
    margins = tuple(margins)
    if margins and comparison.kind == "league":
        raise UsageError("--noninferior and --equivalent are about two models", fix="name two")
    return tuple(_judged(margin, comparison) for margin in margins)


def _judged(margin: Margin, comparison: Comparison) -> Verdict:
    row = comparison.metric(margin.metric)
    if row is None:
        return Verdict(margin.text(), margin.metric, None, margin.bound, "missing", "this metric was not compared")
    found, base = row.differences[1], row.values[0]
    if margin.kind == "noninferior" and row.direction == "neither":
        raise UsageError(f"{margin.text()}: more of it is neither better nor worse", fix="use --equivalent")
    if None in row.values:
        return Verdict(margin.text(), margin.metric, None, margin.bound, "undefined", "undefined for one of the two")
    if found is None or base is None:
        return Verdict(margin.text(), margin.metric, None, margin.bound, "missing", "no interval is known for it")
    bound = margin.bound * abs(base) if margin.relative else margin.bound
    status = _status(margin, row, found, bound)
    reason = {
        "pass": "",
        "fail": "all of the interval lies beyond the margin",
        "inconclusive": "the interval reaches across the margin: more rows would tell",
    }[status]
    verdict = Verdict(margin.text(), margin.metric, found.value, bound, status, reason, found.low, found.high)
    return replace(verdict, n=comparison.n, baseline=base, current=row.values[1], method=found.method)


def _status(margin: Margin, row: MetricRow, found: Difference, bound: float) -> str:
    interval = Interval(found.low, found.high, found.method)
    if margin.kind == "equivalent":
        if equivalent(interval, bound):
            return "pass"
        return "fail" if found.low >= bound or found.high <= -bound else "inconclusive"
    direction: Literal["higher", "lower"] = "higher" if row.direction == "higher" else "lower"
    if not_worse(interval, bound, direction):
        return "pass"
    worse = found.high <= -bound if direction == "higher" else found.low >= bound
    return "fail" if worse else "inconclusive"
