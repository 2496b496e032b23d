"""The mean of F1 over many classes of a few rows each, against sums over all outcomes and samples of a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from evalcli.metrics.counts import Pairs
from evalcli.metrics.registry import parse
from evalcli.uncertainty.cells import Cells, Margins
from evalcli.uncertainty.clusters import Clusters
from evalcli.uncertainty.counted import CountIntervals
from evalcli.uncertainty.fewrows import MANY, _of_singles, _unbiased, alike_in_classes, few_rows, spared
from evalcli.uncertainty.measures import ALL, values_of
from evalcli.uncertainty.slopes import RATIOS

F1 = parse("f1_macro")


@pytest.mark.parametrize(
    ("rows", "off"), [(2, 0.03), (3, 0.006), (4, 0.001), (5, 2e-4), (6, 4e-5), (9, 4e-5), (60, 4e-5)]
)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.37, 0.5, 0.8, 0.99, 1.0])
def test_a_function_of_a_share_is_told_without_bias(rows, off, share):
    right = np.arange(rows + 1.0)
    told = _unbiased(right, np.full(rows + 1, float(rows)))
    expected = (binom.pmf(right, rows, share) * told).sum()
    assert expected == pytest.approx(2 * share / (1 + share), abs=off)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (2.0, 3.0), (0.5, 0.5), (6.0, 1.0)])
def test_of_single_rows_the_scatter_of_classes_is_read_off_others(first, second):
    share = np.random.default_rng(3).beta(first, second, 200_000)
    evenness = (share * (1 - share)).mean() / (share.mean() * (1 - share.mean()))
    assert _of_singles(share.mean(), evenness) == pytest.approx((2 * share / (1 + share)).mean(), abs=0.02)


def sampled(classes: int, rows: int, accuracy: float, seed: int):
    """Samples of classes of frequencies ``1 / k^0.9``, and the macro F1 of the population they are drawn from."""
    rng = np.random.default_rng(seed)
    often = 1.0 / np.arange(1, classes + 1) ** 0.9
    often /= often.sum()
    right = rng.beta(accuracy * 4, (1 - accuracy) * 4, classes)
    said = often * right + (often * (1 - right)).sum() * often
    truth = (2 * often * (right + (1 - right) * often) / (often + said)).mean()

    def draw() -> Cells:
        target = rng.choice(classes, rows, p=often)
        preds = np.where(rng.random(rows) < right[target], target, rng.choice(classes, rows, p=often))
        cells, counts = np.unique(target * classes + preds, return_counts=True)
        return Cells.of(Pairs(cells // classes, cells % classes, counts))

    return truth, draw


@pytest.mark.parametrize(("classes", "rows", "accuracy"), [(1000, 10_000, 0.6), (1000, 3000, 0.7), (300, 2000, 0.9)])
def test_the_interval_holds_the_macro_f1_of_the_population(classes, rows, accuracy):
    """By the second term of Taylor's series it held 0 to 8 % of these."""
    truth, draw = sampled(classes, rows, accuracy, seed=5)
    found = [CountIntervals(draw()).of(F1) for _ in range(100)]
    assert {one.method for one in found} == {"delta"}
    assert sum(truth in one for one in found) >= 88


def test_the_variance_is_that_over_samples():
    _, draw = sampled(500, 3000, 0.7, seed=6)
    centres, squares = [], []
    for _ in range(300):
        cells = draw()
        few, margins = few_rows(cells, 1 / cells.size), cells.margins
        centres.append((2 * margins.tp / (margins.support + margins.predicted)).mean() - few.bias)
        assert few.growth > 1.0
        share = 1 / (margins.support + margins.predicted)
        falls = 2 * margins.tp * share * share
        influence = np.where(cells.preds == cells.target, 2 * share[cells.target], 0.0)
        influence -= falls[cells.target] + falls[cells.preds]
        squares.append((cells.squares * influence**2).sum() / cells.size**2 * few.growth)
    assert np.std(centres) == pytest.approx(np.sqrt(np.mean(squares)), rel=0.2)


def test_fewer_classes_are_left_as_they_were():
    few = Cells.of_matrix(np.eye(MANY - 1, dtype=int) * 3 + np.eye(MANY - 1, k=1, dtype=int))
    many = Cells.of_matrix(np.eye(MANY, dtype=int) * 3 + np.eye(MANY, k=1, dtype=int))
    assert CountIntervals(few).of(F1).method == "score"
    assert CountIntervals(many).of(F1).method == "delta"


@pytest.mark.parametrize("rows", [2, 3, 8])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_variance_of_a_mean_of_recalls_is_told_without_bias(rows, share):
    """Of 4000 classes of so many rows each, whose recalls are all the same."""
    right = np.random.default_rng(1).binomial(rows, share, 4000)
    target = np.repeat(np.arange(4000), 2)
    preds = np.where(np.arange(8000) % 2 == 0, target, -1)
    cells = Cells.of(Pairs(target, preds, np.stack([right, rows - right], axis=1).reshape(-1)))
    seen = (right / rows * (1 - right / rows) / rows).mean()
    assert seen * spared(RATIOS["recall"], np.full(4000, 1 / 4000), cells) == pytest.approx(
        share * (1 - share) / rows, rel=0.04
    )


def test_classes_of_a_row_are_as_those_of_a_row_are_on_average():
    target, preds = np.array([0, 0, 1, 2, 3]), np.array([0, -1, 1, 2, -1])
    cells = Cells.of(Pairs(target, preds, np.array([4, 4, 1, 1, 1])))
    singles = 3 * (2 / 3) * (1 / 3)
    found = spared(RATIOS["recall"], np.full(4, 1 / 4), cells)
    assert found == pytest.approx(4.0)  # no more than that: (0.25 / 7 + singles) / (0.25 / 8) is 22
    assert (0.25 / 7 + singles) / (0.25 / 8) > 20
    many = Cells.of(Pairs(target, preds, np.array([400, 400, 100, 100, 1])))
    assert 1.0 < spared(RATIOS["recall"], np.full(4, 1 / 4), many) < 1.01


