"""The two counting states against plain loops, and the hostile rows that concern them."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from evalcli.errors import InputError, LimitError
from evalcli.metrics import ClassCounts, ConfusionCounts

STATES = [ClassCounts, ConfusionCounts, lambda c=None, **k: ConfusionCounts(c, dense_limit=2, **k)]
IDS = ["class", "dense", "sparse"]
each_state = pytest.mark.parametrize("make", STATES, ids=IDS)
each_library = pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])


def counted(make, preds, target, classes=None, **kwargs):
    state = make(classes, weighted="weight" in kwargs)
    state.update(preds, target, **kwargs)
    return state


def lists(counts):
    counts = counts.numpy()
    return counts.tp.tolist(), counts.support.tolist(), counts.predicted.tolist(), counts.n.item()


@each_state
@each_library
@pytest.mark.parametrize("classes", [None, 3, 400])
def test_a_prediction_of_minus_one_is_an_error_in_no_column(make, convert, classes):
    state = counted(make, convert(np.array([0, -1, 2, 1, -1])), convert(np.array([0, 1, 2, 2, 0])), classes)
    rest = [0] * ((classes or 3) - 3)
    assert lists(state.compute()) == ([1, 0, 1, *rest], [2, 1, 2, *rest], [1, 1, 1, *rest], 5)
    assert state.rows == 5
    if isinstance(state, ConfusionCounts):
        assert state.unpredicted.tolist() == [1, 1, 0, *rest]
        pairs = [column.tolist() for column in state.pairs()]
        assert pairs == [[0, 0, 1, 2, 2], [-1, 0, -1, 1, 2], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 7, 300, 1100])
@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_every_state_agrees_with_scikit_learn(library, classes, weighted):
    rng = np.random.default_rng(classes)
    target, preds = rng.integers(0, classes, (2, 4000))
    target[0] = classes - 1
    weight = rng.integers(1, 9, 4000) / 8 if weighted else None
    options = {} if weight is None else {"weight": library(weight)}
    table = confusion_matrix(target, preds, labels=range(classes), sample_weight=weight)
    expected = (np.diag(table).tolist(), table.sum(1).tolist(), table.sum(0).tolist(), table.sum())
    for make in STATES:
        for given in (classes, None):
            state = counted(make, library(preds), library(target), given, **options)
            assert lists(state.compute()) == expected
            if isinstance(state, ConfusionCounts):
                pairs = state.pairs()
                assert np.array_equal(pairs.counts, table[pairs.target, pairs.preds])
                assert len(pairs.counts) == np.count_nonzero(table)
                if state.dense:
                    assert np.array_equal(state.matrix(), table)


def test_rows_are_targets_and_columns_predictions_25():
    state = counted(ConfusionCounts, np.array([1, 1, 0]), np.array([0, 0, 1]), 2)
    assert state.matrix().tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_turning_sparse_does_not_depend_on_when(seed, weighted):
    rng = np.random.default_rng(seed)
    target, preds = rng.integers(0, 20, 400), rng.integers(-1, 20, 400)
    target[::100] = 29  # in one order all parts but the last stay dense
    weight = rng.random(400) * (rng.random(400) < 0.5) if weighted else None  # weight 0 leaves no cell behind
    results = []
    for order in (np.argsort(target), np.argsort(-preds), rng.permutation(400)):
        parts = []
        for rows in np.array_split(order, 9):
            part = ConfusionCounts(dense_limit=20, weighted=weighted)
            part.update(preds[rows], target[rows], None if weight is None else weight[rows])
            parts.append(part)
        whole = parts[0].fresh()
        for part in parts:
            whole.merge(part)
        assert not whole.dense
        results.append({name: array.tolist() for name, array in whole.state_dict().items()})
    assert results[0] == results[1] == results[2]


def test_sparse_memory_follows_the_occupied_cells():
    state = ConfusionCounts(100_000)
    labels = np.arange(100_000)
    for _ in range(40):
        state.update(labels, labels)
        assert len(pickle.dumps(state)) < 12_000_000  # the million keys that may wait, and the table
    assert sum(array.nbytes for array in state.state_dict().values()) < 100_000 * 17
    assert state.pairs().counts.tolist() == [40] * 100_000
    with pytest.raises(LimitError, match="100000 classes"):
        state.matrix()


# The hostile rows.


@each_state
@each_library
@pytest.mark.parametrize(("preds", "target"), [(0, -100), (0, -1)])
def test_N08_a_negative_target_is_refused(make, convert, preds, target):
    state = counted(make, convert(np.array([preds, 1])), convert(np.array([target, 1])), 3)
    with pytest.raises(InputError, match="1 row holds a label outside the classes 0 to 2"):
        state.compute()


@each_state
@each_library
@pytest.mark.parametrize(("preds", "target"), [(3, 0), (-2, 1), (0, 3), (2**62, 2), (-(2**63), 0), (0, 2**63 - 1)])
def test_N09_a_label_outside_never_folds_into_another_cell(make, convert, preds, target):
    state = counted(make, convert(np.array([preds, 1])), convert(np.array([target, 1])), 3)
    for read in (state.compute, *((state.pairs,) if isinstance(state, ConfusionCounts) else ())):
        with pytest.raises(InputError, match="1 row holds a label outside"):
            read()
    state.overflow = 0  # look beneath: the other row alone was counted
    assert lists(state.compute()) == ([0, 1, 0], [0, 1, 0], [0, 1, 0], 1)


def test_N09_overflow_is_counted_by_weights_repeats_and_the_largest_unsigned():
    for make in STATES:
        state = make(2, weighted=True)
        state.update(np.array([0, 5]), np.array([0, 1]), weight=np.array([1.0, 2.0]), repeats=np.array([1, 4]))
        assert state.overflow == 4
        state = counted(make, np.array([0, 2**64 - 1], np.uint64), np.array([0, 1]), 2, repeats=np.array([1, 3]))
        assert state.overflow == 3


@each_state
def test_N09_open_classes_refuse_what_is_no_class_number(make):
    with pytest.raises(LimitError, match="number the classes from 0"):
        counted(make, np.array([0]), np.array([10**12]))
    with pytest.raises(InputError, match="outside the classes 0 to 0"):
        counted(make, np.array([0]), np.array([-1])).compute()


@each_state
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64, ">i4", np.float32])
def test_N10_narrow_integers_do_not_wrap(make, dtype):
    labels = np.full(300, 16)
    state = counted(make, labels.astype(dtype), labels.astype(dtype), 17)
    assert lists(state.compute()) == ([0] * 16 + [300], [0] * 16 + [300], [0] * 16 + [300], 300)


def test_N10_the_key_of_many_classes_does_not_wrap():
    labels = np.array([70_000, 46_341], np.int32)
    assert counted(ConfusionCounts, labels, labels).pairs().target.tolist() == [46_341, 70_000]


@each_state
@each_library
@pytest.mark.parametrize("bad", [0.5, float("nan"), float("inf"), 1e20])
def test_N11_numbers_that_are_not_whole_are_no_labels(make, convert, bad):
    with pytest.raises(InputError, match="not whole"):
        counted(make, convert(np.array([1.0, bad])), convert(np.array([1, 0])), 3)


def test_N11_text_is_no_label():
    with pytest.raises(InputError, match="integer labels"):
        counted(ClassCounts, np.array(["a"]), np.array([0]), 3)


@each_state
@each_library
@pytest.mark.parametrize("start", [2**24, 2**31, 2**53])
def test_N12_counters_do_not_stop_23(make, convert, start):
    """A seeded state: 1000 further rows must all be seen, where float32 stops at 2^24 and float64 at 2^53."""
    one = convert(np.zeros(1, np.int64))
    state = make(3)
    state.update(one, one, repeats=convert(np.array([start], np.int64)))
    state.update(convert(np.zeros(1001, np.int64)), convert(np.zeros(1001, np.int64)))
    state.update(one, one + 1)
    expected = start + 1001
    assert lists(state.compute()) == ([expected, 0, 0], [expected, 1, 0], [expected + 1, 0, 0], expected + 1)
    assert lists(state.merge(state.fresh().merge(state)).compute())[0] == [2 * expected, 0, 0]


@each_state
def test_N12_weights_do_not_stop_either_31(make):
    state = make(2, weighted=True)
    for weight, repeats in ((1.0, 2**53), (1.0, 1), (1.0, 1), (0.5, 2)):
        state.update(np.array([1]), np.array([1]), weight=np.array([weight]), repeats=np.array([repeats]))
    assert lists(state.compute())[0] == [0.0, float(Fraction(2**53 + 3))]
    assert state.rows == 2**53 + 4
    assert state.weight_squares == float(2**53 + Fraction(5, 2))


@pytest.mark.parametrize("make", [ClassCounts, ConfusionCounts], ids=["class", "dense"])
@pytest.mark.parametrize("classes", [3, 400])
def test_N14_an_update_never_waits_for_the_device(make, classes):
    """Reading a value back from torch's meta device is an error, so it stands in for a GPU."""
    state = make(classes)
    labels = torch.zeros(5, dtype=torch.int32, device="meta")
    state.update(labels, labels)
    state.update(labels, labels, repeats=labels)
    with pytest.raises((RuntimeError, NotImplementedError)):
        state.compute()


