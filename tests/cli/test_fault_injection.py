"""Every place where reading or writing can fail, failing once: the old output intact, the right code, nothing left."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from system_errors import FAILING, LARGE, NO_ROOM

from evalcli import cli
from evalcli.sources.rawfile import RawFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., Any]
    Limit = Callable[[], None]

OLD = "what stood here before"
OUTPUTS = ("a.json", "b.md", "c.csv")
LISTS = ("a.json", "b.jsonl", "c.csv")
"""What ``errors`` writes, piece by piece."""
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may not write must not leave half a module behind for the next one."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Predictions and truth in two small files, and old outputs beside them."""
    truth = np.arange(300) % 3
    np.save(tmp_path / "p.npy", np.where(np.arange(300) % 10, truth, 0))
    np.save(tmp_path / "t.npy", truth)
    for name in {*OUTPUTS, *LISTS}:
        (tmp_path / name).write_text(OLD)
        (tmp_path / name).chmod(0o600)  # not what a new file gets: the mode has to be set
    return "p.npy", "t.npy"


class Nth:
    """Stands before a function and fails its call number ``n``."""

    def __init__(self, real: Callable[..., Any], n: int, error: OSError) -> None:
        self.real, self.n, self.error, self.calls = real, n, error, 0

    def __call__(self, *args: Any, **more: Any) -> Any:
        self.calls += 1
        if self.calls == self.n:
            raise self.error
        return self.real(*args, **more)

    def __get__(self, instance: Any, owner: type) -> Any:  # as a function would, where it stands for a method
        return lambda *args, **more: self(instance, *args, **more)


WRITES = [(os, "open"), (os, "fchmod"), (os, "fsync"), (Path, "open"), (Path, "replace")]


@pytest.mark.parametrize(("owner", "name"), WRITES, ids=[f"{o.__name__}.{n}" for o, n in WRITES])
@pytest.mark.parametrize(("verb", "outputs"), [("report", OUTPUTS), ("errors", LISTS)])
def test_X11_the_nth_call_of_every_kind_fails_once(
    run: Run, files: tuple[str, str], tmp_path: Path, owner: Any, name: str, verb: str, outputs: tuple[str, ...]
) -> None:
    command = [verb, *files, *(part for output in outputs for part in ("-o", output))]
    assert run(*command).code == 0
    new = {output: (tmp_path / output).read_text() for output in outputs}
    everything = sorted(path.name for path in tmp_path.iterdir())
    failures = 0
    for n in range(1, 100):
        for output in outputs:
            (tmp_path / output).write_text(OLD)
        with pytest.MonkeyPatch.context() as patch:
            step = Nth(getattr(owner, name), n, FULL)
            patch.setattr(owner, name, step)
            result = run(*command)
        if step.calls < n:
            assert result.code == 0
            break
        failures += 1
        assert result.code == 2, (n, result)
        assert result.stdout == ""
        assert result.stderr.endswith(("[E4]\n", "[E3]\n")), result.stderr
        assert "no space left on device" in result.stderr.lower()
        assert sorted(path.name for path in tmp_path.iterdir()) == everything
        texts = {output: (tmp_path / output).read_text() for output in outputs}
        assert all(texts[output] in (OLD, new[output]) for output in outputs)
        if name != "replace":  # by then all are complete on disk, and only the names are missing
            assert set(texts.values()) == {OLD}
    assert failures >= len(outputs)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors"])
