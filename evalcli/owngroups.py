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

Source: Kott 2001, The delete-a-group jackknife; Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal
m.
"""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.clustergroups import hashed, without_each
from evalcli.sources.origins import identities
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


class Whole(NamedTuple):
    """What a metric is of all rows, by the name of each number; how several merge, and what one computes."""

    values: Mapping[str, float]
    merged: Callable[[Sequence[Any]], Any]
    compute: Callable[[Any], Mapping[str, float]]


def are_few(slicers: Sequence[Slicer]) -> bool:
    """Whether slices have intervals; those of a part are never more than those of the whole."""
    return sum(len(slicer.values) for slicer in slicers) <= MOST_SLICES


def dealt(batch: Batch, origins: Sequence[Origin]) -> Array:
    """The group of each row (N,), of those that came together one by one; ``origins`` are those of the source."""
    numbers = batch.cluster
    if numbers is not None:
        return hashed(numbers if batch.repeats is None else np.repeat(numbers, batch.repeats), GROUPS)
    numbers = batch.numbers
    if numbers is None:
        count = len(batch.preds) if batch.repeats is None else int(batch.repeats.sum())
        numbers = batch.start + np.arange(count, dtype=np.int64)
    return hashed(identities(numbers, origins), GROUPS)


def intervals(whole: Whole, groups: Sequence[Any], rows: Array, sampled: Sampled) -> dict[str, Interval]:
    """The interval of each number of a metric, from those of its ``groups`` (J,) of ``rows``, where there is one.

    Raises: whatever the metric raises.
    """
    if len(groups) < LEAST_GROUPS or rows.sum() < LEAST_ROWS:
        return {}
    critical = t_quantile(1.0 - sampled.confidence.tail, len(groups) - 1.0)
    alone = rows.sum() > MANY_ROWS and _keeps_rows(groups[0], int(rows[0]))
    computed = [whole.compute(one) for one in (groups if alone else without_each(groups, whole.merged))]
    error_of, method = (error_of_groups, "groups") if alone else (standard_error, "jackknife")
    method = f"{method}{CLUSTERS if sampled.of_clusters else ''}"
    found = {}
    for key, value in whole.values.items():
        error = error_of(value, np.array([one.get(key, np.nan) for one in computed]), rows)
        if error > 0.0:
            found[key] = Interval(value - critical * error, value + critical * error, method)
    return found


def _keeps_rows(metric: Any, rows: int) -> bool:
    """Whether what a metric holds grows with its rows."""
    return sum(int(np.size(array)) for array in metric.state_dict().values()) >= rows


def error_of_groups(value: float, found: Array, rows: Array) -> float:
    """The standard error of a number that groups of so many ``rows`` (J,) have by themselves, ``found`` (J,)."""
    if not (isfinite(value) and np.isfinite(found).all()):
        return 0.0
    off = found - float((rows * found).sum()) / rows.sum()
    return sqrt(float((rows * off * off).sum()) / (len(rows) - 1.0) / rows.sum())


def standard_error(value: float, without: Array, rows: Array) -> float:
    """That of a number which is ``without`` (J,) each group of so many ``rows`` (J,); 0 where nothing tells it.

    >>> rows = np.full(10, 5)
    >>> means = np.arange(10.0)
    >>> round(standard_error(4.5, (45.0 - means) / 9.0, rows), 6), round(float(means.std(ddof=1) / 10**0.5), 6)
    (0.957427, 0.957427)
    """
    if not (isfinite(value) and np.isfinite(without).all()):
        return 0.0
    times = rows.sum() / rows  # h
    pseudo = times * value - (times - 1.0) * without
    middle = len(rows) * value - float(((1.0 - 1.0 / times) * without).sum())
    variance = float(((pseudo - middle) ** 2 / (times - 1.0)).sum()) / len(rows)
    return sqrt(variance) if variance > (1e-13 * abs(value)) ** 2 else 0.0
