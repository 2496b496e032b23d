"""Metrics of the user's own, of two models on the same rows, with a known difference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli
from benchmarks.simulated.defined import OwnMean
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn, Rng
    from evalcli.comparing.data import MetricRow

_MANY = 1_000_000


def compared(metric: type, drawn: tuple[Any, Any, Any], together: int = 1) -> MetricRow:
    """Compare two models by a metric, each row a cluster of so many alike."""
    first, second, target = (np.repeat(side, together, axis=0) for side in drawn)
    cluster = None if together == 1 else np.repeat(np.arange(len(drawn[2])), together)
    usual = "mae" if metric is OwnMean else "accuracy"
    options: dict[str, Any] = {"metrics": usual, "resamples": 100, "workers": 1, "cluster": cluster, "flips": 0}
    found = evalcli.compare(first, second, target=target, own={"x": metric()}, **options).data.metric("x")
    assert found is not None
    return found


def own_test(metric: type, two: Any, rows: int, together: int = 1) -> Callable[[Rng], dict[str, float]]:
    """Draw two models that are equally good and ask for the p-value of a metric of one's own."""

    def draw(rng: Rng) -> dict[str, float]:
        one = compared(metric, two(rng, rows, 0.0), together).differences[1]
        return {"evalcli": 1.0 if one is None else one.p}

    return draw


def own_apart(metric: type, two: Any, rows: int, together: int = 1) -> Callable[[Rng], Drawn]:
    """Draw two models of which one is better and ask for the interval; the truth is that of a million rows."""

    @cache
    def truth() -> float:
        first, second = compared(metric, two(np.random.default_rng(0), _MANY, 0.5)).values
        assert first is not None
        assert second is not None
        return float(second - first)

    def draw(rng: Rng) -> Drawn:
        one = compared(metric, two(rng, rows, 0.5), together).differences[1]
        return truth(), {"evalcli": None if one is None else Interval(one.low, one.high, one.method)}

    return draw
