"""The mean of F1 over many classes of a few rows each: by how much it is too low, and how much more it varies.

Of the ``m`` rows that are of a class or called so, ``x`` are right, and F1 is ``f(J) = 2J / (1 + J)`` at ``J = x / m``.
As ``f`` bends down, F1 is too low on average, the mean over classes by as much, and no number of classes mends it:
of 1,000 classes of 2 to 100 rows it was 0.56 where 0.60 is true, five standard errors. Taylor's second term, with
``J(1 − J) / m`` from the same few rows, tells a third to a half of that.

A polynomial in ``J`` of a degree up to ``m`` is told without bias by ``x(x−1)…(x−r+1) / m(m−1)…(m−r+1)`` for each
``J^r``, and one of degree 6 is as good as ``f``: it is off by 2·10⁻⁵, one of degree 3 by 0.003, of degree 2 by 0.02.
Of one row nothing tells ``J²``: there the scatter of ``J`` among classes is taken to be that of classes of two to four.

Of any mean over classes the variance is understated, too: around its own share a class of ``m`` rows scatters by
``(m − 1) / m`` of what it does around the truth, and one row by nothing at all (``spared``).

Of rows that weigh, and of clusters, so many rows are taken as tell as much; clusters in which a class comes in larger
numbers where it is right bias its share itself, which nothing here corrects.

Source: Halmos 1946, The theory of unbiased estimation; Trefethen 2013, Approximation theory and approximation practice,
chapter 8, on the geometric rate.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.cells import dot, summed
from evalcli.uncertainty.slopes import RATIOS, or_one, where

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells, Margins
    from evalcli.uncertainty.clusters import Clusters
    from evalcli.uncertainty.slopes import Ratio

MANY = 30
"""From so many classes on: of fewer, what is missed is a small part of the interval, and nothing can be pooled."""
_DEGREE = 6
_FEW = 4
"""Classes of two to so many rows are like those of one."""
_SINGLE = 1.5
"""Rows of equal weight below which they tell no more than one."""
_NOTHING = 1e-30
"""Of the square of what a class weighs: what scatters by less does not."""
_MOST = 4.0
"""Beyond this what classes of one row are taken for would be all that an interval rests on."""


class Few(NamedTuple):
    """Of the mean of F1: the ``bias``, and by how many times its variance exceeds that of the influences.

    ``unsure`` is the variance of the bias itself: each class tells a part of it by few rows, and the value that is
    corrected varies by that as well.
    """

    bias: float
    growth: float
    unsure: float


def few_rows(cells: Cells, weight: float, fewer: float | HostArray = 1.0) -> Few:
    """Every class that occurs has the same ``weight`` in the mean; so many times ``fewer`` rows (C,) tell as much.

    Of rows that weigh that is Σw² / Σw, and of clusters ``alike_in_classes`` as well.
    """
    right, trials = (part / fewer for part in _trials(cells.margins))
    single = trials < _SINGLE
    mean = float((right / trials)[single].mean()) if single.any() else 0.0
    bias = np.where(single, mean - _of_singles(mean, _evenness(right, trials)), 0.0)
    bias[~single] = 2 * right[~single] / (right + trials)[~single] - _unbiased(right[~single], trials[~single])
    known = np.where(single, mean, 2 * right / (right + trials))
    more = np.where(single, 1.0, np.sqrt(trials / np.maximum(trials - 1, 1)))
    plain, grown = (_variance(cells, *how) for how in ((2 * right / (right + trials), 1.0), (known, more)))
    off = bias - bias.mean()
    return Few(weight * float(bias.sum()), grown / plain if plain > 0 else 1.0, weight * weight * dot(off, off))


def spared(ratio: Ratio, weights: HostArray, cells: Cells) -> float | HostArray:
    """By how many times the variance of a mean of ``ratio`` over classes with ``weights`` (C,) exceeds the one seen.

    Classes of one row have either all or nothing, and are taken to have the same share.
    """
    kinds, squares = (np.maximum(part, 0.0) for part in cells.kinds)
    top, bottom = (part.kinds_like(kinds) for part in ratio.among(cells.margins))
    below = np.add.reduce(bottom * kinds)
    held, share = (below > 0.0) & (weights > 0.0), weights
    if not held.all():
        kinds, squares, below, share = kinds[:, held], squares[:, held], below[held], share[held]
    values = np.add.reduce(top * kinds) / below
    seen = share**2 * np.add.reduce(squares * ((top - values * bottom) / below) ** 2)
    some = bottom > 0.0
    whole = np.add.reduce(some * kinds) ** 2
    scatter = np.add.reduce(some * squares)  # which of clusters may be none
    rows = whole / np.maximum(scatter, _NOTHING * whole)
    more = seen * rows / np.maximum(rows - 1.0, _SINGLE - 1.0)
    single = rows < _SINGLE
    if single.any():
        mean = float(values[single].mean())
        more = np.where(single, share**2 * mean * (1.0 - mean), more)
    every = summed(seen)
    return where(every > 0.0, np.minimum(np.maximum(summed(more) / or_one(every), 1.0), _MOST), 1.0)


def alike_in_classes(clusters: Clusters, mean_weight: float) -> HostArray:
    """By how many times fewer rows tell as much about the share of right ones in each class (C,), for clusters.

    Two rows of one cluster are both right more often than two of different ones, by ``ρ·J(1 − J)``, with the ρ of all
    classes. Then ``m`` rows in clusters of ``m_g`` are worth ``m / (1 + ρ·(Σ m_g² / m − 1))``.

    Source: Donner and Koval 1980, The estimation of intraclass correlation in the analysis of family data; Rao and
    Scott 1992, A simple method for the analysis of clustered binary data.
    """
    by_class, size = clusters.by_class, clusters.cells.size
    classes = by_class.classes
    right, rows = (by_class.sums(part) / mean_weight for part in RATIOS["jaccard"])
    every, same, hits, both = (
        np.bincount(classes, part, size)
        for part in (rows, np.maximum(rows * (rows - 1), 0), right, np.maximum(right * (right - 1), 0))
    )
    apart, apart_both = np.maximum(every * (every - 1) - same, 0), np.maximum(hits * (hits - 1) - both, 0)
    known = (same > 0) & (apart > 0)
    squares = apart_both[known] / apart[known]
    more, most = both[known] - same[known] * squares, same[known] * (hits[known] / every[known] - squares)
    correlation = min(max(float(more.sum() / most.sum()), 0.0), 1.0) if most.sum() > 0 else 1.0
    fewer: HostArray = 1.0 + correlation * same / np.maximum(every, 1e-300)
    return fewer


def _trials(margins: Margins) -> tuple[HostArray, HostArray]:
    """The right rows of each class, and all that are of it or called so: (C,) each."""
    return margins.tp, margins.support + margins.predicted - margins.tp


def _variance(cells: Cells, values: HostArray, scale: HostArray | float) -> float:
    """``Σ L²`` of influences on the sum of F1, of classes whose F1 is ``values``, as ``scale`` makes them larger."""
    _, support, predicted = cells.margins[:3]
    share = scale / (support + predicted)
    named, right = cells.preds >= 0, cells.preds == cells.target
    falls = values * share
    influence = np.where(right, 2 * share[cells.target], 0.0) - falls[cells.target]
    influence -= np.where(named, falls[cells.preds], 0.0)
    return dot(cells.squares, influence * influence)


@cache
def _powers(degree: int) -> tuple[float, ...]:
    """The coefficients of the polynomial of this degree that is all but closest to ``f`` on [0, 1]."""
    from numpy.polynomial import Chebyshev, Polynomial

    close = Chebyshev.interpolate(lambda share: 2 * share / (1 + share), degree, domain=[0, 1])
    return tuple(close.convert(kind=Polynomial).coef.tolist())


def _unbiased(right: HostArray, trials: HostArray) -> HostArray:
    """What tells ``f(J)`` on average, from two rows and more."""
    found = np.zeros(len(right))
    for degree in range(2, _DEGREE + 1):
        there = (trials >= degree) & ((trials < degree + 1) | (degree == _DEGREE))
        there |= (trials < 2) & (degree == 2)
        told, power = np.full(int(there.sum()), _powers(degree)[0]), np.ones(int(there.sum()))
        for drawn, coefficient in enumerate(_powers(degree)[1:]):
            power = power * (right[there] - drawn) / (trials[there] - drawn)
            told += coefficient * power
        found[there] = told
    return found


def _evenness(right: HostArray, trials: HostArray) -> float:
    """The mean of ``J(1 − J)`` over what one ``J`` for all would give: from 1 where classes are alike down to 0."""
    few = (trials >= 2) & (trials <= _FEW)
    if not few.any():
        return 1.0
    right, trials = right[few], trials[few]
    mean = float((right / trials).mean())
    apart = float((right * (trials - right) / (trials * (trials - 1))).mean())
    return min(apart / (mean * (1 - mean)), 1.0) if 0 < mean < 1 else 1.0


def _of_singles(mean: float, evenness: float) -> float:
    """The mean of ``f(J)`` where one row of each class is right in a share ``mean`` of them."""
    constant, first, second = _powers(2)
    return constant + first * mean + second * (mean - evenness * mean * (1 - mean))
