"""Rows of several labels on the way to counts: what counts, what is left out, what is refused and in which words."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.errors import EmptyError, InputError
from evalcli.evaluation import evaluate
from evalcli.task import Choices

RNG = np.random.default_rng(0)
TRUTH = (RNG.random((50, 3)) < [0.5, 0.3, 0.2]).astype(int)
SCORES = np.clip(0.6 * TRUTH + 0.4 * RNG.random((50, 3)), 0, 1).astype(np.float32)
PLACES = ((None, 1), (1, 1), (7, 2), (3, 3))


def report(preds, target, *, batch=None, workers=1, weight=None, columns=None, repeats=None, dtype=None, **choices):
    source = MemorySource(preds, target, weight=weight, columns=columns, repeats=repeats, dtype=dtype)
    return evaluate(source, Choices(**choices), Execution(workers=workers, batch_size=batch))


def every(preds, target, **given):
    """The report, which must not depend on batches or workers."""
    found = [report(preds, target, batch=batch, workers=workers, **given).to_json_object() for batch, workers in PLACES]
    assert all(one == found[0] for one in found)
    return report(preds, target, **given)


def fault(preds, target, kind=InputError, **given):
    """The error, which must not depend on batches or workers."""
    texts = set()
    for batch, workers in PLACES:
        with pytest.raises(kind) as caught:
            report(preds, target, batch=batch, workers=workers, **given)
        texts.add(str(caught.value))
    assert len(texts) == 1
    return texts.pop()


def changed(array, *cells, dtype=None):
    array = array.astype(dtype or array.dtype)
    for row, column, value in cells:
        array[row, column] = value
    return array


def counts(made):
    return [(row.name, row.support, row.predicted, row.metrics["f1"].value) for row in made.per_class]


def test_targets_of_any_type_that_hold_0_and_1_are_the_same():
    plain = every(SCORES, TRUTH)
    assert (plain.task, plain.scores, plain.n, plain.threshold) == ("multilabel", "probs", 50, 0.5)
    for dtype in (bool, np.uint8, np.int8, np.int64, np.float32, np.float64):
        assert report(SCORES, TRUTH.astype(dtype)).metrics == plain.metrics
    turned = report(np.asfortranarray(SCORES), np.asfortranarray(TRUTH))
    assert turned.metrics == plain.metrics


def test_predictions_of_0_and_1_in_any_type_are_the_same():
    said = SCORES >= 0.5
    first = every(said, TRUTH, task="multilabel")
    assert (first.scores, first.threshold) == ("labels", None)
    assert counts(first) == counts(report(SCORES, TRUTH))
    for dtype in (np.uint8, np.int64, np.float32, np.float64):
        assert report(said.astype(dtype), TRUTH, task="multilabel").metrics == first.metrics
        assert report(said.astype(dtype), TRUTH, task="multilabel", scores="labels").metrics == first.metrics
    assert report(said.astype(np.float32), TRUTH).metrics == first.metrics  # floats need no word


def test_scores_that_turn_out_to_be_more_than_0_and_1_late_are_scores():
    late = np.vstack([(SCORES >= 0.5).astype(np.float32), np.float32([[0.25, 0.75, 0.5]])])
    made = every(late, np.vstack([TRUTH, [[0, 1, 1]]]))
    assert made.scores == "probs"
    assert made.metrics["auroc_macro"].value is not None


def test_logits_that_begin_like_probabilities_are_logits():
    logits = np.log(
        SCORES.astype(np.float64).clip(1e-6, 1 - 1e-6) / (1 - SCORES.astype(np.float64).clip(1e-6, 1 - 1e-6))
    )
    first = np.abs(logits) < 1
    order = np.argsort(~first.all(axis=1), kind="stable")
    made = every(logits[order], TRUTH[order])
    assert made.scores == "logits"
    assert counts(made) == counts(report(SCORES, TRUTH))


def test_a_table_that_stays_one_hot_is_classes_until_a_row_says_otherwise():
    hot = np.eye(3, dtype=int)[np.arange(50) % 3]
    probs = np.eye(3)[np.arange(50) % 3] * 0.7 + 0.1
    assert report(probs, hot).task == "multiclass"
    assert every(probs, changed(hot, (49, 0, 1), (49, 1, 1))).task == "multilabel"
    assert every(probs, changed(hot, (49, 0, -1)), ignore_index=-1).task == "multilabel"
    assert [f.code for f in report(probs, changed(hot, (49, 0, 1), (49, 1, 1))).findings][:1] == ["mostly-one-hot"]


def test_a_target_that_is_neither_0_nor_1_is_a_fault_with_its_label():
    text = fault(SCORES, changed(TRUTH, (4, 1, 2), (9, 0, -1), (9, 2, -1)))
    assert text == (
        "targets.pt: 3 targets are neither 0 nor 1 (row 4: 2 at label '1', row 9: -1 at label '0', …); if 2 marks "
        "labels to leave out, add --ignore-index 2 [E3]"
    )
    assert "1 target is neither 0 nor 1 (row 4: 0.5 at label '1'); the truth is 0 and 1; if these are scores" in fault(
        SCORES, changed(TRUTH, (4, 1, 0.5), dtype=float)
    )
    assert "(row 4: inf at label '1')" in fault(SCORES, changed(TRUTH, (4, 1, np.inf), dtype=float))
    assert "(row 3: 2 at label '0'); save 0 and 1, and one other number" in fault(
        SCORES, changed(TRUTH, (3, 0, 2), (4, 0, -1)), ignore_index=-1
    )


def test_a_prediction_that_is_neither_0_nor_1_is_a_fault():
    said = (SCORES >= 0.5).astype(int)
    assert "1 prediction is neither 0 nor 1 (row 7: 3 at label '2'); save 0 and 1, or scores as floats" in fault(
        changed(said, (7, 2, 3)), TRUTH, task="multilabel"
    )
    assert "(row 7: 0.25 at label '2')" in fault(
        changed(said, (7, 2, 0.25), dtype=float), TRUTH, task="multilabel", scores="labels"
    )


def test_ignored_cells_leave_no_trace_beyond_their_number():
    cells = [(3, 0, -1), (3, 1, -1), (3, 2, -1), (8, 1, -1), (20, 2, -1)]
    target = changed(TRUTH, *cells)
    wild = changed(SCORES, (3, 0, 99.0), (8, 1, np.nan), (20, 2, -7.0))
    made = every(wild, target, ignore_index=-1)
    assert (made.n, made.ignored, made.scores) == (49, 1, "probs")
    assert "2 cells are ignored (--ignore-index)" in "".join(f.text for f in made.findings)
    plain = changed(SCORES, (8, 1, 0.5), (20, 2, 0.5))
    kept = np.delete(plain, 3, axis=0), np.delete(target, 3, axis=0)
    assert report(*kept, ignore_index=-1).metrics == made.metrics
    for label in range(3):
        rows = target[:, label] >= 0
        alone = report(SCORES[rows, label], TRUTH[rows, label], task="multilabel")
        mine, other = made.per_class[label], alone.per_class[0]
        assert (mine.support, mine.predicted, mine.metrics) == (other.support, other.predicted, other.metrics)
        square = made.confusion.labels[label]
        assert sum(map(sum, square)) == rows.sum()


def test_missing_targets_are_refused_or_left_out():
    target = changed(TRUTH, (5, 1, np.nan), dtype=float)
    assert "1 target is missing (NaN) (row 5: label '1'); use --nan drop" in fault(SCORES, target)
    assert "1 target is missing" in fault(SCORES, target, nan="wrong")
    made = every(SCORES, target, nan="drop")
    assert (made.n, made.ignored) == (49, 1)
    assert made.metrics == report(np.delete(SCORES, 5, 0), np.delete(TRUTH, 5, 0)).metrics


def test_missing_scores_are_refused_left_out_or_wrong():
    scores = changed(SCORES, (5, 1, np.nan), (6, 0, np.nan), (6, 2, np.nan))
    assert "3 predictions are missing (NaN) (row 5: label '1', row 6: label '0', …); --nan drop leaves" in fault(
        scores, TRUTH
    )
    dropped = every(scores, TRUTH, nan="drop")
    assert (dropped.n, dropped.ignored) == (48, 2)
    assert dropped.metrics == report(np.delete(SCORES, [5, 6], 0), np.delete(TRUTH, [5, 6], 0)).metrics
    wrong = every(scores, TRUTH, nan="wrong")
    said = (SCORES >= 0.5).astype(int)
    for row, label in ((5, 1), (6, 0), (6, 2)):
        said[row, label] = 1 - TRUTH[row, label]
    assert counts(wrong) == counts(report(said, TRUTH, task="multilabel"))
    assert wrong.metrics["auroc_macro"].value is wrong.metrics["lrap"].value is wrong.metrics["log_loss"].value is None
    assert wrong.metrics["subset_accuracy"] == report(said, TRUTH, task="multilabel").metrics["subset_accuracy"]
    assert "3 cells without a score count as wrong (--nan)" in "".join(f.text for f in wrong.findings)


def test_a_label_whose_scores_are_all_there_keeps_its_ranks():
    made = report(changed(SCORES, (5, 1, np.nan)), TRUTH, nan="wrong")
    values = [row.metrics["auroc"].value for row in made.per_class]
    assert values[1] is None
    assert values[0] == report(SCORES, TRUTH).per_class[0].metrics["auroc"].value


def test_weights_are_per_row():
    weight = np.arange(50) % 4 / 2
    made = every(SCORES, TRUTH, weight=weight)
    assert made.weighted
    assert made.per_class[0].support == (weight * TRUTH[:, 0]).sum()
    assert report(SCORES, TRUTH, weight=weight[:, None]).metrics == made.metrics
    for task in (None, "multilabel"):
        text = fault(SCORES, TRUTH, weight=np.ones((50, 3)), task=task)
        assert "there is a weight for each cell; save one for each row" in text
    bad = weight.copy()
    bad[[3, 9]] = -1, np.nan
    assert "2 weights are negative, not finite or huge (row 3: -1.0, row 9: nan)" in fault(SCORES, TRUTH, weight=bad)
    assert "all weights are 0" in fault(SCORES, TRUTH, EmptyError, weight=np.zeros(50))


def test_a_row_may_stand_for_many():
    times = np.arange(50) % 4
    made = every(SCORES, TRUTH, repeats=times)
    again = report(np.repeat(SCORES, times, axis=0), np.repeat(TRUTH, times, axis=0))
    assert (made.n, made.metrics, counts(made)) == (again.n, again.metrics, counts(again))


def test_nothing_left_is_no_verdict():
    assert "all 50 rows are left out" in fault(
        SCORES, np.full((50, 3), -1), EmptyError, ignore_index=-1, task="multilabel"
    )


def test_columns_that_are_named_are_found_by_name():
    order = ("c", "a", "b")
    made = report(SCORES, TRUTH, columns=order)
    assert made.classes == order
    sorted_ = report(SCORES, TRUTH, columns=order, labels=("a", "b", "c"))
    by_name = {row.name: row for row in made.per_class}
    assert {row.name: row for row in sorted_.per_class}["c"].predicted == by_name["c"].predicted


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_score_stored_at_the_threshold_is_predicted(dtype):
    import ml_dtypes

    stored = np.array([[0.7, 0.1], [0.1, 0.7]]).astype(getattr(ml_dtypes, dtype, None) or dtype)
    made = report(stored, np.array([[1, 0], [0, 1]]), task="multilabel", threshold=0.7, dtype=dtype)
    assert made.metrics["subset_accuracy"].value == 1.0


def test_scores_that_rounding_took_past_1_are_probabilities_still():
    scores = changed(SCORES.astype(float), (0, 0, 1.0000005), (1, 1, -1e-7))
    made = every(scores, TRUTH)
    assert made.scores == "probs"
    assert made.metrics["brier"].value == pytest.approx(report(SCORES, TRUTH).metrics["brier"].value, abs=0.02)
    assert made.metrics["auroc_macro"].value is not None
