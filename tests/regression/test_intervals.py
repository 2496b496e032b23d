"""Intervals of a regression hold the truth as often as they say, and depend on nothing but the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

NAMES = ("bias", "mae", "mse", "rmse", "medae", "spearman")
SETS = 200


def report(preds, target, names=NAMES, *, run=Execution(workers=1), confidence=Confidence(), weight=None):  # noqa: B008
    choices = Choices(task="regression", confidence=confidence)
    return evaluate(MemorySource(preds, target, weight=weight), choices, run, names)


def drawn(rng, rows):
    """Errors of a heavy tail, and a bias."""
    target = rng.normal(100, 5, rows)
    return target + 0.3 + 2 * rng.standard_t(6, rows), target


def test_coverage():
    rng = np.random.default_rng(0)
    large = report(*drawn(rng, 400_000), confidence=None)
    truth = {name: value.value for name, value in large.metrics.items()}
    held = dict.fromkeys(NAMES, 0)
    for _ in range(SETS):
        for name, value in report(*drawn(rng, 150)).metrics.items():
            held[name] += value.low <= truth[name] <= value.high
    # of 200 sets a true 95 % gives fewer than 180 or more than 199 once in a thousand times
    assert all(180 <= hits <= 199 for hits in held.values()), held


def test_a_normal_interval_of_a_skewed_mean_would_fail_the_same_test():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(SETS):
        squares = (0.05 * rng.standard_t(2.5, 12)) ** 2
        reach = 1.96 * squares.std() / np.sqrt(12)
        held += abs(squares.mean() - 0.05**2 * 5) <= reach
    assert held < 180


def test_M01_M03_neither_batches_nor_workers_nor_order_can_be_seen():
    preds, target = drawn(np.random.default_rng(2), 500)
    whole = report(preds, target).metrics
    order = np.random.default_rng(3).permutation(500)
    assert report(preds[order], target[order], run=Execution(batch_size=7, workers=3)).metrics == whole


def test_every_interval_holds_its_value_and_grows_with_confidence():
    preds, target = drawn(np.random.default_rng(4), 60)
    for weight in (None, np.random.default_rng(5).choice([0.5, 2.0], 60)):
        narrow, wide = (report(preds, target, confidence=Confidence(p), weight=weight).metrics for p in (0.8, 0.99))
        for name in NAMES:
            assert wide[name].low < narrow[name].low <= narrow[name].value <= narrow[name].high < wide[name].high, name


def test_equal_weights_are_no_weights():
    preds, target = drawn(np.random.default_rng(6), 80)
    plain, weighted = report(preds, target), report(preds, target, weight=np.full(80, 3.0))
    for name in NAMES:
        one, other = plain.metrics[name], weighted.metrics[name]
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_what_has_no_interval_says_nothing():
    preds, target = drawn(np.random.default_rng(7), 50)
    found = report(preds, target, ("r2", "pearson", "wape", "max_error"))
    assert all(replace(value, value=None).low is None for value in found.metrics.values())
    assert found.confidence == 0.95
    assert report(preds, target, confidence=None).confidence is None
    assert report(preds, target, confidence=None).metrics["mae"].low is None


def test_no_error_at_all_has_no_spread_to_speak_of():
    target = np.random.default_rng(8).normal(size=30)
    found = report(target, target, ("mae", "medae", "rmse"))
    assert found.metrics["mae"].value == 0
    assert found.metrics["mae"].low is None


def test_each_of_several_outputs_has_its_own():
    rng = np.random.default_rng(9)
    first, second = drawn(rng, 70), drawn(rng, 70)
    both = report(*(np.stack(pair, axis=1) for pair in zip(first, second, strict=True)), ("mae", "mae[1]"))
    assert both.metrics["mae"].low is None
    alone = report(*second, ("mae",)).metrics["mae"]
    assert both.metrics["mae[1]"] == alone
    assert both.per_output[1].metrics["mae"] == alone
