import csv
import gzip
import hashlib
import json
import os
import signal
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from read_tables import NAMES, PAIR, as_csv, put, read, refused

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.sources import duck
from evalcli.sources.table_portions import Portion
from evalcli.sources.tableformat import Piece
from evalcli.sources.tables import Tables


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz", "parquet"])
def test_C01_C02_C04_C19_C20_C22_J01_labels_are_exactly_the_text(tmp_path, kind):
    pairs = list(zip(NAMES, reversed(NAMES), strict=True))
    path = tmp_path / f"x.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"y": [a for a, _ in pairs], "p": [b for _, b in pairs]}), path)
    else:
        if "jsonl" in kind:
            data = "".join(json.dumps({"y": a, "p": b}) + "\n" for a, b in pairs).encode()
        else:
            data = as_csv([("y", "p"), *pairs], "\t" if kind == "tsv" else ",")
        pack = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}.get(kind[-3:].lstrip("."), bytes)
        path.write_bytes(pack(data))
    rows, (record,), table = read(path)
    assert rows == pairs
    assert table.columns == {"y": "text", "p": "text"}
    assert record.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.size == path.stat().st_size


@pytest.mark.parametrize("name", [name for name in NAMES if not set(name) & {'"', ","} and name])
def test_C01b_C02_C22_unquoted_cells(tmp_path, name):
    data = f'y,p\n{name},a\n,\n"",{name}\n'.encode()
    rows, _, _ = read(put(tmp_path / "x.csv", data))
    assert rows == [(name, "a"), (None, None), ("", name)]


@pytest.mark.parametrize(
    ("name", "asked", "threads"), [("x.csv", 9, 9), ("x.csv", None, 8), ("x.jsonl", 9, 9), ("x.jsonl", None, 3)]
)
def test_as_many_threads_read_as_are_asked_for_else_what_memory_allows(tmp_path, monkeypatch, name, asked, threads):
    monkeypatch.setattr(duck, "usable_cores", lambda: 64)
    path = put(tmp_path / name, b"y\n1\n" if name == "x.csv" else b'{"y": 1}\n')
    with closing(Tables([str(path)], workers=asked)) as tables:
        assert tables.query("SELECT current_setting('threads')").fetchall() == [(threads,)]


def test_columns_are_exact_and_in_order(tmp_path):
    rows, _, table = read(put(tmp_path / "x.csv", b'y, p,"a""b"\n1,2,3\n'), ['a"b', "y"])
    assert list(table.columns) == ["y", " p", 'a"b']
    assert rows == [("3", "1")]


def test_C05_a_near_miss_is_hinted(tmp_path):
    with pytest.raises(InputError, match="did you mean ' p'"):
        read(put(tmp_path / "x.csv", b"y, p\n1,2\n"), ["p"])


def test_C10_P08_names_that_occur_twice_or_differ_in_case(tmp_path):
    for path in (put(tmp_path / "x.csv", b"Y,y,z,z\na,b,c,d\n"), tmp_path / "x.parquet"):
        if path.suffix == ".parquet":
            arrays = [pa.array([value]) for value in "abcd"]
            pq.write_table(pa.Table.from_arrays(arrays, names=["Y", "y", "z", "z"]), path)
        assert read(path, ["Y"])[0] == [("a",)]
        assert read(path, ["y"])[0] == [("b",)]
        assert read(path, {"t": "Y", "p": "y"})[0] == [("a", "b")]
        with pytest.raises(InputError, match="'z' occurs twice"):
            read(path, ["z"])
        with pytest.raises(InputError, match="differ only in case"):
            read(path, ["Y", "y"])


def test_C06_rows_that_end_in_a_comma(tmp_path):
    refused(put(tmp_path / "x.csv", b"y,p\na,b\nc,d,\n"), "line 3 has 3 fields, expected 2", "ends in ','")


def test_C06b_header_and_rows_end_in_a_comma(tmp_path):
    rows, _, table = read(put(tmp_path / "x.csv", b"y,p,\na,b,\nc,d,\n"))
    assert rows == [("a", "b"), ("c", "d")]
    assert [note.code for note in table.notes()] == ["unnamed-column"]


@pytest.mark.parametrize("filler", [0, 500_000])
def test_C07_C07b_ragged_rows(tmp_path, filler):
    start = b"y,p,s\n" + b"a,b,c\n" * filler
    line = filler + 2
    refused(put(tmp_path / "a.csv", start + b"x\ny,z,w\n"), f"line {line} has 1 field, expected 3")
    refused(put(tmp_path / "b.csv", start + b"x,y,z,w\n"), f"line {line} has 4 fields, expected 3")


