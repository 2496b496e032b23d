"""Logits as scores that rank rows, on a device: :mod:`evalcli.metrics.odds` in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from evalcli.metrics.odds import FAR
from evalcli.ondevice.rows import over_classes

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array


def one_vs_rest_columns(scores: Array, kind: str) -> Array:
    """Scores (n, C) as columns (C, n) that rank rows, class by class, as P(class | row) does.

    Probabilities stay as they are; logits become ``x_c − log Σ_{j≠c} exp(x_j)`` in float64.
    """
    columns = scores.T.contiguous()
    return columns if kind == "probs" else _log_odds(columns.double())


def _log_odds(logits: Array) -> Array:
    if len(logits) == 2:
        ahead = (logits[0] - logits[1]).nan_to_num_(0.0, torch.inf, -torch.inf)
        return torch.stack([ahead, -ahead])
    most = logits.amax(0)
    largest = logits == most
    leaders = largest.sum(0)
    second = torch.where(leaders > 1, most, logits.masked_fill(largest, -torch.inf).amax(0))
    lead = torch.where(second == most, 0.0, most - second)
    away = logits - most  # NaN where infinity meets itself: those are among the largest, which are replaced
    parts = away.exp().masked_fill_(largest, 0.0)
    rest = _sum(parts)
    alone = lead - _relative(rest, lead, away, largest).log()
    odds = torch.where(leaders > 1, -(rest + (leaders - 1)).log(), alone)
    return torch.where(largest, odds, away - ((rest + leaders) - parts).log())


def _relative(rest: Array, lead: Array, away: Array, largest: Array) -> Array:
    """``Σ exp(x_j − second largest)`` over all but the largest, from the sum relative to the largest."""
    near = rest * lead.clamp(max=FAR).exp()
    far = _sum((away + lead).masked_fill(largest, -torch.inf).exp())
    return torch.where(lead == torch.inf, 1.0, torch.where(lead > FAR, far, near))


def _sum(parts: Array) -> Array:
    """Sums (n,) over the classes of ``parts`` (C, n), the same in any order: rows of the same logits tie.

    What each addition rounds away is added up apart, as on the host, but by pairs of classes.
    """
    lost = torch.zeros_like(parts[0])
    while len(parts) > 1:
        half = len(parts) // 2
        left, right, alone = parts[:half], parts[half : 2 * half], parts[2 * half :]
        total = left + right
        added = total - left
        lost += over_classes((left - (total - added)) + (right - added))
        parts = torch.cat([total, alone]) if len(alone) else total
    return parts[0] + lost
