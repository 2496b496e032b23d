"""What a user defines from metrics, of two models on the same rows, with a known difference."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import evalcli
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.simulated import Drawn, Rng

_MANY = 1_000_000
_SHARES = np.array([0.5, 0.3, 0.2])


class Text(NamedTuple):
    """An expression and the rows that it is of: ``two`` draws these, the second model ``better`` by so much."""

    title: str
    text: str
    two: Callable[[Rng, int, float], tuple[Any, Any, Any]]


def _uniform(rng: Rng, rows: int, alike: float = 0.6) -> list[Any]:
    """Draw normal variables of both models, which have a cause in common."""
    shared = rng.normal(size=rows)
    return [np.sqrt(alike) * shared + np.sqrt(1.0 - alike) * rng.normal(size=rows) for _ in range(2)]


def two_labels(rng: Rng, rows: int, better: float) -> tuple[Any, Any, Any]:
    """Draw labels of three classes, and which of them each model says."""
    target = rng.choice(3, rows, p=_SHARES)
    said = []
    for own, more in zip(_uniform(rng, rows), (0.0, better), strict=True):
        right = own < np.array([1.3, 0.9, 0.5 + more])[target]
        said.append(np.where(right, target, (target + rng.integers(1, 3, rows)) % 3))
    return *said, target


def two_scores(rng: Rng, rows: int, better: float) -> tuple[Any, Any, Any]:
    """Draw probabilities of a binary task."""
    target = (rng.random(rows) < 0.4).astype(np.int64)
    sides = zip(_uniform(rng, rows), (0.0, better), strict=True)
    said = [1.0 / (1.0 + np.exp(-(1.3 + more) * (2 * target - 1) - noise)) for noise, more in sides]
    return *said, target


def two_values(rng: Rng, rows: int, better: float) -> tuple[Any, Any, Any]:
    """Draw values whose errors have somewhat heavy tails."""
    target = 2.0 * rng.normal(size=rows)
    tails = np.sqrt(rng.chisquare(8, rows) / 8.0)
    sides = zip(_uniform(rng, rows), (0.0, better), strict=True)
    return *(target + (1.0 - 0.3 * more) * noise / tails for noise, more in sides), target


def two_sets(rng: Rng, rows: int, better: float) -> tuple[Any, Any, Any]:
    """Draw sets of three labels, whose errors have a cause in common, within a model and between both."""
    target = (rng.random((rows, 3)) < [0.5, 0.4, 0.3]).astype(np.int64)
    hard = rng.normal(size=(rows, 1))
    said = []
    for more in (0.0, better):
        own = np.sqrt(0.3) * hard + np.sqrt(0.7) * rng.normal(size=(rows, 3))
        said.append(np.where(own < np.array([1.2, 0.9, 0.6 + more]), target, 1 - target))
    return *said, target


TEXTS = (
    Text("gap of two recalls", "recall[0] - recall[2]", two_labels),
    Text("worst of three recalls", "min(recall[0], recall[1], recall[2])", two_labels),
    Text("size of a gap", "abs(recall[1] - recall[2])", two_labels),
    Text("ratio of precision to recall", "precision[2] / recall[2]", two_labels),
    Text("mean of class F1 and accuracy", "(f1[2] + accuracy) / 2", two_labels),
    Text("AUROC less accuracy", "auroc - accuracy", two_scores),
    Text("Brier score over errors", "brier / error_rate", two_scores),
    Text("AUROC and average precision", "(auroc + average_precision) / 2", two_scores),
    Text("RMSE over MAE", "rmse / mae", two_values),
    Text("bias over RMSE", "bias / rmse", two_values),
    Text("R² and correlation", "(r2 + pearson) / 2", two_values),
    Text("gap of two labels' recalls", "recall[0] - recall[2]", two_sets),
    Text("macro F1 over micro F1", "f1_macro / f1_micro", two_sets),
)


def compared(drawn: tuple[Any, Any, Any], texts: Sequence[Text], together: int = 1) -> dict[str, Any]:
    """Compare two models, each row a cluster of so many alike, and return the rows of what is defined."""
    first, second, target = (np.repeat(side, together, axis=0) for side in drawn)
    cluster = None if together == 1 else np.repeat(np.arange(len(drawn[2])), together)
    usual = {two_values: "mae", two_sets: "subset_accuracy"}.get(texts[0].two, "accuracy")
    options: dict[str, Any] = {"task": "multilabel"} if target.ndim > 1 else {}
    define = {f"x{number}": one.text for number, one in enumerate(texts)}
    options |= {"metrics": usual, "define": define, "resamples": 200, "workers": 1, "cluster": cluster, "flips": 0}
    found = evalcli.compare(first, second, target=target, **options).data
    return {one.title: found.metric(f"x{number}") for number, one in enumerate(texts)}


def defined_tests(two: Any, rows: int, together: int = 1) -> Callable[[Rng], dict[str, float]]:
    """Draw two models that are equally good and ask for the p-value of all that is defined from these rows."""
    texts = [one for one in TEXTS if one.two is two]

    def draw(rng: Rng) -> dict[str, float]:
        found = compared(two(rng, rows, 0.0), texts, together)
        return {title: 1.0 if (one := row.differences[1]) is None else one.p for title, row in found.items()}

    return draw


def defined_apart(text: Text, rows: int, better: float = 0.5, together: int = 1) -> Callable[[Rng], Drawn]:
    """Draw two models of which one is better and ask for the interval; the truth is that of a million rows."""

    @cache
    def truth() -> float:
        row = compared(text.two(np.random.default_rng(0), _MANY, better), [text])[text.title]
        return float(row.values[1] - row.values[0])

    def draw(rng: Rng) -> Drawn:
        one = compared(text.two(rng, rows, better), [text], together)[text.title].differences[1]
        return truth(), {"evalcli": None if one is None else Interval(one.low, one.high, one.method)}

    return draw
