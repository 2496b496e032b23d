"""The mistakes of classes, row by row, and the labels that are likely wrong."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.classification.codes import make_prepare
from evalcli.classification.mistakes import Mistakes, SelfConfidence, Suspects, Tally
from evalcli.classification.wanted import Names
from evalcli.engine import accumulate
from evalcli.layout import plain_shape
from evalcli.listing import Column
from evalcli.sought import Sought, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.prepare import Prepare
    from evalcli.classification.wanted import Wanted
    from evalcli.counting import Plan
    from evalcli.shortlist import Finder, Picked
    from evalcli.sought import Counted
    from evalcli.task import Task


def seek_rows(counted: Counted) -> Sought:
    """Mistakes, or suspect labels, of the classes that were asked for.

    Raises:
        UsageError: there is no such class.

    """
    plan, search, task = counted.plan, counted.search, counted.outcome.task
    prepare = make_prepare(plan.layout, plan.choices, plan.source, task.classes)
    prepare = prepare._replace(keep_scores=task.scores != "labels", keep_places=True)
    target, preds, counts = _pairs(counted, prepare)
    occur = {str(code): code for code in np.union1d(target, preds[preds >= 0]).tolist()}
    names = Names({name: code for code, name in enumerate(task.classes)} or occur, plan.source.target.path)
    wanted = names.wanted(search.pairs, search.classes)
    wrong = target != preds
    inner = _inner_shape(plan)
    return Sought(
        finder=_finder(counted, prepare, wanted),
        columns=_columns(suspects=search.suspects, inner=inner),
        cells=partial(_cells, task, inner),
        classes=len(names),
        elements=counted.outcome.evidence.rows,
        noun="rows" if inner is None else "elements",
        wrong=int(counts[wrong].sum()),
        matching=None if search.suspects else int(counts[wrong & wanted.mask(target, preds)].sum()),
        front=0 if inner is None else 1,
    )


def _pairs(counted: Counted, prepare: Prepare) -> tuple[Any, Any, Any]:  # host arrays
    """Every pair (target, prediction) that occurs, and in how many rows."""
    source, confusion = counted.plan.source, counted.outcome.gathered.confusion
    if source.weighted:
        tally, _ = accumulate(source, partial(Tally, prepare, counted.outcome.task), *counted.pace)
        confusion = tally.confusion
    found: tuple[Any, Any, Any] = confusion.pairs()
    return found


def _finder(counted: Counted, prepare: Prepare, wanted: Wanted) -> Finder:
    """What looks for the rows; of suspect labels once it is known how probable a class is in its own rows."""
    task = counted.outcome.task
    if not counted.search.suspects:
        return Mistakes(prepare, task, wanted)
    means, _ = accumulate(counted.plan.source, partial(SelfConfidence, prepare, task), *counted.pace)
    return Suspects(prepare, task, means.thresholds(), wanted)


def _columns(*, suspects: bool, inner: tuple[int, ...] | None) -> tuple[Column, ...]:
    sides = "target", "suggested" if suspects else "pred"
    measures = ("p_target", "p_suggested") if suspects else ("confidence", "margin")
    columns = [] if inner is None else [Column("element", "cell")]
    columns += [Column(name, "name") for name in sides]
    return (*columns, *(Column(name, "ratio") for name in measures))


def _cells(task: Task, inner: tuple[int, ...] | None, rows: Picked) -> list[Sequence[Any]]:
    """Names for codes, and a place for an element of several in a row."""
    front = [] if inner is None else [_indices(rows.element, inner)]
    return [*front, _named(task, rows.target), _named(task, rows.other), *map(numbers, rows.measures)]


def _named(task: Task, codes: Any) -> list[str | None]:
    names = task.classes
    return [None if code < 0 else names[code] if names else str(code) for code in codes.tolist()]


def _inner_shape(plan: Plan) -> tuple[int, ...] | None:
    """The shape of the elements of one row; ``None`` where a row is one element."""
    layout, stored = plan.layout, plan.source.target.shape
    if layout.inner == 1:
        return None
    for shape in (stored, plain_shape(stored)):  # a trailing axis of length 1 may have been dropped
        axis = layout.target_axis % len(shape)
        rest = shape[:axis] + shape[axis + 1 :] if layout.target == "one-hot" else shape
        inner = plain_shape(rest)[1:]
        if prod(inner) == layout.inner:
            return inner
    return (layout.inner,)


def _indices(elements: Any, shape: tuple[int, ...]) -> Sequence[Any]:
    """The place of an element in its row: a number, or one for each axis."""
    axes: list[list[int]] = [each.tolist() for each in np.unravel_index(elements, shape)]
    return axes[0] if len(shape) == 1 else [list(each) for each in zip(*axes, strict=True)]
