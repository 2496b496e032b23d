"""The wrong cells of several labels a row: false positives and misses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.classification.wanted import Names
from evalcli.engine import accumulate
from evalcli.listing import Column
from evalcli.multilabel.mistakes import Tally, WrongCells
from evalcli.multilabel.prepare import make_prepare
from evalcli.sought import Sought, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.shortlist import Picked
    from evalcli.sought import Counted

_COLUMNS = (
    Column("label", "name"),
    Column("target", "number"),
    Column("pred", "number"),
    Column("score", "ratio"),
    Column("margin", "ratio"),
)


def seek_cells(counted: Counted) -> Sought:
    """Wrong cells of the labels that were asked for, of all of them where none was.

    Raises:
        UsageError: there is no such label.

    """
    plan, task, source = counted.plan, counted.outcome.task, counted.plan.source
    prepare = make_prepare(plan.layout, plan.choices, source.preds, source.target, task.classes)
    prepare = prepare._replace(keep_scores=True, keep_places=True)
    state = counted.outcome.gathered.counts
    if source.weighted:
        tally, _ = accumulate(source, partial(Tally, prepare, task), *counted.pace)
        state = tally.counts
    counts = state.compute().numpy()
    wrong = counts.support + counts.predicted - 2 * counts.tp
    names = Names({name: code for code, name in enumerate(task.classes)}, source.target.path, "label")
    labels = names.chosen(counted.search.classes)
    return Sought(
        finder=WrongCells(prepare, task, labels),
        columns=_COLUMNS,
        cells=partial(_cells, task.classes),
        classes=len(task.classes),
        elements=int(counts.n.sum()),
        noun="labels",
        wrong=int(wrong.sum()),
        matching=int(wrong[labels].sum()),
    )


def _cells(labels: Sequence[str], rows: Picked) -> list[Sequence[Any]]:
    """Labels by name, 1 and 0 of both sides."""
    preds = np.where(rows.other < 0, np.nan, rows.other)
    named = [labels[code] for code in rows.element.tolist()]
    said = [None if value is None else int(value) for value in numbers(preds)]
    return [named, rows.target.tolist(), said, *map(numbers, rows.measures)]
