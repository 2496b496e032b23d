"""Every console block of the README and of the guide is executed and its output compared: ``python tests/test_readme.py
--update`` writes what the commands print now.

The commands of a page run one after the other in a folder that holds a copy of ``sample_data``, so that a file written
by one can be read by the next and nothing lands in the project. Only seconds may differ, and the line that names the
device. A command of ``evalcli`` alone is called in this process, whose start would take longer than most of them do;
what needs a shell has one.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from difflib import unified_diff
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = re.compile(r"\d+(\.\d+)? ?m?s\b")
RAN = re.compile(r"^  ran       .*$", re.MULTILINE)
SHELL = re.compile(r"[|&;<>()$`\\*?\[~#{]")
"""What a shell understands outside of single quotes; a line that goes on is one line."""
SETUP = (
    "pip install -c constraints.txt . && evalcli report sample_data/preds.pt sample_data/targets.pt",
    'pip install -c constraints.txt -e ".[test]" && pytest',
)


@dataclass(frozen=True, slots=True)
class Step:
    """One ``$ command`` (its lines as written) and the output shown under it."""

    block: int
    lines: tuple[str, ...]
    shown: str

    @property
    def command(self) -> str:
        return "\n".join(self.lines).removeprefix("$ ")


def blocks(text: str) -> list[str]:
    return [match.group(1) for match in BLOCK.finditer(text)]


def steps(number: int, block: str) -> Iterator[Step]:
    """Split a block at its prompts; a command goes on after a backslash at the end of a line."""
    for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
        if not part:
            continue
        lines = part.splitlines()
        end = next(index for index, line in enumerate(lines) if not line.endswith("\\")) + 1
        yield Step(number, tuple(lines[:end]), "".join(line + "\n" for line in lines[end:]))


def steady(text: str) -> str:
    """Take out what differs from run to run."""
    return SECONDS.sub("N s", RAN.sub("  ran       here", text))


def environment() -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "PYTHONPATH"}}
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join((scripts, keep.get("PATH", os.defpath)))
    return keep | {"PATH": path, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}


def play(every: list[Step], folder: Path) -> list[str]:
    """Run the steps in order, as one person would at one prompt: ``$?`` is the exit code of the step before."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data", ignore=shutil.ignore_patterns("__pycache__"))
    code = 0
    outputs = []
    for step in every:
        words = plain(step.command)
        code, output = shell(step.command, folder, code) if words is None else call(words, folder)
        outputs.append("\n".join(line.rstrip() for line in output.splitlines()) + "\n" if output else "")
    return outputs


def plain(command: str) -> list[str] | None:
    """The arguments of ``evalcli`` where a command is nothing else: no sign of a shell's, no standard input."""
    line = command.replace("\\\n", " ")
    words = [] if SHELL.search(re.sub("'[^']*'", "", line)) else shlex.split(line)
    return words[1:] if words[:1] == ["evalcli"] and "-" not in words else None


def shell(command: str, folder: Path, code: int) -> tuple[int, str]:
    """The exit code and the output of a command after another one that ended with ``code``."""
    done = subprocess.run(
        ["bash", "-c", f"(exit {code}); {command}"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def call(words: list[str], folder: Path) -> tuple[int, str]:
    """Likewise in this process."""
    from evalcli.cli import run

    said = StringIO()
    session = mock.patch.dict(os.environ, environment(), clear=True)
    with chdir(folder), session, redirect_stdout(said), redirect_stderr(said):
        return int(run(words)), said.getvalue()


def every_step(text: str) -> list[Step]:
    return [step for number, block in enumerate(blocks(text)) for step in steps(number, block)]


PAGES = [README, *(page for page in sorted(ROOT.glob("docs/*.md")) if blocks(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """In one test, since what a page shows is one session: the steps that differ, each as it stands and as it came."""
    every = every_step(page.read_text(encoding="utf-8"))
    differ = [
        f"$ {step.command}\n"
        + "".join(unified_diff(step.shown.splitlines(keepends=True), output.splitlines(keepends=True)))
        for step, output in zip(every, play(every, tmp_path), strict=True)
        if steady(output) != steady(step.shown)
    ]
    assert not differ, "see python tests/test_readme.py --update\n" + "\n".join(differ)


def test_readme_has_a_tour_and_a_guide() -> None:
    assert len(every_step(README.read_text(encoding="utf-8"))) >= 8
    assert len(PAGES) >= 7


def test_setup_commands_stand_at_the_top_and_are_what_ci_runs() -> None:
    text = README.read_text(encoding="utf-8")
    top = text[: text.index("```console")]
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in SETUP:
        assert f"\n{command}\n" in top
        for part in command.split(" && "):
            assert part in check


@pytest.mark.parametrize("page", [README, *sorted(ROOT.glob("docs/*.md"))], ids=lambda page: page.name)
def test_links_into_the_project_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """The names that headings have in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [README, *sorted(ROOT.glob("docs/*.md"))], ids=lambda page: page.name)
def test_links_to_headings_find_them(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*\.md)?#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [(name, to) for name, to in links if to not in anchors(page.parent / name if name else page)] == []


def test_every_page_is_linked_from_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [page.name for page in ROOT.glob("docs/*.md") if f"](docs/{page.name})" not in text] == []


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("$ a\nx\ny\n$ b\n", [("a", "x\ny\n"), ("b", "")]),
        ("$ a \\\n    --c\nx\n", [("a \\\n    --c", "x\n")]),
    ],
)
def test_blocks_split_into_commands_and_outputs(block: str, expected: list[tuple[str, str]]) -> None:
    assert [(step.command, step.shown) for step in steps(0, block)] == expected


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("evalcli report 'a*.csv' \\\n    --min x=1", ["report", "a*.csv", "--min", "x=1"]),
        ("evalcli report a*.csv", None),
        ("evalcli report a.csv | head -1", None),
        ("evalcli report -", None),
        ("echo evalcli", None),
    ],
)
def test_what_needs_a_shell_has_one(command: str, words: list[str] | None) -> None:
    assert plain(command) == words


def test_only_seconds_and_the_device_may_differ() -> None:
    assert steady("  ran       numpy on cpu, 0.03 s\n  n 3\n") == steady("  ran       torch on cuda, 1 s\n  n 3\n")
    assert steady("read in 0.31 s, f1 0.98") == steady("read in 12 s, f1 0.98")
    assert steady("f1 0.98 seen") != steady("f1 0.99 seen")


def update(page: Path) -> None:
    """Write what the commands print now; an output that differs in seconds alone stays as it is."""
    text = page.read_text(encoding="utf-8")
    every = every_step(text)
    with tempfile.TemporaryDirectory() as folder:
        fresh = play(every, Path(folder))
    written = dict.fromkeys(range(len(blocks(text))), "")
    for step, output in zip(every, fresh, strict=True):
        kept = step.shown if steady(step.shown) == steady(output) else output
        written[step.block] += "".join(line + "\n" for line in step.lines) + kept
    numbers = iter(written.values())
    page.write_text(BLOCK.sub(lambda _: f"```console\n{next(numbers)}```", text), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--update"]:
    for one in PAGES:
        update(one)
