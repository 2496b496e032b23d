"""Data sets with a known truth, for ``benchmarks.coverage``: each draw gives the truth and the intervals for it.

Truths are often drawn anew for every set, from a narrow range: the coverage of any interval of counts goes up and down
with the exact truth, and what matters is how often it holds for models like this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from evalcli.metrics.calibration import BinTable, ece
from evalcli.metrics.registry import evaluate, parse
from evalcli.metrics.roc import Ranking
from evalcli.uncertainty import ranks
from evalcli.uncertainty.bins import calibration_interval
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.clusters import Clusters
from evalcli.uncertainty.comparison import PairedCounts, discordant, mcnemar
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.decisions import decide
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.means import Moments, mean_interval, mean_p
from evalcli.uncertainty.paired import PairedInfluence, RowInfluence, ranked_difference
from evalcli.uncertainty.resampling import percentile, replicates

Rng = np.random.Generator
Drawn = tuple[float, dict[str, Interval | None]]
CONFIDENCE = Confidence(resamples=1000)


class Case(NamedTuple):
    """Draws a data set: the truth, and an interval for each method; of those ``promised`` the coverage is promised."""

    name: str
    draw: Callable[[Rng], Drawn]
    promised: tuple[str, ...] = ("evalcli",)


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


# One confusion matrix.


def wald(right: float, rows: float) -> Interval:
    """The textbook interval that should not be used."""
    share = right / rows
    reach = CONFIDENCE.critical * np.sqrt(share * (1 - share) / rows)
    return Interval(share - reach, share + reach, "wald")


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


def composite(name: str, shares: Any, rows: int, *, every: bool = True) -> Callable[[Rng], Drawn]:
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
                found[method] = CountIntervals(cells, CONFIDENCE, positive=positive, method=method).of(parsed)
            drawn = evaluate(parsed, replicates(cells, CONFIDENCE).counts, positive=positive)
            found["percentile"] = percentile(drawn, CONFIDENCE)
        return truth, found

    return draw


def weighted(rows: int, hard: float) -> Callable[[Rng], Drawn]:
    """Draw rows of which some weigh more; the heavy ones are wrong more often when ``hard`` is above 0."""

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
        return weighted_truth(hard), found

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


# Scores.


def ranking_of(pos: Any, neg: Any) -> Ranking:
    """Return a ranking of two samples of scores."""
    scores = np.unique(np.concatenate([pos, neg]))[::-1]
    places = [len(scores) - 1 - np.searchsorted(scores[::-1], side) for side in (pos, neg)]
    counts = [np.bincount(place, minlength=len(scores)) for place in places]
    never = np.zeros(len(scores), bool)
    return Ranking(scores, *counts, never, never, exact=True)


def area(distance: float) -> float:
    """Return the AUROC of two normal distributions of variance 1."""
    from statistics import NormalDist

    return NormalDist().cdf(distance / np.sqrt(2.0))


def auroc(positives: int, negatives: int, distance: float) -> Callable[[Rng], Drawn]:
    """Draw normal scores of both sides."""
    truth = area(distance)

    def draw(rng: Rng) -> Drawn:
        ranking = ranking_of(rng.normal(distance, 1, positives), rng.normal(0, 1, negatives))
        estimate = ranks.auroc_estimate(ranking)
        assert estimate is not None
        return truth, {"evalcli": ranks.rank_interval(estimate, CONFIDENCE, "delong"), "logit": logit(ranking)}

    return draw


def logit(ranking: Ranking) -> Interval | None:
    """Return DeLong's variance on the logit scale, as it is usually done."""
    from evalcli.metrics.roc import auroc as exact
    from evalcli.metrics.roc import auroc_variance

    value, variance = exact(ranking).value, auroc_variance(ranking)
    if not 0 < value < 1:
        return Interval(value, value, "logit")
    reach = CONFIDENCE.critical * np.sqrt(variance) / (value * (1 - value))
    ends = (1 / (1 + np.exp(-(np.log(value / (1 - value)) + side * reach))) for side in (-1, 1))
    return Interval(*ends, "logit")


