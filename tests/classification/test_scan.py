"""The search for weak slices: its counts and its judgement against brute force."""

from __future__ import annotations

import json
from contextlib import closing
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from evalcli.engine import Execution
from evalcli.errors import InputError, LimitError, UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.report import Report
from evalcli.rules import parse_rules
from evalcli.sources import array_scan, distinct, open_source, scanning, table_scan
from evalcli.sources.base import Scan, Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

EVERY = Scan(("*",))


def searched(path, scan, target=None, *, size=None, workers=1, by=(), metrics=None, confidence=None, **selection):
    chosen = Selection(scan=scan, by=tuple(by), **selection)
    choices = Choices(task=selection.get("task"), nan=selection.get("nan", "error"), confidence=confidence)
    with closing(open_source(str(path), target and str(target), chosen)) as source:
        return evaluate(source, choices, Execution(batch_size=size, workers=workers), metrics)


def drawn(seed=0, rows=3000, weakness=0.35, kinds=("EU", "US", "APAC")):
    """Rows of two text columns, a number with fractions, a whole number and an id; one pair is worse."""
    rng = np.random.default_rng(seed)
    region, device = rng.choice(kinds, rows), rng.choice(["phone", "tablet", "desktop"], rows)
    frame = pd.DataFrame(
        {
            "key": [f"k{i:05}" for i in range(rows)],
            "target": rng.choice(["cat", "dog", "owl"], rows),
            "region": region,
            "device": device,
            "age": rng.integers(18, 90, rows),
            "height": rng.normal(size=rows).round(6),
        }
    )
    share = 0.9 - weakness * ((region == "EU") & (device == "tablet"))
    wrong = frame["target"].map({"cat": "dog", "dog": "owl", "owl": "cat"})
    frame["pred"] = np.where(rng.random(rows) < share, frame["target"], wrong)
    return frame


def write(frame, path):
    def arrays(name):
        return frame[name].to_numpy(None if pd.api.types.is_numeric_dtype(frame[name]) else "U8")

    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".npz": lambda: np.savez(path, **{name: arrays(name) for name in frame}),
    }[path.suffix]()
    return path


def planes(kind):
    """Scores for the predictions of a frame: what is streamed as numbers."""
    return {f"p_{name}": np.where(kind["pred"] == name, 0.6, 0.2) for name in ("cat", "dog", "owl")}


def expected(frame, columns, least, level=0.05):
    """The same by brute force: every group of pandas, p-values of scipy, the step-up procedure as it is written."""
    fisher_exact = pytest.importorskip("scipy.stats").fisher_exact
    right = frame["pred"] == frame["target"]

    def p_value(inside, outside):
        table = [[right[rows].sum(), (~right[rows]).sum()] for rows in (inside, outside)]
        return fisher_exact(table, alternative="less")[1]

    found, few = {}, 0
    for names in [*((name,) for name in columns), *combinations(columns, 2)]:
        for values, group in frame.dropna(subset=list(names)).groupby(list(names)):
            own = [frame[name] == value for name, value in zip(names, values, strict=True)]
            inside = frame.index.isin(group.index)
            few += len(group) < least
            if len(group) < least or any(
                part.sum() == len(group) for part in own[: len(names) if len(names) > 1 else 0]
            ):
                continue
            if len(group) == len(frame):
                continue
            parents = [p_value(inside, part & ~inside) for part in own] if len(names) > 1 else []
            found[names, tuple(map(str, values))] = max([p_value(inside, ~inside), *parents])
    ranked = sorted(found.values())
    passed = [k for k, p in enumerate(ranked, 1) if p <= level * k / len(ranked)]
    most = ranked[max(passed) - 1] if passed else -1
    return {name for name, p in found.items() if p <= most}, len(found), few


@pytest.mark.parametrize("seed", range(4))
def test_what_is_found_is_what_brute_force_finds(tmp_path, seed):
    frame = drawn(seed, rows=1200, weakness=0.3, kinds=("EU", "US", "APAC", "AF", "X"))
    frame.loc[frame["region"] == "X", "device"] = "phone"  # a pair that is one of its values
    frame.loc[::17, "region"] = None
    frame["constant"] = "always"
    columns, least = ("region", "device", "constant"), 60
    found = searched(write(frame, tmp_path / "data.csv"), Scan(columns, least)).scan
    slices, tried, few = expected(frame, columns, least)
    assert {(row.columns, row.values) for row in found.slices} == slices
    assert (found.tried, found.few, found.columns) == (tried, few, columns)
    assert slices
    for row in found.slices:
        inside = np.logical_and.reduce([frame[c] == v for c, v in zip(row.columns, row.values, strict=True)])
        right = frame["pred"] == frame["target"]
        assert row.n == inside.sum()
        assert (row.value, row.rest) == pytest.approx((right[inside].mean(), right[~inside].mean()), abs=1e-15)
        assert row.difference == pytest.approx(row.value - row.rest, abs=1e-15)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".npz"])
