"""The races: one row each, ours against one peer, and the ratio we promise."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import CLASSES

HERE = Path(__file__).parent
ROOT = HERE.parent
SAMPLE = (str(ROOT / "sample_data" / "preds.pt"), str(ROOT / "sample_data" / "targets.pt"))
MILLION = 1_000_000


def ours() -> tuple[str, ...]:
    """Return the console script that stands beside this interpreter, as a user would start it."""
    script = Path(sys.executable).with_name("evalcli")
    return (str(script),) if script.exists() else (sys.executable, "-m", "evalcli")


@dataclass(frozen=True, slots=True)
class Race:
    """``peer`` names a script in ``peers/``, which needs ``package``; ``kind`` names a data set, none the sample.

    ``flags`` narrow our report to what the peer computes, ``checked`` are the numbers in which both must agree, and
    ``limit`` is a promise in seconds.
    """

    name: str
    title: str
    peer: str
    package: str
    kind: str | None = None
    rows: int = 10 * MILLION
    goal: float | None = None
    extra: tuple[str, ...] = ()
    rounds: int = 5
    tolerance: float = 1e-9
    flags: tuple[str, ...] = ()
    checked: tuple[str, ...] = ("accuracy", "f1_macro")
    limit: float | None = None


EXACT = 1e-9
FLOAT32 = 1e-5  # torchmetrics divides its counts in float32

LABEL_METRICS = (
    "accuracy,balanced_accuracy,mcc,kappa,precision_macro,precision_weighted,recall_macro,recall_weighted,"
    "f1_macro,f1_weighted,jaccard_macro,jaccard_weighted"
)
EXACT_IN_FLOAT32 = ("accuracy", "f1_macro", "auroc_macro", "average_precision_macro", "top3_accuracy")
"""What both agree on at 10M rows. The peer's ECE is 0.14903 there, and 0.14784 in float64: it adds up in float32."""
SCORED = ("accuracy", "f1_macro", "auroc_macro", "average_precision_macro", "ece", "top3_accuracy")
RANKED = ("accuracy", "f1_macro", "auroc", "average_precision")

RACES = (
    Race(
        "sample", "report of 200 × 4 logits, `.pt`", "torchmetrics_scores.py", "torchmetrics",
        goal=0.1, extra=("4",), tolerance=FLOAT32, checked=SCORED,
    ),
    Race(
        "labels", "10M integer labels, two `.pt`", "with_torchmetrics.py", "torchmetrics", "labels",
        goal=0.12, extra=(str(CLASSES),), tolerance=FLOAT32,
    ),
    Race("labels-sklearn", "10M integer labels, two `.pt`", "with_sklearn.py", "sklearn", "labels", rounds=3),
    Race(
        "logits", "10M × 10 float32 logits, `.pt`, their labels", "with_torchmetrics.py", "torchmetrics", "logits",
        goal=0.18, extra=(str(CLASSES),), tolerance=FLOAT32, flags=("-m", LABEL_METRICS),
    ),
    Race(
        "scores", "200k × 10 float32 logits, `.pt`, all metrics", "torchmetrics_scores.py", "torchmetrics", "logits",
        MILLION // 5, goal=0.12, extra=(str(CLASSES),), tolerance=FLOAT32, checked=SCORED, flags=("--no-intervals",),
    ),
    Race(
        "scores-sure", "the same with intervals, which the peer has not", "torchmetrics_scores.py", "torchmetrics",
        "logits", MILLION // 5, extra=(str(CLASSES),), tolerance=FLOAT32, checked=SCORED,
    ),
    Race(
        "many-scores", "10M × 10 float32 logits, `.pt`, all metrics", "torchmetrics_scores.py", "torchmetrics",
        "logits", limit=5.0, extra=(str(CLASSES),), tolerance=FLOAT32, checked=EXACT_IN_FLOAT32, rounds=1,
    ),
    Race(
        "binary", "10M float32 scores, `.pt`, all metrics", "sklearn_ranks.py", "sklearn", "binary",
        goal=0.15, tolerance=FLOAT32, checked=RANKED, rounds=3,
    ),
    Race("text", "10M rows of text labels, CSV", "with_duckdb.py", "duckdb", "text", goal=1.4),
    Race("text-polars", "10M rows of text labels, CSV", "with_polars.py", "polars", "text"),
    # at 10M rows the peer was stopped after six minutes
    Race("text-pandas", "1M rows of text labels, CSV", "with_pandas.py", "pandas", "text", MILLION, goal=0.1, rounds=1),
    Race("integers", "10M rows of integer labels, CSV", "with_duckdb.py", "duckdb", "integers", goal=1.6),
    Race("integers-polars", "10M rows of integer labels, CSV", "with_polars.py", "polars", "integers"),
    Race("integers-pandas", "10M rows of integer labels, CSV", "with_pandas.py", "pandas", "integers", rounds=3),
)  # fmt: skip  # a table reads better than thirty lines

PEER_NAMES = {
    "with_torchmetrics.py": "torchmetrics",
    "torchmetrics_scores.py": "torchmetrics",
    "with_sklearn.py": "scikit-learn",
    "sklearn_ranks.py": "scikit-learn",
    "with_duckdb.py": "DuckDB `GROUP BY`",
    "with_polars.py": "Polars",
    "with_pandas.py": "pandas + scikit-learn",
}

HELP = (*ours(), "--help")
HELP_PEER = (sys.executable, "-c", "import typer, rich.console, rich.table")
HELP_GOAL = 1.5
PYTHON_START = (sys.executable, "-c", "pass")
CAT = ("sh", "-c", 'cat "$@" >/dev/null', "sh")

MEMORY_KINDS = ("labels", "logits", "binary", "text")
