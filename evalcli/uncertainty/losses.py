"""Intervals of mean losses (log loss, Brier score): means, and what a model that was never wrong leaves unseen.

Most of the loss of a model that is nearly always right is made by the few rows that it has wrong. Where there are none
in a sample, the scatter of the others tells nothing about them: of 400 rows of which 0.1 to 0.5 were wrong on average,
Hall's interval held the truth in 15 to 76 %. So the upper end is raised by as many wrong rows as may have gone unseen
(Wilson), each of the loss that the model itself expects of one: a row that it thinks wrong with probability ``q``
costs ``−log q`` then, or ``largest·(1 − q)²``, and is ``q`` times as likely to be it.

A model may be surer than it should be, and its wrong rows cost more than it says: nothing in a sample without one tells
by how much. But at the temperature at which it expects as many as may have gone unseen, seeing none is just no surprise
yet. So where it expects fewer, its odds are taken to the root that makes up for that: where wrong rows are, they are
then as far from likely as they can be. With logits four times too large, and two rows wrong on average, the truth was
held in 88 % without that.

A single wrong row tells how many there may be, which Hall's skewness allows for, but not what others cost, which has no
bound in a log loss: where one was wrong of a model with logits 2.5 times too large, 23 to 27 % of upper ends were too
low. So there the upper end is raised as well.

Source: Hall 1992, On the removal of skewness by transformation; Wilson 1927, Probable inference.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isinf, log
from typing import TYPE_CHECKING

import numpy as np

from evalcli.uncertainty.cells import dot
from evalcli.uncertainty.intervals import none_of
from evalcli.uncertainty.means import WORST_LOSS, Moments, mean_interval

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray
    from evalcli.uncertainty.intervals import Confidence, Interval

_TOLD = 0.99
"""Sizes of losses are known to two digits and more: from here on a row may be wrong."""
_ONE = 1.0 + 1e-9
"""Weights that are added up round."""
_HALVINGS = 30
"""A root is told to nine digits: what rows cost then, to more than an end is looked at."""


def loss_interval(
    losses: HostArray, rows: HostArray, confidence: Confidence, largest: float, mean_weight: float = 1.0
) -> Interval:
    """The interval of a mean of ``losses`` (K,) that ``rows`` (K,) have, each up to ``largest``: infinite, a log loss.

    >>> from evalcli.uncertainty.intervals import Confidence
    >>> found = loss_interval(np.array([1e-6, 1e-4]), np.array([300.0, 100.0]), Confidence(), largest=1.0)
    >>> round(found.low, 6), round(found.high, 4)
    (2.2e-05, 0.0094)
    """
    moments = Moments.of_histogram(losses, rows, mean_weight)
    unseen = none_of(moments.rows, confidence.critical)
    wrong = wrong_loss(losses, rows, largest, mean_weight, unseen)
    worst = (WORST_LOSS if isinf(largest) else None) if wrong is None else wrong
    found = mean_interval(moments, confidence, 0.0, largest, worst)
    if wrong is None or not moments.error > 0.0:
        return found
    return replace(found, high=min(found.high + wrong * unseen, largest))


def wrong_loss(
    losses: HostArray, rows: HostArray, largest: float, one: float = 0.0, unseen: float = 0.0
) -> float | None:
    """What a wrong row would cost on average, by what the model says of right ones.

    ``None`` where a row may be wrong, and what that costs was seen; or where none was thought to be. Of log losses that
    of ``one`` row alone, which has that weight, or of one cluster, is not known yet. A model that expects a smaller
    share of the rows to be wrong than may have gone ``unseen`` is taken to be surer than it should be.
    """
    wrong = losses >= least_wrong(largest)
    if tells_cost(float(rows[wrong].sum()), one, largest):
        return None
    right = rows[~wrong]
    doubt, cost = doubts(losses[~wrong], largest)
    weights = right * _tempered(doubt, right, unseen)
    total = float(weights.sum())
    return dot(weights, cost) / total if total > 0.0 else None


def tells_cost(wrong: float, one: float, largest: float) -> bool:
    """Whether so many ``wrong`` rows tell what a wrong row costs: of log losses ``one`` alone does not."""
    return wrong > (one * _ONE if isinf(largest) else 0.0)


def _tempered(doubt: HostArray, rows: HostArray, share: float) -> HostArray:
    """The doubts (N,) of the same model at the temperature from 1 on at which this ``share`` of its rows is wrong."""
    wanted = share * float(rows.sum())
    if dot(rows, doubt) >= wanted:
        return doubt
    odds = np.log(doubt, out=np.full(len(doubt), -inf), where=doubt > 0.0) - np.log1p(-doubt)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        root = 0.5 * (low + high)
        low, high = (root, high) if dot(rows, _share(root * odds)) > wanted else (low, root)
    return _share(high * odds)


def _share(odds: HostArray) -> HostArray:
    """Of logarithms of odds below 1."""
    grown = np.exp(odds)
    shares: HostArray = grown / (1.0 + grown)
    return shares


def least_wrong(largest: float) -> float:
    """From which loss on a row may be wrong."""
    return _TOLD * (log(2.0) if isinf(largest) else largest / 4.0)


def doubts(losses: HostArray, largest: float) -> tuple[HostArray, HostArray]:
    """How probable a model thinks it that rows with these ``losses`` (N,) are wrong, and what that would cost."""
    if isinf(largest):
        doubt = -np.expm1(-losses)
        return doubt, -np.log(np.maximum(doubt, 1e-300))
    doubt = np.sqrt(losses / largest)
    return doubt, largest * (1.0 - doubt) ** 2


def unseen_loss(losses: HostArray, rows: HostArray, largest: float, one: float = 0.0, unseen: float = 0.0) -> float:
    """What a wrong row would cost that was not seen: 0 where that was, the most where none was thought to be.

    ``one`` and ``unseen`` are as ``wrong_loss`` has them.
    """
    wrong = wrong_loss(losses, rows, largest, one, unseen)
    if wrong is not None:
        return wrong
    return 0.0 if losses[rows > 0.0].any() else min(largest, WORST_LOSS)
