"""Confusion matrices with a known truth: one model, whose rows may weigh differently or come in clusters."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from evalcli.metrics.registry import evaluate, parse
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.clusters import Clusters
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.decisions import decide
from evalcli.uncertainty.intervals import Interval
from evalcli.uncertainty.resampling import replicates

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn


def wald(right: float, rows: float) -> Interval:
    """The textbook interval that should not be used."""
    share = right / rows
    reach = CONFIDENCE.critical * np.sqrt(share * (1 - share) / rows)
    return Interval(share - reach, share + reach, "wald")


def percentile(values: Any) -> Interval:
    """The plain percentiles of replicates (B,), of which undefined ones count as 0."""
    ends = np.quantile(np.where(np.isnan(values), 0.0, values), (CONFIDENCE.tail, 1.0 - CONFIDENCE.tail))
    return Interval(float(ends[0]), float(ends[1]), "bootstrap")


def accuracy(rows: int, low: float, high: float) -> Callable[[Rng], Drawn]:
    """Draw right and wrong rows of a model whose accuracy lies between ``low`` and ``high``."""

    def draw(rng: Rng) -> Drawn:
        truth = rng.uniform(low, high)
        right = rng.binomial(rows, truth)
        cells = Cells.of_matrix(np.array([[right, rows - right], [0, 0]]))
        return truth, {
            "evalcli": CountIntervals(cells, CONFIDENCE).of(parse("accuracy")),
            "wald": wald(right, rows),
        }

    return draw


def matrix_of(priors: Any, rights: Any) -> Any:
    """Return the cell shares of a model: class shares, and the share right of each class; errors go everywhere."""
    priors, rights = np.asarray(priors, float), np.asarray(rights, float)
    size = len(priors)
    rows = np.repeat(((1 - rights) / (size - 1))[:, None], size, axis=1)
    np.fill_diagonal(rows, rights)
    return (priors / priors.sum())[:, None] * rows


def composite(name: str, shares: Any, rows: int, *, every: bool = False) -> Callable[[Rng], Drawn]:
    """Draw a confusion matrix; the truth is the metric of its cell shares."""
    parsed, size = parse(name), len(shares)
    positive = 1 if size == 2 else None
    exact = Cells.of_matrix(shares)
    truth = float(evaluate(parsed, exact.margins.counts, positive=positive))

    def draw(rng: Rng) -> Drawn:
        cells = Cells.of_matrix(rng.multinomial(rows, shares.ravel()).reshape(size, size))
        found = {"evalcli": CountIntervals(cells, CONFIDENCE, positive=positive).of(parsed)}
        if every:
            for method in ("score", "bootstrap"):
                given = found["evalcli"]
                if given is None or given.method != method:
                    given = CountIntervals(cells, CONFIDENCE, positive=positive, method=method).of(parsed)
                found[method] = given
            drawn = evaluate(parsed, replicates(cells, CONFIDENCE).counts, positive=positive)
            found["percentile"] = percentile(drawn)
        return truth, found

    return draw


def mean_of_seen(name: str, shares: Any, rows: int) -> Callable[[Rng], Drawn]:
    """Draw a confusion matrix of which rare classes may be missing; the truth is the mean over classes that were seen.

    Those of a balanced accuracy have rows of their own, all others may only have been named.
    """
    parsed, size = parse(name), len(shares)
    of_class = parse("recall_macro") if name == "balanced_accuracy" else parsed
    exact = np.asarray(of_class.entry.formula(Cells.of_matrix(shares).margins.counts, *of_class.arguments))

    def draw(rng: Rng) -> Drawn:
        matrix = rng.multinomial(rows, shares.ravel()).reshape(size, size)
        seen = matrix.any(axis=1) if name == "balanced_accuracy" else matrix.any(axis=1) | matrix.any(axis=0)
        return float(exact[seen].mean()), {"evalcli": CountIntervals(Cells.of_matrix(matrix), CONFIDENCE).of(parsed)}

    return draw


def largest(shares: Any, rows: int) -> Callable[[Rng], Drawn]:
    """Draw how many rows classes with these ``shares`` have, and ask for the share of the most frequent one."""
    parsed, truth = parse("majority_baseline"), float(max(shares)) / float(sum(shares))

    def draw(rng: Rng) -> Drawn:
        support = rng.multinomial(rows, np.asarray(shares, float) / sum(shares))
        return truth, {"evalcli": CountIntervals(Cells.of_matrix(np.diag(support)), CONFIDENCE).of(parsed)}

    return draw


def weighted(rows: int, hard: float) -> Callable[[Rng], Drawn]:
    """Draw rows of which some weigh more; the heavy ones are wrong more often when ``hard`` is above 0."""
    truth = cache(lambda: weighted_truth(hard))

    def draw(rng: Rng) -> Drawn:
        weight = rng.gamma(1.0, size=rows) + 0.1
        share = 0.9 - hard * np.minimum(weight, 4.0) / 4.0
        right = rng.random(rows) < share
        sums = [(weight[side] ** power).sum() for power in (1, 2) for side in (right, ~right)]
        cells = Cells.of_matrix(np.array([[sums[0], sums[1]], [0, 0]]), squares=np.array([[sums[2], sums[3]], [0, 0]]))
        kish = Cells.of_matrix(np.array([[sums[0], sums[1]], [0, 0]]))
        kish = kish.inflated((sums[2] + sums[3]) / (sums[0] + sums[1]))
        name = parse("accuracy")
        found = {"evalcli": CountIntervals(cells, CONFIDENCE).of(name)}
        found["overall Σw²"] = CountIntervals(kish, CONFIDENCE).of(name)
        return truth(), found

    return draw


def weighted_truth(hard: float) -> float:
    """Return ``E[w·share] / E[w]`` of the rows above, by fine quadrature."""
    quantiles = -np.log1p(-(np.arange(400_000) + 0.5) / 400_000) + 0.1
    return float((quantiles * (0.9 - hard * np.minimum(quantiles, 4.0) / 4.0)).sum() / quantiles.sum())


def clustered(name: str, clusters: int, accuracy: float, alike: float) -> Callable[[Rng], Drawn]:
    """Draw clusters of 1 to 12 rows whose own accuracy varies: ``alike`` is the correlation of rows of one cluster."""
    shares = matrix_of(np.ones(3), np.full(3, accuracy))
    truth = float(evaluate(parse(name), Cells.of_matrix(shares).margins.counts))
    strength = (1.0 - alike) / alike

    def draw(rng: Rng) -> Drawn:
        sizes = rng.integers(1, 13, clusters)
        own = rng.beta(accuracy * strength, (1 - accuracy) * strength, clusters)
        cluster = np.repeat(np.arange(clusters), sizes)
        target = rng.integers(0, 3, len(cluster))
        right = rng.random(len(cluster)) < own[cluster]
        preds = np.where(right, target, (target + rng.integers(1, 3, len(cluster))) % 3)
        table = Clusters.of(cluster, target, preds, np.ones(len(cluster)))
        found = {"evalcli": CountIntervals(table.cells, CONFIDENCE, clusters=table).of(parse(name))}
        found["as if independent"] = CountIntervals(table.cells, CONFIDENCE).of(parse(name))
        if name != "accuracy":
            options = {"clusters": table, "method": "bootstrap"}
            found["cluster bootstrap"] = CountIntervals(table.cells, CONFIDENCE, **options).of(parse(name))
        return truth, found

    return draw


def diagnoses(name: str, patients: int, classes: int, fall: float, accuracy: float) -> Callable[[Rng], Drawn]:
    """Draw clusters of 1 to 19 rows of one class each, of frequencies ``1 / k^fall``, taken for one other class.

    Half of the variance of what decides whether a row is right is that of its cluster. The truth is the mean over the
    classes that were seen.
    """
    setup, parsed = np.random.default_rng(3), parse(name)
    often = 1.0 / np.arange(1, classes + 1) ** fall
    often /= often.sum()
    right = setup.beta(4 * accuracy, 4 - 4 * accuracy, classes)
    other = (np.arange(classes) + 1 + setup.integers(0, classes - 1, classes)) % classes
    said = often * right + np.bincount(other, often * (1 - right), classes)
    truths = {"balanced_accuracy": right, "precision_macro": often * right / said}
    truth = truths.get(name, 2 * often * right / (often + said))
    bound = np.array([NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9)) for share in right])

    def draw(rng: Rng) -> Drawn:
        cluster = np.repeat(np.arange(patients), rng.integers(1, 20, patients))
        target = rng.choice(classes, patients, p=often)[cluster]
        latent = np.sqrt(0.5) * (rng.normal(size=patients)[cluster] + rng.normal(size=len(cluster)))
        preds = np.where(latent < bound[target], target, other[target])
        table = Clusters.of(cluster, target, preds, np.ones(len(cluster)))
        seen = np.unique(target if name == "balanced_accuracy" else np.r_[target, preds])
        return float(truth[seen].mean()), {
            "evalcli": CountIntervals(table.cells, CONFIDENCE, clusters=table).of(parsed)
        }

    return draw


def recall_of_few(clusters: int, accuracy: float, alike: float) -> Callable[[Rng], Drawn]:
    """Draw 200 clusters of 1 to 19 rows of one class each, of which ``clusters`` are of the class in question.

    ``alike`` is the share of the variance of what decides whether a row is right that is that of its cluster.
    """
    parsed, bound, every = parse("recall[1]"), NormalDist().inv_cdf(accuracy), 200

    def draw(rng: Rng) -> Drawn:
        cluster = np.repeat(np.arange(every), rng.integers(1, 20, every))
        target = (cluster < clusters).astype(np.int64)
        latent = np.sqrt(alike) * rng.normal(size=every)[cluster] + np.sqrt(1 - alike) * rng.normal(size=len(cluster))
        preds = np.where(latent < bound, target, 1 - target)
        table = Clusters.of(cluster, target, preds, np.ones(len(cluster)))
        found = CountIntervals(table.cells, CONFIDENCE, clusters=table, classes=("0", "1")).of(parsed)
        return accuracy, {"evalcli": found}

    return draw


def gate(name: str, shares: Any, rows: int) -> Callable[[Rng], dict[str, str]]:
    """Draw a model that is exactly at its bound."""
    bound = float(evaluate(parse(name), Cells.of_matrix(shares).margins.counts))
    size = len(shares)

    def draw(rng: Rng) -> dict[str, str]:
        cells = Cells.of_matrix(rng.multinomial(rows, shares.ravel()).reshape(size, size))
        value = float(evaluate(parse(name), cells.margins.counts))
        interval = CountIntervals(cells, CONFIDENCE).of(parse(name))
        assert interval is not None
        return {"point": "pass" if value >= bound else "fail", "interval": decide(interval, bound, "min")}

    return draw
