"""Two models on the same rows, with a known difference."""

from __future__ import annotations

from functools import cache
from math import comb
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.simulated import CONFIDENCE, Rng
from benchmarks.simulated.counts import matrix_of
from benchmarks.simulated.scores import losses, ranking_of
from evalcli.metrics.registry import evaluate, parse
from evalcli.metrics.roc import auroc
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.comparison import Discordant, PairedCounts, discordant
from evalcli.uncertainty.decisions import decide
from evalcli.uncertainty.means import Moments, careful_interval, careful_p
from evalcli.uncertainty.paired import PairedInfluence, TwoRankings, ranked_difference
from evalcli.uncertainty.quantiles import binomial_tail, normal_quantile
from evalcli.uncertainty.rankinfluences import RowInfluence

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulated import Drawn


METHODS = (("evalcli", "score"), ("bootstrap", "bootstrap"))


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
        shares = [
            Cells.of_matrix(matrix_of(self.priors, rights)).margins.counts for rights in (self.first, self.second)
        ]
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
            right = own < quantiles(np.asarray(rights)[target])
            preds.append(np.where(right, target, (target + rng.integers(1, size, self.rows)) % size))
        return JointCells.of(target, *preds, np.ones(self.rows))


def quantiles(shares: Any) -> Any:
    """Return normal quantiles of a few distinct shares."""
    distinct, places = np.unique(shares, return_inverse=True)
    return np.array([normal_quantile(float(share)) for share in distinct])[places]


def difference(name: str, pair: Pair, *, both: bool = False) -> Callable[[Rng], Drawn]:
    """Draw a joint table and ask for the interval of a difference."""
    truth = pair.truth(name)

    def draw(rng: Rng) -> Drawn:
        cells, found = pair.cells(rng), {}
        for label, method in METHODS[: 1 + both]:
            one = PairedCounts(cells, CONFIDENCE, positive=1, method=method).of(parse(name))
            found[label] = None if one is None else one.interval
        return truth, found

    return draw


def drop_gate(name: str, pair: Pair) -> Callable[[Rng], dict[str, str]]:
    """Draw two models that lie just as far apart as the gate allows: the first is the baseline."""
    bound, parsed = pair.truth(name), parse(name)

    def draw(rng: Rng) -> dict[str, str]:
        found = PairedCounts(pair.cells(rng), CONFIDENCE, positive=1).of(parsed)
        assert found is not None
        return {
            "point": "pass" if found.value <= bound else "fail",
            "interval": decide(found.interval, bound, "max"),
        }

    return draw


def mid_p(rows: Discordant) -> float:
    """McNemar's test that counts half of the probability of the split that was seen, and so is less conservative.

    Source: Fagerland, Lydersen and Laake 2013, The McNemar test for binary matched-pairs data.
    """
    fewer, total = min(rows), sum(rows)
    return 2.0 * binomial_tail(fewer, total) - comb(total, fewer) / 2**total if fewer < total - fewer else 1.0


def compared(name: str, pair: Pair, *, both: bool = False) -> Callable[[Rng], dict[str, float]]:
    """Draw a joint table and ask for p-values."""

    def draw(rng: Rng) -> dict[str, float]:
        cells, found = pair.cells(rng), {}
        for label, method in METHODS[: 1 + both]:
            one = PairedCounts(cells, CONFIDENCE, positive=1, method=method).of(parse(name))
            found[label] = 1.0 if one is None else one.p
        if name == "accuracy":
            found["mid-p"] = mid_p(discordant(cells))
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
    scores = [d * target + np.sqrt(0.5) * (shared + one) for d, one in zip((first, second), own, strict=True)]
    return scores[0], scores[1], target == 1


def ranked(positives: int, negatives: int, first: float, second: float) -> Callable[[Rng], Any]:
    """Draw two rankings and return the comparison of their AUROC."""

    def draw(rng: Rng) -> Any:
        *scores, target = two_scores(rng, positives, negatives, first, second)
        rankings = [ranking_of(one[target], one[~target]) for one in scores]
        state = PairedInfluence()
        state.update(*(RowInfluence.of("auroc", of).at(one, target) for of, one in zip(rankings, scores, strict=True)))
        areas = [float(auroc(of).value) for of in rankings]
        found = ranked_difference(*areas, state.variance, min(positives, negatives), CONFIDENCE)
        rankings_of = TwoRankings("auroc", (rankings[0], rankings[1]), state.seen)
        return rankings_of.reaching(found, CONFIDENCE) if state.variance > 0.0 else found

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


def mean_log_loss(rows: int, second: float) -> Callable[[Rng], Drawn]:
    """Draw the same and ask for the interval; the truth is that of four million rows."""

    @cache
    def truth() -> float:
        return log_losses(4_000_000, second)(np.random.default_rng(0)).mean

    def draw(rng: Rng) -> Drawn:
        return with_interval(log_losses(rows, second), truth())(rng)

    return draw


def with_p(draw: Callable[[Rng], Any]) -> Callable[[Rng], dict[str, float]]:
    """Return the p-value of what is drawn."""

    def p_of(rng: Rng) -> dict[str, float]:
        found = draw(rng)
        return {"evalcli": careful_p(found) if isinstance(found, Moments) else found.p}

    return p_of


def with_interval(draw: Callable[[Rng], Any], truth: float) -> Callable[[Rng], Drawn]:
    """Return the interval of what is drawn."""

    def interval_of(rng: Rng) -> Drawn:
        found = draw(rng)
        if isinstance(found, Moments):
            return truth, {"evalcli": careful_interval(found, CONFIDENCE, -np.inf, np.inf)}
        return truth, {"evalcli": found.interval}

    return interval_of
