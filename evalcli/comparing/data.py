"""The comparison: frozen plain data, to and from JSON. Renderers and margins read nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.comparing.doubt import InDoubt, ends_of
from evalcli.errors import InputError
from evalcli.metrics.address import split_address
from evalcli.report import Clustered, Finding, InputRecord, Verdict
from evalcli.sources.spelling import ways_to_write

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "evalcli.comparison/1"
OVERLAP = "evalcli.overlap/1"

Number = int | float

NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What models are called, in the order in which they were given."""


class Model(NamedTuple):
    """One side of a comparison: what it is called here, its file, its column there, and what its predictions are.

    ``n`` is only said of samples that differ from model to model.
    """

    name: str
    path: str
    column: str
    scores: str
    n: int | None = None


class Difference(NamedTuple):
    """``value`` is a model's metric less that of the reference; ``adjusted`` is its p-value by Holm.

    What is best at 0, a bias, is compared by its size: ``value`` is ``|b| − |a|``.

    ``detectable`` is the least difference that such a sample shows four times out of five; ``None`` where it shows none
    that the metric can have. ``verdict`` is ``better``,
    ``worse`` or ``none``; of what no model is better for it is ``higher``, ``lower`` or ``none``. That no difference
    was shown does not say that there is none.
    """

    value: float
    low: float
    high: float
    method: str
    p: float
    adjusted: float
    detectable: float | None
    verdict: str = "none"


class MetricRow(NamedTuple):
    """One metric of all models (M,), ``None`` where it is undefined, and how each differs from the reference.

    ``differences`` has ``None`` for the reference itself, and for what no test is known for.
    """

    name: str
    direction: str
    unit: bool
    """Whether it is a share or a correlation, so that differences can be told in points."""
    values: tuple[float | None, ...]
    """Each knows between what it lies for certain, where it is in doubt (:class:`~evalcli.comparing.doubt.InDoubt`)."""
    differences: tuple[Difference | None, ...]


class ClassRow(NamedTuple):
    """One label of several a row: how often it is true, and its metrics by their base names.

    Holm goes over the labels, metric by metric.
    """

    name: str
    support: int | float
    metrics: dict[str, MetricRow]


class SliceRow(NamedTuple):
    """The ``n`` rows where the column ``by`` has this ``value``, and the metrics of all models there by their names.

    ``reference`` is the place of the model that the others are compared with there: of a league, the best of the slice.
    Holm goes over the slices by one column and over all pairs of models, metric by metric.
    """

    by: str
    value: str
    n: int
    metrics: dict[str, MetricRow]
    reference: int = 0


class ClassFlips(NamedTuple):
    """Rows of one class (of all: ``None``) that two models have both right, that flip, and that both have wrong.

    ``fixed`` are wrong in A and right in B, ``broken`` the other way round, ``other`` wrong in two ways. Of several
    labels a row, a row is right where all of its labels are; of one label it is cells that are counted, of which
    ``support`` are true.
    """

    name: str | None
    support: int
    right: int
    fixed: int
    broken: int
    other: int
    same: int


