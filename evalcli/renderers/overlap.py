"""What two files share, for people and for machines."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evalcli.renderers.escape import markdown, markdown_name, spreadsheet, visible
from evalcli.renderers.json import document
from evalcli.renderers.screen import INDENT, Screen, indented, prose, table

if TYPE_CHECKING:
    from rich.text import Text

    from evalcli.comparing.data import Overlap

_WIDEST = 100


def render_overlap(overlap: Overlap, form: str, width: int | None = None, encoding: str = "utf-8") -> str:
    """The text of a file or of a screen, in one of the formats of a report."""
    if form == "json":
        return document(overlap.to_json_object())
    if form == "csv":
        return _csv(overlap)
    if form == "markdown":
        return _markdown(overlap)
    if form == "html":
        return _html(overlap)
    screen = Screen(min(width or _WIDEST, _WIDEST), encoding)
    return "".join(f"{line.plain.rstrip()}\n" for line in _lines(overlap, screen))


def _lines(overlap: Overlap, screen: Screen) -> list[Text]:
    rows = [[screen.say(head) for head in ("", "rows", "distinct", "shared")]]
    for name, counts in zip("AB", _counts(overlap), strict=True):
        rows.append([screen.say(name), *(screen.say(f"{count:,}") for count in counts)])
    lines = [
        *(screen.say(f"{name}  ") + screen.name(path) for name, path in zip("AB", overlap.paths, strict=True)),
        screen.say(""),
        *table(rows, "lrrr"),
        screen.say(""),
        *prose(f"{_verdict(overlap)}, compared by {visible(overlap.by)}", screen, hang=0),
    ]
    for row in overlap.rows:
        name = "" if row.id is None else f"{visible(row.id)}: "
        lines += prose(f"{name}row {row.second} of B is row {row.first} of A", screen, hang=2)
    for finding in overlap.findings:
        first, *more = prose(finding.text, screen, hang=2)
        lines += [screen.say(""), screen.say("!") + first[1:], *more, *prose(finding.fix, screen, hang=4)]
    return indented(lines, INDENT)


def _counts(overlap: Overlap) -> list[tuple[int, int, int]]:
    return list(zip(overlap.n, overlap.distinct, overlap.shared, strict=True))


def _verdict(overlap: Overlap) -> str:
    if not overlap.shared[1]:
        return "no row of B is in A"
    more = f", the first {len(overlap.rows)} of them:" if overlap.shared[1] > len(overlap.rows) else ""
    noun = "row of B is" if overlap.shared[1] == 1 else "rows of B are"
    return f"{overlap.shared[1]:,} {noun} in A{more}".removesuffix(":")


def _csv(overlap: Overlap) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("row_a", "row_b", "id"))
    writer.writerows((row.first, row.second, spreadsheet(row.id or "")) for row in overlap.rows)
    return out.getvalue()


def _markdown(overlap: Overlap) -> str:
    rows = [
        f"| {name} | {markdown_name(path)} | {' | '.join(f'{count:,}' for count in counts)} |"
        for name, path, counts in zip("AB", overlap.paths, _counts(overlap), strict=True)
    ]
    head = "|  | file | rows | distinct | shared |\n| --- | --- | ---: | ---: | ---: |"
    said = f"**{markdown(_verdict(overlap).removesuffix(':'))}**, compared by {markdown(overlap.by)}"
    findings = "".join(f"\n- **{one.level}** {markdown(one.text)}\n  - {markdown(one.fix)}" for one in overlap.findings)
    return "# Overlap\n\n" + said + "\n\n" + "\n".join([head, *rows]) + "\n" + findings + ("\n" if findings else "")


def _html(overlap: Overlap) -> str:
    from evalcli.renderers.html import table, text
    from evalcli.renderers.page import page

    rows = [
        [name, text(path), *(f"{count:,}" for count in counts)]
        for name, path, counts in zip("AB", overlap.paths, _counts(overlap), strict=True)
    ]
    said = f"<p><strong>{text(_verdict(overlap).removesuffix(':'))}</strong>, compared by {text(overlap.by)}</p>"
    shared = "".join(
        f"<li>{'' if row.id is None else text(row.id) + ': '}row {row.second} of B is row {row.first} of A</li>"
        for row in overlap.rows
    )
    findings = "".join(
        f"<li><strong>{text(one.level)}</strong> {text(one.text)}<br>{text(one.fix)}</li>" for one in overlap.findings
    )
    lists = "".join(f"<ul>{found}</ul>" for found in (findings, shared) if found)
    return page("Overlap", said + table("Rows", ("", "file", "rows", "distinct", "shared"), rows) + lists)
