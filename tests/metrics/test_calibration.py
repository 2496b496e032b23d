"""Calibration bins and what is read from them: against plain fractions, the conventions, and identities."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from evalcli.errors import LimitError
from evalcli.metrics.calibration import (
    BinTable,
    CalibrationBins,
    ClasswiseBins,
    accuracy,
    brier_split,
    classwise_ece,
    ece,
    mce,
    mean_confidence,
    overconfidence,
    reliability,
    underconfidence,
)
from evalcli.metrics.confidence import ConfidenceGroups, ConfidenceTable, equal_mass_bins, equal_mass_ece
from evalcli.metrics.losses import Brier, mean_loss
from evalcli.metrics.probability import ScoreForm, softmax

BINARY = ScoreForm("probs", binary=True)


def table(scores, target, form=BINARY, make=CalibrationBins, weight=None, **setup):
    state = make(form, weighted=weight is not None, **setup)
    state.update(np.asarray(scores), np.asarray(target), weight)
    return state.compute()


def slow_ece(confidence, right, bins):
    """Guo's sum in fractions, over the edges k / B as float64 has them."""
    total = Fraction(0)
    for k in range(bins):
        inside = [i for i, c in enumerate(confidence) if (k / bins < c <= (k + 1) / bins) or (k == 0 and c == 0)]
        total += abs(sum((Fraction(bool(right[i])) - Fraction(float(confidence[i])) for i in inside), Fraction(0)))
    return float(total / len(confidence))


def test_convention_13_a_confidence_of_one_is_in_the_last_bin():
    found = table([1.0, 1.0, 1.0, 0.97], [1, 1, 0, 1], bins=10)
    assert ece(found) == pytest.approx(0.2425, rel=1e-14)
    assert found.n.tolist() == [0] * 9 + [4]


@pytest.mark.parametrize("bins", [1, 2, 7, 10, 15, 100])
def test_ece_equals_fractions_also_at_the_edges(bins):
    rng = np.random.default_rng(bins)
    edges = np.arange(bins + 1) / bins
    near = np.concatenate([edges, np.nextafter(edges, 2)[:-1], np.nextafter(edges, -1)[1:], rng.random(50)])
    right = rng.integers(0, 2, len(near))
    found = table(near, right, bins=bins, of="positive")
    assert ece(found) == pytest.approx(slow_ece(near, right, bins), rel=1e-14)
    assert found.n.sum() == len(near)
    if bins > 1:
        assert found.n[0] == np.count_nonzero(near <= 1 / bins)


