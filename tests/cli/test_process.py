"""Streams, signals and exit codes, seen from outside: real processes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from evalcli.cli import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REPORT = "return parse_report(open('saved.json', 'rb').read())"
SLOW = "progress(3, 10)\nprint('ready', flush=True, file=sys.stderr)\ntime.sleep(30)"


def shell(command: list[str], after: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'"$@" {after}', "bash", sys.executable, *command],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **more,
    )


@pytest.mark.parametrize(("bound", "code"), [("0.9", 0), ("0.95", 1)])
def test_X01_a_verdict_outranks_a_closed_pipe(
    driver: Callable[[str], list[str]], saved: Path, bound: str, code: int
) -> None:
    # The reader is gone before the first byte; the file is written and the verdict is the exit code.
    command = [*driver(f"time.sleep(0.3)\n{REPORT}"), "report", "p.csv", "--min", f"accuracy={bound}", "-o", "r.json"]
    done = shell(command, "| true; exit ${PIPESTATUS[0]}")
    assert done.returncode == code
    assert "rror" not in done.stderr
    assert json.loads(saved.with_name("r.json").read_text())["n"] == 100


def test_X02_a_full_disk_behind_stdout_is_one_line(driver: Callable[[str], list[str]], saved: Path) -> None:
    done = shell([*driver(REPORT), "report", "p.csv"], "> /dev/full")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "evalcli: standard output: No space left on device; write to a file with -o FILE [E4]"
    )
    assert "Traceback" not in done.stderr


def test_X03_a_closed_stdout_is_an_error_unless_files_were_asked_for(
    driver: Callable[[str], list[str]], saved: Path
) -> None:
    command = [*driver(REPORT), "report", "p.csv"]
    done = shell(command, ">&-")
    assert done.returncode == 2
    assert done.stderr == "evalcli: standard output is closed; write to a file with -o FILE [E4]\n"
    assert shell([*command, "-o", "r.json"], ">&-").returncode == 0
    assert json.loads(saved.with_name("r.json").read_text())["n"] == 100
    assert shell([*command, "--quiet"], ">&-").returncode == 0


def test_a_closed_stderr_changes_nothing(driver: Callable[[str], list[str]], saved: Path) -> None:
    done = shell([*driver(REPORT), "report", "p.csv", "-f", "json", "--min", "accuracy=0.95"], "2>&-")
    assert done.returncode == 1
    assert json.loads(done.stdout)["n"] == 100


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "evalcli: interrupted after 3 of 10 rows, no verdict"),
        (signal.SIGTERM, 143, "evalcli: terminated, no verdict"),
    ],
)
def test_X04_X05_a_signal_ends_it_with_no_file(
    driver: Callable[[str], list[str]], saved: Path, number: signal.Signals, code: int, words: str
) -> None:
    command = [sys.executable, *driver(SLOW), "report", "p.csv", "-o", "r.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        started = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert time.monotonic() - started < 10
    assert out == ""
    assert err.splitlines() == ["closed", words]
    assert sorted(path.name for path in saved.parent.iterdir()) == ["driver.py", "saved.json"]


def test_X05_a_signal_while_writing_removes_the_temporary_file(driver: Callable[[str], list[str]], saved: Path) -> None:
    body = f"def stop(number):\n    os.kill(os.getpid(), {int(signal.SIGTERM)})\nos.fsync = stop\n{REPORT}"
    done = shell([*driver(body), "report", "p.csv", "-o", "r.json"], "")
    assert done.returncode == 143
    assert sorted(path.name for path in saved.parent.iterdir()) == ["driver.py", "saved.json"]


def test_X05_a_signal_after_the_verdict_leaves_it(driver: Callable[[str], list[str]], saved: Path) -> None:
    del saved
    body = f"import atexit\natexit.register(lambda: os.kill(os.getpid(), {int(signal.SIGTERM)}))\n{REPORT}"
    done = shell([*driver(body), "report", "p.csv", "-f", "json", "--min", "accuracy=0.95"], "")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_O07_any_name_reaches_an_ascii_stdout(spawn: Callable[..., Any], saved: Path) -> None:
    saved.write_text(saved.read_text().replace("cat", "k\u00e4tzchen\u2603"), encoding="utf-8")
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    result = spawn("gate", saved, "--min", "accuracy=0.9", "-f", "rich", env=ascii_only)
    assert result.code == 0, result.stderr
    assert "k\\xe4tzchen\\u2603" in result.stdout
    assert result.stdout.isascii()
    assert spawn("--help", env=ascii_only).stdout.isascii()
    odd = os.fsdecode(b"no\xff.json")
    result = spawn("gate", odd, "--min", "accuracy=0.9", env=ascii_only)
    assert (
        result.stderr
        == "evalcli: no\\udcff.json: cannot be read: no such file or directory; see whether the path is right [E3]\n"
    )


def test_O07_O15_json_is_json_whatever_the_encoding(spawn: Callable[..., Any], saved: Path) -> None:
    saved.write_text(saved.read_text().replace("cat", "\u00e9\u2603\U0001f469"), encoding="utf-8")
    result = spawn("gate", saved, "--min", "accuracy=0.9", "-f", "json", env={"PYTHONIOENCODING": "ascii"})
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["classes"][0] == "\u00e9\u2603\U0001f469"


def test_O16_a_bug_exits_70_with_one_line(driver: Callable[[str], list[str]], tmp_path: Path) -> None:
    done = shell([*driver("raise ZeroDivisionError(1)"), "report", "p.csv"], "", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 70
    assert done.stderr.splitlines()[0] == "closed"
    assert len(done.stderr.splitlines()) == 2
    (trace,) = tmp_path.glob("evalcli-bug-*.txt")
    assert "ZeroDivisionError" in trace.read_text()


def test_warnings_of_libraries_stay_off_the_screen(driver: Callable[[str], list[str]], saved: Path) -> None:
    body = f"import warnings\nwarnings.warn('noise')\n{REPORT}"
    assert shell([*driver(body), "report", "p.csv"], "").stderr == "closed\n"


def on_a_terminal(command: list[str], **env: str) -> str:
    """What a person would see: both streams on one pseudo terminal."""
    leader, follower = pty.openpty()
    clean = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "80", **env}
    with subprocess.Popen([sys.executable, *command], stdout=follower, stderr=follower, env=clean) as process:
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


def test_a_terminal_has_color_and_a_bar_after_a_second(driver: Callable[[str], list[str]], saved: Path) -> None:
    body = f"progress(1, 4)\ntime.sleep(1.1)\nprogress(3, 4)\ntime.sleep(0.3)\n{REPORT}"
    command = [*driver(body), "report", "p.csv"]
    seen = on_a_terminal(command)
    assert "3 rows" in seen
    assert "rows/s" in seen
    assert "\x1b[1m" in seen or "\x1b[3" in seen
    assert "rows/s" not in on_a_terminal([*driver(f"progress(3, 4)\n{REPORT}"), "report", "p.csv"])
    assert "rows/s" not in on_a_terminal([*driver(body), "report", "p.csv", "--quiet"])


def test_X08_a_terminal_with_NO_COLOR_has_none(driver: Callable[[str], list[str]], saved: Path) -> None:
    assert "\x1b" not in on_a_terminal([*driver(REPORT), "report", "p.csv"], NO_COLOR="1")


def test_the_bar_needs_a_terminal(driver: Callable[[str], list[str]], saved: Path) -> None:
    body = f"progress(1, 4)\ntime.sleep(1.1)\nprogress(3, 4)\nassert 'rich.progress' not in sys.modules\n{REPORT}"
    done = shell([*driver(body), "report", "p.csv"], "")
    assert (done.stderr, done.returncode) == ("closed\n", 0)


def test_help_and_version(spawn: Callable[..., Any]) -> None:
    top = spawn("--help")
    assert (top.code, top.stderr) == (0, "")
    assert all(name in top.stdout for name in COMMANDS)
    assert "\x1b" not in spawn("--help", env={"GITHUB_ACTIONS": "true"}).stdout
    version = spawn("--version")
    assert (version.stdout, version.code) == ("evalcli 0.1.0\n", 0)
    assert spawn("--help", shell="> /dev/full").code == 2
    assert spawn("--help", shell="| true; exit ${PIPESTATUS[0]}").code == 0


@pytest.mark.parametrize("width", [40, 80, 160])
def test_help_names_every_option_and_fits(run: Callable[..., Any], width: int) -> None:
    text = run("report", "--help", env={"COLUMNS": str(width)}).stdout
    from dataclasses import fields

    from evalcli.cli.baseline import ReportGates
    from evalcli.cli.deciding_options import DecidingOptions
    from evalcli.cli.extra_options import ExtraOptions
    from evalcli.cli.options import ExecutionOptions, InputOptions, OutputOptions

    groups = (InputOptions, DecidingOptions, ExtraOptions, ReportGates, ExecutionOptions, OutputOptions)
    names = {f"--{one.name.replace('_', '-')}" for group in groups for one in fields(group)}
    for name in names - {"--inherited", "--origin"}:
        assert name in text
    assert max(map(len, text.splitlines())) <= width


def test_nothing_typed_shows_the_help(run: Callable[..., Any]) -> None:
    assert run().stdout == run("--help").stdout


def test_start_up_imports_nothing_heavy() -> None:
    heavy = {"numpy", "torch", "pandas", "duckdb", "pyarrow", "sklearn", "pydantic", "markdown_it", "rich.progress"}
    code = "import sys; from evalcli.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    for args in (["--help"], ["report", "--help"], ["gate", "x.json", "--min", "accuracy=0.9"], ["metrics"]):
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
        assert set(done.stderr.split()) & heavy == set(), args


@pytest.mark.parametrize(
    "raised",
    [
        "raise MemoryError",
        "raise __import__('duckdb').OutOfMemoryException('Allocation failure')",
        "raise ImportError('x.so: failed to map segment from shared object')",
        'raise RuntimeError("can\'t start new thread")',
    ],
)
def test_X17_a_lack_of_memory_is_a_limit_whoever_notices(driver: Callable[[str], list[str]], raised: str) -> None:
    done = shell([*driver(raised), "report", "p.csv"], "")
    assert done.returncode == 2
    assert done.stderr.endswith("\nevalcli: not enough memory; try a smaller --batch-size [E6]\n")


def test_X17_a_check_that_cannot_be_started_is_not_waited_for(tmp_path: Path) -> None:
    """A thread of its own checks a table; where none can be had, closing the table waited for it for ever."""
    (tmp_path / "t.csv").write_text("target,pred\na,a\nb,b\n")
    code = (
        "import sys, threading\nstart = threading.Thread.start\n"
        "def refuse(self):\n"
        "    if self.name == 'evalcli-check': raise RuntimeError(\"can't start new thread\")\n"
        "    start(self)\n"
        "threading.Thread.start = refuse\n"
        f"sys.argv = ['evalcli', 'report', {str(tmp_path / 't.csv')!r}, '--positive', 'a']\n"
        "from evalcli.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "evalcli: not enough memory; try a smaller --batch-size [E6]\n")
