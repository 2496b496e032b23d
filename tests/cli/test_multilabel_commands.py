"""Several labels a row on the command line: from real files of every kind to a report, a verdict, a tuned threshold."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as sk

LABELS = ("cat", "dog", "owl")


def drawn(rows=120, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random((rows, 3)) < [0.5, 0.3, 0.15]).astype(int)
    scores = 1 / (1 + np.exp(-(rng.normal(size=(rows, 3)) + 2 * target - 1)))
    return scores.astype(np.float32), target


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def frame(scores, target):
    columns = {f"y_{name}": target[:, i] for i, name in enumerate(LABELS)}
    return pd.DataFrame(columns | {f"p_{name}": scores[:, i] for i, name in enumerate(LABELS)})


def write(folder, kind, scores, target):
    """The same cells in one kind of file, and the arguments that read it."""
    if kind == "pt":
        torch.save(torch.as_tensor(scores), folder / "p.pt")
        torch.save(torch.as_tensor(target), folder / "t.pt")
        return "p.pt", "t.pt", "--labels", ",".join(LABELS)
    if kind == "npy":
        np.save(folder / "p.npy", scores)
        np.save(folder / "t.npy", target.astype(bool))
        return "p.npy", "t.npy", "--labels", ",".join(LABELS)
    if kind == "npz":
        np.savez(folder / "a.npz", probs=scores, targets=target.astype(np.float32))
        return "a.npz", "--labels", ",".join(LABELS)
    if kind == "jsonl":
        jsonl(
            folder / "a.jsonl",
            [{"target": t, "pred": s} for t, s in zip(target.tolist(), scores.tolist(), strict=True)],
        )
        return "a.jsonl", "--labels", ",".join(LABELS)
    if kind == "parquet":
        frame(scores, target).to_parquet(folder / "a.parquet")
        return ("a.parquet",)
    if kind == "mixed":
        np.save(folder / "p.npy", scores)
        frame(scores, target).filter(like="y_").to_csv(folder / "t.csv", index=False)
        return "p.npy", "t.csv"
    frame(scores.astype(float), target).to_csv(folder / "a.csv", index=False)
    return ("a.csv",)


KINDS = ("pt", "npy", "npz", "jsonl", "parquet", "csv", "mixed")


def document(run, *args):
    done = run(*args, "-f", "json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_numbers(run, tmp_path, kind):
    scores, target = drawn()
    made = document(run, "report", *write(tmp_path, kind, scores, target))
    assert (made["task"], made["scores"], made["n"], made["threshold"]) == ("multilabel", "probs", 120, 0.5)
    assert made["classes"] == list(LABELS)
    said = (scores >= 0.5).astype(int)
    got = {name: value["value"] for name, value in made["metrics"].items()}
    assert got["f1_samples"] == pytest.approx(sk.f1_score(target, said, average="samples", zero_division=0), abs=1e-12)
    assert got["lrap"] == pytest.approx(sk.label_ranking_average_precision_score(target, scores), abs=1e-12)
    assert got["auroc_macro"] == pytest.approx(sk.roc_auc_score(target, scores), abs=1e-12)
    assert made["confusion"]["labels"] == sk.multilabel_confusion_matrix(target, said).tolist()
    assert [row["class"] for row in made["per_class"]] == list(LABELS)


@pytest.mark.parametrize("kind", ["npy", "csv", "jsonl"])
def test_a_tuned_file_is_read_back_to_the_very_counts(run, tmp_path, kind):
    scores, target = drawn()
    args = write(tmp_path, kind, scores, target)
    tuned = document(run, "tune", *args, "--maximize", "fbeta2", "-o", "tuned.json")
    assert json.loads((tmp_path / "tuned.json").read_text()) == tuned
    made = document(run, "report", *args, "--threshold", "@tuned.json")
    assert made["threshold"] == [one["threshold"] for one in tuned["labels"]]
    for row, one in zip(made["per_class"], tuned["labels"], strict=True):
        assert (row["class"], row["predicted"], row["support"]) == (one["label"], one["predicted"], one["support"])
        assert row["f1"]["value"] == one["metrics"]["f1"]
    for name in ("f1_macro", "f1_micro", "hamming_loss"):
        assert made["metrics"][name]["value"] == tuned["averages"][name]
    assert "threshold-chosen-here" in [finding["code"] for finding in made["findings"]]
    other, truth = drawn(seed=1)
    elsewhere = write(tmp_path, "parquet", other, truth)
    fresh = document(run, "report", *elsewhere, "--threshold", "@tuned.json")
    assert "threshold-chosen-here" not in [finding["code"] for finding in fresh["findings"]]
    cuts = [one["cut"] for one in tuned["labels"]]
    assert [row["predicted"] for row in fresh["per_class"]] == [int((other[:, i] >= cuts[i]).sum()) for i in range(3)]


def test_a_tuned_file_belongs_to_its_labels(run, tmp_path):
    args = write(tmp_path, "csv", *drawn())
    assert run("tune", *args, "-o", "tuned.json", "--quiet").code == 0
    write(tmp_path, "npy", *drawn())
    for more, words in (
        (["--labels", "cat,dog,eel"], "it has no threshold for 'eel', only for 'cat', 'dog', 'owl'"),
        ([], "it has no threshold for '0', '1', '2'"),
        (["--labels", "cat,dog,owl", "--task", "binary"], "drop --task binary"),
        (["--labels", "cat,dog,owl", "--positive", "cat"], "drop --positive cat"),
        (["--labels", "cat,dog,owl", "--scores", "logits"], "chosen on probs, and these scores are logits"),
    ):
        done = run("report", "p.npy", "t.npy", "--threshold", "@tuned.json", *more)
        assert done.code == 2
        assert words in done.stderr
    turned = run("report", "p.npy", "t.npy", "--threshold", "@tuned.json", "--labels", "owl,dog,cat", "-f", "json")
    assert (
        json.loads(turned.stdout)["threshold"]
        == [one["threshold"] for one in json.loads((tmp_path / "tuned.json").read_text())["labels"]][::-1]
    )


def test_the_screen_of_tune(run, tmp_path):
    done = run("tune", *write(tmp_path, "csv", *drawn()), "--at", "precision>=0.7", env={"COLUMNS": "80"})
    assert done.code == 0
    assert "the highest recall at precision>=0.7, for each label" in done.stdout
    for word in (*LABELS, "recall before", "macro F1", "micro recall", "Hamming loss", "tuned    3 of 3 labels"):
        assert word in done.stdout
    assert "chosen on the data it is judged on" in done.stderr


def test_gates(run, tmp_path):
    args = write(tmp_path, "csv", *drawn())
    passed = run("report", *args, "--min", "f1_samples=0.1", "--max", "hamming_loss=0.9", "--min", "recall[owl]=0.01")
    assert passed.code == 0
    assert "Gates: 3 of 3 passed" in passed.stderr
    failed = run("report", *args, "--min", "subset_accuracy=0.99", "--quiet")
    assert failed.code == 1
    missing = run("report", *args, "--min-accuracy", "0.1")
    assert missing.code == 2
    said = " ".join(missing.stderr.split())
    assert "say subset_accuracy (all labels of a row) or hamming_accuracy (each cell)" in said
    run("report", *args, "-o", "base.json", "--quiet")
    again = run(
        "report", *args, "--baseline", "base.json", "--max-drop", "f1_macro=0", "--max-drop", "lrap=0", "--quiet"
    )
    assert again.code == 0
    assert run("gate", "base.json", "--min", "f1_micro=0.1", "--min", "auroc[cat]=0.5", "--quiet").code == 0


def test_every_output_format(run, tmp_path):
    args = write(tmp_path, "csv", *drawn())
    assert run("report", *args, "-o", "r.json", "-o", "r.csv", "-o", "r.md", "-o", "r.txt", "--quiet").code == 0
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    made = json.loads((tmp_path / "r.json").read_text())
    cells = {(row["metric"], row["class"]): int(row["value"]) for row in rows if row["table"] == "confusion"}
    for name, ((tn, fp), (fn, tp)) in zip(LABELS, made["confusion"]["labels"], strict=True):
        assert [cells[cell, name] for cell in ("tn", "fp", "fn", "tp")] == [tn, fp, fn, tp]
    pairs = [(row["class"], row["prediction"], int(row["value"])) for row in rows if row["table"] == "confused"]
    assert pairs == [tuple(pair) for pair in made["confusion"]["pairs"]]
    text = (tmp_path / "r.md").read_text()
    assert "## Labels" in text
    assert (
        "| label | precision | recall | f1-score | AUROC | AP | log loss | Brier | ECE | support | predicted |" in text
    )
    assert "| samples avg |" in text
    assert "| threshold | 0.5 |" in text
    for suffix in ("txt", "md"):
        assert "class" not in (tmp_path / f"r.{suffix}").read_text().lower().replace("classif", "")


def test_predictions_of_0_and_1_are_asked_about_and_then_counted(run, tmp_path):
    scores, target = drawn()
    said = (scores >= 0.5).astype(np.uint8)
    np.save(tmp_path / "p.npy", said)
    np.save(tmp_path / "t.npy", target)
    asked = run("report", "p.npy", "t.npy")
    assert asked.code == 2
    assert "--task multilabel reads several labels a row" in asked.stderr
    made = document(run, "report", "p.npy", "t.npy", "--task", "multilabel")
    assert made["scores"] == "labels"
    assert "threshold" not in made
    assert made["metrics"]["subset_accuracy"]["value"] == sk.accuracy_score(target, said)
    assert run("report", "p.npy", "t.npy", "--task", "multilabel", "-m", "auroc_macro").code == 2


def test_label_sets_on_both_sides(run, tmp_path):
    scores, target = drawn()
    sets = [[[LABELS[i] for i in np.flatnonzero(row)] for row in side] for side in (target, scores >= 0.5)]
    jsonl(tmp_path / "a.jsonl", [{"target": t, "pred": p} for t, p in zip(*sets, strict=True)])
    made = document(run, "report", "a.jsonl")
    expected = sk.jaccard_score(target, scores >= 0.5, average="samples", zero_division=0)
    assert made["metrics"]["jaccard_samples"]["value"] == pytest.approx(expected, abs=1e-12)
    assert made["classes"] == sorted(LABELS)


def test_a_task_that_is_only_a_label_wide(run, tmp_path):
    scores, target = drawn()
    np.save(tmp_path / "p.npy", scores[:, 0])
    np.save(tmp_path / "t.npy", target[:, :1])
    made = document(run, "report", "p.npy", "t.npy", "--task", "multilabel")
    assert made["metrics"]["f1_macro"]["value"] == sk.f1_score(target[:, 0], scores[:, 0] >= 0.5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s, t: (s[:, :2], t), "predictions (120, 2) do not fit targets (120, 3)"),
        (lambda s, t: (s[:100], t), "100 predictions but 120 targets"),
        (lambda s, t: (s, np.where(t == 1, 2, 0)), "--ignore-index 2"),
        (lambda s, t: (np.where(s > 0.9, np.nan, s), t), "--nan drop leaves these rows out"),
        (lambda s, t: (s * 100, t), "beyond 1, so no probabilities; none below 0, so hardly logits"),
        (lambda s, t: (s, t * 0.5), "neither 0 nor 1"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, tmp_path, spoil, words):
    scores, target = spoil(*drawn())
    np.save(tmp_path / "p.npy", scores)
    np.save(tmp_path / "t.npy", target)
    done = run("report", "p.npy", "t.npy", "--task", "multilabel")
    assert done.code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_inspect_says_how_it_would_be_read(run, tmp_path):
    scores, target = drawn()
    unnamed = "multilabel, probs, 3 labels (0, 1, 2)"
    for kind, reading in {
        "csv": "multilabel, probs, 3 labels (cat, dog, owl)",
        "npz": unnamed,
        "jsonl": unnamed,
    }.items():
        name = write(tmp_path, kind, scores, target)[0]
        seen = document(run, "inspect", name)
        assert seen["reading"] == reading
        assert seen["command"] == f"evalcli report {name}"
    roles = {entry["name"]: entry["role"] for entry in document(run, "inspect", "a.csv")["entries"]}
    assert roles == {f"y_{name}": "target" for name in LABELS} | {f"p_{name}": "predictions" for name in LABELS}
    np.savez(tmp_path / "b.npz", pred=(scores > 0.5).astype(int), target=target)
    assert document(run, "inspect", "b.npz")["command"] == "evalcli report b.npz --task multilabel"
    frame(scores, target).filter(like="y_").to_csv(tmp_path / "t.csv", index=False)
    assert document(run, "inspect", "t.csv")["reading"] == "the truth of 3 labels a row; predictions are missing"
    np.save(tmp_path / "t.npy", target)
    assert "several labels a row, or one-hot classes" in document(run, "inspect", "t.npy")["reading"]
    jsonl(tmp_path / "s.jsonl", [{"target": ["cat"], "pred": [0.1, 0.2]}, {"target": [], "pred": [0.1, 0.9]}])
    seen = document(run, "inspect", "s.jsonl")
    assert seen["command"] == "evalcli report s.jsonl --labels a,b,c"
    assert {entry["name"]: entry["examples"] for entry in seen["entries"]}["target"] == ["cat"]


def test_one_hot_columns_are_classes_in_any_order(run, tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 90)
    scores = rng.random((90, 3)) + 2 * np.eye(3)[truth]
    probs = scores / scores.sum(axis=1, keepdims=True)
    whole = frame(probs, np.eye(3, dtype=int)[truth])
    whole[["p_owl", "y_dog", "p_cat", "y_owl", "p_dog", "y_cat"]].to_csv(tmp_path / "a.csv", index=False)
    for labels in ([], ["--labels", "dog,owl,cat"], ["--labels", "1,2,0"]):
        made = document(run, "report", "a.csv", *labels)
        assert made["task"] == "multiclass"
        assert made["metrics"]["accuracy"]["value"] == 1.0
    again = document(run, "report", "a.csv", "--task", "multilabel")
    assert again["metrics"]["auroc_macro"]["value"] == 1.0


def test_the_catalogue_knows_the_metrics_of_labels(run):
    listed = {one["name"]: one for one in json.loads(run("metrics", "-f", "json").stdout)}
    for name in ("subset_accuracy", "hamming_loss", "hamming_accuracy", "lrap", "coverage_error", "ranking_loss"):
        assert listed[name]["tasks"] == ["multilabel"]
    assert listed["f1"]["multilabel_averages"] == ["samples"]
    assert listed["auroc"]["multilabel_averages"] == ["micro"]
    said = run("metrics", "f1_samples").stdout
    assert "the mean over rows of each row's own value" in said
    assert "f1_samples, f1[CLASS]" in said
    assert "log_loss[LABEL]" in run("metrics", "log_loss[cat]").stdout


def test_nasty_label_names_do_no_harm(run, tmp_path):
    scores, target = drawn()
    names = ("[red]cat[/red]", "\x1b[31mdog", "=cmd()|@x")
    np.save(tmp_path / "p.npy", scores)
    np.save(tmp_path / "t.npy", target)
    (tmp_path / "names.json").write_text(json.dumps(names))
    for form in ("rich", "csv", "markdown", "json"):
        done = run("report", "p.npy", "t.npy", "--labels", "names.json", "-f", form)
        assert done.code == 0
        assert "\x1b" not in done.stdout
    assert "'=cmd()|@x" in run("report", "p.npy", "t.npy", "--labels", "names.json", "-f", "csv").stdout
    assert run("tune", "p.npy", "t.npy", "--labels", "names.json", "-o", "tuned.json").code == 0
    made = document(run, "report", "p.npy", "t.npy", "--labels", "names.json", "--threshold", "@tuned.json")
    assert made["classes"] == list(names)
