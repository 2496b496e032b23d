"""Reports made from a confusion matrix by textbook arithmetic, for all tests of the renderers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalcli.report import (
    Calibration,
    CalibrationBin,
    ClassRow,
    Confusion,
    CoveragePoint,
    Finding,
    InputRecord,
    Report,
    Run,
    SliceRow,
    Temperature,
    Value,
    Verdict,
)
from evalcli.searched import LeastShown, Scan, WeakSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NASTY = (
    "[red]dog",
    "a[/b]",
    ":smile:",
    "\x1b[31mred\x1b[0m",
    "\u202eevil",
    "zero\u200bwidth",
    "x" * 100,
    "日本語のとても長い名前のクラス",
    "a|b",
    "=cmd()",
    "two\nlines\ttab",
    "\udc80bytes",
    "@team #12",
    "<img src=x onerror=alert(1)>",
    "",
    " blank ",
    "`tick`",
    "\\|",
    "שלום",
)


def over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def class_row(name: str, tp: float, support: float, predicted: float, n: float) -> ClassRow:
    tn = n - support - predicted + tp
    return ClassRow(
        name,
        support,
        predicted,
        {
            "precision": Value(over(tp, predicted)),
            "recall": Value(over(tp, support)),
            "f1": Value(over(2 * tp, support + predicted)),
            "specificity": Value(over(tn, n - support)),
            "npv": Value(over(tn, n - predicted)),
        },
    )


def build(matrix: Sequence[Sequence[float]], names: Sequence[str] | None = None, **changes: Any) -> Report:
    names = tuple(names or map(str, range(len(matrix))))
    columns = [sum(row[j] for row in matrix) for j in range(len(matrix))]
    total = sum(columns)
    rows = [class_row(name, matrix[i][i], sum(matrix[i]), columns[i], total) for i, name in enumerate(names)]
    metrics = {"accuracy": Value(over(sum(matrix[i][i] for i in range(len(matrix))), total))}
    metrics["majority_baseline"] = Value(over(max(row.support for row in rows), total))
    for base in ("precision", "recall", "f1"):
        values = [row.metrics[base].value or 0.0 for row in rows]
        metrics[f"{base}_macro"] = Value(sum(values) / len(values))
        weights = [row.support for row in rows]
        metrics[f"{base}_weighted"] = Value(over(sum(v * w for v, w in zip(values, weights, strict=True)), total))
    metrics["balanced_accuracy"] = metrics["recall_macro"]
    metrics["mcc"] = Value(0.25)
    metrics["kappa"] = Value(None)
    metrics["jaccard_macro"] = Value(0.5)
    metrics["error_rate"] = Value(None if metrics["accuracy"].value is None else 1 - metrics["accuracy"].value)
    made = Report(
        version="0.1.0",
        signature=f"task:multiclass|scores:logits|classes:seen({len(names)}/{len(names)})|n:{int(total)}",
        task="multiclass",
        scores="logits",
        n=int(total),
        ignored=0,
        weighted=False,
        classes=names,
        metrics=metrics,
        per_class=tuple(rows),
        confusion=Confusion(matrix=tuple(tuple(row) for row in matrix)),
        undefined=("kappa",),
        inputs=(InputRecord("preds.pt", 1234, "sha256:00"), InputRecord("targets.pt", 99, "crc32:11")),
        averaged=len(names),
        run=Run(0.021, "numpy", "cpu", 2, 131072),
    )
    return replace(made, **changes)


BLOBS = [[58, 1, 0, 0], [0, 47, 0, 0], [0, 0, 51, 0], [0, 0, 0, 43]]
FINDINGS = (
    Finding(
        "rare-class-missed",
        "warning",
        "98.0 % of all rows are right, but only 12.0 % of class 'fraud' are found (12 of 100): the accuracy is that of "
        "the other class",
        "look at recall[fraud]; lower --threshold, or gate on it with --min 'recall[fraud]=0.8'",
    ),
    Finding("ties", "info", "3 rows have two best scores; the lowest class was taken"),
)
GATES = (
    Verdict("accuracy>=0.9", "accuracy", 0.995, 0.9, "pass"),
    Verdict("recall[fraud]>=0.9", "recall[fraud]", 0.89995, 0.9, "fail", "0.89995 is below 0.9 (shown as 0.9000)"),
    Verdict("kappa>=0.5", "kappa", None, 0.5, "undefined", "0/0"),
    Verdict("auroc>=0.5", "auroc", None, 0.5, "missing", "not in the report"),
)


def sparse(count: int) -> Report:
    """Many classes: pairs in place of the matrix."""
    rows = tuple(class_row(f"species {i:04}", 40 + i % 11, 50, 50 + i % 3, 50 * count) for i in range(count))
    pairs = tuple((f"species {i:04}", f"species {(i * 7 + 1) % count:04}", 12 - i % 12) for i in range(0, count, 3))
    pairs = tuple(sorted(pairs, key=lambda pair: -pair[2]))
    base = build(BLOBS)
    names = tuple(row.name for row in rows)
    return replace(base, classes=names, per_class=rows, n=50 * count, confusion=Confusion(pairs=pairs), averaged=count)


def scored() -> Report:
    """What scores add: ranks of every class, a certified value, bins of confidence, a temperature."""
    base = build(BLOBS)
    rows = tuple(
        replace(row, metrics=row.metrics | {"auroc": Value(1 - i / 1000), "average_precision": Value(0.5)})
        for i, row in enumerate(base.per_class)
    )
    extra = {
        "auroc_macro": Value(0.9985, certified=(0.9984, 0.9986)),
        "auroc_weighted": Value(0.9981),
        "log_loss": Value(0.31),
        "brier": Value(0.25),
        "ece": Value(0.05),
        "ece_equal_mass": Value(0.04, certified=(0.03, 0.05)),
        "mce": Value(None),
        "brier_reliability": Value(0.02),
        "brier_resolution": Value(0.5),
        "brier_uncertainty": Value(0.75),
    }
    filled = {8: (3, 0.57, 2 / 3), 11: (41, 0.77, 0.4), 13: (12, 0.9, 0.9), 14: (1500, 0.99, 0.999)}
    bins = tuple(CalibrationBin(i / 15, (i + 1) / 15, *filled.get(i, (0, None, None))) for i in range(15))
    found = Calibration("top label", bins, Temperature(1.5, 0.31, 0.29, 1556))
    points = tuple(CoveragePoint(i / 10, 1 - i / 100, 1 - i / 20) for i in range(1, 11))
    return replace(base, per_class=rows, metrics=base.metrics | extra, calibration=found, coverage=points)


def sliced() -> Report:
    """Two columns that rows were sliced by, one with nasty values and more of them than are shown."""
    base = build(BLOBS)
    accuracies = (Value(0.95, 0.9, 0.97, "wilson"), Value(0.9, 0.85, 0.95, "wilson"), Value(0.25))
    rows = [
        SliceRow("region", value, n, {"accuracy": share, "f1_macro": Value(0.75), "mcc": Value(None)})
        for value, n, share in zip(("EU", "US", ""), (120, 70, 10), accuracies, strict=True)
    ]
    rows += [
        SliceRow("site,[red]x", name, 5, {"accuracy": Value(i / 20), "f1_macro": Value(0.5)})
        for i, name in enumerate(NASTY)
    ]
    return replace(base, slices=tuple(rows))


def searched() -> Report:
    """A search that found more than is shown, of nasty names, and left columns out."""
    base = build(BLOBS)
    pair = WeakSlice(
        ("region", "device"), ("EU", "tablet"), 1444, 0.6644, 0.9055, -0.2411, -0.2872, -0.1976, 2e-24, 3e-22
    )
    nasty = [
        WeakSlice(("site,[red]x",), (name,), 90 + i, 0.7, 0.8, -0.1, -0.2, -0.01 + i / 1e4, 0.001, 0.012 + i / 1e3)
        for i, name in enumerate(NASTY)
    ]
    left_out = (("id", "is called as ids are"), ("[b]note", "about 4,000 values in 4,000 rows: ids"))
    scan = Scan("accuracy", 0.05, 30, ("region", "device", "site,[red]x"), left_out, 147, 12, (pair, *nasty))
    return replace(base, scan=scan)


def found_nothing() -> Report:
    """A search that found nothing, without intervals."""
    shown = LeastShown("region", "EU", 4210, -0.0412)
    scan = Scan("recall[cat]", 0.05, 100, ("region", "device"), (), 14, 0, (), shown)
    return replace(build(BLOBS), scan=scan)


def screens() -> dict[str, Report]:
    """The reports whose pictures are kept in tests/golden."""
    spam = build(
        [[100, 5], [10, 50]],
        ["ham", "spam"],
        task="binary",
        scores="probs",
        positive="spam",
        threshold=0.5,
        findings=FINDINGS,
        gates=GATES,
    )
    metrics = spam.metrics | {name: spam.per_class[1].metrics[name] for name in spam.per_class[1].metrics}
    digits = [
        [47 - (i % 4) if i == j else int((i * 7 + j * 5) % 9 == 0) * (1 + i % 3) for j in range(10)] for i in range(10)
    ]
    nasty = [[9 if i == j else int((i * 5 + j) % 7 == 0) for j in range(len(NASTY))] for i in range(len(NASTY))]
    weighted = [[12.5, 0.25, 0.0], [1.125, 1234.5, 3.0], [0.0, 0.0, 0.0]]
    intervals = {
        "accuracy": Value(0.995, 0.9722, 0.9991, "wilson"),
        "f1_macro": Value(0.9949, 0.981, 0.9993, "bootstrap"),
    }
    return {
        "spam": replace(spam, metrics=metrics),
        "blobs": build(BLOBS),
        "scored": scored(),
        "sliced": sliced(),
        "searched": searched(),
        "found_nothing": found_nothing(),
        "intervals": build(BLOBS, metrics=build(BLOBS).metrics | intervals),
        "digits": build(digits),
        "nasty": build(nasty, NASTY),
        "weighted": build(
            weighted,
            ["cat", "dog", "never"],
            weighted=True,
            averaged=2,
            undefined=("recall[never]", "precision[never]"),
        ),
        "one": build([[7]], ["only"]),
        "many": sparse(25),
        "thousand": sparse(1000),
    }


@pytest.fixture
def make() -> Callable[..., Report]:
    return build


@pytest.fixture(params=sorted(screens()))
def shown(request: pytest.FixtureRequest) -> tuple[str, Report]:
    return request.param, screens()[request.param]


@pytest.fixture(autouse=True)
def _fresh_styles() -> None:
    """rich keeps the codes of a style for the first terminal that showed it; each test has a terminal of its own."""
    from rich.style import Style

    Style.parse.cache_clear()
    Style._add.cache_clear()


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a kept text; ``GOLDEN=write`` writes it anew, for a person to look at."""
    import os

    folder = Path(__file__).parent.parent / "golden"

    def check(name: str, text: str) -> None:
        path = folder / name
        if os.environ.get("GOLDEN") == "write":
            path.write_bytes(text.encode())
        assert text == path.read_bytes().decode()

    return check
