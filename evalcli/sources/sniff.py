"""What a file is: by its first bytes, and only then by its name."""

from __future__ import annotations

import codecs
import os
import re
import stat

from evalcli.errors import WRITE_AGAIN, InputError, remedy

WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""First bytes of UTF-16, as what PowerShell's ``>`` writes has them."""
EMPTY = "the file is empty (0 bytes)"
_HEAD = 4096
_PACKED_HEAD = 1 << 18
"""Bytes of a packed file that surely hold a whole block: one of zstd takes up to 128 KiB."""
_PIECE = 1 << 12

TENSOR_SUFFIXES = {
    ".pt": "pt",
    ".pth": "pt",
    ".pt2": "pt",
    ".npy": "npy",
    ".npz": "npz",
    ".safetensors": "safetensors",
}
TABLE_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".feather": "feather",
    ".arrow": "feather",
    ".arrows": "feather",
    ".ipc": "feather",
    ".dta": "dta",
    ".sav": "sav",
    ".zsav": "sav",
    ".sas7bdat": "sas7bdat",
    ".xpt": "xpt",
}
COMPRESSED_SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_WITHOUT_HEADER = (".jsonl", ".ndjson", ".json")
"""Names of JSON lines: a shard of no rows has no bytes. ``.json`` is what Spark calls them."""
TEXT_FORMATS = ("csv", "tsv", "jsonl")

