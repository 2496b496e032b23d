"""Rankings: DeLong against its definition pair by pair, average precision against differences, and the borders."""

from statistics import NormalDist

import numpy as np
import pytest

from evalcli.metrics.ranking import KeyTable, auroc_ovo
from evalcli.metrics.roc import auroc, auroc_variance, average_precision
from evalcli.uncertainty import rankestimates
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import PairedInfluence, TwoMeans, TwoRankings, ranked_difference
from evalcli.uncertainty.rankestimates import Squares, _jackknife, auroc_estimate, average_precision_estimate, newcombe
from evalcli.uncertainty.rankinfluences import RowInfluence, variance_of
from evalcli.uncertainty.ranks import mean_interval, pairs_interval, rank_interval

CONFIDENCE = Confidence()


def scores(seed=0, positives=40, negatives=70, distance=1.0, decimals=1):
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(distance, 1, positives), rng.normal(0, 1, negatives)])
    return np.round(values, decimals), np.repeat([1, 0], [positives, negatives])


def ranking(values, target, weight=None):
    table = KeyTable(weighted=weight is not None)
    table.update(values, target, weight)
    return table.ranking()


def beats(values, target):
    """``[i, j]``: 1, ½ or 0 for positive i against negative j."""
    pos, neg = values[target == 1][:, None], values[target == 0][None]
    return (pos > neg) + (pos == neg) / 2


@pytest.mark.parametrize("seed", range(4))
def test_delongs_variance_is_that_of_its_definition(seed):
    values, target = scores(seed)
    table = beats(values, target)
    by_pairs = table.mean(1).var(ddof=1) / table.shape[0] + table.mean(0).var(ddof=1) / table.shape[1]
    of = ranking(values, target)
    assert auroc_variance(of) == pytest.approx(by_pairs, rel=1e-12)
    found = auroc_estimate(of)
    assert found.value == pytest.approx(table.mean(), abs=1e-15)
    assert found.pos.variance + found.neg.variance == pytest.approx(
        by_pairs, rel=0.05
    )  # the model adds next to nothing


def test_few_rows_out_of_order_lean_on_the_model():
    values, target = np.r_[np.arange(10.0) + 5, np.arange(40.0) / 10], np.repeat([1, 0], [10, 40])
    values[10] = 5.5  # one negative above one positive
    of = ranking(values, target)
    found = auroc_estimate(of)
    assert found.pos.variance + found.neg.variance > 2 * auroc_variance(of)
    assert rank_interval(found, CONFIDENCE, "delong").low < found.value - 0.02


def test_nothing_out_of_order_has_width():
    of = ranking(np.arange(30.0), np.repeat([0, 1], [10, 20]))
    found = rank_interval(auroc_estimate(of), CONFIDENCE, "delong")
    assert (found.high, found.method) == (1.0, "newcombe")
    assert 0.8 < found.low < 0.95
    worst = rank_interval(auroc_estimate(ranking(-np.arange(30.0), np.repeat([0, 1], [10, 20]))), CONFIDENCE, "delong")
    assert (worst.low, worst.high) == pytest.approx((0.0, 1 - found.low), abs=0.05)
    perfect = rank_interval(average_precision_estimate(of), CONFIDENCE, "influence")
    assert 0.7 < perfect.low < perfect.high == 1
    tied = rank_interval(auroc_estimate(ranking(np.zeros(30), np.repeat([0, 1], [10, 20]))), CONFIDENCE, "delong")
    assert tied.low < 0.5 < tied.high


def test_newcombe_solves_its_equation():
    found = newcombe(0.9, 15, 40, CONFIDENCE.critical)
    for area in (found.low, found.high):
        q1, q2, others = area / (2 - area), 2 * area**2 / (1 + area), 26.5
        variance = (area * (1 - area) + others * (q1 - area**2 + q2 - area**2)) / (15 * 40)
        assert (0.9 - area) ** 2 == pytest.approx(CONFIDENCE.critical**2 * variance, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_influences_of_average_precision_are_derivatives(seed):
    values, target = scores(seed, 15, 25)
    of = ranking(values, target)
    influence = RowInfluence.of("average_precision", of).at(values, target == 1)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    for row in range(0, 40, 7):
        step = 1e-5
        ends = []
        for side in (1, -1):
            weight = np.ones(40)
            weight[row] += side * step
            ends.append(average_precision(ranking(values, target, weight)).value)
        assert influence[row] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-9)
    found = average_precision_estimate(of)
    assert found.pos.variance + found.neg.variance >= (influence**2).sum() * (1 - 1e-12)


