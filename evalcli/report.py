"""The report: frozen plain data, to and from JSON.

Plain Python numbers, strings, tuples and dicts; no array, no rounding, no colour. Renderers and gates read nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA = "evalcli.report/1"

Number = int | float


@dataclass(frozen=True, slots=True)
class Value:
    """One number, with its interval where one was computed. ``None`` means undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class, one-vs-rest. ``metrics`` maps ``precision``, ``recall``, … to values."""

    name: str
    support: Number
    predicted: Number
    metrics: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows are targets, columns predictions, in class order. With many classes ``pairs`` stand in for ``matrix``:
    (target, prediction, count), off the diagonal, largest first."""

    matrix: tuple[tuple[Number, ...], ...] | None = None
    pairs: tuple[tuple[str, str, Number], ...] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an experienced colleague would say: ``level`` is ``warning`` or ``info``; ``fix`` names the flag or step."""

    code: str
    level: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate. ``status`` is ``pass``, ``fail``, ``undefined`` or ``missing``; ``reason`` is text for people."""

    rule: str
    metric: str
    value: float | None
    bound: float
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InputRecord:
    """A file that was read, with its size in bytes and its digest."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Run:
    """How it ran: shown to people, never part of the JSON, which must not depend on the machine."""

    seconds: float
    backend: str
    device: str
    workers: int
    batch_size: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything evalcli knows about one evaluation."""

    version: str
    signature: str
    task: str
    scores: str
    n: int
    ignored: int
    weighted: bool
    classes: tuple[str, ...]
    metrics: dict[str, Value]
    per_class: tuple[ClassRow, ...] = ()
    confusion: Confusion = field(default_factory=Confusion)
    undefined: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    gates: tuple[Verdict, ...] = ()
    inputs: tuple[InputRecord, ...] = ()
    positive: str | None = None
    threshold: float | None = None
    averaged: int = 0
    """How many classes the macro means run over (``classes`` may name more)."""
    run: Run | None = None
