"""Two models of the same rows that are wrong in a handful of them: the difference of their log losses."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import evalcli
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn, Rng

_MANY = 4_000_000


class FewWrong(NamedTuple):
    """Two models of two normal classes, ``distances`` on either side of where each tells them apart.

    Each takes its logits times ``sure`` for what they are, and errors are correlated by ``together``.
    """

    distances: tuple[float, float]
    sure: tuple[float, float]
    together: float

    def logits(self, rng: Rng, rows: int) -> list[Any]:
        """Draw how sure each model is of what happened (N,)."""
        first, other = rng.normal(size=(2, rows))
        second = self.together * first + np.sqrt(1.0 - self.together**2) * other
        sides = zip(self.distances, self.sure, (first, second), strict=True)
        return [2.0 * far * sure * (far + noise) for far, sure, noise in sides]


def loss_difference(rows: int, models: FewWrong) -> Callable[[Rng], Drawn]:
    """Draw both and ask for the interval of the second log loss less the first."""

    @cache
    def truth() -> float:
        first, second = (np.logaddexp(0.0, -one).mean() for one in models.logits(np.random.default_rng(0), _MANY))
        return float(second - first)

    def draw(rng: Rng) -> Drawn:
        target = rng.integers(0, 2, rows)
        scores = [1.0 / (1.0 + np.exp(-np.where(target == 1, one, -one))) for one in models.logits(rng, rows)]
        options: Any = {"metrics": ["log_loss"], "workers": 1, "scores": "probs", "task": "binary"}
        one = evalcli.compare(*scores, target=target, **options).data.metric("log_loss").differences[1]
        return truth(), {"evalcli": None if one is None else Interval(one.low, one.high, one.method)}

    return draw
