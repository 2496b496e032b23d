"""How sure the caller's own metrics are: the jackknife over groups of rows that are dealt by their number."""

import json

import numpy as np
import pytest

import evalcli
from evalcli.own import groups as owngroups
from evalcli.sources.base import Batch
from evalcli.sources.origins import Origin

RNG = np.random.default_rng(11)
ROWS = 400
TARGET = RNG.normal(size=ROWS)
PREDS = TARGET + RNG.standard_t(6, size=ROWS)


class OwnMean(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("total", 0.0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        self.total += float(np.abs(preds - target).sum())
        self.rows += len(target)

    def compute(self):
        return self.total / self.rows


class Kept(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("errors", [], reduce="cat")

    def update(self, preds, target):
        self.errors.append(np.abs(preds - target))

    def compute(self):
        return {"mean": float(np.concatenate(self.errors).mean()), "one": 1.0}


class FewFail(OwnMean):
    def compute(self):
        if self.rows < ROWS:
            raise RuntimeError("not of so few")
        return super().compute()


def told(metric, preds=PREDS, target=TARGET, **more):
    return evalcli.evaluate(preds, target, own={"x": metric}, metrics=["mae"], **more).data


def ends(value):
    return value.low, value.high


def test_a_mean_of_ones_own_is_as_sure_as_that_of_the_registry():
    found = told(OwnMean()).metrics
    own, mae = found["x"], found["mae"]
    assert own.value == pytest.approx(mae.value)
    assert own.method == "jackknife"
    assert (own.low + own.high) / 2 == pytest.approx(own.value)
    assert 0.7 < (own.high - own.low) / (mae.high - mae.low) < 1.5


def test_neither_batches_nor_workers_show():
    first = told(OwnMean(), batch_size=400, workers=1).metrics["x"]
    for size, workers in ((7, 1), (64, 3)):
        assert ends(told(OwnMean(), batch_size=size, workers=workers).metrics["x"]) == pytest.approx(
            ends(first), rel=1e-12
        )


def test_sorted_rows_are_dealt_as_if_they_were_not():
    order = np.argsort(np.abs(PREDS - TARGET))
    width = np.subtract(*ends(told(OwnMean()).metrics["x"])[::-1])
    in_order = np.subtract(*ends(told(OwnMean(), PREDS[order], TARGET[order]).metrics["x"])[::-1])
    assert 0.6 < in_order / width < 1.6


def test_whole_clusters_are_dealt():
    found = told(OwnMean(), np.repeat(PREDS, 5), np.repeat(TARGET, 5), cluster=np.repeat(np.arange(ROWS), 5))
    alone = told(OwnMean()).metrics["x"]
    assert found.metrics["x"].method == "jackknife (clusters)"
    width, single = (np.subtract(*ends(one)[::-1]) for one in (found.metrics["x"], alone))
    assert 0.6 < width / single < 1.6  # five times as many rows say nothing new


def test_equal_rows_are_dealt_one_by_one():
    file = [Origin(mark=7)]
    numbers = owngroups.dealt(Batch(np.zeros(2), np.zeros(2), start=0, repeats=np.array([1000, 500])), file)
    assert len(numbers) == 1500
    assert np.bincount(numbers[:1000], minlength=owngroups.GROUPS).min() > 20
    whole = owngroups.dealt(Batch(np.zeros(1500), np.zeros(1500), start=0), file)
    assert np.array_equal(numbers, whole)
    assert np.array_equal(owngroups.dealt(Batch(np.zeros(500), np.zeros(500), start=1000), file), whole[1000:])


def test_few_rows_and_few_clusters_have_no_interval():
    assert told(OwnMean(), PREDS[:39], TARGET[:39]).metrics["x"].low is None
    assert told(OwnMean(), PREDS[:60], TARGET[:60]).metrics["x"].low is not None
    few = np.arange(ROWS) % 6
    assert told(OwnMean(), cluster=few).metrics["x"].low is None
    assert told(OwnMean(), confidence=None).metrics["x"].low is None


def test_a_metric_that_fails_on_a_part_has_its_value_and_no_finding():
    report = told(FewFail())
    assert report.metrics["x"].value == pytest.approx(report.metrics["mae"].value)
    assert report.metrics["x"].low is None
    assert not [finding for finding in report.findings if finding.code == "metric-failed"]


def test_what_keeps_its_rows_is_computed_of_each_group_by_itself(monkeypatch):
    whole = told(Kept()).metrics
    assert (whole["x.mean"].method, whole["x.one"].low) == ("jackknife", None)
    monkeypatch.setattr(owngroups, "MANY_ROWS", 100)
    alone = told(Kept()).metrics
    assert alone["x.mean"].method == "groups"
    assert told(OwnMean()).metrics["x"].method == "jackknife"
    assert ends(alone["x.mean"]) == pytest.approx(ends(whole["x.mean"]), abs=0.05)


def test_parts_hold_groups():
    own = {"x": OwnMean()}
    halves = [
        evalcli.evaluate(PREDS[half], TARGET[half], own=own, metrics=["mae"], partial=True)
        for half in (slice(150), slice(150, None))
    ]
    merged, other = (evalcli.merge(some).report(own=own).data.metrics["x"] for some in (halves, halves[::-1]))
    assert merged == other
    assert ends(merged) == pytest.approx(ends(told(OwnMean()).metrics["x"]), abs=0.05)
    single = evalcli.evaluate(PREDS, TARGET, own=own, metrics=["mae"], partial=True).report(own=own)
    assert single.data.metrics["x"] == told(OwnMean()).metrics["x"]


def test_a_gate_on_the_interval_of_ones_own(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("values.npz", preds=PREDS, target=TARGET)
    (tmp_path / "my.py").write_text(
        "import evalcli\n\n"
        "class OwnMean(evalcli.Metric):\n"
        "    def __init__(self):\n        super().__init__()\n        self.add_state('total', 0.0)\n"
        "        self.add_state('rows', 0)\n"
        "    def update(self, preds, target):\n        self.total += float(abs(preds - target).sum())\n"
        "        self.rows += len(target)\n"
        "    def compute(self):\n        return self.total / self.rows\n"
    )
    gates = ("--max", "OwnMean=1.5", "--max", "OwnMean=0.95", "--min", "OwnMean=2", "--max", "ratio=2")
    found = run("report", "values.npz", "--metric", "my.py:OwnMean", "--define", "ratio = OwnMean / mae", *gates,
                "--gate-on", "interval", "-f", "json")  # fmt: skip
    report = json.loads(found.stdout)
    assert {gate["rule"]: gate["status"] for gate in report["gates"]} == {
        "OwnMean<=1.5": "pass", "OwnMean<=0.95": "inconclusive", "OwnMean>=2": "fail", "ratio<=2": "pass",
    }  # fmt: skip
    assert report["metrics"]["ratio"]["method"] == "mover (bound)"
