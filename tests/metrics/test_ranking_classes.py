"""Ranking of several classes and of several labels: each against the rest, means of them, and pairs of classes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from evalcli.metrics.ranking import (
    Certified,
    KeyTable,
    auroc,
    auroc_ovo,
    average_precision,
    key_bits,
    mean_over_columns,
    one_vs_rest_scores,
    over_columns,
    pairwise_auroc,
)
from evalcli.ondevice.odds import one_vs_rest_columns


def table(scores, target, columns, **options):
    state = KeyTable(columns, bits=key_bits(scores), **options)
    state.update(scores, target)
    return state


def softmax(logits):
    parts = np.exp(logits - logits.max(1, keepdims=True))
    return parts / parts.sum(1, keepdims=True)


def test_multiclass_equals_scikit_learn():
    rng = np.random.default_rng(11)
    logits, target = rng.standard_normal((400, 5)) * 2, rng.integers(0, 5, 400)
    probs = softmax(logits)
    for scores, kind in ((logits, "logits"), (probs, "probs"), (np.round(probs, 1), "probs")):
        state = table(one_vs_rest_scores(scores, kind), target, columns=5)
        columns = over_columns(auroc, state.compute())
        ap = over_columns(average_precision, state.compute())
        onehot = np.eye(5)[target]
        shown = probs if kind == "logits" else scores
        truth = sk.roc_auc_score(onehot, shown, average=None)
        assert columns.value == pytest.approx(truth, abs=1e-12)
        assert mean_over_columns(columns).value == pytest.approx(truth.mean(), abs=1e-12)
        support = np.bincount(target, minlength=5)
        weighted = sk.roc_auc_score(onehot, shown, average="weighted")
        assert mean_over_columns(columns, support).value == pytest.approx(weighted, abs=1e-12)
        assert ap.value == pytest.approx(sk.average_precision_score(onehot, shown, average=None), abs=1e-12)


def test_row_08_an_absent_class_stays_out_of_the_mean():
    probs = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]])
    columns = over_columns(auroc, table(probs, np.array([0, 1, 0, 1]), columns=3).compute())
    assert columns.value[:2].tolist() == [1.0, 1.0]
    assert math.isnan(columns.value[2])
    assert mean_over_columns(columns) == (1.0, 1.0, 1.0)
    nothing = Certified(*np.full((3, 2), math.nan))
    assert all(map(math.isnan, mean_over_columns(nothing)))


def test_hand_and_till_equals_scikit_learn_and_is_certified():
    rng = np.random.default_rng(13)
    logits, target = rng.standard_normal((300, 4)), rng.choice(4, 300, p=[0.5, 0.3, 0.15, 0.05])
    probs = softmax(logits)
    truth = sk.roc_auc_score(target, probs, multi_class="ovo")
    state = table(one_vs_rest_scores(logits, "logits"), target, columns=4, pairwise=True)
    assert auroc_ovo(state).value == pytest.approx(truth, abs=1e-12)
    assert auroc_ovo(state).low == auroc_ovo(state).high
    plain = table(one_vs_rest_scores(logits, "logits"), target, columns=4)
    assert [auroc(ranking) for ranking in state.compute()] == [auroc(ranking) for ranking in plain.compute()]
    binned = table(one_vs_rest_scores(logits, "logits"), target, columns=4, pairwise=True, budget=2000)
    value, low, high = auroc_ovo(binned)
    assert low <= auroc_ovo(state).value <= high
    assert low < value < high
    pairs = pairwise_auroc(state).value
    rows = (target == 2) | (target == 0)
    assert pairs[2, 0] == pytest.approx(sk.roc_auc_score(target[rows] == 2, probs[rows, 2]), abs=1e-12)
    assert np.isnan(pairs.diagonal()).all()
    with pytest.raises(ValueError, match="pairwise=True"):
        pairwise_auroc(plain)


def test_multilabel_columns_rank_on_their_own_cells():
    rng = np.random.default_rng(17)
    scores, target = rng.standard_normal((200, 3)).astype(np.float32), rng.integers(-1, 2, (200, 3))
    state = table(scores, target, columns=3)
    for label in range(3):
        known = target[:, label] >= 0
        truth = sk.roc_auc_score(target[known, label], scores[known, label])
        assert auroc(state.ranking(label)) == pytest.approx((truth,) * 3, abs=1e-12)
    with pytest.raises(ValueError, match="one class per row"):
        table(scores, target, columns=3, pairwise=True)


def log_odds(logits):
    """``x_c − log Σ exp(x_j)`` by a sum that is exact enough at any size."""
    odds = []
    for place, logit in enumerate(logits):
        others = [x for at, x in enumerate(logits) if at != place]
        top = max(others)
        odds.append(logit - top - math.log(math.fsum(math.exp(x - top) for x in others)))
    return odds


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-2000, 2000) | st.sampled_from([0.0, 1.0, 100.0, -100.0]), min_size=2, max_size=6))
def test_row_09_log_odds_are_right_at_both_ends(logits):
    got = one_vs_rest_scores(np.array([logits]), "logits")[0]
    assert got == pytest.approx(log_odds(logits), rel=1e-12, abs=1e-12)


def test_row_09_probabilities_stay_and_infinite_logits_are_certain():
    probs = np.array([[0.25, 0.75]], np.float32)
    assert one_vs_rest_scores(probs, "probs") is probs
    inf = np.inf
    rows = np.array([[inf, 0.0, 1.0], [inf, inf, 0.0], [-inf, -inf, -inf], [-inf, 0.0, 0.0]])
    got = one_vs_rest_scores(rows, "logits")
    assert got.tolist() == pytest.approx(
        np.array([[inf, -inf, -inf], [0, 0, -inf], [-math.log(2)] * 3, [-inf, 0, 0]]), abs=1e-15
    )
    assert not np.isnan(got).any()


def test_row_09_rows_of_the_same_logits_tie_whichever_class_has_which():
    logits = np.random.default_rng(0).integers(-6, 7, (400, 7)) / 4
    odds = one_vs_rest_scores(logits, "logits")
    for order in ([6, 5, 4, 3, 2, 1, 0], [3, 0, 6, 2, 5, 1, 4]):
        assert np.array_equal(one_vs_rest_scores(logits[:, order], "logits"), odds[:, order])


def test_row_09_log_odds_of_two_classes_are_the_difference_to_the_last_place():
    inf = np.inf
    rows = np.array(
        [[0.0, 1e-18], [0.1, 0.1 + 2**-56], [2**-60, -(2**-59)], [inf, inf], [-inf, -inf], [inf, 0], [-inf, 0]]
    )
    ahead = np.array([-1e-18, -(2**-56), 3 * 2**-60, 0, 0, inf, -inf])
    assert one_vs_rest_scores(rows, "logits").T.tolist() == [ahead.tolist(), (-ahead).tolist()]
    assert one_vs_rest_columns(torch.from_numpy(rows), "logits").tolist() == [ahead.tolist(), (-ahead).tolist()]
    masked = one_vs_rest_scores(np.insert(rows[:3], 1, -inf, axis=1), "logits").T.tolist()
    assert masked == [ahead[:3].tolist(), [-inf] * 3, (-ahead[:3]).tolist()]
