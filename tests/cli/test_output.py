"""Files whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import tempfile
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from system_errors import NO_ROOM

from evalcli.cli.output import check_outputs, write_outputs
from evalcli.errors import OutputError
from evalcli.renderers import render
from evalcli.report import Report, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_every_suffix_gives_its_format_and_stdout_still_prints(
    run: Callable[..., Any], work: Any, tmp_path: Path
) -> None:
    paths = ["r.json", "r.csv", "r.md", "R.TXT"]
    result = run("report", "p.csv", *(part for path in paths for part in ("-o", path)))
    assert result.code == 0
    assert "cat" in result.stdout
    assert names(tmp_path) == sorted(paths)
    formats = {"r.json": "json", "r.csv": "csv", "r.md": "markdown", "R.TXT": "rich"}
    for path, form in formats.items():
        assert (tmp_path / path).read_text(encoding="utf-8") == render(work.result, form)


def test_a_failed_gate_still_writes_the_files(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    assert run("report", "p.csv", "-o", "r.json", "--min", "accuracy=0.95").code == 1
    assert json.loads((tmp_path / "r.json").read_text())["gates"][0]["status"] == "fail"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("-o", "missing/r.json"), "E4"),
        (("-o", "folder.json"), "E2"),
        (("-o", "p.csv"), "E2"),
        (("-o", "./p.csv"), "E2"),
        (("-o", "link.csv"), "E2"),
        (("-o", "hard.csv"), "E2"),
        (("-o", "a.json", "-o", "./a.json"), "E2"),
        (("-o", "a.json", "-o", "b.txt.json", "-o", "to-a.json"), "E2"),
        (("-o", "noformat"), "E2"),
        (("-o", ""), "E2"),
        (("-o", "nul\0.json"), "E4"),
        (("-o", "p.csv/r.json"), "E4"),
        (("-o", "x" * 300 + ".json"), "E4"),
    ],
)
def test_X14_X15_an_output_that_cannot_be_is_refused_before_the_work(
    run: Callable[..., Any], work: Any, tmp_path: Path, args: tuple[str, ...], code: str
) -> None:
    (tmp_path / "p.csv").write_text("target,pred\n")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.csv").symlink_to("p.csv")
    (tmp_path / "to-a.json").symlink_to("a.json")
    os.link(tmp_path / "p.csv", tmp_path / "hard.csv")
    before = names(tmp_path)
    result = run("report", "p.csv", *args)
    assert result.code == 2
    assert result.stderr.endswith(f"[{code}]\n")
    assert work.calls == []
    assert names(tmp_path) == before


def test_X14_a_baseline_is_an_input_too(run: Callable[..., Any], work: Any, saved: Path) -> None:
    before = saved.read_bytes()
    assert run("gate", saved, "--min", "accuracy=0.9", "-o", saved).code == 2
    assert run("report", "*.csv", "--baseline", saved, "--max-drop", "mcc=0.1", "-o", saved).code == 2
    assert saved.read_bytes() == before


def test_X14_a_glob_names_inputs(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("target,pred\n")
    assert run("report", "*.csv", "-o", "a.csv").code == 2
    assert (tmp_path / "a.csv").read_text() == "target,pred\n"


def test_X14_class_names_and_standard_input_are_inputs_too(
    run: Callable[..., Any], work: Any, spawn: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    result = run("report", "p.csv", "--labels", "names.txt", "-o", "names.txt")
    assert result.stderr == "evalcli: names.txt: the output is an input too; write to another file [E2]\n"
    assert (tmp_path / "names.txt").read_text() == "cat\ndog\n"
    text = "target,pred\na,a\nb,b\nc,c\n"
    (tmp_path / "x.csv").write_text(text)
    assert spawn("report", "-", "-o", "x.csv", shell="< x.csv").code == 2
    assert (tmp_path / "x.csv").read_text() == text
    assert spawn("report", "-", "-o", "y.csv", "--quiet", shell="< x.csv").code == 0


def test_X15_a_read_only_file_is_left_alone(
    run: Callable[..., Any], work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.json").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may all
    result = run("report", "p.csv", "-o", "r.json")
    assert result.stderr == "evalcli: r.json: is read-only; write to another file [E4]\n"
    assert work.calls == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write here")
def test_X15_a_folder_that_takes_no_file() -> None:
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    child = os.fork()
    if child == 0:  # pragma: no cover
        code = 1
        try:
            os.chdir(folder)
            os.setuid(65534)
            check_outputs(["r.json"])
        except OutputError as e:
            code = 0 if "cannot be written: permission denied" in str(e) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.rmdir(folder)


def test_X12_a_new_file_has_the_umask_and_an_old_one_keeps_its_mode(
    run: Callable[..., Any], work: Any, tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    old.write_text("x")
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        assert run("report", "p.csv", "-o", "old.json", "-o", "new.json").code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640


def test_X13_a_link_stays_a_link(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "r.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real/r.json")
    (tmp_path / "dangling.json").symlink_to("real/new.json")
    assert run("report", "p.csv", "-o", "link.json", "-o", "dangling.json").code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "dangling.json").is_symlink()
    assert json.loads((tmp_path / "real" / "r.json").read_text()) == work.result.to_json_object()
    assert names(tmp_path / "real") == ["new.json", "r.json"]


def test_X13_devices_and_pipes_are_written_directly(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "fifo.json").read_bytes()))
    reader.start()
    assert run("report", "p.csv", "-o", "fifo.json", "-o", "/dev/null").code == 0
    reader.join(10)
    assert json.loads(got[0]) == work.result.to_json_object()
    assert stat.S_ISFIFO((tmp_path / "fifo.json").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_X13_dev_stdout_is_standard_output(spawn: Callable[..., Any], saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    out.write_text("x" * 100_000)
    args = ("gate", saved, "--min", "accuracy=0.9", "-f", "json", "--quiet", "-o", "/dev/stdout")
    assert spawn(*args, shell=f"> {out}").code == 0
    assert json.loads(out.read_text())["task"] == "multiclass"


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_X11_a_write_that_fails_leaves_every_old_file_whole(
    run: Callable[..., Any], work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("old")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if broken == "write":
        monkeypatch.setattr("evalcli.cli.output._encoded", full)
    elif broken == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr("pathlib.Path.replace", full)
    result = run("report", "p.csv", "-o", "a.json", "-o", "b.json")
    assert result.stderr == f"evalcli: a.json: cannot be written: {NO_ROOM} [E4]\n"
    assert result.code == 2
    assert result.stdout == ""
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {"a.json": "old", "b.json": "old"}


def test_X11_a_report_that_cannot_be_rendered_writes_nothing(
    run: Callable[..., Any], work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_text("old")
    broken: Report = replace(work.result, metrics={"accuracy": Value("no number")})  # type: ignore[arg-type]
    work.result = broken
    result = run("report", "p.csv", "-o", "a.json", "-o", "b.md")
    assert result.code == 70
    assert names(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "old"
    os.unlink(result.stderr.partition("traceback is in ")[2].partition(";")[0])


def test_X06_what_a_killed_run_left_is_removed(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    stale = tmp_path / f".r.json.{dead.pid}.tmp"
    mine = tmp_path / f".r.json.{os.getpid()}.tmp"
    kept = [tmp_path / ".r.json.1.tmp", tmp_path / ".other.json.99999999.tmp", tmp_path / ".r.json.x.tmp"]
    for path in (stale, mine, *kept):  # process 1 lives
        path.write_text("half a rep")
    assert run("report", "p.csv", "-o", "r.json").code == 0
    assert names(tmp_path) == sorted(["r.json", *(path.name for path in kept)])


def test_X16_of_two_runs_the_last_wins_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "r.json")
    texts = ["a" * 100_000, "b" * 100_000]
    for text in texts:
        write_outputs([(check_outputs([path])[0], text)])
        assert (tmp_path / "r.json").read_text() == text


LONGEST = [
    "r" * 250 + ".json",
    "é" * 120 + "abcdefghij.json",
    "r" * 96 + ".json",
    "r" * 95 + ".json",
    "r" * 244 + ".evalcli",
]


@pytest.mark.parametrize("name", LONGEST)
def test_any_name_that_the_file_system_takes_is_written_whole_or_not(tmp_path: Path, name: str) -> None:
    path, text = tmp_path / name, "new"
    for before in (None, "old"):
        if before is not None:
            path.write_text(before)
        (target,) = check_outputs([str(path)], parts=True)
        with pytest.raises(ZeroDivisionError):
            write_outputs([(target, (str(1 // each) for each in (1, 0)))])
        assert names(tmp_path) == ([] if before is None else [name])
        assert before is None or path.read_text() == before
    write_outputs([(target, text)])
    assert (names(tmp_path), path.read_text()) == ([name], text)


def test_long_names_that_begin_alike_have_files_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / f"{'r' * 245}{i}.json" for i in range(3)]
    targets = check_outputs([str(path) for path in paths])
    write_outputs([(target, str(i)) for i, target in enumerate(targets)])
    assert [path.read_text() for path in paths] == ["0", "1", "2"]


def test_what_a_killed_run_left_of_a_long_name_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "r" * 250 + ".json"
    (target,) = check_outputs([str(tmp_path / name)])
    with monkeypatch.context() as killed:
        killed.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        check_outputs([target.path])
    assert len(names(tmp_path)) == 1
    check_outputs([target.path])
    assert names(tmp_path) == []


def test_a_name_that_is_too_long_is_told_before_any_work(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    result = run("report", "p.csv", "-o", "r" * 251 + ".json")
    assert (result.code, names(tmp_path)) == (2, [])
    assert "name too long" in result.stderr
