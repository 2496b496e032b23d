"""What an experienced colleague would say about several labels a row: each finding with its cause and what mends it.

A rule takes the facts and returns at most one finding. All rules see all facts; their order is the order of importance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli import findings
from evalcli.findings import amount
from evalcli.report import Finding
from evalcli.shell import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.report import ClassRow, Report
    from evalcli.sources.base import Note

HARDLY_FOUND = 0.5
"""A label of whose rows less than this share is found …"""
HIGH_ACCURACY = 0.9
"""… while at least this share of all cells is right."""
FEW_ROWS = 10
"""Support below which the numbers of a label are mostly chance."""
LEAST_SUPPORT = 5
"""With fewer rows a low recall says nothing."""
RANKS_WELL = 0.9
"""An AUROC from which a low F1 is the threshold's fault …"""
FALLS_SHORT = 0.25
"""… where F1 lies so far below the average precision: a threshold with both would reach about that."""
MANY_LABELS = 10
"""A single row of so many labels is hardly one."""
MANY_EMPTY = 0.25
MOSTLY_ONE = 0.95
"""A share of rows with exactly one true label from which they may well be classes."""
_TUNE = "choose a threshold for each label: evalcli tune … -o tuned.json, then report --threshold @tuned.json"


class Facts(NamedTuple):
    """A report without findings, and what the pass saw beyond it.

    ``subset`` and ``hamming`` are subset accuracy and Hamming loss, ``empty`` the share of rows without a true label,
    ``single`` that of rows with exactly one, where the rows themselves decided that this is a multilabel task.
    ``dropped`` rows and ``unpredicted`` cells had no usable prediction. ``paths`` and ``names`` are those of the files
    and of what was read in them, predictions first.
    """

    report: Report
    paths: tuple[str, str] = ("", "")
    names: tuple[str, str] = ("", "")
    subset: float = 0.0
    empty: float = 0.0
    single: float | None = None
    hamming: float = 0.0
    ignored_cells: int = 0
    dropped: int = 0
    unpredicted: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def true(self) -> list[ClassRow]:
        """The labels that are true somewhere."""
        return [row for row in self.report.per_class if row.support > 0]

    @property
    def cells(self) -> float:
        """Cells that count, or their weights."""
        return sum(self.cells_of(index) for index in range(len(self.report.per_class)))

    def cells_of(self, index: int) -> float:
        """Those of one label."""
        squares = self.report.confusion.labels or ()
        return sum(map(sum, squares[index]))

    @property
    def density(self) -> float:
        """The share of cells that are true: the Hamming loss of predicting nothing at all."""
        return sum(row.support for row in self.true) / self.cells if self.cells else 0.0

    def rows(self, row: ClassRow) -> float:
        """How many rows support a label; with weights, which have no unit, its share of all rows."""
        if not self.report.weighted:
            return row.support
        cells = self.cells_of(self.report.per_class.index(row))
        return row.support * self.report.n / cells if cells else 0.0


def find(facts: Facts) -> tuple[Finding, ...]:
    """Every finding about a report, the most important first."""
    return findings.in_order((rule(facts) for rule in RULES), facts.notes)


def swapped_arguments(facts: Facts) -> Finding | None:
    """The first file is called the truth, and the second the predictions."""
    return findings.swapped(facts.paths, facts.names)


def mostly_one_hot(facts: Facts) -> Finding | None:
    """Classes with a few broken rows look like several labels a row."""
    if facts.single is None or facts.single < MOSTLY_ONE:
        return None
    text = f"{facts.single:.1%} of the rows have exactly one true label: are these classes, and the other rows broken?"
    fix = "--task multiclass names the rows that are not one-hot; --task multilabel says that all is well"
    return Finding("mostly-one-hot", "warning", text, fix)


def single_row(facts: Facts) -> Finding | None:
    """Rows that lie side by side, as ``x[None]`` has them, look like one row of many labels."""
    labels = len(facts.report.per_class)
    if facts.report.n != 1 or labels < MANY_LABELS:
        return None
    text = f"there is 1 row, of {labels:,} labels: of {labels:,} rows with one score each the numbers are others"
    return Finding(
        "single-row", "warning", text, "if these are rows that lie side by side, give both sides as x[0], of shape (N,)"
    )


