"""``--where``: a number says of which rows it is, wherever it goes: reports, comparisons, parts, baselines."""

from __future__ import annotations

import json
from html import unescape
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import evalcli
from evalcli.comparing.data import Comparison
from evalcli.errors import UsageError
from evalcli.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

TEST = "split = 'test'"
SIDES = {
    "classification": "label",
    "regression": "value",
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """120 rows, a third of them for training; labels and values that are mostly right."""
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 3, 120)
    said = np.where(rng.random(120) < 0.8, truth, 0)
    rows = [
        f"{'train' if row % 3 == 0 else 'test'},{'abc'[p]},{'abc'[t]},{p + 0.25},{t + 0.125}\n"
        for row, (p, t) in enumerate(zip(said, truth, strict=True))
    ]
    path = tmp_path / "rows.csv"
    path.write_text("split,pred_label,label,pred_value,value\n" + "".join(rows))
    return path


def sides(task: str) -> tuple[str, ...]:
    return ("--pred", f"pred_{SIDES[task]}", "--target", SIDES[task])


@pytest.mark.parametrize("task", [*SIDES])
def test_a_report_says_of_which_rows_it_is(run: Run, table: Path, task: str) -> None:
    every = json.loads(run("report", table, *sides(task), "-f", "json").stdout)
    some = json.loads(run("report", table, *sides(task), "--where", TEST, "-f", "json").stdout)
    others = json.loads(run("report", table, *sides(task), "--where", "split < 'train'", "-f", "json").stdout)
    assert (some["where"], some["n"], every["n"]) == (TEST, 80, 120)
    assert "where" not in every
    assert "|where:" not in every["signature"]
    assert some["metrics"] == others["metrics"]  # the same rows, found by other words
    assert len({one["signature"] for one in (every, some, others)}) == 3
    for form in ("rich", "markdown", "html"):
        assert TEST in unescape(run("report", table, *sides(task), "--where", TEST, "-f", form).stdout), form


def test_several_labels_a_row_say_it_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tags.csv"
    path.write_text("split,p_a,p_b,y_a,y_b\n" + "test,0.9,0.2,1,0\ntest,0.3,0.8,1,1\ntrain,0.1,0.7,0,1\n" * 9)
    found = json.loads(run("report", path, "--target", "y_*", "--where", TEST, "-f", "json").stdout)
    assert (found["task"], found["n"], found["where"]) == ("multilabel", 18, TEST)
    assert "|where:" in found["signature"]


def test_a_condition_cannot_dress_up_the_screen(run: Run, table: Path) -> None:
    odd = "split = 'test' --\x1b[31m\n  OR 1 = 2"
    shown = run("report", table, *sides("classification"), "--where", odd).stdout
    assert r"split = 'test' --\x1b[31m\n  OR 1 = 2" in shown
    assert "\x1b" not in shown


