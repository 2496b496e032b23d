"""How differently a binary model treats slices: one row each. Importing this module imports no numpy.

A formula reads, for each slice, the metrics that ``reads_of`` names, and looks at how far apart the slices are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.metrics.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rates = Mapping[str, Sequence[float]]

reads_of = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("recall",),
    "equalized_odds_difference": ("recall", "specificity"),
}
"""The metrics of every slice that each of them is made of."""


def widest_gap(rates: Rates) -> float:
    """The largest distance between two slices, in any of the rates.

    >>> widest_gap({"recall": [0.9, 0.7], "specificity": [0.8, 0.75]})
    0.20000000000000007
    """
    return max(max(values) - min(values) for values in rates.values())


_CONVENTION = (
    "Between the slices of --min-slice-size rows or more, of the positive class of a binary task; 0 treats all alike. "
    "Undefined where one of the rates is undefined in a slice."
)

FAIRNESS_ROWS = (
    Entry(
        name="demographic_parity_difference",
        title="Demographic parity difference",
        formula=widest_gap,
        formula_text="max − min over slices of predicted positive / n",
        source="Dwork et al. 2012, Fairness through awareness",
        summary="How much more often the model says yes in one slice than in another.",
        convention=_CONVENTION,
        direction="lower",
        state="Slices",
        reads="slices",
        tasks=("binary",),
    ),
    Entry(
        name="equal_opportunity_difference",
        title="Equal opportunity difference",
        formula=widest_gap,
        formula_text="max − min over slices of recall",
        source="Hardt, Price and Srebro 2016, Equality of opportunity in supervised learning",
        summary="How much better those who deserve a yes get it in one slice than in another.",
        convention=_CONVENTION,
        direction="lower",
        state="Slices",
        reads="slices",
        tasks=("binary",),
    ),
    Entry(
        name="equalized_odds_difference",
        title="Equalised odds difference",
        formula=widest_gap,
        formula_text="max over (recall, false positive rate) of max − min over slices",
        source="Hardt, Price and Srebro 2016, Equality of opportunity in supervised learning",
        summary="How differently slices fare among those who deserve a yes and those who do not, at worst.",
        convention=_CONVENTION,
        direction="lower",
        state="Slices",
        reads="slices",
        tasks=("binary",),
    ),
)
