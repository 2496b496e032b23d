"""What an experienced colleague would say about a report: each finding with its cause and what mends it.

A rule takes the facts and returns at most one finding. All rules see all facts; their order is the order of importance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

from evalcli import findings
from evalcli.classrows import predictions, supports, values
from evalcli.findings import amount
from evalcli.report import Finding
from evalcli.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.report import ClassRow, Number, Report
    from evalcli.sources.base import Note

HARDLY_FOUND = 0.5
"""A class of whose rows less than this share is found …"""
HIGH_ACCURACY = 0.9
"""… while the accuracy is at least this."""
FEW_ROWS = 10
"""Support below which the numbers of a class are mostly chance (a Wilson interval is then over 0.4 wide)."""
LEAST_SUPPORT = 5
"""With fewer rows a low recall says nothing."""
MANY_TIES = 0.01
"""Ties of more than this share of the rows are worth a word."""
SHIFTED = 0.5
MISCALIBRATED = 0.02
"""Confidence and accuracy closer than this are as good as equal …"""
FAR_OFF = 0.05
"""… and farther apart than this they mislead."""
MANY_NUMBERS = 20
"""From so many classes on that are numbers, a third of them on one side only, they are hardly names."""

TOTALS = {"total", "totals", "grand total", "sum", "subtotal"}
"""What the line of totals of a spreadsheet is called."""


@dataclass(frozen=True)
class Facts:
    """A report without findings, and what the pass saw beyond it.

    ``tied`` rows had their best score more than once; ``shift`` maps +1 and -1 to the share of rows whose prediction is
    the class after or before the target's; ``dropped`` and ``unpredicted`` rows had no usable prediction. ``names`` are
    those of the columns or arrays that were read, predictions first.
    """

    report: Report
    preds_path: str
    target_path: str
    tied: int = 0
    shift: tuple[float, float] = (0.0, 0.0)
    dropped: int = 0
    unpredicted: float = 0
    notes: tuple[Note, ...] = ()
    names: tuple[str, str] = ("", "")

    def metric(self, name: str) -> float | None:
        """The value of a metric, ``None`` when it is undefined or was not asked for."""
        value = self.report.metrics.get(name)
        return None if value is None else value.value

    @cached_property
    def supported(self) -> list[ClassRow]:
        """The classes that occur in the target."""
        return [row for row in self.report.per_class if row.support > 0]

    @cached_property
    def accuracy(self) -> float:
        """The share correct, from the class rows, so that ``-m`` cannot hide it."""
        rows = self.report.per_class
        right = sum(
            _found(recall, support) for recall, support in zip(values(rows, "recall"), supports(rows), strict=True)
        )
        return right / self.total if self.total else 0.0

    def rows(self, row: ClassRow) -> float:
        """How many rows support a class; with weights, which have no unit, its share of all rows."""
        return row.support * self.report.n / self.total if self.report.weighted and self.total else row.support

    @cached_property
    def total(self) -> float:
        """Rows, or their weights."""
        return sum(supports(self.report.per_class))


def find(facts: Facts) -> tuple[Finding, ...]:
    """Every finding about a report, the most important first."""
    return findings.in_order((rule(facts) for rule in RULES), facts.notes)


def swapped_arguments(facts: Facts) -> Finding | None:
    """The first file, or what was read of it, is called the truth, and the second the predictions."""
    return findings.swapped((facts.preds_path, facts.target_path), facts.names)


def numbers_for_classes(facts: Facts) -> Finding | None:
    """Values that were counted as classes: numbers of which many are on one side only."""
    rows = facts.report.per_class
    if facts.report.scores != "labels" or len(rows) < MANY_NUMBERS or not all(_is_number(row.name) for row in rows):
        return None
    lonely = sum((support > 0) != (said > 0) for support, said in zip(supports(rows), predictions(rows), strict=True))
    if 3 * lonely <= len(rows):
        return None
    text = f"all {len(rows)} classes are numbers, and {lonely} of them are on one side only: are they values?"
    return Finding("numbers-for-classes", "warning", text, "say --task regression")


def total_row(facts: Facts) -> Finding | None:
    """The last line of a spreadsheet that was counted as a row: its name is a class that no other row has."""
    rows = [] if facts.report.weighted or facts.report.n < 2 else facts.report.per_class
    found = [row for row in rows if max(row.support, row.predicted) == 1 and row.name.strip().lower() in TOTALS]
    if not found:
        return None
    text = f"{found[0].name!r} is the class of one row alone: the line of totals of a spreadsheet?"
    return Finding("total-row", "warning", text, "leave such a line out of the file, or by --where")


def constant_prediction(facts: Facts) -> Finding | None:
    """The model says one thing, the truth more."""
    rows = facts.report.per_class
    said = [place for place, number in enumerate(predictions(rows)) if number > 0]
    if len(said) != 1 or len(facts.supported) < 2:
        return None
    text = f"every prediction is {rows[said[0]].name!r}, though the target has {len(facts.supported)} classes"
    fix = (
        "check which column or axis was read (evalcli inspect), and that the model was trained and not in a dead state"
    )
    return Finding("constant-prediction", "warning", text, fix)


def shifted_labels(facts: Facts) -> Finding | None:
    """Most predictions lie one class beside the truth."""
    share, step = max(zip(facts.shift, ("after", "before"), strict=True))
    if share <= SHIFTED or share <= facts.accuracy:
        return None
    text = (
        f"{share:.1%} of the predictions are the class {step} the right one: one side counts from 0, the other from 1"
    )
    return Finding(
        "shifted-labels", "warning", text, "subtract 1 on the side that starts at 1, or name the classes alike"
    )


def majority_baseline(facts: Facts) -> Finding | None:
    """The accuracy paradox."""
    if len(facts.supported) < 2:
        return None
    largest = max(facts.supported, key=lambda row: row.support)
    baseline = largest.support / facts.total
    if facts.accuracy > baseline:
        return None
    relation = "no better than" if facts.accuracy == baseline else "worse than"
    text = f"accuracy {facts.accuracy:.4f} is {relation} always answering {largest.name!r} ({baseline:.4f})"
    fix = "judge by balanced_accuracy, mcc or f1_macro, for example --min balanced_accuracy=0.8"
    return Finding("majority-baseline", "warning", text, fix)


def hardly_found(facts: Facts) -> Finding | None:
    """High accuracy, and a class that is mostly missed."""
    if facts.accuracy < HIGH_ACCURACY:
        return None
    missed = [row for row in facts.supported if facts.rows(row) >= LEAST_SUPPORT and _recall(row) < HARDLY_FOUND]
    if not missed:
        return None
    worst = min(missed, key=_recall)
    more = f" (and {len(missed) - 1} more such classes)" if len(missed) > 1 else ""
    text = (
        f"accuracy is {facts.accuracy:.1%}, but {worst.name!r} is hardly found: {amount(_right(worst))} of "
        f"{amount(worst.support)}, recall {_recall(worst):.4f}{more}"
    )
    fix = f"gate on it: --min {quoted(f'recall[{worst.name}]=0.8')}"
    if facts.report.threshold is not None:
        fix += "; a lower --threshold finds more"
    return Finding("hardly-found", "warning", text, fix)


def near_chance(facts: Facts) -> Finding | None:
    """A binary model that a coin could replace, or whose answers are inverted."""
    if facts.report.task != "binary" or len(facts.supported) != 2 or constant_prediction(facts) is not None:
        return None
    recalls = [(_recall(row), facts.rows(row)) for row in facts.supported]
    balanced = sum(recall for recall, _ in recalls) / 2
    error = sqrt(sum(recall * (1 - recall) / support for recall, support in recalls)) / 2
    if balanced - 0.5 > 2 * error:
        return None
    if 0.5 - balanced > 2 * error:
        text = f"balanced accuracy {balanced:.4f} is below chance: the two classes look exchanged"
        return Finding(
            "below-chance", "warning", text, "check --positive, the order of the columns, or the label encoding"
        )
    text = f"balanced accuracy {balanced:.4f} is near chance (0.5 ± {2 * error:.2g} at this size)"
    return Finding(
        "near-chance", "warning", text, "check that rows pair up (--id), the threshold, and the training itself"
    )


def never_predicted(facts: Facts) -> Finding | None:
    """Classes of the target that the model never answers."""
    if constant_prediction(facts) is not None:
        return None
    return _about_classes(
        [row for row in facts.supported if row.predicted == 0],
        "never-predicted",
        "warning",
        "never predicted",
        "look at their rows; too few examples in training, or a class weight, is the usual cause",
    )


def never_target(facts: Facts) -> Finding | None:
    """Classes that the model answers but that never occur."""
    rows = facts.report.per_class
    counts = enumerate(zip(supports(rows), predictions(rows), strict=True))
    return _about_classes(
        [rows[place] for place, (support, predicted) in counts if support == 0 and predicted > 0],
        "never-target",
        "info",
        "predicted, but never the target",
        "they count as 0 in macro recall and F1; check for misspelt labels on one side",
    )


def tiny_support(facts: Facts) -> Finding | None:
    """Classes with so few rows that their numbers are mostly chance."""
    return _about_classes(
        [row for row in facts.supported if facts.rows(row) < FEW_ROWS],
        "tiny-support",
        "info",
        f"supported by fewer than {FEW_ROWS} rows, so that their numbers are mostly chance",
        "collect more of them before a gate depends on them",
    )


def tied_scores(facts: Facts) -> Finding | None:
    """Rows whose best score is shared."""
    if not facts.report.n or facts.tied / facts.report.n <= MANY_TIES:
        return None
    text = f"{facts.tied / facts.report.n:.1%} of the rows have their best score more than once; the first class counts"
    return Finding("ties", "warning", text, "save scores in float32 and before rounding or clipping")


def unusable_rows(facts: Facts) -> Finding | None:
    """Rows dropped, or counted as wrong, for want of a usable value."""
    return findings.unusable_rows(facts.dropped, facts.unpredicted)


def miscalibrated(facts: Facts) -> Finding | None:
    """Probabilities that promise too much, or too little, by more than chance explains."""
    said, threshold = facts.metric("mean_confidence"), facts.report.threshold
    if said is None or threshold not in {None, 0.5} or not facts.report.n:
        return None
    gap = said - facts.accuracy
    error = sqrt(facts.accuracy * (1 - facts.accuracy) / facts.report.n)
    if abs(gap) < MISCALIBRATED or abs(gap) < 3 * error:
        return None
    which = "over" if gap > 0 else "under"
    text = f"{which}confident: the mean confidence is {said:.4f}, the accuracy {facts.accuracy:.4f}"
    fitted = None if facts.report.calibration is None else facts.report.calibration.temperature
    if fitted is not None and fitted.value is not None:
        text += f"; a temperature of {fitted.value:.3g} would bring the log loss from {fitted.before:.4f} to "
        part = "" if fitted.rows >= facts.report.n else f"{fitted.rows:,} of "
        text += f"{fitted.after:.4f} (fitted on {part}these very rows)"
    fix = "calibrate on validation rows, and not on these: divide the logits by a temperature fitted there"
    return Finding(f"{which}confident", "warning" if abs(gap) >= FAR_OFF else "info", text, fix)


def weak_slice(facts: Facts) -> Finding | None:
    """The worst of the slices that a search found to be weaker than the rest."""
    return findings.weak_slice(facts.report)


def all_right(facts: Facts) -> Finding | None:
    """Too good to be believed without a look."""
    if facts.accuracy < 1 or facts.report.n < 50 or len(facts.supported) < 2:
        return None
    text = "every single prediction is right"
    return Finding(
        "all-right", "info", text, "make sure that the truth did not reach the model, and that the files differ"
    )


RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    swapped_arguments,
    numbers_for_classes,
    total_row,
    constant_prediction,
    shifted_labels,
    majority_baseline,
    hardly_found,
    weak_slice,
    near_chance,
    unusable_rows,
    never_predicted,
    tied_scores,
    miscalibrated,
    never_target,
    tiny_support,
    all_right,
)


def _about_classes(rows: list[ClassRow], code: str, level: str, what: str, fix: str) -> Finding | None:
    return findings.about(rows, ("class", "classes"), code, level, (what, fix))


def _is_number(name: str) -> bool:
    return name.removeprefix("-").replace(".", "", 1).isdecimal()


def _recall(row: ClassRow) -> float:
    return row.metrics["recall"].value or 0.0


def _right(row: ClassRow) -> float:
    """How many rows of the class were found, from its recall: exact for counts below 2^53 after rounding."""
    return _found(row.metrics["recall"].value, row.support)


def _found(recall: float | None, support: Number) -> float:
    right = (recall or 0.0) * support
    return round(right) if isinstance(support, int) else right