def macro_auroc(rows: int, size: int, distance: float) -> Callable[[Rng], Drawn]:
    """Draw scores of ``size`` classes, of which the own class scores higher by ``distance``."""
    truth = area(distance)

    def draw(rng: Rng) -> Drawn:
        target = rng.integers(0, size, rows)
        scores = rng.normal(size=(rows, size))
        scores[np.arange(rows), target] += distance
        columns = [ranking_of(scores[target == c, c], scores[target != c, c]) for c in range(size)]
        estimates = [one for one in map(ranks.auroc_estimate, columns) if one is not None]
        share = [1.0 / len(estimates)] * len(estimates)
        return truth, {"evalcli": ranks.mean_interval(estimates, share, CONFIDENCE, "delong")}

    return draw


def average_precision(rows: int, share: float, distance: float) -> Callable[[Rng], Drawn]:
    """Draw normal scores with a share of positives; the truth is that of four million rows."""
    many = np.random.default_rng(0)
    size = int(4e6 * share)
    whole = ranks.average_precision_estimate(
        ranking_of(many.normal(distance, 1, size), many.normal(0, 1, 4_000_000 - size))
    )
    assert whole is not None
    truth = whole.value

    def draw(rng: Rng) -> Drawn:
        positives = max(int(rng.binomial(rows, share)), 1)
        ranking = ranking_of(rng.normal(distance, 1, positives), rng.normal(0, 1, rows - positives))
        estimate = ranks.average_precision_estimate(ranking)
        assert estimate is not None
        return truth, {"evalcli": ranks.rank_interval(estimate, CONFIDENCE, "influence")}

    return draw


def probabilities(rng: Rng, rows: int, sharpness: float, trust: float) -> tuple[Any, Any]:
    """Draw P(positive) and what happened; ``trust`` 1 is calibrated, below it the model is too sure of itself."""
    logits = rng.normal(0, sharpness, rows)
    happened = rng.random(rows) < 1 / (1 + np.exp(-trust * logits))
    return 1 / (1 + np.exp(-logits)), happened


def losses(kind: str, probs: Any, happened: Any) -> Any:
    """Return the log loss or the Brier score of every row."""
    if kind == "brier":
        return (probs - happened) ** 2
    return -np.log(np.where(happened, probs, 1 - probs))