@pytest.mark.parametrize("name", ["recall_macro", "jaccard_macro", "f1_macro"])
def test_means_over_classes_of_a_handful_of_rows_hold_the_truth(name):
    """With the variance that a handful tells they did in 87 to 91 %."""
    rng = np.random.default_rng(2)
    right, held = rng.beta(2.4, 1.6, 20), 0

    def drawn(rows: int) -> Cells:
        target = rng.integers(0, 20, rows)
        wrong = (target + 1 + rng.integers(0, 2, rows)) % 20
        preds = np.where(rng.random(rows) < right[target], target, wrong)
        cells, counts = np.unique(target * 20 + preds, return_counts=True)
        return Cells.of(Pairs(cells // 20, cells % 20, counts))

    truth = float(values_of(parse(name), drawn(1_000_000).margins, ALL, None))
    for _ in range(150):
        found = CountIntervals(drawn(100)).of(parse(name))
        held += truth in found
    assert held >= 0.925 * 150


def test_the_mean_of_f1_over_forty_classes_of_two_or_three_rows_holds_the_truth():
    """As for fewer classes it did in 80 %."""
    rng = np.random.default_rng(5)
    right, shares, held = rng.beta(3.2, 0.8, 40), (1 + np.arange(40)) ** -0.5, 0

    def drawn(rows: int) -> Cells:
        target = rng.choice(40, rows, p=shares / shares.sum())
        preds = np.where(rng.random(rows) < right[target], target, rng.integers(0, 40, rows))
        return Cells.of_matrix(np.bincount(target * 40 + preds, minlength=1600).reshape(40, 40))

    truth = float(values_of(F1, drawn(1_000_000).margins, ALL, None))
    for _ in range(300):
        held += truth in CountIntervals(drawn(100)).of(F1)
    assert held >= 0.91 * 300


@pytest.mark.parametrize("weighs", [False, True])
def test_the_mean_of_f1_of_many_classes_of_clusters_or_of_rows_that_weigh_holds_the_truth(weighs):
    """With the second term of Taylor's series it never did."""
    rng = np.random.default_rng(11)
    right, shares = rng.beta(2.4, 1.6, 400), (1 + np.arange(400)) ** -0.9
    every = shares / shares.sum()
    confused = (np.arange(400) + 1 + rng.integers(0, 399, 400)) % 400
    said = every * right + np.bincount(confused, every * (1 - right), 400)
    f1, held = 2 * every * right / (every + said), 0
    for _ in range(60):
        target = rng.choice(400, 4000, p=every)
        preds = np.where(rng.random(4000) < right[target], target, confused[target])
        weight = rng.exponential(size=4000) if weighs else np.ones(4000)
        cells, place = np.unique(target * 400 + preds, return_inverse=True)
        pairs = Pairs(cells // 400, cells % 400, np.bincount(place, weight))
        clusters = None if weighs else Clusters.of(np.arange(4000) // 8, target, preds, weight)
        squares = float((weight * weight).sum()) if weighs else None
        found = CountIntervals(Cells.of(pairs, squares), clusters=clusters).of(F1)
        held += f1[np.unique(np.r_[target, preds])].mean() in found
    assert held >= 54


def test_rows_of_a_cluster_tell_as_much_about_a_class_as_they_are_alike():
    rng = np.random.default_rng(4)
    cluster, target = np.repeat(np.arange(3000), 4), np.repeat(rng.integers(0, 30, 3000), 4)
    alone = rng.random(12_000) < 0.6
    for right, fewer in ((alone, 1.0), (alone[cluster], 4.0)):
        clusters = Clusters.of(cluster, target, np.where(right, target, -1), np.ones(12_000))
        assert alike_in_classes(clusters, 1.0) == pytest.approx(np.full(30, fewer), abs=0.12)
    singles = Clusters.of(np.arange(12_000), target, np.where(alone, target, -1), np.ones(12_000))
    assert (alike_in_classes(singles, 1.0) == 1.0).all()


def test_what_classes_tell_of_the_bias_varies_as_well():
    """By as much as they differ: pairs of classes of ten rows each, of which some are taken for one another."""

    def few_of(swapped: list[int]):
        matrix = np.zeros((4, 4))
        for first, count in zip((0, 2), swapped, strict=True):
            matrix[first : first + 2, first : first + 2] = [[10 - count, count], [count, 10 - count]]
        return few_rows(Cells.of_matrix(matrix), 0.25)

    alike, apart = few_of([4, 4]), few_of([4, 1])
    halves = few_of([1, 1]).bias, alike.bias
    assert alike.unsure == pytest.approx(0.0, abs=1e-30)
    assert apart.bias == pytest.approx(sum(halves) / 2)
    assert apart.unsure == pytest.approx(4 * (0.25 * (halves[0] - halves[1]) / 2) ** 2)


def test_classes_whose_clusters_do_not_scatter_are_as_sure_as_they_seem():
    class Still:
        kinds = np.full((4, 3), 2.0), np.zeros((4, 3))
        margins = Margins(*np.zeros((3, 3)), np.zeros(()))

    with np.errstate(all="raise"):
        assert spared(RATIOS["recall"], np.full(3, 1 / 3), Still()) == 1.0
        Still.kinds[1][:, 0] = 1.0
        assert 1.0 <= spared(RATIOS["recall"], np.full(3, 1 / 3), Still()) < 4.0