def test_C08_empty_and_header_only(tmp_path):
    refused(put(tmp_path / "a.csv", b""), "empty")
    refused(put(tmp_path / "b.csv", b"\n\n"), "blank lines")
    assert read(put(tmp_path / "c.csv", b"y,p\n"))[0] == []
    assert read(put(tmp_path / "d.csv", b"y,p"))[0] == []


def test_C09_no_header(tmp_path):
    path = put(tmp_path / "x.csv", b"cat,dog\nant,cat\n")
    assert read(path, header=False)[0] == [("cat", "dog"), ("ant", "cat")]
    with pytest.raises(InputError, match="columns are cat, dog"):
        read(path, ["y"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_C12_encodings(tmp_path, encoding, kind):
    text = "y,p\ncafé,ß\n" if kind == "csv" else '{"y":"café","p":"ß"}\n'
    path = put(tmp_path / f"x.{kind}", text.encode(encoding))
    said = {} if encoding.startswith("utf") else {"encoding": encoding}
    rows, (record,), _ = read(path, **said)
    assert rows == [("café", "ß")]
    assert record.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_C12c_latin_1_unsaid(tmp_path):
    path = put(tmp_path / "x.csv", "y,p\ncafé,b\n".encode("latin-1"))
    refused(path, "line 2: byte 0xe9 is not UTF-8; try --encoding latin-1")
    for name in ("klingon", "hex", "rot13", "undefined"):  # of these, the last three are codecs that read no text
        with pytest.raises(UsageError, match=f"--encoding '{name}' is not known; such as utf-8"):
            read(path, encoding=name)


@pytest.mark.parametrize("filler", [1, 600_000])
def test_C13_C13c_line_ends(tmp_path, filler):
    for name, data in {
        "cr": b"y,p\r" + b"a,b\r" * filler + b"c,d\r",
        "crlf": b"y,p\r\n" + b"a,b\r\n" * filler + b"c,d",
        "late-crlf": b"y,p\n" + b"a,b\n" * filler + b"c,d\r\n",
        "late-lf": b"y,p\r\n" + b"a,b\r\n" * filler + b"c,d\n",
    }.items():
        rows, _, _ = read(put(tmp_path / f"{name}.csv", data))
        assert len(rows) == filler + 1
        assert rows[-1] == ("c", "d")


def test_C13c_quoted_line_ends_survive_unifying(tmp_path):
    rows, _, _ = read(put(tmp_path / "x.csv", b'y,p\r\na,"b\r\nc"\n"d\ne",f\r\n'))
    assert rows == [("a", "b\r\nc"), ("d\ne", "f")]


def test_C13_a_return_inside_a_line(tmp_path):
    refused(put(tmp_path / "x.csv", b"y,p\na,b\nc,x\ry\n"), "line 3: holds a carriage return")


@pytest.mark.parametrize("stray", [b'3,"cat\n', b'3,c"at\n', b'3,"c"at\n'])
@pytest.mark.parametrize("filler", [2, 400_000])
def test_C14b_C14m_stray_quotes(tmp_path, stray, filler):
    data = b"y,p\n" + b"a,b\n" * filler + stray + b"a,b\n" * filler
    refused(put(tmp_path / "x.csv", data), f"line {filler + 2}: a quote")


def test_C14n_swallowed_rows_are_no_label(tmp_path):
    path = put(tmp_path / "x.csv", b'y,p\na,b\n"c\n' + b"d,e\n" * 100 + b'",b\n')
    tables = Tables([str(path)])
    table = tables.tables[0]
    labels = [row[0] for row in tables.query(f"SELECT y FROM {table.scan(['y'])}").fetchall()]
    table.check_label("a", "y")
    with pytest.raises(InputError, match="line 3: a label holds a line break"):
        table.check_label(labels[1], "y")
    tables.close()


def test_C14o_well_formed_newlines(tmp_path):
    rows, _, _ = read(put(tmp_path / "x.csv", b"y,t\n" + b'a,"x\ny"\n' * 200_000))
    assert len(rows) == 200_000
    assert set(rows) == {("a", "x\ny")}


def test_C16_delimiters(tmp_path):
    path = put(tmp_path / "x.csv", b"y\tp\na\tb\n")
    refused(path, r"try --delimiter '\t'")
    assert read(path, delimiter=r"\t")[0] == [("a", "b")]
    assert read(put(tmp_path / "s.csv", b"y;p\n0,5;1\n"), delimiter=";")[0] == [("0,5", "1")]
    with pytest.raises(UsageError, match="--delimiter"):
        read(path, delimiter="ab")


def test_C17_nul_and_ctrl_z(tmp_path):
    refused(put(tmp_path / "x.csv", b"y,p\na,b\x00\n"), "line 2: holds a NUL byte")
    refused(put(tmp_path / "z.csv", PAIR + b"\x1a"), "line 4", "Ctrl-Z")


def test_C18_blank_lines_are_skipped_and_counted(tmp_path):
    rows, _, table = read(put(tmp_path / "x.csv", b"\n\ny,p\na,b\n\nc,d\n\n"))
    assert rows == [("a", "b"), ("c", "d")]
    assert "4 blank lines" in table.notes()[0].text
    assert table.locate(1) == "line 6"


def test_C18_a_blank_line_in_one_column_is_an_empty_cell(tmp_path):
    assert read(put(tmp_path / "x.csv", b"\ny\na\n\nb\n"))[0] == [("a",), (None,), ("b",)]


def test_Z08_ten_thousand_columns(tmp_path):
    names = ",".join(f"c{i}" for i in range(10_000))
    data = (names + "\n" + names.replace("c", "v") + "\n").encode()
    assert read(put(tmp_path / "x.csv", data), ["c9999", "c0"])[0] == [("v9999", "v0")]


def test_P07_parquet_types(tmp_path):
    path = tmp_path / "x.parquet"
    columns = {
        "i8": pa.array([1, None], pa.int8()),
        "u64": pa.array([2**64 - 1, None], pa.uint64()),
        "dec": pa.array([Decimal("1.5"), None]),
        "dict": pa.array(["007", None]).dictionary_encode(),
        "list": pa.array([[0.5, 0.5], None], pa.list_(pa.float32())),
        "fixed": pa.array([[1.0, 2.0], None], pa.list_(pa.float64(), 2)),
        "bool": pa.array([True, None]),
        "large": pa.array(["NA", None], pa.large_string()),
        "f32": pa.array([0.25, None], pa.float32()),
        "date": pa.array([0, None], pa.date32()),
    }
    pq.write_table(pa.table(columns), path)
    rows, _, table = read(path)
    kinds = ["integer", "integer", "float", "text", "list", "list", "boolean", "text", "float", "text"]
    assert list(table.columns.values()) == kinds
    assert list(rows[0][:4]) == [1, 2**64 - 1, 1.5, "007"]
    assert list(map(list, rows[0][4:6])) == [[0.5, 0.5], [1.0, 2.0]]
    assert rows[0][6:] == (True, "NA", 0.25, "1970-01-01")
    assert rows[1] == (None,) * 10


def test_P04_damaged_parquet_is_one_line(tmp_path):
    pq.write_table(pa.table({"y": ["a"] * 10}), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    refused(put(tmp_path / "a.parquet", data[:-3]), "a.parquet")
    refused(put(tmp_path / "b.parquet", data[:8] + b"\xff" * 40 + data[48:]), "b.parquet")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_X04_X05_a_signal_stops_a_query_at_once(tmp_path, number):
    class StopError(BaseException):
        pass

    def stop(*_):
        raise StopError

    tables = Tables([str(put(tmp_path / "x.csv", PAIR))])
    before = signal.signal(number, stop)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), number))
    try:
        timer.start()
        start = time.monotonic()
        with pytest.raises(StopError):
            tables.query("SELECT sum(a.range * b.range % 7) FROM range(10000000) a, range(1000000) b").fetchall()
        assert time.monotonic() - start < 3
        assert tables.query("SELECT 1").fetchall() == [(1,)]
    finally:
        signal.signal(number, before)
        tables.close()


