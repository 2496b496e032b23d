import re
import sys
import zipfile
from decimal import Decimal

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from evalcli.errors import InputError, LimitError
from evalcli.sources.frames import read_frame
from evalcli.sources.tables import Tables

NAMES = ["NA", "null", "NaN", "None", "007", "[red]dog", "a,b", '"q"', "café", " dog ", "1e3", "0x10", "True", "=1+1"]


def rows(path):
    tables = Tables([str(path)])
    try:
        table = tables.tables[0]
        found = tables.query(f"SELECT * FROM {table.scan()}").fetchall()
        table.begin()
        records = table.finish(len(found))
        assert len(records) == len(table.reader.pieces) > 0
        assert all(record.digest.startswith("sha256:") for record in records)
        return table.columns, found
    finally:
        tables.close()


def sheet(path, *lines):
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


def test_C01_xlsx_text_is_exact_and_integers_stay(tmp_path):
    names = [name for name in NAMES if not name.startswith("=")]
    path = sheet(
        tmp_path / "x.xlsx", ["y", "n", "f", "b"], *[[name, i, i / 2, i % 2 == 0] for i, name in enumerate(names)]
    )
    columns, found = rows(path)
    assert columns == {"y": "text", "n": "integer", "f": "float", "b": "boolean"}
    assert found == [(name, i, i / 2, i % 2 == 0) for i, name in enumerate(names)]


def test_xlsx_empty_cells_are_missing_and_empty_rows_skipped(tmp_path):
    path = sheet(tmp_path / "x.xlsx", ["y", "p"], ["a", None], [None, None], ["b", "c"])
    assert rows(path)[1] == [("a", None), ("b", "c")]


