"""What ``--max-drop`` counts from: a saved report, or the predictions of another model for the same rows.

Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from typer import Option

from evalcli.cli.gate_options import GateOptions
from evalcli.errors import EvalError, InputError, UsageError
from evalcli.uncertainty import FEWEST_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from evalcli.cli.models import Side
    from evalcli.cli.options import Files
    from evalcli.cli.progress import Meter
    from evalcli.comparing.data import Comparison
    from evalcli.drops import Baseline
    from evalcli.engine import Execution
    from evalcli.extras import Extras
    from evalcli.report import Report
    from evalcli.rules import Rule
    from evalcli.sources.base import Selection
    from evalcli.task import Choices

_GATES = "Gates"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportGates(GateOptions):
    """Rules for the exit code, where the baseline may be predictions too."""

    baseline: Annotated[
        str | None,
        Option(
            "--baseline",
            metavar="FILE",
            help="What drops count from: a saved report, or another model's predictions of the same rows.",
            rich_help_panel=_GATES,
        ),
    ] = None
    baseline_pred: Annotated[
        str | None,
        Option(
            "--baseline-pred",
            metavar="NAME",
            help="Column, key or array of the baseline's predictions; without --baseline, in PREDS.",
            rich_help_panel=_GATES,
        ),
    ] = None

    def baseline_name(self) -> str | None:
        """The column or key of the baseline that was typed, or else configured."""
        inherited = self.inherited
        return self.baseline_pred or (inherited.baseline_pred if isinstance(inherited, ReportGates) else None)

    def names_baseline(self, *, inherited: bool = True) -> bool:
        """Whether there is something to count drops from: a file, or a column of the predictions."""
        name = self.baseline_name() if inherited else self.baseline_pred
        return GateOptions.names_baseline(self, inherited=inherited) or name is not None


def find_rival(gating: ReportGates, files: "Files", wanted: "Selection") -> "Side | None":
    """The predictions to count from; ``None`` where there are none, but perhaps a saved report.

    Raises:
        UsageError: what was named cannot be compared with.
        InputError: the file cannot be read.

    """
    from evalcli.cli.saved import may_be_report
    from evalcli.sources import STDIN, input_format

    path, name = gating.baseline_path(), gating.baseline_name()
    if path is not None and may_be_report(path):
        if name is not None:
            raise UsageError(f"--baseline-pred {name}, but this is a saved report", fix="drop one of them", path=path)
        return None
    path = files.preds if path is None and name is not None else path
    if path is None:
        return None
    from evalcli.cli.models import Side

    if path != STDIN:
        input_format(path)  # what is no data is refused before the work
    pred = name or wanted.pred
    if path == files.preds and pred == wanted.pred:
        what = "the baseline is the very predictions that are judged"
        raise UsageError(what, fix="name another file, or another column with --baseline-pred", path=path)
    targets = files.targets
    if targets is None and path != files.preds and not _holds_truth(path, pred, files.preds, wanted):
        targets = files.preds
    return Side(path, targets, pred)


def _holds_truth(path: str, pred: str | None, beside: str, wanted: "Selection") -> bool:
    """Whether the baseline's file has a truth of its own, so that it need not be that ``beside`` the predictions."""
    from fnmatch import fnmatchcase

    from evalcli.metrics.entry import split_names
    from evalcli.sources import names_in
    from evalcli.sources.label_groups import TARGET_PREFIXES
    from evalcli.sources.naming import is_whole

    names = names_in(path, wanted)
    if wanted.target is not None:
        asked = [wanted.target, *split_names(wanted.target)]
        return any(fnmatchcase(name, each) for name in names for each in asked)
    if is_whole(["pred" if name == pred else name for name in names]):
        return True
    groups = {name for name in names_in(beside, wanted) if name.startswith(TARGET_PREFIXES)}
    return len(groups) > 1 and groups <= {*names}


class Asked(NamedTuple):
    """How the model was evaluated, and what is to be judged of it."""

    files: "Files"
    wanted: "Selection"
    choices: "Choices"
    execution: "Execution"
    names: tuple[str, ...] | None
    also: tuple[str, ...]
    extras: "Extras"
    rules: "tuple[Rule, ...]"
    gating: ReportGates


def measured(rival: "Side", asked: Asked, report: "Report", progress: "Meter") -> "Baseline":
    """What drops count from: pairs of values where both models can be compared row by row, else a report.

    Raises:
        EvalError: the rows are not those of the report, or cannot be evaluated.

    """
    from evalcli.addresses import look_up
    from evalcli.cli.report import failures_in
    from evalcli.comparing.drops import pairs_of
    from evalcli.drops import Baseline

    least = asked.gating.slice_size or 1
    dropped = [rule.metric for rule in asked.rules if rule.kind == "drop"]
    known = [name for name in dict.fromkeys(dropped) if not isinstance(look_up(report, name, least), str)]
    alone = {name: why for name in known if (why := _why_alone(name, report))}
    paired = [name for name in known if name not in alone]
    found = _compared(rival, paired, asked, report, progress)
    pairs = pairs_of(found, paired, least, intervals=asked.choices.confidence is not None)
    if asked.gating.basis == "interval" and asked.choices.confidence is not None:
        unsure = [name for name, (pair, *_) in pairs.items() if not pair.where and not pair.is_sure]
        for name in unsure:  # the worst slice is known of pairs only, and says so itself
            alone[name] = "no paired interval is known of it"
            del pairs[name]
    then = _report_of(rival, asked, report, progress) if alone else None
    failed = [text.replace(" failed on A", _FAILED) for text in failures_in(found.findings) if " failed on A" in text]
    told = {*failures_in(report.findings)}
    failed += (
        []
        if then is None
        else [text.replace(" failed", _FAILED, 1) for text in failures_in(then.findings) if text not in told]
    )
    return Baseline(then, pairs, alone, tuple(dict.fromkeys(failed)))


