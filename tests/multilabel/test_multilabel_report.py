"""The report of several labels a row: its numbers beside scikit-learn, its laws, its form, its findings."""

from __future__ import annotations

import numpy as np
import pytest
from labelled_rows import LABELS, data, report
from memory_source import MemorySource
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.metrics.registry import default_names, parse
from evalcli.renderers import render
from evalcli.rules import parse_rules, plain_rules
from evalcli.saved import parse_report
from evalcli.task import Choices
from evalcli.threshold import Chosen, LabelCut


def values(made):
    return {name: value.value for name, value in made.metrics.items()}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_number_of_the_default_report_is_that_of_scikit_learn(seed, ties, weighted):
    scores, target, weight = data(seed, ties=ties)
    by = weight if weighted else None
    said = (scores >= 0.5).astype(int)
    options = {"sample_weight": by, "zero_division": 0}
    expected = {
        "subset_accuracy": sk.accuracy_score(target, said, sample_weight=by),
        "hamming_loss": sk.hamming_loss(target, said, sample_weight=by),
        "hamming_accuracy": 1 - sk.hamming_loss(target, said, sample_weight=by),
        "lrap": sk.label_ranking_average_precision_score(target, scores, sample_weight=by),
        "coverage_error": sk.coverage_error(target, scores, sample_weight=by),
        "ranking_loss": sk.label_ranking_loss(target, scores, sample_weight=by),
    }
    for name, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score),
                        ("jaccard", sk.jaccard_score)):  # fmt: skip
        for average in ("macro", "weighted", "micro", "samples"):
            expected[f"{name}_{average}"] = score(target, said, average=average, **options)
    for name, score in (("auroc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        for average in ("macro", "weighted", "micro"):
            expected[f"{name}_{average}"] = score(target, scores, average=average, sample_weight=by)
    columns = range(4)
    clipped = scores.clip(2.0**-52, 1 - 2.0**-52)
    expected["log_loss"] = np.mean([sk.log_loss(target[:, i], clipped[:, i], sample_weight=by) for i in columns])
    expected["brier"] = np.mean([sk.brier_score_loss(target[:, i], scores[:, i], sample_weight=by) for i in columns])
    cells = sk.multilabel_confusion_matrix(target, said, sample_weight=by)
    tn, fp, fn, _ = cells.reshape(-1, 4).T
    for name, over, under in (("specificity", tn, tn + fp), ("npv", tn, tn + fn)):
        expected[f"{name}_macro"] = np.mean(over / under)
        expected[f"{name}_micro"] = over.sum() / under.sum()
        expected[f"{name}_weighted"] = np.average(over / under, weights=cells[:, 1].sum(axis=1))
    got = values(report(scores, target, weight=by))
    ece = got.pop("ece")
    assert 0 < ece < 0.3
    assert got == pytest.approx(expected, abs=1e-12)
    assert set(got) | {"ece"} == set(default_names("multilabel", target.shape[1]))


def test_per_label_rows_and_squares_are_those_of_scikit_learn():
    scores, target, _ = data(1)
    made = report(scores, target)
    said = (scores >= 0.5).astype(int)
    assert made.classes == LABELS
    assert [[list(row) for row in square] for square in made.confusion.labels] == (
        sk.multilabel_confusion_matrix(target, said).tolist()
    )
    for i, row in enumerate(made.per_class):
        truth, mine = target[:, i], {name: value.value for name, value in row.metrics.items()}
        assert (row.name, row.support, row.predicted) == (LABELS[i], truth.sum(), said[:, i].sum())
        ece = mine.pop("ece")
        assert 0 < ece < 0.3
        assert mine == pytest.approx(
            {
                "precision": sk.precision_score(truth, said[:, i]),
                "recall": sk.recall_score(truth, said[:, i]),
                "f1": sk.f1_score(truth, said[:, i]),
                "specificity": sk.recall_score(1 - truth, 1 - said[:, i]),
                "npv": sk.precision_score(1 - truth, 1 - said[:, i]),
                "jaccard": sk.jaccard_score(truth, said[:, i]),
                "auroc": sk.roc_auc_score(truth, scores[:, i]),
                "average_precision": sk.average_precision_score(truth, scores[:, i]),
                "log_loss": sk.log_loss(truth, scores[:, i]),
                "brier": sk.brier_score_loss(truth, scores[:, i]),
            },
            abs=1e-12,
        )


@pytest.mark.parametrize("weighted", [False, True])
def test_a_label_alone_is_a_binary_task(weighted):
    scores, target, weight = data(2)
    by = weight if weighted else None
    names = (
        "auroc",
        "average_precision",
        "log_loss",
        "brier",
        "ece_positive",
        "f1",
        "specificity",
        "recall_at_precision0.8",
    )
    made = report(scores, target, weight=by)
    more = ("fbeta2", "recall_at_precision0.8", "auroc_fpr0.2", "ks", "ece", "log_loss")
    asked = report(scores, target, weight=by, metrics=tuple(f"{name}[{label}]" for name in more for label in LABELS))
    for i, row in enumerate(made.per_class):
        source = MemorySource(scores[:, i], target[:, i], weight=by)
        alone = values(evaluate(source, Choices(), Execution(workers=1), (*names, "fbeta2", "auroc_fpr0.2", "ks")))
        for name in ("auroc", "average_precision", "log_loss", "brier", "f1", "specificity"):
            assert row.metrics[name].value == alone[name], name
        assert row.metrics["ece"].value == pytest.approx(alone["ece_positive"], abs=1e-15)
        for name in ("fbeta2", "recall_at_precision0.8", "auroc_fpr0.2", "ks"):
            assert asked.metrics[f"{name}[{LABELS[i]}]"].value == alone[name], name
        assert asked.metrics[f"log_loss[{LABELS[i]}]"].value == alone["log_loss"]


@pytest.mark.parametrize("weighted", [False, True])
def test_M01_M02_no_batch_no_worker_and_no_backend_shows(weighted):
    scores, target, weight = data(3)
    target[::7, 2] = -1
    texts = {
        render(report(scores, target, weight=weight if weighted else None, ignore_index=-1, **how), "json")
        for how in ({}, {"batch": 1}, {"batch": 7, "workers": 3}, {"batch": 64, "workers": 2}, {"backend": "torch"})
    }
    assert len(texts) == 1


def test_M03_M04_M05_order_repetition_and_names_move_nothing():
    scores, target, _ = data(4)
    whole = values(report(scores, target))
    order = np.random.default_rng(0).permutation(len(target))
    assert values(report(scores[order], target[order])) == whole
    assert values(report(np.repeat(scores, 3, 0), np.repeat(target, 3, 0))) == pytest.approx(whole, abs=1e-12)
    turned = [3, 0, 2, 1]
    renamed = report(scores[:, turned], target[:, turned], labels=tuple(LABELS[i] for i in turned))
    assert values(renamed) == pytest.approx(whole, abs=1e-12)
    assert {row.name: row for row in renamed.per_class} == {row.name: row for row in report(scores, target).per_class}


def test_M06_ranks_of_logits_and_of_probabilities_are_the_same():
    scores, target, _ = data(5)
    logits = np.log(scores / (1 - scores))
    one, other = values(report(scores, target)), values(report(logits, target))
    for name in one:
        assert other[name] == pytest.approx(one[name], abs=1e-9), name
    far = values(report(logits * 300, target))
    for name in ("auroc_macro", "average_precision_macro", "lrap", "coverage_error", "ranking_loss", "f1_macro"):
        assert far[name] == other[name]


def test_means_run_over_the_labels_that_occur_unless_all_are_declared():
    scores, target, _ = data(6)
    target[:, 3], scores[:, 3] = 0, 0.1
    seen, declared = report(scores, target), report(scores, target, classes="declared")
    said = (scores >= 0.5).astype(int)
    assert seen.averaged == 3
    assert declared.averaged == 4
    expected = sk.f1_score(target, said, average="macro", zero_division=0)
    assert declared.metrics["f1_macro"].value == pytest.approx(expected, abs=1e-12)
    assert seen.metrics["f1_macro"].value == pytest.approx(expected * 4 / 3, abs=1e-12)
    assert "labels:seen(3/4)" in seen.signature
    assert {"f1[eel]", "recall[eel]", "auroc[eel]"} <= set(seen.undefined)
    ranked = sk.roc_auc_score(target[:, :3], scores[:, :3], average="macro")
    assert seen.metrics["auroc_macro"].value == pytest.approx(ranked, abs=1e-12)


def test_past_the_budget_numbers_are_certified():
    rng = np.random.default_rng(7)
    target = (rng.random((5000, 4)) < 0.3).astype(int)
    scores = rng.random((5000, 4)) * 0.9 + 0.1 * target
    exact, binned = report(scores, target), report(scores, target, budget=100_000)
    for name in ("auroc_macro", "auroc_micro", "average_precision_weighted"):
        low, high = binned.metrics[name].certified
        assert low <= exact.metrics[name].value <= high
        assert exact.metrics[name].certified is None
    assert values(binned)["f1_macro"] == values(exact)["f1_macro"]


def test_a_report_is_saved_and_read_to_the_same_bytes():
    scores, target, weight = data(8)
    cuts = tuple(LabelCut(name, 0.1 * i + 0.2, None) for i, name in enumerate(LABELS))
    chosen = Chosen("tuned.json", None, None, "probs", None, labels=cuts)
    for made in (
        report(scores, target),
        report(scores, target, weight=weight),
        report(scores, target, task="multilabel", chosen=chosen),
        report(scores >= 0.5, target, task="multilabel"),
    ):
        text = render(made, "json")
        again = parse_report(text)
        assert render(again, "json") == text
        assert again.confusion == made.confusion
        assert again.threshold == made.threshold
    assert parse_report(render(report(scores, target), "json")).threshold == 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["confusion"].update(labels=[[[1, 2], [3, 4]]]), "has 1 parts, not one for each"),
        (lambda d: d["confusion"]["labels"].__setitem__(1, [[1, 2, 3], [4, 5, 6]]), "is not 2 by 2"),
        (lambda d: d["confusion"]["labels"].__setitem__(1, [[1, "2"], [4, 5]]), "is '2', not a number"),
        (lambda d: d.update(threshold=[0.5]), "threshold has 1 parts"),
        (lambda d: d.update(threshold=[0.5, 0.5, "x", 0.5]), "threshold[2] is 'x', not a number"),
    ],
)
def test_a_broken_report_says_what_is_wrong(change, words):
    import json

    document = json.loads(render(report(*data(0)[:2]), "json"))
    change(document)
    with pytest.raises(InputError) as caught:
        parse_report(json.dumps(document))
    assert words in str(caught.value)


