"""How sure the caller's own metrics are: what each is without a group of rows, for every group of rows (the jackknife).

Nothing is known of such a metric but that it merges, so rows are dealt to groups, each of which has a metric of its
own. The number of a row in the whole input says which group it is in, or where rows belong together (``--cluster``)
that of its cluster; so neither batches nor workers show. Numbers are hashed: were they dealt in turn, sorted rows would
make groups that are more alike than samples are.

The variance of the pseudovalues of groups of unlike sizes is Busing's; the interval has the t quantile of one group
less than there are. A metric that fails on a group, or where nothing varies, has its value and no interval.

Source: Kott 2001, The delete-a-group jackknife; Busing, Meijer and van der Leeden 1999, Delete-m jackknife for unequal
m.
"""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.clustergroups import hashed, without_each
from evalcli.uncertainty.clusters import CLUSTERS
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.quantiles import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.sources.base import Array, Batch
    from evalcli.uncertainty.intervals import Confidence

GROUPS = 20
"""Their t quantile is 2.09: intervals are 7 % wider than if the variance were known."""
LEAST_ROWS = 2 * GROUPS
"""Of fewer rows groups tell nothing."""
LEAST_GROUPS = 10
"""With fewer, as of few clusters, the interval is more about its own doubt."""
METHOD = "jackknife"


class Whole(NamedTuple):
    """What a metric is of all rows, by the name of each number; what computes such; the ``rows`` (J,) of each group."""

    values: Mapping[str, float]
    compute: Callable[[Any], Mapping[str, float]]
    rows: Array


def dealt(batch: Batch) -> Array:
    """The group of each row (N,), of those that came together one by one."""
    numbers = batch.cluster
    if numbers is None:
        count = len(batch.preds) if batch.repeats is None else int(batch.repeats.sum())
        numbers = batch.start + np.arange(count, dtype=np.int64)
    elif batch.repeats is not None:
        numbers = np.repeat(numbers, batch.repeats)
    return hashed(numbers, GROUPS)


def intervals(
    whole: Whole,
    groups: Sequence[Any],
    merged: Callable[[Sequence[Any]], Any],
    confidence: Confidence,
    *,
    of_clusters: bool,
) -> dict[str, Interval]:
    """The interval of each number of a metric, from the metrics of its ``groups`` (J,), where there is one.

    Raises: whatever the metric raises.
    """
    if len(groups) < LEAST_GROUPS or whole.rows.sum() < LEAST_ROWS:
        return {}
    rests = [whole.compute(one) for one in without_each(list(groups), merged)]
    method = f"{METHOD}{CLUSTERS if of_clusters else ''}"
    found = {}
    for key, value in whole.values.items():
        without = np.array([rest.get(key, np.nan) for rest in rests])
        error = standard_error(value, without, whole.rows)
        if error > 0.0:
            reach = t_quantile(1.0 - confidence.tail, len(groups) - 1.0) * error
            found[key] = Interval(value - reach, value + reach, method)
    return found


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