@pytest.mark.parametrize("bins", [10, 15, 20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_stored_number_at_an_edge_is_in_the_bin_below_it_in_every_type(dtype, bins):
    form = ScoreForm("probs", binary=True, eps=float(np.finfo(dtype).eps))
    stored = (np.arange(1, bins + 1) / bins).astype(dtype)
    assert table(stored, np.ones(bins, int), form, bins=bins, of="positive").n.tolist() == [1] * bins
    if bins == 10:  # the other side of 0.1 … 0.4 is at 0.9 … 0.6
        low = np.array([0.1, 0.2, 0.3, 0.4], dtype)
        assert table(low, np.zeros(4, int), form, bins=10).n.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]


def test_ece_looks_at_the_top_label_and_ece_positive_at_the_positive_class():
    scores, target = np.array([0.1, 0.2, 0.9]), np.array([0, 1, 1])
    assert ece(table(scores, target)) == pytest.approx(slow_ece([0.9, 0.8, 0.9], [1, 0, 1], 15))
    assert ece(table(scores, target, of="positive")) == pytest.approx(slow_ece(scores, target, 15))


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_the_top_label_of_many_classes(classes, kind):
    rng = np.random.default_rng(classes)
    logits, target = 3 * rng.standard_normal((300, classes)), rng.integers(0, classes, 300)
    probs = softmax(logits)
    found = table(logits if kind == "logits" else probs, target, ScoreForm(kind, classes))
    top, right = probs.max(1), probs.argmax(1) == target
    assert ece(found) == pytest.approx(slow_ece(top, right, 15), rel=1e-12, abs=1e-15)
    assert mean_confidence(found) == pytest.approx(top.mean(), rel=1e-14)
    assert accuracy(found) == pytest.approx(right.mean(), rel=1e-15)
    assert overconfidence(found) + underconfidence(found) == pytest.approx(ece(found), rel=1e-12)
    gap = mean_confidence(found) - accuracy(found)
    assert overconfidence(found) - underconfidence(found) == pytest.approx(gap, abs=1e-15)
    gaps = [abs(row.accuracy - row.confidence) for row in reliability(found) if row.n]
    assert mce(found) == pytest.approx(max(gaps), rel=1e-14)


def test_classwise_ece_is_the_mean_over_all_classes():
    rng = np.random.default_rng(1)
    logits, target = 3 * rng.standard_normal((200, 4)), rng.integers(0, 3, 200)
    probs = softmax(logits)
    slow = [slow_ece(probs[:, c], target == c, 15) for c in range(4)]
    for form, scores in ((ScoreForm("logits", 4), logits), (ScoreForm("probs", 4), probs)):
        found = table(scores, target, form, ClasswiseBins)
        assert ece(found) == pytest.approx(slow, rel=1e-12)
        assert classwise_ece(found) == pytest.approx(np.mean(slow), rel=1e-12)
    weight = rng.integers(1, 4, 200)
    heavy = table(logits, target, ScoreForm("logits", 4), ClasswiseBins, weight=weight.astype(float))
    out = np.repeat(np.arange(200), weight)
    written = table(logits[out], target[out], ScoreForm("logits", 4), ClasswiseBins)
    np.testing.assert_allclose(ece(heavy), ece(written), rtol=1e-12)
    np.testing.assert_array_equal(heavy.n, written.n)


def test_weights_are_repetition():
    rng = np.random.default_rng(2)
    scores, target, times = rng.random(200), rng.integers(0, 2, 200), rng.integers(0, 5, 200)
    heavy, written = (
        table(scores, target, weight=times.astype(float)),
        table(np.repeat(scores, times), np.repeat(target, times)),
    )
    for formula in (ece, mce, mean_confidence, accuracy, overconfidence):
        assert formula(heavy) == pytest.approx(formula(written), rel=1e-13)


def test_the_parts_of_brier_add_up_and_nothing_is_within_bins_of_one_value():
    rng = np.random.default_rng(3)
    scores, target = rng.random(500), rng.integers(0, 2, 500)
    state = Brier(BINARY)
    state.update(scores, target)
    found = table(scores, target, of="positive")
    split = brier_split(found, mean_loss(state.compute()))
    assert split.reliability - split.resolution + split.uncertainty + split.within == pytest.approx(split.brier)
    places = np.ceil(scores * 15).astype(int) - 1
    binned = np.array([scores[places == b].mean() if (places == b).any() else 0.0 for b in range(15)])
    assert split.brier - split.within == pytest.approx(np.mean((binned[places] - target) ** 2), rel=1e-12)
    coarse = np.round(scores, 1)
    kept = coarse > 0  # 0.0 and 0.1 share the first bin
    again = Brier(BINARY)
    again.update(coarse[kept], target[kept])
    exact = brier_split(table(coarse[kept], target[kept], of="positive", bins=10), mean_loss(again.compute()))
    assert abs(exact.within) < 1e-15
    assert exact.uncertainty == pytest.approx(target[kept].mean() * (1 - target[kept].mean()))


def test_the_parts_of_a_brier_of_classes_are_those_of_all_classes():
    rng = np.random.default_rng(4)
    form = ScoreForm("logits", 3)
    logits, target = 2 * rng.standard_normal((400, 3)), rng.integers(0, 3, 400)
    state = Brier(form)
    state.update(logits, target)
    split = brier_split(table(logits, target, form, ClasswiseBins), mean_loss(state.compute()))
    shares = np.bincount(target) / 400
    assert split.uncertainty == pytest.approx((shares * (1 - shares)).sum(), rel=1e-13)
    assert split.reliability - split.resolution + split.uncertainty + split.within == pytest.approx(split.brier)
    assert abs(split.within) < 0.01


def test_no_rows_have_no_calibration():
    found = table(np.zeros(0), np.zeros(0, int))
    for formula in (ece, mce, mean_confidence, accuracy, overconfidence, underconfidence):
        assert np.isnan(formula(found))
    assert np.isnan(brier_split(found, np.nan).reliability)
    assert {(row.n, row.confidence, row.accuracy) for row in reliability(found)} == {(0, None, None)}


def test_what_cannot_be_binned_is_refused():
    for wrong in ({"bins": 0}, {"of": "positive"}):
        with pytest.raises(ValueError, match="bins start at 1"):
            CalibrationBins(ScoreForm("logits", 3), **wrong)
    with pytest.raises(ValueError, match="bins start at 1"):
        ClasswiseBins(BINARY)
    with pytest.raises(LimitError, match="too many"):
        ClasswiseBins(ScoreForm("logits", 5000))
    with pytest.raises(ValueError, match="cannot merge"):
        CalibrationBins(BINARY).merge(CalibrationBins(BINARY, bins=10))


def groups(scores, target, form=BINARY, **more):
    return table(scores, target, form, ConfidenceTable, **more)


def test_bins_of_equal_mass_hold_equal_shares_and_never_split_ties():
    rng = np.random.default_rng(5)
    scores = 0.5 + rng.permutation(60) / 200
    found = equal_mass_bins(groups(scores, rng.integers(0, 2, 60)), 15)
    assert found.n.tolist() == [4] * 15
    assert (found.high[:-1] < found.low[1:]).all()
    tied = equal_mass_bins(groups(np.array([0.6] * 7 + [0.7, 0.8, 0.9]), np.ones(10, int)), 5)
    assert tied.n.tolist() == [0, 7, 0, 1, 2]  # the middle of seven rows is 3.5 of 10; then 7.5, 8.5 and 9.5
    assert tied.low[1] == tied.high[1] == 0.6
    assert np.isnan(tied.low[0])


@pytest.mark.parametrize("form", [BINARY, ScoreForm("logits", 6)])
def test_equal_mass_ece_equals_a_plain_sum(form):
    rng = np.random.default_rng(6)
    scores = rng.random(300) if form.binary else 3 * rng.standard_normal((300, 6))
    target = rng.integers(0, form.classes, 300)
    if form.binary:
        top, right = np.maximum(scores, 1 - scores), (scores >= 0.5) == target
    else:
        top, right = softmax(scores).max(1), scores.argmax(1) == target
    order = np.argsort(top)
    slow = sum(abs(right[part].sum() - top[part].sum()) for part in np.split(order, 15)) / 300
    found = equal_mass_ece(groups(scores, target, form))
    assert found.value == pytest.approx(slow, rel=1e-12)
    assert found.low == found.high == found.value
    heavy = equal_mass_ece(groups(scores, target, form, weight=np.ones(300)))
    assert heavy.value == pytest.approx(slow, rel=1e-12)


def test_a_full_table_certifies_equal_mass_ece():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        scores, target = rng.random(400) ** (1 + seed % 7), rng.integers(0, 2, 400)
        exact = equal_mass_ece(groups(scores, target)).value
        bounded = equal_mass_ece(groups(scores, target, budget=1500))
        assert bounded.low < bounded.high
        assert bounded.low <= exact <= bounded.high


def test_no_rows_have_no_equal_mass_bins():
    found = groups(np.zeros(0), np.zeros(0, int))
    assert isinstance(found, ConfidenceGroups)
    assert np.isnan(equal_mass_ece(found).value)
    assert isinstance(equal_mass_bins(found), BinTable)
    assert equal_mass_bins(found) is equal_mass_bins(found, 15)  # made once, for the error and for its interval


def test_saturated_logits_still_differ():
    found = groups(np.array([[50.0, 0.0], [60.0, 0.0], [0.0, 70.0]]), np.array([0, 0, 0]), ScoreForm("logits", 2))
    assert found.right.tolist() == [0, 1, 1]
    assert found.wrong.tolist() == [1, 0, 0]


@pytest.mark.parametrize("bins", [1, 15])
def test_what_integers_add_is_what_floats_add(bins):
    """Probabilities of 0 and 1, at the edges, far below the grid and half a step off it, a few beyond all that."""
    grid = 2.0**-60
    hard = np.array(
        [0.0, 1.0, 1 / 15, np.nextafter(1 / 15, 1), 0.5 * grid, 1.5 * grid, grid * (2**30 - 1), 1 - 2.0**-53]
    )
    probs, form = np.stack([hard, 1 - hard, hard[::-1]], axis=1), ScoreForm("probs", classes=3)
    for scores in (probs, np.where(probs == 1.0, 1.25, probs)):  # the latter are none, and so are left to floats
        states = [ClasswiseBins(form, bins=bins) for _ in range(2)]
        states[0].update(scores, np.arange(8) % 3)
        states[1].update(scores, np.arange(8) % 3, repeats=np.ones(8, np.int64))
        one, other = (state.state_dict() for state in states)
        assert {name: part.tolist() for name, part in one.items()} == {
            name: part.tolist() for name, part in other.items()
        }
