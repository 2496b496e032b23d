"""Rows that belong together (``--cluster``: one patient, one document): whole clusters are what was sampled.

What has to be kept is, for every cluster, how many rows it has in each cell of the matrix, or for a mean the sums Σw
and Σw·v of its rows: a sparse table that grows with the clusters and not, for large clusters, with the rows.

The variance of a metric then is that of the sums of influences per cluster, ``G/(G − 1)·Σ_g (Σ_{rows of g} L)²``. What
it is larger than that of independent rows, the *inflation*, goes into Wilson's and the score interval, with a t
quantile for the effective number of clusters in place of the normal one. Where few clusters make up the variance it is
not known well, and a model without an error tells nothing about it: then rows of a cluster are taken to be all alike.
A third of a cluster's worth of that assumption is added to what the clusters say. Means over classes have what few
clusters of a class leave unknown as well (``clusterclasses``).

Source: Liang and Zeger 1986, Longitudinal data analysis using generalized linear models; Rao and Scott 1992, A simple
method for the analysis of clustered binary data; Field and Welsh 2007, Bootstrapping clustered data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.arrays import asnumpy
from evalcli.uncertainty.cells import Cells, dot
from evalcli.uncertainty.clusterclasses import ByClass, Moves, OneClass
from evalcli.uncertainty.quantiles import t_quantile, two_sided
from evalcli.uncertainty.resampling import reduced

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.uncertainty.cells import Margins
    from evalcli.uncertainty.intervals import Confidence

CLUSTERS = " (clusters)"
"""How the method of an interval of whole clusters ends."""
_ALIKE = 1.0 / 3.0
"""Clusters of rows that are all alike, added to those that were seen: with this many, 95 % are 94 to 97 %."""
_LEAST_TELLING = 5.0
"""Clusters that a variance is taken to rest on, however few seem to make it up: the rest is the assumption above."""
_LARGEST_Z = 6.0
_BLOCK = 1 << 22
_DENSE = 4
"""A table of clusters and cells may have so many places for each that is taken."""


@dataclass(frozen=True)
class Clusters:
    """Rows of cluster ``cluster`` (M,) in cell ``cell`` (M,) of ``cells``, each pair once, by cluster, then cell.

    >>> clusters = Clusters.of([7, 7, 9], target=[0, 1, 1], preds=[0, 0, 1], amounts=[5, 1, 4])
    >>> clusters.count, round(clusters.effective, 3), clusters.cells.amounts
    (2, 1.923, array([5., 1., 4.]))
    """

    cluster: HostArray
    cell: HostArray
    amounts: HostArray
    cells: Cells

    @classmethod
    def of(cls, cluster: Array, target: Array, preds: Array, amounts: Array) -> Clusters:
        """From a table (M,) of clusters and cells in any order, which may repeat."""
        from evalcli.metrics.counts import Pairs

        keys = [asnumpy(part).astype(np.int64).reshape(-1) for part in (cluster, target, preds)]
        rows: HostArray = asnumpy(amounts).astype(np.float64).reshape(-1)
        if not (rows > 0).all():
            keys, rows = [key[rows > 0] for key in keys], rows[rows > 0]
        low, wide = int(keys[2].min(initial=0)), int(keys[2].max(initial=0)) - int(keys[2].min(initial=0)) + 1
        pairs, cell = _numbered(keys[1] * wide + (keys[2] - low))
        found = _numbered(keys[0])[1]
        entries = found * max(len(pairs), 1) + cell
        if not (entries[1:] > entries[:-1]).all():  # those of a pass are sorted, each of them once
            entries, place = np.unique(entries, return_inverse=True)
            rows = np.bincount(place.reshape(-1), rows, len(entries))
            found, cell = np.divmod(entries, max(len(pairs), 1))
        cells = Cells.of(Pairs(pairs // wide, pairs % wide + low, np.bincount(cell, rows, len(pairs))))
        return cls(found, cell, rows, cells)

    @cached_property
    def count(self) -> int:
        """G, how many clusters there are."""
        return int(self.cluster[-1]) + 1 if len(self.cluster) else 0

    @cached_property
    def sizes(self) -> HostArray:
        """The rows of each cluster (G,)."""
        sizes: HostArray = np.bincount(self.cluster, self.amounts, self.count)
        return sizes

    @property
    def effective(self) -> float:
        """How many clusters of equal size would tell as much: ``(Σm)² / Σm²``."""
        return float(self.sizes.sum()) ** 2 / dot(self.sizes, self.sizes)

    def critical(self, confidence: Confidence, one: OneClass | None = None) -> float:
        """The quantile of the t distribution that stands in for ``z``, of the ratio of ``one`` class or of all rows."""
        freedom = [max(of.effective - 1.0, 1.0) for of in (self, one) if of is not None]
        every, own = (t_quantile(1.0 - confidence.tail, least) for least in (freedom[0], min(freedom)))
        return sqrt(every**2 + (0.0 if one is None else one.together) * (own**2 - every**2))

    def pulls(self, influence: HostArray) -> HostArray:
        """The summed influences of the rows of each cluster (G,), from that of a row in each cell (K,)."""
        pulls: HostArray = np.bincount(self.cluster, self.amounts * influence[self.cell], self.count)
        return pulls

    def of_frequencies(self) -> HostArray:
        """The influence of a row in each cell (K,) on ``Σ_c share_c²``, in any unit; of two classes that on a share.

        Of two equal shares the sum is the least there is, and no row moves it: it then varies with the square of one.
        """
        amounts, classes = self.cells.amounts, np.unique(self.cells.target, return_inverse=True)[1].reshape(-1)
        shares = np.bincount(classes, amounts) / max(float(amounts.sum()), 1e-300)
        found: HostArray = (classes == 0) - shares[0] if len(shares) == 2 else shares[classes] - dot(shares, shares)
        return found

    @cached_property
    def by_class(self) -> ByClass:
        """Their rows by class."""
        return ByClass(self.cells, self.cluster, self.cell, self.amounts, self.count)

    def inflation(self, influence: HostArray, moves: Moves | None = None) -> float:
        """How much larger a variance is than with independent rows; ``moves`` are those of a mean over classes."""
        variance = dot(self.cells.amounts, influence**2)
        if moves is None:
            return inflation(self.pulls(influence), variance, self.sizes)
        total = dot(moves.sums, moves.sums) + moves.unseen
        found = total / variance if variance > 0.0 else 0.0
        return _with_alike(moves.sums, found, self.sizes)

    def of_class(self, influence: HostArray, one: OneClass, confidence: Confidence) -> float:
        """How much larger the variance of ``one`` class is than with independent rows.

        Few clusters that make it up leave it unknown, but no more than if rows of a cluster were all alike.
        """
        variance, alike = dot(self.cells.amounts, influence**2), dot(one.rows, one.rows) / float(one.rows.sum())
        grown = _with_alike(one.moved, one.variance / variance if variance > 0.0 else 0.0, one.rows)
        doubt = t_quantile(1.0 - confidence.tail, freedom(one.moved, one.effective)) / self.critical(confidence, one)
        return max(min(grown * doubt * doubt, alike), grown)

    def telling(self, sums: HostArray) -> float:
        """How many clusters the variance of ``sums`` (G,) rests on."""
        near = _near_one(sums * sums)
        return float(near.sum()) ** 2 / dot(near, near) if near.any() else float("inf")

    def skewness(self, influence: HostArray) -> float:
        """That of the sum of all influences."""
        pulls = self.pulls(influence)
        variance = dot(pulls, pulls)
        return float((pulls**3).sum()) / variance**1.5 if variance > 0 else 0.0

    def replicates(self, confidence: Confidence) -> Margins:
        """Margins (B, …) of as many clusters as there are, drawn with replacement."""
        generator = np.random.Generator(np.random.PCG64(confidence.seed))
        shares = np.full(self.count, 1.0 / self.count)
        block = max(_BLOCK // max(len(self.amounts), 1), 1)
        cells_of = self._by_product() if self._is_dense else self._by_sums()
        parts = [
            cells_of(generator.multinomial(self.count, shares, min(block, confidence.resamples - start)))
            for start in range(0, confidence.resamples, block)
        ]
        return reduced(self.cells, np.concatenate(parts))

    @property
    def _is_dense(self) -> bool:
        """Whether a table of all clusters and cells is small, and a product with it exact in any order."""
        few = self.count * len(self.cells.amounts) <= _DENSE * len(self.amounts)
        return few and bool((self.amounts == np.floor(self.amounts)).all())

    def _by_product(self) -> Callable[[HostArray], HostArray]:
        """What turns how often clusters were drawn (b, G) into the rows in each cell (b, K)."""
        table = np.zeros((self.count, len(self.cells.amounts)))
        table[self.cluster, self.cell] = self.amounts
        return lambda drawn: drawn.astype(np.float64) @ table

    def _by_sums(self) -> Callable[[HostArray], HostArray]:
        """The same, one entry after the other."""
        order = np.argsort(self.cell, kind="stable")
        heads = np.flatnonzero(np.diff(self.cell[order], prepend=-1))
        clusters, amounts = self.cluster[order], self.amounts[order]
        return lambda drawn: np.add.reduceat(drawn[:, clusters] * amounts, heads, axis=1)


def _numbered(values: HostArray) -> tuple[HostArray, HostArray]:
    """The values that occur (K,), rising, and for each of ``values`` (M,) which of them it is.

    Sorting takes five times their memory: it is left out where they are sorted already, or few numbers from 0.
    """
    if (values[1:] >= values[:-1]).all():
        new = np.ones(len(values), bool)
        new[1:] = values[1:] != values[:-1]
        return values[new], np.cumsum(new) - 1
    if values.min() >= 0 and values.max() < len(values):
        held = np.bincount(values) > 0
        return np.flatnonzero(held), (np.cumsum(held) - 1)[values]
    found, numbers = np.unique(values, return_inverse=True)
    return found, numbers.reshape(-1)


def freedom(sums: HostArray, effective: float, alone: HostArray | None = None) -> float:
    """The degrees of freedom of the variance that ``sums`` (G,) of so many ``effective`` clusters make up.

    Those of heavy tails tell less: a variance of ``G`` values of kurtosis κ is as sure as one of ``2G/(κ − 1)`` normal
    ones. Where the interval of independent rows is the one that is widened, all that has to be known is how many times
    as large the variance is as that of rows ``alone``, of which each cluster has a part (G,): it is what its sum
    squared differs from as many times that part which counts, and clusters of one row differ by nothing.
    """
    squares = _near_one(sums * sums)
    total, count = float(squares.sum()), len(sums)
    if not total > 0.0:
        return max(min(effective, float(count)) - 1.0, 1.0)
    held = 0.0 if alone is None else float(alone.sum())
    expected = total / count if alone is None or not held > 0.0 else alone * (total / held)
    off = squares - expected
    telling = 2.0 * total * total / max(dot(off, off), 2.0 * total * total / count)
    return max(min(effective, max(telling, _LEAST_TELLING)) - 1.0, 1.0)


def surer(confidence: Confidence, critical: float) -> tuple[float, Confidence]:
    """How many times fewer rows, and the confidence at which ``z`` is ``critical``.

    A ``z`` beyond what float64 has a level for, as that of two clusters, is that of fewer rows.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> times, found = surer(Confidence(), 12.0)
    >>> times, round(found.critical, 6)
    (4.0, 6.0)
    """
    z = min(critical, max(_LARGEST_Z, confidence.critical))
    return (critical / z) ** 2, replace(confidence, level=1.0 - two_sided(z))


def _near_one(squares: HostArray) -> HostArray:
    """They in a unit, a power of 2, in which they can be squared: no digit of what they are to each other is lost."""
    _, exponent = np.frexp(squares.max(initial=0.0))
    near: HostArray = np.ldexp(squares, -exponent)
    return near


def inflation(sums: HostArray, variance: float, sizes: HostArray) -> float:
    """``G/(G − 1)·Σ sums² / variance``, from the ``sums`` (G,) per cluster and the ``variance`` of independent rows.

    With some weight on rows of a cluster being all alike, which have ``Σ sizes² / Σ sizes`` times the variance.
    """
    total = float((sums * sums).sum())
    return _with_alike(sums, _sandwich(total, len(sums), variance) if variance > 0.0 else 0.0, sizes)


def _with_alike(sums: HostArray, found: float, sizes: HostArray) -> float:
    """The inflation ``found`` with that weight."""
    alike = dot(sizes, sizes) / float(sizes.sum())
    if not found > 0.0:
        return alike
    near = _near_one(sums * sums)
    telling = float(near.sum()) * float(near.sum()) / dot(near, near) if near.any() else 0.0
    return (telling * found + _ALIKE * max(alike, found)) / (telling + _ALIKE)


def seen_inflation(sums: HostArray, variance: float, sizes: HostArray) -> float:
    """The same without that weight, for intervals that hold what a row may do unseen already."""
    total = float((sums * sums).sum())
    return _sandwich(total, len(sums), variance) if total > 0.0 and variance > 0.0 else inflation(sums, 0.0, sizes)


def _sandwich(total: float, count: int, variance: float) -> float:
    return total * count / max(count - 1, 1) / variance
