"""``evalcli compare``: models side by side on the same samples.

Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

from typer import Argument, Option

from evalcli.cli import streams
from evalcli.cli.by_first import by_first
from evalcli.cli.compare_gates import CompareGates
from evalcli.cli.deciding_options import MeasuredOptions
from evalcli.cli.extra_options import ExtraOptions
from evalcli.cli.flatten import flattened
from evalcli.cli.models import Side, open_models
from evalcli.cli.options import ExecutionOptions, InputOptions, OutputOptions, joined, selection
from evalcli.cli.values import parse_limit
from evalcli.errors import ExitCode, UsageError
from evalcli.metrics.entry import split_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.cli.deliver import Delivery
    from evalcli.cli.progress import Meter
    from evalcli.comparing.data import Comparison
    from evalcli.comparing.question import Question
    from evalcli.engine import Execution
    from evalcli.evaluation import Measured
    from evalcli.extras import Extras
    from evalcli.report import Report
    from evalcli.sources.base import Selection
    from evalcli.task import Choices

_COMPARING = "Comparing"
_ALL = 1 << 40
"""All flipped rows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CompareFiles:
    """The arguments."""

    paths: Annotated[
        list[str],
        Argument(
            metavar="A B [TARGETS]",
            help="Predictions of each model, then the truth unless all files hold it; or one file with --pred a,b.",
        ),
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class CompareOptions:
    """Which file is what, and how the models belong together."""

    targets: Annotated[
        str | None,
        Option(
            "--targets", metavar="FILE", help="The truth: then all arguments are models.", rich_help_panel=_COMPARING
        ),
    ] = None
    limit: Annotated[
        str | None,
        Option(
            "--limit",
            metavar="N|all",
            help="Flipped rows of every class and kind in JSON and CSV (3); of values, those farthest apart.",
            rich_help_panel=_COMPARING,
        ),
    ] = None
    independent: Annotated[
        bool,
        Option(
            "--independent",
            help="A and B are one model on two samples, such as train and test.",
            rich_help_panel=_COMPARING,
        ),
    ] = False
    overlap: Annotated[
        bool,
        Option(
            "--overlap",
            help="Count the rows that A and B share, by --id or by content.",
            rich_help_panel=_COMPARING,
        ),
    ] = False

    def flips(self) -> int:
        """How many rows of every kind to name."""
        from evalcli.comparing.question import ROWS

        limit = parse_limit(self.limit)
        return ROWS if limit is None else _ALL if limit == "all" else int(limit)


@flattened
@by_first
def compare(
    files: CompareFiles,
    comparing: CompareOptions,
    inputs: InputOptions,
    deciding: MeasuredOptions,
    extra: ExtraOptions,
    gating: CompareGates,
    executing: ExecutionOptions,
    output: OutputOptions,
) -> ExitCode:
    """Compare models on the same samples: every metric with its difference, interval and p-value, and what flips.

    A model is better or worse where the p-value, by Holm over all metrics, says so. Exit code: 0 all gates pass or none
    was asked, 1 a gate fails, 3 one is inconclusive, 2 no verdict.
    """
    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.progress import Meter
    from evalcli.comparing.question import Question
    from evalcli.sources.spool import copied

    extras = extra.extras()
    rules = gating.rules(extras)
    question = Question(
        deciding.names(extras), rules.metrics, deciding.sure(), comparing.flips(),
        by_id=inputs.id is not None, least=rules.least, definitions=extras.definitions, own=extras.own,
        gated=rules.gated,
    )  # fmt: skip
    choices, execution = deciding.choices(), executing.execution()
    read = (*files.paths, comparing.targets, deciding.labels, deciding.threshold_path, output.config)
    delivery = plan_delivery(output, read, default="rich")
    by = tuple(dict.fromkeys((*deciding.by, *rules.slicers)))
    wanted = selection(inputs, choices, execution.workers, by)
    wanted.cluster = deciding.cluster
    if comparing.overlap:
        if comparing.independent or gating.typed or wanted.cluster or deciding.by or extra.define or extra.metric:
            raise UsageError("--overlap counts rows and compares no metrics", fix="ask for one thing at a time")
        return _overlapping(files.paths, wanted, delivery)
    with Meter(quiet=output.quiet) as progress, ExitStack() as held:
        wanted.stdin = copied((*files.paths, comparing.targets), held)
        if comparing.independent:
            if wanted.by:
                what = "--by compares models on the same rows, and --independent one model on two samples"
                raise UsageError(what, fix="keep the rows of one slice with --where")
            from evalcli.comparing.independent import compare_samples

            sides = [Side(path, None, joined(inputs.pred)) for path in _two(files.paths, "--independent")]
            rules.check(len(sides))
            sources = open_models(sides, wanted, progress, held)
            result = compare_samples(sources, choices, execution, question, progress)
        else:
            sides = _sides(files.paths, comparing.targets, joined(inputs.pred), wanted)
            rules.check(len(sides))
            sources = open_models(sides, wanted, progress, held, meanwhile=_import_comparing)
            from evalcli.comparing.models import compare as compare_models

            result = compare_models(sources, choices, execution, question, progress)
        alone = partial(_report_of, sides, Asked(wanted, choices, execution, question, extras), result, progress)
        verdicts = rules.judged(result, alone)
    code = _deliver(replace(result, gates=verdicts), delivery)
    if extras.own:
        from evalcli.cli.report import tell_failed

        return ExitCode.NO_VERDICT if tell_failed(result.findings) else code
    return code


class Asked(NamedTuple):
    """How the models were read and compared."""

    wanted: "Selection"
    choices: "Choices"
    execution: "Execution"
    question: "Question"
    extras: "Extras"


def _report_of(
    sides: "Sequence[Side]", asked: Asked, comparison: "Comparison", progress: "Meter", place: int
) -> "Report":
    """The report on one of the models by itself, with the intervals of what gates read."""
    from evalcli.evaluation import evaluate
    from evalcli.sources import open_source

    side, question = sides[place], asked.question
    one_file = side.targets is None  # an id pairs models then
    chosen = replace(asked.wanted, pred=side.pred, id=None if one_file else asked.wanted.id)
    task, positive = comparison.task, comparison.positive or asked.choices.positive
    choices = replace(asked.choices, task=task, positive=positive, confidence=question.confidence)
    names = tuple(name for name in question.gated if comparison.metric(name) is not None)
    kept: list[Measured] = []
    with closing(open_source(side.preds, side.targets, chosen, progress.share)) as source:
        found = evaluate(
            source, choices, asked.execution, names or None, progress,
            also=question.read, own=question.own, kept=kept.append,
        )  # fmt: skip
    return asked.extras.defined(found, *kept)


def _sides(paths: "Sequence[str]", targets: str | None, pred: str | None, wanted: "Selection") -> list[Side]:
    """Which argument is what.

    Raises:
        UsageError: there are not two models, or too many.

    """
    from evalcli.comparing.data import NAMES
    from evalcli.sources import holds_both_sides

    names = [None] if pred is None else [name for name in split_names(pred) if name]
    models = list(paths)
    if targets is None and len(models) > (1 if len(names) > 1 else 2):
        if not holds_both_sides(models[-1], wanted) or not holds_both_sides(models[0], wanted):
            targets = models.pop()
    elif targets is None and len(names) > 1 and len(models) == 2:
        targets = models.pop()
    if len(names) > 1 and len(models) > 1:
        what = f"--pred names {len(names)} columns, and there are {len(models)} files"
        raise UsageError(what, fix="compare columns of one file, or one column of several files")
    sides = [Side(path, targets, name) for path in models for name in names]
    if not 2 <= len(sides) <= len(NAMES):
        what = "there is one model" if len(sides) == 1 else f"there are {len(sides)} models"
        raise UsageError(what, fix="name two files, or two columns of one: --pred a,b")
    return sides


def _import_comparing() -> None:
    """Import what compares models, and what shows it, for which there is time while tables are read."""
    import evalcli.comparing.models
    import evalcli.renderers.comparison  # noqa: F401


def _two(paths: "Sequence[str]", flag: str) -> "Sequence[str]":
    if len(paths) != 2:
        raise UsageError(f"{flag} is about two files, each with its own truth", fix="name two")
    return paths


def _overlapping(paths: "Sequence[str]", wanted: "Selection", delivery: "Delivery") -> ExitCode:
    """Count the rows that two files share."""
    from evalcli.cli.output import write_outputs
    from evalcli.comparing.overlap import compare_files
    from evalcli.renderers.overlap import render_overlap

    first, second = _two(paths, "--overlap")
    if "-" in paths:
        raise UsageError("--overlap reads its files again and again", fix="save standard input to a file")
    overlap = compare_files(first, second, wanted)
    contents = [(target, render_overlap(overlap, target.format)) for target in delivery.targets]
    form, printed = delivery.format, ""
    if form is not None:
        encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
        printed = render_overlap(overlap, form, streams.width_of(sys.stdout), encoding)
    write_outputs(contents)
    if form is not None:
        streams.emit(printed)
    return ExitCode.PASS


def _rendered(comparison: "Comparison", form: str) -> str:
    """The text of a file; a screen needs none of what writes one."""
    from evalcli.renderers.comparison_files import render_comparison

    return render_comparison(comparison, form)


def _deliver(comparison: "Comparison", delivery: "Delivery") -> ExitCode:
    """Files whole or not at all, then the screen, then the verdict."""
    from evalcli.cli.output import write_outputs
    from evalcli.gates import exit_code

    contents = [(target, _rendered(comparison, target.format)) for target in delivery.targets]
    printed = None
    if delivery.format == "rich":
        from evalcli.renderers.comparison import ComparisonView

        printed = streams.draw(ComparisonView(comparison), sys.stdout)
    elif delivery.format is not None:
        printed = _rendered(comparison, delivery.format)
    write_outputs(contents)
    if printed is not None:
        streams.emit(printed)
    told = not delivery.quiet or any(verdict.status != "pass" for verdict in comparison.gates)
    if comparison.gates and told and sys.stderr is not None:
        from evalcli.renderers.terminal import render_verdict

        streams.say(streams.draw(render_verdict(comparison.gates), sys.stderr))
    return exit_code(comparison.gates)
