"""The laws of all states that read values: splits, merges, order, repeats, weights, outputs, libraries, saving."""

from __future__ import annotations

from functools import partial

import ml_dtypes
import numpy as np
import pytest
import torch

from evalcli.errors import InputError
from evalcli.metrics.absolute import AbsoluteErrors, Extremes, RatioCounts
from evalcli.metrics.deviance import Deviance, LogErrors
from evalcli.metrics.moments import Moments
from evalcli.metrics.pairs import RankPairs
from evalcli.metrics.registry import METRICS, parse
from evalcli.metrics.residuals import ResidualTable
from evalcli.metrics.roc import Certified
from evalcli.metrics.values import feed, value_rows

EVERY = {
    "moments": Moments,
    "absolute": AbsoluteErrors,
    "extremes": Extremes,
    "ratios": RatioCounts,
    "logs": LogErrors,
    "poisson": partial(Deviance, power=1.0),
    "gamma": partial(Deviance, power=2.0),
    "tweedie": partial(Deviance, power=1.5),
    "residuals": ResidualTable,
    "coarse residuals": partial(ResidualTable, budget=1500),
    "pairs": RankPairs,
    "coarse pairs": partial(RankPairs, budget=4000),
    "no pairs": partial(RankPairs, budget=0),
}
each_state = pytest.mark.parametrize("name", EVERY)
each_weighting = pytest.mark.parametrize("weighted", [False, True])
OF_STATE = {
    "Moments": "moments",
    "AbsoluteErrors": "absolute",
    "Extremes": "extremes",
    "LogErrors": "logs",
    "ResidualTable": "residuals",
    "RankPairs": "pairs",
}
NAMES = [entry.example for entry in METRICS.values() if entry.per_output]


def data(seed=0, n=400, outputs=2):
    """Targets and predictions of very different size, some equal, some 0, some negative; weights of 26 decades."""
    rng = np.random.default_rng(seed)
    target = rng.lognormal(sigma=3, size=(n, outputs))
    preds = target * rng.lognormal(sigma=0.4, size=(n, outputs))
    target[:30] = np.round(target[:30])
    preds[:30] = np.round(preds[:30])
    preds[30:60] = target[30:60]
    target[60:70] = 0.0
    preds[65:70] = 0.0
    preds[70:90] *= -1
    target[80:90] *= -1
    target[90:120], preds[90:120] = target[90], preds[90]
    return preds, target, rng.lognormal(sigma=10, size=n)


def bits(state):
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in state.state_dict().items()}


def filled(make, preds, target, weight=None, repeats=None):
    state = make()
    state.update(preds, target, weight, repeats)
    return state


def values(state_or_make, *rows):
    """All metrics of the first output that a full set of states gives, as bits."""
    found = {}
    for name in NAMES:
        entry = parse(name).entry
        key = OF_STATE.get(entry.state) or {"poisson_deviance": "poisson", "gamma_deviance": "gamma"}.get(
            name, "tweedie"
        )
        result = filled(partial(EVERY[key], *state_or_make[0], **state_or_make[1]), *rows).compute()[0]
        arguments = () if entry.state == "Deviance" else parse(name).arguments
        value = entry.formula(result, *arguments)
        found[name] = value.value if isinstance(value, Certified) else value
    return found


@each_state
@each_weighting
def test_M01_M02_M03_any_split_order_and_merge_equals_the_whole_bit_for_bit(name, weighted):
    make = partial(EVERY[name], 2, weighted=weighted)
    preds, target, weight = data(n=200)
    weight = weight if weighted else None
    whole = bits(filled(make, preds, target, weight))
    rng = np.random.default_rng(5)
    for size in (1, 7, 90):
        order = rng.permutation(len(target))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        by_one = make()
        for part in parts:
            by_one.update(preds[part], target[part], None if weight is None else weight[part])
        assert bits(by_one) == whole
        split = [filled(make, preds[p], target[p], None if weight is None else weight[p]) for p in parts]
        while len(split) > 1:  # a tree, then whatever is left
            split = [a if b is None else b.merge(a) for a, b in zip(split[::2], [*split[1::2], None], strict=False)]
        assert bits(split[0].merge(make())) == whole
    assert bits(make().merge(filled(make, preds, target, weight))) == whole


