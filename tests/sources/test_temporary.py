"""Temporary files: gone when they are closed, and those of a process that was killed with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from time import time

import pytest

from evalcli.sources.temporary import TemporaryFile, TemporaryFolder

KILLED = """
import os, sys, tempfile
from evalcli.sources.temporary import TemporaryFile, TemporaryFolder
made = TemporaryFile(), TemporaryFolder()
open(os.path.join(made[1].path, "spilled"), "w").close()
print(*(one.path for one in made), flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def make_and_look(place: Path) -> set[str]:
    """What lies there once another file and folder were made and closed."""
    for make in (TemporaryFile, TemporaryFolder):
        with closing(make()) as made:
            assert Path(made.path).parent == place
    return {entry.name for entry in place.iterdir()}


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (time() - 7200,) * 2)


def test_what_a_killed_process_left_is_removed_by_the_next_once_it_is_old(place: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    left = [Path(path) for path in child.stdout.readline().split()]
    names = {path.name for path in left}
    age(*left)
    assert make_and_look(place) == names  # it is alive
    child.communicate("")
    for path in left:
        os.utime(path)
    assert make_and_look(place) == names  # and may just have been made
    age(*left)
    assert make_and_look(place) == set()


def test_what_others_have_made_stays(place: Path) -> None:
    elsewhere = place / "kept"
    elsewhere.mkdir()
    (place / "evalcli-tables-link").symlink_to(elsewhere)
    (place / "evalcli-report").write_text("")
    age(place / "evalcli-report")
    os.utime(place / "evalcli-tables-link", (0, 0), follow_symlinks=False)
    assert make_and_look(place) == {"kept", "evalcli-tables-link", "evalcli-report"}


def test_closing_twice_is_harmless(place: Path) -> None:
    for make in (TemporaryFile, TemporaryFolder):
        made = make()
        made.close()
        made.close()
    assert not [*place.iterdir()]
