"""Classes of which a sample has no row that tells their ratio, and which a mean over classes counts as 0.

A class that is named and has no row of its own has no recall, and one that is never named no precision. Of classes of
two rows on average that is so in 13 % of samples, and the mean is too low by what each of them has: of ten classes of
which some were so rare the macro recall was held in 88 to 92 %, with the truth above. So the upper end lies higher by
what the other classes have on average.

Whether a class without a row occurs at all nobody has seen. What was not seen is told by what was seen rarely: no more
of them are taken to occur than there are classes with a handful of rows. A class that occurs and was never named may be
named in another sample where it has a handful of rows; where it has more, the model does not name it.

Source: Good 1953, The population frequencies of species and the estimation of population parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.slopes import MeanOfRatios

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.cells import Cells, Margins
    from evalcli.uncertainty.slopes import Measure, Ratio

_HANDFUL = 5.0
"""Rows of equal weight: of a class that has as many on average one sample of 150 has none."""


def untold(of: Measure, cells: Cells) -> float:
    """By how much larger a metric may be as classes without a row that tells their ratio count as 0.

    >>> from evalcli.metrics.registry import parse
    >>> from evalcli.uncertainty.cells import Cells
    >>> from evalcli.uncertainty.measures import measure
    >>> cells = Cells.of_matrix(np.array([[90, 0, 1], [1, 3, 0], [0, 0, 0]]))
    >>> round(untold(measure(parse("recall_macro"), cells), cells), 4)
    0.2898
    """
    if not isinstance(of, MeanOfRatios):
        return 0.0
    support = cells.margins.support
    weights = support / max(float(support.sum()), 1e-300) if of.weights is None else of.weights
    return untold_of(of.ratio, weights, cells.margins, float(cells.spread.n) / cells.n)


def untold_of(ratio: Ratio, weights: HostArray, margins: Margins, row: float) -> float:
    """The same of the mean of a ratio over classes with ``weights`` (C,), where a ``row`` weighs so much (Σw² / Σw)."""
    ratio = ratio.among(margins)
    below = ratio.bottom.of(margins)
    if (below > 0.0).all():  # as nearly always
        return 0.0
    empty, held = (weights > 0.0) & (below <= 0.0), (weights > 0.0) & (below > 0.0)
    if not empty.any() or not held.any():
        return 0.0
    some = _HANDFUL * row
    values = ratio.top.of(margins)[held] / below[held]
    mean = dot(weights[held], values) / float(weights[held].sum())
    there = margins.support > 0.0
    rare = int((held & (below < some)).sum())
    unseen = np.sort(weights[empty & ~there])[::-1][:rare]
    unnamed = weights[empty & there & (margins.support < some)]
    return mean * (float(unseen.sum()) + float(unnamed.sum()))
