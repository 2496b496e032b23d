"""What each number means where tools disagree: one test for each row of the table of conventions, by its number.

The numbers are those of the table. Rows 21 and 22 stand with the regression, 26 and 27 with the gates, 28 with the
intervals; what a row needs beyond its example is tested where it is built.
"""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource
from sklearn import metrics as sk

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.evaluation import evaluate
from evalcli.metrics import ClassCounts
from evalcli.metrics.ranking import KeyTable, auroc
from evalcli.renderers.terminal import plain
from evalcli.task import Choices


def report(preds, target, names=None, *, size=None, weight=None, **choices):
    source = MemorySource(np.asarray(preds), np.asarray(target), weight=weight)
    return evaluate(source, Choices(**choices), Execution(batch_size=size, workers=1), names)


def value(preds, target, name, **options):
    return report(preds, target, (name,), **options).metrics[name].value


def test_convention_01_macro_f1_is_the_mean_of_the_f1_of_classes():
    target, preds = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]
    classes = sk.f1_score(target, preds, average=None)
    assert value(preds, target, "f1_macro") == pytest.approx(classes.mean(), abs=1e-15)
    means = [sk.precision_score(target, preds, average="macro"), sk.recall_score(target, preds, average="macro")]
    assert value(preds, target, "f1_macro") != pytest.approx(2 * means[0] * means[1] / sum(means), abs=1e-3)


def test_convention_02_a_class_absent_on_both_sides_is_in_a_mean_only_if_declared():
    target, preds, names = [0, 1, 1, 2], [0, 1, 2, 2], ("0", "1", "2", "3")
    seen = report(preds, target, ("f1_macro",), labels=names)
    assert seen.metrics["f1_macro"].value == pytest.approx(0.778, abs=5e-4)
    assert (seen.averaged, len(seen.classes)) == (3, 4)
    assert "macro over 3 of 4 classes" in plain(seen)
    assert value(preds, target, "f1_macro", labels=names, classes="declared") == pytest.approx(0.583, abs=5e-4)


def test_convention_03_a_class_predicted_but_never_true():
    target, preds = [0, 1, 1], [0, 1, 2]
    assert value(preds, target, "recall_macro") == 0.5
    assert value(preds, target, "balanced_accuracy") == 0.75


def test_convention_04_nothing_over_nothing_is_undefined_alone_and_0_in_a_mean():
    found = report([0, 0, 1], [0, 0, 2])
    rows = {row.name: row.metrics for row in found.per_class}
    assert rows["2"]["precision"].value is None
    assert rows["2"]["f1"].value == 0.0
    assert {"precision[2]", "recall[1]"} <= {*found.undefined}
    assert found.metrics["precision_macro"].value == pytest.approx(1 / 3, abs=1e-15)


def test_convention_05_accuracy_is_shown_while_all_classes_are_in():
    assert "accuracy " in plain(report([0, 1, 2], [0, 1, 1]))
    assert "micro avg" in plain(report([0, 1, 2], [0, 1, 1], ("f1_macro", "f1_micro", "precision_micro")))


def test_convention_06_accuracy_is_the_share_correct():
    target, preds = [0] * 9 + [1], [0] * 10
    assert value(preds, target, "accuracy") == 0.9
    assert value(preds, target, "balanced_accuracy") == 0.5


def test_convention_07_one_class_has_no_auroc():
    found = report([0.1, 0.7, 0.9], [1, 1, 1], ("auroc",), labels=("0", "1"))
    assert found.metrics["auroc"].value is None
    assert "auroc" in found.undefined


def test_convention_08_a_class_that_is_absent_is_named_and_left_out_of_the_mean_of_ranks():
    target = np.array([0, 0, 1, 1])
    logits = 5 * np.eye(3)[target]
    found = report(logits, target, ("auroc_macro",))
    assert found.metrics["auroc_macro"].value == 1.0
    (finding,) = [one for one in found.findings if one.code == "unranked-classes"]
    assert "'2'" in finding.text


def test_convention_09_ranks_are_those_of_raw_scores():
    scores, target = np.array([100.0, 101.0, 102.0, 103.0, -50.0]), np.array([1, 0, 1, 1, 0])
    exact = sk.roc_auc_score(target, scores)
    assert exact == pytest.approx(0.833, abs=5e-4)
    assert value(scores, target, "auroc") == pytest.approx(exact, abs=1e-15)
    assert sk.roc_auc_score(target, 1 / (1 + np.exp(-scores.astype(np.float32)))) != pytest.approx(exact, abs=0.01)


