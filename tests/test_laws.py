"""Laws that every metric of the registry and every counting state obeys, with and without weights, on any library."""

import numpy as np
import pytest
import torch

from evalcli.metrics import ClassCounts, ConfusionCounts
from evalcli.metrics.entry import COUNTED as CLASS_COUNTS
from evalcli.metrics.registry import AVERAGES, METRICS, PER_CLASS, evaluate, parse

CLASSES = 5
LABELS = tuple("abcde")
COUNTED = {name: entry for name, entry in METRICS.items() if entry.state == CLASS_COUNTS and entry.reads == "labels"}
PLAIN = tuple(name for name, entry in COUNTED.items() if not entry.per_class)
FAMILIES = (*PER_CLASS, "fbeta2", "fbeta0.5")
SINGLE = (*FAMILIES, "selection_rate")
NAMES = (*PLAIN, *(f"{f}_{a}" for f in FAMILIES for a in AVERAGES), *(f"{f}[{c}]" for f in SINGLE for c in LABELS))
OF_THE_DATA = ("majority_baseline", "selection_rate")
"""Rows that do not say how good a model is."""


def test_no_row_of_the_registry_is_left_out():
    assert {parse(name).base for name in NAMES} == set(COUNTED)


STATES = {
    "classes": ClassCounts,
    "dense": ConfusionCounts,
    "sparse": lambda classes, **options: ConfusionCounts(classes, dense_limit=2, **options),
}
KINDS = [(state, classes, weighted) for state in STATES for classes in (CLASSES, None) for weighted in (False, True)]
KIND_IDS = [f"{state}-{classes or 'open'}-{'weighted' if weighted else 'plain'}" for state, classes, weighted in KINDS]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=KIND_IDS)
each_seed = pytest.mark.parametrize("seed", range(3))


def empty(kind):
    state, classes, weighted = kind
    return STATES[state](classes, weighted=weighted)


def data(seed, rows=300, lowest=-1, spread=20.0):
    """Target, predictions (some missing) and weights of very different size (26 decades)."""
    rng = np.random.default_rng(seed)
    target = rng.choice(CLASSES, rows, p=[0.6, 0.2, 0.1, 0.1, 0.0] if seed == 1 else None)
    preds = np.where(rng.random(rows) < 0.5, target, rng.integers(lowest, CLASSES, rows))
    return target, preds, rng.lognormal(sigma=spread, size=rows)


def feed(state, target, preds, weight, rows=slice(None), **options):
    state.update(preds[rows], target[rows], weight[rows] if state.weighted else None, **options)
    return state


def snapshot(state):
    return {name: (array.shape, array.tolist()) for name, array in state.state_dict().items()}


def values(counts, names=NAMES, **options):
    """Every metric, as the bits of its float64."""
    counts = counts.numpy()
    missing = CLASSES - counts.tp.shape[-1]  # open classes end at the highest label seen
    counts = type(counts)(*(np.pad(a, (0, missing)) for a in (counts.tp, counts.support, counts.predicted)), counts.n)
    return {n: float(evaluate(parse(n), counts, classes=LABELS, **options)).hex() for n in names}


def numbers(counts, names=NAMES, **options):
    return {name: float.fromhex(text) for name, text in values(counts, names, **options).items()}


@each_kind
@each_seed
def test_M01_M03_any_split_and_any_order_equal_the_whole_bit_for_bit(kind, seed):
    rows = data(seed)
    whole = feed(empty(kind), *rows)
    rng = np.random.default_rng(seed)
    for size in (1, 7, 299):
        order = rng.permutation(300)
        state = empty(kind)
        for start in range(0, 300, size):
            feed(state, *rows, order[start : start + size])
        assert snapshot(state) == snapshot(whole)
        assert values(state.compute()) == values(whole.compute())


@each_kind
@each_seed
def test_M02_merge_is_associative_and_commutative_with_the_fresh_state_as_identity(kind, seed):
    rows = data(seed)
    rows[0][200:] %= 3  # the parts do not all see the same classes
    rows[1][200:] %= 3

    def part(start):
        return feed(empty(kind), *rows, slice(start, start + 100))

    left = part(0).merge(part(100)).merge(part(200))
    right = part(0).merge(part(100).merge(part(200)))
    turned = part(200).merge(part(0)).merge(part(100))
    assert snapshot(left) == snapshot(right) == snapshot(turned) == snapshot(feed(empty(kind), *rows))
    for identity in (left.merge(left.fresh()), left.fresh().merge(left), empty(kind).merge(left)):
        assert snapshot(identity) == snapshot(right)


