"""``evalcli tune``: which threshold is best, what it does, and a file that a report reads it from.

Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from evalcli.cli import streams
from evalcli.cli.by_first import by_first
from evalcli.cli.deciding_options import TaskOptions
from evalcli.cli.flatten import flattened
from evalcli.cli.options import (
    ExecutionOptions,
    Files,
    FilesOnly,
    Format,
    InputOptions,
    OutputOptions,
    files_option,
    selection,
)
from evalcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from evalcli.cli.deliver import Delivery
    from evalcli.tuning.candidates import Aim
    from evalcli.tuning.choosing import Tuning
    from evalcli.tuning.labels import LabelTuning

_AIM = "What to seek"
SUFFIXES = {".json": "json", ".txt": "rich"}
"""How a threshold is written: it is JSON, or read by people."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AimOptions:
    """What makes a threshold good: one of the three."""

    maximize: Annotated[
        str | None,
        Option(
            "--maximize",
            metavar="NAME",
            help="f1 (the default), fbeta2, mcc, balanced_accuracy or youden.",
            rich_help_panel=_AIM,
        ),
    ] = None
    at: Annotated[
        str | None,
        Option(
            "--at",
            metavar="'NAME>=V'",
            help="The best recall at 'precision>=0.95' or 'specificity>=0.9', the best precision at 'recall>=0.9'.",
            rich_help_panel=_AIM,
        ),
    ] = None
    cost: Annotated[
        str | None,
        Option("--cost", metavar="fp=A,fn=B", help="The least expected cost of errors.", rich_help_panel=_AIM),
    ] = None

    def aim(self) -> "Aim":
        """The one that was asked for.

        Raises:
            UsageError: it cannot be meant, or several were asked for.

        """
        from evalcli.tuning import candidates as tuning

        asked = [name for name in ("maximize", "at", "cost") if getattr(self, name) is not None]
        if len(asked) > 1:
            raise UsageError(f"--{asked[0]} and --{asked[1]} seek different thresholds", fix="ask for one of them")
        if self.at is not None:
            return tuning.at(self.at)
        return tuning.cost(self.cost) if self.cost is not None else tuning.maximize(self.maximize or "f1")


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdOutputOptions(OutputOptions):
    """What is printed, and which files are written."""

    format: Annotated[
        Format | None,
        Option("-f", "--format", metavar="rich|json", help="Format on standard output.", rich_help_panel="Output"),
    ] = None
    output: Annotated[list[str], files_option("Write .json, for --threshold @FILE, or .txt as well; repeatable.")] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    quiet: FilesOnly = False


@flattened
@by_first
def tune(
    files: Files,
    aiming: AimOptions,
    inputs: InputOptions,
    deciding: TaskOptions,
    executing: ExecutionOptions,
    output: ThresholdOutputOptions,
) -> ExitCode:
    """Choose the threshold of a binary task, or one for each label: the best of all scores that occur, cut with >=.

    --threshold is the one to compare it with. Exit code: 0 when a threshold was chosen, 2 when not.
    """
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.progress import Meter

    aim, choices, execution = aiming.aim(), deciding.choices(), executing.execution()
    read = (files.preds, files.targets, deciding.labels, deciding.threshold_path, output.config)
    if output.format not in {None, "rich", "json"}:
        raise UsageError(f"a threshold is not written as {output.format}", fix="use JSON, as in -o tuned.json")
    delivery = plan_delivery(output, read, "rich", SUFFIXES)

    from evalcli.sources import open_source
    from evalcli.tuning.choosing import tune as choose

    with Meter(quiet=output.quiet) as progress:
        source = open_source(files.preds, files.targets, selection(inputs, choices, execution.workers), progress.share)
        with closing(source):
            tuning = choose(source, choices, execution, aim, progress)
    _deliver(tuning, delivery)
    return ExitCode.PASS


def _deliver(tuning: "Tuning | LabelTuning", delivery: "Delivery") -> None:
    """Files whole or not at all, then the screen, then what to keep in mind."""
    from evalcli.cli.output import write_outputs
    from evalcli.renderers.tuning import render_tuning

    contents = [(target, render_tuning(tuning, target.format)) for target in delivery.targets]
    form = delivery.format
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    printed = "" if form is None else render_tuning(tuning, form, streams.width_of(sys.stdout), encoding)
    write_outputs(contents)
    if form is not None:
        streams.emit(printed)
    if not delivery.quiet:
        streams.say("evalcli: note: chosen on the data it is judged on, a threshold flatters; measure it on other data")
