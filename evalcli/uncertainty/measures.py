"""Which measure a metric of counts is, with its slopes, and of which class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.registry import class_index, evaluate
from evalcli.uncertainty.agreement import Kappa, Matthews
from evalcli.uncertainty.slopes import RATIOS, Linear, MeanOfRatios, PooledRatio, Ratio, ratio_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.cells import Cells, JointCells, Margins
    from evalcli.uncertainty.slopes import Measure

    Place: TypeAlias = int | None

ALL = -1
"""The place of a metric that is of no one class."""


def measure(name: MetricName, cells: Cells, *, declared: int | None = None, place: int = ALL) -> Measure:
    """The metric ``name`` over the classes that occur in ``cells``.

    ``declared`` is the number of classes a macro mean runs over where it is not those that occur, ``place`` the one
    that a per-class name means.
    """
    if name.base == "kappa":
        return Kappa()
    if name.base == "mcc":
        return Matthews()
    margins, size = cells.margins, cells.size
    if name.base in {"accuracy", "error_rate"}:
        share = Linear(1, 0, 0, 0) if name.base == "accuracy" else Linear(-1, 1, 0, 0)
        return PooledRatio(Ratio(share, Linear(0, 1, 0, 0)), size)
    if name.base == "balanced_accuracy":
        held = margins.support > 0
        return MeanOfRatios(RATIOS["recall"], held / max(int(held.sum()), 1))
    if name.base == "majority_baseline":
        return MeanOfRatios(Ratio(Linear(0, 1, 0, 0), Linear(0, 0, 0, 1)), _only(int(np.argmax(margins.support)), size))
    ratio = ratio_of(name.base, name.parameter or 1.0)
    seen = (margins.support > 0) | (margins.predicted > 0)
    over = int(seen.sum()) if declared is None else declared
    if name.average == "micro":
        return PooledRatio(ratio, over)
    if name.average == "weighted":
        return MeanOfRatios(ratio, None)
    if name.average == "macro":
        return MeanOfRatios(ratio, seen / max(over, 1), ratio.top.n * (1.0 - seen.sum() / max(over, 1)))
    return MeanOfRatios(ratio, _only(place, size))


def place_of(name: MetricName, cells: Cells | JointCells, positive: int | None, classes: Sequence[str]) -> Place:
    """Which class a name means: its place among those that occur, ``ALL`` for a metric of all, ``None`` if unseen.

    Raises: ``UsageError`` for a class that is not there, and for a bare per-class name where no class is positive.
    """
    if not name.entry.per_class or name.average is not None:
        return ALL
    return cells.place(class_index(name, positive, classes))


def values_of(name: MetricName, margins: Margins, place: int, declared: int | None) -> HostArray:
    """The metric (…) by its registry formula over ``margins`` (…, C) of the classes that occur; NaN if undefined.

    Of the ``declared`` classes, the others have no rows.
    """
    if place != ALL:
        return np.asarray(name.entry.formula(margins.counts, *name.arguments)[..., place])
    if declared is None:
        return np.asarray(evaluate(name, margins.counts))
    missing = [(0, 0)] * (margins.tp.ndim - 1) + [(0, declared - margins.tp.shape[-1])]
    whole = margins.each(lambda part: part if part.ndim < margins.tp.ndim else np.pad(part, missing))
    return np.asarray(evaluate(name, whole.counts, scope="declared"))


def _only(place: int, size: int) -> HostArray:
    """All weight on one class."""
    weights: HostArray = (np.arange(size) == place).astype(np.float64)
    return weights
