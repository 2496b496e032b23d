"""Numbers of the conventions about scores."""

from __future__ import annotations

import json
from math import inf, log

import numpy as np
import pytest
from memory_source import MemorySource
from scored import BINARY, CLOSE, MULTICLASS, binary_data, class_data, report, values
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.renderers import render


def test_07_one_class_alone_is_not_ranked():
    found = report(MemorySource(np.array([0.2, 0.7]), np.array([1, 1])), ("auroc", "ks", "brier"))
    assert found.metrics["auroc"].value is None
    assert found.metrics["ks"].value is None
    assert {"auroc", "ks"} <= {*found.undefined}
    assert found.metrics["brier"].value == pytest.approx((0.8**2 + 0.3**2) / 2, **CLOSE)


def test_08_an_absent_class_is_left_out_of_the_mean_and_named():
    logits = np.eye(3)[[0, 1, 0, 1]] * 5
    found = report(MemorySource(logits, np.array([0, 1, 0, 1])), ("auroc_macro", "auroc[2]"))
    assert found.metrics["auroc_macro"].value == 1.0
    assert found.metrics["auroc[2]"].value is None
    note = next(finding for finding in found.findings if finding.code == "unranked-classes")
    assert "1 of 3 classes cannot be ranked" in note.text
    assert "'2'" in note.text


def test_09_saturated_scores_still_differ():
    logits, truth = np.array([50.0, 60.0, 70.0, 80.0, 90.0]), np.array([0, 1, 0, 1, 1])
    assert values(MemorySource(logits, truth), ("auroc",), scores="logits") == {"auroc": 5 / 6}
    three = np.stack([logits, -logits, np.zeros(5)], axis=1)
    assert values(MemorySource(three, 1 - truth), ("auroc[0]",), task="multiclass") == {"auroc[0]": 5 / 6}


def test_11_average_precision_goes_by_steps():
    got = values(MemorySource(np.full(8, 0.5), np.array([1, 1, 0, 0, 0, 0, 0, 0])), ("average_precision",))
    assert got == {"average_precision": 0.25}


def test_13_ece_of_four_rows():
    # 15 bins: the three rows of confidence 1 and the one of 0.97 share a bin, as in 10 bins
    got = values(MemorySource(np.array([1.0, 1.0, 1.0, 0.97]), np.array([1, 1, 0, 1])), ("ece",), scores="probs")
    assert got["ece"] == pytest.approx(0.2425, **CLOSE)


def test_14_ties_stand_in_the_order_of_the_classes():
    truth = np.arange(5).repeat(4)
    found = report(MemorySource(np.zeros((20, 5)), truth), ("top2_accuracy", "mean_rank"), scores="logits")
    assert (found.metrics["top2_accuracy"].value, found.metrics["mean_rank"].value) == (0.4, 3.0)
    assert any(finding.code == "tied-targets" and "100.0%" in finding.text for finding in found.findings)


def test_19_log_loss_of_logits_is_not_clipped():
    source = MemorySource(np.array([[40.0, 0.0], [0.0, 40.0]], np.float32), np.array([1, 0]))
    assert values(source, ("log_loss",)) == {"log_loss": 40.0}
    assert values(MemorySource(np.array([-40.0, 40.0]), np.array([1, 0])), ("log_loss",)) == {"log_loss": 40.0}
    found = report(MemorySource(np.array([0.0, 1.0, 0.5], np.float32), np.array([1, 0, 1])), ("log_loss",))
    eps = 2.0**-23
    assert found.metrics["log_loss"].value == pytest.approx((-2 * log(eps) + log(2)) / 3, **CLOSE)
    assert any(finding.code == "clipped-probabilities" and finding.text[0] == "2" for finding in found.findings)


def test_20_brier_of_two_columns_is_that_of_the_positive_one():
    probs, truth = np.array([[0.4, 0.6], [0.8, 0.2]]), np.array([1, 1])
    assert values(MemorySource(probs, truth), ("brier",))["brier"] == pytest.approx((0.16 + 0.64) / 2, **CLOSE)
    twice = values(MemorySource(probs, truth), ("brier",), task="multiclass")["brier"]
    assert twice == pytest.approx(0.16 + 0.64, **CLOSE)


def test_24_rows_without_a_prediction_leave_no_score_defined():
    truth, logits, _ = class_data(9)
    wanted = values(MemorySource(np.delete(logits, 3, axis=0), np.delete(truth, 3)), MULTICLASS)
    logits[3, 1] = np.nan
    source = MemorySource(logits, truth)
    assert values(source, MULTICLASS, nan="drop") == wanted
    found = report(source, MULTICLASS, nan="wrong", run=Execution(batch_size=50, workers=2))
    assert all(found.metrics[name].value is None for name in MULTICLASS)
    assert {*MULTICLASS} <= {*found.undefined}
    assert any(finding.code == "unusable-rows" for finding in found.findings)
    with pytest.raises(InputError, match="not finite"):
        report(source, MULTICLASS)
    positive, scores, _ = binary_data(9)
    scores[7] = np.nan
    found = report(MemorySource(scores, positive), BINARY, nan="wrong")
    assert all(found.metrics[name].value is None for name in BINARY)


def test_an_infinite_loss_is_infinite_and_no_number_in_json():
    found = report(MemorySource(np.array([-inf, 1.0]), np.array([1, 0])), ("log_loss",), scores="logits")
    assert found.metrics["log_loss"].value == inf
    assert json.loads(render(found, "json"))["metrics"]["log_loss"] == {"value": None, "infinite": "+"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_are_always_exact(dtype):
    import ml_dtypes

    truth, scores, _ = binary_data(10, rows=3000)
    halves = scores.astype(np.float16 if dtype == "float16" else ml_dtypes.bfloat16)
    got = values(MemorySource(halves, truth, dtype=dtype), ("auroc", "average_precision"))
    wide = halves.astype(float)
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(truth, wide), **CLOSE)
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(truth, wide), **CLOSE)
