"""The path of the likeliest truths, walked from what was seen to where a score interval ends.

The likeliest amounts ``a`` (K,) in cells among all of which a metric has the value ``θ`` are ``a = n / y`` with what is
``left`` of them, ``y = 1 − λ·s·L(a)``: ``n`` was seen, ``s`` is the mean weight of a cell's rows and ``L`` the
influence at ``a`` itself. From ``λ = 0`` on these are a curve. It is followed in steps of its length in standard
errors, as rows see it (``Σ a·δ²/s`` of relative moves ``δ``), so that an end lies about ``z`` away whatever the metric,
and a value or a ``λ`` that turns back does no harm.

At each place Newton's equations are solved, ``y·δ − λ·s·L′[a·δ] = r + s·L·dλ``, for the correction that leads to the
path (``r = y − 1 + λ·s·L`` is how far it is) and for the tangent along it. A step is taken back and halved where its
corrections do not halve what is left to correct, or the path bends sharply. The next step is Newton's for the gap from
``|θ − centre|`` to ``z`` standard errors, of a limited length, and of half of it once the gap has changed its sign:
first the end is surrounded, then it is found. A walk is over when neither a correction nor a step moves any more, and
not after some number of turns: it takes five to ten places.

Source: Allgower and Georg 1990, Numerical Continuation Methods, on following a curve by predictor and corrector.
"""

from __future__ import annotations

from functools import cached_property
from math import copysign, inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.local import near

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.local import Local
    from evalcli.uncertainty.score import Problem

_REACH = 1.0
"""The first step, in standard errors."""
_MOST_REACH = 2.0
"""The longest."""
_NEAR = 0.2
"""So far from the path, in standard errors, a step may begin."""
_AIM = 0.05
"""So far from the path a step is to end: it is off by its square."""
_GROWTH = 4.0
"""How many times longer a step may be than the one before."""
_TURN = 0.9
"""The least cosine between the directions before and after a step."""
_CLOSE = 1e-5
"""A correction and a step of so little, in standard errors, end the walk; what is left is their square."""
_LEAST = 1e-6
"""Where steps have to be this short the path itself ends."""
_SHRINK = 0.2
"""What is left of a cell falls to no less in one step, so that it stays positive."""
_MOST_STEPS = 1000
"""A hundred times what the longest walks take."""


class _Place(NamedTuple):
    """Near the path: what is ``left`` of cells (K,), the ``factor`` λ, the metric's ``value``, its ``gap`` to the end.

    ``moves`` (2, K) are the correction that leads to the path, ``away`` standard errors long, and the unit tangent;
    ``factors`` and ``values`` and ``gaps`` are what these add to each.
    """

    left: HostArray
    factor: float
    value: float
    away: float
    moves: HostArray
    factors: tuple[float, float]
    gap: float
    values: tuple[float, float]
    gaps: tuple[float, float]

    def after(self, step: float) -> tuple[HostArray, float]:
        """Corrected, and ``step`` along the path."""
        move = self.moves[0] + step * self.moves[1]
        return self.left * np.maximum(1.0 - move, _SHRINK), self.factor + self.factors[0] + step * self.factors[1]

    def step(self, reach: float) -> float:
        """Newton's to where the gap is 0, of at most ``reach``."""
        rest, slope = self.gap + self.gaps[0], self.gaps[1]
        return min(max(-rest / slope, -reach), reach) if slope > 0.0 else copysign(reach, -rest)


class _Seen(NamedTuple):
    """Where so much is left: the metric near the ``amounts`` (K,), how heavy moves are, and which moves there are."""

    local: Local
    amounts: HostArray
    weight: HostArray
    correction: HostArray
    tangent: HostArray
    length: float


class Ground:
    """What walks to either end of a ``problem`` have in common: the metric, and the place where they begin."""

    def __init__(self, problem: Problem) -> None:
        self.metric = near(problem)
        self.base, self.scale, self.total = problem.base, problem.scale, float(problem.base.sum())

    @cached_property
    def start(self) -> _Seen | None:
        """What was seen."""
        return self.seen(np.ones(len(self.base)), 0.0)

    def seen(self, left: HostArray, factor: float) -> _Seen | None:
        """What there is where so much is left; ``None`` where nothing tells how the path goes on."""
        amounts = self.base / left
        local = self.metric.at(amounts)
        pull, weight = self.scale * local.influence, amounts / self.scale
        sides = np.array([left - 1.0 + factor * pull, pull])
        try:
            correction, tangent = local.solved(left, factor * self.scale, amounts, sides)
        except np.linalg.LinAlgError:  # where the path turns back, within rounding
            return None
        length = sqrt(dot(weight, tangent * tangent))
        if not 0.0 < length < inf:
            return None
        return _Seen(local, amounts, weight, correction, tangent, length)


