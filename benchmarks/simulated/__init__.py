"""Data sets with a known truth, for ``benchmarks.coverage``: each draw gives the truth and the intervals for it.

Truths of shares are drawn anew for every set, from a narrow range: the coverage of any interval of counts goes up and
down with the exact truth, and what matters is how often it holds for models like this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from evalcli.uncertainty.intervals import Interval

    Drawn: TypeAlias = tuple[float, dict[str, Interval | None]]

Rng = np.random.Generator
CONFIDENCE = Confidence(resamples=1000)


class Case(NamedTuple):
    """Draws a data set: the truth, and an interval for each method; of those ``promised`` the coverage is promised.

    ``careful`` says why more of the intervals than promised may hold the truth: then that is no fault.
    """

    name: str
    draw: Callable[[Rng], Drawn]
    promised: tuple[str, ...] = ("evalcli",)
    careful: str = ""


class PairCase(NamedTuple):
    """Draws a data set of two models: a p-value for each test. Under ``null`` the models are equally good."""

    name: str
    draw: Callable[[Rng], dict[str, float]]
    null: bool
    promised: tuple[str, ...] = ("evalcli",)


class GateCase(NamedTuple):
    """Draws a data set of a model whose true metric is the bound: the outcome of each kind of gate."""

    name: str
    draw: Callable[[Rng], dict[str, str]]
