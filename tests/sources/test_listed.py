"""Rows one by one: numbers and lines of the file, ids, further columns exactly as written, of every kind of input."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from saved_files import save

from evalcli.errors import InputError, UsageError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.sources.listed import Place


def rows_of(*paths, show=(), size=3, **selection):
    """The columns, and every row: its number, its cells, its place."""
    source = open_source(*map(str, paths), *[None] * (2 - len(paths)), Selection(listing=True, **selection))
    try:
        listed = source.listed(show)
        rows = []
        for load in listed.plan(size):
            batch = load()
            every = np.arange(len(batch.target))
            numbers = batch.start + every if batch.numbers is None else batch.numbers
            cells = [()] * len(every) if batch.cells is None else batch.cells(every)
            some = every[::2]
            assert batch.cells is None or batch.cells(some) == [cells[i] for i in some]
            rows += zip(numbers.tolist(), cells, listed.places(numbers.tolist()), strict=True)
        assert len(rows) == listed.rows
        assert listed.has_lines == (rows[0][2].line is not None)
        assert listed.has_files == (rows[0][2].file is not None)
        return listed.columns, rows
    finally:
        source.close()


def numbers(rows):
    return [row[0] for row in rows]


def lines(rows):
    return [row[2].line for row in rows]


TABLE = "t,target,pred,g\nx,a,a,1\ny,a,,1\nz,,b,2\nw,b,b,2\nv,b,a,1\n"


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        ({"nan": "drop"}, [0, 3, 4]),
        ({"where": "g = 2 AND target IS NOT NULL"}, [3]),
        ({"where": "g = 1", "nan": "wrong"}, [0, 1, 4]),
        ({"where": "g = 1", "nan": "drop"}, [0, 4]),
    ],
)
def test_numbers_are_those_of_the_file_whatever_is_left_out(tmp_path, selection, kept):
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    columns, rows = rows_of(path, show=["t"], **selection)
    assert columns == ("t",)
    assert numbers(rows) == kept
    assert [cells for _, cells, _ in rows] == [("xyzwv"[i],) for i in kept]
    assert lines(rows) == [i + 2 for i in kept]


@pytest.mark.parametrize("scores", [False, True])
def test_rows_joined_by_id_keep_the_order_of_the_predictions(tmp_path, scores):
    said = "id,score\nc,0.5\na,0.25\nb,0.75\n" if scores else "id,pred\nc,x\na,x\nb,y\n"
    (tmp_path / "p.csv").write_text(said)
    (tmp_path / "t.csv").write_text("id,target,r\na,x,A\nb,y,B\nc,x,C\n")
    paths = tmp_path / "p.csv", tmp_path / "t.csv"
    columns, rows = rows_of(*paths, show=["r", "target.id", "preds.id", "target"], id="id")
    assert columns == ("id", "r", "target.id", "preds.id", "target")
    assert [row[1] for row in rows] == [("c", "C", "c", "c", "x"), ("a", "A", "a", "a", "x"), ("b", "B", "b", "b", "y")]
    assert (numbers(rows), lines(rows)) == ([0, 1, 2], [2, 3, 4])
    _, rows = rows_of(*paths, show=["r"], id="id", where="r <> 'A'")
    assert (numbers(rows), [row[1] for row in rows]) == ([0, 2], [("c", "C"), ("b", "B")])


@pytest.mark.parametrize(
    ("text", "options", "wanted"),
    [
        ("target,pred\na,b\nb,a\n", {}, [2, 3]),
        ("target,pred\r\na,b\r\nb,a", {}, [2, 3]),
        ("target,pred\ra,b\rb,a\r", {}, [2, 3]),
        ("\n\ntarget,pred\na,b\nb,a\n", {}, [4, 5]),
        ("target,pred\na,b\n\n\nb,a\n", {}, [2, 5]),
        ('target,pred,t\na,b,"x\ny"\nb,a,z\n', {}, [2, 4]),
        ('target,pred,"t\nu"\na,b,"x"\nb,a,z\n', {}, [3, 4]),
        ("target,pred\r\na,b\nb,a\r\na,a\n", {}, [2, 3, 4]),
        ("a,b\nb,a\n", {"header": False}, [1, 2]),
        ("\na,b\nb,a\n", {"header": False}, [2, 3]),
        ("target;pred\na;b\nb;a\n", {"delimiter": ";"}, [2, 3]),
        ("target,pred\né,b\nb,é\n", {"encoding": "latin-1"}, [2, 3]),
    ],
)
@pytest.mark.parametrize("pack", ["", ".gz", ".zst"])
def test_lines_are_where_a_row_begins(tmp_path, text, options, wanted, pack):
    path = tmp_path / f"a.csv{pack}"
    data = text.encode("latin-1" if "encoding" in options else "utf-8")
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[pack](data))
    named = {"target": "column1", "pred": "column2"} if "header" in options else {}
    for size in (2,) if pack else (1, 2, 100):
        _, rows = rows_of(path, size=size, options=options, **named)
        assert lines(rows) == wanted


def test_lines_asked_for_again_or_in_another_order(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("target,pred\n" + "a,b\n\n" * 50)
    source = open_source(str(path), None, Selection(listing=True))
    listed = source.listed()
    assert listed.places([40, 3, 3, 7]) == [Place(line=2 * n + 2) for n in (40, 3, 3, 7)]
    assert listed.places([7, 49]) == [Place(line=16), Place(line=100)]
    assert listed.places([0]) == [Place(line=2)]
    source.close()


def test_json_lines_have_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"target":"a","pred":"b"}\n{"target":"b","pred":"b"}\n')
    assert lines(rows_of(path)[1]) == [1, 2]
    path.write_text('\n{"target":"a","pred":"b"}\n  \n{"target":"b","pred":"b"}\n')
    assert lines(rows_of(path)[1]) == [2, 4]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".csv.gz", ".parquet", ".xlsx", ".feather"])
def test_rows_of_a_pattern_say_their_file(tmp_path, suffix):
    counts = {"a": 2, "b": 3, "c": 1}
    for name, count in counts.items():
        columns = {"target": np.array(["x"] * count), "pred": np.array(["y"] * count), "k": np.arange(count)}
        save(tmp_path / f"{name}{suffix}", columns)
    _, rows = rows_of(tmp_path / f"*{suffix}", show=["k"], size=2)
    assert numbers(rows) == list(range(6))
    assert [str(row[1][0]) for row in rows] == ["0", "1", "0", "1", "2", "0"]
    first = {".jsonl": 1, ".csv": 2, ".csv.gz": 2}.get(suffix)
    wanted = [(name, None if first is None else first + i) for name, count in counts.items() for i in range(count)]
    assert [(row[2].file.rpartition("/")[2].partition(".")[0], row[2].line) for row in rows] == wanted


def test_text_is_exactly_as_written(tmp_path):
    cells = ["NA", "007", " x ", "", 'say "hi"', "a,b", "\x1b[31m", "=1+1", "two\nlines", "é", "1e400", "null"]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([["target", "pred", "t"], *(["a", "b", cell] for cell in cells)])
        file.write("a,b,\n")
    _, rows = rows_of(path, show=["t"])
    assert [row[1][0] for row in rows] == [*cells, None]


def test_stored_types_are_kept(tmp_path):
    columns = {
        "target": ["a", "b"],
        "pred": ["b", "a"],
        "i": [1, None],
        "f": pa.array([1.5, float("nan")], pa.float32()),
        "b": [True, False],
        "big": pa.array([2**63 + 1, 3], pa.uint64()),
        "l": [[1.0, 2.5], []],
        "day": [datetime.date(2024, 1, 2), None],
        "when": [datetime.datetime(2024, 1, 2, 3, 4, 5)] * 2,
        "s": [{"a": 1}, {"a": 2}],
        "texts": [["x", "y"], []],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    show = [name for name in columns if name not in ("target", "pred")]
    _, rows = rows_of(tmp_path / "a.parquet", show=show)
    first, second = (dict(zip(show, row[1], strict=True)) for row in rows)
    texts = {"day": "2024-01-02", "when": "2024-01-02 03:04:05", "s": "{'a': 1}"}
    assert first == {"i": 1, "f": 1.5, "b": True, "big": 2**63 + 1, "l": [1.0, 2.5], "texts": ["x", "y"], **texts}
    assert (second["i"], second["day"], second["b"], second["l"]) == (None, None, False, [])
    assert np.isnan(second["f"])
    (tmp_path / "a.jsonl").write_text(json.dumps({"target": 1, "pred": 1, "f": 1.5, "t": "007", "n": None}) + "\n")
    assert rows_of(tmp_path / "a.jsonl", show=["f", "t", "n"])[1][0][1] == (1.5, "007", None)


def test_a_column_that_cannot_be_shown_says_why(tmp_path):
    (tmp_path / "a.csv").write_text("target,pred,x,x,Words\na,b,1,2,3\n")
    for name, words in (("x", "occurs twice"), ("words", "did you mean 'Words'"), ("target.x", "no column 'target.x'")):
        with pytest.raises((InputError, UsageError), match=words):
            rows_of(tmp_path / "a.csv", show=[name])
    (tmp_path / "a.jsonl").write_text('{"target":1,"pred":1,"o":{"a":1}}\n')
    with pytest.raises(InputError, match="'o' holds objects"):
        rows_of(tmp_path / "a.jsonl", show=["o"])
    np.save(tmp_path / "a.npy", np.array([(0, 1)], [("target", int), ("pred", int)]))
    with pytest.raises(UsageError, match=r"--show: no array 'x'.*arrays are 'target', 'pred'"):
        rows_of(tmp_path / "a.npy", show=["x"])


@pytest.mark.parametrize(
    ("header", "said", "named"),
    [
        ("id,target,pred", None, "id"),
        ("image_id,target,pred", None, "image_id"),
        ("id,uuid,target,pred", None, None),
        ("id,uuid,target,pred", "uuid", "uuid"),
        ("name,target,pred", "name", "name"),
        ("name,target,pred", None, None),
        ("Index,target,pred", None, "Index"),
    ],
)
def test_what_rows_are_called(tmp_path, header, said, named):
    names = header.split(",")
    (tmp_path / "a.csv").write_text(f"{header}\n{','.join(f'<{name}>' for name in names)}\n")
    columns, ((_, cells, _),) = rows_of(tmp_path / "a.csv", id=said)
    assert columns == (() if named is None else (named,))
    assert cells == (() if named is None else (f"<{named}>",))
    again = rows_of(tmp_path / "a.csv", id=said, show=names)[0]
    assert again == (*columns, *(name for name in names if not name == named == "id"))
    with pytest.raises(UsageError, match=r"--id: no column 'nosuch'; columns are"):
        rows_of(tmp_path / "a.csv", id="nosuch")


def test_a_pass_pairs_by_id_only_where_two_tables_are(tmp_path):
    (tmp_path / "a.csv").write_text("k,target,pred\n1,a,b\n")
    with pytest.raises(UsageError, match="--id pairs two files, but there is one"):
        open_source(str(tmp_path / "a.csv"), None, Selection(id="k"))
    np.save(tmp_path / "p.npy", np.array([0, 1]))
    (tmp_path / "t.csv").write_text("k,target\n1,0\n2,1\n")
    for listing in (False, True):
        with pytest.raises(UsageError, match="--id needs tables on both sides"):
            open_source(str(tmp_path / "p.npy"), str(tmp_path / "t.csv"), Selection(id="k", listing=listing))


# Arrays


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".npy"])
def test_arrays_beside_arrays(tmp_path, suffix):
    columns = {
        "pred": np.arange(5) % 3, "target": np.arange(5) % 2, "ids": np.array(["é", "b", "", "\x1b", "a" * 300]),
        "h": np.arange(10).reshape(5, 2) / 4, "n": np.arange(5) - 2,
    }  # fmt: skip
    path = save(tmp_path / f"a{suffix}", columns)
    names, rows = rows_of(path, show=["h", "n", "target"], size=2)
    assert names == ("ids", "h", "n", "target")
    assert [row[1] for row in rows] == [
        (columns["ids"][i], columns["h"][i].tolist(), i - 2, i % 2) for i in range(5)
    ]  # fmt: skip
    assert rows_of(path, id="n")[0] == ("n",)
    assert rows[3][2] == Place()


def test_ids_of_two_files_of_arrays_must_agree(tmp_path):
    ids = np.array(["a", "b", "c"])
    np.savez(tmp_path / "p.npz", pred=np.arange(3), key=ids)
    np.savez(tmp_path / "t.npz", target=np.arange(3), key=ids)
    assert rows_of(tmp_path / "p.npz", tmp_path / "t.npz", id="key")[1][2][1] == ("c",)
    np.savez(tmp_path / "t.npz", target=np.arange(3), key=ids[[0, 2, 1]])
    with pytest.raises(InputError, match=r"row 1 is 'b' in 'key', but 'c' in .*t.npz; arrays pair by position"):
        rows_of(tmp_path / "p.npz", tmp_path / "t.npz", id="key")
    np.savez(tmp_path / "t.npz", target=np.arange(3), other=ids)
    assert rows_of(tmp_path / "p.npz", tmp_path / "t.npz", id="other")[1][0][1] == ("a",)
    np.savez(tmp_path / "t.npz", target=np.arange(3), other=np.arange(2))
    with pytest.raises(UsageError, match="--show other: 2 entries for 3 rows"):
        rows_of(tmp_path / "p.npz", tmp_path / "t.npz", show=["other"])


def test_numbers_too_large_for_labels_can_be_shown(tmp_path):
    np.savez(tmp_path / "a.npz", pred=[0, 1], target=[0, 1], id=np.array([2**64 - 1, 5], np.uint64))
    assert [row[1] for row in rows_of(tmp_path / "a.npz")[1]] == [(2**64 - 1,), (5,)]


@pytest.mark.parametrize("size", [1, 1000, 3000, 10**6])
def test_a_table_beside_arrays(tmp_path, size):
    n = 7000
    np.save(tmp_path / "p.npy", np.arange(n) % 3)
    cells = [f"text {i}" for i in range(n)]
    (tmp_path / "t.csv").write_text("id,target,t\n" + "".join(f"k{i},{i % 3},{c}\n" for i, c in enumerate(cells)))
    if size == 1:
        size = 97
    names, rows = rows_of(tmp_path / "p.npy", tmp_path / "t.csv", show=["t"], size=size)
    assert names == ("id", "t")
    assert [row[1] for row in rows] == [(f"k{i}", cells[i]) for i in range(n)]
    assert rows[5][2] == Place()  # lines are those of the predictions
    (tmp_path / "p.csv").write_text("id,pred,t\n" + "".join(f"k{i},{i % 3},{c}\n" for i, c in enumerate(cells)))
    np.save(tmp_path / "t.npy", np.arange(n) % 3)
    _, rows = rows_of(tmp_path / "p.csv", tmp_path / "t.npy", show=["t"], size=size)
    assert (rows[6000][1], rows[6000][2].line) == (("k6000", "text 6000"), 6002)


@pytest.mark.parametrize("digits", [3, 18, 19, 38])
def test_whole_decimals_are_whole_numbers_and_so_may_be_ids(tmp_path, digits):
    """As some databases export every whole number."""
    keys = [Decimal(10 ** (digits - 1) + 1), Decimal(-2), Decimal(3)]
    kind = pa.decimal128(digits, 0)
    sides = {name: pa.array([Decimal(0), Decimal(1), Decimal(1)], kind) for name in ("target", "pred")}
    price = pa.array([Decimal("1.25")] * 3, pa.decimal128(10, 2))
    pq.write_table(pa.table({"id": pa.array(keys, kind), **sides, "price": price}), tmp_path / "x.parquet")
    columns, rows = rows_of(tmp_path / "x.parquet", show=("target", "price"))
    assert columns == ("id", "target", "price")
    assert [row[1] for row in rows] == [(int(key), label, 1.25) for key, label in zip(keys, (0, 1, 1), strict=True)]
    assert {type(cell) for row in rows for cell in row[1][:2]} == {int}


def test_a_pattern_shows_every_column_that_it_matches(tmp_path):
    (tmp_path / "a.csv").write_text("id,target,p_a,p_b,region,age\n1,a,0.9,0.1,EU,30\n2,b,0.2,0.8,US,40\n")
    assert rows_of(tmp_path / "a.csv", show=["*"])[0] == ("id", "region", "age")
    assert rows_of(tmp_path / "a.csv", show=["p_*", "a*e", "p_a"])[0] == ("id", "p_a", "p_b", "age")
    with pytest.raises(UsageError, match=r"--show: no column 'q_\*'"):
        rows_of(tmp_path / "a.csv", show=["q_*"])
    two = np.arange(2)
    np.savez(tmp_path / "a.npz", pred=two, target=two, key=two + 7, region=np.array(["EU", "US"]), other=np.arange(3))
    columns, rows = rows_of(tmp_path / "a.npz", show=["*"])
    assert (columns, [row[1] for row in rows]) == (("key", "region"), [(7, "EU"), (8, "US")])
    np.save(tmp_path / "p.npy", two)
    assert rows_of(tmp_path / "p.npy", tmp_path / "p.npy", show=["*"])[0] == ()
