import csv
import gzip
import io
import random
import zlib

import pytest
import zstandard

from evalcli.errors import InputError, LimitError, UsageError
from evalcli.sources.bytestream import BLOCK, TextFile
from evalcli.sources.csvtext import choose_delimiter, label_fault, read_header
from evalcli.sources.textcheck import TextCheck


def counts(data: bytes, size: int = 1 << 20, **kw):
    check = TextCheck("x", ",", **kw)
    for start in range(0, len(data), size):
        check.feed(data[start : start + size])
    return check.end()


def text(path, data, packed=None, encoding="utf-8", **kw):
    path.write_bytes(data)
    return TextFile(str(path), packed, encoding, **kw)


WORDS = ["cat", "", "a,b", '"q"', "line\nbreak", "two\n\nbreaks", "café", "日本", "x" * 150, '""', "\r\n", ","]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 63, 64, 65, 1000])
def test_counts_equal_a_plain_reading_whatever_the_blocks(end, size):
    rng = random.Random(size)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end)
    rows = [[rng.choice(WORDS), rng.choice(WORDS), "z"] for _ in range(60)]
    blanks = 0
    for row in rows:
        if rng.random() < 0.1:
            out.write(end)
            blanks += 1
        writer.writerow(row)
    found = counts(out.getvalue().encode(), size)
    assert (found.lines, found.blanks, found.delimiters) == (60, blanks, 120)
    assert found.lone_returns == 0
    assert not found.is_mixed


@pytest.mark.parametrize("size", [1, 5, 64, 1 << 20])
@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b'a,b\n1,2\n3,"cat\n5,6\n', 3, "never closes"),
        (b'a,b\n1,2\n3,c"at\n5,6\n', 3, "inside a cell"),
        (b'a,b\n1,2\n3,"c"at\n5,6\n', 3, "middle of a cell"),
        (b'a,b\n"1" ,2\n', 2, "middle of a cell"),
        (b'a,b\n "1",2\n', 2, "inside a cell"),
        (b'a,b\n1,2\n3,"cat\n5,6\n7,8\n"x",9\n', 3, "middle of a cell"),
        (b"a,b\n1,\0\n", 2, "NUL"),
        (b"a,b\n1,caf\xe9\n2,3\n", 2, "byte 0xe9 is not UTF-8"),
        (b"a,b\n1,2\ncaf\xc3", 3, "byte 0xc3 is not UTF-8"),
        (b"a\n1\n\x1a", 3, "Ctrl-Z"),
    ],
)
def test_C14b_C17_every_fault_has_its_line(data, line, word, size):
    with pytest.raises(InputError) as e:
        counts(data, size)
    assert f"line {line}" in str(e.value)
    assert word in str(e.value)


@pytest.mark.parametrize("seed", range(12))
def test_C14m_one_stray_quote_anywhere_in_a_long_file_is_found(seed):
    rng = random.Random(seed)
    data = bytearray(b"a,b\n" + b"cat,dog\n" * 400_000)
    at = rng.randrange(4, len(data))
    data[at:at] = b'"'
    with pytest.raises(InputError) as e:
        counts(bytes(data))
    line = data[:at].count(b"\n") + 1
    assert f"line {line}:" in str(e.value)


def test_C14o_embedded_newlines_are_counted_exactly():
    found = counts(b"a,b\n" + b'"x\ny",2\n' * 300_000)
    assert (found.lines, found.delimiters) == (300_001, 300_001)


def test_C13_lines_that_end_in_a_lone_return():
    assert counts(b"a,b\r1,2\r3,4\r", by_return=True).lines == 3
    assert counts(b"a,b\n1,x\ry\n").lone_returns == 1


def test_C13c_mixed_ends_are_seen():
    assert counts(b"a,b\r\n1,2\n3,4\r\n").is_mixed


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_C18_blank_lines(size):
    assert counts(b"\n\na,b\r\n\r\n1,2\r\n\r\n\r\n3,4", size).blanks == 5


def test_Z03_several_gzip_members(tmp_path):
    data = b"a,b\n" + b"1,2\n" * 1000
    file = text(tmp_path / "x.gz", gzip.compress(data[:2000]) + gzip.compress(data[2000:]) + b"\0" * 512, "gzip")
    assert b"".join(file.blocks()) == data


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 20])
def test_Z03_truncated_gzip(tmp_path, cut):
    packed = gzip.compress(random.Random(0).randbytes(5000))
    file = text(tmp_path / "x.gz", packed[:-cut], "gzip")
    with pytest.raises(InputError, match="truncated gzip"):
        list(file.blocks())


