"""The command line: flags become objects, objects become one call, its result is printed and decides the exit code.

Nothing here imports a command before it is called, so ``evalcli --help`` costs little more than typer itself.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from evalcli.cli import allocator, failure, streams
from evalcli.cli.help import LightCommand, light_help_option, show_help
from evalcli.errors import EvalError, ExitCode, LimitError, UsageError
from evalcli.launch import is_told_by_another
from evalcli.shell import word

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "report": ("evalcli.cli.report", "Evaluate predictions: metrics, confusion matrix, findings, gates."),
    "merge": ("evalcli.cli.merge", "Add up parts of one report, written with -o PART.evalcli."),
    "compare": ("evalcli.cli.compare", "Compare models on the same samples: differences, tests, flips."),
    "gate": ("evalcli.cli.gate", "Judge a saved report by gates."),
    "errors": ("evalcli.cli.errors", "List the mistakes themselves, and labels that are likely wrong."),
    "tune": ("evalcli.cli.tune", "Choose the threshold of a binary task, or of each label."),
    "inspect": ("evalcli.cli.inspect", "Say what is inside a file, and how to evaluate it."),
    "metrics": ("evalcli.cli.metrics", "List the metrics, or explain one."),
}
"""Every command: the module whose function has its name, and a line of help."""

_CLICK_ERROR = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")
"""The base of what the parser raises; its module differs between releases of typer."""


@cache
def _command(name: str) -> Any:
    """A command; what a session calls again is made once."""
    from importlib import import_module

    from evalcli.cli.flatten import lighten

    function = getattr(import_module(COMMANDS[name][0]), name)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=LightCommand)(function)
    return lighten(typer.main.get_command(single), function)


class Commands(TyperGroup):
    """The commands of ``COMMANDS``, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # the parser's signature
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # as above
        """The command of this name.

        Raises:
            UsageError: there is none; the fix names the nearest, or the command that reads a file of this name.

        """
        if cmd_name not in COMMANDS:
            raise UsageError(f"there is no command {cmd_name!r}", fix=_nearest(cmd_name))
        return _command(cmd_name)

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``, without typer's conversion."""
        return light_help_option(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  # as above
        """Print the list of commands."""
        show_help(ctx, {name: line for name, (_, line) in COMMANDS.items()})


app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        from evalcli import __version__

        if not is_told_by_another(os.environ):
            streams.emit(f"evalcli {__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def evalcli(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001  # its callback does the work
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Evaluate saved predictions: a report, a confusion matrix and a verdict."""
    if ctx.invoked_subcommand is None:
        ctx.get_help()


def run(argv: Sequence[str]) -> ExitCode:
    """One call of ``evalcli``, from its arguments to its exit code. The only place that catches errors."""
    as_json = _tells_json(argv)
    try:
        return _called(argv)
    except EvalError as e:
        return ExitCode.NO_VERDICT if is_told_by_another(os.environ) else failure.tell(e, as_json=as_json)
    except KeyboardInterrupt as e:
        if failure.is_lack_of_threads(e):
            return failure.tell_no_room(as_json=as_json)
        return failure.tell_interrupted(e)
    except failure.Terminated:
        streams.say("evalcli: terminated, no verdict")
        return ExitCode.TERMINATED
    except Exception as e:
        if isinstance(e, _CLICK_ERROR):
            elsewhere = is_told_by_another(os.environ)
            return ExitCode.NO_VERDICT if elsewhere else failure.tell(_usage_error(e, argv), as_json=as_json)
        if failure.is_lack_of_memory(e):
            return failure.tell(LimitError("not enough memory", fix="try a smaller --batch-size"), as_json=as_json)
        return failure.tell_bug(e, as_json=as_json)


def _tells_json(argv: Sequence[str]) -> bool:
    """Whether an error is a document, too: of several processes standard output is that of the first."""
    return failure.wants_json(argv) and not is_told_by_another(os.environ)


def main() -> NoReturn:
    """The console script."""
    import gc
    import signal
    import warnings

    try:
        allocator.keep_what_is_freed()
        if not _is_watched():
            as_json = _tells_json(sys.argv[1:])
            allocator.end_where_there_is_none(ExitCode.NO_VERDICT, lambda: failure.tell_no_room(as_json=as_json))
        gc.set_threshold(100_000)  # imports leave only survivors: looking through them costs 10 of 200 ms
        streams.prepare()
        signal.signal(signal.SIGTERM, _terminate)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # a library's warning prints its source line; ours are findings
        code = run(sys.argv[1:])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is known is known: nothing is left to be cut short
    except KeyboardInterrupt:  # a second one, while the first was being told
        code = ExitCode.INTERRUPTED
    except failure.Terminated:
        code = ExitCode.TERMINATED
    _leave(int(code))


def _is_watched() -> bool:
    """Whether someone looks on, who has something to do in the end."""
    return sys.getprofile() is not None or sys.gettrace() is not None or bool(sys.flags.inspect)


def _leave(code: int) -> NoReturn:
    """Exit without taking everything apart first, which takes a tenth of a small report, unless someone looks on."""
    import atexit

    if not _is_watched():
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or never there
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _called(argv: Sequence[str]) -> ExitCode:
    """Parse and invoke. Not through typer's own ``main``, which has other exit codes and hides where Ctrl-C fell."""
    group: Any = typer.main.get_command(app)
    try:
        with group.make_context("evalcli", list(argv)) as ctx:
            code = group.invoke(ctx)
    except typer.Exit as e:
        return ExitCode(e.exit_code)
    return ExitCode.PASS if code is None else ExitCode(code)


def _usage_error(error: Any, argv: Sequence[str]) -> UsageError:
    """The parser's message in our form."""
    path = f"evalcli {argv[0]}" if argv and argv[0] in COMMANDS else "evalcli"
    message = error.format_message().strip().rstrip(".")
    fix = f"try '{path} --help'"
    if "extra argument" in message:  # what a shell makes of report shard*.csv
        fix = f"quote a pattern, as in 'shard*.csv', or {fix}"
    return UsageError(message[:1].lower() + message[1:], fix=fix)


def _nearest(name: str) -> str:
    from difflib import get_close_matches
    from pathlib import PurePath

    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return f"did you mean {near[0]}?"
    if PurePath(name).suffix:
        return f"to evaluate a file: evalcli report {word(name)}"
    return f"use one of {', '.join(COMMANDS)}"


def _terminate(_number: int, _frame: object) -> NoReturn:
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one is not waited for
    raise failure.Terminated
