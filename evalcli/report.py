"""The report: frozen plain data, to and from JSON.

Plain Python numbers, strings, tuples and dicts; no array, no rounding, no colour. Renderers and gates read nothing
else. A report saved and read again is saved to the same bytes; only ``run`` and ``asked`` are left out, because the
JSON must not depend on the machine, nor on whom it is shown to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

SCHEMA = "evalcli.report/1"

Number = int | float
Square = tuple[tuple[Number, Number], tuple[Number, Number]]
"""Two by two: rows are the target without and with a label, columns the prediction."""


@dataclass(frozen=True, slots=True)
class Value:
    """One number, with its interval where one was computed. ``None`` means undefined.

    ``certified`` holds the exact number for sure, where memory allowed no more: nothing statistical about it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    certified: tuple[float, float] | None = None


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
    (target, prediction, count), off the diagonal, largest first.

    Of several labels a row there is no one matrix but one for each label, in ``labels``: without it, then with it.
    Their ``pairs`` are (label that was missed, label predicted instead in the same row, rows).
    """

    matrix: tuple[tuple[Number, ...], ...] | None = None
    pairs: tuple[tuple[str, str, Number], ...] | None = None
    labels: tuple[Square, ...] | None = None


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
    threshold: float | tuple[float, ...] | None = None
    """One for all, or, of several labels a row, one for each."""
    averaged: int = 0
    """How many classes the macro means run over (``classes`` may name more)."""
    run: Run | None = None
    asked: tuple[str, ...] = ()
    """Metrics that were asked for by name, which people are shown; not part of the JSON."""

    def to_json_object(self) -> dict[str, Any]:
        """The report as JSON types, keys in the documented order; a number that is not finite is ``None``."""
        cut: dict[str, Any] = {}
        if self.positive is not None:
            cut = {"positive": self.positive, "threshold": self.threshold}
        if self.task == "multilabel" and self.threshold is not None:
            cut = {"threshold": list(self.threshold) if isinstance(self.threshold, tuple) else self.threshold}
        return {
            "schema": SCHEMA,
            "version": self.version,
            "signature": self.signature,
            "task": self.task,
            "scores": self.scores,
            "n": self.n,
            "ignored": self.ignored,
            "weighted": self.weighted,
            "classes": list(self.classes),
            "averaged": self.averaged,
            **cut,
            "metrics": {name: _value_object(value) for name, value in self.metrics.items()},
            "per_class": [_row_object(row) for row in self.per_class],
            "confusion": _confusion_object(self.confusion),
            "undefined": list(self.undefined),
            "findings": [{"code": f.code, "level": f.level, "text": f.text, "fix": f.fix} for f in self.findings],
            "gates": [_verdict_object(verdict) for verdict in self.gates],
            "inputs": [{"path": file.path, "size": file.size, "digest": file.digest} for file in self.inputs],
        }

    @classmethod
    def from_json_object(cls, data: object, path: str = "") -> Report:
        """A report from parsed JSON; ``path`` is the file to name in errors. Unknown keys are passed over.

        Raises:
            InputError: it is no report, of another version, or a part is missing or of the wrong type.

        """
        from evalcli.saved import report_from

        return report_from(data, path)


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def _value_object(value: Value) -> dict[str, Any]:
    found: dict[str, Any] = {"value": _finite(value.value)}
    if value.low is not None or value.high is not None:
        found |= {"low": _finite(value.low), "high": _finite(value.high)}
    if value.method is not None:
        found["method"] = value.method
    if value.certified is not None:
        found["certified"] = list(value.certified)
    return found


def _row_object(row: ClassRow) -> dict[str, Any]:
    metrics = {name: _value_object(value) for name, value in row.metrics.items()}
    return {"class": row.name, "support": row.support, "predicted": row.predicted, **metrics}


def _confusion_object(confusion: Confusion) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": "target", "columns": "prediction"}
    if confusion.matrix is not None:
        found["matrix"] = [list(row) for row in confusion.matrix]
    if confusion.labels is not None:
        found["labels"] = [[list(row) for row in square] for square in confusion.labels]
    if confusion.pairs is not None:
        found["pairs"] = [list(pair) for pair in confusion.pairs]
    return found


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rule": verdict.rule,
        "metric": verdict.metric,
        "value": _finite(verdict.value),
        "bound": verdict.bound,
        "status": verdict.status,
    }
    return found | ({"reason": verdict.reason} if verdict.reason else {})
