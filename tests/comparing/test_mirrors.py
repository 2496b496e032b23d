"""Whichever of two models is called A, the difference is the other one's mirror image, and the p-value the same."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

import evalcli
from evalcli.comparing.defined import OF_TRUTH
from evalcli.errors import UsageError
from evalcli.metrics.registry import METRICS, MetricName, check_task, parse

if TYPE_CHECKING:
    from evalcli.comparing.data import Difference, MetricRow

ROWS = 400
RNG = np.random.default_rng(11)
OF_TWO, OF_FOUR = RNG.integers(0, 2, ROWS), RNG.integers(0, 4, ROWS)
OF_LABELS = (RNG.random((ROWS, 3)) < (0.2, 0.5, 0.7)).astype(np.int64)
VALUES = RNG.gamma(2.0, 30.0, ROWS)


def likely(target: np.ndarray, shift: float) -> np.ndarray:
    """Probabilities that lean to what is true: of two classes, of four, or of labels."""
    if target.ndim == 1 and target.max() > 1:
        scores = RNG.normal(size=(ROWS, 4)) + shift * np.eye(4)[target]
        return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return 1.0 / (1.0 + np.exp(-RNG.normal(shift * (2.0 * target - 1.0))))


MODELS = {
    "binary": (likely(OF_TWO, 0.6), likely(OF_TWO, 0.9), OF_TWO),
    "multiclass": (likely(OF_FOUR, 1.0), likely(OF_FOUR, 1.6), OF_FOUR),
    "multilabel": (likely(OF_LABELS, 0.6), likely(OF_LABELS, 1.0), OF_LABELS),
    "regression": (np.abs(VALUES + RNG.normal(1.0, 9.0, ROWS)), np.abs(VALUES + RNG.normal(-0.5, 7.0, ROWS)), VALUES),
}
FURTHER = {
    "plain": {},
    "weighted": {"weight": RNG.integers(1, 5, ROWS) / 4},
    "clustered": {"cluster": np.arange(ROWS) // 8},
}


def names_of(task: str) -> list[str]:
    """Every metric that is compared in a task, its averages, and that of a class or a label."""
    found = []
    for entry in METRICS.values():
        if task in entry.tasks and entry.reads != "slices":
            averages = [] if task == "binary" else [f"{entry.example}_{average}" for average in entry.averages]
            of_class = [f"{entry.example}[1]"] if entry.per_class and task != "regression" else []
            found += averages + of_class or [entry.example]
    return [name for name in found if fits(parse(name), task)]


def fits(name: MetricName, task: str) -> bool:
    try:
        check_task(name, task)
    except UsageError:
        return False
    return name.base not in OF_TRUTH


@cache
def both_ways(task: str, kind: str) -> list[dict[str, MetricRow]]:
    first, second, target = MODELS[task]
    pairs = (first, second), (second, first)
    names, more = names_of(task), FURTHER[kind]
    found = [evalcli.compare(*pair, target=target, task=task, metrics=names, resamples=500, **more) for pair in pairs]
    return [{row.name: row for row in one.data.metrics} for one in found]


def told(found: Difference, sign: float) -> list[float]:
    ends = sorted((sign * found.low, sign * found.high))
    return [sign * found.value, *ends, found.p, found.adjusted, found.detectable or 0.0]


@pytest.mark.parametrize("kind", FURTHER)
@pytest.mark.parametrize("task", MODELS)
def test_swapped_models_mirror_each_other(task: str, kind: str) -> None:
    here, there = both_ways(task, kind)
    assert len(here) >= 20
    for name, row in here.items():
        one, other = row.differences[1], there[name].differences[1]
        if name in {"max_error", "majority_baseline"}:
            assert one is other is None
        elif kind == "clustered" or one.method != "bootstrap":
            assert told(one, 1.0) == pytest.approx(told(other, -1.0), rel=1e-9, abs=1e-12), name
        else:
            assert told(one, 1.0) == told(other, -1.0), name


def test_what_is_drawn_is_tried() -> None:
    assert {row.differences[1].method for row in both_ways("multiclass", "plain")[0].values()} > {"bootstrap", "score"}


def test_models_that_mirror_each_other_have_intervals_that_do() -> None:
    """Nothing says which of them is first, so the difference of nothing lies in the middle."""
    target = np.repeat([0, 1], 300)
    first, second = target.copy(), target.copy()
    first[:40], second[40:80] = 1, 1
    first[300:330], second[330:360] = 0, 0
    for found in (evalcli.compare(*pair, target=target, metrics="mcc") for pair in ((first, second), (second, first))):
        assert found["mcc"].method == "bootstrap"
        assert found["mcc"].low == -found["mcc"].high < 0.0


def test_models_that_are_alike_differ_as_much_either_way_by_cluster() -> None:
    """Of three rows the walk to one end of the score interval stopped at once: what differs by nothing was 0 to 1."""
    weight = [7.27126327e-08, 3.96389424e-07, 8.03510880e-07]
    more = {"weight": weight, "cluster": [0, 1, 1], "metrics": "npv_weighted", "task": "multiclass", "labels": 4}
    found = evalcli.compare([1, 3, 0], [1, 3, 0], target=[0, 0, 0], **more)["npv_weighted"]
    assert found.low == -found.high < -0.9


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("rows", [2, 5, 6])
def test_what_differs_alike_in_few_rows_is_told_apart_where_the_signs_of_these_do(rows: int, clustered: bool) -> None:
    """Of one row that weighs, B was surely worse by its interval, with a p-value of 1."""
    target = np.arange(rows) * 2.0
    more = {"cluster": np.arange(rows)} if clustered else {}
    asked = "mae,rmse,smape"
    values = evalcli.compare(target, target + 3.0, target=target, metrics=asked, task="regression", **more)
    assert -2.0 <= values["smape"].low < values["smape"].high <= 2.0  # there is no larger one
    truth = np.tile([0, 0, 1, 0], (rows, 1))
    cells = evalcli.compare(truth, 1 - truth, target=truth, metrics="hamming_loss", task="multilabel", **more)
    for found in (values["mae"], values["rmse"], cells["hamming_loss"]):
        assert found.p >= 2.0 ** (1 - rows) > 0.05 or rows == 6
        assert (found.low > 0.0) == (found.p < 0.05) == (rows == 6 and not clustered)


def test_what_differs_alike_by_little_has_the_p_value_of_its_interval() -> None:
    """Of 50 rows that all are a little farther off, p was below 0.001 beside an interval that held 0."""
    target, names = np.arange(50) * 2.0, ("mae", "rmse", "mse")
    asked = {"target": target, "metrics": ",".join((*names, "bias")), "task": "regression"}
    found = evalcli.compare(target + 2.0, target + 2.1, **asked)
    assert found["bias"].p == found["mae"].p > 0.05
    for name in names:
        at = evalcli.compare(target + 2.0, target + 2.1, confidence=1.0 - found[name].p, **asked)[name]
        assert at.low == pytest.approx(0.0, abs=1e-9)
