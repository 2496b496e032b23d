"""More than two models within each slice: the league of the rows of that slice alone, for all slices at once."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

import evalcli
from evalcli.uncertainty.comparison import holm

N = 600
RNG = np.random.default_rng(8)
REGION = RNG.choice(["AP", "EU", "US"], N, p=[0.2, 0.5, 0.3])
AGE = RNG.integers(15, 90, N)
PATIENT = RNG.integers(0, 120, N)
WEIGHT = RNG.integers(1, 5, N) / 2
TRUTH = RNG.integers(0, 3, N)
EU = REGION == "EU"
SKILLS = (0.6, np.where(EU, 0.55, 2.0), np.where(EU, 1.0, 0.4))
"""The second is best of all rows, the third in the EU."""


def labels_of(right):
    return np.where(RNG.random(N) < right, TRUTH, (TRUTH + 1) % 3)


LABELS = [labels_of(right) for right in (0.75, np.where(EU, 0.75, 0.97), np.where(EU, 0.9, 0.6))]
BINARY = (TRUTH == 0).astype(int)
PROBS = [1 / (1 + np.exp(-np.round(RNG.normal(size=N) + 4 * (BINARY - 0.4) * skill, 3))) for skill in SKILLS]
VALUES = RNG.normal(size=N).round(3)
GUESSES = [(VALUES + RNG.normal(size=N) * scale).round(3) for scale in (0.6, np.where(EU, 0.6, 0.2), 0.5)]
SETS = RNG.random((N, 3)) < 0.4
SAID = [
    np.where(RNG.random((N, 3)) < np.reshape(wrong, (-1, 1)), ~SETS, SETS)
    for wrong in (0.2, np.where(EU, 0.2, 0.05), np.where(EU, 0.1, 0.3))
]
CASES = {
    "labels": (LABELS, TRUTH, {"metrics": "accuracy,f1_macro,mcc"}),
    "probs": (PROBS, BINARY, {"metrics": "accuracy,auroc,log_loss,ece", "scores": "probs"}),
    "values": (GUESSES, VALUES, {"metrics": "rmse,mae,bias,spearman", "task": "regression"}),
    "sets": (SAID, SETS, {"task": "multilabel", "metrics": "subset_accuracy,f1_macro,hamming_loss"}),
}
BESIDE = {"weight": WEIGHT, "cluster": PATIENT}


@pytest.fixture(params=CASES)
def league(request):
    """A league of the case: of all rows, or of some."""
    preds, target, kinds = CASES[request.param]

    def made(rows=slice(None), by=None, **more):
        beside = {name: values[rows] for name, values in more.items()}
        by = None if by is None else {name: values[rows] for name, values in by.items()}
        return evalcli.compare(
            *(each[rows] for each in preds), target=target[rows], by=by, resamples=100, **kinds, **beside
        )

    return made


def told(row):
    """All that is said of a metric but what depends on other slices."""
    gaps = [None if one is None else (one.value, one.low, one.high, one.method, one.p) for one in row.differences]
    return row.values, gaps


@pytest.mark.parametrize("beside", [(), ("weight",), ("cluster",)])
def test_a_slice_is_the_league_of_its_rows(league, beside) -> None:
    more = {name: BESIDE[name] for name in beside}
    found = league(by={"region": REGION}, **more).data
    assert [(row.by, row.value) for row in found.slices] == [("region", value) for value in ("AP", "EU", "US")]
    assert [told(row) for row in found.metrics] == [told(row) for row in league(**more).data.metrics]
    for row in found.slices:
        alone = league(row.value == REGION, **more).data
        assert (row.n, row.reference) == (alone.n, alone.reference)
        assert [told(each) for each in row.metrics.values()] == [told(each) for each in alone.metrics]
    assert found.reference == 1
    assert {row.value: row.reference for row in found.slices}["EU"] != 1


def test_holm_goes_over_slices_and_models() -> None:
    found = evalcli.compare(*LABELS, target=TRUTH, by={"region": REGION, "old": AGE > 50}, metrics="accuracy").data
    for by in ("region", "old"):
        rows = [row for row in found.slices if row.by == by]
        tests = {
            f"{row.value}{place}": one
            for row in rows
            for place, one in enumerate(row.metrics["accuracy"].differences)
            if one is not None
        }
        assert len(tests) == 2 * len(rows)
        adjusted = holm({name: one.p for name, one in tests.items()}, models=3)
        assert {name: one.adjusted for name, one in tests.items()} == pytest.approx(adjusted)


def test_of_equal_models_the_best_of_all_rows_is_the_best_of_a_slice() -> None:
    first, second = TRUTH.copy(), TRUTH.copy()
    first[~EU], second[EU] = 3, 3
    first[:5] = TRUTH[:5]
    by = {"half": np.arange(N) % 2}
    found = evalcli.compare(second, first, first, target=TRUTH, by=by, metrics="accuracy").data
    assert {row.reference for row in found.slices} == {found.reference}


def test_what_is_undefined_in_a_slice_leaves_the_best_of_all_rows() -> None:
    pure = np.where(TRUTH == 2, "with", "without")
    found = evalcli.compare(*LABELS, target=TRUTH, by={"two": pure}, metrics="recall[2]").data
    without = next(row for row in found.slices if row.value == "without")
    assert without.metrics["recall[2]"].values == (None, None, None)
    assert without.reference == found.reference
    assert without.metrics["recall[2]"].differences == (None, None, None)


def test_small_slices_have_values_and_no_test() -> None:
    found = evalcli.compare(*LABELS, target=TRUTH, by={"region": REGION}, min_slice_size=250, metrics="accuracy").data
    small = [row for row in found.slices if row.n < 250]
    assert small
    assert all(row.metrics["accuracy"].differences == (None,) * 3 for row in small)
    assert all(None not in row.metrics["accuracy"].values for row in small)
    assert [finding.code for finding in found.findings] == ["small-slices"]


@pytest.fixture
def table(tmp_path):
    """The labels as a file, with what they are sliced by beside them."""
    columns = {"target": TRUTH, "a": LABELS[0], "b": LABELS[1], "c": LABELS[2], "region": REGION, "age": AGE}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "t.csv")


def test_nothing_depends_on_batches_or_workers(table) -> None:
    compare = partial(evalcli.compare, table, pred=("a", "b", "c"), by=["region,age:50"], resamples=100)
    texts = {compare(batch_size=b, workers=w).to_json() for b, w in ((64, 1), (1000, 2), (333, 3))}
    assert len(texts) == 1
    names = {row["value"] for row in json.loads(texts.pop())["slices"]}
    assert names == {f"{value},{side}" for value in ("AP", "EU", "US") for side in ("< 50", ">= 50")}


def test_processes_bring_slices_home(monkeypatch, run, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, probs in zip("abc", PROBS, strict=True):
        np.savez(f"{name}.npz", probs=probs)
    np.savez("t.npz", target=BINARY, region=EU.astype(int))
    args = ("compare", "a.npz", "b.npz", "c.npz", "t.npz", "--by", "region", "--resamples", "100", "-f", "json")
    args += ("--define", "apart = auroc - log_loss")
    alone = run(*args, "--workers", "1")
    assert alone.code == 0, alone.stderr
    monkeypatch.setattr("evalcli.processes.LEAST_WORK", 0)
    monkeypatch.setattr("evalcli.comparing.slice_counts.goes_apart", lambda *_: True)
    assert run(*args, "--workers", "2", "--batch-size", "100").stdout == alone.stdout
    assert [row["reference"] for row in json.loads(alone.stdout)["slices"]] == [1, 2]


def test_rows_are_read_once_more_for_all_models_and_slices(monkeypatch) -> None:
    from evalcli.comparing import passes

    made, one_pass = [], passes.one_pass
    monkeypatch.setattr(passes, "one_pass", lambda *args: made.append(args) or one_pass(*args))
    compare = partial(evalcli.compare, *PROBS, target=BINARY, scores="probs", by={"region": REGION}, resamples=100)
    compare(metrics="accuracy,auroc,ece")
    assert len(made) == 2
    made.clear()
    compare(metrics="accuracy,auroc,ece", define={"apart": "auroc - ece"})
    assert len(made) == 3


def test_definitions_and_metrics_of_ones_own_are_of_slices_too() -> None:
    define = {"gap": "recall[0] - recall[1]"}
    found = evalcli.compare(*LABELS, target=TRUTH, by={"region": REGION}, metrics="accuracy", define=define).data
    for row in found.slices:
        at = row.value == REGION
        alone = evalcli.compare(*(each[at] for each in LABELS), target=TRUTH[at], metrics="accuracy", define=define)
        assert told(row.metrics["gap"]) == told(alone.data.metric("gap"))


def test_gates_judge_each_model_in_slices(run, table) -> None:
    args = ("compare", table, "--pred", "a,b,c", "-m", "accuracy", "--quiet")
    gated = run(*args, "--min", "accuracy@region=*=0.7", "--min", "C:accuracy@region=EU=0.8", "-f", "json")
    assert gated.code == 1
    rules = dict(line.split()[1::-1] for line in gated.stderr.splitlines() if "accuracy@" in line)
    assert rules == {
        "B:accuracy@region=*>=0.7": "pass",
        "C:accuracy@region=*>=0.7": "FAIL",
        "C:accuracy@region=EU>=0.8": "pass",
    }
    interval = run(*args, "--min", "C:accuracy@region=EU=0.8", "--gate-on", "interval")
    assert interval.code == 0, interval.stderr
    refused = run(*args, "--by", "region", "--noninferior", "accuracy@region=EU=1pp")
    assert refused.code == 2
    assert "are about two models; compare the first with each of the others" in refused.stderr


def test_drops_are_judged_of_each_model_but_the_first_as_of_two(run, table) -> None:
    drops = ("-m", "accuracy", "--max-drop", "accuracy@region=*=5pp", "--max-drop", "accuracy=5%", "-f", "json")
    league = json.loads(run("compare", table, "--pred", "a,b,c", *drops).stdout)["gates"]
    expected = []
    for name, other in (("B", "b"), ("C", "c")):
        two = json.loads(run("compare", table, "--pred", f"a,{other}", *drops).stdout)["gates"]
        expected += [
            gate | {"rule": f"{name}:{gate['rule']}", "reason": gate["reason"].replace(" in B", f" in {name}")}
            for gate in two
        ]
    assert sorted(league, key=str) == sorted(expected, key=str)
    assert {gate["status"] for gate in league} == {"pass", "fail"}


def test_a_saved_league_has_its_slices() -> None:
    found = evalcli.compare(*LABELS, target=TRUTH, by={"region": REGION}, resamples=100)
    again = evalcli.Comparison.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.data.slices[1].reference == 2
    frame = again.slices
    assert frame.loc[("region", "EU", "accuracy"), "best"] == "C"
    row = again.data.metric("accuracy@region=EU")
    assert frame.loc[("region", "EU", "accuracy"), "value B"] == row.differences[1].value
