"""``evalcli compare --metric``, and ``report --baseline`` on metrics of one's own, as a shell sees them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

ROWS = 480
WORDS = np.array(["ant", "bee", "cat"])
CODE = """
import evalcli


class Hit(evalcli.Metric):
    higher_is_better = True

    def __init__(self, of=None):
        super().__init__()
        self.of = of
        self.add_state("right", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        counted = target >= 0 if self.of is None else target == self.of
        self.right += int((preds == target)[counted].sum())
        self.rows += int(counted.sum())

    def compute(self):
        return self.right / self.rows


class Fussy(Hit):
    def compute(self):
        if super().compute() > 0.8:
            raise ValueError("too good\\nto be true")
        return 0.5


class Fickle(Hit):
    def compute(self):
        return float("nan") if super().compute() > 0.8 else 0.5


class Empty(Hit):
    def update(self, preds, target):
        pass
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "hit.py").write_text(CODE)
    rng = np.random.default_rng(8)
    target = rng.integers(0, 3, ROWS)
    old = np.where(rng.random(ROWS) < 0.65, target, rng.integers(0, 3, ROWS))
    new = np.where(rng.random(ROWS) < 0.5, old, np.where(rng.random(ROWS) < 0.8, target, old))
    region, user = np.where(np.arange(ROWS) % 3, "EU", "US"), np.arange(ROWS) // 3
    truth = {"id": [f"r{i}" for i in range(ROWS)], "target": WORDS[target], "region": region, "user": user}
    for name, said in (("old", old), ("new", new)):
        frame = pd.DataFrame(truth | {"pred": WORDS[said]})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        frame.sample(frac=1, random_state=1).to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
    frame = pd.DataFrame(truth | {"pred": WORDS[new]})
    frame.loc[:9, "pred"] = None
    frame.to_csv(tmp_path / "holes.csv", index=False)
    return tmp_path


@pytest.fixture
def compare(run, files):
    def called(*args, first="old.csv", second="new.csv", metric="Hit"):
        own = [part for one in metric.split() for part in ("--metric", f"{files / 'hit.py'}:{one}")]
        return run("compare", files / first, files / second, "-m", "accuracy", *own, *args)

    return called


def told(done, code=0):
    assert done.code == code, done.stderr
    return json.loads(done.stdout)


def test_it_stands_beside_the_others_in_every_format(compare, tmp_path):
    found = told(compare("-f", "json", metric="Hit Hit(of=2)"))
    rows = found["metrics"]
    assert [*rows] == ["accuracy", "Hit", "Hit(of=2)"]
    assert rows["Hit"]["values"] == rows["accuracy"]["values"]
    assert rows["Hit"]["direction"] == "higher"
    one = rows["Hit"]["differences"][1]
    assert one["method"] == "jackknife"
    assert one["low"] < one["value"] < one["high"]
    assert one["p"] < one["adjusted"]
    for form, shown in (("rich", "B is better: +0.06"), ("markdown", "| Hit | 0."), ("csv", "metric,Hit,B,A,")):
        assert shown in compare("-f", form).stdout
    for name in ("c.html", "c.md", "c.csv", "c.json", "c.txt"):
        assert compare("-o", tmp_path / name, "--quiet").code == 0
        assert "Hit" in (tmp_path / name).read_text()
    assert compare("-o", tmp_path / "c.evalcli").code == 2


def test_no_cut_of_the_rows_shows_in_a_byte(compare):
    texts = {
        compare("-f", "json", "--batch-size", size, "--workers", workers).stdout
        for size, workers in ((480, 1), (7, 2), (100, 3))
    }
    assert len(texts) == 1


def test_whole_clusters_make_the_same_of_every_kind_of_file(compare):
    args = ("--cluster", "user", "--id", "id", "--by", "region", "-f", "json")
    found = [told(compare(*args, first=f"old.{one}", second=f"new.{one}")) for one in ("csv", "parquet", "jsonl")]
    for one in found:
        assert one["metrics"]["Hit"]["differences"][1]["method"] == "jackknife (clusters)"
        assert (one["metrics"], one["slices"]) == (found[0]["metrics"], found[0]["slices"])


def test_gates_are_on_its_name(compare):
    args = ("--noninferior", "Hit=5pp", "--equivalent", "Hit=0.9", "--max-drop", "Hit@region=US=0", "-f", "json")
    gates = told(compare(*args))["gates"]
    assert [(gate["rule"], gate["status"]) for gate in gates] == [
        ("noninferior(Hit)<0.05", "pass"),
        ("equivalent(Hit)<0.9", "pass"),
        ("drop(Hit@region=US)<=0", "pass"),
    ]
    other = {"first": "new.csv", "second": "old.csv"}
    assert compare("--noninferior", "Hit=1pp", **other).code == 1
    assert compare("--noninferior", "Hit@region=*=10pp", **other).code == 3
    done = compare("--max-drop", "Hit=1pp", "--quiet", **other)
    assert (done.code, done.stdout) == (1, "")
    assert "drop(Hit)<=0.01" in done.stderr


