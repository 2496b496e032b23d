"""How differences read to a person: what the screen and Markdown share of a comparison."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING, NamedTuple

from evalcli.comparing.data import goodness
from evalcli.metrics.registry import is_registered
from evalcli.renderers.wording import UNDEFINED, amount, clustered, is_of_any_size, ratio, spoken, title
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.data import ClassFlips, ClassRow, Comparison, Difference, FlippedRow, MetricRow

KINDS = {"broken": "right → wrong", "fixed": "wrong → right", "other": "wrong → wrong"}
"""How a row flips from A to B, in the order in which it matters."""

PARTED = {"broken": "B is farther off", "fixed": "B is nearer"}
"""The same of values."""

MOST_CLASSES = 20
_LISTED = 5
_MOST_DIGITS = 6
_NO_END = 1e-3
"""An end so near 0, beside the width, may be 0 but for rounding."""


def probability(p: float) -> str:
    """A p-value in three decimals.

    >>> probability(0.0452), probability(0.0001), probability(1.0)
    ('0.045', '<0.001', '1.000')
    """
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign.

    >>> signed(0.03), signed(-0.00001), signed(-0.5)
    ('+0.0300', '0.0000', '−0.5000')
    """
    return _with_plus(value, minus(value, digits))


def _with_plus(value: float, text: str) -> str:
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def minus(value: float, digits: int = 4) -> str:
    """A number with a true minus sign."""
    return ratio(value, digits).replace("-", "−")


class Ruler(NamedTuple):
    """How finely the numbers of one difference are written, and in which unit."""

    scale: float
    unit: str
    digits: int
    any_size: bool

    @classmethod
    def of(cls, row: MetricRow, found: Difference, *, points: bool = False) -> Ruler:
        """Two digits of the interval's width at least; shares in ``points`` where that is asked for."""
        points, any_size = points and row.unit, is_of_any_size(row.name)
        scale, unit, least = (100.0, " points", 1) if points else (1.0, "", 0 if any_size else 4)
        return cls(scale, unit, digits_of(found, scale, least), any_size)

    def text(self, value: float) -> str:
        """A number, with a true minus sign."""
        value *= self.scale
        if not self.any_size:
            return minus(value, self.digits)
        if abs(value) >= 1e9 or self.digits >= _MOST_DIGITS:
            return f"{value + 0.0:.3g}".replace("-", "−")
        text = f"{value:,.{self.digits}f}"
        return (text if text.strip("-0.,") else text.removeprefix("-")).replace("-", "−")

    def signed(self, value: float) -> str:
        """A difference with its sign."""
        return _with_plus(value, self.text(value))


def digits_of(found: Difference, scale: float, least: int) -> int:
    """Decimals that show an interval: two digits of its width, and one of either end, so that it shows on which side.

    >>> from evalcli.comparing.data import Difference
    >>> [digits_of(Difference(0.1, low, 0.23, "", 1.0, 1.0, None), 1.0, 0) for low in (-0.0312, -0.0012, -1e-9)]
    [2, 3, 2]
    """
    width = (found.high - found.low) * scale
    if not width > 0:
        return least
    ends = [abs(end) * scale for end in (found.low, found.high)]
    nearest = min((end for end in ends if end > _NO_END * width), default=width)
    return min(max(least, ceil(-log10(width)) + 1, ceil(-log10(2.0 * nearest))), _MOST_DIGITS)


def level(comparison: Comparison) -> str:
    """How sure intervals are: ``95 %``."""
    return f"{comparison.confidence * 100:.6g} %"


def interval(row: MetricRow, found: Difference) -> str:
    """From end to end."""
    ruler = Ruler.of(row, found)
    return f"{ruler.text(found.low)} to {ruler.text(found.high)}"


def difference(row: MetricRow, found: Difference) -> str:
    """The difference itself, as finely as its interval."""
    return Ruler.of(row, found).signed(found.value)


