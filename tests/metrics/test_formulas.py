"""Formulas against scikit-learn, against fractions, and the numbers of the conventions."""

import math
import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from evalcli.metrics import ClassCounts, ConfusionCounts, Counts
from evalcli.metrics.registry import METRICS, PER_CLASS, evaluate, parse

AVERAGED = ("precision", "recall", "f1", "fbeta2", "fbeta0.5", "jaccard")


def counts_of(target, preds, classes=None, weight=None):
    state = ClassCounts(classes, weighted=weight is not None)
    state.update(np.asarray(preds), np.asarray(target), weight)
    return state.compute()


def value(name, counts, **options):
    return np.asarray(evaluate(parse(name), counts, **options)).item()


def table(*rows):
    """Counts from a confusion matrix of Python integers."""
    matrix = np.array(rows, dtype=object)
    tp, support, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    return Counts(*(array.astype(np.int64) for array in (tp, support, predicted)), np.asarray(int(matrix.sum())))


# The same as scikit-learn, away from degenerate input and in a mean also there.

RNG = np.random.default_rng(0)
TABLES = {
    "random": (RNG.integers(0, 5, 400), RNG.integers(0, 5, 400)),
    "mostly right": (t := RNG.integers(0, 4, 500), np.where(RNG.random(500) < 0.9, t, RNG.integers(0, 4, 500))),
    "binary": (RNG.random(300) < 0.1, RNG.random(300) < 0.3),
    "absent class": (RNG.choice([0, 2, 4], 200), RNG.choice([0, 2, 4], 200)),
    "never predicted": (RNG.integers(0, 4, 200), RNG.integers(0, 3, 200)),
    "never a target": (RNG.integers(0, 3, 200), RNG.integers(0, 4, 200)),
    "all wrong": (np.array([0, 1, 2] * 20), np.array([1, 2, 0] * 20)),
    "constant prediction": (RNG.integers(0, 3, 90), np.zeros(90, int)),
    "one row each": (np.arange(6), np.arange(6)[::-1]),
    "many classes": (RNG.integers(0, 200, 3000), RNG.integers(0, 200, 3000)),
}
TABLES = {
    name: (np.asarray(target).astype(int), np.asarray(preds).astype(int)) for name, (target, preds) in TABLES.items()
}


def by_scikit_learn(name, target, preds, weight, average):
    options = {"average": average, "sample_weight": weight, "zero_division": 0}
    if name.startswith("fbeta"):
        return sk.fbeta_score(target, preds, beta=float(name.removeprefix("fbeta")), **options)
    functions = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    return (functions | {"jaccard": sk.jaccard_score})[name](target, preds, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TABLES)
