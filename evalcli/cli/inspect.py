"""``evalcli inspect``: what is inside a file, and how to evaluate it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from evalcli.cli import streams
from evalcli.cli.by_first import by_first
from evalcli.cli.flatten import flattened
from evalcli.cli.options import InputOptions, selection  # typer reads the annotations
from evalcli.errors import ExitCode, several

if TYPE_CHECKING:
    from evalcli.inspection import Entry, Inspection

Path = Annotated[str, Argument(metavar="FILE", help="Any file that a report can read.")]
Form = Annotated[Literal["rich", "json"], Option("-f", "--format", help="Format on standard output.")]


@flattened
@by_first
def inspect(file: Path, inputs: InputOptions, *, format: Form = "rich") -> ExitCode:  # noqa: A002  # the option's name
    """Say what is inside FILE: names, shapes, types, ranges, how it would be read, and the command to run."""
    from evalcli.inspection import inspect as look_into
    from evalcli.task import Choices

    choices = Choices()
    seen = look_into(file, selection(inputs, choices), choices)
    streams.emit(_json(seen) if format == "json" else _text(seen))
    return ExitCode.PASS


def _json(seen: Inspection) -> str:
    import json
    from dataclasses import asdict

    content: dict[str, Any] = {"schema": "evalcli.inspection/1", **asdict(seen)}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _text(seen: Inspection) -> str:
    """A table of what is inside, then the reading and the command."""
    from evalcli.renderers.escape import visible

    unnamed = "(array)" if len(seen.entries) == 1 else "(no name)"
    count = "rows not counted" if seen.rows is None else several(seen.rows, "row")
    named: list[tuple[str, ...]] = [
        ("name", "shape", "type", "range", "holds"),
        *(_row(entry, unnamed) for entry in seen.entries),
    ]
    rows = [tuple(visible(cell) for cell in row) for row in named]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    looked = "all rows" if seen.rows == seen.looked else f"the first {several(seen.looked, 'row')}"
    lines = [f"{visible(seen.path)}: {seen.format}, {count}", ""]
    lines += [
        "  " + "  ".join(f"{cell:{w}}" for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]
    lines += ["", f"Ranges and examples are of {looked}."]
    lines += [f"Note: {visible(note)}." for note in seen.notes]
    lines += ["", f"Read as: {visible(seen.reading)}", f"Run:     {visible(seen.command)}", ""]
    return "\n".join(lines)


def _row(entry: Entry, unnamed: str) -> tuple[str, ...]:
    span = "" if entry.low is None or entry.high is None else f"{entry.low:.6g} … {entry.high:.6g}"
    shape = "×".join(map(str, entry.shape)) if len(entry.shape) > 1 else ""
    holds = [entry.role, ", ".join(entry.examples), entry.note]
    return (entry.name or unnamed, shape, entry.dtype, span, "; ".join(part for part in holds if part))