def test_what_is_asked_for_is_computed_and_nothing_else():
    scores, target, _ = data(0)
    made = report(scores, target, metrics=("f1_samples", "fbeta2_micro", "recall[owl]", "auroc_micro"))
    assert list(made.metrics) == ["f1_samples", "fbeta2_micro", "recall[owl]", "auroc_micro"]
    assert set(made.per_class[0].metrics) == {
        "precision", "recall", "f1", "specificity", "npv", "jaccard", "auroc", "average_precision",
    }  # fmt: skip
    counted = report(scores, target, metrics=("f1_macro",))
    assert "auroc" not in counted.per_class[0].metrics


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("accuracy", "say subset_accuracy"),
        ("mcc", "mcc is a metric of binary or multiclass tasks, and this one is multilabel"),
        ("recall", "use recall_macro or recall[cat]"),
        ("recall[lynx]", "there is no class 'lynx'; use one of 'cat'"),
        ("auroc", "use auroc_macro or auroc[cat]"),
        ("top3_accuracy", "a metric of multiclass tasks"),
    ],
)
def test_what_labels_do_not_have_is_refused(name, words):
    scores, target, _ = data(0)
    with pytest.raises(UsageError) as caught:
        report(scores, target, metrics=(name,))
    assert words in str(caught.value)


