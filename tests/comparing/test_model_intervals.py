"""Differences of two models have the intervals and p-values of exact tests, of the papers, and of rows drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models_beside import BINARY, CASES, TARGET, answers, compared, logits, sources
from scipy import stats
from sklearn import metrics as sk

import evalcli
from evalcli.comparing.question import Question
from evalcli.uncertainty.intervals import Confidence


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_has_the_exact_test_of_mcnemar(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, 60 + 40 * seed)
    first, second = answers(target, 0.3, seed + 10, 3), answers(target, 0.15, seed + 20, 3)
    found = compared(sources(first, second, target=target)).metric("accuracy").differences[1]
    gained = int(((second == target) & (first != target)).sum())
    lost = int(((first == target) & (second != target)).sum())
    assert found.p == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-12)
    assert found.value == pytest.approx((gained - lost) / len(target), abs=1e-15)


def by_hand(name, target, preds):
    """A metric from the definition, without sklearn's checks, which take a millisecond each."""
    matrix = np.bincount(target * 4 + preds, minlength=16).reshape(4, 4)
    n, right, support, predicted = matrix.sum(), np.diag(matrix), matrix.sum(1), matrix.sum(0)
    chance = float(support @ predicted)
    if name == "f1_macro":
        return float((2 * right / (support + predicted)).mean())
    if name == "mcc":
        below = float((n * n - predicted @ predicted) * (n * n - support @ support))
        return (n * right.sum() - chance) / np.sqrt(below)
    if name == "kappa":
        return (n * right.sum() - chance) / (n * n - chance)
    return float((right / support).mean())


@pytest.mark.parametrize("name", ["f1_macro", "mcc", "balanced_accuracy", "recall_macro", "kappa"])
def test_composites_agree_with_a_bootstrap_of_rows(name: str) -> None:
    """Monte Carlo error of an end of 3,000 resamples is about 0.04 of the width; so is what BCa corrects here."""
    first, second = answers(TARGET, 0.3, 1), answers(TARGET, 0.2, 2)
    question = Question(metrics=(name,), confidence=Confidence(0.95, 4000, 0))
    found = compared(sources(first, second), question=question).metric(name).differences[1]
    assert found.method == "bootstrap"
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(3000):
        rows = rng.integers(0, len(TARGET), len(TARGET))
        drawn.append(by_hand(name, TARGET[rows], second[rows]) - by_hand(name, TARGET[rows], first[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    width = high - low
    assert found.low == pytest.approx(low, abs=0.1 * width)
    assert found.high == pytest.approx(high, abs=0.1 * width)
    z = abs(found.value) / np.std(drawn)
    assert stats.norm.isf(found.p / 2) == pytest.approx(z, rel=0.1)


def test_auroc_is_delongs_paired_test() -> None:
    first, second = CASES["binary scores"]()
    scores = [np.array(one.arrays[0]) for one in (first, second)]
    found = compared([first, second]).metric("auroc").differences[1]
    parts = []
    for side in (True, False):
        rows = []
        for each in scores:
            pos, neg = each[BINARY == 1], each[BINARY == 0]
            wins = (pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])
            rows.append(wins.mean(axis=1 if side else 0))
        moved = rows[1] - rows[0]
        parts.append(moved.var() / len(moved))
    error = np.sqrt(sum(parts))
    freedom = min(BINARY.sum(), (1 - BINARY).sum()) - 1
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.value) / error, freedom), rel=1e-9)
    reach = stats.t.isf(0.025, freedom) * error
    near, far = sorted((found.low, found.high), key=abs)
    assert abs(found.value - near) == pytest.approx(reach, rel=1e-9)  # which faces no difference
    assert reach < abs(far - found.value) < 1.5 * reach


@pytest.mark.parametrize("name", ["auroc_macro", "average_precision_macro", "auroc_weighted", "auroc[2]"])
def test_ranks_of_classes_agree_with_a_bootstrap_of_rows(name: str) -> None:
    made = [logits(TARGET, 1.0, 1), logits(TARGET, 1.3, 2)]
    found = compared(sources(*made), question=Question(metrics=(name,))).metric(name).differences[1]
    probs = [np.exp(each) / np.exp(each).sum(1, keepdims=True) for each in made]
    hot = np.eye(4)[TARGET]
    rng = np.random.default_rng(5)

    def score(rows, p):
        if name == "auroc[2]":
            return sk.roc_auc_score(hot[rows, 2], p[rows, 2])
        average = name.rpartition("_")[2]
        of = sk.average_precision_score if name.startswith("average") else sk.roc_auc_score
        return of(hot[rows], p[rows], average=average)

    drawn = []
    for _ in range(100):
        rows = rng.integers(0, len(TARGET), len(TARGET))
        drawn.append(score(rows, probs[1]) - score(rows, probs[0]))
    assert (found.high - found.low) / 2 / 1.97 == pytest.approx(np.std(drawn), rel=0.15)


