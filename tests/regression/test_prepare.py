"""Rows that are left out and rows that are refused, each with its count, its place and its value."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from memory_source import MemorySource, text_source

import evalcli
from evalcli.engine import Execution
from evalcli.errors import EmptyError, EvalError, InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.task import Choices

T = np.array([1.5, 2.25, -3.125, 4.5, 0.75, 6.5, 7.25, 8.5, -9.5, 10.25])
P = T + np.array([0.5, -0.25, 0.125, 0, 1, -1, 0.5, 0.25, 0, -0.5])


def report(preds, target, execution=Execution(workers=1), *, weight=None, repeats=None, metrics=None, **choices):  # noqa: B008 - frozen
    source = MemorySource(preds, target, weight=weight, repeats=repeats)
    return evaluate(source, Choices(**choices), execution, metrics)


def fault(preds, target, **more):
    with pytest.raises(EvalError) as caught:
        report(preds, target, Execution(batch_size=3, workers=2), **more)
    return str(caught.value)


def changed(array, **rows):
    array = array.copy()
    for row, value in rows.items():
        array[int(row[1:])] = value
    return array


def numbers(found):
    return {name: value.value for name, value in found.metrics.items()}


def test_N01_values_that_are_not_finite_are_an_error_with_their_rows():
    text = fault(changed(P, r3=np.nan, r5=np.inf, r7=-np.inf, r9=np.nan), T)
    assert text == (
        "preds.pt: 4 predictions are not finite (row 3: nan, row 5: inf, row 7: -inf, …); "
        "--nan drop leaves these rows out [E3]"
    )
    text = fault(P, changed(T, r2=np.nan, r4=-np.inf))
    assert text.startswith("targets.pt: 2 targets are not finite (row 2: nan, row 4: -inf); --nan drop")


def test_nan_drop_leaves_out_the_rows_of_either_side():
    found = report(changed(P, r3=np.nan, r5=np.inf), changed(T, r5=np.nan, r8=-np.inf), nan="drop")
    left = np.delete(np.arange(10), [3, 5, 8])
    assert numbers(found) == numbers(report(P[left], T[left]))
    assert (found.n, found.ignored) == (7, 3)
    assert found.findings[0].text == "3 rows were dropped (--nan)"


def test_nan_wrong_has_no_meaning():
    with pytest.raises(UsageError, match="a regression counts no wrong answers"):
        report(P, T, nan="wrong")


def test_ignored_targets_are_left_out_before_everything_else():
    weight = changed(np.ones(10), r2=-1.0)
    found = report(changed(P, r2=np.nan), changed(T, r2=-999.0), ignore_index=-999, weight=weight)
    left = np.delete(np.arange(10), 2)
    assert numbers(found) == numbers(report(P[left], T[left], weight=np.ones(9)))
    assert (found.n, found.ignored) == (9, 1)


def test_of_several_outputs_a_row_goes_as_a_whole():
    preds, target = np.stack([P, P + 1], 1), np.stack([T, T], 1)
    target[4, 1], preds[6, 0] = -999, np.nan
    found = report(preds, target, task="regression", ignore_index=-999, nan="drop")
    left = np.delete(np.arange(10), [4, 6])
    assert numbers(found) == numbers(report(preds[left], target[left], task="regression"))
    assert (found.n, found.ignored) == (8, 2)
    text = fault(preds, np.stack([T, T], 1), task="regression")
    assert "1 prediction is not finite (row 6: nan)" in text


def test_N10_types_are_computed_in_float64():
    wide = numbers(report(P, T))
    for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
        said, truth = P.astype(dtype), T.astype(dtype)
        assert (said.astype(float) == P).all()  # short binary fractions: every type holds them
        assert numbers(report(said, truth)) == wide
    ints = np.array([100, -100, 127, -128, 5], np.int8)
    assert numbers(report(ints, ints.astype(np.float64) + 0.5))["bias"] == -0.5
    assert numbers(report(np.array([True, False]), np.array([0.5, 0.5])))["mae"] == 0.5
    small = np.array([200, 255, 0], np.uint8)
    assert numbers(report(small, small[::-1].copy(), task="regression"))["max_error"] == 200


def test_N11_whole_numbers_beyond_what_float64_holds_are_refused_or_exact():
    text = fault(changed(np.full(10, 2**53), r4=2**53 + 1, r6=-(2**62) - 1), T)
    assert text.startswith(
        "preds.pt: 2 predictions are a whole number that float64 does not hold (row 4: 9007199254740993"
    )
    exact = report(np.array([2**60, 2**61]), np.array([2**60 + 2**20, 2**61]), task="regression")
    assert numbers(exact)["max_error"] == 2**20


def test_values_too_large_to_multiply_are_refused():
    assert fault(changed(P, r0=-1e76), T).startswith("preds.pt: 1 prediction is beyond 1e75 (row 0: -1e+76); give both")
    assert fault(P, changed(T, r9=1e300)).startswith("targets.pt: 1 target is beyond 1e75 (row 9: 1e+300)")
    assert fault(changed(P, r0=-1e76, r1=np.nan), T, nan="drop").startswith("preds.pt: 1 prediction is beyond")


def test_weights_are_checked():
    text = fault(P, T, weight=changed(np.ones(10), r3=-1.0, r4=np.nan))
    assert "2 weights are negative, not finite or huge (row 3: -1.0, row 4: nan)" in text
    with pytest.raises(EmptyError, match="all weights are 0"):
        report(P, T, weight=np.zeros(10))
    with pytest.raises(InputError, match="several weights to a row"):
        report(np.stack([P, P], 1), np.stack([T, T], 1), weight=np.ones((10, 2)), task="regression")


def test_nothing_left_is_no_verdict():
    with pytest.raises(EmptyError, match="all 10 rows are left out"):
        report(np.full(10, np.nan), T, nan="drop")


def test_a_fraction_in_a_row_that_is_dropped_decides_all_the_same():
    """The pass that saw it and the pass that drops it must agree, or passes would never end."""
    whole = np.arange(10.0)
    target, preds = changed(whole, r4=4.5), changed(whole, r4=np.nan)
    text = fault(preds, target, nan="drop")
    assert "1 of 9 targets has a fraction" in text
    found = report(preds, target, nan="drop", task="regression")
    assert (found.n, numbers(found)["mae"]) == (9, 0.0)
    assert report(changed(whole, r4=4.0), changed(whole, r4=-999.5), ignore_index=-999.5).task == "multiclass"


def test_grouped_rows_are_told_by_value():
    repeats = np.array([3, 1, 2, 4, 1, 1, 1, 1, 1, 1])
    found = report(P, T, repeats=repeats)
    written = report(np.repeat(P, repeats), np.repeat(T, repeats))
    assert numbers(found) == numbers(written)
    assert found.n == 16
    text = fault(changed(P, r3=np.nan), T, repeats=repeats)
    assert "4 predictions are not finite (nan)" in text


def test_text_is_no_value():
    with pytest.raises(InputError, match="holds texts such as 'a'"):
        evaluate(text_source(["a", "b"], ["a", "b"]), Choices(task="regression"), Execution())


@pytest.mark.parametrize(
    ("preds", "target", "says"),
    [
        (P, np.arange(10), "--task regression if both are values"),
        (np.stack([P, P], 1), np.stack([T, T], 1), "for values --task regression"),
        (P.reshape(5, 2), T.reshape(5, 2).astype(np.float32), "for values --task regression"),
        (P.reshape(5, 2, 1, 1), T.reshape(5, 2, 1, 1), "if these are values, --task regression"),
    ],
)
def test_a_classification_that_may_be_none_names_the_flag(preds, target, says):
    assert says in fault(preds, target)


def test_metrics_of_the_other_family_are_refused_with_a_way_out():
    with pytest.raises(UsageError, match="rmse is a metric of regression tasks, and this one is multiclass; if both"):
        report(np.array([0, 1, 2]), np.array([0, 1, 2]), metrics=("rmse",))
    with pytest.raises(
        UsageError, match="accuracy is a metric of binary or multiclass tasks, and this one is regression"
    ):
        report(P, T, metrics=("accuracy",))
    with pytest.raises(UsageError, match="the report has no slices by 'region'"):
        report(P, T, metrics=("rmse@region=EU",))


@pytest.mark.parametrize("scale", [1e-80, 1e-160, 1e-200, 1e-300])
def test_values_too_small_to_be_squared_are_refused(scale):
    assert "all values are within 1e-75 of 0, and cannot be squared" in fault(P * scale, T * scale)
    far = report(np.append(P * scale, 1.0), np.append(T * scale, 1.1))  # beside a usual one they are as good as 0
    assert far.metrics["rmse"].value == pytest.approx(0.1 / np.sqrt(len(P) + 1))


@pytest.mark.parametrize("scale", [1e-80, 1e-200, 1e-300])
def test_squares_of_a_slice_of_tiny_values_are_undefined(scale):
    tiny = np.arange(len(P)) < len(P) // 2
    by = {"unit": np.where(tiny, "small", "usual")}
    size = np.where(tiny, scale, 1.0)
    small, usual = evalcli.evaluate(P * size, T * size, by=by, task="regression").data.slices
    for name in ("rmse", "r2", "pearson", "explained_variance"):
        assert small.metrics[name].value is None
        assert usual.metrics[name].value is not None
    assert small.metrics["mae"].value == pytest.approx(np.abs(P - T)[tiny].mean() * scale)


@pytest.mark.parametrize("scale", [1e-80, 1e-165, 1e-300])
def test_one_side_too_small_to_be_squared_has_no_correlation(scale):
    """The square of a sum outlives the sum of squares: R² was 1e182, and Pearson's root that of a negative number."""
    targets, said = report(P * 1e-74, T * scale).metrics, report(P * scale, T).metrics
    assert targets["pearson"].value is said["pearson"].value is None
    assert targets["r2"].value < 0
    assert said["r2"].value == pytest.approx(1 - (T**2).sum() / ((T - T.mean()) ** 2).sum())
    for metrics, rest in ((targets, P * 1e-74), (said, T)):
        assert metrics["rmse"].value == pytest.approx(np.sqrt((rest**2).mean()))


@pytest.mark.parametrize("name", ["rmse", "mae", "medae", "bias"])
def test_errors_that_are_all_alike_have_the_same_interval_alone(name):
    target = np.arange(50) / 7
    alone, every = (
        evalcli.evaluate(target + 0.5, target, task="regression", metrics=asked).data.metrics[name]
        for asked in ([name], None)
    )
    assert alone == every
    assert alone.low < 0.5 < alone.high


def test_a_small_unit_is_only_a_unit():
    usual, small = report(P, T, task="regression"), report(P * 2.0**-200, T * 2.0**-200, task="regression")
    for name in ("r2", "pearson", "explained_variance"):
        assert small.metrics[name].value == usual.metrics[name].value
    assert small.metrics["rmse"].value == usual.metrics["rmse"].value * 2.0**-200
