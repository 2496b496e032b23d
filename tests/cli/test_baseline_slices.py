"""``evalcli report --baseline`` with drops of slices: each is that of a comparison by the same column."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from evalcli.cli import models

ROWS = 600
RNG = np.random.default_rng(8)
REGION = RNG.choice(["AP", "EU", "US"], ROWS, p=[0.2, 0.5, 0.3])
AGE = RNG.integers(15, 90, ROWS)
TRUTH = RNG.integers(0, 2, ROWS)
SKILL = np.where(REGION == "EU", 0.6, 1.4)
MARGINS = [np.round(RNG.normal(size=ROWS) + skill * (2 * TRUTH - 1), 3) for skill in (1.0, SKILL)]
VALUES = RNG.normal(size=ROWS).round(3)
GUESSES = [(VALUES + RNG.normal(size=ROWS) * scale).round(3) for scale in (0.5, 0.6 / SKILL)]
SETS = RNG.random((ROWS, 2)) < 0.4
SAID = [np.where(RNG.random((ROWS, 2)) < 0.2, ~SETS, SETS).astype(int) for _ in range(2)]
WORDS = np.array(["ant", "bee"])


def of_labels(said):
    return {**{f"y_{i}": SETS[:, i].astype(int) for i in range(2)}, **{f"p_{i}": said[:, i] for i in range(2)}}


TABLES = {
    "labels": [{"target": WORDS[TRUTH], "pred": WORDS[(margin > 0).astype(int)]} for margin in MARGINS],
    "probs": [{"target": TRUTH, "pred": 1 / (1 + np.exp(-margin))} for margin in MARGINS],
    "values": [{"target": VALUES, "pred": guess} for guess in GUESSES],
    "several": [of_labels(said) for said in SAID],
}
KINDS = {
    "labels": ("--positive", "bee"),
    "probs": ("--scores", "probs"),
    "values": ("--task", "regression"),
    "several": ("--task", "multilabel"),
}
METRICS = {
    "labels": ("accuracy", "mcc", "recall[ant]"),
    "probs": ("accuracy", "auroc", "log_loss"),
    "values": ("rmse", "bias", "spearman"),
    "several": ("f1_macro", "hamming_loss"),
}
SLICES = ("region=EU", "region=US", "region=*", "age=*", "age=< 30")
BY = ("--by", "region", "--by", "age:30:60")
FEW = ("--resamples", "100")


@pytest.fixture(params=TABLES)
def kind(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    beside = {"region": REGION, "age": AGE}
    for name, columns in zip(("was", "now"), TABLES[request.param], strict=True):
        pd.DataFrame(columns | beside).to_csv(f"{name}.csv", index=False)
    pd.DataFrame(TABLES[request.param][0]).to_csv("bare.csv", index=False)
    return request.param


def drops(kind, bounds):
    names = [f"{metric}@{where}" for metric in METRICS[kind] for where in SLICES]
    return [part for name in names for bound in bounds for part in ("--max-drop", f"{name}={bound}")]


def reported(run, kind, *args, baseline="was.csv", codes=(0, 1, 3)):
    done = run("report", "now.csv", "--baseline", baseline, *KINDS[kind], *BY, *FEW, *args, "-f", "json")
    assert done.code in codes, done.stderr
    return json.loads(done.stdout)["gates"]


def compared(run, kind, *args):
    done = run(
        "compare", "was.csv", "now.csv", *KINDS[kind], *BY, *FEW, "-m", ",".join(METRICS[kind]), *args, "-f", "json"
    )
    assert done.code in {0, 1}, done.stderr
    return json.loads(done.stdout)


FIELDS = ("rule", "metric", "value", "bound", "status", "n", "baseline", "current")


def test_verdicts_on_values_are_those_of_a_comparison(run, kind) -> None:
    rules = drops(kind, ("0", "0.02", "0.3"))
    found, expected = reported(run, kind, *rules), compared(run, kind, *rules)["gates"]
    assert [[one[key] for key in FIELDS] for one in found] == [[one[key] for key in FIELDS] for one in expected]
    assert {one["status"] for one in found} == {"pass", "fail"}
    worst = [one["reason"].split(";")[0] for one in found if "=*" in one["metric"]]
    assert worst == [one["reason"].split(";")[0] for one in expected if "=*" in one["metric"]]
    assert worst[0].startswith("the worst of 3 is '")


def test_small_slices_are_never_the_worst(run, kind) -> None:
    rules = (*drops(kind, ("0.02",)), "--min-slice-size", "150")
    found, expected = reported(run, kind, *rules), compared(run, kind, *rules)["gates"]
    assert [[one[key] for key in FIELDS] for one in found] == [[one[key] for key in FIELDS] for one in expected]
    assert any("the worst of 2 is" in one["reason"] for one in found)


def test_intervals_are_paired(run, kind) -> None:
    found = reported(run, kind, *drops(kind, ("0.02",)), "--gate-on", "interval")
    rows = {(row["by"], row["value"]): row["metrics"] for row in compared(run, kind)["slices"]}
    for gate in found:
        metric, _, where = gate["metric"].partition("@")
        by, _, value = where.partition("=")
        if value == "*":
            value = gate["reason"].split("'")[1]
        row = rows[by, value][metric]
        each = row["differences"][1]
        ends = (each["low"], each["high"]) if row["direction"] in {"lower", "zero"} else (-each["high"], -each["low"])
        assert (gate["low"], gate["high"], gate["method"]) == (*ends, each["method"])
        status = "pass" if gate["high"] <= 0.02 else "fail" if gate["low"] > 0.02 else "inconclusive"
        assert gate["status"] == status
        assert "independent" not in gate["reason"]


def test_the_baseline_need_not_know_the_slices(run, kind) -> None:
    rules = (*drops(kind, ("0.02",)), "--gate-on", "interval")
    assert reported(run, kind, *rules, baseline="bare.csv") == reported(run, kind, *rules)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("region=EU", ("region",)),
        ("age=< 30", ("age:30:60", "age")),
        ("region,age=EU,>= 60", ("region, age:60", "region,age")),
        (None, ()),
    ],
)
def test_only_slices_that_are_judged_are_compared(run, tmp_path, monkeypatch, where, wanted) -> None:
    seen, opened = [], models.open_models
    monkeypatch.setattr(models, "open_models", lambda *args, **more: seen.append(args[1].by) or opened(*args, **more))
    monkeypatch.chdir(tmp_path)
    columns = dict(TABLES["labels"][1], was=TABLES["labels"][0]["pred"], region=REGION, age=AGE)
    pd.DataFrame(columns).to_csv("now.csv", index=False)
    by = (*BY, "--by", "region, age:60")
    rule = "accuracy=1" if where is None else f"accuracy@{where}=1"
    done = run("report", "now.csv", "--baseline-pred", "was", "--positive", "bee", *by, "--max-drop", rule)
    assert (done.code, seen) == (0, [wanted]), done.stderr


def test_slices_are_those_of_the_predictions_that_are_judged(run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    now, was = TABLES["labels"][1], TABLES["labels"][0]
    pd.DataFrame(now | {"region": REGION}).to_csv("now.csv", index=False)
    pd.DataFrame(was | {"region": np.roll(REGION, 1)}).to_csv("was.csv", index=False)
    args = ("--baseline", "was.csv", "--positive", "bee", "--max-drop", "accuracy@region=EU=1", "-f", "json")
    gate = json.loads(run("report", "now.csv", *args).stdout)["gates"][0]
    at = REGION == "EU"
    assert gate["n"] == at.sum()
    right = [(one["pred"] == one["target"])[at].mean() for one in (was, now)]
    assert [gate["baseline"], gate["current"]] == pytest.approx(right)


def test_a_small_slice_that_is_named_is_paired(run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    columns = dict(TABLES["labels"][1], was=TABLES["labels"][0]["pred"], region=REGION)
    pd.DataFrame(columns).to_csv("now.csv", index=False)
    args = ("--baseline-pred", "was", "--positive", "bee", "--gate-on", "interval", "-f", "json")
    size = ("--max-drop", "accuracy@region=AP=0.5", "--min-slice-size", "200")
    gate = json.loads(run("report", "now.csv", *args, *size).stdout)["gates"][0]
    assert gate["n"] == (REGION == "AP").sum() < 200
    assert gate["method"] != "newcombe"


def test_one_slice_without_an_interval_leaves_the_worst_unknown(run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    patient = np.where(REGION == "AP", -1, np.arange(ROWS))
    columns = dict(TABLES["labels"][1], was=TABLES["labels"][0]["pred"], region=REGION, patient=patient)
    pd.DataFrame(columns).to_csv("now.csv", index=False)
    args = ("report", "now.csv", "--baseline-pred", "was", "--positive", "bee", "--cluster", "patient", "-f", "json")
    rule = ("--max-drop", "accuracy@region=*=0.9")
    done = run(*args, *rule, "--gate-on", "interval")
    gate = json.loads(done.stdout)["gates"][0]
    assert (done.code, gate["status"]) == (2, "missing")
    assert gate["reason"].startswith("the worst of 3 is 'AP'")
    assert "no paired interval is known of it; judge by --gate-on point" in gate["reason"]
    assert run(*args, *rule).code == 0
