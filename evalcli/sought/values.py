"""The errors of a regression, the largest first: hardly a value is exact, and the largest errors are the mistakes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.classification.wanted import Names
from evalcli.errors import UsageError
from evalcli.listing import Column
from evalcli.regression.mistakes import Errors
from evalcli.regression.prepare import Prepare
from evalcli.regression.states import outputs_of
from evalcli.sought import Sought, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.shortlist import Picked
    from evalcli.sought import Counted

_NUMBERS = ("target", "pred", "error", "absolute_error")


def seek_errors(counted: Counted) -> Sought:
    """The errors of the outputs that were asked for, of all of them where none was.

    Raises:
        UsageError: there is no such output, or only one.

    """
    plan, search = counted.plan, counted.search
    outputs = outputs_of(plan)
    names = Names({name: code for code, name in enumerate(outputs)}, plan.source.target.path, "output")
    several = len(outputs) > 1
    if search.classes and not several:
        raise UsageError("--class chooses among several outputs, and here is one", fix="drop it")
    chosen = names.chosen(search.classes)
    prepare = Prepare(plan.choices, len(outputs), keep_places=True)
    return Sought(
        finder=Errors(prepare, chosen, search.relative),
        columns=(
            *([Column("output", "name")] if several else []),
            *(Column(name, "cell") for name in _NUMBERS),
            Column("relative_error", "ratio"),
        ),
        cells=partial(_cells, outputs if several else ()),
        classes=len(outputs),
        elements=counted.outcome.evidence.rows * len(chosen),
        noun="values" if several else "rows",
    )


def _cells(outputs: Sequence[str], rows: Picked) -> list[Sequence[Any]]:
    """Numbers as they are; outputs by name, where there are several."""
    error, relative = rows.measures
    named = [[outputs[code] for code in rows.element.tolist()]] if outputs else []
    sides = [each.tolist() for each in (rows.target, rows.other, error, np.abs(error))]
    return [*named, *sides, numbers(relative)]