STREAMED = b"\xff\xff\xff\xff"
"""First bytes of an Arrow stream: what ``datasets`` saves. Its length follows, and must be of a schema."""
_MAGIC = (
    (b"\x93NUMPY", "npy"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather"),
    (b"<stata_dta>", "dta"),
    *((bytes((version, order, 1, 0)), "dta") for version in range(102, 116) for order in (1, 2)),  # before Stata 13
    (b"$FL2", "sav"),
    (b"$FL3", "sav"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf\xbd\x92\x08\x00\x09\xc7\x31\x8c", "sas7bdat"),
    (b"HEADER RECORD*******", "xpt"),
)
"""First bytes → format."""

_UNPACK = "unpack it first; .gz and .zst tables are read as they are"
_REFUSED = (
    (b"version https://git-lfs.github.com/spec/", "this is a Git LFS pointer (not downloaded)", "run: git lfs pull"),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed with lz4", _UNPACK),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "save as .npz or .parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls)", "save as .xlsx or .csv"),
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"ORC", "an ORC file", "save as .parquet"),
    (b"Obj\x01", "an Avro file", "save as .parquet"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as .csv or .parquet"),
    (b"\x89PNG", "an image", "save predictions, not pictures"),
    (b"%PDF", "a PDF document", "save predictions as .csv"),
    (b"\x7fELF", "a program", "this is no data"),
)
"""First bytes → what it is, what to do."""


def compression(path: str) -> str | None:
    """``gzip``, ``zstd`` or None, by the first bytes whatever the name.

    Raises:
        InputError: there is no such regular file.

    """
    return _compression(read_head(path))


def file_format(path: str) -> str:
    """What the file is: ``pt``, ``npy``, ``npz``, ``safetensors``, ``csv``, ``tsv``, ``jsonl``, ``parquet``, ``xlsx``,
    ``feather``, ``json``, ``dta``, ``sav``, ``sas7bdat`` or ``xpt``; of a compressed table, what is inside.

    Raises:
        InputError: there is no such file, it is empty or of no kind that is read.

    """
    head = read_head(path)
    try:
        return _format(path, head) if head else "jsonl"
    except InputError as e:
        e.path = e.path or path
        raise


def _like(path: str) -> str:
    """Whether a file of nearly this name lies in its folder, of which a thousand are looked at."""
    from difflib import get_close_matches

    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as files:
            beside = sorted(file.name for file, _ in zip(files, range(1000), strict=False) if file.name[:1] != ".")
    except (OSError, ValueError):
        return ""
    near = get_close_matches(name, beside, n=1, cutoff=0.75)
    return f"did you mean {near[0]!r}?" if near else ""


def read_head(path: str) -> bytes:
    """The first 4 KiB; of a file of no byte only where its name says JSON lines, which have no header to miss.

    Raises:
        InputError: there is no such file, it cannot be read, is empty or no regular file.

    """
    try:
        status = os.stat(path)  # noqa: PTH116 - the path is text all the way, and pathlib is not free to import
        if stat.S_ISDIR(status.st_mode):
            from evalcli.sources.datasetdir import what_to_name

            raise InputError("is a directory", fix=what_to_name(path), path=path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file", fix="pipe it in and use - as the name", path=path)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - likewise
            head = file.read(_HEAD)
    except FileNotFoundError as e:
        raise InputError("no such file", fix=_like(path) or remedy(e), path=path) from e
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or "not a file name"
        raise InputError(f"cannot be opened: {reason}", fix=remedy(e), path=path) from e
    if not head and _suffix(path) not in _WITHOUT_HEADER:
        raise InputError(EMPTY, fix=WRITE_AGAIN, path=path)
    return head


def _compression(head: bytes) -> str | None:
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head.startswith(b"\x28\xb5\x2f\xfd") else None


def _format(path: str, head: bytes) -> str:
    suffix = _suffix(path)
    packed = _compression(head)
    if packed:
        return _inside(path, suffix, packed)
    known = _known(head, suffix)
    if known is not None:
        return known
    _refuse_known(path, head)
    if head[:2] == b"PK" and head[2:4] in (b"\x03\x04", b"\x05\x06"):
        return _zip_kind(head, suffix)
    named = TENSOR_SUFFIXES.get(suffix) or TABLE_SUFFIXES.get(suffix)
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and suffix not in TABLE_SUFFIXES:
        return "pt"  # a pickle: torch's old format, or to be refused by what it asks for
    if suffix == ".safetensors" or (named is None and head[8:10] == b'{"' and not _is_text(head)):
        if _is_text(head):
            raise _text_as_tensors(head, suffix)
        return "safetensors"
    if suffix in TENSOR_SUFFIXES:
        if _is_text(head):
            raise _text_as_tensors(head, suffix)
        raise InputError(f"not a {suffix} file: its first bytes are {head[:8].hex(' ')}", fix="write it again")
    if named in (None, "txt"):
        return _text_kind(head, path)
    if named not in TEXT_FORMATS and named != "dta":  # old .dta files have no magic
        raise InputError(f"not a {suffix} file: its first bytes are {head[:8].hex(' ')}", fix="write it again")
    return str(named)


def _known(head: bytes, suffix: str) -> str | None:
    """The format that the first bytes name."""
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    streamed = head.startswith(STREAMED) and (not suffix or TABLE_SUFFIXES.get(suffix) == "feather")
    return "feather" if streamed else found


def _suffix(path: str) -> str:
    """The last suffix that is not of compression, in lower case."""
    base, suffix = os.path.splitext(path)  # noqa: PTH122 - pathlib is not free to import
    if suffix.lower() in COMPRESSED_SUFFIXES:
        suffix = os.path.splitext(base)[1]  # noqa: PTH122 - likewise
    return suffix.lower()


def _inside(path: str, suffix: str, packed: str) -> str:
    """The format of a compressed table."""
    if suffix in TENSOR_SUFFIXES:
        raise InputError(f"{packed} around tensors", fix="unpack it first; only tables are read compressed")
    named = TABLE_SUFFIXES.get(suffix)
    if named in TEXT_FORMATS:
        return str(named)
    if named not in (None, "txt"):
        raise InputError(f"{packed} around a {suffix} file", fix="unpack it first; only text is read compressed")
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the path is text all the way
        start = _unpack_head(file.read(_PACKED_HEAD), packed)
    for magic, _ in (*_MAGIC, (b"PK\x03\x04", "zip"), (b"\x80\x02", "pickle")):
        if start.startswith(magic):
            raise InputError(f"{packed} around a binary file", fix="unpack it first")
    return _text_kind(start)


def _unpack_head(head: bytes, packed: str) -> bytes:
    if packed == "gzip":
        import zlib

        try:
            return zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(head, _HEAD)
        except zlib.error as e:
            raise InputError("damaged gzip", fix="copy it again") from e
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    start = b""
    try:
        for at in range(0, len(head), _PIECE):  # one call gives all that its bytes unpack to
            if unpacker.eof or len(start) >= _HEAD:
                break
            start += unpacker.decompress(head[at : at + _PIECE])
        return start[:_HEAD]
    except zstandard.ZstdError as e:
        raise InputError("damaged zstd", fix="copy it again") from e


def _refuse_known(path: str, head: bytes) -> None:
    for magic, what, fix in _REFUSED:
        if head.startswith(magic):
            raise InputError(what, fix=fix)
    if head[257:262] == b"ustar":
        raise InputError("a tar archive", fix="unpack it; old .tar checkpoints: save again with torch.save")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputError("this is HTML, a web page", fix="the download failed; fetch the file itself")
    if start.startswith((b"<?xml", b"<error")):
        raise InputError("this is XML", fix="the download failed, or save as .csv")
    if ours := re.match(rb'\s*\{\s*"schema":\s*"evalcli\.([a-z]+)/', head):
        judged = "; evalcli gate judges a saved report" if ours[1] == b"report" else ""
        what = f"what evalcli said ({ours[1].decode()}), not predictions"
        raise InputError(what, fix=f"name the file of predictions{judged}")
    if not head.strip(b"\0") and _is_zero(path):
        raise InputError("file is all zero bytes", fix="its writer crashed or it was not downloaded; write it again")


def _is_zero(path: str) -> bool:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the path is text all the way
        while piece := file.read(1 << 20):
            if piece.strip(b"\0"):
                return False
    return True


def _zip_kind(head: bytes, suffix: str) -> str:
    """Which zip: by the name of its first record, then by the file's."""
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if suffix in (".npz", ".pt", ".pth", ".pt2"):
        return TENSOR_SUFFIXES[suffix]
    if first.endswith(b".npy") and b"/" not in first:
        return "npz"
    if first.endswith((b"/data.pkl", b"/version", b"/data/0")):
        return "pt"
    if suffix in (".xlsx", ".xlsm") or first == b"[Content_Types].xml" or first.startswith((b"xl/", b"docProps/")):
        return "xlsx"
    raise InputError("a zip archive", fix=_UNPACK)


def _is_text(head: bytes) -> bool:
    """No control characters, and UTF-8 as far as it goes."""
    if any(byte < 32 and byte not in (9, 10, 12, 13) for byte in head):
        return False
    try:
        head[: len(head) - 3 if len(head) == _HEAD else None].decode("utf-8")
    except UnicodeDecodeError as e:
        return len(head) == _HEAD and e.start > _HEAD - 8  # cut within a character
    return True


def _in_utf8(head: bytes) -> bytes:
    """The start of a text, which may be UTF-16."""
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    return decoder.decode(head).encode("utf-8", "replace") if head.startswith(WIDE_MARKS) else head


def _text_as_tensors(head: bytes, suffix: str) -> InputError:
    line = head.split(b"\n", 1)[0]
    kind = "CSV" if b"," in line else "JSON" if line[:1] in (b"{", b"[") else "plain text"
    if line[:2] in (b"0\n", b"(l", b"(d", b"(c") or line.startswith((b"cposix", b"c__builtin__", b"cos\n")):
        return InputError("a text pickle", fix="evalcli never runs code from data files; write it with torch.save")
    return InputError(
        f"looks like {kind}, not a {suffix} file", fix="rename it to .csv" if kind == "CSV" else "name it as what it is"
    )


def _text_kind(head: bytes, path: str = "") -> str:
    """Which text table, by its first line; that of a file at ``path`` may be the whole of it."""
    head = _in_utf8(head)
    if not _is_text(head):
        raise InputError(
            f"of no known kind: its first bytes are {head[:8].hex(' ')}",
            fix="known: .pt .npy .npz .safetensors .csv .tsv .jsonl .json .parquet .arrow .xlsx .dta",
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line = text.split(b"\n", 1)[0]
    if path and _is_document(path, text, _suffix(path)):
        return "json"
    if line.startswith(b"{") or (line.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"[")):
        return "jsonl"  # an array is refused with what to do
    return "tsv" if b"\t" in line and b"," not in line else "csv"


def _is_document(path: str, text: bytes, suffix: str) -> bool:
    """Whether a text that begins so is one JSON document and a table by itself, and not the first of JSON lines."""
    inside = text[1:].lstrip()[:1]
    if text[:1] == b"[":
        line = text.split(b"\n", 1)[0].rstrip()
        if line.endswith(b"]") and suffix != ".json" and not _is_one_line(path):  # one array a line
            return False
        return suffix == ".json" or inside in (b"{", b"[")
    if text[:1] != b"{":
        return False
    if not text[1:].split(b"\n", 1)[0].strip():  # no line holds an object
        return True
    value = text.partition(b":")[2].lstrip()[:1]
    return value in (b"[", b"{") and _is_one_line(path)


def _is_one_line(path: str) -> bool:
    """Whether only blank lines follow the first that is none."""
    wide = read_head(path).startswith(WIDE_MARKS)
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - the path is text all the way
        begun = ended = False
        while piece := file.read(1 << 20):
            piece = decoder.decode(piece).encode("utf-8", "replace") if wide else piece
            first, end, rest = (piece if begun else piece.removeprefix(b"\xef\xbb\xbf").lstrip()).partition(b"\n")
            if ended:
                first, end, rest = b"", b"\n", piece
            if rest.strip():
                return False
            begun, ended = begun or bool(first), ended or bool(end)
    return True
