"""A report as JSON types: what is written, and :mod:`evalcli.saved` reads. A number that is not finite is ``None``."""

from __future__ import annotations

from math import isfinite, isinf
from typing import TYPE_CHECKING, Any

from evalcli.report import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.report import Calibration, ClassRow, Confusion, Report, Residuals, SliceRow, Value, Verdict


def report_object(report: Report) -> dict[str, Any]:
    """All of a report, keys in the documented order."""
    from evalcli.searched import scan_object

    cut: dict[str, Any] = {}
    if report.positive is not None:
        cut = {"positive": report.positive, "threshold": report.threshold}
    if report.task == "multilabel" and report.threshold is not None:
        cut = {"threshold": list(report.threshold) if isinstance(report.threshold, tuple) else report.threshold}
    regression = report.task == "regression"
    classes = {"classes": list(report.classes), "averaged": report.averaged, **cut}
    return {
        "schema": SCHEMA,
        "version": report.version,
        "signature": report.signature,
        "task": report.task,
        "scores": report.scores,
        "n": report.n,
        "ignored": report.ignored,
        "weighted": report.weighted,
        **({} if report.where is None else {"where": report.where}),
        **({"outputs": list(report.outputs)} if regression else classes),
        **({} if report.clustered is None else {"clustered": report.clustered._asdict()}),
        **({} if report.confidence is None else {"confidence": report.confidence}),
        "metrics": {name: value_object(value) for name, value in report.metrics.items()},
        **({"directions": report.directions} if report.directions else {}),
        **(_outputs_object(report) if regression else _classes_object(report)),
        "undefined": list(report.undefined),
        "findings": [{"code": f.code, "level": f.level, "text": f.text, "fix": f.fix} for f in report.findings],
        "gates": [_verdict_object(verdict) for verdict in report.gates],
        **({"slices": [_slice_object(row) for row in report.slices]} if report.slices else {}),
        **({} if report.scan is None else {"scan": scan_object(report.scan)}),
        "inputs": [{"path": file.path, "size": file.size, "digest": file.digest} for file in report.inputs],
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def value_object(value: Value) -> dict[str, Any]:
    """A value as JSON types."""
    found: dict[str, Any] = {"value": _finite(value.value)}
    if value.value is not None and isinf(value.value):  # strict JSON has no such number
        found["infinite"] = "+" if value.value > 0 else "-"
    if value.low is not None or value.high is not None:
        found |= {"low": _finite(value.low), "high": _finite(value.high)}
    if value.method is not None:
        found["method"] = value.method
    if value.certified is not None:
        found["certified"] = list(value.certified)
    return found


def _classes_object(report: Report) -> dict[str, Any]:
    return {
        "per_class": [*class_objects(report)],
        "confusion": _confusion_object(report.confusion),
        **({} if report.calibration is None else {"calibration": _calibration_object(report.calibration)}),
        **({"coverage": [point._asdict() for point in report.coverage]} if report.coverage else {}),
    }


def _outputs_object(report: Report) -> dict[str, Any]:
    rows = [
        {"output": row.name, **{name: value_object(value) for name, value in row.metrics.items()}}
        for row in report.per_output
    ]
    return {"per_output": rows, "residuals": [_residuals_object(each) for each in report.residuals]}


def _residuals_object(residuals: Residuals) -> dict[str, Any]:
    return {
        "output": residuals.output,
        "bias": _finite(residuals.bias),
        "quantiles": [{"percent": percent, **value_object(value)} for percent, value in residuals.quantiles],
        "histogram": {"edges": list(residuals.edges), "counts": list(residuals.counts)},
    }


def class_objects(report: Report) -> Iterator[dict[str, Any]]:
    """The rows of ``per_class`` as JSON types, one after the other: there may be a million."""
    return map(_row_object, report.per_class)


def _row_object(row: ClassRow) -> dict[str, Any]:
    metrics = {name: value_object(value) for name, value in row.metrics.items()}
    return {"class": row.name, "support": row.support, "predicted": row.predicted, **metrics}


def _slice_object(row: SliceRow) -> dict[str, Any]:
    metrics = {name: value_object(value) for name, value in row.metrics.items()}
    return {"by": row.by, "value": row.value, "n": row.n, "metrics": metrics}


def _confusion_object(confusion: Confusion) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": "target", "columns": "prediction"}
    if confusion.matrix is not None:
        found["matrix"] = [list(row) for row in confusion.matrix]
    if confusion.labels is not None:
        found["labels"] = [[list(row) for row in square] for square in confusion.labels]
    if confusion.pairs is not None:
        found["pairs"] = [list(pair) for pair in confusion.pairs]
    return found


def _calibration_object(calibration: Calibration) -> dict[str, Any]:
    bins = [
        {"low": b.low, "high": b.high, "n": b.n, "confidence": b.confidence, "accuracy": b.accuracy}
        for b in calibration.bins
    ]
    fitted = calibration.temperature
    if fitted is None:
        return {"of": calibration.of, "bins": bins}
    temperature = {"value": fitted.value, "before": fitted.before, "after": fitted.after, "rows": fitted.rows}
    return {"of": calibration.of, "bins": bins, "temperature": temperature}


def _verdict_object(verdict: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rule": verdict.rule,
        "metric": verdict.metric,
        "value": _finite(verdict.value),
        "bound": verdict.bound,
        "status": verdict.status,
    }
    if verdict.low is not None or verdict.high is not None:
        found |= {"low": _finite(verdict.low), "high": _finite(verdict.high)}
    if verdict.method is not None:
        found["method"] = verdict.method
    if verdict.n is not None:
        found["n"] = verdict.n
    if verdict.baseline is not None and verdict.current is not None:
        found |= {"baseline": _finite(verdict.baseline), "current": _finite(verdict.current), "drop": found["value"]}
    return found | ({"reason": verdict.reason} if verdict.reason else {})