def test_rows_without_a_prediction_are_left_out_of_all(compare):
    found = told(compare("--nan", "drop", "--batch-size", "64", "-f", "json", second="holes.csv"))
    assert (found["n"], found["left_out"]) == (ROWS - 10, 10)
    assert found["metrics"]["Hit"]["values"] == found["metrics"]["accuracy"]["values"]
    assert found["metrics"]["Hit"]["differences"][1]["method"] == "jackknife"


def test_one_that_fails_on_a_model_leaves_no_verdict_and_says_where(compare):
    line = CODE.splitlines().index('            raise ValueError("too good\\nto be true")') + 1
    done = compare("--max-drop", "accuracy=0.5", "-f", "json", metric="Fussy")
    assert done.code == 2
    said = f"Fussy failed on B: ValueError: too good (hit.py, line {line})"
    assert done.stderr.splitlines()[-1] == f"evalcli: {said}; mend the metric [E3]"
    found = json.loads(done.stdout)
    assert found["findings"][0]["text"] == said
    assert found["metrics"]["Fussy"]["values"] == [0.5, None]
    assert found["gates"][0]["status"] == "pass"


def test_one_that_is_no_number_for_a_model_is_undefined_and_passes_no_gate(compare):
    done = compare("--noninferior", "Fickle=1", "--max-drop", "Fickle=1", metric="Fickle")
    assert done.code == 1
    assert "Fickle    undefined for B" in done.stdout
    assert done.stderr.count("undefined for one of the two") == 2


def test_one_that_counts_no_rows_says_so(compare):
    done = compare("-f", "json", metric="Empty")
    assert done.code == 2
    assert done.stderr.startswith("evalcli: Empty failed: ZeroDivisionError: division by zero (hit.py, line ")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--metric", "none.py:Hit"), "none.py: --metric none.py:Hit: no such file"),
        (("--metric", "accuracy"), "--metric accuracy"),
        (("--max-drop", "Hut=1pp"), "'Hut' names no metric"),
        (("-m", "Hit"), "-m Hit: what --define and --metric make is always computed"),
        (("--define", "x = Hit.low / 2"), "--define x: Hit.low: there is no number of this name"),
        (("--overlap",), "--overlap counts rows and compares no metrics"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(compare, args, said):
    done = compare(*args)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_configuration_asks_for_it(compare, tmp_path):
    (tmp_path / "own.toml").write_text('[compare]\nmetric = ["hit.py:Hit"]\n')
    done = compare("--config", tmp_path / "own.toml")
    assert done.code == 2
    assert "the key 'compare.metric' is no option" in done.stderr


@pytest.fixture
def report(run, files):
    def called(*args, first="old.csv", second="new.csv", metric="Hit"):
        own = ("--metric", f"{files / 'hit.py'}:{metric}")
        return run("report", files / second, "--baseline", files / first, *own, *args)

    return called


def test_a_drop_from_another_models_predictions_is_that_of_the_comparison(compare, report):
    back = {"first": "new.csv", "second": "old.csv"}
    one = told(compare("-f", "json", **back))["metrics"]["Hit"]["differences"][1]
    (gate,) = told(report("--max-drop", "Hit=0.5pp", "--gate-on", "interval", "-f", "json", **back), code=1)["gates"]
    assert (gate["low"], gate["high"]) == (-one["high"], -one["low"])
    assert gate["method"] == "jackknife"
    assert "independent" not in gate["reason"]
    alone = [told(report("--max-drop", "Hit=1", "-f", "json", second=name), code=0) for name in ("new.csv",)]
    value = alone[0]["metrics"]["Hit"]
    assert gate["high"] - gate["low"] < 1.2 * (value["high"] - value["low"])


def test_drops_in_slices_are_paired(report):
    args = ("--by", "region", "--max-drop", "Hit@region=US=2pp", "--max-drop", "Hit@region=*=2pp")
    gates = told(report(*args, "--gate-on", "interval", "-f", "json"))["gates"]
    assert {gate["method"] for gate in gates} == {"jackknife"}
    assert "the worst of 2 is" in gates[1]["reason"]


def test_one_that_fails_on_the_baseline_alone_leaves_no_verdict(report):
    done = report("--max-drop", "Fussy=1pp", "--quiet", first="new.csv", second="old.csv", metric="Fussy")
    assert done.code == 2
    assert "undefined in the baseline" in done.stderr
    assert "evalcli: Fussy failed on the baseline: ValueError: too good (hit.py, line " in done.stderr
