"""``evalcli report --baseline``: drops from the predictions of another model, as a shell sees them."""

from __future__ import annotations

import gzip
import json
from math import sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

ROWS = 400
WORDS = np.array(["ant", "bee", "cat"])


@pytest.fixture(scope="module")
def data():
    """A model that was, and one that is a little worse on the same rows."""
    rng = np.random.default_rng(3)
    target = rng.integers(0, 3, ROWS)
    old = rng.normal(size=(ROWS, 3)) + 2.0 * np.eye(3)[target]
    new = old + 0.6 * rng.normal(size=(ROWS, 3))
    return target, old, new


@pytest.fixture
def files(tmp_path, data):
    target, old, new = data
    for name, array in (("t", target), ("old", old), ("new", new)):
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "both.npz", target=target, old=old, new=new)
    was, said = WORDS[old.argmax(1)], WORDS[new.argmax(1)]
    ids = [f"r{i}" for i in range(ROWS)]
    region = np.where(np.arange(ROWS) % 2, "EU", "US")
    truth = {"id": ids, "label": WORDS[target], "region": region}
    pd.DataFrame(truth | {"pred": said, "was": was}).to_csv(tmp_path / "data.csv", index=False)
    pd.DataFrame(truth).to_csv(tmp_path / "truth.csv", index=False)
    pd.DataFrame({"id": ids, "pred": said}).to_csv(tmp_path / "said.csv", index=False)
    pd.DataFrame({"id": ids, "pred": was}).to_csv(tmp_path / "was.csv", index=False)
    whole = pd.DataFrame(truth | {"pred": was})
    whole.to_json(tmp_path / "was.jsonl", orient="records", lines=True)
    whole.sample(frac=1, random_state=0).rename(columns={"pred": "guess"}).to_parquet(tmp_path / "mixed.parquet")
    return tmp_path


def verdicts(done, code):
    assert done.code == code, done.stderr
    return json.loads(done.stdout)["gates"]


