"""The temperature that would mend the confidence: the T for which ``logits / T`` have the least log loss.

One pass keeps a sample of rows, since no bounded sum of all rows gives the loss at every T. The sample holds the rows
whose content has the lowest hash, so it follows from the rows alone: not from batches, workers or their order. Up to
its size it is all of them, and equal rows are kept once, with their number.

The temperature is fitted on the very rows that are evaluated. It says how far off the confidence is; to be used, it has
to be fitted on other rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.metrics.arrays import distinct
from evalcli.metrics.probability import shifted
from evalcli.metrics.scorestate import ProbabilityState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.probability import ProbabilityRows, ScoreForm

MOST_ROWS = 10_000
MOST_SCORES = 1 << 22
"""Scores that a sample may hold: 32 MB, which of many classes is fewer rows."""
_FARTHEST = 1e30
FIRST_SPREAD, SECOND_SPREAD = (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)
"""Shifts and factors of SplitMix64's finaliser."""
_HASHED = 1 << 16
"""Scores that are hashed at a time: they stay in the cache."""


class Temperature(NamedTuple):
    """The fitted ``value``, the log loss at 1 (``before``) and at it (``after``), and the ``rows`` it was fitted on.

    ``value`` is 0 where every row is right, so that any more confidence is better; infinite where no confidence at all
    is best; NaN where no temperature changes anything. ``rows`` stand for the ``seen`` ones with a finite loss.
    """

    value: float
    before: float
    after: float
    rows: int
    seen: int


class _Kept(NamedTuple):
    """Rows by rising hash, then by another one of their content: (K,) uint64, (K, D) float64, (K,) int64."""

    hashes: HostArray
    content: HostArray
    counts: HostArray


class LowestHashes:
    """The ``capacity`` different rows of ``width`` numbers whose hash is lowest, and how often each was seen.

    What is lowest of all was lowest in every part, so nothing that belongs to the result was ever dropped.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.capacity, self.width = capacity, width
        self._kept = _none(width)
        self._waiting: list[_Kept] = []

    def add(self, hashes: HostArray, content: HostArray, counts: HostArray) -> None:
        """Take in rows; equal content must have an equal hash."""
        self._waiting.append(_Kept(hashes, content, counts))
        if sum(len(part.hashes) for part in self._waiting) >= self.capacity:
            self._settle()

    @property
    def limit(self) -> int:
        """Rows with a higher hash need not be added."""
        return int(self._kept.hashes[-1]) if len(self._kept.hashes) == self.capacity else (1 << 64) - 1

    @property
    def kept(self) -> _Kept:
        """The rows so far."""
        self._settle()
        return self._kept

    def _settle(self) -> None:
        if self._waiting:
            parts = [self._kept, *self._waiting]
            joined = (np.concatenate(columns) for columns in zip(*parts, strict=True))
            self._kept, self._waiting = _lowest(_Kept(*joined), self.capacity), []

    def fresh(self) -> Self:
        """An empty one of the same size."""
        return type(self)(self.capacity, self.width)

    def merge(self, other: Self) -> Self:
        """Take in another's rows, in place."""
        self.add(*other.kept)
        self._settle()
        return self

    def to(self, device: Any) -> Self:  # noqa: ARG002  every state can be moved; this one stays
        """Stay on the host."""
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """The rows by rising hash."""
        return dict(self.kept._asdict())

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        if not all(name in state for name in _Kept._fields):
            raise ValueError("the saved sample is not whole")
        kept = _Kept(*(np.array(state[name]) for name in _Kept._fields))
        size = len(kept.counts) if kept.counts.ndim == 1 else -1
        fits = kept.hashes.shape == (size,) and kept.content.shape == (size, self.width) and size <= self.capacity
        if not fits or [part.dtype for part in kept] != [part.dtype for part in _none(0)]:
            raise ValueError("the saved sample has other rows")
        if not (kept.hashes[1:] >= kept.hashes[:-1]).all() or not (kept.counts > 0).all():
            raise ValueError("the saved sample is not in order")
        if np.isnan(kept.content).any():
            raise ValueError("the saved sample holds what is no number")
        self._waiting, self._kept = [], kept


