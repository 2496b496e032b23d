"""The report: frozen plain data, to and from JSON.

Plain Python numbers, strings, tuples and dicts; no rounding, no colour, no array but behind the rows of classes, of
which there may be a million. Renderers and gates read nothing else. A report saved and read again is saved to the same
bytes; only ``run`` and ``asked`` are left out, because the JSON must not depend on the machine, nor on whom it is shown
to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.searched import Scan

SCHEMA = "evalcli.report/1"
WHOLE = ("", "")
"""All rows, where others are those of a slice: its column and its value."""

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
    metrics: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One output of a regression with several. ``metrics`` maps ``rmse``, ``r2``, … to values."""

    name: str
    metrics: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Residuals:
    """How ``prediction − target`` is spread in one ``output``.

    ``quantiles`` pairs a percentage of the rows with the residual that they lie below. ``counts`` (B) of rows, or sums
    of weights, lie between neighbouring ``edges`` (B + 1); the outermost reach to the least and the largest residual.
    """

    output: str
    bias: float
    quantiles: tuple[tuple[float, Value], ...]
    edges: tuple[float, ...]
    counts: tuple[Number, ...]


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


class CalibrationBin(NamedTuple):
    """One bin ``(low, high]`` of confidence: its rows or weights, mean confidence and the share that came true.

    The last two are ``None`` where it is empty.
    """

    low: float
    high: float
    n: Number
    confidence: float | None
    accuracy: float | None


class Temperature(NamedTuple):
    """The ``value`` by which logits divided would have the least log loss, and that loss ``before`` and ``after``.

    It was fitted on ``rows`` of the very data that are reported. ``value`` is ``None`` where none is best: then any
    confidence is too much, or too little.
    """

    value: float | None
    before: float
    after: float
    rows: int


class SliceRow(NamedTuple):
    """The rows where the column ``by`` has this ``value``: ``n`` of them, and their metrics."""

    by: str
    value: str
    n: int
    metrics: dict[str, Value]


class Clustered(NamedTuple):
    """Rows with the same value of ``by`` were sampled together: ``clusters``, the ``largest`` of so many rows.

    ``design_effect`` is how many times as large as that of independent rows the variance is: of the accuracy, of a
    regression of the mean squared error (of its first output), with several labels a row of the subset accuracy.
    ``None`` where nothing varies.
    """

    by: str
    clusters: int
    largest: int
    design_effect: float | None


class CoveragePoint(NamedTuple):
    """The ``accuracy`` on the share ``coverage`` of the rows that are surest, and the least ``confidence`` there."""

    coverage: float
    accuracy: float
    confidence: float


class Calibration(NamedTuple):
    """How far confidence can be believed: bins of the ``top label``, or in a binary task of the ``positive`` class."""

    of: str
    bins: tuple[CalibrationBin, ...]
    temperature: Temperature | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an experienced colleague would say: ``level`` is ``warning`` or ``info``; ``fix`` names the flag or step."""

    code: str
    level: str
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One gate. ``status`` is ``pass``, ``fail``, ``inconclusive``, ``undefined`` or ``missing``.

    ``reason`` is text for people; ``low`` and ``high`` are the interval of the value, of ``n`` rows. Of a drop the
    value is the drop itself, ``baseline`` and ``current`` are the metric then and now, and ``method`` is that of the
    interval.
    """

    rule: str
    metric: str
    value: float | None
    bound: float
    status: str
    reason: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    baseline: float | None = None
    current: float | None = None
    method: str | None = None


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
    per_class: Sequence[ClassRow] = ()
    confusion: Confusion = field(default_factory=Confusion)
    calibration: Calibration | None = None
    coverage: tuple[CoveragePoint, ...] = ()
    undefined: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    gates: tuple[Verdict, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    scan: Scan | None = None
    inputs: tuple[InputRecord, ...] = ()
    positive: str | None = None
    threshold: float | tuple[float, ...] | None = None
    """One for all, or, of several labels a row, one for each."""
    where: str | None = None
    """The condition, in SQL, by which rows were chosen; ``None``: all that the files hold."""
    clustered: Clustered | None = None
    """What intervals are of, where it is not single rows."""
    confidence: float | None = None
    """How sure the intervals are to hold the truth."""
    averaged: int = 0
    """How many classes the macro means run over (``classes`` may name more)."""
    run: Run | None = None
    asked: tuple[str, ...] = ()
    """Metrics that were asked for by name, which people are shown; not part of the JSON."""
    least: int = 1
    """The rows without which a slice is never the worst, and makes no gap; not part of the JSON."""
    outputs: tuple[str, ...] = ()
    """What a regression predicts of each row, by name."""
    per_output: tuple[OutputRow, ...] = ()
    """Each of several outputs by itself."""
    residuals: tuple[Residuals, ...] = ()
    directions: dict[str, str] = field(default_factory=dict)
    """Whether ``higher`` or ``lower`` values are better, of metrics that the registry does not know and that say so."""
    moved: Mapping[tuple[str, str], Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    """What groups of rows move such metrics by, of all rows and of slices by column and value: they go together as
    these do. Not part of the JSON."""

    def to_json_object(self) -> dict[str, Any]:
        """The report as JSON types, keys in the documented order; a number that is not finite is ``None``."""
        from evalcli.report_json import report_object

        return report_object(self)

    @classmethod
    def from_json_object(cls, data: object, path: str = "") -> Report:
        """A report from parsed JSON; ``path`` is the file to name in errors. Unknown keys are passed over.

        Raises:
            InputError: it is no report, of another version, or a part is missing or of the wrong type.

        """
        from evalcli.saved import report_from

        return report_from(data, path)