def reported(run, *args):
    done = run("report", *args, "-f", "json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


NAMES = ("accuracy", "f1_macro", "mcc", "kappa", "auroc_macro", "log_loss", "brier", "ece", "top2_accuracy")


@pytest.mark.parametrize("on", ["point", "interval"])
def test_a_drop_is_the_difference_of_both_reports(run, files, on) -> None:
    loose = [part for name in NAMES for part in ("--max-drop", f"{name}=0.9")]
    found = verdicts(
        run("report", "new.npy", "t.npy", "--baseline", "old.npy", *loose, "--gate-on", on, "-f", "json"), 0
    )
    old, new = (reported(run, f"{name}.npy", "t.npy", "-m", ",".join(NAMES))["metrics"] for name in ("old", "new"))
    for gate, name in zip(found, NAMES, strict=True):
        sign = 1 if name in {"log_loss", "brier", "ece"} else -1
        before, now = old[name]["value"], new[name]["value"]
        assert (gate["metric"], gate["baseline"], gate["current"], gate["n"]) == (name, before, now, ROWS)
        assert gate["value"] == gate["drop"] == pytest.approx(sign * (now - before), abs=1e-12)


def test_its_interval_is_that_of_the_comparison(run, files) -> None:
    names = [name for name in NAMES if name != "ece"]
    loose = [part for name in names for part in ("--max-drop", f"{name}=0.9")]
    found = verdicts(run("report", "new.npy", "t.npy", "--baseline", "old.npy", *loose, "-f", "json"), 0)
    done = run("compare", "old.npy", "new.npy", "t.npy", "-m", ",".join(names), "-f", "json")
    rows = json.loads(done.stdout)["metrics"]
    for gate in found:
        row = rows[gate["metric"]]["differences"][1]
        ends = (
            (row["low"], row["high"]) if rows[gate["metric"]]["direction"] == "lower" else (-row["high"], -row["low"])
        )
        assert (gate["low"], gate["high"], gate["method"]) == (*ends, row["method"])
        assert gate["low"] < gate["value"] < gate["high"]


def tango(b: int, c: int, n: int) -> tuple[float, float]:
    """The score interval of (b − c)/n. Source: Tango 1998, Statistics in Medicine 17, equations 9 and 10."""
    z = NormalDist().inv_cdf(0.975)

    def score(d: float) -> float:
        half = -b - c + (2 * n - b + c) * d
        q = (sqrt(half * half + 8 * n * c * d * (1 - d)) - half) / (4 * n)
        return (b - c - n * d) / sqrt(n * (2 * q + d * (1 - d)))

    middle = (b - c) / n
    return brentq(lambda d: score(d) - z, -0.9, middle), brentq(lambda d: score(d) + z, middle, 0.9)


def test_the_interval_of_accuracy_is_tango_s(run, files, data) -> None:
    target, old, new = data
    was, now = old.argmax(1) == target, new.argmax(1) == target
    low, high = tango(int((was & ~now).sum()), int((~was & now).sum()), ROWS)
    gate = ("--max-drop", "accuracy=0.5")
    (found,) = verdicts(run("report", "new.npy", "t.npy", "--baseline", "old.npy", *gate, "-f", "json"), 0)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.6 / ROWS)
    saved = files / "saved.json"
    assert run("report", "old.npy", "t.npy", "-o", saved, "--quiet").code == 0
    args = ("--baseline", saved, *gate, "--gate-on", "interval", "-f", "json")
    (apart,) = verdicts(run("report", "new.npy", "t.npy", *args), 0)
    assert apart["method"] == "newcombe"
    assert apart["value"] == found["value"]
    assert apart["high"] - apart["low"] > 1.2 * (found["high"] - found["low"])  # the same rows tell more
    near = ("--max-drop", f"accuracy={apart['value'] + 0.01}", "--gate-on", "interval", "-f", "json")
    for baseline, more in ((saved, True), ("old.npy", False)):
        (unsure,) = verdicts(run("report", "new.npy", "t.npy", "--baseline", baseline, *near), 3)
        assert unsure["reason"].endswith("rows would tell, with as many times more in the baseline") == more


@pytest.mark.parametrize(
    "way",
    [
        ("data.csv", "--baseline-pred", "was"),
        ("data.csv", "--baseline", "data.csv", "--baseline-pred", "was"),
        ("data.csv", "--baseline", "was.csv"),
        ("data.csv", "--baseline", "was.jsonl"),
        ("data.csv", "--baseline", "mixed.parquet", "--baseline-pred", "guess", "--id", "id"),
        ("data.csv", "truth.csv", "--pred", "pred", "--baseline-pred", "was", "--id", "id"),
        ("said.csv", "truth.csv", "--baseline", "was.csv"),
        ("said.csv", "truth.csv", "--baseline", "was.csv", "--id", "id"),
    ],
)
def test_every_way_to_name_it_gives_the_same(run, files, way) -> None:
    rules = ("--max-drop", "accuracy=0.5", "--max-drop", "recall[bee]=50%", "-f", "json", "--resamples", "100")
    expected = verdicts(run("report", "data.csv", "--baseline-pred", "was", *rules), 0)
    assert expected[0]["value"] > 0
    assert verdicts(run("report", *way, *rules), 0) == expected


def test_arrays_of_one_file(run, files) -> None:
    rules = ("--max-drop", "auroc_macro=0.5", "-f", "json")
    expected = verdicts(run("report", "new.npy", "t.npy", "--baseline", "old.npy", *rules), 0)
    assert verdicts(run("report", "both.npz", "--pred", "new", "--baseline-pred", "old", *rules), 0) == expected