@each_state
def test_N15_nothing_counted_is_nothing(make):
    state = make(2)
    state.update(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert lists(state.compute()) == ([0, 0], [0, 0], [0, 0], 0)
    assert lists(make().compute()) == ([0], [0], [0], 0)


@each_state
@pytest.mark.parametrize(("preds", "target"), [((3,), (2,)), ((3, 1), (3,)), ((3, 3), (3,)), ((2, 3), (3, 2))])
def test_N22_shapes_never_broadcast(make, preds, target):
    with pytest.raises(InputError) as caught:
        counted(make, np.zeros(preds, int), np.zeros(target, int), 3)
    assert str(preds) in str(caught.value)
    assert str(target) in str(caught.value)


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), -5e-324, 1e200])
def test_negative_and_infinite_weights_are_refused_31(bad):
    with pytest.raises(InputError, match="1 weights are negative, not finite or huge"):
        counted(ClassCounts, np.array([0, 1]), np.array([0, 1]), 2, weight=np.array([1.0, bad]))


def test_weights_keep_the_row_count_and_the_sum_of_squares_31():
    state = counted(ClassCounts, np.array([0, 1]), np.array([0, 0]), 2, weight=np.array([0.25, 3.0]))
    assert lists(state.compute()) == ([0.25, 0.0], [3.25, 0.0], [0.25, 3.0], 3.25)
    assert (state.rows, state.weight_squares) == (2, 9.0625)
    with pytest.raises(ValueError, match="weighted=True"):
        ClassCounts(2).update(np.array([0]), np.array([0]), weight=np.array([1.0]))