class Walk:
    """From what was seen to values below ``centre`` (``side`` −1) or above."""

    def __init__(self, ground: Ground, side: float, centre: float, critical: float) -> None:
        self._ground, self._side, self._centre, self._critical = ground, side, centre, critical

    def end(self, limit: float) -> float:
        """Where the metric, which goes as far as ``limit``, is ``critical`` standard errors away from ``centre``."""
        if self._side * (self._centre - limit) >= 0.0:
            return limit
        with np.errstate(all="ignore"):  # a step too far ends in infinities, and is taken back
            return self._walked()

    def _walked(self) -> float:
        """Where the walk comes to."""
        ground = self._ground
        here = kept = self._place(np.ones(len(ground.base)), 0.0, None)
        if here is None or kept is None:
            return ground.metric.at(ground.base).value
        if here.gap >= 0.0:
            return here.value
        step, reach, most, away = 0.0, _REACH, _MOST_REACH, inf
        start = furthest = short = self._side * here.value
        for _ in range(_MOST_STEPS):
            if here is not None and here.away <= _NEAR:
                most = abs(step) / 2.0 if here.gap * kept.gap < 0.0 else most
                furthest = max(furthest, self._side * here.value)
                short = max(short, self._side * here.value) if here.gap < 0.0 else short
                if self._side * here.value < (short + start) / 2.0:
                    break  # the path came to where a class is empty, and goes back; beyond that gaps mean nothing
                reach = min(abs(step) * min(sqrt(_AIM / max(here.away, _CLOSE)), _GROWTH), most) if step else reach
                kept, step, away = here, here.step(reach), inf
                if max(abs(step), here.away) <= _CLOSE:
                    return here.value + here.values[0] + step * here.values[1]
                here = self._place(*kept.after(step), kept)
            elif here is not None and here.away <= away / 2.0:
                away = here.away
                here = self._place(*here.after(0.0), kept)
            else:
                step, away = step / 2.0, inf
                reach = abs(step)
                if reach < _LEAST:
                    break
                kept = self._place(*kept.after(0.0), kept, 0.0) or kept  # where it is not yet on the path it bends
                here = self._place(*kept.after(step), kept)
        return self._side * furthest

    def _place(self, left: HostArray, factor: float, kept: _Place | None, least: float = _TURN) -> _Place | None:
        """What there is where so much is left, if from where it was ``kept`` it goes on as straight as ``least``."""
        seen = self._ground.start if kept is None else self._ground.seen(left, factor)
        if seen is None:
            return None
        local, amounts, weight, correction, tangent, length = seen
        forward = self._side
        if kept is not None:
            cosine = dot(weight * tangent, kept.moves[1]) / length / sqrt(dot(weight, kept.moves[1] ** 2))
            forward = copysign(1.0, cosine)
            if not abs(cosine) >= least:
                return None
        pace = forward / length
        tangent = tangent * pace
        along = dot(weight * correction, tangent)
        moves = np.array([correction - along * tangent, tangent])
        away = sqrt(dot(weight, moves[0] ** 2))
        return _Place(
            left, factor, local.value, away, moves, (-along * pace, pace), *self._gains(local, amounts, moves)
        )

    def _gains(
        self, local: Local, amounts: HostArray, moves: HostArray
    ) -> tuple[float, tuple[float, float], tuple[float, float]]:
        """The gap, and what the metric and the gap gain by each of both moves."""
        pull, moved, whole = self._ground.scale * local.influence, amounts * moves, float(amounts.sum())
        spread = dot(amounts * pull, local.influence)
        error = sqrt(spread * whole / self._ground.total)
        values = (moved * local.influence).sum(axis=1)
        spreads = (moved * (pull * local.influence) + 2.0 * (amounts * pull) * local.bent(moved)).sum(axis=1)
        errors = (spreads * whole + spread * moved.sum(axis=1)) / (2.0 * self._ground.total * error)
        gap = self._side * (local.value - self._centre) - self._critical * error
        gains, gaps = values.tolist(), (self._side * values - self._critical * errors).tolist()
        return gap, (gains[0], gains[1]), (gaps[0], gaps[1])