def test_equals_scikit_learn(case, weighted):
    target, preds = TABLES[case]
    weight = np.random.default_rng(1).gamma(0.5, size=len(target)) if weighted else None
    counts = counts_of(target, preds, weight=weight)
    seen = np.union1d(target, preds)
    for name in AVERAGED:
        for average in ("macro", "weighted", "micro"):
            expected = by_scikit_learn(name, target, preds, weight, average)
            assert value(f"{name}_{average}", counts) == pytest.approx(expected, abs=1e-12), (name, average)
        expected = by_scikit_learn(name, target, preds, weight, None)
        got = [np.nan_to_num(value(f"{name}[{c}]", counts, classes=list(map(str, range(200))))) for c in seen]
        assert got == pytest.approx(expected.tolist(), abs=1e-12)
    assert value("accuracy", counts) == pytest.approx(sk.accuracy_score(target, preds, sample_weight=weight), abs=1e-12)
    assert value("error_rate", counts) == pytest.approx(
        sk.zero_one_loss(target, preds, sample_weight=weight), abs=1e-12
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn announces classes that are never a target
        expected = sk.balanced_accuracy_score(target, preds, sample_weight=weight)
    assert value("balanced_accuracy", counts) == pytest.approx(expected, abs=1e-12)
    assert value("mcc", counts) == pytest.approx(sk.matthews_corrcoef(target, preds, sample_weight=weight), abs=1e-12)
    assert value("kappa", counts) == pytest.approx(sk.cohen_kappa_score(target, preds, sample_weight=weight), abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", TABLES)
def test_specificity_and_npv_from_the_one_vs_rest_tables_30(case, weighted):
    target, preds = TABLES[case]
    weight = np.random.default_rng(1).integers(1, 5, len(target)) / 4 if weighted else None
    classes = int(max(target.max(), preds.max())) + 1
    counts = counts_of(target, preds, weight=weight)
    cells = sk.multilabel_confusion_matrix(target, preds, labels=range(classes), sample_weight=weight)
    tn, fp, fn = (cells[:, i, j].astype(float) for i, j in ((0, 0), (0, 1), (1, 0)))
    names = list(map(str, range(classes)))
    for name, errors in (("specificity", fp), ("npv", fn)):
        expected = [a / (a + b) if a + b else math.nan for a, b in zip(tn, errors, strict=True)]
        got = [value(f"{name}[{c}]", counts, classes=names) for c in names]
        assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)
        seen = np.isin(range(classes), [*target, *preds])
        assert value(f"{name}_macro", counts) == pytest.approx(np.nan_to_num(expected)[seen].mean(), abs=1e-12)
        assert value(f"{name}_micro", counts) == pytest.approx(tn[seen].sum() / (tn + errors)[seen].sum(), abs=1e-12)


def test_predictions_that_are_missing_count_like_another_class():
    rng = np.random.default_rng(2)
    target, preds = rng.integers(0, 3, 300), rng.integers(-1, 3, 300)
    counts = counts_of(target, preds, 3)
    assert value("mcc", counts) == pytest.approx(sk.matthews_corrcoef(target, preds), abs=1e-12)
    assert value("kappa", counts) == pytest.approx(sk.cohen_kappa_score(target, preds), abs=1e-12)
    assert value("accuracy", counts) == pytest.approx((target == preds).mean(), abs=1e-12)
    expected = sk.precision_recall_fscore_support(target, preds, labels=[0, 1, 2], average="macro", zero_division=0)
    got = [value(f"{name}_macro", counts) for name in ("precision", "recall", "f1")]
    assert got == pytest.approx(list(expected[:3]), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 300])
