"""Means of rows, ratios of means, and calibration errors from bins."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import integrate, stats

from evalcli.metrics.calibration import BinTable, ece, mce
from evalcli.uncertainty.bins import (
    calibration_interval,
    calibration_intervals,
    confidence_interval,
    gaps_along,
    gaps_of,
    largest_gap_interval,
    measured_error,
)
from evalcli.uncertainty.intervals import Confidence, none_of, wilson
from evalcli.uncertainty.means import (
    WORST_LOSS,
    Moments,
    careful_interval,
    careful_p,
    mean_interval,
    square_interval,
    squared_root,
)
from evalcli.uncertainty.quantiles import t_quantile

CONFIDENCE = Confidence()
Z = CONFIDENCE.critical


def sample(rows=300, seed=0):
    return np.random.default_rng(seed).exponential(size=rows)


def test_moments_are_those_of_rows():
    values = sample()
    moments = Moments.of(values)
    assert moments == Moments.counted(300, *(float((values**k).sum()) for k in (1, 2, 3)))
    assert moments.mean == pytest.approx(values.mean())
    assert moments.error == pytest.approx(values.std(ddof=1) / math.sqrt(300))
    assert moments.skew == pytest.approx(stats.skew(values) / math.sqrt(300), rel=0.01)


def test_moments_of_weights_and_of_a_histogram():
    values = np.array([0.2, 0.5, 3.0])
    counts = np.array([4, 7, 2])
    every = Moments.of(values.repeat(counts))
    assert Moments.of_histogram(values, counts).third == pytest.approx(every.third)
    heavy = Moments.of(values.repeat(counts), np.full(13, 2.5))
    assert (heavy.rows, heavy.mean) == (pytest.approx(13), pytest.approx(every.mean))
    assert (heavy.error, heavy.skew) == (pytest.approx(every.error), pytest.approx(every.skew))
    spread = Moments.of_histogram(values, counts * 2.5, 2.5)
    assert (spread.error, spread.skew) == (pytest.approx(every.error), pytest.approx(every.skew))


@pytest.mark.parametrize("far", [0.0, 1e6])
def test_moments_around_a_centre_keep_the_digits_of_values_far_from_0(far):
    values, counts = sample() + far, np.ones(300)
    moments, every = Moments.around(far + 1.0, values, counts), Moments.of(sample())
    assert moments.mean == pytest.approx(every.mean + far)
    assert (moments.error, moments.skew) == (pytest.approx(every.error, rel=1e-6), pytest.approx(every.skew, rel=1e-6))
    assert Moments.around(0.1, np.full(9, 0.1) + np.arange(9) * 1e-17, np.ones(9)).error == 0.0


def test_one_row_that_makes_most_of_the_scatter_leaves_few_degrees_of_freedom():
    values, counts = np.append(sample(), 60.0), np.ones(301)
    plain, told = Moments.of_histogram(values, counts), Moments.around(float(values.mean()), values, counts)
    assert plain.freedom == 300.0
    assert (told.freedom, told.freedom_beyond(9.0)) == (pytest.approx(2.49, abs=0.01), pytest.approx(2.57, abs=0.01))
    assert mean_interval(told, CONFIDENCE, 0.0).width > 1.2 * mean_interval(plain, CONFIDENCE, 0.0).width
    assert square_interval(told, CONFIDENCE).width > 1.2 * square_interval(plain, CONFIDENCE).width
    normal = stats.norm.ppf((np.arange(80) + 0.5) / 80) ** 2
    assert Moments.around(float(normal.mean()), normal, np.ones(80)).freedom_beyond(9.0) == 79.0


def test_without_skewness_it_is_students():
    values = np.concatenate([sample(), -sample()])
    found = mean_interval(Moments.of(values), CONFIDENCE)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert careful_p(Moments.of(values), 0.1) == pytest.approx(stats.ttest_1samp(values, 0.1).pvalue, rel=1e-6)


def test_skewness_moves_it_towards_the_tail():
    moments = Moments.of(sample())
    found = mean_interval(moments, CONFIDENCE, 0.0)
    assert found.high - moments.mean > moments.mean - found.low > 0


@pytest.mark.parametrize("rows", [3, 5, 20])
def test_the_mean_square_of_a_handful_of_normal_errors_is_held(rows):
    errors = np.random.default_rng(rows).normal(size=(800, rows)) ** 2
    ends = [square_interval(Moments.of(each), CONFIDENCE) for each in errors]
    held = np.mean([found.low <= 1.0 <= found.high for found in ends])
    assert 0.92 < held < 0.985
    if rows == 3:
        plain = [mean_interval(Moments.of(each), CONFIDENCE, 0.0) for each in errors]
        assert np.mean([found.low <= 1.0 <= found.high for found in plain]) < 0.9


def test_of_many_errors_the_mean_square_has_halls_interval():
    moments = Moments.of(np.random.default_rng(0).standard_t(5, 20_000) ** 2)
    found, plain = square_interval(moments, CONFIDENCE), mean_interval(moments, CONFIDENCE, 0.0)
    assert found.low == pytest.approx(plain.low, rel=1e-4)
    assert found.high == pytest.approx(plain.high, rel=1e-4)


def test_the_p_value_is_the_confidence_that_ends_there():
    moments = Moments.of(sample())
    for null in (0.85, 0.97, 1.2):
        p = careful_p(moments, null)
        found = careful_interval(moments, Confidence(1 - p), -9.0, 9.0)
        near = found.high if null > moments.mean else found.low
        assert near == pytest.approx(null, abs=1e-9)


def test_rows_that_are_all_alike_have_width():
    found = mean_interval(Moments.of(np.zeros(100)), CONFIDENCE, 0.0, math.inf, WORST_LOSS)
    assert found.low == 0
    assert found.high == pytest.approx(none_of(100, Z) * WORST_LOSS)
    half = mean_interval(Moments.of(np.full(100, 0.25)), CONFIDENCE, 0.0, 1.0)
    assert 0.2 < half.low < 0.25 < half.high < 0.3
    assert careful_p(Moments.of(np.zeros(5))) == 1
    assert careful_p(Moments.of(np.ones(5))) == 0


def test_one_loss_far_off_leaves_much_open():
    values = np.append(np.full(99, 0.01), 20.0)
    found = mean_interval(Moments.of(values), CONFIDENCE, 0.0)
    assert 0 <= found.low < values.mean() < found.high
    assert found.high > 1.3


def test_the_interval_of_a_root_is_the_root_of_one():
    assert squared_root(mean_interval(Moments.of(sample()), CONFIDENCE, 0.0)).high == pytest.approx(
        math.sqrt(mean_interval(Moments.of(sample()), CONFIDENCE, 0.0).high)
    )


# Bins.


def table(n, confidence, right):
    n, right = np.array(n), np.array(right)
    edges = np.arange(len(n) + 1) / len(n)
    return BinTable(n, n * np.array(confidence), right, edges[:-1], edges[1:])


CALIBRATED = table([200, 100, 300], [0.3, 0.5, 0.9], [61, 48, 271])
OFF = table([200, 100, 300], [0.3, 0.5, 0.9], [30, 20, 150])


def folded_mean(mean, error):
    return error * math.sqrt(2 / math.pi) * math.exp(-((mean / error) ** 2) / 2) + mean * math.erf(
        mean / error / math.sqrt(2)
    )


def quadrature(function, mean, error):
    """The mean of a function of a normal variable."""
    density = stats.norm(mean, error).pdf
    ends = (mean - 9 * error, mean + 9 * error)
    return integrate.quad(lambda x: function(x) * density(x), *ends, points=[0.0] if ends[0] < 0 else None)[0]


@pytest.mark.parametrize("factor", [0.02, 0.05, 0.1, 0.3, 1.0])
def test_an_error_is_that_of_folded_normals_less_what_they_let_expect(factor):
    gaps = gaps_of(OFF, 1.0)
    errors = np.sqrt(gaps.variances[0])
    sizes = gaps.sizes[0]
    surely = sum(g * math.erf(factor * g / e / math.sqrt(2)) for g, e in zip(sizes, errors, strict=True)) / sizes.sum()
    mean, variance = 0.0, 0.0
    for size, error in zip(sizes, errors, strict=True):

        def left(x, error=error):
            return (1 + factor * surely) * abs(x) - folded_mean(factor * abs(x), error)

        mean += quadrature(abs, factor * size, error)
        centre = quadrature(left, factor * size, error)
        variance += quadrature(lambda x, f=left, c=centre: (f(x) - c) ** 2, factor * size, error)
    found, error = measured_error(gaps, factor)
    assert found == pytest.approx(mean, rel=1e-6)
    assert error == pytest.approx(math.sqrt(variance + factor**2 * gaps.between[0]), rel=0.04)


@pytest.mark.parametrize("tables", [1, 3])
def test_errors_at_several_factors_are_those_at_each(tables):
    rng = np.random.default_rng(tables)
    n = rng.integers(0, 50, (tables, 15))
    drawn = BinTable(n, n * rng.random((tables, 15)), n // 2, np.zeros(15), np.ones(15))
    gaps_at, factors = gaps_along(drawn, 1.3), np.array([0.0, 0.3, 1.0, 2.5])
    means, errors = measured_error(gaps_at(factors[:, None, None]), factors[:, None, None])
    alone = [measured_error(gaps_at(factor), factor) for factor in factors.tolist()]
    assert [*zip(means.tolist(), errors.tolist(), strict=True)] == [
        (float(mean), float(error)) for mean, error in alone
    ]


@pytest.mark.parametrize(("rows", "off"), [(300, 0.6), (1000, 0.5), (1000, 0.9)])
def test_measured_errors_scatter_around_the_expected_one_as_told(rows, off):
    """Of rows whose logits are ``1 / off`` times too large, some gaps near 0."""
    rng = np.random.default_rng(rows)
    centres = (np.arange(8) + 8.5) / 16
    shares = 1 / (1 + (1 / centres - 1) ** off)
    sizes = np.linspace(1, 3, 8) / 16
    truth = float((sizes * np.abs(shares - centres)).sum())
    surprises = []
    for n in rng.multinomial(rows, sizes, 800):
        drawn = BinTable(n, n * centres, rng.binomial(n, shares), centres - 1 / 32, centres + 1 / 32)
        factor = truth / float(ece(drawn))
        mean, error = measured_error(gaps_along(drawn, 1.0)(factor), factor)
        surprises.append((float(ece(drawn)) - mean) / error)
    assert abs(np.mean(surprises)) < 0.15
    assert 0.92 < np.std(surprises) < 1.08
    assert np.mean(np.abs(surprises) > Z) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 800)


def test_perfect_calibration_is_no_surprise_for_a_calibrated_model():
    found = calibration_interval(CALIBRATED, CONFIDENCE)
    assert found.low == 0
    assert float(ece(CALIBRATED)) in found
    assert found.high < 0.06


def test_a_model_that_is_off_is_off():
    value = float(ece(OFF))
    found = calibration_interval(OFF, CONFIDENCE)
    assert 0.2 < found.low < value < found.high < 0.45
    four = BinTable(OFF.n * 4, OFF.confidence * 4, OFF.right * 4, OFF.low, OFF.high)
    assert calibration_interval(four, CONFIDENCE).width == pytest.approx(found.width / 2, rel=0.1)
    assert calibration_interval(four, CONFIDENCE, 4.0).width == pytest.approx(found.width, rel=0.1)


def test_several_tables_are_averaged_and_never_too_narrow():
    both = BinTable(
        *(np.stack([getattr(one, part) for one in (OFF, OFF)]) for part in ("n", "confidence", "right")),
        OFF.low,
        OFF.high,
    )
    one, two = calibration_interval(OFF, CONFIDENCE), calibration_interval(both, CONFIDENCE)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=1e-6)


@pytest.mark.parametrize("together", [1.0, 1.7])
@pytest.mark.parametrize("shape", [(300, 15), (20, 3, 15)])
def test_intervals_of_many_tables_are_those_of_each(shape, together):
    rng = np.random.default_rng(len(shape))
    n = rng.integers(0, 50, shape) * (rng.random((shape[0],) + (1,) * (len(shape) - 1)) < 0.9)
    drawn = BinTable(n, n * rng.random(shape), n // 2, np.zeros(15), np.ones(15))
    drawn.confidence[:3] = drawn.right[:3]  # nothing off
    alone = [
        calibration_interval(drawn._replace(n=one, confidence=sure, right=right), CONFIDENCE, 1.3, together)
        for one, sure, right in zip(drawn.n, drawn.confidence, drawn.right, strict=True)
    ]
    assert {one.method for one in alone} == {"wilson", "inversion"}
    assert calibration_intervals(drawn, CONFIDENCE, 1.3, together) == alone


@pytest.mark.parametrize("scale", [1, 1000])
def test_nothing_off_has_width(scale):
    sure = table([scale * 10], [1.0], [scale * 10])
    assert calibration_interval(sure, CONFIDENCE).high == pytest.approx(none_of(scale * 10, Z))
    assert confidence_interval(sure, CONFIDENCE).low == pytest.approx(1 - none_of(scale * 10, Z))


def test_the_largest_gap_lies_between_the_least_and_the_largest():
    for one in (CALIBRATED, OFF):
        found = largest_gap_interval(one, CONFIDENCE)
        assert 0 <= found.low <= float(mce(one)) <= found.high <= 1
    assert largest_gap_interval(CALIBRATED, CONFIDENCE).low == 0
    assert largest_gap_interval(OFF, CONFIDENCE).low > 0.2
    empty = table([0, 50], [0.2, 0.8], [0, 41])
    assert largest_gap_interval(empty, CONFIDENCE).high < 0.2


def test_mean_confidence_is_a_mean():
    found = confidence_interval(CALIBRATED, CONFIDENCE)
    mean = float(CALIBRATED.confidence.sum() / 600)
    assert found.low < mean < found.high
    assert 0.03 < found.width < 0.08


@pytest.mark.parametrize("small", [1e-4, 1e-7, 1e-9, 1e-12, 1e-15])
def test_a_row_that_weighs_nearly_all_leaves_a_log_loss_open(small):
    """There are hardly more rows than one, and t of next to no degrees of freedom is beyond float64."""
    import evalcli

    preds, weight = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]), np.array([1.0, small, small])
    found = evalcli.evaluate(preds, np.arange(3), weight=weight, metrics="log_loss").data.metrics["log_loss"]
    assert 0.0 <= found.low < found.value < 1e100 < found.high < math.inf


@pytest.mark.parametrize("freedom", [1e-12, 1e-6, 1e-3, 0.05, 0.3])
def test_quantiles_of_hardly_any_freedom_are_large_and_no_fault(freedom):
    found = t_quantile(0.975, freedom)
    assert found > 1e150 or found == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


@pytest.mark.parametrize(("doubt", "rows"), [(1e-6, 400), (1e-4, 100), (1e-3, 2000)])
def test_a_mean_confidence_near_one_is_no_less_sure_than_as_many_shares(doubt, rows):
    rng = np.random.default_rng(3)
    sure = 1.0 - doubt * rng.exponential(size=rows)
    edges = np.arange(16) / 15
    n, total = np.zeros(15), np.zeros(15)
    n[-1], total[-1] = rows, sure.sum()
    found = confidence_interval(BinTable(n, total, n, edges[:-1], edges[1:]), CONFIDENCE)
    share = wilson(sure.sum(), rows, Z)
    assert share.low * (1 - 1e-12) <= found.low < sure.mean() < found.high <= share.high * (1 + 1e-12)


def test_rows_of_a_heavy_tail_tell_as_much_of_their_scatter_as_fewer_normal_ones():
    values = np.random.default_rng(0).standard_t(3, 300)
    plain, off = Moments.of(values), values - values.mean()
    kurtosis = np.mean(off**4) / np.mean(off**2) ** 2
    tailed = plain._replace(fourth=float((off**4).sum()))
    assert (plain.freedom, tailed.freedom) == (299.0, pytest.approx(600.0 / (kurtosis - 1.0)))
    assert tailed.freedom < 150.0
    for interval in (partial(careful_interval, low=-9.0, high=9.0), mean_interval):
        assert interval(tailed, CONFIDENCE).width > interval(plain, CONFIDENCE).width
    assert careful_p(tailed, 0.5) > careful_p(plain, 0.5)
    weighed = Moments.of(values, np.full(300, 2.5))._replace(fourth=float((off**4).sum() * 2.5**4))
    assert weighed.freedom == pytest.approx(tailed.freedom)
    even = np.tile([-1.0, 1.0], 50)
    assert Moments.of(even)._replace(fourth=100.0).freedom == 99.0


@pytest.mark.parametrize("scale", [1e-150, 1e-110, 1.0, 1e101, 1e150])
def test_what_has_no_cube_is_taken_to_have_no_skewness(scale: float) -> None:
    values = [one * scale for one in (1.0, 2.0, 5.0, 3.0)]
    squares, cubes = (sum(one**power for one in (1.0, 2.0, 5.0, 3.0)) * scale * scale for power in (2, 3))
    moments = Moments.counted(4, sum(values), squares, cubes * scale)
    assert (moments.skew == 0.0) is (scale != 1.0)
    found = mean_interval(moments, Confidence())
    assert found.low < moments.mean < found.high
