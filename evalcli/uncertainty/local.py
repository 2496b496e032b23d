"""A metric near some amounts in cells: its value, its influences, how these bend, and Newton's equations there.

Of few kinds of rows what the slopes of a metric do is a matrix; of many the equations are solved by conjugate residuals
(GCR). No long sum is left to BLAS, which adds in another order with more threads.

Source: Eisenstat, Elman and Schultz 1983, Variational iterative methods for nonsymmetric systems of linear equations.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.uncertainty.cells import Margins, along, dot, total
from evalcli.uncertainty.slopes import Slope

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.score import Problem, Side

_MOST_WORK = 2_000_000
"""Cells times margins squared: of more, matrices take longer than what they are in place of."""
_SPARE = 1e-2
"""Newton's equations need no more: the next place corrects it."""
_MOST_RESIDUALS = 60


class Local(Protocol):
    """A metric near some amounts (K,)."""

    @property
    def value(self) -> float:
        """The metric."""

    @property
    def influence(self) -> HostArray:
        """The influence of a row in each cell (K,)."""

    def bent(self, moved: HostArray) -> HostArray:
        """What the influences gain for each of several moves (k, K) of the amounts."""

    def solved(self, left: HostArray, pull: HostArray, amounts: HostArray, sides: HostArray) -> HostArray:
        """The relative moves ``δ`` (k, K) with ``left·δ − pull·L′[amounts·δ] = sides``."""


class Metric(Protocol):
    """A metric that may be looked at anywhere."""

    def at(self, amounts: HostArray) -> Local:
        """The metric near ``amounts``."""


def near(problem: Problem) -> Metric:
    """The metric of a ``problem``."""
    width = sum(_blocks(problem) * side.cells.size + 1 for side in problem.sides)
    return _Matrices(problem) if len(problem.base) * width**2 <= _MOST_WORK else _Operators(problem.sides)


class _Matrices:
    """Of few kinds of rows: ``features`` (D, K) is what a row of each adds to all that formulas read."""

    def __init__(self, problem: Problem) -> None:
        self._sides = problem.sides
        size = problem.sides[0].cells.size
        units = self._units = _margins(np.eye(_blocks(problem) * size + 1), size)
        slope = Slope(units.n, units.n, *units[:3], units.answered)
        self._features = np.concatenate([side.influence(slope) for side in problem.sides])

    def at(self, amounts: HostArray) -> Local:
        """The metric near ``amounts``."""
        read = np.einsum("dk,k->d", self._features, amounts)
        width = len(self._units.n)
        value, slopes, bends = 0.0, np.empty(len(read)), np.zeros((len(read), len(read)))
        for number, side in enumerate(self._sides):
            place = slice(number * width, (number + 1) * width)
            margins = _margins(read[place], side.cells.size)
            slope = side.measure.slope(margins)
            value += side.sign * float(slope.value)
            slopes[place] = side.sign * _packed(slope, margins)
            bends[place, place] = side.sign * _packed(side.measure.bend(margins, self._units), margins)
        return _Bent(value, np.einsum("dk,d->k", self._features, slopes), self._features, bends)


class _Bent(NamedTuple):
    """The slopes gain ``bends`` (D, D) times the move of what formulas read."""

    value: float
    influence: HostArray
    features: HostArray
    bends: HostArray

    def bent(self, moved: HostArray) -> HostArray:
        """What the influences gain."""
        return self._influences(np.einsum("dk,rk->dr", self.features, moved))

    def solved(self, left: HostArray, pull: HostArray, amounts: HostArray, sides: HostArray) -> HostArray:
        """The relative moves, by what formulas read: ``D`` equations in place of ``K``."""
        share = amounts / left
        told = np.einsum("dk,ek->de", self.features * (share * pull), self.features)
        read = np.einsum("dk,rk->dr", self.features, share * sides)
        equations = np.eye(len(told)) - np.einsum("de,ef->df", told, self.bends)
        moves: HostArray = (sides + pull * self._influences(np.linalg.solve(equations, read))) / left
        return moves

    def _influences(self, read: HostArray) -> HostArray:
        influences: HostArray = np.einsum("dr,dk->rk", np.einsum("de,er->dr", self.bends, read), self.features)
        return influences


