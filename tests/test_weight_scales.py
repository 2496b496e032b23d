"""Weights: only their proportions matter, and what is beyond float64 is said so."""

import numpy as np
import pytest

import evalcli
from evalcli.errors import InputError

N = 120
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, N)
PROBS = np.clip(0.3 + 0.4 * TRUTH + 0.2 * RNG.normal(size=N), 0.001, 0.999)
LABELS = RNG.integers(0, 2, (N, 3))
VALUES = RNG.normal(size=N)
DATA = {
    "classes": (PROBS, TRUTH, {}),
    "labels": (np.clip(0.3 + 0.4 * LABELS + 0.2 * RNG.normal(size=(N, 3)), 0, 1), LABELS, {"task": "multilabel"}),
    "values": (VALUES + 0.5 * RNG.normal(size=N), VALUES, {"task": "regression"}),
}
WEIGHT = RNG.uniform(0.2, 3.0, N)


def intervals(kind, weight, **more):
    preds, target, options = DATA[kind]
    found = evalcli.evaluate(preds, target, weight=weight, workers=1, resamples=200, **options, **more)
    return {name: (value.value, value.low, value.high) for name, value in found.data.metrics.items()}


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("power", [-190, 190])
def test_a_factor_on_all_weights_changes_nothing(kind, power):
    usual, scaled = intervals(kind, WEIGHT), intervals(kind, np.ldexp(WEIGHT, power))
    for name, numbers in usual.items():
        assert (None in scaled[name]) == (None in numbers), name
        assert None in numbers or scaled[name] == pytest.approx(numbers, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("kind", [*DATA, "three classes"])
def test_a_factor_on_all_weights_changes_no_comparison(kind):
    preds, target, options = DATA.get(kind) or (RNG.random((N, 3)), RNG.integers(0, 3, N), {"scores": "logits"})
    more = {"classes": {"metrics": "auroc,average_precision,ks,brier"}, "values": {}, "labels": {}}
    more = more.get(kind, {"metrics": "auroc_macro,auroc_ovo,f1_macro,log_loss"})
    other = preds + 0.1 * RNG.random(preds.shape) * (0.5 - preds)

    def differences(weight):
        found = evalcli.compare(preds, other, target=target, weight=weight, workers=1, resamples=200, **options, **more)
        return {row.name: row.differences[1] for row in found.data.metrics}

    usual, scaled = differences(WEIGHT), differences(np.ldexp(WEIGHT, -30))
    for name, one in usual.items():
        assert (scaled[name] is None) == (one is None), name
        assert one is None or scaled[name][:3] == pytest.approx(one[:3], rel=1e-9, abs=1e-12), name
        assert one is None or scaled[name].p == pytest.approx(one.p, rel=1e-6, abs=1e-12), name


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize(("power", "says"), [(-1000, "light"), (-340, "light"), (256, "heavy"), (400, "heavy")])
def test_weights_that_cannot_be_multiplied_are_refused_with_a_way_out(kind, power, says):
    with pytest.raises(InputError, match=f"too {says} to be multiplied.*scale them all by one factor"):
        intervals(kind, np.ldexp(WEIGHT, power))


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("tiny", [1e-30, 1e-100, 1e-160, 1e-300])
def test_rows_of_next_to_no_weight_are_nothing_unusual(kind, tiny):
    weight = np.where(np.arange(N) < 40, tiny, WEIGHT)
    for name, (value, low, high) in intervals(kind, weight, by={"half": np.arange(N) < 40}).items():
        assert low is None or low <= value <= high, name
    if kind == "classes":
        for name, (value, low, high) in intervals(kind, np.where(TRUTH == 1, tiny, WEIGHT)).items():
            assert low is None or low <= value <= high, name


def test_the_loss_of_heavy_rows_is_as_sure_as_that_of_as_many_light_ones():
    usual, heavy = intervals("classes", np.ones(N)), intervals("classes", np.full(N, 10.0))
    for name in ("log_loss", "brier"):
        assert heavy[name] == pytest.approx(usual[name], rel=1e-9)
