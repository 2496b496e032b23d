"""What is read off a curve: formulas of many replicates against those of one, and the shape of their intervals."""

from statistics import NormalDist

import numpy as np
import pytest

from evalcli.metrics import roc, selective
from evalcli.metrics.confidence import ConfidenceGroups
from evalcli.metrics.roc import Ranking
from evalcli.uncertainty.curves import _moved, by_logarithm, joined, most_excess, selective_interval
from evalcli.uncertainty.distances import distance_interval
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.partial import partial_interval
from evalcli.uncertainty.paths import FORMULAS, Paths

CONFIDENCE = Confidence(resamples=500)
POINTS = {"recall_at_precision": 0.7, "precision_at_recall": 0.6, "specificity_at_sensitivity": 0.85}
SELECTIVE = {"aurc": (), "excess_aurc": (), "accuracy_at_coverage": (0.77,)}


def sides_of(seed: int, shape: tuple[int, int], most: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lean = np.linspace(0.9, 0.1, shape[1])
    rows = rng.integers(0, most, shape)
    pos = rng.binomial(rows, lean)
    return pos.astype(float), (rows - pos).astype(float)


def ranking_of(pos: np.ndarray, neg: np.ndarray) -> Ranking:
    never = np.zeros(len(pos), bool)
    return Ranking(-np.arange(len(pos), dtype=float), pos, neg, never, never)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_fpr", [0.03, 0.3, 1.0])
def test_partial_areas_are_those_of_each_replicate(seed, max_fpr):
    pos, neg = sides_of(seed, (20, 15))
    found = FORMULAS["auroc_fpr"](Paths.of(pos, neg), max_fpr)
    expected = [roc.partial_auroc(ranking_of(*one), max_fpr).value for one in zip(pos, neg, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SELECTIVE)
def test_selective_numbers_are_those_of_each_replicate(seed, name):
    right, wrong = sides_of(seed, (20, 15))
    found = FORMULAS[name](Paths.of(right, wrong), *SELECTIVE[name])
    sure = np.linspace(0.9, 0.1, 15)
    for each, one, other in zip(found, right, wrong, strict=True):
        held = one + other > 0
        groups = ConfidenceGroups(sure[held], sure[held], one[held], other[held])
        assert each == pytest.approx(getattr(selective, name)(groups, *SELECTIVE[name]).value, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", POINTS)
def test_operating_points_are_those_of_finely_cut_segments(seed, name):
    pos, neg = sides_of(seed, (8, 10))
    found = FORMULAS[name](Paths.of(pos, neg), POINTS[name])
    fine = [np.repeat(side, 2000, axis=1) / 2000 for side in (pos, neg)]
    expected = [getattr(roc, name)(ranking_of(*one), POINTS[name]).value for one in zip(*fine, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_replicate_without_a_side_is_undefined():
    paths = Paths.of(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]]))
    for name, argument in {"auroc_fpr": 0.1, **POINTS}.items():
        assert np.isnan(FORMULAS[name](paths, argument)).tolist() == [False, True]
    assert np.isnan(FORMULAS["aurc"](Paths.of(np.zeros((1, 2)), np.zeros((1, 2))))).all()


def test_joined_segments_keep_all_rows_and_are_narrow_at_both_ends():
    pos, neg = np.tile([1, 0], 50_000), np.tile([0, 1], 50_000)
    both = sum(joined(pos, neg, 128))
    assert len(both) <= 128
    assert both.sum() == 100_000
    assert max(both[0], both[-1]) < 20
    assert 1000 < both.max() < 1300


@pytest.mark.parametrize("seed", range(3))
def test_runs_of_segments_begin_where_a_look_at_every_segment_says(seed):
    rng = np.random.default_rng(seed)
    pos, neg = (rng.poisson(rng.gamma(0.2, 20.0, 3000 * 4**seed)) for _ in range(2))
    for most in (64, 128):
        places = sum(np.arcsin(np.sqrt(side.cumsum() / side.sum())) for side in (pos, neg))
        runs = np.minimum((places * (most / np.pi) * (1 - 1e-12)).astype(int), most - 1)
        heads = np.flatnonzero(np.diff(runs, prepend=-1))
        known = {}
        for _ in range(2):
            assert [side.tolist() for side in joined(pos, neg, most, known)] == [
                np.add.reduceat(side, heads).tolist() for side in (pos, neg)
            ]


KINDS = {
    "mixed": sides_of(3, (1, 40)),
    "perfect": (np.array([[5.0, 0.0]]), np.array([[0.0, 5.0]])),
    "upside down": (np.array([[0.0, 5.0]]), np.array([[5.0, 0.0]])),
    "one score": (np.array([[5.0]]), np.array([[7.0]])),
    "two rows": (np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])),
    "weights": (np.array([[0.25, 3e-5, 7.0]]), np.array([[0.5, 2.0, 1e-6]])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_their_value_inside_the_range_and_have_a_width(kind):
    pos, neg = (side[0] for side in KINDS[kind])
    ranking = ranking_of(pos, neg)
    groups = ConfidenceGroups(-np.arange(len(pos)), -np.arange(len(pos)), pos, neg)
    found = {"ks": (roc.ks(ranking).value, distance_interval(ranking, CONFIDENCE))}
    exact = roc.partial_auroc(ranking, 0.1)
    found["auroc_fpr"] = exact.value, partial_interval(exact, ranking, CONFIDENCE, 0.1)
    for name, arguments in SELECTIVE.items():
        exact = getattr(selective, name)(groups, *arguments)
        found[name] = exact.value, selective_interval(name, exact, groups, CONFIDENCE, *arguments)
    for name, (value, interval) in found.items():
        assert 0.0 <= interval.low <= value <= interval.high <= 1.0, name
        assert interval.width > 0.0, name


def test_a_distance_is_taken_to_be_less_than_it_was_seen_to_be():
    rng = np.random.default_rng(5)
    place = rng.permutation(400)  # scores that say nothing: the true distance is 0
    pos = (place < 200).astype(int)
    ranking = ranking_of(pos, 1 - pos)
    found = distance_interval(ranking, CONFIDENCE)
    assert found == distance_interval(ranking, CONFIDENCE)
    assert roc.ks(ranking).value > 0.05
    assert found.low == 0.0
    upside_down = distance_interval(ranking_of(pos[::-1], 1 - pos[::-1]), CONFIDENCE)
    assert abs(found.high - upside_down.high) < 0.01


def test_equal_weights_are_rows():
    pos, neg = sides_of(3, (1, 40))
    rows = distance_interval(ranking_of(pos[0], neg[0]), CONFIDENCE)
    weighed = distance_interval(ranking_of(pos[0] * 8.0, neg[0] * 8.0), CONFIDENCE, mean_weight=8.0)
    assert (weighed.low, weighed.high) == pytest.approx((rows.low, rows.high), rel=1e-12)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_distances_of_slices_are_as_sure_as_those_of_all_rows(weight: float) -> None:
    """A tenth of the replicates: the same width and place."""
    rng = np.random.default_rng(3)
    pos, neg = rng.binomial(2, np.linspace(0.9, 0.05, 900)), rng.binomial(3, np.linspace(0.2, 0.9, 900))
    ranking = ranking_of(pos * weight, neg * weight)
    slow, quick = (distance_interval(ranking, CONFIDENCE, weight, drawn=drawn) for drawn in (True, False))
    assert slow is not None
    assert quick is not None
    assert abs(quick.low - slow.low) < 0.2 * slow.width
    assert abs(quick.high - slow.high) < 0.2 * slow.width


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_a_partial_area_is_as_sure_as_resampled_rows_say(weight: float) -> None:
    rng = np.random.default_rng(3)
    pos, neg = rng.binomial(2, np.linspace(0.9, 0.05, 900)), rng.binomial(3, np.linspace(0.2, 0.9, 900))
    found = partial_interval(
        roc.partial_auroc(ranking_of(pos * weight, neg * weight), 0.1),
        ranking_of(pos * weight, neg * weight),
        CONFIDENCE,
        0.1,
        mean_weight=weight,
    )
    assert found is not None
    drawn = [roc.partial_auroc(ranking_of(rng.poisson(pos), rng.poisson(neg)), 0.1).value for _ in range(400)]
    assert found.width == pytest.approx(3.92 * np.std(drawn), rel=0.1)
    assert found.method == "delta"


def test_a_partial_area_of_few_positives_is_held_as_often_as_is_promised():
    """Fifteen positives among 500 rows, two and a half standard deviations ahead: a bootstrap held it in 177 of 200."""
    rng, held = np.random.default_rng(6), 0
    rates = (np.arange(100_000) + 0.5) / 500_000
    area = 0.2 * np.mean([NormalDist().cdf(2.5 + NormalDist().inv_cdf(rate)) for rate in rates.tolist()])
    truth = 0.5 * (1.0 + (area - 0.02) / (0.2 - 0.02))
    for _ in range(200):
        scores, target = np.concatenate([rng.normal(2.5, 1, 15), rng.normal(0, 1, 485)]), np.repeat([1, 0], [15, 485])
        order = np.argsort(-scores)
        ranking = ranking_of(target[order], 1 - target[order])
        held += truth in partial_interval(roc.partial_auroc(ranking, 0.2), ranking, CONFIDENCE, 0.2)
    assert held >= 183


@pytest.mark.parametrize(("accuracy", "coverage"), [(0.9, 0.1), (0.9, 0.8)])
def test_the_accuracy_at_a_coverage_is_as_sure_as_the_rows_up_to_it(accuracy, coverage):
    """Of 200 rows in a random order 20 are few, and all of them are right in one of eight samples."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(200):
        right = (rng.random(200) < accuracy).astype(np.float64)
        groups = ConfidenceGroups(-np.arange(200.0), -np.arange(200.0), right, 1.0 - right)
        value = selective.accuracy_at_coverage(groups, coverage)
        found = selective_interval("accuracy_at_coverage", value, groups, CONFIDENCE, coverage)
        held += accuracy in found
    assert held >= 0.93 * 200


@pytest.mark.parametrize("name", sorted(SELECTIVE))
def test_a_few_segments_tell_nearly_the_same(name):
    rng, rows = np.random.default_rng(3), 20_000
    confidence = -np.sort(-rng.beta(4.0, 1.0, rows))
    right = rng.random(rows) < confidence
    groups = ConfidenceGroups(confidence, confidence, right.astype(np.int64), (~right).astype(np.int64))
    exact = getattr(selective, name)(groups, *SELECTIVE[name])
    every, few = (
        selective_interval(name, exact, groups, CONFIDENCE, *SELECTIVE[name], few=few) for few in (False, True)
    )
    assert every != few
    assert few.low == pytest.approx(every.low, abs=0.01 * every.width)
    assert few.high == pytest.approx(every.high, abs=0.01 * every.width)


def test_a_distance_near_one_may_be_larger_than_it_was_seen():
    """One positive below the highest negative: 5 of 1,000 may be so, and so may 1 of 10,000."""
    score = np.r_[np.linspace(5.0, 9.0, 199), 1.0, np.linspace(-9.0, -5.0, 199), 2.0]
    order = np.argsort(-score)
    pos = (np.arange(400) < 200).astype(float)[order]
    never = np.zeros(400, bool)
    found = distance_interval(Ranking(score[order], pos, 1.0 - pos, never, never), CONFIDENCE)
    assert found.low < 0.98
    assert 0.997 < found.high <= 1.0


def test_what_may_be_nothing_is_not_moved_off_it_by_joined_segments():
    sure = np.linspace(1.0, 0.5, 1_000)
    wrong = np.zeros(1_000)
    wrong[-3] = 1.0
    groups = ConfidenceGroups(sure, sure, 1.0 - wrong, wrong)
    value = selective.aurc(groups)
    assert 0.0 < value.value < 1e-4
    found = selective_interval("aurc", value, groups, CONFIDENCE)
    assert found.low < 0.05 * value.value


@pytest.mark.parametrize("name", ["aurc", "excess_aurc"])
def test_an_area_of_one_wrong_row_is_as_unsure_as_of_two_degrees_of_freedom(name):
    right = np.ones(100)
    right[60] = 0.0
    groups = ConfidenceGroups(-np.arange(100.0), -np.arange(100.0), right, 1.0 - right)
    value = getattr(selective, name)(groups)
    found = selective_interval(name, value, groups, CONFIDENCE)
    assert found.method == "delta"
    assert found.high > 15 * value.value  # the normal quantile: not six times as large
    weighed = ConfidenceGroups(groups.low, groups.high, 8.0 * right, 8.0 - 8.0 * right)
    again = selective_interval(name, value, weighed, CONFIDENCE, mean_weight=8.0)
    assert (again.low, again.high) == pytest.approx((found.low, found.high), rel=1e-12)


@pytest.mark.parametrize(
    ("end", "seen", "value", "found"),
    [
        (0.0, 0.5, 0.6, 0.0), (1.0, 0.5, 0.6, 1.0), (0.5, 0.5, 0.6, 0.6), (0.25, 0.5, 0.6, 0.3), (0.5, 0.0, 0.1, 0.55),
        (1.0 + 2**-52, 1.0, 1.0, 1.0), (-(2.0**-60), 0.0, 0.0, 0.0),
    ],
)  # fmt: skip
def test_ends_move_with_the_value_and_stay_within_0_and_1_whatever_rounds(end, seen, value, found):
    assert _moved(end, seen, value) == pytest.approx(found, abs=1e-15)


def of_sureness(rng: np.random.Generator, rows: int, distance: float) -> ConfidenceGroups:
    score = rng.normal(distance, 1.0, rows)
    order = np.argsort(-np.abs(score))
    confidence, right = np.abs(score)[order], (score > 0.0)[order].astype(np.int64)
    return ConfidenceGroups(confidence, confidence, right, 1 - right)


def test_the_excess_of_a_handful_of_wrong_rows_is_held():
    """Seven of 100 rows are wrong on average; on Wilson's scale it was held in 91 %, as the upper end was too low."""
    truth = selective.excess_aurc(of_sureness(np.random.default_rng(0), 2_000_000, 1.5)).value
    rng, held = np.random.default_rng(2), 0
    for _ in range(300):
        groups = of_sureness(rng, 100, 1.5)
        held += truth in selective_interval("excess_aurc", selective.excess_aurc(groups), groups, CONFIDENCE)
    assert held >= 0.935 * 300


def test_no_excess_is_above_that_of_wrong_rows_that_all_come_first():
    wrong, right = np.ones(40_000, np.int64), np.zeros(60_000, np.int64)
    order = np.concatenate([wrong, right])
    sure = -np.arange(len(order), dtype=float)
    first = selective.excess_aurc(ConfidenceGroups(sure, sure, 1 - order, order)).value
    most = most_excess(40_000.0, 100_000.0, CONFIDENCE)
    assert first < most < 1.02 * first
    assert most_excess(90.0, 100.0, CONFIDENCE) == pytest.approx(np.log(2.0))  # half of the rows
    found = by_logarithm(0.001, 1e-6, 4.3, 0.05)  # one wrong row of 100, which says next to nothing
    assert found.low == pytest.approx(0.001 * np.exp(-4.3))
    assert found.high == 0.05
