"""A reader of pickles that can build data and nothing else.

A pickle is a program for a small stack machine. This machine knows the opcodes that ``torch.save`` needs and resolves a
global name through a table given to it: what the table does not hold is refused before anything happens. Nothing is
imported, no attribute is set, no class of the file's choosing is made.

Source: the opcode comments of CPython's ``Lib/pickletools.py``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalcli.errors import DAMAGED, InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

PICKLE_LIMIT = 1 << 26
OBJECT_LIMIT = 250_000
MEMO_LIMIT = 2_000_000
"""One byte of a program may make an object of a hundred: what may be made is counted."""
_INTEGER_BYTES = 16
_STOP, _PROTOCOL = 0x2E, 0x80


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that is no tensor and of no use here."""

    kind: str


class EndsEarlyError(Exception):
    """The pickle goes on beyond the bytes at hand."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A name that may be called: ``build(*args)`` makes the value."""

    build: Callable[..., Any]


class Machine:
    """Runs one pickle from ``data[at:]``; ``find(name)`` resolves globals, ``storage(tuple)`` persistent ids.

    Raises:
        InputError: an opcode or a name is not on the list, or the program makes no sense.
        EndsEarlyError: it does not stop within ``data``.
        LimitError: it makes more than 250,000 containers.

    """

    def __init__(self, data: bytes, at: int, find: Callable[[str], Any], storage: Callable[[Any], Any]) -> None:
        self.data = data
        self.at = at
        self.find = find
        self.storage = storage
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.made = 0

    def run(self) -> Any:
        """The value that the pickle builds; ``at`` then stands behind it."""
        if self.data[self.at : self.at + 1] not in (b"", bytes([_PROTOCOL])):
            raise InputError("not a pickle of protocol 2 or later", fix="write it with torch.save")
        while True:
            opcode = self.take(1)[0]
            if opcode == _STOP:
                break
            action = _ACTIONS.get(opcode)
            if action is None:
                raise InputError(
                    f"refused: its pickle uses opcode 0x{opcode:02x}, which no file of tensors needs",
                    fix="save {'pred': tensor, 'target': tensor}",
                )
            action(self)
        value = self.pop()
        if self.stack or self.marks:
            raise malformed()
        return value

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes of the program."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise EndsEarlyError
        return self.data[start : self.at]

    def make(self, value: Any) -> None:
        """Push a new container."""
        self.count()
        self.stack.append(value)

    def count(self) -> None:
        """One more container."""
        self.made += 1
        if self.made > OBJECT_LIMIT:
            raise too_many()

    def number(self, form: struct.Struct) -> Any:
        """The next number."""
        return form.unpack(self.take(form.size))[0]

    def line(self) -> str:
        """The next text up to a line feed."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise EndsEarlyError
        text = decode(self.take(end - self.at))
        self.at += 1
        return text

    def pop(self) -> Any:
        """The topmost value."""
        if not self.stack:
            raise malformed()
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        """The topmost value, which stays and must be of that kind."""
        if not self.stack or type(self.stack[-1]) is not kind:
            raise malformed()
        return self.stack[-1]

    def to_mark(self) -> list[Any]:
        """The values above the last mark."""
        if not self.marks:
            raise malformed()
        items, self.stack = self.stack, self.marks.pop()
        return items


def malformed() -> InputError:
    """The error of a program that makes no sense."""
    return InputError("its pickle is malformed", fix=DAMAGED)


def too_many() -> LimitError:
    """The error of a program that only fills memory."""
    return LimitError("its pickle makes millions of objects", fix="save tensors, not lists of objects")


def decode(data: bytes) -> str:
    """UTF-8 text of a pickle."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise malformed() from e


_U8, _U16, _U32, _U64 = (struct.Struct("<" + code) for code in "BHIQ")
_I32, _F64 = struct.Struct("<i"), struct.Struct(">d")


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(make(m))


def _text(form: struct.Struct) -> Callable[[Machine], None]:
    return lambda m: m.stack.append(decode(m.take(m.number(form))))


def _mark(m: Machine) -> None:
    m.marks.append(m.stack)
    m.stack = []
    m.count()


def _tuple(count: int) -> Callable[[Machine], None]:
    def act(m: Machine) -> None:
        items = [m.pop() for _ in range(count)]
        m.make(tuple(reversed(items)))

    return act


