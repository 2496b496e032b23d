"""Which family of tasks an input belongs to; what else there is to decide, the family decides itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.classification.task import decide as decide_classification
from evalcli.errors import UsageError
from evalcli.regression.task import decide as decide_regression
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
        raise UsageError(f"--task {family} is not available in this version", fix="use binary or multiclass")
    if family == "regression":
        return decide_regression(preds, target, choices, evidence)
    return decide_classification(layout, preds, target, choices, evidence)


def family_of(layout: Layout, choices: Choices, evidence: Evidence) -> str:
    """``classification``, ``multilabel`` or ``regression``: as the user said, else as the whole input shows.

    One number against one number is a regression where a target has a fraction, and score columns against columns have
    several labels a row where a row of the target is not one-hot; unless a choice speaks of classes.
    """
    if choices.task is not None:
        return FAMILIES[choices.task]
    if choices.scores == "values":
        return "regression"
    of_classes = (choices.scores, choices.threshold, choices.positive, choices.labels, choices.class_axis)
    single = layout.preds in {"labels", "score"} and layout.target == "labels" and layout.inner == 1
    if evidence.fractions and single and all(choice is None for choice in of_classes):
        return "regression"
    columns = layout.preds == "columns" and layout.target == "one-hot" and layout.inner == 1
    return "multilabel" if columns and choices.class_axis is None and evidence.multi_hot else "classification"
