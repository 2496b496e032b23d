"""Medians of errors and rank correlations of two models: their difference, by what each row does to either."""

import numpy as np
import pytest
from memory_source import MemorySource
from scipy import stats

from evalcli.comparing.margins import judge, parse_margins
from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.mover import mover

NAMES = ("medae", "spearman", "kendall")
ONE = Execution(workers=1)
RNG = np.random.default_rng(3)
TARGET = RNG.gamma(2.0, 30.0, 90)
SHARED = RNG.normal(0, 8, 90)
FIRST, SECOND, THIRD = (TARGET + SHARED + RNG.normal(0, spread, 90) for spread in (14, 7, 5))
WEIGHTS = RNG.integers(1, 5, 90) / 4


def sources(*preds, target=TARGET, **more):
    return [
        MemorySource(each, target, paths=(f"{name}.pt", "t.pt"), **more)
        for name, each in zip("abcdef", preds, strict=False)
    ]


def compared(made, names=NAMES, execution=ONE):
    return compare(made, Choices(task="regression"), execution, Question(metrics=tuple(names), flips=0))


def difference(name, *preds, target=TARGET, execution=ONE, **more):
    return compared(sources(*preds, target=target, **more), [name], execution).metrics[0].differences[1]


def reported(name, preds, target=TARGET, **more):
    choices = Choices(task="regression", confidence=Confidence())
    return evaluate(sources(preds, target=target, **more)[0], choices, ONE, (name,)).metrics[name]


CORRELATIONS = {
    "spearman": lambda t, p: stats.spearmanr(t, p).statistic,
    "kendall": lambda t, p: stats.kendalltau(t, p).statistic,
}
ROUNDED = {
    "as they are": lambda side: side,
    "tied": lambda side: np.round(side, -1),
}


@pytest.mark.parametrize("rounded", ROUNDED)
@pytest.mark.parametrize("name", CORRELATIONS)
def test_correlations_differ_as_their_intervals_and_the_correlation_of_leaving_rows_out_say(name, rounded) -> None:
    first, second, target = map(ROUNDED[rounded], (FIRST, SECOND, TARGET))
    rests = [
        [CORRELATIONS[name](np.delete(target, row), np.delete(preds, row)) for row in range(len(target))]
        for preds in (first, second)
    ]
    found = difference(name, first, second, target=target)
    told = [reported(name, preds, target) for preds in (second, first)]
    known = [(one.value, Interval(one.low, one.high, "")) for one in told]
    together = np.corrcoef(*rests)[0, 1] * 90 / 91
    expected = mover(*known[0], *known[1], Confidence(), together)
    assert found.value == pytest.approx(CORRELATIONS[name](target, second) - CORRELATIONS[name](target, first))
    assert found.low == pytest.approx(expected.interval.low, abs=0.02 * expected.interval.width)
    assert found.high == pytest.approx(expected.interval.high, abs=0.02 * expected.interval.width)
    assert stats.norm.isf(found.p / 2) == pytest.approx(stats.norm.isf(expected.p / 2), rel=0.03)


@pytest.mark.parametrize("weighted", [False, True])
def test_medians_go_together_as_often_as_rows_lie_on_the_same_side_of_both(weighted) -> None:
    weight = WEIGHTS if weighted else np.ones(90)
    more = {"weight": weight} if weighted else {}
    found = difference("medae", FIRST, SECOND, **more)
    told = [reported("medae", preds, **more) for preds in (SECOND, FIRST)]
    sides = [np.sign(np.abs(p - TARGET) - one.value) * weight for p, one in zip((SECOND, FIRST), told, strict=True)]
    rows = weight.sum() ** 2 / (weight**2).sum()
    together = (sides[0] @ sides[1]) / np.sqrt((sides[0] @ sides[0]) * (sides[1] @ sides[1])) * rows / (rows + 1)
    sure = stats.t.ppf(0.975, stats.norm.ppf(0.975) * np.sqrt(rows)) / stats.norm.ppf(0.975)
    halves = [sure * (one.high - one.low) / 2 for one in told]
    reach = np.sqrt(halves[0] ** 2 + halves[1] ** 2 - 2 * together * halves[0] * halves[1])
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value) / reach * Confidence().critical), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_all_alike_say_nothing(name) -> None:
    plain, heavy = difference(name, FIRST, SECOND), difference(name, FIRST, SECOND, weight=np.full(90, 3.0))
    assert (heavy.low, heavy.high, heavy.p) == pytest.approx((plain.low, plain.high, plain.p), rel=1e-9)


@pytest.mark.parametrize("more", [{}, {"weight": WEIGHTS}])
@pytest.mark.parametrize("execution", [Execution(batch_size=1, workers=1), Execution(batch_size=7, workers=3)])
def test_no_bit_depends_on_batches_and_workers(execution, more) -> None:
    made = [compared(sources(FIRST, SECOND, THIRD, **more), execution=one) for one in (ONE, execution)]
    assert made[0].to_json_object() == made[1].to_json_object()