def test_Z03_bad_crc(tmp_path):
    packed = bytearray(gzip.compress(b"a,b\n1,2\n"))
    packed[-6] ^= 1
    with pytest.raises(InputError, match="damaged gzip"):
        list(text(tmp_path / "x.gz", bytes(packed), "gzip").blocks())


def test_Z03_zstd_frames_truncation_and_damage(tmp_path):
    data = b"".join(b"%d,%d\n" % (i, i * i) for i in range(50_000))
    packer = zstandard.ZstdCompressor(write_checksum=True)
    packed = packer.compress(data)
    assert b"".join(text(tmp_path / "a", packed + packer.compress(b"z"), "zstd").blocks()) == data + b"z"
    with pytest.raises(InputError, match="truncated zstd"):
        list(text(tmp_path / "b", packed[:-9], "zstd").blocks())
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 255
    with pytest.raises(InputError, match="zstd"):
        list(text(tmp_path / "c", bytes(broken), "zstd").blocks())


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_Z04_a_bomb_stops_early(tmp_path, packed):
    data = b"cat,cat\n" * (8 << 20)
    small = gzip.compress(data) if packed == "gzip" else zstandard.ZstdCompressor().compress(data)
    blocks = text(tmp_path / "x", small, packed).blocks()
    read = 0

    def read_all():
        nonlocal read
        for block in blocks:
            read += len(block)

    with pytest.raises(LimitError, match="200 times"):
        read_all()
    assert read < 40 << 20
    trusted = text(tmp_path / "y", small, packed, trusted=True)
    assert sum(map(len, trusted.blocks())) == len(data)


def test_gzip_blocks_stay_bounded(tmp_path):
    file = text(tmp_path / "x", zlib.compress(b"1,2\n" * (4 << 20), wbits=31), "gzip", trusted=True)
    assert max(map(len, file.blocks())) <= BLOCK


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252", "utf-8-sig"])
def test_C12_encodings(tmp_path, encoding):
    file = text(tmp_path / "x", "a,b\ncafé,2\n".encode(encoding), encoding=encoding)
    assert b"".join(file.blocks()) == "a,b\ncafé,2\n".encode()


def test_C12_byte_order_mark_is_stripped(tmp_path):
    assert read_header(text(tmp_path / "x", b'\xef\xbb\xbf"a",b\n'), ",").fields == ("a", "b")


@pytest.mark.parametrize(
    ("data", "fields", "blanks", "lines"),
    [
        (b"y, p\n1,2\n", ("y", " p"), 0, 1),
        (b"\n\r\ny,p\n", ("y", "p"), 2, 3),
        (b'"a\nb","c""d"\n', ("a\nb", 'c"d'), 0, 2),
        (b"only", ("only",), 0, 1),
        (b"a,b,\n", ("a", "b", ""), 0, 1),
        (b"a,b\r1,2\r", ("a", "b"), 0, 1),
    ],
)
def test_headers(tmp_path, data, fields, blanks, lines):
    header = read_header(text(tmp_path / "x", data), ",")
    assert (header.fields, header.blanks, header.lines) == (fields, blanks, lines)
    assert header.by_return == (b"\n" not in data and b"\r" in data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\n\n", "only blank lines"),
        (b"caf\xe9,b\n", "line 1: byte 0xe9 is not UTF-8; try --encoding latin-1"),
        (b"a\tb\n1\t2\n", r"try --delimiter '\t'"),
        (b"a;b\n0,5;1\n", "try --delimiter ';'"),
        (b"# made by\na,b\n", "is not a header"),
        (b"sep=;\na;b\n", "is not a header"),
        (b'"a,b\n1,2\n', "line 1: a quote opens and never closes"),
        (b"x" * (1 << 20), "longer than 1 MiB"),
        (b",".join(b"c" for _ in range(10_001)) + b"\n", "10001 columns"),
    ],
)
def test_C08_C12c_C16_C18_Z08_headers_that_are_none(tmp_path, data, said):
    with pytest.raises(InputError) as e:
        read_header(text(tmp_path / "x", data), ",")
    assert said in str(e.value)


def test_delimiters():
    assert choose_delimiter("csv", None) == ","
    assert choose_delimiter("tsv", None) == "\t"
    assert choose_delimiter("csv", r"\t") == "\t"
    for bad in ("", ",,", '"', "\n", "é"):
        with pytest.raises(UsageError):
            choose_delimiter("csv", bad)


def test_C14n_labels_that_swallowed_lines():
    assert label_fault("cat") is None
    assert label_fault("é" * 128) is None
    assert label_fault("é" * 129) == "is 258 bytes long"
    assert label_fault("a\nb") == "holds a line break"