def test_a_saved_report_keeps_it(run: Run, table: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    run("report", table, *sides("classification"), "--where", TEST, "-o", saved, "--quiet")
    again = Report.from_json_object(json.loads(saved.read_text()))
    assert again.where == TEST
    assert again.to_json_object() == json.loads(saved.read_text())


def test_a_part_keeps_it_and_belongs_with_parts_of_rows_chosen_alike(run: Run, table: Path, tmp_path: Path) -> None:
    head, *rows = table.read_text().splitlines(keepends=True)
    written: dict[tuple[str, str], Path] = {}
    for name, some in (("one", rows[:50]), ("two", rows[50:])):
        (tmp_path / f"shard_{name}.csv").write_text(head + "".join(some))
        for kind, chosen in (("test", ("--where", TEST)), ("all", ())):
            part = written[name, kind] = tmp_path / f"{name}_{kind}.evalcli"
            options = (*sides("classification"), *chosen, "-o", part, "--quiet")
            assert run("report", tmp_path / f"shard_{name}.csv", *options).code == 0
    whole = run("report", tmp_path / "shard_*.csv", *sides("classification"), "--where", TEST, "-f", "json").stdout
    assert run("merge", written["two", "test"], written["one", "test"], "-f", "json").stdout == whole
    mixed = run("merge", written["one", "test"], written["two", "all"])
    first, second = written["one", "test"], written["two", "all"]
    told = f"holds rows chosen otherwise than {first} (none beside {TEST}); write all parts with the same --where"
    assert (mixed.code, mixed.stderr) == (2, f"evalcli: {second}: {told} [E3]\n")


@pytest.fixture
def shards(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows of a shard, whose ages are given; all right where the age is 30, else wrong."""

    def write(name: str, *ages: str) -> Path:
        path = tmp_path / f"{name}.csv"
        rows = [f"{age},{'ab'[age != '30']},a\n{age},{'ba'[age != '30']},b\n" for age in ages]
        path.write_text("age,pred,target\n" + "".join(rows))
        return path

    return write


SURE = ("--task", "multiclass", "--no-intervals")


def test_parts_whose_condition_sees_text_here_and_numbers_there_are_refused(
    run: Run, shards: Callable[..., Path], tmp_path: Path
) -> None:
    part = {}
    for name, ages in (("numbers", ("30", "30.0", "9")), ("texts", ("n/a", "9")), ("none", ()), ("empty", ("",))):
        part[name] = tmp_path / f"{name}.evalcli"
        chosen = ("--where", "age = '30'", "-o", part[name], "--quiet")
        assert run("report", shards(name, *ages), *SURE, *chosen).code == 0, name
    both = run("merge", part["none"], part["numbers"], part["empty"], part["texts"])
    told = f"evalcli: {part['texts']}: --where sees 'age' as text here, as numbers in {part['none']}; "
    assert (both.code, both.stderr) == (
        2,
        told + "compare age::VARCHAR or TRY_CAST(age AS DOUBLE), and write all parts so [E3]\n",
    )
    merged = json.loads(run("merge", part["numbers"], part["none"], part["empty"], "-f", "json").stdout)
    assert merged["n"] == 4
    assert run("merge", part["texts"], part["none"], part["empty"]).code == 2  # there are no rows


@pytest.mark.parametrize("where", ["age::VARCHAR = '30'", "TRY_CAST(age AS DOUBLE) = 30"])
def test_a_condition_that_says_what_it_compares_merges_to_what_one_run_counts(
    run: Run, shards: Callable[..., Path], tmp_path: Path, where: str
) -> None:
    for name, ages in (("one", ("30", "30.0", "9")), ("two", ("n/a", "9", "30"))):
        run("report", shards(name, *ages), *SURE, "--where", where, "-o", tmp_path / f"{name}.evalcli", "--quiet")
    whole = run("report", tmp_path / "*.csv", *SURE, "--where", where, "-f", "json").stdout
    assert run("merge", tmp_path / "two.evalcli", tmp_path / "one.evalcli", "-f", "json").stdout == whole


@pytest.mark.parametrize("ages", [(), ("",)])
@pytest.mark.parametrize("where", ["age > 9", "age > '9'"])
def test_a_shard_without_a_cell_is_what_the_others_are(
    run: Run, shards: Callable[..., Path], tmp_path: Path, ages: tuple[str, ...], where: str
) -> None:
    for name, some in (("one", ages), ("two", ("10", "9", "30"))):
        run("report", shards(name, *some), *SURE, "--where", where, "-o", tmp_path / f"{name}.evalcli", "--quiet")
    whole = run("report", tmp_path / "*.csv", *SURE, "--where", where, "-f", "json").stdout
    assert run("merge", tmp_path / "one.evalcli", tmp_path / "two.evalcli", "-f", "json").stdout == whole


def test_a_column_that_cannot_be_read_says_why(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"age": {age}, "pred": "a", "target": "b"}}\n' for age in ("30", '"n/a"')))
    told = run("report", path, "--where", "age = '30'")
    what = f"{path}: key 'age' holds values of several kinds: text in line 2 of {path}, earlier integer"
    assert (told.code, told.stderr) == (2, f"evalcli: {what}; write one kind of value under one key [E3]\n")


def test_a_drop_against_rows_chosen_otherwise_says_so(run: Run, table: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    run("report", table, *sides("classification"), "--where", TEST, "-o", baseline, "--quiet")
    gate = ("--baseline", baseline, "--max-drop", "accuracy=0.5", "-f", "json")
    every = json.loads(run("report", table, *sides("classification"), *gate).stdout)["gates"][0]
    alike = json.loads(run("report", table, *sides("classification"), "--where", TEST, *gate).stdout)["gates"][0]
    told = f"of 80 rows then, 120 now; the baseline is of rows where {TEST}, this of all"
    assert every["reason"].endswith(told)
    assert "the baseline is of" not in (alike.get("reason") or "")


@pytest.mark.parametrize("task", [*SIDES])
@pytest.mark.parametrize("kind", [(), ("--independent",)])
def test_a_comparison_says_it(run: Run, table: Path, tmp_path: Path, task: str, kind: tuple[str, ...]) -> None:
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("test,a,", "test,b,", 5))
    asked = (table, other, *kind, *sides(task), "--where", TEST)
    found = json.loads(run("compare", *asked, "-f", "json").stdout)
    assert found["where"] == TEST
    assert Comparison.from_json_object(found).to_json_object() == found
    assert "where" not in json.loads(run("compare", *asked[:-2], "-f", "json").stdout)
    for form in ("rich", "markdown", "html"):
        assert TEST in unescape(run("compare", *asked, "-f", form).stdout), form


@pytest.mark.parametrize("task", [*SIDES])
def test_a_list_of_errors_says_it(run: Run, table: Path, task: str) -> None:
    asked = ("errors", table, *sides(task))
    assert json.loads(run(*asked, "--where", TEST, "-f", "json").stdout)["where"] == TEST
    assert "where" not in json.loads(run(*asked, "-f", "json").stdout)
    assert f"where     {TEST}" in run(*asked, "--where", TEST, "-f", "rich").stdout


@pytest.mark.parametrize("labels", [1, 2])
def test_a_threshold_says_of_which_rows_it_is(run: Run, tmp_path: Path, labels: int) -> None:
    path = tmp_path / "scores.csv"
    if labels == 1:
        head, rows, target = "split,prob,label", ["test,0.9,1", "test,0.2,0", "train,0.6,0"], "label"
    else:
        head, rows = "split,p_a,p_b,y_a,y_b", ["test,0.9,0.2,1,0", "test,0.3,0.8,1,1", "train,0.1,0.7,0,1"]
        target = "y_*"
    path.write_text("\n".join([head, *rows * 9]) + "\n")
    asked = ("tune", path, "--target", target)
    assert json.loads(run(*asked, "--where", TEST, "-f", "json").stdout)["where"] == TEST
    assert "where" not in json.loads(run(*asked, "-f", "json").stdout)
    assert TEST in run(*asked, "--where", TEST).stdout


@pytest.mark.parametrize(("where", "told"), [(5, "where= is 5, and no text"), (" ", "where= is empty")])
def test_what_is_no_condition_is_refused(table: Path, where: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        evalcli.evaluate(table, pred="pred_label", where=where)