def in_words(comparison: Comparison, row: MetricRow, place: int = 1) -> str:
    """What the difference of one model from the reference amounts to."""
    found, name = row.differences[place], comparison.models[place].name
    undefined = [one.name for one, value in zip(comparison.models, row.values, strict=True) if value is None]
    if found is None:
        if undefined:
            return f"undefined for {' and '.join(undefined)}"
        of_truth = is_registered(row.name) or row.name in comparison.definitions
        same = row.direction == "neither" and len({*row.values}) == 1 and of_truth
        return "the same for all: only the truth decides it" if same else "no test is known for it"
    ruler = Ruler.of(row, found, points=True)
    if found.verdict != "none":
        said = f"{name} is {found.verdict}: {ruler.signed(found.value)}{ruler.unit}{_of_size(row)}"
        return f"{said}, {level(comparison)} {ruler.text(found.low)} to {ruler.text(found.high)}"
    could = "this sample could show none"
    if found.detectable is not None:
        could = f"this sample could show {ruler.text(found.detectable)}{ruler.unit}"
    doubt = ""
    if found.p < 1.0 - comparison.confidence:
        doubt = f" (p {probability(found.p)} alone, {probability(found.adjusted)} among all that is compared)"
    return f"no difference{_of_size(row)} shown{doubt}; {could}"


def _of_size(row: MetricRow) -> str:
    """What is best at 0 is compared by how far it is from there."""
    return " of size" if row.direction == "zero" else ""


def sides(comparison: Comparison) -> str:
    """What is subtracted from what."""
    first = comparison.models[comparison.reference].name
    return f"B − {first}" if len(comparison.models) == 2 else f"less {first}"


def by_size(comparison: Comparison) -> list[str]:
    """What is said below a table of metrics that are best at 0: it is how far they are from there that is compared."""
    first = comparison.models[comparison.reference].name
    names = [
        title(row.name) for row in comparison.metrics if row.direction == "zero" and row.differences[1] is not None
    ]
    return [f"{name}: the difference is |B| − |{first}|, of how far they are from 0" for name in names]


def shown_labels(comparison: Comparison) -> tuple[ClassRow, ...]:
    """Every label; of many, those whose F1 differ the most, largest first."""
    labels = comparison.per_class
    if len(labels) <= MOST_CLASSES:
        return labels
    moved = sorted(labels, key=lambda row: -_apart(row.metrics["f1"]))
    return tuple(moved[:MOST_CLASSES])


def _apart(row: MetricRow) -> float:
    first, second = (value or 0.0 for value in row.values)
    return abs(second - first)


def both(row: MetricRow) -> str:
    """A metric of both models, and which of them is shown to be better."""
    found = row.differences[1]
    mark = "" if found is None else {"better": " +", "worse": " −"}.get(found.verdict, " =")
    return f"{value(row, row.values[0])} → {value(row, row.values[1])}{mark}"


def label_cells(label: ClassRow) -> list[str]:
    """Of a label: support, F1 of both, the difference with its interval and p-value by Holm; precision and recall."""
    row = label.metrics["f1"]
    found = row.differences[1]
    told = ["", "", ""]
    if found is not None:
        told = [difference(row, found), interval(row, found), probability(found.adjusted)]
    values = [value(row, each) for each in row.values]
    beside = [both(label.metrics[name]) for name in ("precision", "recall")]
    return [amount([label.support])(label.support), *values, *told, *beside]


def label_heads(comparison: Comparison) -> list[str]:
    """What stands above them."""
    between = (sides(comparison), f"{level(comparison)} interval", "Holm")
    return ["support", "F1 A", "F1 B", *between, "precision", "recall"]


LABEL_LEGEND = "A → B: + better, − worse, = no difference shown"


def shown_flips(comparison: Comparison) -> tuple[ClassFlips, ...]:
    """Every class; of many, those that gain or lose the most, largest first."""
    whole, classes = comparison.flips[:1], comparison.flips[1:]
    if len(classes) > MOST_CLASSES:
        moved = sorted(classes, key=lambda each: -(each.fixed + each.broken))
        classes = tuple(each for each in moved[:MOST_CLASSES] if each.fixed + each.broken)
    return (*classes, *whole)


def shown_rows(comparison: Comparison) -> dict[str, list[FlippedRow]]:
    """The first rows of every kind of flip."""
    whole = [row for row in comparison.rows if row.label is None]
    found = {kind: [row for row in whole if row.kind == kind][:_LISTED] for kind in KINDS}
    return {kind: rows for kind, rows in found.items() if rows}


def kind_of(comparison: Comparison, kind: str) -> str:
    """How a row flips, in words."""
    return KINDS[kind] if comparison.flips else PARTED[kind]


