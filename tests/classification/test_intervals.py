"""Intervals of a classification report: where they are, what they hold, and that nothing but the rows decides them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.counting import Shown
from evalcli.engine import Execution
from evalcli.errors import ExitCode
from evalcli.evaluation import evaluate
from evalcli.gates import exit_code, judge
from evalcli.metrics.registry import parse
from evalcli.report import Report
from evalcli.rules import parse_rules
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence, wilson

SURE = Confidence(resamples=300)


def report(source, names=None, *, size=None, workers=1, confidence=SURE, **options):
    choices = Choices(confidence=confidence, **{k: v for k, v in options.items() if k not in {"also", "shown"}})
    more = {k: v for k, v in options.items() if k in {"also", "shown"}}
    return evaluate(source, choices, Execution(batch_size=size, workers=workers), names, **more)


def drawn(kind, rows=300, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "binary":
        truth = rng.integers(0, 2, rows)
        return rng.normal(size=rows) + 2.0 * truth - 1.0, truth
    truth = rng.integers(0, 3, rows)
    logits = rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[truth]
    return (logits.argmax(axis=1) if kind == "labels" else logits), truth


def sure(values):
    return {name for name, value in values.items() if value.low is not None}


@pytest.mark.parametrize("kind", ["labels", "logits", "binary"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_every_number_has_an_interval_that_holds_it_inside_its_range(kind, weighted):
    preds, truth = drawn(kind)
    weight = np.random.default_rng(1).choice([0.5, 2.0], len(truth)) if weighted else None
    found = report(MemorySource(preds, truth, weight=weight))
    assert sure(found.metrics) == {*found.metrics}
    for name, value in found.metrics.items():
        if value.low is not None:
            entry = parse(name).entry
            assert entry.low <= value.low <= value.value <= value.high <= entry.high, name
            assert value.low < value.high, name
            assert value.method
    for row in found.per_class:
        assert sure(row.metrics) == {*row.metrics}
    assert found.confidence == 0.95
    assert "ci:0.95/300/0" in found.signature


@pytest.mark.parametrize("kind", ["labels", "logits", "binary"])
def test_a_perfect_model_is_not_believed_to_be_perfect(kind):
    _, truth = drawn(kind, rows=40)
    perfect = {"labels": truth, "logits": 9.0 * np.eye(3)[truth % 3], "binary": 9.0 * (2 * truth - 1)}[kind]
    found = report(MemorySource(perfect, truth))
    for name in ("accuracy", "f1_macro", "mcc", "kappa", "balanced_accuracy"):
        value = found.metrics[name]
        assert value.value == pytest.approx(1.0, abs=1e-12)
        assert 0.7 < value.low < 1.0, name
        assert value.high == value.value
    for row in found.per_class:
        assert row.metrics["recall"].low < 1.0


@pytest.mark.parametrize("kind", ["labels", "logits", "binary"])
def test_M01_M03_neither_batches_nor_workers_nor_order_can_be_seen(kind):
    preds, truth = drawn(kind, seed=2)
    region = np.random.default_rng(3).choice(["a", "b"], len(truth))
    whole = report(MemorySource(preds, truth, slices={"region": region}))
    order = np.random.default_rng(4).permutation(len(truth))
    for size, workers, rows in ((7, 3, slice(None)), (300, 1, order)):
        again = report(
            MemorySource(preds[rows], truth[rows], slices={"region": region[rows]}), size=size, workers=workers
        )
        assert replace(again, run=None) == replace(whole, run=None)


def test_shares_get_wilson():
    preds, truth = drawn("labels")
    found = report(MemorySource(preds, truth)).metrics["accuracy"]
    expected = wilson(float((preds == truth).sum()), len(truth), SURE.critical)
    assert (found.low, found.high, found.method) == (expected.low, expected.high, "wilson")


def test_more_rows_and_less_confidence_make_them_narrower():
    def widths(rows, confidence):
        found = report(MemorySource(*drawn("logits", rows)), confidence=confidence).metrics
        return {name: found[name].high - found[name].low for name in sure(found)}

    small, large, bold = (widths(rows, Confidence(p, 300)) for rows, p in ((200, 0.95), (5000, 0.95), (200, 0.6)))
    for name in ("accuracy", "f1_macro", "mcc", "auroc_macro", "log_loss", "brier", "mrr", "mean_confidence"):
        assert large[name] < small[name] / 2, name
        assert bold[name] < small[name], name


def test_an_interval_reaches_beyond_what_bins_leave_open():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 20_000)
    source = MemorySource(rng.normal(size=20_000) + truth, truth)
    choices = Choices(confidence=SURE)
    found = evaluate(source, choices, Execution(ranking_budget=3000), ("auroc", "average_precision", "ks"))
    for value in found.metrics.values():
        assert value.certified is not None
        assert value.low <= value.certified[0] <= value.certified[1] <= value.high


def test_only_what_is_seen_is_made_sure():
    preds, truth = drawn("logits")
    found = report(MemorySource(preds, truth), shown=Shown(frozenset({"accuracy", "ece"}), frozenset()))
    assert sure(found.metrics) == {"accuracy", "ece"}
    assert not sure(found.per_class[0].metrics)
    plain = report(MemorySource(preds, truth), confidence=None)
    assert not sure(plain.metrics)
    assert plain.confidence is None
    assert "ci:" not in plain.signature
    assert {name: value.value for name, value in plain.metrics.items()} == {
        name: value.value for name, value in found.metrics.items()
    }


def test_M15_intervals_come_back_from_a_file():
    found = report(MemorySource(*drawn("logits")))
    data = found.to_json_object()
    assert Report.from_json_object(json.loads(json.dumps(data))).to_json_object() == data


# Gates on intervals


def judged(preds, truth, *rules, before=None, **options):
    found = report(MemorySource(preds, truth), ("accuracy", "error_rate"), **options)
    parsed = parse_rules(*rules)
    return judge(found, parsed, before, on="interval")


def test_a_gate_passes_fails_or_says_how_many_rows_would_tell():
    preds, truth = drawn("logits", rows=400)
    share = float((preds.argmax(axis=1) == truth).mean())
    (low, near, high) = judged(preds, truth, [f"accuracy={share - 0.2}", f"accuracy={share - 0.01}", "accuracy=0.99"])
    assert [low.status, near.status, high.status] == ["pass", "inconclusive", "fail"]
    assert "rows would tell" in near.reason
    assert (low.n, low.low is not None) == (400, True)
    (lower,) = judged(preds, truth, [], [f"error_rate={1 - share + 0.2}"])
    assert lower.status == "pass"
    assert exit_code([low, near]) == ExitCode.INCONCLUSIVE
    assert exit_code([low, near, high]) == ExitCode.FAIL
    assert exit_code([low]) == ExitCode.PASS


def test_what_has_no_interval_has_no_verdict():
    values = MemorySource(np.array([1.0, 2.5, 2.0]), np.array([1.0, 2.0, 3.0]))
    found = evaluate(values, Choices(task="regression", confidence=Confidence()), Execution(), ("max_error",))
    (verdict,) = judge(found, parse_rules([], ["max_error=9"]), None, on="interval")
    assert verdict.status == "missing"
    assert exit_code([verdict]) == ExitCode.NO_VERDICT
    preds, truth = drawn("logits")
    (verdict,) = judged(preds, truth, ["accuracy=0.1"], confidence=None)
    assert verdict.status == "missing"
    assert "--no-intervals" in verdict.reason


def test_a_drop_is_judged_by_the_intervals_of_both():
    preds, truth = drawn("logits", rows=500, seed=6)
    before = report(MemorySource(preds, truth), ("accuracy",))
    worse = np.where(np.arange(500)[:, None] % 3 == 0, -preds, preds)
    (same,) = judged(preds, truth, [], [], ["accuracy=0.2"], before=before)
    (unsure,) = judged(preds, truth, [], [], ["accuracy=0.01"], before=before)
    (lost,) = judged(worse, truth, [], [], ["accuracy=0.05"], before=before)
    assert [same.status, unsure.status, lost.status] == ["pass", "inconclusive", "fail"]
    assert same.low < 0 < same.high
    plain = report(MemorySource(preds, truth), ("accuracy",), confidence=None)
    (unknown,) = judged(preds, truth, [], [], ["accuracy=0.2"], before=plain)
    assert unknown.status == "missing"


def test_a_gate_at_its_bound_is_hardly_ever_wrong():
    """The same model on fresh samples at its very bound: a point flips a coin, an interval does not."""
    rng = np.random.default_rng(7)
    statuses = {"point": [], "interval": []}
    rules = parse_rules(["accuracy=0.9"])
    for _ in range(300):
        truth = rng.integers(0, 2, 1000)
        preds = np.where(rng.random(1000) < 0.9, truth, 1 - truth)
        found = report(MemorySource(preds, truth), ("accuracy",))
        for on, seen in statuses.items():
            seen.append(judge(found, rules, on=on)[0].status)
    assert 0.4 < statuses["point"].count("fail") / 300 < 0.6
    assert statuses["interval"].count("fail") / 300 <= 0.05
    assert statuses["interval"].count("inconclusive") / 300 > 0.9
