"""Ranking against scikit-learn, against counting pairs and thresholds one by one, and the intervals against both."""

import itertools
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from evalcli.errors import InputError
from evalcli.metrics.ranking import (
    KeyTable,
    Ranking,
    auroc,
    auroc_variance,
    average_precision,
    key_bits,
    ks,
    one_vs_rest_scores,
    partial_auroc,
    precision_at_recall,
    recall_at_precision,
    specificity_at_sensitivity,
)

FORMULAS = {
    "auroc": (auroc,),
    "average_precision": (average_precision,),
    "ks": (ks,),
    "auroc_fpr0.1": (partial_auroc, 0.1),
    "auroc_fpr0.37": (partial_auroc, 0.37),
    "auroc_fpr1": (partial_auroc, 1.0),
    "recall_at_precision0.6": (recall_at_precision, 0.6),
    "recall_at_precision0.9": (recall_at_precision, 0.9),
    "precision_at_recall0.5": (precision_at_recall, 0.5),
    "precision_at_recall1": (precision_at_recall, 1.0),
    "specificity_at_sensitivity0.8": (specificity_at_sensitivity, 0.8),
    "specificity_at_sensitivity1": (specificity_at_sensitivity, 1.0),
}


def table(scores, target, **options):
    weight, repeats = options.pop("weight", None), options.pop("repeats", None)
    state = KeyTable(bits=options.pop("bits", key_bits(scores)), weighted=weight is not None, **options)
    state.update(scores, target, weight, repeats)
    return state


def apply(name, ranking):
    formula, *parameter = FORMULAS[name]
    return formula(ranking, *parameter)


def certain(name, ranking):
    result = apply(name, ranking)
    assert result.value == result.low == result.high or all(map(math.isnan, result))
    return result.value


def points(scores, target):
    """Every operating point by its definition: (TP, FP) of each distinct threshold, from the highest down."""
    return [
        (int(((scores >= cut) & (target == 1)).sum()), int(((scores >= cut) & (target == 0)).sum()))
        for cut in np.unique(scores)[::-1]
    ]


def by_hand(name, scores, target):
    """The metric from its operating points, in fractions."""
    curve_points = [(0, 0), *points(scores, target)]
    p, n = curve_points[-1]
    steps = list(itertools.pairwise(curve_points))
    family, parameter = FORMULAS[name][0], Fraction(*(FORMULAS[name][1:] or (0.0,)))
    if family in (auroc, partial_auroc):
        cut = parameter * n if family is partial_auroc else Fraction(n)
        area = Fraction(0)
        for (tp0, fp0), (tp, fp) in steps:
            width = max(min(cut - fp0, fp - fp0), 0)
            slope = Fraction(tp - tp0, fp - fp0) if fp > fp0 else Fraction(0)
            area += width * tp0 + slope * width * width / 2
        area /= p * n
        if family is auroc:
            return float(area)
        chance = parameter**2 / 2
        return float((1 + (area - chance) / (parameter - chance)) / 2)
    if family is average_precision:
        return float(sum(Fraction(tp - tp0, p) * Fraction(tp, tp + fp) for (tp0, _), (tp, fp) in steps if tp > tp0))
    if family is ks:
        return float(max(abs(Fraction(tp, p) - Fraction(fp, n)) for tp, fp in curve_points))
    real = curve_points[1:]
    limit = float(parameter)
    if family is recall_at_precision:
        return max([tp / p for tp, fp in real if tp / (tp + fp) >= limit], default=0.0)
    if family is precision_at_recall:
        return max(tp / (tp + fp) for tp, fp in real if tp / p >= limit)
    return max((n - fp) / n for tp, fp in real if tp / p >= limit)


