"""A report to judge and to print, and a report command whose work is a fake."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from evalcli.renderers import render
from evalcli.report import ClassRow, Confusion, Report, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _multiclass() -> Report:
    """90 of 100 right: cat 60 (of 64), dog 30 (of 36); a class ``a=b`` that is declared and never occurs."""
    cat = {"precision": 60 / 66, "recall": 60 / 64, "f1": 120 / 130}
    dog = {"precision": 30 / 34, "recall": 30 / 36, "f1": 60 / 70}
    rows = (
        ClassRow("cat", 64, 66, {name: Value(value) for name, value in cat.items()}),
        ClassRow("dog", 36, 34, {name: Value(value) for name, value in dog.items()}),
        ClassRow("a=b", 0, 0, dict.fromkeys(cat, Value(None))),
    )
    macro = {f"{name}_macro": Value((cat[name] + dog[name]) / 2) for name in cat}
    metrics = {"accuracy": Value(0.9), "error_rate": Value(0.1), "mcc": Value(0.0), "kappa": Value(None), **macro}
    return Report(
        version="0.1.0",
        signature="task:multiclass",
        task="multiclass",
        scores="labels",
        n=100,
        ignored=0,
        weighted=False,
        classes=("cat", "dog", "a=b"),
        metrics=metrics,
        per_class=rows,
        confusion=Confusion(matrix=((60, 4, 0), (6, 30, 0), (0, 0, 0))),
        undefined=("kappa",),
        averaged=2,
    )


@pytest.fixture
def multiclass() -> Report:
    return _multiclass()


@pytest.fixture
def binary() -> Report:
    report = _multiclass()
    metrics = {"accuracy": Value(0.9), "precision": Value(0.5), "recall": Value(0.28), "f1": Value(0.36)}
    return replace(
        report,
        task="binary",
        positive="dog",
        threshold=0.5,
        classes=("cat", "dog"),
        per_class=report.per_class[:2],
        confusion=Confusion(matrix=((60, 4), (6, 30))),
        metrics=metrics | {f"{name}_macro": Value(0.99) for name in ("precision", "recall", "f1")},
    )


@pytest.fixture
def saved(tmp_path: Path, multiclass: Report) -> Path:
    path = tmp_path / "saved.json"
    path.write_text(render(multiclass, "json"), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this project reaches a test."""
    monkeypatch.chdir(tmp_path)


class Work:
    """Stands in for reading and counting; remembers what it was asked."""

    def __init__(self, report: Report) -> None:
        self.result: Report = report
        self.error: BaseException | None = None
        self.calls: list[dict[str, Any]] = []

    def open_source(self, preds: str, target: str | None, selection: Any, progress: Any = None) -> Any:
        self.calls.append({"preds": preds, "target": target, "selection": selection, "closed": False})
        return self

    def close(self) -> None:
        self.calls[-1]["closed"] = True

    def evaluate(self, source: Any, choices: Any, execution: Any, metrics: Any, progress: Any, **more: Any) -> Report:
        self.calls[-1] |= {"choices": choices, "execution": execution, "metrics": metrics, **more}
        progress(40, 100)
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture
def work(multiclass: Report, monkeypatch: pytest.MonkeyPatch) -> Work:
    fake = Work(multiclass)
    monkeypatch.setattr("evalcli.sources.open_source", fake.open_source)
    monkeypatch.setattr("evalcli.evaluation.evaluate", fake.evaluate)
    return fake


@pytest.fixture
def driver(tmp_path: Path) -> Callable[[str], list[str]]:
    """A program that is ``evalcli`` but for the work, whose body is given: for signals, bugs and memory."""

    def written(body: str) -> list[str]:
        path = tmp_path / "driver.py"
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        path.write_text(
            "import sys, time, os\n"
            "import evalcli.evaluation, evalcli.sources\n"
            "from evalcli.saved import parse_report\n"
            "class Nothing:\n"
            "    def close(self): sys.stderr and print('closed', file=sys.stderr)\n"
            f"def work(source, choices, execution, metrics, progress, **more):\n{indented}\n"
            "evalcli.sources.open_source = lambda *args: Nothing()\n"
            "evalcli.evaluation.evaluate = work\n"
            "from evalcli.cli import main\n"
            "main()\n"
        )
        return [str(path)]

    return written
