"""Reports of several labels a row, in every format and at every width: whole pictures in tests/golden."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from evalcli.renderers.contents import average_rows, class_columns, confused, headline
from evalcli.renderers.csv import render_csv
from evalcli.renderers.json import render_json
from evalcli.renderers.markdown import render_markdown
from evalcli.renderers.terminal import plain
from evalcli.renderers.wording import threshold, title
from evalcli.report import ClassRow, Confusion, Finding, InputRecord, Report, Run, Value
from evalcli.saved import parse_report

if TYPE_CHECKING:
    from collections.abc import Sequence

Square = tuple[tuple[float, float], tuple[float, float]]
NASTY = (
    "[red]dog",
    "\x1b[31mred",
    "x" * 90,
    "a|b",
    "=cmd()",
    "two\nlines",
    "",
    "שלום",
    "日本語のとても長い名前",
    "`tick`",
)


def over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def label_row(name: str, square: Square, number: int, *, scored: bool) -> ClassRow:
    (tn, fp), (fn, tp) = square
    values: dict[str, float | None] = {
        "precision": over(tp, tp + fp),
        "recall": over(tp, tp + fn),
        "f1": over(2 * tp, 2 * tp + fp + fn),
        "specificity": over(tn, tn + fp),
        "npv": over(tn, tn + fn),
        "jaccard": over(tp, tp + fp + fn),
    }
    if scored:
        ranked = 0.9 - number % 7 / 50 if tp + fn else None
        values |= {"auroc": ranked, "average_precision": None if ranked is None else ranked - 0.2}
        values |= {"log_loss": 0.3 + number % 5 / 100, "brier": 0.08 + number % 3 / 100, "ece": 0.02 + number % 4 / 100}
    return ClassRow(name, tp + fn, tp + fp, {metric: Value(value) for metric, value in values.items()})


def labelled(squares: Sequence[Square], names: Sequence[str], *, scored: bool = True, **changes: Any) -> Report:
    rows = tuple(
        label_row(name, square, i, scored=scored) for i, (name, square) in enumerate(zip(names, squares, strict=True))
    )
    metrics = {"subset_accuracy": 0.5, "hamming_loss": 0.1067, "hamming_accuracy": 0.8933}
    for base in ("precision", "recall", "f1", "jaccard"):
        values = [row.metrics[base].value or 0.0 for row in rows]
        metrics |= {f"{base}_macro": sum(values) / len(values), f"{base}_weighted": 0.75, f"{base}_micro": 0.7}
        metrics[f"{base}_samples"] = 0.625
    if scored:
        for base in ("auroc", "average_precision"):
            metrics |= {f"{base}_{average}": 0.875 for average in ("macro", "weighted", "micro")}
        metrics |= {
            "log_loss": 0.31,
            "brier": 0.09,
            "ece": 0.03,
            "lrap": 0.9125,
            "coverage_error": 12.5,
            "ranking_loss": 0.05,
        }
    undefined = [f"{metric}[{row.name}]" for row in rows for metric, v in row.metrics.items() if v.value is None]
    made = Report(
        version="0.1.0",
        signature="task:multilabel|scores:probs",
        task="multilabel",
        scores="probs" if scored else "labels",
        n=int(sum(map(sum, squares[0]))),
        ignored=0,
        weighted=False,
        classes=tuple(names),
        metrics={name: Value(value) for name, value in metrics.items()},
        per_class=rows,
        confusion=Confusion(labels=tuple(squares), pairs=((names[0], names[-1], 40), (names[-1], names[0], 1))),
        undefined=tuple(undefined),
        findings=(
            Finding("nothing-baseline", "warning", "Hamming loss 0.1 is worse than nothing", "judge by f1_macro"),
        ),
        inputs=(InputRecord("preds.npy", 1234, "sha256:00"), InputRecord("targets.npy", 99, "sha256:11")),
        threshold=0.5 if scored else None,
        averaged=len(names),
        run=Run(0.021, "numpy", "cpu", 2, 131072),
    )
    return replace(made, **changes)


def screens() -> dict[str, Report]:
    few = [((450, 33), (136, 381)), ((653, 50), (99, 198)), ((931, 49), (8, 12)), ((1000, 0), (0, 0))]
    names = ("cat", "dog", "unicorn", "dragon")
    many = [((900 - i % 90, 20 + i % 30), (30 + i % 40, 50 + i % 20)) for i in range(1000)]
    weighted = [tuple(tuple(cell * 1.25 for cell in line) for line in square) for square in few]
    return {
        "labels": labelled(few, names, averaged=3),
        "labels_hard": labelled(few, names, scored=False),
        "labels_tuned": labelled(few, names, threshold=(0.25, 0.5, 0.875, 0.5)),
        "labels_weighted": labelled(weighted, names, weighted=True),  # type: ignore[arg-type]  # of tuples all the same
        "labels_nasty": labelled([few[i % 4] for i in range(len(NASTY))], NASTY),
        "labels_thousand": labelled(many, [f"tag {i:04}" for i in range(1000)]),
    }


@pytest.fixture(params=sorted(screens()))
def shown(request: pytest.FixtureRequest) -> tuple[str, Report]:
    return request.param, screens()[request.param]


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_whole_screen(shown, golden, width: int | None) -> None:
    name, report = shown
    golden(f"{name}.{width or 'pipe'}.txt", plain(report, width))


def test_whole_documents(shown, golden) -> None:
    name, report = shown
    if name in {"labels", "labels_nasty", "labels_weighted"}:
        golden(f"{name}.md", render_markdown(report))
        golden(f"{name}.csv", render_csv(report))
    if name in {"labels", "labels_tuned", "labels_hard"}:
        golden(f"{name}.json", render_json(report))


def test_every_width_is_kept_and_no_number_is_cut(shown) -> None:
    _, report = shown
    for width in (40, 60, 80, 100, 120):
        text = plain(report, width)
        assert max(cell_len(line) for line in text.split("\n")) <= width, width
        if len(report.classes) <= 100:
            for row in report.per_class:
                for metric in ("precision", "recall", "f1"):
                    value = row.metrics[metric].value
                    assert ("–" if value is None else f"{value:.4f}") in text


def test_no_line_ends_in_blanks_and_nothing_is_called_a_class(shown) -> None:
    _, report = shown
    for text in (plain(report), plain(report, 80), render_markdown(report)):
        assert not re.search(r"[ \t]\n", text)
        assert "class" not in text.lower()


def test_a_report_read_again_is_the_same(shown) -> None:
    _, report = shown
    text = render_json(report)
    assert render_json(parse_report(text)) == text


def test_columns_follow_the_room_and_what_was_asked() -> None:
    report = screens()["labels"]
    assert list(class_columns(report)) == ["precision", "recall", "f1", "auroc", "average_precision"]
    assert list(class_columns(report, narrow=True)) == ["precision", "recall", "f1"]
    assert list(class_columns(report, wide=True))[-3:] == ["log_loss", "brier", "ece"]
    asked = replace(report, asked=("average_precision_macro", "log_loss[cat]"))
    assert list(class_columns(asked, wide=True)) == ["average_precision", "log_loss"]
    assert list(class_columns(screens()["labels_hard"], wide=True)) == ["precision", "recall", "f1"]


def test_the_headline_and_the_averages() -> None:
    report = screens()["labels"]
    names, left = headline(report)
    assert names[:3] == ["subset_accuracy", "hamming_loss", "f1_macro"]
    assert names[-3:] == ["log_loss", "brier", "ece"]
    assert left == 5  # Hamming accuracy and Jaccard
    macro = ("macro over 3 of 4 labels", "macro")
    others = [("micro avg", "micro"), ("weighted avg", "weighted"), ("samples avg", "samples")]
    assert average_rows(report) == [others[0], macro, *others[1:]]
    assert title("f1_samples") == "samples F1"
    assert threshold(report) == "0.5"
    assert threshold(screens()["labels_tuned"]) == "one for each label, from 0.25 to 0.875"
    assert threshold(screens()["labels_hard"]) == ""


def test_only_pairs_beyond_chance_are_shown_and_all_are_saved() -> None:
    squares = [((500, 100), (50, 350)), ((800, 40), (60, 100))]
    made = labelled(squares, ("a", "b"))
    pairs = {(10, 20): [("a", "b", 10), ("b", "a", 20)], (2, 6): []}
    for (one, other), expected in pairs.items():
        few = replace(made, confusion=replace(made.confusion, pairs=(("a", "b", one), ("b", "a", other))))
        assert [row[:3] for row in confused(few)] == expected
        assert render_csv(few).count("confused,") == 2