@each_state
@each_weighting
def test_M04_repeats_are_the_rows_written_out(name, weighted):
    make = partial(EVERY[name], 2, weighted=weighted)
    preds, target, weight = data(n=150)
    times = np.random.default_rng(5).integers(0, 4, 150)
    out = np.repeat(np.arange(150), times)
    weight = weight if weighted else None
    written = filled(make, preds[out], target[out], None if weight is None else weight[out])
    assert bits(filled(make, preds, target, weight, times)) == bits(written)
    assert written.rows == times.sum()


@pytest.mark.parametrize("seed", range(4))
def test_M04_a_repeat_is_a_weight(seed):
    preds, target, _ = data(seed, outputs=1)
    times = np.random.default_rng(seed).integers(0, 4, len(target))
    positive = np.abs(preds) + 1e-3, np.abs(target) + 1e-3
    repeated = values(((), {}), *positive, None, times)
    weighted = values(((), {"weighted": True}), *positive, times.astype(float))
    del repeated["adjusted_r2_p3"], weighted["adjusted_r2_p3"]  # n is the number of rows
    assert weighted == pytest.approx(repeated, rel=1e-12)


@each_state
@each_weighting
def test_M17_a_saved_state_goes_on_where_it_was(name, weighted):
    make = partial(EVERY[name], 2, weighted=weighted)
    preds, target, weight = data()
    weight = weight if weighted else None
    loaded = make()
    loaded.load_state_dict(
        filled(make, preds[:150], target[:150], None if weight is None else weight[:150]).state_dict()
    )
    loaded.update(preds[150:], target[150:], None if weight is None else weight[150:])
    assert bits(loaded) == bits(filled(make, preds, target, weight))


@each_state
def test_inputs_and_the_other_side_of_a_merge_stay_as_they_are(name):
    make = partial(EVERY[name], 2, weighted=True)
    rows = data()
    kept = [array.copy() for array in rows]
    for array in rows:
        array.flags.writeable = False
    state, other = filled(make, *rows), filled(make, *rows)
    before = bits(other)
    state.merge(other).compute()
    assert bits(other) == before
    assert all(np.array_equal(array, old) for array, old in zip(rows, kept, strict=True))


@each_state
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64])
def test_M12_numpy_equals_torch_bit_for_bit_and_half_types_are_what_they_hold(name, dtype):
    make = partial(EVERY[name], 2, weighted=True)
    preds, target, weight = data()
    said, truth = (torch.as_tensor(side.clip(-6e4, 6e4)).to(dtype) for side in (preds, target))
    on_torch = filled(make, said, truth, torch.as_tensor(weight))
    wide = filled(make, said.double().numpy(), truth.double().numpy(), weight)
    assert bits(on_torch) == bits(wide)
    if dtype == torch.bfloat16:
        own = filled(make, *(side.float().numpy().astype(ml_dtypes.bfloat16) for side in (said, truth)), weight)
        assert bits(own) == bits(wide)


@each_state
def test_every_output_is_counted_by_itself(name):
    preds, target, weight = data(outputs=3)
    budget = {"budget": 3 * EVERY[name].keywords["budget"]} if name in {"coarse residuals", "coarse pairs"} else {}
    several = filled(partial(EVERY[name], 3, weighted=True, **budget), preds, target, weight).compute()
    for output in range(3):
        alone = filled(partial(EVERY[name], weighted=True), preds[:, output], target[:, output], weight).compute()[0]
        assert repr(several[output]) == repr(alone)


@each_state
def test_one_column_is_one_output(name):
    preds, target, _ = data(outputs=1)
    assert bits(filled(EVERY[name], preds, target)) == bits(filled(EVERY[name], preds[:, 0], target[:, 0]))


@each_state
def test_wide_rows_come_in_blocks(name):
    preds, target, _ = data(n=100, outputs=900)
    state = filled(partial(EVERY[name], 900), preds, target)
    last = filled(EVERY[name], preds[:, -1], target[:, -1])
    if "coarse" not in name:
        assert repr(state.compute()[-1]) == repr(last.compute()[0])


@each_state
def test_states_set_up_differently_do_not_merge(name):
    for other in ({"outputs": 3}, {"outputs": 2, "weighted": True}):
        with pytest.raises(ValueError, match="cannot merge"):
            EVERY[name](2).merge(EVERY[name](**other))
    with pytest.raises(ValueError, match="weights need states"):
        EVERY[name](1).update(np.ones(2), np.ones(2), np.ones(2))


def test_states_of_several_budgets_or_powers_do_not_merge():
    for one, other in (
        (ResidualTable(budget=9), ResidualTable()),
        (RankPairs(budget=9), RankPairs()),
        (Deviance(power=1.0), Deviance(power=2.0)),
    ):
        with pytest.raises(ValueError, match="cannot merge"):
            one.merge(other)
    with pytest.raises(ValueError, match="no deviance of power"):
        Deviance(power=0.5)


