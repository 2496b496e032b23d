"""What is asked of scores: what cannot be had, and what a report then holds."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource
from scored import MULTICLASS, class_data, report, softmax, values
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import evaluate
from evalcli.metrics.registry import parse
from evalcli.task import Choices

LABELS = MemorySource(np.array([0, 1, 2, 1]), np.array([0, 1, 2, 2]))


LOGITS = MemorySource(np.eye(3)[[0, 1, 2, 1]] * 4, np.array([0, 1, 2, 2]))


SCORES = MemorySource(np.array([0.1, 0.8, 0.7, 0.2]), np.array([0, 1, 1, 0]))


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        (LABELS, "auroc_macro", "auroc_macro needs scores, but the predictions are labels"),
        (LABELS, "log_loss", "say so with --scores probs or --scores logits"),
        (MemorySource(np.array([0.0, 1.0, 0.0]), np.array([0, 1, 1])), "ece", "ece needs scores"),
        (LOGITS, "auroc", "use auroc_macro or auroc[0]"),
        (LOGITS, "auroc[9]", "there is no class '9'"),
        (LOGITS, "ece_positive", "ece_positive is a metric of binary tasks, and this one is multiclass"),
        (LOGITS, "top3_accuracy", "top3_accuracy is 1 whatever the model says: there are 3 classes"),
        (SCORES, "top2_accuracy", "is a metric of multiclass tasks, and this one is binary"),
        (SCORES, "auroc_macro", "binary scores rank the positive class only; use auroc"),
        (SCORES, "average_precision[0]", "make '0' the positive class with --positive"),
    ],
)
def test_what_cannot_be_had_says_what_can(source, name, says):
    with pytest.raises(UsageError) as caught:
        report(source, (name,))
    assert says in str(caught.value)
    found = report(source, None, also=(name, "accuracy"))
    assert name not in found.metrics
    assert found.metrics["accuracy"].value is not None


def test_one_column_is_no_score_for_each_of_many_classes():
    with pytest.raises(UsageError, match="needs a score for each of them"):
        report(SCORES, ("log_loss",), task="multiclass")


def test_gates_get_their_scores_beside_the_default_report():
    plain = report(SCORES, ("accuracy",))
    found = report(SCORES, ("accuracy",), also=("auroc", "accuracy"))
    assert found.metrics.pop("auroc").value == 1.0
    assert found.asked == ("accuracy", "auroc")
    assert found.metrics == plain.metrics
    assert "budget" in found.signature
    assert "budget" not in plain.signature


def test_a_report_says_what_scores_say_and_one_of_labels_does_not():
    truth, logits, _ = class_data(3)
    found = report(MemorySource(logits, truth), None)
    assert {"log_loss", "ece", "auroc_macro", "top3_accuracy", "mrr", "aurc", "brier_resolution"} <= {*found.metrics}
    labels = report(MemorySource(logits.argmax(axis=1), truth), None)
    assert {*labels.metrics} < {*found.metrics}
    assert not any(parse(name).entry.needs_scores for name in labels.metrics)
    assert labels.calibration is None
    assert "budget" not in labels.signature


def test_every_class_has_its_ranks():
    truth, logits, _ = class_data(4)
    found = report(MemorySource(logits, truth), None)
    for row in found.per_class:
        assert (
            row.metrics["auroc"]
            == report(MemorySource(logits, truth), (f"auroc[{row.name}]",)).metrics[f"auroc[{row.name}]"]
        )
    shares = [row.metrics["average_precision"].value for row in found.per_class]
    assert found.metrics["average_precision_macro"].value == pytest.approx(sum(shares) / 4, abs=1e-15)
    narrowed = report(MemorySource(logits, truth), ("auroc_macro",))
    assert "auroc" in narrowed.per_class[0].metrics
    assert "average_precision" not in narrowed.per_class[0].metrics
    assert "auroc" not in report(MemorySource(logits, truth), ("accuracy",)).per_class[0].metrics


def test_many_classes_are_not_ranked_one_by_one_unless_asked():
    rng = np.random.default_rng(0)
    source = MemorySource(rng.normal(size=(300, 120)), rng.integers(0, 120, 300))
    found = report(source, None)
    assert "log_loss" in found.metrics
    assert not {"auroc_macro", "ece_classwise", "brier_reliability"} & {*found.metrics}
    assert "auroc" not in found.per_class[0].metrics
    assert "auroc_macro" in report(source, ("auroc_macro",)).metrics


@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_the_reliability_table_adds_up(kind):
    truth, logits, _ = class_data(5)
    scores = logits if kind == "logits" else softmax(logits)
    found = report(MemorySource(scores, truth), None)
    bins = found.calibration.bins
    assert found.calibration.of == "top label"
    assert sum(one.n for one in bins) == found.n
    filled = [one for one in bins if one.n]
    assert all(one.low < one.confidence <= one.high for one in filled)
    right = sum(one.n * one.accuracy for one in filled)
    assert right / found.n == pytest.approx(found.metrics["accuracy"].value, abs=1e-12)
    ece = sum(one.n * abs(one.accuracy - one.confidence) for one in filled) / found.n
    assert ece == pytest.approx(found.metrics["ece"].value, abs=1e-12)


def test_the_surest_rows_come_first():
    truth, logits, _ = class_data(5)
    found = report(MemorySource(logits, truth), None)
    sure = np.sort(softmax(logits).max(axis=1))[::-1]
    right = (logits.argmax(axis=1) == truth)[np.argsort(-softmax(logits).max(axis=1), kind="stable")]
    assert [point.coverage for point in found.coverage] == pytest.approx(np.arange(1, 11) / 10)
    for point in found.coverage:
        rows = round(point.coverage * 300)
        assert point.confidence == pytest.approx(sure[rows - 1], abs=1e-12)
        if sure[rows - 1] != sure[min(rows, 299)]:  # a tie that is cut counts in part
            assert point.accuracy == pytest.approx(right[:rows].mean(), abs=1e-12)
    assert found.coverage[-1].accuracy == pytest.approx(found.metrics["accuracy"].value, abs=1e-12)
    assert report(MemorySource(logits, truth), ("accuracy",)).coverage == ()


def test_over_and_underconfidence_are_the_parts_of_the_calibration_error():
    truth, logits, _ = class_data(6)
    got = values(MemorySource(logits, truth), ("ece", "overconfidence", "underconfidence", "aurc", "excess_aurc"))
    assert got["overconfidence"] + got["underconfidence"] == pytest.approx(got["ece"], abs=1e-15)
    assert 0 < got["excess_aurc"] < got["aurc"]


def test_the_split_of_the_brier_score_is_exact_where_a_bin_holds_one_value():
    rng = np.random.default_rng(6)
    probs = rng.choice(np.arange(1, 15, 2) / 15, 500)  # each inside a bin of its own
    truth = (rng.random(500) < probs).astype(int)
    found = {name: value.value for name, value in report(MemorySource(probs, truth), None).metrics.items()}
    split = found["brier_reliability"] - found["brier_resolution"] + found["brier_uncertainty"]
    assert split == pytest.approx(found["brier"], abs=1e-12)
    share = truth.mean()
    assert found["brier_uncertainty"] == pytest.approx(share * (1 - share), abs=1e-15)


def test_a_model_that_promises_too_much_is_told_by_how_much():
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(2000, 3))
    truth = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    found = report(MemorySource(4 * logits, truth), None)
    (finding,) = [one for one in found.findings if one.code == "overconfident"]
    fitted = found.calibration.temperature
    assert fitted.value == pytest.approx(4, rel=0.15)
    assert fitted.before == pytest.approx(found.metrics["log_loss"].value, abs=1e-12)
    assert fitted.after < fitted.before
    assert f"a temperature of {fitted.value:.3g} would bring" in finding.text
    assert "fitted on these very rows" in finding.text
    assert not any("confident" in one.code for one in report(MemorySource(logits, truth), None).findings)
    (under,) = [one for one in report(MemorySource(logits / 4, truth), None).findings if "confident" in one.code]
    assert under.code == "underconfident"


def test_an_infinite_logit_does_not_disturb_the_temperature():
    truth, logits, _ = class_data(8)
    logits[0, :2], logits[1] = np.inf, -np.inf
    logits[1, 0] = 0.0
    found = report(MemorySource(logits, truth), None)
    assert found.calibration.temperature.value > 0


def test_chosen_top_k():
    rng = np.random.default_rng(9)
    truth, logits = rng.integers(0, 6, 200), rng.normal(size=(200, 6))
    source = MemorySource(logits, truth)
    named = {name for name in report(source, None).metrics if name.startswith("top")}
    assert named == {"top3_accuracy", "top5_accuracy"}
    found = report(source, None, topk=(1, 2))
    assert {name for name in found.metrics if name.startswith("top")} == {"top1_accuracy", "top2_accuracy"}
    assert found.metrics["top1_accuracy"] == found.metrics["accuracy"]
    assert found.asked == ("top1_accuracy", "top2_accuracy")
    with pytest.raises(UsageError, match="top6_accuracy is 1 whatever the model says"):
        report(source, None, topk=(6,))
    with pytest.raises(UsageError, match="needs scores, but the predictions are labels"):
        report(MemorySource(truth, truth), None, topk=(2,))
    with pytest.raises(UsageError, match="a metric of multiclass tasks"):
        report(SCORES, None, topk=(1,))


def test_the_torch_backend_gives_the_same_numbers():
    truth, logits, _ = class_data(11)
    source = MemorySource(logits.astype(np.float32), truth)
    run = Execution("torch", "cpu", 64, 2)
    assert values(source, MULTICLASS, run=run) == values(source, MULTICLASS)


def test_scores_that_rounding_took_past_1_are_counted_whatever_the_batch():
    scores = np.array([0.1, 0.9, 1.0000005, 0.3, 0.7, 0.2, -1e-7])
    truth = np.array([0, 1, 1, 0, 0, 1, 0])
    asked = ("auroc", "log_loss", "brier", "ece", "aurc")
    found = [
        evaluate(MemorySource(scores, truth), Choices(), Execution(workers=1, batch_size=size), asked).metrics
        for size in (1, 2, 7)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["auroc"].value == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert found[0]["brier"].value == pytest.approx(sk.brier_score_loss(truth, scores.clip(0, 1)), abs=1e-6)