@pytest.mark.parametrize("kind", ["labels", "scores"])
def test_a_planted_pair_is_named_first_whatever_the_format(tmp_path, suffix, kind):
    frame = drawn()
    if kind == "scores" and suffix == ".npz":
        np.savez(
            tmp_path / "data.npz",
            scores=np.stack([*planes(frame).values()], axis=1),
            target=frame["target"].map({"cat": 0, "dog": 1, "owl": 2}).to_numpy(),
            **{name: frame[name].to_numpy("U8") for name in ("key", "region", "device")},
            **{name: frame[name].to_numpy() for name in ("age", "height")},
        )
    else:
        parts = frame if kind == "labels" else frame.drop(columns="pred").assign(**planes(frame))
        write(parts, tmp_path / f"data{suffix}")
    found = searched(tmp_path / f"data{suffix}", EVERY, confidence=Confidence()).scan
    assert sorted(found.columns) == ["age", "device", "height", "region"]
    assert [name for name, _ in found.left_out] == ["key"]
    assert (found.slices[0].columns, found.slices[0].values) == (("region", "device"), ("EU", "tablet"))
    assert found.slices[0].low < found.slices[0].difference < found.slices[0].high < 0
    csv = searched(write(frame, tmp_path / "labels.csv"), EVERY, confidence=Confidence()).scan
    assert set(found.slices) == set(csv.slices)
    assert (found.tried, found.few) == (csv.tried, csv.few)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_M01_M02_no_batch_and_no_worker_can_be_seen(tmp_path, suffix):
    path = write(drawn(), tmp_path / f"data{suffix}")
    whole = searched(path, EVERY).scan
    for size, workers in ((1, 1), (7, 3), (2999, 2)):
        assert searched(path, EVERY, size=size, workers=workers).scan == whole


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
@pytest.mark.parametrize("kind", ["labels", "scores"])
def test_no_other_number_of_the_report_changes(tmp_path, suffix, kind):
    frame = drawn(rows=600)
    if kind == "scores":
        frame = frame.drop(columns="pred").assign(prob=np.random.default_rng(1).random(600), target=frame.index % 2)
    path = write(frame, tmp_path / f"data{suffix}")
    by = {"by": ("region", "device")}
    plain, found = (searched(path, scan, **by, confidence=Confidence()).to_json_object() for scan in (None, EVERY))
    assert found.pop("scan")["tried"] > 0
    if suffix == ".npz":  # its digest is of what was read
        assert found.pop("inputs")[0]["path"] == plain.pop("inputs")[0]["path"]
    for report in (plain, found):
        report["findings"] = [each for each in report["findings"] if each["code"] != "weak-slice"]
    assert found == plain


def test_a_search_comes_back_from_a_file_to_the_same_bytes(tmp_path):
    path = write(drawn(), tmp_path / "data.csv")
    for scan, confidence in ((EVERY, Confidence()), (EVERY, None), (Scan(("age",)), None)):
        found = searched(path, scan, confidence=confidence)
        data = found.to_json_object()
        again = Report.from_json_object(json.loads(json.dumps(data)))
        assert again.scan == found.scan
        assert again.to_json_object() == data
    data["scan"]["slices"] = [{"columns": ["a"], "values": []}]
    with pytest.raises(InputError, match="not one for each of 'columns'"):
        Report.from_json_object(data)


# Which columns and values


def test_columns_with_a_role_are_searched_only_by_name(tmp_path):
    frame = drawn()
    frame["note"] = [f"text {i}" for i in frame.index]
    frame["empty"] = None
    frame["rare"] = [f"r{i // 3}" for i in frame.index]
    path = write(frame, tmp_path / "data.csv")
    found = searched(path, EVERY).scan
    assert found.columns == ("region", "device", "age", "height")
    assert dict(found.left_out) == {
        "key": "is called as ids are",
        "note": found.left_out[1][1],
        "rare": "no value has 30 rows",
        "empty": "no value has 30 rows",
    }
    assert "ids" in dict(found.left_out)["note"]
    assert searched(path, Scan(("target,region",))).scan.columns == ("target", "region")
    assert searched(path, Scan(("note",))).scan.left_out == (("note", "no value has 30 rows"),)
    assert searched(path, Scan(("note",))).scan.tried == 0


def test_columns_of_two_tables_are_searched_together(tmp_path):
    frame = drawn()
    said = write(frame[["key", "pred", "device"]].sample(frac=1, random_state=1), tmp_path / "preds.csv")
    truth = write(frame[["key", "target", "region"]], tmp_path / "targets.csv")
    found = searched(said, EVERY, truth, id="key").scan
    assert sorted(found.columns) == ["device", "region"]
    assert set(found.slices[0].values) == {"EU", "tablet"}


