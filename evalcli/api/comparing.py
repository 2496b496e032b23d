"""``evalcli.compare``: models on the same samples, or one on two, from arrays or files, as an object."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalcli.api.comparison import Comparison
from evalcli.api.evaluating import definitions_of, metric_names, own_metrics_of
from evalcli.comparing.data import NAMES
from evalcli.engine import Execution
from evalcli.errors import EvalError, UsageError, several
from evalcli.inputs import Sides, is_path, open_sides
from evalcli.keywords import (
    check_rows,
    check_running,
    check_word,
    choices_of,
    confidence_of,
    in_keywords,
    whole,
    with_known_keywords,
)
from evalcli.sources.base import Selection
from evalcli.sources.clustering import NoClustersError
from evalcli.sources.slicing import NoSlicesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.sources.base import Source


@with_known_keywords
def compare(  # noqa: PLR0913  # one keyword for each option of the command line
    *models: Any,
    target: Any = None,
    pred: Sequence[str] | None = None,
    weight: Any = None,
    by: Any = None,
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
    own: Iterable[Any] | Mapping[str, Any] = (),
    define: Mapping[str, str] | None = None,
    id: str | None = None,  # noqa: A002  # the option's name
    where: str | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    flips: int = 3,
    min_slice_size: int = 1,
    independent: bool = False,
) -> Comparison:
    """Compare models on the same samples: what ``evalcli compare`` prints, as an object.

    Args:
        models: The predictions of each, as ``evaluate`` takes them; or one frame or file whose columns ``pred`` names.
        target: The truth for all of them; none where each frame or file holds it, or the name of its column.
        pred: The columns of the models in a single frame or file.
        weight: One number a row, or the name of its column.
        by: The models are compared within each value of this column, too, in any of the frames or files, or of an array
            or arrays by name: as ``evaluate`` takes it.
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
        metrics: Names as in ``evalcli metrics``: only these are compared, and what is defined or your own.
        own: Metrics of your own: objects of ``evalcli.Metric`` or torchmetrics, or addresses as ``my.py:MyRMSE``; a
            mapping names them. Each model has fresh ones, which see the same rows.
        define: Metrics from others, as ``{"gap": "recall[cat] - recall[dog]"}``.
        id: Pair the rows of table files by this column, not by position.
        where: Keep the rows of table files for which this SQL holds.
        batch_size: Rows held at a time. No result depends on it.
        workers: Threads that count. No result depends on it.
        confidence: How sure intervals are to hold the true difference, and the level of its verdicts.
        resamples: Draws of each bootstrap.
        seed: Where its random numbers start.
        flips: Rows to name of each class that only one of two models has right; of values, the rows in which one of
            them is farther off by the most.
        min_slice_size: Slices of fewer rows are not tested.
        independent: The two are one model on two samples, such as train and test, and nothing pairs their rows. Then
            ``target``, ``weight`` and ``cluster`` are each a pair, ``(train, test)``, or the name of a column of both.

    Returns:
        A comparison; of two models the second is compared with the first, of more all with the best. Its ``check``
        judges margins and drops.

    Raises:
        EvalError: of the kind that says what is wrong: with an argument (``UsageError``), with the values
            (``InputError``), or that nothing is left (``EmptyError``).

    >>> import evalcli
    >>> old, new, truth = [0, 1, 1, 0] * 25, [0, 1, 0, 0] * 25, [0, 1, 0, 1] * 25
    >>> comparison = evalcli.compare(old, new, target=truth)
    >>> comparison["accuracy"].value, comparison["accuracy"].verdict
    (0.25, 'better')

    """
    from evalcli.comparing.models import MOST
    from evalcli.comparing.models import compare as compared
    from evalcli.comparing.question import Question

    check_word("nan", nan)
    check_rows("min_slice_size", min_slice_size)
    check_running(workers, batch_size)
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
        what = f"{several(len(sides), 'model')}: from 2 to {MOST} are compared"
        raise UsageError(what, fix="as in compare(old, new, target=truth)", path="models")
    with in_keywords():
        question = Question(
            metric_names(metrics), (), confidence_of(confidence, resamples, seed),
            whole("flips", flips, "from 0", 0), by_id=id is not None,
            least=min_slice_size, definitions=definitions_of(define), own=own_metrics_of(own),
        )  # fmt: skip
    if independent and (by is not None or len(sides) > 2):
        what = "independent=True compares one model on two samples"
        raise UsageError(what, fix="give two, and keep the rows of a slice with where=", path="independent")
    execution = Execution(batch_size=batch_size, workers=workers)
    beside = [
        _of_each(values, len(sides)) if independent else [values] * len(sides) for values in (target, weight, cluster)
    ]
    called = _called(sides)
    given = [
        Sides(model, truth, weighs, cluster=together, called=name)
        for (model, _), truth, weighs, together, name in zip(sides, *beside, called, strict=True)
    ]
    selections = [
        Selection(
            pred=name, id=id, where=where, scores="values" if task == "regression" else scores, nan=nan,
            labels=choices.labels, task=task, workers=workers, listing=True, beside=True, sorted=id is not None,
        )
        for _, name in sides
    ]  # fmt: skip
    with ExitStack() as held, in_keywords():
        sources = _opened(given, selections, by, held)
        if independent:
            from evalcli.comparing.independent import compare_samples

            found = compare_samples(sources, choices, execution, question)
        else:
            found = compared(sources, choices, execution, question)
        models = tuple(
            one if file else one._replace(path="in memory" if one.path == one.name else one.path, column="")
            for one, file in zip(found.models, (is_path(model) for model, _ in sides), strict=True)
        )
        return Comparison(replace(found, models=models, least=min_slice_size))


def _of_each(values: Any, samples: int) -> list[Any]:
    """What each of two samples has: one of a pair, or what has the same name in both.

    Raises:
        UsageError: values of one sample.

    """
    if values is None or isinstance(values, str):
        return [values] * samples
    if isinstance(values, (tuple, list)) and len(values) == samples:
        return list(values)
    what = "independent=True: each sample has a truth, weights and clusters of its own"
    raise UsageError(what, fix="give a pair, as in target=(train, test)", path="independent")


def _opened(given: Sequence[Sides], selections: Sequence[Selection], by: Any, held: ExitStack) -> list[Source]:
    """The sources of all models; clusters and slices may be known of one of them alone.

    Raises:
        NoClustersError: no model has what rows are clustered by.
        NoSlicesError: no model has what rows are sliced by.

    """
    sources: list[Source] = []
    missing: list[EvalError] = []
    unsliced: list[EvalError] = []
    for sides, selection in zip(given, selections, strict=True):
        asked = replace(sides, by=None if len(unsliced) < len(sources) else by)
        while True:
            try:
                source = open_sides(asked, replace(selection))
                break
            except NoClustersError as error:  # another model may have them
                missing.append(error)
                asked = replace(asked, cluster=None)
            except NoSlicesError as error:
                unsliced.append(error)
                asked = replace(asked, by=None)
        sources.append(held.enter_context(closing(source)))
    if len(missing) == len(sources):
        raise missing[0]
    if by is not None and len(unsliced) == len(sources):
        raise unsliced[0]
    return sources


def _called(sides: Sequence[tuple[Any, str | None]]) -> tuple[str, ...]:
    """What errors and the comparison call models in memory: by their column, or else by letters."""
    names = [name or getattr(model, "name", None) for model, name in sides]
    known = all(isinstance(name, str) and name for name in names) and len({*names}) == len(names)
    return tuple(map(str, names)) if known else tuple(NAMES[: len(sides)])