def test_bias_of_average_precision_is_what_few_positives_flatter_it_by():
    many = [ranking(*scores(seed, 8, 192, 1.0, 9)) for seed in range(600)]
    truth = average_precision(ranking(*scores(0, 8000, 192_000, 1.0, 9))).value
    estimates = [average_precision_estimate(of) for of in many]
    excess = np.mean([one.value for one in estimates]) - truth
    told = np.mean([one.bias for one in estimates])
    assert excess > 0.02
    assert 0.3 * excess < told < 1.3 * excess


@pytest.mark.parametrize("many", [1 << 12, 0])
def test_bias_and_variance_of_average_precision_are_those_of_leaving_rows_out(many, monkeypatch):
    monkeypatch.setattr(rankestimates, "_MANY", many)  # segments of which those with positives are picked out
    values, target = scores(3, 12, 30, 1.0, 7)  # with ties
    whole = average_precision(ranking(values, target)).value
    moved = np.array(
        [average_precision(ranking(np.delete(values, row), np.delete(target, row))).value - whole for row in range(42)]
    )
    found = _jackknife(ranking(values, target), Squares(12.0, 30.0))
    assert found.bias == pytest.approx(41 / 42 * moved.sum(), rel=1e-12)
    assert found.pos + found.neg == pytest.approx(((moved - moved.mean()) ** 2).sum(), rel=1e-12)
    rest = [(target[np.arange(42) != row].sum() / 41, row) for row in range(42)]
    weighed = [share * (whole + moved[row]) for share, row in rest]  # that of a class, as much as it has rows
    bias = 41 / 42 * (np.array(weighed) - 12 / 42 * whole).sum()
    assert 12 / 42 * found.bias - found.drift / 42 == pytest.approx(bias, rel=1e-9)


def test_equal_weights_are_rows():
    values, target = scores()
    plain = auroc_estimate(ranking(values, target))
    heavy = ranking(values, target, np.full(len(target), 3.0))
    for squares in (Squares(9.0 * 40, 9.0 * 70), Squares.of(heavy, 9.0 * 110)):
        found = auroc_estimate(heavy, squares)
        assert found.value == pytest.approx(plain.value, abs=1e-12)
        assert found.pos == pytest.approx(plain.pos, rel=1e-9)
        assert found.neg == pytest.approx(plain.neg, rel=1e-9)
        precise = average_precision_estimate(heavy, squares)
        lighter = average_precision_estimate(ranking(values, target))
        assert precise.pos == pytest.approx(lighter.pos, rel=1e-9)
        assert precise.bias == pytest.approx(lighter.bias, rel=1e-9)


def test_one_mean_weight_is_wrong_where_weights_make_up_for_rare_positives():
    values, target = scores(0, 20, 400)
    weight = np.where(target == 1, 20.0, 1.0)
    of = ranking(values, target, weight)
    apart = auroc_estimate(of, Squares(400.0 * 20, 400.0))
    assert apart.pos.rows == pytest.approx(20)
    assert auroc_estimate(of, Squares.of(of, 400.0 * 20 + 400)).pos.rows > 35


def test_a_binned_ranking_adds_its_doubt():
    values, target = scores(0, 300, 300, 1.0, 9)
    exact, rough = KeyTable(), KeyTable(budget=2000)
    for table in (exact, rough):
        table.update(values, target)
    assert not rough.exact
    one, other = (rank_interval(auroc_estimate(of.ranking()), CONFIDENCE, "delong") for of in (exact, rough))
    certified = auroc(rough.ranking())
    assert other.width >= one.width + 0.9 * (certified.high - certified.low)


def columns(seed=0, rows=300, size=4, distance=1.2):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, size, rows)
    values = rng.normal(size=(rows, size))
    values[np.arange(rows), target] += distance
    table = KeyTable(size)
    table.update(values, target)
    return values, target, table


def test_a_mean_over_columns_is_never_too_narrow():
    """Against the exact variance, from the influences of rows on the mean."""
    values, target, table = columns()
    rankings = table.compute()
    estimates = [auroc_estimate(of) for of in rankings]
    found = mean_interval(estimates, [0.25] * 4, CONFIDENCE, "delong")
    influence = sum(RowInfluence.of("auroc", of).at(values[:, c], target == c) / 4 for c, of in enumerate(rankings))
    exact = CONFIDENCE.critical * float(np.sqrt((influence**2).sum()))
    apart = sum(rank_interval(one, CONFIDENCE, "delong").width for one in estimates) / 4
    assert 2 * exact < found.width < apart
    single = mean_interval(estimates[:1], [1.0], CONFIDENCE, "delong")
    assert single == rank_interval(estimates[0], CONFIDENCE, "delong")


