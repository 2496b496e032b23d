"""Slopes and bends of every metric of counts against differences of the registry's own formulas."""

from dataclasses import replace

import numpy as np
import pytest

from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.registry import METRICS, evaluate, parse
from evalcli.uncertainty.cells import Cells, JointCells, Margins
from evalcli.uncertainty.measures import ALL, measure, place_of, values_of
from evalcli.uncertainty.slopes import influence_of

NAMES = [
    *("accuracy", "error_rate", "balanced_accuracy", "mcc", "kappa", "majority_baseline", "f1[1]", "fbeta0.5[1]"),
    *(
        f"{base}_{average}"
        for base in ("precision", "recall", "f1", "fbeta2", "jaccard", "specificity", "npv")
        for average in ("macro", "weighted", "micro")
    ),
]
RNG = np.random.default_rng(0)
TABLES = {
    "random": (RNG.integers(1, 40, (4, 4)), None),
    "mostly right": (RNG.integers(0, 3, (5, 5)) + np.diag(RNG.integers(5, 60, 5)), None),
    "binary": (np.array([[900, 20], [12, 40]]), None),
    "never predicted": (np.array([[50, 3, 0], [4, 60, 0], [2, 1, 0]]), None),
    "never a target": (np.array([[50, 3, 2], [4, 60, 1], [0, 0, 0]]), None),
    "without a prediction": (RNG.integers(1, 30, (3, 3)), np.array([2, 0, 5])),
}


def of_table(table):
    return Cells.of_matrix(*TABLES[table])


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("table", TABLES)
def test_slopes_are_derivatives(table, text):
    cells, name = of_table(table), parse(text)
    classes = [str(index) for index in cells.classes]
    place = place_of(name, cells, None, ["0", "1", "2", "3", "4"])

    def value(amounts):
        return float(evaluate(name, cells.margins_of(amounts).counts, classes=classes))

    of = measure(name, cells, place=place)
    slope = of.slope(cells.margins)
    influence = influence_of(of, cells)
    assert (influence == slope.at(cells.target, cells.preds)).all()
    again = influence_of(measure(name, cells, place=place), cells)
    assert (again is influence) == text.endswith("weighted")  # whose bias asks for it, too
    here = value(cells.amounts)
    assert slope.value == pytest.approx(here, abs=1e-12)
    assert (cells.amounts * influence).sum() == pytest.approx(0, abs=1e-12)
    for cell, amount in enumerate(cells.amounts.tolist()):
        step = np.zeros(len(cells.amounts))
        step[cell] = 1e-4 * amount
        up, down = value(cells.amounts + step), value(cells.amounts - step)
        assert influence[cell] == pytest.approx((up - down) / (2 * step[cell]), abs=1e-7, rel=1e-5)


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("table", TABLES)
def test_bends_are_derivatives_of_slopes_in_several_directions_at_once(table, text):
    cells, name = of_table(table), parse(text)
    of = measure(name, cells, place=place_of(name, cells, None, ["0", "1", "2", "3", "4"]))
    moves = np.random.default_rng(2).uniform(-1, 1, (3, len(cells.amounts))) * cells.amounts
    columns = [cells.margins_of(move) for move in moves]
    moved = Margins(*(np.array(part) for part in zip(*columns, strict=True) if part[0] is not None))
    bend = of.bend(cells.margins, moved.each(lambda part: part[:, None] if part.ndim == 1 else part))
    for number, move in enumerate(moves):
        ends = [of.slope(cells.margins_of(cells.amounts + side * 1e-5 * move)) for side in (-1.0, 1.0)]
        for part in ("value", "n", "tp", "support", "predicted", *(["answered"] if bend.answered is not None else [])):
            wanted = (np.asarray(getattr(ends[1], part)) - np.asarray(getattr(ends[0], part))) / 2e-5
            got = np.broadcast_to(getattr(bend, part)[number], np.shape(wanted) or (1,))
            assert got == pytest.approx(np.atleast_1d(wanted), abs=1e-8, rel=1e-5), part


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("table", ["random", "mostly right", "without a prediction"])
@pytest.mark.parametrize("weighted", [False, True])
def test_bias_is_half_the_second_derivative(table, text, weighted):
    cells, name = of_table(table), parse(text)
    if weighted:
        factors = np.random.default_rng(1).uniform(0.5, 3, len(cells.amounts))
        cells = Cells(cells.target, cells.preds, cells.amounts, cells.amounts * factors, cells.classes)
    classes = [str(index) for index in cells.classes]
    here, expected = None, 0.0
    for cell, amount in enumerate(cells.amounts.tolist()):
        step = np.zeros(len(cells.amounts))
        step[cell] = 0.01 * amount
        values = [
            float(evaluate(name, cells.margins_of(cells.amounts + side * step).counts, classes=classes))
            for side in (-1, 0, 1)
        ]
        here = values[1]
        expected += cells.squares[cell] * (values[0] - 2 * here + values[2]) / (2 * step[cell] ** 2)
    if text == "majority_baseline":
        return  # the largest class may change
    found = measure(name, cells, place=place_of(name, cells, None, classes)).bias(cells)
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-6)


