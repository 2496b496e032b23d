"""Slices of a regression: each is the report of its rows, whatever the batches; gates read one, the worst, the gap."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from scipy import stats
from sklearn import metrics

from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.report import Report
from evalcli.rules import parse_rules
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence


def report(source, names=None, *, size=None, workers=1, also=(), budget=None, **choices):
    chosen = Choices(task="regression", **choices)
    return evaluate(
        source, chosen, Execution(batch_size=size, workers=workers, ranking_budget=budget), names, also=also
    )


def drawn(seed=0, rows=300, outputs=None):
    rng = np.random.default_rng(seed)
    shape = (rows,) if outputs is None else (rows, outputs)
    truth = rng.normal(5, 3, shape)
    region = rng.choice(["EU", "US", "APAC", ""], rows, p=[0.5, 0.3, 0.15, 0.05])
    return truth + rng.normal(0, 1, shape), truth, region, rng.choice([0.0, 0.5, 1.0, 2.25], rows)


def test_slices_are_what_the_peers_say_of_their_rows():
    preds, truth, region, weight = drawn()
    source = MemorySource(preds, truth, slices={"region": region})
    weighed = MemorySource(preds, truth, weight=weight, slices={"region": region})
    for row, heavy in zip(report(source).slices, report(weighed).slices, strict=True):
        rows = region == row.value
        p, t, w = preds[rows], truth[rows], weight[rows]
        assert (row.by, row.n, heavy.n) == ("region", int(rows.sum()), int(rows.sum()))
        for name, peer in (
            ("rmse", metrics.root_mean_squared_error),
            ("mae", metrics.mean_absolute_error),
            ("r2", metrics.r2_score),
            ("mape", metrics.mean_absolute_percentage_error),
        ):
            assert row.metrics[name].value == pytest.approx(peer(t, p), rel=1e-12)
            assert heavy.metrics[name].value == pytest.approx(peer(t, p, sample_weight=w), rel=1e-12)
        assert row.metrics["medae"].value == pytest.approx(metrics.median_absolute_error(t, p), rel=1e-12)
        assert row.metrics["spearman"].value == pytest.approx(stats.spearmanr(p, t).statistic, rel=1e-12)


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 1.5, -2.25, 7.0, float("nan")]),
        st.sampled_from([0.0, 0.3, 1.5, -2.25, -1.0]),
        st.sampled_from([0.0, 0.5, 3.0]),
        st.sampled_from(["a", "b", "c", ""]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.booleans(), st.booleans(), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_a_slice_is_the_report_of_its_rows(rows, weighted, repeated, size):
    preds, truth, weight, group, repeats = (np.array(part) for part in zip(*rows, strict=True))
    weight, repeats = weight if weighted else None, repeats if repeated else None
    counted = (truth != -1.0) & ~np.isnan(preds) & (True if weight is None else weight > 0)
    if not counted.any():
        return
    choices = {"nan": "drop", "ignore_index": -1, "confidence": Confidence(0.9)}
    source = MemorySource(preds, truth, weight=weight, repeats=repeats, slices={"group": group})
    found = {row.value: row for row in report(source, size=size, **choices).slices}
    for value in "abc":
        inside = group == value
        kept = inside & (truth != -1.0) & ~np.isnan(preds)
        assert (value in found) == bool(kept.any())
        if not (inside & counted).any():
            continue
        w, r = (None if part is None else part[inside] for part in (weight, repeats))
        alone = report(MemorySource(preds[inside], truth[inside], weight=w, repeats=r), **choices)
        assert found[value].n == alone.n
        assert found[value].metrics == alone.metrics


@pytest.mark.parametrize("budget", [None, 4096], ids=["exact", "certified"])
def test_M01_M02_no_batch_and_no_worker_can_be_seen(budget, monkeypatch):
    monkeypatch.setattr("evalcli.slicepasses.LEAST_BUDGET", 1024)
    preds, truth, region, _ = drawn(seed=1, rows=900)
    source = MemorySource(preds, truth, slices={"region": region, "all": region})
    whole = report(source, budget=budget)
    assert (whole.slices[0].metrics["spearman"].certified is None) == (budget is None)
    for size, workers in ((1, 3), (7, 2), (899, 1)):
        assert report(source, size=size, workers=workers, budget=budget).slices == whole.slices


def test_a_column_of_one_value_is_the_whole():
    preds, truth, _, weight = drawn(seed=2, outputs=3)
    source = MemorySource(preds, truth, weight=weight, slices={"all": np.full(len(truth), "x")})
    found = report(source, confidence=Confidence())
    (row,) = found.slices
    assert row.n == found.n
    assert row.metrics == found.metrics


def test_metrics_of_slices_follow_what_was_asked_for():
    preds, truth, region, _ = drawn()
    source = MemorySource(preds, truth, slices={"region": region})
    found = report(source, ("rmse", "mae@region=EU"), also=("r2@region:gap", "bias@other=x", "accuracy"))
    assert all([*row.metrics] == ["rmse", "mae", "r2"] for row in found.slices)
    assert [*found.metrics] == ["rmse", "mae@region=EU"]
    assert found.metrics["mae@region=EU"] == found.slices[1].metrics["mae"]
    with pytest.raises(UsageError, match="no slice 'XX'"):
        report(source, ("mae@region=XX",))


def test_gates_read_a_slice_the_worst_one_and_the_gap():
    preds, truth, region, _ = drawn()
    preds = preds + np.where(region == "EU", 2.0, 0.0) - np.where(region == "US", 4.0, 0.0)
    found = report(MemorySource(preds, truth, slices={"region": region}), ("rmse", "r2", "bias"))
    values = {name: {row.value: row.metrics[name].value for row in found.slices} for name in ("rmse", "r2", "bias")}
    upper = judge(found, parse_rules((), [f"{name}@region=*=1" for name in values]))
    assert [verdict.value for verdict in upper] == [
        max(values["rmse"].values()),
        min(values["r2"].values()),
        max(values["bias"].values()),
    ]
    (lower,) = judge(found, parse_rules(["bias@region=*=-1"]))
    assert lower.value == min(values["bias"].values())
    assert report(MemorySource(preds, truth, slices={"region": region}), ("bias@region=*",)).metrics[
        "bias@region=*"
    ].value == min(values["bias"].values())
    gaps = judge(found, parse_rules((), ["rmse@region:gap=1", "bias@region:gap=1"]))
    for verdict, name in zip(gaps, ("rmse", "bias"), strict=True):
        assert verdict.value == pytest.approx(max(values[name].values()) - min(values[name].values()), abs=1e-15)


def test_M15_slices_come_back_from_a_file_to_the_same_bytes():
    preds, truth, region, _ = drawn()
    found = report(MemorySource(preds, truth, slices={"region": region}), confidence=Confidence())
    again = Report.from_json_object(json.loads(json.dumps(found.to_json_object())))
    assert again.slices == found.slices
