"""Ranges whose bounds the user gives: alike in tables, arrays and frames, in parts and by ranks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from started_ranks import report_by_threads

import evalcli
from evalcli.errors import EvalError, InputError, UsageError
from evalcli.sources.base import Slicer
from evalcli.sources.bounds import Asked, Part, asked, columns_of, range_names
from evalcli.sources.memory import hold
from evalcli.sources.slicing import array_coding, joined_slicers

ROWS = 400
BY = ("--by", "age:-1e0:18:65.5", "--by", "age:18,sex")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(5)
    age = pd.Series(rng.integers(-9, 180, ROWS) / 2).where(rng.random(ROWS) < 0.9)
    age[:6] = [-1, 18, 65.5, 17.5, np.inf, -np.inf]
    target = rng.integers(0, 3, ROWS)
    pred = np.where(rng.random(ROWS) < 0.7, target, 0)
    return pd.DataFrame({"pred": pred, "target": target, "age": age, "sex": rng.choice(["f", "m"], ROWS)})


@pytest.fixture
def files(frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame.to_csv("a.csv", index=False)
    frame.to_parquet("a.parquet", row_group_size=90)
    for number, rows in enumerate((slice(0, 120), slice(120, 130), slice(130, ROWS))):
        frame[rows].to_csv(f"s{number}.csv", index=False)
    np.savez("a.npz", preds=frame.pred, target=frame.target, age=frame.age, sex=frame.sex.to_numpy(str))
    np.save("p.npy", frame.pred)
    frame.drop(columns="pred").to_csv("t.csv", index=False)
    return tmp_path


def slices(report):
    return {(row["by"], row["value"]): row["n"] for row in report["slices"]}


def by_hand(frame):
    """What pandas makes of the same bounds."""
    edges = [-np.inf, -1, 18, 65.5, np.inf]
    names = ["< -1", "[-1, 18)", "[18, 65.5)", ">= 65.5"]
    age = frame.age.dropna()
    cut = pd.cut(age.replace(np.inf, 1e9), edges, right=False, labels=names)
    found = {("age", name): int((cut == name).sum()) for name in names}
    crossed = (np.where(age < 18, "< 18", ">= 18") + pd.Series(",", age.index) + frame.sex[age.index]).value_counts()
    return found | {("age,sex", name): int(n) for name, n in crossed.items()}


@pytest.mark.parametrize("inputs", ["a.csv", "a.parquet", "a.npz", "p.npy t.csv"])
def test_ranges_of_every_kind_of_file_are_those_of_pandas(files, frame, run, inputs):
    done = run("report", *inputs.split(), *BY, "-f", "json", "--no-intervals", "-m", "accuracy")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)["slices"]
    assert slices({"slices": found}) == by_hand(frame)
    assert [row["value"] for row in found if row["by"] == "age"] == ["< -1", "[-1, 18)", "[18, 65.5)", ">= 65.5"]
    assert [row["value"] for row in found if row["by"] != "age"] == ["< 18,f", "< 18,m", ">= 18,f", ">= 18,m"]


def test_python_takes_the_same(frame):
    report = evalcli.evaluate(frame, "target", by=["age:-1:18:65.5", "age:18,sex"], metrics=["accuracy@age=< -1"])
    found = {(row.by, row.value): row.n for row in report.data.slices}
    assert found == by_hand(frame)
    low = frame[frame.age < -1]
    assert report["accuracy@age=< -1"] == (low.pred == low.target).mean()
    arrays = {"age:-1:18:65.5": frame.age.to_numpy(), "sex": frame.sex}
    given = evalcli.evaluate(frame.pred.to_numpy(), frame.target.to_numpy(), by=arrays)
    assert [row.n for row in given.data.slices][:4] == [n for (by, _), n in found.items() if by == "age"]
    texts = [str(age) for age in frame.age.fillna(0)]
    as_texts = evalcli.evaluate(frame.pred.to_numpy(), frame.target.to_numpy(), by={"age:18": texts})
    assert [row.n for row in as_texts.data.slices] == [(frame.age.fillna(0) < 18).sum(), (frame.age >= 18).sum()]


def test_gates_take_the_names_that_are_printed(files, run):
    names = ["< -1", "[-1, 18)", "[18, 65.5)", ">= 65.5"]
    gates = [text for name in names for text in ("--min", f"accuracy@age={name}=0.1")]
    done = run("report", "a.csv", *BY[:2], *gates, "-f", "json")
    assert done.code == 0, done.stderr
    assert [row["metric"] for row in json.loads(done.stdout)["gates"]] == [f"accuracy@age={name}" for name in names]
    Path("r.json").write_text(done.stdout)
    assert run("gate", "r.json", "--min", "accuracy@age=>= 65.5=0.1").code == 0
    missing = run("report", "a.csv", *BY[:2], "--min", "accuracy@age:18=>= 18=0.1", "-f", "json")
    assert missing.code == 2
    assert "cuts age twice, by age:-1:18:65.5 and by age:18" in missing.stderr
    missing = run("gate", "r.json", "--min", "accuracy@age:18=>= 18=0.1")
    assert missing.code == 2
    assert "the report has no slices by 'age:18'; write @age" in missing.stderr


@pytest.mark.parametrize("more", [(), ("--scan", "age:18:40,sex", "--min-slice-size", "5")])
def test_parts_and_ranks_print_the_bytes_of_one_run(files, run, more):
    whole = run("report", "s?.csv", *BY, *more, "-f", "json", "--no-intervals")
    assert whole.code == 0, whole.stderr
    for number in range(3):
        done = run("report", f"s{number}.csv", *BY, *more, "-o", f"{number}.evalcli", "--quiet", "--no-intervals")
        assert (done.code, done.stderr) == (0, "")
    assert run("merge", *(f"{number}.evalcli" for number in (2, 0, 1)), "-f", "json").stdout == whole.stdout
    for file in (Path("s?.csv"), Path("a.csv"), Path("a.parquet"), Path("a.npz")):
        alone = run("report", file, *BY, *more, "-f", "json", "--no-intervals")
        assert report_by_threads(3, file, *BY, *more) == alone.stdout


def test_ranks_that_read_a_table_beside_a_tensor_file_cut_it_alike(files, run):
    alone = run("report", "p.npy", "t.csv", *BY, "-f", "json", "--no-intervals")
    assert alone.code == 0, alone.stderr
    assert report_by_threads(3, Path("p.npy"), *BY, target=Path("t.csv")) == alone.stdout


def test_parts_of_other_bounds_are_refused(files, run):
    for number, by in enumerate(("age:0:18", "age:0:18.0", "age:0:19", "age,sex")):
        run("report", f"s{number % 3}.csv", "--by", by, "-o", f"{number}.evalcli", "--quiet")
    assert run("merge", "0.evalcli", "1.evalcli").code == 0
    done = run("merge", "0.evalcli", "2.evalcli")
    assert (done.code, done.stdout) == (2, "")
    assert "2.evalcli: slices by 'age': the shares of the rows have ranges of other bounds" in done.stderr
    cut = Slicer("age", ("< 1", ">= 1"), bounds=(("1",),))
    with pytest.raises(InputError, match="or one has none; give all of them the same bounds"):
        joined_slicers((cut,), (Slicer("age", ("0", "1")),), "p")


def test_crossed_ranges_of_two_parts_stay_in_order():
    bounds = (("9", "10"), ())
    one, two = (Slicer("n,x", values, bounds=bounds) for values in ((">= 10,b", "< 9,a"), ("[9\\, 10),a", "< 9,b")))
    (both,) = joined_slicers((one,), (two,), "p")
    assert both == Slicer("n,x", ("< 9,a", "< 9,b", "[9\\, 10),a", ">= 10,b"), bounds=bounds)
    forged = Slicer("n,x", ("no range",), bounds=bounds)
    assert {*joined_slicers((one,), (forged,), "p")[0].values} == {*one.values, "no range"}


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(st.floats(width=32), max_size=60),
)
def test_each_number_lies_in_the_range_that_says_so(edges, numbers):
    (one,) = asked([":".join(["x", *map(repr, edges)])], ["x"])
    assert [float(bound) for bound in one.parts[0].bounds] == edges
    values = np.array([*numbers, *edges, np.nan])
    coding = array_coding(hold(values, "x"), "p", bounds=one.parts[0].bounds)
    assert coding.values == range_names(one.parts[0].bounds)
    for value, code in zip(values.tolist(), coding.codes(values).tolist(), strict=True):
        assert code == (-1 if np.isnan(value) else sum(edge <= value for edge in edges))


@pytest.mark.parametrize(
    ("by", "known", "parts"),
    [
        ("age:0:18", ["age", "sex"], [("age", "0", "18")]),
        ("age:0,sex", ["age", "sex"], [("age", "0"), ("sex",)]),
        ("sex, age : 1 : 2.50", ["age ", "age", "sex"], [("sex",), ("age ", "1", "2.5")]),
        ("age:0", ["age", "age:0"], [("age:0",)]),
        ("age:0:1", ["age", "age:0"], [("age:0", "1")]),
        ("a,b:3", ["a,b", "a", "b"], [("a,b", "3")]),
        ("a,b:3", ["a", "b"], [("a",), ("b", "3")]),
        ("gone:3", ["a"], [("gone", "3")]),
        ("12:x", ["a"], [("12:x",)]),
        ("n:1e300:1E301", ["n"], [("n", "1e+300", "1e+301")]),
        ("n:-0:+1", ["n"], [("n", "0", "1")]),
        ("n:9007199254740991:2e16", ["n"], [("n", "9007199254740991", "2e+16")]),
    ],
)
def test_what_names_a_column_comes_first(by, known, parts):
    (one,) = asked([by], known)
    assert one.parts == tuple(Part(name, tuple(bounds)) for name, *bounds in parts)
    assert columns_of(by, known) == tuple(name for name, *_ in parts)
    assert one.name == (",".join(name for name, *_ in parts) if any(one.bounds) else by)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("age:18:0", "--by age:18:0: 0 stands after 18, and bounds rise; write age:0:18"),
        ("sex,age:1:5:5", "5 stands after 5, and bounds rise; write sex,age:1:5"),
        ("age:x", "'x' is no number to cut at"),
        ("age:0:nan", "'nan' is no number to cut at"),
        ("age:0:inf", "'inf' is no number to cut at"),
        ("age:1e999", "'1e999' is no number to cut at"),
        ("age:1_0", "'1_0' is no number to cut at"),
        ("age:-9007199254740993", "-9007199254740993 is beyond the whole numbers that float64 tells apart; cut below"),
        ("age:", "a bound is missing"),
        ("age:1::2", "a bound is missing"),
    ],
)
def test_bounds_that_are_none_are_refused(by, said):
    with pytest.raises(UsageError) as caught:
        asked([by], ["age", "sex"])
    assert said in str(caught.value)


def test_a_name_is_sliced_once():
    cut, plain = Asked("age", (Part("age", ("1",)),)), Asked("sex", (Part("sex"),))
    assert asked(["age", "sex", "age:1", "age:1.0"], ["age", "sex"]) == (cut, plain)
    with pytest.raises(UsageError, match="--by cuts age twice, by age:1 and by age:2; write all bounds at once"):
        asked(["age:1", "age:2"], ["age"])


@pytest.mark.parametrize("file", ["a.csv", "a.parquet", "a.npz", "p.npy t.csv"])
def test_texts_are_not_cut(files, run, file):
    done = run("report", *file.split(), "--by", "sex:1")
    assert (done.code, done.stdout) == (2, "")
    assert "in 'sex' is no number" in done.stderr or "in column 'sex' is not one number (400 in all: " in done.stderr
    assert "each text is a slice [E3]" in done.stderr


def test_truths_are_not_cut(files, frame, run):
    frame.assign(ok=frame.sex == "f").to_parquet("b.parquet")
    done = run("report", "b.parquet", "--by", "ok:1", "--target", "target", "--pred", "pred")
    assert "b.parquet: column 'ok' holds no numbers to cut into ranges; leave out the bounds [E3]" in done.stderr
    with pytest.raises(EvalError, match="'true' in 'ok' is no number to cut"):
        evalcli.evaluate(frame, "target", pred="pred", by={"ok:1": (frame.sex == "f").to_numpy()})


def test_the_odd_cell_is_the_same_one_for_ranks(files, frame, run):
    lines = Path("a.csv").read_text().splitlines()
    lines[7], lines[300] = "1,1,old,f", "1,1,young,m"
    Path("a.csv").write_text("\n".join([*lines, ""]))
    alone = run("report", "a.csv", "--by", "age:18")
    assert "a.csv: cell 'old' in column 'age' is not one number (2 in all: line 8, line 301)" in alone.stderr
    assert alone.stderr == f"evalcli: {report_by_threads(3, Path('a.csv'), '--by', 'age:18')}\n"


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", "<u2", ">i2", "<i4", ">i8"])
def test_whole_numbers_are_slices_in_their_order_whatever_their_width(dtype):
    ends = np.iinfo(dtype)
    values = np.array([3, 1, max(ends.min, -40_000), 2, min(ends.max, 20_000), 1], dtype)
    coding = array_coding(hold(values, "x"), "p")
    names = sorted({*values.tolist()})
    assert (coding.values, coding.ranged) == (tuple(map(str, names)), False)
    assert coding.codes(values).tolist() == [names.index(value) for value in values.tolist()]
    assert coding.codes(np.array([4, 2], dtype)).tolist() == [-1, names.index(2)]  # the file was changed meanwhile


def test_many_short_numbers_are_cut_in_ranges():
    values = np.arange(-100, 100, dtype=np.int16)
    coding = array_coding(hold(values, "x"), "p")
    assert (coding.values, coding.ranged) == (("[-100, -51)", "[-51, -1)", "[-1, 49)", "[49, 99]"), True)
    assert np.bincount(coding.codes(values)).tolist() == [49, 50, 50, 51]
