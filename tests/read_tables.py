"""Tables that are written, read as rows, or refused."""

import pytest

from evalcli.errors import EvalError, InputError
from evalcli.sources.tables import TableOptions, Tables

NAMES = [
    "NA", "null", "NaN", "None", "NULL", "N/A", "007", "010", "00", "[red]dog", "a,b", '"q"', "", "café", "cafe\u0301",
    " dog ", "1e3", "0x10", "+1", "True", "t", "yes", "2024-01-02", "12:30", "1.0", "1", "nan", "1e400", "'", "\\",
    "#x", "18446744073709551617", "\ttab", "semi;colon", "{a}", "日本",
]  # fmt: skip
PAIR = b"y,p\ncat,dog\nant,cat\n"


def read(path, columns=None, **options):
    """Open, query, check: what a report does."""
    tables = Tables([str(path)], TableOptions(**options))
    try:
        table = tables.tables[0]
        table.begin()
        rows = tables.query(f"SELECT * FROM {table.scan(columns)}").fetchall()
        records = table.finish(len(rows))
        return rows, records, table
    finally:
        tables.close()


def put(path, data):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return path


def refused(path, *said, kind=InputError, **options):
    with pytest.raises(EvalError) as e:
        read(path, **options)
    text = str(e.value)
    assert type(e.value) is kind, text
    assert "\n" not in text
    for word in said:
        assert word in text, text
    return text


def as_csv(rows, delimiter=","):
    quote = lambda cell: "" if cell is None else '"' + cell.replace('"', '""') + '"'  # noqa: E731 - one line of data
    return "".join(delimiter.join(map(quote, row)) + "\n" for row in rows).encode()
