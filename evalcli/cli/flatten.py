"""From groups of options to the signature that typer reads, and from what was typed back to groups.

Values are converted here and not by typer, whose way to do it imports pydantic: that takes longer than reading and
judging a small report.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial, wraps
from math import isfinite
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer

from evalcli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.cli.config import Settings


def flattened(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    """Spread parameters that are groups of options into one option per field."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    parameters = [inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    groups: dict[str, list[str]] = {}
    for name, hint in hints.items():
        if is_dataclass(hint):
            spread = [one for one in fields(hint) if get_origin(one.type) is Annotated]
            parameters += [_parameter(one.name, one.type, _default(one)) for one in spread]
            groups[name] = [one.name for one in spread]
        else:
            parameters.append(_parameter(name, hint, inspect.signature(command).parameters[name].default))

    repeated = {one.name for one in parameters if spelling(one.annotation).repeated}

    @wraps(command)
    def gathered(ctx: typer.Context, **values: Any) -> ExitCode:
        from evalcli.cli.config import load

        settings = load(values.get("config"), ctx.info_name or "")
        for name, names in groups.items():
            typed = {one: _settled(values.pop(one), one in repeated) for one in names}
            values[name] = _group(hints[name], typed, ctx, settings)
        return command(**values)

    gathered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect reads first
    gathered.__annotations__ = {one.name: one.annotation for one in parameters}
    return gathered


def _default(option: Field[Any]) -> Any:
    return inspect.Parameter.empty if option.default is MISSING else option.default


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    if default == ():
        default = None  # typer's way to say: none given
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _group(kind: type[Any], typed: dict[str, Any], ctx: typer.Context, settings: Settings) -> Any:
    """A group from what was typed and, where nothing was, from the configuration."""
    configured = {
        param.name: _configured(param, settings)
        for param in ctx.command.params
        if param.name in typed and param.name in settings.values
    }
    if getattr(kind, "layered", False):
        inherited = kind(**configured, origin=settings.path) if configured else None
        return kind(**typed, inherited=inherited)
    return kind(**typed | {name: value for name, value in configured.items() if not _was_typed(ctx, name)})


def _settled(value: Any, repeated: bool) -> Any:
    """Typer hands ``None`` for an option that may be repeated and was not given."""
    return tuple(value or ()) if repeated else value


def _was_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _configured(param: Any, settings: Settings) -> Any:
    try:
        return param.convert_value(settings.values[param.name])
    except UsageError as e:
        raise UsageError(e.what, fix=e.fix, path=settings.path) from e


class Spelling(NamedTuple):
    """How a value may be written, read off an annotation."""

    kind: type
    choices: tuple[str, ...] = ()
    repeated: bool = False


def spelling(annotation: Any) -> Spelling:
    """What an option's annotation asks of its text.

    >>> spelling(Annotated[Literal["a", "b"] | None, "…"]).choices
    ('a', 'b')
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return spelling(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return spelling(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is Literal:
        return Spelling(str, get_args(annotation))
    if origin is list:
        return Spelling(str, repeated=True)
    return Spelling(annotation)


def lighten(command: Any, function: Callable[..., ExitCode]) -> Any:
    """Give the parameters of a typer command our own conversion."""
    for param in command.params:
        annotation = function.__annotations__.get(param.name)
        if annotation is not None:
            how = spelling(annotation)
            param.choices_shown = how.choices
            param.convert_value = partial(convert, param, how)
            param.process_value = partial(_process, param)
    return command


def _process(param: Any, _ctx: typer.Context, value: Any) -> Any:
    if value is None or value == ():
        if param.required:
            raise UsageError(f"{param.metavar} is missing", fix=f"try 'evalcli {_ctx.info_name} --help'")
        return param.convert_value(None)
    if param.param_type_name == "argument" and "" in ((value,) if isinstance(value, str) else value):
        what = f"{param.metavar} holds an empty name"  # report "$PREDS", and the variable is not set
        raise UsageError(what, fix=f"try 'evalcli {_ctx.info_name} --help'")
    return param.convert_value(value)


def convert(param: Any, how: Spelling, value: Any) -> Any:
    """A value as its option means it, from text or from TOML.

    Raises:
        UsageError: it cannot mean that.

    """
    name = param.opts[-1] if param.opts else param.name
    if how.repeated:
        if isinstance(value, dict):  # min = {accuracy = 0.9}
            return tuple(f"{key}={_text(name, one)}" for key, one in value.items())
        many = value if isinstance(value, list | tuple) else () if value is None else (value,)
        return tuple(_text(name, one) for one in many)
    if value is None:
        return None
    if how.kind is bool:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}, not true or false", fix="write one of them, without quotes")
        return value
    if isinstance(value, list) and all(type(one) in {str, int} and "," not in str(one) for one in value):
        value = ",".join(map(str, value))  # labels = ["cat", "dog"], topk = [1, 3]
    text = _text(name, value)
    if how.choices:
        if text not in how.choices:
            raise UsageError(f"{name} {text!r} is unknown", fix=f"use {', '.join(how.choices)}")
        return text
    if how.kind is str:
        if param.name == "threshold" and not text.startswith("@"):  # a number, or @ the file that holds one
            _number(name, float, text)
        return text
    return _number(name, how.kind, text, getattr(param, "min", None), getattr(param, "max", None))


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise UsageError(f"{name} cannot be {value!r}", fix="write a text or a number")


def _number(name: str, kind: type, text: str, low: float | None = None, high: float | None = None) -> float:
    noun = "a whole number" if kind is int else "a number"
    try:
        if not text.isascii() or "_" in text or len(text) > 40:
            raise ValueError(text)
        number: float = kind(text)
    except ValueError as e:
        fix = f"write a point: {text.replace(',', '.')}" if text.count(",") == 1 else "write it in digits"
        raise UsageError(f"{name} {text!r} is not {noun}", fix=fix) from e
    if not isfinite(number):
        raise UsageError(f"{name} {text!r} is not a finite number", fix="write it in digits")
    if low is not None and number < low:
        raise UsageError(f"{name} {text} is less than {low}", fix=f"give {low} or more")
    if high is not None and number > high:
        raise UsageError(f"{name} {text} is more than {high}", fix=f"give {high} or less")
    return number
