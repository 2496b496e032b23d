"""Models that predict values, side by side: numbers of their reports, differences as by scipy and by rows drawn."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from models_beside import compared
from models_beside import sources as beside
from scipy import stats
from sklearn import metrics as sk

import evalcli
from evalcli.comparing.data import Comparison
from evalcli.comparing.margins import judge, parse_margins
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

EXECUTIONS = [Execution(workers=1), Execution(batch_size=399, workers=1), Execution(batch_size=7, workers=3)]
"""The second leaves one row for the last batch."""
ROWS = 400
RNG = np.random.default_rng(0)
TARGET = RNG.gamma(2.0, 30.0, ROWS)
FIRST, SECOND, THIRD = (TARGET + RNG.normal(shift, spread, ROWS) for shift, spread in ((1, 9), (-0.5, 7), (3, 7)))
WEIGHTS = RNG.integers(0, 5, ROWS) / 4
EVERY = (
    *("rmse", "mae", "r2", "bias", "mse", "explained_variance", "adjusted_r2_p3", "pearson", "wape", "smape", "mape"),
    *("pinball0.9",),
)
ORDERS = ("medae", "spearman", "kendall")


sources = partial(beside, target=TARGET)


def difference(name, *preds, target=TARGET, confidence=None, **more):
    question = Question(metrics=(name,), confidence=confidence or Confidence())
    return compared(sources(*preds, target=target, **more), question=question).metric(name).differences[1]


TWO = np.stack([TARGET, TARGET[::-1]], axis=1)
CASES = {
    "plain": lambda: sources(FIRST, SECOND),
    "weighted": lambda: sources(FIRST, SECOND, weight=WEIGHTS),
    "league": lambda: sources(FIRST, SECOND, THIRD),
    "float32": lambda: sources(FIRST.astype(np.float32), SECOND.astype(np.float32)),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_each_model_has_the_numbers_of_its_own_report(case) -> None:
    found = compared(case(), question=Question(metrics=(*EVERY, *ORDERS, "max_error")))
    for place, source in enumerate(case()):
        report = evaluate(source, Choices(), EXECUTIONS[0], tuple(row.name for row in found.metrics))
        assert (report.n, found.task) == (found.n, "regression")
        for row in found.metrics:
            assert row.values[place] == report.metrics[row.name].value


def test_no_bit_depends_on_batches_and_workers(case) -> None:
    question = Question(metrics=EVERY)
    every = [compared(case(), execution, question).to_json_object() for execution in EXECUTIONS]
    for other in every[1:]:
        assert json.dumps(other) == json.dumps(every[0])


def test_json_round_trip(case) -> None:
    found = compared(case())
    assert Comparison.from_json_object(json.loads(json.dumps(found.to_json_object()))) == found


LOSSES = {"mae": np.abs, "mse": np.square, "pinball0.9": lambda e: np.maximum(-0.9 * e, 0.1 * e)}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_students_test_of_pairs(name: str) -> None:
    """Where the differences are symmetrical, to the digit; else the surer of it and of Hall's."""
    found = difference(name, FIRST, SECOND)
    losses = [LOSSES[name](each - TARGET) for each in (SECOND, FIRST)]
    test = stats.ttest_rel(*losses)
    ends = test.confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(losses[0]) - np.mean(losses[1]), rel=1e-12)
    assert found.p >= test.pvalue * (1 - 1e-12)
    assert stats.norm.isf(found.p / 2) == pytest.approx(stats.norm.isf(test.pvalue / 2), rel=0.05)
    assert found.low <= ends.low + 1e-12
    assert found.high >= ends.high - 1e-12
    assert found.high - found.low == pytest.approx(ends.high - ends.low, rel=0.05)


def test_symmetrical_differences_have_students_test_to_the_digit() -> None:
    gap = stats.norm.ppf((np.arange(60) + 0.5) / 60) + 0.3
    target = np.linspace(0.5, 30.0, 60)
    found = difference("mae", target + 5.0, target + 5.0 + gap, target=target)
    test = stats.ttest_1samp(gap, 0.0)
    assert found.p == pytest.approx(test.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval(0.95)), rel=1e-9)


