"""Which values of a metric of the user's own are better: what ``higher_is_better`` says, drops and slices go by."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.loading import own_metric, own_metrics
from evalcli.renderers import render
from evalcli.renderers.contents import slicers
from evalcli.rules import parse_rules
from evalcli.saved import parse_report
from evalcli.task import Choices

TRUTH = np.zeros(6)
REGION = np.array(["a", "b", "c"] * 2)


class Worst(evalcli.Metric):
    """The largest error, alone or with the sum of all."""

    higher_is_better = False

    def __init__(self, both=False):
        super().__init__()
        self.both = both
        self.add_state("most", 0.0, reduce="max")
        self.add_state("total", 0.0)

    def update(self, preds, target):
        self.most = max(self.most, float(abs(preds - target).max()))
        self.total += float(abs(preds - target).sum())

    def compute(self):
        return {"most": self.most, "total": self.total} if self.both else self.most


class Silent(Worst):
    higher_is_better = None


class High(Worst):
    higher_is_better = True


class Odd(Worst):
    higher_is_better = "yes"


class Raises(Worst):
    @property
    def higher_is_better(self):
        raise OSError("no way")


def report(preds, *metrics):
    source = MemorySource(np.array(preds), TRUTH, slices={"g": REGION})
    return evaluate(source, Choices(task="regression"), Execution(), own=own_metrics(list(metrics)))


BEFORE = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
WORSE = [1.0, 2.0, 3.5, 1.0, 2.0, 3.5]


def drop(now, before, metric, on="Worst"):
    rules = parse_rules((), (), [f"{on}=0.1"], (on,))
    (verdict,) = judge(report(now, metric), rules, report(before, metric))
    return verdict.status, verdict.value


def test_a_drop_is_a_change_for_the_worse():
    assert drop(WORSE, BEFORE, Worst()) == ("fail", 0.5)
    assert drop(BEFORE, WORSE, Worst()) == ("pass", -0.5)
    assert drop(WORSE, BEFORE, High(), "High") == ("pass", -0.5)
    assert drop(WORSE, BEFORE, Silent(), "Silent") == ("pass", -0.5)  # nobody knows: the higher the better
    assert drop(WORSE, BEFORE, Worst(both=True), "Worst.most") == ("fail", 0.5)
    assert drop(WORSE, BEFORE, Worst(both=True), "Worst.total") == ("fail", 1.0)
    assert drop(WORSE, BEFORE, Worst(), "Worst@g=c") == ("fail", 0.5)
    assert drop(WORSE, BEFORE, Worst(), "Worst@g=*") == ("fail", 0.5)
    assert drop(WORSE, BEFORE, High(), "High@g=*") == ("pass", 0.0)  # the least stays


@pytest.mark.parametrize(
    ("metric", "upper", "lower"),
    [(Worst(), 3.0, 3.0), (High(), 1.0, 1.0), (Silent(), 3.0, 1.0)],
    ids=["lower", "higher", "unknown"],
)
def test_the_worst_slice_is_that_of_the_worst_values(metric, upper, lower):
    name = f"{type(metric).__name__}@g=*"
    found = judge(report(BEFORE, metric), parse_rules([f"{name}=0"], [f"{name}=9"], known=(name,)))
    assert [verdict.value for verdict in found] == [lower, upper]


def test_a_gap_is_from_the_worst_to_the_best():
    found = judge(report(BEFORE, Worst()), parse_rules((), ["Worst@g:gap=9"], known=("Worst@g:gap",)))
    assert (found[0].value, found[0].reason) == (2.0, "from 'c' to 'a'")


def test_slices_that_an_own_metric_leads_begin_with_the_worst():
    for metric, order in ((Worst(), "cba"), (High(), "abc")):
        found = report(BEFORE, metric)
        name = type(metric).__name__
        bare = tuple(row._replace(metrics={name: row.metrics[name]}) for row in found.slices)
        rows = slicers(replace(found, slices=bare))["g"]
        assert "".join(row.value for row in rows) == order


def test_a_saved_report_says_it():
    text = render(report(BEFORE, Worst(both=True), High(), Silent()), "json")
    assert json.loads(text)["directions"] == {"Worst.most": "lower", "Worst.total": "lower", "High": "higher"}
    assert render(parse_report(text), "json") == text
    assert "directions" not in json.loads(render(report(BEFORE, Silent()), "json"))


@pytest.mark.parametrize("wrong", ["up", None, 1, ["lower"]], ids=str)
def test_forged_directions_are_refused(wrong):
    data = json.loads(render(report(BEFORE, Worst()), "json"))
    data["directions"] = {"Worst": wrong}
    with pytest.raises(InputError, match=r"r\.json: not a whole report: directions\.Worst is "):
        parse_report(json.dumps(data), "r.json")
    data["directions"] = ["Worst"]
    with pytest.raises(InputError, match="directions is a list, not an object"):
        parse_report(json.dumps(data), "r.json")


def test_what_metrics_say_of_themselves():
    from torchmetrics import MeanSquaredError
    from torchmetrics.classification import MulticlassAccuracy

    metrics = evalcli.metrics
    said = {
        Worst(): "lower",
        High(): "higher",
        Silent(): "",
        Odd(): "",
        Raises(): "",
        MeanSquaredError(): "lower",
        MulticlassAccuracy(3): "higher",
        metrics.AUROC(): "higher",
        metrics.LogLoss(): "lower",
        metrics.Bias(): "",
        metrics.Accuracy() - metrics.F1(): "",
    }
    assert {type(one).__name__: own_metric(one, "x").better for one in said} == {
        type(one).__name__: direction for one, direction in said.items()
    }


OWN = """
import evalcli

class Worst(evalcli.Metric):
    higher_is_better = False

    def __init__(self):
        super().__init__()
        self.add_state("most", 0.0, reduce="max")

    def update(self, preds, target):
        self.most = max(self.most, float(abs(preds - target).max()))

    def compute(self):
        return self.most
"""


def test_on_the_command_line(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(OWN)
    for name, preds in (("old", BEFORE), ("new", WORSE)):
        lines = [f"{p},0.5,{g}" for p, g in zip(preds, REGION, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["pred,target,g", *lines, ""]))
        asked = ("--task", "regression", "--by", "g", "--metric", "my.py:Worst", "-o", f"{name}.json")
        done = run("report", f"{name}.csv", *asked, "-o", f"{name}.evalcli", "--quiet")
        assert done.code == 0, done.stderr
    gate = ("--baseline", "old.json", "--max-drop", "Worst=0.1", "--max-drop", "Worst@g=*=0.6", "--quiet")
    read = run("report", "new.csv", "--task", "regression", "--metric", "my.py:Worst", *gate)
    assert (read.code, read.stderr) == (1, run("gate", "new.json", *gate[:-1]).stderr)
    assert run("merge", "new.evalcli", "--metric", "my.py:Worst", *gate) == read
    assert "  FAIL    drop(Worst)<=0.1      0.5000  0.1000  6\n" in read.stderr
    assert "  pass    drop(Worst@g=*)<=0.6  0.5000  0.6000  2\n" in read.stderr
