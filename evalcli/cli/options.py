"""The options that commands share, each declared once: what is read, how it is run, what comes out.

A group is a frozen dataclass whose fields are options; a command takes a few groups as parameters and
``flattened`` spreads them into the signature that typer reads. Values that were not typed come from the
configuration. What the values mean is in ``deciding_options.py``. Groups are not compared (``eq=False``): a method that
nothing calls is made at every start all the same.
Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from evalcli.cli.values import parse_rows
from evalcli.metrics.threads import MOST_THREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.engine import Execution
    from evalcli.sources.base import Selection
    from evalcli.task import Choices

Format = Literal["rich", "json", "csv", "markdown", "html"]

_MOST_BUDGET = 2.0**30
"""A budget of more MB than any machine has is as good as none."""

_INPUT = "Input"
_EXECUTION = "Execution"
_OUTPUT = "Output"


def files_option(told: str) -> Any:
    """The option that names files to write, with what a command writes."""
    return Option("-o", "--output", metavar="FILE", help=told, rich_help_panel=_OUTPUT)


FilesOnly = Annotated[bool, Option("--quiet", help="Write files only.", rich_help_panel=_OUTPUT)]
"""How a command without gates is quiet."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Files:
    """The arguments: predictions, and the truth unless it lies in the same file."""

    preds: Annotated[
        str, Argument(metavar="PREDS", help="Predictions, or one file with both sides; - is standard input.")
    ]
    targets: Annotated[
        str | None, Argument(metavar="[TARGETS]", help="The truth, when it lies in a file of its own.")
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False)
class InputOptions:
    """Which columns, keys and rows."""

    pred: Annotated[
        list[str],
        Option(
            "--pred",
            metavar="NAME,…",
            help="Column, key or array of predictions; 'p_*' for several, '*' for all.",
            rich_help_panel=_INPUT,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    target: Annotated[
        list[str],
        Option(
            "--target",
            metavar="NAME,…",
            help="Column, key or array of the truth; 'y_*' for several.",
            rich_help_panel=_INPUT,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
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


@dataclass(frozen=True, kw_only=True, eq=False)
class PlaceOptions:
    """Where and how to run; no result depends on it."""

    device: Annotated[
        str,
        Option(
            "--device",
            metavar="NAME",
            help="auto, cpu, cuda, cuda:1 or mps; the line `ran` of a report says what stays on the host.",
            rich_help_panel=_EXECUTION,
        ),
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
        int | None,
        Option(
            "--workers",
            metavar="N",
            min=1,
            max=MOST_THREADS,
            help="Threads, or processes, that count.",
            rich_help_panel=_EXECUTION,
        ),
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


@dataclass(frozen=True, kw_only=True, eq=False)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class OutputOptions:
    """What is printed, and which files are written."""

    format: Annotated[
        Format | None, Option("-f", "--format", help="Format on standard output.", rich_help_panel=_OUTPUT)
    ] = None
    output: Annotated[
        list[str],
        files_option(
            "Write .json, .csv, .md, .html, .txt, or .evalcli (a part, of report and merge) as well; repeatable."
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


def joined(names: "Sequence[str]") -> str | None:
    """Names given in one option or in several of its kind, as one list; ``None`` where there is none.

    >>> joined(("cat,dog", "owl"))
    'cat,dog,owl'
    """
    return ",".join(names) if names else None


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
        pred=joined(inputs.pred),
        target=joined(inputs.target),
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
