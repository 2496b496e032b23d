"""Commands that rank 0 runs for all: printed once, written once, one exit code; nobody waits for one that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from started_ranks import BROKEN, Ended, ranks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """Labels that two models say, beside the truth."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 3, 200)
    for name, right in (("a", 0.9), ("b", 0.7)):
        said = np.where(rng.random(200) < right, target, rng.integers(0, 3, 200))
        rows = [f"{p},{t},{p == t}\n" for p, t in zip(said, target, strict=True)]
        (tmp_path / f"{name}.csv").write_text("pred,target,side\n" + "".join(rows))
    return tmp_path / "a.csv", tmp_path / "b.csv"


@pytest.mark.parametrize(
    ("command", "options", "code"),
    [
        ("compare", ("--max-drop", "accuracy=0.01", "-f", "json"), 1),
        ("compare", ("--equivalent", "accuracy=0.5", "-m", "accuracy", "--define", "x = 2 * accuracy"), 0),
        ("errors", ("--limit", 3, "-f", "csv"), 0),
        ("inspect", (), 0),
        ("tune", (), 2),
    ],
)
def test_rank_0_prints_what_one_process_does(
    run: Run, models: tuple[Path, Path], tmp_path: Path, command: str, options: tuple[Any, ...], code: int
) -> None:
    files = models if command == "compare" else models[:1]
    written = () if command == "inspect" else ("-o", tmp_path / "out.json")
    alone = run(command, *files, *options, *written)
    kept = (tmp_path / "out.json").read_bytes() if code < 2 and written else b""
    assert alone.code == code, alone.stderr
    first, second = ranks(2, command, *files, *options, *written)
    assert (first, second) == (Ended(alone.stdout, alone.stderr, code), Ended("", "", code))
    assert not kept or (tmp_path / "out.json").read_bytes() == kept


def test_what_is_typed_wrongly_is_told_once(models: tuple[Path, Path]) -> None:
    first, second = ranks(2, "compare", *models, "--nope")
    assert (first.code, second) == (2, Ended("", "", 2))
    assert first.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], [], ["report", "--help"], ["metrics", "--help"], ["metrics"]]
)
def test_what_is_asked_of_the_program_is_told_once(run: Run, args: list[str]) -> None:
    alone = run(*args)
    assert (alone.code, alone.stdout != "") == (0, True)
    assert ranks(2, *args) == [Ended(alone.stdout, "", 0), Ended("", "", 0)]


@pytest.mark.parametrize(
    "args",
    [
        ["report"],
        ["reprot", "a.csv"],
        ["report", "a.csv", "-f", "nope"],
        ["report", "nope.csv", "-f", "json"],
        ["report", "a.csv", "--config", "nope.toml"],
        ["report", "a.csv", "--min", "nope=1"],
        ["report", "a.csv", "--batch-size", "0"],
        ["report", "a.csv", "--workers", "many"],
        ["report", "a.csv", "--labels", "nope.txt"],
        ["report", "a.csv", "--device", "nope"],
        ["report", "a.csv", "--define", "x = ("],
        ["metrics", "nope"],
        ["gate", "nope.json"],
    ],
)
def test_a_wrong_call_is_told_once(models: tuple[Path, Path], args: list[str]) -> None:
    args = [arg.replace("a.csv", str(models[0])) for arg in args]
    first, second = ranks(2, *args)
    assert (first.code, second) == (2, Ended("", "", 2))
    assert first.stderr.count("\n") == 1


def test_work_that_takes_longer_than_the_timeout_is_waited_for(models: tuple[Path, Path]) -> None:
    slow = BROKEN.format(when="in_first", at="", what="args = (lambda work=args[0]: (time.sleep(1.8), work())[1],)")
    first, second = ranks(2, "compare", *models, "--timeout", 1, "--quiet", broken=(0, slow))
    assert (first.code, second) == (0, Ended("", "", 0)), first.stderr


def test_X19_rank_0_that_is_killed_leaves_the_others_with_an_error(models: tuple[Path, Path]) -> None:
    end = "args = (lambda: (time.sleep(2), os.kill(os.getpid(), signal.SIGKILL)),)"
    program = BROKEN.format(when="in_first", at="", what=end)
    killed, second = ranks(2, "compare", *models, "--timeout", 100, "--quiet", broken=(0, program))
    assert killed.code == -9
    assert (second.code, second.stdout) == (2, "")
    assert "evalcli: rank 1: another rank is gone, no verdict" in second.stderr


def test_X19_rank_0_that_hangs_is_not_waited_for(models: tuple[Path, Path]) -> None:
    program = BROKEN.format(when="in_first", at="", what="os.kill(os.getpid(), signal.SIGSTOP)")
    _, second = ranks(2, "compare", *models, "--timeout", 2, "--quiet", broken=(0, program), stop=True)
    assert (second.code, second.stdout) == (2, "")
    late = "another rank has not come within 2 s", "not all 2 ranks have come together within 2 s"  # while they meet
    assert any(f"evalcli: rank 1: {words}" in second.stderr for words in late)


@pytest.mark.parametrize("on", ["point", "interval"])
def test_drops_from_a_baselines_predictions(run: Run, models: tuple[Path, Path], on: str) -> None:
    better, worse = models
    args = ("report", worse, "--baseline", better, "--gate-on", on, "-f", "json", "--by", "side")
    args += ("--max-drop", "accuracy=0.01", "--max-drop", "gap=0.5", "--define", "gap = recall[0] - recall[1]")
    args += ("--max-drop", "accuracy@side=*=0.9")
    alone = run(*args)
    assert alone.code == 1, alone.stderr
    assert ranks(2, *args) == [Ended(alone.stdout, alone.stderr, 1), Ended("", "", 1)]


def test_a_baseline_of_other_rows_is_told_once(models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("pred,target\n0,0\n1,1\n")
    first, second = ranks(2, "report", models[0], "--baseline", tmp_path / "short.csv", "--max-drop", "accuracy=0.1")
    assert (first.code, second) == (2, Ended("", "", 2))
    assert first.stderr.count("\n") == 1
