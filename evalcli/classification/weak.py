"""Which of the slices that were searched are weak: each against all other rows, all of them judged together.

A slice is tried where it has rows enough and there are others beside it. Its p-value is that of Fisher's one-sided test
against all other rows. A pair makes sense only where it is worse than each of its two values explains: its p-value is
the largest of three, against all other rows, against the other rows of the one value and against those of the other, as
an intersection–union test has it. A pair that has all the rows of one of its values is that slice again, and not tried.
All p-values are adjusted together by Benjamini and Hochberg. The worst comes first: the one with the largest difference
that its interval is sure of.

Source: Berger 1982, Multiparameter hypothesis testing and acceptance sampling, for the largest of several p-values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.registry import parse
from evalcli.searched import LeastShown, Scan, WeakSlice
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twoshares import Share, benjamini_hochberg, difference, fisher_lower, least_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.classification.scan import ScanStates
    from evalcli.metrics.arrays import HostArray
    from evalcli.sources.base import Scanned

LEVEL = 0.05
"""The share of false alarms among the slices called weak, at most."""


class _Slice(NamedTuple):
    """A slice that is tried: of which columns, which of their values, and its own hits and rows."""

    which: tuple[int, ...]
    values: tuple[int, ...]
    share: Share


def judged(scanned: Scanned, states: ScanStates, classes: Sequence[str], confidence: Confidence | None) -> Scan:
    """What the search found; intervals only with a ``confidence``.

    Raises:
        UsageError: the metric is of a class that is not there.

    """
    label = parse(scanned.asked.metric).label
    if label is not None and label not in classes:
        names = ", ".join(map(repr, classes[:5]))
        raise UsageError(f"--scan-metric {scanned.asked.metric}: no class {label!r}", fix=f"classes are {names}")
    whole = _share(states.total)
    tried = list(_tried(states, whole, scanned.asked.least))
    p_values = np.array([_p_value(one, states, whole) for one in tried])
    adjusted = benjamini_hochberg(p_values)
    sure = confidence or Confidence()
    weak = [
        (_weak(tried[i], scanned, whole, sure), float(p_values[i]), float(adjusted[i]))
        for i in np.flatnonzero(adjusted <= LEVEL).tolist()
    ]
    weak.sort(key=lambda found: (found[0].high, found[1], found[0].columns, found[0].values))
    slices = tuple(one._replace(p=p, p_adjusted=q) for one, p, q in weak)
    if confidence is None:
        slices = tuple(one._replace(low=None, high=None) for one in slices)
    few = sum(_few(table, scanned.asked.least) for table in states.tables.values())
    return Scan(
        metric=scanned.asked.metric,
        level=LEVEL,
        least=scanned.asked.least,
        columns=tuple(slicer.name for slicer in scanned.columns),
        left_out=scanned.left_out,
        tried=len(tried),
        few=few + scanned.rare,
        slices=slices,
        shown=_shown(tried, scanned, whole) if tried and not slices else None,
    )


def _share(counts: HostArray) -> Share:
    misses, hits = counts.tolist()
    return Share(hits, misses + hits)


def _few(table: HostArray, least: int) -> int:
    """How many slices have rows, but too few of them."""
    rows = table[(slice(-1),) * (table.ndim - 1)].sum(axis=-1)
    return int(((rows > 0) & (rows < least)).sum())


def _tried(states: ScanStates, whole: Share, least: int) -> Iterator[_Slice]:
    """Every slice that has rows enough and is another than all rows, or than one of its values."""
    for which, table in states.tables.items():
        rows = table.sum(axis=-1)
        enough = (rows >= least) & (rows < whole.rows)
        for axis, size in enumerate(table.shape[:-1]):
            enough[(slice(None),) * axis + (size - 1,)] = False
        if len(which) == 2:
            first, second = (states.tables[(place,)].sum(axis=-1) for place in which)
            enough &= (rows < first[:, None]) & (rows < second[None, :])
        for values in zip(*map(np.ndarray.tolist, np.nonzero(enough)), strict=True):
            yield _Slice(which, values, _share(table[values]))


def _p_value(one: _Slice, states: ScanStates, whole: Share) -> float:
    """That of Fisher's test, of a pair the largest of three; 1 where the slice is no worse than the rest.

    What is above the level needs not be known more closely: it changes no adjusted value below the level.
    """
    if one.share.hits * whole.rows >= whole.hits * one.share.rows:
        return 1.0
    p = fisher_lower(one.share, whole)
    parents = zip(one.which, one.values, strict=True) if len(one.which) > 1 else ()
    for place, value in parents:
        if p > LEVEL:
            break
        p = max(p, fisher_lower(one.share, _share(states.tables[(place,)][value])))
    return p


def _weak(one: _Slice, scanned: Scanned, whole: Share, confidence: Confidence) -> WeakSlice:
    rest = whole.without(one.share)
    columns = [scanned.columns[place] for place in one.which]
    interval = difference(one.share, rest, confidence.critical)
    return WeakSlice(
        columns=tuple(column.name for column in columns),
        values=tuple(column.values[value] for column, value in zip(columns, one.values, strict=True)),
        n=one.share.rows,
        value=one.share.value,
        rest=rest.value,
        difference=one.share.value - rest.value,
        low=interval.low,
        high=interval.high,
        p=1.0,
        p_adjusted=1.0,
    )


def _shown(tried: Sequence[_Slice], scanned: Scanned, whole: Share) -> LeastShown | None:
    """The smallest difference of a single value that would have been found, had no other slice been weak."""
    best: LeastShown | None = None
    for one in tried:
        if len(one.which) > 1:
            break
        gap = least_shown(one.share.rows, whole, LEVEL / len(tried))
        if gap is not None and (best is None or gap > best.difference):
            column = scanned.columns[one.which[0]]
            best = LeastShown(column.name, column.values[one.values[0]], one.share.rows, gap)
    return best
