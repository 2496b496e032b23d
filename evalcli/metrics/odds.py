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
"""Of up to so many classes the largest is found one after the other; of more, by a second look."""
FAR = 700.0
"""``exp`` of more than this is no float64 any more."""
_NEAR = 1e-9
"""Of log-odds that are less the sum of the others beside the largest logit keeps few digits: it is near 1."""
_STEPS = 2.0**20
"""Logits of 16 bits are multiples of 1 by this, but for those next to 0."""
_COMMUTE = 3
"""Of no more classes there are two others, whose sum is the same in either order."""


def one_vs_rest_scores(scores: Array, kind: Literal["logits", "probs"]) -> HostArray:
    """Scores (N, C) that rank rows, class by class, as P(class | row) does, for a ``KeyTable`` of C columns.

    Probabilities stay as they are stored. Logits become ``log p − log(1 − p) = x_c − log Σ_{j≠c} exp(x_j)`` in float64.
    A probability itself ends at 1 − 2⁻⁵³, and its logarithm at −2⁻⁵³: confident rows would tie. The odds are symmetric,
    so both ends keep the resolution of the logits, and the sum over the *others* never subtracts what it has added.
    Where these are next to nothing beside the largest logit of a row, or nothing but a second one that is all but as
    large, they are taken relative to the second largest.

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
            _log_odds(np.array(logits[rows].T, np.float64, order="C"), odds, start)
    return odds.T


def _log_odds(logits: HostArray, odds: HostArray, start: int) -> None:
    """Log-odds of logits (C, n), which are overwritten, from the row ``start`` of ``odds`` (C, N) on."""
    if len(logits) == 2:  # their difference, of which an exponential near 1 would keep no more than 16 places
        ahead = np.nan_to_num(logits[0] - logits[1], nan=0.0, posinf=np.inf, neginf=-np.inf)
        odds[:, start : start + len(ahead)] = ahead, -ahead
        return
    rows, coarse = np.arange(logits.shape[1]), _coarse(logits)
    most, leader = _largest(logits)
    largest, of_row, leaders = leader * len(most) + rows, rows, None
    held = logits == most
    if np.count_nonzero(held) != len(rows):  # several a row
        largest = np.flatnonzero(held)
        leader, of_row = np.divmod(largest, len(most))
        leaders = np.bincount(of_row)
    logits -= most  # NaN where infinity meets itself: those are among the largest, which are replaced
    parts = np.exp(logits)
    parts.reshape(-1)[largest] = 0.0
    rest = np.zeros(len(most))
    for part in parts:  # one after the other: a sum over the axis of a single row would go by pairs
        rest += part
    if len(coarse):
        rest[coarse] = _sum(parts[:, coarse])
    own = -np.log(rest if leaders is None else rest + (leaders - 1))
    rough = (own > FAR) | (np.abs(own) < _NEAR)
    if leaders is not None:
        rough &= leaders == 1
    again = np.flatnonzero(rough)
    if len(again):
        own[again] = _ahead(logits[:, again])
    np.subtract(rest + (1 if leaders is None else leaders), parts, out=parts)
    np.subtract(logits, np.log(parts, out=parts), out=odds[:, start : start + len(rows)])
    odds.reshape(-1)[leader * odds.shape[1] + (of_row + start)] = own[of_row]


def _largest(logits: HostArray) -> tuple[HostArray, HostArray]:
    """The largest of each row (n,), and the first class (n,) that has it."""
    if len(logits) > _FEW:
        most = logits.max(axis=0)
        return most, np.argmax(logits == most, axis=0)
    most, leader = logits[0].copy(), np.zeros(logits.shape[1], np.int8)
    for number, row in enumerate(logits[1:], 1):
        np.maximum(leader, np.multiply(row > most, number, dtype=np.int8), out=leader)
        np.maximum(most, row, out=most)
    return most, leader.astype(np.int64)


def _ahead(below: HostArray) -> HostArray:
    """Log-odds (K,) of the one largest logit of rows, relative to the second, from logits less the largest (C, K)."""
    others = np.where(below < 0.0, below, -np.inf)
    second = others.max(axis=0)
    total = _sum(np.exp(others - second))
    return np.where(second == -np.inf, np.inf, -second - np.log(total))


def _coarse(logits: HostArray) -> HostArray:
    """Rows (K,) of whole or quantised logits (C, n): others may have the same ones, of other classes."""
    rows = np.arange(logits.shape[1] if len(logits) > _COMMUTE else 0)
    for each in logits:
        scaled = each[rows] * _STEPS
        rows = rows[np.rint(scaled) == scaled]
        if not len(rows):
            break
    return rows


def _sum(parts: HostArray) -> HostArray:
    """Sums (n,) over classes of parts (C, n), the same in any order: rows of the same logits tie, whichever has which.

    What each addition rounds away is added up apart. Source: Knuth, The Art of Computer Programming 2, 4.2.2, Theorem B
    """
    total: HostArray = np.zeros(parts.shape[1])
    lost, more, added = np.zeros_like(total), np.empty_like(total), np.empty_like(total)
    for part in parts:
        np.add(total, part, out=more)
        np.subtract(more, total, out=added)
        lost += part - added
        np.subtract(more, added, out=added)
        total -= added
        lost += total
        total, more = more, total
    total += lost
    return total