def predicts_nothing(facts: Facts) -> Finding | None:
    """The model never says a label, the truth does."""
    if not facts.true or any(row.predicted > 0 for row in facts.report.per_class):
        return None
    text = f"no label is ever predicted, though {len(facts.true)} of {len(facts.report.per_class)} are true somewhere"
    fix = "check which side was read (evalcli inspect)"
    return Finding("predicts-nothing", "warning", text, f"{fix}; {_TUNE}" if _has_scores(facts) else fix)


def nothing_baseline(facts: Facts) -> Finding | None:
    """What predicting no label at all would reach as well."""
    if not facts.true or predicts_nothing(facts) is not None:
        return None
    fix = "judge by f1_macro, f1_micro or average_precision_macro, for example --min f1_macro=0.7"
    if facts.hamming >= facts.density:
        relation = "no better than" if facts.hamming == facts.density else "worse than"
        text = f"Hamming loss {facts.hamming:.4f} is {relation} predicting no label at all ({facts.density:.4f})"
        return Finding("nothing-baseline", "warning", text, fix)
    if 0 < facts.empty >= facts.subset:
        relation = "no better than" if facts.subset == facts.empty else "worse than"
        text = f"subset accuracy {facts.subset:.4f} is {relation} predicting no label at all ({facts.empty:.4f})"
        return Finding("nothing-baseline", "warning", text, fix)
    return None


def hardly_found(facts: Facts) -> Finding | None:
    """Hardly a wrong cell, and a label that is mostly missed."""
    if 1 - facts.hamming < HIGH_ACCURACY or predicts_nothing(facts) is not None:
        return None
    missed = [row for row in facts.true if facts.rows(row) >= LEAST_SUPPORT and _value(row, "recall") < HARDLY_FOUND]
    if not missed:
        return None
    worst = min(missed, key=lambda row: _value(row, "recall"))
    more = f" (and {len(missed) - 1} more such labels)" if len(missed) > 1 else ""
    text = (
        f"{1 - facts.hamming:.1%} of all cells are right, but {worst.name!r} is hardly found: "
        f"{amount(_hits(worst))} of {amount(worst.support)}, recall {_value(worst, 'recall'):.4f}{more}"
    )
    return Finding("hardly-found", "warning", text, f"gate on it: --min {quoted(f'recall[{worst.name}]=0.8')}")


def wrong_threshold(facts: Facts) -> Finding | None:
    """Labels whose scores rank well, and are cut where that is of no use."""
    if not _has_scores(facts):
        return None
    off = [row for row in facts.true if facts.rows(row) >= LEAST_SUPPORT and _is_cut_badly(row)]
    if not off:
        return None
    worst = min(off, key=lambda row: _value(row, "f1") - _value(row, "average_precision"))
    more = f" (and {len(off) - 1} more such labels)" if len(off) > 1 else ""
    text = (
        f"the scores of {worst.name!r} rank well (AUROC {_value(worst, 'auroc'):.4f}), but at this threshold its F1 is "
        f"{_value(worst, 'f1'):.4f}{more}"
    )
    return Finding("wrong-threshold", "warning", text, _TUNE)


def _is_cut_badly(row: ClassRow) -> bool:
    if any(row.metrics.get(name) is None for name in ("auroc", "average_precision", "f1")):
        return False
    return _value(row, "auroc") >= RANKS_WELL and _value(row, "f1") < _value(row, "average_precision") - FALLS_SHORT


def unusable_rows(facts: Facts) -> Finding | None:
    """Rows dropped, or cells counted as wrong, for want of a usable value."""
    return findings.unusable_rows(facts.dropped, facts.unpredicted, "cell", "score")


def never_predicted(facts: Facts) -> Finding | None:
    """Labels of the target that the model never says."""
    if predicts_nothing(facts) is not None:
        return None
    rows = [row for row in facts.true if row.predicted == 0]
    fix = "look at their rows; too few examples in training is the usual cause"
    if _has_scores(facts):
        fix += "; or the threshold: evalcli tune"
    return _about_labels(rows, "never-predicted", "warning", "true somewhere and never predicted", fix)


