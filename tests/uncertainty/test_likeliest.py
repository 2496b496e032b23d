"""Ends of score intervals are where the likeliest truths say they are, of matrices and of operators alike."""

import numpy as np
import pytest
from scipy.optimize import minimize

from evalcli.metrics.registry import parse
from evalcli.uncertainty import likeliest, local
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.measures import measure
from evalcli.uncertainty.score import one_model, score_interval, two_models

NAMES = ("balanced_accuracy", "mcc", "kappa", "f1_macro", "f1_weighted", "precision_macro", "npv_weighted", "f1_micro")


def problem_of(text, seed, size=3, rows=20, weighted=False):
    """Of one model where the seed is even, and of two; the value that was seen less its bias."""
    rng = np.random.default_rng(seed)
    target = np.resize(np.arange(size), rows)
    first, second = (np.where(rng.random(rows) < share, target, rng.integers(0, size, rows)) for share in (0.7, 0.4))
    weight = rng.uniform(0.5, 3.0, rows) if weighted else np.ones(rows)
    name = parse(text)
    joint = JointCells.of(target, first, second, weight, weight**2)
    if seed % 2:
        of = [measure(name, side) for side in joint.sides]
        values = [one.slope(side.margins).value - one.bias(side) for one, side in zip(of, joint.sides, strict=True)]
        return two_models(*of, joint), values[0] - values[1], (-2.0, 2.0)
    matrix, squares = np.zeros((2, size, size))
    np.add.at(matrix, (target, first), weight)
    np.add.at(squares, (target, first), weight**2)
    cells = Cells.of_matrix(matrix, squares=squares)
    of = measure(name, cells)
    return one_model(of, cells), of.slope(cells.margins).value - of.bias(cells), (-1.0, 1.0)


def spread(problem, amounts):
    """The standard error there."""
    metric = local.near(problem).at(amounts)
    return float(np.sqrt((amounts * problem.scale * metric.influence**2).sum()))


def likeliest_by_scipy(problem, value):
    """The amounts of greatest likelihood with this value, by sequential quadratic programming from what was seen."""
    base, scale, metric = problem.base, problem.scale, local.near(problem)

    def unlikely(logs):
        return float(((np.exp(logs) - base * logs) / scale).sum())

    def slope(logs):
        return (np.exp(logs) - base) / scale

    constraint = {
        "type": "eq",
        "fun": lambda logs: metric.at(np.exp(logs)).value - value,
        "jac": lambda logs: metric.at(np.exp(logs)).influence * np.exp(logs),
    }
    found = minimize(
        unlikely, np.log(base), jac=slope, constraints=[constraint], method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-13},
    )  # fmt: skip
    assert found.success
    amounts = np.exp(found.x)
    return amounts * (base.sum() / amounts.sum())


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_an_end_is_so_many_standard_errors_away_at_the_likeliest_truth(text, seed):
    problem, centre, limits = problem_of(text, seed, weighted=seed > 1)
    found = score_interval(problem, centre, 1.96, limits)
    for end in (found.low, found.high):
        assert limits[0] < end < limits[1]
        error = spread(problem, likeliest_by_scipy(problem, end))
        assert abs(end - centre) == pytest.approx(1.96 * error, rel=1e-4)


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("critical", [1.0, 2.5, 4.0])
def test_operators_end_where_matrices_do(text, seed, critical, monkeypatch):
    problem, centre, limits = problem_of(text, seed, size=4, rows=30, weighted=True)
    direct = score_interval(problem, centre, critical, limits)
    monkeypatch.setattr(local, "_MOST_WORK", 0)
    other = score_interval(problem, centre, critical, limits)
    assert (other.low, other.high) == pytest.approx((direct.low, direct.high), abs=1e-8)


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("rows", [8, 12, 60])
@pytest.mark.parametrize("critical", [1.96, 4.3])
def test_models_the_other_way_round_have_the_negative(text, rows, critical):
    rng = np.random.default_rng(rows)
    target, first, second = rng.integers(0, 3, (3, rows))
    there, back = (JointCells.of(target, *pair, np.ones(rows)) for pair in ((first, second), (second, first)))
    span = 2.0 if text in {"mcc", "kappa"} else 1.0
    ends = []
    for cells in (there.inflated(6.0), back.inflated(6.0)):
        of = [measure(parse(text), side) for side in cells.sides]
        values = [one.slope(side.margins).value for one, side in zip(of, cells.sides, strict=True)]
        ends.append(score_interval(two_models(*of, cells), values[0] - values[1], critical, (-span, span)))
    close = 1e-6 if max(-ends[0].low, ends[0].high) < 0.99 * span else 0.01  # a class is empty where the path ends
    assert (ends[0].low, ends[0].high) == pytest.approx((-ends[1].high, -ends[1].low), abs=close)


def test_ends_far_away_are_found():
    """Of a dozen rows in a handful of clusters."""
    rng = np.random.default_rng(7)
    target, first, second = rng.integers(0, 3, (3, 12))
    cells = JointCells.of(target, first, second, np.ones(12)).inflated(4.0)
    of = [measure(parse("mcc"), side) for side in cells.sides]
    values = [one.slope(side.margins).value for one, side in zip(of, cells.sides, strict=True)]
    problem, centre = two_models(*of, cells), values[0] - values[1]
    found = score_interval(problem, centre, 4.3, (-2.0, 2.0))
    for end in (found.low, found.high):
        error = spread(problem, likeliest_by_scipy(problem, end))
        assert abs(end - centre) == pytest.approx(4.3 * error, rel=1e-3)


def test_a_walk_takes_few_places(monkeypatch):
    places, plain = [], likeliest.Walk._place
    monkeypatch.setattr(likeliest.Walk, "_place", lambda *args: places.append(1) or plain(*args))
    for seed in range(20):
        score_interval(*problem_of(NAMES[seed % len(NAMES)], seed)[:2], 1.96, problem_of(NAMES[0], seed)[2])
    assert len(places) <= 12 * 40
