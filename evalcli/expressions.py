"""Metrics computed from metrics: ``gap = recall[cat] - recall[dog]``. A small grammar of its own; nothing is executed.

Numbers, names of metrics, ``+ - * / **``, parentheses and ``min max abs log sqrt``. A class name in brackets may hold
anything but an unmatched ``]``. What is not a number (0/0, anything of an undefined value) is undefined.

>>> parse_expression("2 * p * r / (p + r)").names
('p', 'r')
>>> evaluated(parse_expression("max(a, b) ** 2 - 1").tree, {"a": Value(2.0), "b": Value(3.0)}.__getitem__)
Value(value=8.0, low=None, high=None, method=None, certified=None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.errors import UsageError
from evalcli.metrics.arithmetic import OPERATIONS, on_numbers
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

LONGEST = 4096
DEEPEST = 64
MOST = 200
"""Beyond these characters, nested brackets and operations an expression is a mistake, or an attack."""

FUNCTIONS = tuple(name for name in OPERATIONS if name.isalpha() and name != "neg")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d][\w.]*)|(?P<sign>\*\*|[-+*/(),]))"
)
ROWS = frozenset({"n", "ignored"})
"""What the CSV of a report and the frames of slices call numbers of rows."""
_DEFINITION = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*=(?!=)(?P<text>.*)", re.DOTALL)
_POWERS = {"+": 1, "-": 1, "*": 2, "/": 2}


class Name(NamedTuple):
    """A metric, by its name."""

    text: str


class Call(NamedTuple):
    """An operation and what it is done to."""

    operation: str
    parts: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as a tree of calls, names and numbers."""

    text: str
    tree: Any

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it reads, each once."""
        return tuple(dict.fromkeys(_names(self.tree)))


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric of the caller's own making."""

    name: str
    expression: Expression


def parse_expression(text: str) -> Expression:
    """An expression from its text.

    Raises:
        UsageError: it is none; the message shows where.

    """
    if len(text) > LONGEST:
        raise UsageError(f"an expression of {len(text):,} characters", fix=f"use at most {LONGEST:,}")
    reader = _Reader(text, list(_tokens(text)))
    if sum(token.kind == "sign" for token in reader.tokens) > MOST:
        raise UsageError("an expression that is too long", fix=f"use at most {MOST} operations")
    tree = reader.sum(0)
    reader.end()
    return Expression(text.strip(), tree)


def parse_definitions(texts: Iterable[str]) -> tuple[Definition, ...]:
    """Definitions from ``NAME = EXPRESSION`` texts; one may use those before it.

    >>> [one.name for one in parse_definitions(["a = recall[x] - 1", "b = a / 2"])]
    ['a', 'b']

    Raises:
        UsageError: a text that defines nothing, or a name that is taken.

    """
    from evalcli.metrics.registry import is_registered

    found: dict[str, Definition] = {}
    for text in texts:
        parts = _DEFINITION.fullmatch(text)
        if parts is None:
            fix = "as in 'gap = recall[cat] - recall[dog]'"
            raise UsageError(f"--define {text!r} is not NAME = EXPRESSION", fix=fix)
        name = parts["name"]
        if name in found or name in FUNCTIONS or is_registered(name):
            raise UsageError(f"--define {name}: there is a metric of this name already", fix="give it another")
        if name in ROWS:
            raise UsageError(f"--define {name}: tables call a number of rows so", fix="give it another name")
        found[name] = Definition(name, parse_expression(parts["text"]))
    return tuple(found.values())


def needed(definitions: Iterable[Definition], known: Container[str] = ()) -> tuple[str, ...]:
    """The metrics of the registry that definitions read; ``known`` are other names that there will be.

    Raises:
        UsageError: a name that is neither.

    """
    from evalcli.metrics.registry import parse

    found: list[str] = []
    earlier: set[str] = set()
    for one in definitions:
        own = [name for name in one.expression.names if name in earlier or (name in known and name != one.name)]
        found += [str(parse(name)) for name in one.expression.names if name not in own]
        earlier.add(one.name)
    return tuple(dict.fromkeys(found))


def evaluated(tree: Any, read: Callable[[str], Value]) -> Value:
    """The value of an expression: certain to lie in an interval where what it reads is."""
    value, low, high = _spanned(tree, read)
    if isnan(value) or not isfinite(value):
        return Value(None)
    return Value(value) if low == high else Value(value, certified=(low, high))


Span = tuple[float, float, float]


