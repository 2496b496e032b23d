"""How sure the caller's own metrics are: what each is without a group of rows, for every group of rows (the jackknife).

Nothing is known of such a metric but that it merges, so rows are dealt to groups, each of which has a metric of its
own. Its file and its number there say which group a row is in (:mod:`evalcli.sources.origins`), or where rows belong
together (``--cluster``) the number of its cluster. So neither batches nor workers show, nor the order of files, nor
which of them were read together or cut among ranks; what is cut into files otherwise has another interval, as sure as
that, unless clusters say what belongs together. Numbers are hashed: were they dealt in turn, sorted rows would make
groups that are more alike than samples are. What a row holds cannot say where it goes: rows of labels are alike, and
groups of rows that are alike vary by more than samples do.

The variance of the pseudovalues of groups of unlike sizes is Busing's; the interval has the t quantile of one group
less than there are. Twenty times all rows would take too long where a metric keeps many of them: then groups are
computed by themselves, and the variance is that of their numbers. A metric that fails on a group, or where nothing
varies, has its value and no interval.

Rows of several models are dealt by what lies there of all of them, whichever comes first, to the same groups for all:
what differs in each group, or without it, then tells how sure a difference is.

Source: Kott 2001, The delete-a-group jackknife; Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal
m.
"""

from __future__ import annotations

from functools import reduce
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.clustergroups import hashed, mixed, without_each
from evalcli.sources.origins import identities
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evalcli.sources.base import Array, Batch, Slicer
    from evalcli.sources.origins import Origin
    from evalcli.uncertainty.intervals import Confidence

GROUPS = 20
"""Their t quantile is 2.09: intervals are 7 % wider than if the variance were known."""
LEAST_ROWS = 2 * GROUPS
"""Of fewer rows groups tell nothing."""
LEAST_GROUPS = 10
"""With fewer, as of few clusters, the interval is more about its own doubt."""
MANY_ROWS = 50_000
"""Of more rows a metric that keeps them all is computed of each group by itself, which takes no longer than of all."""


MOST_SLICES = 20
"""Of more slices, all columns together, none has groups: a metric for each group of each of them takes too long."""


class Sampled(NamedTuple):
    """How sure an interval is to be, and whether whole clusters were sampled."""

    confidence: Confidence
    of_clusters: bool = False


class How(NamedTuple):
    """How several of a metric merge, and what one computes, by the name of each number."""

    merged: Callable[[Sequence[Any]], Any]
    compute: Callable[[Any], Mapping[str, float]]


class Sure(NamedTuple):
    """How sure a number is, and what each group has ``moved`` it by (J,): the squares add up to its variance."""

    interval: Interval
    moved: tuple[float, ...]


class Moved(NamedTuple):
    """What a metric ``computed`` for each of its groups (J,) of ``rows``: of all the others, or of it ``alone``."""

    computed: Sequence[Mapping[str, float]]
    rows: Array
    alone: bool

    def of(self, key: str) -> Array:
        """One number (J,), NaN where it is not there."""
        return np.array([one.get(key, np.nan) for one in self.computed])

    def parts(self, value: float, found: Array) -> Array:
        """What each group has moved a number by that is ``found`` (J,) so: the squares (J,) add up to its variance."""
        return (parts_alone if self.alone else parts_without)(value, found, self.rows)

    def error(self, value: float, found: Array) -> float:
        """The standard error of a number that is ``found`` (J,) so; 0 where nothing tells it."""
        return standard_error(value, self.parts(value, found))

    def interval(self, value: float, error: float, sampled: Sampled) -> Interval:
        """From this error."""
        reach = t_quantile(1.0 - sampled.confidence.tail, self.freedom) * error
        method = f"{'groups' if self.alone else 'jackknife'}{CLUSTERS if sampled.of_clusters else ''}"
        return Interval(value - reach, value + reach, method)

    @property
    def freedom(self) -> float:
        """The degrees of freedom of the error."""
        return len(self.rows) - 1.0


def are_few(slicers: Sequence[Slicer]) -> bool:
    """Whether slices have intervals; those of a part are never more than those of the whole."""
    return sum(len(slicer.values) for slicer in slicers) <= MOST_SLICES