def by_hand(name, target, preds):
    error = preds - target
    return {
        "rmse": lambda: np.sqrt(np.mean(error**2)),
        "r2": lambda: sk.r2_score(target, preds),
        "adjusted_r2_p3": lambda: 1 - (1 - sk.r2_score(target, preds)) * (len(target) - 1) / (len(target) - 4),
        "explained_variance": lambda: sk.explained_variance_score(target, preds),
        "pearson": lambda: np.corrcoef(target, preds)[0, 1],
        "wape": lambda: np.abs(error).sum() / np.abs(target).sum(),
        "mape": lambda: np.mean(np.abs(error) / np.abs(target)),
        "smape": lambda: np.mean(2 * np.abs(error) / (np.abs(target) + np.abs(preds))),
        "bias": lambda: abs(error.mean()),
        "medae": lambda: np.median(np.abs(error)),
        "spearman": lambda: stats.spearmanr(target, preds).statistic,
    }[name]()


@pytest.mark.parametrize(
    "name", ["rmse", "r2", "adjusted_r2_p3", "explained_variance", "pearson", "wape", "mape", "smape", "spearman"]
)
def test_intervals_agree_with_a_bootstrap_of_pairs_of_rows(name: str) -> None:
    """An end of 1,000 resamples is off by about 0.06 of the width."""
    found = difference(name, FIRST, SECOND)
    assert found.value == pytest.approx(by_hand(name, TARGET, SECOND) - by_hand(name, TARGET, FIRST), rel=1e-9)
    rng, drawn = np.random.default_rng(5), []
    for _ in range(1000):
        rows = rng.integers(0, ROWS, ROWS)
        drawn.append(by_hand(name, TARGET[rows], SECOND[rows]) - by_hand(name, TARGET[rows], FIRST[rows]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.12 * (high - low))
    assert found.high == pytest.approx(high, abs=0.12 * (high - low))
    assert found.high - found.low == pytest.approx(high - low, rel=0.1)
    z = abs(found.value) / np.std(drawn)
    assert stats.norm.isf(found.p / 2) == pytest.approx(z, rel=0.12)


def test_weights_that_are_all_alike_say_nothing() -> None:
    plain, heavy = (compared(sources(FIRST, SECOND, weight=w)) for w in (np.ones(ROWS), np.full(ROWS, 2.0**40)))
    assert [row.differences for row in heavy.metrics] == [row.differences for row in plain.metrics]
    assert plain.metrics == compared(sources(FIRST, SECOND)).metrics


def test_weighted_losses_have_the_test_of_a_weighted_mean() -> None:
    found = difference("mae", FIRST, SECOND, weight=WEIGHTS)
    gap = np.abs(SECOND - TARGET) - np.abs(FIRST - TARGET)
    mean = np.average(gap, weights=WEIGHTS)
    rows = WEIGHTS.sum() ** 2 / (WEIGHTS**2).sum()
    error = np.sqrt((WEIGHTS**2 * (gap - mean) ** 2).sum() * rows / (rows - 1)) / WEIGHTS.sum()
    assert found.value == pytest.approx(mean, rel=1e-12)
    reach = stats.t.ppf(0.975, rows - 1) * error
    assert found.high - found.low == pytest.approx(2 * reach, rel=0.05)


@pytest.mark.parametrize("name", [*EVERY, *ORDERS])
def test_swapped_models_mirror_each_other(name: str) -> None:
    here, there = difference(name, FIRST, SECOND), difference(name, SECOND, FIRST)
    assert (there.value, there.low, there.high) == pytest.approx((-here.value, -here.high, -here.low), rel=1e-9)
    assert (there.p, there.detectable) == pytest.approx((here.p, here.detectable), rel=1e-9)
    assert {here.verdict, there.verdict} in ({"better", "worse"}, {"none"})


def test_identical_models_do_not_differ_and_the_reader_is_told() -> None:
    found = compared(sources(FIRST, FIRST), question=Question(metrics=(*EVERY, *ORDERS)))
    assert "same-answers" in {finding.code for finding in found.findings}
    assert found.rows == ()
    for row in found.metrics:
        each = row.differences[1]
        assert (each.value, each.p, each.verdict) == (0.0, 1.0, "none")
        assert each.low < 0.0 < each.high


def test_perfect_models_do_not_differ() -> None:
    found = compared(sources(TARGET, TARGET))
    assert {each.differences[1].verdict for each in found.metrics} == {"none"}
    better = compared(sources(FIRST, TARGET))
    assert {each.differences[1].verdict for each in better.metrics if each.name != "bias"} == {"better"}


def test_a_shift_of_all_rows_is_shown() -> None:
    row = compared(sources(TARGET + 1.0, TARGET + 3.0), question=Question(metrics=("bias", "mae"))).metrics[0]
    each = row.differences[1]
    assert (each.value, each.verdict) == (2.0, "worse")
    assert each.low < 2.0 < each.high


def test_a_bias_is_better_the_nearer_it_is_to_0() -> None:
    found = difference("bias", TARGET + RNG.normal(5, 4, ROWS), TARGET + RNG.normal(-1, 4, ROWS))
    assert found.verdict == "better"
    assert -5 < found.value < -3
    opposite = difference("bias", TARGET + RNG.normal(3, 4, ROWS), TARGET + RNG.normal(-3, 4, ROWS))
    assert opposite.verdict == "none"
    assert opposite.low < 0 < opposite.high


def test_a_league_is_against_the_best_and_holm_goes_over_models() -> None:
    found = compared(sources(FIRST, SECOND, THIRD))
    rmse = found.metric("rmse")
    assert found.kind == "league"
    assert found.reference == int(np.argmin(rmse.values)) == 1
    pair = compared(sources(SECOND, FIRST)).metric("rmse").differences[1]
    mine = rmse.differences[0]
    assert (mine.value, mine.low, mine.high, mine.p) == (pair.value, pair.low, pair.high, pair.p)
    ps = sorted(each.p for each in rmse.differences if each is not None)
    assert sorted(each.adjusted for each in rmse.differences if each is not None) == pytest.approx(
        [min(3 * ps[0], 1.0), max(min(3 * ps[0], 1.0), min(2 * ps[1], 1.0))]
    )
    nearest = compared(sources(FIRST, SECOND, THIRD), question=Question(metrics=("bias",)))
    assert nearest.reference == int(np.argmin(np.abs(nearest.metric("bias").values)))


def test_several_outputs_are_compared_by_their_mean_and_by_name() -> None:
    first, second = (TWO + np.random.default_rng(i).normal(0, 5 + i, TWO.shape) for i in (1, 3))
    question = Question(metrics=("rmse", "mae", "rmse[1]", "r2"))
    found = compared(sources(first, second, target=TWO), question=question, task="regression")
    one = difference("rmse", first[:, 1], second[:, 1], target=TWO[:, 1])
    named = found.metric("rmse[1]").differences[1]
    assert (named.value, named.low, named.high) == pytest.approx((one.value, one.low, one.high), rel=1e-9)
    gap = np.abs(second - TWO).mean(axis=1) - np.abs(first - TWO).mean(axis=1)
    ends = stats.ttest_1samp(gap, 0.0).confidence_interval(0.95)
    mae = found.metric("mae").differences[1]
    assert (mae.low, mae.high) == pytest.approx((ends.low, ends.high), abs=0.03 * (ends.high - ends.low))
    assert found.rows == ()


def test_the_rows_where_models_part_most() -> None:
    found = compared(sources(FIRST, SECOND), question=Question(flips=4), execution=EXECUTIONS[2])
    gap = np.abs(SECOND - TARGET) - np.abs(FIRST - TARGET)
    order = np.argsort(gap)
    rows = {kind: [row.row for row in found.rows if row.kind == kind] for kind in ("broken", "fixed")}
    assert rows == {"broken": order[::-1][:4].tolist(), "fixed": order[:4].tolist()}
    row = found.rows[0]
    assert (float(row.target), float(row.first), float(row.second)) == (
        TARGET[row.row],
        FIRST[row.row],
        SECOND[row.row],
    )


def test_unlike_targets_are_refused() -> None:
    other = TARGET.copy()
    other[7] += 1.5
    one, two = MemorySource(FIRST, TARGET), MemorySource(SECOND, other, paths=("b.pt", "u.pt"))
    with pytest.raises(InputError, match=r"1 target differs .*\(row 7: "):
        compared([one, two])


def test_unlike_weights_are_refused() -> None:
    other = WEIGHTS.copy()
    other[3] += 1.0
    one = MemorySource(FIRST, TARGET, weight=WEIGHTS)
    two = MemorySource(SECOND, TARGET, weight=other, paths=("b.pt", "u.pt"))
    with pytest.raises(InputError, match="1 weights differ"):
        compared([one, two])


def test_a_row_that_one_model_lacks_is_left_out_of_all() -> None:
    first, second = FIRST.copy(), SECOND.copy()
    first[:3], second[2:5] = np.nan, np.nan
    with pytest.raises(InputError, match="predictions are not finite"):
        compared(sources(first, second))
    for execution in EXECUTIONS:
        found = compared(sources(first, second), execution, nan="drop")
        assert (found.n, found.left_out, found.ignored) == (ROWS - 5, 4, 1)
        whole = compared(sources(FIRST[5:], SECOND[5:], target=TARGET[5:]))
        assert found.metrics == whole.metrics
        assert "left-out" in {finding.code for finding in found.findings}


def test_what_has_no_test_or_no_value_says_so() -> None:
    target = TARGET.copy()
    target[0] = 0.0
    question = Question(metrics=("max_error", "mape"))
    found = compared(sources(FIRST, SECOND, target=target), question=question)
    assert all(each.differences == (None, None) for each in found.metrics)
    assert found.metric("mape").values == (None, None)


def test_a_single_row_shows_nothing() -> None:
    found = compared(sources(np.array([1.5]), np.array([2.0]), target=np.array([1.25])))
    assert all(each.differences == (None, None) for each in found.metrics)


def test_metrics_of_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="accuracy is a metric of"):
        compared(sources(FIRST, SECOND), question=Question(metrics=("accuracy",)))


