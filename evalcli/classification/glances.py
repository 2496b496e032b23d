"""What score rows show at a glance, on a device that nobody waits for: as :mod:`evalcli.classification.columns` has it.

The range of all scores and the number of ties add up there until they are asked for. So does the number of rows that
one cannot count without a look at them: those without a best column (a NaN, or all minus infinity), and probabilities
that do not sum to 1. There are none of them, or all rows are to be counted again with care.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import torch

from evalcli.evidence import EDGE
from evalcli.metrics.arrays import to_device

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import Array


class Glances:
    """Looks at batch after batch; ``tolerance`` is how far the sum of a row of probabilities may be from 1.

    >>> glances = Glances("cpu", 1e-3)
    >>> glances.look(torch.tensor([[0.25, 0.75], [0.5, 0.5]]), probs=True)[0].tolist()
    [1, 0]
    """

    def __init__(self, device: str, tolerance: float, *, guessed: bool = True) -> None:
        self.device, self.tolerance = torch.device(device), tolerance
        self.is_wanted = guessed
        """Whether the next batch is to tell what it shows, since nobody has seen any."""
        self._seen = self._nothing()

    def _nothing(self) -> Any:
        """Least, largest, tied, unclear: counts are exact up to 2^53."""
        return torch.tensor([inf, -inf, 0.0, 0.0], dtype=torch.float64, device=self.device)

    def look(self, scores: Array, *, probs: bool) -> tuple[Array, Array]:
        """The best column (n,) of each row of ``scores`` (n, C), and the scores on the device; unclear ones are zeros.

        ``probs``: they are taken for probabilities.
        """
        with torch.inference_mode():
            there = to_device(scores, self.device)
            if not there.is_floating_point():
                there = there.to(torch.int64)
            if not len(there):
                return there.new_zeros(0, dtype=torch.int64), there
            top, best = there.max(dim=1)
            unclear = torch.isnan(top) | (top == -inf)
            there, top = there.masked_fill(unclear[:, None], 0), top.masked_fill(unclear, 0)
            low, high = there.min().double(), top.max().double()
            tied = ((there == top[:, None]).sum(dim=1) > 1).sum()
            if probs:
                away = (there.sum(dim=1, dtype=torch.float64) - 1.0).abs()
                unclear |= (away > self.tolerance) & (low >= -EDGE) & (high <= 1 + EDGE)
                there = there.clamp(-1, 2)  # what is no probability after all must not lead to a cell that is none
            now = torch.stack([low, high, tied.double(), unclear.sum().double()])
            seen, self._seen = self._seen, now
            self._seen[0].clamp_(max=seen[0])
            self._seen[1].clamp_(min=seen[1])
            self._seen[2:] += seen[2:]
            return best, there

    def tell(self, evidence: Evidence) -> None:
        """Add what was seen to ``evidence``, and begin anew; waits for the device."""
        low, high, tied, unclear = self._seen.tolist()
        self._seen, self.is_wanted = self._nothing(), False
        evidence.note_preds(low, high)
        evidence.tied += int(tied)
        evidence.unclear += int(unclear)