class _Operators(NamedTuple):
    """Of many kinds of rows: nothing is larger than they are."""

    sides: tuple[Side, ...]

    def at(self, amounts: HostArray) -> Local:
        """The metric near ``amounts``."""
        margins = [side.margins(amounts) for side in self.sides]
        value, influence = 0.0, np.zeros(len(amounts))
        for side, read in zip(self.sides, margins, strict=True):
            slope = side.measure.slope(read)
            value += side.sign * float(slope.value)
            influence += side.sign * side.influence(slope)
        return _Unrolled(value, influence, self.sides, margins)


class _Unrolled(NamedTuple):
    """The influences bend as the measures of all ``sides`` do at these ``margins``."""

    value: float
    influence: HostArray
    sides: tuple[Side, ...]
    margins: list[Margins]

    def bent(self, moved: HostArray) -> HostArray:
        """What the influences gain."""
        return np.array([self._bent(each) for each in moved])

    def solved(self, left: HostArray, pull: HostArray, amounts: HostArray, sides: HostArray) -> HostArray:
        """The relative moves, one after the other."""

        def times(move: HostArray) -> HostArray:
            product: HostArray = move - pull / left * self._bent(amounts * move)
            return product

        return np.array([_residuals(times, each / left, np.sqrt(amounts)) for each in sides])

    def _bent(self, moved: HostArray) -> HostArray:
        influence = np.zeros(len(moved))
        for side, read in zip(self.sides, self.margins, strict=True):
            parts = side.margins(moved)
            every = None if parts.n_answered is None else parts.n_answered.reshape(1)
            bend = side.measure.bend(read, parts._replace(n=parts.n.reshape(1), n_answered=every))
            influence += side.sign * side.influence(bend)
        return influence


def _blocks(problem: Problem) -> int:
    """How many amounts of each class formulas read: where rows of either side have no prediction, one more."""
    return 4 if any((side.cells.preds < 0).any() for side in problem.sides) else 3


def _margins(read: HostArray, size: int) -> Margins:
    """What formulas read (…, 3·C + 1) or (…, 4·C + 1) as margins."""
    parts = (read[..., start : start + size] for start in range(0, read.shape[-1] - 1, size))
    tp, support, predicted, *answered = parts
    found = Margins(tp, support, predicted, read[..., -1:] if read.ndim > 1 else read[-1])
    for part in answered:
        return found._replace(answered=part, n_answered=along(part) if read.ndim > 1 else total(part))
    return found


def _packed(slope: Slope, margins: Margins) -> HostArray:
    """Slopes in the order of what formulas read of such ``margins``."""
    n = np.asarray(slope.n).reshape(*slope.tp.shape[:-1], 1)
    parts = [slope.tp, slope.support, slope.predicted]
    if margins.answered is not None:
        parts.append(np.zeros_like(slope.tp) if slope.answered is None else slope.answered)
    return np.concatenate([*parts, n], axis=-1)


def _residuals(times: Callable[[HostArray], HostArray], side: HostArray, weight: HostArray) -> HostArray:
    """The ``move`` with ``times(move) = side``, by conjugate residuals as ``weight`` measures them."""
    found, rest = np.zeros(len(side)), side
    known: list[tuple[HostArray, HostArray]] = []
    enough = _SPARE * _length(weight * side)
    for _ in range(_MOST_RESIDUALS):
        if _length(weight * rest) <= enough:
            break
        move, image = rest, times(rest)
        for past, past_image in known:
            share = dot(weight * image, weight * past_image)
            move, image = move - share * past, image - share * past_image
        length = _length(weight * image)
        if not 0.0 < length < inf:
            break
        move, image = move / length, image / length
        share = dot(weight * rest, weight * image)
        found, rest = found + share * move, rest - share * image
        known.append((move, image))
    return found


def _length(vector: HostArray) -> float:
    return sqrt(dot(vector, vector))