def test_a_column_without_a_row_out_of_order_is_not_certain():
    """Five positives that all come first tell little of their class, and so of the mean."""
    one = ranking(*scores(0, 200, 200))
    few, many = (ranking(np.arange(105.0 + more), np.repeat([0, 1], [100, 5 + more])) for more in (0, 295))
    for estimate, method in ((auroc_estimate, "delong"), (average_precision_estimate, "influence")):
        widths = [
            mean_interval([estimate(one), estimate(other)], [0.5, 0.5], CONFIDENCE, method).width
            for other in (few, many)
        ]
        assert widths[0] > widths[1] + 0.01
        assert widths[0] > 0.5 * rank_interval(estimate(few), CONFIDENCE, method).width


def test_pairs_of_classes():
    values, target, _ = columns(size=3)
    table = KeyTable(3, pairwise=True)
    table.update(values, target)
    found = pairs_interval(table, CONFIDENCE)
    assert auroc_ovo(table).value in found
    assert 0.02 < found.width < 0.2
    empty = KeyTable(3, pairwise=True)
    empty.update(values[target == 0], target[target == 0])
    assert pairs_interval(empty, CONFIDENCE) is None


# Two rankings.


def test_the_paired_variance_is_delongs():
    rng = np.random.default_rng(5)
    target = np.repeat([1, 0], [30, 50])
    shared = rng.normal(size=80)
    both = [np.round(target * d + shared + rng.normal(size=80), 1) for d in (1.5, 1.0)]
    tables = [beats(one, target) for one in both]
    positives = np.cov(*(table.mean(1) for table in tables))
    negatives = np.cov(*(table.mean(0) for table in tables))
    contrast = np.array([1, -1])
    expected = contrast @ (positives / 30 + negatives / 50) @ contrast
    state = PairedInfluence()
    influences = [RowInfluence.of("auroc", ranking(one, target)).at(one, target == 1) for one in both]
    state.update(*influences)
    assert state.compute() == pytest.approx(expected, rel=0.04)  # divided by n, not n − 1
    split = PairedInfluence()
    for part in (slice(0, 7), slice(7, 80)):
        half = PairedInfluence()
        half.update(*(one[part] for one in influences))
        split.merge(half)
    assert split.variance == state.variance
    found = ranked_difference(*(table.mean() for table in tables), state.variance, 30, CONFIDENCE)
    assert found.interval.low < found.value < found.interval.high
    assert 0 < found.p < 1


def test_two_rankings_alike_differ_by_nothing_that_was_seen():
    found = ranked_difference(0.8, 0.8, 0.0, 50, CONFIDENCE)
    assert found.p == 1
    assert found.interval.low < 0 < found.interval.high
    assert found.detectable > 0


@pytest.mark.parametrize("rows", [1, 2, 4, 5, 6, 7, 12, 100])
def test_rankings_that_are_opposite_in_every_row_differ_once_there_are_six(rows: int) -> None:
    """One sign a row: 2^(1 − n) is the p-value, and the interval says the same."""
    for first, second in ((1.0, 0.0), (0.0, 1.0)):
        found = ranked_difference(first, second, 0.0, rows, CONFIDENCE)
        holds_none = found.interval.low <= 0 <= found.interval.high
        assert holds_none == (found.p > 0.05) == (rows < 6)
        assert -1 <= found.interval.low <= first - second <= found.interval.high <= 1


