"""Rows of slices: taken apart, waiting for one another, and counted once for the slice and for all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource

from evalcli.classification.labels import MISSING, Labels
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.metrics.values import ValueRows
from evalcli.slicerows import PIECE_BYTES, Waiting, apart, inside, places_to_wait
from evalcli.sources.base import Slicer
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence


def values(*numbers, groups=None):
    row = np.array([numbers], np.float64)
    return ValueRows(row, row + 1, groups=groups)


@given(st.lists(st.sampled_from([-1, 0, 1, 7, 40_000]), max_size=40), st.sampled_from([np.int16, np.int64]))
@settings(deadline=None)
def test_rows_are_taken_apart_in_their_order(codes, dtype):
    codes = np.array([code for code in codes if code <= np.iinfo(dtype).max], dtype)
    rows = values(*range(len(codes)))
    wanted = [(code, np.flatnonzero(codes == code).tolist()) for code in sorted(set(codes.tolist()))]
    assert [(code, part.preds[0].tolist()) for code, part in apart(rows, codes)] == wanted
    assert [(code, part.tolist()) for code, part in inside(codes)] == [one for one in wanted if one[0] >= 0]


def told(runs):
    return [(code, rows.preds[0].tolist()) for code, rows in runs]


def test_rows_that_wait_are_copies_and_come_out_by_code():
    waiting, batch = Waiting(), values(1.0, 2.0, 5.0)
    assert not [*waiting.add(batch, np.array([3, -1, 3]))]
    batch.preds[:] = 9.0  # as a source does that reads the next batch into the same memory
    assert not [*waiting.add(values(3.0), np.array([3]))]
    assert told(waiting.all()) == [(-1, [2.0]), (3, [1.0, 5.0, 3.0])]
    assert not [*waiting.all()]


def test_the_longest_runs_go_first_and_three_quarters_at_a_time(monkeypatch):
    row = 2 * 8 + PIECE_BYTES  # a prediction and a target
    monkeypatch.setattr("evalcli.slicerows.WAITING_BYTES", 2 * 8 * row)
    (waiting,) = places_to_wait([Slicer("region", ())], workers=2)
    for number, code in enumerate([1, 0, 3, 3, 2, 2, 2, 2]):
        assert not [*waiting.add(values(float(number)), np.array([code]))]
    assert told(waiting.add(values(8.0), np.array([1]))) == [
        (1, [0.0, 8.0]),
        (2, [4.0, 5.0, 6.0, 7.0]),
        (3, [2.0, 3.0]),
    ]
    assert not [*waiting.add(values(9.0), np.array([0]))]
    assert told(waiting.all()) == [(0, [1.0, 9.0])]


def test_of_codes_that_came_side_by_side_only_the_group_that_holds_most_goes(monkeypatch):
    row = 2 * 8 + PIECE_BYTES
    monkeypatch.setattr("evalcli.slicerows.WAITING_BYTES", 8 * row)
    waiting = Waiting()
    assert not [*waiting.add(values(0.0, 1.0, 2.0), np.array([2, 0, 1]))]
    for number in (3.0, 4.0, 5.0, 6.0, 7.0):
        assert not [*waiting.add(values(number), np.array([1]))]
    assert told(waiting.add(values(8.0), np.array([0]))) == [(1, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0])]
    assert not [*waiting.add(values(9.0), np.array([7]))]  # of no group of the first batch: of the last one
    assert told(waiting.all()) == [(0, [1.0, 8.0]), (2, [0.0]), (7, [9.0])]


def test_rows_of_other_kinds_are_not_joined():
    waiting, weighted = Waiting(), replace(values(2.0), weight=np.array([0.5]))
    assert not [*waiting.add(values(1.0), np.array([0]))]
    assert told(waiting.add(weighted, np.array([0]))) == [(0, [1.0])]
    assert [rows.weight.tolist() for _, rows in waiting.all()] == [[0.5]]


@pytest.mark.parametrize(("classes", "bytes_each"), [(2, 1), (256, 1), (257, 2)])
def test_labels_whose_scores_wait_are_few_bytes(classes, bytes_each):
    preds, target = np.array([0, MISSING, 300]), np.array([1, 0, classes - 1])
    found = Labels(preds, target, None, None, np.zeros((3, classes))).narrow(classes)
    assert (found.preds == MISSING).tolist() == [False, True, False]
    assert found.target.tolist() == target.tolist()
    assert (found.preds.itemsize, found.target.itemsize) == (1, bytes_each)


ROWS = 700
RNG = np.random.default_rng(5)
REGION = RNG.choice(["EU", "US", "APAC", ""], ROWS, p=[0.5, 0.3, 0.15, 0.05])
CELLS = (RNG.random((ROWS, 9)) < 0.3).astype(int)
CLASSES = RNG.integers(0, 4, ROWS)
INPUTS = {
    "regression": (RNG.normal(5, 2, ROWS), RNG.normal(5, 2, ROWS), {"task": "regression"}),
    "outputs": (RNG.normal(5, 2, (ROWS, 3)), RNG.normal(5, 2, (ROWS, 3)), {"task": "regression"}),
    "binary": (RNG.random(ROWS), CLASSES % 2, {}),
    "logits": (RNG.normal(size=(ROWS, 4)), CLASSES, {}),
    "labels": (RNG.integers(0, 4, ROWS), CLASSES, {}),
    "multilabel": (RNG.random((ROWS, 9)), CELLS, {"labels": tuple("abcdefghi")}),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("weighted", [False, True], ids=["counted", "weighted"])
@pytest.mark.parametrize("budget", [None, 4096], ids=["exact", "certified"])
def test_how_rows_are_gathered_moves_no_bit(kind, weighted, budget, monkeypatch):
    preds, target, choices = INPUTS[kind]
    weight = RNG.choice([0.0, 0.5, 1.0, 2.25], ROWS) if weighted else None
    slices = {"region": REGION, "half": np.where(np.arange(ROWS) % 2, "odd", "even")}
    monkeypatch.setattr("evalcli.slicepasses.LEAST_BUDGET", 1024)
    monkeypatch.setattr("evalcli.classification.scoring.LEAST_BUDGET", 1024)
    monkeypatch.setattr("evalcli.regression.states.LEAST_BUDGET", 1024)
    monkeypatch.setattr("evalcli.multilabel.states.LEAST_BUDGET", 1024)
    # intervals are read off what is kept, which they are once for each kind and weighting
    asked = Choices(**choices, confidence=Confidence(resamples=20) if budget is None else None)

    def report(least=1 << 40, waiting=0, size=ROWS, workers=1, **options):
        monkeypatch.setattr("evalcli.slicerows.WAITING_BYTES", waiting)
        monkeypatch.setattr("evalcli.slicepasses.LEAST_SHARED", least)
        monkeypatch.setattr("evalcli.classification.scoring.LEAST_SHARED", least)
        source = MemorySource(preds, target, weight=weight, **options)
        return evaluate(source, asked, Execution(batch_size=size, workers=workers, ranking_budget=budget))

    alone, twice = report(), report(slices=slices)
    assert len(twice.slices) == 5
    for least, waiting, size, workers in ((1, 0, 97, 1), (1, 1 << 30, 97, 3), (60, 9000, 50, 2)):
        once = report(least, waiting, size, workers, slices=slices)
        assert once.slices == twice.slices
        assert once.metrics == twice.metrics == alone.metrics
        assert (once.per_class, once.calibration) == (alone.per_class, alone.calibration)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize(("clusters", "weighted"), [(30, True), (300, False)], ids=["apart", "shared"])
def test_how_rows_of_clusters_are_gathered_moves_no_bit(kind, clusters, weighted, monkeypatch):
    preds, target, choices = INPUTS[kind]
    cluster = np.random.default_rng(clusters).integers(0, clusters, ROWS)
    weight = RNG.choice([0.0, 0.5, 1.0, 2.25], ROWS) if weighted else None
    source = MemorySource(preds, target, weight=weight, cluster=cluster)
    asked = Choices(**choices, confidence=Confidence(resamples=20))

    def report(least, waiting, size, workers):
        monkeypatch.setattr("evalcli.slicerows.WAITING_BYTES", waiting)
        monkeypatch.setattr("evalcli.slicepasses.LEAST_SHARED", least)
        monkeypatch.setattr("evalcli.classification.scoring.LEAST_SHARED", least)
        found = evaluate(source, asked, Execution(batch_size=size, workers=workers, ranking_budget=4096))
        return replace(found, run=None)

    apart = report(1 << 40, 0, ROWS, 1)
    assert apart.clustered.clusters == len(np.unique(cluster if weight is None else cluster[weight > 0]))
    for least, waiting, size, workers in ((1, 1 << 30, 97, 3), (12, 9000, 50, 2)):
        assert report(least, waiting, size, workers) == apart
