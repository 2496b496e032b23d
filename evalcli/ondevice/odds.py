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
    rest = over_classes(parts)
    alone = lead - _relative(rest, lead, away, largest).log()
    odds = torch.where(leaders > 1, -(rest + (leaders - 1)).log(), alone)
    return torch.where(largest, odds, away - ((rest + leaders) - parts).log())


def _relative(rest: Array, lead: Array, away: Array, largest: Array) -> Array:
    """``Σ exp(x_j − second largest)`` over all but the largest, from the sum relative to the largest."""
    near = rest * lead.clamp(max=FAR).exp()
    far = over_classes((away + lead).masked_fill(largest, -torch.inf).exp())
    return torch.where(lead == torch.inf, 1.0, torch.where(lead > FAR, far, near))