def mean_loss(kind: str, rows: int, sharpness: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw losses; the truth is that of four million rows."""
    truth = float(losses(kind, *probabilities(np.random.default_rng(0), 4_000_000, sharpness, trust)).mean())
    high = 1.0 if kind == "brier" else np.inf

    def draw(rng: Rng) -> Drawn:
        values = losses(kind, *probabilities(rng, rows, sharpness, trust))
        reach = CONFIDENCE.critical * values.std() / np.sqrt(rows)
        return truth, {
            "evalcli": mean_interval(Moments.of(values), CONFIDENCE, 0.0, high),
            "normal": Interval(values.mean() - reach, values.mean() + reach, "normal"),
        }

    return draw


def bins_of(confidence: Any, right: Any) -> BinTable:
    """Return fifteen bins."""
    places = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    sums = [np.bincount(places, part, 15) for part in (np.ones(len(places)), confidence, right)]
    edges = np.arange(16) / 15
    return BinTable(*sums, edges[:-1], edges[1:])


def calibration(rows: int, sharpness: float, trust: float) -> Callable[[Rng], Drawn]:
    """Draw the bins of the top label; the truth is the calibration error of the true shares."""

    def top(rng: Rng, size: int) -> tuple[Any, Any, Any]:
        logits = np.abs(rng.normal(0, sharpness, size))
        share = 1 / (1 + np.exp(-trust * logits))
        return 1 / (1 + np.exp(-logits)), rng.random(size) < share, share

    confidence, _, share = top(np.random.default_rng(0), 4_000_000)
    truth = 0.0 if trust == 1.0 else float(ece(bins_of(confidence, share)))

    def draw(rng: Rng) -> Drawn:
        confidence, right, _ = top(rng, rows)
        table = bins_of(confidence, right)
        wrong = table.n - table.right
        drawn = [rng.poisson(part, (400, 15)) for part in (table.right, wrong)]
        sure = table.confidence / np.where(table.n > 0, table.n, 1)
        size = drawn[0] + drawn[1]
        errors = np.abs(drawn[0] - size * sure).sum(axis=1) / size.sum(axis=1)
        return truth, {"evalcli": calibration_interval(table, CONFIDENCE), "percentile": percentile(errors, CONFIDENCE)}

    return draw


# Two models.


class Pair(NamedTuple):
    """Two models on rows of classes with ``priors``: how often each is right about each class.

    ``alike`` is the correlation of what makes a row hard for the one and for the other.
    """

    priors: Any
    first: Any
    second: Any
    rows: int
    alike: float = 0.6

    def truth(self, name: str) -> float:
        """Return the true difference of a metric."""
        shares = [Cells.of_matrix(matrix_of(self.priors, rights)).margins.counts for rights in (self.first, self.second)]
        one, other = (float(evaluate(parse(name), counts, positive=1)) for counts in shares)
        return one - other

    def cells(self, rng: Rng) -> JointCells:
        """Draw the joint table."""
        size, priors = len(self.priors), np.asarray(self.priors, float)
        target = rng.choice(size, self.rows, p=priors / priors.sum())
        shared = rng.normal(size=self.rows)
        preds = []
        for rights in (self.first, self.second):
            own = np.sqrt(self.alike) * shared + np.sqrt(1 - self.alike) * rng.normal(size=self.rows)
            right = own < QUANTILE(np.asarray(rights)[target])
            preds.append(np.where(right, target, (target + rng.integers(1, size, self.rows)) % size))
        return JointCells.of(target, *preds, np.ones(self.rows))


def QUANTILE(shares: Any) -> Any:  # noqa: N802
    """Return normal quantiles of a few distinct shares."""
    from evalcli.uncertainty.quantiles import normal_quantile

    distinct, places = np.unique(shares, return_inverse=True)
    return np.array([normal_quantile(float(share)) for share in distinct])[places]


def difference(name: str, pair: Pair) -> Callable[[Rng], Drawn]:
    """Draw a joint table and ask for the interval of a difference."""
    truth = pair.truth(name)

    def draw(rng: Rng) -> Drawn:
        cells, found = pair.cells(rng), {}
        for label, method in (("evalcli", "score"), ("bootstrap", "bootstrap")):
            one = PairedCounts(cells, CONFIDENCE, positive=1, method=method).of(parse(name))
            found[label] = None if one is None else one.interval
        return truth, found

    return draw


def compared(name: str, pair: Pair) -> Callable[[Rng], dict[str, float]]:
    """Draw a joint table and ask for p-values."""

    def draw(rng: Rng) -> dict[str, float]:
        cells, found = pair.cells(rng), {}
        for label, method in (("evalcli", "score"), ("bootstrap", "bootstrap")):
            one = PairedCounts(cells, CONFIDENCE, positive=1, method=method).of(parse(name))
            found[label] = 1.0 if one is None else one.p
        if name == "accuracy":
            found["mid-p"] = mcnemar(discordant(cells), mid=True)
        return found

    return draw


def equal_f1(priors: Any, first: Any, recall: float) -> Any:
    """Return a second model of two classes with this recall of the positive one and the macro F1 of the first."""
    name = parse("f1_macro")

    def macro(rights: Any) -> float:
        return float(evaluate(name, Cells.of_matrix(matrix_of(priors, rights)).margins.counts))

    wanted, low, high = macro(first), 0.5, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if macro((middle, recall)) < wanted else (low, middle)
    return (low, recall)


def two_scores(rng: Rng, positives: int, negatives: int, first: float, second: float) -> tuple[Any, Any, Any]:
    """Draw the scores of two models, whose noise is correlated, and the target."""
    target = np.repeat([1, 0], [positives, negatives])
    shared, *own = rng.normal(size=(3, len(target)))
    scores = [distance * target + np.sqrt(0.5) * (shared + one) for distance, one in zip((first, second), own)]
    return scores[0], scores[1], target == 1


def ranked(positives: int, negatives: int, first: float, second: float) -> Callable[[Rng], Any]:
    """Draw two rankings and return the comparison of their AUROC."""

    def draw(rng: Rng) -> Any:
        *scores, target = two_scores(rng, positives, negatives, first, second)
        rankings = [ranking_of(one[target], one[~target]) for one in scores]
        state = PairedInfluence()
        state.update(*(RowInfluence.of_auroc(of).at(one, target) for of, one in zip(rankings, scores)))
        areas = [float(ranks.auroc_estimate(of).certified.value) for of in rankings]
        return ranked_difference(*areas, state.variance, min(positives, negatives), CONFIDENCE)

    return draw


def log_losses(rows: int, second: float) -> Callable[[Rng], Moments]:
    """Draw the differences of the log losses of two models that see the truth through noise; equal noise: no truth."""

    def draw(rng: Rng) -> Moments:
        logits = rng.normal(0, 2.0, rows)
        happened = rng.random(rows) < 1 / (1 + np.exp(-logits))
        seen = [logits + noise * rng.normal(size=rows) for noise in (1.0, second)]
        one, other = (losses("log_loss", 1 / (1 + np.exp(-logit)), happened) for logit in seen)
        return Moments.of(one - other)

    return draw


def with_p(draw: Callable[[Rng], Any]) -> Callable[[Rng], dict[str, float]]:
    """Return the p-value of what is drawn."""

    def p_of(rng: Rng) -> dict[str, float]:
        found = draw(rng)
        return {"evalcli": mean_p(found) if isinstance(found, Moments) else found.p}

    return p_of


def with_interval(draw: Callable[[Rng], Any], truth: float) -> Callable[[Rng], Drawn]:
    """Return the interval of what is drawn."""

    def interval_of(rng: Rng) -> Drawn:
        found = draw(rng)
        interval = mean_interval(found, CONFIDENCE) if isinstance(found, Moments) else found.interval
        return truth, {"evalcli": interval}

    return interval_of


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


RARE = matrix_of([0.6, 0.25, 0.1, 0.03, 0.02], [0.95, 0.85, 0.8, 0.7, 0.6])
RARE_GOOD = matrix_of([0.6, 0.25, 0.1, 0.03, 0.02], [0.95] * 5)
VERY_RARE = matrix_of(0.6 ** np.arange(10), [0.9] * 10)
TEN = matrix_of(np.ones(10), [0.9] * 10)
FIVE = matrix_of(np.ones(5), [0.8] * 5)
SKEWED = matrix_of([0.95, 0.05], [0.97, 0.7])
GOOD = matrix_of(np.ones(3), [0.98] * 3)
COIN = matrix_of(np.ones(3), [0.4] * 3)

CASES = (
    Case("accuracy, balanced, 200 rows", accuracy(200, 0.6, 0.9)),
    Case("accuracy, skewed, 1,000 rows", accuracy(1000, 0.93, 0.97)),
    Case("accuracy, 100 rows", accuracy(100, 0.5, 0.95)),
    Case("accuracy near 1, 100 rows", accuracy(100, 0.97, 0.999)),
    Case("accuracy near 1, 1,000 rows", accuracy(1000, 0.985, 0.999)),
    Case("accuracy near 0, 500 rows", accuracy(500, 0.001, 0.03)),
    Case("accuracy, weighted, 300 rows", weighted(300, 0.0), ("evalcli", "overall Σw²")),
    Case("accuracy, heavy rows are hard, 300 rows", weighted(300, 0.4)),
    Case("accuracy, 100 clusters", clustered("accuracy", 100, 0.85, 0.3)),
    Case("accuracy, 40 clusters", clustered("accuracy", 40, 0.85, 0.3)),
    Case("accuracy near 1, 60 clusters", clustered("accuracy", 60, 0.97, 0.3)),
    Case("macro F1, 100 clusters", clustered("f1_macro", 100, 0.85, 0.3)),
    Case("macro F1, balanced, 5 classes, 200 rows", composite("f1_macro", FIVE, 200)),
    Case("macro F1, balanced, 10 classes, 100 rows", composite("f1_macro", TEN, 100)),
    Case("macro F1, rare classes, 300 rows", composite("f1_macro", RARE, 300)),
    Case("macro F1, rare classes, 1,000 rows", composite("f1_macro", RARE, 1000)),
    Case("macro F1, rare good classes, 300 rows", composite("f1_macro", RARE_GOOD, 300)),
    Case("macro F1, 5 % positive, 200 rows", composite("f1_macro", SKEWED, 200)),
    Case("macro F1, 5 % positive, 2,000 rows", composite("f1_macro", SKEWED, 2000)),
    Case("macro F1 near 1, 200 rows", composite("f1_macro", GOOD, 200)),
    Case("weighted F1, rare classes, 300 rows", composite("f1_weighted", RARE, 300)),
    Case("macro precision, rare classes, 300 rows", composite("precision_macro", RARE, 300)),
    Case("balanced accuracy, rare classes, 300 rows", composite("balanced_accuracy", RARE, 300)),
    Case("balanced accuracy, rare good classes, 300 rows", composite("balanced_accuracy", RARE_GOOD, 300)),
    Case("balanced accuracy, 5 % positive, 200 rows", composite("balanced_accuracy", SKEWED, 200)),
    Case("balanced accuracy, 10 classes, 2,000 rows", composite("balanced_accuracy", TEN, 2000)),
    Case("MCC, 5 % positive, 200 rows", composite("mcc", SKEWED, 200)),
    Case("MCC, 5 classes, 200 rows", composite("mcc", FIVE, 200)),
    Case("MCC near 1, 200 rows", composite("mcc", GOOD, 200)),
    Case("MCC near 0, 150 rows", composite("mcc", COIN, 150)),
    Case("kappa, 5 % positive, 200 rows", composite("kappa", SKEWED, 200)),
    Case("kappa, 10 classes, 2,000 rows", composite("kappa", TEN, 2000)),
    Case("F1 of 5 % positive, 500 rows", composite("f1", SKEWED, 500, every=False)),
    Case("recall of 5 % positive, 500 rows", composite("recall", SKEWED, 500, every=False)),
    Case("F2 of 5 % positive, 500 rows", composite("fbeta2", SKEWED, 500)),
    Case("AUROC 0.86, 50 + 50 rows", auroc(50, 50, 1.5)),
    Case("AUROC 0.86, 25 + 975 rows", auroc(25, 975, 1.5)),
    Case("AUROC 0.96, 200 + 200 rows", auroc(200, 200, 2.5)),
    Case("AUROC 0.96, 25 + 975 rows", auroc(25, 975, 2.5)),
    Case("AUROC 0.993, 200 + 200 rows", auroc(200, 200, 3.5)),
    Case("AUROC 0.993, 100 + 1,900 rows", auroc(100, 1900, 3.5)),
    Case("AUROC, mean of 5 columns, 300 rows", macro_auroc(300, 5, 1.5), ()),
    Case("average precision 0.92, 200 rows", average_precision(200, 0.5, 2.0)),
    Case("average precision 0.50, 4 % positive, 500 rows", average_precision(500, 0.04, 2.0)),
    Case("average precision 0.54, 5 % positive, 2,000 rows", average_precision(2000, 0.05, 2.0)),
    Case("log loss, 100 rows", mean_loss("log_loss", 100, 2.0, 1.0)),
    Case("log loss, too sure, 300 rows", mean_loss("log_loss", 300, 4.0, 0.5)),
    Case("log loss, good model, 1,000 rows", mean_loss("log_loss", 1000, 8.0, 1.0)),
    Case("Brier score, 100 rows", mean_loss("brier", 100, 2.0, 1.0)),
    Case("Brier score, good model, 1,000 rows", mean_loss("brier", 1000, 8.0, 1.0)),
    Case("ECE 0.08, 300 rows", calibration(300, 2.0, 0.6)),
    Case("ECE 0.08, 5,000 rows", calibration(5000, 2.0, 0.6)),
    Case("ECE 0.02, 1,000 rows", calibration(1000, 2.0, 0.85)),
    Case("ECE 0, 1,000 rows", calibration(1000, 2.0, 1.0), ()),
)

SMALL = (
    *(Case(f"accuracy, {rows} rows", accuracy(rows, 0.5, 0.95)) for rows in (10, 20, 30, 50)),
    *(Case(f"accuracy near 1, {rows} rows", accuracy(rows, 0.97, 0.999)) for rows in (10, 20, 30, 50)),
    *(Case(f"macro F1, 3 classes, {rows} rows", composite("f1_macro", GOOD, rows)) for rows in (20, 30, 50)),
    *(Case(f"macro F1, 5 classes, {rows} rows", composite("f1_macro", FIVE, rows)) for rows in (20, 30, 50)),
    *(Case(f"macro F1, rare classes, {rows} rows", composite("f1_macro", RARE, rows)) for rows in (50, 100)),
    Case("macro F1, 10 classes, some with 2 rows, 500 rows", composite("f1_macro", VERY_RARE, 500)),
    *(Case(f"balanced accuracy, rare classes, {rows} rows", composite("balanced_accuracy", RARE, rows)) for rows in (50, 100)),
    *(Case(f"MCC, 5 classes, {rows} rows", composite("mcc", FIVE, rows)) for rows in (20, 30, 50)),
    *(Case(f"MCC, 5 % positive, {rows} rows", composite("mcc", SKEWED, rows)) for rows in (50, 100)),
    Case("accuracy, 15 clusters", clustered("accuracy", 15, 0.85, 0.3)),
    *(Case(f"AUROC 0.86, {rows} + {rows} rows", auroc(rows, rows, 1.5)) for rows in (10, 15, 25)),
    Case("AUROC 0.96, 10 + 990 rows", auroc(10, 990, 2.5)),
    Case("AUROC 0.993, 25 + 25 rows", auroc(25, 25, 3.5)),
    Case("average precision 0.27, 1 % positive, 2,000 rows", average_precision(2000, 0.01, 2.0)),
    *(Case(f"log loss, {rows} rows", mean_loss("log_loss", rows, 2.0, 1.0)) for rows in (20, 50)),
    Case("log loss, good model, 100 rows", mean_loss("log_loss", 100, 8.0, 1.0)),
    *(Case(f"ECE 0.08, {rows} rows", calibration(rows, 2.0, 0.6)) for rows in (50, 100)),
)

EVEN = Pair((1, 1, 1), (0.85,) * 3, (0.85,) * 3, 400)
UNEVEN = Pair((0.95, 0.05), (0.97, 0.7), equal_f1((0.95, 0.05), (0.97, 0.7), 0.5), 1000)
FEW = Pair((0.9, 0.1), (0.95, 0.8), (0.95, 0.8), 100)
BETTER = Pair((0.6, 0.3, 0.1), (0.92, 0.88, 0.8), (0.88, 0.82, 0.7), 500)
CLOSE = Pair((1, 1, 1), (0.97,) * 3, (0.95,) * 3, 300, 0.9)

PAIRS = (
    PairCase("accuracy, 400 rows", compared("accuracy", EVEN), null=True),
    PairCase("accuracy, 100 rows", compared("accuracy", FEW), null=True),
    PairCase("macro F1, 400 rows", compared("f1_macro", EVEN), null=True),
    PairCase("macro F1, 100 rows, 10 % positive", compared("f1_macro", FEW), null=True),
    PairCase("macro F1, equal by other errors, 1,000 rows", compared("f1_macro", UNEVEN), null=True),
    PairCase("MCC, 400 rows", compared("mcc", EVEN), null=True),
    PairCase("MCC, 100 rows, 10 % positive", compared("mcc", FEW), null=True),
    PairCase("balanced accuracy, 100 rows, 10 % positive", compared("balanced_accuracy", FEW), null=True),
    PairCase("AUROC, 50 + 50 rows", with_p(ranked(50, 50, 1.5, 1.5)), null=True),
    PairCase("AUROC, 25 + 475 rows", with_p(ranked(25, 475, 1.5, 1.5)), null=True),
    PairCase("AUROC near 1, 100 + 400 rows", with_p(ranked(100, 400, 3.0, 3.0)), null=True),
    PairCase("log loss, 200 rows", with_p(log_losses(200, 1.0)), null=True),
    PairCase("accuracy, 500 rows", compared("accuracy", BETTER), null=False),
    PairCase("macro F1, 500 rows", compared("f1_macro", BETTER), null=False),
    PairCase("AUROC, 100 + 100 rows", with_p(ranked(100, 100, 1.7, 1.3)), null=False),
)

CASES = (
    *CASES,
    Case("difference of accuracy, 500 rows", difference("accuracy", BETTER)),
    Case("difference of accuracy, close models near 1, 300 rows", difference("accuracy", CLOSE)),
    Case("difference of macro F1, 500 rows", difference("f1_macro", BETTER)),
    Case("difference of macro F1, none, 1,000 rows", difference("f1_macro", UNEVEN)),
    Case("difference of MCC, 500 rows", difference("mcc", BETTER)),
    Case("difference of balanced accuracy, 100 rows", difference("balanced_accuracy", FEW)),
    Case("difference of AUROC, 100 + 100 rows", with_interval(ranked(100, 100, 1.7, 1.3), area(1.7) - area(1.3))),
    Case("difference of AUROC, none, 25 + 475 rows", with_interval(ranked(25, 475, 1.5, 1.5), 0.0)),
)

GATES = (
    GateCase("accuracy 0.9, 1,000 rows", gate("accuracy", matrix_of(np.ones(2), [0.9, 0.9]), 1000)),
    GateCase("macro F1, rare classes, 1,000 rows", gate("f1_macro", RARE, 1000)),
)
