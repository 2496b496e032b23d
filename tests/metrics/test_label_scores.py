"""Ranks within rows and calibration of labels: beside scikit-learn, beside the binary states, and their laws."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from evalcli.errors import InputError
from evalcli.metrics import label_ranks
from evalcli.metrics.calibration import CalibrationBins, ece
from evalcli.metrics.label_calibration import (
    LabelCalibration,
    label_brier,
    label_ece,
    label_log_loss,
)
from evalcli.metrics.label_ranks import LabelRanks, coverage_error, lrap, ranking_loss, row_measures
from evalcli.metrics.losses import Brier, LogLoss, mean_loss
from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.ranking import KeyTable, auroc, average_precision

LABELS = 5
FORM = ScoreForm("logits", binary=True)
STATES = {
    "ranks": lambda **options: LabelRanks(LABELS, **options),
    "calibration": lambda **options: LabelCalibration(LABELS, FORM, **options),
}
KINDS = [(name, weighted) for name in STATES for weighted in (False, True)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{'weighted' if kind[1] else 'plain'}")
each_seed = pytest.mark.parametrize("seed", range(3))
each_weighting = pytest.mark.parametrize("weighted", [False, True])


def data(seed, rows=150, labels=LABELS, *, density=0.4, ties=True, ignore=0.0, spread=2.0):
    rng = np.random.default_rng(seed)
    target = (rng.random((rows, labels)) < density).astype(int)
    target[0], target[1] = 0, 1  # nothing to rank
    scores = rng.normal(size=(rows, labels)) + target
    target[rng.random((rows, labels)) < ignore] = -1
    return target, scores.round(1) if ties else scores, rng.lognormal(sigma=spread, size=rows)


def feed(state, target, scores, weight, rows=slice(None), **options):
    state.update(scores[rows], target[rows], weight[rows] if state.weighted else None, **options)
    return state


def empty(kind):
    return STATES[kind[0]](weighted=kind[1])


def snapshot(state):
    return {name: (array.shape, array.tolist()) for name, array in state.state_dict().items()}


@pytest.mark.parametrize("labels", [2, 3, 20, 64, 65, 200])
@pytest.mark.parametrize("density", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("ties", [False, True])
@each_weighting
def test_ranks_are_those_of_scikit_learn(labels, density, ties, weighted):
    target, scores, weight = data(1, rows=60, labels=labels, density=density, ties=ties)
    by = weight if weighted else None
    sums = feed(LabelRanks(labels, weighted=weighted), target, scores, weight).compute()
    expected = sk.label_ranking_average_precision_score(target, scores, sample_weight=by)
    assert lrap(sums) == pytest.approx(expected, abs=1e-12)
    assert coverage_error(sums) == pytest.approx(sk.coverage_error(target, scores, sample_weight=by), rel=1e-12)
    assert ranking_loss(sums) == pytest.approx(sk.label_ranking_loss(target, scores, sample_weight=by), abs=1e-12)


def test_rows_with_nothing_to_rank_count_as_in_scikit_learn():
    none, every = np.array([[0, 0, 0]]), np.array([[1, 1, 1]])
    scores = np.array([[0.3, 0.2, 0.1]])
    for target, expected in ((none, (1.0, 0.0, 0.0)), (every, (1.0, 3.0, 0.0))):
        sums = feed(LabelRanks(3), target, scores, None).compute()
        assert (lrap(sums), coverage_error(sums), ranking_loss(sums)) == expected
        assert sk.label_ranking_average_precision_score(target, scores) == expected[0]
        assert (sk.coverage_error(target, scores), sk.label_ranking_loss(target, scores)) == expected[1:]


def test_ties_count_against_the_model():
    sums = feed(LabelRanks(4), np.array([[1, 0, 0, 1]]), np.array([[0.5, 0.5, 0.5, 0.5]]), None).compute()
    assert (lrap(sums), coverage_error(sums), ranking_loss(sums)) == (0.5, 4.0, 1.0)


@pytest.mark.parametrize("labels", [7, 70])
@each_seed
def test_ignored_cells_are_in_no_rank(labels, seed):
    target, scores, _ = data(seed, rows=40, labels=labels, ignore=0.3)
    scores = np.where(target < 0, np.nan, scores)
    sums = feed(LabelRanks(labels), target, scores, None).compute()
    found = []
    for row in range(len(target)):
        kept = target[row] >= 0
        one = LabelRanks(int(kept.sum()))
        one.update(scores[row : row + 1, kept], target[row : row + 1, kept])
        found.append([lrap(one.compute()), coverage_error(one.compute()), ranking_loss(one.compute())])
    assert [lrap(sums), coverage_error(sums), ranking_loss(sums)] == pytest.approx(np.mean(found, axis=0), rel=1e-14)


@pytest.mark.parametrize("ignore", [0.0, 0.2])
def test_however_ranks_are_found_no_bit_differs(ignore, monkeypatch):
    target, scores, _ = data(5, labels=40, ignore=ignore)
    cells = scores.T.copy(), target.T.astype(np.int8)
    pairwise = row_measures(*cells)
    monkeypatch.setattr(label_ranks, "NARROW", 0)
    for many in (10**9, 0):
        monkeypatch.setattr(label_ranks, "_MANY", many)
        for one, other in zip(row_measures(*cells), pairwise, strict=True):
            assert one.tolist() == other.tolist()


@pytest.mark.parametrize("kind", ["probs", "logits"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_weighting
def test_losses_and_bins_are_those_of_the_binary_states_bit_for_bit(kind, dtype, weighted):
    target, scores, weight = data(2, ties=False, ignore=0.15)
    scores *= 6
    scores[:4] = np.array([0.0, np.inf, -np.inf, 40.0])[:, None]
    if kind == "probs":
        with np.errstate(over="ignore"):
            scores = 1 / (1 + np.exp(-scores))
        scores[4:6] = np.array([0.5, 0.7])[:, None]
    scores = np.where(target < 0, np.nan, scores).astype(dtype)
    form = ScoreForm(kind, binary=True, eps=float(np.finfo(dtype).eps))
    sums = feed(LabelCalibration(LABELS, form, weighted=weighted), target, scores, weight).compute()
    for label in range(LABELS):
        kept = target[:, label] >= 0
        rows = scores[kept, label], target[kept, label], weight[kept] if weighted else None
        loss, brier = LogLoss(form, weighted=weighted), Brier(form, weighted=weighted)
        bins = CalibrationBins(form, of="positive", weighted=weighted)
        for state in (loss, brier, bins):
            state.update(*rows)
        assert label_log_loss(sums)[label] == mean_loss(loss.compute())
        assert label_brier(sums)[label] == mean_loss(brier.compute())
        assert sums.clipped[label] == loss.compute().clipped
        table = bins.compute()
        assert (sums.bins.n[label].tolist(), sums.bins.right[label].tolist()) == (
            table.n.tolist(),
            table.right.tolist(),
        )
        assert label_ece(sums)[label] == pytest.approx(float(ece(table)), abs=1e-15)


@each_weighting
def test_losses_are_those_of_scikit_learn(weighted):
    target, scores, weight = data(3, ties=False)
    probs = 1 / (1 + np.exp(-scores))
    form = ScoreForm("probs", binary=True)
    sums = feed(LabelCalibration(LABELS, form, weighted=weighted), target, probs, weight).compute()
    by = weight if weighted else None
    for label in range(LABELS):
        rows = target[:, label], probs[:, label]
        assert label_log_loss(sums)[label] == pytest.approx(sk.log_loss(*rows, sample_weight=by), rel=1e-12)
        assert label_brier(sums)[label] == pytest.approx(sk.brier_score_loss(*rows, sample_weight=by), rel=1e-12)


@each_weighting
def test_ranks_of_columns_and_of_all_cells_are_those_of_scikit_learn(weighted):
    target, scores, weight = data(4)
    by = weight if weighted else None
    table = KeyTable(LABELS, weighted=weighted)
    table.update(scores, target, by)
    for mine, reference in ((auroc, sk.roc_auc_score), (average_precision, sk.average_precision_score)):
        every = reference(target, scores, average=None, sample_weight=by)
        assert [mine(one).value for one in table.compute()] == pytest.approx(every, abs=1e-12)
        micro = reference(target, scores, average="micro", sample_weight=by)
        assert mine(table.pooled()) == (pytest.approx(micro, abs=1e-12),) * 3


def test_pooled_ranks_past_the_budget_hold_the_exact_one():
    target, scores, _ = data(6, rows=4000, ties=False, density=0.2)
    exact, binned = KeyTable(LABELS), KeyTable(LABELS, budget=20_000)
    for table in (exact, binned):
        table.update(scores, target)
    assert not binned.exact
    for formula in (auroc, average_precision):
        low, high = formula(binned.pooled())[1:]
        assert low <= formula(exact.pooled()).value <= high
        assert 0 < high - low < 0.5


@each_kind
@each_seed
def test_M01_M03_any_split_and_any_order_equal_the_whole_bit_for_bit(kind, seed):
    rows = data(seed, ignore=0.1, spread=20.0)
    whole = feed(empty(kind), *rows)
    rng = np.random.default_rng(seed)
    for size in (1, 7, 149):
        order = rng.permutation(150)
        state = empty(kind)
        for start in range(0, 150, size):
            feed(state, *rows, order[start : start + size])
        assert snapshot(state) == snapshot(whole)


@each_kind
@each_seed
def test_M02_merge_is_associative_and_commutative_with_the_fresh_state_as_identity(kind, seed):
    rows = data(seed, ignore=0.1, spread=20.0)

    def part(start):
        return feed(empty(kind), *rows, slice(start, start + 50))

    left = part(0).merge(part(50)).merge(part(100))
    right = part(0).merge(part(50).merge(part(100)))
    turned = part(100).merge(part(0)).merge(part(50))
    assert snapshot(left) == snapshot(right) == snapshot(turned) == snapshot(feed(empty(kind), *rows))
    for identity in (left.merge(left.fresh()), left.fresh().merge(left), empty(kind).merge(left)):
        assert snapshot(identity) == snapshot(right)


@each_kind
def test_M04_a_repeat_is_the_row_again(kind):
    target, scores, weight = data(0, ignore=0.1)
    times = np.random.default_rng(0).integers(0, 6, len(target))
    repeated, again = empty(kind), empty(kind)
    feed(repeated, target, scores, weight, repeats=times)
    feed(again, *(np.repeat(side, times, axis=0) for side in (target, scores, weight)))
    assert snapshot(repeated) == snapshot(again)


@each_kind
def test_a_repeat_is_a_weight(kind):
    target, scores, _ = data(0, ignore=0.1)
    times = np.random.default_rng(0).integers(0, 6, len(target))
    weighed, counted = STATES[kind[0]](weighted=True), STATES[kind[0]]()
    weighed.update(scores, target, weight=times.astype(float))
    counted.update(scores, target, repeats=times)
    if kind[0] == "ranks":
        one, other = weighed.compute(), counted.compute()
        assert [lrap(one), coverage_error(one), ranking_loss(one)] == pytest.approx(
            [lrap(other), coverage_error(other), ranking_loss(other)], rel=1e-14
        )
    else:
        for formula in (label_log_loss, label_brier, label_ece):
            assert formula(weighed.compute()) == pytest.approx(formula(counted.compute()), rel=1e-14)


@pytest.mark.parametrize("name", STATES)
def test_M12_numpy_equals_torch_bit_for_bit(name):
    target, scores, _ = data(0, ignore=0.1)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        there = torch.as_tensor(scores).to(dtype)
        on_numpy, on_torch = STATES[name](), STATES[name]()
        on_torch.update(there, torch.as_tensor(target))
        on_numpy.update(there.double().numpy(), target)
        assert snapshot(on_torch) == snapshot(on_numpy)


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
    resumed.load_state_dict(feed(empty(kind), *rows, slice(0, 77)).state_dict())
    feed(resumed, *rows, slice(77, None))
    assert snapshot(resumed) == snapshot(feed(empty(kind), *rows))


@each_kind
def test_what_does_not_fit_is_refused(kind):
    state = empty(kind)
    with pytest.raises(InputError, match="one score and one cell"):
        state.update(np.zeros((2, LABELS)), np.zeros((2, LABELS + 1)))
    with pytest.raises(InputError, match="must be 1, 0 or -1"):
        state.update(np.zeros((1, LABELS)), np.full((1, LABELS), 2))
    with pytest.raises(InputError, match="NaN"):
        state.update(np.full((1, LABELS), np.nan), np.zeros((1, LABELS)))
    with pytest.raises(ValueError, match="different labels"):
        state.merge(LabelRanks(3) if kind[0] == "ranks" else LabelCalibration(3, FORM))
    if not kind[1]:
        with pytest.raises(ValueError, match="weighted=True"):
            state.update(np.zeros((1, LABELS)), np.zeros((1, LABELS)), weight=np.ones(1))


@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_rows_one_by_one_add_up_to_the_bits_of_the_batch(kind):
    rng = np.random.default_rng(3)
    scores = rng.random((200, 23)) if kind == "probs" else rng.normal(size=(200, 23))
    target = (rng.random(scores.shape) < 0.4).astype(int)
    whole, single = (LabelCalibration(23, ScoreForm(kind, binary=True)) for _ in range(2))
    whole.update(scores, target)
    for row in range(len(scores)):
        single.update(scores[row : row + 1], target[row : row + 1])
    assert single.compute().powers == whole.compute().powers


def test_nothing_at_all_is_undefined():
    assert np.isnan([lrap(LabelRanks(2).compute()), ranking_loss(LabelRanks(2).compute())]).all()
    sums = LabelCalibration(2, FORM).compute()
    assert np.isnan([*label_log_loss(sums), *label_brier(sums), *label_ece(sums)]).all()