class TemperatureSample(ProbabilityState):
    """A sample of rows for ``fit_temperature``: at most 10,000, and at most 2^22 scores.

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = TemperatureSample(ScoreForm("logits", binary=True))
    >>> state.update(np.array([4.0, 4.0, 4.0, -4.0]), np.array([1, 1, 0, 0]))
    >>> round(state.compute().value, 6)
    3.640957
    """

    sample: LowestHashes
    finite: int

    def __init__(self, form: ScoreForm, *, rows: int = MOST_ROWS, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        self.columns = 1 if form.binary else form.classes
        self.capacity = max(1, min(rows, MOST_SCORES // self.columns))
        self.add_state("sample", LowestHashes(self.capacity, self.columns + 1 + weighted))
        self.add_state("finite", 0)

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.capacity

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        finite = np.isfinite(rows.loss)
        repeats = np.ones(len(finite), np.int64) if rows.repeats is None else rows.repeats
        self.finite += int(repeats[finite].sum())
        hashes = row_hashes(rows.scores, rows.target, rows.weight) if rows.hashes is None else rows.hashes
        where = np.flatnonzero(finite & (hashes <= np.uint64(self.sample.limit)))
        if len(where) > self.capacity:  # at most so many different ones of a batch can be among the lowest
            lowest = distinct(hashes[where])[: self.capacity]
            where = where[hashes[where] <= lowest[-1]]
        if not len(where):
            return
        content = np.empty((len(where), self.sample.width))
        content[:, : self.columns] = rows.scores[where].reshape(len(where), -1)
        content[:, self.columns] = rows.target[where]
        if self.weighted and rows.weight is not None:
            content[:, -1] = rows.weight[where]
        content += 0.0  # −0.0 becomes 0.0: equal rows are equal bits
        self.sample.add(hashes[where], content, repeats[where])

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        super().load_state_dict(state)
        target = self.sample.kept.content[:, self.columns]
        weight = self.sample.kept.content[:, self.columns + 1 :]
        if not ((target >= 0) & (target < self.form.classes) & (target == np.floor(target))).all():
            raise ValueError("the saved sample has targets that are no classes")
        if not ((weight >= 0) & np.isfinite(weight)).all():
            raise ValueError("the saved sample has weights that are no weights")

    def compute(self) -> Temperature:
        """The temperature that fits the sample."""
        _, content, counts = self.sample.kept
        weight = counts * content[:, -1] if self.weighted else counts.astype(np.float64)
        logits = as_logits(content[:, 0] if self.form.binary else content[:, : self.columns], self.form)
        fitted = fit_temperature(logits, content[:, self.columns].astype(np.int64), weight)
        return Temperature(fitted.value, fitted.before, fitted.after, int(counts.sum()), self.finite)


def as_logits(scores: HostArray, form: ScoreForm) -> HostArray:
    """Scores as logits (N, C): of a probability, at least eps, its logarithm; of binary scores two columns."""
    scores = scores.astype(np.float64)
    if form.binary:
        scores = np.stack([np.zeros_like(scores) if form.kind == "logits" else 1.0 - scores, scores], axis=1)
    return scores if form.kind == "logits" else np.log(np.clip(scores, form.eps, 1.0))


def fit_temperature(logits: HostArray, target: HostArray, weight: HostArray | None = None) -> Temperature:
    """The T that minimises ``−Σ w·log softmax(logits / T)_target / Σ w``; ``logits`` (N, C), ``target`` (N,) int.

    The loss is convex in 1 / T; Newton's steps, kept inside a bracket, find where its slope is 0.

    Source: Guo et al. 2017, On calibration of modern neural networks.

    >>> fitted = fit_temperature(np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]]), np.array([1, 1, 0]))
    >>> round(fitted.value * float(np.log(2)), 12)
    2.0
    """
    rows = len(target)
    with np.errstate(over="ignore"):
        away = np.ascontiguousarray((shifted(np.array(logits, np.float64)) if rows else logits).T)
    np.maximum(away, -_FARTHEST, out=away)  # of −inf: 0 · inf is no number
    own = away[target, np.arange(rows)]
    weight = np.ones(rows) if weight is None else np.asarray(weight, np.float64)
    share = weight / weight.sum() if weight.any() else np.zeros(rows)
    if not share.any():
        return Temperature(float("nan"), float("nan"), float("nan"), rows, rows)
    before = _loss(away, own, share, 1.0)
    counts = share > 0
    at_rest = ((away.mean(axis=0) - own) * share).sum()
    if not away[:, counts].any():
        inverse = float("nan")
    elif not own[counts].any():
        inverse = float("inf")
    else:
        inverse = 0.0 if at_rest >= 0 else _root(away, own, share)
    if inverse != inverse:  # noqa: PLR0124  NaN
        return Temperature(inverse, before, before, rows, rows)
    after = _loss(away, own, share, min(inverse, _FARTHEST))
    return Temperature(1.0 / inverse if inverse else float("inf"), before, after, rows, rows)


def _loss(away: HostArray, own: HostArray, share: HostArray, inverse: float) -> float:
    return float(((np.log(np.exp(away * inverse).sum(axis=0)) - own * inverse) * share).sum())


def _slope(away: HostArray, own: HostArray, share: HostArray, inverse: float) -> tuple[float, float]:
    """The first and second derivative of the loss by 1 / T: mean and variance of the logits under softmax."""
    probs = np.exp(away * inverse)
    probs /= probs.sum(axis=0)
    probs *= away
    mean = probs.sum(axis=0)
    probs *= away
    variance = probs.sum(axis=0) - mean * mean
    return float(((mean - own) * share).sum()), float((variance * share).sum())


def _root(away: HostArray, own: HostArray, share: HostArray) -> float:
    """Where the slope, which rises with 1 / T from below 0 to above it, is 0."""
    low, high, inverse = 0.0, np.inf, 1.0
    for _ in range(1000):
        slope, curvature = _slope(away, own, share, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        step = slope / curvature if curvature > 0 else np.inf
        following = inverse - step
        if not low < following < high:
            following = 2 * inverse if high == np.inf else (low + high) / 2
        if abs(following - inverse) <= 4e-16 * inverse or not np.isfinite(following):
            return following if np.isfinite(following) else inverse
        if high == np.inf:
            following = min(following, 4 * inverse)
        inverse = following
    return inverse


def _none(width: int) -> _Kept:
    return _Kept(np.zeros(0, np.uint64), np.zeros((0, width)), np.zeros(0, np.int64))


def _lowest(rows: _Kept, capacity: int) -> _Kept:
    """The first ``capacity`` different rows by hash, then by another one, their counts added."""
    order = np.argsort(rows.hashes, kind="stable")
    hashes = rows.hashes[order]
    if not (hashes[1:] == hashes[:-1]).any():
        return _Kept(*(column[order[:capacity]] for column in rows))
    content, counts = rows.content[order], rows.counts[order]
    same_hash = hashes[1:] == hashes[:-1]
    same = same_hash & (content[1:] == content[:-1]).all(axis=1)
    if (same_hash & ~same).any():  # different rows of one hash, or equal ones that are not neighbours
        order = np.lexsort((*content.T[::-1], second_hashes(content), hashes))
        hashes, content, counts = hashes[order], content[order], counts[order]
        same = (hashes[1:] == hashes[:-1]) & (content[1:] == content[:-1]).all(axis=1)
    heads = np.flatnonzero(np.append(True, ~same)[: len(hashes)])
    counts = np.add.reduceat(counts, heads) if len(heads) else counts
    return _Kept(hashes[heads][:capacity].copy(), content[heads][:capacity].copy(), counts[:capacity].copy())


def row_hashes(scores: HostArray, target: HostArray, weight: HostArray | None = None) -> HostArray:
    """A hash (N,) uint64 of each row: by its scores (N,) or (N, C) as they stand, its target and its weight.

    What it reads follows from no arithmetic, so it is the same wherever the row is looked at.

    >>> hashes = row_hashes(np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]]), np.array([1, 1, 1]))
    >>> bool(hashes[0] == hashes[1]), bool(hashes[0] == hashes[2])
    (True, False)
    """
    columns = scores[:, None] if scores.ndim == 1 else scores
    factors = hash_factors(columns.shape[1] + 2)
    hashes: HostArray = target.astype(np.uint64) * factors[0]
    if weight is not None:
        hashes += spread(weight) * factors[1]
    step = max(1, _HASHED // max(1, columns.shape[1]))
    for start in range(0, len(columns), step):
        rows = slice(start, start + step)
        hashes[rows] += spread(columns[rows]) @ factors[2:]
    mix(hashes)
    return hashes


def hash_factors(many: int) -> HostArray:
    """Odd numbers (many,) uint64 without a pattern."""
    factors: HostArray = 2 * np.arange(1, many + 1, dtype=np.uint64) + np.uint64(1)
    mix(factors)
    factors |= np.uint64(1)
    return factors


def second_hashes(content: HostArray) -> HostArray:
    """Another hash (N,) uint64 of each row of ``content`` (N, D) float64, by which rows of one hash are ordered."""
    hashes: HostArray = (spread(content) * second_factors(content.shape[1])).sum(axis=1, dtype=np.uint64)
    mix(hashes)
    return hashes


def second_factors(many: int) -> HostArray:
    """Others than the first ones."""
    return hash_factors(2 * many)[many:]


def spread(values: HostArray) -> HostArray:
    """The bits of numbers as float64, uint64; those of −0.0 are those of 0.0.

    The high bits, which alone tell short floats apart, are in the low ones, too: a product carries only upwards, and of
    bfloat16 would know 19 bits.
    """
    bits: HostArray = (values.astype(np.float64) + 0.0).view(np.uint64)
    bits ^= bits >> np.uint64(32)
    return bits


def mix(hashes: HostArray) -> None:
    """Spread every bit over all the others, in place (the finaliser of SplitMix64)."""
    for shift, factor in (FIRST_SPREAD, SECOND_SPREAD):
        hashes ^= hashes >> np.uint64(shift)
        hashes *= np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
