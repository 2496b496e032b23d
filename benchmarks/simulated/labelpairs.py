"""Two models of several labels a row, with a known difference: what makes a cell hard for one does for the other."""

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

TESTED = (
    *("subset_accuracy", "hamming_loss", "f1_micro", "f1_macro", "f1_weighted", "f1_samples"),
    *("auroc_macro", "auroc_micro", "average_precision_macro", "lrap", "log_loss", "ece"),
)
_MANY = 1_000_000
_SHARE = 0.5
_EXECUTION = Execution(workers=1)


def two_models(rng: Rng, rows: int, rare: float, sharper: float = 1.0, labels: int = 6) -> tuple[Any, Any, Any]:
    """Scores of both models and target (N, L); the second sees ``sharper`` times as far into the truth."""
    cause, error = rng.normal(size=(2, rows, 1))
    target = cause + rng.normal(size=(rows, labels)) > np.linspace(0.0, rare, labels) * np.sqrt(2.0)
    hard = rng.normal(size=(rows, labels))
    scores = []
    for seen in (1.0, sharper):
        own = rng.normal(size=(rows, labels))
        logits = seen * (3.0 * target - 1.5) + error + np.sqrt(_SHARE) * hard + np.sqrt(1.0 - _SHARE) * own
        scores.append(1 / (1 + np.exp(-logits)))
    return scores[0], scores[1], target.astype(np.int64)


def comparison_of(first: Any, second: Any, target: Any, names: tuple[str, ...]) -> Comparison:
    """What ``evalcli compare -m names`` says of them."""
    question = Question(names, confidence=CONFIDENCE, flips=0, by_label=False)
    with ExitStack() as held:
        selection = Selection(listing=True, beside=True)
        sources = [
            held.enter_context(closing(open_sides(Sides(preds, target, None), selection))) for preds in (first, second)
        ]
        return compare(sources, Choices(task="multilabel"), _EXECUTION, question)


def p_values(rows: int, rare: float, sharper: float = 1.0) -> Callable[[Rng], dict[str, float]]:
    """Draw both and ask for the p-value of every metric."""

    def draw(rng: Rng) -> dict[str, float]:
        found = comparison_of(*two_models(rng, rows, rare, sharper), TESTED)
        return {row.name: 1.0 if (each := row.differences[1]) is None else each.p for row in found.metrics}

    return draw


def apart(name: str, rows: int, rare: float = 1.0, sharper: float = 1.3) -> Callable[[Rng], Drawn]:
    """Draw both and ask for the interval of a difference; the truth is that of a million rows."""

    @cache
    def truth() -> float:
        return _difference(two_models(np.random.default_rng(0), _MANY, rare, sharper), name)[0]

    def draw(rng: Rng) -> Drawn:
        return truth(), {"evalcli": _difference(two_models(rng, rows, rare, sharper), name)[1]}

    return draw


def _difference(drawn: tuple[Any, Any, Any], name: str) -> tuple[float, Interval | None]:
    found = comparison_of(*drawn, (name,)).metrics[0].differences[1]
    assert found is not None
    return found.value, Interval(found.low, found.high, found.method)
