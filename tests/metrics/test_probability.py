"""Softmax and its relatives, the losses, exact adding: against long decimals, fractions and scikit-learn."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from evalcli.errors import InputError
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.losses import Brier, LogLoss, mean_loss
from evalcli.metrics.probability import (
    ScoreForm,
    positive_scores,
    probability_rows,
    score_rows,
    sigmoid,
    softmax,
)
from evalcli.metrics.scorestate import add_exactly, feed

LOGITS = ScoreForm("logits", 2)


def value(state, scores, target, **more):
    state.update(
        scores if hasattr(scores, "dtype") else np.array(scores),
        target if hasattr(target, "dtype") else np.array(target),
        **more,
    )
    return mean_loss(state.compute())


def precise(row, target):
    """Log loss, Brier score, the doubt and all probabilities of one row of logits, from 700 digits."""
    with localcontext() as context:
        context.prec = 700
        powers = [(Decimal(x) - Decimal(max(row))).exp() for x in row]
        probs = [power / sum(powers) for power in powers]
        brier = sum((p - (j == target)) ** 2 for j, p in enumerate(probs))
        doubt = sum(sorted(probs)[:-1])
        return -probs[target].ln(), brier, doubt, [float(p) for p in probs]


NASTY = [
    [0.0, 0.0],
    [40.0, 0.0],
    [-40.0, 0.0, 3.0],
    [1000.0, -1000.0, 0.0],
    [1e-8, 0.0, -1e-8],
    [88.7, 88.7, 88.7 - 1e-9],
    [700.0, 1.0, 2.0, 3.0],
    [50.0, 49.9999, -3.0],
    [36.0, 0.0, 0.0, 0.0],
    [5.0],
]


@pytest.mark.parametrize("row", NASTY)
def test_a_row_of_logits_equals_its_long_decimals(row):
    form = ScoreForm("logits", len(row))
    for target in range(len(row)):
        seen = probability_rows(score_rows(np.array([row]), np.array([target]), form), form)
        loss, brier, doubt, probs = precise(row, target)
        assert seen.loss[0] == pytest.approx(float(loss), rel=1e-15, abs=0)
        assert seen.brier[0] == pytest.approx(float(brier), rel=4e-15, abs=0)
        assert seen.confidence[0] == pytest.approx(max(probs), rel=4e-16)
        assert seen.doubt[0] == pytest.approx(float(doubt), rel=4e-15, abs=0)
    assert softmax(np.array(row)) == pytest.approx(probs, rel=4e-15, abs=1e-320)


@pytest.mark.parametrize("logit", [0.0, 1e-300, 0.5, 40.0, -40.0, 700.0, -700.0])
def test_sigmoid_equals_its_long_decimals(logit):
    with localcontext() as context:
        context.prec = 700
        chance = 1 / (1 + (-Decimal(logit)).exp())
    assert sigmoid(np.array(logit)) == pytest.approx(float(chance), rel=1e-15, abs=0)


def test_sigmoid_reaches_its_limits():
    ends = np.array([-np.inf, -1e4, 1e4, np.inf])
    assert sigmoid(ends).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_saturated_wrong_logits_cost_exactly_forty():
    assert value(LogLoss(LOGITS), np.array([[40, 0], [0, 40]], np.float32), [1, 0]) == 40.0
    assert value(LogLoss(ScoreForm("logits", binary=True)), [40.0, -40.0], [0, 1]) == 40.0


def test_infinite_logits_are_the_limit_of_large_ones():
    inf = np.inf
    form = ScoreForm("logits", 3)
    rows = probability_rows(score_rows(np.array([[inf, 0, 1], [inf, inf, 0], [-inf, 2, 2]]), [0, 1, 1], form), form)
    assert rows.loss.tolist() == [0.0, np.log(2), np.log(2)]
    assert rows.confidence.tolist() == [1.0, 0.5, 0.5]
    assert value(LogLoss(form), [[-inf, 0.0, 0.0]], [0]) == inf
    assert value(Brier(form), [[-inf, 0.0, 0.0]], [0]) == 1.5
    far = np.array([[1e308, -1e308]])
    assert value(LogLoss(LOGITS), far, [1]) == value(LogLoss(ScoreForm("logits", binary=True)), [inf], [0]) == inf
    assert value(Brier(LOGITS), far, [1]) == 2.0
    assert positive_scores(far, LOGITS).tolist() == [-inf]
    state = LogLoss(form, weighted=True)
    assert value(state, [[-inf, 0.0, 0.0], [0.0, 0.0, 0.0]], [0, 1], weight=np.array([0.0, 2.0])) == np.log(3)


def test_probabilities_are_clipped_at_the_eps_of_their_type_and_counted():
    for dtype in (np.float16, np.float32, np.float64):
        eps = float(np.finfo(dtype).eps)
        state = LogLoss(ScoreForm("probs", 2, eps=eps))
        assert value(state, np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype), [1, 1, 0]) == pytest.approx(
            (-np.log(eps) - np.log1p(-eps) + np.log(2)) / 3, rel=1e-14
        )
        assert (state.compute().clipped, state.compute().capped) == (1, 1)


def test_probabilities_are_not_made_to_sum_to_one():
    assert value(LogLoss(ScoreForm("probs", 2)), [[0.5, 0.4995]], [0]) == np.log(2)


def test_brier_of_classes_is_a_sum_and_of_a_positive_class_half_of_it():
    two, one = ScoreForm("probs", 2), ScoreForm("probs", binary=True)
    p, y = np.array([0.2, 0.9, 0.6]), np.array([0, 1, 0])
    assert value(Brier(two), np.stack([1 - p, p], 1), y) == pytest.approx(2 * value(Brier(one), p, y), rel=1e-15)
    assert value(Brier(one), p, y) == pytest.approx(brier_score_loss(y, p), rel=1e-14)
    assert value(Brier(one), p, y) == pytest.approx(brier_score_loss(y, p, scale_by_half=True), rel=1e-14)
    assert value(Brier(two), np.stack([1 - p, p], 1), y) == pytest.approx(
        brier_score_loss(y, p, scale_by_half=False), rel=1e-14
    )


@pytest.mark.parametrize("classes", [2, 3, 10, 64, 65, 300])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_losses_equal_scikit_learn(kind, dtype, classes, rng):
    logits = (3 * rng.standard_normal((500, classes))).astype(dtype)
    target = rng.integers(0, classes, 500)
    probs = softmax(logits)
    form = ScoreForm(kind, classes, eps=float(np.finfo(dtype).eps))
    scores = logits
    if kind == "probs":
        scores = probs.astype(dtype)
        probs = scores.astype(np.float64)
        clipped = np.clip(probs[np.arange(500), target], form.eps, 1 - form.eps)
        assert value(LogLoss(form), scores, target) == pytest.approx(-np.log(clipped).mean(), rel=1e-13)
    if kind == "logits" or dtype is np.float64:
        wanted = log_loss(target, probs, labels=range(classes))
        assert value(LogLoss(form), scores, target) == pytest.approx(wanted, rel=1e-12)
    hot = np.eye(classes)[target]
    assert value(Brier(form), scores, target) == pytest.approx(((probs - hot) ** 2).sum(1).mean(), rel=1e-12)
    if kind == "logits" and classes > 2:
        wanted = brier_score_loss(target, probs, labels=range(classes))
        assert value(Brier(form), scores, target) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_binary_losses_equal_scikit_learn(kind, rng):
    logits = 3 * rng.standard_normal(1000)
    target = rng.integers(0, 2, 1000)
    form, scores = ScoreForm(kind, binary=True), logits if kind == "logits" else sigmoid(logits)
    assert value(LogLoss(form), scores, target) == pytest.approx(log_loss(target, sigmoid(logits)), rel=1e-12)
    assert value(Brier(form), scores, target) == pytest.approx(brier_score_loss(target, sigmoid(logits)), rel=1e-12)
    weight = rng.random(1000)
    heavy = LogLoss(form, weighted=True)
    wanted = log_loss(target, sigmoid(logits), sample_weight=weight)
    assert value(heavy, scores, target, weight=weight) == pytest.approx(wanted, rel=1e-12)


def test_two_columns_become_one_of_the_positive_class(rng):
    logits = rng.standard_normal((100, 2)).astype(np.float32)
    target = rng.integers(0, 2, 100)
    one = ScoreForm("logits", binary=True)
    assert value(LogLoss(one), positive_scores(logits, one), target) == pytest.approx(
        value(LogLoss(LOGITS), logits, target), rel=1e-14
    )
    assert positive_scores(np.array([[0.25, 0.75]]), ScoreForm("probs"), positive=0).tolist() == [0.25]


@pytest.mark.parametrize(
    "values",
    [
        [0.1] * 7,
        [1e300, 1.0, 2.0**-1074, 1e-300],
        [2.0**-1074, 2.0**-1030],
        [0.0, 0.0],
        [],
        [1e199, 1e-199, 3e-5],
        [1.0, 2.0**-40, 2.0**-80, 2.0**-120, 2.0**-300],
        [-0.1, 0.3, -1e-30],
    ],
)
def test_fast_adding_is_exact(values):
    values = np.array(values, np.float64)
    total, plain = ExactSum(), ExactSum()
    add_exactly(total, values)
    plain.add(values)
    assert float(total) == float(sum(map(Fraction, values.tolist())))
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(total.state_dict()[name], array)


def test_fast_adding_of_many_large_values_is_exact(rng):
    values = 1 - rng.random(1 << 15) / 2
    total = ExactSum()
    add_exactly(total, values)
    total.add(-values)
    assert float(total) == 0.0


def test_fast_adding_to_cells_is_exact(rng):
    values = np.ldexp(rng.random(40_000), rng.integers(-200, 3, 40_000))
    cells = rng.integers(0, 7, 40_000)
    total, plain = ExactSum(7), ExactSum(7)
    add_exactly(total, values, cells)
    plain.add(values, cells)
    for name, array in plain.state_dict().items():
        np.testing.assert_array_equal(total.state_dict()[name], array)


def test_a_row_says_the_same_wherever_it_stands(rng):
    for classes in (1, 2, 7, 64, 65, 129, 300):
        scores = (5 * rng.standard_normal((61, classes))).astype(np.float32)
        target = rng.integers(0, classes, 61)
        form = ScoreForm("logits", classes)
        whole = probability_rows(score_rows(scores, target, form), form)
        for size in (1, 2, 13):
            for start in range(0, 61, size):
                part = slice(start, start + size)
                seen = probability_rows(score_rows(scores[part], target[part], form), form)
                for name in ("loss", "brier", "confidence", "doubt", "rank", "tied"):
                    np.testing.assert_array_equal(getattr(seen, name), getattr(whole, name)[part])


def test_states_share_one_look_but_not_several_forms(rng):
    scores, target = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    alone, first, second = LogLoss(LOGITS), LogLoss(LOGITS), Brier(LOGITS)
    alone.update(scores, target)
    feed((first, second), score_rows(scores, target, LOGITS))
    np.testing.assert_equal(first.compute()._asdict(), alone.compute()._asdict())
    with pytest.raises(ValueError, match="several forms"):
        feed((first, Brier(ScoreForm("probs", 2))), score_rows(scores, target, LOGITS))
    with pytest.raises(ValueError, match="weighted=True"):
        first.update(scores, target, np.ones(50))
    with pytest.raises(ValueError, match="cannot merge"):
        first.merge(LogLoss(ScoreForm("probs", 2)))


def test_what_does_not_fit_is_refused():
    state = LogLoss(LOGITS)
    with pytest.raises(InputError, match="shape"):
        state.update(np.zeros((3, 3)), np.zeros(3, np.int64))
    with pytest.raises(InputError, match="1 target lies outside"):
        state.update(np.zeros((2, 2)), np.array([0, 2]))
    with pytest.raises(InputError, match="weights are negative"):
        LogLoss(LOGITS, weighted=True).update(np.zeros((1, 2)), np.array([0]), np.array([-1.0]))
    for wrong in ({"kind": "values"}, {"kind": "probs", "classes": 0}, {"kind": "probs", "classes": 3, "binary": True}):
        with pytest.raises(ValueError, match="no scores are"):
            ScoreForm(**wrong)


def test_no_rows_have_no_loss():
    for state in (LogLoss(LOGITS), Brier(LOGITS), LogLoss(LOGITS, weighted=True)):
        state.update(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
        assert np.isnan(mean_loss(state.compute()))


def test_tensors_are_brought_to_the_host(rng):
    torch = pytest.importorskip("torch")
    scores, target = rng.standard_normal((20, 2)), rng.integers(0, 2, 20)
    for dtype in (torch.bfloat16, torch.float32):
        there = torch.as_tensor(scores).to(dtype)
        mine = value(LogLoss(LOGITS), there, torch.as_tensor(target))
        wanted = torch.nn.functional.cross_entropy(there.double(), torch.as_tensor(target))
        assert mine == pytest.approx(float(wanted), rel=1e-12)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