def test_weights_of_any_size_add_exactly_31():
    weight = np.array([1e100, 1.0, 1e-100, 3e-310, 0.0])
    state = counted(ConfusionCounts, np.zeros(5, int), np.zeros(5, int), 1, weight=weight)
    assert state.compute().n == float(sum(map(Fraction, weight)))


# Belonging together.


def test_states_set_up_differently_do_not_merge():
    for left, right in (
        (ClassCounts(3), ClassCounts(4)),
        (ClassCounts(3), ClassCounts()),
        (ClassCounts(3), ClassCounts(3, weighted=True)),
        (ConfusionCounts(3), ConfusionCounts(3, dense_limit=2)),
    ):
        with pytest.raises(ValueError, match="cannot merge"):
            left.merge(right)
    with pytest.raises(TypeError):
        ClassCounts(3).merge(ConfusionCounts(3))
    with pytest.raises(ValueError, match="not of 3 classes"):
        ClassCounts(3).load_state_dict(ClassCounts(4).state_dict())
    with pytest.raises(ValueError, match="num_classes"):
        ClassCounts(0)


def test_numpy_and_torch_batches_mix():
    state = ConfusionCounts(3)
    state.update([0, 1], [0, 2])
    state.update(torch.tensor([2]), torch.tensor([2]))
    state.update(np.array([1]), np.array([1]), repeats=np.array([5]))
    assert lists(state.compute()) == ([1, 5, 1], [1, 5, 2], [1, 6, 1], 8)
    assert lists(ConfusionCounts(3).merge(state).merge(state.fresh()).compute()) == lists(state.compute())


@pytest.mark.parametrize("classes", [3, 2000])
def test_labels_that_were_checked_elsewhere_are_counted_as_others_are(classes):
    rng = np.random.default_rng(classes)
    preds, target = (torch.from_numpy(rng.integers(0, classes, 500)) for _ in range(2))
    expected, found = ConfusionCounts(classes), ConfusionCounts(classes)
    for start in (0, 250):
        expected.update(preds[start : start + 250], target[start : start + 250])
        found.take(preds[start : start + 250], target[start : start + 250].to(torch.int32))
    assert found.rows == 500
    for name, array in expected.state_dict().items():
        np.testing.assert_array_equal(found.state_dict()[name], array, err_msg=name)
    assert found.on_host().total() == 500
    assert isinstance(found.on_host().table, np.ndarray)
