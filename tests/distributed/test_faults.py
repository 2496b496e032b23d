"""No verdict where a rank is lost, late or wrong; and by what ranks are known."""

from __future__ import annotations

import json
import random
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from started_ranks import BROKEN, DEADLINE, Ended, ranks

from evalcli.launch import launched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


def test_an_error_in_any_rank_is_told_once(tmp_path: Path, arrays: tuple[Path, Path]) -> None:
    target = np.load(arrays[1])
    target[900] = 77  # in the share of the last rank
    np.save(arrays[1], target)
    first, second, third = ranks(3, "report", *arrays, "-f", "json", "-o", tmp_path / "a.json")
    assert first.code == second.code == third.code == 2
    assert first.stderr == (
        f"evalcli: {arrays[1]}: 1 target is outside the classes 0 to 4 (row 900: 77); "
        "if 77 marks rows to leave out, add --ignore-index 77 [E3]\n"
    )
    assert json.loads(first.stdout)["error"]["code"] == "E3"
    assert second[:2] == third[:2] == ("", "")
    assert not (tmp_path / "a.json").exists()


def test_an_output_that_cannot_be_written_is_told_to_all(arrays: tuple[Path, Path]) -> None:
    first, second = ranks(2, "report", *arrays, "-o", "/nowhere/a.json")
    assert (first.code, first.stdout, second) == (2, "", Ended("", "", 2))
    assert first.stderr == "evalcli: /nowhere/a.json: its folder does not exist; mkdir -p /nowhere [E4]\n"


FAULTS = {
    "is killed while it counts": ("os.kill(os.getpid(), signal.SIGKILL)", "agree", "count", -9, "is gone"),
    "is killed while it sends": ("os.kill(os.getpid(), signal.SIGKILL)", "total", "", -9, "is gone"),
    "hangs": ("time.sleep(1000)", "agree", "offer", -9, "has not come within 6 s"),
    "raises": ("raise RuntimeError('x')", "agree", "offer", 70, "is gone"),
    "raises at work": ("return real(self, lambda: 1 / 0)", "agree", "count", 70, "rank 1 failed (ZeroDivisionError)"),
    "exits with 0": ("os._exit(0)", "agree", "offer", 0, "is gone"),
    "ends in good order": ("sys.exit(0)", "total", "", 0, "is gone"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_X19_a_rank_that(name: str, tables: Path, tmp_path: Path) -> None:
    what, when, at, code, said = FAULTS[name]
    program = BROKEN.format(what=what, when=when, at=at)
    begun = time.monotonic()
    options = ("-f", "json", "-o", tmp_path / "a.json", "-o", tmp_path / "a.evalcli", "--min", "accuracy=0.1")
    ended = ranks(
        2,
        "report",
        tables,
        *options,
        "--timeout",
        6 if name == "hangs" else 100,
        broken=(1, program),
        stop=name == "hangs",
    )
    assert time.monotonic() - begun < DEADLINE
    assert ended[1].code == code
    assert ended[0].code == 2, ended
    error = json.loads(ended[0].stdout)["error"]
    assert error["code"] == "E6"
    assert said in error["message"]
    assert ended[0].stderr.startswith("evalcli: rank ")
    assert ended[0].stderr.count("\n") == 1
    assert not (tmp_path / "a.json").exists()
    assert not (tmp_path / "a.evalcli").exists()


def test_X17_a_rank_without_memory_in_the_middle_of_an_exchange(arrays: tuple[Path, Path]) -> None:
    once = "calls = iter(range(99))\n"  # the fourth: lengths are told, and the others wait for what is so long
    program = once + BROKEN.format(what="if next(calls) == 3: raise MemoryError", when="_guarded", at="")
    first, second = ranks(2, "report", *arrays, "--timeout", 100, broken=(1, program))
    assert (first.code, second.code) == (2, 2), second
    assert "evalcli: rank 0: another rank is gone, no verdict" in first.stderr
    assert second.stderr == "evalcli: not enough memory; try a smaller --batch-size [E6]\n"


def test_X19_rank_0_that_is_killed_leaves_no_verdict(tables: Path) -> None:
    program = BROKEN.format(what="os.kill(os.getpid(), signal.SIGKILL)", when="settle", at="")
    killed, second = ranks(2, "report", tables, "--timeout", 100, "--quiet", broken=(0, program))
    assert killed.code == -9
    assert (second.code, second.stdout) == (2, "")
    assert "evalcli: rank 1: another rank is gone, no verdict" in second.stderr


def test_X19_a_rank_that_never_comes(spawn: Run, tables: Path) -> None:
    env = {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(random.randrange(20_000, 30_000)),
    }
    result = spawn("report", tables, "--timeout", 2, env=env)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == (
        "evalcli: rank 1: not all 2 ranks have come together within 2 s; "
        "start all of them; if this is no distributed run, unset RANK and WORLD_SIZE [E6]\n"
    )


def test_X17_a_rank_in_which_torch_finds_no_memory_says_that_alone(run: Run, monkeypatch, tables: Path) -> None:
    class Short:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "torch.distributed":
                raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    monkeypatch.delitem(sys.modules, "torch.distributed", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Short(), *sys.meta_path])
    result = run("report", tables, "--timeout", 2, env={"RANK": "1", "WORLD_SIZE": "2"})
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == "evalcli: not enough memory; try a smaller --batch-size [E6]\n"


def test_T30_a_share_that_changes_while_it_is_read(arrays: tuple[Path, Path]) -> None:
    change = f"os.utime({str(arrays[0])!r}, ns=(1, 1))"
    program = BROKEN.format(what=change, when="agree", at="tell")
    first, second = ranks(2, "report", *arrays, broken=(1, program))
    assert first.code == second.code == 2
    assert f"{arrays[0]}: input changed while reading" in first.stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "x", "WORLD_SIZE": "4"}, None),
        ({"RANK": "4", "WORLD_SIZE": "4"}, None),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
            (3, 4, 1, 2, "127.0.0.1", 29_500),
        ),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7"}, None),  # a batch script
        (
            {
                "SLURM_PROCID": "5",
                "SLURM_STEP_NUM_TASKS": "8",
                "SLURM_LOCALID": "1",
                "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
                "SLURM_STEP_NODELIST": "gpu[07-08]",
                "SLURM_JOB_ID": "1234567",
            },
            (5, 8, 1, 4, "gpu07", 20_000 + 14_567),
        ),
    ],
)
def test_launchers_are_known_by_their_variables(environ: dict[str, str], expected: tuple[Any, ...] | None) -> None:
    assert launched(environ) == expected


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("x"), 70), (MemoryError(), 2)])
def test_one_rank_prints_the_document_of_what_all_ran_into(run: Run, monkeypatch, error: Exception, code: int) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("evalcli.cli._called", fail)
    told = [run("report", "x.csv", "-f", "json", env={"RANK": rank, "WORLD_SIZE": "2"}) for rank in "01"]
    assert [each.code for each in told] == [code, code]
    assert json.loads(told[0].stdout)["schema"] == "evalcli.error/1"
    assert told[1].stdout == ""
    assert told[1].stderr.startswith("evalcli: ")
