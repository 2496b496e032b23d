"""How differences read to a person: what the screen and Markdown share of a comparison."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING

from evalcli.renderers.wording import UNDEFINED, amount, ratio, title

if TYPE_CHECKING:
    from evalcli.comparing.data import ClassFlips, Comparison, Difference, FlippedRow, MetricRow

KINDS = {"broken": "right → wrong", "fixed": "wrong → right", "other": "wrong → wrong"}
"""How a row flips from A to B, in the order in which it matters."""

MOST_CLASSES = 20
_LISTED = 5
_MOST_DIGITS = 6


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
    text = ratio(value, digits)
    if value < 0 and text.startswith("-"):
        return f"−{text[1:]}"
    return text if text.strip("0.") == "" else f"+{text}"


def minus(value: float, digits: int = 4) -> str:
    """A number with a true minus sign."""
    return ratio(value, digits).replace("-", "−")


def digits_of(found: Difference, scale: float, least: int) -> int:
    """Decimals that show an interval: two digits of its width."""
    width = (found.high - found.low) * scale
    if not width > 0:
        return least
    return min(max(least, ceil(-log10(width)) + 1), _MOST_DIGITS)


def level(comparison: Comparison) -> str:
    """How sure intervals are: ``95 %``."""
    return f"{comparison.confidence * 100:.6g} %"


def interval(found: Difference) -> str:
    """From end to end."""
    digits = digits_of(found, 1.0, 4)
    return f"{minus(found.low, digits)} to {minus(found.high, digits)}"


def difference(found: Difference) -> str:
    """The difference itself, as finely as its interval."""
    return signed(found.value, digits_of(found, 1.0, 4))


def in_words(comparison: Comparison, row: MetricRow, place: int = 1) -> str:
    """What the difference of one model from the reference amounts to."""
    found, name = row.differences[place], comparison.models[place].name
    undefined = [one.name for one, value in zip(comparison.models, row.values, strict=True) if value is None]
    if found is None:
        return f"undefined for {' and '.join(undefined)}" if undefined else "no test is known for it"
    scale, unit, least = (100.0, " points", 1) if row.unit else (1.0, "", 4)
    digits = digits_of(found, scale, least)
    ends = f"{minus(found.low * scale, digits)} to {minus(found.high * scale, digits)}"
    if found.verdict != "none":
        word = "better" if found.verdict == "better" else "worse"
        return f"{name} is {word}: {signed(found.value * scale, digits)}{unit}, {level(comparison)} {ends}"
    could = f"this sample could show {ratio(found.detectable * scale, digits)}{unit}"
    doubt = ""
    if found.p < 1.0 - comparison.confidence:
        doubt = f" (p {probability(found.p)} alone, {probability(found.adjusted)} among all that is compared)"
    return f"no difference shown{doubt}; {could}"


def sides(comparison: Comparison) -> str:
    """What is subtracted from what."""
    first = comparison.models[comparison.reference].name
    return f"B − {first}" if len(comparison.models) == 2 else f"less {first}"


def shown_flips(comparison: Comparison) -> tuple[ClassFlips, ...]:
    """Every class; of many, those that gain or lose the most, largest first."""
    whole, classes = comparison.flips[:1], comparison.flips[1:]
    if len(classes) > MOST_CLASSES:
        moved = sorted(classes, key=lambda each: -(each.fixed + each.broken))
        classes = tuple(each for each in moved[:MOST_CLASSES] if each.fixed + each.broken)
    return (*classes, *whole)


def shown_rows(comparison: Comparison) -> dict[str, list[FlippedRow]]:
    """The first rows of every kind of flip."""
    found = {kind: [row for row in comparison.rows if row.kind == kind][:_LISTED] for kind in KINDS}
    return {kind: rows for kind, rows in found.items() if rows}


def counted(comparison: Comparison, kind: str) -> int:
    """How many rows flip so."""
    number: int = getattr(comparison.flips[0], kind)
    return number


def place_of(row: FlippedRow) -> str:
    """Where a row stands, as a person would find it."""
    parts = [] if row.id is None else [row.id]
    if row.file is not None:
        parts.append(row.file)
    parts.append(f"line {row.line}" if row.line is not None else f"row {row.row}")
    return ", ".join(parts)


def league(comparison: Comparison) -> list[int]:
    """The places of the models, the best by the first metric first."""
    if not comparison.metrics:
        return list(range(len(comparison.models)))
    first = comparison.metrics[0]
    sign = -1.0 if first.direction == "higher" else 1.0
    values = [float("inf") if value is None else sign * value for value in first.values]
    return sorted(range(len(values)), key=lambda place: (values[place], place))


def standing(row: MetricRow, place: int, reference: int) -> str:
    """How a model stands to the reference in one metric: ``=`` where no difference was shown.

    A model may well be better in another metric than the one by which the reference is the best.
    """
    if place == reference:
        return "*"
    found = row.differences[place]
    if found is None:
        return " "
    return {"none": "=", "better": "+"}.get(found.verdict, " ")


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Task and samples."""
    classes = len(comparison.classes)
    kind = f"{comparison.task}, {classes:,} {'class' if classes == 1 else 'classes'}"
    count = amount([comparison.n])
    weighted = ", weighted" if comparison.weighted else ""
    left = f", {comparison.left_out:,} left out" if comparison.left_out else ""
    if comparison.kind == "independent":
        samples = ", ".join(f"{one.n or 0:,} in {one.name}" for one in comparison.models)
    else:
        samples = f"{count(comparison.n)}{weighted}, {comparison.ignored:,} ignored{left}"
    return [("task", kind), ("samples", samples)]


def value(number: float | None) -> str:
    """A metric."""
    return UNDEFINED if number is None else ratio(number)


def metric_title(name: str) -> str:
    """The metric as it is spoken."""
    return title(name)