def test_missing_cells_and_dropped_rows_are_in_no_slice(tmp_path):
    frame = drawn()
    frame.loc[::3, "region"] = None
    frame.loc[::5, "height"] = None
    frame.loc[::7, "pred"] = None
    path = write(frame, tmp_path / "data.csv")
    found = searched(path, Scan(("region,device,height",)), nan="drop").scan
    best = {row.values: row for row in found.slices}["EU", "tablet"]
    kept = frame.dropna(subset=["pred"])
    assert best.n == ((kept["region"] == "EU") & (kept["device"] == "tablet")).sum()
    wrong = searched(path, Scan(("region,device,height",)), nan="wrong").scan
    best = {row.values: row for row in wrong.slices}["EU", "tablet"]
    assert best.n == ((frame["region"] == "EU") & (frame["device"] == "tablet")).sum()


@pytest.mark.parametrize(
    ("metric", "counts", "hit"),
    [
        ("recall[cat]", lambda f: f["target"] == "cat", lambda f: f["pred"] == "cat"),
        ("precision[cat]", lambda f: f["pred"] == "cat", lambda f: f["target"] == "cat"),
        ("specificity[cat]", lambda f: f["target"] != "cat", lambda f: f["pred"].isin(["dog", "owl"])),
        ("npv[cat]", lambda f: f["pred"].isin(["dog", "owl"]), lambda f: f["target"] != "cat"),
    ],
)
@pytest.mark.parametrize(("suffix", "nan"), [(".csv", "error"), (".csv", "wrong"), (".npz", "error")])
def test_other_shares_of_rows(tmp_path, metric, counts, hit, suffix, nan):
    frame = drawn(rows=6000)
    if nan == "wrong":
        frame.loc[::7, "pred"] = None
    path = write(frame, tmp_path / f"data{suffix}")
    asked = {"metrics": (metric,), "by": ("region,device",), "nan": nan}
    found = searched(path, Scan(("region,device",), metric=metric), **asked)
    row = found.scan.slices[0]
    inside = (frame["region"] == "EU") & (frame["device"] == "tablet")
    assert row.values == ("EU", "tablet")
    assert row.n == (inside & counts(frame)).sum()
    assert row.value == pytest.approx(hit(frame)[inside & counts(frame)].mean(), abs=1e-15)
    assert row.value == next(s for s in found.slices if s.value == "EU,tablet").metrics[metric].value
    assert row.rest == pytest.approx(hit(frame)[~inside & counts(frame)].mean(), abs=1e-15)


def test_the_positive_class_needs_no_name(tmp_path):
    frame = drawn(rows=6000)
    frame["target"], frame["pred"] = ((frame[side] == "cat").astype(int) for side in ("target", "pred"))
    path = write(frame, tmp_path / "data.csv")
    bare, named = (searched(path, Scan(("region,device",), metric=name)).scan for name in ("recall", "recall[1]"))
    assert bare.slices == named.slices
    assert bare.slices


def test_the_finding_names_the_worst_and_its_gate_works(tmp_path):
    path = write(drawn(), tmp_path / "data.csv")
    found = searched(path, EVERY)
    (finding,) = [each for each in found.findings if each.code == "weak-slice"]
    assert "region='EU' and device='tablet'" in finding.text
    rule = finding.fix.partition("--min '")[2].rstrip("'")
    (verdict,) = judge(searched(path, None, by=("region,device",)), parse_rules([rule]))
    assert (verdict.status, verdict.value) == ("fail", found.scan.slices[0].value)
    assert "weak-slice" not in {each.code for each in searched(path, Scan(("age",))).findings}


# What is refused or cut


def test_columns_that_are_not_there(tmp_path):
    frame = drawn(rows=300)
    for suffix, noun in ((".csv", "column"), (".npz", "array")):
        path = write(frame, tmp_path / f"data{suffix}")
        with pytest.raises(UsageError, match=f"no {noun} 'regio' .*did you mean 'region'"):
            searched(path, Scan(("device,regio",)))
    path = write(frame[["target", "pred"]], tmp_path / "bare.csv")
    with pytest.raises(UsageError, match="there is no column to scan"):
        searched(path, EVERY)
    path = write(frame[["target", "pred"]], tmp_path / "bare.npz")
    with pytest.raises(UsageError, match="there is no array to scan"):
        searched(path, EVERY)


