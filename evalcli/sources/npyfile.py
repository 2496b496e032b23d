"""``.npy`` and ``.npz``: numpy's own formats, with a header parser that evaluates nothing.

A ``.npy`` is a magic number, a version, a header that looks like a Python dict of three keys, and the elements, which
must fill the rest of the file exactly. An ``.npz`` is a zip of them.

Source: the docstring of ``numpy.lib.format``, versions 1.0 to 3.0.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import DAMAGED, InputError
from evalcli.sources.arrays import REFUSED, Layout, StridedArray, c_strides
from evalcli.sources.contents import Contents
from evalcli.sources.npzmember import open_member
from evalcli.sources.rawfile import Region, plain
from evalcli.sources.textarrays import FixedTextArray
from evalcli.sources.zipdir import read_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.sources.rawfile import RawFile

HEADER_LIMIT = 10_000
"""Bytes of a header: what numpy itself trusts. Three keys and a few fields need a hundredth of it."""
_DEPTH = 8

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^'\\]*'|"[^"\\]*")|(?P<number>\d{1,20})L?(?!\w)|(?P<word>True|False)\b|(?P<sign>[{}()\[\],:]))"""
)
_TYPE = re.compile(r"([<>|=]?)([?biufcSUOVMm])(\d{0,10})(\[.{1,20}\])?")
_UNIT = r"\[[1-9]?[0-9]{0,5}(?:[YMWDhm]|[munpfa]?s)\]"
_NAMES = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "b1": "bool",
    **{f"{sign}{width}": f"{'u' if sign == 'u' else ''}int{8 * width}" for sign in "iu" for width in (1, 2, 4, 8)},
}
_KINDS = {"c": "complex128", "O": "object", "V": "void", "M": "datetime64", "m": "timedelta64", "f": "float128"}


@dataclass(frozen=True, slots=True)
class Element:
    """One field of an element: its name (empty: the element itself), type, place, own shape, and ``unit`` of time."""

    name: str
    kind: str
    width: int
    swapped: bool
    offset: int
    shape: tuple[int, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: the fields of an element, its bytes, order and shape; ``size`` is the header's own length."""

    fields: tuple[Element, ...]
    itemsize: int
    fortran: bool
    shape: tuple[int, ...]
    size: int


def read_npy(file: RawFile) -> Contents:
    """The array of a ``.npy`` file, named by the empty text, or one array for each field.

    Raises:
        InputError: the header is damaged, the size does not match, or the type is no input.

    """
    contents = Contents()
    _add_arrays("", Region(file, 0, file.size), contents)
    contents.check_any()
    return contents


def read_npz(file: RawFile) -> Contents:
    """The arrays of an ``.npz`` file.

    Raises:
        InputError: it is damaged or ambiguous.
        LimitError: a member unpacks to too much.

    """
    contents = Contents(checksummed=True)
    for record in read_directory(file).values():
        name = record.name.removesuffix(".npy")
        if name == record.name:
            contents.skip(name, "no .npy inside; write it with numpy.savez")
            continue
        contents.check_name(name)
        region = open_member(file, record)
        contents.regions.append(region)
        _add_arrays(name, region, contents)
    contents.check_any()
    return contents


def _add_arrays(name: str, region: Region, contents: Contents) -> None:
    header = parse_header(region.peek, region.size)
    claimed = header.size + math.prod(header.shape) * header.itemsize
    pickled = any(element.kind == "O" for element in header.fields)  # numpy then writes a pickle, of any length
    if claimed != region.size and not pickled:
        what = f"the header speaks of {claimed:,} bytes; there are {region.size:,}"
        raise InputError(
            what if not name else f"{plain(name)}: {what}", fix="it is truncated, damaged or has bytes added"
        )
    strides = c_strides(header.shape, header.itemsize)
    if header.fortran:
        strides = tuple(reversed(c_strides(header.shape[::-1], header.itemsize)))
    for element in header.fields:
        key = ".".join(part for part in (name, element.name) if part)
        shape = header.shape + element.shape
        if pickled:
            contents.skip(key, REFUSED["object"])
            continue
        if not shape:
            contents.skip(key, "a single number, not an array of samples; save one entry for each sample")
            continue
        inner = c_strides(element.shape, element.width)
        layout = Layout(region, header.size + element.offset, strides + inner, element.swapped)
        code = element.kind + str(element.width)
        if element.kind in "SU":
            raw = f"{element.kind}{element.width // (4 if element.kind == 'U' else 1)}"
            contents.add(FixedTextArray(key, shape, raw, layout))
        elif code in _NAMES:
            contents.add(StridedArray(key, shape, _NAMES[code], layout))
        else:
            contents.skip(key, REFUSED[_KINDS[element.kind]])
            if element.kind == "M" and element.unit:
                from evalcli.sources.momentarrays import MomentArray

                contents.moments[key] = MomentArray(key, shape, element.unit, layout)


def parse_header(read: Callable[[int, int], bytes], size: int) -> Header:
    """The header of the ``size`` bytes that ``read(start, count)`` gives.

    Raises:
        InputError: it is no header.

    """
    prefix = read(0, min(size, 12))
    if len(prefix) < 12 or prefix[:6] != b"\x93NUMPY":
        raise InputError("no numpy array inside", fix="write it with numpy.save")
    version = prefix[6], prefix[7]
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise InputError(f"numpy format version {version[0]}.{version[1]} is not known", fix="write it with numpy.save")
    begin = 10 if version == (1, 0) else 12
    length = int.from_bytes(prefix[8:begin], "little")
    if begin + length > size:
        raise InputError(f"truncated: its header claims {length:,} bytes; the file is {size:,}", fix="copy it again")
    if length > HEADER_LIMIT:
        raise InputError(f"its header is {length:,} bytes; at most {HEADER_LIMIT:,} are read", fix=DAMAGED)
    data = read(begin, length)
    try:
        text = data.decode("utf-8" if version == (3, 0) else "latin-1")
    except UnicodeDecodeError as e:
        raise _malformed() from e
    fields = _Literal(text).parse()
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _malformed()
    shape, fortran = fields["shape"], fields["fortran_order"]
    if not isinstance(fortran, bool) or not _is_shape(shape):
        raise InputError("its shape is not a tuple of sizes", fix=DAMAGED)
    elements, itemsize = _elements(fields["descr"])
    return Header(elements, itemsize, fortran, shape, begin + length)


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and len(shape) <= 64 and all(type(n) is int and n < 1 << 63 for n in shape)


def _elements(descr: Any) -> tuple[tuple[Element, ...], int]:
    """The fields of an element, and its bytes."""
    if isinstance(descr, str):
        kind, width, swapped, unit = _parse_type(descr)
        return (Element("", kind, width, swapped, 0, unit=unit),), width
    if not isinstance(descr, list) or not descr:
        raise _malformed()
    elements: list[Element] = []
    at = 0
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3) or not isinstance(field[0], str):
            raise InputError("a structured array with titles or nested fields", fix="save each field as its own array")
        if not isinstance(field[1], str) or not _is_shape(field[2:][0] if field[2:] else ()):
            raise InputError("a structured array with titles or nested fields", fix="save each field as its own array")
        kind, width, swapped, unit = _parse_type(field[1])
        shape: tuple[int, ...] = field[2] if len(field) == 3 else ()
        if field[0]:  # a nameless field is padding
            elements.append(Element(field[0], kind, width, swapped, at, shape, unit))
        at += width * math.prod(shape)
    return tuple(elements), at