def dealt(batch: Batch, origins: Sequence[Origin]) -> Array:
    """The group of each row (N,), of those that came together one by one; ``origins`` are those of the source."""
    numbers = batch.cluster
    if numbers is not None:
        return hashed(numbers if batch.repeats is None else np.repeat(numbers, batch.repeats), GROUPS)
    return hashed(_numbers(batch, origins), GROUPS)


def dealt_together(batches: Iterable[tuple[Batch, Sequence[Origin]]]) -> Array:
    """The group of each row (N,) that lies in several models' files; the order of the models does not show."""
    every = (mixed(_numbers(batch, origins)) for batch, origins in batches)
    return hashed(reduce(np.add, every).view(np.int64), GROUPS)  # what overflows wraps around


def _numbers(batch: Batch, origins: Sequence[Origin]) -> Array:
    numbers = batch.numbers
    if numbers is None:
        count = len(batch.preds) if batch.repeats is None else int(batch.repeats.sum())
        numbers = batch.start + np.arange(count, dtype=np.int64)
    return identities(numbers, origins)


def intervals(
    values: Mapping[str, float], how: How, groups: Sequence[Any], rows: Array, sampled: Sampled
) -> dict[str, Sure]:
    """The interval of each number of a metric, from those of its ``groups`` (J,) of ``rows``, where there is one.

    Raises: whatever the metric raises.
    """
    if not tell(rows):
        return {}
    told = moved(how, groups, rows, alone=are_kept(groups, rows))
    parts = {key: told.parts(value, told.of(key)) for key, value in values.items()}
    errors = {key: standard_error(values[key], each) for key, each in parts.items()}
    return {
        key: Sure(told.interval(values[key], error, sampled), tuple(parts[key].tolist()))
        for key, error in errors.items()
        if error > 0.0
    }


def tell(rows: Array) -> bool:
    """Whether groups (J,) of so many rows are enough."""
    return len(rows) >= LEAST_GROUPS and int(rows.sum()) >= LEAST_ROWS


def are_kept(groups: Sequence[Any], rows: Array) -> bool:
    """Whether metrics of groups (J,) of so many rows keep too many to be computed of all the others of each."""
    return int(rows.sum()) > MANY_ROWS and _keeps_rows(groups[0], int(rows[0]))


def moved(how: How, groups: Sequence[Any], rows: Array, *, alone: bool) -> Moved:
    """What a metric is for each of its ``groups`` (J,) of ``rows``.

    Raises: whatever the metric raises.
    """
    return Moved([how.compute(one) for one in (groups if alone else without_each(groups, how.merged))], rows, alone)


def _keeps_rows(metric: Any, rows: int) -> bool:
    """Whether what a metric holds grows with its rows."""
    return sum(int(np.size(array)) for array in metric.state_dict().values()) >= rows


def parts_alone(value: float, found: Array, rows: Array) -> Array:
    """What groups of so many ``rows`` (J,) move a number by that they have by themselves, ``found`` (J,)."""
    if not (isfinite(value) and np.isfinite(found).all()):
        return np.zeros(len(rows))
    off = found - float((rows * found).sum()) / rows.sum()
    moved: Array = np.sqrt(rows / rows.sum() / (len(rows) - 1.0)) * off
    return moved


def parts_without(value: float, without: Array, rows: Array) -> Array:
    """What groups of so many ``rows`` (J,) move a number by that is ``without`` (J,) each of them.

    >>> rows = np.full(10, 5)
    >>> means = np.arange(10.0)
    >>> parts = parts_without(4.5, (45.0 - means) / 9.0, rows)
    >>> round(standard_error(4.5, parts), 6), round(float(means.std(ddof=1) / 10**0.5), 6)
    (0.957427, 0.957427)
    """
    if not (isfinite(value) and np.isfinite(without).all()):
        return np.zeros(len(rows))
    times = rows.sum() / rows  # h
    pseudo = times * value - (times - 1.0) * without
    middle = len(rows) * value - float(((1.0 - 1.0 / times) * without).sum())
    moved: Array = (pseudo - middle) / np.sqrt((times - 1.0) * len(rows))
    return moved


def standard_error(value: float, parts: Array) -> float:
    """That of a number which groups move by these ``parts`` (J,); 0 where nothing tells it, but rounding."""
    variance = float((parts * parts).sum())
    return sqrt(variance) if variance > (1e-13 * abs(value)) ** 2 else 0.0