def test_convention_10_logits_or_probabilities_once_for_the_whole_input():
    scores, target = np.array([0.2, 0.4, -1.0]), np.array([1, 1, 0])
    for size in (1, 2, 3):
        found = report(scores, target, ("accuracy",), size=size)
        assert (found.scores, found.metrics["accuracy"].value) == ("logits", 1.0)
        assert "scores:logits" in found.signature
    with pytest.raises(InputError, match="--scores"):
        report([[0.2, 0.3], [0.9, 0.4]], [0, 1])


def test_convention_11_average_precision_of_one_tie_is_the_share_of_positives():
    assert value([0.5] * 4, [1, 0, 0, 0], "average_precision") == 0.25
    assert value([0.5, 0.1], [0, 0], "average_precision", labels=("0", "1")) is None


def test_convention_12_concentrated_scores_are_ranked_exactly_or_certified():
    rng = np.random.default_rng(0)
    target = (rng.random(20_000) < 0.5).astype(int)
    scores = np.clip(rng.beta(2, 1, 20_000) * (0.7 + 0.3 * target), 0, 1) ** 64
    exact = sk.roc_auc_score(target, scores)
    assert value(scores, target, "auroc") == pytest.approx(exact, abs=1e-12)
    binned = KeyTable(bits=64, budget=20_000)
    binned.update(scores, target)
    bounds = auroc(binned.ranking())
    assert bounds.low <= exact <= bounds.high
    assert 0 < bounds.high - bounds.low < 0.02
    coarse = sk.roc_auc_score(target, np.floor(scores * 200))  # what 200 equal bins make of them
    assert abs(coarse - exact) > 0.05


def test_convention_13_ece_after_guo():
    probs = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.97, 0.03]])
    assert value(probs, [0, 0, 1, 0], "ece") == pytest.approx(0.2425, abs=1e-15)


def test_convention_14_the_rank_of_equal_scores_follows_the_order_of_classes():
    found = report(np.zeros((5, 5)), [0, 1, 2, 3, 4], ("top2_accuracy",), scores="logits")
    assert found.metrics["top2_accuracy"].value == 0.4
    assert "tied-targets" in {one.code for one in found.findings}


def test_convention_15_at_the_threshold_is_positive_and_the_first_of_equals_is_best():
    assert value([0.5, 0.4], [1, 0], "accuracy") == 1.0
    assert value([0.7, 0.4], [1, 0], "accuracy", threshold=0.7) == 1.0
    assert value([[0.5, 0.5], [0.4, 0.6]], [0, 1], "accuracy") == 1.0


def test_convention_16_which_class_is_positive_is_known_or_asked():
    assert report([True, False], [True, True]).positive == "1"
    text = MemorySource([0, 1], [0, 1], labels=("no", "yes"), pred_labels=("no", "yes"))
    assert evaluate(text, Choices(), Execution(workers=1)).positive == "yes"
    text = MemorySource([0, 1], [0, 1], labels=("cat", "dog"), pred_labels=("cat", "dog"))
    with pytest.raises(InputError, match="--positive"):
        evaluate(text, Choices(), Execution(workers=1))


def test_convention_17_mcc_of_a_constant_side():
    assert value([0, 0, 0, 0], [0, 0, 0, 1], "mcc") == 0.0
    assert value([0, 0, 0], [0, 0, 0], "mcc", labels=("0", "1")) is None


def test_convention_18_kappa_of_nothing_but_one_class_is_undefined():
    assert value([0, 0, 0], [0, 0, 0], "kappa", labels=("0", "1")) is None


def test_convention_19_log_loss_is_not_clipped_from_logits_and_clipped_at_the_eps_of_probabilities():
    logits = np.array([[40.0, 0.0], [0.0, 40.0]], np.float32)
    assert value(logits, [1, 0], "log_loss") == 40.0
    probs = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    found = report(probs, [1, 0], ("log_loss",))
    assert found.metrics["log_loss"].value == pytest.approx(-np.log(2.0**-23), abs=1e-12)
    assert "clipped-probabilities" in {one.code for one in found.findings}
    with pytest.raises(InputError, match="sum to 1"):
        report(np.array([[0.5, 0.49]]), [0], ("log_loss",), scores="probs")


def test_convention_20_brier_sums_over_classes_and_halves_for_two():
    probs, target = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), [0, 1]
    assert value(probs, target, "brier") == pytest.approx(0.06, abs=1e-15)
    assert value([0.8, 0.1], [1, 0], "brier") == pytest.approx((0.04 + 0.01) / 2, abs=1e-15)
    assert value([[0.2, 0.8], [0.9, 0.1]], [1, 0], "brier") == pytest.approx((0.04 + 0.01) / 2, abs=1e-15)


