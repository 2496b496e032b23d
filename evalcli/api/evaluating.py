"""``evalcli.evaluate``: from arrays or files to a report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from evalcli.api.report import Report
from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.extras import Extras
from evalcli.inputs import Sides, open_sides
from evalcli.keywords import (
    as_keywords,
    bytes_of,
    check_rows,
    check_running,
    check_word,
    choices_of,
    confidence_of,
    in_keywords,
    with_known_keywords,
)
from evalcli.sources.base import Scan, Selection, told_every
from evalcli.sources.held_arrays import lies_there
from evalcli.sources.slicing import told_of_ranges

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from evalcli.api.partial import Part
    from evalcli.evaluation import Measured
    from evalcli.expressions import Definition
    from evalcli.own.metrics import OwnMetric
    from evalcli.task import Choices


@overload
def evaluate(preds: Any, target: Any = None, *, partial: Literal[True], **options: Any) -> Part: ...
@overload
def evaluate(  # what an editor shows
    preds: Any,
    target: Any = None,
    *,
    labels: Sequence[Any] | int | None = None,
    weight: Any = None,
    by: Any = None,
    scan: Any = None,
    scan_metric: str | None = None,
    min_slice_size: int | None = None,
    task: str | None = None,
    scores: str | None = None,
    threshold: float | None = None,
    positive: Any = None,
    ignore_index: int | None = None,
    nan: str = "error",
    classes: str = "seen",
    class_axis: int | None = None,
    metrics: str | Iterable[Any] | None = None,
    topk: Iterable[int] | int | None = None,
    own: Iterable[Any] | Mapping[str, Any] = (),
    define: Mapping[str, str] | None = None,
    pred: str | None = None,
    id: str | os.PathLike[str] | None = None,  # the option's name
    where: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    ranking_budget: float | None = None,
    cluster: Any = None,
    confidence: float | None = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    partial: Literal[False] = False,
) -> Report: ...
@with_known_keywords  # type: ignore[misc]  # any option of the second is one of the first
def evaluate(  # noqa: PLR0913  # one keyword for each option of the command line
    preds: Any,
    target: Any = None,
    *,
    labels: Sequence[Any] | int | None = None,
    weight: Any = None,
    by: Any = None,
    scan: Any = None,
    scan_metric: str | None = None,
    min_slice_size: int | None = None,
    task: str | None = None,
    scores: str | None = None,
    threshold: float | None = None,
    positive: Any = None,
    ignore_index: int | None = None,
    nan: str = "error",
    classes: str = "seen",
    class_axis: int | None = None,
    metrics: str | Iterable[Any] | None = None,
    topk: Iterable[int] | int | None = None,
    own: Iterable[Any] | Mapping[str, Any] = (),
    define: Mapping[str, str] | None = None,
    pred: str | None = None,
    id: str | os.PathLike[str] | None = None,  # noqa: A002  # the option's name
    where: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    ranking_budget: float | None = None,
    cluster: Any = None,
    confidence: float | None = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    partial: bool = False,
) -> Report | Part:
    """Evaluate predictions against the truth: what ``evalcli report`` prints, as an object.

    Args:
        preds: Labels, probabilities, logits or values: ``(N,)`` or ``(N, C)`` and more axes. A numpy array, a torch
            tensor (any device, bfloat16 too), an array of any library with DLPack, a list, a column or frame of
            pandas or Polars, or the path of a file. A frame or a dict may hold both sides.
        target: The truth, likewise; where ``preds`` is a frame that holds it the name of its column, or ``y_*``.
        labels: Class names in the order of their numbers, or how many there are.
        weight: One number a row, or the name of its column.
        by: What rows are sliced by: the name of a column of a frame or file, or several (``"a,b"`` crosses two); beside
            arrays an array ``(N,)``, a frame, or arrays by name: ``{"region": region}``. Many numbers are sliced in
            quarters; ``"age:18:65"`` cuts them at 18 and 65, and ``{"age:18:65": age}`` an array. Of dates,
            ``"visit:month"`` has those of a month together (year, quarter, month, week, day or hour).
        scan: What is searched for weak slices, alone and in pairs, likewise; ``"*"``: all columns of the frame or file
            but ids and those of more than 1,000 texts. They are in ``report.data.scan``.
        scan_metric: What slices are compared by: ``accuracy``, of several labels ``subset_accuracy``, of values ``mae``
            unless said otherwise.
        min_slice_size: Slices of fewer rows are never the worst and make no gap (1), and are not searched (30).
        task: ``binary``, ``multiclass``, ``multilabel`` or ``regression``; by default what the input shows.
        scores: ``labels``, ``probs``, ``logits`` or ``values``; by default what the whole input shows.
        threshold: The probability from which the positive class is predicted (0.5).
        positive: The positive class of a binary task.
        ignore_index: Rows whose target is this number are left out.
        nan: Rows with undefined scores: ``error``, ``drop`` or count as ``wrong``.
        classes: Macro means run over the classes ``seen``, or over all ``declared``.
        class_axis: Which axis holds the classes, 1 or -1, where two readings fit.
        metrics: Names as in ``evalcli metrics``: only these are computed.
        topk: The k of top-k accuracies, one or several.
        own: Metrics of your own: objects of ``evalcli.Metric`` or torchmetrics, or addresses as ``my.py:MyRMSE``; a
            mapping names them.
        define: Metrics from others, as ``{"gap": "recall[cat] - recall[dog]"}``.
        pred: Which column holds the predictions, where a frame or a file has several.
        id: Pair two table files by this column.
        where: Keep the rows of table files for which this SQL holds.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. Scores that lie on a GPU are evaluated there;
            what is searched, and slices or a search of rows with clusters, is counted on the host.
        backend: ``auto``, ``numpy`` or ``torch``.
        batch_size: Rows held at a time. No result depends on it.
        workers: Threads that count. No result depends on it.
        ranking_budget: Memory for exact ranks, in MB (64).
        cluster: One value a row, or the name of its column: rows with the same one belong together, and intervals are
            of whole clusters.
        confidence: How sure intervals are to hold the true value; ``None``: no intervals.
        resamples: Draws of each bootstrap.
        seed: Where its random numbers start.
        partial: These are some rows of many: count them, on one core, and leave the report to ``evalcli.merge``.

    Returns:
        A report; ``report["accuracy"]`` is a number, ``print(report)`` the report of the command line. With ``partial``
        a part: ``evalcli.merge(parts).report()`` is the report of all rows.

    Raises:
        EvalError: of the kind that says what is wrong: with an argument (``UsageError``), with the values
            (``InputError``), or that nothing is left (``EmptyError``).

    >>> import evalcli
    >>> report = evalcli.evaluate([0, 1, 1, 1], [0, 1, 1, 0])
    >>> report["accuracy"], report["recall[1]"]
    (0.75, 1.0)

    """
    check_word("backend", backend)
    check_rows("min_slice_size", min_slice_size)
    check_running(workers, batch_size)
    choices = choices_of(
        task=task,
        scores=scores,
        threshold=threshold,
        positive=positive,
        labels=labels,
        ignore_index=ignore_index,
        nan=nan,
        classes=classes,
        class_axis=class_axis,
        topk=topk,
    )
    if confidence is not None:
        choices = replace(choices, confidence=confidence_of(confidence, resamples, seed))
    selection = Selection(
        pred=pred, id=None if id is None else str(id), where=where, scores="values" if task == "regression" else scores,
        nan=nan, labels=choices.labels, task=task, workers=workers,
    )  # fmt: skip
    budget = bytes_of(ranking_budget)
    execution = Execution(backend, str(device), batch_size, workers, budget)
    with in_keywords():
        extras = Extras(own_metrics_of(own), definitions_of(define), min_slice_size or 1)
        names = metric_names(metrics)
        selection.by = extras.slicers(names or ())
        selection.scan = (
            None if scan is None else scan_of(scan, scan_metric, 30 if min_slice_size is None else min_slice_size)
        )
        sides = Sides(preds, target, weight, by, cluster, scan)
        if partial:
            return _counted(sides, selection, choices, execution, names, extras)
        return _evaluated(sides, selection, choices, execution, names, extras)


def scan_of(scan: Any, metric: str | None, least: int) -> Scan:
    """What to search for weak slices.

    Raises:
        UsageError: no such metric.

    """
    from evalcli.metrics.registry import parse

    names = (scan,) if isinstance(scan, str) else tuple(scan) if isinstance(scan, (list, tuple, Mapping)) else ()
    return Scan(told_every(map(str, names)), least, None if metric is None else str(parse(metric)))


def _evaluated(
    sides: Sides,
    selection: Selection,
    choices: Choices,
    execution: Execution,
    names: tuple[str, ...] | None,
    extras: Extras,
) -> Report:
    from evalcli.evaluation import evaluate as evaluated

    if not extras.own:  # which see every batch on the host
        execution = _where_it_lies(sides, execution)
    leave = execution.device.startswith("cuda") and not extras.own
    with closing(open_sides(sides, selection, copies=_writable(execution), leave=leave)) as source:
        kept: list[Measured] = []
        also = extras.needed(())
        found = evaluated(source, choices, execution, names, also=also, own=extras.own, kept=kept.append)
        return Report(extras.defined(found, kept[0]))


def _counted(
    sides: Sides,
    selection: Selection,
    choices: Choices,
    execution: Execution,
    names: tuple[str, ...] | None,
    extras: Extras,
) -> Part:
    from evalcli.api.partial import Part
    from evalcli.parts import encode, measure_part, told_of_doubt

    selection.partial = True
    if selection.scan is not None:
        selection.scan = selection.scan._replace(apart=True)
    alone = replace(execution, workers=execution.workers or 1)  # an engine has one task for each core already
    with closing(open_sides(sides, selection, copies=_writable(execution))) as source:
        also = extras.needed(())
        if text := told_of_ranges(source.slicers, source.scanned):
            warnings.warn(text, stacklevel=4)
        part = measure_part(source, choices, alone, names, also=also, own=extras.own)
        if text := told_of_doubt(part):
            warnings.warn(as_keywords(text), stacklevel=4)
        return Part(encode(part))


def _where_it_lies(sides: Sides, execution: Execution) -> Execution:
    """Scores that lie on a device are evaluated there, unless told otherwise."""
    if (execution.backend, execution.device) != ("auto", "auto") or not lies_there(sides.preds, sides.target):
        return execution
    return replace(execution, device=str(sides.preds.device))


def _writable(execution: Execution) -> bool:
    """Whether batches are handed to torch, which wants them writable."""
    return execution.backend == "torch" or execution.device not in {"auto", "cpu"}


def own_metrics_of(own: Iterable[Any] | Mapping[str, Any]) -> tuple[OwnMetric, ...]:
    """Metrics of the caller's own.

    Raises:
        UsageError: one is no metric, or two have one name.

    """
    if not own:
        return ()
    from evalcli.loading import own_metrics

    return own_metrics(own)


def definitions_of(define: object) -> tuple[Definition, ...]:
    """Metrics that are computed from others.

    Raises:
        UsageError: it does not name its expressions, or one is none.

    """
    if not define:
        return ()
    if not isinstance(define, Mapping):
        what = f"define= is a {type(define).__name__}, and names no expressions"
        raise UsageError(what, fix='give a dict, as in define={"gap": "recall[cat] - recall[dog]"}')
    from evalcli.expressions import parse_definitions

    return parse_definitions(f"{name} = {text}" for name, text in define.items())


def metric_names(metrics: str | Iterable[Any] | None) -> tuple[str, ...] | None:
    """The names that were asked for, checked; one text may hold several between commas.

    >>> metric_names("accuracy, f1_macro")
    ('accuracy', 'f1_macro')
    """
    from evalcli.metrics.entry import split_names
    from evalcli.metrics.registry import parse

    if metrics is None:
        return None
    asked = list(metrics) if hasattr(metrics, "__iter__") and not isinstance(metrics, str) else [metrics]
    texts = [getattr(one, "__name__", None) or str(one) for one in asked]
    parts = [part.strip() for text in texts for part in split_names(text, of_metrics=True) if part.strip()]
    return tuple(dict.fromkeys(str(parse(part)) for part in parts)) or None
