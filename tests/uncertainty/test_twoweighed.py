"""Two shares or means of weighted rows: equal weights are none, no unit is seen, tests against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twomeans import Mean
from evalcli.uncertainty.twoshares import Share
from evalcli.uncertainty.twoweighed import Fewer, WeighedMean, WeighedShare, weighed

SURE = Confidence()


def share(right, weight):
    sums = [float((weight[side] ** power).sum()) for power in (1, 2) for side in (right, ~right)]
    return WeighedShare(len(right), *sums)


def mean(values, weight):
    first = [float((weight * values**power).sum()) for power in range(4)]
    return WeighedMean(len(values), *first, *(float((weight**2 * values**power).sum()) for power in range(3)))


counts = st.integers(0, 60)


@settings(max_examples=40)
@given(counts, counts, counts, counts, st.sampled_from([1.0, 2.0, 0.1, 1e-5, 333.0]))
def test_equal_weights_are_as_none(hits, misses, more, others, unit):
    part, rest = (
        WeighedShare(one + two, one * unit, two * unit, one * unit**2, two * unit**2)
        for one, two in ((hits, misses), (more, others))
    )
    whole = WeighedShare(*(np.array(part) + rest).tolist())
    plain, every = Share(hits, hits + misses), Share(hits + more, hits + misses + more + others)
    if min(plain.rows, every.rows - plain.rows) > 0:
        assert part.p_worse(whole) == pytest.approx(plain.p_worse(every), rel=1e-9)
        found, wanted = part.difference(rest, SURE), plain.difference(every.without(plain), SURE)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
        level = 0.01
        gap, told = whole.least_shown(plain.rows, level), every.least_shown(plain.rows, level)
        assert gap == pytest.approx(told) if told is not None else gap is None


@pytest.mark.parametrize("unit", [1.0, 2.0, 0.1])
def test_means_of_equal_weights_are_as_none(unit):
    rng = np.random.default_rng(1)
    values, inside = rng.lognormal(0, 1, 300), np.arange(300) < 80
    part, whole = (mean(values[rows], np.full(rows.sum(), unit)) for rows in (inside, np.ones(300, bool)))
    plain, every = (
        Mean(rows.sum(), *(float((values[rows] ** power).sum()) for power in (1, 2, 3)))
        for rows in (inside, np.ones(300, bool))
    )
    assert part.p_worse(whole) == pytest.approx(plain.p_worse(every), rel=1e-9)
    found, wanted = part.difference(whole.without(part), SURE), plain.difference(every.without(plain), SURE)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert whole.least_shown(80, 0.01) == pytest.approx(every.least_shown(80, 0.01), rel=1e-9)
    assert weighed(plain).p_worse(weighed(every)) == pytest.approx(plain.p_worse(every), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_unit_of_the_weights_can_be_seen(seed):
    rng = np.random.default_rng(seed)
    weight, inside, right = rng.lognormal(0, 1, 400), np.arange(400) < 90, rng.random(400) < 0.8
    for make, values in ((share, right), (mean, rng.lognormal(0, 1, 400))):
        (part, whole), (other, every) = (
            (make(values[inside], unit * weight[inside]), make(values, unit * weight)) for unit in (1.0, 3.7e-4)
        )
        assert part.p_worse(whole) == pytest.approx(other.p_worse(every), rel=1e-9)
        one, two = (a.difference(b.without(a), SURE) for a, b in ((part, whole), (other, every)))
        assert (one.low, one.high) == pytest.approx((two.low, two.high), rel=1e-9)
        assert part.value == pytest.approx(np.average(values[inside], weights=weight[inside]), rel=1e-12)


def test_a_share_is_compared_at_its_effective_sizes():
    hypergeom = pytest.importorskip("scipy.stats").hypergeom
    rng = np.random.default_rng(4)
    weight, inside = rng.lognormal(0, 1, 500), np.arange(500) < 120
    right = rng.random(500) < np.where(inside, 0.6, 0.85)
    sizes, values = [], []
    every = np.average(right, weights=weight)
    for rows in (inside, ~inside):
        w, hit = weight[rows], right[rows]
        q = [(w**2).sum() / w.sum()]
        of = [((w[side] ** 2).sum() + q[0] ** 2) / (w[side].sum() + q[0]) for side in (hit, ~hit)]
        sizes.append(int(w.sum() / max((1 - every) * of[0] + every * of[1], q[0])))
        values.append(np.average(hit, weights=w))
    hits = int(np.ceil(values[0] * sizes[0])), int(values[1] * sizes[1])
    wanted = hypergeom.cdf(hits[0], sum(sizes), sum(hits), sizes[0])
    assert share(right[inside], weight[inside]).p_worse(share(right, weight)) == pytest.approx(wanted, rel=1e-9)
    assert sizes[0] < 100
    assert wanted < 0.01


def test_a_mean_is_compared_by_the_variance_of_weighted_rows():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    weight, inside = rng.lognormal(0, 0.8, 600), np.arange(600) < 100
    values = rng.lognormal(0, 0.7, 600) * np.where(inside, 1.3, 1.0)
    means, squares, sizes = [], [], []
    for rows in (inside, ~inside):
        w, v = weight[rows], values[rows]
        means.append(np.average(v, weights=w))
        sizes.append(w.sum() ** 2 / (w**2).sum())
        squares.append((w**2 * (v - means[-1]) ** 2).sum() / w.sum() ** 2 * sizes[-1] / (sizes[-1] - 1))
    freedom = sum(squares) ** 2 / sum(s * s / (n - 1) for s, n in zip(squares, sizes, strict=True))
    welch = stats.t.sf((means[0] - means[1]) / np.sqrt(sum(squares)), freedom)
    middle = np.average(values, weights=weight)
    second, third = (np.average((values - middle) ** power, weights=weight) for power in (2, 3))
    total, held = sum(sizes), sizes[0] / sum(sizes)
    error = np.sqrt(second * (1 / sizes[0] + 1 / sizes[1]) * total / (total - 1))
    skew = third / second**1.5 * (1 - 2 * held) / np.sqrt(sizes[0] * (1 - held))
    drawn = stats.pearson3.sf((means[0] - means[1]) / error, skew)
    found = mean(values[inside], weight[inside]).p_worse(mean(values, weight))
    assert found == pytest.approx(max(welch, drawn), rel=0.05)
    assert mean(values[inside], weight[inside]).alone().variance == pytest.approx(squares[0] * (sizes[0] - 1), rel=1e-9)


def test_what_weighs_nothing_is_never_worse():
    nothing = share(np.array([False, False]), np.zeros(2))
    whole = share(np.array([True, True, False, False]), np.array([1.0, 2.0, 0.0, 0.0]))
    assert not nothing.is_worse(whole)
    assert nothing.p_worse(whole) == 1.0
    assert whole.without(nothing).p_worse(whole) == 1.0
    off = mean(np.ones(3), np.zeros(3))
    assert not off.is_worse(mean(np.ones(4), np.ones(4)))
    assert off.p_worse(mean(np.ones(4), np.ones(4))) == 1.0


def test_fewer_rows_tell_less():
    part, whole = weighed(Share(60, 100)), weighed(Share(860, 1000))
    p_values = [part.p_worse(whole, Fewer(times, times)) for times in (1.0, 2.0, 10.0)]
    assert p_values == sorted(p_values)
    assert p_values[1] == Share(30, 50).p_worse(Share(430, 500))
    assert part.p_worse(whole, Fewer(freedom=3.0)) > p_values[0]
    widths = [part.difference(whole.without(part), SURE, Fewer(times, times)) for times in (1.0, 4.0)]
    assert widths[1].high - widths[1].low > 1.9 * (widths[0].high - widths[0].low)
    level = Fewer(freedom=5.0).level(0.01)
    assert Fewer(freedom=5.0).p_value(level) == pytest.approx(0.01, rel=1e-6)
    assert whole.least_shown(100, 0.01, Fewer(4.0, 4.0, 9.0)) < whole.least_shown(100, 0.01) < 0.0
    assert whole.least_shown(100, 1e-9, Fewer(freedom=1.0)) is None
