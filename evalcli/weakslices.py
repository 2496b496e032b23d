"""Which of the slices that were searched are weak: each against all other rows, all of them judged together.

A slice is tried where it has rows enough and there are others beside it. Its p-value is that of a one-sided test
against all other rows: Fisher's of shares, and of means the larger of Welch's and a permutation's. A pair makes sense
only where it is worse than each of its two values explains: its p-value is the largest of three, against all other
rows, against the other rows of the one value and against those of the other, as an intersection–union test has it. A
pair that has all the rows of one of its values is that slice again, and not tried. All p-values are adjusted together
by Benjamini and Hochberg. The worst comes first: the one with the largest difference that its interval is sure of.

Source: Berger 1982, Multiparameter hypothesis testing and acceptance sampling, for the largest of several p-values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.registry import parse
from evalcli.report import Finding
from evalcli.searched import LeastShown, Scan, WeakSlice
from evalcli.sources.slicing import escaped
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twoshares import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.report import Report
    from evalcli.scantables import Part, ScanTables
    from evalcli.sources.base import Scanned

LEVEL = 0.05
"""The share of false alarms among the slices called weak, at most."""


class _Slice(NamedTuple):
    """A slice that is tried: of which columns, which of their values, and its own rows."""

    which: tuple[int, ...]
    values: tuple[int, ...]
    part: Part


def judged(
    scanned: Scanned,
    tables: ScanTables,
    metric: str,
    names: Sequence[str],
    confidence: Confidence | None,
    noun: str = "class",
) -> Scan:
    """What the search by ``metric`` found; intervals only with a ``confidence``.

    ``names`` are those that the metric may be of: classes, labels or outputs, as the ``noun`` says.

    Raises:
        UsageError: the metric is of one that is not there.

    """
    label = parse(metric).label
    if label is not None and label not in names:
        told, nouns = ", ".join(map(repr, names[:5])), f"{noun}es" if noun.endswith("s") else f"{noun}s"
        fix = f"{nouns} are {told}" if told else f"drop [{label}]"
        raise UsageError(f"--scan-metric {metric}: no {noun} {label!r}", fix=fix)
    whole, least = tables.total.part(0), scanned.asked.least
    tried = list(_tried(tables, least))
    p_values = np.array([_p_value(one, tables, whole) for one in tried])
    adjusted = benjamini_hochberg(p_values)
    sure = confidence or Confidence()
    weak = [
        (_weak(tried[i], scanned, whole, sure), float(p_values[i]), float(adjusted[i]))
        for i in np.flatnonzero(adjusted <= LEVEL).tolist()
    ]
    weak.sort(key=lambda found: (-_surely(found[0]), found[1], found[0].columns, found[0].values))
    slices = tuple(one._replace(p=p, p_adjusted=q) for one, p, q in weak)
    if confidence is None:
        slices = tuple(one._replace(low=None, high=None) for one in slices)
    return Scan(
        metric=metric,
        level=LEVEL,
        least=least,
        columns=tuple(slicer.name for slicer in scanned.columns),
        left_out=scanned.left_out,
        tried=len(tried),
        few=scanned.rare + sum(_few(tables.rows(which), least) for which in tables.tables),
        slices=slices,
        shown=_shown(tried, scanned, whole) if tried and not slices else None,
        test=whole.test,
    )


def _surely(one: WeakSlice) -> float:
    """By how much a slice is worse at least; a loss is the worse the larger it is."""
    low, high = one.low or 0.0, one.high or 0.0
    return -high if one.difference < 0.0 else low


def _few(rows: HostArray, least: int) -> int:
    """How many slices have rows (S, …), but too few of them."""
    rows = rows[(slice(-1),) * rows.ndim]
    return int(((rows > 0) & (rows < least)).sum())


def _tried(tables: ScanTables, least: int) -> Iterator[_Slice]:
    """Every slice that has rows enough and is another than all rows, or than one of its values."""
    whole = int(tables.total.rows[0])
    for which in tables.tables:
        rows = tables.rows(which)
        enough = (rows >= least) & (rows < whole)
        for axis, size in enumerate(rows.shape):
            enough[(slice(None),) * axis + (size - 1,)] = False
        if len(which) == 2:
            first, second = (tables.rows((place,)) for place in which)
            enough &= (rows < first[:, None]) & (rows < second[None, :])
        for values in zip(*map(np.ndarray.tolist, np.nonzero(enough)), strict=True):
            yield _Slice(which, values, tables.part(which, values))


def _p_value(one: _Slice, tables: ScanTables, whole: Part) -> float:
    """That of the test, of a pair the largest of three; 1 where the slice is no worse than the rest.

    What is above the level needs not be known more closely: it changes no adjusted value below the level.
    """
    if not one.part.is_worse(whole):
        return 1.0
    p = one.part.p_worse(whole)
    parents = zip(one.which, one.values, strict=True) if len(one.which) > 1 else ()
    for place, value in parents:
        if p > LEVEL:
            break
        p = max(p, one.part.p_worse(tables.part((place,), (value,))))
    return p


def _weak(one: _Slice, scanned: Scanned, whole: Part, confidence: Confidence) -> WeakSlice:
    rest = whole.without(one.part)
    columns = [scanned.columns[place] for place in one.which]
    interval = one.part.difference(rest, confidence)
    return WeakSlice(
        columns=tuple(column.name for column in columns),
        values=tuple(column.values[value] for column, value in zip(columns, one.values, strict=True)),
        n=one.part.rows,
        value=one.part.value,
        rest=rest.value,
        difference=one.part.value - rest.value,
        low=interval.low,
        high=interval.high,
        p=1.0,
        p_adjusted=1.0,
    )


def _shown(tried: Sequence[_Slice], scanned: Scanned, whole: Part) -> LeastShown | None:
    """The smallest difference of a single value that would have been found, had no other slice been weak."""
    best: LeastShown | None = None
    for one in tried:
        if len(one.which) > 1:
            break
        gap = whole.least_shown(one.part.rows, LEVEL / len(tried))
        if gap is not None and (best is None or abs(gap) < abs(best.difference)):
            column = scanned.columns[one.which[0]]
            best = LeastShown(column.name, column.values[one.values[0]], one.part.rows, gap)
    return best


def weak_slice(report: Report) -> Finding | None:
    """The worst of the slices that a search found to be weaker than the rest."""
    scan = report.scan
    if scan is None or not scan.slices:
        return None
    worst = scan.slices[0]
    named = " and ".join(f"{column}={value!r}" for column, value in zip(worst.columns, worst.values, strict=True))
    others = len(scan.slices) - 1
    more = f"; {others} more weak slice{'' if others == 1 else 's'}" if others else ""
    value, rest = (told(number, scan.metric) for number in (worst.value, worst.rest))
    text = f"{scan.metric} is {value} in the {worst.n:,} rows of {named}, {rest} in the rest{more}"
    by, at = ",".join(worst.columns), worst.values[0]
    if len(worst.values) > 1:
        at = ",".join(map(escaped, worst.values))
    is_loss = worst.difference > 0.0
    bound = f"{worst.rest:.{'4g' if parse(scan.metric).base == 'mae' else '4f' if is_loss else '2f'}}"
    gate = f"{'--max' if is_loss else '--min'} '{scan.metric}@{by}={at}={bound}'"
    return Finding("weak-slice", "warning", text, f"look at its rows, train on more like them, and gate on it: {gate}")


def told(number: float, metric: str) -> str:
    """A share in four decimals, an error in the unit of the target in four digits.

    >>> told(0.91234, "accuracy"), told(1234.5, "mae"), told(0.012345, "mae[price]")
    ('0.9123', '1,234', '0.01235')
    """
    if parse(metric).base != "mae":
        return f"{number:.4f}"
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e7 else f"{number:.4g}"
