"""Names of metrics: what parses, what is refused and how, what is listed."""

import subprocess
import sys

import numpy as np
import pytest

from evalcli.errors import UsageError
from evalcli.metrics import Counts
from evalcli.metrics.registry import (
    AVERAGES,
    METRICS,
    PER_CLASS,
    MetricName,
    check_task,
    default_names,
    evaluate,
    parse,
)

COUNTS = Counts(np.array([8, 1]), np.array([9, 3]), np.array([10, 2]), np.asarray(12))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("accuracy", MetricName("accuracy")),
        ("f1_macro", MetricName("f1", "macro")),
        ("recall[fraud]", MetricName("recall", label="fraud")),
        ("recall[a]b]", MetricName("recall", label="a]b")),
        ("recall[[red]dog]", MetricName("recall", label="[red]dog")),
        ("recall[a@b=c]", MetricName("recall", label="a@b=c")),
        ("recall[x]@y=z]", MetricName("recall", label="x]@y=z")),
        ("recall[]", MetricName("recall", label="")),
        ("recall[two\nlines]", MetricName("recall", label="two\nlines")),
        ("fbeta2_macro", MetricName("fbeta", "macro", 2.0)),
        ("fbeta0.5", MetricName("fbeta", parameter=0.5)),
        ("fbeta10[macro]", MetricName("fbeta", parameter=10.0, label="macro")),
        ("accuracy@region=EU", MetricName("accuracy", slice_by="region", slice_value="EU")),
        ("f1_macro@a[0]=x=y", MetricName("f1", "macro", slice_by="a[0]", slice_value="x=y")),
        ("recall[a]b]@region=*", MetricName("recall", label="a]b", slice_by="region", slice_value="*")),
        ('f1@="a=b"="x"', MetricName("f1", slice_by="a=b", slice_value="x")),
        ('f1@="a=b"=*', MetricName("f1", slice_by="a=b", slice_value="*")),
        ('f1@="a"="*"', MetricName("f1", slice_by="a", slice_value="*", slice_starred=True)),
        ('f1@="a=b":gap', MetricName("f1", slice_by="a=b")),
        ('f1@="a"="x "', MetricName("f1", slice_by="a", slice_value="x ")),
        ('f1@="a"="say ""x"" "', MetricName("f1", slice_by="a", slice_value='say "x" ')),
        ('recall[cat]@="a"="x]"', MetricName("recall", label="cat", slice_by="a", slice_value="x]")),
        ('f1@="=a"="="', MetricName("f1", slice_by="=a", slice_value="=")),
        ('f1@"a"="x"', MetricName("f1", slice_by='"a"', slice_value='"x"')),
        ("f1@a= x", MetricName("f1", slice_by="a", slice_value=" x")),
        ('demographic_parity_difference@="a:gap"', MetricName("demographic_parity_difference", slice_by="a:gap")),
        ("majority_baseline", MetricName("majority_baseline")),
        ("auroc", MetricName("auroc")),
        ("auroc_fpr0.1", MetricName("auroc_fpr", parameter=0.1)),
        ("auroc_fpr0.05_macro", MetricName("auroc_fpr", "macro", 0.05)),
        ("average_precision_weighted", MetricName("average_precision", "weighted")),
        ("recall_at_precision0.9[cat]", MetricName("recall_at_precision", parameter=0.9, label="cat")),
        ("specificity_at_sensitivity1", MetricName("specificity_at_sensitivity", parameter=1.0)),
        ("accuracy_at_coverage0.0001", MetricName("accuracy_at_coverage", parameter=0.0001)),
        ("top5_accuracy", MetricName("topk_accuracy", parameter=5.0)),
        ("top1000000_accuracy", MetricName("topk_accuracy", parameter=1e6)),
        ("fbeta2_samples", MetricName("fbeta", "samples", 2.0)),
        ("auroc_micro", MetricName("auroc", "micro")),
        ("log_loss[cat]", MetricName("log_loss", label="cat")),
        ("lrap", MetricName("lrap")),
    ],
)
def test_parse_and_back(text, name):
    assert parse(text) == name
    assert str(name) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("fbeta2.0", "fbeta2"), ("fbeta00.50_micro", "fbeta0.5_micro"), ("top03_accuracy", "top3_accuracy"),
     ("recall_at_precision0.90", "recall_at_precision0.9"), ("auroc_fpr1.0", "auroc_fpr1")],
)  # fmt: skip
def test_one_name_per_metric(text, canonical):
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("acuracy", "did you mean accuracy"),
        ("Accuracy", "did you mean accuracy"),
        ("f1_makro", "did you mean f1_macro"),
        ("f2_macro", "fbeta2_macro"),
        ("xyzzy", "see evalcli metrics"),
        ("", "see evalcli metrics"),
        ("fbeta_macro", "needs its beta"),
        ("fbeta0", "beta must be between 0.001 and 1000"),
        ("auroc_fpr", "needs its highest false positive rate; write it as in auroc_fpr0.1_macro or auroc_fpr0.1[cat]"),
        ("topk_accuracy", "needs its k; write it as in top3_accuracy"),
        ("top_accuracy", "did you mean top3_accuracy"),
        ("top0_accuracy", "k must be whole and between 1 and"),
        ("top2.5_accuracy", "k must be whole"),
        ("auroc_fpr0", "highest false positive rate must be between 0.0001 and 1"),
        ("recall_at_precision1.5", "precision must be between 0.0001 and 1"),
        ("accuracy_at_coverage90", "coverage must be between 0.0001 and 1"),
        ("auroc_samples", "auroc has no samples mean; use auroc_macro or auroc_weighted"),
        ("auroc_ovo_macro", "use auroc_ovo"),
        ("mce[cat]", "mce is one number over all classes"),
        ("log_loss_macro", "log_loss is one number over all classes"),
        ("auc_macro", "did you mean auroc_macro"),
        ("roc_auc", "did you mean auroc"),
        ("sensitivity[cat]", "did you mean recall"),
        ("macro_f1", "did you mean f1_macro"),
        ("AP", "did you mean average_precision"),
        ("top_k_accuracy", "did you mean top3_accuracy"),
        ("accuracy_macro", "accuracy is one number over all classes; use accuracy"),
        ("mcc[cat]", "mcc is one number over all classes; use mcc"),
        ("recall_macro[cat]", "use recall_macro or recall[cat]"),
        ("recall[cat", "write it like"),
        ("accuracy@region", "write it like"),
        ("accuracy@=EU", "write it like"),
        ("recall[a]b", "write it like"),
    ],
)
def test_what_names_no_metric_is_refused_with_a_way_out(text, says):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_default_name_parses_and_belongs_to_its_task():
    for task in ("binary", "multiclass", "multilabel"):
        names = default_names(task)
        assert len(set(names)) == len(names)
        for name in names:
            assert str(parse(name)) == name
            assert task in parse(name).entry.tasks
            check_task(parse(name), task)
    assert set(default_names("multiclass")) < set(default_names("binary"))
    assert set(PER_CLASS) < set(default_names("binary"))
    assert set(default_names("regression")) < {name for name, entry in METRICS.items() if entry.per_output}