class FlippedRow(NamedTuple):
    """A row that flips: ``kind`` is ``fixed``, ``broken`` or ``other``; ``row`` counts from 0.

    ``first`` and ``second`` are the answers of A and B, ``None`` for none. Of values, ``fixed`` are rows in which B is
    nearer to the target, ``broken`` those in which it is farther off. Of several labels a row, all three are the labels
    of the row; with a ``label``, the cell of that label: 0 or 1.
    """

    kind: str
    row: int
    id: str | None
    file: str | None
    line: int | None
    target: str | tuple[str, ...]
    first: str | tuple[str, ...] | None
    second: str | tuple[str, ...] | None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything evalcli knows about models side by side.

    ``kind``: ``paired`` (two models on the same rows), ``league`` (more of them, against the best), or ``independent``
    (one model on two samples). ``reference`` is the place of the model that the others are compared with.
    """

    version: str
    kind: str
    task: str
    n: int
    ignored: int
    left_out: int
    """Rows that one model has a prediction for and another has not."""
    weighted: bool
    classes: tuple[str, ...]
    positive: str | None
    confidence: float
    models: tuple[Model, ...]
    reference: int
    metrics: tuple[MetricRow, ...]
    per_class: tuple[ClassRow, ...] = ()
    """Of several labels a row, each of them."""
    slices: tuple[SliceRow, ...] = ()
    flips: tuple[ClassFlips, ...] = ()
    rows: tuple[FlippedRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    gates: tuple[Verdict, ...] = ()
    inputs: tuple[InputRecord, ...] = ()
    where: str | None = None
    """The condition, in SQL, by which rows were chosen; ``None``: all that the files hold."""
    clustered: Clustered | None = None
    """Which rows belong together, so that whole clusters were drawn."""
    definitions: dict[str, str] = field(default_factory=dict)
    """The metrics that are computed from others, and how."""
    least: int = 1
    """The rows without which a slice was not tested, and is never the worst; not part of the JSON."""

    def metric(self, name: str) -> MetricRow | None:
        """The row of this metric, if it was compared; ``accuracy@region=EU`` is that of a slice."""
        address = split_address(name)
        if address is not None:
            written = ways_to_write(str(address.value))
            rows = (row for row in self.slices if row.by == address.by and row.value in written)
            return next((row.metrics.get(address.metric) for row in rows), None)
        of_labels = (row for label in self.per_class for row in label.metrics.values())
        return next((row for row in (*self.metrics, *of_labels) if row.name == name), None)

    def to_json_object(self) -> dict[str, Any]:
        """The comparison as JSON types; a number that is not finite is ``None``."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "kind": self.kind,
            "task": self.task,
            "n": self.n,
            "ignored": self.ignored,
            "left_out": self.left_out,
            "weighted": self.weighted,
            **({} if self.where is None else {"where": self.where}),
            **({} if self.clustered is None else {"clustered": self.clustered._asdict()}),
            **({"definitions": self.definitions} if self.definitions else {}),
            "classes": list(self.classes),
            **({} if self.positive is None else {"positive": self.positive}),
            "confidence": self.confidence,
            "models": [_object(each) for each in self.models],
            "reference": self.reference,
            "metrics": {row.name: _metric_object(row) for row in self.metrics},
            **({"per_class": [_class_object(each) for each in self.per_class]} if self.per_class else {}),
            **({"slices": [_slice_object(each, self.kind) for each in self.slices]} if self.slices else {}),
            **({"flips": [_object(each) for each in self.flips]} if self.flips else {}),
            **({"rows": [_row_object(each) for each in self.rows]} if self.flips or self.rows else {}),
            "findings": [_object(each) for each in self.findings],
            "gates": [_object(each) for each in self.gates],
            "inputs": [_object(each) for each in self.inputs],
        }

    @classmethod
    def from_json_object(cls, data: object) -> Comparison:
        """A comparison from parsed JSON. Unknown keys are passed over.

        Raises:
            InputError: it is no comparison, of another version, or a part is missing or of the wrong form.

        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else None
            what = f"not a saved comparison ({SCHEMA})" + (f", but {found!r}" if isinstance(found, str) else "")
            raise InputError(what, fix="save one with evalcli compare … -o comparison.json")
        try:
            return cls(
                **{name: data[name] for name in ("version", "kind", "task", "n", "ignored", "left_out", "weighted")},
                classes=tuple(data["classes"]),
                positive=data.get("positive"),
                confidence=data["confidence"],
                models=_all(Model, data["models"]),
                reference=data["reference"],
                metrics=tuple(_metric_from(name, each) for name, each in data["metrics"].items()),
                per_class=tuple(map(_class_from, data.get("per_class", ()))),
                slices=tuple(map(_slice_from, data.get("slices", ()))),
                flips=_all(ClassFlips, data.get("flips", ())),
                rows=tuple(map(_row_from, data.get("rows", ()))),
                findings=_all(Finding, data["findings"]),
                gates=_all(Verdict, data["gates"]),
                inputs=_all(InputRecord, data["inputs"]),
                where=data.get("where"),
                clustered=_clustered_from(data.get("clustered")),
                definitions=dict(data.get("definitions", {})),
            )
        except (KeyError, TypeError, AttributeError) as error:
            what = f"a saved comparison with a part missing or of another form: {error}"
            raise InputError(what, fix="save it again") from error


def goodness(direction: str, value: float | None) -> float:
    """What is larger the better a value is; of what is best at 0, the nearer."""
    if value is None:
        return -inf
    if direction == "zero":
        return -abs(value)
    return -value if direction == "lower" else value


class SharedRow(NamedTuple):
    """A row of the second file, and the first row of the first one that is the same; ``id`` where one was named."""

    first: int
    second: int
    id: str | None = None


class Overlap(NamedTuple):
    """What two files share: rows and distinct rows of each, how many of each are in the other, by what, and the first.

    ``by`` says in words what makes two rows the same.
    """

    version: str
    by: str
    paths: tuple[str, str]
    n: tuple[int, int]
    distinct: tuple[int, int]
    shared: tuple[int, int]
    rows: tuple[SharedRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    inputs: tuple[InputRecord, ...] = ()

    def to_json_object(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "schema": OVERLAP,
            "version": self.version,
            "by": self.by,
            "paths": list(self.paths),
            "n": list(self.n),
            "distinct": list(self.distinct),
            "shared": list(self.shared),
            "rows": [_object(each) for each in self.rows],
            "findings": [_object(each) for each in self.findings],
            "inputs": [_object(each) for each in self.inputs],
        }


def _object(value: Any) -> dict[str, Any]:
    """A flat record as JSON types."""
    return {name: _plain(getattr(value, name)) for name in _names(value)}


def _names(record: Any) -> Iterable[str]:
    """The fields of a record, or of its class: a named tuple or a dataclass."""
    names: Iterable[str] = record._fields if hasattr(record, "_fields") else record.__dataclass_fields__
    return names


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _metric_object(row: MetricRow) -> dict[str, Any]:
    ends = [ends_of(value) for value in row.values]
    return {
        "direction": row.direction,
        "unit": row.unit,
        "values": [_plain(value) for value in row.values],
        **({"certified": [None if each is None else list(each) for each in ends]} if any(ends) else {}),
        "differences": [None if each is None else _object(each) for each in row.differences],
    }


def _row_object(row: FlippedRow) -> dict[str, Any]:
    found = _object(row)
    return found if row.label is not None else {name: each for name, each in found.items() if name != "label"}


def _row_from(data: Any) -> FlippedRow:
    held = {name: tuple(each) if isinstance(each, list) else each for name, each in data.items()}
    found: FlippedRow = _one(FlippedRow, held)
    return found


def _class_object(row: ClassRow) -> dict[str, Any]:
    metrics = {name: _metric_object(each) for name, each in row.metrics.items()}
    return {"class": row.name, "support": row.support, "metrics": metrics}


def _class_from(data: Any) -> ClassRow:
    metrics = {base: _metric_from(f"{base}[{data['class']}]", each) for base, each in data["metrics"].items()}
    return ClassRow(data["class"], data["support"], metrics)


def _slice_object(row: SliceRow, kind: str) -> dict[str, Any]:
    metrics = {name: _metric_object(each) for name, each in row.metrics.items()}
    reference = {"reference": row.reference} if kind == "league" else {}
    return {"by": row.by, "value": row.value, "n": row.n, **reference, "metrics": metrics}


def _slice_from(data: Any) -> SliceRow:
    metrics = {name: _metric_from(name, each) for name, each in data["metrics"].items()}
    return SliceRow(data["by"], data["value"], data["n"], metrics, data.get("reference", 0))


def _metric_from(name: str, data: Any) -> MetricRow:
    differences = tuple(None if each is None else _one(Difference, each) for each in data["differences"])
    ends = data.get("certified") or [None] * len(data["values"])
    values = tuple(
        value if each is None else InDoubt.made(value, (each[0], each[1]))
        for value, each in zip(data["values"], ends, strict=True)
    )
    return MetricRow(name, data["direction"], data["unit"], values, differences)


def _clustered_from(data: Any) -> Clustered | None:
    return None if data is None else Clustered(**{name: data[name] for name in Clustered._fields})


def _all(kind: Any, data: Any) -> tuple[Any, ...]:
    return tuple(_one(kind, each) for each in data)


def _one(kind: Any, data: Any) -> Any:
    return kind(**{name: data[name] for name in _names(kind) if name in data})