def test_a_league_has_the_differences_of_its_pairs() -> None:
    every = FIRST, SECOND, THIRD
    league = compared(sources(*every))
    for other in {0, 1, 2} - {league.reference}:
        pair = compared(sources(every[league.reference], every[other]))
        for row, alone in zip(league.metrics, pair.metrics, strict=True):
            mine, theirs = row.differences[other], alone.differences[1]
            assert (mine.value, mine.low, mine.high, mine.p) == (theirs.value, theirs.low, theirs.high, theirs.p)


def test_what_full_tables_cannot_tell_widens_the_interval() -> None:
    rng = np.random.default_rng(1)
    target, shared = rng.normal(size=(2, 6000))
    preds = [target + 0.5 * shared + spread * rng.normal(size=6000) for spread in (0.6, 0.5)]
    small = Execution(workers=1, ranking_budget=90_000)
    for name in NAMES:
        exact, coarse = (difference(name, *preds, target=target, execution=one) for one in (ONE, small))
        choices = Choices(task="regression", confidence=Confidence())
        bounds = [
            evaluate(each, choices, small, (name,)).metrics[name].certified for each in sources(*preds, target=target)
        ]
        width, unsure = exact.high - exact.low, sum(high - low for low, high in bounds)
        assert unsure > 0.0
        assert coarse.high - coarse.low == pytest.approx(width + unsure, rel=0.05), name
        assert coarse.low < exact.low + 0.05 * width, name
        assert coarse.high > exact.high - 0.05 * width, name


@pytest.mark.parametrize("name", NAMES)
def test_outputs_of_their_own_tell_more_than_outputs_that_are_the_same(name) -> None:
    """A mean over four independent outputs is half as wide as one, a mean over one output four times as wide as it."""
    rng = np.random.default_rng(2)
    target, shared = rng.normal(size=(2, 400, 4))
    first, second = (target + shared + spread * rng.normal(size=target.shape) for spread in (0.8, 0.7))
    one, mean = (difference(label, first, second, target=target) for label in (f"{name}[1]", name))
    alone = difference(name, first[:, 1], second[:, 1], target=target[:, 1])
    same = difference(
        name, *(np.repeat(side[:, 1:2], 4, axis=1) for side in (first, second)), target=target[:, [1] * 4]
    )
    assert one == alone
    assert 0.42 < (mean.high - mean.low) / (one.high - one.low) < 0.62
    assert (same.low, same.high) == pytest.approx((one.low, one.high), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_models_that_agree_are_not_certain_to_be_the_same(name) -> None:
    for preds in (FIRST, TARGET):
        found = difference(name, preds, preds)
        assert found.low < 0.0 == found.value < found.high
        assert (found.p, found.verdict) == (1.0, "none")


def test_few_rows_show_nothing_and_hinder_nothing() -> None:
    found = compared(sources(FIRST[:4], SECOND[:4], target=TARGET[:4]), (*NAMES[1:], "mae"))
    assert [row.differences[1] is None for row in found.metrics] == [True, True, False]
    constant = compared(sources(FIRST, np.ones(90)))
    assert [row.differences[1] is None for row in constant.metrics] == [False, True, True]


def test_margins_are_judged() -> None:
    found = compared(sources(FIRST, SECOND))
    verdicts = judge(found, parse_margins(["spearman=0.02", "medae=10%", "kendall=0.01"], ["spearman=0.001"]))
    assert [each.status for each in verdicts] == ["pass", "pass", "pass", "fail"]


@pytest.mark.parametrize("name", NAMES)
def test_where_there_is_no_difference_few_are_shown(name) -> None:
    """Of 100 samples 5 % are 5, give or take 7 (three standard errors)."""
    rng, shown = np.random.default_rng(11), 0
    for _ in range(100):
        target, shared, *errors = rng.normal(0, 1, (4, 60))
        each = difference(name, *(target + shared + own for own in errors), target=target)
        assert (each.p < 0.05) == (not each.low <= 0.0 <= each.high)
        shown += each.p < 0.05
    assert shown <= 12


def test_a_median_that_can_only_jump_has_no_middle() -> None:
    """Of stars from 1 to 5 errors are whole: where medians are 0 and 1 by chance, nothing is shown."""
    rng, shown = np.random.default_rng(7), 0
    for _ in range(60):
        target, *errors = rng.normal(size=(3, 100))
        stars, *preds = (np.clip(np.rint(each), -2, 2) for each in (target, *(target + 0.6 * one for one in errors)))
        shown += difference("medae", *preds, target=stars).p < 0.05
    assert shown <= 3