def drawn(kind, rng, size):
    """Scores of one kind with a target that leans on them."""
    uniform = rng.random(size)
    target = (rng.random(size) < 0.15 + 0.6 * uniform).astype(np.int64)
    scores = {
        "random": lambda: uniform,
        "float32": lambda: uniform.astype(np.float32),
        "half": lambda: uniform.astype(np.float16),
        "tied": lambda: np.round(uniform * 4) / 4,
        "concentrated": lambda: uniform**64,
        "constant": lambda: np.full(size, 0.25),
        "denormal": lambda: np.floor(uniform * 40) * 5e-324,
        "neighbours": lambda: 1 + np.floor(uniform * 60) * 2.0**-52,
        "infinite": lambda: np.where(uniform > 0.8, np.inf, np.where(uniform < 0.3, -np.inf, uniform - 0.5)),
        "signed": lambda: (uniform - 0.5) * 10.0 ** rng.integers(-30, 30, size),
        "reversed": lambda: -uniform,
        "perfect": lambda: target + uniform / 2,
        "blocks": lambda: np.floor(uniform * 6) + (1 - target) * 1e-9 * rng.integers(-1, 2, size),
    }[kind]()
    return scores, target


KINDS = (
    *("random", "float32", "half", "tied", "concentrated", "constant", "denormal", "neighbours", "infinite"),
    *("signed", "reversed", "perfect", "blocks"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [40, 3000])
def test_equal_to_scikit_learn(kind, size):
    scores, target = drawn(kind, np.random.default_rng(size), size)
    ranking = table(scores, target).ranking()
    ranks = np.unique(scores, return_inverse=True)[1].astype(float)  # it refuses infinities
    assert certain("auroc", ranking) == pytest.approx(sk.roc_auc_score(target, ranks), abs=1e-12)
    assert certain("average_precision", ranking) == pytest.approx(sk.average_precision_score(target, ranks), abs=1e-12)
    for name, limit in (("auroc_fpr0.1", 0.1), ("auroc_fpr0.37", 0.37), ("auroc_fpr1", 1.0)):
        truth = sk.roc_auc_score(target, ranks, max_fpr=limit)
        assert certain(name, ranking) == pytest.approx(truth, abs=1e-12)
    fpr, tpr, _ = sk.roc_curve(target, ranks, drop_intermediate=False)
    assert certain("ks", ranking) == pytest.approx(np.abs(tpr - fpr).max(), abs=1e-12)
    precision, recall, _ = sk.precision_recall_curve(target, ranks)
    assert certain("recall_at_precision0.6", ranking) == recall[precision >= 0.6].max()
    assert certain("precision_at_recall0.5", ranking) == precision[recall >= 0.5].max()
    spared = 1 - fpr[tpr >= 0.8].min()
    assert certain("specificity_at_sensitivity0.8", ranking) == pytest.approx(spared, abs=1e-15)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(0, 2**32), st.integers(2, 60), st.integers(0, 900), st.sampled_from([32, 64])
)
def test_row_12_intervals_hold_the_exact_value_whatever_the_budget(kind, seed, size, budget, bits):
    rng = np.random.default_rng(seed)
    scores, target = drawn(kind, rng, size)
    if bits == 32:
        with np.errstate(over="ignore"):
            scores = scores.astype(np.float32)
    target[:2] = 0, 1
    state = table(scores, target, bits=64 if scores.dtype == np.float64 else bits, budget=budget)
    ranking = state.ranking()
    for name in FORMULAS:
        truth = by_hand(name, scores, target)
        exact = certain(name, table(scores, target).ranking())
        assert exact == pytest.approx(truth, abs=1e-14)
        value, low, high = apply(name, ranking)
        assert 0 <= low <= exact <= high <= 1, name
        assert low <= value <= high
        assert value == pytest.approx((low + high) / 2, abs=1e-13) or low == 0 or high == 1
        if state.exact:
            assert low == high == value == exact


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(allow_nan=False), st.integers(0, 1)), min_size=2, max_size=40), st.integers(0, 600))
def test_row_12_intervals_hold_for_any_floats(rows, budget):
    scores, target = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    target[:2] = 0, 1
    ranking = table(scores, target, budget=budget).ranking()
    for name in FORMULAS:
        _, low, high = apply(name, ranking)
        assert low <= certain(name, table(scores, target).ranking()) <= high, name


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**32), st.integers(2, 60), st.integers(0, 3000))
def test_row_31_weighted_intervals_hold_the_weighted_value(kind, seed, size, budget):
    rng = np.random.default_rng(seed)
    scores, target = drawn(kind, rng, size)
    target[:2] = 0, 1
    weight = rng.choice([0.1, 1 / 3, 1.0, 7.7, 1e-6], size)
    ranking = table(scores, target, weight=weight, budget=budget).ranking()
    exact = table(scores, target, weight=weight).ranking()
    for name in FORMULAS:
        value, low, high = apply(name, ranking)
        assert low <= certain(name, exact) <= high, name
        assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize("kind", ["random", "tied", "infinite", "denormal"])