def always_predicted(facts: Facts) -> Finding | None:
    """Labels that the model says of every row, though not all have them."""
    every = enumerate(facts.report.per_class)
    rows = [row for i, row in every if 0 < facts.cells_of(i) == row.predicted != row.support]
    fix = "such a prediction says nothing; raise the threshold, or choose it: evalcli tune"
    return _about_labels(rows, "always-predicted", "warning", "predicted in every row", fix)


def never_true(facts: Facts) -> Finding | None:
    """Labels without a positive row."""
    rows = [row for row in facts.report.per_class if row.support == 0]
    fix = "without such rows recall and ranks are undefined, and in no mean of ranks"
    if any(row.predicted > 0 for row in rows):
        fix += "; predicted all the same, a label counts as 0 in macro F1"
    return _about_labels(rows, "never-true", "info", "true in no row", fix)


def always_true(facts: Facts) -> Finding | None:
    """Labels that all rows have."""
    every = enumerate(facts.report.per_class)
    rows = [row for i, row in every if 0 < facts.cells_of(i) == row.support]
    fix = "there is nothing to tell apart: specificity and ranks are undefined, and in no mean of ranks"
    return _about_labels(rows, "always-true", "info", "true in every row", fix)


def tiny_support(facts: Facts) -> Finding | None:
    """Labels with so few rows that their numbers are mostly chance."""
    rows = [row for row in facts.true if facts.rows(row) < FEW_ROWS]
    what = f"true in fewer than {FEW_ROWS} rows, so that their numbers are mostly chance"
    return _about_labels(rows, "tiny-support", "info", what, "collect more of them before a gate depends on them")


def many_empty_rows(facts: Facts) -> Finding | None:
    """Rows without a label count as 1 in LRAP and as 0 in the means over rows."""
    if facts.empty < MANY_EMPTY or "lrap" not in facts.report.metrics:
        return None
    text = f"{facts.empty:.1%} of the rows have no true label: each counts 1 in LRAP, and 0 in the samples averages"
    return Finding("empty-rows", "info", text, "compare models on the same rows only, or leave those out")


def ignored_cells(facts: Facts) -> Finding | None:
    """Cells that were left out of rows that count."""
    if not facts.ignored_cells:
        return None
    cells = "1 cell is" if facts.ignored_cells == 1 else f"{facts.ignored_cells:,} cells are"
    text = f"{cells} ignored (--ignore-index): each label counts the rows that are left to it"
    return Finding("ignored-cells", "info", text)


def all_right(facts: Facts) -> Finding | None:
    """Too good to be believed without a look."""
    if facts.hamming > 0 or facts.report.n < 50 or not facts.true:
        return None
    return Finding(
        "all-right",
        "info",
        "every single cell is right",
        "make sure that the truth did not reach the model, and that the files differ",
    )


def weak_slice(facts: Facts) -> Finding | None:
    """The worst of the slices that a search found to be weaker than the rest."""
    return findings.weak_slice(facts.report)


RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    swapped_arguments,
    mostly_one_hot,
    single_row,
    predicts_nothing,
    nothing_baseline,
    hardly_found,
    weak_slice,
    wrong_threshold,
    unusable_rows,
    never_predicted,
    always_predicted,
    never_true,
    always_true,
    tiny_support,
    many_empty_rows,
    ignored_cells,
    all_right,
)


def _about_labels(rows: Sequence[ClassRow], code: str, level: str, what: str, fix: str) -> Finding | None:
    return findings.about(rows, ("label", "labels"), code, level, (what, fix))


def _has_scores(facts: Facts) -> bool:
    return facts.report.scores != "labels"


def _value(row: ClassRow, name: str) -> float:
    value = row.metrics.get(name)
    return 0.0 if value is None or value.value is None else value.value


def _hits(row: ClassRow) -> float:
    """How many rows with the label were found, from its recall: exact for counts below 2^53 after rounding."""
    right = _value(row, "recall") * row.support
    return round(right) if isinstance(row.support, int) else right
