"""The options that commands share, each declared once.

A group is a frozen dataclass whose fields are options; a command takes a few groups as parameters and
``flattened`` spreads them into the signature that typer reads. Values that were not typed come from the
configuration. Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from evalcli.cli.extra_options import ExtraOptions
from evalcli.cli.gate_options import GateOptions
from evalcli.cli.values import parse_rows, parse_topk, read_labels, read_threshold, saved_threshold
from evalcli.errors import UsageError
from evalcli.metrics.entry import split_names
from evalcli.uncertainty import FEWEST_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Container

    from evalcli.engine import Execution
    from evalcli.sources.base import Scan, Selection
    from evalcli.task import Choices

Format = Literal["rich", "json", "csv", "markdown", "html"]

_MOST_BUDGET = 2.0**30
"""A budget of more MB than any machine has is as good as none."""

_INPUT = "Input"
_DECIDING = "What the values mean"
_SURE = "How sure"
_EXECUTION = "Execution"
_OUTPUT = "Output"


@dataclass(frozen=True, kw_only=True)
class Files:
    """The arguments: predictions, and the truth unless it lies in the same file."""

    preds: Annotated[
        str, Argument(metavar="PREDS", help="Predictions, or one file with both sides; - is standard input.")
    ]
    targets: Annotated[
        str | None, Argument(metavar="[TARGETS]", help="The truth, when it lies in a file of its own.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Which columns, keys and rows."""

    pred: Annotated[
        str | None,
        Option(
            "--pred",
            metavar="NAME",
            help="Column, key or array of predictions; 'p_*' for several.",
            rich_help_panel=_INPUT,
        ),
    ] = None
    target: Annotated[
        str | None,
        Option(
            "--target",
            metavar="NAME",
            help="Column, key or array of the truth; 'y_*' for several.",
            rich_help_panel=_INPUT,
        ),
    ] = None
    weight: Annotated[
        str | None, Option("--weight", metavar="NAME", help="Column or key of row weights.", rich_help_panel=_INPUT)
    ] = None
    id: Annotated[
        str | None,
        Option("--id", metavar="COL", help="Pair two files by this column, not by position.", rich_help_panel=_INPUT),
    ] = None
    where: Annotated[
        str | None, Option("--where", metavar="SQL", help="Keep the rows for which this holds.", rich_help_panel=_INPUT)
    ] = None
    delimiter: Annotated[
        str | None,
        Option("--delimiter", metavar="CHAR", help="What separates columns of text: ; or \\t.", rich_help_panel=_INPUT),
    ] = None
    encoding: Annotated[
        str | None, Option("--encoding", metavar="NAME", help="Encoding of text tables.", rich_help_panel=_INPUT)
    ] = None
    no_header: Annotated[
        bool, Option("--no-header", help="No header line: columns are column1, column2, …", rich_help_panel=_INPUT)
    ] = False
    trust_compression: Annotated[
        bool,
        Option("--trust-compression", help="Unpack tables to more than 200 times their size.", rich_help_panel=_INPUT),
    ] = False


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class DecidingOptions(TaskOptions):
    """What the values mean, and what to compute of them."""

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
            help="Metrics of each value of a column, too; a,b crosses two, a:18:65 cuts.",
            rich_help_panel=_DECIDING,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
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
    cluster: Annotated[
        str | None,
        Option("--cluster", metavar="COL", help="Rows with one value belong together.", rich_help_panel=_SURE),
    ] = None
    confidence: Annotated[
        float, Option("--confidence", metavar="P", help="How sure intervals are.", rich_help_panel=_SURE)
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
        """The metrics asked for, checked; ``None`` means the default ones. Those ``beyond`` are there in any case.

        Raises:
            UsageError: a name that no metric has, or one of those.

        """
        from evalcli.metrics.registry import parse

        texts = [name.strip() for text in self.metrics for name in split_names(text) if name.strip()]
        for text in texts:
            if text in beyond:
                fix = "leave it out of -m, which narrows the others"
                raise UsageError(f"-m {text}: what --define and --metric make is always computed", fix=fix)
        texts += [f"top{k}_accuracy" for k in parse_topk(self.topk) or ()] if texts else []
        return tuple(dict.fromkeys(str(parse(text)) for text in texts)) or None

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
        """What the user fixed about the task."""
        choices = replace(TaskOptions.choices(self), classes=self.classes, topk=parse_topk(self.topk))
        if not 0.5 <= self.confidence < 1.0:
            raise UsageError(f"--confidence {self.confidence:g}", fix="give a share from 0.5 to below 1, as in 0.95")
        if self.no_intervals:
            return choices
        from evalcli.uncertainty.intervals import Confidence

        return replace(choices, confidence=Confidence(self.confidence, self.resamples, self.seed))


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where and how to run; no result depends on it."""

    device: Annotated[
        str, Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=_EXECUTION)
    ] = "auto"
    backend: Annotated[
        Literal["auto", "numpy", "torch"], Option("--backend", help="What computes.", rich_help_panel=_EXECUTION)
    ] = "auto"
    batch_size: Annotated[
        str | None,
        Option(
            "--batch-size", metavar="ROWS", help="Rows held at a time: 131072, 100k, 1M.", rich_help_panel=_EXECUTION
        ),
    ] = None
    workers: Annotated[
        int | None, Option("--workers", metavar="N", min=1, help="Threads that count.", rich_help_panel=_EXECUTION)
    ] = None

    timeout: Annotated[
        float | None,
        Option(
            "--timeout",
            metavar="SECONDS",
            min=1,
            help="Started by torchrun or srun: how long a rank waits for the others (600).",
            rich_help_panel=_EXECUTION,
        ),
    ] = None

    def execution(self) -> "Execution":
        """The same for the engine."""
        from evalcli.engine import Execution

        return Execution(self.backend, self.device, parse_rows(self.batch_size), self.workers, processes=True)


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions(PlaceOptions):
    """Likewise, and how closely ranks are certified."""

    ranking_budget: Annotated[
        float | None,
        Option(
            "--ranking-budget",
            metavar="MB",
            min=0,
            help="Memory for exact ranks (64); beyond it they are certified to an interval.",
            rich_help_panel=_EXECUTION,
        ),
    ] = None

    def execution(self) -> "Execution":
        """The same for the engine."""
        budget = None if self.ranking_budget is None else int(min(self.ranking_budget, _MOST_BUDGET) * 2**20)
        return replace(PlaceOptions.execution(self), ranking_budget=budget)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is printed, and which files are written."""

    format: Annotated[
        Format | None, Option("-f", "--format", help="Format on standard output.", rich_help_panel=_OUTPUT)
    ] = None
    output: Annotated[
        list[str],
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write .json, .csv, .md, .html, .txt or .evalcli (a part) as well; repeatable.",
            rich_help_panel=_OUTPUT,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    quiet: Annotated[bool, Option("--quiet", help="Print nothing unless a gate fails.", rich_help_panel=_OUTPUT)] = (
        False
    )
    config: Annotated[
        str | None,
        Option(
            "--config",
            metavar="FILE",
            help="Options and gates (TOML); else pyproject.toml's [tool.evalcli].",
            rich_help_panel=_OUTPUT,
        ),
    ] = None


GROUPS = (InputOptions, DecidingOptions, ExtraOptions, GateOptions, ExecutionOptions, OutputOptions)


def selection(
    inputs: InputOptions, choices: "Choices", workers: int | None = None, by: tuple[str, ...] = ()
) -> "Selection":
    """What to read: columns, keys and rows, and what the source must know of the choices."""
    from evalcli.sources.base import Selection

    typed = {
        "delimiter": inputs.delimiter,
        "encoding": inputs.encoding,
        "header": False if inputs.no_header else None,
        "trust_compression": inputs.trust_compression or None,
    }
    return Selection(
        pred=inputs.pred,
        target=inputs.target,
        weight=inputs.weight,
        id=inputs.id,
        where=inputs.where,
        by=by,
        scores="values" if choices.task == "regression" else choices.scores,
        nan=choices.nan,
        labels=choices.labels,
        task=choices.task,
        workers=workers,
        options={name: value for name, value in typed.items() if value is not None},
    )
