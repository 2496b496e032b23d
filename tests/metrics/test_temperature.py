"""The fitted temperature: against closed forms and a plain search, and the sample it is fitted on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from evalcli.metrics.probability import ScoreForm, sigmoid, softmax
from evalcli.metrics.temperature import TemperatureSample, fit_temperature, row_hashes


def fitted(scores, target, form, weight=None, **more):
    state = TemperatureSample(form, weighted=weight is not None, **more)
    state.update(np.asarray(scores), np.asarray(target), weight)
    return state.compute()


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 3.0, 1e5])
@pytest.mark.parametrize("classes", [2, 5, 80])
def test_the_temperature_has_the_least_loss_of_all(scale, classes):
    rng = np.random.default_rng(classes)
    logits = 2 * rng.standard_normal((2000, classes))
    drawn = (softmax(logits).cumsum(1) > rng.random((2000, 1))).argmax(1)
    found = fit_temperature(scale * logits, drawn)
    assert found.value == pytest.approx(scale, rel=0.2)  # the labels were drawn at a temperature of 1
    here = log_loss(drawn, softmax(scale * logits / found.value), labels=range(classes))
    assert found.after == pytest.approx(here, rel=1e-9)
    for other in (0.999, 1.001):
        assert log_loss(drawn, softmax(scale * logits / found.value / other), labels=range(classes)) > here
    assert found.after <= found.before
    before = torch.nn.functional.cross_entropy(torch.as_tensor(scale * logits), torch.as_tensor(drawn))
    assert found.before == pytest.approx(float(before), rel=1e-12)


def test_three_of_four_right_at_one_margin_have_a_closed_form():
    margin, target = np.full(4, 5.0), np.array([1, 1, 1, 0])
    form = ScoreForm("logits", binary=True)
    found = fitted(margin, target, form)
    assert found.value == pytest.approx(5 / np.log(3), rel=1e-13)
    assert found.after == pytest.approx(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)), rel=1e-14)
    assert (found.rows, found.seen) == (4, 4)
    chances = fitted(sigmoid(margin), target, ScoreForm("probs", binary=True))
    assert chances.value == pytest.approx(found.value, rel=1e-9)
    heavy = fitted(margin[2:], target[2:], form, np.array([3.0, 1.0]))
    assert heavy.value == pytest.approx(found.value, rel=1e-13)


def test_where_no_temperature_is_best_the_limit_is_said():
    form = ScoreForm("logits", 2)
    assert fitted([[2.0, 0.0], [0.0, 3.0]], [0, 1], form).value == 0.0
    assert fitted([[2.0, 0.0], [0.0, 3.0]], [0, 1], form).after == 0.0
    useless = fitted([[2.0, 0.0], [0.0, 3.0]], [1, 0], form)
    assert useless.value == np.inf
    assert useless.after == pytest.approx(np.log(2), rel=1e-15)
    assert np.isnan(fitted([[1.0, 1.0]], [0], form).value)
    assert np.isnan(fitted(np.zeros((0, 2)), np.zeros(0, int), form).value)
    assert np.isnan(fitted([[5.0], [7.0]], [0, 0], ScoreForm("logits", 1)).value)


def test_infinite_losses_stay_out_and_masked_classes_stay_in():
    inf, form = np.inf, ScoreForm("logits", 3)
    rows = np.array([[5.0, 0.0, -inf]] * 4 + [[-inf, 0.0, 1.0]])
    found = fitted(rows, [0, 0, 0, 1, 0], form)
    assert found.value == pytest.approx(5 / np.log(3), rel=1e-12)
    assert (found.rows, found.seen) == (4, 4)


def test_a_sample_is_bounded_and_close_and_counts_equal_rows_once():
    rng = np.random.default_rng(1)
    logits = 4 * rng.standard_normal((20_000, 3))
    drawn = (softmax(logits / 2).cumsum(1) > rng.random((20_000, 1))).argmax(1)
    form = ScoreForm("logits", 3)
    small = fitted(logits, drawn, form, rows=4000)
    assert (small.rows, small.seen) == (4000, 20_000)
    assert small.value == pytest.approx(fit_temperature(logits, drawn).value, rel=0.1)
    few = fitted(np.repeat(logits[:10], 500, axis=0), np.repeat(drawn[:10], 500), form, rows=100)
    assert (few.rows, few.seen) == (5000, 5000)
    assert few.value == pytest.approx(fit_temperature(logits[:10], drawn[:10]).value, rel=1e-12)


def test_a_row_that_is_kept_is_counted_to_the_end():
    state = TemperatureSample(ScoreForm("logits", 2), rows=1)
    for row in ([1.0, 0.0], [-0.0, 1.0], [2.0, 0.0], [3.0, 0.0]) * 3:
        state.update(np.array([row]), np.array([0]))
    assert (state.compute().rows, state.compute().seen) == (3, 12)


def test_both_zeros_are_one():
    state = TemperatureSample(ScoreForm("logits", 2))
    state.update(np.array([[-0.0, 1.0], [0.0, 1.0]]), np.array([0, 0]))
    assert state.state_dict()["sample.counts"].tolist() == [2]
    assert not np.signbit(state.state_dict()["sample.content"]).any()


def test_a_sample_of_many_classes_holds_fewer_rows():
    assert TemperatureSample(ScoreForm("logits", 10)).capacity == 10_000
    assert TemperatureSample(ScoreForm("logits", 1 << 16)).capacity == 64


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32"])
def test_different_rows_of_short_floats_have_different_hashes(kind):
    """Their low bits as float64 are all 0, and a product carries only upwards: of bfloat16 it would know 19 bits."""
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(200_000, 3)))
    rows = np.unique(drawn.to(getattr(torch, kind)).to(torch.float32).numpy(), axis=0)
    assert len(np.unique(row_hashes(rows, np.zeros(len(rows), np.int64)))) == len(rows)
