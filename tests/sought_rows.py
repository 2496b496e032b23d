"""What a search lists, as dicts that no batch size and no number of workers changes: for the tests of each task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.engine import Execution
from evalcli.listing import Search
from evalcli.mistakes import list_mistakes
from evalcli.task import Choices

if TYPE_CHECKING:
    from evalcli.sources.base import Source

EXECUTIONS = (Execution(workers=1), Execution(batch_size=1, workers=1), Execution(batch_size=7, workers=3))


def listing_of(
    task: str | None, source: Source, search: Search | None = None, execution: Execution = EXECUTIONS[0], **choices: Any
) -> Any:
    """What is found, under any :class:`Choices`."""
    return list_mistakes(source, Choices(task=task, **choices), execution, search or Search())


def rows_of(
    task: str | None, source: Source, search: Search | None = None, limit: int | None = None, **choices: Any
) -> list[dict[str, Any]]:
    """Rows as dicts, the same of every execution; without a limit as many as were counted."""
    texts = []
    for execution in EXECUTIONS:
        found = listing_of(task, source, search, execution, **choices)
        names = [column.name for column in found.columns]
        rows = [dict(zip(names, row, strict=True)) for piece in found.rows(limit) for row in piece]
        texts.append(repr(rows))
        assert limit is not None or len(rows) == found.matching
    assert len({*texts}) == 1
    return rows
