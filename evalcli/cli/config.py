"""Options and gates from a file: ``[tool.evalcli]`` of the nearest ``pyproject.toml``, or the file of ``--config``.

Keys are option names, with dashes or underscores; ``[tool.evalcli.report]`` speaks to one command only. What is typed
wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from keyword import iskeyword
from pathlib import Path
from typing import Any

from evalcli.errors import InputError, UsageError, remedy, why

_MARK = b"tool.evalcli"
_PATHS = ("baseline", "output", "labels", "threshold")
"""Options that name files: written in a configuration, they are meant from its folder."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Values by option name, underscored, and the file that they come from."""

    path: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def load(path: str | None, command: str) -> Settings:
    """The settings that hold for ``command``.

    Raises:
        InputError: the file cannot be read, or is not TOML.
        UsageError: it holds a key that no option has, or the working folder is gone.

    """
    try:
        here = Path.cwd()
    except OSError as e:
        raise UsageError("the working folder was removed", fix="cd to one that exists") from e
    if path is not None:
        return _settings(Path(path), path, command)
    for folder in (here, *here.parents):
        found = folder / "pyproject.toml"
        if found.is_file():
            name = found.name if folder == here else str(found)
            return _settings(found, name, command, found=True)
    return Settings()


def _read(file: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise InputError(f"cannot be read: {why(e)}", fix=remedy(e), path=name) from e


def _settings(file: Path, name: str, command: str, *, found: bool = False) -> Settings:
    """The settings of one file; one that was ``found`` and not named may well be about other things."""
    data = _read(file, name)
    if found and _MARK not in data:
        return Settings()
    import tomllib

    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as e:
        raise InputError(f"not TOML: {e}", fix="mend it there", path=name) from e
    tool = document.get("tool")
    if isinstance(tool, dict) and "evalcli" in tool:
        table = tool["evalcli"]
        beside = [key for key in document if key != "tool"]
        if not found and file.name != "pyproject.toml" and beside:
            what = f"holds options both at the top ({beside[0]}) and in [tool.evalcli]"
            raise UsageError(what, fix="keep them in one place", path=name)
    elif found:
        table = {}
    elif file.name == "pyproject.toml":  # named, so gates are expected in it
        raise UsageError("has no table [tool.evalcli]", fix="write one, or name another file", path=name)
    else:
        table = document
    if not isinstance(table, dict):
        raise UsageError("[tool.evalcli] is not a table", fix="write [tool.evalcli] above its keys", path=name)
    return Settings(name, _values(table, command, file, name))


def _values(table: dict[str, Any], command: str, file: Path, name: str) -> dict[str, Any]:
    from evalcli.cli import COMMANDS
    from evalcli.cli.baseline import ReportGates
    from evalcli.cli.compare import CompareOptions
    from evalcli.cli.compare_gates import CompareGates
    from evalcli.cli.deciding_options import DecidingOptions
    from evalcli.cli.errors import RowOptions
    from evalcli.cli.extra_options import NEVER_CONFIGURED, ExtraOptions
    from evalcli.cli.options import ExecutionOptions, InputOptions, OutputOptions
    from evalcli.cli.tune import AimOptions

    of_reports = (InputOptions, DecidingOptions, ExtraOptions, ReportGates, ExecutionOptions, OutputOptions)
    groups = (*of_reports, AimOptions, RowOptions, CompareOptions, CompareGates)
    known = {one.name for group in groups for one in fields(group)} - {"config", "inherited", "origin"}
    known -= NEVER_CONFIGURED
    values: dict[str, Any] = {}
    special: dict[str, Any] = {}
    for key, value in table.items():
        option = _field(key)
        if key in COMMANDS and isinstance(value, dict):
            inner = {_field(one): content for one, content in value.items()}
            _refuse_unknown(inner, known, f"{key}.", name)
            special |= inner if key == command else {}
        else:
            if key in COMMANDS and option not in known:
                raise UsageError(f"the key {key!r} is a command's, and no table", fix=f"as in [{key}]", path=name)
            _refuse_unknown({option: value}, known, "", name)
            values[option] = value
    return {option: _placed(option, value, file.parent) for option, value in (values | special).items()}


def _field(key: str) -> str:
    """The field that an option fills: ``class`` is a word of Python's."""
    name = key.replace("-", "_")
    return f"{name}_" if iskeyword(name) else name


def _refuse_unknown(keys: dict[str, Any], known: set[str], prefix: str, name: str) -> None:
    from difflib import get_close_matches

    for key in keys:
        if key not in known:
            near = get_close_matches(key, sorted(known), n=1)
            meant = near[0].rstrip("_").replace("_", "-") if near else ""
            fix = f"did you mean {meant}?" if near else "see evalcli report --help for the options"
            raise UsageError(f"the key {prefix + key!r} is no option", fix=fix, path=name)


def _placed(option: str, value: Any, folder: Path) -> Any:
    """A path in a configuration is relative to the configuration."""
    if option not in _PATHS or folder == Path.cwd():
        return value
    if isinstance(value, list) and option == "output":
        return [_placed(option, one, folder) for one in value]
    if option == "threshold":
        return f"@{folder / value[1:]}" if isinstance(value, str) and value.startswith("@") else value
    if not isinstance(value, str) or (option == "labels" and not (folder / value).is_file()):
        return value
    return str(folder / value)
