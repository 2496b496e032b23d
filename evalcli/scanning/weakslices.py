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
from evalcli.metrics.address import WORST, written
from evalcli.metrics.registry import parse
from evalcli.report import Finding
from evalcli.scanning.clusters import EVERYWHERE
from evalcli.searched import LeastShown, Scan, WeakSlice
from evalcli.shell import quoted
from evalcli.sources.scanning import decided
from evalcli.sources.slicing import escaped
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twoshares import benjamini_hochberg
from evalcli.uncertainty.twoweighed import WEIGHTS, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.metrics.arrays import HostArray
    from evalcli.report import Report
    from evalcli.scanning.clusters import ClusteredRows, Place
    from evalcli.scanning.counts import Part
    from evalcli.scanning.tables import ScanTables
    from evalcli.sources.base import Scanned
    from evalcli.uncertainty.intervals import Interval

LEVEL = 0.05
"""The share of false alarms among the slices called weak, at most."""


class _Slice(NamedTuple):
    """A slice that is tried: of which columns, which of their values, and how many rows it has."""

    which: tuple[int, ...]
    values: tuple[int, ...]
    rows: int


class _Judge(NamedTuple):
    """What compares slices with other rows."""

    tables: ScanTables
    whole: Part
    clusters: ClusteredRows | None

    @property
    def test(self) -> str:
        """What compares two parts of them."""
        test = self.whole.test
        return test if self.clusters is None else test.removesuffix(WEIGHTS) + CLUSTERS

    def p_worse(self, part: Part, place: Place, whole: Place = EVERYWHERE) -> float:
        """The p-value of the part at a place against all other rows of a whole."""
        every = self.whole if whole == EVERYWHERE else self.tables.part(*whole)
        p = part.p_worse(every)
        if self.clusters is None or p > LEVEL:
            return p
        return max(p, weighed(part).p_worse(weighed(every), self.clusters.fewer(place, whole)))  # type: ignore[arg-type]

    def difference(self, part: Part, place: Place, confidence: Confidence) -> Interval:
        """The interval of how far the part at a place is from all other rows."""
        rest = self.whole.without(part)
        if self.clusters is None:
            return part.difference(rest, confidence)
        return weighed(part).difference(weighed(rest), confidence, self.clusters.fewer(place))  # type: ignore[arg-type]

    def least_shown(self, rows: int, level: float) -> float | None:
        """By how much so many rows have to be worse than the rest to be told at ``level``."""
        if self.clusters is None:
            return self.whole.least_shown(rows, level)
        return weighed(self.whole).least_shown(rows, level, self.clusters.usual(rows / self.whole.rows))


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
    if scanned.asked.apart:
        scanned = decided(scanned)
        tables = tables.of(scanned)
    judge, least = _Judge(tables, tables.whole(), tables.clusters()), scanned.asked.least
    tried = list(_tried(tables, least))
    p_values = np.array([_p_value(one, judge) for one in tried])
    adjusted = benjamini_hochberg(p_values)
    sure = confidence or Confidence()
    weak = [
        (_weak(tried[i], scanned, judge, sure), float(p_values[i]), float(adjusted[i]))
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
        shown=_shown(tried, scanned, judge) if tried and not slices else None,
        test=judge.test,
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
    whole = int(tables.whole().rows)
    for which in tables.tables:
        rows = tables.rows(which)
        enough = (rows >= least) & (rows < whole)
        for axis, size in enumerate(rows.shape):
            enough[(slice(None),) * axis + (size - 1,)] = False
        if len(which) == 2:
            first, second = (tables.rows((place,)) for place in which)
            enough &= (rows < first[:, None]) & (rows < second[None, :])
        for values in zip(*map(np.ndarray.tolist, np.nonzero(enough)), strict=True):
            yield _Slice(which, values, int(rows[values]))


def _p_value(one: _Slice, judge: _Judge) -> float:
    """That of the test, of a pair the largest of three; 1 where the slice is no worse than the rest.

    What is above the level needs not be known more closely: it changes no adjusted value below the level.
    """
    place = one.which, one.values
    part = judge.tables.part(*place)
    if not part.is_worse(judge.whole):
        return 1.0
    p = judge.p_worse(part, place)
    parents = zip(one.which, one.values, strict=True) if len(one.which) > 1 else ()
    for column, value in parents:
        if p > LEVEL:
            break
        p = max(p, judge.p_worse(part, place, ((column,), (value,))))
    return p


def _weak(one: _Slice, scanned: Scanned, judge: _Judge, confidence: Confidence) -> WeakSlice:
    place = one.which, one.values
    part = judge.tables.part(*place)
    value, rest = part.value, judge.whole.without(part).value
    columns = [scanned.columns[column] for column in one.which]
    interval = judge.difference(part, place, confidence)
    return WeakSlice(
        columns=tuple(column.name for column in columns),
        values=tuple(column.values[code] for column, code in zip(columns, one.values, strict=True)),
        n=one.rows,
        value=value,
        rest=rest,
        difference=value - rest,
        low=interval.low,
        high=interval.high,
        p=1.0,
        p_adjusted=1.0,
    )


def _shown(tried: Sequence[_Slice], scanned: Scanned, judge: _Judge) -> LeastShown | None:
    """The smallest difference of a single value that would have been found, had no other slice been weak."""
    best: LeastShown | None = None
    for one in tried:
        if len(one.which) > 1:
            break
        gap = judge.least_shown(one.rows, LEVEL / len(tried))
        if gap is not None and (best is None or abs(gap) < abs(best.difference)):
            column = scanned.columns[one.which[0]]
            best = LeastShown(column.name, column.values[one.values[0]], one.rows, gap)
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
    rows = f"{worst.n:,} rows" if worst.n > 1 else "one row"
    text = f"{scan.metric} is {value} in the {rows} of {named}, {rest} in the rest{more}"
    by, at = ",".join(worst.columns), worst.values[0]
    if len(worst.values) > 1:
        at = ",".join(map(escaped, worst.values))
    is_loss = worst.difference > 0.0
    bound = f"{worst.rest:.{'4g' if parse(scan.metric).base == 'mae' else '4f' if is_loss else '2f'}}"
    gated = written(scan.metric, "slice", by, at, starred=at == WORST)
    gate = f"{'--max' if is_loss else '--min'} {quoted(f'{gated}={bound}')}"
    return Finding("weak-slice", "warning", text, f"look at its rows, train on more like them, and gate on it: {gate}")


def told(number: float, metric: str) -> str:
    """A share in four decimals, an error in the unit of the target in four digits.

    >>> told(0.91234, "accuracy"), told(1234.5, "mae"), told(0.012345, "mae[price]")
    ('0.9123', '1,234', '0.01235')
    """
    if parse(metric).base != "mae":
        return f"{number:.4f}"
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e7 else f"{number:.4g}"
