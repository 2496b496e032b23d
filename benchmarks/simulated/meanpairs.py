"""Two models on the same rows of several classes that hardly a row is out of order in, and a known difference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.simulated import Drawn, Rng

_TRUTH_ROWS = 300_000


def _compared(rng: Rng, rows: int, shares: Sequence[float], apart: tuple[float, float], name: str) -> Any:
    size = len(shares)
    target = rng.choice(size, rows, p=shares)
    shared, *own = rng.normal(size=(3, rows, size))
    logits = [at * np.eye(size)[target] + np.sqrt(0.5) * (shared + each) for at, each in zip(apart, own, strict=True)]
    options: Any = {"metrics": [name], "workers": 1, "scores": "logits", "task": "multiclass"}
    return evalcli.compare(*logits, target=target, **options)[name]


def mean_apart(name: str, rows: int, shares: Sequence[float], apart: tuple[float, float]) -> Callable[[Rng], Drawn]:
    """Draw classes of these ``shares``, whose logits lie so far ``apart`` in either model."""

    @cache
    def truth() -> float:
        return float(_compared(np.random.default_rng(0), _TRUTH_ROWS, shares, apart, name).value)

    def draw(rng: Rng) -> Drawn:
        found = _compared(rng, rows, shares, apart, name)
        return truth(), {"evalcli": Interval(found.low, found.high, found.method)}

    return draw
