"""The count bootstrap against resampling rows one by one, and what its draws depend on."""

import time

import numpy as np
import pytest
import scipy.stats

from evalcli.metrics.registry import evaluate, parse
from evalcli.uncertainty import resampling
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.clusters import Clusters, inflation
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.resampling import (
    bca,
    bootstrap_p,
    draws,
    joint_replicates,
    replicates,
    skewness,
    swapped_replicates,
)

MANY = Confidence(resamples=4000)


def rows(seed=0, size=400, classes=3):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, size)
    preds = np.where(rng.random(size) < 0.8, target, rng.integers(0, classes, size))
    return target, preds


def table(target, preds, classes=3):
    return np.bincount(target * classes + preds, minlength=classes * classes).reshape(classes, classes)


def by_rows(text, target, preds, seed=9, resamples=4000):
    rng, name = np.random.default_rng(seed), parse(text)
    values = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(target), len(target))
        values.append(float(evaluate(name, Cells.of_matrix(table(target[drawn], preds[drawn])).margins.counts)))
    return np.array(values)


@pytest.mark.parametrize("text", ["f1_macro", "mcc", "balanced_accuracy"])
def test_it_is_the_bootstrap_of_rows(text):
    target, preds = rows()
    cells = Cells.of_matrix(table(target, preds))
    by_cells = evaluate(parse(text), replicates(cells, MANY).counts)
    one_by_one = by_rows(text, target, preds)
    spread = one_by_one.std()
    assert by_cells.mean() == pytest.approx(one_by_one.mean(), abs=5 * spread / np.sqrt(2000))
    assert by_cells.std() == pytest.approx(spread, rel=0.06)
    ends = np.quantile(one_by_one, [0.025, 0.975])
    assert np.quantile(by_cells, [0.025, 0.975]) == pytest.approx(ends, abs=0.2 * spread)


def test_replicates_have_the_shares_of_their_cells():
    target, preds = rows()
    cells = Cells.of_matrix(table(target, preds))
    drawn = replicates(cells, MANY)
    assert drawn.tp.shape == (4000, 3)
    assert np.array_equal(drawn.n, drawn.support.sum(axis=1))
    assert drawn.tp.mean(axis=0) == pytest.approx(cells.margins.tp, rel=0.01)
    assert drawn.support.var(axis=0) == pytest.approx(cells.margins.support, rel=0.15)
    assert (drawn.tp <= np.minimum(drawn.support, drawn.predicted)).all()


def test_weights_give_their_variance():
    cells = Cells.of_matrix(np.array([[40.0, 8.0], [6.0, 30.0]]), squares=np.array([[160.0, 8.0], [18.0, 15.0]]))
    drawn = replicates(cells, MANY)
    assert drawn.tp.var(axis=0) == pytest.approx([160, 15], rel=0.1)
    assert drawn.tp.mean(axis=0) == pytest.approx([40, 30], rel=0.02)


def test_draws_depend_on_the_seed_alone(monkeypatch):
    target, preds = rows()
    matrix = table(target, preds)
    np.random.seed(1)  # noqa: NPY002  the state that must not matter
    one = replicates(Cells.of_matrix(matrix), Confidence(resamples=300))
    pairs = [(t, p, matrix[t, p]) for t in range(3) for p in range(3)]
    shuffled = [np.array(part) for part in zip(*pairs[::-1], strict=True)]
    np.random.seed(2)  # noqa: NPY002
    other = replicates(
        Cells.of(type("P", (), dict(zip(("target", "preds", "counts"), shuffled, strict=True)))()),
        Confidence(resamples=300),
    )
    assert np.array_equal(one.tp, other.tp)
    assert not np.array_equal(one.tp, replicates(Cells.of_matrix(matrix), Confidence(resamples=300, seed=1)).tp)
    monkeypatch.setattr(resampling, "_BLOCK", 70)
    blocks = replicates(Cells.of_matrix(matrix), Confidence(resamples=300))
    assert len(np.unique(blocks.predicted, axis=0)) == len(np.unique(one.predicted, axis=0)) == 300  # none comes again


