"""``evalcli errors``: the mistakes themselves, row by row.

Annotations are evaluated here on purpose (no ``from __future__ import annotations``): typer reads them.
"""

import sys
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from evalcli.cli import streams
from evalcli.cli.by_first import by_first
from evalcli.cli.deciding_options import TaskOptions
from evalcli.cli.flatten import flattened
from evalcli.cli.options import Files, FilesOnly, InputOptions, OutputOptions, PlaceOptions, files_option, selection
from evalcli.cli.values import parse_limit
from evalcli.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.cli.deliver import Delivery
    from evalcli.cli.progress import Meter
    from evalcli.listing import Listing, Search

_ROWS = "Which rows"
_SCREEN_LINES = 1000
"""Lines that are drawn at a time."""

_OUT_OF_SAMPLE = (
    "evalcli: note: labels are suspect only by probabilities that are out of sample, as from cross-validation; a model "
    "agrees with the labels that it was trained on"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class RowOptions:
    """Which mistakes, in which order, and what stands beside them. ``class_`` is ``--class``, a word of Python's."""

    most_confident: Annotated[
        bool,
        Option(
            "--most-confident",
            help="The most confident mistakes first, not those of the first rows.",
            rich_help_panel=_ROWS,
        ),
    ] = False
    relative: Annotated[
        bool,
        Option(
            "--relative",
            help="Of a regression: the errors that are largest beside their targets first.",
            rich_help_panel=_ROWS,
        ),
    ] = False
    pair: Annotated[
        list[str],
        Option(
            "--pair",
            metavar="TARGET:PRED",
            help="Only cat taken for dog: cat:dog; repeatable.",
            rich_help_panel=_ROWS,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    class_: Annotated[
        list[str],
        Option(
            "--class",
            metavar="NAME",
            help="Only rows of this class that were missed, or wrongly called so, and those of any --pair; only this "
            "one of several labels or outputs; repeatable.",
            rich_help_panel=_ROWS,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    suspect_labels: Annotated[
        bool,
        Option(
            "--suspect-labels",
            help="Labels that are likely wrong, by confident learning; the probabilities must be out of sample.",
            rich_help_panel=_ROWS,
        ),
    ] = False
    limit: Annotated[
        str | None,
        Option(
            "--limit",
            metavar="N|all",
            help="How many rows: 20 on the screen and of a regression, all others in JSON and CSV; 0 means all.",
            rich_help_panel=_ROWS,
        ),
    ] = None
    show: Annotated[
        list[str],
        Option(
            "--show",
            metavar="COL,…",
            help="Further columns or arrays, 'p_*' for several, '*' for all; repeatable.",
            rich_help_panel=_ROWS,
        ),
    ] = ()  # type: ignore[assignment]  # as above

    def search(self) -> "Search":
        """The same for the passes.

        Raises:
            UsageError: two orders were asked for.

        """
        from evalcli.listing import Search

        show = tuple(dict.fromkeys(self.show))
        return Search(
            *(tuple(self.pair), tuple(self.class_), show, self.most_confident, self.suspect_labels, self.relative)
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RowInputOptions(InputOptions):
    """Which columns, keys and rows; a single file has ids too."""

    id: Annotated[
        str | None,
        Option("--id", metavar="COL", help="What rows are called; two tables pair by it.", rich_help_panel="Input"),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False)
class RowOutputOptions(OutputOptions):
    """What is printed, and which files are written."""

    format: Annotated[
        Literal["rich", "jsonl", "csv", "json"] | None,
        Option(
            "-f",
            "--format",
            help="Format on standard output; a table on a terminal, else JSON lines.",
            rich_help_panel="Output",
        ),
    ] = None  # type: ignore[assignment]  # other formats than a report's
    output: Annotated[list[str], files_option("Write .jsonl, .csv, .json or .txt as well; repeatable.")] = ()  # type: ignore[assignment]  # as above
    quiet: FilesOnly = False


@flattened
@by_first
def errors(
    files: Files,
    rows: RowOptions,
    inputs: RowInputOptions,
    deciding: TaskOptions,
    executing: PlaceOptions,
    output: RowOutputOptions,
) -> ExitCode:
    """List the mistakes: row, id, target, prediction, confidence, margin, and any column beside them.

    Rows count from 0. Confidence is the probability of the predicted class, margin its lead over the next one, below 0
    where --threshold decided against the likelier class. Of several labels a row it lists every false positive and
    every miss, with the label's probability as score, and its distance from the threshold as margin. Of a regression
    hardly a value is exact: it lists the largest errors, 20 of them in every format unless --limit says otherwise. Exit
    code: 0 whether or not there are mistakes, 2 when they cannot be listed.
    """
    from dataclasses import replace

    from evalcli.cli.deliver import plan_delivery
    from evalcli.cli.progress import Meter
    from evalcli.renderers.listing import SUFFIXES

    search, limit = rows.search(), parse_limit(rows.limit)
    choices, execution = deciding.choices(), executing.execution()
    read = (files.preds, files.targets, deciding.labels, deciding.threshold_path, output.config)
    default = "rich" if streams.is_terminal(sys.stdout) else "jsonl"
    delivery = plan_delivery(output, read, default, SUFFIXES)

    from evalcli.sources import open_source

    with Meter(quiet=output.quiet) as progress:
        wanted = replace(selection(inputs, choices, execution.workers), listing=True)
        source = open_source(files.preds, files.targets, wanted, progress.share)
        with closing(source):
            from evalcli.mistakes import list_mistakes

            _deliver(list_mistakes(source, choices, execution, search, progress), delivery, limit, progress)
    return ExitCode.PASS


def _deliver(listing: "Listing", delivery: "Delivery", limit: "int | str | None", progress: "Meter") -> None:
    """Files whole or not at all, then standard output as the rows come, then what to keep in mind."""
    from evalcli.cli.output import write_outputs
    from evalcli.renderers.listing import SCREENFUL, default_limit, render_listing

    def limit_of(form: str) -> int | None:
        if limit is None:
            return default_limit(form, is_of_values=listing.is_of_values)
        return limit if isinstance(limit, int) else None

    forms = [target.format for target in delivery.targets] + [form for form in (delivery.format,) if form is not None]
    listing.hold(max((number for form in forms if (number := limit_of(form)) is not None), default=0))
    write_outputs([(each, render_listing(listing, each.format, limit_of(each.format))) for each in delivery.targets])
    form = delivery.format
    if form is not None:
        progress.hide()
        drawn = _drawn(listing, limit_of(form)) if form == "rich" else render_listing(listing, form, limit_of(form))
        streams.emit_pieces(drawn)
    if not delivery.quiet:
        for note in listing.summary.notes:
            streams.say(f"evalcli: note: {note.text}" + (f"; {note.fix}" if note.fix else ""))
        if listing.summary.search.suspects:
            streams.say(_OUT_OF_SAMPLE)
        if limit is None and listing.is_of_values and {*forms} - {"rich"} and listing.matching > SCREENFUL:
            more = f"the {SCREENFUL} largest of {listing.matching:,} errors; --limit all lists them all"
            streams.say(f"evalcli: note: {more}")


def _drawn(listing: "Listing", limit: int | None) -> "Iterator[str]":
    """The list for the screen behind standard output, some lines at a time."""
    from rich.console import Group

    from evalcli.renderers.listing_screen import screen_lines
    from evalcli.renderers.screen import Screen
    from evalcli.renderers.terminal import console

    here = console(sys.stdout)
    lines = screen_lines(listing, limit, Screen.of(here, here.options))
    while page := list(islice(lines, _SCREEN_LINES)):
        yield streams.draw(Group(*page), sys.stdout)