@pytest.mark.parametrize(
    ("gates", "code", "said"),
    [
        (("accuracy=0.2",), 0, ""),
        (("accuracy=-0.2",), 1, "FAIL"),
        (("accuracy=0",), 1, "FAIL"),
        (("accuracy=0.2", "--gate-on", "interval"), 0, ""),
        (("accuracy=-0.2", "--gate-on", "interval"), 1, "FAIL"),
        (("accuracy=0.05", "--gate-on", "interval"), 3, "rows would tell"),
        (("recall=0.1",), 2, "not one number in a multiclass task"),
        (("accuracy=0.2", "--gate-on", "interval", "--no-intervals"), 2, "without --no-intervals"),
    ],
)
def test_exit_codes(run, files, gates, code, said) -> None:
    args = ("new.npy", "t.npy", "--baseline", "old.npy", "--quiet", "--max-drop", *gates)
    done = run("report", *args)
    assert done.code == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_a_verdict_says_all_it_rests_on(run, files) -> None:
    done = run(
        *("report", "new.npy", "t.npy", "--baseline", "old.npy", "--max-drop", "accuracy=0.05"),
        *("--gate-on", "interval", "--quiet"),
        env={"COLUMNS": "100"},
    )
    gate = verdicts(
        run(
            *("report", "new.npy", "t.npy", "--baseline", "old.npy", "--max-drop", "accuracy=0.05"),
            *("--gate-on", "interval", "-f", "json"),
        ),
        3,
    )[0]
    ends = f"[{gate['low']:.4f}, {gate['high']:.4f}]"
    assert f"{gate['value']:.4f}  0.0500  {ends}  400" in done.stderr
    assert f"{gate['baseline']:.4f} before, {gate['current']:.4f} now" in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--baseline", "none.npy"),
            "none.npy: cannot be read: no such file or directory; see whether the path is right [E3]",
        ),
        (("--baseline", "short.npy"), "new.npy: 400 rows, but short.npy has 399; evaluate all models on the same"),
        (("--baseline", "nan.npy"), "nan.npy: 1 prediction is not finite"),
        (("--baseline", "wide.npy"), "scores of 3 classes, but of 4 in wide.npy"),
        (("--baseline", "new.npy"), "new.npy: the baseline is the very predictions that are judged"),
        (("--baseline", "picture.png"), "picture.png: an image; save predictions, not pictures"),
        (("--baseline", "saved.json", "--baseline-pred", "x"), "this is a saved report; drop one of them"),
        (("--baseline", "old.npy", "--max-drop", "auroc_macro=2"), "no drop can be 2"),
    ],
)
def test_errors_are_one_line(run, files, data, args, said) -> None:
    _, old, _ = data
    np.save("short.npy", old[:-1])
    np.save("wide.npy", np.hstack([old, old[:, :1]]))
    lost = old.copy()
    lost[5] = np.nan
    np.save("nan.npy", lost)
    (files / "picture.png").write_bytes(b"\x89PNG\r\n")
    assert run("report", "old.npy", "t.npy", "-o", "saved.json", "--quiet").code == 0
    done = run("report", "new.npy", "t.npy", "--max-drop", "accuracy=0.1", *args)
    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "--independent" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--baseline", "mixed.parquet", "--baseline-pred", "guess"), "pair tables with --id id"),
        (("--baseline-pred", "wos"), "did you mean 'was'?"),
        (("--baseline", "other.csv"), "1 target differs from those of other.csv"),
        (("--baseline", "lacking.csv", "--id", "id"), "1 id not in lacking.csv ('r399')"),
        (("--baseline", "words.csv", "--max-drop", "auroc_macro=1"), "it needs scores"),
    ],
)
def test_tables_that_do_not_fit(run, files, args, said) -> None:
    table = pd.read_json("was.jsonl", lines=True)
    table.iloc[:-1].to_csv("lacking.csv", index=False)
    table.to_csv("words.csv", index=False)
    table.loc[0, "label"] = "bee" if table.loc[0, "label"] != "bee" else "ant"
    table.to_csv("other.csv", index=False)
    done = run("report", "data.csv", "--max-drop", "accuracy=0.1", "--quiet", *args)
    assert done.code == 2
    assert said in done.stderr