@pytest.mark.parametrize("scale", [1e-60, 1e-9, 1e9, 1e60])
def test_the_unit_of_the_target_says_nothing(scale: float) -> None:
    plain = compared(sources(FIRST, SECOND), question=Question(metrics=(*EVERY, *ORDERS)))
    found = compared(
        sources(FIRST * scale, SECOND * scale, target=TARGET * scale),
        question=Question(metrics=(*EVERY, *ORDERS)),
        task="regression",
    )
    for mine, base in zip(found.metrics, plain.metrics, strict=True):
        power = {"mse": 2}.get(mine.name, 1 if mine.name in {"rmse", "mae", "medae", "bias", "pinball0.9"} else 0)
        one, other = mine.differences[1], base.differences[1]
        assert one.p == pytest.approx(other.p, rel=1e-6)
        expected = (other.low * scale**power, other.high * scale**power)
        assert (one.low, one.high) == pytest.approx(expected, rel=1e-6)


def test_margins_read_the_direction_of_a_metric() -> None:
    found = compared(sources(SECOND, FIRST))
    texts = ["rmse=0.01", "rmse=9", "mae=50%", "bias=5", "r2=0.5"]
    verdicts = judge(found, parse_margins(texts, ["rmse=0.01", "rmse=9"]))
    assert [each.status for each in verdicts] == ["fail", "pass", "pass", "pass", "pass", "fail", "pass"]


