"""CSV text as we read it ourselves: the header, and slow exact rescans that give an error its line number."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalcli.errors import WRITE_AGAIN, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.sources.bytestream import TextFile
    from evalcli.sources.textcheck import TextCounts

LINE_LIMIT = 1 << 20
COLUMN_LIMIT = 10_000
LABEL_LIMIT = 256
DELIMITERS = {"csv": ",", "tsv": "\t"}
_OTHERS = {"\t": r"--delimiter '\t'", ";": "--delimiter ';'", "|": "--delimiter '|'", ",": "--delimiter ','"}


@dataclass(frozen=True, slots=True)
class Header:
    """The first record: its fields, the blank lines before it, the lines it takes with them, how lines end."""

    fields: tuple[str, ...]
    blanks: int
    lines: int
    by_return: bool
    is_mixed: bool


def choose_delimiter(kind: str, said: str | None) -> str:
    r"""The character between cells: as said (``\t`` may be spelled out), else by the format.

    Raises:
        UsageError: it is not one ASCII character that can separate cells.

    """
    delimiter = {"\\t": "\t", "tab": "\t"}.get(said, said) if said is not None else DELIMITERS[kind]
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise UsageError(f"--delimiter {said!r} is not one ASCII character", fix="such as ';' or '\\t'")
    return delimiter


def read_header(file: TextFile, delimiter: str) -> Header:
    """The first record that is not blank.

    Raises:
        InputError: the file is empty, its first line is too long, not UTF-8, of too many columns or badly quoted.

    """
    start = _start(file)
    if not start.strip(b"\r\n"):
        what = "the file holds no text: only blank lines" if start else "the file is empty"
        raise InputError(what, fix=WRITE_AGAIN, path=file.path)
    end = len(start) if len(start) < LINE_LIMIT else max(start.rfind(b"\n"), start.rfind(b"\r")) + 1
    if not end:
        raise InputError("line 1: longer than 1 MiB", fix="is this a table?", path=file.path)
    reader = csv.reader(
        io.StringIO(start[:end].decode("utf-8", "surrogateescape"), newline=""), delimiter=delimiter, strict=True
    )
    blanks = 0
    fields: list[str] = []
    limit = csv.field_size_limit(LINE_LIMIT)
    try:
        for fields in reader:
            if fields:
                break
            blanks = reader.line_num
    except csv.Error as e:
        raise InputError(f"line {blanks + 1}: {_quote_fault(str(e))}", fix="mend the header", path=file.path) from e
    finally:
        csv.field_size_limit(limit)
    _check_fields(fields, blanks + 1, delimiter, file.path)
    sample = start[:end]
    returns, pairs, newlines = sample.count(b"\r"), sample.count(b"\r\n"), sample.count(b"\n")
    mixed = bool(pairs and newlines != pairs and b'"' not in sample)
    return Header(tuple(fields), blanks, reader.line_num, bool(returns and not newlines), mixed)


def _start(file: TextFile) -> bytes:
    parts: list[bytes] = []
    for block in file.blocks():
        parts.append(block)
        if sum(map(len, parts)) >= LINE_LIMIT:
            break
    return b"".join(parts)


def _check_fields(fields: list[str], line: int, delimiter: str, path: str) -> None:
    for field in fields:
        bad = next((sign for sign in field if "\udc80" <= sign <= "\udcff"), None)
        if bad is not None:
            raise InputError(
                f"line {line}: byte 0x{ord(bad) - 0xDC00:02x} is not UTF-8", fix="try --encoding latin-1", path=path
            )
        if "\0" in field:
            wide = 2 * field.count("\0") >= len(field) - 1
            order = "be" if field.startswith("\0") else "le"
            fix = f"if it is UTF-16, --encoding utf-16-{order}" if wide else "write it again as plain text"
            raise InputError(f"line {line}: holds a NUL byte", fix=fix, path=path)
    if len(fields) > COLUMN_LIMIT:
        raise InputError(f"{len(fields)} columns, more than {COLUMN_LIMIT}", fix="keep only those needed", path=path)
    only = fields[0]
    if len(fields) > 1 and (only.lower() != "sep=" or fields[1:] != [""]):
        return
    if only.startswith("#") or only.lower().startswith("sep="):
        raise InputError(f"line {line}: {only[:40]!r} is not a header", fix="remove that line", path=path)
    for sign, flag in _OTHERS.items():
        if sign in only and sign != delimiter:
            raise InputError(f"line {line}: one column {only[:40]!r}", fix=f"try {flag}", path=path)


def _quote_fault(said: str) -> str:
    return "a quote opens and never closes" if "end of data" in said else "a quote stands inside a cell"


def lines(file: TextFile) -> Iterator[bytes]:
    """The lines with their ends, whatever ends them."""
    rest = b""
    for block in file.blocks():
        data = rest + block
        parts = data.splitlines(keepends=True)
        rest = parts.pop() if parts and (data.endswith(b"\r") or not data.endswith(b"\n")) else b""
        yield from parts
    if rest:
        yield rest


def records(file: TextFile, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number of its first line and the fields of every record, blank lines among them. Slow and exact.

    Raises:
        InputError: a quote where RFC 4180 has none, or a line beyond 1 MiB.

    """
    text = (line.decode("utf-8", "replace") for line in lines(file))
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(LINE_LIMIT)
    line = 1
    try:
        for fields in reader:
            yield file.number(line), fields
            line = reader.line_num + 1
    except csv.Error as e:
        what, fix = _quote_fault(str(e)), 'close it, or write it twice ("") where it is meant'
        if "limit" in str(e):
            what, fix = "longer than 1 MiB", "see whether a quote opens there"
        raise InputError(f"line {file.number(line)}: {what}", fix=fix, path=file.path) from e
    finally:
        csv.field_size_limit(limit)


