"""Two models that predict values, with a known difference in medians of errors and in rank correlations."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.inputs import Sides, open_sides
from evalcli.sources.base import Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn
    from evalcli.comparing.data import Comparison

ORDERED = ("medae", "spearman", "kendall")
SPREAD = ("r2", "explained_variance", "pearson")
"""What is divided by how targets spread."""
_MANY = 1_000_000
_SPREAD = 0.6
_EXECUTION = Execution(workers=1)


def two_models(rng: Rng, rows: int, alike: float, sharper: float, tails: str = "") -> tuple[Any, Any, Any]:
    """Predictions of both models and target (N,); the errors of the second are ``sharper`` times as small.

    ``alike`` is the share of the variance of errors that both have in common. With ``heavy`` tails they are those of a
    t distribution of 4 degrees of freedom, of ``log-normal`` targets they are a share.
    """

    def errors() -> Any:
        return rng.standard_t(4, rows) if tails == "heavy" else rng.normal(size=rows)

    target, shared, size = rng.normal(size=rows), errors(), _SPREAD
    if tails == "log-normal":
        target = np.exp(1.2 * target)
        size = 0.4 * target
    first, second = (
        target + size / seen * (np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * errors()) for seen in (1.0, sharper)
    )
    return first, second, target


def comparison_of(first: Any, second: Any, target: Any, names: tuple[str, ...]) -> Comparison:
    """What ``evalcli compare -m names`` says of them."""
    question = Question(names, confidence=CONFIDENCE, flips=0)
    with ExitStack() as held:
        selection = Selection(listing=True, beside=True)
        sources = [
            held.enter_context(closing(open_sides(Sides(preds, target, None), selection))) for preds in (first, second)
        ]
        return compare(sources, Choices(task="regression"), _EXECUTION, question)


def p_values(
    rows: int, alike: float, tails: str = "", names: tuple[str, ...] = ORDERED
) -> Callable[[Rng], dict[str, float]]:
    """Draw two that are equally good and ask for the p-value of every metric."""

    def draw(rng: Rng) -> dict[str, float]:
        found = comparison_of(*two_models(rng, rows, alike, 1.0, tails), names)
        return {row.name: 1.0 if (each := row.differences[1]) is None else each.p for row in found.metrics}

    return draw


def apart(name: str, rows: int, alike: float, sharper: float = 1.25, tails: str = "") -> Callable[[Rng], Drawn]:
    """Draw both and ask for the interval of a difference; the truth is that of a million rows, or 0."""

    @cache
    def truth() -> float:
        if sharper == 1.0:
            return 0.0
        drawn = two_models(np.random.default_rng(0), _MANY, alike, sharper, tails)
        return _difference(drawn, name)[0]

    def draw(rng: Rng) -> Drawn:
        return truth(), {"evalcli": _difference(two_models(rng, rows, alike, sharper, tails), name)[1]}

    return draw


def _difference(drawn: tuple[Any, Any, Any], name: str) -> tuple[float, Interval | None]:
    found = comparison_of(*drawn, (name,)).metrics[0].differences[1]
    assert found is not None
    return found.value, Interval(found.low, found.high, found.method)