def test_predictions_from_a_pipe_beside_a_baseline(spawn, files) -> None:
    """Read for the report, and again for the rows of both."""
    args = ("--baseline", "was.csv", "--max-drop", "accuracy=0.1", "-f", "json")
    piped = spawn("report", "-", *args, cwd=files, shell="< data.csv")
    named = spawn("report", "data.csv", *args, cwd=files)
    assert piped.code == named.code, piped.stderr
    assert json.loads(piped.stdout)["gates"] == json.loads(named.stdout)["gates"]


def test_rows_that_one_of_them_lacks(run, files, data) -> None:
    target, old, new = data
    lost = old.copy()
    lost[:10] = np.nan
    np.save("nan.npy", lost)
    args = ("new.npy", "t.npy", "--baseline", "nan.npy", "--max-drop", "accuracy=0.5", "-f", "json")
    (found,) = verdicts(run("report", *args, "--nan", "drop"), 0)
    right = (np.where(each[10:].argmax(1) == target[10:], 1, 0).mean() for each in (old, new))
    assert (found["baseline"], found["current"]) == pytest.approx(tuple(right), abs=1e-12)
    assert found["n"] == ROWS - 10
    assert "10 rows are left out, which only one of the two has a prediction for" in found["reason"]
    (found,) = verdicts(run("report", *args, "--nan", "wrong"), 0)
    assert found["baseline"] == pytest.approx((old[10:].argmax(1) == target[10:]).sum() / ROWS, abs=1e-12)


@pytest.mark.parametrize(
    ("files_", "rule", "why"),
    [
        (("new.npy", "t.npy", "--baseline", "old.npy"), "brier_uncertainty=0.5", "no paired interval is known of it"),
        (("data.csv", "--baseline-pred", "was"), "accuracy@region:gap=0.5", "gaps between slices are not compared row"),
    ],
)
def test_what_is_not_paired_says_so(run, files, files_, rule, why) -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=50)
    table = {"target": target, "pred": target + rng.normal(size=50), "was": target + rng.normal(size=50)}
    pd.DataFrame(table).to_csv("r.csv", index=False)
    args = ("report", *files_, "--max-drop", rule, "-f", "json")
    (found,) = verdicts(run(*args, "--gate-on", "interval"), 0)
    assert found["method"] == "newcombe"
    assert f"{why}" in found["reason"]
    assert "judged as of independent samples" in found["reason"]
    (point,) = verdicts(run(*args), 0)
    assert point["value"] == found["value"]
    assert "independent" not in point.get("reason", "")


def test_definitions_are_paired_unless_they_read_a_metric_of_ones_own(run, files) -> None:
    args = (
        "data.csv",
        "--baseline-pred",
        "was",
        "--define",
        "gap = recall[ant] - recall[bee]",
        "--max-drop",
        "gap=0.5",
    )
    assert run("report", *args, "--quiet").code == 0
    (found,) = verdicts(run("report", *args, "--gate-on", "interval", "-f", "json"), 0)
    assert found["method"].startswith("mover")
    compared = json.loads(run("compare", "data.csv", "--pred", "was,pred", *args[3:5], "-f", "json").stdout)
    gap = compared["metrics"]["gap"]["differences"][1]
    assert (found["low"], found["high"]) == pytest.approx((-gap["high"], -gap["low"]))


OWN = """
import evalcli
class Share(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("right", 0)
        self.add_state("rows", 0)
    def update(self, preds, target):
        self.right += int((preds == target).sum())
        self.rows += len(target)
    def compute(self):
        return self.right / self.rows
"""


def test_definitions_that_read_a_metric_of_ones_own_are_paired(run, files) -> None:
    (files / "mine.py").write_text(OWN)
    args = ("data.csv", "--metric", "mine.py:Share", "--define", "half = Share / 2", "-f", "json")
    gate = ("--baseline-pred", "was", "--max-drop", "half=0.5", "--gate-on", "interval")
    (found,) = verdicts(run("report", *args, *gate), 0)
    assert found["method"] == "jackknife"
    compared = json.loads(run("compare", *args, "--pred", "was,pred").stdout)
    gap = compared["metrics"]["half"]["differences"][1]
    assert (found["low"], found["high"]) == pytest.approx((-gap["high"], -gap["low"]))


