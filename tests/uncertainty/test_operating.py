"""Operating points: intervals against a search over all thresholds by itself, their shape, and how often they hold."""

from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, norm

from benchmarks.coverage import cover
from benchmarks.simulated import Case, scores
from benchmarks.simulated.scores import operating, ranking_of
from evalcli.metrics import roc
from evalcli.metrics.roc import Ranking
from evalcli.uncertainty.intervals import Confidence, wilson
from evalcli.uncertainty.operating import POINTS, operating_interval

CONFIDENCE = Confidence()


def of(base, ranking, argument, mean_weight=1.0, confidence=CONFIDENCE):
    exact = getattr(roc, base)(ranking, argument)
    return exact.value, operating_interval(base, exact, ranking, confidence, argument, mean_weight)


def drawn(rows=300, share=0.3, seed=0, levels=0.0):
    rng = np.random.default_rng(seed)
    positives = int(rows * share)
    sides = rng.normal(1.5, 1.0, positives), rng.normal(size=rows - positives)
    return ranking_of(*(np.round(side / levels) * levels if levels else side for side in sides))


def searched_specificity(ranking, sensitivity, critical):
    """Threshold by threshold, by mid-p values of the positives; beside a level of many, what two squares add up to."""
    tp = fp = 0.0
    before, low, high = 0.0, inf, -inf
    wanted = sensitivity * ranking.positives
    error, positives = sqrt(wanted * (1.0 - sensitivity)), binom(ranking.positives, sensitivity)
    many, alone, together = critical**2, chi2.ppf(0.95, 1), chi2.ppf(0.95, 2)
    for pos, after, neg in zip(ranking.pos.tolist(), [*ranking.pos[1:].tolist(), 0], ranking.neg.tolist(), strict=True):
        tp, fp = tp + pos, fp + neg
        told = float(norm.ppf(positives.cdf(tp - 1) + positives.pmf(tp) / 2))
        off = max(-told, before, 0.0)
        before = told
        lump = (max(pos, after) / error) ** 4 / ((max(pos, after) / error) ** 4 + 3.0**4)
        square = many + lump * ((together if off > 0 else alone) - many)
        if off**2 <= square:
            held = wilson(ranking.negatives - fp, ranking.negatives, sqrt(square - off**2))
            low, high = min(low, held.low), max(high, held.high)
    return low, high


@pytest.mark.parametrize("levels", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_it_holds_what_every_threshold_that_may_be_the_one_does(seed, levels):
    ranking = drawn(seed=seed, levels=levels)
    value, found = of("specificity_at_sensitivity", ranking, 0.85)
    low, high = searched_specificity(ranking, 0.85, CONFIDENCE.critical / (1.0 + 0.3 * 90**-0.25))
    assert (found.low, found.high) == pytest.approx((min(low, value), max(high, value)), abs=1e-9)
    assert found.method == "score"


def test_of_two_scores_it_is_that_of_a_share():
    """Nothing is to be chosen: the recall of the upper score is far above what is asked for, and nothing else is."""
    never = np.zeros(2, bool)
    ranking = Ranking(np.array([1.0, 0.0]), np.array([800, 200]), np.array([100, 900]), never, never)
    value, found = of("specificity_at_sensitivity", ranking, 0.5)
    alone = wilson(900, 1000, CONFIDENCE.critical)
    assert value == 0.9
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
    value, found = of("precision_at_recall", ranking, 0.5)
    alone = wilson(800, 900, CONFIDENCE.critical)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=2e-3)


sides = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    sides, st.sampled_from(sorted(POINTS)), st.sampled_from([1e-3, 0.3, 0.8, 1.0]), st.sampled_from([1.0, 0.01, 7.0])
)
def test_intervals_hold_their_value_inside_the_range_and_have_a_width(segments, base, argument, mean_weight):
    pos, neg = (np.array(side, float) * mean_weight for side in zip(*segments, strict=True))
    if not (pos.any() and neg.any()):
        return
    never = np.zeros(len(pos), bool)
    value, found = of(base, Ranking(-np.arange(float(len(pos))), pos, neg, never, never), argument, mean_weight)
    assert 0.0 <= found.low <= value <= found.high <= 1.0
    assert found.width > 0.0


@pytest.mark.parametrize("base", POINTS)
def test_equal_weights_are_rows_and_more_confidence_is_wider(base):
    ranking = drawn(share=0.5)
    scaled = Ranking(ranking.score, ranking.pos * 8.0, ranking.neg * 8.0, ranking.mixed, ranking.spread)
    value, rows = of(base, ranking, 0.8)
    weighed = of(base, scaled, 0.8, mean_weight=8.0)
    assert (weighed[1].low, weighed[1].high) == pytest.approx((rows.low, rows.high), rel=1e-12)
    surer = of(base, ranking, 0.8, confidence=Confidence(0.99))[1]
    assert surer.low < rows.low < value < rows.high < surer.high


@pytest.mark.parametrize("base", POINTS)
def test_one_side_of_next_to_no_weight_tells_nothing(base):
    ranking = drawn()
    found = of(base, ranking, 0.8, mean_weight=1e9)[1]
    assert (found.low, found.high) == (0.0, 1.0)


def test_a_precision_that_is_never_surely_exceeded_may_never_be_reached():
    pos, neg = np.array([1, 0, 5, 0, 20]), np.array([0, 2, 0, 5, 60])
    never = np.zeros(5, bool)
    value, found = of("recall_at_precision", Ranking(-np.arange(5.0), pos, neg, never, never), 0.6)
    assert value == 6 / 26
    assert found.low == 0.0
    assert found.high > 0.3


@pytest.mark.parametrize(
    ("told", "levels"),
    [
        (("recall_at_precision", 0.8, 500, 0.04, 1.5), 0.0),  # resampled, 78 %
        (("specificity_at_sensitivity", 0.9, 500, 0.04, 1.5), 0.0),  # 85 %
        (("specificity_at_sensitivity", 0.9, 200, 0.3, 1.7), 0.7),  # 62 %
        (("precision_at_recall", 0.5, 500, 0.2, 1.7), 1.0),  # where levels were taken for one of many, 91 %
    ],
)
def test_points_that_few_rows_or_ties_decide_are_held(told, levels, monkeypatch):
    monkeypatch.setattr(scores, "_MANY", 400_000)
    (row,) = cover(Case("", operating(*told, levels=levels)), 400)
    assert row.coverage > 0.925  # 95 % less two and a half standard errors