def test_the_end_that_faces_no_difference_stays_and_the_other_goes_half_way_to_movers():
    values, target = scores(1, 20, 60, 2.5, 3)
    noisy = values + np.random.default_rng(3).normal(0, 1.0, len(values))
    both = [ranking(each, target) for each in (values, noisy)]
    areas = [float(auroc(each).value) for each in both]
    found = ranked_difference(*areas, 0.0009, 20, CONFIDENCE)
    one, other = (rank_interval(auroc_estimate(each), CONFIDENCE, "delong") for each in both)
    whole = mover(areas[0], one, areas[1], other, CONFIDENCE, 0.3)
    assert whole.interval.high > found.interval.high
    wide = TwoRankings("auroc", tuple(both), 0.3).reaching(found, CONFIDENCE)
    assert (wide.interval.low, wide.p, wide.detectable) == (found.interval.low, found.p, found.detectable)
    assert wide.interval.high == pytest.approx((found.interval.high + whole.interval.high) / 2.0)
    assert TwoRankings("auroc", tuple(both[::-1]), 0.3).reaching(found.turned(), CONFIDENCE) == wide.turned()
    sure = ranked_difference(*areas, 0.04, 20, CONFIDENCE)
    assert TwoRankings("auroc", tuple(both), 0.3).reaching(sure, CONFIDENCE) == sure  # no end comes nearer
    variances = [variance_of("auroc", each) for each in both]
    column = TwoMeans("auroc", ([both[0]], [both[1]]), [1.0], tuple(variances), 0.3).reaching(found, CONFIDENCE, found)
    assert column.interval.high == pytest.approx(wide.interval.high, rel=1e-9)  # a mean of one is that one
    half = [each / 2.0 for each in variances]  # two that vary apart
    mean = TwoMeans("auroc", ([both[0]] * 2, [both[1]] * 2), [0.5] * 2, tuple(half), 0.3)
    assert found.interval.high < mean.reaching(found, CONFIDENCE, found).interval.high < wide.interval.high
    alike = ranked_difference(0.9, 0.9, 0.0009, 20, CONFIDENCE)
    assert TwoRankings("auroc", tuple(both), 0.3).reaching(alike, CONFIDENCE) == alike


def test_a_difference_from_a_nearly_perfect_order_of_few_positives_reaches_farther_above():
    import evalcli

    rng, held, target = np.random.default_rng(5), 0, np.repeat([1, 0], [20, 480])
    truth = NormalDist().cdf(2.9 / np.sqrt(2)) - NormalDist().cdf(2.0 / np.sqrt(2))
    for _ in range(200):
        shared, *own = rng.normal(size=(3, 500)) * np.sqrt(0.5)
        better, worse = (d * target + shared + one for d, one in zip((2.9, 2.0), own, strict=True))
        found = evalcli.compare(worse, better, target=target, metrics=["auroc"], scores="logits", workers=1)
        row = found.data.metric("auroc").differences[1]
        held += row.low <= truth <= row.high
    assert held >= 184  # 174 with DeLong's ends alone


@pytest.mark.parametrize("seed", range(40))
def test_a_perfect_order_of_weighted_rows_is_as_unsure_as_its_rows_are_few(seed):
    import evalcli

    rng = np.random.default_rng(seed)
    target = rng.random(50) > 0.5
    scores = np.where(target, 0.6, 0.1) + rng.random(50) * 0.2
    report = evalcli.evaluate(scores, target.astype(int), weight=rng.random(50), metrics="auroc")
    value = report.data.metrics["auroc"]
    assert value.method == "newcombe"
    assert value.low < 0.95
    assert value.high == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("by_support", [None, 400.0])
@pytest.mark.parametrize(
    ("estimate", "method"), [(auroc_estimate, "delong"), (average_precision_estimate, "influence")]
)
def test_a_mean_with_a_column_in_order_is_no_less_sure_than_its_columns(estimate, method, by_support):
    """On Wilson's scale beside 0.9999 the variance of such a column reached down to 0.1."""
    score = np.arange(100.0)[::-1]
    first, second = (np.isin(np.arange(100), held) for held in (np.arange(30), [*range(29), 30]))
    estimates = [estimate(ranking(score, held.astype(int))) for held in (first, second)]
    singles = [rank_interval(one, Confidence(), method) for one in estimates]
    for coupling in (None, 1.0, 2.0):
        found = mean_interval(estimates, [0.5, 0.5], Confidence(), method, by_support, coupling)
        assert found.low > min(one.low for one in singles) - 0.01
        assert found.low < estimates[1].value < found.high


@pytest.mark.parametrize("fewer", [2.1, 5.0, 8.4])
def test_rows_that_count_for_fewer_vary_by_as_much_more(fewer):
    """As rows of clusters do: at the top, where fewer rows are than count for one, a precision of 1 stays 1."""
    values, target = scores(seed=2, positives=60, negatives=140, distance=4.5, decimals=3)
    of = ranking(values, target)
    assert 0.98 < average_precision(of).value < 1.0
    once, less = (_jackknife(of, Squares(60.0 * times, 140.0 * times)) for times in (1.0, fewer))
    assert less.pos + less.neg == pytest.approx(fewer * (once.pos + once.neg), rel=0.5)  # 180 to 1,900 times, before
