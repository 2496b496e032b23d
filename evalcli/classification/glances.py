"""What rows show at a glance, on a device that nobody waits for: as :mod:`evalcli.classification.columns` has it.

The range of all scores and the number of ties are kept there until they are asked for. So is the number of rows that
one cannot count without a look at them: those without a best column (a NaN, or all minus infinity), and probabilities
that do not sum to 1. Where all rows can be read again there are none of them, or all are counted again with care.
Where they cannot, since they are fed by hand, such rows are what is wrong with the input in the end; then targets may
stay there, too, and those outside the classes are found as late.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import torch

from evalcli.evidence import EDGE, Fault
from evalcli.metrics.arrays import fetch, to_device

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.metrics.arrays import Array, HostArray

_MANY = 256
"""So many batches are brought together on the device."""
_COUNTED = slice(2, 5)
_WORST = 5
"""A batch shows its least and largest score, how many rows are tied, without a best column, and off, how far the worst
of these, and which that is."""


class Glances:
    """Looks at batch after batch; ``tolerance`` is how far the sum of a row of probabilities may be from 1.

    >>> glances = Glances("cpu", 1e-3)
    >>> glances.look(torch.tensor([[0.25, 0.75], [0.5, 0.5]]), probs=True)[0].tolist()
    [1, 0]
    """

    def __init__(self, device: str, tolerance: float, *, guessed: bool = True, rereads: bool = True) -> None:
        self.device, self.tolerance, self.rereads = torch.device(device), tolerance, rereads
        self.is_wanted = guessed
        """Whether the next batch is to tell what it shows, since nobody has seen any."""
        self._rows = 0
        self._most = 0
        self._seen: list[Array] = []
        self._targets: list[Array] = []

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
            bad = ~(top > -inf)
            there, top = there.masked_fill(bad[:, None], 0), top.masked_fill(bad, 0)
            low, high = there.min().double(), top.max().double()
            tied = none = torch.zeros_like(low)
            if self.rereads:  # else nobody will be told
                tied = ((there == top[:, None]).sum(dim=1) > 1).sum().double()
            off = (none, none, none)
            if probs:
                off = self._off(there, bad, (low >= -EDGE) & (high <= 1 + EDGE))
                there = there.clamp(-1, 2)  # what is no probability after all must not lead to a cell that is none
            self._seen.append(torch.stack([low, high, tied, bad.sum().double(), *off]))
            self._rows += len(there)
            if len(self._seen) >= _MANY:
                self._seen, self._targets = [_together(torch.stack(self._seen))], self._targets_together()
            return best, there

    def _off(self, there: Array, bad: Array, within: Array) -> tuple[Array, Array, Array]:
        """How many rows of what lies ``within`` [0, 1] do not sum to 1, by how much the worst, and which that is."""
        away = (there.sum(dim=1, dtype=torch.float64) - 1.0).abs_().masked_fill_(bad | ~within, 0.0)
        worst, place = away.max(dim=0)
        return (away > self.tolerance).sum().double(), worst, place.double() + self._rows

    def look_at_target(self, target: Array, most: int) -> Array:
        """The ``target`` (n,) int64 of rows that all lie on the device: those outside 0 … ``most`` as one of these."""
        with torch.inference_mode():
            self._most, target = most, target.long()
            low, high = target.aminmax()
            inside: Array = target.clamp(0, most)
            self._targets.append(torch.stack([low, high, (inside != target).sum()]))
            return inside

    def _targets_together(self) -> list[Array]:
        if not self._targets:
            return []
        seen = torch.stack(self._targets)
        return [torch.stack([seen[:, 0].amin(), seen[:, 1].amax(), seen[:, 2].sum()])]

    def tell(self, evidence: Evidence) -> None:
        """Add what was seen to ``evidence``, and begin anew; waits for the device."""
        self.is_wanted = False
        if not self._seen:
            return
        with torch.inference_mode():
            seen, targets = fetch(
                _together(torch.stack(self._seen)),
                *(self._targets_together() or [torch.zeros(3, dtype=torch.int64, device=self.device)]),
            )
        self._tell_scores(seen, evidence)
        if self._targets:
            self._tell_targets(targets, evidence)
        self._seen, self._targets = [], []

    def _tell_scores(self, seen: HostArray, evidence: Evidence) -> None:
        low, high, tied, bad, off, worst, row = seen.tolist()
        evidence.note_preds(low, high)
        evidence.tied += int(tied)
        if self.rereads:
            evidence.unclear += int(bad + off)
            return
        if bad:
            evidence.faults.setdefault("nan", Fault()).merge(Fault(int(bad)))
        if off:
            evidence.off_rows += int(off)
            evidence.note_off(round(worst, 9), int(row))

    def _tell_targets(self, targets: HostArray, evidence: Evidence) -> None:
        low, high, outside = targets.tolist()
        evidence.note_target(max(low, 0), min(high, self._most))
        if outside:
            found = Fault(outside, [(0, str(low if low < 0 else high))], numbered=False)
            evidence.faults.setdefault("target-range", Fault(numbered=False)).merge(found)


def _together(seen: Array) -> Array:
    """What several batches (B, 7) show, as one (7,)."""
    worst = seen.index_select(0, seen[:, _WORST].argmax()[None])  # the first of equals
    return torch.cat([seen[:, 0].amin()[None], seen[:, 1].amax()[None], seen[:, _COUNTED].sum(0), worst[0, _WORST:]])
