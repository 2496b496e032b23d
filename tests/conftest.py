"""One way to run the tool in tests: ``run("report", …)`` in this process, ``spawn("report", …)`` as a real one."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_DEADLINE = 60


@dataclass(frozen=True)
class Result:
    """What a shell would see."""

    stdout: str
    stderr: str
    code: int


def pytest_configure() -> None:
    """Ctrl-C interrupts, also where a shell started the tests in the background and had them ignore it.

    Where tests run on every core, torch has one thread in each: more of them wait for one another, and busily.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Eleven thousand tests and what they import stay: looking through them for garbage took a quarter of the time.

    Nor are they looked through again whenever a test leaves garbage, which is looked for as seldom as the command line
    does: that leaves out a tenth.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(100_000)
        gc.enable()


_OWN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS", "CLICOLOR")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the tool in this process: everything but the start, the signals and the real streams."""
    from evalcli.cli import run as call

    for name in _OWN:
        monkeypatch.delenv(name, raising=False)

    def called(*args: object, env: dict[str, str] | None = None) -> Result:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = call([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return Result(out, err, int(code))

    return called


@pytest.fixture
def counted(run: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """The JSON of a report that must come, with its matrix as ``{(target, prediction): count}``."""

    def called(*args: object) -> dict[str, Any]:
        result = run("report", *args, "-f", "json")
        assert result.code == 0, result.stderr
        data: dict[str, Any] = json.loads(result.stdout)
        names = data["classes"]
        matrix = data["confusion"]["matrix"]
        cells = {(names[t], names[p]): n for t, row in enumerate(matrix) for p, n in enumerate(row) if n}
        return data | {"cells": cells}

    return called


@pytest.fixture
def refused(run: Callable[..., Result]) -> Callable[..., str]:
    """The one line of a report that must not come."""

    def called(*args: object, kind: str = "E3") -> str:
        result = run("report", *args)
        assert (result.code, result.stdout) == (2, ""), result
        assert result.stderr.endswith(f"[{kind}]\n")
        assert result.stderr.count("\n") == 1
        assert result.stderr[:-1].isprintable()
        return str(result.stderr)

    return called


@pytest.fixture
def spawn() -> Callable[..., Result]:
    """Start the tool as its own process; ``code`` runs Python in front of it, ``shell`` is what stands after it."""

    def started(*args: object, shell: str = "", env: dict[str, str] | None = None, **more: Any) -> Result:
        command = [sys.executable, "-m", "evalcli", *map(str, args)]
        clean = {name: value for name, value in os.environ.items() if name not in _OWN} | (env or {})
        if shell:
            command = ["bash", "-c", f'"$@" {shell}', "bash", *command]
        done = subprocess.run(
            command, capture_output=True, env=clean, timeout=_DEADLINE, encoding="utf-8", check=False, **more
        )
        return Result(done.stdout, done.stderr, done.returncode)

    return started
