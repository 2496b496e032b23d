"""Which files a path means, and that the engine reaches no others."""

import gzip
import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from read_tables import PAIR, put, read, refused
from started_ranks import report_by_threads

from evalcli.errors import EvalError, UsageError
from evalcli.sources.tables import Tables


@pytest.mark.parametrize("name", ["preds[1].csv", "a*.csv", "q?.csv", "it's.csv", r"b\c.csv", "a;b.csv", "é.csv"])
def test_G01_G02_G04_a_file_that_exists_is_meant(tmp_path, name):
    for decoy in ("preds1.csv", "ab.csv", "qq.csv", "b.csv", r"b\x.csv"):
        put(tmp_path / decoy, b"y,p\nwrong,wrong\n")
    assert read(put(tmp_path / name, PAIR))[0] == [("cat", "dog"), ("ant", "cat")]


def test_G01_a_name_that_the_engine_cannot_escape(tmp_path):
    refused(put(tmp_path / r"b\*.csv", PAIR), "rename it")


def test_G02_a_glob_reads_its_files_by_name(tmp_path):
    put(tmp_path / "b.csv", b"y,p\nb,2\n")
    put(tmp_path / "a.csv", b"y,p\r\na,1\r\n")
    put(tmp_path / "c[1].csv", b"y,p\nc,3\n")
    rows, records, table = read(tmp_path / "*.csv")
    assert rows == [("a", "1"), ("b", "2"), ("c", "3")]
    assert [os.path.basename(record.path) for record in records] == ["a.csv", "b.csv", "c[1].csv"]
    assert table.locate(2).endswith("c[1].csv line 2")
    put(tmp_path / "d.csv", b"y,q\nb,2\n")
    refused(tmp_path / "*.csv", "header differs", "write the same columns in all files, or a part of each")
    refused(tmp_path / "*.tsv", "no file matches")


@pytest.mark.parametrize("name", ["b.csv", "q[1]?.csv", "it's.csv", "b.csv.gz", "m é.csv"])
def test_columns_in_another_order_are_found_by_their_names(tmp_path, name):
    put(tmp_path / "a.csv", b"y,p,\na,1,x\n")
    data = b",p,y\nu,2,b\nv,,\nw,3,c\n"
    put(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)
    put(tmp_path / "z.csv", b"p,,y\r\n4,x,d\r\n")
    rows, _, table = read(tmp_path / "*.csv*", ["y", "p"])
    assert rows == [("a", "1"), ("b", "2"), (None, None), ("c", "3"), ("d", "4")]
    assert table.locate(3).endswith(f"{name} line 4")
    put(tmp_path / "z.csv", b"p,y,y\n4,x,d\n")
    refused(tmp_path / "*.csv*", "header differs")


def test_G03_directories_are_no_columns(tmp_path):
    assert read(put(tmp_path / "y=9" / "x.csv", PAIR))[0] == [("cat", "dog"), ("ant", "cat")]
    pq.write_table(pa.table({"y": ["a"]}), tmp_path / "y=9" / "x.parquet")
    assert read(tmp_path / "y=9" / "x.parquet")[0] == [("a",)]


@pytest.mark.parametrize("url", ["https://example.com/x.csv", "s3://bucket/x.parquet", "hf://datasets/x.csv"])
def test_G05_urls(url):
    with pytest.raises(UsageError, match="only local files"):
        Tables([url])


def test_G05_the_engine_reaches_nothing_else(tmp_path):
    other = put(tmp_path / "other.csv", PAIR)
    tables = Tables([str(put(tmp_path / "x.csv", PAIR))])
    secret = [{"y": 1}]  # noqa: F841 - a Python variable that SQL must not see
    for sql in (
        f"SELECT * FROM read_csv('{other}')",
        f"SELECT * FROM '{other}'",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        f"ATTACH '{tmp_path}/x.db'",
        "SET enable_external_access=true",
        "SET lock_configuration=false",
        "SET allowed_paths=['/etc/passwd']",
        "SELECT * FROM secret",
        f"SELECT * FROM glob('{tmp_path}/*')",
    ):
        with pytest.raises(EvalError):
            tables.query(sql)
    assert not (tmp_path / "out.csv").exists()
    tables.close()
    tables.close()


def test_G07_nothing_on_stdout_and_progress_is_heard(tmp_path):
    code = """if True:
        import sys
        from evalcli.sources.tables import Tables
        tables = Tables([sys.argv[1]])
        heard = []
        sql = "SELECT sum(a.range * b.range % 7) FROM range(30000) a, range(10000) b"
        tables.query(sql, progress=heard.append).fetchall()
        tables.close()
        assert len(heard) > 3 and all(0 <= share <= 1 for share in heard), heard
        """
    path = put(tmp_path / "x.csv", PAIR)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_in_another_order_have_one_whichever_file_is_first(run, tmp_path, kind):
    """Of probabilities that are equally high that of the first column counts."""
    scores = {"p_b": [0.5, 0.0], "p_a": [0.5, 0.5], "p_c": [0.0, 0.5]}
    one = pa.table({"target": ["a", "b"], **scores, "in": ["N", "S"]})
    shards = [one, one.select(["p_c", "p_a", "in", "p_b", "target"])]
    write = pa.csv.write_csv if kind == "csv" else pq.write_table
    asked = (tmp_path / f"*.{kind}", "--by", "in")
    said = []
    for order in (shards, shards[::-1]):
        for place, shard in enumerate(order):
            write(shard, tmp_path / f"{place}.{kind}")
        done = run("report", *map(str, asked), "--no-intervals", "-f", "json")
        assert done.code == 0, done.stderr
        said.append(json.loads(done.stdout))
    found = json.loads(report_by_threads(2, *asked, by_one=kind == "csv"))
    assert {**said[0], "inputs": []} == {**said[1], "inputs": []}
    assert {**said[1], "inputs": []} == {**found, "inputs": []}