def test_columns_that_are_neither_text_nor_number(tmp_path):
    frame = drawn(rows=300)
    frame["pair"], frame["raw"], frame["day"] = [[1, 2]] * 300, b"x", pd.Timestamp("2024-02-29")
    path = write(frame, tmp_path / "data.parquet")
    said = {"pair": "holds lists", "raw": "holds what is neither text nor number"}
    left_out = dict(searched(path, EVERY).scan.left_out)
    assert said.items() <= left_out.items()
    assert "day" not in left_out  # a date is text
    for name, why in said.items():
        with pytest.raises(InputError, match=f"--scan {name}: the field {why}"):
            searched(path, Scan((f"region,{name}",)))


def test_arrays_of_another_shape(tmp_path):
    frame = drawn(rows=300)
    arrays = {name: frame[name].to_numpy("U8") for name in ("target", "pred", "region")}
    np.savez(tmp_path / "a.npz", **arrays, wide=np.zeros((300, 4)), short=np.zeros(7))
    found = searched(tmp_path / "a.npz", EVERY).scan
    assert found.columns == ("region",)
    assert dict(found.left_out) == {
        "wide": "has (4,) values a row, not one",
        "short": "has the shape (7,), not one value a row",
    }
    with pytest.raises(UsageError, match=r"--scan wide has the shape \(300, 4\)"):
        searched(tmp_path / "a.npz", Scan(("wide",)))
    with pytest.raises(UsageError, match="--scan short: 7 entries for 300 rows"):
        searched(tmp_path / "a.npz", Scan(("short",)))


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_many_values_are_cut_to_the_most_frequent_and_that_is_said(tmp_path, monkeypatch, suffix):
    frame = drawn()
    frame["city"] = [f"c{int(i**0.5)}" for i in frame.index]  # 55 of them, the later ones more frequent
    path = write(frame, tmp_path / f"data{suffix}")
    whole = searched(path, Scan(("region,device,city",))).scan
    assert not whole.left_out
    monkeypatch.setattr(scanning, "FEWEST_VALUES", 2)
    monkeypatch.setattr(scanning, "MOST_CELLS", 16 + 2 * 4 * 20)
    found = searched(path, Scan(("region,device,city",))).scan
    assert found.left_out == (("city", "only its 15 most frequent values are searched"),)
    assert whole.tried > found.tried
    assert found.slices[0] == whole.slices[0]._replace(p_adjusted=found.slices[0].p_adjusted)
    monkeypatch.setattr(scanning, "MOST_CELLS", 20)
    with pytest.raises(LimitError, match="--scan of 3 columns makes 27 pairs of values, more than 20; name fewer"):
        searched(path, Scan(("region,device,city",)))


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_a_column_of_too_many_texts_is_left_out_or_refused(tmp_path, monkeypatch, suffix):
    frame = drawn()
    frame["user"] = [f"u{i % 700}" for i in frame.index]
    path = write(frame, tmp_path / f"data{suffix}")
    for room in (array_scan, table_scan):
        monkeypatch.setattr(room, "MOST_DISTINCT", 100)
    for room in (distinct, table_scan):
        monkeypatch.setattr(room, "MOST_VALUES", 100)
    left_out = dict(searched(path, EVERY).scan.left_out)
    assert left_out["user"] == "700 values, more than 100"
    with pytest.raises(LimitError, match="--scan user: about"):
        searched(path, Scan(("region,user",)))


def test_too_many_columns(tmp_path, monkeypatch):
    path = write(drawn(rows=300), tmp_path / "data.csv")
    monkeypatch.setattr(scanning, "MOST_COLUMNS", 3)
    with pytest.raises(LimitError, match="--scan of 4 columns makes 6 pairs of them; name up to 3"):
        searched(path, EVERY)


def test_statements_over_more_columns_than_one_can_tell_apart(tmp_path, monkeypatch):
    path = write(drawn(), tmp_path / "data.csv")
    whole = searched(path, EVERY).scan
    for most in (1, 3):
        monkeypatch.setattr(table_scan, "AT_ONCE", most)
        assert searched(path, EVERY).scan == whole


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("f1_macro", "not a share of rows"),
        ("recall_macro", "not a share of rows"),
        ("accuracy@region=EU", "not a share of rows"),
        ("recall", "several classes"),
        ("recall[bird]", "no class 'bird'; classes are 'cat', 'dog', 'owl'"),
    ],
)
def test_metrics_that_are_no_share_of_rows(tmp_path, metric, message):
    path = write(drawn(rows=300), tmp_path / "data.csv")
    with pytest.raises(UsageError, match=message):
        searched(path, Scan(("region",), metric=metric))


def test_what_is_not_searched(tmp_path):
    rng = np.random.default_rng(8)
    two = {"preds": rng.integers(0, 3, (50, 6)), "target": rng.integers(0, 3, (50, 6)), "region": np.arange(50) % 2}
    np.savez(tmp_path / "pixels.npz", **two)
    with pytest.raises(UsageError, match="each of these has 6 labels"):
        searched(tmp_path / "pixels.npz", Scan(("region",)))
