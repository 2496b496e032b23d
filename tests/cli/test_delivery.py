"""What a delivery needs of a report: no more is computed, and no less."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.cli.deliver import Delivery
from evalcli.cli.output import PART, Target
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.metrics.registry import METRICS
from evalcli.renderers import render
from evalcli.rules import parse_rules
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from evalcli.report import Report


def _arrays(task: str, rows: int = 300) -> tuple[Any, Any]:
    rng = np.random.default_rng(len(task))
    target = rng.integers(3, size=rows)
    if task == "binary":
        return (rng.random(rows) + (target > 1)) / 2, (target > 1).astype(int)
    if task == "regression":
        return rng.standard_normal(rows), rng.standard_normal(rows)
    if task == "multilabel":
        return rng.random((rows, 3)), (rng.random((rows, 3)) < 0.4).astype(int)
    return rng.standard_normal((rows, 3)) + 2 * np.eye(3)[target], target


def _sliced(task: str, also: tuple[str, ...], shown: Any) -> Report:
    rng = np.random.default_rng(1)
    preds, target = _arrays(task)
    source = MemorySource(preds, target, slices={"site": rng.choice(["a", "b", "c"], len(target)).astype(object)})
    choices = Choices(task=task, confidence=Confidence())
    return evaluate(source, choices, Execution(workers=1), also=also, shown=shown)


@pytest.mark.parametrize("form", ["rich", "html", "markdown"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_the_same_slices_are_shown_when_only_what_is_shown_is_computed(task, form):
    also = {"regression": ("spearman@site=a", "max_error@site=*"), "multilabel": ("brier@site=*",)}
    gated = also.get(task, ("log_loss@site=b", "f1_weighted@site=*"))
    shown = Delivery((), form, quiet=False).intervals(gated)
    whole, seen = _sliced(task, gated, None), _sliced(task, gated, shown)
    assert render(replace(seen, run=whole.run), form) == render(whole, form)
    wholes = {name.partition("@")[0] for name in gated}
    for full, part in zip(whole.slices, seen.slices, strict=True):
        assert len(part.metrics) < len(full.metrics)
        assert {name: value.value for name, value in part.metrics.items()} == {
            name: full.metrics[name].value for name in part.metrics
        }
        assert {name: part.metrics[name] for name in wholes} == {name: full.metrics[name] for name in wholes}


@pytest.mark.parametrize(
    ("forms", "printed", "listed"),
    [
        ((), "rich", {"accuracy", "rmse", "f1"}),
        (("html", "markdown"), "rich", {"accuracy", "rmse", "f1"}),
        (("html", "json"), "rich", METRICS),
        ((), None, set()),
        ((PART,), "rich", METRICS),
        ((PART,), None, METRICS),
        (("json",), "rich", METRICS),
        ((), "csv", METRICS),
    ],
)
def test_files_hold_all_that_slices_have(forms, printed, listed):
    targets = tuple(Target(f"x.{form}", Path(f"x.{form}"), form, direct=False) for form in forms)
    shown = Delivery(targets, printed, quiet=printed is None).intervals(("f1@site=a",))
    held = METRICS.keys() if shown is None or shown.in_slices is None else shown.in_slices
    assert {*listed} <= {*held}
    assert ("log_loss" in held) == (listed is METRICS)


@pytest.mark.parametrize("gate", ["accuracy", "f1@site=*", "recall@site:gap", "equalized_odds_difference@site"])
def test_verdicts_have_their_interval_where_nothing_else_is_printed(gate):
    shown = Delivery((), None, quiet=True).intervals(("mcc",), (gate,))
    quiet, whole = (_sliced("binary", (gate,), seen) for seen in (shown, None))
    (one,), (other) = (judge(report, parse_rules([f"{gate}=0.5"])) for report in (quiet, whole))
    assert other == (one,)
    assert one.low < one.high
    assert "mcc" not in shown.of_all


def test_a_verdict_without_an_interval_says_its_rows(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("target,pred\n" + "a,a\n" * 30)
    done = run("report", "p.csv", "--quiet", "--no-intervals", "--max", "accuracy=0.5")
    assert done.code == 1
    assert done.stderr.splitlines()[2].split() == ["status", "gate", "value", "bound", "n"]
    assert done.stderr.splitlines()[3].split() == ["FAIL", "accuracy<=0.5", "1.0000", "0.5000", "30"]


def test_what_is_defined_is_not_asked_for_again(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.csv").write_text("target,pred\n" + "a,a\nb,a\nc,c\n" * 10)
    done = run("report", "p.csv", "--define", "gap = recall[a] - recall[b]", "-m", "accuracy,gap")
    assert done.code == 2
    assert "-m gap: what --define and --metric make is always computed; leave it out of -m" in done.stderr
    done = run("report", "p.csv", "--define", "gap = recall[a] - recall[b]", "-m", "accuracy", "-f", "json")
    assert {"accuracy", "gap"} <= {*json.loads(done.stdout)["metrics"]}
