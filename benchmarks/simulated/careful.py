"""Which cases hold the truth more often than 97 %, and why: docs/intervals.md says so of each.

A number at the end of its range can be missed on one side only; what nobody knows to go together is taken to go the
worst way; and a sample that hardly tells how far a number varies gets an interval that allows for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.simulated import Case

ONE_END = "the truth is the least that there can be, which only the lower end can miss"
BOUND = "its parts are taken to be off together in the worst way"
TURNS = "it may turn at the truth, where both sides of the turn are held"
FEW_WRONG = "a handful of wrong rows tells hardly how many there are, or what others cost"
IN_ORDER = "hardly a row is out of order"
OF_BINS = "the noise of bins, and what rows of a cluster have in common, is allowed for by its upper bound"
FEW_ROWS = "half of its classes have five rows each, and what these leave unknown is allowed for"
FEW_CLUSTERS = "its rarest class lies in nine clusters, and what they leave unknown is allowed for"
MAXIMA = "the part of what each maximum has gained that is not known is added"
TWO_MAXIMA = "the interval of each model holds what its maximum may have gained"

CAREFUL = {
    **dict.fromkeys(("ECE 0, ", "Brier reliability 0, "), ONE_END),
    **dict.fromkeys(
        (
            *("risk–coverage area, z = 2, 100 rows", "risk–coverage excess, z = 1.5, 100 rows"),
            "log loss of few wrong rows",
        ),
        FEW_WRONG,
    ),
    "difference of log loss of few wrong rows": FEW_WRONG,
    **dict.fromkeys(("AUROC 0.96, 25 + 975 rows", "AUROC 0.993, 100 + 1,900 rows", "Spearman, good, "), IN_ORDER),
    **dict.fromkeys(("multilabel LRAP", "multilabel macro recall, rare labels", "Kolmogorov–Smirnov near 1"), IN_ORDER),
    **dict.fromkeys(("difference of macro AUROC near", "difference of macro AP near"), IN_ORDER),
    **dict.fromkeys(("macro AP, clusters of scores near 1", "defined: AUROC less average precision, 100"), IN_ORDER),
    **dict.fromkeys((f"{mean}, patients of 5" for mean in ("macro F1", "balanced accuracy")), FEW_CLUSTERS),
    **dict.fromkeys((f"{mean}, 10 classes, half" for mean in ("macro recall", "balanced accuracy")), FEW_ROWS),
    **dict.fromkeys(("ECE, clusters of scores", "difference of multilabel ECE"), OF_BINS),
    **dict.fromkeys(("difference of ece", "difference of brier_"), OF_BINS),
    "macro Kolmogorov–Smirnov": MAXIMA,
    **dict.fromkeys(("difference of ks", "difference of specificity_at"), TWO_MAXIMA),
    **dict.fromkeys(("defined: at its top", "defined: size of a gap"), TURNS),
    **dict.fromkeys(("defined: RMSE over MAE", "defined: macro F1 less micro F1"), BOUND),
    **dict.fromkeys((f"difference of what is defined: {what}" for what in ("worst", "size", "RMSE over")), BOUND),
    "difference of what is defined: Brier score over errors": "the errors of a model may be nearly 0",
}
"""By how the name of a case begins."""


def with_reasons(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """Return the cases, each with why it is careful, if it is."""
    return tuple(case._replace(careful=_reason(case.name)) for case in cases)


def _reason(name: str) -> str:
    return next((reason for start, reason in CAREFUL.items() if name.startswith(start)), "")
