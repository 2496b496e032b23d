"""``evalcli.evaluate(by=…)`` slices as ``evalcli report --by`` does."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import evalcli
from evalcli.errors import InputError, UsageError

RNG = np.random.default_rng(1)
ROWS = 240
WORDS = np.array(["ant", "bee", "cat"])
TARGET = RNG.integers(0, 3, ROWS)
PREDS = np.where(RNG.random(ROWS) < 0.7, TARGET, RNG.integers(0, 3, ROWS))
REGION = np.array(["EU", "US", "asia"])[RNG.integers(0, 3, ROWS)]
YEAR = RNG.integers(2019, 2022, ROWS)
AGE = RNG.random(ROWS) * 80
FRAME = pd.DataFrame(
    {"label": WORDS[TARGET], "pred": WORDS[PREDS], "region": REGION, "year": YEAR, "age": AGE.round(3)}
)


@pytest.fixture
def told(run, tmp_path, monkeypatch):
    """The JSON of the command line on the same rows, without what names the input."""
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("rows.csv", index=False)
    np.savez("rows.npz", target=TARGET, preds=PREDS, region=YEAR)
    FRAME.to_parquet("rows.parquet")

    def asked(*args):
        done = run("report", *args, "-f", "json")
        assert done.code == 0, done.stderr
        return json.loads(done.stdout) | {"inputs": []}

    return asked


def plain(report):
    return json.loads(report.to_json()) | {"inputs": []}


WAYS = {
    "one": ("region", ["--by", "region"]),
    "several": (["region", "year"], ["--by", "region", "--by", "year"]),
    "crossed": ("region,year", ["--by", "region,year"]),
    "ranges": ("age", ["--by", "age"]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["rows.csv", "rows.parquet"])
def test_frames_and_files_slice_as_the_command_line(told, way, file):
    by, typed = WAYS[way]
    expected = told(file, *typed)
    assert expected["slices"]
    assert plain(evalcli.evaluate(file, by=by)) == expected
    assert plain(evalcli.evaluate(FRAME, by=by)) == expected
    assert (
        plain(evalcli.evaluate(FRAME[["pred", "region", "year", "age"]], FRAME["label"], pred="pred", by=by))
        == expected
    )
    assert plain(evalcli.evaluate({name: FRAME[name].tolist() for name in FRAME}, by=by)) == expected


def test_polars_and_arrow_too(told):
    polars = pytest.importorskip("polars")
    expected = told("rows.csv", "--by", "region", "--by", "age")
    for frame in (polars.from_pandas(FRAME), polars.from_pandas(FRAME).to_arrow()):
        assert plain(evalcli.evaluate(frame, by=["region", "age"])) == expected


@pytest.mark.parametrize("kind", [np.asarray, list, torch.tensor, pd.Series], ids=["numpy", "list", "torch", "pandas"])
def test_arrays_slice_as_a_file_of_arrays(told, kind):
    expected = told("rows.npz", "--pred", "preds", "--target", "target", "--by", "region")
    given = kind(YEAR if kind is not list else YEAR.tolist())
    assert plain(evalcli.evaluate(PREDS, TARGET, by={"region": given})) == expected
    assert [row.value for row in evalcli.evaluate(PREDS, TARGET, by=given).data.slices] != []


def test_texts_in_arrays(told):
    expected = told("rows.csv", "--by", "region")
    for region in (REGION, REGION.tolist(), pd.Series(REGION), pd.Series(REGION, name="region")):
        found = plain(evalcli.evaluate(WORDS[PREDS], WORDS[TARGET], by={"region": region}))
        assert found == expected
    named = evalcli.evaluate(WORDS[PREDS], WORDS[TARGET], by=pd.Series(REGION, name="region"))
    assert plain(named) == expected
    assert {row.by for row in evalcli.evaluate(PREDS, TARGET, by=REGION).data.slices} == {"by"}
    frame = FRAME[["region", "year"]]
    by_name = plain(evalcli.evaluate(PREDS, TARGET, by={"region": REGION, "year": YEAR}))
    assert plain(evalcli.evaluate(PREDS, TARGET, by=frame)) == by_name


def test_each_slice_is_a_report_of_its_rows():
    report = evalcli.evaluate(PREDS, TARGET, by={"region": REGION}, confidence=None)
    assert sum(row.n for row in report.data.slices) == ROWS
    for row in report.data.slices:
        mine = row.value == REGION
        alone = evalcli.evaluate(PREDS[mine], TARGET[mine], confidence=None)
        assert row.n == mine.sum()
        for name, value in row.metrics.items():
            assert value.value == pytest.approx(alone[name], rel=1e-12), name


def test_slices_are_addressed_and_gated():
    report = evalcli.evaluate(PREDS, TARGET, by={"region": REGION})
    right = {region: (PREDS == TARGET)[region == REGION].mean() for region in np.unique(REGION)}
    assert report["accuracy@region=EU"] == pytest.approx(right["EU"], abs=1e-12)
    assert report["accuracy@region=*"] == pytest.approx(min(right.values()), abs=1e-12)
    assert not report.check("accuracy@region=*>=0.99").passed
    by_name = evalcli.evaluate(FRAME, metrics=["accuracy", "accuracy@region=EU"])
    assert by_name["accuracy@region=EU"] == pytest.approx(right["EU"], abs=1e-12)


@pytest.mark.parametrize("way", ["python", "report", "merge"])
def test_small_slices_are_no_worst_whoever_asks(way, run, tmp_path, monkeypatch):
    """The metric and the gate of one name tell the same."""
    monkeypatch.chdir(tmp_path)
    region = np.array(["tiny"] * 2 + ["EU", "US"] * 119)
    preds = np.where(region == "tiny", (TARGET + 1) % 3, PREDS)
    data = pd.DataFrame({"label": WORDS[TARGET], "pred": WORDS[preds], "region": region})
    data.to_csv("rows.csv", index=False)
    names = "accuracy,accuracy@region=*,accuracy@region:gap"
    gates = ("--max", "accuracy@region:gap=1", "--min", "accuracy@region=*=0")
    if way == "python":
        made = evalcli.evaluate("rows.csv", by="region", metrics=names, min_slice_size=10)
        judged = made.check("accuracy@region=*>=0", "accuracy@region:gap<=1", min_slice_size=10)
        found, gated = {name: made[name] for name in made}, {one.metric: one.value for one in judged}
    else:
        run("report", "rows.csv", "--by", "region", "-m", names, "-o", "part.evalcli", "--quiet")
        asked = ("part.evalcli",) if way == "merge" else ("rows.csv", "--by", "region", "-m", names)
        done = run(way, *asked, *gates, "--min-slice-size", "10", "-f", "json")
        assert done.code == 0, done.stderr
        said = json.loads(done.stdout)
        found = {name: value["value"] for name, value in said["metrics"].items()}
        gated = {one["metric"]: one["value"] for one in said["gates"]}
    shares = [(preds == TARGET)[region == one].mean() for one in ("EU", "US")]
    assert gated == {name: found[name] for name in gated}
    assert found["accuracy@region=*"] == pytest.approx(min(shares), abs=1e-12)
    assert found["accuracy@region:gap"] == pytest.approx(max(shares) - min(shares), abs=1e-12)


def test_a_frame_of_slices():
    report = evalcli.evaluate(FRAME, by=["region", "year"], metrics="accuracy,f1_macro")
    frame = report.slices
    assert frame.index.names == ["by", "slice"]
    assert list(frame.columns) == ["n", "accuracy", "f1_macro"]
    expected = (FRAME["pred"] == FRAME["label"]).groupby(FRAME["region"]).agg(["size", "mean"])
    for region, row in expected.iterrows():
        assert frame.loc[("region", region), "n"] == row["size"]
        assert frame.loc[("region", region), "accuracy"] == pytest.approx(row["mean"], abs=1e-12)
    assert len(evalcli.evaluate(FRAME).slices) == 0


def test_columns_of_slices_are_no_scores():
    scores = pd.DataFrame(np.eye(3)[PREDS] * 0.8 + 0.2 / 3, columns=["p_ant", "p_bee", "p_cat"])
    expected = evalcli.evaluate(scores, WORDS[TARGET], by={"region": REGION})
    beside = evalcli.evaluate(scores.assign(region=REGION), WORDS[TARGET], by="region")
    assert plain(beside) == plain(expected)


def test_one_side_in_a_file(tmp_path):
    np.save(tmp_path / "preds.npy", PREDS)
    found = evalcli.evaluate(tmp_path / "preds.npy", TARGET, by={"region": REGION})
    assert plain(found)["slices"] == plain(evalcli.evaluate(PREDS, TARGET, by={"region": REGION}))["slices"]


def test_rows_without_a_value_are_in_no_slice():
    region = [None if i < 5 else one for i, one in enumerate(REGION.tolist())]
    report = evalcli.evaluate(PREDS, TARGET, by={"region": region})
    assert sum(row.n for row in report.data.slices) == ROWS - 5
    assert report.n == ROWS
    (told,) = (one for one in report.findings if one.code == "slice-missing")
    assert f"5 of {ROWS} rows have no value of 'region', and are in no slice" in told.text


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_column_without_any_value_is_told(task):
    kind = np.float64 if task == "regression" else np.int64
    nothing = np.full(ROWS, np.nan)
    report = evalcli.evaluate(PREDS.astype(kind), TARGET.astype(kind), by={"age": nothing}, task=task)
    (told,) = (one for one in report.findings if one.code == "slice-missing")
    assert told.text.startswith(f"all {ROWS} rows have no value of 'age'")
    metric = "rmse" if task == "regression" else "accuracy"
    (verdict,) = report.check(f"{metric}@age=*<=1" if task == "regression" else f"{metric}@age=*>=0")
    assert (verdict.status, verdict.reason) == (
        "missing",
        "the report has no slices by 'age'; no row has a value there",
    )


def test_a_class_that_is_not_there_is_missing_in_slices_too():
    report = evalcli.evaluate(PREDS, TARGET, by={"region": REGION})
    (verdict,) = report.check("recall[owl]@region=EU>=0.5")
    assert verdict.reason == "there is no 'owl'; there are '0', '1', '2'"


def test_a_notebook_shows_slices_and_intervals():
    html = evalcli.evaluate(PREDS, TARGET, by={"region": REGION})._repr_html_()
    assert "By region, the worst first" in html
    assert all(name in html for name in np.unique(REGION))
    assert "interval" in html
    values = evalcli.evaluate(PREDS.astype(float), TARGET.astype(float), task="regression", by={"region": REGION})
    assert "classes" not in values._repr_html_()
    assert "By region" in values._repr_html_()


def test_a_regression_is_sliced_by_an_array_or_a_column_of_either_frame():
    preds, target = np.linspace(0.5, 3.0, ROWS), np.linspace(1.25, 2.5, ROWS)
    found = evalcli.evaluate(preds, target, by={"region": REGION}, metrics=["rmse", "rmse@region=*"])
    for row in found.data.slices:
        rows = row.value == REGION
        assert row.metrics["rmse"].value == pytest.approx(np.sqrt(((preds - target)[rows] ** 2).mean()), rel=1e-12)
    assert found["rmse@region=*"] == max(row.metrics["rmse"].value for row in found.data.slices)
    frame = pd.DataFrame({"prediction": preds, "target": target, "region": REGION})
    assert evalcli.evaluate(frame, by="region", metrics=["rmse", "rmse@region=*"]).data.slices == found.data.slices


@pytest.mark.parametrize(
    ("args", "by", "kind", "words"),
    [
        ((FRAME,), "regoin", UsageError, "no column 'regoin' to slice by; did you mean 'region'"),
        ((FRAME,), ["regoin"], UsageError, "no column 'regoin'"),
        ((PREDS, TARGET), "region", UsageError, "no column 'region' to slice by; give its values, as by="),
        ((PREDS, TARGET), {"region": REGION[:-1]}, UsageError, "region: 239 entries for 240 rows"),
        ((PREDS, TARGET), {"region": np.zeros((ROWS, 2))}, UsageError, "not one value a row"),
        ((PREDS, TARGET), {"region": object()}, InputError, "region: a object is no array"),
        (("rows.csv",), {"region": REGION}, UsageError, "slices in memory, but the predictions are a file"),
    ],
)
def test_errors_say_what_to_do(args, by, kind, words):
    with pytest.raises(kind, match=words):
        evalcli.evaluate(*args, by=by)


def test_days_that_are_dates_here_and_midnights_there_are_one_slice():
    sides = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    days = np.array(["2024-01-31", "2024-02-01"] * 2)
    parts = [evalcli.evaluate(*sides, by={"day": each}, partial=True) for each in (days, days.astype("datetime64[s]"))]
    found = evalcli.merge(parts).report().data.slices
    assert [(row.value, row.n) for row in found] == [("2024-01-31", 4), ("2024-02-01", 4)]