@pytest.mark.parametrize("kind", [ClassCounts, ConfusionCounts, partial(ConfusionCounts, dense_limit=1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_predictions_that_are_missing_leave_no_class_alone(classes, kind, weighted):
    rng = np.random.default_rng(classes)
    target, preds = rng.integers(0, classes, 400), rng.integers(-1, classes, 400)
    preds[rng.random(400) < 0.3] = -1
    quarters = rng.integers(0, 5, 400) if weighted else np.full(400, 4)
    state = kind(classes, weighted=weighted)
    state.update(preds, target, quarters / 4 if weighted else None)
    counts, names = state.compute(), list(map(str, range(classes)))
    held = []
    for c in range(classes):
        of_other, called_other = target != c, (preds != c) & (preds >= 0)
        masks = (of_other & called_other, of_other, called_other)
        held.append([Fraction(int(quarters[mask].sum()), 4) for mask in masks])
    for name, bottom in (("specificity", 1), ("npv", 2)):
        found = [value(f"{name}[{c}]", counts, classes=names) for c in names]
        assert found == [float(one[0] / one[bottom]) for one in held]
        every = sum(one[0] for one in held) / sum(one[bottom] for one in held)
        assert value(f"{name}_micro", counts, scope="declared") == pytest.approx(float(every), abs=1e-15)
        assert value(f"{name}_macro", counts, scope="declared") == pytest.approx(np.mean(found), abs=1e-15)
    if classes == 2:
        for one, other in (("specificity", "recall"), ("npv", "precision")):
            for c in (0, 1):
                mine, theirs = (value(f"{name}[{k}]", counts, classes="01") for name, k in ((one, c), (other, 1 - c)))
                assert mine == theirs


# Huge counts, against rational arithmetic.

HUGE = {
    "one stray row": ((10**12 - 3, 1), (1, 1)),
    "rare class": ((10**12, 7, 0), (3, 2, 1), (0, 0, 5)),
    "no relation": ((10**11, 10**11), (10**11, 10**11 + 1)),
    "large": ((3 * 10**14, 10**13), (10**12, 10**14)),
}


def exact_correlation(rows):
    m = [[Fraction(x) for x in row] for row in rows]
    n, tp = sum(map(sum, m)), sum(m[i][i] for i in range(len(m)))
    t, p = [sum(row) for row in m], [sum(column) for column in zip(*m, strict=True)]
    chance = sum(a * b for a, b in zip(t, p, strict=True))
    cov, vt, vp = tp * n - chance, n * n - sum(a * a for a in t), n * n - sum(a * a for a in p)
    return math.copysign(math.sqrt(cov * cov / (vt * vp)), cov), float(cov / (n * n - chance))


@pytest.mark.parametrize("case", HUGE)
@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_huge_counts_lose_no_digits(case, convert):
    counts = table(*HUGE[case])
    counts = Counts(*(convert(getattr(counts, name)) for name in ("tp", "support", "predicted", "n")))
    mcc, kappa = exact_correlation(HUGE[case])
    assert value("mcc", counts) == pytest.approx(mcc, rel=1e-9, abs=1e-13)
    assert value("kappa", counts) == pytest.approx(kappa, rel=1e-9, abs=1e-13)
    a, c = HUGE[case][0][0], HUGE[case][1][0]
    assert value("recall[0]", counts, classes="0") == pytest.approx(float(Fraction(a, sum(HUGE[case][0]))), rel=1e-15)
    assert value("precision[0]", counts, classes="0") == pytest.approx(float(Fraction(a, a + c)), rel=1e-15)


# The conventions, with the numbers given there.


def test_macro_f1_is_the_mean_of_class_f1_01():
    target, preds = [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]
    counts = counts_of(target, preds)
    assert value("f1_macro", counts) == pytest.approx((0.4 + 0.4) / 2)
    p, r = value("precision_macro", counts), value("recall_macro", counts)
    assert 2 * p * r / (p + r) == pytest.approx(0.625)  # F1 of the means is another number


def test_macro_runs_over_seen_or_declared_classes_02_N17():
    counts = counts_of([0, 1, 2, 2], [0, 1, 2, 1], classes=4)
    assert value("f1_macro", counts) == pytest.approx(0.778, abs=5e-4)
    assert value("f1_macro", counts, scope="declared") == pytest.approx(0.583, abs=5e-4)
    counts = counts_of([0, 0, 1], [0, 1, 1], classes=4)
    assert value("f1_macro", counts) == pytest.approx(0.667, abs=5e-4)
    assert value("f1_macro", counts, scope="declared") == pytest.approx(0.333, abs=5e-4)


def test_a_class_predicted_but_never_a_target_03():
    counts = counts_of([0, 0, 1, 1], [0, 0, 1, 2])
    assert value("recall_macro", counts) == 0.5
    assert value("balanced_accuracy", counts) == 0.75


def test_zero_over_zero_04_N18():
    counts = counts_of([0, 0, 1, 1], [0, 0, 0, 2], classes=4)
    classes = list("0123")
    got = {
        name: [value(f"{name}[{c}]", counts, classes=classes) for c in classes]
        for name in ("precision", "recall", "f1")
    }
    assert got["precision"] == pytest.approx([2 / 3, math.nan, 0.0, math.nan], nan_ok=True)
    assert got["recall"] == pytest.approx([1.0, 0.0, math.nan, math.nan], nan_ok=True)
    assert got["f1"] == pytest.approx([0.8, 0.0, 0.0, math.nan], nan_ok=True)
    assert value("precision_macro", counts) == pytest.approx(2 / 9)
    assert value("recall_macro", counts) == pytest.approx(1 / 3)
    assert math.isnan(value("precision_micro", counts_of([0, 1], [-1, -1])))
    assert value("precision_macro", counts_of([0, 1], [-1, -1])) == 0.0


def test_micro_is_accuracy_only_with_all_classes_in_05():
    target, preds = TABLES["random"]
    counts = counts_of(target, preds)
    assert value("f1_micro", counts) == pytest.approx(value("accuracy", counts), abs=1e-15)
    without = Counts(counts.tp[1:], counts.support[1:], counts.predicted[1:], counts.n)
    assert value("f1_micro", without) != pytest.approx(value("accuracy", counts), abs=1e-3)


def test_accuracy_is_the_share_correct_06():
    counts = counts_of([0] * 9 + [1], [0] * 10)
    assert value("accuracy", counts) == 0.9
    assert value("error_rate", counts) == 0.1
    assert value("balanced_accuracy", counts) == 0.5  # what torchmetrics calls accuracy
    assert value("majority_baseline", counts) == 0.9


def test_the_positive_class_is_the_one_that_is_named_16():
    counts = counts_of([0, 0, 0, 1], [0, 0, 1, 1])
    assert value("precision", counts, positive=1) == 0.5
    assert value("precision", counts, positive=0) == 1.0


def test_mcc_degenerate_17_N21():
    assert value("mcc", counts_of([0, 0, 0, 1], [0, 0, 0, 0])) == 0.0
    assert value("mcc", counts_of([0, 0, 0, 0], [0, 0, 0, 1])) == 0.0
    assert value("mcc", counts_of([0, 1], [-1, -1])) == 0.0
    assert math.isnan(value("mcc", counts_of([0, 0], [0, 0])))
    assert math.isnan(value("mcc", counts_of([0, 0], [1, 1])))


def test_kappa_degenerate_18():
    assert math.isnan(value("kappa", counts_of([0, 0], [0, 0])))
    assert value("kappa", counts_of([0, 0, 0, 1], [0, 0, 0, 0])) == 0.0
    assert value("kappa", counts_of([0, 0], [1, 1])) == 0.0


def test_specificity_and_npv_of_the_positive_class_30():
    counts = table((100, 5), (10, 50))  # spam.csv: TP 50, FN 10, FP 5, TN 100
    assert value("specificity", counts, positive=1) == pytest.approx(100 / 105)
    assert value("npv", counts, positive=1) == pytest.approx(100 / 110)
    assert value("recall", counts, positive=1) == pytest.approx(50 / 60)


def test_weighted_specificity_of_one_class_is_undefined_31():
    weight = np.random.default_rng(0).random(1000)
    counts = counts_of(np.zeros(1000, int), np.zeros(1000, int), 2, weight)
    assert math.isnan(value("specificity[0]", counts, classes="01"))
    assert math.isnan(value("mcc", counts))


def test_nothing_at_all_is_undefined_everywhere_N15():
    for classes in (None, 3):
        counts = counts_of(np.zeros(0, int), np.zeros(0, int), classes)
        for name in ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc", "kappa", "majority_baseline"):
            assert math.isnan(value(name, counts)), name


# Leading axes.


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_leading_axes_are_slices_or_replicates(convert):
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 4, (3, 2, 5, 5)) * rng.integers(0, 2, (3, 2, 5, 5))
    matrices[0, 0] = 0
    tp = matrices.diagonal(axis1=-2, axis2=-1).copy()
    stacked = (tp, matrices.sum(-1), matrices.sum(-2), matrices.sum((-1, -2)))
    counts = Counts(*map(convert, stacked))
    whole = [name for name, entry in METRICS.items() if entry.state == "ClassCounts" and not entry.per_class]
    names = [*whole, "recall[3]", "fbeta2[1]"]
    names += [f"{name}_{average}" for name in PER_CLASS for average in ("macro", "weighted", "micro")]
    for scope in ("seen", "declared"):
        for name in names:
            together = np.asarray(evaluate(parse(name), counts, classes="01234", scope=scope))
            assert together.shape == (3, 2)
            for place in np.ndindex(3, 2):
                alone = Counts(*(convert(np.asarray(part[place])) for part in stacked))
                assert np.array_equal(together[place], value(name, alone, classes="01234", scope=scope), equal_nan=True)


def test_mcc_of_perfect_and_of_reversed_predictions_is_one_to_the_bit():
    for n in range(2, 500):
        support = np.array([n // 3 + 1, n - n // 3])
        perfect = Counts(support, support, support, np.int64(support.sum()))
        reversed_ = Counts(np.zeros(2, np.int64), support, support[::-1], np.int64(support.sum()))
        assert evaluate(parse("mcc"), perfect) == 1
        assert -1 <= evaluate(parse("mcc"), reversed_) < -0.999


def test_shares_of_weights_end_at_0_and_at_1_to_the_bit():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        target, weight = rng.integers(0, 9, 40), np.round(rng.gamma(1, 1, 40) + 0.001, 3)
        perfect, wrong = counts_of(target, target, 9, weight), counts_of(target, (target + 1) % 9, 9, weight)
        assert [value(name, perfect) for name in ("accuracy", "error_rate", "mcc")] == [1, 0, 1]
        assert [value(name, wrong) for name in ("accuracy", "error_rate")] == [0, 1]