@each_kind
def test_M04_every_row_k_times_gives_the_same_ratios(kind):
    rows = data(0)
    whole, repeated, tripled = feed(empty(kind), *rows), empty(kind), empty(kind)
    feed(repeated, *rows, repeats=np.full(300, 3))
    feed(tripled, *(np.repeat(array, 3) for array in rows))
    assert snapshot(repeated) == snapshot(tripled)
    assert repeated.rows == 900
    assert numbers(repeated.compute()) == pytest.approx(numbers(whole.compute()), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("state", STATES)
def test_a_repeat_is_a_weight(state):
    target, preds, _ = data(0)
    times = np.random.default_rng(0).integers(0, 6, 300)
    repeated, weighted = STATES[state](CLASSES), STATES[state](CLASSES, weighted=True)
    repeated.update(preds, target, repeats=times)
    weighted.update(preds, target, weight=times.astype(float))
    assert values(repeated.compute()) == values(weighted.compute())


@each_kind
@each_seed
def test_M05_renaming_the_classes_changes_no_number(kind, seed):
    target, preds, weight = data(seed)
    to = np.random.default_rng(seed).permutation(CLASSES)
    renamed = feed(empty(kind), to[target], np.where(preds < 0, -1, to[preds]), weight).compute()
    before = numbers(feed(empty(kind), target, preds, weight).compute())
    after = numbers(renamed)
    for name in NAMES:
        label = parse(name).label
        new = name if label is None else name.replace(f"[{label}]", f"[{LABELS[to[LABELS.index(label)]]}]")
        assert after[new] == pytest.approx(before[name], abs=1e-12, nan_ok=True), name


@each_kind
@each_seed
def test_M08_swapping_the_sides_swaps_precision_and_recall(kind, seed):
    # n − support, from rounded sums, has no digits left where one class holds all but 1e-12 of the weight
    target, preds, weight = data(seed, lowest=0, spread=3.0)
    here = numbers(feed(empty(kind), target, preds, weight).compute())
    there = numbers(feed(empty(kind), preds, target, weight).compute())
    for one, other in (("precision", "recall"), ("specificity", "npv"), ("f1", "f1"), ("jaccard", "jaccard")):
        for ending in ("_macro", "_micro", *(f"[{label}]" for label in LABELS)):
            if one != "specificity" or ending != "_micro":
                assert there[one + ending] == pytest.approx(here[other + ending], abs=1e-12, nan_ok=True)
    for name in ("accuracy", "error_rate", "mcc", "kappa"):
        assert there[name] == pytest.approx(here[name], abs=1e-12, nan_ok=True)
    assert there["fbeta2[a]"] == pytest.approx(here["fbeta0.5[a]"], abs=1e-12)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("weighted", [False, True])
def test_M10_a_class_that_never_occurs_changes_nothing_by_default(state, weighted):
    rows = data(0)
    few, many = (feed(STATES[state](classes, weighted=weighted), *rows) for classes in (CLASSES, CLASSES + 3))
    more = many.compute()
    for name in NAMES:
        expected = float(evaluate(parse(name), few.compute(), classes=LABELS))
        got = float(evaluate(parse(name), more, classes=LABELS))
        assert got == pytest.approx(expected, abs=1e-15, nan_ok=True), name
        if name.endswith("_micro") and not name.startswith(("specificity", "npv")):
            declared = float(evaluate(parse(name), more, classes=LABELS, scope="declared"))
            assert declared == pytest.approx(expected, abs=1e-15)
        if name.endswith("_macro") and not name.startswith(("specificity", "npv")):
            declared = float(evaluate(parse(name), more, classes=LABELS, scope="declared"))
            assert declared == pytest.approx(expected * CLASSES / (CLASSES + 3), abs=1e-15)


@pytest.mark.parametrize("kind", [k for k in KINDS if k[0] != "sparse" and not k[2]], ids=str)
@each_seed
def test_M12_numpy_equals_torch_bit_for_bit(kind, seed):
    target, preds, weight = data(seed)
    on_numpy = feed(empty(kind), target, preds, weight)
    on_torch = feed(empty(kind), torch.as_tensor(target), torch.as_tensor(preds), torch.as_tensor(weight))
    assert snapshot(on_torch) == snapshot(on_numpy)
    counts = on_torch.compute()
    assert isinstance(counts.tp, torch.Tensor)
    labels = LABELS[: counts.tp.shape[0]]
    for name in NAMES:
        if parse(name).label in (None, *labels):
            expected = np.asarray(evaluate(parse(name), on_numpy.compute(), classes=labels))
            got = evaluate(parse(name), counts, classes=labels)
            assert isinstance(got, torch.Tensor)
            assert got.dtype == torch.float64
            assert got.item() == pytest.approx(expected.item(), abs=1e-15, nan_ok=True), name


@each_kind
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.float16, np.float64, ">i2", ">f8"])
def test_integer_types_agree(kind, dtype):
    target, preds, weight = data(0)
    plain = feed(empty(kind), target, preds, weight)
    assert snapshot(feed(empty(kind), target.astype(dtype), preds.astype(dtype), weight)) == snapshot(plain)
    unsigned = feed(empty(kind), target.astype(np.uint8), np.maximum(preds, 0).astype(np.uint16), weight)
    assert snapshot(unsigned) == snapshot(feed(empty(kind), target, np.maximum(preds, 0), weight))


