"""Which family of tasks an input belongs to; what else there is to decide, the family decides itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.classification.task import decide as decide_classification
from evalcli.errors import UsageError
from evalcli.task import FAMILIES

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.layout import Layout
    from evalcli.sources.base import Field
    from evalcli.task import Choices, Task


def decide(layout: Layout, preds: Field, target: Field, choices: Choices, evidence: Evidence) -> Task:
    """Name the task and the kind of scores.

    Doubt that more rows could clear up is put into ``Task.problem``.

    Raises:
        UsageError: when the choices contradict the layout.

    """
    family = family_of(layout, choices, evidence)
    if family == "multilabel":
        from evalcli.multilabel.task import decide as decide_multilabel

        return decide_multilabel(layout, preds, target, choices, evidence)
    if family == "regression":
        raise UsageError(f"--task {family} is not available in this version", fix="use binary or multiclass")
    return decide_classification(layout, preds, target, choices, evidence)


def family_of(layout: Layout, choices: Choices, evidence: Evidence) -> str:
    """``classification``, ``multilabel`` or ``regression``: as the user said, else as the whole input shows.

    A row of the target that is not one-hot shows several labels a row, where every label has a column of scores.
    """
    if choices.task is not None:
        return FAMILIES[choices.task]
    if choices.scores == "values":
        return "regression"
    columns = layout.preds == "columns" and layout.target == "one-hot" and layout.inner == 1
    return "multilabel" if columns and choices.class_axis is None and evidence.multi_hot else "classification"
