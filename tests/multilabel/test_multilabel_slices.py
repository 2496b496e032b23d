"""Slices of several labels a row: each is the report of its rows, from arrays and from every kind of table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from memory_source import MemorySource
from sklearn import metrics as sk

import evalcli
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.rules import parse_rules
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

LABELS = ("cat", "dog", "owl", "eel")
ROWS = 240
RNG = np.random.default_rng(7)
TARGET = (RNG.random((ROWS, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(int)
SCORES = (1 / (1 + np.exp(1.5 - RNG.normal(size=(ROWS, 4)) * 1.5 - 2.5 * TARGET))).round(2)
REGION = RNG.choice(["EU", "US", ""], ROWS, p=[0.6, 0.3, 0.1])
WEIGHT = RNG.choice([0.0, 0.5, 1.0, 3.0], ROWS)


def report(source, names=None, *, size=None, workers=1, also=(), budget=None, backend="auto", **choices):
    execution = Execution(backend=backend, batch_size=size, workers=workers, ranking_budget=budget)
    return evaluate(source, Choices(**{"labels": LABELS, **choices}), execution, names, also=also)


def sliced(scores=SCORES, target=TARGET, region=REGION, **options):
    return MemorySource(scores, target, slices={"region": region}, **options)


def test_slices_are_what_scikit_learn_says_of_their_rows():
    for row in report(sliced(weight=WEIGHT)).slices:
        rows = row.value == REGION
        truth, scores, weight = TARGET[rows], SCORES[rows], WEIGHT[rows]
        said = (scores >= 0.5).astype(int)
        options = {"sample_weight": weight, "zero_division": 0}
        assert row.n == rows.sum()
        for name, peer in (
            ("f1_macro", sk.f1_score(truth, said, average="macro", **options)),
            ("recall_micro", sk.recall_score(truth, said, average="micro", **options)),
            ("f1_samples", sk.f1_score(truth, said, average="samples", **options)),
            ("subset_accuracy", sk.accuracy_score(truth, said, sample_weight=weight)),
            ("auroc_macro", sk.roc_auc_score(truth, scores, sample_weight=weight)),
            ("lrap", sk.label_ranking_average_precision_score(truth, scores, sample_weight=weight)),
        ):
            assert row.metrics[name].value == pytest.approx(peer, rel=1e-12)


def asked(case):
    scores, target, options, choices = SCORES.copy(), TARGET.copy(), {}, {}
    if case == "weighted":
        options["weight"] = WEIGHT
    if case == "repeats":
        options["repeats"] = np.random.default_rng(2).integers(1, 4, ROWS)
    if case in {"drop", "wrong"}:
        scores[::7, 1] = np.nan
        choices["nan"] = case
    if case == "ignored":
        target[::5, 2], target[::11] = -1, -1
        choices["ignore_index"] = -1
    if case == "labels":
        scores, choices["task"] = (scores > 0.4).astype(int), "multilabel"
    if case == "logits":
        scores = np.log(scores + 0.01) - np.log(1.01 - scores)
    return scores, target, options, choices


CASES = ("plain", "weighted", "repeats", "drop", "wrong", "ignored", "labels", "logits")


@pytest.mark.parametrize("case", CASES)
def test_a_slice_is_the_report_of_its_rows(case):
    scores, target, options, choices = asked(case)
    found = report(sliced(scores, target, **options), **choices)
    assert [row.value for row in found.slices] == ["EU", "US"]
    for row in found.slices:
        rows = row.value == REGION
        inside = {name: part[rows] for name, part in options.items()}
        alone = report(MemorySource(scores[rows], target[rows], **inside), **choices)
        assert row.n == alone.n
        assert row.metrics == alone.metrics


@pytest.mark.parametrize("case", CASES)
def test_a_column_of_one_value_is_the_whole_and_no_batch_and_no_worker_can_be_seen(case):
    scores, target, options, choices = asked(case)
    found = report(sliced(scores, target, np.full(ROWS, "x"), **options), **choices)
    assert [(row.n, row.metrics) for row in found.slices] == [(found.n, found.metrics)]
    source = sliced(scores, target, **options)
    whole = report(source, **choices).slices
    for size, workers in ((1, 3), (7, 2)):
        assert report(source, size=size, workers=workers, **choices).slices == whole


def test_a_slice_of_nothing_but_0_and_1_is_counted_as_the_scores_of_all():
    scores = np.where((REGION == "US")[:, None], (SCORES > 0.5).astype(float), SCORES)
    found = {row.value: row.metrics for row in report(sliced(scores)).slices}
    rows = REGION == "US"
    peer = sk.roc_auc_score(TARGET[rows], scores[rows])
    assert found["US"]["auroc_macro"].value == pytest.approx(peer, rel=1e-12)


def test_torch_counts_the_same():
    mine = report(sliced(weight=WEIGHT), backend="torch")
    assert mine.slices == report(sliced(weight=WEIGHT)).slices


def test_gates_read_a_slice_the_worst_one_and_the_gap():
    found = report(sliced(), ("f1_macro", "hamming_loss", "recall[dog]"))
    values = {name: [row.metrics[name].value for row in found.slices] for name in found.metrics}
    names = ("f1_macro@region=EU", "f1_macro@region=*", "hamming_loss@region=*", "recall[dog]@region:gap")
    got = [verdict.value for verdict in judge(found, parse_rules([f"{name}=0.5" for name in names]))]
    f1, loss, recall = values.values()
    assert got == [f1[0], min(f1), max(loss), pytest.approx(max(recall) - min(recall), abs=1e-15)]
    assert report(sliced(), ("f1_macro@region=*",)).metrics["f1_macro@region=*"].value == min(f1)


def tables(folder):
    columns = {"region": REGION, "w": WEIGHT}
    columns |= {f"y_{name}": TARGET[:, i] for i, name in enumerate(LABELS)}
    columns |= {f"p_{name}": SCORES[:, i] for i, name in enumerate(LABELS)}
    frame = pd.DataFrame(columns)
    frame.to_csv(folder / "wide.csv", index=False)
    frame.replace({"region": {"": None}}).to_parquet(folder / "wide.parquet")
    lists = [
        {"region": r or None, "w": w, "target": t.tolist(), "pred": s.tolist()}
        for r, w, t, s in zip(REGION, WEIGHT, TARGET, SCORES, strict=True)
    ]
    (folder / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    return frame


@pytest.mark.parametrize("name", ["wide.csv", "wide.parquet", "lists.jsonl"])
@pytest.mark.parametrize("size", [None, 7])
def test_tables_are_sliced_by_a_column(tmp_path, name, size):
    tables(tmp_path)
    selection = Selection(by=("region",), weight="w", labels=LABELS)
    found = report(open_source(str(tmp_path / name), None, selection), size=size)
    assert found.slices == report(sliced(weight=WEIGHT)).slices


def test_crossed_columns_and_many_numbers(tmp_path):
    frame = tables(tmp_path)
    frame["age"] = np.arange(ROWS)
    frame.to_csv(tmp_path / "wide.csv", index=False)
    found = report(open_source(str(tmp_path / "wide.csv"), None, Selection(by=("age", "region,w"))))
    assert [row.n for row in found.slices if row.by == "age"] == [59, 60, 60, 61]
    crossed = {row.value: row.n for row in found.slices if row.by == "region,w"}
    assert crossed["EU,0.5"] == ((REGION == "EU") & (WEIGHT == 0.5)).sum()


def test_two_files_of_bare_labels_beside_the_column_they_are_sliced_by(tmp_path):
    truth = pd.DataFrame(dict(zip(LABELS, TARGET.T, strict=True)) | {"site": np.where(REGION == "EU", 1, 0)})
    said = pd.DataFrame(dict(zip(LABELS, SCORES.T, strict=True)) | {"site": np.where(REGION == "EU", 1, 0)})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    said.to_csv(tmp_path / "said.csv", index=False)
    paths = str(tmp_path / "said.csv"), str(tmp_path / "truth.csv")
    found = report(open_source(*paths, Selection(by=("site",), task="multilabel")))
    assert [(row.value, row.n) for row in found.slices] == [
        ("0", (REGION != "EU").sum()),
        ("1", (REGION == "EU").sum()),
    ]


def test_several_outputs_of_a_regression_are_sliced_too(tmp_path):
    values = pd.DataFrame({"region": REGION, "y_a": SCORES[:, 0], "y_b": SCORES[:, 1]})
    values["p_a"], values["p_b"] = SCORES[:, 2] + 1, SCORES[:, 3]
    values.to_csv(tmp_path / "values.csv", index=False)
    source = open_source(str(tmp_path / "values.csv"), None, Selection(by=("region",), scores="values"))
    found = evaluate(source, Choices(task="regression", scores="values"), Execution(), ("rmse", "rmse[a]"))
    for row in found.slices:
        rows = row.value == REGION
        each = [sk.root_mean_squared_error(SCORES[rows, i], SCORES[rows, i + 2] + 1 - i) for i in (0, 1)]
        assert row.metrics["rmse"].value == pytest.approx(sum(each) / 2, rel=1e-12)
        assert row.metrics["rmse[a]"].value == pytest.approx(each[0], rel=1e-12)


def test_in_python_from_arrays_and_from_a_file(tmp_path):
    region = [one or None for one in REGION]
    found = evalcli.evaluate(SCORES, TARGET, by={"region": region}, labels=LABELS)
    assert found.data.slices == report(sliced(), confidence=Confidence()).slices
    np.savez(tmp_path / "both.npz", preds=SCORES, target=TARGET, site=np.where(REGION == "EU", 1, 0))
    again = evalcli.evaluate(tmp_path / "both.npz", by="site", metrics="f1_macro")
    assert [row.n for row in again.data.slices] == [(REGION != "EU").sum(), (REGION == "EU").sum()]