def test_the_nth_read_fails_once(
    run: Run, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    import safetensors.numpy
    import torch

    both = {"pred": np.load(tmp_path / "p.npy"), "target": np.load(tmp_path / "t.npy")}
    path = tmp_path / f"x{suffix}"
    if suffix == ".pt":
        torch.save({name: torch.from_numpy(values) for name, values in both.items()}, path)
    elif suffix == ".safetensors":
        safetensors.numpy.save_file(both, path)
    elif suffix == ".npz":
        np.savez(path, **both)
    else:
        table = np.empty(300, [("pred", "i8"), ("target", "i8")])
        table["pred"], table["target"] = both["pred"], both["target"]
        np.save(path, table)
    for n in range(1, 200):
        step = Nth(RawFile._pread, n, OSError(errno.EIO, "Input/output error"))
        monkeypatch.setattr(RawFile, "_pread", step)
        result = run("report", path, "-o", "a.json", "--batch-size", 100, "--workers", 2)
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        if step.calls < n:
            assert result.code == 0
            break
        assert result.code == 2, (n, result)
        assert result.stderr == f"evalcli: {path}: cannot be read: {FAILING} [E3]\n"
        assert (tmp_path / "a.json").read_text() == OLD
    assert n > 5


def limited(kind: int, value: int) -> Limit:
    """For a child: a limit of its own, and the signal that tells of it ignored as Python does."""

    def set_limit() -> None:
        resource.setrlimit(kind, (value, value))

    return set_limit


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
@pytest.mark.parametrize("verb", ["report", "errors"])
def test_X11_a_limit_on_the_size_of_files(
    spawn: Run, files: tuple[str, str], tmp_path: Path, size: int, verb: str
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    second = "b.md" if verb == "report" else "b.jsonl"
    result = spawn(verb, *files, "-o", "a.json", "-o", second, preexec_fn=limited(resource.RLIMIT_FSIZE, size))
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == f"evalcli: a.json: cannot be written: {LARGE} [E4]\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "a.json").read_text() == (tmp_path / second).read_text() == OLD


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_X11_a_disk_that_is_full(spawn: Run, files: tuple[str, str], tiny_disk: Path) -> None:
    (tiny_disk / "a.json").write_text(OLD)
    (tiny_disk / "ballast").write_bytes(b"x" * 60 * 1024)
    result = spawn("report", *files, "-o", tiny_disk / "a.json")
    assert result.code == 2
    assert result.stderr.endswith(f"a.json: cannot be written: {NO_ROOM} [E4]\n")
    assert (tiny_disk / "a.json").read_text() == OLD
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["a.json", "ballast"]
    (tiny_disk / "ballast").unlink()
    assert spawn("report", *files, "-o", tiny_disk / "a.json").code == 0
    assert json.loads((tiny_disk / "a.json").read_text())["n"] == 300


def test_X11_no_room_for_what_comes_by_a_pipe(spawn: Run, files: tuple[str, str], tiny_disk: Path) -> None:
    with open("p.npy", "rb") as stdin:
        result = spawn("report", "-", "t.npy", stdin=stdin, env={"TMPDIR": str(tiny_disk)})
    assert result.code == 0, result.stderr
    np.save("p.npy", np.zeros(100_000, np.int64))
    with open("p.npy", "rb") as stdin:
        result = spawn("report", "-", "t.npy", stdin=stdin, env={"TMPDIR": str(tiny_disk)})
    assert result.code == 2
    assert result.stderr == ("evalcli: -: cannot be copied: No space left on device; set TMPDIR to a roomy disk [E3]\n")
    assert list(tiny_disk.iterdir()) == []


def test_X11_no_room_for_the_copy_of_a_table_is_no_fault_of_the_table(
    spawn: Run, tmp_path: Path, tiny_disk: Path
) -> None:
    (tmp_path / "a.csv").write_text("pred,target\n" + "cat,dog\n" * 20_000, encoding="utf-16")
    result = spawn("report", "a.csv", env={"TMPDIR": str(tiny_disk)})
    assert result.code == 2
    assert result.stderr == "evalcli: a.csv: the disk for temporary files is full; set TMPDIR to a roomy disk [E6]\n"
    assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize("path", ["a.csv", "-"])
def test_X11_no_place_for_any_temporary_file(spawn: Run, tmp_path: Path, path: str) -> None:
    """As in a container whose disk can only be read, or where all disks are full."""
    (tmp_path / "a.csv").write_text("pred,target\n" + "cat,dog\n" * 20)
    with open("a.csv") as stdin:
        result = spawn("report", path, stdin=stdin, preexec_fn=limited(resource.RLIMIT_FSIZE, 0))
    assert result.code == 2
    assert result.stderr.startswith("evalcli: no temporary file can be made: No usable temporary directory found in [")
    assert result.stderr.endswith("]; set TMPDIR to a folder that takes files [E6]\n")


def test_X02_X11_devices_that_are_full(spawn: Run, files: tuple[str, str], tmp_path: Path) -> None:
    result = spawn("report", *files, "-o", "/dev/full", "-o", "a.json", "--quiet")
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == f"evalcli: /dev/full: cannot be written: {NO_ROOM} [E4]\n"
    assert (tmp_path / "a.json").read_text() == OLD
    # A verdict that is known outranks a standard error that nobody can read.
    for bound, code in (("0.1", 0), ("0.99", 1)):
        assert spawn("report", *files, "--min", f"accuracy={bound}", shell="2> /dev/full").code == code
    assert spawn("report", "missing.npy", shell="2> /dev/full").code == 2


def test_X06_a_kill_while_writing_leaves_one_file_of_ours(
    driver: Callable[[str], list[str]], saved: Path, run: Run, files: tuple[str, str], tmp_path: Path
) -> None:
    body = (
        f"def die(number):\n    os.kill(os.getpid(), {int(signal.SIGKILL)})\nos.fsync = die\n"
        "return parse_report(open('saved.json', 'rb').read())"
    )
    before = {path.name for path in tmp_path.iterdir()} | {"driver.py"}
    with subprocess.Popen([sys.executable, *driver(body), "report", "p.npy", "-o", "a.json"]) as process:
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    left = {path.name for path in tmp_path.iterdir()} - before
    assert left == {f".a.json.{process.pid}.tmp"}
    assert (tmp_path / "a.json").read_text() == OLD
    assert run("report", *files, "-o", "a.json").code == 0
    assert {path.name for path in tmp_path.iterdir()} == before
    assert json.loads((tmp_path / "a.json").read_text())["n"] == 300


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["report", "errors"])
def test_X04_X05_a_signal_at_every_step_of_writing(
    run: Run, files: tuple[str, str], tmp_path: Path, signalled: signal.Signals, verb: str
) -> None:
    """What a signal raises, at each call: no temporary file stays, and every output is whole."""
    from evalcli.cli.failure import Terminated

    error, code = {
        signal.SIGINT: (KeyboardInterrupt(), 130),
        signal.SIGTERM: (Terminated(), 143),
    }[signalled]
    names = {path.name for path in tmp_path.iterdir()}
    for owner, name in ((os, "fchmod"), (os, "fsync"), (Path, "open"), (Path, "replace")):
        for n in range(1, 100):
            (tmp_path / "a.json").write_text(OLD)
            with pytest.MonkeyPatch.context() as patch:
                step = Nth(getattr(owner, name), n, error)  # type: ignore[arg-type]  # any error will do
                patch.setattr(owner, name, step)
                result = run(verb, *files, "-o", "a.json")
            if step.calls < n:
                break
            assert result.code == code
            assert result.stderr.endswith("no verdict\n")
            assert {path.name for path in tmp_path.iterdir()} == names
            assert (tmp_path / "a.json").read_text() == OLD
        assert n > 1


@pytest.mark.parametrize(
    ("module", "limit", "says"),
    [
        ("numpy._core.multiarray", 1 << 30, (2, "not enough memory")),
        ("numpy._core.multiarray", resource.RLIM_INFINITY, (130, "interrupted")),
        ("evalcli.engine", 1 << 30, (130, "interrupted")),
    ],
)
def test_X17_threads_that_numpy_has_no_memory_for_are_no_interrupt(monkeypatch, capsys, module, limit, says):
    code = compile("raise KeyboardInterrupt", module, "exec")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    monkeypatch.setattr(cli, "_called", lambda _: exec(code, {"__name__": module}))
    assert (cli.run([]), says[1] in capsys.readouterr().err) == (says[0], True)


LIBRARY = """
import ctypes, resource, sys
from unittest.mock import patch
from evalcli import cli

resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.RLIM_INFINITY))
with patch.object(cli, "run", lambda _: ctypes.CDLL(None).exit(1)):
    cli.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize(("limit", "code", "says"), [(1 << 40, 2, "not enough memory to start numpy"), (-1, 1, "")])
def test_X17_a_library_that_ends_the_process_for_want_of_memory_fails_no_gate(limit, code, says):
    done = subprocess.run([sys.executable, "-c", LIBRARY, str(limit)], capture_output=True, text=True, check=False)
    assert (done.returncode, says in done.stderr, bool(done.stderr)) == (code, True, bool(says))


def test_X17_memory_that_does_not_suffice_is_a_limit(spawn: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.zeros((4_000_000, 10), np.float32))
    np.save(tmp_path / "t.npy", np.zeros(4_000_000, np.int64))
    few = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = ("report", "p.npy", "t.npy", "--task", "multiclass", "--scores", "logits", "--workers", 1)
    limit = limited(resource.RLIMIT_AS, 400 << 20)
    np.save(tmp_path / "few.npy", np.zeros((4, 10), np.float32))
    np.save(tmp_path / "labels.npy", np.zeros(4, np.int64))
    if spawn("report", "few.npy", "labels.npy", *command[3:], env=few, preexec_fn=limit).code != 0:
        pytest.skip("the libraries alone need more here")
    result = spawn(*command, "--batch-size", "4M", "-o", "a.json", env=few, preexec_fn=limit)
    assert result.code == 2, result.stderr
    assert result.stderr == "evalcli: not enough memory; try a smaller --batch-size [E6]\n"
    assert not (tmp_path / "a.json").exists()
