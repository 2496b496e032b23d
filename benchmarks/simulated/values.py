"""Regressions with a known truth: normal errors, heavy tails, errors that grow with the target, a good model."""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from evalcli.metrics.registry import parse
from evalcli.metrics.values import feed, value_rows
from evalcli.regression.intervals import Intervals
from evalcli.regression.results import Results
from evalcli.regression.states import ALWAYS, Setup, StateKey, asked_keys
from evalcli.report import Value
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn

_MANY = 1_000_000
_RESIDUALS = StateKey("ResidualTable")
_NEEDED = (_RESIDUALS, StateKey("RankPairs"))


def _normal(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = rng.normal(0, 1, rows)
    return 0.9 * target + rng.normal(0, 0.5, rows), target


def _heavy(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = rng.normal(100, 5, rows)
    return target + 0.3 + 2.0 * rng.standard_t(6, rows), target


def _growing(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = rng.exponential(1.0, rows) + 0.05
    return target * np.exp(rng.normal(0, 0.3, rows)), target


def _skewed(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = np.exp(rng.normal(0, 1, rows))
    return target * np.exp(rng.normal(0, 0.3, rows)), target


def _good(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = rng.normal(0, 1, rows)
    return target + rng.normal(0, 0.05, rows), target


def _useless(rng: Rng, rows: int) -> tuple[Any, Any]:
    return rng.normal(0, 0.5, rows), rng.normal(0, 1, rows)


def _tied(rng: Rng, rows: int) -> tuple[Any, Any]:
    target = rng.integers(1, 6, rows).astype(float)
    return np.clip(np.rint(target + rng.normal(0, 0.8, rows)), 1, 5), target


_MODELS = {
    "normal": _normal,
    "heavy tails": _heavy,
    "errors grow": _growing,
    "log-normal": _skewed,
    "good": _good,
    "useless": _useless,
    "five stars": _tied,
}


def _computed(metric: str, drawn: tuple[Any, Any]) -> tuple[float, Results]:
    name, setup = parse(metric), Setup(1, weighted=False, budget=64 << 20)
    states = {key: setup.make(key) for key in (*ALWAYS, *asked_keys([name]), *_NEEDED)}
    feed(tuple(states.values()), value_rows(*drawn))
    results = Results(states, ("0",))
    return results.value(name).value, results


def regression(metric: str, model: str, rows: int) -> Callable[[Rng], Drawn]:
    """Draw predictions and targets; the truth is that of a million rows."""

    @cache
    def truth() -> float:
        return _computed(metric, _MODELS[model](np.random.default_rng(0), _MANY))[0]

    def draw(rng: Rng) -> Drawn:
        value, results = _computed(metric, _MODELS[model](rng, rows))
        spread = sqrt(float(results.read(StateKey("Moments"))[0].target_spread) / rows)
        found = Intervals(results.read(_RESIDUALS)[0], results.pairs(0), rows, spread, CONFIDENCE).of(
            parse(metric), Value(value)
        )
        assert found.low is not None
        assert found.high is not None
        intervals = {"evalcli": Interval(found.low, found.high, found.method or "")}
        if metric == "pearson":
            reach = CONFIDENCE.critical / np.sqrt(rows - 3.0)
            low, high = np.tanh(np.arctanh(value) - reach), np.tanh(np.arctanh(value) + reach)
            intervals["fisher"] = Interval(float(low), float(high), "fisher")
        return truth(), intervals

    return draw