def test_a_shared_batch_is_checked_once_and_ones_stand_in_for_weights():
    preds, target, _ = data(outputs=1)
    shared, alone = [Moments(weighted=True), AbsoluteErrors(weighted=True)], Moments(weighted=True)
    feed(shared, value_rows(preds, target))
    alone.update(preds, target, np.ones(len(preds)))
    assert bits(shared[0]) == bits(alone)


@pytest.mark.parametrize(
    ("preds", "target", "says"),
    [
        (np.ones(3), np.ones((3, 1)), r"preds have the shape \(3,\), targets \(3, 1\)"),
        (np.ones((3, 2, 2)), np.ones((3, 2, 2)), r"\(N,\) or \(N, D\)"),
        (np.ones((3, 2)), np.ones((3, 2)), "rows of 2 values, where there should be 1"),
        (np.array([1.0, np.nan]), np.ones(2), "1 preds are not finite, or beyond 1e\\+75"),
        (np.ones(2), np.array([np.inf, -np.inf]), "2 targets? are not finite"),
        (np.ones(2), np.array([1e76, 1.0]), "1 target are not finite, or beyond"),
        (np.array([2**53 + 1, 1]), np.ones(2), "1 preds are whole numbers that float64 does not hold"),
        (np.array([2**64 - 1], np.uint64), np.ones(1), "float64 does not hold"),
        (np.array([-(2**63) + 1]), np.ones(1), "float64 does not hold"),
    ],
)
def test_what_cannot_be_added_is_refused(preds, target, says):
    with pytest.raises(InputError, match=says):
        Moments().update(preds, target)


def test_whole_numbers_that_float64_holds_are_exact():
    for whole in (2**53, 2**60, -(2**62), 2**53 + 2):
        state = Moments()
        state.update(np.array([whole]), np.array([0]))
        assert state.compute()[0].preds == whole
    unsigned = Moments()
    unsigned.update(np.array([2**63], np.uint64), np.array([1], np.uint8))
    assert unsigned.compute()[0].preds == 2**63


def test_weights_are_weights():
    with pytest.raises(InputError, match="1 weights are negative, not finite or huge"):
        Moments(weighted=True).update(np.ones(2), np.ones(2), np.array([1.0, -1.0]))


def test_M13_a_perfect_model_has_the_best_value_and_values_lie_in_their_range():
    rng = np.random.default_rng(3)
    target = rng.lognormal(size=200)
    best = values(((), {}), target, target)
    worse = values(((), {}), rng.permutation(target) * 3, target)
    for name in NAMES:
        entry = parse(name).entry
        expected = {"higher": entry.high, "lower": entry.low, "zero": 0.0}[entry.direction]
        assert best[name] == pytest.approx(expected, abs=1e-15), name
        assert entry.low <= worse[name] <= entry.high


@pytest.mark.parametrize("seed", range(3))
def test_invariances(seed):
    rng = np.random.default_rng(seed)
    target = rng.lognormal(size=300)
    preds = target * rng.lognormal(sigma=0.4, size=300)
    here = values(((), {}), preds, target)
    shifted = values(((), {}), preds + 1024, target + 1024)
    for name in ("r2", "explained_variance", "pearson"):
        assert shifted[name] == pytest.approx(here[name], abs=1e-10)
    grown = values(((), {}), preds * 4, target * 4)  # by a power of two every bit stays
    same = ("r2", "explained_variance", "pearson", "spearman", "kendall", "mape", "smape", "wape", "adjusted_r2_p3")
    assert [grown[name] for name in same] == [here[name] for name in same]
    for name, power in {"rmse": 4, "mae": 4, "medae": 4, "max_error": 4, "bias": 4, "mse": 16, "pinball0.9": 4}.items():
        assert grown[name] == here[name] * power
    assert grown["gamma_deviance"] == pytest.approx(here["gamma_deviance"], rel=1e-13)
    ranked = values(((), {}), preds**3, np.log(target))
    assert (ranked["spearman"], ranked["kendall"]) == (here["spearman"], here["kendall"])
    turned = values(((), {}), target, preds)
    for name in ("mse", "rmse", "mae", "medae", "max_error", "pearson", "spearman", "kendall", "smape"):
        assert turned[name] == pytest.approx(here[name], rel=1e-15)
    assert turned["bias"] == -here["bias"]