def test_correlations_of_few_rows_have_no_test() -> None:
    found = compared(
        sources(FIRST[:99], SECOND[:99], target=TARGET[:99]), question=Question(metrics=("pearson", "mae"))
    )
    assert found.metric("pearson").differences == (None, None)
    assert found.metric("mae").differences[1] is not None


@pytest.mark.parametrize("rows", [12, 40])
def test_where_there_is_no_difference_few_are_shown(rows: int) -> None:
    """Of 400 samples 5 % are 20, give or take 9, each test by itself; with roots as they were seen it is 30 or more."""
    rng, names = np.random.default_rng(11), ("rmse", "mae", "r2", "bias")
    shown = dict.fromkeys(names, 0)
    for _ in range(400):
        target, errors = rng.normal(10, 5, rows), rng.normal(1, 2, (2, rows))
        made = sources(*(target + each for each in errors), target=target)
        for row in compared(made, question=Question(metrics=names, flips=0), task="regression").metrics:
            each = row.differences[1]
            assert (each.p < 0.05) >= (not each.low <= 0.0 <= each.high) - 1e-9
            shown[row.name] += each.p < 0.05
    assert max(shown.values()) <= 29, shown


numbers = st.integers(-(10**7), 10**7).map(lambda number: number / 64)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=2, max_size=30))
def test_any_values_give_an_interval_that_holds_the_difference(rows) -> None:
    target, first, second = np.array(rows).T
    found = compared(sources(first, second, target=target), task="regression", question=Question(metrics=EVERY))
    for row in found.metrics:
        each = row.differences[1]
        if each is not None:
            assert each.low <= each.value <= each.high
            assert 0.0 <= each.p <= each.adjusted <= 1.0
            if row.direction != "zero":
                assert each.value == row.values[1] - row.values[0]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_beside_a_model_that_is_nearly_always_right_the_rmse_of_the_other_is_no_surer_than_by_itself(noise):
    rng = np.random.default_rng(12)
    target = rng.normal(size=300)
    near, far = target + noise * rng.normal(size=300), target + rng.normal(size=300)
    found = evalcli.compare(near, far, target=target, task="regression", metrics=["rmse"])["rmse"]
    alone = evalcli.evaluate(far, target, task="regression").data.metrics["rmse"]
    assert found.high - found.value == pytest.approx(alone.high - alone.value, rel=0.15)
    assert found.value - found.low == pytest.approx(alone.value - alone.low, rel=0.15)