@each_kind
def test_inputs_and_the_other_side_of_a_merge_stay_untouched(kind):
    rows = data(0)
    kept = [array.copy() for array in rows]
    for array in rows:
        array.flags.writeable = False
    state, other = feed(empty(kind), *rows), feed(empty(kind), *rows)
    before = snapshot(other)
    state.merge(other).compute()
    assert snapshot(other) == before
    assert all(np.array_equal(array, old) for array, old in zip(rows, kept, strict=True))
    counts = state.compute()
    first = values(counts)
    assert values(counts) == first  # formulas do not write either


@each_kind
def test_M13_a_perfect_model_has_the_best_value(kind):
    target, _, weight = data(0)
    best = numbers(feed(empty(kind), target, target, weight).compute())
    for name in NAMES:
        entry = parse(name).entry
        if entry.name not in OF_THE_DATA:
            expected = entry.high if entry.direction == "higher" else entry.low
            assert best[name] == pytest.approx(expected, abs=1e-12), name


@each_kind
@each_seed
def test_every_value_lies_in_its_range_or_is_undefined(kind, seed):
    for scope in ("seen", "declared"):
        for name, number in numbers(feed(empty(kind), *data(seed, rows=6)).compute(), scope=scope).items():
            entry = parse(name).entry
            assert np.isnan(number) or entry.low - 1e-15 <= number <= entry.high + 1e-15, name


@each_kind
@each_seed
def test_M14_rows_of_the_matrix_are_supports_and_all_states_agree(kind, seed):
    rows = data(seed)
    state = feed(empty(kind), *rows)
    counts = state.compute()
    assert values(counts) == values(feed(ClassCounts(CLASSES, weighted=state.weighted), *rows).compute())
    if isinstance(state, ConfusionCounts) and state.dense and not state.weighted:
        assert (state.matrix().sum(1) + state.unpredicted).tolist() == counts.support.tolist()
        assert state.matrix().sum() + state.unpredicted.sum() == counts.n == 300
    named = feed(empty(kind), *data(seed, lowest=0)).compute()
    got = numbers(named, ("f1_micro", "accuracy", "precision_micro", "recall_micro", "recall_weighted", "error_rate"))
    error = got.pop("error_rate")
    assert list(got.values()) == pytest.approx([1.0 - error] * 5, abs=1e-12)


@each_kind
def test_M17_a_saved_and_resumed_state_goes_on_as_if_nothing_happened(kind):
    rows = data(0)
    resumed = empty(kind)
    resumed.load_state_dict(feed(empty(kind), *rows, slice(0, 111)).state_dict())
    feed(resumed, *rows, slice(111, None))
    assert snapshot(resumed) == snapshot(feed(empty(kind), *rows))
    assert resumed.rows == 300
