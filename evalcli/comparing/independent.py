"""One model on two samples, such as train and test: what it loses from the one to the other.

Nothing pairs the rows, so the uncertainties of both samples add up: the interval of a difference is put together from
the two intervals, and its p-value is where it would end at 0. What is read off bins is tested at once (``twobins``).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli import __version__
from evalcli.comparing import data
from evalcli.comparing.differences import judged
from evalcli.comparing.members import members_of
from evalcli.comparing.reported import told_by_reports, with_own
from evalcli.comparing.sides import inputs_of, metric_row, models_of
from evalcli.counting import count
from evalcli.errors import UsageError
from evalcli.report import Finding
from evalcli.sources import spoken_of
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.surprises import bins_difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.defined import Compared
    from evalcli.comparing.question import Question
    from evalcli.comparing.reported import Told
    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.sources.base import Source
    from evalcli.task import Choices
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence
    from evalcli.uncertainty.surprises import Seen


def compare_samples(
    sources: Sequence[Source],
    choices: Choices,
    execution: Execution,
    question: Question,
    progress: Progress | None = None,
) -> data.Comparison:
    """Evaluate both samples, and say how far the model falls from the first to the second.

    Raises:
        UsageError: the samples show different tasks or classes.
        InputError: the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: nothing is left to evaluate.

    """
    with ExitStack() as names:
        for source in sources:
            names.enter_context(spoken_of(source.aliases))
        sure = replace(choices, confidence=question.confidence)
        members, size = members_of(sources, sure, execution, question, in_step=False)
        _check_clusters(sources)
        members = with_own(members, question)
        counted = [count(member, size, progress) for member in members]
        outcomes = [outcome for outcome, _ in counted]
        _check_alike(sources, outcomes)
        task, told = outcomes[0].task, told_by_reports(members, counted, question)
        found = _differences(told, question.confidence)
        rows = [outcome.evidence.rows for outcome in outcomes]
        rows_of_metrics = tuple(metric_row(name, told.values, (None, found[str(name)])) for name in told.names)
        return data.Comparison(
            version=__version__,
            kind="independent",
            task=task.kind,
            n=sum(rows),
            ignored=sum(outcome.evidence.ignored + outcome.evidence.dropped for outcome in outcomes)
            + sum(source.dropped for source in sources),
            left_out=0,
            weighted=sources[0].weighted,
            where=sources[0].where,
            classes=told.classes,
            positive=None if task.positive is None else task.classes[task.positive],
            confidence=question.confidence.level,
            models=models_of(sources, [outcome.task for outcome in outcomes], rows),
            reference=0,
            metrics=rows_of_metrics,
            findings=(*told.failures, *_findings(rows_of_metrics, sources)),
            inputs=inputs_of(sources, [inputs for _, inputs in counted]),
            clustered=told.clustered,
            definitions=question.texts,
        )


def _check_clusters(sources: Sequence[Source]) -> None:
    """Refuse clusters in one sample only."""
    by = next((source.clustered for source in sources if source.clustered is not None), None)
    for source in sources:
        if source.clustered != by:
            what = f"no column {by!r} to cluster by, which the other sample has"
            raise UsageError(what, fix="save it for both, or drop --cluster", path=source.preds.path)


def _check_alike(sources: Sequence[Source], outcomes: Sequence[Outcome]) -> None:
    first, second = (outcome.task for outcome in outcomes)
    alike = (first.kind, first.classes, first.positive) == (second.kind, second.classes, second.positive)
    if not alike or first.scores != second.scores:
        what = f"read as {second.kind}, {second.scores}, and {sources[0].preds.path} as {first.kind}, {first.scores}"
        raise UsageError(what, fix="say what both are with --task, --scores and --labels", path=sources[1].preds.path)


def _differences(told: Told, confidence: Confidence) -> dict[str, data.Difference | None]:
    """The second sample less the first, with Holm over all metrics; of what is best at 0, their sizes."""
    found: dict[str, Difference | None] = {}
    gaps: dict[str, float] = {}
    names = {str(name): name for name in told.names}
    for name, named in names.items():
        first, second = (each[name] for each in told.values)
        if first is not None and second is not None and named.entry.direction == "zero":
            first, second = abs(first), abs(second)
        one, other = (each[name] for each in told.intervals)
        found[name], gaps[name] = None, 0.0
        if first is not None and second is not None and one is not None and other is not None:
            gaps[name] = second - first
            seen = [each.get(name) for each in told.seen]
            found[name] = _of_bins(named, seen, confidence) or mover(second, other, first, one, confidence)
    return judged(found, gaps, names, 1.0 - confidence.level)


def _of_bins(name: Compared, seen: Sequence[Seen | None], confidence: Confidence) -> Difference | None:
    """The second sample less the first in what is read off bins; ``None`` where they are not known."""
    first, second = seen
    if first is None or second is None:
        return None
    return bins_difference(name.base, first, second, (0.0, 0.0, 0.0), confidence)


def _findings(rows: Sequence[data.MetricRow], sources: Sequence[Source]) -> tuple[Finding, ...]:
    """The fall from the first sample to the second, and notes on the files."""
    found = []
    fallen = [row for row in rows if row.differences[1] is not None and row.differences[1].verdict == "worse"]
    risen = [row for row in rows if row.differences[1] is not None and row.differences[1].verdict == "better"]
    for row in fallen[:1]:
        text = f"overfitted, if A was trained on: {row.name} is {_told(row, 0)} on A and {_told(row, 1)} on B"
        fix = "judge by B alone; more data, a smaller model, regularisation or an earlier stop close the gap"
        found.append(Finding("overfitted", "warning", text, fix))
    for row in risen[:1] if not fallen else ():
        text = f"{row.name} is {_told(row, 0)} on A and {_told(row, 1)} on B: the second sample is easier"
        fix = "check that both were drawn alike, and that B shares no rows with A: --overlap"
        found.append(Finding("easier-sample", "warning", text, fix))
    for source in sources:
        found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
    return tuple(dict.fromkeys(found))


def _told(row: data.MetricRow, place: int) -> str:
    value = row.values[place]
    return "undefined" if value is None else f"{value:.4f}"
