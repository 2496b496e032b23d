"""Metrics of the user's own in slices: each sees the rows of its slice, in reports, gates and definitions."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from memory_source import MemorySource
from saved_files import save

import evalcli
from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import METRIC_FAILED, evaluate
from evalcli.gates import judge
from evalcli.loading import load_metrics, own_metric
from evalcli.renderers import render
from evalcli.rules import parse_rules
from evalcli.task import Choices

HERE = Path(__file__).parent
RNG = np.random.default_rng(3)
ROWS = 240
TARGET = RNG.integers(0, 3, ROWS)
PREDS = np.where(RNG.random(ROWS) < 0.7, TARGET, RNG.integers(0, 3, ROWS))
REGION = RNG.choice(["EU", "US", "APAC", ""], ROWS, p=[0.5, 0.25, 0.15, 0.1])
VALUES = RNG.normal(5, 2, ROWS)
SAID = VALUES + RNG.normal(0, 1, ROWS) * np.where(REGION == "US", 4, 1)


def report(source, own, task, *, size=None, workers=1, **choices):
    metrics = load_metrics(own)
    execution = Execution(batch_size=size, workers=workers)
    return evaluate(source, Choices(task=task, **choices), execution, own=metrics)


def mine(name):
    return f"{HERE}/my_metrics.py:{name}"


def rmse(rows):
    return float(np.sqrt(((SAID - VALUES)[rows] ** 2).mean()))


@pytest.mark.parametrize(("size", "workers"), [(None, 1), (7, 3), (1, 2)])
def test_a_regression_by_its_rows(size, workers):
    source = MemorySource(SAID, VALUES, slices={"region": REGION, "all": np.full(ROWS, "x")})
    found = report(source, [mine("MyRMSE")], "regression", size=size, workers=workers)
    assert [row.value for row in found.slices] == ["APAC", "EU", "US", "x"]
    for row in found.slices[:3]:
        assert row.metrics["MyRMSE"].value == pytest.approx(rmse(row.value == REGION), rel=1e-12)
        assert row.metrics["rmse"].value == pytest.approx(row.metrics["MyRMSE"].value, rel=1e-12)
    assert found.slices[3].metrics["MyRMSE"] == found.metrics["MyRMSE"]
    assert found.slices == report(source, [mine("MyRMSE")], "regression", size=size, workers=5 - workers).slices


@pytest.mark.parametrize("case", ["plain", "weighted", "repeats", "ignored"])
def test_several_numbers_of_classes_by_their_rows(case):
    target, options, choices = TARGET.copy(), {}, {}
    if case == "weighted":
        options["weight"] = RNG.choice([0.5, 2.0], ROWS)
    if case == "repeats":
        options["repeats"] = np.arange(ROWS) % 3 + 1
    if case == "ignored":
        target[::4] = -1
        choices["ignore_index"] = -1
    own = [mine("Weighted"), f"n={mine('PerClass')}"]
    found = report(
        MemorySource(PREDS, target, slices={"region": REGION}, **options), own, "multiclass", size=11, **choices
    )
    told = [finding.text for finding in found.findings if finding.code == "metric-unweighted"]
    assert told == ["n counts every row once, since its update takes no weight"] * (case == "weighted")
    for row in found.slices:
        rows = row.value == REGION
        inside = {name: part[rows] for name, part in options.items()}
        alone = report(MemorySource(PREDS[rows], target[rows], **inside), own, "multiclass", **choices)
        wanted = {name: value for name, value in alone.metrics.items() if name.startswith(("Weighted", "n["))}
        assert len(wanted) == 5
        assert {name: row.metrics[name].value for name in wanted} == pytest.approx(
            {name: value.value for name, value in wanted.items()}, rel=1e-12
        )


class Picky(evalcli.Metric):
    """Fails where the largest prediction is too large."""

    def __init__(self, most=1.0):
        super().__init__()
        self.most = most
        self.add_state("total", 0.0)

    def update(self, preds, target):
        if preds.max() > self.most:
            raise ValueError("too much")
        self.total += float(preds.sum())

    def compute(self):
        return self.total


def test_what_fails_in_a_slice_is_a_finding_that_names_it():
    preds = np.array([0.0, 0.5, 1.0, 0.5, 0.25, 0.5])
    region = np.array(["a", "b", "c", "a", "b", "c"])

    class Few(Picky):
        def compute(self):
            if self.total < 1.1:
                raise ValueError("too little")
            return self.total

    def told(metric):
        source = MemorySource(preds, preds + 0.5, slices={"g": region})
        found = evaluate(source, Choices(task="regression"), Execution(), own=[own_metric(metric, "few")])
        return found, [one.text for one in found.findings if one.code == METRIC_FAILED]

    found, texts = told(Few())
    assert [row.metrics["few"].value for row in found.slices] == [None, None, 1.5]
    assert found.metrics["few"].value == preds.sum()
    assert len(texts) == 1
    assert texts[0].startswith("few failed in g=a and 1 more slice: ValueError: too little (test_own_slices.py, line ")
    found, texts = told(Picky(0.9))  # what fails on all rows is told once
    assert [row.metrics["few"].value for row in found.slices] == [0.5, 0.75, None]
    assert len(texts) == 1
    assert texts[0].startswith("few failed: ValueError: too much")


def test_gates_read_one_slice_the_worst_by_their_bound_and_the_gap():
    found = report(MemorySource(SAID, VALUES, slices={"region": REGION}), [mine("MyRMSE")], "regression")
    values = {row.value: row.metrics["MyRMSE"].value for row in found.slices}
    names = ("MyRMSE@region=EU", "MyRMSE@region=*", "MyRMSE@region:gap")
    upper = judge(found, parse_rules((), [f"{name}=9" for name in names], known=names))
    assert [verdict.value for verdict in upper] == [
        values["EU"],
        max(values.values()),
        pytest.approx(max(values.values()) - min(values.values()), abs=1e-15),
    ]
    (lower,) = judge(found, parse_rules(["MyRMSE@region=*=0.1"], known=names))
    assert lower.value == min(values.values())


@pytest.fixture
def my(tmp_path, monkeypatch):
    shutil.copy(HERE / "my_metrics.py", tmp_path / "my.py")
    monkeypatch.chdir(tmp_path)
    number = np.array([["EU", "US", "APAC", ""].index(one) for one in REGION])
    save(tmp_path / "data.npz", {"preds": SAID, "target": VALUES, "region": number})
    return tmp_path


def test_on_the_command_line_without_by_and_on_a_saved_report(my, run):
    args = ("report", "data.npz", "--task", "regression", "--metric", "my.py:MyRMSE", "--pred", "preds")
    gate = ("--max", "MyRMSE@region=*=2.5", "--define", "ratio = MyRMSE / rmse", "--min", "ratio@region=1=0.99")
    found = run(*args, *gate, "-f", "json", "-o", "r.json")
    data = json.loads(found.stdout)
    assert found.code == 1, found.stderr
    assert {gate["metric"]: gate["status"] for gate in data["gates"]} == {
        "MyRMSE@region=*": "fail",
        "ratio@region=1": "pass",
    }
    assert [row["metrics"]["ratio"]["value"] for row in data["slices"]] == pytest.approx([1, 1, 1, 1], rel=1e-12)
    assert run("gate", "r.json", "--max", "MyRMSE@region=*=5").code == 0
    assert run("gate", "r.json", "--max", "MyRMSE@region=1=1").code == 1
    refused = run("gate", "r.json", "--max", "MyOther@region=1=1")
    assert (refused.code, "'MyOther' names no metric" in refused.stderr) == (2, True)
    part = run(*args, "--by", "region", "-o", "p.evalcli")
    assert part.code == 0, part.stderr
    plain = run(*args, "-o", "plain.json")
    assert plain.code == 0, plain.stderr
    unsliced = run("gate", "plain.json", "--max", "MyRMSE@region=1=1")
    assert (unsliced.code, "no slices by 'region'; add --by region" in unsliced.stderr) == (2, True)
    missing = run("gate", "r.json", "--max", "MyRMSE@region=9=1")
    assert (missing.code, "no slice '9'" in missing.stderr) == (2, True)


def test_every_format_shows_them_beside_the_usual_ones():
    found = report(MemorySource(SAID, VALUES, slices={"region": REGION}), [mine("MyRMSE")], "regression")
    markdown = render(found, "markdown")
    assert "| slice | RMSE | MAE | R² | bias | MyRMSE | n |" in markdown
    assert "slice,MyRMSE,region=EU," in render(found, "csv")


def test_in_python():
    found = evalcli.evaluate(SAID, VALUES, by={"region": REGION}, own=[mine("MyRMSE")], task="regression")
    assert found["MyRMSE@region=US"] == pytest.approx(rmse(REGION == "US"), rel=1e-12)
    assert found.check("MyRMSE@region=US<=99", "MyRMSE@region=*>=0.1").passed
    assert found.check("MyRMSE@region=XX<=99")[0].status == "missing"
    with pytest.raises(KeyError, match="no slice 'XX'"):
        found["MyRMSE@region=XX"]
    with pytest.raises(UsageError, match="'MyOther' names no metric"):
        found.check("MyOther@region=US<=99")
