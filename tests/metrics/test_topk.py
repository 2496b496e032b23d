"""The rank histogram: against a plain loop, scikit-learn away from ties, and the conventions at ties."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.topk import RankHistogram, Ranks, mean_rank, mean_reciprocal_rank, tied_share, topk_accuracy


def ranked(scores, target, classes=None, **more):
    scores = np.asarray(scores)
    state = RankHistogram(ScoreForm("logits", classes or scores.shape[1]), weighted=more.get("weight") is not None)
    state.update(scores, np.asarray(target), **more)
    return state.compute()


def slow_rank(row, y):
    return sum(s > row[y] for s in row) + sum(s == row[y] for s in row[:y])


def test_convention_14_constant_scores_count_the_order_of_the_classes():
    found = ranked(np.zeros((5, 5)), [0, 1, 2, 3, 4])
    assert topk_accuracy(found, 2) == 0.4
    assert found.histogram.tolist() == [1, 1, 1, 1, 1]
    assert tied_share(found) == 1.0
    assert mean_rank(found) == 3.0


@pytest.mark.parametrize("classes", [1, 2, 3, 63, 64, 65, 256, 300])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_ranks_equal_a_plain_loop(classes, dtype):
    rng = np.random.default_rng(classes)
    scores = (3 * rng.standard_normal((60, classes))).astype(dtype)
    scores[:20] = np.round(scores[:20])
    scores[20:25] = 0
    target = rng.integers(0, classes, 60)
    slow = [slow_rank(row, y) for row, y in zip(scores.tolist(), target.tolist(), strict=True)]
    found = ranked(scores, target)
    np.testing.assert_array_equal(found.histogram, np.bincount(slow, minlength=classes))
    tied = [row.count(row[y]) > 1 for row, y in zip(scores.tolist(), target.tolist(), strict=True)]
    assert found.tied == sum(tied)
    assert mean_rank(found) == pytest.approx(np.mean(slow) + 1, rel=1e-14)
    assert mean_reciprocal_rank(found) == pytest.approx(np.mean(1 / (np.array(slow) + 1)), rel=1e-14)


def test_away_from_ties_every_k_equals_scikit_learn():
    rng = np.random.default_rng(0)
    scores, target, weight = rng.random((500, 9)), rng.integers(0, 9, 500), rng.random(500)
    found, heavy = ranked(scores, target), ranked(scores, target, weight=weight)
    for k in range(1, 9):
        assert topk_accuracy(found, k) == top_k_accuracy_score(target, scores, k=k, labels=range(9))
        wanted = top_k_accuracy_score(target, scores, k=k, labels=range(9), sample_weight=weight)
        assert topk_accuracy(heavy, k) == pytest.approx(wanted, rel=1e-12)
    assert topk_accuracy(found, 9) == topk_accuracy(found, 100) == 1.0
    among = (Ranks(np.pad(weights, (0, 4)), 0.0, 5) for weights in rng.random((20, 5)))
    assert {topk_accuracy(ranks, 5) for ranks in among} == {1.0}
    assert tied_share(found) == 0.0


def test_alone_and_beside_others_the_ranks_are_the_same():
    rng = np.random.default_rng(0)
    scores, target = np.round(rng.standard_normal((200, 70)), 1), rng.integers(0, 70, 200)
    whole, heavy = ranked(scores, target), ranked(scores, target, weight=np.ones(200))
    np.testing.assert_array_equal(whole.histogram, heavy.histogram)
    assert whole.tied == heavy.tied > 0


def test_binary_scores_have_two_ranks_and_a_tie_at_the_cut():
    for kind, scores in (("logits", [2.0, 0.0, -1.0, -1.0]), ("probs", [0.9, 0.5, 0.2, 0.2])):
        state = RankHistogram(ScoreForm(kind, binary=True))
        state.update(np.array(scores), np.array([1, 1, 0, 1]))
        assert state.compute().histogram.tolist() == [3, 1]
        assert state.compute().tied == 1


def test_a_hundred_thousand_classes_take_memory_by_the_block():
    classes = 100_000
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((64, classes), np.float32)
    target = rng.integers(0, classes, 64)
    state = RankHistogram(ScoreForm("logits", classes))
    tracemalloc.start()
    state.update(scores, target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20  # the scores alone are 25 MB
    slow = (scores > scores[np.arange(64), target][:, None]).sum(1)
    assert np.flatnonzero(state.compute().histogram).tolist() == sorted(set(slow.tolist()))


def test_no_rows_have_no_rank():
    found = ranked(np.zeros((0, 3)), np.zeros(0, np.int64))
    for formula in (mean_rank, mean_reciprocal_rank, tied_share):
        assert np.isnan(formula(found))
    assert np.isnan(topk_accuracy(found, 1))