def _spanned(tree: Any, read: Callable[[str], Value]) -> Span:
    """Value, low and high."""
    if isinstance(tree, Name):
        found = read(tree.text)
        value = float("nan") if found.value is None else found.value
        return (value, *(found.certified or (value, value)))
    if not isinstance(tree, Call):
        return tree, tree, tree
    spans = [_spanned(part, read) for part in tree.parts]
    value = on_numbers(tree.operation, [span[0] for span in spans])
    if all(span[1] == span[2] for span in spans) or isnan(value):
        return value, value, value
    # every operation is monotone in each operand where it is defined throughout, so the corners hold the extremes
    if tree.operation == "/" and spans[1][1] <= 0 <= spans[1][2]:
        return float("nan"), 0.0, 0.0
    if tree.operation == "**" and spans[0][1] <= 0:
        return float("nan"), 0.0, 0.0
    corners = [on_numbers(tree.operation, corner) for corner in product(*(span[1:] for span in spans))]
    if any(map(isnan, corners)):
        return float("nan"), 0.0, 0.0
    low = 0.0 if tree.operation == "abs" and spans[0][1] < 0 < spans[0][2] else min(corners)
    return value, min(low, value), max(*corners, value)


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.text
    elif isinstance(tree, Call):
        for part in tree.parts:
            yield from _names(part)


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def _tokens(text: str) -> Iterator[_Token]:
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise _wrong(text, place, "does not belong there")
        kind = str(found.lastgroup)
        start, place = found.start(kind), found.end()
        if kind == "name" and text[place : place + 1] == "[":
            place = _bracket_end(text, place)
        yield _Token(kind, text[start:place], start)


def _bracket_end(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` has closed; brackets inside pair up."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "[") - (text[place] == "]")
        if depth == 0:
            return place + 1
    raise _wrong(text, start, "opens and never closes")


def _wrong(text: str, place: int, what: str) -> UsageError:
    shown = text[place : place + 12].strip() or "the end"
    if shown.startswith("@"):
        fix = "define it of all rows: it is computed in each slice, too, and a gate may be on NAME@column=value"
        return UsageError(f"{shown!r} {what} in {text.strip()!r}: an expression reads no slices", fix=fix)
    return UsageError(f"{shown!r} {what} in {text.strip()!r}", fix="write it like (recall[cat] + recall[dog]) / 2")


class _Reader:
    """Recursive descent: sums of products of powers."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self.text, self.tokens, self.next = text, tokens, 0

    def peek(self) -> _Token:
        end = _Token("end", "", len(self.text))
        return self.tokens[self.next] if self.next < len(self.tokens) else end

    def take(self, sign: str) -> bool:
        if self.peek().kind == "sign" and self.peek().text == sign:
            self.next += 1
            return True
        return False

    def need(self, sign: str) -> None:
        if not self.take(sign):
            raise _wrong(self.text, self.peek().place, f"stands where {sign!r} should")

    def end(self) -> None:
        if self.peek().kind != "end":
            raise _wrong(self.text, self.peek().place, "does not belong there")

    def sum(self, depth: int, least: int = 1) -> Any:
        """Operations of one power after the other, the stronger first."""
        left = self.unary(depth)
        while self.peek().kind == "sign" and (power := _POWERS.get(self.peek().text, 0)) >= least:
            operation = self.peek().text
            self.next += 1
            left = Call(operation, (left, self.sum(depth + 1, power + 1)))
        return left

    def unary(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise UsageError("an expression that is nested too deeply", fix=f"nest at most {DEEPEST} deep")
        sign = next((sign for sign in "+-" if self.take(sign)), None)
        if sign is not None:
            inner = self.unary(depth + 1)
            return inner if sign == "+" else Call("neg", (inner,))
        base = self.atom(depth)
        return Call("**", (base, self.unary(depth + 1))) if self.take("**") else base

    def atom(self, depth: int) -> Any:
        token = self.peek()
        self.next += 1
        if token.kind == "number":
            if not isfinite(float(token.text)):
                raise _wrong(self.text, token.place, "is too large a number")
            return float(token.text)
        if token.kind == "name":
            return self.call(token, depth) if token.text in FUNCTIONS else Name(token.text)
        if token.text != "(":
            raise _wrong(self.text, token.place, "stands where a number or a metric should")
        inner = self.sum(depth + 1)
        self.need(")")
        return inner

    def call(self, token: _Token, depth: int) -> Any:
        self.need("(")
        parts = [self.sum(depth + 1)]
        while self.take(","):
            parts.append(self.sum(depth + 1))
        self.need(")")
        wanted = OPERATIONS[token.text][1]
        if (wanted is None and len(parts) < 2) or (wanted is not None and len(parts) != wanted):
            count = "two numbers or more" if wanted is None else "one number"
            raise _wrong(self.text, token.place, f"takes {count}")
        return Call(token.text, tuple(parts))
