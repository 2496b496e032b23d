"""The options that say what values mean, what is computed of them and how sure to be, each declared once.

Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from evalcli.cli.values import parse_topk, read_labels, read_threshold, saved_threshold
from evalcli.errors import UsageError
from evalcli.metrics.entry import split_names
from evalcli.uncertainty import FEWEST_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Container

    from evalcli.sources.base import Scan
    from evalcli.task import Choices
    from evalcli.uncertainty.intervals import Confidence

_DECIDING = "What the values mean"
_SURE = "How sure"


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskOptions:
    """Which task it is, what the scores are, which classes there are."""

    task: Annotated[
        Literal["binary", "multiclass", "multilabel", "regression"] | None,
        Option("--task", help="The task; by default what the input shows.", rich_help_panel=_DECIDING),
    ] = None
    scores: Annotated[
        Literal["labels", "probs", "logits", "values"] | None,
        Option("--scores", help="What the predictions are.", rich_help_panel=_DECIDING),
    ] = None
    threshold: Annotated[
        str | None,
        Option(
            "--threshold",
            metavar="P|@FILE",
            help="Probability from which the positive class is predicted (0.5), or @ a file that evalcli tune wrote.",
            rich_help_panel=_DECIDING,
        ),
    ] = None
    positive: Annotated[
        str | None,
        Option("--positive", metavar="NAME", help="The positive class of a binary task.", rich_help_panel=_DECIDING),
    ] = None
    labels: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="FILE|a,b,c",
            help="Class or label names in order: a file (a name a line, or a JSON list) or a list.",
            rich_help_panel=_DECIDING,
        ),
    ] = None
    ignore_index: Annotated[
        int | None,
        Option(
            "--ignore-index",
            metavar="N",
            help="Leave out rows, or single labels, whose target is N.",
            rich_help_panel=_DECIDING,
        ),
    ] = None
    nan: Annotated[
        Literal["error", "drop", "wrong"],
        Option("--nan", help="Rows with undefined scores: stop, leave out, or wrong.", rich_help_panel=_DECIDING),
    ] = "error"
    class_axis: Annotated[
        int | None,
        Option("--class-axis", metavar="AXIS", help="Which axis holds the classes.", rich_help_panel=_DECIDING),
    ] = None

    @property
    def threshold_path(self) -> str | None:
        """The file of a saved threshold, if one was named."""
        return saved_threshold(self.threshold)

    def choices(self) -> "Choices":
        """What the user fixed about the task.

        Raises:
            UsageError: they contradict the saved threshold.
            InputError: a file that is named cannot be read.

        """
        from evalcli.task import Choices

        threshold, chosen = read_threshold(self.threshold)
        task: str | None = self.task
        if chosen is not None and chosen.labels:
            if self.task not in {None, "multilabel"} or self.positive is not None:
                what = "the thresholds were chosen for each label of a multilabel task"
                said = f"--positive {self.positive}" if self.positive is not None else f"--task {self.task}"
                raise UsageError(what, fix=f"drop {said}, or choose again", path=chosen.path)
            task = "multilabel"
        elif chosen is not None and self.positive not in {None, chosen.positive}:
            what = f"--positive {self.positive}, but the threshold was chosen for {chosen.positive!r}"
            raise UsageError(what, fix="drop --positive, or choose again", path=chosen.path)
        return Choices(
            task=task,
            scores=self.scores,
            threshold=threshold,
            positive=self.positive if chosen is None else chosen.positive,
            labels=read_labels(self.labels),
            ignore_index=self.ignore_index,
            nan=self.nan,
            class_axis=self.class_axis,
            chosen=chosen,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredOptions(TaskOptions):
    """What the values mean, what to compute of them, and how sure to be of that."""

    classes: Annotated[
        Literal["seen", "declared"],
        Option("--classes", help="Classes that macro means run over.", rich_help_panel=_DECIDING),
    ] = "seen"
    metrics: Annotated[
        list[str],
        Option(
            "-m",
            "--metrics",
            metavar="NAME,…",
            help="Only these metrics (see evalcli metrics).",
            rich_help_panel=_DECIDING,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    by: Annotated[
        list[str],
        Option(
            "--by",
            metavar="COL",
            help="Within each value of a column, too; a,b crosses two, a:18:65 cuts, a:month has dates by months.",
            rich_help_panel=_DECIDING,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    cluster: Annotated[
        str | None,
        Option(
            "--cluster",
            metavar="COL",
            help="Rows with one value belong together: whole clusters are drawn.",
            rich_help_panel=_SURE,
        ),
    ] = None
    confidence: Annotated[
        float, Option("--confidence", metavar="P", help="How sure intervals and tests are.", rich_help_panel=_SURE)
    ] = 0.95
    resamples: Annotated[
        int,
        Option(
            "--resamples",
            metavar="N",
            min=FEWEST_RESAMPLES,
            help="Samples that a bootstrap draws.",
            rich_help_panel=_SURE,
        ),
    ] = 2000
    seed: Annotated[int, Option("--seed", metavar="N", min=0, help="What it starts from.", rich_help_panel=_SURE)] = 0

    def names(self, beyond: "Container[str]" = ()) -> tuple[str, ...] | None:
        """The metrics asked for, checked; ``None`` means the default ones. Those ``beyond`` are there in any case.

        Raises:
            UsageError: a name that no metric has, or one of those.

        """
        from evalcli.metrics.registry import parse

        texts = [name.strip() for text in self.metrics for name in split_names(text, of_metrics=True) if name.strip()]
        for text in texts:
            if text in beyond:
                fix = "leave it out of -m, which narrows the others"
                raise UsageError(f"-m {text}: what --define and --metric make is always computed", fix=fix)
        return tuple(dict.fromkeys(str(parse(text)) for text in texts)) or None

    def sure(self) -> "Confidence":
        """How sure to be.

        Raises:
            UsageError: a confidence that is none.

        """
        from evalcli.uncertainty.intervals import Confidence

        if not 0.5 <= self.confidence < 1.0:
            raise UsageError(f"--confidence {self.confidence:g}", fix="give a share from 0.5 to below 1, as in 0.95")
        return Confidence(self.confidence, self.resamples, self.seed)

    def choices(self) -> "Choices":
        """What the user fixed about the task."""
        return replace(TaskOptions.choices(self), classes=self.classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class DecidingOptions(MeasuredOptions):
    """All of that, and what else a report tells."""

    scan: Annotated[
        list[str],
        Option(
            "--scan",
            metavar="COL,…",
            help="Search columns and their pairs for weak slices; '*': all but ids.",
            rich_help_panel=_DECIDING,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    scan_metric: Annotated[
        str | None,
        Option(
            "--scan-metric",
            metavar="NAME",
            help="What they are weak in: accuracy, recall[cat], subset_accuracy, mae …",
            rich_help_panel=_DECIDING,
        ),
    ] = None
    no_intervals: Annotated[bool, Option("--no-intervals", help="Values only.", rich_help_panel=_SURE)] = False
    topk: Annotated[
        str | None,
        Option(
            "--topk",
            metavar="K,…",
            help="Top-k accuracies to compute: 1,3,5.",
            rich_help_panel=_DECIDING,
        ),
    ] = None

    def names(self, beyond: "Container[str]" = ()) -> tuple[str, ...] | None:
        """The same, with the top-k accuracies where metrics were asked for."""
        names = MeasuredOptions.names(self, beyond)
        more = (f"top{k}_accuracy" for k in parse_topk(self.topk) or ())
        return None if names is None else tuple(dict.fromkeys((*names, *more)))

    def scanned(self, least: int | None) -> "Scan | None":
        """What to search for weak slices, of ``least`` rows.

        Raises:
            UsageError: nothing is to be searched by the metric.

        """
        from evalcli.sources.base import Scan, told_every

        if self.scan_metric is not None and not self.scan:
            raise UsageError("--scan-metric without --scan", fix="say what to search: --scan '*'")
        if not self.scan:
            return None
        from evalcli.metrics.registry import parse

        names = told_every(name for name in self.scan if any(split_names(name)))
        if not names:
            raise UsageError("--scan names no column", fix="say which, as in --scan region,age, or --scan '*'")
        metric = None if self.scan_metric is None else str(parse(self.scan_metric))
        return Scan(names, metric=metric) if least is None else Scan(names, least, metric)

    def choices(self) -> "Choices":
        """What the user fixed about the task, and how sure to be."""
        choices = replace(MeasuredOptions.choices(self), topk=parse_topk(self.topk))
        sure = self.sure()
        return choices if self.no_intervals else replace(choices, confidence=sure)
