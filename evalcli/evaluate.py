"""One evaluation from a source to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalcli.engine import Execution, Progress
    from evalcli.report import Report
    from evalcli.sources.base import Source
    from evalcli.task import Choices


def evaluate(
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Read ``source`` once, count, and say what the numbers mean."""
    raise NotImplementedError
