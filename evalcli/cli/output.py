"""Files written whole or not at all.

All checks come before the work, so that an hour of it does not end at a missing folder. Content goes to
``.<name>.<pid>.tmp`` beside the file, is synced, and takes the file's name in one step: a reader sees the old file or
the new one, and a full disk leaves the old one alone. Of a long name the hash stands there, so that the file system
takes both. What is no regular file (a pipe, a device) is written directly.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from evalcli.cli import streams
from evalcli.errors import OutputError, UsageError, remedy, why
from evalcli.renderers import SUFFIXES, format_of
from evalcli.shell import word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PART = "part"
"""The format of accumulated states, which are no report and which no renderer writes."""
SUFFIX = ".evalcli"
"""The end of the name of such a file."""
_LONG = 100
"""Bytes of a name that leave room for what a temporary one has beside it: file systems take 255, some 143."""
_STREAMS = {"/dev/stdout": 1, "/dev/fd/1": 1, "/proc/self/fd/1": 1, "/dev/stderr": 2, "/dev/fd/2": 2}


class Target(NamedTuple):
    """A file to write: its ``path`` as typed, the ``real`` one behind links, and the format of its content."""

    path: str
    real: Path
    format: str
    direct: bool


def check_outputs(
    paths: Sequence[str],
    inputs: Iterable[str] = (),
    fallback: str = "rich",
    suffixes: Mapping[str, str] = SUFFIXES,
    *,
    parts: bool = False,
) -> tuple[Target, ...]:
    """Where each output goes, in which format; ``fallback`` is for pipes and devices, whose names say nothing.

    ``parts`` says that there are states to write, as a part.

    Raises:
        UsageError: an unknown suffix, a directory, an input's own file, or the same file twice.
        OutputError: a folder that is missing or that takes no file.

    """
    known = {**suffixes, SUFFIX: PART} if parts else suffixes
    targets = tuple(_target(path, fallback, known) for path in paths)
    sources = {os.path.realpath(path) for path in _expanded(inputs) if "\0" not in path}
    seen: dict[Path, str] = {}
    for target in targets:
        if target.format == PART and not parts:
            message = "a part holds what was counted, and nothing is counted here"
            raise UsageError(message, fix="evalcli report and evalcli merge write parts", path=target.path)
        if target.direct:
            continue
        if str(target.real) in sources or _is_any_of(target.real, sources):
            raise UsageError("the output is an input too", fix="write to another file", path=target.path)
        if target.real in seen:
            what = f"two outputs are the same file as {seen[target.real]}"
            raise UsageError(what, fix="give each a name of its own", path=target.path)
        seen[target.real] = target.path
        _probe(target)
    return targets


def write_outputs(contents: Sequence[tuple[Target, str | bytes | Iterable[str]]]) -> None:
    """Write every file, or none that is regular: all are complete on disk before the first takes its name.

    A content is a text, or its pieces, which are asked for one after the other while they are written.

    Raises:
        OutputError: a write failed; what stood there before still stands.

    """
    with ExitStack() as stack:
        ready = []
        for target, text in contents:
            if not target.direct:
                ready.append((stack.enter_context(_temporary(target)), target))
                _fill(ready[-1][0], target, text)
        for target, text in contents:
            if target.direct:
                _write_directly(target, text)
        for temporary, target in ready:
            with _blamed_on(target):
                temporary.replace(target.real)


def _target(path: str, fallback: str, suffixes: Mapping[str, str]) -> Target:
    if path in _STREAMS:
        return Target(path, Path(path), fallback, direct=True)
    if not path:
        raise UsageError("-o has an empty name", fix="name a file")
    real = Path(path)
    try:
        real = Path(os.path.realpath(path))
        mode = real.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except (OSError, ValueError) as e:
        raise OutputError(why(e), fix=remedy(e), path=path) from e
    if stat.S_ISDIR(mode):
        raise UsageError("is a directory", fix="name a file in it", path=path)
    regular = stat.S_ISREG(mode)
    if Path(path).suffix.lower() == SUFFIX:
        return Target(path, real, PART, direct=not regular)
    if not regular and Path(path).suffix.lower() not in suffixes:
        return Target(path, real, fallback, direct=True)
    return Target(path, real, format_of(path, suffixes), direct=not regular)


def _expanded(paths: Iterable[str]) -> Iterator[str]:
    from glob import glob

    for path in paths:
        yield from glob(path) or [path]  # noqa: PTH207  # the pattern may be absolute, or no pattern at all


def _is_any_of(real: Path, sources: Iterable[str]) -> bool:
    """The same file under another name: a hard link, or a file system that ignores case."""
    for source in sources:
        with suppress(OSError):
            if real.samefile(source):
                return True
    return False


def _probe(target: Target) -> None:
    """Find out now whether the folder takes the file, and clear what a killed run left there."""
    folder = target.real.parent
    if not folder.is_dir():
        raise OutputError("its folder does not exist", fix=f"mkdir -p {word(str(folder))}", path=target.path)
    if target.real.exists() and not os.access(target.real, os.W_OK):
        raise OutputError("is read-only", fix="write to another file", path=target.path)
    _remove_stale(target)
    with _temporary(target):
        pass


def _remove_stale(target: Target) -> None:
    ours = re.compile(rf"{re.escape(_hidden(target.real.name))}\.([0-9]+)\.tmp")
    with suppress(OSError):
        for entry in list(os.scandir(target.real.parent)):
            found = ours.fullmatch(entry.name)
            if found and entry.is_file(follow_symlinks=False) and not _is_alive(int(found[1])):
                with suppress(OSError):
                    Path(entry.path).unlink()


def _hidden(name: str) -> str:
    """What a temporary file begins with that will be called so."""
    told = os.fsencode(name)
    if len(told) <= _LONG:
        return f".{name}"
    from hashlib import blake2b

    return f".evalcli-{blake2b(told, digest_size=16).hexdigest()}"


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # a number used again: that run is over
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextmanager
def _temporary(target: Target) -> Iterator[Path]:
    """An empty file beside the target, with the mode the target has or would get; gone afterwards if still there."""
    path = target.real.with_name(f"{_hidden(target.real.name)}.{os.getpid()}.tmp")
    with _blamed_on(target):
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with _blamed_on(target):
            _take_mode(number, target.real)
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _take_mode(number: int, real: Path) -> None:
    """Give a new file the mode of the one it will replace, and close it; not all file systems can change a mode."""
    try:
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(real.stat().st_mode)
            if mode != stat.S_IMODE(os.fstat(number).st_mode):
                os.fchmod(number, mode)
    finally:
        os.close(number)


def _fill(temporary: Path, target: Target, text: str | bytes | Iterable[str]) -> None:
    with _blamed_on(target), temporary.open("wb") as file:
        for piece in _pieces(text):
            file.write(_encoded(piece))
        file.flush()
        os.fsync(file.fileno())


def _pieces(text: str | bytes | Iterable[str]) -> Iterable[str | bytes]:
    return (text,) if isinstance(text, str | bytes) else text


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")


def _write_directly(target: Target, text: str | bytes | Iterable[str]) -> None:
    stream = _STREAMS.get(target.path)
    if stream is None or isinstance(text, bytes):
        with _blamed_on(target), target.real.open("wb") as file:
            for piece in _pieces(text):
                file.write(_encoded(piece))
        return
    words = (text,) if isinstance(text, str) else text
    if stream == 1:
        streams.emit_pieces(words)
        return
    for piece in words:
        sys.stderr.write(piece)


@contextmanager
def _blamed_on(target: Target) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise OutputError(f"cannot be written: {why(e)}", fix=remedy(e), path=target.path) from e