_FAILED = " failed on the baseline"


_PAIRED = {"binary": "accuracy", "multiclass": "accuracy", "multilabel": "subset_accuracy", "regression": "rmse"}
"""Tasks that are compared row by row, and a metric that each of them has."""


def _why_alone(name: str, report: "Report") -> str:
    """Why a metric is not compared row by row; empty where it is."""
    from evalcli.addresses import look_up
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import is_registered, parse

    address = split_address(name)
    whole = name if address is None else address.metric
    if address is not None and (address.value is None or (is_registered(name) and parse(name).entry.reads == "slices")):
        return "gaps between slices are not compared row by row"
    rows = [row for row in report.slices if address is not None and address.is_worst and row.by == address.by]
    values = [row.metrics.get(str(parse(whole)) if is_registered(whole) else whole) for row in rows]
    found = look_up(report, name)
    if not isinstance(found, str):
        values.append(found.value)
    if any(value is not None and value.certified is not None for value in values):
        return "what is only certain to lie in a range is not compared row by row"
    return ""


def _compared(rival: "Side", names: "Sequence[str]", asked: Asked, report: "Report", progress: "Meter") -> "Comparison":
    """The metrics of both models on the same rows, once it is clear that they are the same."""
    from evalcli.cli.models import Side, open_models
    from evalcli.comparing.models import compare
    from evalcli.comparing.question import Question
    from evalcli.metrics.address import split_address
    from evalcli.metrics.registry import is_registered, parse
    from evalcli.uncertainty.intervals import Confidence

    by_id, sure = asked.wanted.id is not None, asked.choices.confidence
    addresses = [address for name in names if (address := split_address(name)) is not None]
    registered = (str(parse(name).whole) for name in names if is_registered(name))
    wholes = tuple(dict.fromkeys(registered)) or (_PAIRED[report.task],)
    made = asked.extras.definitions if any(not is_registered(name) for name in names) else ()
    read = (*names, *(name for one in made for name in one.expression.names))
    extras = (replace(asked.extras, own=(one,), definitions=()) for one in asked.extras.own)
    own = tuple(one for each in extras for one in each.own if any(name in each for name in read))
    by = _sliced_by(asked.wanted.by, {address.by for address in addresses})
    size = asked.gating.slice_size or 1
    named = any(address.names_slice for address in addresses)  # is judged however small it is
    with ExitStack() as held, _as_of_report(rival):
        sides = [rival, Side(asked.files.preds, asked.files.targets, asked.wanted.pred)]
        sources = open_models(sides, replace(asked.wanted, by=by), progress, held, slicing=1)
        few = Confidence(resamples=FEWEST_RESAMPLES) if sure is None else sure
        least = 1 if named else size
        question = Question(
            wholes, confidence=few, flips=0, by_id=by_id, by_label=False, least=least, definitions=made, own=own
        )  # fmt: skip
        choices = replace(asked.choices, task="multilabel") if report.task == "multilabel" else asked.choices
        found = compare(sources, choices, asked.execution, question, progress)
    if (found.task, found.positive) != (report.task, report.positive):
        what = f"with these predictions the task is {found.task}, and {report.task} without them"
        raise InputError(what, fix="say which with --task and --positive", path=rival.preds)
    return found


def _sliced_by(by: "Sequence[str]", judged: "Collection[str | None]") -> tuple[str, ...]:
    """What of ``--by`` is judged; nothing else need be compared. Bounds are no part of the name of slices."""
    from evalcli.sources.bounds import split_bounds

    bare = {text: ",".join(split_bounds(part.strip())[0] for part in text.split(",")) for text in by}
    return tuple(text for text in by if text in judged or bare[text] in judged)


@contextmanager
def _as_of_report(rival: "Side") -> "Iterator[None]":
    """Errors name the options of ``evalcli report``, and the baseline where they name no file."""
    try:
        yield
    except EvalError as error:
        error.path = error.path or rival.preds
        error.fix = error.fix.partition("; --independent")[0].replace(
            "choose with --pred", "choose with --baseline-pred"
        )
        raise


def _report_of(rival: "Side", asked: Asked, report: "Report", progress: "Meter") -> "Report":
    """The report of the baseline, as it would be by itself."""
    from evalcli.evaluation import evaluate
    from evalcli.sources import open_source

    chosen = replace(asked.wanted, pred=rival.pred, id=None if rival.targets is None else asked.wanted.id)
    choices = replace(asked.choices, task=report.task)
    with closing(open_source(rival.preds, rival.targets, chosen, progress.share)) as source:
        found = evaluate(source, choices, asked.execution, asked.names, progress, also=asked.also, own=asked.extras.own)
    return asked.extras.defined(found)
