"""Classes of which a sample has no row that tells their ratio, and which a mean over classes counts as 0.

A class that is named and has no row of its own has no recall, and one that is never named no precision. Of classes of
two rows on average that is so in 13 % of samples, and the mean is too low by what each of them has: of ten classes of
which some were so rare the macro recall was held in 88 to 92 %, with the truth above. So the upper end lies higher by
what the other classes have on average.

Whether such a class occurs at all nobody has seen. What was not seen is told by what was seen rarely: no more of them
are taken to occur than there are classes with a handful of rows.

Source: Good 1953, The population frequencies of species and the estimation of population parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.slopes import MeanOfRatios

if TYPE_CHECKING:
    from evalcli.uncertainty.cells import Cells
    from evalcli.uncertainty.slopes import Measure

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
    margins = cells.margins
    below = of.ratio.bottom.of(margins)
    weights = margins.support / max(float(margins.support.sum()), 1e-300) if of.weights is None else of.weights
    empty, held = (weights > 0.0) & (below <= 0.0), (weights > 0.0) & (below > 0.0)
    if not empty.any() or not held.any():
        return 0.0
    row = float(cells.spread.n) / cells.n
    rare = int((held & (below < _HANDFUL * row)).sum())
    values = of.ratio.top.of(margins)[held] / below[held]
    mean = dot(weights[held], values) / float(weights[held].sum())
    return mean * float(np.sort(weights[empty])[::-1][:rare].sum())