def test_X17_out_of_memory_is_a_limit(tmp_path):
    import duckdb

    tables = Tables([str(put(tmp_path / "x.csv", PAIR))])
    fault = tables.fault(duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate\nmore"))
    assert isinstance(fault, LimitError)
    assert str(fault).endswith("[E6]")
    tables.close()


def test_X18_T30_a_file_that_changes(tmp_path):
    for change in (
        lambda p: p.write_bytes(PAIR + b"x,y\n"),
        lambda p: os.truncate(p, 8),
        lambda p: os.utime(p, (1, 1)),
    ):
        path = put(tmp_path / "x.csv", PAIR)
        tables = Tables([str(path)])
        table = tables.tables[0]
        table.begin()
        rows = tables.query(f"SELECT * FROM {table.scan()}").fetchall()
        table.check()
        change(path)
        with pytest.raises(InputError, match="changed while it was read"):
            table.finish(len(rows))
        tables.close()


def test_rows_are_counted_twice(tmp_path):
    tables = Tables([str(put(tmp_path / "x.csv", PAIR))])
    table = tables.tables[0]
    with pytest.raises(InputError, match="1 row came out of a file that holds 2"):
        table.finish(1)
    assert table.finish(2) == table.finish(None)
    tables.close()


def test_sql_that_does_not_fit_is_a_usage_error(tmp_path):
    tables = Tables([str(put(tmp_path / "x.csv", PAIR))])
    for sql in ("SELECT nothing", "SELEC 1"):
        with pytest.raises(UsageError):
            tables.query(sql)
    tables.close()


def test_locate(tmp_path):
    tables = Tables([str(put(tmp_path / "x.csv", b'y,p\n"a\nb",c\nd,e\n')), str(tmp_path / "x.parquet")][:1])
    assert tables.tables[0].locate(0) == "line 2"
    assert tables.tables[0].locate(1) == "line 4"
    tables.close()
    pq.write_table(pa.table({"y": [1, 2]}), tmp_path / "x.parquet")
    tables = Tables([str(tmp_path / "x.parquet")])
    assert tables.tables[0].locate(1) == "row 1"
    tables.close()


def test_streams_of_record_batches(tmp_path):
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("y", "p"), *((i, i % 3) for i in range(100_000))])
    tables = Tables([str(tmp_path / "x.csv")])
    blocks = list(tables.stream(f"SELECT * FROM {tables.tables[0].scan()}", 4096))
    assert [value for block in blocks for value in block.column(0).to_pylist()] == [str(i) for i in range(100_000)]
    tables.close()