def rewritten(path, change):
    """The workbook with another first sheet."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in parts.items():
            new.writestr(name, change(data) if name.endswith("sheet1.xml") else data)
    return path


@pytest.mark.parametrize("claim", [b"A1", b"A1:A2", b"A1:ZZ9", b"B2:B2"])
def test_xlsx_a_size_that_the_sheet_claims_hides_no_row(tmp_path, claim):
    path = sheet(tmp_path / "x.xlsx", ["y", "p"], ["a", "b"], ["c", None], ["d", "e"])
    rewritten(path, lambda data: re.sub(rb'(?<=<dimension ref=")[^"]*', claim, data))
    assert rows(path) == ({"y": "text", "p": "text"}, [("a", "b"), ("c", None), ("d", "e")])


def test_xlsx_cells_beyond_the_header_are_a_column_without_a_name(tmp_path):
    path = sheet(tmp_path / "x.xlsx", ["y"], ["a"], ["b", "c"])
    with zipfile.ZipFile(path) as book:
        assert b"c" in book.read("xl/worksheets/sheet1.xml")
    assert read_frame(str(path), "xlsx").column_names == ["y", ""]


def test_N08_a_workbook_that_is_a_bomb(tmp_path):
    path = sheet(tmp_path / "x.xlsx", ["y", "p"], ["a", "b"])
    row = b"<row><c><v>1</v></c><c><v>1</v></c></row>"
    rewritten(path, lambda data: data.replace(b"</sheetData>", row * 600_000 + b"</sheetData>"))
    assert path.stat().st_size < 200_000
    with pytest.raises(LimitError, match=r"x\.xlsx: unpacks .* save it as \.csv or \.parquet \[E6\]"):
        rows(path)


def test_xlsx_the_same_value_as_text_and_number(tmp_path):
    path = sheet(tmp_path / "x.xlsx", ["y"], ["1"], [1])
    with pytest.raises(InputError, match="as a number and as text"):
        rows(path)
    columns, found = rows(sheet(tmp_path / "y.xlsx", ["y"], ["cat"], [1]))
    assert columns == {"y": "text"}
    assert found == [("cat",), ("1",)]


def test_feather_needs_no_pandas(tmp_path, monkeypatch):
    path = tmp_path / "x.feather"
    table = pa.table({"y": pa.array(NAMES).dictionary_encode(), "n": pa.array(range(len(NAMES)), pa.uint64())})
    pyarrow.feather.write_feather(table, path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    columns, found = rows(path)
    assert columns == {"y": "text", "n": "integer"}
    assert found == list(zip(NAMES, range(len(NAMES)), strict=True))


def test_texts_are_the_same_however_arrow_stores_them_and_columns_in_any_order(tmp_path):
    texts = pa.array(["007", None, "b"])
    words = texts.dictionary_encode()
    views = pa.DictionaryArray.from_arrays(words.indices, words.dictionary.cast(pa.string_view()))
    ways = [texts, texts.cast(pa.string_view()), words, texts.cast(pa.large_string()), views, pa.nulls(3)]
    for place, one in enumerate(ways):
        columns = {"y": one, "n": pa.array([1, 2, place])}
        table = pa.table(columns if place % 2 else dict(reversed(columns.items())))
        pa.feather.write_feather(table, tmp_path / f"{place}.feather", compression="uncompressed")
    columns, found = rows(tmp_path / "*.feather")
    assert columns == {"n": "integer", "y": "text"}
    assert found[:15] == [(n, y) for place in range(5) for n, y in ((1, "007"), (2, None), (place, "b"))]
    assert found[15:] == [(1, None), (2, None), (5, None)]
    pa.feather.write_feather(pa.table({"y": [1], "n": [1]}), tmp_path / "z.feather")
    with pytest.raises(InputError, match=r"z.feather: column 'y' is int64, in .*0.feather it is string"):
        rows(tmp_path / "*.feather")
    pa.feather.write_feather(pa.table({"y": ["a"], "m": [1]}), tmp_path / "z.feather")
    with pytest.raises(InputError, match=r"z.feather: its columns differ from those of .*0.feather"):
        rows(tmp_path / "*.feather")


HALVES = pa.array([0.25, 0.75, 0.5, 0.5], pa.float16())


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (HALVES, [0.25, 0.75, 0.5, 0.5]),
        (pa.ListArray.from_arrays([0, 2, 4], HALVES), [[0.25, 0.75], [0.5, 0.5]]),
        (pa.LargeListArray.from_arrays([0, 2, 4], HALVES), [[0.25, 0.75], [0.5, 0.5]]),
        (pa.FixedSizeListArray.from_arrays(HALVES, 2), [(0.25, 0.75), (0.5, 0.5)]),
        (pa.StructArray.from_arrays([HALVES], ["cat"]), [{"cat": value} for value in (0.25, 0.75, 0.5, 0.5)]),
        (pa.array([Decimal("0.25"), None], pa.decimal256(50, 2)), [0.25, None]),
        (pa.MapArray.from_arrays([0, 1, 2], ["cat", "cat"], HALVES[:2]), [{"cat": 0.25}, {"cat": 0.75}]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_what_the_engine_does_not_take_of_arrow_is_read(tmp_path, column, found):
    table = pa.table({"h": column, "y": range(len(column))})
    with pa.ipc.new_stream(tmp_path / "a.arrows", table.schema) as stream:
        stream.write_table(table)
    pyarrow.feather.write_feather(table.select(["y", "h"]), tmp_path / "b.arrow")
    for name, place, times in (("a.arrows", "c0", 1), ("b.arrow", "c1", 1), ("*.arrow*", "c0", 2)):
        tables = Tables([str(tmp_path / name)])
        try:
            cells = tables.query(f"SELECT {place} FROM {tables.tables[0].reader.view}").fetchall()
            assert [cell for (cell,) in cells] == found * times
        finally:
            tables.close()


def test_a_second_stream_in_an_arrow_file_is_not_left_out_in_silence(tmp_path):
    path = tmp_path / "x.arrows"
    table = pa.table({"y": [1, 2]})
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)
    assert rows(path)[1] == [(1,), (2,)]
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match=r"x.arrows: there are bytes after the end of the stream; write all rows"):
        rows(path)


def test_an_arrow_file_behind_another_is_not_left_out_in_silence(tmp_path):
    table = pa.table({"y": [1, 2]})
    for name, answers in (("a.arrow", [1, 2]), ("b.arrow", [3, 4])):
        with pa.ipc.new_file(tmp_path / name, table.schema) as file:
            file.write_table(pa.table({"y": answers}))
        assert rows(tmp_path / name)[1] == [(one,) for one in answers]
    (tmp_path / "both.arrow").write_bytes((tmp_path / "a.arrow").read_bytes() + (tmp_path / "b.arrow").read_bytes())
    with pytest.raises(InputError, match=r"both.arrow: another Arrow file follows in it; give the files as they were"):
        rows(tmp_path / "both.arrow")


def test_dta_value_labels_are_text(tmp_path):
    path = tmp_path / "x.dta"
    frame = pd.DataFrame({"y": pd.Categorical(["cat", "dog", "cat"]), "p": ["NA", "007", "dog"], "n": [1, 2, 3]})
    frame.to_stata(path, write_index=False)
    columns, found = rows(path)
    assert columns == {"y": "text", "p": "text", "n": "integer"}
    assert found == [("cat", "NA", 1), ("dog", "007", 2), ("cat", "dog", 3)]


def test_dta_partly_labelled(tmp_path):
    path = tmp_path / "x.dta"
    pd.DataFrame({"y": [1, 2, 3]}).to_stata(path, write_index=False, value_labels={"y": {1: "cat", 2: "dog"}})
    assert rows(path)[1] == [("cat",), ("dog",), ("3",)]


def test_sav(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat")
    path = tmp_path / "x.sav"
    pyreadstat.write_sav(pd.DataFrame({"y": ["NA", "dog"], "s": [0.5, 1.5]}), path)
    assert rows(path)[1] == [("NA", 0.5), ("dog", 1.5)]


def test_sav_without_its_package(tmp_path, monkeypatch):
    path = tmp_path / "x.sav"
    path.write_bytes(b"$FL2@(#) SPSS" + b"\0" * 200)
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    with pytest.raises(InputError, match="pip install pyreadstat"):
        read_frame(str(path), "sav")


@pytest.mark.parametrize("kind", ["xlsx", "feather", "dta", "sav", "sas7bdat", "xpt"])
@pytest.mark.parametrize("data", [b"", b"junk" * 100])
def test_a_damaged_file_is_one_line(tmp_path, kind, data):
    path = tmp_path / f"x.{kind}"
    path.write_bytes(data)
    with pytest.raises(InputError) as e:
        read_frame(str(path), kind)
    assert str(e.value).startswith(f"{path}: ")
    assert "\n" not in str(e.value)


def test_a_formula_without_a_stored_value_is_named_by_its_cell(tmp_path):
    path = sheet(tmp_path / "x.xlsx", ["y", "p", "q"], ["a", "a", 1], ["b", "=A2", None])
    tables = Tables([str(path)])
    assert tables.query(f"SELECT * FROM {tables.tables[0].scan(['y', 'q'])}").fetchall() == [("a", 1), ("b", None)]
    with pytest.raises(InputError, match=r"'p' holds a formula without a stored value \(cell B3\); open it in"):
        tables.tables[0].scan(["p"])
    tables.close()
    sheet(tmp_path / "a.xlsx", ["q", "p", "y"], [2, "c", "c"])
    tables = Tables([str(tmp_path / "*.xlsx")])
    found = tables.query(f"SELECT * FROM {tables.tables[0].scan(['y', 'q'])}").fetchall()
    assert found == [("c", 2), ("a", 1), ("b", None)]
    with pytest.raises(InputError, match=r"'p' holds a formula without a stored value \(cell B3\)"):
        tables.tables[0].scan(["p"])
    tables.close()


@pytest.mark.parametrize("version", [114, 117, 118, 119])
def test_stata_and_workbooks_are_read_whatever_their_name(tmp_path, version):
    frame = pd.DataFrame({"y": ["a", "b"], "n": [1, 2]})
    frame.to_stata(tmp_path / "a.dat", version=version, write_index=False)
    assert rows(tmp_path / "a.dat")[1] == [("a", 1), ("b", 2)]
    frame.to_excel(tmp_path / "b.xlsx", index=False)
    (tmp_path / "b.xlsx").rename(tmp_path / "b")
    assert rows(tmp_path / "b")[1] == [("a", 1), ("b", 2)]
