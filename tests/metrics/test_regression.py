"""Every metric of values beside scikit-learn and scipy, on seeded and nasty data, and where it is undefined."""

from __future__ import annotations

from math import inf, isnan

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from evalcli.errors import UsageError
from evalcli.metrics.registry import METRICS, default_names, parse
from evalcli.metrics.roc import Certified
from evalcli.regression.results import Results
from evalcli.regression.states import Setup, StateKey, state_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")

NAMES = [entry.example for entry in METRICS.values() if entry.per_output]


def results(preds, target, weight=None, names=(), outputs=None):
    """The results of all states that these metrics need."""
    setup = Setup(1 if np.ndim(target) == 1 else np.shape(target)[1], weight is not None, 64 << 20)
    states = {key: setup.make(key) for key in {state_of(parse(name)) for name in names or NAMES}}
    for state in states.values():
        state.update(np.asarray(preds), np.asarray(target), weight)
    return Results(states, outputs or tuple(map(str, range(setup.outputs))))


def value(name, *rows, **more):
    return results(*rows, names=(name,), **more).value(parse(name)).value


SK = {
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "medae": sk.median_absolute_error,
    "mape": sk.mean_absolute_percentage_error,
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "msle": sk.mean_squared_log_error,
}
DEVIANCES = {"poisson_deviance": 1, "gamma_deviance": 2, "tweedie_deviance1.5": 1.5, "tweedie_deviance3": 3}


