"""What a report on values says beyond its numbers, and when it keeps quiet."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.sources.base import Note
from evalcli.task import Choices

RNG = np.random.default_rng(0)
T = RNG.normal(50, 10, 500)
P = T + RNG.normal(0, 4, 500)


def findings(preds, target, *, metrics=None, weight=None, paths=("preds.pt", "targets.pt"), notes=(), **choices):
    source = MemorySource(preds, target, weight=weight, paths=paths, notes=notes)
    found = evaluate(source, Choices(task="regression", **choices), Execution(workers=1), metrics)
    return {finding.code: finding for finding in found.findings}


def test_an_ordinary_model_is_left_in_peace():
    assert findings(P, T) == {}
    assert findings(np.stack([P, P * 2], 1), np.stack([T, T * 2], 1)) == {}
    assert findings(T[:5] + 1e-3, T[:5]) == {}  # a bias, but of too few rows to speak of
    skewed = np.exp(T / 20)
    assert findings(skewed * np.exp(RNG.normal(0, 0.2, 500)), skewed) == {}


def test_a_constant_prediction():
    found = findings(np.full(500, 3.25), T)
    assert list(found) == ["constant-prediction"]
    assert found["constant-prediction"].text == (
        f"every prediction is 3.25, though the targets reach from {T.min():.4g} to {T.max():.4g}"
    )


def test_a_constant_target():
    assert list(findings(P, np.full(500, 5.5))) == ["large-bias", "constant-target"]
    assert "every target is 5.5" in findings(P, np.full(500, 5.5))["constant-target"].text
    assert list(findings(np.full(500, 5.5), np.full(500, 5.5))) == ["constant-target"]


@pytest.mark.parametrize(
    ("factor", "says"),
    [
        (1000.0, "about 1,000 times its target: a slip by 10^3"),
        (0.01, "about its target divided by 100: a slip by 10^-2"),
        (10.0, "about 10 times its target: a slip by 10^1"),
        (1e-9, "a slip by 10^-9"),
        (60.0, "about 60 times its target: as between minutes and seconds"),
        (1 / 57.29578, "about its target divided by 57.3: as between radians and degrees"),
    ],
)
def test_a_slip_of_the_unit(factor, says):
    found = findings(P * factor, T)
    assert list(found) == ["scale-slip"]
    assert says in found["scale-slip"].text


def test_a_ratio_that_is_no_unit_is_a_line():
    found = findings(P * 7.3, T)
    assert list(found) == ["off-the-line"]
    assert "if each prediction p were 0.12" in found["off-the-line"].text


def test_a_line_through_the_predictions():
    found = findings(1.8 * P + 32, T)
    assert list(found) == ["off-the-line"]
    assert "R² would be 0.8" in found["off-the-line"].text
    assert "·p − " in found["off-the-line"].text


def test_a_bias():
    found = findings(P + 40, T)
    assert list(found) == ["large-bias"]
    assert found["large-bias"].text.startswith("predictions are too high by 39.")
    assert "throughout" in found["large-bias"].text
    assert "too low by" in findings(P - 40, T)["large-bias"].text


def test_predictions_against_the_truth():
    assert list(findings(-P, T)) == ["opposite"]
    assert "r = -0.9" in findings(-P, T)["opposite"].text


def test_worse_than_the_mean():
    found = findings(RNG.permutation(P), T)
    assert list(found) == ["worse-than-mean"]
    assert f"worse than always answering {T.mean():.4g}, the mean of the targets" in found["worse-than-mean"].text


def test_a_heavy_tail():
    preds = P.copy()
    preds[[3, 77]] += 900
    found = findings(preds, T)
    assert list(found) == ["worse-than-mean", "heavy-tail"]
    assert found["heavy-tail"].text.startswith(("1 of 500 rows makes 50%", "2 of 500 rows make over 99%"))
    assert found["heavy-tail"].text.endswith(
        "of the squared error: MSE, RMSE and R² speak of them, and their intervals know of no larger ones"
    )
    preds[3] -= 900
    assert "1 of 500 rows makes 99% of the squared error" in findings(preds, T)["heavy-tail"].text
    assert "heavy-tail" not in findings(preds, T, metrics=("rmse",))  # the residuals were not kept
    assert "of all weight" in findings(preds, T, weight=np.full(500, 0.25))["heavy-tail"].text
    assert "heavy-tail" not in findings(preds[70:99], T[70:99])  # of few rows 1 % is none


def test_convention_22_zero_targets_and_what_to_use_instead():
    target = T.copy()
    target[[3, 5]] = 0
    finding = findings(P, target)["zero-targets"]
    assert (finding.level, finding.text, finding.fix) == (
        "info", "2 targets are 0, so MAPE is undefined", "wape and smape are defined all the same",
    )  # fmt: skip
    target[5] = 1
    assert findings(P, target)["zero-targets"].text == "1 target is 0, so MAPE is undefined"
    assert "zero-targets" in findings(P, target, metrics=("mape[0]",))
    assert "zero-targets" not in findings(P, target, metrics=("rmse",))


def test_values_outside_of_what_a_metric_takes():
    preds = P.copy()
    preds[:2] = -1.5
    found = findings(preds, T, metrics=("gamma_deviance", "rmse"))["outside"]
    assert (
        found.text == "gamma_deviance is undefined: 2 rows have a value outside of what it takes (predictions above 0)"
    )
    assert "msle is undefined: 2 rows" in findings(preds, T, metrics=("msle",))["outside"].text
    preds[1] = 5
    assert "1 row has" in findings(preds, T, metrics=("tweedie_deviance1.5",))["outside"].text


def test_rows_dropped():
    preds = P.copy()
    preds[:3] = np.nan
    assert findings(preds, T, nan="drop")["unusable-rows"].text == "3 rows were dropped (--nan)"


def test_a_single_row():
    found = findings(P[:1], T[:1])
    assert found["single-row"].text == "there is 1 row, and R² and correlations need two"


def test_labels_before_scores_look_swapped():
    scores = np.random.default_rng(0).random(50)
    labels = (scores > 0.4) * 1.0
    found = findings(labels, scores)["swapped-arguments"]
    assert found.text.startswith("the arguments look swapped: all predictions are 0 or 1, and the targets lie between")
    labels[3] = 0.99
    assert "swapped-arguments" not in findings(labels, scores)
    assert "swapped-arguments" not in findings((scores > 0.4) * 1.0, scores * 2)


def test_all_right():
    assert list(findings(T, T)) == ["all-right"]
    assert findings(T[:5], T[:5]) == {}


def test_swapped_names():
    found = findings(P, T, paths=("targets.npy", "preds.npy"))
    assert found["swapped-arguments"].text.startswith("the arguments look swapped: targets.npy was read as predictions")


def test_of_several_outputs_the_first_is_told_and_the_others_counted():
    preds, target = np.stack([P, -P, P * 1000, -P, -P], 1), np.stack([T] * 5, 1)
    found = findings(preds, target)
    assert found["opposite"].text.startswith("output '1': predictions run against the targets")
    assert found["opposite"].text.endswith("(and 2 more outputs)")
    assert found["scale-slip"].text.startswith("output '2': an ordinary prediction")
    assert "more output" not in found["scale-slip"].text
    assert findings(preds[:, :4], target[:, :4])["opposite"].text.endswith("(and 1 more output)")


def test_notes_of_the_source_are_told_and_warnings_come_first():
    found = findings(P, T, notes=(Note("a", "said"), Note("b", "warned", level="warning")))
    assert list(found) == ["b", "a"]