def test_closing_gives_up_the_check(tmp_path):
    path = put(tmp_path / "x", b"")
    os.truncate(path, 16 << 30)  # sparse: far more than a second to hash
    closed = threading.Event()
    timer = threading.Timer(0.2, closed.set)
    timer.start()
    start = time.process_time()
    with pytest.raises(InputError, match="given up"):
        Piece(Portion(str(path)), None, closed).check(None)
    assert time.process_time() - start < 2  # of the CPU: to hash all takes many


def test_a_check_that_cannot_begin_is_not_waited_for(tmp_path, monkeypatch):
    tables = Tables([str(put(tmp_path / "x.csv", b"y,p\na,b\n"))])

    def none_left(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", none_left)
        with pytest.raises(RuntimeError, match="new thread"):
            tables.tables[0].begin()
    closing = threading.Thread(target=tables.close, daemon=True)
    closing.start()
    closing.join(20)
    assert not closing.is_alive()


def test_temporary_files_go(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    read(put(tmp_path / "x.csv", "y,p\na,b\n".encode("utf-16")))
    refused(put(tmp_path / "y.csv", b"y\tp\n"), "delimiter")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_parquet_column_that_cannot_be_read_says_its_type(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"y": [{"a": 1}], "p": ["x"]}), path)
    with pytest.raises(InputError, match=r"field 'y' holds values of type STRUCT\(a BIGINT\); store one text"):
        read(path, ["y"])


def test_a_truncated_parquet_file_says_so_once_and_names_no_other_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("f.parquet")
    pq.write_table(pa.table({"y": list("abc") * 100}), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == "f.parquet: truncated: it does not end as parquet does; copy or write it again [E3]"
    for at in range(len(whole) - 60, len(whole) - 8, 3):  # a damaged footer
        path.write_bytes(whole[:at] + b"\x0f\xff\x0f" + whole[at + 3 :])
        try:
            read(path)
        except InputError as error:
            message = str(error)
            assert message.count("cannot be read") <= 1
            assert str(tmp_path) not in message
            assert ": ;" not in message
            assert r"\x0f" not in message


def test_a_header_may_begin_with_a_bracket(tmp_path):
    (tmp_path / "f.txt").write_text("[red]dog,y\na,b\n")
    assert read(tmp_path / "f.txt")[0] == [("a", "b")]
