"""JSON lines as we read them ourselves: which keys there are, of which kind, and where a line is broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.errors import InputError
from evalcli.sources import named_scores
from evalcli.sources.csvtext import COLUMN_LIMIT, LINE_LIMIT, lines
from evalcli.sources.named_scores import (
    ANSWER,
    BESIDE,
    FIRST,
    NAMED,
    OBJECT,
    PAIRS,
    NamedScores,
    are_beside,
    named_kind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.sources.bytestream import TextFile

SAMPLE_BYTES = 4 << 20
KINDS = {bool: "boolean", int: "integer", float: "float", str: "text"}
MIXED = "mixed"
SQL = {
    "text": ("'VARCHAR'", "{0}->>'$'"),
    "integer": ("'UBIGINT','BIGINT'", "CAST({0} AS BIGINT)"),
    "float": ("'DOUBLE','UBIGINT','BIGINT'", "CAST(CAST({0} AS VARCHAR) AS DOUBLE)"),
    "boolean": ("'BOOLEAN'", "CAST({0} AS BOOLEAN)"),
    "list": ("'ARRAY'", "CAST({0} AS DOUBLE[])"),
    "texts": ("'ARRAY'", "CAST({0} AS VARCHAR[])"),
}
"""Kind → the JSON types it may have, and how its value is taken out of the token."""


UNREADABLE = {
    "object": ("objects", "write one text or number under each key; a table by columns: one object a row instead"),
    "array": (
        "arrays of other things than numbers or texts",
        "write one text, one number, or a flat list of scores or of labels",
    ),
}
"""Kind → what such values are, and what to write instead."""


def cell_sql(column: str, kind: str) -> str:
    """The value of a JSON token; a token of another kind stops the query instead of changing its kind."""
    types, value = SQL[kind]
    taken = value.format(column)
    typed = f"WHEN json_type({column}) IN ({types}) THEN {taken}"
    return f"CASE WHEN {column} IS NULL THEN NULL {typed} ELSE error('kind') END"


NAMELESS = "values"
"""What the column of values is called that lie in no object."""


class Keys(NamedTuple):
    """Keys in order of appearance and their ``kinds``; of those of several kinds, where the second one begins."""

    kinds: dict[str, str]
    mixed: dict[str, str]
    nameless: bool
    """Whether the lines are arrays, which are the values of a column without a name."""


def read_columns(file: TextFile, named: NamedScores) -> Keys:
    """What the first 4 MiB show of the keys; ``named`` learns of scores that carry the names of their classes.

    Raises:
        InputError: a line is neither one JSON object nor, as all of them, the scores of a row.

    """
    kinds: dict[str, str] = {}
    mixed: dict[str, str] = {}
    size = 0
    nameless = None
    for number, line in enumerate(lines(file), start=1):
        found, nameless = _row(line, file.number(number), file.path, nameless)
        named.meet(found, f"line {file.number(number)} of {file.path}")
        for name, value in found.items():
            before, said = kinds.get(name, ""), kind_of(value)
            kinds[name] = join_kinds(before, said)
            if kinds[name] == MIXED:
                mixed.setdefault(name, f"{said} in line {file.number(number)} of {file.path}, earlier {before}")
        size += len(line)
        if size > SAMPLE_BYTES or len(kinds) > COLUMN_LIMIT:
            break
    if not kinds:
        what = "the file holds no keys, at most blank lines and empty objects"
        raise InputError(what, fix="write an object with keys in each line", path=file.path)
    if len(kinds) > COLUMN_LIMIT:
        raise InputError(f"more than {COLUMN_LIMIT} keys", fix="keep only those needed", path=file.path)
    known = {name: "list" if kind == "empty" else kind or "text" for name, kind in kinds.items()}
    return Keys(known, mixed, bool(nameless))


def check_lines(file: TextFile, kinds: Mapping[str, str], named: NamedScores, *, nameless: bool) -> int:
    """Count the rows the slow way.

    Raises:
        InputError: the first line that is broken, or has a value of another kind than the column, or of other classes.

    """
    rows = 0
    for place, line in enumerate(lines(file), start=1):
        number = file.number(place)
        found, _ = _row(line, number, file.path, nameless)
        for name, value in found.items():
            kind, said = kinds.get(name, ""), kind_of(value)
            if said and kind not in ("", "other") and join_kinds(kind, said) != kind:
                raise InputError(
                    f"line {number}: {name!r} is {said}, earlier it was {kind}",
                    fix="write one kind of value under one key",
                    path=file.path,
                )
            odd = named.fault(name, value) if kind in NAMED and said else None
            if odd is not None:
                raise InputError(
                    f"line {number}: {name!r} holds {named_scores.ODD}{odd}", fix=named_scores.FIX, path=file.path
                )
        if named.beside and not are_beside(found.get(BESIDE[0]), found.get(BESIDE[1]), named.met[BESIDE[1]].names):
            what = f"line {number}: 'labels' are not the classes of 'scores', the highest first, as above"
            raise InputError(what, fix=named_scores.FIX, path=file.path)
        rows += bool(line.strip())
    return rows


def kind_of(value: Any) -> str:
    """``text``, ``integer``, ``float``, ``boolean``, ``list`` (of numbers or of truth values), ``texts``, ``array``,
    ``object``, or a kind of scores that carry names.

    For null it is "", and ``empty`` for a list of nothing, which goes with either kind of list.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        if not value:
            return "empty"
        kinds = {type(each) for each in value} - {type(None)}
        if kinds <= {int, float} or kinds == {bool}:
            return "list"
        return "texts" if kinds == {str} and None not in value else named_kind(value) or "array"
    if isinstance(value, dict):
        return named_kind(value) or "object"
    return KINDS.get(type(value), "object")


