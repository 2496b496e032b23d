"""What happens to the values of a batch: faults, ignored and dropped rows, thresholds, weights, repeats."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from memory_source import MemorySource, text_source

from evalcli.engine import Execution
from evalcli.errors import EmptyError, InputError
from evalcli.evaluation import evaluate
from evalcli.task import Choices

LOGITS = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
TRUTH = np.random.default_rng(1).integers(0, 3, 50)


def report(preds, target, *, batch=None, workers=1, backend="auto", source=None, **given):
    choices = {key: given.pop(key) for key in list(given) if key in Choices.__slots__ and key != "labels"}
    if "names" in given:
        choices["labels"] = given.pop("names")
    source = source or MemorySource(preds, target, **given)
    return evaluate(source, Choices(**choices), Execution(backend, "auto", batch, workers))


def fault(preds, target, **given):
    """The error, which must not depend on batches or workers."""
    texts = set()
    for batch, workers in ((None, 1), (1, 1), (7, 2), (3, 3)):
        with pytest.raises(InputError) as caught:
            report(preds, target, batch=batch, workers=workers, **given)
        texts.add(str(caught.value))
    assert len(texts) == 1
    return texts.pop()


def matrix(found):
    return np.array(found.confusion.matrix)


def changed(array, **values):
    array = np.array(array, copy=True)
    for row, value in values.items():
        array[int(row[1:])] = value
    return array


# Rows that cannot be counted


def test_N08_target_out_of_range_asks_for_the_ignore_index():
    text = fault(LOGITS, changed(TRUTH, r4=-100, r9=-100, r20=-1, r30=3))
    assert text == (
        "targets.pt: 4 targets are outside the classes 0 to 2 (row 4: -100, row 9: -100, row 20: -1, …); "
        "if -100 marks rows to leave out, add --ignore-index -100 [E3]"
    )
    assert "; do they count from 1? save them less 1, or name the classes: --labels 1,2,3" in fault(LOGITS, TRUTH + 1)
    assert "--labels" not in fault(LOGITS, TRUTH + (TRUTH > 0))  # some are 0
    assert "1 target is outside the classes from 0 (row 4: -1); if -1 marks" in fault(TRUTH, changed(TRUTH, r4=-1))
    both = fault(LOGITS, changed(TRUTH, r4=-100, r9=7), ignore_index=-100)
    assert "1 target is outside the classes 0 to 2 (row 9: 7); labels count from 0" in both


def test_N09_prediction_out_of_range_never_folds_into_a_cell():
    names = ("a", "b", "c")
    assert "preds.pt: 1 prediction is outside the classes from 0 (row 3: -1)" in fault(changed(TRUTH, r3=-1), TRUTH)
    text = fault(changed(TRUTH, r3=3, r5=-1), TRUTH, names=names)
    assert "2 predictions are outside the classes 0 to 2 (row 3: 3, row 5: -1)" in text
    assert "--ignore-index -1" not in text
    assert "(row 3: 3)" in fault(changed(TRUTH, r3=3), np.eye(3, dtype=int)[TRUTH])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint16, np.int64, np.uint32])
def test_N10_narrow_integers_do_not_wrap(dtype):
    target, preds = np.arange(17).repeat(3).astype(dtype), np.roll(np.arange(17), 1).repeat(3).astype(dtype)
    expected = np.zeros((17, 17), int)
    expected[np.arange(17), np.roll(np.arange(17), 1)] = 3
    assert (matrix(report(preds, target)) == expected).all()


def test_N11_float_labels_are_whole_or_refused():
    floats = TRUTH.astype(np.float32)
    assert (matrix(report(floats, TRUTH)) == matrix(report(TRUTH, TRUTH))).all()
    assert (matrix(report(LOGITS, floats)) == matrix(report(LOGITS, TRUTH))).all()
    text = fault(LOGITS, changed(floats, r3=0.5, r8=np.inf, r9=1e20))
    assert "3 targets are no whole number (row 3: 0.5, row 8: inf, row 9: 1e+20)" in text
    assert "2 targets are missing (NaN) (row 3, row 5)" in fault(LOGITS, changed(floats, r3=np.nan, r5=np.nan))
    text = fault(changed(floats, r3=0.5, r8=np.inf), TRUTH, scores="labels")
    assert "2 predictions are no whole number (row 3: 0.5, row 8: inf)" in text
    assert "prediction is outside the classes from 0 (row 3: -1)" in fault(
        changed(floats, r3=-1), TRUTH, scores="labels"
    )


def test_labels_far_beyond_any_class_are_an_error_not_a_huge_table():
    assert "(row 3: 4294967296)" in fault(TRUTH, changed(TRUTH, r3=2**32))
    assert "(row 3: 4611686018427387904)" in fault(changed(TRUTH, r3=2**62), TRUTH)
    assert "(row 3: 16777216)" in fault(TRUTH, changed(TRUTH, r3=2**24))
    assert report(changed(TRUTH, r3=2**20), TRUTH).classes[-1] == str(2**20)


def test_rows_are_numbered_as_in_the_file_in_every_layout():
    target = np.random.default_rng(2).integers(0, 3, (10, 4, 5))
    scores = np.random.default_rng(3).normal(size=(10, 3, 4, 5)).astype(np.float32)
    target[2, 1, 1], target[7, 3, 4] = 255, 255
    for preds in (scores, np.moveaxis(scores, 1, -1)):
        assert "2 targets are outside the classes 0 to 2 (row 2: 255, row 7: 255)" in fault(preds, target)
        assert report(preds, target, ignore_index=255).n == 198
    broken = scores.copy()
    broken[9, 1, 0, 0] = np.nan
    assert "1 prediction is not finite" in fault(broken, target, ignore_index=255)
    assert "(row 9)" in fault(broken, target, ignore_index=255)
    broken[7, 1, 3, 4] = np.nan  # an ignored element
    assert "1 prediction is not finite" in fault(broken, target, ignore_index=255)


def test_not_one_hot():
    hot = np.eye(3, dtype=int)[TRUTH]
    broken = changed(hot, r2=[0, 0, 0], r3=[1, 1, 0], r4=[2, -1, 0], r6=[0, 2, 0])
    text = fault(LOGITS, broken, task="multiclass")
    assert "4 targets are not one-hot (one 1, else 0) (row 2, row 3, row 4, …)" in text
    floats = hot.astype(np.float32)
    assert (matrix(report(LOGITS, floats)) == matrix(report(LOGITS, TRUTH))).all()
    assert "(row 2)" in fault(LOGITS, changed(floats, r2=[np.nan, 1, 0]))
    assert "1 target is not one-hot" in fault(LOGITS, changed(hot, r4=[2, -1, 0]))
    assert "3 targets are neither 0 nor 1" in fault(LOGITS, broken)  # rows of none and of two: several labels a row
    assert (matrix(report(LOGITS, hot.astype(bool))) == matrix(report(LOGITS, TRUTH))).all()


def test_faults_of_counted_groups_count_rows_and_name_values():
    source = {"labels": ("a", "b", "x"), "pred_labels": ("a", "b", "x")}
    repeats = np.array([5, 4, 3, 2])
    with pytest.raises(InputError) as caught:
        report(np.array([0, 1, 0, 1]), np.array([0, 1, 2, 2]), names=("a", "b", "c"), repeats=repeats, **source)
    assert str(caught.value).startswith("targets.pt: 5 targets are none of the classes ('x'); check --labels")


# What does not count


def test_M09_ignored_rows_leave_no_trace():
    plain = report(LOGITS, TRUTH)
    extra = np.vstack([LOGITS, np.full((1, 3), np.nan), np.full((1, 3), 0.5)]).astype(np.float32)
    more = report(extra, np.append(TRUTH, [-100, -100]), ignore_index=-100, batch=7)
    assert (more.n, more.ignored) == (50, 2)
    assert more.metrics == plain.metrics
    assert more.confusion == plain.confusion
    probs = np.random.default_rng(4).dirichlet(np.ones(3), 50)
    odd = report(np.vstack([probs, [[9.0, 9.0, 9.0]]]), np.append(TRUTH, -100), ignore_index=-100)
    assert odd.scores == "probs"
    votes = np.vstack([np.eye(3, dtype=int)[TRUTH], [[1, 1, 0]]])
    assert report(votes, np.append(TRUTH, -100), ignore_index=-100).scores == "labels"


def test_ignored_rows_may_have_any_weight():
    weight = np.append(np.ones(50), [np.nan, -1])
    found = report(np.append(TRUTH, [0, 0]), np.append(TRUTH, [9, 9]), ignore_index=9, weight=weight)
    assert (found.n, found.ignored, found.metrics["accuracy"].value) == (50, 2, 1.0)


def test_ignored_text_is_no_class():
    found = report(None, None, source=text_source(["no", "yes", "-1"], ["no", "yes", "-1"]), ignore_index=-1)
    assert (found.classes, found.task, found.n, found.ignored) == (("no", "yes"), "binary", 2, 1)


@pytest.mark.parametrize("target", [np.full(50, -100), np.full((50, 1), -100)])
def test_N15_nothing_left(target):
    with pytest.raises(EmptyError, match="all 50 rows are left out; check --ignore-index"):
        report(LOGITS, target, ignore_index=-100)
    with pytest.raises(EmptyError, match="all 50 rows are left out"):
        report(np.full((50, 3), np.nan, np.float32), TRUTH, nan="drop")
    with pytest.raises(EmptyError, match="there are no rows"):
        report(np.empty((0, 3), np.float32), np.empty(0, int))
    with pytest.raises(EmptyError, match="all weights are 0"):
        report(LOGITS, TRUTH, weight=np.zeros(50))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_N01_nan_error_drop_wrong(backend):
    broken = changed(LOGITS, r3=[0, np.nan, 9], r7=-np.inf, r9=[np.inf, 0, 0])
    assert "2 predictions are not finite (NaN, or -inf in every column) (row 3, row 7)" in fault(
        broken, TRUTH, backend=backend
    )
    keep = np.delete(np.arange(50), [3, 7])
    best = broken.argmax(axis=1)
    for batch in (None, 1, 5):
        dropped = report(broken, TRUTH, nan="drop", backend=backend, batch=batch)
        wrong = report(broken, TRUTH, nan="wrong", backend=backend, batch=batch)
        assert (dropped.n, wrong.n) == (48, 50)
        assert dropped.metrics["accuracy"].value == (best == TRUTH)[keep].mean()
        assert wrong.metrics["accuracy"].value == (best == TRUTH)[keep].sum() / 50
        assert (matrix(dropped) == matrix(wrong)).all()
        assert sum(row.support for row in wrong.per_class) == 50
        assert sum(row.predicted for row in wrong.per_class) == 48


def test_N01_nan_in_single_scores_and_float_labels():
    truth = TRUTH % 2
    scores = changed(LOGITS[:, 0], r3=np.nan)
    labels = changed(truth.astype(np.float32), r3=np.nan)
    for preds, kind in ((scores, "logits"), (labels, "labels")):
        assert "1 prediction is not finite" in fault(preds, truth)
        dropped, wrong = (report(preds, truth, nan=rule, batch=4) for rule in ("drop", "wrong"))
        assert (dropped.scores, wrong.scores) == (kind, kind)
        assert (dropped.n, wrong.n) == (49, 50)
        said = (preds > 0.5 if kind == "labels" else preds >= 0).astype(int)
        right = np.delete(said == truth, 3)
        assert dropped.metrics["accuracy"].value == right.mean()
        assert wrong.metrics["accuracy"].value == right.sum() / 50
    missing = changed(truth.astype(float), r3=np.nan)
    assert report(scores[4:], missing[4:]).n == 46
    assert report(LOGITS[:, 0], missing, nan="drop").n == 49
    assert "target is missing" in fault(LOGITS[:, 0], missing, nan="wrong")


def test_missing_text_prediction_is_wrong():
    source = MemorySource([0, -1, 1], [0, 1, 1], labels=("no", "yes"), pred_labels=("no", "yes"), repeats=[3, 2, 5])
    found = report(None, None, source=source, nan="wrong")
    assert (found.n, found.metrics["accuracy"].value, found.metrics["recall"].value) == (10, 0.8, 5 / 7)


# Thresholds


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("cut", [0.5, 0.7, 0.1, 0.3, 0.9])
def test_convention_15_a_score_at_the_threshold_is_positive(dtype, cut):
    import ml_dtypes

    stored = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    at = np.array([cut]).astype(stored)[0]
    below, above = (np.nextafter(at, stored.type(x)) for x in (0, 1))
    scores = np.array([below, at, above], stored)
    loaded = np.float64 if dtype == "float64" else np.float32
    truth = np.array([0, 1, 1])
    assert report(scores.astype(loaded), truth, dtype=dtype, threshold=cut).metrics["accuracy"].value == 1
    two = np.stack([1 - scores.astype(np.float64), scores.astype(np.float64)], axis=1).astype(loaded)
    assert report(two, truth, dtype=dtype, threshold=cut, scores="probs").metrics["accuracy"].value == 1


def test_two_columns_of_logits_are_cut_at_the_margin():
    rng = np.random.default_rng(5)
    logits, truth = rng.normal(size=(400, 2)).astype(np.float32), rng.integers(0, 2, 400)
    margin = logits[:, 1].astype(float) - logits[:, 0]
    for threshold in (0.1, 0.5, 0.9):
        said = 1 / (1 + np.exp(-margin)) >= threshold
        found = report(logits, truth, threshold=threshold, batch=33)
        assert found.metrics["accuracy"].value == (said == truth).mean()
        probs = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
        assert report(probs, truth, threshold=threshold).confusion == found.confusion
        flipped = report(logits[:, ::-1].copy(), 1 - truth, threshold=threshold, names=("yes", "no"))
        assert (flipped.positive, flipped.metrics["f1"]) == ("yes", found.metrics["f1"])
    assert report(logits, truth, threshold=0.0).per_class[1].predicted == 400
    assert report(logits, truth, threshold=1.0).per_class[1].predicted == 0


def test_infinite_scores_fall_on_their_side():
    scores, truth = np.array([-np.inf, np.inf, -1.0, 1.0]), np.array([0, 1, 0, 1])
    assert report(scores, truth).metrics["accuracy"].value == 1


# Weights and repeats


def test_convention_31_weights():
    weight = np.random.default_rng(6).random(50)
    for bad, shown in ((-1.0, "-1.0"), (np.inf, "inf"), (np.nan, "nan"), (1e200, "1e+200")):
        assert f"1 weight is negative, not finite or huge (row 8: {shown})" in fault(
            LOGITS, TRUTH, weight=changed(weight, r8=bad)
        )
    found = report(LOGITS, TRUTH, weight=weight)
    right = LOGITS.argmax(axis=1) == TRUTH
    assert found.n == 50
    assert found.metrics["accuracy"].value == pytest.approx((weight * right).sum() / weight.sum(), abs=1e-14)


def test_a_weight_of_a_row_goes_to_all_its_elements():
    rng = np.random.default_rng(7)
    scores, truth, weight = rng.normal(size=(6, 3, 4, 5)), rng.integers(0, 3, (6, 4, 5)), rng.random(6)
    flat = report(np.moveaxis(scores, 1, -1).reshape(-1, 3), truth.reshape(-1), weight=np.repeat(weight, 20))
    for batch in (1, 4, None):
        found = report(scores, truth, weight=weight, batch=batch)
        assert (found.metrics, found.confusion) == (flat.metrics, flat.confusion)


def test_repeats_are_rows():
    rng = np.random.default_rng(8)
    preds, truth, repeats = rng.integers(0, 4, 30), rng.integers(0, 4, 30), rng.integers(1, 9, 30)
    whole = report(np.repeat(preds, repeats), np.repeat(truth, repeats))
    for batch in (None, 1, 7):
        short = report(preds, truth, repeats=repeats, batch=batch)
        assert (short.n, short.metrics, short.confusion) == (whole.n, whole.metrics, whole.confusion)


# Sums of probabilities


def test_N03_probabilities_that_do_not_sum_to_one():
    probs = np.random.default_rng(9).dirichlet(np.ones(3), 50)
    text = fault(changed(probs, r4=[0.3, 0.3, 0.1], r9=[0.5, 0.5, 0.1]), TRUTH)
    assert "scores lie in [0, 1], but 2 rows do not sum to 1 (worst: row 4, off by 0.3)" in text
    rounded = np.tile([0.333, 0.333, 0.333], (50, 1))
    for dtype in (np.float32, np.float64):
        assert report(rounded.astype(dtype), TRUTH, batch=1).scores == "probs"
    half = np.tile([0.336, 0.336, 0.336], (50, 1)).astype(np.float32)
    assert report(half, TRUTH, dtype="float16").scores == "probs"
    text = fault(half, TRUTH)
    assert "50 rows do not sum to 1 (worst: row 0, off by 0.008)" in text
    assert "if they were kept in half precision, save them as before" in text
    for decimals, dtype in ((1, np.float64), (2, np.float32)):  # as of predict_proba().round(2)
        cut = np.random.default_rng(9).dirichlet(np.ones(3), 50).round(decimals).astype(dtype)
        for said in ({}, {"scores": "probs"}):
            text = fault(cut, TRUTH, **said)
            assert f"if they were rounded to {decimals} decimal" in text
            assert "save them as before, or each row divided by its sum" in text
        assert report(cut / cut.sum(axis=1, keepdims=True), TRUTH).scores == "probs"
    assert report(half, TRUTH, scores="logits").scores == "logits"


def test_rows_that_are_left_out_do_not_copy_the_scores_of_the_others():
    """A row of a language model is a text: its scores of all words take as much memory as a batch may, and more."""
    scores = np.random.default_rng(5).normal(size=(1, 400, 20_000)).astype(np.float32)
    target = scores.argmax(axis=2)
    target[0, ::10] = -100
    tracemalloc.start()
    choices = Choices(ignore_index=-100, class_axis=-1, confidence=None)
    found = evaluate(MemorySource(scores, target), choices, Execution(workers=1), ["accuracy"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.metrics["accuracy"].value == 1
    assert found.ignored == 40
    assert peak < 2.5 * scores.nbytes