@pytest.mark.parametrize("already", [2**24, 2**31, 2**53])
def test_convention_23_counts_are_exact_beyond_what_floats_hold(already):
    counts = ClassCounts(2)
    counts.update(np.array([1]), np.array([1]), repeats=np.array([already]))
    counts.update(np.array([1, 0]), np.array([1, 1]))
    found = counts.compute()
    assert (int(found.n), found.tp.tolist()) == (already + 2, [0, already + 1])


def test_convention_24_nan_is_an_error_a_loss_or_left_out():
    logits, target = [[np.nan, 0.0], [1.0, 0.0], [0.0, 1.0]], [0, 0, 1]
    with pytest.raises(InputError, match="1 prediction is not finite"):
        report(logits, target)
    dropped = report(logits, target, nan="drop")
    assert (dropped.n, dropped.ignored, dropped.metrics["accuracy"].value) == (2, 1, 1.0)
    wrong = report(logits, target, nan="wrong")
    assert (wrong.n, wrong.metrics["accuracy"].value) == (3, pytest.approx(2 / 3, abs=1e-15))


@pytest.mark.parametrize("rows", [60, 400])
@pytest.mark.parametrize("weighted", [False, True])
def test_convention_24_of_two_classes_one_is_left_alone_where_the_other_is_found(rows, weighted):
    rng = np.random.default_rng(rows)
    target = rng.integers(0, 2, rows)
    scores = [np.clip(target * slope + 0.2 + rng.normal(0, 0.35, rows), 0, 1) for slope in (0.6, 0.5)]
    for side, share in zip(scores, (0.1, 0.05), strict=True):
        side[rng.random(rows) < share] = np.nan
    weight = rng.gamma(1, 1, rows) if weighted else None
    pairs = [
        ("specificity", "recall[0]"), ("npv", "precision[0]"), ("specificity_macro", "recall_macro"),
        ("npv_macro", "precision_macro"), ("specificity_micro", "recall_micro"), ("npv_micro", "precision_micro"),
    ]  # fmt: skip
    asked = {"nan": "wrong", "metrics": [name for pair in pairs for name in pair], "weight": weight}
    found = evalcli.evaluate(scores[0], target, **asked).data.metrics
    for one, other in pairs:
        mine, theirs = ((row.value, row.low, row.high) for row in (found[one], found[other]))
        assert mine == pytest.approx(theirs, abs=1e-9), one
    told = evalcli.compare(*scores, target=target, **asked).data.to_json_object()["metrics"]
    for one, other in pairs[:4]:
        mine, theirs = (told[name]["differences"][1] for name in (one, other))
        numbers = ("value", "low", "high", "p", "detectable")
        assert [mine[name] for name in numbers] == pytest.approx([theirs[name] for name in numbers], abs=1e-9), one


def test_convention_25_rows_are_targets():
    found = report([1, 1, 1], [0, 0, 1])
    assert found.confusion.matrix == ((0, 2), (0, 1))
    assert found.to_json_object()["confusion"]["rows"] == "target"


def test_convention_29_ignored_rows_are_dropped_before_everything():
    plainly = report([[2.0, 1.0], [0.0, 3.0]], [0, 1])
    found = report([[2.0, 1.0], [np.nan, 9.0], [0.0, 3.0]], [0, -100, 1], ignore_index=-100)
    assert (found.n, found.ignored) == (2, 1)
    assert found.metrics == plainly.metrics


def test_convention_30_specificity_and_npv_of_every_class():
    target, preds = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    for i, row in enumerate(report(preds, target).per_class):
        (tn, fp), (fn, _) = sk.confusion_matrix(target == i, preds == i)
        assert row.metrics["specificity"].value == pytest.approx(tn / (tn + fp), abs=1e-15)
        assert row.metrics["npv"].value == pytest.approx(tn / (tn + fn), abs=1e-15)


def test_convention_31_weights_are_summed_and_n_counts_rows():
    weight = np.array([0.5, 2.0, 1.25])
    found = report([0, 1, 1], [0, 1, 0], weight=weight)
    assert (found.n, found.weighted) == (3, True)
    assert found.metrics["accuracy"].value == pytest.approx(2.5 / 3.75, abs=1e-15)
    with pytest.raises(InputError, match="weight"):
        report([0, 1], [0, 1], weight=np.array([1.0, -1.0]))


def test_convention_32_class_order():
    text = MemorySource([0, 1, 2], [2, 1, 0], labels=("10", "9", "b"), pred_labels=("10", "9", "b"))
    assert evaluate(text, Choices(), Execution(workers=1)).classes == ("10", "9", "b")
    assert report([10, 9, 2], [10, 2, 9]).classes == ("2", "9", "10")
    assert report([0, 1], [1, 0], labels=("z", "a"), task="multiclass").classes == ("z", "a")