def test_regressions_have_one_truth(run, files) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"target": rng.normal(size=50), "pred": rng.normal(size=50)})
    table.to_csv("now.csv", index=False)
    table["pred"] += 0.1
    table.to_csv("then.csv", index=False)
    args = ("report", "now.csv", "--baseline", "then.csv", "--max-drop", "mae=9", "--quiet")
    assert run(*args).code == 0
    table.loc[7, "target"] += 1
    table.to_csv("then.csv", index=False)
    done = run(*args)
    assert done.code == 2
    assert "1 target differs from those of then.csv (row 7: " in done.stderr


def test_labels_of_several_have_one_truth(run, files) -> None:
    rng = np.random.default_rng(0)
    truth, said = (rng.integers(0, 2, (60, 2)) for _ in range(2))
    table = {"y_a": truth[:, 0], "y_b": truth[:, 1], "p_a": said[:, 0] * 0.9, "p_b": said[:, 1] * 0.8}
    pd.DataFrame(table).to_csv("now.csv", index=False)
    table = pd.DataFrame(table)
    table.to_csv("then.csv", index=False)
    args = ("report", "now.csv", "--baseline", "then.csv", "--max-drop", "f1_macro=0", "--quiet")
    assert run(*args).code == 0
    table.loc[0, "y_a"] = 1 - table.loc[0, "y_a"]
    table.to_csv("then.csv", index=False)
    assert "1 target differs from those of then.csv (row 0: " in run(*args).stderr


def test_drops_of_several_labels_have_the_paired_interval(run, files) -> None:
    rng = np.random.default_rng(0)
    truth, noise = rng.integers(0, 2, (300, 3)), rng.normal(size=(300, 3))
    for name, seen in (("was", 1.0), ("now", 1.1)):
        np.save(f"{name}.npy", 1 / (1 + np.exp(-seen * (2 * truth - 1) - noise)))
    np.save("truth.npy", truth)
    drops = [part for name in ("f1_macro=0.5pp", "auroc_macro=0.01", "f1[1]=5pp") for part in ("--max-drop", name)]
    args = ("report", "now.npy", "truth.npy", "--baseline", "was.npy", "--gate-on", "interval", "-f", "json")
    done = run(*args, *drops)
    assert done.code == 0, done.stderr
    gates = {gate["metric"]: gate for gate in json.loads(done.stdout)["gates"]}
    found = json.loads(run("compare", "was.npy", "now.npy", "truth.npy", "-m", ",".join(gates), "-f", "json").stdout)
    for name, gate in gates.items():
        pair = found["metrics"][name]["differences"][1]
        assert (gate["low"], gate["high"]) == pytest.approx((-pair["high"], -pair["low"]))
    assert run(*args, "--max-drop", "f1_macro=-20pp").code == 1
    only = run(*args[:-4], "--max-drop", "ece=0.5", "--quiet")
    assert only.code == 0