@pytest.mark.parametrize("name", ["log_loss", "brier", "top2_accuracy", "mrr", "mean_rank"])
def test_losses_are_compared_row_by_row(name: str) -> None:
    made = [logits(TARGET, 1.0, 1), logits(TARGET, 1.3, 2)]
    found = compared(sources(*made), question=Question(metrics=(name,))).metric(name).differences[1]
    rows = np.arange(len(TARGET))
    losses = []
    for each in made:
        probs = np.exp(each) / np.exp(each).sum(1, keepdims=True)
        rank = (each > each[rows, TARGET][:, None]).sum(1)
        losses.append(
            {
                "log_loss": -np.log(probs[rows, TARGET]),
                "brier": ((probs - np.eye(4)[TARGET]) ** 2).sum(1),
                "top2_accuracy": (rank < 2).astype(float),
                "mrr": 1 / (rank + 1),
                "mean_rank": rank + 1.0,
            }[name]
        )
    moved = losses[1] - losses[0]
    assert found.value == pytest.approx(moved.mean(), abs=1e-12)
    assert found.p == pytest.approx(stats.ttest_1samp(moved, 0).pvalue, rel=0.15)  # less what its skewness changes
    assert found.low < moved.mean() < found.high


def test_confidence_widens_the_interval() -> None:
    made = CASES["labels"]
    narrow = compared(made(), question=Question(confidence=Confidence(0.8)))
    wide = compared(made(), question=Question(confidence=Confidence(0.99)))
    for one, other in zip(narrow.metrics, wide.metrics, strict=True):
        assert one.differences[1].high - one.differences[1].low < other.differences[1].high - other.differences[1].low
        assert one.differences[1].p == other.differences[1].p


def test_what_is_too_large_to_draw_gets_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = CASES["labels"]
    drawn = compared(made(), question=Question(confidence=Confidence(0.95, 10_000, 0)))
    monkeypatch.setattr("evalcli.comparing.differences.MOST_DRAWS", 10)
    for row, other in zip(drawn.metrics, compared(made()).metrics, strict=True):
        one, two = row.differences[1], other.differences[1]
        assert two.method == "score"
        assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=0.1 * (one.high - one.low))
        if row.name == "accuracy":
            assert one.p == two.p
        else:
            assert stats.norm.isf(one.p / 2) == pytest.approx(stats.norm.isf(two.p / 2), rel=0.15)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("name", ["auroc_macro", "average_precision_macro", "auroc_weighted"])
def test_means_of_rankings_near_1_reach_farther_away_from_no_difference(task: str, name: str) -> None:
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 3, 150)
    hot = np.eye(3)[classes] if task == "multiclass" else (rng.random((150, 3)) < 0.2).astype(int)
    shared = rng.normal(size=(150, 3))
    first, second = (at * hot + np.sqrt(0.5) * (shared + rng.normal(size=(150, 3))) for at in (2.5, 3.5))
    target = classes if task == "multiclass" else hot
    found, turned = (
        evalcli.compare(*each, target=target, task=task, scores="logits", metrics=[name], workers=1)[name]
        for each in ((first, second), (second, first))
    )
    assert found.high - found.value > 1.15 * (found.value - found.low) > 0.0
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), rel=1e-9)


@pytest.mark.parametrize("clustered", [False, True])
def test_log_losses_have_no_worst_one(clustered: bool) -> None:
    """Losses of large logits are how far these are apart, and so are intervals; without powers there are none."""
    rng = np.random.default_rng(0)
    first, second, target = rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    more = {"cluster": np.arange(60) // 2} if clustered else {}

    def of(size: float) -> Any:
        found = evalcli.compare(first * size, second * size, target=target, metrics=["log_loss"], **more)
        return next(row for row in found.data.metrics if row.name == "log_loss").differences[1]

    few, many = of(1e6), of(1e9)
    assert many.low == pytest.approx(few.low * 1e3)
    assert many.high == pytest.approx(few.high * 1e3)
    assert many.p == pytest.approx(few.p)
    assert of(1e120) is None
