"""What documents in Markdown are made of, of a report or a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers.escape import markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.report import Finding


def titled(heading: str, block: str) -> list[str]:
    """A section, unless it is empty."""
    return [f"## {heading}", block] if block else []


def table(heads: Iterable[str], align: str, rows: Iterable[Iterable[str]]) -> str:
    """A table of escaped cells; ``align`` has ``l`` or ``r`` for each column."""
    marks = {"l": "---", "r": "---:"}
    lines = [heads, (marks[side] for side in align), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def finding_list(findings: Iterable[Finding]) -> str:
    """What was noticed."""
    lines = []
    for finding in findings:
        lines.append(f"- **{markdown(finding.level)}** {markdown(finding.text)}")
        if finding.fix:
            lines.append(f"  - {markdown(finding.fix)}")
    return "\n".join(lines)
