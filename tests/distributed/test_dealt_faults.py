"""Rows at fault in whole files that were dealt out: counted in all of them and told as by one process."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow.feather import write_feather
from started_ranks import DEADLINE, ThreadRanks, report_by_threads

from evalcli.errors import EvalError, Faulty, InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

FAULTS = {
    "no number": ("score,target,w", "0.5,1,x", ("--weight", "w")),
    "no weight": ("score,target,w", "0.5,1,", ("--weight", "w")),
    "a weight below 0": ("score,target,w", "0.5,1,-2", ("--weight", "w")),
    "no target": ("score,target,w", "0.5,,1", ()),
    "no score": ("score,target,w", ",1,1", ()),
    "a score that is none": ("score,target,w", "abc,1,1", ()),
    "NaN": ("score,target,w", "nan,1,1", ()),
    "no label": ("pred,target,w", "1,,1", ()),
    "no number to cut": ("pred,target,w", "1,1,x", ("--by", "w:1")),
}
"""What is wrong: the header, such a row, options."""


def write(folder: Path, header: str, rows: dict[int, dict[int, str]]) -> Path:
    """Six packed tables, the last ones the largest, so that they are dealt to the first ranks."""
    for number in range(6):
        lines = [rows.get(number, {}).get(i, f"0.{i},{i % 2},1" if "score" in header else "1,0,1") for i in range(9)]
        with gzip.open(folder / f"a{number}.csv.gz", "wt") as file:
            file.write("\n".join([header, *lines * (number + 1), ""]))
    return folder / "a?.csv.gz"


@pytest.mark.parametrize("name", FAULTS)
def test_they_are_told_as_one_process_tells_them(run: Run, tmp_path: Path, name: str) -> None:
    header, odd, options = FAULTS[name]
    path = write(tmp_path, header, {4: {7: odd}, 1: {3: odd, 8: odd}, 5: {2: odd}})
    alone = run("report", path, "--no-intervals", *options)
    assert f"a1.csv.gz line 5{': -2.0' if 'below' in name else ''}, " in alone.stderr
    assert f"evalcli: {report_by_threads(3, path, *options)}\n" == alone.stderr


@pytest.mark.parametrize(
    ("header", "odd"),
    [
        ("score,target,w", ["0.5,1,-1", "0.5,1,", "0.5,1,x", ",1,1", "0.5,,1", "abc,1,1"]),
        ("pred,target,w", ["1,0,-1", "1,1,", "1,1,x", ",1,1", "1,,1"]),
        ("p_a,p_b,y_a,y_b,w", ["1,1,1,0,x", "1,1,1,x,1", "1,1,x,0,1", "1,x,1,0,1", "x,1,1,0,1"]),
    ],
)
def test_of_several_kinds_that_of_one_process_is_told(run: Run, tmp_path: Path, header: str, odd: list[str]) -> None:
    """Each kind hides those that stand before it, wherever they lie."""
    usual = [",".join(str((i + j) % 2) for j in range(header.count(",") + 1)) for i in range(4)]
    said = set()
    for number in range(len(odd)):
        for place, there in enumerate((odd[: number + 1], odd[number::-1])[: number + 1]):  # the first is both
            folder = tmp_path / f"{number}-{place}"
            folder.mkdir()
            for i in range(6):
                with gzip.open(folder / f"a{i}.csv.gz", "wt") as file:
                    file.write("\n".join([header, *usual * (i + 1), *there[i : i + 1], ""]))
            alone = run("report", folder / "a?.csv.gz", "--no-intervals", "--weight", "w")
            assert f"evalcli: {report_by_threads(3, folder / 'a?.csv.gz', '--weight', 'w')}\n" == alone.stderr
            said.add(alone.stderr.replace(str(folder), "").partition(" (")[0])
    assert len(said) == len(odd)


def test_a_bug_in_one_rank_beside_a_fault_in_another_ends_all() -> None:
    def fault() -> bytes:
        def said(found: Faulty) -> EvalError:
            return InputError(f"{found.rows} rows are odd ({', '.join(found.places)})")

        raise EvalError.counted(Faulty(2, ["b line 3"], []), said)

    def bug() -> bytes:
        raise ZeroDivisionError

    def other() -> bytes:
        raise LimitError("another")

    found = agreed(fault, bug, fault, other, lambda: b"fine")
    assert [str(one) for one in found] == [
        "4 rows are odd (b line 3, b line 3) [E3]",
        "",
        *["4 rows are odd (b line 3, b line 3) [E3]"] * 3,
    ]
    assert isinstance(found[1], ZeroDivisionError)


def agreed(*works: Callable[[], bytes]) -> list[BaseException]:
    """What each of the ranks that do these works raises."""
    size, found = len(works), list[Any]([None] * len(works))
    shared: dict[str, Any] = {"replies": [b""] * size, "barrier": threading.Barrier(size, timeout=DEADLINE)}

    def rank(number: int) -> None:
        try:
            ThreadRanks(number, size, shared).agree(works[number])
        except Exception as e:
            found[number] = e

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_condition_sees_the_same_in_all_files(run: Run, tmp_path: Path) -> None:
    for name, ages in (("a", [30.0, 9.0]), ("b", ["30", "30.0"])):
        write_feather(pa.table({"age": ages, "pred": ["x", "y"], "target": ["x", "x"]}), tmp_path / f"{name}.arrow")
    path, asked = tmp_path / "?.arrow", ("--where", "age = '30'")
    alone = run("report", path, "--no-intervals", *asked)
    assert "column 'age' is" in alone.stderr
    assert f"evalcli: {report_by_threads(2, path, *asked)}\n" == alone.stderr


def test_a_condition_that_no_row_satisfies_is_told_as_by_one_process(run: Run, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("pred,target,age\n" + "1,0,30\n0,0,40\n" * 20)
    alone = run("report", tmp_path / "?.csv", "--where", "age > 200")
    assert (alone.code, "no row satisfies --where 'age > 200'" in alone.stderr) == (2, True)
    assert f"evalcli: {report_by_threads(3, tmp_path / '?.csv', '--where', 'age > 200')}\n" == alone.stderr
