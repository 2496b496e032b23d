"""What a row of scores says as probabilities: its loss, its confidence, the rank of its target.

``probability_rows`` visits each batch once, in blocks that stay in a core's own cache, and all states of calibration,
top-k and selective prediction read what it gives. Everything is float64. Each number follows from its own row alone,
by the same operations wherever the row stands, so no cut into batches can show.

Scores are ``(N, C)``, or ``(N,)`` of the positive class in a binary task (two columns become one by
``positive_scores``), target ``(N,)`` class numbers, of which 1 is positive. NaN must not arrive. An infinite logit is
the limit of a large one. Everything lives on the host; tensors are brought there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, asnumpy, host_scores
from evalcli.metrics.labels import label_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.metrics.arrays import HostArray

BLOCK = 8_192
"""Rows a block: with 10 columns of float64 640 kB, which stays in a core's own cache."""
BLOCK_BYTES = 1 << 20
NARROW = 64
"""Up to so many columns a block is transposed and added column by column."""


@dataclass(frozen=True, slots=True)
class ScoreForm:
    """What the scores are: logits or probabilities, of how many classes, of what precision.

    ``binary`` scores are ``(N,)``, of the positive class. ``eps`` is that of the type in which they were stored: half
    types and float32 keep a probability of 0.7 only that well.
    """

    kind: Literal["logits", "probs"]
    classes: int = 2
    binary: bool = False
    eps: float = 2.0**-52

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.kind not in ("logits", "probs") or self.classes < 1 or (self.binary and self.classes != 2):
            raise ValueError(f"no scores are {self}")


def softmax(logits: HostArray) -> HostArray:
    """``exp x_j / Σ exp x`` along the last axis of ``logits`` (…, C), float64.

    >>> softmax(np.array([1000.0, 1000.0])).tolist()
    [0.5, 0.5]
    """
    powers = np.exp(shifted(np.array(logits, np.float64)))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def shifted(values: HostArray) -> HostArray:
    """``x − max x`` along the last axis, in place; several infinite ones share first place."""
    top = values.max(axis=-1, keepdims=True)
    if np.isinf(top).any():
        values[:] = np.where(top == np.inf, np.where(values == np.inf, 0.0, -np.inf), values)
        top = np.where(np.isinf(top), 0.0, top)
    values -= top
    return values


