"""What a row of scores says as probabilities, on a device: :mod:`evalcli.metrics.probability` in torch, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array
    from evalcli.metrics.probability import ScoreForm


class RowsThere(NamedTuple):
    """Rows as probabilities, all (n,), as ``ProbabilityRows`` has them; ``probs`` are those of every class, (C, n)."""

    target: Array
    loss: Array
    brier: Array
    confidence: Array
    doubt: Array
    rank: Array
    tied: Array
    clipped: Array | None = None
    positive: Array | None = None
    probs: Array | None = None


def look(scores: Array, target: Array, form: ScoreForm) -> RowsThere:
    """All that states read of ``scores`` (n, C), or (n,) of the positive class, and ``target`` (n,) int64."""
    if form.binary:
        return _look_at_positive(scores.double(), target, form)
    columns = scores.T.contiguous()
    return _look_at_logits(columns, target) if form.kind == "logits" else _look_at_probs(columns, target, form)


def over_classes(columns: Array) -> Array:
    """The sums (n,) over the classes of ``columns`` (C, n), for each row in an order that only C decides.

    >>> over_classes(torch.tensor([[0.5], [1.0], [2.0]])).tolist()
    [3.5]
    """
    while len(columns) > 1:
        half = len(columns) // 2
        paired = columns[:half] + columns[half : 2 * half]
        if len(columns) % 2:
            paired[0] += columns[-1]
        columns = paired
    return columns[0]


def ranks(columns: Array, target: Array) -> tuple[Array, Array]:
    """``#{s > s_y} + #{j < y: s = s_y}`` of each column of raw scores (C, n), int64, and which share their score."""
    own = columns.gather(0, target[None])
    equal = columns == own
    before = equal & (torch.arange(len(columns), device=columns.device)[:, None] < target)
    return (columns > own).sum(0) + before.sum(0), equal.sum(0) > 1


def away_from_top(columns: Array) -> Array:
    """``x − max x`` (C, n) float64 of logits; several infinite ones share first place."""
    wide = columns.double()
    top = wide.amax(0)
    endless = torch.isinf(top)
    shared = torch.where(wide == torch.inf, 0.0, -torch.inf)
    return torch.where(top == torch.inf, shared, wide) - torch.where(endless, 0.0, top)


def _look_at_logits(raw: Array, target: Array) -> RowsThere:
    rank, tied = ranks(raw, target)
    away = away_from_top(raw)
    margin = away.gather(0, target[None])[0]
    powers = away.exp_()
    best = powers == 1.0
    rest_of_wrong = over_classes(powers.masked_fill(best, 0.0)) + (best.sum(0) - 1)
    others = powers.scatter(0, target[None], 0.0)
    outside = over_classes(others)
    rest = torch.where(rank == 0, outside, rest_of_wrong)
    total = 1.0 + rest
    brier = (over_classes(others.square_()) + outside * outside) / (total * total)
    probs = powers.div_(total)
    return RowsThere(target, torch.log1p(rest) - margin, brier, 1.0 / total, rest / total, rank, tied, probs=probs)


def _look_at_probs(raw: Array, target: Array, form: ScoreForm) -> RowsThere:
    rank, tied = ranks(raw, target)
    probs = raw.double()
    own, top = probs.gather(0, target[None])[0], probs.amax(0)
    others = probs.scatter(0, target[None], 0.0)
    brier = over_classes(others.square_()) + (1.0 - own) ** 2
    loss, clipped = _clipped_loss(own, form.eps)
    return RowsThere(target, loss, brier, top, 1.0 - top, rank, tied, clipped, probs=probs)


def _clipped_loss(own: Array, eps: float) -> tuple[Array, Array]:
    clipped = (own > 1.0 - eps).to(torch.int8) - (own < eps).to(torch.int8)
    return -own.clamp(eps, 1.0 - eps).log(), clipped


def _look_at_positive(scores: Array, target: Array, form: ScoreForm) -> RowsThere:
    truth: Any = target == 1
    if form.kind == "logits":
        upper, size = scores >= 0, scores.abs()
        small = torch.exp(-size)
        confidence, doubt = 1.0 / (1.0 + small), small / (1.0 + small)
        right = upper == truth
        brier = torch.where(right, doubt, confidence) ** 2
        loss = torch.log1p(small) + torch.where(right, 0.0, size)
        positive = torch.where(upper, confidence, doubt)
        rank = (~right).long()
        return RowsThere(target, loss, brier, confidence, doubt, rank, scores == 0, positive=positive)
    other = 1.0 - scores
    loss, clipped = _clipped_loss(torch.where(truth, scores, other), form.eps)
    brier = torch.where(truth, other, scores) ** 2
    confidence, doubt = torch.maximum(scores, other), torch.minimum(scores, other)
    rank = ((scores >= 0.5) != truth).long()
    return RowsThere(target, loss, brier, confidence, doubt, rank, scores == 0.5, clipped, scores)
