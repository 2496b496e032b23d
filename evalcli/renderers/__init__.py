"""Report to text: one file for each format, and the two tables that choose among them."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalcli.report import Report


def _rich(report: Report) -> str:
    from evalcli.renderers.terminal import plain

    return plain(report)


def _json(report: Report) -> str:
    from evalcli.renderers.json import render_json

    return render_json(report)


def _csv(report: Report) -> str:
    from evalcli.renderers.csv import render_csv

    return render_csv(report)


def _markdown(report: Report) -> str:
    from evalcli.renderers.markdown import render_markdown

    return render_markdown(report)


def _html(report: Report) -> str:
    from evalcli.renderers.html import render_html

    return render_html(report)


RENDERERS = {"rich": _rich, "json": _json, "csv": _csv, "markdown": _markdown, "html": _html}
SUFFIXES = {
    ".json": "json",
    ".csv": "csv",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".txt": "rich",
}


def render(report: Report, form: str) -> str:
    """The report as the text of a file in one of ``RENDERERS``; ``rich`` gives the screen's text without colour.

    Raises:
        UsageError: there is no such format.

    """
    if form not in RENDERERS:
        raise UsageError(f"no format {form!r}", fix=f"choose one of {', '.join(RENDERERS)}")
    return RENDERERS[form](report)


def pieces(report: Report, form: str) -> Iterable[str]:
    """What ``render`` gives, of JSON piece by piece: it may be larger than what was counted."""
    if form != "json":
        return (render(report, form),)
    from evalcli.renderers.json import json_pieces

    return json_pieces(report)


def format_of(path: str, suffixes: Mapping[str, str] = SUFFIXES) -> str:
    """The format that the suffix of an output file asks for; ``suffixes`` are those that the command knows.

    >>> format_of("out/report.md")
    'markdown'

    Raises:
        UsageError: the suffix is not among them.

    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in suffixes:
        raise UsageError(f"no format is known for the suffix {suffix!r}", fix=f"use {', '.join(suffixes)}", path=path)
    return suffixes[suffix]