def sigmoid(logits: HostArray) -> HostArray:
    """``1 / (1 + exp −x)``, float64, exact to the last digits on both sides.

    >>> sigmoid(np.array([-1000.0, 0.0, 40.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    logits = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(logits))
    result: HostArray = np.where(logits >= 0, 1.0, small) / (1.0 + small)
    return result


def positive_scores(scores: Array, form: ScoreForm, positive: int = 1) -> HostArray:
    """Two columns (N, 2) as the one (N,) that binary states read: the difference of logits, or P(positive)."""
    columns = host_scores(scores)
    if form.kind == "probs":
        return np.ascontiguousarray(columns[:, positive])
    with np.errstate(over="ignore", invalid="ignore"):
        difference: HostArray = columns[:, positive].astype(np.float64) - columns[:, 1 - positive]
    difference[np.isnan(difference)] = 0.0  # two infinite logits share
    return difference


@dataclass(frozen=True, slots=True)
class ProbabilityRows:
    """A batch as probabilities, all (N,).

    ``loss`` and ``brier`` are each row's share, ``confidence`` the highest probability, ``doubt`` one minus it without
    cancellation, ``rank`` 0 for a right row, ``tied`` rows share their target's score, ``positive`` is P(positive) of a
    binary task, ``clipped`` says by −1 or 1 which probabilities were raised or lowered before the logarithm. ``hashes``
    are those of the rows, where they are known already.
    """

    form: ScoreForm
    scores: HostArray
    target: HostArray
    loss: HostArray
    brier: HostArray
    confidence: HostArray
    doubt: HostArray
    rank: HostArray
    tied: HostArray
    clipped: HostArray | None
    positive: HostArray | None
    weight: HostArray | None
    repeats: HostArray | None
    hashes: HostArray | None = None

    @property
    def count(self) -> int:
        """How many rows of the input these are."""
        return len(self.target) if self.repeats is None else int(self.repeats.sum())


class Block(NamedTuple):
    """A few rows with the probability of every class (C, n): for a state that looks at all of them."""

    probs: HostArray
    target: HostArray
    weight: HostArray | None
    repeats: HostArray | None


class _Look(NamedTuple):
    loss: HostArray
    brier: HostArray
    confidence: HostArray
    doubt: HostArray
    rank: HostArray
    tied: HostArray
    clipped: HostArray | None = None
    positive: HostArray | None = None


class ScoreRows(NamedTuple):
    """A checked batch on the host: ``target`` and ``repeats`` int64, ``weight`` float64; ``hashes`` where known."""

    scores: HostArray
    target: HostArray
    weight: HostArray | None
    repeats: HostArray | None
    hashes: HostArray | None = None


def score_rows(
    scores: Array, target: Array, form: ScoreForm, weight: Array | None = None, repeats: Array | None = None
) -> ScoreRows:
    """Check a batch and bring it to the host; nothing is broadcast, nothing written to.

    Raises: ``InputError`` for shapes that differ, targets that are no classes and weights that are no weights.
    """
    scores = host_scores(scores)
    target = asnumpy(target)
    wanted = (len(target),) if form.binary else (len(target), form.classes)
    if scores.shape != wanted:
        raise InputError(f"scores have the shape {scores.shape}, not {wanted}", fix="give one row of scores per target")
    batch = label_rows(target, target, weight, repeats)
    found = batch.target
    if len(found) and (found.min() < 0 or found.max() >= form.classes):
        outside = int(np.count_nonzero((found < 0) | (found >= form.classes)))
        targets = "1 target lies" if outside == 1 else f"{outside} targets lie"
        what = f"{targets} outside the classes 0 to {form.classes - 1}"
        raise InputError(what, fix="number the classes as the columns of scores are")
    return ScoreRows(scores, found, batch.weight, batch.repeats)


def probability_rows(
    batch: ScoreRows, form: ScoreForm, visit: Callable[[Block], None] | None = None
) -> ProbabilityRows:
    """All that the states read of a batch; ``visit`` gets the probabilities of all classes block by block."""
    looks = []
    for part in _parts(len(batch.target), form.classes):
        target = batch.target[part]
        if form.binary:
            looks.append(_look_at_positive(_wide(batch.scores[part]), target, form))
            continue
        columns = columns_of(batch.scores[part])
        seen = None
        if visit is not None:
            weight = None if batch.weight is None else batch.weight[part]
            repeats = None if batch.repeats is None else batch.repeats[part]
            seen = lambda probs, t=target, w=weight, r=repeats: visit(Block(probs, t, w, r))  # noqa: E731  bound now
        look = _look_at_logits if form.kind == "logits" else _look_at_probs
        looks.append(look(columns, target, form, seen))
    if not looks:
        none = np.zeros(0)
        looks = [_Look(none, none, none, none, none.astype(np.int64), none.astype(bool))]
    joined: list[Any] = [None if parts[0] is None else np.concatenate(parts) for parts in zip(*looks, strict=True)]
    return ProbabilityRows(form, batch.scores, batch.target, *_Look(*joined), *batch[2:])


def _parts(rows: int, classes: int) -> Iterator[slice]:
    step = max(1, min(BLOCK, BLOCK_BYTES // (8 * classes)))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def columns_of(block: HostArray) -> HostArray:
    """``block`` (n, C) as (C, n), laid out so that ``over_classes`` adds it fast; half types as float32."""
    if block.dtype not in (np.float32, np.float64):
        block = block.astype(np.float32 if block.dtype.itemsize < 4 and block.dtype.kind not in "iu" else np.float64)
    return np.ascontiguousarray(block.T) if block.shape[1] <= NARROW else np.ascontiguousarray(block).T


def _wide(values: HostArray) -> HostArray:
    return values.astype(np.float64)


def over_classes(columns: HostArray) -> HostArray:
    """The sums (n,) over the classes of ``columns`` (C, n), for each row in an order that only C decides."""
    if len(columns) > NARROW:
        total: HostArray = np.ascontiguousarray(columns.T).sum(axis=1)
        return total
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    return total


def ranks(columns: HostArray, target: HostArray) -> tuple[HostArray, HostArray]:
    """``#{s > s_y} + #{j < y: s = s_y}`` of each column of raw scores (C, n), int64, and which share their score."""
    classes, rows = columns.shape
    own = columns[target, np.arange(rows)]
    small = np.uint8 if classes <= NARROW else np.int64
    rank = (columns > own).view(np.uint8).sum(axis=0, dtype=small).astype(np.int64)
    equal = columns == own
    tied = np.zeros(rows, bool)
    if np.count_nonzero(equal) > rows:
        tied = equal.view(np.uint8).sum(axis=0, dtype=small) > 1
        where = np.flatnonzero(tied)
        before = equal[:, where] & (np.arange(classes)[:, None] < target[where])
        rank[where] += before.sum(axis=0)
    return rank, tied


