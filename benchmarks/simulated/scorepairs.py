"""Two models on the same rows in what their bins, their confidences and their curves say."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import evalcli
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.simulated import Drawn, Rng

TESTED = {
    "binary": (
        "ece", "ece_positive", "ece_equal_mass", "brier_reliability", "brier_resolution", "aurc", "excess_aurc",
        "accuracy_at_coverage0.9", "mean_confidence", "ks", "auroc_fpr0.1", "specificity_at_sensitivity0.9",
    ),
    "classes": (
        "ece", "ece_equal_mass", "ece_classwise", "brier_reliability", "brier_resolution", "aurc",
        "accuracy_at_coverage0.9", "mean_confidence", "auroc_fpr0.1_macro",
    ),
}  # fmt: skip
"""The metrics of each task."""
_TRUTH_ROWS, _TRUTHS = 200_000, 5


BINS = {"binary": ("ece", "ece_positive", "ece_equal_mass"), "classes": ("ece", "ece_equal_mass", "ece_classwise")}
"""Those of them that are calibration errors."""


def two_scored(rng: Rng, rows: int, task: str, second: float, sure: float = 1.0) -> tuple[Any, list[Any]]:
    """Draw the truth, and the probabilities of both models; the logits of one are ``second`` times as large.

    All logits are ``sure`` times as large: of two classes they should be 1.76 times, of four 1.2 times.
    """
    if task == "binary":
        target = (rng.random(rows) < 0.4).astype(int)
        common = 2.4 * target - 1.2 + rng.normal(size=rows)
        return target, [1 / (1 + np.exp(-f * (common + 0.6 * rng.normal(size=rows)))) for f in (sure, sure * second)]
    target = rng.integers(0, 4, rows)
    common = rng.normal(size=(rows, 4)) + 1.5 * np.eye(4)[target]
    logits = [f * (common + 0.5 * rng.normal(size=(rows, 4))) for f in (sure, sure * second)]
    odds = [np.exp(each - each.max(axis=1, keepdims=True)) for each in logits]
    return target, [each / each.sum(axis=1, keepdims=True) for each in odds]


def _compared(rng: Rng, rows: int, task: str, second: float, names: Sequence[str], sure: float = 1.0) -> Any:
    target, preds = two_scored(rng, rows, task, second, sure)
    options: Any = {"metrics": list(names), "resamples": 500, "workers": 1, "scores": "probs"}
    return evalcli.compare(*preds, target=target, **options).data


def score_tests(
    rows: int, task: str, sure: float = 1.0, names: Sequence[str] | None = None
) -> Callable[[Rng], dict[str, float]]:
    """Draw two models that are equally good and ask for the p-value of every metric, or of these."""

    def draw(rng: Rng) -> dict[str, float]:
        found = _compared(rng, rows, task, 1.0, names or TESTED[task], sure)
        return {row.name: 1.0 if (one := row.differences[1]) is None else one.p for row in found.metrics}

    return draw


def score_difference(rows: int, task: str, second: float, name: str) -> Callable[[Rng], Drawn]:
    """Draw two models of which one is sharper and ask for the interval of the difference in a metric."""

    @cache
    def truth() -> float:
        every = [_compared(np.random.default_rng(seed), _TRUTH_ROWS, task, second, [name]) for seed in range(_TRUTHS)]
        return float(np.mean([one.metric(name).values[1] - one.metric(name).values[0] for one in every]))

    def draw(rng: Rng) -> Drawn:
        one = _compared(rng, rows, task, second, [name]).metric(name).differences[1]
        return truth(), {"evalcli": None if one is None else Interval(one.low, one.high, one.method)}

    return draw