def test_rmses_of_hardly_more_than_one_row_by_weight_have_an_interval_that_holds_everything():
    found = evalcli.compare([1.5, 3.0], [4.0, 2.5], target=[1.0, 2.0], weight=[0.292, 0.009], task="regression")["rmse"]
    assert -np.inf < found.low < -1e6 < found.value < found.high < np.inf
    assert found.p > 0.5


@pytest.mark.parametrize(("name", "least"), [("r2", 95), ("pearson", 90)])
def test_differences_beside_a_target_with_a_heavy_tail_are_held_as_often_as_they_can_be(name, least):
    """Errors are a share of a log-normal target: a few rows make most of either number."""

    def drawn(rng, rows):
        target = np.exp(rng.normal(0.0, 1.2, rows))
        shared, *own = rng.normal(size=(3, rows)) * np.sqrt(0.5) * target
        return target, *(target + share * (shared + one) for share, one in zip((0.4, 0.25), own, strict=True))

    truth, rng, held = (
        difference_of_values(name, *drawn(np.random.default_rng(1), 2_000_000)),
        np.random.default_rng(2),
        0,
    )
    for _ in range(100):
        target, first, second = drawn(rng, 200)
        told = evalcli.compare(first, second, target=target, task="regression", metrics=[name], workers=1)
        found = told.data.metric(name).differences[1]
        held += found.low <= truth <= found.high
        assert (found.p <= 0.05) == (not found.low <= 0.0 <= found.high)
        if name == "r2":  # both have the same spread, which says nothing where they are alike
            squares = [(each - target) ** 2 for each in (first, second)]
            assert found.p >= stats.ttest_rel(*squares).pvalue * (1.0 - 1e-9)
    assert held >= least  # 91 and 84 by the scatter of the difference that was seen alone


def difference_of_values(name, target, first, second):
    """How much the second model is better, from the definition."""
    if name == "pearson":
        return np.corrcoef(second, target)[0, 1] - np.corrcoef(first, target)[0, 1]
    return (np.mean((first - target) ** 2) - np.mean((second - target) ** 2)) / target.var()


def test_where_one_row_weighs_all_no_spread_is_left_to_divide_by() -> None:
    target = np.array([0.3, 1.2])
    found = evalcli.compare(
        target + 0.1, target - 0.3, target=target, weight=np.array([1.0, 1e-200]), metrics=["r2", "mae"]
    )
    r2, mae = (row.differences[1] for row in found.data.metrics)
    assert r2 is None
    assert mae is not None
