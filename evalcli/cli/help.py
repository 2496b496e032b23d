"""Help on the screen: one panel for each group of options.

Drawn here and not by typer, whose help imports a Markdown parser first, and colours a build log.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from evalcli.cli import streams
from evalcli.errors import OutputError
from evalcli.launch import is_told_by_another

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDEST = 110
_NARROWEST = 40
_USUAL = 100


class LightCommand(TyperCommand):
    """A command whose help is ours."""

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``, without typer's conversion."""
        return light_help_option(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # the parser's signature
        """Print the help."""
        show_help(ctx)


def light_help_option(option: Any) -> Any:
    """Typer's ``--help`` would import pydantic to learn that it was not typed."""

    def process(ctx: Any, value: Any) -> None:
        option.callback(ctx, option, bool(value))

    option.process_value = process
    return option


def show_help(ctx: typer.Context, commands: Mapping[str, str] | None = None) -> None:
    """Print the help of a command, in the first of several processes, and end.

    Raises:
        OutputError: standard output is closed.

    """
    from rich.console import Group
    from rich.text import Text

    if is_told_by_another(os.environ):
        raise typer.Exit
    if streams.output_is_closed():
        raise OutputError("standard output is closed", fix="leave it open")
    summary, _, details = (ctx.command.help or "").strip().partition("\n\n")
    arguments = [_name(param) for param in ctx.command.get_params(ctx) if param.param_type_name == "argument"]
    usage = " ".join([ctx.command_path, *(["COMMAND …"] if commands else arguments), "[OPTIONS]"])
    parts: list[Any] = [Text.assemble(("Usage: ", "bold"), usage), Text(), Text(_joined(summary))]
    if details:
        parts += [Text(), Text(_joined(details))]
    parts.append(Text())
    if commands:
        parts.append(_panel("Commands", [(name, "", line) for name, line in commands.items()]))
    parts += [_panel(title, rows) for title, rows in _grouped(ctx).items()]
    width = min(max(streams.width_of(sys.stdout) or _USUAL, _NARROWEST), _WIDEST)
    text = streams.draw(Group(*parts), sys.stdout, width)
    streams.emit("".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    raise typer.Exit


def _joined(text: str) -> str:
    return " ".join(text.split())


def _grouped(ctx: typer.Context) -> dict[str, list[tuple[str, str, str]]]:
    """Rows (names, value, help) under their panel's title, in order of declaration."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for param in ctx.command.get_params(ctx):
        is_argument = param.param_type_name == "argument"
        title = "Arguments" if is_argument else (getattr(param, "rich_help_panel", None) or "Other")
        names = _name(param) if is_argument else ", ".join(sorted(param.opts, key=len))
        value = "" if is_argument or getattr(param, "is_flag", False) else _value(param)
        groups.setdefault(title, []).append((names, value, getattr(param, "help", None) or ""))
    return groups


def _name(argument: Any) -> str:
    return str(argument.metavar)


def _value(param: Any) -> str:
    choices = getattr(param, "choices_shown", ())
    return param.metavar or "|".join(choices) or "VALUE"


def _panel(title: str, rows: list[tuple[str, str, str]]) -> Any:
    from rich import box
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for names, value, line in rows:
        table.add_row(Text.assemble((names, "bold cyan"), (f" {value}" if value else "", "yellow")), Text(line))
    return Panel(table, title=title, title_align="left", border_style="dim", box=box.ROUNDED)
