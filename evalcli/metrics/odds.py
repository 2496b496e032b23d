"""Logits as scores that rank rows by the probability of each class, without losing what a probability rounds away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from evalcli.metrics.arrays import Array, asnumpy, host_scores

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

_CELLS = 1 << 17
"""Scores whose softmax is taken at a time, so that it stays in the cache."""
_FEW = 16
"""Up to so many classes the largest logit is found on the way; of more, by a second look."""
FAR = 700.0
"""``exp`` of more than this is no float64 any more."""


def one_vs_rest_scores(scores: Array, kind: Literal["logits", "probs"]) -> HostArray:
    """Scores (N, C) that rank rows, class by class, as P(class | row) does, for a ``KeyTable`` of C columns.

    Probabilities stay as they are stored. Logits become ``log p − log(1 − p) = x_c − log Σ_{j≠c} exp(x_j)`` in float64.
    A probability itself ends at 1 − 2⁻⁵³, and its logarithm at −2⁻⁵³: confident rows would tie. The odds are symmetric,
    so both ends keep the resolution of the logits, and the sum over the *others* never subtracts what it has added.
    The one step that could, for the largest logit of a row, is taken relative to the second largest.

    An infinite logit is certain; where several are, they share; a row of −inf only is uniform.
    """
    if kind == "probs":
        return host_scores(scores)
    logits = asnumpy(scores.double() if hasattr(scores, "detach") else scores)
    odds = np.empty(logits.shape[::-1])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        step = max(_CELLS // max(len(odds), 1), 1)
        for start in range(0, len(logits), step):
            rows = slice(start, start + step)
            # classes outermost: additions run in one order, whatever the layout of the input and the rows beside
            odds[:, rows] = _log_odds(np.array(logits[rows].T, np.float64, order="C"))
    return odds.T


def _log_odds(logits: HostArray) -> HostArray:
    """Log-odds (C, N) of logits (C, N), which are overwritten."""
    most, second = logits[0].copy(), np.full(logits.shape[1], -np.inf)
    leader = np.zeros(len(most), np.int8)
    for number, row in enumerate(logits[1:], 1):
        np.maximum(second, np.minimum(most, row), out=second)
        if len(logits) <= _FEW:
            np.maximum(leader, np.multiply(row > most, number, dtype=np.int8), out=leader)
        np.maximum(most, row, out=most)
    leading = np.arange(len(most))
    largest = leader.astype(np.int64) * len(most) + leading
    if len(logits) > _FEW or (second == most).any():  # which may be several a row
        largest = np.flatnonzero(logits == most)
        leading = largest % len(most)
    lead = np.where(second == most, 0.0, most - second)
    logits -= most  # NaN where infinity meets itself: those are among the largest, which are replaced
    parts = np.exp(logits)
    parts.reshape(-1)[largest] = 0.0
    rest = np.zeros(len(most))
    for part in parts:  # one after the other: a sum over the axis of a single row would go by pairs
        rest += part
    odds = lead - np.log(_relative(rest, lead, logits))
    leaders: HostArray | int = 1
    if len(largest) > len(most):
        leaders = np.bincount(leading, minlength=len(most))
        odds = np.where(leaders > 1, -np.log(rest + (leaders - 1)), odds)
    np.subtract(rest + leaders, parts, out=parts)
    logits -= np.log(parts, out=parts)
    logits.reshape(-1)[largest] = odds[leading]
    return logits


def _relative(rest: HostArray, lead: HostArray, below: HostArray) -> HostArray:
    """``Σ exp(x_j − second largest)`` over all but the largest, from the sum relative to the largest."""
    total = rest * np.exp(np.minimum(lead, FAR))
    far = np.flatnonzero((lead > FAR) & (lead < np.inf))
    if len(far):
        total[far] = 0.0
        for row in below[:, far]:
            total[far] += np.where(row == 0, 0.0, np.exp(row + lead[far]))
    total[lead == np.inf] = 1.0
    return total