@pytest.mark.parametrize(
    ("text", "task", "says"),
    [
        ("f1_samples", "multiclass", "only multilabel tasks have, and this one is multiclass; use f1_macro"),
        ("auroc_micro", "binary", "use auroc_macro"),
        ("log_loss[cat]", "multiclass", "log_loss is one number over all classes; use log_loss"),
        ("lrap", "binary", "lrap is a metric of multilabel tasks, and this one is binary"),
        ("accuracy", "multilabel", "say subset_accuracy"),
        ("mcc", "multilabel", "mcc is a metric of binary or multiclass tasks"),
    ],
)
def test_what_another_task_has_is_refused_with_a_way_out(text, task, says):
    with pytest.raises(UsageError) as caught:
        check_task(parse(text), task)
    assert says in str(caught.value)


def test_every_row_is_complete():
    for name, entry in METRICS.items():
        assert entry.name == name
        for text in (entry.title, entry.formula_text, entry.source, entry.summary, entry.convention):
            assert text == text.strip()
            assert text
        assert entry.low < entry.high
        means = AVERAGES[:2] if entry.needs_scores else AVERAGES
        if entry.name != "selection_rate":
            assert entry.averages == (means if entry.per_class else ())
        example = f"{entry.example}@sex" if entry.reads == "slices" else entry.example
        assert str(parse(example)) == example
        assert entry.name == name
        assert (entry.parameter is None) == (entry.spelling == "")


def test_the_catalogue_is_read_without_numpy_and_without_a_state():
    code = "import sys, evalcli.metrics.registry as r; print(sorted({'numpy', 'evalcli.metrics.ranking', "
    code += "'evalcli.metrics.roc'} & set(sys.modules)), len(r.METRICS))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", str(len(METRICS))]


def test_a_bare_per_class_name_needs_a_positive_class():
    assert evaluate(parse("recall"), COUNTS, positive=1) == pytest.approx(1 / 3)
    with pytest.raises(UsageError) as caught:
        evaluate(parse("precision"), COUNTS, classes=("cat", "dog"))
    assert "use precision_macro or precision[cat]" in str(caught.value)
    with pytest.raises(UsageError, match="no positive class"):
        evaluate(parse("fbeta2"), COUNTS)


def test_a_class_is_found_by_its_name():
    assert evaluate(parse("recall[a]b]"), COUNTS, classes=("x", "a]b")) == pytest.approx(1 / 3)
    with pytest.raises(UsageError) as caught:
        evaluate(parse("recall[frod]"), COUNTS, classes=("fraud", "ok"))
    assert "there is no class 'frod'; use one of 'fraud', …" in str(caught.value)
    with pytest.raises(UsageError, match="no class"):
        evaluate(parse("recall[1]"), COUNTS)
