"""``evalcli.compare``: the numbers of the command line, from arrays, frames and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

import evalcli
from evalcli.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, 400)
OLD = np.where(RNG.random(400) < 0.7, TRUTH, RNG.integers(0, 3, 400))
NEW = np.where(RNG.random(400) < 0.85, TRUTH, OLD)
SCORES = [RNG.normal(size=(400, 3)).astype(np.float32) + 2 * np.eye(3, dtype=np.float32)[each] for each in (OLD, NEW)]


def content(comparison: evalcli.Comparison) -> Any:
    """All that does not name files."""
    data = json.loads(comparison.to_json())
    return {name: data[name] for name in ("kind", "task", "n", "metrics", "flips")}


@pytest.mark.parametrize("kind", ["labels", "scores"])
def test_arrays_and_files_say_what_the_command_line_says(run: Run, tmp_path: Path, kind: str) -> None:
    old, new = (OLD, NEW) if kind == "labels" else SCORES
    for name, array in (("old", old), ("new", new), ("t", TRUTH)):
        np.save(tmp_path / f"{name}.npy", array)
    paths = [str(tmp_path / f"{name}.npy") for name in ("old", "new", "t")]
    told = json.loads(run("compare", *paths, "-f", "json").stdout)
    files = evalcli.compare(*paths[:2], target=paths[2])
    assert json.loads(files.to_json()) == told
    expected = {name: told[name] for name in ("kind", "task", "n", "metrics", "flips")}
    assert content(evalcli.compare(old, new, target=TRUTH)) == expected
    tensors = [torch.from_numpy(each) for each in (old, new, TRUTH)]
    assert content(evalcli.compare(*tensors[:2], target=tensors[2])) == expected


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, dict])
def test_columns_of_one_frame_and_of_a_file(tmp_path: Path, frame: Any) -> None:
    columns = {"old": OLD, "new": NEW, "target": TRUTH}
    plain = evalcli.compare(OLD, NEW, target=TRUTH)
    assert content(evalcli.compare(frame(columns), pred=("old", "new"))) == content(plain)
    pd.DataFrame(columns).to_csv(tmp_path / "d.csv", index=False)
    assert content(evalcli.compare(tmp_path / "d.csv", pred=("old", "new"))) == content(plain)


def test_a_difference_by_its_name_and_as_a_frame(tmp_path: Path) -> None:
    from scipy.stats import binomtest

    found = evalcli.compare(OLD, NEW, target=TRUTH, metrics="accuracy,f1_macro")
    right = [each == TRUTH for each in (OLD, NEW)]
    accuracy = found["accuracy"]
    assert accuracy.value == pytest.approx(np.mean(right[1]) - np.mean(right[0]), abs=1e-12)
    fixed, broken = int((~right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())
    assert accuracy.p == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-9)
    assert accuracy.low < accuracy.value < accuracy.high
    assert accuracy.verdict == "better"
    frame = found.metrics
    assert [*frame.index] == ["accuracy", "f1_macro"]
    assert frame.loc["accuracy", "B"] == np.mean(right[1])
    assert frame.loc["f1_macro", "value"] == found["f1_macro"].value
    assert "B is better" in str(found)
    found.save(tmp_path / "c.json")
    assert evalcli.Comparison.from_json((tmp_path / "c.json").read_text()).to_json() == found.to_json()
    with pytest.raises(KeyError, match="auroc was not compared"):
        found["auroc"]


def test_a_league(tmp_path: Path) -> None:
    found = evalcli.compare(OLD, NEW, TRUTH, target=TRUTH, metrics="accuracy")
    assert (found.data.kind, found.data.reference) == ("league", 2)
    assert found.metrics.loc["accuracy", "verdict A"] == "worse"
    with pytest.raises(KeyError, match="accuracy has no single difference"):
        found["accuracy"]


@pytest.mark.parametrize(
    ("models", "pred", "told"),
    [
        ((OLD, NEW), None, ("in memory", "in memory")),
        ((pd.Series(OLD, name="old"), pd.Series(NEW, name="new")), None, ("old", "new")),
        ((pd.Series(OLD, name="pred"), pd.Series(NEW, name="pred")), None, ("in memory", "in memory")),
        (({"old": OLD, "new": NEW},), ("old", "new"), ("old", "new")),
    ],
    ids=["arrays", "series", "alike", "columns"],
)
def test_models_in_memory_go_by_their_columns(models, pred, told) -> None:
    found = evalcli.compare(*models, pred=pred, target=TRUTH)
    assert tuple((one.path, one.column) for one in found.data.models) == tuple((name, "") for name in told)
    assert f"  A         {told[0]}, labels\n  B         {told[1]}, labels\n" in str(found)


def test_errors_say_which_model_they_are_about() -> None:
    scores = np.linspace(0, 1, len(TRUTH))
    bad = np.where(np.arange(len(TRUTH)) == 3, np.nan, scores)
    truth = np.arange(len(TRUTH)) % 2
    with pytest.raises(InputError, match=r"^B: 1 prediction is not finite"):
        evalcli.compare(scores, bad, target=truth)
    with pytest.raises(InputError, match=r"^new: 1 prediction is not finite"):
        evalcli.compare({"old": scores, "new": bad}, pred=("old", "new"), target=truth)
    with pytest.raises(
        InputError,
        match=r"^B: 5 rows, but A has 400; .* or pair tables with id=; independent= compares one model on two samples",
    ):
        evalcli.compare(scores, scores[:5], target=truth)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match=r"1 model: from 2 to 26 are compared; as in compare\(old, new"):
        evalcli.compare(OLD, target=TRUTH)
    with pytest.raises(UsageError, match="pred names one column"):
        evalcli.compare({"a": OLD, "target": TRUTH}, pred="a")
    with pytest.raises(UsageError, match="pred names the columns of one frame"):
        evalcli.compare(OLD, NEW, target=TRUTH, pred=("a", "b"))
    with pytest.raises(InputError, match="399"):
        evalcli.compare(OLD, NEW[:-1], target=TRUTH)
    with pytest.raises(UsageError, match="accuracy@region=EU: slices are not compared"):
        evalcli.compare(OLD, NEW, target=TRUTH, metrics="accuracy@region=EU")


def test_one_model_on_two_samples() -> None:
    half = len(TRUTH) // 2
    parts = slice(0, half), slice(half, None)
    found = evalcli.compare(*(OLD[at] for at in parts), target=tuple(TRUTH[at] for at in parts), independent=True)
    assert found.data.kind == "independent"
    assert [one.n for one in found.data.models] == [half, len(TRUTH) - half]
    first, second = (float(np.mean(np.asarray(OLD[at]) == np.asarray(TRUTH[at]))) for at in parts)
    assert found["accuracy"].value == pytest.approx(second - first)
    with pytest.raises(UsageError, match=r"give a pair, as in target=\(train, test\)"):
        evalcli.compare(OLD, NEW, target=TRUTH, independent=True)


def test_gates_are_those_of_the_command_line() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH)
    verdicts = found.check("noninferior(accuracy)<0.5", "equivalent(accuracy) < 0.001pp", "drop(accuracy)<=100pp")
    assert [one.status for one in verdicts][::2] == ["pass", "pass"]
    assert verdicts.exit_code in {1, 3}
    assert found.with_gates("drop(accuracy)<=-1").gates[0].status == "fail"
    with pytest.raises(UsageError, match="is no rule about a comparison"):
        found.check("drop(accuracy)>=0.9")


def test_models_are_judged_by_themselves() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, own={"theirs": MulticlassAccuracy(3, average="micro")})
    row = found.data.metric("accuracy")
    assert row is not None
    before, now = row.values
    middle = (before + now) / 2
    rules = [f"accuracy>={middle}", f"A:accuracy>={middle}", f"theirs<={now + 1e-6}", f"B : accuracy <= {middle}"]
    verdicts = found.check(*rules, "drop(accuracy)<=100pp")
    assert [one.status for one in verdicts] == ["pass", "fail", "pass", "fail", "pass"]
    assert verdicts[1].rule == f"A:accuracy>={middle}"
    assert (verdicts[1].value, verdicts[0].value, verdicts[0].n) == (before, now, found.n)
    assert found.check(verdicts[1].rule) == (verdicts[1],)
    with pytest.raises(UsageError, match=r"there is no model C; the models are A, B"):
        found.check("C:accuracy>=0.9")
    with pytest.raises(UsageError, match="'accuracy' is no rule"):
        found.check("accuracy")


def test_rows_that_two_files_share(tmp_path) -> None:
    for name, ids in (("train", range(8)), ("test", range(6, 10))):
        (tmp_path / f"{name}.csv").write_text("key,text\n" + "".join(f"{i},text {i}\n" for i in ids))
    found = evalcli.overlap(tmp_path / "train.csv", tmp_path / "test.csv", id="key")
    assert (found.n, found.distinct, found.shared) == ((8, 4), (8, 4), (2, 2))
    assert repr(found).endswith("test.csv: 2 of 4 rows>")
    assert "rows" in str(found)
    found.save(tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text() == found.to_json()
    with pytest.raises(
        UsageError, match="a DataFrame is no file, and the rows of two files are counted; save it first"
    ):
        evalcli.overlap(tmp_path / "train.csv", pd.DataFrame({"key": [6]}))


def test_few_resamples_are_refused_everywhere() -> None:
    for call in (
        lambda: evalcli.compare(OLD, NEW, target=TRUTH, resamples=99),
        lambda: evalcli.evaluate(OLD, TRUTH, resamples=99),
    ):
        with pytest.raises(UsageError, match="99 resamples say nothing of the ends of an interval"):
            call()


@pytest.mark.parametrize("least", [0, -1, 1.5, True, "2"])
def test_a_least_number_of_rows_is_one(least: Any) -> None:
    preds, target, by = [0, 1, 1] * 20, [0, 1, 0] * 20, {"r": ["x", "y", "y"] * 20}
    report, compared = (
        evalcli.evaluate(preds, target, by=by),
        evalcli.compare(preds, preds, target=target, by=by),
    )
    for refused in (
        lambda: evalcli.evaluate(preds, target, by=by, min_slice_size=least),
        lambda: evalcli.compare(preds, preds, target=target, by=by, min_slice_size=least),
        lambda: report.check("accuracy@r=*>=0.5", min_slice_size=least),
        lambda: compared.check("drop(accuracy@r=*)<=1pp", min_slice_size=least),
    ):
        with pytest.raises(evalcli.UsageError, match="min_slice_size"):
            refused()


def test_a_least_number_of_rows_holds_for_what_is_asked_later() -> None:
    target, by = [0, 1] * 31, {"r": ["tiny"] * 2 + ["x", "y"] * 30}
    preds = [1, 0, *target[2:]]
    report = evalcli.evaluate(preds, target, by=by, min_slice_size=20)
    assert report.check("accuracy@r=*>=1", "accuracy@r:gap<=0").passed
    assert not report.check("accuracy@r=*>=1", min_slice_size=1).passed
    assert "gap of" in str(report)
    assert "from 1.0000 to 1.0000, a gap of 0.0000, of slices of 20 rows or more" in " ".join(str(report).split())
    compared = evalcli.compare(target, preds, target=target, by=by, min_slice_size=20)
    assert compared.check("drop(accuracy@r=*)<=0").passed
    assert compared.with_gates("drop(accuracy@r=*)<=0").gates[0].status == "pass"
    assert not compared.check("drop(accuracy@r=*)<=0", min_slice_size=1).passed


def test_no_sample_shows_more_than_a_metric_can_differ_by() -> None:
    one = evalcli.compare([0, 1, 1], [0, 1, 0], target=[0, 1, 0], by={"r": ["a", "b", "b"]})
    (alone, two) = (slice_.metrics["accuracy"].differences[1] for slice_ in one.data.slices)
    assert alone is not None
    assert alone.detectable is None
    assert two is not None
    least = evalcli.compare([0, 1] * 50, [0, 0] * 50, target=[0, 1] * 50)["accuracy"].detectable
    assert least is not None
    assert 0.0 < least < 1.0
    assert '"detectable": null' in one.to_json()
    assert "this sample could show none" in str(one)
