"""A list of rows for machines and for people: JSON lines, one JSON document, CSV, or a table that fits the screen.

Everything comes in pieces, so that a list may be longer than memory. JSON holds every text and every number exactly;
CSV makes texts harmless to spreadsheets, as that of a report does.
"""

from __future__ import annotations

import csv
import io
from math import isfinite
from typing import TYPE_CHECKING, Any

from evalcli import __version__
from evalcli.renderers.escape import spreadsheet
from evalcli.renderers.json import lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evalcli.listing import Column, Listing, Row

SCHEMA = "evalcli.errors/1"

FORMATS = ("rich", "jsonl", "csv", "json")
SUFFIXES = {".jsonl": "jsonl", ".csv": "csv", ".json": "json", ".txt": "rich"}

SCREENFUL = 20
"""Rows on the screen, unless more are asked for."""


def default_limit(form: str, *, is_of_values: bool = False) -> int | None:
    """How many rows a format lists where nobody said it; ``None``: all. Of values nearly every one is off.

    >>> default_limit("rich"), default_limit("jsonl"), default_limit("jsonl", is_of_values=True)
    (20, None, 20)
    """
    return SCREENFUL if form == "rich" or is_of_values else None


def render_listing(listing: Listing, form: str, limit: int | None) -> Iterator[str]:
    """The first ``limit`` rows (``None``: all) as the text of a file in one of ``FORMATS``, in pieces."""
    if form == "jsonl":
        return _lines(listing, limit)
    if form == "csv":
        return _csv(listing, limit)
    if form == "json":
        return _document(listing, limit)
    from evalcli.renderers.listing_screen import plain_lines

    return plain_lines(listing, limit)


def _lines(listing: Listing, limit: int | None) -> Iterator[str]:
    """An object a line."""
    for rows in listing.rows(limit):
        yield lines(_objects(listing.columns, rows))


def _objects(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows as strict JSON: what is no finite number is null."""
    names = [column.name for column in columns]
    loose = [i for i, column in enumerate(columns) if column.kind == "cell"]
    for row in rows:
        found = dict(zip(names, row, strict=True))
        for i in loose:
            found[names[i]] = _finite(row[i])
        yield found


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    return list(map(_finite, value)) if isinstance(value, list) else value


def _document(listing: Listing, limit: int | None) -> Iterator[str]:
    """One object: what the list is of, then its rows, one a line."""
    facts = summary_object(listing, limit)
    members = "".join(f"  {_line(key)}: {_line(value)},\n" for key, value in facts.items())
    yield f'{{\n{members}  "rows": ['
    mark = "\n    "
    for rows in listing.rows(limit):
        for each in lines(_objects(listing.columns, rows)).splitlines():
            yield f"{mark}{each}"
            mark = ",\n    "
    yield "\n  ]\n}\n"


def _line(value: Any) -> str:
    return lines([value]).rstrip("\n")


def summary_object(listing: Listing, limit: int | None) -> dict[str, Any]:
    """What the list is of, for machines."""
    summary, search = listing.summary, listing.summary.search
    matching = listing.matching
    return {
        "schema": SCHEMA,
        "version": __version__,
        "task": summary.task,
        "scores": summary.scores,
        "n": summary.n,
        "ignored": summary.ignored,
        **({} if summary.where is None else {"where": summary.where}),
        "elements": summary.elements,
        "wrong": listing.wrong,
        "list": "suspect labels" if search.suspects else "errors",
        "order": _order(listing),
        "pairs": list(search.pairs),
        "classes": list(search.classes),
        "matching": matching,
        "listed": matching if limit is None else min(limit, matching),
        "inputs": [{"path": each.path, "size": each.size, "digest": each.digest} for each in summary.inputs],
    }


def _order(listing: Listing) -> str:
    """What the rows are in order of."""
    search = listing.summary.search
    if listing.is_of_values:
        return "relative error" if search.relative else "absolute error"
    if search.suspects:
        return "self-confidence"
    if search.confident:
        return "margin" if listing.summary.task == "multilabel" else "confidence"
    return "file"


def _csv(listing: Listing, limit: int | None) -> Iterator[str]:
    """RFC 4180 with a header, lines ended by a newline alone."""
    yield _separated([[spreadsheet(column.name) for column in listing.columns]])
    for rows in listing.rows(limit):
        yield _separated([list(map(_cell, row)) for row in rows])


def _separated(rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return spreadsheet(value)
    if isinstance(value, bool):
        return str(value).lower()
    return _line(_finite(value)) if isinstance(value, list) else value
