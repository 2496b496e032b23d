"""Scores of two and of several classes, and reports on them."""

from __future__ import annotations

import numpy as np

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.task import Choices

SPLIT = ("brier_reliability", "brier_resolution", "brier_uncertainty")
BINARY = (
    *(*SPLIT, "overconfidence", "underconfidence", "excess_aurc"),
    *("auroc", "average_precision", "auroc_fpr0.1", "recall_at_precision0.9", "precision_at_recall0.9"),
    *("specificity_at_sensitivity0.9", "ks", "log_loss", "brier", "ece", "ece_positive", "ece_equal_mass", "mce"),
    *("mean_confidence", "aurc", "accuracy_at_coverage0.9"),
)
MULTICLASS = (
    *("auroc_macro", "auroc_weighted", "auroc[1]", "auroc_ovo", "average_precision_macro"),
    *("average_precision_weighted", "average_precision[0]", "auroc_fpr0.2_macro", "ks_macro", "log_loss", "brier"),
    *("ece", "ece_equal_mass", "ece_classwise", "mce", "mean_confidence", "top2_accuracy", "mean_rank", "mrr", "aurc"),
    *("accuracy_at_coverage0.9", "recall_at_precision0.9_macro", "precision_at_recall0.9_macro"),
    "specificity_at_sensitivity0.9_macro",
)
CLOSE = {"rel": 1e-12, "abs": 1e-12}


def report(source, names, *, run=Execution(workers=1), also=(), **choices):  # noqa: B008 - frozen
    return evaluate(source, Choices(**choices), run, names, also=also)


def values(source, names, **options):
    found = report(source, names, **options).metrics
    assert all(found[name].certified is None for name in names)
    return {name: found[name].value for name in names}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def binary_data(seed, rows=400):
    """Scores with ties, more negatives than positives."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.3).astype(int)
    return truth, (rng.normal(size=rows) + 1.5 * truth).round(2), rng.choice([0.5, 1.0, 3.0], rows)


def class_data(seed, rows=300, classes=4):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, rows, p=[0.5, 0.2, 0.2, 0.1])
    logits = rng.normal(size=(rows, classes)).round(3) * 2
    logits[np.arange(rows), truth] += 1.5
    return truth, logits, rng.choice([0.5, 1.0, 3.0], rows)