def check_records(file: TextFile, delimiter: str, header: Header, *, has_header: bool) -> int:
    """Count the data rows the slow way.

    Raises:
        InputError: the first record with another number of fields, or a line that is too long.

    """
    expected = len(header.fields)
    rows = -1 if has_header else 0
    for line, fields in records(file, delimiter):
        if not fields and (expected > 1 or line <= header.blanks):
            continue
        if len(fields) != expected and fields:
            raise InputError(
                f"line {line} has {len(fields)} field{'s' * (len(fields) != 1)}, expected {expected}",
                fix=_ragged_fix(fields, expected, delimiter),
                path=file.path,
            )
        if sum(map(len, fields)) > LINE_LIMIT:
            raise InputError(f"line {line}: longer than 1 MiB", fix="is a quote missing?", path=file.path)
        rows += 1
    return rows


def _ragged_fix(fields: list[str], expected: int, delimiter: str) -> str:
    if len(fields) == expected + 1 and not fields[-1]:
        return f"the line ends in {delimiter!r}; remove it there, or name a column for it in the header"
    if fields == ["\x1a"]:
        return "the file ends in Ctrl-Z; remove that byte"
    return "mend the line, or quote cells that hold the delimiter"


def find_lone_return(file: TextFile) -> InputError:
    """The error for a carriage return that ends no line, in a file whose lines end in LF."""
    for number, line in enumerate(lines(file), start=1):
        if line.endswith(b"\r"):
            return InputError(
                f"line {file.number(number)}: holds a carriage return", fix="remove or quote it", path=file.path
            )
    return InputError("holds a carriage return inside a line", fix="remove or quote it", path=file.path)


def unify_newlines(file: TextFile, target: str) -> None:
    """Write a copy in which every record ends in LF; inside quotes nothing changes."""
    inside = False
    with open(target, "wb") as out:  # noqa: PTH123 - paths are text throughout the sources
        for line in lines(file):
            inside ^= bool(line.count(b'"') & 1)
            out.write(line[:-2] + b"\n" if not inside and line.endswith(b"\r\n") else line)


def expected_rows(counts: TextCounts, header: Header, *, has_header: bool) -> int:
    """The data rows that the independent count promises. In a table of one column a blank line is an empty cell."""
    rows = counts.lines - has_header
    return rows + counts.blanks - header.blanks if len(header.fields) == 1 else rows


def label_fault(label: str) -> str | None:
    """What makes a text unlikely to be one label: swallowed lines, or a length that two stray quotes produce."""
    if "\n" in label or "\r" in label:
        return "holds a line break"
    size = len(label.encode("utf-8", "surrogatepass"))
    return f"is {size} bytes long" if size > LABEL_LIMIT else None
