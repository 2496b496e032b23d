"""The score interval: Wilson's for shares, Tango's for paired differences, and what it promises everywhere else."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.metrics.registry import parse
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.intervals import Confidence, wilson
from evalcli.uncertainty.measures import ALL, measure, place_of, values_of
from evalcli.uncertainty.score import one_model, score_interval, two_models

Z = Confidence().critical
COMPOSITES = (
    *("balanced_accuracy", "mcc", "kappa", "f1_macro", "f1_weighted", "precision_macro", "recall_macro"),
    *("jaccard_macro", "specificity_macro", "npv_weighted", "fbeta2_macro"),
)


def score(text, cells, critical=Z):
    name = parse(text)
    of = measure(name, cells, place=place_of(name, cells, 1, ["0", "1", "2", "3", "4", "5"]))
    value = of.slope(cells.margins).value
    ends = (name.entry.low, name.entry.high)
    return score_interval(one_model(of, cells), value - of.bias(cells), critical, ends).holding(value, *ends)


@pytest.mark.parametrize(("right", "rows"), [(50, 100), (95, 100), (99, 100), (100, 100), (0, 40), (9990, 10_000)])
def test_of_a_share_it_is_wilsons(right, rows):
    cells = Cells.of_matrix(np.array([[right // 2, rows - right], [0, right - right // 2]]))
    found, plain = score("accuracy", cells), wilson(right, rows, Z)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.6 / rows)


@pytest.mark.parametrize(
    ("first", "second", "rows"), [(10, 3, 100), (1, 0, 50), (0, 0, 60), (40, 38, 200), (25, 0, 30)]
)
def test_of_a_paired_difference_it_is_tangos(first, second, rows):
    both = rows - first - second
    cells = JointCells.of([0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1], [both - both // 2, first, second, both // 2])
    of = [measure(parse("accuracy"), side) for side in cells.sides]
    found = score_interval(two_models(*of, cells), (first - second) / rows, Z, (-1.0, 1.0))
    low, high = tango(first, second, rows)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.6 / rows)


def tango(b, c, n):
    """Tango 1998, solved by halving."""

    def statistic(delta):
        first, second = -b - c + (2 * n - b + c) * delta, -c * delta * (1 - delta)
        share = (math.sqrt(first**2 - 8 * n * second) - first) / (4 * n)
        variance = n * (2 * share + delta * (1 - delta))
        return (b - c - n * delta) / math.sqrt(variance) if variance > 1e-12 else 0.0

    ends = []
    for limit in (-1 + 1e-9, 1 - 1e-9):
        near, far = (b - c) / n, limit
        for _ in range(80):
            middle = (near + far) / 2
            near, far = (middle, far) if abs(statistic(middle)) <= Z else (near, middle)
        ends.append(near)
    return ends


def test_of_a_mean_of_recalls_it_is_that_of_the_constrained_likelihood():
    """Recalls are independent shares: the likeliest ones with a given mean solve a quadratic each."""
    right, wrong = np.array([40.0, 17.0, 5.0]), np.array([10.0, 8.0, 1.0])
    cells = Cells.of_matrix(np.array([[40, 5, 5], [4, 17, 4], [0, 1, 5]]))
    found = score("balanced_accuracy", cells)
    rows = right + wrong
    mean = float((right / rows).mean())

    def likeliest(multiplier):
        # right/p − wrong/(1 − p) = λ: λp² − (λ + n)p + right = 0
        b = multiplier + rows
        return 2 * right / (b + np.sqrt(b * b - 4 * multiplier * right))

    def surprise(multiplier):
        shares = likeliest(multiplier)
        return abs(mean - shares.mean()) - Z * np.sqrt((shares * (1 - shares) / rows).sum()) / 3

    for side, end in ((1, found.low), (-1, found.high)):
        near, far = 0.0, 400.0 * side
        for _ in range(80):
            middle = (near + far) / 2
            near, far = (middle, far) if surprise(middle) < 0 else (near, middle)
        assert likeliest(near).mean() == pytest.approx(end, abs=0.004)  # half a row is unseen


tables = st.integers(2, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.sampled_from([0, 0, 1, 2, 5, 30, 400]), min_size=size, max_size=size), min_size=size, max_size=size
    )
)


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from(COMPOSITES), st.booleans())
def test_it_holds_the_value_and_has_width(rows, text, weighted):
    table = np.array(rows)
    if table.sum() == 0:
        return
    cells = Cells.of_matrix(table)
    if weighted:
        cells = cells.inflated(2.5)
    name = parse(text)
    value = float(values_of(name, cells.margins, ALL, None))
    if math.isnan(value) or cells.size < 2:
        return
    found = score(text, cells)
    assert name.entry.low <= found.low <= value + 1e-12
    assert value - 1e-12 <= found.high <= name.entry.high
    assert found.width > 0


@pytest.mark.parametrize("text", COMPOSITES)
def test_more_rows_and_less_confidence_are_narrower(text):
    table = np.array([[45, 3, 2], [4, 30, 1], [1, 2, 12]])
    plain = score(text, Cells.of_matrix(table))
    assert score(text, Cells.of_matrix(table * 4)).width < 0.6 * plain.width
    narrow = score(text, Cells.of_matrix(table), Confidence(0.8).critical)
    assert plain.low < narrow.low < narrow.high < plain.high


@pytest.mark.parametrize("text", COMPOSITES)
def test_names_of_classes_do_not_matter(text):
    table = np.array([[45, 3, 2], [4, 30, 1], [1, 2, 12]])
    order = [2, 0, 1]
    one, other = score(text, Cells.of_matrix(table)), score(text, Cells.of_matrix(table[np.ix_(order, order)]))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-6)


def test_a_rare_class_without_an_error_is_not_believed():
    """Five rows, all right, may well be 60 % right: the mean of three recalls knows only so much."""
    cells = Cells.of_matrix(np.array([[450, 50, 0], [45, 455, 0], [0, 0, 5]]))
    found = score("balanced_accuracy", cells)
    assert found.low < 0.93 - 0.1
    assert found.high > 0.93


def test_of_weights_it_knows_which_rows_are_heavy():
    table = np.array([[80, 20], [10, 90]])
    cells = Cells.of_matrix(table)
    heavy = Cells(cells.target, cells.preds, cells.amounts, cells.amounts * np.array([1, 9, 9, 1]), cells.classes)
    assert score("f1_macro", heavy).width > 1.5 * score("f1_macro", cells).width
    assert score("f1_macro", cells.inflated(4.0)).width == pytest.approx(2 * score("f1_macro", cells).width, rel=0.1)


@pytest.mark.parametrize("off", [-0.2, 0.2, 0.5])
def test_both_ends_lie_around_the_centre_however_large_the_bias(off):
    """Of few rows of seven classes the likeliest truths did not come as far: the upper end lay 0.12 below the last."""
    target, preds = np.array([[0, 1], [0, 2], [1, 1], [1, 3], [2, 0], [2, 3], [2, 5], [3, 3], [4, 3], [4, 4], [5, 5]]).T
    matrix = np.zeros((7, 7), int)
    matrix[target, preds] = [1, 2, 1, 1, 1, 2, 2, 1, 2, 3, 2]
    matrix[6, [3, 5, 6]] = 1
    cells = Cells.of_matrix(matrix)
    of = measure(parse("f1_macro"), cells)
    centre = of.slope(cells.margins).value + off
    assert 0.0 < centre < 1.0
    found = score_interval(one_model(of, cells), centre, 1.96, (0.0, 1.0))
    assert found.low <= centre <= found.high
