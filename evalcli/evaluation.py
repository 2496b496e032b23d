"""One evaluation from a source to a report."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from evalcli.counting import Plan, count
from evalcli.engine import batch_rows, place, worker_count
from evalcli.layout import find_layout
from evalcli.metrics.registry import parse
from evalcli.report import Report, Run
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.counting import Outcome
    from evalcli.engine import Execution, Progress
    from evalcli.layout import Layout
    from evalcli.sources.base import InputFile, Source
    from evalcli.task import Choices


def evaluate(
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    *,
    also: Sequence[str] = (),
) -> Report:
    """Read ``source`` once, count, and say what the numbers mean.

    ``metrics`` are names as in :mod:`evalcli.metrics.registry`; ``None`` computes all that the task allows.
    ``also`` names more of them; what the task or its classes do not have is left out, and gates call it missing.

    Raises:
        InputError: when the values cannot be evaluated, with the count and the first rows concerned.
        EmptyError: when nothing is left to evaluate.
        UsageError: when choices contradict each other or the input.

    """
    started = perf_counter()
    placement = place(execution)
    with spoken_of(source.aliases):
        layout = find_layout(source.preds, source.target, choices)
        _check_scores(metrics, layout)
        size = batch_rows(execution, row_bytes(source))
        workers = worker_count(execution, source, size)
        plan = Plan(source, choices, layout, placement, metrics, tuple(also), execution.ranking_budget, workers)
        outcome, inputs = count(plan, size, progress)
    report = report_of(plan, outcome, inputs)
    run = Run(perf_counter() - started, placement.backend, placement.device, workers, size, placement.why)
    return replace(report, run=run)


def report_of(plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...]) -> Report:
    """What was counted, in the words of its task."""
    from evalcli.classification.reporter import Reporter

    return Reporter(plan, outcome, inputs).report()


def _check_scores(metrics: Sequence[str] | None, layout: Layout) -> None:
    """Labels have no metrics of scores, and no pass is needed to say so."""
    for name in map(parse, metrics or ()):
        if name.entry.needs_scores and layout.preds == "labels":
            from evalcli.classification.scoring import needs_scores

            raise needs_scores(name)


def row_bytes(source: Source) -> int:
    """What one row of predictions takes in memory while it is counted."""
    shape = source.preds.shape
    return 8 * int(np.prod(shape[1:], dtype=np.int64)) if len(shape) > 1 else 8
