"""What slices of a classification are searched by: shares of rows, of which each is a hit or a miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import UsageError
from evalcli.scanning.tables import SIDES, Rows, scanned_metric

if TYPE_CHECKING:
    from evalcli.classification.labels import Labels
    from evalcli.counting import Plan
    from evalcli.scanning.tables import ScanTables
    from evalcli.sources.base import Array
    from evalcli.task import Task

USUAL = "accuracy"
"""What is searched by unless asked otherwise."""


def rows_of(metric: str, task: Task) -> Rows:
    """The rows that ``metric`` is a share of in this task; of a class that no row has, none.

    Raises:
        UsageError: it is no share of rows.

    """
    fix = "use accuracy, or recall[cat], precision[cat], specificity[cat], npv[cat] of a class"
    name = scanned_metric(metric, (USUAL, *SIDES), "not a share of rows, hits and misses", fix)
    if name.base == USUAL:
        return Rows()
    if name.label is None:
        if task.positive is None:
            fix = f"name a class, as in {name.base}[{task.classes[0] if task.classes else 1}]"
            raise UsageError(f"--scan-metric {metric}: several classes, and so no one share of rows", fix=fix)
        return SIDES[name.base].of(task.positive)
    return SIDES[name.base].of(_place(name.label, task))


def _place(label: str, task: Task) -> int:
    """The code of a class; −2, which no row has, where it is not there (yet)."""
    if label in task.classes:
        return task.classes.index(label)
    return int(label) if label.isdecimal() and not task.classes else -2


def select(rows: Rows, labels: Labels) -> tuple[Array | None, Array]:
    """Which rows count (``None``: all), and which of all are hits, (N,) booleans.

    A row without a prediction, −1, was not called another class.
    """
    preds, target = labels.preds, labels.target
    if rows.side == "all":
        return None, preds == target
    if rows.other:
        of_it, called = target != rows.place, (preds != rows.place) & (preds >= 0)
    else:
        of_it, called = target == rows.place, preds == rows.place
    return (of_it, called) if rows.side == "target" else (called, of_it)


def count(tables: ScanTables, rows: Rows, labels: Labels, codes: Array | None) -> None:
    """Count rows with the codes of their values, (N, K), −1 for none; ``None`` where no column is searched."""
    counts, hits = select(rows, labels)
    tables.update_some(counts, hits, codes, labels.repeats, labels.weight, labels.cluster)


def check(plan: Plan, task: Task) -> None:
    """Refuse to search where rows are no independent ones of one label each.

    Raises:
        UsageError: they have several labels in more axes; or the metric is no share of rows.

    """
    assert plan.source.scanned is not None
    asked = plan.source.scanned.asked
    rows_of(asked.metric or USUAL, task)
    if asked.apart and asked.metric in SIDES:
        what = f"--scan-metric {asked.metric}: rows that are counted apart may have another positive class"
        raise UsageError(what, fix=f"name a class, as in {asked.metric}[{task.classes[0] if task.classes else 1}]")
    if plan.layout.inner > 1:
        what = f"--scan counts rows one by one, and each of these has {plan.layout.inner:,} labels"
        raise UsageError(what, fix="drop --scan; --by slices them")
