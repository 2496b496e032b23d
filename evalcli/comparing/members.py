"""The plans of models that are compared, with what each must know of the others.

Texts of all sides are united before anything is counted, and score columns name the classes of those who only have
labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalcli.counting import Plan
from evalcli.decision import decide
from evalcli.engine import Placement, fit_in_step, fit_rows, place, worker_count
from evalcli.errors import UsageError
from evalcli.layout import find_layout
from evalcli.metrics.registry import check_task, parse
from evalcli.sources.labels import class_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from evalcli.comparing.question import Question
    from evalcli.engine import Execution
    from evalcli.evidence import Evidence
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source
    from evalcli.task import Choices, Task

    Values = Callable[[MetricName], Any]

COUNTED = {
    "binary": ("accuracy", "precision", "recall", "f1", "mcc"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "mcc"),
    "multilabel": ("subset_accuracy", "hamming_loss", "f1_micro", "f1_macro", "f1_samples"),
    "regression": ("rmse", "mae", "r2", "bias"),
}
SCORED = {
    "binary": ("auroc", "average_precision", "log_loss", "brier"),
    "multiclass": ("auroc_macro", "log_loss", "brier"),
    "multilabel": ("auroc_macro", "average_precision_macro", "lrap", "log_loss"),
}
"""What is compared unless asked otherwise: few, for every further metric raises what each has to show."""

_RANKED_CLASSES = 100


@dataclass(frozen=True, slots=True)
class Member(Plan):
    """The plan of one of the models: ``texts`` are the labels of all sides of all models."""

    texts: tuple[str, ...] = ()
    chosen: tuple[str, ...] | None = None
    """The metrics to compare; ``None`` for the usual ones."""
    scored_too: bool = True
    """Whether all models have scores, so that these are compared as well."""
    gated: tuple[str, ...] = ()
    """Metrics that gates read, which call missing what the task does not have."""

    def names(self, kind: str) -> tuple[MetricName, ...]:
        """The metrics to compare if the task is of this ``kind``."""
        names = self.chosen
        if names is None:
            names = COUNTED.get(kind, ())
            wide = kind == "multiclass" and (self.layout.width or 2) > _RANKED_CLASSES
            if self.scored_too:
                names += tuple(name for name in SCORED.get(kind, ()) if not (wide and name.endswith("_macro")))
        gated = (name for name in self.gated if has_task(parse(name), kind))
        return tuple(map(parse, dict.fromkeys((*names, *self.also, *gated))))

    def decide(self, evidence: Evidence) -> Task:
        """The decision that this evidence supports, once all texts are known."""
        preds, target = self.source.preds, self.source.target
        if self.texts and target.labels is not None:
            target = replace(target, labels=self.texts)
        elif self.texts and preds.labels is not None:
            preds = replace(preds, labels=self.texts)
        return decide(self.layout, preds, target, self.choices, evidence)


def has_task(name: MetricName, kind: str) -> bool:
    """Whether tasks of this ``kind`` have a metric."""
    try:
        check_task(name, kind)
    except UsageError:
        return False
    return True


def known_of(names: Sequence[MetricName], gated: Collection[str], values: Sequence[Values]) -> tuple[MetricName, ...]:
    """The metrics ``names`` but for those that only gates read, and of which one of the models has no value.

    ``values`` are, model by model, what gives the value of a metric, or says why the task does not have it.
    """
    return tuple(name for name in names if str(name) not in gated or all(has_value(name, each) for each in values))


def has_value(name: MetricName, value: Values) -> bool:
    """Whether what the classes are, and whether there are scores, lets a metric have a value, undefined or not."""
    try:
        value(name)
    except UsageError:
        return False
    return True


def unite(members: Sequence[Member]) -> tuple[Member, ...]:
    """The same plans, with what each must know of the others.

    Raises:
        UsageError: score columns of different classes.

    """
    if members[0].choices.task == "multilabel":
        unnamed = (one for one in members if one.source.preds.columns is None)
        labels = _label_names(next(unnamed, members[0]))  # numbers without names lie in the order of the truth
        return tuple(_in_order(one, labels) for one in members)
    united = list(members)
    named = [(one, _column_names(one)) for one in united]
    first = next(((one, names) for one, names in named if names is not None), None)
    if first is not None:
        for one, names in named:
            if names is not None and {*names} != {*first[1]}:
                what = f"scores of {len(names)} classes, but of {len(first[1])} in {first[0].source.preds.path}"
                if len(names) == len(first[1]):
                    what = f"other classes than {first[0].source.preds.path}"
                raise UsageError(what, fix="compare models of the same classes", path=one.source.preds.path)
        united = [
            one if one.choices.labels is not None or (names == first[1] and _is_sure(one)) else _declared(one, first[1])
            for one, names in named
        ]
    sides = [side.labels for one in united for side in (one.source.preds, one.source.target) if side.labels is not None]
    texts = class_order({label for labels in sides for label in labels}) if sides else ()
    if len(set(map(tuple, sides))) == 1:
        texts = tuple(sides[0])
    return tuple(replace(one, texts=texts) for one in united)


def _column_names(member: Member) -> tuple[str, ...] | None:
    """The classes that score columns are of."""
    if member.layout.preds != "columns":
        return None
    if member.choices.labels is not None:
        return member.choices.labels
    return member.source.preds.columns or tuple(map(str, range(member.layout.width or 0)))


def _label_names(member: Member) -> tuple[str, ...] | None:
    """What the columns of several labels a row are called, on the side that names them."""
    return member.source.preds.columns or member.source.target.columns


def _in_order(member: Member, labels: tuple[str, ...] | None) -> Member:
    """With the labels in this order, where they have names and these are the same."""
    own = _label_names(member)
    named = member.choices.labels is None and member.source.preds.columns is not None
    apart = own != labels and {*(own or ())} == {*(labels or ())}
    return _declared(member, labels) if named and apart and labels is not None else member


def _is_sure(member: Member) -> bool:
    return member.layout.preds == "columns"


def _declared(member: Member, names: tuple[str, ...]) -> Member:
    return replace(member, choices=replace(member.choices, labels=names))


def members_of(
    sources: Sequence[Source], choices: Choices, execution: Execution, question: Question, *, in_step: bool = True
) -> tuple[tuple[Member, ...], int]:
    """The plans of all models, with what each must know of the others; and how many rows a batch takes.

    All are read ``in_step``, or one after the other.
    """
    layouts = [find_layout(source.preds, source.target, choices) for source in sources]
    whole = bool(question.own)
    if in_step:
        size = fit_in_step(execution, sources, layouts, whole=whole)
    else:
        size = min(fit_rows(execution, *each, whole=whole) for each in zip(sources, layouts, strict=True))
    most = [worker_count(execution, source, size) for source in sources]
    workers = min(most) if in_step else max(most)
    scored = all(layout.preds != "labels" for layout in layouts)
    asked = place(execution)  # or there is no such device
    placement = Placement("numpy", "cpu", "rows of several models are looked at on the host") if in_step else asked
    members = unite(
        [
            Member(
                source,
                choices,
                layout,
                placement,
                (),
                question.beyond,
                budget=execution.ranking_budget,
                workers=workers,
                processes=execution.processes,
                chosen=question.metrics,
                scored_too=scored,
                gated=question.gated,
            )
            for source, layout in zip(sources, layouts, strict=True)
        ]
    )
    return members, size