def test_row_31_weights_equal_scikit_learn_and_whole_ones_equal_repetition(kind):
    rng = np.random.default_rng(5)
    scores, target = drawn(kind, rng, 500)
    ranks, weight = np.unique(scores, return_inverse=True)[1], rng.random(500)
    ranking = table(scores, target, weight=weight).ranking()
    truth = sk.roc_auc_score(target, ranks, sample_weight=weight)
    assert certain("auroc", ranking) == pytest.approx(truth, abs=1e-12)
    truth = sk.average_precision_score(target, ranks, sample_weight=weight)
    assert certain("average_precision", ranking) == pytest.approx(truth, abs=1e-12)
    truth = sk.roc_auc_score(target, ranks, sample_weight=weight, max_fpr=0.1)
    assert certain("auroc_fpr0.1", ranking) == pytest.approx(truth, abs=1e-12)
    times = rng.integers(0, 5, 500)
    repeated = table(np.repeat(scores, times), np.repeat(target, times))
    counted = table(scores, target, repeats=times)
    states = repeated.state_dict(), counted.state_dict()
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
    weighed = table(scores, target, weight=times.astype(float))
    for name in FORMULAS:
        assert certain(name, weighed.ranking()) == pytest.approx(certain(name, repeated.ranking()), abs=1e-12)
    assert (repeated.rows, weighed.rows) == (int(times.sum()), 500)
    assert weighed.weight_squares == float((times**2).sum())


@pytest.mark.parametrize("name", FORMULAS)
def test_row_07_undefined_without_positives_or_negatives(name):
    for target in ([1, 1, 1], [0, 0, 0], []):
        ranking = table(np.arange(len(target)) * 1.0, np.array(target, int)).ranking()
        assert all(map(math.isnan, apply(name, ranking)))
    weight = np.array([0.0, 1.0])
    assert math.isnan(auroc(table(np.array([0.1, 0.2]), np.array([0, 1]), weight=weight).ranking()).value)


def test_row_09_large_logits_keep_their_order():
    logits, target = np.array([100.0, 101.0, 102.0, 103.0, 104.0]), np.array([0, 0, 1, 0, 1])
    squashed = 1 / (1 + np.exp(-logits))
    assert certain("auroc", table(logits, target).ranking()) == 5 / 6
    assert certain("auroc", table(squashed, target).ranking()) == 0.5


def test_row_09_saturated_multiclass_logits_keep_their_order():
    rows = np.zeros((5, 3))
    rows[:, 0] = [100.0, 101.0, 102.0, 103.0, 104.0]
    target = np.array([1, 2, 0, 1, 0])
    for scores in (rows, rows.astype(np.float32), rows * -1.0):
        state = table(one_vs_rest_scores(scores, "logits"), target, columns=3)
        value = certain("auroc", state.ranking(0))
        assert value == (5 / 6 if scores[0, 0] > 0 else 1 / 6)
    soft = np.exp(rows - rows.max(1, keepdims=True))
    soft /= soft.sum(1, keepdims=True)
    assert certain("auroc", table(soft, target, columns=3).ranking(0)) == 0.5


def test_row_11_average_precision_of_tied_scores_is_the_share_of_positives():
    assert certain("average_precision", table(np.zeros(8), np.array([1, 0, 0, 0, 1, 0, 0, 0])).ranking()) == 0.25


