"""Classes of which a sample has no row that tells their ratio."""

from __future__ import annotations

import numpy as np
import pytest

import evalcli
from evalcli.metrics.registry import parse
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.measures import measure
from evalcli.uncertainty.untold import untold


def raised(name, matrix, squares=None):
    cells = Cells.of_matrix(np.array(matrix), squares=None if squares is None else np.array(squares))
    return untold(measure(parse(name), cells), cells)


RECALLS = [[90, 5, 1], [1, 3, 0], [0, 0, 0]]
"""The third class is named once and has no row, the second has four."""


def test_a_class_without_rows_may_have_what_others_have():
    assert raised("recall_macro", RECALLS) == pytest.approx((90 / 96 + 3 / 4) / 2 / 3)
    assert raised("precision_macro", np.transpose(RECALLS)) == pytest.approx((90 / 96 + 3 / 4) / 2 / 3)
    assert raised("precision_weighted", np.transpose(RECALLS)) == pytest.approx(
        1 / 100 * (91 * 90 / 96 + 8 * 3 / 4) / 99
    )


@pytest.mark.parametrize("name", ["f1_macro", "balanced_accuracy", "recall_weighted", "accuracy", "mcc"])
def test_what_needs_no_rows_of_its_own_stays(name):
    assert raised(name, RECALLS) == 0.0


def test_classes_that_were_not_seen_are_no_more_than_those_seen_rarely():
    many = [[90, 5, 1], [1, 50, 0], [0, 0, 0]]
    assert raised("recall_macro", many) == 0.0
    assert raised("precision_macro", np.transpose([[90, 5, 1], [1, 3, 1], [0, 0, 0]])) > 0.0
    assert raised("precision_macro", np.transpose([[90, 5, 9], [1, 3, 0], [0, 0, 0]])) == 0.0  # it is not named
    two = np.zeros((4, 4))
    two[0], two[1, 1] = [90, 1, 1, 1], 3
    assert raised("recall_macro", two) == pytest.approx((90 / 93 + 1) / 2 / 4)  # of two that are named one may occur


def test_a_handful_is_of_rows_that_weigh_alike():
    assert raised("recall_macro", 10 * np.array(RECALLS), 100 * np.array(RECALLS)) == pytest.approx(
        raised("recall_macro", RECALLS)
    )
    assert raised("recall_macro", 10 * np.array(RECALLS)) == 0.0


def test_the_macro_recall_of_classes_of_two_rows_is_held():
    """Ten classes, five of which have two rows on average: one of them has none in half of the samples."""
    shares = np.r_[np.full(5, 0.18), np.full(5, 0.02)]
    right = np.full(10, 0.95)
    matrix = shares[:, None] * ((1.0 - right) / 9)[:, None] + np.diag(shares * (right - (1.0 - right) / 9))
    rng, name, held, before = np.random.default_rng(1), parse("recall_macro"), 0, 0
    for _ in range(200):
        cells = Cells.of_matrix(rng.multinomial(100, matrix.ravel()).reshape(10, 10))
        found = CountIntervals(cells).of(name)
        assert found is not None
        held += 0.95 in found
        before += found.low <= 0.95 <= found.high - untold(measure(name, cells), cells)
    assert held >= 0.95 * 200
    assert before < 0.93 * 200


def test_a_label_that_was_never_named_may_have_the_precision_of_others():
    """Two labels of 200 rows, one of which has three rows on average, and is named in 60 % of them."""
    rng, shares, right = np.random.default_rng(2), np.array([0.4, 0.015]), np.array([0.9, 0.6])
    alarms = np.array([0.05, 0.003])
    truth = float((shares * right / (shares * right + (1.0 - shares) * alarms)).mean())
    held = 0
    for _ in range(150):
        target = (rng.random((200, 2)) < shares).astype(int)
        preds = (rng.random((200, 2)) < np.where(target == 1, right, alarms)).astype(int)
        if not (preds | target)[:, 1].any():
            continue
        found = evalcli.evaluate(preds, target, task="multilabel", metrics="precision_macro", workers=1).data
        value = found.metrics["precision_macro"]
        held += value.low <= truth <= value.high
        if not preds[:, 1].any() and target[:, 1].sum() < 5:
            assert value.high > value.value + 0.35
    assert held >= 0.93 * 140
