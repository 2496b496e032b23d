"""``evalcli.compare``: models on the same samples, from arrays or files, as an object."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from math import nan
from typing import TYPE_CHECKING, Any, Self

from evalcli.api.evaluating import confidence_of, metric_names
from evalcli.api.saving import save_as
from evalcli.comparing.data import NAMES, Difference
from evalcli.comparing.data import Comparison as PlainComparison
from evalcli.engine import Execution
from evalcli.errors import EvalError, UsageError
from evalcli.inputs import Sides, is_path, open_sides
from evalcli.keywords import check_word, choices_of, in_keywords
from evalcli.sources.base import Selection
from evalcli.sources.clustering import NoClustersError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from pandas import DataFrame
    from rich.console import Console, ConsoleOptions, RenderResult

    from evalcli.sources.base import Source


class Comparison:
    """What ``evalcli compare`` says of two models or more.

    ``comparison["accuracy"]`` is the difference of two models, second less first, with ``value``, ``low``, ``high``,
    ``p``, ``adjusted`` and ``verdict``; of one of several labels a row, ``comparison["f1[cat]"]``. ``metrics`` is a
    frame of pandas; ``data`` the plain record: ``metrics``, labels ``per_class``, ``flips`` by class, flipped ``rows``,
    ``findings``. Printed, it reads as on the command line; a notebook shows it as tables.
    """

    __slots__ = ("data",)

    data: PlainComparison
    """The record: what the JSON holds."""

    def __init__(self, data: PlainComparison) -> None:
        self.data = data

    @property
    def n(self) -> int:
        """How many rows all models were judged on."""
        return self.data.n

    @property
    def metrics(self) -> DataFrame:
        """A row for each metric: the values of the models, and how each differs from the reference."""
        import pandas as pd

        models = self.data.models
        rows = {}
        for row in self.data.metrics:
            cells: dict[str, Any] = {
                model.name: nan if value is None else value for model, value in zip(models, row.values, strict=True)
            }
            for model, found in zip(models, row.differences, strict=True):
                if found is not None:
                    tail = "" if len(models) == 2 else f" {model.name}"
                    cells |= {f"{field.name}{tail}": getattr(found, field.name) for field in fields(Difference)}
            rows[row.name] = cells
        return pd.DataFrame.from_dict(rows, orient="index")

    def __getitem__(self, name: str) -> Difference:
        """How the second of two models differs from the first in a metric.

        Raises:
            KeyError: the metric was not compared, there is no test of it, or there are more than two models.

        """
        row = self.data.metric(name)
        if row is None or len(self.data.models) > 2 or row.differences[-1] is None:
            why = "was not compared" if row is None else "has no single difference; see metrics"
            raise KeyError(f"{name} {why}")
        return row.differences[-1]

    def to_json(self) -> str:
        """The JSON of ``evalcli compare -f json``."""
        from evalcli.renderers.comparison_files import render_comparison

        return render_comparison(self.data, "json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all; the suffix picks .json, .csv, .md, .html or .txt.

        Raises:
            UsageError: no format is known for the suffix.
            OutputError: the file cannot be written; what stood there before still stands.

        """
        from evalcli.renderers.comparison_files import render_comparison

        save_as(path, lambda form: render_comparison(self.data, form))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A comparison from its JSON.

        Raises:
            InputError: it is none.

        """
        return cls(PlainComparison.from_json_object(json.loads(text)))

    def __str__(self) -> str:
        from evalcli.renderers.comparison import plain

        return plain(self.data).rstrip("\n")

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.data.models)} models, {self.data.task}, n={self.n}>"

    def _repr_html_(self) -> str:
        from evalcli.renderers.comparison_html import render_comparison_fragment

        return render_comparison_fragment(self.data)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from evalcli.renderers.comparison import ComparisonView

        yield ComparisonView(self.data)


def compare(  # noqa: PLR0913  # one keyword for each option of the command line
    *models: Any,
    target: Any = None,
    pred: Sequence[str] | None = None,
    weight: Any = None,
    cluster: Any = None,
    labels: Sequence[Any] | int | None = None,
    task: str | None = None,
    scores: str | None = None,
    threshold: float | None = None,
    positive: Any = None,
    ignore_index: int | None = None,
    nan: str = "error",
    classes: str = "seen",
    class_axis: int | None = None,
    metrics: str | Iterable[Any] | None = None,
    id: str | None = None,  # noqa: A002  # the option's name
    where: str | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    flips: int = 3,
) -> Comparison:
    """Compare models on the same samples: what ``evalcli compare`` prints, as an object.

    Args:
        models: The predictions of each, as ``evaluate`` takes them; or one frame or file whose columns ``pred`` names.
        target: The truth for all of them; none where each frame or file holds it, or the name of its column.
        pred: The columns of the models in a single frame or file.
        weight: One number a row, or the name of its column.
        cluster: One value a row, or the name of its column in any of the frames or files: rows with the same one belong
            together, and whole clusters are drawn.
        labels: Class names in the order of their numbers, or how many there are.
        task: ``binary``, ``multiclass``, ``multilabel`` or ``regression``; by default what the input shows.
        scores: ``labels``, ``probs`` or ``logits``; by default what the whole input shows.
        threshold: The probability from which the positive class is predicted (0.5).
        positive: The positive class of a binary task.
        ignore_index: Rows whose target is this number are left out.
        nan: Rows with undefined scores: ``error``, ``drop`` or count as ``wrong``.
        classes: Macro means run over the classes ``seen``, or over all ``declared``.
        class_axis: Which axis holds the classes, 1 or -1, where two readings fit.
        metrics: Names as in ``evalcli metrics``: only these are compared.
        id: Pair the rows of table files by this column, not by position.
        where: Keep the rows of table files for which this SQL holds.
        batch_size: Rows held at a time. No result depends on it.
        workers: Threads that count. No result depends on it.
        confidence: How sure intervals are to hold the true difference, and the level of its verdicts.
        resamples: Draws of each bootstrap.
        seed: Where its random numbers start.
        flips: Rows to name of each class that only one of two models has right; of values, the rows in which one of
            them is farther off by the most.

    Returns:
        A comparison; of two models the second is compared with the first, of more all with the best.

    Raises:
        EvalError: of the kind that says what is wrong: with an argument (``UsageError``), with the values
            (``InputError``), or that nothing is left (``EmptyError``).

    >>> import evalcli
    >>> old, new, truth = [0, 1, 1, 0] * 25, [0, 1, 0, 0] * 25, [0, 1, 0, 1] * 25
    >>> comparison = evalcli.compare(old, new, target=truth)
    >>> comparison["accuracy"].value, comparison["accuracy"].verdict
    (0.25, 'better')

    """
    from evalcli.comparing.models import MOST, Question
    from evalcli.comparing.models import compare as compared

    check_word("nan", nan)
    choices = choices_of(
        task=task, scores=scores, threshold=threshold, positive=positive, labels=labels, ignore_index=ignore_index,
        nan=nan, classes=classes, class_axis=class_axis, topk=None,
    )  # fmt: skip
    if isinstance(pred, str):
        raise UsageError("pred names one column", fix="name a column for each model: pred=('old', 'new')", path="pred")
    if pred is not None and len(models) != 1:
        raise UsageError("pred names the columns of one frame or file", fix="give one, or drop pred", path="pred")
    sides = [(models[0], name) for name in pred] if pred is not None else [(model, None) for model in models]
    if not 2 <= len(sides) <= MOST:
        what = f"{len(sides)} models: from 2 to {MOST} are compared"
        raise UsageError(what, fix="as in compare(old, new, target=truth)", path="models")
    question = Question(
        metric_names(metrics), (), confidence_of(confidence, resamples, seed), flips, by_id=id is not None
    )
    with ExitStack() as held, in_keywords():
        sources: list[Source] = []
        missing, called = [], _called(sides)
        for model, name in sides:
            selection = Selection(
                pred=name, id=id, where=where, scores=scores, nan=nan, labels=choices.labels, workers=workers,
                listing=True, beside=True, sorted=id is not None,
            )  # fmt: skip
            given = Sides(model, target, weight, cluster=cluster, called=called[len(sources)])
            try:
                source = open_sides(given, replace(selection))
            except NoClustersError as error:  # another model may have them
                missing.append(error)
                source = open_sides(replace(given, cluster=None), selection)
            sources.append(held.enter_context(closing(source)))
        if len(missing) == len(sources):
            raise missing[0]
        execution = Execution(batch_size=batch_size, workers=workers)
        try:
            found = compared(sources, choices, execution, question)
        except EvalError as error:  # samples that are not the same are another command's
            error.fix = error.fix.partition("; --independent")[0]
            raise
        models = tuple(
            one if file else replace(one, path="in memory" if one.path == one.name else one.path, column="")
            for one, file in zip(found.models, (is_path(model) for model, _ in sides), strict=True)
        )
        return Comparison(replace(found, models=models))


def _called(sides: Sequence[tuple[Any, str | None]]) -> tuple[str, ...]:
    """What errors and the comparison call models in memory: by their column, or else by letters."""
    names = [name or getattr(model, "name", None) for model, name in sides]
    known = all(isinstance(name, str) and name for name in names) and len({*names}) == len(names)
    return tuple(map(str, names)) if known else tuple(NAMES[: len(sides)])
