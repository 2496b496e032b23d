"""Counts of several labels a row beside scikit-learn, and the laws that their states obey."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from evalcli.errors import InputError
from evalcli.metrics import formulas
from evalcli.metrics.label_pairs import LabelPairs, Pairs
from evalcli.metrics.multilabel import (
    LabelCounts,
    SampleSets,
    hamming_accuracy,
    hamming_loss,
    over_samples,
    per_label,
    pooled_labels,
    subset_accuracy,
)

LABELS = 6
STATES = {"counts": LabelCounts, "sets": SampleSets, "pairs": LabelPairs}
KINDS = [(name, weighted) for name in STATES for weighted in (False, True)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{'weighted' if kind[1] else 'plain'}")
each_seed = pytest.mark.parametrize("seed", range(3))
each_weighting = pytest.mark.parametrize("weighted", [False, True])
FORMULAS = {
    "precision": (formulas.precision, sk.precision_score),
    "recall": (formulas.recall, sk.recall_score),
    "f1": (formulas.f1, sk.f1_score),
    "fbeta2": (lambda counts: formulas.fbeta(counts, 2.0), lambda *a, **k: sk.fbeta_score(*a, beta=2, **k)),
    "jaccard": (formulas.jaccard, sk.jaccard_score),
}


def data(seed, rows=200, labels=LABELS, *, ignore=0.0, spread=2.0):
    """Target, predictions and weights; the last label is never true, rows without any label among them."""
    rng = np.random.default_rng(seed)
    rates = np.linspace(0.6, 0.0, labels)
    target = (rng.random((rows, labels)) < rates).astype(int)
    preds = np.where(rng.random((rows, labels)) < 0.7, target, rng.random((rows, labels)) < 0.3).astype(int)
    target[rng.random((rows, labels)) < ignore] = -1
    return target, preds, rng.lognormal(sigma=spread, size=rows)


def empty(kind, labels=LABELS):
    return STATES[kind[0]](labels, weighted=kind[1])


def feed(state, target, preds, weight, rows=slice(None), **options):
    state.update(preds[rows], target[rows], weight[rows] if state.weighted else None, **options)
    return state


def snapshot(state):
    return {name: (array.shape, array.tolist()) for name, array in state.state_dict().items()}


@each_weighting
@each_seed
def test_counts_of_each_label_are_those_of_scikit_learn(seed, weighted):
    target, preds, weight = data(seed)
    counts = feed(LabelCounts(LABELS, weighted=weighted), target, preds, weight).compute()
    cells = sk.multilabel_confusion_matrix(target, preds, sample_weight=weight if weighted else None)
    n = counts.n
    tn = n - counts.support - counts.predicted + counts.tp
    mine = np.stack([tn, counts.predicted - counts.tp, counts.support - counts.tp, counts.tp], axis=-1)
    assert mine.reshape(-1, 2, 2) == pytest.approx(cells, rel=1e-12, abs=1e-12 * weight.sum())


@pytest.mark.parametrize("name", FORMULAS)
@each_weighting
@each_seed
def test_every_average_is_that_of_scikit_learn(name, seed, weighted):
    formula, reference = FORMULAS[name]
    target, preds, weight = data(seed)
    options = {"sample_weight": weight if weighted else None, "zero_division": 0}
    counts = feed(LabelCounts(LABELS, weighted=weighted), target, preds, weight).compute()
    sets = feed(SampleSets(LABELS, weighted=weighted), target, preds, weight).compute()
    values = per_label(formula, counts)
    every = np.ones(LABELS, bool)
    expected = {one: reference(target, preds, average=one, **options) for one in ("micro", "macro", "weighted")}
    assert np.nan_to_num(values) == pytest.approx(reference(target, preds, average=None, **options), abs=1e-12)
    assert formula(pooled_labels(counts, every))[0] == pytest.approx(expected["micro"], abs=1e-12)
    assert formulas.mean_over(values, every) == pytest.approx(expected["macro"], abs=1e-12)
    assert formulas.mean_over(values, counts.support) == pytest.approx(expected["weighted"], abs=1e-12)
    assert over_samples(formula, sets) == pytest.approx(
        reference(target, preds, average="samples", **options), abs=1e-12
    )


@each_weighting
@each_seed
def test_subset_accuracy_and_hamming_loss_are_those_of_scikit_learn(seed, weighted):
    target, preds, weight = data(seed)
    by = weight if weighted else None
    sets = feed(SampleSets(LABELS, weighted=weighted), target, preds, weight).compute()
    counts = feed(LabelCounts(LABELS, weighted=weighted), target, preds, weight).compute()
    assert subset_accuracy(sets) == pytest.approx(sk.accuracy_score(target, preds, sample_weight=by), abs=1e-12)
    assert hamming_loss(counts) == pytest.approx(sk.hamming_loss(target, preds, sample_weight=by), abs=1e-12)
    assert hamming_accuracy(counts) == 1 - hamming_loss(counts)


@each_seed
def test_ignored_cells_count_in_no_label_and_in_no_row(seed):
    target, preds, _ = data(seed, ignore=0.3)
    counts = feed(LabelCounts(LABELS), target, preds, None).compute()
    sets = feed(SampleSets(LABELS), target, preds, None).compute()
    exact = {"f1": Fraction(0), "jaccard": Fraction(0), "precision": Fraction(0), "recall": Fraction(0)}
    same = wrong = 0
    for row in range(len(target)):
        kept = target[row] >= 0
        true, said = ({*np.flatnonzero(side[row] == 1)} & {*np.flatnonzero(kept)} for side in (target, preds))
        hit = len(true & said)
        exact["f1"] += Fraction(2 * hit, len(true) + len(said)) if true or said else 0
        exact["jaccard"] += Fraction(hit, len(true | said)) if true or said else 0
        exact["precision"] += Fraction(hit, len(said)) if said else 0
        exact["recall"] += Fraction(hit, len(true)) if true else 0
        same += true == said
        wrong += len(true ^ said)
    for name, total in exact.items():
        mean = over_samples(FORMULAS[name][0], sets)
        assert mean == pytest.approx(float(total / len(target)), rel=1e-15), name
    assert subset_accuracy(sets) == same / len(target)
    assert hamming_loss(counts) == wrong / int((target >= 0).sum())
    for label in range(LABELS):
        kept = target[:, label] >= 0
        alone = LabelCounts(1)
        alone.update(preds[kept, label : label + 1], target[kept, label : label + 1])
        one = alone.compute()
        assert [one.tp[0], one.support[0], one.predicted[0], one.n[0]] == [
            counts.tp[label], counts.support[label], counts.predicted[label], counts.n[label],
        ]  # fmt: skip


def test_a_row_with_nothing_true_and_nothing_said_adds_0_as_in_scikit_learn():
    target, preds = np.array([[0, 0], [1, 1]]), np.array([[0, 0], [1, 1]])
    sets = feed(SampleSets(2), target, preds, None).compute()
    for name, (formula, reference) in FORMULAS.items():
        expected = reference(target, preds, average="samples", zero_division=0)
        assert over_samples(formula, sets) == expected == 0.5, name
    assert subset_accuracy(sets) == 1.0


def test_a_missing_prediction_is_the_wrong_one():
    target, preds = np.array([[1, 0, -1], [1, 0, 1]]), np.array([[-1, -1, -1], [1, 0, 1]])
    counts = feed(LabelCounts(3), target, preds, None).compute()
    assert (counts.tp.tolist(), counts.support.tolist(), counts.predicted.tolist(), counts.n.tolist()) == (
        [1, 0, 1], [2, 0, 1], [1, 1, 1], [2, 2, 1],
    )  # fmt: skip
    assert hamming_loss(counts) == 2 / 5


@each_seed
@each_weighting
def test_pairs_are_those_that_brute_force_finds(seed, weighted):
    target, preds, weight = data(seed, ignore=0.1)
    found = feed(LabelPairs(LABELS, weighted=weighted), target, preds, weight).compute()
    expected: dict[tuple[int, int], list[float]] = {}
    for row in range(len(target)):
        for missed in np.flatnonzero((target[row] == 1) & (preds[row] == 0)):
            for said in np.flatnonzero((target[row] == 0) & (preds[row] == 1)):
                expected.setdefault((int(missed), int(said)), []).append(weight[row] if weighted else 1)
    pairs = dict(zip(zip(found.missed.tolist(), found.said.tolist(), strict=True), found.counts.tolist(), strict=True))
    assert pairs == {pair: pytest.approx(sum(parts), rel=1e-13) for pair, parts in expected.items()}
    assert isinstance(found, Pairs)


@each_kind
@each_seed
def test_M01_M03_any_split_and_any_order_equal_the_whole_bit_for_bit(kind, seed):
    rows = data(seed, ignore=0.1, spread=20.0)
    whole = feed(empty(kind), *rows)
    rng = np.random.default_rng(seed)
    for size in (1, 7, 199):
        order = rng.permutation(200)
        state = empty(kind)
        for start in range(0, 200, size):
            feed(state, *rows, order[start : start + size])
        assert snapshot(state) == snapshot(whole)


@each_kind
@each_seed
def test_M02_merge_is_associative_and_commutative_with_the_fresh_state_as_identity(kind, seed):
    rows = data(seed, ignore=0.1, spread=20.0)

    def part(start):
        return feed(empty(kind), *rows, slice(start, start + 70))

    left = part(0).merge(part(70)).merge(part(140))
    right = part(0).merge(part(70).merge(part(140)))
    turned = part(140).merge(part(0)).merge(part(70))
    assert snapshot(left) == snapshot(right) == snapshot(turned) == snapshot(feed(empty(kind), *rows))
    for identity in (left.merge(left.fresh()), left.fresh().merge(left), empty(kind).merge(left)):
        assert snapshot(identity) == snapshot(right)


@each_kind
def test_M04_a_repeat_is_the_row_again_and_a_weight(kind):
    target, preds, weight = data(0, ignore=0.1)
    times = np.random.default_rng(0).integers(0, 6, len(target))
    repeated, again = empty(kind), empty(kind)
    feed(repeated, target, preds, weight, repeats=times)
    feed(again, *(np.repeat(side, times, axis=0) for side in (target, preds, weight)))
    assert snapshot(repeated) == snapshot(again)
    assert repeated.rows == times.sum()
    weighed = STATES[kind[0]](LABELS, weighted=True)
    weighed.update(preds, target, weight=times.astype(float))
    counted = STATES[kind[0]](LABELS)
    counted.update(preds, target, repeats=times)
    for one, other in zip(_plain(weighed.compute()), _plain(counted.compute()), strict=True):
        assert one.tolist() == other.tolist()


def _plain(result):
    return [getattr(result, name) for name in ("tp", "support", "predicted", "n", "hit", "true", "said", "amount",
            "missed", "counts") if hasattr(result, name)]  # fmt: skip


@each_seed
def test_M05_permuting_the_labels_permutes_their_counts_and_moves_no_mean(seed):
    target, preds, weight = data(seed, ignore=0.1)
    order = np.random.default_rng(seed).permutation(LABELS)
    before, after = (feed(LabelCounts(LABELS), t, p, weight).compute() for t, p in
                     ((target, preds), (target[:, order], preds[:, order])))  # fmt: skip
    for name in ("tp", "support", "predicted", "n"):
        assert getattr(after, name).tolist() == getattr(before, name)[order].tolist()
    sets = [feed(SampleSets(LABELS), t, p, weight) for t, p in ((target, preds), (target[:, order], preds[:, order]))]
    assert snapshot(sets[0]) == snapshot(sets[1])


@pytest.mark.parametrize("name", STATES)
@each_seed
def test_M12_numpy_equals_torch_bit_for_bit(name, seed):
    target, preds, _ = data(seed, ignore=0.1)
    on_numpy, on_torch = STATES[name](LABELS), STATES[name](LABELS)
    on_numpy.update(preds, target)
    on_torch.update(torch.as_tensor(preds), torch.as_tensor(target))
    on_torch.merge(STATES[name](LABELS))
    assert snapshot(on_torch) == snapshot(on_numpy)
    if name == "counts":
        assert isinstance(on_torch.tp, torch.Tensor)
        assert per_label(formulas.f1, on_torch.compute()).tolist() == pytest.approx(
            per_label(formulas.f1, on_numpy.compute()).tolist(), nan_ok=True, abs=1e-15
        )


@each_kind
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float64, ">i2"])
def test_types_agree(kind, dtype):
    target, preds, weight = data(0)
    plain = snapshot(feed(empty(kind), target, preds, weight))
    assert snapshot(feed(empty(kind), target.astype(dtype), preds.astype(dtype), weight)) == plain
    turned = feed(empty(kind), np.asfortranarray(target), np.asfortranarray(preds), weight)
    assert snapshot(turned) == plain


@each_kind
def test_inputs_and_the_other_side_of_a_merge_stay_untouched(kind):
    rows = data(0, ignore=0.1)
    kept = [array.copy() for array in rows]
    for array in rows:
        array.flags.writeable = False
    state, other = feed(empty(kind), *rows), feed(empty(kind), *rows)
    before = snapshot(other)
    state.merge(other).compute()
    assert snapshot(other) == before
    assert all(np.array_equal(array, old) for array, old in zip(rows, kept, strict=True))


@each_kind
def test_M17_a_saved_and_resumed_state_goes_on_as_if_nothing_happened(kind):
    rows = data(0, ignore=0.1)
    resumed = empty(kind)
    resumed.load_state_dict(feed(empty(kind), *rows, slice(0, 111)).state_dict())
    feed(resumed, *rows, slice(111, None))
    assert snapshot(resumed) == snapshot(feed(empty(kind), *rows))
    assert resumed.rows == 200
    assert resumed.weight_squares == (pytest.approx((rows[2] ** 2).sum()) if kind[1] else 200)


def test_a_perfect_model_has_the_best_values_and_its_opposite_the_worst():
    target, _, _ = data(1)
    target = target[target.any(axis=1)]
    for preds, best in ((target, 1.0), (1 - target, 0.0)):
        sets = feed(SampleSets(LABELS), target, preds, None).compute()
        counts = feed(LabelCounts(LABELS), target, preds, None).compute()
        assert subset_accuracy(sets) == best
        assert hamming_loss(counts) == 1 - best
        assert [over_samples(formula, sets) for formula, _ in FORMULAS.values()] == [best] * len(FORMULAS)


def test_many_labels_are_counted_by_key_as_few_are_in_a_table():
    target, preds, _ = data(3, rows=50, labels=150)
    wide = feed(SampleSets(150), target, preds, None)
    narrow = SampleSets(100)
    narrow.update(preds[:, :100], target[:, :100])
    assert over_samples(formulas.f1, wide.compute()) == pytest.approx(
        sk.f1_score(target, preds, average="samples", zero_division=0), abs=1e-12
    )
    assert over_samples(formulas.f1, narrow.compute()) == pytest.approx(
        sk.f1_score(target[:, :100], preds[:, :100], average="samples", zero_division=0), abs=1e-12
    )


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize(
    ("preds", "target", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), "one cell for each row and each of the 2 labels"),
        (np.zeros((3, 3)), np.zeros((3, 3)), "each of the 2 labels"),
        (np.zeros(2), np.zeros(2), "shape"),
        (np.array([[0, 2]]), np.array([[0, 1]]), "1 cell of preds is none of 1, 0 and -1, 2"),
        (np.array([[0, 1]]), np.array([[0.5, 1]]), "1 cell of target is none of 1, 0 and -1, 0.5"),
        (np.array([[0, np.nan]]), np.array([[0, 1]]), "is none of 1, 0 and -1, nan"),
    ],
)
def test_what_are_no_cells_is_refused(name, preds, target, words):
    with pytest.raises(InputError, match=words):
        STATES[name](2).update(preds, target)


@pytest.mark.parametrize("name", STATES)
def test_set_ups_that_do_not_fit_are_refused(name):
    state = STATES[name](2)
    with pytest.raises(ValueError, match="weighted=True"):
        state.update(np.zeros((1, 2)), np.zeros((1, 2)), weight=np.ones(1))
    with pytest.raises(ValueError, match="different labels"):
        state.merge(STATES[name](3))
    with pytest.raises(ValueError, match="num_labels"):
        STATES[name](0)
    with pytest.raises(InputError, match="negative"):
        STATES[name](2, weighted=True).update(np.zeros((1, 2)), np.zeros((1, 2)), weight=np.array([-1.0]))


def test_nothing_at_all_is_undefined():
    assert np.isnan(subset_accuracy(SampleSets(2).compute()))
    assert np.isnan(hamming_loss(LabelCounts(2).compute()))
    state = LabelCounts(2)
    state.update(np.zeros((0, 2)), np.zeros((0, 2)))
    assert state.rows == 0
