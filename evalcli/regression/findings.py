"""What an experienced colleague would say about a regression: each finding with its cause and what mends it.

A rule takes one output and returns at most one finding about it; of several outputs that deserve the same one, the
first is told and the others are counted. Rules come in the order of importance.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isnan, log10, sqrt
from typing import TYPE_CHECKING, NamedTuple

from evalcli import findings
from evalcli.metrics import regression
from evalcli.metrics.residuals import heaviest
from evalcli.report import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.absolute import AbsoluteSums, Ratios, Span
    from evalcli.metrics.moments import Moment
    from evalcli.metrics.residuals import Residuals
    from evalcli.report import Report
    from evalcli.sources.base import Note

FEW_ROWS = 10
"""With fewer rows the shape of the errors says nothing."""
TAIL_ROWS = 100
"""Rows from which one in a hundred is a row."""
TAIL = 0.01
HEAVY = 0.5
"""So much of the squared error must come from 1 % of the rows: of normal errors they make 9 %."""
BIASED = 0.5
"""A bias is large when it makes this share of the squared error: then it is above the spread of the errors."""
STRAIGHTER = 0.1
"""How much a straight line through the predictions must gain in R² to be worth a word."""
POWER_WIDTH = 0.15
"""How far, in decades, the median ratio may lie from a power of ten that is called a slip."""
UNIT_WIDTH = 0.02
STEADY = 1.2
"""Ratios are steady when their quartiles lie no further apart than this."""

UNITS = {
    1.609344: "miles and kilometres",
    2.20462: "kilograms and pounds",
    2.54: "inches and centimetres",
    3.28084: "metres and feet",
    3.6: "metres a second and kilometres an hour",
    24.0: "days and hours",
    57.29578: "radians and degrees",
    60.0: "minutes and seconds",
    1024.0: "powers of 1024",
    3600.0: "hours and seconds",
}
"""What a steady ratio, or one over it, is most often."""


class Output(NamedTuple):
    """All that the pass has seen of one output; ``residuals`` and ``absolute`` only where a metric reads them."""

    name: str
    moment: Moment
    span: Span
    ratios: Ratios
    residuals: Residuals | None
    absolute: AbsoluteSums | None

    @property
    def is_constant(self) -> bool:
        """Whether every target is one value."""
        return self.span.target[0] == self.span.target[1]

    @property
    def says_one_thing(self) -> bool:
        """Whether every prediction is one value."""
        return self.span.preds[0] == self.span.preds[1]

    @property
    def r2(self) -> float:
        """R²."""
        return regression.r2(self.moment)

    @property
    def pearson(self) -> float:
        """The correlation, 0 where there is none to speak of."""
        value = regression.pearson(self.moment)
        return 0.0 if isnan(value) else value


class Facts(NamedTuple):
    """A report without findings, and what the pass saw beyond it.

    ``outside`` maps a metric to the number of rows for which it has no term. ``paths`` and ``names`` are of what was
    read, predictions first.
    """

    report: Report
    outputs: tuple[Output, ...]
    outside: dict[str, int]
    paths: tuple[str, str]
    names: tuple[str, str]
    dropped: int = 0
    notes: tuple[Note, ...] = ()


def find(facts: Facts) -> tuple[Finding, ...]:
    """Every finding about a report, the most important first."""
    return findings.in_order(
        (
            findings.swapped(facts.paths, facts.names) or _over_outputs(swapped_scores, facts.outputs),
            *(_over_outputs(rule, facts.outputs) for rule in RULES),
            findings.weak_slice(facts.report),
            findings.unusable_rows(facts.dropped),
            *_outside(facts),
        ),
        facts.notes,
    )


def _over_outputs(rule: Callable[[Output], Finding | None], outputs: tuple[Output, ...]) -> Finding | None:
    """What a rule says of the first output that it has something to say about; the others are counted."""
    told = [(output.name, finding) for output in outputs if (finding := rule(output)) is not None]
    if not told or len(outputs) == 1:
        return told[0][1] if told else None
    name, finding = told[0]
    more = f" (and {len(told) - 1} more outputs)" if len(told) > 2 else " (and 1 more output)" if len(told) == 2 else ""
    return replace(finding, text=f"output {name!r}: {finding.text}{more}")


def swapped_scores(output: Output) -> Finding | None:
    """Labels in place of the predictions, and probabilities in place of the truth.

    Within [0, 1] a square is no less than its root only of 0 and 1; the sums are exact.
    """
    moment, (preds, target) = output.moment, output.span[:2]
    are_labels = preds == (0.0, 1.0) and moment.preds2 == moment.preds
    if not (are_labels and target[0] >= 0.0 and target[1] <= 1.0 and moment.target2 != moment.target):
        return None
    text = "the arguments look swapped: all predictions are 0 or 1, and the targets lie between, as probabilities do"
    return Finding("swapped-arguments", "warning", text, "predictions come first, then what is true")


def constant_prediction(output: Output) -> Finding | None:
    """The model says one thing, the truth more."""
    if output.moment.rows < 2 or not output.says_one_thing or output.is_constant:
        return None
    low, high = output.span.target
    text = f"every prediction is {_number(output.span.preds[0])}, though the targets reach from {_number(low)} to "
    fix = "check which column or array was read (evalcli inspect), and that the model was trained"
    return Finding("constant-prediction", "warning", text + _number(high), fix)


def scale_slip(output: Output) -> Finding | None:
    """The predictions are the targets times a power of ten, or times the factor between two units."""
    slip = _slip(output)
    if slip is None:
        return None
    factor, words = slip
    side = f"{_number(factor)} times its target" if factor >= 1 else f"its target divided by {_number(1 / factor)}"
    text = f"an ordinary prediction is about {side}: {words}"
    return Finding("scale-slip", "warning", text, "bring both sides into one unit")


def _slip(output: Output) -> tuple[float, str] | None:
    """The factor, and what it is in words, where dividing by it does about as well as any line could."""
    middle, low, high = (output.ratios.quantile(share) for share in (0.5, 0.25, 0.75))
    if output.moment.rows < FEW_ROWS or output.is_constant or middle is None or low is None or high is None:
        return None
    power = round(log10(middle))
    found = []
    if power and abs(log10(middle) - power) <= POWER_WIDTH:
        found = [(10.0**power, f"a slip by 10^{power}")]
    elif high / low <= STEADY:
        sizes = (
            (size, units) for factor, units in UNITS.items() for size, units in ((factor, units), (1 / factor, units))
        )
        found = [(size, f"as between {units}") for size, units in sizes if abs(middle / size - 1) <= UNIT_WIDTH]
    best = output.pearson**2
    fits = [(size, words) for size, words in found if output.r2 < best - STRAIGHTER <= _r2_divided(output, size)]
    return fits[0] if fits else None


def _r2_divided(output: Output, factor: float) -> float:
    """R² if every prediction were divided by ``factor``."""
    moment, size = output.moment, Fraction(factor)
    return regression.r2(
        moment._replace(preds=moment.preds / size, cross=moment.cross / size, preds2=moment.preds2 / size**2)
    )


def against_the_truth(output: Output) -> Finding | None:
    """Large predictions go with small targets."""
    if output.moment.rows < FEW_ROWS or output.pearson > -0.5:
        return None
    text = f"predictions run against the targets: the larger the one, the smaller the other (r = {output.pearson:.4f})"
    return Finding("opposite", "warning", text, "check for a sign that was lost, and that rows pair up (--id)")


def large_bias(output: Output) -> Finding | None:
    """Most of the error is one and the same for all rows, and without it no line could do much better."""
    moment = output.moment
    if moment.rows < FEW_ROWS or output.says_one_thing or scale_slip(output) or against_the_truth(output):
        return None
    bias, mse = regression.bias(moment), regression.mse(moment)
    left = regression.explained_variance(moment)
    if not mse > 0 or bias * bias < BIASED * mse or left < output.pearson**2 - STRAIGHTER:
        return None
    spread = sqrt(max(mse - bias * bias, 0.0))
    side = "too high" if bias > 0 else "too low"
    text = f"predictions are {side} by {_number(abs(bias))} throughout, with a spread of {_number(spread)}: "
    text += f"that makes {bias * bias / mse:.0%} of the squared error"
    return Finding("large-bias", "warning", text, "subtract it, or look for what shifts all predictions")


def off_the_line(output: Output) -> Finding | None:
    """Right up to a factor and a constant."""
    line = regression.line(output.moment)
    gain = output.pearson**2 - output.r2
    told = scale_slip(output) or large_bias(output)
    if line is None or output.moment.rows < FEW_ROWS or output.pearson <= 0.5 or gain < STRAIGHTER or told:
        return None
    slope, start = line
    sign = "−" if start < 0 else "+"
    text = f"R² would be {output.pearson**2:.4f} and not {output.r2:.4f} if each prediction p were "
    text += f"{_number(slope)}·p {sign} {_number(abs(start))}"
    return Finding("off-the-line", "warning", text, "check the scale of both sides, or calibrate the model")


def worse_than_the_mean(output: Output) -> Finding | None:
    """A constant would do better, and no other rule knows why."""
    known = (constant_prediction, scale_slip, against_the_truth, large_bias, off_the_line)
    if output.is_constant or isnan(output.r2) or output.r2 > 0 or any(rule(output) for rule in known):
        return None
    relation = "no better than" if output.r2 == 0 else "worse than"
    text = f"R² is {output.r2:.4f}: {relation} always answering {_number(_mean(output))}, the mean of the targets"
    fix = "check that rows pair up (--id), that both sides are of one unit, and the training itself"
    return Finding("worse-than-mean", "warning", text, fix)


def heavy_tail(output: Output) -> Finding | None:
    """A few rows make most of the squared error."""
    if output.residuals is None or output.moment.rows < TAIL_ROWS:
        return None
    few, part, share = heaviest(output.residuals, HEAVY)
    if isnan(share) or part > TAIL:
        return None
    rows = f"{few:,} of {output.moment.rows:,} rows" if isinstance(few, int) else f"{part:.2g} of all weight"
    makes = "makes" if few == 1 else "make"
    most = "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"
    text = f"{rows} {makes} {most} of the squared error: MSE, RMSE and R² speak of them"
    text += ", and their intervals know of no larger ones"
    fix = "MAE and the median absolute error tell of the other rows; look at these"
    return Finding("heavy-tail", "warning", text, fix)


def constant_target(output: Output) -> Finding | None:
    """Nothing to explain."""
    if output.moment.rows < 2 or not output.is_constant:
        return None
    text = (
        f"every target is {_number(output.span.target[0])}: there is no spread that R² or a correlation could explain"
    )
    return Finding("constant-target", "warning", text, "check which column or array was read; judge by MAE or RMSE")


def single_row(output: Output) -> Finding | None:
    """Nothing to compare with."""
    if output.moment.rows != 1:
        return None
    text = "there is 1 row, and R² and correlations need two"
    return Finding("single-row", "info", text, "check the file and --where")


def zero_targets(output: Output) -> Finding | None:
    """MAPE divides by the target."""
    if output.absolute is None or not output.absolute.zeros:
        return None
    zeros = output.absolute.zeros
    count = "1 target is 0" if zeros == 1 else f"{zeros:,} targets are 0"
    return Finding("zero-targets", "info", f"{count}, so MAPE is undefined", "wape and smape are defined all the same")


def all_right(output: Output) -> Finding | None:
    """Too good to be believed without a look."""
    if output.moment.rows < FEW_ROWS or output.span.residual != (0.0, 0.0) or output.is_constant:
        return None
    text = "every single prediction equals its target to the last bit"
    return Finding(
        "all-right", "info", text, "make sure that the truth did not reach the model, and that the files differ"
    )


RULES: tuple[Callable[[Output], Finding | None], ...] = (
    constant_prediction,
    scale_slip,
    against_the_truth,
    large_bias,
    off_the_line,
    worse_than_the_mean,
    constant_target,
    single_row,
    heavy_tail,
    zero_targets,
    all_right,
)


def _outside(facts: Facts) -> list[Finding]:
    """Metrics that some rows have no term of."""
    needed = {"msle": "above −1", "gamma_deviance": "above 0", "poisson_deviance": "above 0, targets from 0 on"}
    found = []
    for name, rows in facts.outside.items():
        needs = needed.get(name, "above 0, targets from 0 (from power 2 on above 0)")
        count = "1 row has" if rows == 1 else f"{rows:,} rows have"
        text = f"{name} is undefined: {count} a value outside of what it takes (predictions {needs})"
        found.append(Finding("outside", "warning", text, "leave these rows out with --where, or choose another metric"))
    return found


def _mean(output: Output) -> float:
    return float(output.moment.target / output.moment.n)


def _number(value: float) -> str:
    """Four digits, whole numbers whole.

    >>> _number(1012.0), _number(0.01234), _number(3.0)
    ('1,012', '0.01234', '3')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"
