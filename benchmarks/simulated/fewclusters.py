"""Classes that lie in few clusters, or in more: which of them are small samples.

The size of a sample is the number of rows, or of clusters where rows belong together: from 100 rows and from
``MANY_CLUSTERS`` clusters on 93 to 97 % are promised. Student's quantile of 29 degrees of freedom is 4 % above the
normal one, and each cluster tells more than a row: of fewer, the shape of what they scatter by decides (Cameron and
Miller 2015, A practitioner's guide to cluster-robust inference, calls 20 to 50 few). A class is a sample of its own:
where it has a handful of rows, or of clusters (fewer than ``HANDFUL`` on average), that is a small sample, too.
"""

from __future__ import annotations

import numpy as np

from benchmarks.simulated import Case
from benchmarks.simulated.counts import diagnoses, recall_of_few

DIAGNOSED = (
    *(("macro F1", "f1_macro"), ("balanced accuracy", "balanced_accuracy")),
    ("macro precision", "precision_macro"),
)
MANY_CLUSTERS, HANDFUL = 30, 5.0
OF_CLASS = tuple((n, right, alike) for n in (10, 20, 30) for right in (0.7, 0.9) for alike in (0.5, 0.9))
MANY_CLASSES = ((30, 2, 0.6), (60, 3, 0.85), (100, 2, 0.6), (100, 5, 0.6))
DIAGNOSES = (
    *(("5 diagnoses", (100, 5, 1.0, 0.85)), ("6 rare diagnoses", (40, 6, 1.5, 0.85))),
    *(("10 rare diagnoses", (40, 10, 1.0, 0.85)), ("12 diagnoses", (50, 12, 0.5, 0.85))),
    ("20 diagnoses", (60, 20, 0.0, 0.8)),
    *((f"{n} diagnoses, {each} each", (n * each, n, 0.0, right)) for n, each, right in MANY_CLASSES),
)


def of_diagnoses(*, small: bool) -> tuple[Case, ...]:
    """Return the cases of patients of whose rarest diagnosis a handful is expected, or of others."""
    chosen = [(what, how) for what, how in DIAGNOSES if (rarest(*how[:3]) < HANDFUL) == small]
    return tuple(
        Case(f"{name}, patients of {what}", diagnoses(metric, *how))
        for name, metric in DIAGNOSED
        for what, how in chosen
    )


def rarest(patients: int, classes: int, fall: float) -> float:
    """Return how many patients the rarest of diagnoses of frequencies ``1 / k^fall`` has on average."""
    often = 1.0 / np.arange(1, classes + 1) ** fall
    return float(patients * often[-1] / often.sum())


def of_classes(*, small: bool) -> tuple[Case, ...]:
    """Return the cases of the recall of one class, in few clusters or in more."""
    return tuple(
        Case(f"recall {right} of a class in {n} clusters, {alike}", recall_of_few(n, right, alike))
        for n, right, alike in OF_CLASS
        if (n < MANY_CLUSTERS) == small
    )
