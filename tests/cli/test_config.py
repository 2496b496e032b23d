"""Options and gates from ``pyproject.toml`` and from ``--config``."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalcli.renderers import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], None]:
    def write(text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")

    return write


def test_options_come_from_pyproject_and_flags_win(
    run: Callable[..., Any], work: Any, configured: Callable[[str], None]
) -> None:
    configured(
        """
        [tool.evalcli]
        threshold = 0.25
        batch-size = 4096
        ignore_index = -1
        labels = ["cat", "dog"]
        metrics = ["accuracy", "mcc"]
        quiet = true
        """
    )
    assert run("report", "p.csv", "--threshold", "0.75").stdout == ""
    (call,) = work.calls
    assert (call["choices"].threshold, call["choices"].ignore_index) == (0.75, -1)
    assert call["choices"].labels == ("cat", "dog")
    assert call["execution"].batch_size == 4096
    assert call["metrics"] == ("accuracy", "mcc")


def test_a_value_typed_wins_even_when_it_is_the_default(
    run: Callable[..., Any], work: Any, configured: Callable[[str], None]
) -> None:
    configured('[tool.evalcli]\nnan = "drop"\n')
    run("report", "p.csv")
    run("report", "p.csv", "--nan", "error")
    assert [call["choices"].nan for call in work.calls] == ["drop", "error"]


def test_gates_are_tables_and_a_flag_replaces_its_namesake(
    run: Callable[..., Any], work: Any, configured: Callable[[str], None]
) -> None:
    configured(
        """
        [tool.evalcli]
        min = { accuracy = 0.95, "recall[a=b]" = 0.8 }
        max = ["error_rate=0.5"]
        min-f1 = 0.1
        """
    )
    result = run("report", "p.csv", "-f", "json")
    assert '"accuracy>=0.95"' in result.stdout
    assert '"recall[a=b]>=0.8"' in result.stdout
    assert result.code == 1
    result = run("report", "p.csv", "-f", "json", "--min", "accuracy=0.9", "--max", "mcc=1")
    rules = [gate.split('"')[0] for gate in result.stdout.split('"rule": "')[1:]]
    assert rules == ["f1_macro>=0.1", "recall[a=b]>=0.8", "error_rate<=0.5", "accuracy>=0.9", "mcc<=1"]


def test_the_nearest_pyproject_upward_counts_and_paths_are_its_own(
    run: Callable[..., Any], work: Any, saved: Path, configured: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved.parent / "names.txt").write_text("cat\ndog\n")
    configured(
        '[tool.evalcli]\nbaseline = "saved.json"\nmax-drop = { accuracy = "1pp" }\n'
        'labels = "names.txt"\noutput = ["r.json"]\n'
    )
    inner = saved.parent / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert run("report", "p.csv").code == 0
    assert work.calls[0]["choices"].labels == ("cat", "dog")
    assert (saved.parent / "r.json").exists()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    run("report", "p.csv")
    assert work.calls[1]["choices"].labels is None


@pytest.mark.parametrize("table", ["", "[tool.evalcli]\n"])
def test_config_names_a_file(run: Callable[..., Any], work: Any, tmp_path: Path, table: str) -> None:
    (tmp_path / "e.toml").write_text(f"{table}threshold = 0.1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.evalcli]\nthreshold = 0.2\n")
    run("report", "p.csv", "--config", "e.toml")
    assert work.calls[0]["choices"].threshold == 0.1


def test_a_table_may_speak_to_one_command(
    run: Callable[..., Any], work: Any, saved: Path, configured: Callable[[str], None]
) -> None:
    configured("[tool.evalcli]\nmin-accuracy = 0.1\n[tool.evalcli.gate]\nmin-accuracy = 0.95\n")
    assert run("report", "p.csv").code == 0
    assert run("gate", saved).code == 1


def test_options_of_other_commands_are_passed_over(
    run: Callable[..., Any], saved: Path, configured: Callable[[str], None]
) -> None:
    configured("[tool.evalcli]\nthreshold = 0.3\nmin-accuracy = 0.9\n")
    assert run("gate", saved).code == 0
    assert run("metrics").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.evalcli]\ntreshold = 1\n", "the key 'treshold' is no option; did you mean threshold?"),
        ("[tool.evalcli.report]\nmn = 1\n", "the key 'report.mn' is no option; did you mean min?"),
        ("[tool.evalcli]\nconfig = 'x'\n", "the key 'config' is no option"),
        ("[tool.evalcli]\nthreshold = 'x'\n", "--threshold 'x' is not a number"),
        ("[tool.evalcli]\nthreshold = true\n", "--threshold cannot be True"),
        ("[tool.evalcli]\nquiet = 1\n", "--quiet is 1, not true or false"),
        ("[tool.evalcli]\nworkers = 0\n", "--workers 0 is less than 1"),
        ("[tool.evalcli]\nnan = 'maybe'\n", "use error, drop, wrong"),
        ("[tool.evalcli]\nmin = { accuracy = 90 }\n", "did you mean 0.90?"),
        ("[tool.evalcli]\nmin = { accuracy = nan }\n", "'nan' is not a number"),
        ("[tool.evalcli]\nmin = { accuracy = true }\n", "--min cannot be True"),
        ("[tool.evalcli]\nmin = { nope = 0.5 }\n", "names no metric"),
        ("[tool]\n# tool.evalcli\nevalcli = 3\n", "[tool.evalcli] is not a table"),
        ("[tool.evalcli\n", "not TOML"),
        ("[tool.evalcli]\nreport = 3\n", "the key 'report' is a command's, and no table; as in [report]"),
        ("[tool.evalcli]\ntopk = [1, true]\n", "--topk cannot be [1, True]"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_named(
    run: Callable[..., Any], work: Any, configured: Callable[[str], None], text: str, words: str
) -> None:
    configured(text)
    result = run("report", "p.csv")
    assert result.code == 2
    assert result.stderr.startswith("evalcli: pyproject.toml: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert work.calls == []


@pytest.mark.parametrize("content", [b"", b"[project\nbroken", b"\xff\xfe", b"[tool.other]\nx = 1\n", b"\0" * 100])
def test_a_pyproject_that_is_not_about_us_never_matters(
    run: Callable[..., Any], work: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert run("report", "p.csv").code == 0


def test_a_pyproject_named_must_speak_of_us(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("# tool.evalcli\n[project]\n")
    assert run("report", "p.csv").code == 0
    result = run("report", "p.csv", "--config", "pyproject.toml")
    assert result.stderr.startswith("evalcli: pyproject.toml: has no table [tool.evalcli]")
    assert result.code == 2


def test_a_missing_config_is_an_input_error(run: Callable[..., Any], work: Any) -> None:
    result = run("report", "p.csv", "--config", "none.toml")
    assert (
        result.stderr
        == "evalcli: none.toml: cannot be read: no such file or directory; see whether the path is right [E3]\n"
    )


def test_toml_is_imported_only_when_it_is_read(tmp_path: Path, multiclass: Any) -> None:
    (tmp_path / "r.json").write_text(render(multiclass, "json"))
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    code = "import sys; from evalcli.cli import run; run(sys.argv[1:]); sys.exit('tomllib' in sys.modules)"
    args = [sys.executable, "-c", code, "gate", "r.json", "--min", "accuracy=0.9"]
    assert subprocess.run(args, capture_output=True, check=False, cwd=tmp_path).returncode == 0


def test_options_in_two_places_of_one_file_are_refused(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "gates.toml").write_text("min-accuracy = 0.99\n[tool.evalcli]\nquiet = true\n", encoding="utf-8")
    result = run("report", "p.csv", "--config", "gates.toml")
    assert result.code == 2
    assert "both at the top (min-accuracy) and in [tool.evalcli]" in result.stderr


def test_what_gates_judge_may_be_configured(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.evalcli]\ngate-on = "interval"\n')
    np.save(tmp_path / "p.npy", np.array([0, 1] * 20))
    np.save(tmp_path / "t.npy", np.array([0, 1] * 18 + [1, 0] * 2))
    options = ("report", tmp_path / "p.npy", tmp_path / "t.npy", "--min-accuracy", 0.85)
    assert run(*options).code == 3
    assert run(*options, "--gate-on", "point").code == 0
    (tmp_path / "pyproject.toml").write_text("[tool.evalcli]\n")
    assert run(*options).code == 0


def test_a_configuration_may_begin_with_a_byte_order_mark_and_list_numbers(
    run: Callable[..., Any], work: Any, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbftopk = [1, 3]\n")
    assert run("report", "p.csv", "--config", "c.toml").code == 0
    assert work.calls[0]["choices"].topk == (1, 3)


def test_a_working_folder_that_is_gone_is_said(
    run: Callable[..., Any], work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = run("report", tmp_path / "p.csv")
    assert (result.code, result.stderr) == (2, "evalcli: the working folder was removed; cd to one that exists [E2]\n")
    assert not work.calls