def _mark_to_tuple(m: Machine) -> None:
    items = m.to_mark()
    m.make(tuple(items))


def _append(m: Machine) -> None:
    item = m.pop()
    m.top(list).append(item)


def _appends(m: Machine) -> None:
    items = m.to_mark()
    m.top(list).extend(items)


def _add_items(m: Machine) -> None:
    m.to_mark()
    m.top(Opaque)


def _frozen_set(m: Machine) -> None:
    m.to_mark()
    m.stack.append(Opaque("frozenset"))


def _set_item(m: Machine) -> None:
    value, key = m.pop(), m.pop()
    _put(m.top(dict), [key, value])


def _set_items(m: Machine) -> None:
    items = m.to_mark()
    _put(m.top(dict), items)


def _put(target: dict[Any, Any], items: list[Any]) -> None:
    if len(items) % 2:
        raise malformed()
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int | float | bool | None):
            raise InputError("a dict has a key that is no text", fix="save {'pred': tensor, 'target': tensor}")
        if key in target:
            raise InputError("a dict holds one key twice", fix=DAMAGED)
        target[key] = value


def _put_memo(index: Callable[[Machine], int]) -> Callable[[Machine], None]:
    def act(m: Machine) -> None:
        at = index(m)
        if not m.stack:
            raise malformed()
        m.memo[at] = m.stack[-1]
        if len(m.memo) > MEMO_LIMIT:
            raise too_many()

    return act


def _get_memo(form: struct.Struct) -> Callable[[Machine], None]:
    def act(m: Machine) -> None:
        at = m.number(form)
        if at not in m.memo:
            raise malformed()
        m.stack.append(m.memo[at])

    return act


def _long(m: Machine) -> int:
    count = m.number(_U8)
    if count > _INTEGER_BYTES:
        raise InputError(f"refused: its pickle holds an integer of {count} bytes", fix=DAMAGED)
    return int.from_bytes(m.take(count), "little", signed=True)


def _global(m: Machine) -> Any:
    module = m.line()
    return m.find(f"{module} {m.line()}")


def _stack_global(m: Machine) -> Any:
    name, module = m.pop(), m.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise malformed()
    return m.find(f"{module} {name}")


def _reduce(m: Machine) -> Any:
    args, function = m.pop(), m.pop()
    if not isinstance(function, Builder) or not isinstance(args, tuple):
        raise malformed()
    return function.build(*args)


def _build(m: Machine) -> None:
    state, value = m.pop(), m.pop()
    if isinstance(value, dict) and isinstance(state, dict) and "_metadata" in state:
        raise InputError("a model's state_dict, not predictions", fix="run the model and save its outputs")
    raise InputError("refused: its pickle changes an object after making it", fix="save {'pred': tensor}")


_ACTIONS: dict[int, Callable[[Machine], None]] = {
    _PROTOCOL: lambda m: m.number(_U8),
    0x95: lambda m: m.number(_U64),  # FRAME: only a hint for buffering
    ord("("): _mark,
    ord("N"): _push(lambda _: None),
    0x88: _push(lambda _: True),
    0x89: _push(lambda _: False),
    ord("J"): _push(lambda m: m.number(_I32)),
    ord("K"): _push(lambda m: m.number(_U8)),
    ord("M"): _push(lambda m: m.number(_U16)),
    0x8A: _push(_long),
    ord("G"): _push(lambda m: m.number(_F64)),
    ord("X"): _text(_U32),
    0x8C: _text(_U8),
    0x8D: _text(_U64),
    ord("]"): lambda m: m.make([]),
    ord("}"): lambda m: m.make({}),
    ord(")"): _push(lambda _: ()),
    0x8F: _push(lambda _: Opaque("set")),
    0x90: _add_items,
    0x91: _frozen_set,
    ord("t"): _mark_to_tuple,
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("q"): _put_memo(lambda m: m.number(_U8)),
    ord("r"): _put_memo(lambda m: m.number(_U32)),
    0x94: _put_memo(lambda m: len(m.memo)),
    ord("h"): _get_memo(_U8),
    ord("j"): _get_memo(_U32),
    ord("c"): _push(_global),
    0x93: _push(_stack_global),
    ord("R"): _push(_reduce),
    ord("b"): _build,
    ord("Q"): _push(lambda m: m.storage(m.pop())),
}
