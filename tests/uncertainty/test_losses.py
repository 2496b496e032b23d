"""Intervals of mean losses of models that are nearly always right."""

from __future__ import annotations

from math import inf, log

import numpy as np
import pytest

from evalcli.uncertainty.intervals import Confidence, none_of
from evalcli.uncertainty.losses import loss_interval, wrong_loss
from evalcli.uncertainty.means import Moments, mean_interval

CONFIDENCE = Confidence()


def drawn(rng, rows, distance=3.0):
    """Log losses and squared errors of a calibrated model: classes lie ``2·distance`` standard deviations apart."""
    logits = 2.0 * distance * (distance + rng.normal(size=rows))
    return np.logaddexp(0.0, -logits), (1.0 / (1.0 + np.exp(logits))) ** 2


@pytest.mark.parametrize(("kind", "largest"), [(0, inf), (1, 1.0)])
def test_the_loss_of_a_model_that_is_hardly_ever_wrong_is_held(kind, largest):
    truth = drawn(np.random.default_rng(0), 4_000_000)[kind].mean()
    rng, held, means = np.random.default_rng(1), 0, 0
    for _ in range(300):
        losses = drawn(rng, 400)[kind]
        held += truth in loss_interval(losses, np.ones(400), CONFIDENCE, largest)
        means += truth in mean_interval(Moments.of(losses), CONFIDENCE, 0.0, largest, worst=1.0)
    assert held >= 0.95 * 300
    assert means < 0.85 * 300  # what the scatter of right rows alone would say


@pytest.mark.parametrize(("largest", "rows"), [(inf, 2.0), (1.0, 1.0), (2.0, 1.0)])
def test_once_rows_were_wrong_the_interval_is_that_of_a_mean(largest, rows):
    wrong = log(2.0) if largest == inf else largest / 4.0
    losses, rows = np.array([0.01, 0.02, wrong]), np.array([200.0, 100.0 - rows, rows])
    assert wrong_loss(losses, rows, largest, 1.0) is None
    found = loss_interval(losses, rows, CONFIDENCE, largest)
    assert found == mean_interval(Moments.of_histogram(losses, rows), CONFIDENCE, 0.0, largest)


def test_what_one_wrong_row_costs_others_need_not():
    """Its loss may be small by chance, which has no bound in a log loss; 10 clusters of 30 rows are 10."""
    losses, rows = np.array([0.01, 0.02, 0.8]), np.array([200.0, 99.0, 1.0])
    right = wrong_loss(losses[:2], rows[:2], inf)
    assert wrong_loss(losses, rows, inf, 1.0) == right
    assert wrong_loss(losses, rows, inf) is None
    assert wrong_loss(losses, np.array([200.0, 70.0, 30.0]), inf, 30.0) == pytest.approx(right, rel=0.02)
    found = loss_interval(losses, rows, CONFIDENCE, inf)
    mean = mean_interval(Moments.of_histogram(losses, rows), CONFIDENCE, 0.0, inf)
    assert found.low == mean.low
    assert found.high == pytest.approx(mean.high + right * none_of(300.0, CONFIDENCE.critical))


def test_the_log_loss_of_a_model_that_is_too_sure_of_itself_is_held():
    """Of 400 rows 2.5 are wrong on average, and cost more than the model expects: it was held in 90 %."""

    def losses(rng, rows):
        return np.logaddexp(0.0, -2.5 * 5.0 * (2.5 + rng.normal(size=rows)))

    truth = losses(np.random.default_rng(0), 4_000_000).mean()
    rng, held = np.random.default_rng(1), 0
    for _ in range(500):
        held += truth in loss_interval(losses(rng, 400), np.ones(400), CONFIDENCE, inf)
    assert held >= 0.935 * 500


def test_a_wrong_row_costs_what_the_model_says():
    sure = np.full(2, 1e-3)
    losses, rows = -np.log1p(-sure), np.array([30.0, 70.0])
    assert wrong_loss(losses, rows, inf) == pytest.approx(-log(1e-3))
    assert wrong_loss(sure**2, rows, 1.0) == pytest.approx((1.0 - 1e-3) ** 2)
    assert wrong_loss(np.zeros(2), rows, inf) is None
    found = loss_interval(losses, rows, CONFIDENCE, inf)  # all alike: up to 3.7 % of 100 rows may be wrong
    assert found.high == pytest.approx(losses[0] + 0.037 * (log(1e3) - losses[0]), rel=1e-3)


def test_more_rows_leave_less_unseen():
    losses = np.array([1e-6, 1e-4])
    ends = [loss_interval(losses, n * np.array([0.5, 0.5]), CONFIDENCE, 1.0).high for n in (100, 1_000, 10_000)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] == pytest.approx(0.037, rel=0.02)


def test_a_model_may_be_surer_of_rows_that_were_not_seen_than_it_should_be():
    """Of 100 rows 2.3 are wrong on average, at logits four times too large: what it says of itself held it in 88 %."""

    def losses(rng, rows):
        return np.logaddexp(0.0, -4.0 * 4.0 * (2.0 + rng.normal(size=rows)))

    truth = losses(np.random.default_rng(0), 4_000_000).mean()
    rng, held = np.random.default_rng(1), 0
    for _ in range(500):
        held += truth in loss_interval(losses(rng, 100), np.ones(100), CONFIDENCE, inf)
    assert held >= 0.94 * 500


def test_a_model_that_expects_as_many_wrong_rows_as_may_be_is_believed():
    losses, rows = -np.log1p(-np.array([0.01, 0.2])), np.array([60.0, 40.0])
    believed = wrong_loss(losses, rows, inf)
    assert wrong_loss(losses, rows, inf, unseen=0.08) == believed  # it expects 8.6 of 100
    costs = [wrong_loss(losses, rows, inf, unseen=share) for share in (0.1, 0.2, 0.4)]
    assert believed < costs[0] < costs[1] < costs[2] < -0.6 * log(0.01) - 0.4 * log(0.2)


def test_rows_that_a_model_is_certain_of_stay_certain():
    losses, rows = np.array([0.0, -np.log1p(-1e-3)]), np.array([50.0, 50.0])
    assert wrong_loss(losses, rows, inf, unseen=0.9) == pytest.approx(log(1e3))
