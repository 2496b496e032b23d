"""The report as one tidy table: a number a row, for spreadsheets and data frames.

``table`` is ``overall``, ``class``, ``confusion``, ``calibration``, ``coverage``, ``slice`` or, of a search, ``scan``
and ``weak``; ``class`` is the class concerned (in ``confusion`` the target, in ``calibration`` the bin of probability,
in ``coverage`` the share of the surest rows, in ``slice`` and ``weak`` the column and its value), ``prediction`` the
class predicted. Of several labels a row,
``confusion`` holds the four counts of each label, and ``confused`` the pairs of which one was missed (``class``) where
the other was predicted. Of a regression it is ``overall``, ``output``, ``residuals`` (quantiles by percent) or
``histogram`` (rows whose residual lies from ``low`` to ``high``), and ``class`` names the output. ``certified_low`` and
``certified_high`` hold the exact value for sure where ``value`` is not exact itself. Numbers are unrounded; undefined
is empty. Names are made harmless to spreadsheets; JSON holds them exactly.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from evalcli.renderers import weak_words
from evalcli.renderers.escape import spreadsheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.report import Number, Report, Value

COLUMNS = (
    "table",
    "metric",
    "class",
    "prediction",
    "value",
    "low",
    "high",
    "method",
    "certified_low",
    "certified_high",
)

Row = tuple[str | float | None, ...]


def render_csv(report: Report) -> str:
    """RFC 4180 with a header, lines ended by a newline alone."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_overall(report))
    writer.writerows(_classes(report))
    writer.writerows(_confusion(report))
    writer.writerows(_calibration(report))
    writer.writerows(_coverage(report))
    writer.writerows(_slices(report))
    writer.writerows(_weak(report))
    writer.writerows(_outputs(report))
    writer.writerows(_residuals(report))
    return out.getvalue()


def _overall(report: Report) -> Iterator[Row]:
    yield _count("overall", "n", report.n)
    yield _count("overall", "ignored", report.ignored)
    for name, value in report.metrics.items():
        yield _measured("overall", name, "", value)


def _classes(report: Report) -> Iterator[Row]:
    for row in report.per_class:
        name = spreadsheet(row.name)
        yield _count("class", "support", row.support, name)
        yield _count("class", "predicted", row.predicted, name)
        for metric, value in row.metrics.items():
            yield _measured("class", metric, name, value)


def _confusion(report: Report) -> Iterator[Row]:
    names = [spreadsheet(name) for name in report.classes]
    for target, counts in zip(names, report.confusion.matrix or (), strict=False):
        for guess, count in zip(names, counts, strict=True):
            yield _count("confusion", "count", count, target, guess)
    for name, ((tn, fp), (fn, tp)) in zip(names, report.confusion.labels or (), strict=False):
        for cell, count in zip(("tn", "fp", "fn", "tp"), (tn, fp, fn, tp), strict=True):
            yield _count("confusion", cell, count, name)
    table = "confusion" if report.confusion.labels is None else "confused"
    for wanted, given, count in report.confusion.pairs or ():
        yield _count(table, "count", count, spreadsheet(wanted), spreadsheet(given))


def _calibration(report: Report) -> Iterator[Row]:
    for one in () if report.calibration is None else report.calibration.bins:
        edges = f"{one.low:.4f}..{one.high:.4f}"
        yield _count("calibration", "n", one.n, edges)
        for metric, share in (("confidence", one.confidence), ("accuracy", one.accuracy)):
            yield ("calibration", metric, edges, "", share, None, None, None, None, None)


def _coverage(report: Report) -> Iterator[Row]:
    for point in report.coverage:
        for metric, value in (("accuracy", point.accuracy), ("confidence", point.confidence)):
            yield ("coverage", metric, f"{point.coverage:.4g}", "", value, None, None, None, None, None)


def _slices(report: Report) -> Iterator[Row]:
    for row in report.slices:
        name = spreadsheet(f"{row.by}={row.value}")
        yield _count("slice", "n", row.n, name)
        for metric, value in row.metrics.items():
            yield _measured("slice", metric, name, value)


def _weak(report: Report) -> Iterator[Row]:
    scan = report.scan
    if scan is None:
        return
    for metric, count in (("tried", scan.tried), ("few", scan.few), ("found", len(scan.slices))):
        yield _count("scan", metric, count)
    for row in scan.slices:
        name = spreadsheet(weak_words.named(row))
        yield _count("weak", "n", row.n, name)
        yield _count("weak", spreadsheet(scan.metric), row.value, name)
        yield _count("weak", "rest", row.rest, name)
        method = None if row.low is None else scan.test.replace("fisher", "newcombe")
        yield ("weak", "difference", name, "", row.difference, row.low, row.high, method, None, None)
        yield _count("weak", "p", row.p, name)
        yield _count("weak", "p_adjusted", row.p_adjusted, name)


def _outputs(report: Report) -> Iterator[Row]:
    for row in report.per_output:
        for metric, value in row.metrics.items():
            yield _measured("output", metric, spreadsheet(row.name), value)


def _residuals(report: Report) -> Iterator[Row]:
    for each in report.residuals:
        name = spreadsheet(each.output) if len(report.outputs) > 1 else ""
        for percent, value in each.quantiles:
            yield _measured("residuals", f"p{percent:g}", name, value)
        for low, high, count in zip(each.edges, each.edges[1:], each.counts, strict=False):
            yield ("histogram", "count", name, "", count, low, high, None, None, None)


def _count(table: str, metric: str, value: Number, name: str = "", prediction: str = "") -> Row:
    return (table, metric, name, prediction, value, None, None, None, None, None)


def _measured(table: str, metric: str, name: str, value: Value) -> Row:
    certain = value.certified or (None, None)
    return (table, spreadsheet(metric), name, "", value.value, value.low, value.high, value.method, *certain)