def drawn(seed, outputs=1):
    """Nasty data: few or many rows, ties, sizes from 1e-3 to 1e6, any quality of model."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([2, 3, 10, 101, 1000]))
    target = rng.lognormal(sigma=rng.choice([0.1, 1.0, 2.0]), size=(n, outputs)) * rng.choice([1e-3, 1.0, 1e6])
    preds = target * rng.lognormal(sigma=rng.choice([0.05, 0.5, 2.0]), size=(n, outputs))
    if seed % 3 == 0:
        target, preds = np.ceil(target), np.ceil(preds)
    weight = rng.choice([0.5, 1.0, 2.0, 3.0], n) if seed % 2 else None
    dtype = rng.choice([np.float32, np.float64])
    target, preds = target.astype(dtype), preds.astype(dtype)
    return (preds[:, 0], target[:, 0], weight) if outputs == 1 else (preds, target, weight)


def close(name, expected):
    """1e-12 of the value, or of 1 where the metric ends at 1."""
    return pytest.approx(expected, rel=1e-12, abs=1e-12 if METRICS[parse(name).base].high == 1 else 0)


@pytest.mark.parametrize("seed", range(24))
def test_one_output_equals_scikit_learn(seed):
    preds, target, weight = drawn(seed)
    wide = target.astype(np.float64), preds.astype(np.float64)
    found = results(preds, target, weight)
    for name, formula in SK.items():
        assert found.value(parse(name)).value == close(name, formula(*wide, sample_weight=weight)), name
    assert found.value(parse("max_error")).value == sk.max_error(*wide)
    for level in (0.1, 0.5, 0.9):
        expected = sk.mean_pinball_loss(*wide, sample_weight=weight, alpha=level)
        assert value(f"pinball{level}", preds, target, weight) == pytest.approx(expected, rel=1e-12)
    for name, power in DEVIANCES.items():
        expected = sk.mean_tweedie_deviance(*wide, sample_weight=weight, power=power)
        # where prediction and target nearly agree, their difference of large terms keeps fewer digits
        assert value(name, preds, target, weight) == pytest.approx(expected, rel=1e-11), name


@pytest.mark.parametrize("seed", range(8))
def test_several_outputs_are_the_uniform_mean_of_scikit_learn(seed):
    preds, target, weight = drawn(seed, outputs=3)
    wide = target.astype(np.float64), preds.astype(np.float64)
    found = results(preds, target, weight, outputs=("a", "b", "c"))
    for name, formula in SK.items():
        assert found.value(parse(name)).value == close(name, formula(*wide, sample_weight=weight)), name
        each = formula(*wide, sample_weight=weight, multioutput="raw_values")
        for output, expected in zip("abc", each, strict=True):
            assert found.value(parse(f"{name}[{output}]")).value == close(name, expected)
    mean = np.sqrt(sk.mean_squared_error(*wide, sample_weight=weight, multioutput="raw_values")).mean()
    assert found.value(parse("rmse")).value == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_correlations_equal_scipy(seed):
    preds, target, _ = drawn(seed)
    if len(target) > 2 and np.ptp(preds) and np.ptp(target):
        found = results(preds, target)
        wide = target.astype(np.float64), preds.astype(np.float64)
        assert found.value(parse("pearson")).value == pytest.approx(stats.pearsonr(*wide)[0], abs=1e-12)
        assert found.value(parse("spearman")).value == pytest.approx(stats.spearmanr(*wide)[0], abs=1e-12)
        assert found.value(parse("kendall")).value == pytest.approx(stats.kendalltau(*wide)[0], abs=1e-12)


def test_what_scikit_learn_does_not_have_by_definition():
    preds, target = np.array([2.0, 0.0, 5.0, -1.0]), np.array([1.0, 0.0, 10.0, 1.0])
    assert value("smape", preds, target) == pytest.approx((2 / 3 + 0 + 10 / 15 + 2) / 4, rel=1e-15)
    assert value("wape", preds, target) == 8 / 12
    assert value("bias", preds, target) == -6 / 4
    assert value("smape", -target, target, np.array([1.0, 0.0, 1.0, 1.0])) == 2.0
    r2 = 1 - 30 / 66
    assert value("adjusted_r2_p2", preds, target) == pytest.approx(1 - (1 - r2) * 3 / 1, rel=1e-14)
    assert isnan(value("adjusted_r2_p3", preds, target))
    assert value("pinball", preds, target) == value("mae", preds, target) / 2


def test_convention_22_mape_with_a_zero_target_is_undefined():
    found = results([1.0, 2.0, 3.0], [0.0, 2.0, 4.0])
    assert isnan(found.value(parse("mape")).value)
    assert found.read(StateKey("AbsoluteErrors"))[0].zeros == 1
    assert found.value(parse("wape")).value == 2 / 6
    assert found.value(parse("smape")).value == pytest.approx((2 + 0 + 2 / 7) / 3)
    assert isnan(value("mape", [0.0, 2.0], [0.0, 2.0]))  # not even where the prediction is right
    assert value("mape", [1.0, 3.0], [0.0, 2.0], np.array([0.0, 1.0])) == 0.5  # a row of no weight is none
    assert value("mape", [1e75], [5e-324]) == inf
    assert isnan(value("wape", [1.0], [0.0]))


@pytest.mark.parametrize(
    ("name", "fine", "bad"),
    [
        ("msle", (-0.5, 0.0), [(-1.0, 0.0), (0.0, -1.0), (-3.0, 1.0)]),
        ("poisson_deviance", (0.5, 0.0), [(0.0, 1.0), (-1.0, 1.0), (1.0, -1e-9)]),
        ("gamma_deviance", (0.5, 1.0), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0)]),
        ("tweedie_deviance1.5", (0.5, 0.0), [(0.0, 1.0), (1.0, -1.0)]),
        ("tweedie_deviance2.5", (0.5, 1.0), [(0.0, 1.0), (1.0, 0.0)]),
    ],
)
def test_values_outside_of_what_a_metric_takes_leave_it_undefined(name, fine, bad):
    assert not isnan(value(name, [fine[0]], [fine[1]]))
    for pred, target in bad:
        found = results([fine[0], pred, pred], [fine[1], target, target], names=(name,))
        assert isnan(found.value(parse(name)).value)
        assert found.read(state_of(parse(name)))[0].outside == 2


def test_a_loss_beyond_all_numbers_is_infinite():
    assert value("tweedie_deviance9", [1e-60], [1.0]) == inf


def test_correlations_with_a_constant_side_are_undefined():
    for name in ("pearson", "spearman", "kendall"):
        assert isnan(value(name, [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
        assert isnan(value(name, [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]))
        assert value(name, [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == -1.0


def test_a_mean_over_outputs_with_an_undefined_one_is_undefined():
    preds, target = np.array([[1.0, 1.0], [2.0, 2.0]]), np.array([[1.0, 0.0], [2.0, 2.0]])
    found = results(preds, target)
    assert isnan(found.value(parse("mape")).value)
    assert found.value(parse("mape[0]")).value == 0.0


def test_names_of_outputs():
    found = results(np.ones((2, 2)), np.ones((2, 2)), names=("mae",), outputs=("price", "area"))
    assert found.value(parse("mae[price]")).value == 0.0
    with pytest.raises(UsageError) as caught:
        found.value(parse("mae[prize]"))
    assert str(caught.value) == "mae[prize]: there is no output 'prize'; use one of 'price', … [E2]"
    with pytest.raises(UsageError, match="accuracy is a metric of binary or multiclass tasks"):
        found.value(parse("accuracy"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("pinball0.5", "pinball"),
        ("pinball", "pinball"),
        ("pinball0.90", "pinball0.9"),
        ("tweedie_deviance1.50", "tweedie_deviance1.5"),
        ("adjusted_r2_p03", "adjusted_r2_p3"),
        ("rmse[a]b]", "rmse[a]b]"),
        ("pinball0.9[price]", "pinball0.9[price]"),
    ],
)
def test_one_name_per_metric(text, canonical):
    assert str(parse(text)) == canonical
    assert str(parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("adjusted_r2", "needs its number of features; write it as in adjusted_r2_p3"),
        ("adjusted_r2_p0", "number of features must be whole and between 1 and"),
        ("tweedie_deviance", "needs its power; write it as in tweedie_deviance1.5"),
        ("tweedie_deviance0.5", "power must be between 1 and 10"),
        ("pinball1", "quantile must be between 0.0001 and 0.9999"),
        ("rmse_macro", "rmse is the mean over all outputs as it is; use rmse"),
        ("RMSE", "did you mean rmse"),
        ("mean_squared_error", "did you mean mse?"),
        ("median_absolute_error", "did you mean medae?"),
    ],
)
def test_what_names_no_metric_says_what_does(text, says):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert says in str(caught.value)


def test_the_catalogue_and_the_default_report():
    rows = [entry for entry in METRICS.values() if entry.per_output]
    assert len(rows) == 20
    assert {entry.name for entry in rows} - {*default_names("regression")} == {
        "adjusted_r2", "kendall", "msle", "poisson_deviance", "gamma_deviance", "tweedie_deviance", "pinball",
    }  # fmt: skip
    for entry in rows:
        assert entry.tasks == ("regression",)
        assert state_of(parse(entry.example)).name == entry.state
        assert entry.better in {"higher", "lower", "nearer 0"}


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_of_no_rows_is_undefined(name):
    found = parse(name).entry.formula(
        Setup(1, weighted=False, budget=1000).make(state_of(parse(name))).compute()[0],
        *(() if state_of(parse(name)).power is not None else parse(name).arguments),
    )
    assert isnan(found.value if isinstance(found, Certified) else found)