def test_row_12_concentrated_scores():
    rng = np.random.default_rng(0)
    uniform = rng.random(20_000)
    target = (rng.random(20_000) < uniform).astype(int)
    scores = uniform**64
    exact = certain("auroc", table(scores, target).ranking())
    assert exact == certain("auroc", table(uniform, target).ranking())
    assert exact == pytest.approx(5 / 6, abs=0.01)
    grid = table((np.searchsorted(np.linspace(0, 1, 200), scores, "right")).astype(float), target)
    assert certain("auroc", grid.ranking()) < 0.6  # what 200 fixed thresholds make of it
    for budget, width in ((20_000, 2e-2), (200_000, 2e-3), (2_000_000, 0)):
        value, low, high = auroc(table(scores, target, budget=budget).ranking())
        assert low <= exact <= high
        assert high - low <= width
        assert low <= value <= high


def test_row_12_half_width_is_at_most_half_the_pairs_in_shared_bins():
    rng = np.random.default_rng(1)
    scores, target = drawn("random", rng, 4000)
    state = table(scores, target, budget=8000)
    pos, neg = state.column0.bins(1), state.column0.bins(0)
    shift = np.uint64(state.column0.shift)
    bins = {
        key: [0, rows, least == largest]
        for key, rows, least, largest in zip(
            (neg.least >> shift).tolist(), neg.amounts.tolist(), neg.least, neg.largest, strict=True
        )
    }
    for key, rows in zip((pos.least >> shift).tolist(), pos.amounts.tolist(), strict=True):
        bins.setdefault(key, [0, 0, True])[0] = rows
    shared = sum(p * n for p, n, _ in bins.values())
    value, low, high = auroc(state.ranking())
    assert 0 < high - low <= shared / (target.sum() * (1 - target).sum()) + 1e-15
    assert value == pytest.approx((low + high) / 2, abs=1e-15)


def test_a_bin_of_true_ties_is_no_doubt_and_separate_sides_are_none_either():
    tied = table(np.repeat([0.1, 0.5, 7.0, -3.0], 50), np.tile([0, 1], 100), budget=0)
    assert not tied.exact or tied.ranking().mixed.sum() == 0
    scores = np.concatenate([1 + np.arange(50) * 2.0**-50, 1 + (60 + np.arange(50)) * 2.0**-50])
    state = table(scores, np.repeat([0, 1], 50), budget=0)
    assert not state.exact
    assert auroc(state.ranking()) == (1.0, 1.0, 1.0)
    assert auroc(table(scores, np.repeat([1, 0], 50), budget=0).ranking()) == (0.0, 0.0, 0.0)


def test_counts_far_beyond_int64_are_multiplied_exactly():
    def ranked(pos, neg):
        none = np.zeros(len(pos), bool)
        return Ranking(-np.arange(len(pos)) * 1.0, np.array(pos), np.array(neg), none, none)

    pos, neg = [10**12, 3, 10**12 - 7], [5, 10**12, 10**12 + 1]
    below = [sum(neg[place + 1 :]) for place in range(3)]
    truth = Fraction(sum(p * (2 * b + n) for p, b, n in zip(pos, below, neg, strict=True)), 2 * sum(pos) * sum(neg))
    assert auroc(ranked(pos, neg)).value == float(truth)
    half = 2**41
    assert [auroc(ranked(*sides)).value for sides in (([half], [half]), ([0, half], [half, 0]))] == [0.5, 0.0]


def test_float_types_agree():
    rng = np.random.default_rng(2)
    for small in (np.float16, ml_dtypes.bfloat16):
        scores, target = rng.standard_normal(900).astype(small), rng.integers(0, 2, 900)
        results = [
            [certain(name, table(scores.astype(wide), target).ranking()) for name in FORMULAS]
            for wide in (small, np.float32, np.float64)
        ]
        assert results[0] == results[1] == results[2]