def _parse_type(text: str) -> tuple[str, int, bool, str]:
    """Kind, bytes and foreign-endianness of a type such as ``<f4``; of times such as ``<M8[ns]`` the unit, too."""
    match = _TYPE.fullmatch(text)
    if match is None:
        raise InputError(f"its type {plain(text)!r} is not known", fix="save as int64, float32 or text (numpy dtype U)")
    order, kind, digits, unit = match.groups()
    if kind == "?":
        kind, digits = "b", "1"
    width = int(digits or (8 if kind in "OMm" else 0)) * (4 if kind == "U" else 1)
    if width == 0:
        raise InputError("its elements have no bytes", fix="save as int64, float32 or text (numpy dtype U)")
    known = kind in "SU" or f"{kind}{width}" in _NAMES or kind in _KINDS
    if not known:
        raise InputError(f"its type {plain(text)!r} is not known", fix="save as int64, float32 or text (numpy dtype U)")
    foreign = order == (">" if sys.byteorder == "little" else "<")
    return kind, width, foreign and kind != "S" and width > 1, unit if unit and re.fullmatch(_UNIT, unit) else ""


def _malformed() -> InputError:
    return InputError("its header is malformed", fix=DAMAGED)


class _Literal:
    """A parser of the literals a header is made of: dict, list, tuple, text, whole number, True, False."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.token: tuple[str, str] = ("", "")
        self.advance()

    def advance(self) -> tuple[str, str]:
        """The current token; moves to the next."""
        token = self.token
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            if self.text[self.at :].strip(" \n\0"):
                raise _malformed()
            self.token = ("end", "")
        else:
            self.at = match.end()
            self.token = (str(match.lastgroup), match[str(match.lastgroup)])
        return token

    def parse(self) -> Any:
        """The only value of the text."""
        value = self.value(0)
        if self.token[0] != "end":
            raise _malformed()
        return value

    def value(self, depth: int) -> Any:
        """The value at the current token."""
        kind, text = self.advance()
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return int(text)
        if kind == "word":
            return text == "True"
        if depth > _DEPTH or text not in ("{", "(", "["):
            raise _malformed()
        return self.items({"{": "}", "(": ")", "[": "]"}[text], depth + 1)

    def items(self, end: str, depth: int) -> Any:
        """The values up to a closing sign."""
        values: list[Any] = []
        keys: list[str] = []
        comma = True
        while self.token[1] != end or self.token[0] != "sign":
            if not comma:
                raise _malformed()
            value = self.value(depth)
            if end == "}":
                if not isinstance(value, str) or value in keys or self.advance() != ("sign", ":"):
                    raise _malformed()
                keys.append(value)
                value = self.value(depth)
            values.append(value)
            comma = self.token == ("sign", ",")
            if comma:
                self.advance()
        self.advance()
        if end == "}":
            return dict(zip(keys, values, strict=True))
        if end == ")" and len(values) == 1 and not comma:
            return values[0]
        return tuple(values) if end == ")" else values
