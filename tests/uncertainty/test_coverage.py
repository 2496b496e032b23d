"""Coverage by simulation, in small: ``python -m benchmarks.coverage`` does the same with 2,000 data sets a case.

The tolerance is what three standard errors of so many sets explain. That it can tell good from bad is shown by methods
that fail it.
"""

import sys
from math import sqrt
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.coverage import HIGH, LOW, REJECTED, WRONG, chance, cover, judge, reject
from benchmarks.simulated.cases import CASES, GATES, PAIRS

SETS = 200
EVALUATED = 100
"""Sets of clusters, each of which is two whole evaluations: what is too narrow there is so by far."""
BY_NAME = {case.name: case for case in (*CASES, *PAIRS, *GATES)}

CHOSEN = (
    *("accuracy, 100 rows", "accuracy near 1, 1,000 rows", "accuracy near 0, 500 rows"),
    *("accuracy, heavy rows are hard, 300 rows", "average precision 0.92, 200 rows", "log loss, 100 rows"),
    *("macro F1, rare classes, 1,000 rows", "balanced accuracy, rare classes, 300 rows", "MCC near 0, 150 rows"),
    *("kappa, 10 classes, 2,000 rows", "recall of 5 % positive, 500 rows"),
    *("AUROC 0.86, 50 + 50 rows", "AUROC 0.993, 100 + 1,900 rows", "ECE 0.08, 300 rows"),
    *("R², heavy tails, 100 rows", "Spearman, useless, 100 rows", "WAPE, errors grow, 100 rows"),
    *("multilabel macro F1, 300 rows", "multilabel micro F1, 100 rows", "multilabel log loss, 100 rows"),
    *("Brier reliability, 1,000 rows", "overconfidence, 1,000 rows", "Kolmogorov–Smirnov, 100 + 400 rows"),
    *("difference of macro F1, none, 1,000 rows", "difference of AUROC, 100 + 100 rows"),
    *("defined: gap of two recalls, 100 rows", "defined: AUROC less accuracy, 100 rows", "own F1, 100 rows"),
    "own F1, 100 rows of a slice",
)
TOO_NARROW = {
    **dict.fromkeys(
        (
            *("accuracy, clusters of scores", "macro F1, 3 classes, clusters of scores"),
            *("AUROC, clusters of scores", "log loss, clusters of scores"),
            "R², 100 clusters of values",
        ),
        "as if independent",
    ),
    "accuracy near 1, 100 rows": "wald",
    "accuracy, 100 clusters": "as if independent",
    "balanced accuracy, rare good classes, 300 rows": "percentile",
    "ECE 0.02, 1,000 rows": "percentile",
    "Pearson, log-normal, 1,000 rows": "fisher",
    "multilabel Hamming loss, 100 rows": "cells as rows",
}


def promised(coverage: float, sets: int = SETS) -> bool:
    return LOW - 3 * sqrt(LOW * (1 - LOW) / sets) <= coverage <= HIGH + 3 * sqrt(HIGH * (1 - HIGH) / sets)


@pytest.mark.parametrize("name", CHOSEN)
def test_intervals_hold_the_truth_as_often_as_they_say(name):
    rows = {row.method: row for row in cover(BY_NAME[name], SETS)}
    assert rows["evalcli"].sets == SETS
    assert promised(rows["evalcli"].coverage), rows["evalcli"]


@pytest.mark.parametrize("name", TOO_NARROW)
def test_a_method_that_is_too_narrow_is_found_out(name):
    sets = EVALUATED if "clusters of" in name else SETS
    rows = {row.method: row for row in cover(BY_NAME[name], sets)}
    assert promised(rows["evalcli"].coverage, sets), rows["evalcli"]
    assert not promised(rows[TOO_NARROW[name]].coverage, sets), rows[TOO_NARROW[name]]


@pytest.mark.parametrize(
    "name", ["accuracy, 100 rows", "macro F1, equal by other errors, 1,000 rows", "log loss, 200 rows"]
)
def test_no_difference_is_seldom_found(name):
    case = BY_NAME[f"test of {name}"]
    assert case.null
    assert reject(case, SETS)["evalcli"] <= REJECTED + chance(0.05, SETS)


def test_no_difference_of_several_labels_is_seldom_found():
    case = BY_NAME["test of several labels, rare ones, 100 rows"]
    found = reject(case, 100)
    assert {*found} == {*case.promised}
    assert max(found.values()) <= REJECTED + chance(0.05, 100), found


def test_a_difference_is_found():
    assert reject(BY_NAME["test of macro F1, 500 rows"], 100)["evalcli"] > 0.7


def test_a_gate_on_a_point_flips_and_one_on_an_interval_does_not():
    found = judge(BY_NAME["gate on accuracy 0.9, 1,000 rows"], 400)
    assert 0.4 < found["point"]["pass"] < 0.6
    assert found["interval"]["pass"] + found["interval"]["fail"] <= WRONG + chance(0.05, 400)