def test_torch_gives_the_same_bytes():
    rng = np.random.default_rng(4)
    logits, target = rng.standard_normal((50, 3)).astype(np.float32), rng.integers(0, 3, 50)
    host, torched = KeyTable(3), KeyTable(3)
    host.update(one_vs_rest_scores(logits, "logits"), target, repeats=np.full(50, 2))
    scores = one_vs_rest_scores(torch.tensor(logits), "logits")
    torched.update(torch.tensor(scores), torch.tensor(target), repeats=torch.full((50,), 2))
    a, b = host.state_dict(), torched.state_dict()
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    half = torch.tensor(logits).to(torch.bfloat16)
    assert one_vs_rest_scores(half, "probs").dtype == np.float32


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("budget", [64 << 20, 4000])
@pytest.mark.parametrize("pairwise", [False, True])
def test_any_split_and_merge_gives_the_same_bytes(budget, pairwise, weighted):
    rng = np.random.default_rng(7)
    weight = rng.random(600) if weighted else None
    logits, target = rng.standard_normal((600, 4)), rng.integers(0, 4, 600)

    def state(rows, step):
        made = KeyTable(4, budget=budget, pairwise=pairwise, weighted=weighted)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            amounts = None if weight is None else weight[part]
            made.update(one_vs_rest_scores(logits[part], "logits"), target[part], amounts)
        return made

    whole = state(np.arange(600), 600)
    parts = [state(part, step) for part, step in zip(np.array_split(rng.permutation(600), 3), (1, 7, 200), strict=True)]
    merged = parts[2].merge(whole.fresh()).merge(parts[0].merge(parts[1]))
    a, b = whole.state_dict(), merged.state_dict()
    assert a.keys() == b.keys()
    assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    loaded = whole.fresh()
    loaded.load_state_dict(a)
    assert auroc(loaded.ranking(2)) == auroc(whole.ranking(2))
    fortran = KeyTable(4, budget=budget, pairwise=pairwise, weighted=weighted)
    for row in range(600):  # a row alone, of another layout
        part = slice(row, row + 1)
        amounts = None if weight is None else weight[part]
        fortran.update(one_vs_rest_scores(np.asfortranarray(logits)[part], "logits"), target[part], amounts)
    c = fortran.state_dict()
    assert all(a[name].tobytes() == c[name].tobytes() for name in a)


def test_ends_of_segments_are_reproduced_by_their_scores():
    rng = np.random.default_rng(19)
    for kind in ("random", "tied", "infinite", "float32"):
        scores, target = drawn(kind, rng, 700)
        for budget in (64 << 20, 2000):
            ranking = table(scores, target, budget=budget).ranking()
            for cut, tp, fp in zip(ranking.score, ranking.pos.cumsum(), ranking.neg.cumsum(), strict=True):
                chosen = scores >= cut
                assert (tp, fp) == (target[chosen].sum(), (1 - target)[chosen].sum())


@pytest.mark.parametrize("kind", ["random", "tied", "perfect"])
def test_delong_variance_is_that_of_the_placements(kind):
    scores, target = drawn(kind, np.random.default_rng(23), 80)
    pos, neg = scores[target == 1], scores[target == 0]
    wins = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    truth = wins.mean(1).var(ddof=1) / len(pos) + wins.mean(0).var(ddof=1) / len(neg)
    assert auroc_variance(table(scores, target).ranking()) == pytest.approx(truth, abs=1e-14)
    assert math.isnan(auroc_variance(table(np.array([1.0, 2.0]), np.array([0, 1])).ranking()))


def test_what_does_not_fit_is_refused():
    state = KeyTable(3)
    scores, target = np.zeros((2, 3)), np.array([0, 1])
    for bad_scores, bad_target in (
        (np.zeros(2), target),
        (np.zeros((3, 3)), target),
        (scores, np.array([0, 3])),
        (scores, np.array([-1, 0])),
        (scores, np.array([0.5, 0])),
        (scores, np.zeros((2, 2), int)),
        (scores, np.full((2, 3), 2)),
        (scores * np.nan, target),
    ):
        with pytest.raises(InputError):
            state.update(bad_scores, bad_target)
    with pytest.raises(InputError, match="negative"):
        KeyTable(3, weighted=True).update(scores, target, np.array([-1.0, 1.0]))
    with pytest.raises(ValueError, match="counts weights"):
        state.update(scores, target, np.ones(2))
    with pytest.raises(ValueError, match="cannot merge"):
        state.merge(KeyTable(2))
    for options in ({"columns": 0}, {"bits": 16}, {"columns": 1, "pairwise": True}, {"budget": -1}):
        with pytest.raises(ValueError, match="no table has"):
            KeyTable(**options)
    with pytest.raises(ValueError, match="max_fpr"):
        partial_auroc(state.ranking(), 0.0)
    assert state.rows == 0