def test_a_file_is_known_by_its_content(run, files) -> None:
    """A report under any name is one; JSON Lines are predictions, packed or not, also under the name of a report."""
    assert run("report", "old.npy", "t.npy", "-o", "saved.json", "--quiet").code == 0
    text = (files / "saved.json").read_text()
    compact = json.dumps(json.loads(text))
    sort = json.dumps(json.loads(text), sort_keys=True)
    for name, content in (("a.txt", text), ("b.csv", compact), ("c.json", f"\n {compact}\n"), ("d", sort + "\n")):
        (files / name).write_text(content)
        done = run("report", "new.npy", "t.npy", "--baseline", name, "--max-drop", "accuracy=0.5", "--quiet")
        assert done.code == 0, done.stderr
    lines = (files / "was.jsonl").read_text()
    (files / "lines.json").write_text(lines)
    (files / "lines.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for name in ("lines.json", "lines.jsonl.gz", "was.jsonl"):
        done = run("report", "data.csv", "--baseline", name, "--max-drop", "accuracy=0.5", "--quiet")
        assert done.code == 0, done.stderr
    (files / "list.json").write_text("[1, 2]")
    done = run("report", "data.csv", "--baseline", "list.json", "--max-drop", "accuracy=0.5")
    assert done.code == 2
    assert "list.json: not a whole report" in done.stderr


def test_only_reports_take_predictions(run, files) -> None:
    assert run("report", "old.npy", "t.npy", "-o", "saved.json", "--quiet").code == 0
    rule = ("--max-drop", "accuracy=0.1")
    assert "no such option: --baseline-pred" in run("gate", "saved.json", "--baseline-pred", "x", *rule).stderr.lower()
    done = run("gate", "saved.json", "--baseline", "old.npy", *rule)
    assert done.code == 2
    assert "not JSON" in done.stderr
    assert "a baseline alone judges nothing" in run("report", "data.csv", "--baseline-pred", "was").stderr


def test_the_column_may_be_configured(run, files) -> None:
    (files / "pyproject.toml").write_text(
        '[tool.evalcli]\nbaseline-pred = "was"\nmax-drop = { accuracy = "1pp" }\ngate-on = "point"\n'
    )
    assert run("report", "data.csv", "--quiet").code == 1
    assert run("report", "data.csv", "--quiet", "--max-drop", "accuracy=50%").code == 0


def test_verdicts_are_read_back(run, files) -> None:
    args = ("new.npy", "t.npy", "--baseline", "old.npy", "--max-drop", "accuracy=0.5", "-f", "json")
    text = run("report", *args).stdout
    from evalcli.renderers import render
    from evalcli.saved import parse_report

    assert render(parse_report(text), "json").rstrip() == text.rstrip()


def test_two_classes_and_three_are_two_tasks(run, files) -> None:
    target = np.arange(20) % 2
    np.save("two.npy", target)
    np.save("three.npy", np.where(np.arange(20) == 3, 2, target))
    np.save("scores.npy", np.where(target == 1, 0.8, 0.3))
    done = run("report", "two.npy", "two.npy", "--baseline", "three.npy", "--max-drop", "accuracy=0.1")
    assert done.code == 2
    assert "three.npy: with these predictions the task is multiclass, and binary without them" in done.stderr
    done = run("report", "scores.npy", "two.npy", "--baseline", "three.npy", "--max-drop", "accuracy=0.1")
    assert done.code == 2
    assert "scores.npy: its values and those of three.npy do not fit one task" in done.stderr
    np.save("labels.npy", 1 - target)
    done = run("report", "scores.npy", "two.npy", "--baseline", "labels.npy", "--max-drop", "auroc=0.1")
    assert done.code == 2
    assert done.stderr.startswith("evalcli: labels.npy: auroc needs scores")


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "bias", "pearson"])
def test_drops_of_a_regression_have_the_paired_interval(run, tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    target = rng.normal(10, 5, 300)
    old = target + rng.normal(1, 2, 300)
    columns = {"target": target, "was": old, "pred": old + rng.normal(1, 0.5, 300)}
    pd.DataFrame(columns).to_csv("r.csv", index=False)
    gate = ("--baseline-pred", "was", "--max-drop", f"{name}=0.5", "--gate-on", "interval", "-f", "json")
    found = json.loads(run("report", "r.csv", *gate).stdout)["gates"][0]
    compared = json.loads(run("compare", "r.csv", "--pred", "was,pred", "-m", name, "-f", "json").stdout)
    row = compared["metrics"][name]
    each = row["differences"][1]
    sign = -1 if row["direction"] == "higher" else 1
    ends = sorted(sign * each[end] for end in ("low", "high"))
    assert (found["low"], found["high"], found["method"]) == (*ends, each["method"])
    assert found["value"] == pytest.approx(sign * each["value"], rel=1e-9)