@pytest.mark.parametrize("rows", [128, 129.5, 1000, 10**7])
@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_many_rows_are_drawn_as_poisson_numbers_are(rows, weight):
    amounts = np.full(40, rows * weight)
    drawn = np.concatenate(list(draws(amounts, amounts * weight, Confidence(resamples=5000)))) / weight
    deviation = ((drawn - rows) / np.sqrt(rows)).reshape(-1)  # 200,000
    assert abs(deviation.mean()) < 0.01
    assert abs(deviation.var() - 1) < 0.015
    assert abs((deviation**3).mean() - 1 / np.sqrt(rows)) < 0.04
    shares = np.array([0.001, 0.025, 0.5, 0.975, 0.999])
    quantiles = np.quantile(deviation, shares) * np.sqrt(rows) + rows
    expected = scipy.stats.poisson.ppf(shares, rows)
    assert np.all(np.abs(quantiles - expected) < 1 + 0.06 * np.sqrt(rows))


def test_the_cost_does_not_depend_on_the_rows():
    """2,000 resamples of ten classes at ten million rows: under 0.1 s promised, ten times that allowed here."""
    shares = np.full((10, 10), 0.1 / 90)
    np.fill_diagonal(shares, 0.9 / 10)
    cells = Cells.of_matrix(np.rint(shares * 1e7))
    started = time.process_time()
    evaluate(parse("f1_macro"), replicates(cells, Confidence()).counts)
    assert time.process_time() - started < 1.0


def test_bca_of_a_symmetric_unbiased_estimate_are_the_percentiles():
    values = np.random.default_rng(0).normal(size=20_001)
    found = bca(float(np.median(values)), values, 0.0, Confidence())
    assert (found.low, found.high) == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.02)


def test_bca_corrects_bias_and_skewness():
    """Efron 1987: of a variance, where both matter, the exact interval is that of the χ² distribution."""
    rng = np.random.default_rng(4)
    held, size = [], 40
    for _ in range(400):
        sample = rng.normal(size=size)
        drawn = sample[rng.integers(0, size, (600, size))].var(axis=1)
        squares = (sample - sample.mean()) ** 2
        influence = (squares - squares.mean()) / size
        skew = float((influence**3).sum() / (influence**2).sum() ** 1.5)
        corrected = bca(float(sample.var()), drawn, skew, Confidence(resamples=600))
        low, high = np.quantile(drawn, [0.025, 0.975])
        held.append((low <= 1.0 <= high, 1.0 in corrected))
    plain, corrected = np.mean(held, axis=0)
    assert plain < corrected
    assert corrected > 0.89


def test_undefined_replicates_count_as_zero():
    values = np.array([np.nan] * 500 + [0.5] * 500)
    assert bca(0.25, values, 0.0, Confidence()).low == 0
    assert bootstrap_p(0.5, np.array([np.nan, 0.0, 0.5])) == pytest.approx(0.25)


def test_skewness_is_that_of_rows():
    influence, amounts = np.array([0.1, -0.4]), np.array([80.0, 20.0])
    every = np.repeat(influence, [80, 20])
    assert skewness(influence, amounts, amounts) == pytest.approx((every**3).sum() / (every**2).sum() ** 1.5)
    assert skewness(np.zeros(2), amounts, amounts) == 0


def test_joint_replicates_keep_the_pairing():
    cells = JointCells.of([0, 0, 1, 1, 1], [0, 0, 1, 0, 1], [0, 1, 1, 1, 0], [40, 9, 40, 4, 7])
    first, second = joint_replicates(cells, MANY)
    difference = (first.tp.sum(axis=1) - second.tp.sum(axis=1)) / first.n
    assert difference.mean() == pytest.approx(0.12, abs=0.005)
    assert difference.var() == pytest.approx((20 - 100 * 0.12**2) / 100**2, rel=0.12)


