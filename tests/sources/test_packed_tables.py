"""Tables that are packed: several ways in one table, damage, bombs, lines without end."""

import gzip
import hashlib
import json

import pytest
import zstandard
from read_tables import PAIR, as_csv, put, read, refused

from evalcli.errors import InputError, LimitError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.sources.tables import TableOptions, Tables

PACKED = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress, "": bytes}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "names",
    [
        {"a.gz": "gz", "b.zst": "zst", "c": ""},
        {"a": "gz", "b": "", "c.zst": "zst"},  # a name that does not say it
        {"a.zst": "gz", "b.gz": "", "c.GZ": "gz"},  # and names that say another way
        {"a.gz.tmp": "gz", "b": "zst", "c.tmp": ""},
    ],
)
def test_files_of_a_table_may_be_packed_in_several_ways(tmp_path, kind, names):
    rows, digests = [], []
    for number, (name, pack) in enumerate(names.items()):
        some = [(f"{number}-{i}", str(i % 3)) for i in range(50)]
        text = "".join(json.dumps(dict(zip("yp", row, strict=True))) + "\n" for row in some).encode()
        stem, _, suffix = name.partition(".")
        data = PACKED[pack](text if kind == "jsonl" else as_csv([("y", "p"), *some]))
        put(tmp_path / f"{stem}.{kind}{'.' if suffix else ''}{suffix}", data)
        rows += some
        digests.append("sha256:" + hashlib.sha256(data).hexdigest())
    found, records, _ = read(tmp_path / "*")
    assert found == rows
    assert [one.digest for one in records] == digests


def test_files_that_are_copied_and_files_that_are_packed(tmp_path):
    """Of another encoding, or with line ends of several kinds."""
    put(tmp_path / "a.csv.gz", gzip.compress(b"y,p\ncaf\xe9,a\n"))
    put(tmp_path / "b.csv.zst", PACKED["zst"](b"y,p\ndog,b\n"))
    assert read(tmp_path / "*", encoding="latin-1")[0] == [("café", "a"), ("dog", "b")]
    put(tmp_path / "c" / "a.csv.gz", gzip.compress(b"y,p\r\ncat,a\n"))
    put(tmp_path / "c" / "b.csv.gz", gzip.compress(b"y,p\ncat,b\ncat,c\r\n"))
    put(tmp_path / "c" / "c.csv.zst", PACKED["zst"](b"y,p\ncat,d\n"))
    assert read(tmp_path / "c" / "*")[0] == [("cat", "a"), ("cat", "b"), ("cat", "c"), ("cat", "d")]


def test_a_damaged_one_of_files_packed_in_several_ways_is_named(tmp_path):
    rows = as_csv([("y", "p"), *[(str(i), "a") for i in range(5000)]])
    put(tmp_path / "a.csv.gz", gzip.compress(rows))
    put(tmp_path / "b.csv.zst", PACKED["zst"](rows)[:-9])
    refused(tmp_path / "*", "b.csv.zst", "zstd")


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_Z02_Z03_gzip_by_magic_multi_member_and_damage(tmp_path, name):
    data = b"y,p\n" + b"".join(b"a%d,b\n" % i for i in range(50_000))
    packed = gzip.compress(data[:100_000]) + gzip.compress(data[100_000:])
    assert len(read(put(tmp_path / name, packed))[0]) == 50_000
    broken = bytearray(packed)
    broken[-5] ^= 1
    refused(put(tmp_path / f"a{name}", bytes(broken)), "damaged gzip")
    refused(put(tmp_path / f"b{name}", packed[:-1000]), "gzip")


def test_Z04_a_bomb(tmp_path):
    data = gzip.compress(b"y,p\n" + b"a,b\n" * (16 << 20))
    path = put(tmp_path / "x.csv", data)
    text = refused(path, "200 times", kind=LimitError)
    assert text.endswith("say --trust-compression [E6]")
    tables = Tables([str(path)], TableOptions(trust_compression=True))
    assert tables.query(f"SELECT count(*) FROM {tables.tables[0].scan()}").fetchone() == (16 << 20,)
    assert tables.tables[0].finish(16 << 20)[0].size == len(data)
    tables.close()


def test_Z05_a_line_beyond_1_MiB(tmp_path):
    refused(put(tmp_path / "x.csv", PAIR + b"a," + b"x" * 1_200_000 + b"\n"), "line 4: longer than 1 MiB")


def test_Z05_a_field_without_end(tmp_path):
    """The engine gives no row of it and no error."""
    path = put(tmp_path / "x.csv", b"target,pred\n" + b"x" * (40 << 20))
    for selection in (Selection(), Selection(where="pred <> 'a'")):
        with pytest.raises(InputError, match="line 2: longer than 1 MiB"):
            open_source(str(path), None, selection)