def _look_at_logits(
    raw: HostArray, target: HostArray, form: ScoreForm, seen: Callable[[HostArray], None] | None
) -> _Look:
    del form  # a logit is a logit in any precision
    rank, tied = ranks(raw, target)
    here = np.arange(len(target))
    powers = _wide(raw)
    top = powers.max(axis=0)
    with np.errstate(over="ignore"):  # a margin beyond all numbers is infinite
        powers = shifted(powers.T).T if np.isinf(top).any() else np.subtract(powers, top, out=powers)
    margin = powers[target, here]
    np.exp(powers, out=powers)
    probs = None if seen is None else powers.copy()
    wrong = np.flatnonzero(rank)
    rest_of_wrong = _all_but_best(powers, wrong)
    powers[target, here] = 0.0
    others = over_classes(powers)
    rest = others.copy()
    rest[wrong] = rest_of_wrong
    powers *= powers
    squares = over_classes(powers)
    total = 1.0 + rest
    if seen is not None and probs is not None:
        probs /= total
        seen(probs)
    brier = (squares + others * others) / (total * total)
    return _Look(np.log1p(rest) - margin, brier, 1.0 / total, rest / total, rank, tied)


def _all_but_best(powers: HostArray, rows: HostArray) -> HostArray:
    """``Σ exp − 1`` of the rows whose best class is not their target, where the best is exactly 1."""
    narrow = len(powers) <= NARROW
    columns = powers.take(rows, axis=1) if narrow else powers.T[rows].T
    best = columns == 1.0
    np.copyto(columns, 0.0, where=best)
    many = best.view(np.uint8).sum(axis=0, dtype=np.uint8 if narrow else np.int64)
    result: HostArray = over_classes(columns) + (many.astype(np.int64) - 1)
    return result


def _look_at_probs(
    raw: HostArray, target: HostArray, form: ScoreForm, seen: Callable[[HostArray], None] | None
) -> _Look:
    rank, tied = ranks(raw, target)
    here = np.arange(len(target))
    probs = _wide(raw)
    if seen is not None:
        seen(probs.copy())
    own, top = probs[target, here], probs.max(axis=0)
    probs[target, here] = 0.0
    probs *= probs
    brier = over_classes(probs) + (1.0 - own) ** 2
    loss, clipped = clipped_loss(own, form.eps)
    return _Look(loss, brier, top, 1.0 - top, rank, tied, clipped)


def clipped_loss(own: HostArray, eps: float) -> tuple[HostArray, HostArray]:
    """``−log p`` of probabilities (…), and by −1 or 1 which were raised or lowered before the logarithm."""
    if not own.size or (own.min() >= eps and own.max() <= 1.0 - eps):
        loss = np.log(own)
        return np.negative(loss, out=loss), np.zeros(own.shape, np.int8)
    clipped = (own > 1.0 - eps).astype(np.int8) - (own < eps).astype(np.int8)
    return -np.log(np.clip(own, eps, 1.0 - eps)), clipped


def _look_at_positive(scores: HostArray, target: HostArray, form: ScoreForm) -> _Look:
    if form.kind == "logits":
        upper = scores >= 0
        size = np.abs(scores)
        small = np.exp(-size)
        confidence, doubt = 1.0 / (1.0 + small), small / (1.0 + small)
        right = upper == (target == 1)
        brier = np.where(right, doubt, confidence) ** 2
        positive, tied = np.where(upper, confidence, doubt), scores == 0
        loss = np.log1p(small) + np.where(right, 0.0, size)
        return _Look(loss, brier, confidence, doubt, (~right).astype(np.int64), tied, None, positive)
    truth, other = target == 1, 1.0 - scores
    upper = scores >= 0.5
    loss, clipped = clipped_loss(np.where(truth, scores, other), form.eps)
    brier = np.where(truth, other, scores)
    brier *= brier
    confidence, doubt = np.maximum(scores, other), np.minimum(scores, other)
    return _Look(loss, brier, confidence, doubt, (upper != truth).astype(np.int64), scores == 0.5, clipped, scores)