def test_every_metric_of_counts_has_slopes():
    cells = of_table("random")
    for entry in METRICS.values():
        if (
            entry.reads == "labels" and "multiclass" in entry.tasks and (entry.averages or not entry.per_class)
        ):  # else it is of one class
            name = parse(f"{entry.example}_macro" if entry.averages else entry.example)
            assert measure(name, cells).slope(cells.margins).value == pytest.approx(
                float(values_of(name, cells.margins, ALL, None)), abs=1e-12
            )


@pytest.mark.parametrize("text", ["specificity_macro", "specificity_micro", "npv_macro"])
def test_declared_classes_are_not_left_alone_where_a_prediction_is_missing(text):
    cells, name = of_table("without a prediction"), parse(text)
    of = measure(name, cells, declared=5)
    slope, influence = of.slope(cells.margins), influence_of(of, cells)
    assert slope.value == pytest.approx(float(values_of(name, cells.margins, ALL, 5)), abs=1e-15)
    second, step = 0.0, 1e-3
    for cell, amount in enumerate(cells.amounts.tolist()):
        move = np.zeros(len(cells.amounts))
        move[cell] = step * amount
        here, up, down = (
            float(values_of(name, cells.margins_of(cells.amounts + side * move), ALL, 5)) for side in (0, 1, -1)
        )
        assert influence[cell] == pytest.approx((up - down) / (2 * move[cell]), abs=1e-7, rel=1e-4)
        second += amount * (up - 2 * here + down) / move[cell] ** 2
        moved = cells.margins_of(move).each(lambda part: part.reshape(-1))
        ends = [influence_of(of, replace(cells, amounts=cells.amounts + side * move)) for side in (1, -1)]
        bent = of.bend(cells.margins, moved).at(cells.target, cells.preds)
        assert bent == pytest.approx((ends[0] - ends[1]) / 2, abs=1e-9)
    assert of.bias(cells) == pytest.approx(second / 2, abs=1e-6)


def test_declared_classes_count_in_a_macro_mean():
    cells, name = of_table("binary"), parse("f1_macro")
    whole = float(values_of(name, cells.margins, ALL, None))
    assert float(values_of(name, cells.margins, ALL, 5)) == pytest.approx(whole * 2 / 5)
    for text in ("f1_macro", "specificity_macro", "specificity_micro", "npv_micro", "recall_weighted", "mcc"):
        name = parse(text)
        expected = float(values_of(name, cells.margins, ALL, 5))
        assert measure(name, cells, declared=5).slope(cells.margins).value == pytest.approx(expected), text


def test_cells_are_those_of_the_state_in_any_order():
    state = ConfusionCounts(num_classes=4)
    target, preds = np.array([0, 1, 1, 3, 3, 3]), np.array([0, 3, 1, -1, 3, 3])
    state.update(preds, target)
    cells = Cells.of(state.pairs())
    assert cells.classes.tolist() == [0, 1, 3]
    assert cells.amounts.tolist() == [1, 1, 1, 1, 2]
    assert cells.place(3) == 2
    assert cells.place(2) is None
    pairs = state.pairs()
    backwards = type(pairs)(*(part[::-1] for part in pairs))
    assert Cells.of(backwards).amounts.tolist() == cells.amounts.tolist()
    whole = cells.margins
    assert (whole.tp.tolist(), whole.support.tolist(), whole.predicted.tolist()) == ([1, 1, 2], [1, 2, 3], [1, 1, 3])


def test_joint_cells_add_up_what_repeats():
    cells = JointCells.of([1, 0, 1], [1, 0, 1], [0, 0, 0], [2, 3, 4])
    assert cells.amounts.tolist() == [3, 6]
    first, second = cells.sides
    assert (first.margins.tp.tolist(), second.margins.tp.tolist()) == ([3, 6], [3, 0])
    assert JointCells.of([1], [-1], [1], [5]).sides[0].margins.predicted.tolist() == [0]


def test_an_overall_sum_of_squares_spreads_by_weight():
    cells = Cells.of_matrix(np.array([[3.0, 1.0], [0.0, 4.0]]))
    spread = Cells.of(type("P", (), {"target": cells.target, "preds": cells.preds, "counts": cells.amounts})(), 16.0)
    assert spread.squares.tolist() == [6.0, 2.0, 8.0]
    assert spread.weighted
    assert not cells.weighted
