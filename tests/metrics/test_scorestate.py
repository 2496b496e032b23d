"""The laws of all states that read probabilities: splits, merges, order, repeats, weights, saving."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from evalcli.metrics.calibration import CalibrationBins, ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.probability import ScoreForm, softmax
from evalcli.metrics.temperature import TemperatureSample
from evalcli.metrics.topk import RankHistogram

EVERY = {
    "loss": LogLoss,
    "brier": Brier,
    "bins": CalibrationBins,
    "classwise": ClasswiseBins,
    "ranks": RankHistogram,
    "confidence": ConfidenceTable,
    "coarse": partial(ConfidenceTable, budget=1000),
    "temperature": TemperatureSample,
    "sample": partial(TemperatureSample, rows=40),
}
FORMS = {
    "logits": ScoreForm("logits", 5),
    "many": ScoreForm("logits", 100),
    "probs": ScoreForm("probs", 5, eps=2.0**-23),
    "binary": ScoreForm("logits", binary=True),
    "binary-probs": ScoreForm("probs", binary=True, eps=2.0**-23),
}
CASES = [(state, form) for state in EVERY for form in FORMS if not (state == "classwise" and form.startswith("binary"))]


def rows(form, n=400, seed=3):
    rng = np.random.default_rng(seed)
    logits = (4 * rng.standard_normal((n, form.classes))).astype(np.float32)
    target = rng.integers(0, form.classes, n)
    logits[:30] = logits[0]  # equal rows, some with the same target
    logits[30:60] = np.round(logits[30:60])  # ties
    logits[60:90] *= 30  # saturated
    target[:20] = target[0]
    scores = logits if form.kind == "logits" else softmax(logits).astype(np.float32)
    return (scores[:, 1] - (scores[:, 0] if form.kind == "logits" else 0)) if form.binary else scores, target


def bits(state):
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in state.state_dict().items()}


def filled(make, scores, target, weight=None, repeats=None):
    state = make()
    state.update(scores, target, weight, repeats)
    return state


@pytest.mark.parametrize(("name", "form"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_any_split_order_and_merge_equals_the_whole_bit_for_bit(name, form, weighted):
    make = partial(EVERY[name], FORMS[form], weighted=weighted)
    scores, target = rows(FORMS[form], 110)
    rng = np.random.default_rng(5)
    weight = rng.random(len(target)) if weighted else None
    if weighted:
        weight[:20] = weight[0]
    whole = filled(make, scores, target, weight)
    for size in (1, 7, 100):
        order = rng.permutation(len(target))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        split = [filled(make, scores[p], target[p], None if weight is None else weight[p]) for p in parts]
        by_one = make()
        for p in parts:
            by_one.update(scores[p], target[p], None if weight is None else weight[p])
        assert bits(by_one) == bits(whole)
        while len(split) > 1:  # a tree, then whatever is left
            split = [a if b is None else b.merge(a) for a, b in zip(split[::2], [*split[1::2], None], strict=False)]
        assert bits(split[0].merge(make())) == bits(whole)
    assert bits(make().merge(whole)) == bits(whole)


@pytest.mark.parametrize(("name", "form"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_repeats_are_the_rows_written_out(name, form, weighted):
    make = partial(EVERY[name], FORMS[form], weighted=weighted)
    scores, target = rows(FORMS[form], 100)
    times = np.random.default_rng(5).integers(1, 4, 100)
    weight = np.full(100, 0.1) if weighted else None
    out = np.repeat(np.arange(100), times)
    written = filled(make, scores[out], target[out], None if weight is None else weight[out])
    assert bits(filled(make, scores, target, weight, times)) == bits(written)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_saved_state_goes_on_where_it_was(name, form):
    make = partial(EVERY[name], FORMS[form])
    scores, target = rows(FORMS[form])
    loaded = make()
    loaded.load_state_dict(filled(make, scores[:100], target[:100]).state_dict())
    loaded.update(scores[100:], target[100:])
    assert bits(loaded) == bits(filled(make, scores, target))


@pytest.mark.parametrize(("name", "form"), CASES)
def test_inputs_stay_as_they_are(name, form):
    scores, target = rows(FORMS[form])
    before = scores.copy(), target.copy()
    scores.flags.writeable = target.flags.writeable = False
    filled(partial(EVERY[name], FORMS[form]), scores, target).compute()
    np.testing.assert_array_equal(scores, before[0])
    np.testing.assert_array_equal(target, before[1])


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("coarse", "sample")])
def test_half_types_say_what_the_same_numbers_say_in_float64(name):
    form = ScoreForm("logits", 5)
    scores, target = rows(form)
    half = scores.clip(-60000, 60000).astype(np.float16)
    assert bits(filled(partial(EVERY[name], form), half, target)) == bits(
        filled(partial(EVERY[name], form), half.astype(np.float64), target)
    )


@pytest.mark.parametrize("name", EVERY)
def test_states_set_up_differently_do_not_merge(name):
    with pytest.raises(ValueError, match="cannot merge"):
        EVERY[name](FORMS["logits"]).merge(EVERY[name](FORMS["probs"]))
    with pytest.raises(ValueError, match="cannot merge"):
        EVERY[name](FORMS["logits"]).merge(EVERY[name](FORMS["logits"], weighted=True))