_WIDER = {PAIRS: (FIRST,), "array": (PAIRS, FIRST), "object": (OBJECT, ANSWER)}
"""What holds both of two kinds of lists, or of objects."""


def join_kinds(first: str, second: str) -> str:
    """The kind of a column that holds both."""
    if not first or not second or first == second:
        return first or second
    both = {first, second}
    if "empty" in both and both & {"list", "texts", "array"}:
        return first if second == "empty" else second
    for wide, narrow in _WIDER.items():
        if both <= {wide, *narrow}:
            return wide
    return "float" if {first, second} == {"integer", "float"} else MIXED


def _row(line: bytes, number: int, path: str, nameless: bool | None) -> tuple[dict[str, Any], bool | None]:
    """The values of a line by their keys, and whether lines are ``nameless``: ``None`` as long as all are blank."""
    text = line.strip(b"\r\n \t")
    if not text:
        return {}, nameless
    if len(line) > LINE_LIMIT:
        raise InputError(f"line {number}: longer than 1 MiB", fix="one object a line", path=path)
    if text[:1] == b"[" and (nameless is False or not text.endswith(b"]")):
        raise _array(number, path)
    found = decoded(text, f"line {number}", path)
    if isinstance(found, list):
        if kind_of(found) not in ("list", PAIRS, FIRST):
            raise _array(number, path)
        return {NAMELESS: found}, True
    if not isinstance(found, dict) or nameless:
        other = ", those above are arrays" if nameless else ""
        raise InputError(
            f"line {number}: not a JSON {'array' if nameless else 'object'}{other}",
            fix='write {"target": …, "pred": …}',
            path=path,
        )
    return found, False


def _array(number: int, path: str) -> InputError:
    fix = "convert it with: jq -c '.[]', or call it .json"
    return InputError(f"line {number}: a JSON array, not one object", fix=fix, path=path)


DOCUMENT = "the document"
"""The place of a text that is a whole file; what is wrong with it is told by line and column."""


def decoded(text: bytes, place: str, path: str = "", fix: str = "one whole object a line") -> Any:
    """What a text of JSON says, which lies at ``place``; NaN and Infinity are numbers.

    Raises:
        InputError: it is no JSON, no UTF-8, has a key twice, or half a character.

    """
    try:
        found = _DECODER.decode(text.decode("utf-8"))
        if b"\\u" in text:
            json.dumps(found, ensure_ascii=False).encode("utf-8")  # Python takes half a character for one
    except UnicodeEncodeError as e:
        what = f"{place}: an escape stands for half a character (a lone surrogate)"
        raise InputError(what, fix="write it again", path=path) from e
    except UnicodeDecodeError as e:
        what = f"{place}: byte 0x{text[e.start]:02x} is not UTF-8"
        raise InputError(what, fix="save it as UTF-8", path=path) from e
    except (ValueError, RecursionError) as e:
        what = getattr(e, "msg", None) or str(e).partition("\n")[0]
        if place == DOCUMENT and isinstance(e, json.JSONDecodeError):
            place = f"line {e.lineno}, column {e.colno}"
        if b"\0" in text[:2]:
            order = "be" if text.startswith(b"\0") else "le"
            fix = f"if it is UTF-16, --encoding utf-16-{order}"
        raise InputError(f"{place}: not JSON ({what})", fix=fix, path=path) from e
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:40]!r} occurs twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)  # json.loads makes one anew for every line
