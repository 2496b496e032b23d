"""The metrics that only a multilabel task has: one row each. Importing this module imports no numpy."""

from __future__ import annotations

from math import inf

from evalcli.metrics.entry import Entry, late

_TASKS = ("multilabel",)
_CELLS = "A cell left out by --ignore-index counts in no label and in no row. Undefined only without rows."
_RANKS = (
    "Ranks on raw scores, within each row; tied scores count against the model. A cell left out by --ignore-index is "
    "in no rank. Undefined only without rows."
)

MULTILABEL_ROWS = (
    Entry(
        name="subset_accuracy",
        title="Subset accuracy",
        formula=late("multilabel", "subset_accuracy"),
        formula_text="#{predicted set = true set} / n",
        source="Ghamrawi and McCallum 2005, Collective multi-label classification",
        summary="The share of rows of which every label is right (exact match).",
        convention=f"What scikit-learn calls the accuracy of a multilabel task. {_CELLS}",
        state="SampleSets",
        tasks=_TASKS,
    ),
    Entry(
        name="hamming_loss",
        title="Hamming loss",
        formula=late("multilabel", "hamming_loss"),
        formula_text="Σ (FP + FN) / Σ n",
        source="Schapire and Singer 1999, Improved boosting algorithms using confidence-rated predictions",
        summary="The share of single decisions, one for each row and label, that are wrong.",
        convention=f"Low wherever labels are rare, even if none is ever found. {_CELLS}",
        direction="lower",
        state="LabelCounts",
        tasks=_TASKS,
    ),
    Entry(
        name="hamming_accuracy",
        title="Hamming accuracy",
        formula=late("multilabel", "hamming_accuracy"),
        formula_text="1 − Hamming loss",
        source="Schapire and Singer 1999, Improved boosting algorithms using confidence-rated predictions",
        summary="The share of single decisions that are right.",
        convention=f"High wherever labels are rare, even if none is ever found. {_CELLS}",
        state="LabelCounts",
        tasks=_TASKS,
    ),
    Entry(
        name="lrap",
        title="Label ranking average precision",
        formula=late("label_ranks", "lrap"),
        formula_text="mean over rows, over true y, of #{true: s ≥ s_y} / #{s ≥ s_y}",
        source="Schapire and Singer 2000, BoosTexter: a boosting-based system for text categorization",
        summary="Of the labels ranked at or above a true one, the share that is true, averaged.",
        convention=f"A row with no true label, or with none but true ones, counts 1, as in scikit-learn. {_RANKS}",
        state="LabelRanks",
        reads="scores",
        tasks=_TASKS,
    ),
    Entry(
        name="coverage_error",
        title="Coverage error",
        formula=late("label_ranks", "coverage_error"),
        formula_text="mean over rows of #{s ≥ lowest score of a true label}",
        source="Tsoumakas, Katakis and Vlahavas 2010, Mining multi-label data",
        summary="How many labels must be taken from the top of a row to have all its true ones.",
        convention=f"At best the mean number of true labels. A row without any counts 0, as in scikit-learn. {_RANKS}",
        direction="lower",
        high=inf,
        state="LabelRanks",
        reads="scores",
        tasks=_TASKS,
    ),
    Entry(
        name="ranking_loss",
        title="Ranking loss",
        formula=late("label_ranks", "ranking_loss"),
        formula_text="mean over rows of #{s_true ≤ s_other} / (#true·#other)",
        source="Tsoumakas, Katakis and Vlahavas 2010, Mining multi-label data",
        summary="The share of pairs of a true label and another that are in the wrong order.",
        convention=f"A row with no true label, or with none but true ones, counts 0, as in scikit-learn. {_RANKS}",
        direction="lower",
        state="LabelRanks",
        reads="scores",
        tasks=_TASKS,
    ),
)