def test_labels_have_no_metrics_of_scores():
    scores, target, _ = data(0)
    for said in (scores >= 0.5, (scores >= 0.5).astype(float)):
        with pytest.raises(UsageError, match="lrap needs scores, but the predictions are labels"):
            report(said, target, task="multilabel", metrics=("lrap",))
    made = report(scores >= 0.5, target, task="multilabel")
    assert not any(parse(name).entry.needs_scores for name in made.metrics)
    assert "auroc" not in made.per_class[0].metrics


def test_a_classification_has_no_mean_over_rows():
    rng = np.random.default_rng(0)
    source = MemorySource(rng.normal(size=(50, 3)), rng.integers(0, 3, 50))
    for name, words in (
        ("f1_samples", "only multilabel tasks have"),
        ("auroc_micro", "only multilabel"),
        ("log_loss[1]", "one number over all classes"),
        ("lrap", "a metric of multilabel tasks, and this one is multiclass; say mrr"),
    ):
        with pytest.raises(UsageError, match=words.replace("[", r"\[")):
            evaluate(source, Choices(), Execution(workers=1), (name,))


def test_gates_read_labels_averages_and_rows():
    scores, target, _ = data(0)
    rules = (
        *parse_rules(["f1_samples=0.1", "recall[owl]=0.01", "lrap=0.5", "auroc_micro=0.5"], ["hamming_loss=0.9"]),
        *plain_rules({"f1": 0.1}),
    )
    also = [name for rule in rules for name in rule.names]
    made = report(scores, target, also=also)
    assert [verdict.status for verdict in judge(made, rules)] == ["pass"] * 6
    assert [verdict.status for verdict in judge(made, parse_rules(["f1_samples=0.99", "recall[owl]=1"]))] == [
        "fail"
    ] * 2
    missing = judge(made, parse_rules(["accuracy=0.1", "recall[lynx]=0.1", "mcc=0.1"]))
    assert [verdict.status for verdict in missing] == ["missing"] * 3
    assert "subset_accuracy" in missing[0].reason
