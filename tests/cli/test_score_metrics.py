"""Metrics of scores from the command line: files in, every format out, gates, and what is not paid for."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk


@pytest.fixture
def files(tmp_path):
    """Write arrays and name them as arguments."""

    def written(preds, target):
        np.save(tmp_path / "preds.npy", np.asarray(preds))
        np.save(tmp_path / "targets.npy", np.asarray(target))
        return "preds.npy", "targets.npy"

    return written


@pytest.fixture
def measure(run, files):
    """The metrics of a report in JSON."""

    def measured(preds, target, names, *flags):
        done = run("report", *files(preds, target), "-m", names, "-f", "json", *flags)
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)

    return measured


def value(document, name):
    return document["metrics"][name]["value"]


# Numbers of the conventions


def test_07_auroc_of_one_class_is_undefined(measure):
    found = measure([0.1, 0.9], [1, 1], "auroc")
    assert value(found, "auroc") is None
    assert "auroc" in found["undefined"]


def test_08_auroc_of_a_perfect_model_is_1_though_a_class_is_absent(measure):
    found = measure(np.eye(3)[[0, 1, 0]] * 4, [0, 1, 0], "auroc_macro")
    assert value(found, "auroc_macro") == 1
    assert "'2'" in next(one["text"] for one in found["findings"] if one["code"] == "unranked-classes")


def test_09_large_logits_are_not_squashed(measure):
    found = measure([50.5, 60, 70, 80, 90], [0, 1, 0, 1, 1], "auroc", "--scores", "logits")
    assert value(found, "auroc") == 5 / 6


def test_11_average_precision_of_ties(measure):
    found = measure(np.full(4, 0.5), [1, 0, 0, 0], "average_precision")
    assert value(found, "average_precision") == 0.25


def test_12_concentrated_scores_are_exact_or_certified(measure, run):
    rng = np.random.default_rng(12)
    x = rng.random(20_000)
    truth, scores = (rng.random(20_000) < x).astype(int), x**64
    wanted = sk.roc_auc_score(truth, scores)
    assert 0.82 < wanted < 0.84
    exact = measure(scores, truth, "auroc")["metrics"]["auroc"]
    assert exact["value"] == pytest.approx(wanted, abs=1e-12)
    assert "certified" not in exact
    found = measure(scores, truth, "auroc", "--ranking-budget", "0.05")["metrics"]["auroc"]
    low, high = found["certified"]
    assert low <= wanted <= high
    assert low < found["value"] < high
    assert high - low < 0.01
    screen = run("report", "preds.npy", "targets.npy", "-m", "auroc", "--ranking-budget", "0.05")
    shown = f"{found['value']:.4f} ± 0.00"
    assert f"AUROC  {shown}" in screen.stdout
    markdown = run("report", "preds.npy", "targets.npy", "-m", "auroc", "--ranking-budget", "0.05", "-f", "markdown")
    assert f"| auroc | {shown}" in markdown.stdout
    table = run("report", "preds.npy", "targets.npy", "-m", "auroc", "--ranking-budget", "0.05", "-f", "csv").stdout
    row = next(line for line in table.splitlines() if line.startswith("overall,auroc,"))
    ends = f"{found['low']!r},{found['high']!r},delong"
    assert row == f"overall,auroc,,,{found['value']!r},{ends},{low!r},{high!r}"
    assert found["low"] < low < high < found["high"]


def test_13_ece_of_guo(measure):
    found = measure([1.0, 1.0, 1.0, 0.97], [1, 1, 0, 1], "ece", "--scores", "probs")
    assert value(found, "ece") == pytest.approx(0.2425, abs=1e-12)


def test_14_top_k_of_constant_scores(measure):
    found = measure(np.zeros((5, 5)), np.arange(5), "top2_accuracy", "--scores", "logits")
    assert value(found, "top2_accuracy") == 0.4


def test_19_log_loss_of_forty(measure):
    found = measure(np.array([[40, 0], [0, 40]], np.float32), [1, 0], "log_loss")
    assert value(found, "log_loss") == 40


def test_20_brier_is_halved_for_two_classes_only(measure):
    probs = np.array([[0.7, 0.3], [0.2, 0.8]])
    assert value(measure(probs, [1, 1], "brier"), "brier") == pytest.approx((0.49 + 0.04) / 2)
    assert value(measure(probs, [1, 1], "brier", "--task", "multiclass"), "brier") == pytest.approx(0.49 + 0.04)


# Tables


def table(path, columns):
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path.name


def test_tables_hold_scores_too(tmp_path, run):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    logits = rng.normal(size=(200, 3)) + 2 * np.eye(3)[truth]
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(["ant", "bee", "cat"])
    wide = table(tmp_path / "wide.csv", {f"p_{n}": probs[:, i] for i, n in enumerate(names)} | {"target": names[truth]})
    done = run("report", wide, "-m", "auroc[bee],auroc_macro,log_loss", "-f", "json")
    found = json.loads(done.stdout)
    assert value(found, "auroc[bee]") == pytest.approx(sk.roc_auc_score(truth == 1, probs[:, 1]), abs=1e-12)
    assert value(found, "auroc_macro") == pytest.approx(sk.roc_auc_score(truth, probs, multi_class="ovr"), abs=1e-12)
    assert value(found, "log_loss") == pytest.approx(sk.log_loss(truth, probs), abs=1e-12)

    ill = np.where(truth == 1, "yes", "no")
    one = table(tmp_path / "one.csv", {"score": probs[:, 1], "target": ill, "w": rng.integers(1, 4, 200)})
    done = run("report", one, "--weight", "w", "-m", "auroc,brier", "-f", "json")
    found = json.loads(done.stdout)
    weight = np.loadtxt(tmp_path / one, delimiter=",", skiprows=1, usecols=2)
    assert value(found, "auroc") == pytest.approx(sk.roc_auc_score(ill == "yes", probs[:, 1], sample_weight=weight))
    assert value(found, "brier") == pytest.approx(np.average((probs[:, 1] - (ill == "yes")) ** 2, weights=weight))


# Gates


SCORES, TRUTH = [0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]  # AUROC 0.75


@pytest.mark.parametrize(
    ("gate", "code", "says"),
    [
        (("--min", "auroc=0.75"), 0, "1 of 1 passed"),
        (("--min", "auroc=0.9"), 1, "0.7500 < 0.9"),
        (("--max", "log_loss=0.7", "--max", "brier=0.2", "--min", "accuracy=0.5"), 0, "3 of 3 passed"),
        (("--max", "log_loss=0.1"), 1, "FAIL"),
        (("--min", "auroc_macro=0.5"), 2, "missing"),
        (("--min", "auroc[1]=0.5"), 0, "pass"),
        (("--max", "ece=1.5"), 2, "ece lies in 0…1"),
        (("--min", "auroc_fpr0=0.5"), 2, "between 0.0001 and 1"),
    ],
)
def test_gates_on_scores(run, files, gate, code, says):
    done = run("report", *files(SCORES, TRUTH), *gate)
    assert done.code == code
    assert says in done.stderr


def test_a_gate_on_scores_shows_its_value_beside_the_default_report(run, files):
    done = run("report", *files(SCORES, TRUTH), "--max", "ece=0.9", "--min", "recall_at_precision0.5=0.1")
    assert done.code == 0
    for words in ("ECE", "recall at precision 0.5", "balanced accuracy"):
        assert words in done.stdout


def test_labels_have_no_scores(run, files):
    done = run("report", *files([0, 1, 1], [0, 1, 0]), "-m", "auroc")
    assert done.code == 2
    assert "auroc needs scores, but the predictions are labels" in done.stderr
    assert "--scores probs or --scores logits" in done.stderr
    done = run("report", *files([0, 1, 1], [0, 1, 0]), "--min", "auroc=0.9")
    assert done.code == 2
    assert "it needs scores, and the predictions are labels" in done.stderr


def test_a_drop_of_a_certified_metric_is_judged_by_its_worse_end(run, files):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 3000)
    named = files(rng.normal(size=3000) + truth, truth)
    run("report", *named, "-m", "auroc", "-o", "exact.json", "-f", "json")
    exact = json.loads(run("report", *named, "-m", "auroc", "-f", "json").stdout)["metrics"]["auroc"]["value"]
    tiny = ("--ranking-budget", "0.001")
    drop = ("--baseline", "exact.json", "--max-drop")
    assert run("report", *named, *drop, "auroc=0").code == 0
    assert run("report", *named, *tiny, *drop, "auroc=0").code == 1
    assert run("report", *named, *tiny, *drop, "auroc=0.5").code == 0
    doubtful = run("report", *named, *tiny, "--min", f"auroc={exact - 1e-6}")
    assert doubtful.code == 1
    assert "only certain to lie in 0." in doubtful.stderr or f"< {exact - 1e-6}" in doubtful.stderr


@pytest.mark.parametrize("budget", ["-1", "many", "nan"])
def test_a_budget_that_is_none(run, files, budget):
    done = run("report", *files(SCORES, TRUTH), "-m", "auroc", "--ranking-budget", budget)
    assert done.code == 2
    assert "--ranking-budget" in done.stderr


def test_all_that_is_asked_for_is_on_screen(run, files):
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, 100)
    named = files(rng.normal(size=(100, 4)) + 3 * np.eye(4)[truth], truth)
    titles = {
        "accuracy": "accuracy",
        "auroc_macro": "macro AUROC",
        "auroc_weighted": "weighted avg",
        "auroc[2]": "AUROC[2]",
        "auroc_ovo": "one-vs-one AUROC",
        "average_precision_macro": "macro average precision",
        "log_loss": "log loss",
        "brier": "Brier score",
        "ece": "ECE",
        "ece_equal_mass": "equal-mass ECE",
        "ece_classwise": "classwise ECE",
        "mce": "MCE",
        "top3_accuracy": "top-3 accuracy",
        "mean_rank": "mean rank",
        "mrr": "MRR",
        "aurc": "AURC",
        "accuracy_at_coverage0.9": "accuracy at coverage 0.9",
        "ks_macro": "macro KS distance",
    }
    done = run("report", *named, "-m", ",".join(titles), env={"COLUMNS": "100"})
    assert done.code == 0
    assert "more in the JSON" not in done.stdout
    for words in titles.values():
        assert words in done.stdout


def test_what_compares_slices_is_explained_by_its_bare_name(run):
    said = run("metrics", "equalized_odds_difference")
    assert said.code == 0
    assert said.stdout == run("metrics", "equalized_odds_difference@COLUMN").stdout


def test_the_catalogue_explains_them(run):
    assert "auroc\t" in run("metrics").stdout
    text = run("metrics", "recall_at_precision0.9[cat]").stdout
    for words in ("Recall at a precision", "p = 0.9", "the class 'cat' against all others", "--ranking-budget"):
        assert words in " ".join(text.split())
    assert json.loads(run("metrics", "log_loss", "-f", "json").stdout)["high"] is None


def test_nothing_is_imported_that_was_not_asked_for(files):
    code = "import sys; from evalcli.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    states = {
        "evalcli.classification.scoring",
        "evalcli.classification.score_results",
        "evalcli.metrics.ranking",
        "evalcli.metrics.probability",
        "evalcli.metrics.calibration",
    }
    named = files(SCORES, TRUTH)
    for flags, wanted in (([], states), (["-m", "accuracy"], set()), (["-m", "auroc"], states)):
        command = [sys.executable, "-c", code, "report", *named, "-f", "json", *flags]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        assert states & {*done.stderr.split()} == wanted
