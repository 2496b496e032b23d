"""``evalcli gate`` on saved reports, and ``evalcli metrics``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evalcli.metrics.registry import METRICS
from evalcli.renderers import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalcli.report import Report


def test_a_saved_report_is_judged(run: Callable[..., Any], saved: Path) -> None:
    result = run("gate", saved, "--min", "accuracy=0.9")
    assert (result.stdout, result.code) == ("", 0)
    assert "accuracy" in result.stderr
    assert run("gate", saved, "--min-accuracy", "0.91").code == 1
    assert run("gate", saved, "--min", "auroc=0.91").code == 2


def test_json_holds_the_gates(run: Callable[..., Any], saved: Path, multiclass: Report) -> None:
    result = run("gate", saved, "--min", "accuracy=0.95", "-f", "json")
    document = json.loads(result.stdout)
    assert [gate["rule"] for gate in document["gates"]] == ["accuracy>=0.95"]
    assert document["metrics"] == multiclass.to_json_object()["metrics"]
    assert result.code == 1


def test_plain_minimums_mean_the_positive_class(run: Callable[..., Any], tmp_path: Path, binary: Report) -> None:
    path = tmp_path / "b.json"
    path.write_text(render(binary, "json"))
    assert run("gate", path, "--min-recall", "0.28").code == 0
    assert run("gate", path, "--min-recall", "0.29").code == 1


def test_a_report_comes_from_standard_input(spawn: Callable[..., Any], saved: Path) -> None:
    result = spawn("gate", "-", "--min", "accuracy=0.9", shell=f"< {saved}")
    assert result.code == 0, result.stderr


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"schema": "other/1"}', b"\xff\xfe", b"NaN", b"[" * 9999]
)
def test_what_is_no_report_is_an_input_error(run: Callable[..., Any], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.json").write_bytes(content)
    result = run("gate", "r.json", "--min", "accuracy=0.9")
    assert result.code == 2
    assert result.stderr.startswith("evalcli: r.json: ")
    assert result.stderr.endswith("[E3]\n")
    assert result.stderr.count("\n") == 1


def test_no_report_and_no_gate_are_refused(run: Callable[..., Any], saved: Path) -> None:
    assert run("gate", "none.json", "--min", "accuracy=0.9").stderr.endswith(
        "no such file or directory; see whether the path is right [E3]\n"
    )
    assert (
        run("gate", saved).stderr == "evalcli: there is no gate to judge by; add one, as in --min accuracy=0.9 [E2]\n"
    )
    assert run("gate").stderr.startswith("evalcli: REPORT.json is missing")


def test_a_report_of_other_classes_is_no_baseline(run: Callable[..., Any], saved: Path, binary: Report) -> None:
    other = saved.with_name("other.json")
    other.write_text(render(binary, "json"))
    result = run("gate", saved, "--baseline", other, "--max-drop", "accuracy=0.01")
    assert result.code == 2
    assert "task is binary, this report's is multiclass" in result.stderr


def test_metrics_lists_every_row(run: Callable[..., Any]) -> None:
    lines = run("metrics").stdout.splitlines()
    assert lines[0].split("\t") == ["name", "formula", "range", "direction", "source", "names"]
    assert [line.split("\t")[0] for line in lines[1:]] == list(METRICS)
    assert all(len(line.split("\t")) == 6 for line in lines)
    document = json.loads(run("metrics", "-f", "json").stdout)
    assert [row["name"] for row in document] == list(METRICS)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_metrics_fits_a_screen(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("evalcli.cli.streams.is_terminal", lambda stream: True)
    lines = run("metrics", env={"COLUMNS": str(width)}).stdout.splitlines()
    assert all(name in "\n".join(lines) for name in METRICS)
    if width != 40:
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("f1_macro", "mean of the class F1"),
        ("recall[cat]", "the class 'cat' against all others"),
        ("fbeta2_macro", "β = 2"),
        ("mcc", "-1…1, higher is better"),
        ("error_rate", "lower is better"),
        ("recall", "the positive class of a binary task"),
    ],
)
def test_metrics_explains_one(run: Callable[..., Any], name: str, words: str) -> None:
    result = run("metrics", name)
    assert result.code == 0
    assert result.stdout.startswith(f"{name}: ")
    assert words in " ".join(result.stdout.split())
    assert json.loads(run("metrics", name, "-f", "json").stdout)["name"] == name


def test_an_unknown_metric_names_its_neighbour(run: Callable[..., Any]) -> None:
    result = run("metrics", "f1_marco")
    assert result.code == 2
    assert "f1" in result.stderr
    assert "\x1b" not in run("metrics", "recall[\x1b[31m]").stdout


def test_an_undefined_metric_says_why_it_is(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("p_a,p_b,target,site\n0.9,0.1,a,x\n,,b,x\n0.2,0.8,b,y\n")
    gates = ("--min", "recall[b]@site=z=0.5", "--max", "log_loss=0.5", "--min", "log_loss@site=x=0.5", "--min", "odd=1")
    told = ("--task", "multiclass", "--nan", "wrong", "--by", "site", "--define", "odd = accuracy / 0", "-f", "json")
    done = run("report", tmp_path / "p.csv", *told, *gates)
    whys = {gate["rule"]: gate["reason"] for gate in json.loads(done.stdout)["gates"] if gate["status"] == "undefined"}
    assert {rule: why[why.index("undefined here (") :] for rule, why in whys.items()} == {
        "log_loss<=0.5": "undefined here (rows without a score, see the findings), and undefined never passes",
        "log_loss@site=x>=0.5": "undefined here (rows without a score, see the findings), and undefined never passes",
        "odd>=1": "undefined here (what defines it has no finite value), and undefined never passes",
    }
