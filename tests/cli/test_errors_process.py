"""The errors command seen from outside: streams, signals, terminals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from saved_files import save
from system_errors import NO_ROOM


@pytest.fixture
def many(tmp_path):
    """A table of more mistakes than any pipe holds at once."""
    path = tmp_path / "many.csv"
    path.write_text("target,pred\n" + "a,b\nb,a\n" * 20_000)
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv", "json", "rich"])
def test_X01_a_reader_who_leaves_is_no_error(spawn, many, form):
    args = ("errors", many, "--task", "multiclass", "-f", form, "--limit", "all", "-o", "all.jsonl")
    done = spawn(*args, shell="| head -1; exit ${PIPESTATUS[0]}", cwd=many.parent)
    assert (done.code, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    assert len((many.parent / "all.jsonl").read_text().splitlines()) == 40_000


def test_X01_no_more_is_read_when_nobody_listens(spawn, many):
    started = time.monotonic()
    many.write_text("target,pred\n" + "a,b\nb,a\n" * 2_000_000)
    done = spawn("errors", many, "--task", "multiclass", shell="| head -1; exit ${PIPESTATUS[0]}")
    assert (done.code, done.stderr) == (0, "")
    assert time.monotonic() - started < 30


def test_X02_X03_a_full_or_closed_standard_output(spawn, many):
    args = ("errors", many, "--task", "multiclass")
    for form in ("jsonl", "csv", "rich"):
        done = spawn(*args, "-f", form, shell="> /dev/full")
        assert done.code == 2
        assert done.stderr == "evalcli: standard output: No space left on device; write to a file with -o FILE [E4]\n"
    done = spawn(*args, shell=">&-")
    assert (done.code, done.stderr) == (2, "evalcli: standard output is closed; write to a file with -o FILE [E4]\n")
    assert spawn(*args, "-o", "out.jsonl", shell=">&-", cwd=many.parent).code == 0
    assert (many.parent / "out.jsonl").read_text().count("\n") == 40_000
    done = spawn(*args, "-o", "/dev/full", "-o", "b.csv", "--quiet", cwd=many.parent)
    assert done.stderr == f"evalcli: /dev/full: cannot be written: {NO_ROOM} [E4]\n"
    assert not (many.parent / "b.csv").exists()


SLOW = """
import sys, time
import evalcli.mistakes as mistakes
rows = mistakes._Passes._in_order
def slow(self, limit):
    for piece in rows(self, limit):
        yield piece
        print("ready", file=sys.stderr, flush=True)
        time.sleep(30)
mistakes._Passes._in_order = slow
from evalcli.cli import main
main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("output", [[], ["-o", "out.jsonl"]])
def test_X04_X05_a_signal_while_rows_are_listed(many, number, code, output):
    command = [sys.executable, "-c", SLOW, "errors", str(many), "--task", "multiclass", "--batch-size", "100", *output]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", cwd=many.parent
    ) as process:
        assert process.stderr is not None
        while process.stderr.readline() != "ready\n":
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err.splitlines()[-1].startswith(("evalcli: interrupted after ", "evalcli: terminated"))
    assert (out == "") == bool(output)
    assert sorted(path.name for path in many.parent.iterdir()) == ["many.csv"]


def on_a_terminal(command, cwd, **env):
    """What a person sees on a pseudo terminal."""
    leader, follower = pty.openpty()
    clean = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", **env}
    with subprocess.Popen(command, stdout=follower, stderr=follower, env=clean, cwd=cwd) as process:
        os.close(follower)
        seen = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        process.wait(60)
    os.close(leader)
    return seen.decode("utf-8")


def test_a_terminal_gets_a_table_and_a_pipe_json_lines(tmp_path, spawn):
    rng = np.random.default_rng(13)
    target = rng.integers(0, 4, 300)
    logits = rng.normal(size=(300, 4)) + np.eye(4)[target]
    path = save(tmp_path / "x.npz", {"logits": logits, "target": target})
    seen = on_a_terminal([sys.executable, "-m", "evalcli", "errors", str(path)], tmp_path)
    assert "listed" in seen
    assert "\x1b[" in seen
    assert "\x1b" not in on_a_terminal([sys.executable, "-m", "evalcli", "errors", str(path)], tmp_path, NO_COLOR="1")
    assert len(list(map(json.loads, spawn("errors", path).stdout.splitlines()))) > 20


def test_O07_any_name_reaches_an_ascii_standard_output(spawn, tmp_path):
    path = save(tmp_path / "x.csv", {"pred": ["kätzchen☃", "b"], "target": ["b", "kätzchen☃"]})
    for form in ("rich", "jsonl", "csv", "json"):
        done = spawn(
            "errors", path, "--task", "multiclass", "-f", form, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
        )
        assert done.code == 0, done.stderr
        assert done.stdout.isascii()
        assert ("k\\xe4tzchen" if form == "rich" else "k\\u00e4tzchen") in done.stdout  # as JSON writes it
