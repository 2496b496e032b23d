"""Parts of a report as frames of pandas."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas import DataFrame

    from evalcli.report import Report, Value


def metrics_frame(report: Report) -> DataFrame:
    """A row a metric: ``value``, ``low``, ``high``, ``method``."""
    import pandas as pd

    rows = [
        (_number(value.value), _number(value.low), _number(value.high), value.method)
        for value in report.metrics.values()
    ]
    index = pd.Index(list(report.metrics), name="metric", dtype=object)
    return pd.DataFrame(rows, index=index, columns=["value", "low", "high", "method"])


def class_frame(report: Report) -> DataFrame:
    """A row a class: ``support``, ``predicted`` and its metrics; of several outputs a row an output."""
    import pandas as pd

    if report.task == "regression":
        names = list(dict.fromkeys(name for row in report.per_output for name in row.metrics))
        index = pd.Index([row.name for row in report.per_output], name="output", dtype=object)
        cells = [[_of(row.metrics, name) for name in names] for row in report.per_output]
        return pd.DataFrame(cells, index=index, columns=names)
    names = list(dict.fromkeys(name for row in report.per_class for name in row.metrics))
    index = pd.Index([row.name for row in report.per_class], name="class", dtype=object)
    rows = [[row.support, row.predicted, *(_of(row.metrics, name) for name in names)] for row in report.per_class]
    return pd.DataFrame(rows, index=index, columns=["support", "predicted", *names])


def slice_frame(report: Report) -> DataFrame:
    """A row a slice, by the column and its value: ``n`` and the metrics."""
    import pandas as pd

    names = list(dict.fromkeys(name for row in report.slices for name in row.metrics))
    rows = [[row.n, *(_of(row.metrics, name) for name in names)] for row in report.slices]
    index = pd.MultiIndex.from_arrays(
        [[row.by for row in report.slices], [row.value for row in report.slices]], names=["by", "slice"]
    )
    return pd.DataFrame(rows, index=index, columns=["n", *names])


def confusion_frame(report: Report) -> DataFrame:
    """The matrix; pairs (``target``, ``prediction``, ``count``) where it is not held; of several labels their cells."""
    import pandas as pd

    if report.confusion.labels is not None:
        index = pd.Index(list(report.classes), name="label", dtype=object)
        cells = [[count for row in square for count in row] for square in report.confusion.labels]
        return pd.DataFrame(cells, index=index, columns=["tn", "fp", "fn", "tp"])
    if report.confusion.matrix is None:
        return pd.DataFrame(list(report.confusion.pairs or ()), columns=["target", "prediction", "count"])
    names = list(report.classes)
    return pd.DataFrame(
        [list(row) for row in report.confusion.matrix],
        index=pd.Index(names, name="target", dtype=object),
        columns=pd.Index(names, name="prediction", dtype=object),
    )


def _of(metrics: Mapping[str, Value], name: str) -> float:
    return _number(metrics[name].value) if name in metrics else nan


def _number(value: float | None) -> float:
    return nan if value is None else value