def kind_title(comparison: Comparison, kind: str, shown: int) -> str:
    """The same above the rows, with how many there are."""
    if not comparison.flips:
        return f"{PARTED[kind]} by the most"
    return f"{KINDS[kind]}, {shown} of {getattr(comparison.flips[0], kind):,}"


def answers(comparison: Comparison, row: FlippedRow) -> list[str | None]:
    """The target and what both models say: classes as they are called, values in six digits."""
    if isinstance(row.target, tuple):
        return [", ".join(row.target) or None, *(_apart_from(row.target, each) for each in (row.first, row.second))]
    every = [None if isinstance(each, tuple) else each for each in (row.target, row.first, row.second)]
    if comparison.flips:
        return every
    return [None if each is None else f"{float(each):.6g}".replace("-", "−") for each in every]


LABELS_LEGEND = "− a label that is missed, + one that is predicted in vain"


def _apart_from(target: tuple[str, ...], said: str | tuple[str, ...] | None) -> str:
    """How the labels that a model predicts differ from those that are true.

    >>> _apart_from(("cat", "dog"), ("dog", "fish")), _apart_from(("cat",), ("cat",))
    ('−cat +fish', 'right')
    """
    said = said if isinstance(said, tuple) else ()
    missed = [f"−{label}" for label in target if label not in said]
    in_vain = [f"+{label}" for label in said if label not in target]
    return " ".join((*missed, *in_vain)) or "right"


def place_of(row: FlippedRow) -> str:
    """Where a row stands, as a person would find it."""
    parts = [] if row.id is None else [row.id]
    if row.file is not None:
        parts.append(row.file)
    parts.append(f"line {row.line}" if row.line is not None else f"row {row.row}")
    return ", ".join(parts)


def league(comparison: Comparison) -> list[int]:
    """The places of the models, the best by the first metric first."""
    return ranked(comparison.metrics) or list(range(len(comparison.models)))


def ranked(metrics: Sequence[MetricRow]) -> list[int]:
    """The places of models, the best by the first of these metrics first; none without a metric."""
    good = [goodness(row.direction, value) for row in metrics[:1] for value in row.values]
    return sorted(range(len(good)), key=lambda place: (-good[place], place))


def standing(row: MetricRow, place: int, reference: int) -> str:
    """How a model stands to the reference in one metric: ``=`` no difference was shown, ``?`` none was tested.

    A model may well be better in another metric than the one by which the reference is the best.
    """
    if place == reference:
        return "*"
    found = row.differences[place]
    if found is None:
        undefined = row.values[place] is None or row.values[reference] is None
        return " " if undefined or row.direction == "neither" else "?"
    return {"none": "=", "better": "+"}.get(found.verdict, " ")


def is_untested(row: MetricRow, reference: int) -> bool:
    """Whether the models have values that were not tested."""
    return any(standing(row, place, reference) == "?" for place in range(len(row.values)))


def noun(comparison: Comparison, count: int) -> str:
    """What a task has of what it predicts."""
    if comparison.task == "multilabel":
        return "label" if count == 1 else "labels"
    return "class" if count == 1 else "classes"


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Task, samples and what is defined."""
    classes = len(comparison.classes)
    of_classes = f", {classes:,} {noun(comparison, classes)}"
    kind = comparison.task if comparison.task == "regression" else f"{comparison.task}{of_classes}"
    count = amount([comparison.n])
    weighted = ", weighted" if comparison.weighted else ""
    left = f", {comparison.left_out:,} left out" if comparison.left_out else ""
    if comparison.kind == "independent":
        samples = ", ".join(f"{one.n or 0:,} in {one.name}" for one in comparison.models) + weighted
    else:
        samples = f"{count(comparison.n)}{weighted}, {comparison.ignored:,} ignored{left}"
    clusters = clustered(comparison.clustered)
    chosen = [] if comparison.where is None else [("where", comparison.where)]
    defined = [("defined", f"{name} = {text}") for name, text in comparison.definitions.items()]
    return [("task", kind), ("samples", samples), *chosen, *([("clustered", clusters)] if clusters else []), *defined]


def value(row: MetricRow, number: float | None) -> str:
    """A metric."""
    return UNDEFINED if number is None else spoken(row.name, Value(number)).replace("-", "−")


def metric_title(name: str) -> str:
    """The metric as it is spoken."""
    return title(name)