def test_swapping_leaves_what_models_agree_on():
    cells = JointCells.of([0, 0, 1, 1, 1], [0, 0, 1, 0, 1], [0, 1, 1, 1, 0], [40, 9, 40, 4, 7])
    first, second = swapped_replicates(cells, MANY)
    assert np.array_equal(first.tp[:, 0] + second.tp[:, 0], np.full(4000, 89))
    assert np.array_equal(first.support, second.support)
    only = first.tp[:, 0] - 40
    assert only.mean() == pytest.approx(4.5, abs=0.15)
    assert only.var() == pytest.approx(9 / 4, rel=0.12)


def test_swaps_are_counted_as_rows_are():
    rng = np.random.default_rng(4)
    target, first, second = rng.integers(0, 4, 60), rng.integers(-1, 4, 60), rng.integers(-1, 4, 60)
    cells = JointCells.of(target, first, second, np.ones(60))
    said = swapped_replicates(cells, Confidence(resamples=300, seed=2))
    rows = np.stack([target, np.minimum(first, second), np.maximum(first, second)])
    kinds, amounts = np.unique(rows[:, first != second], axis=1, return_counts=True)
    alike = rows[:, first == second]
    swapped = np.random.Generator(np.random.PCG64(2)).binomial(amounts, 0.5, (300, len(amounts)))
    for number, draw in enumerate(swapped):
        apart = np.repeat(kinds, amounts, axis=1)
        turned = np.concatenate([np.arange(n) < k for n, k in zip(amounts, draw, strict=True)])
        for margins, is_first in zip(said, (True, False), strict=True):
            preds = np.concatenate([alike[1], np.where(turned == is_first, apart[1], apart[2])])
            truth = np.concatenate([alike[0], apart[0]])
            assert np.array_equal(margins.tp[number], np.bincount(truth[preds == truth], minlength=4))
            assert np.array_equal(margins.support[number], np.bincount(truth, minlength=4))
            assert np.array_equal(margins.predicted[number], np.bincount(preds[preds >= 0], minlength=4))
            assert margins.n[number] == 60


# Clusters.


def test_clusters_of_one_row_are_rows():
    target, preds = rows(size=200)
    clusters = Clusters.of(np.arange(200), target, preds, np.ones(200))
    influence = np.random.default_rng(0).normal(size=len(clusters.cells.amounts))
    influence -= (influence * clusters.cells.amounts).sum() / 200
    assert clusters.effective == pytest.approx(200)
    assert clusters.inflation(influence) == pytest.approx(200 / 199, rel=0.01)


def test_rows_that_are_all_alike_count_once():
    target, preds = rows(size=100)
    clusters = Clusters.of(np.repeat(np.arange(100), 4), np.repeat(target, 4), np.repeat(preds, 4), np.ones(400))
    cells = clusters.cells
    right = (cells.target == cells.preds) - cells.margins.tp.sum() / 400
    assert clusters.inflation(right / 400) == pytest.approx(4 * 100 / 99, rel=0.01)
    assert inflation(np.zeros(5), 0.0, np.array([1.0, 1, 2, 4, 2])) == pytest.approx(26 / 10)


def test_whole_clusters_are_drawn():
    clusters = Clusters.of([0, 0, 1, 2], [0, 1, 1, 1], [0, 1, 1, 0], [10, 1, 20, 5])
    drawn = clusters.replicates(Confidence(resamples=200))
    assert set(np.unique(drawn.support[:, 0])) <= {0, 10, 20, 30}
    assert drawn.n.mean() == pytest.approx(36, rel=0.1)
    again = Clusters.of([2, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [5, 20, 1, 10])
    assert np.array_equal(again.replicates(Confidence(resamples=200)).tp, drawn.tp)
