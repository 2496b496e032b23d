"""Cuts as probabilities to type: a threshold on the command line is one, whatever the scores are."""

from __future__ import annotations

from functools import partial
from math import exp, inf, nextafter
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.task import logit
from evalcli.threshold import as_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.tuning.candidates import Choice

_ULPS = 8
"""How many float64 to each side are tried for a probability whose logit is the cut."""


class Thresholds:
    """Cuts as probabilities: the shortest that gives the cut back.

    ``dtype`` is that in which the scores are stored, ``None`` where what is cut was computed in float64.
    """

    def __init__(self, scores: str, dtype: str | None) -> None:
        self.logits = scores == "logits"
        self.stored: Callable[[float], Any] = float
        if dtype is not None:
            self.stored = partial(as_stored, dtype=dtype, loaded=np.float64)

    def cut_at(self, threshold: float) -> float:
        """The score at which a report cuts when this probability is typed."""
        return float(self.stored(logit(threshold) if self.logits else threshold))

    def of(self, cut: float) -> float:
        """A probability near a cut, to be shown."""
        return sigmoid(cut) if self.logits else cut

    def typed(self, choice: Choice) -> tuple[float, bool]:
        """A probability for the chosen cut, and whether typing it cuts these scores at the same place.

        Any cut above the next lower score does, as long as all scores are known apart.
        """
        cut = choice.place.cut
        below = choice.below if choice.exact else nextafter(cut, -inf)
        near = list(_near(self.of(cut)))
        for least in (cut, nextafter(below, inf)):  # the cut itself, else what cuts at the same place
            for probability in near:
                if least <= self.cut_at(probability) <= cut:
                    return probability, True
        return min(max(near[-1], 0.0), 1.0), False


def sigmoid(score: float) -> float:
    """``1 / (1 + e^−s)``, without overflow.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if score < 0:
        power = exp(max(score, -800.0))
        return power / (1 + power)
    return 1 / (1 + exp(-score))


def _near(value: float) -> list[float]:
    """``value`` in ever more digits, then the floats around it, and itself last; all of them probabilities."""
    found = [float(f"{value:.{digits}g}") for digits in range(1, 18)]
    up = down = value
    for _ in range(_ULPS):
        up, down = nextafter(up, inf), nextafter(down, -inf)
        found += [up, down]
    return [one for one in (*found, value) if 0 <= one <= 1] or [value]
