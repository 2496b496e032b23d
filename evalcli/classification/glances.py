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
_OFF = 4
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
        self._told: list[Array] = []
        self._none = torch.zeros((), dtype=torch.float64, device=self.device)
        self._targets: list[Array] = []

    def look(self, scores: Array, *, probs: bool) -> tuple[Array, Array]:
        """The best column (n,) of each row of ``scores`` (n, C), and the scores on the device; unclear ones are even.

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
            there = there.masked_fill(bad[:, None], 1 / there.shape[1] if there.is_floating_point() else 0)
            low, high = torch.aminmax(there)
            shown = [low.double(), high.double(), self._tied(there, top, bad), bad.sum(dtype=torch.float64)]
            if probs:
                shown += self._off(there)
                there = there.clamp(-1, 2)  # what is no probability after all must not lead to a cell that is none
            else:
                shown += [self._none] * 3
            self._seen.append(torch.stack(shown))
            self._rows += len(there)
            if len(self._seen) >= _MANY:
                self._told, self._targets = self._together(), self._targets_together()
            return best, there

    def _tied(self, there: Array, top: Array, bad: Array) -> Array:
        """How many rows have their best score more than once, where anybody will be told."""
        if not self.rereads:
            return self._none
        tied: Array = ((there == top[:, None]).sum(dim=1) > 1) & ~bad
        return tied.sum(dtype=torch.float64)

    def _off(self, there: Array) -> list[Array]:
        """How many rows do not sum to 1, by how much the worst, and which that is."""
        away = (there.sum(dim=1, dtype=torch.float64) - 1.0).abs_()
        worst, place = away.max(dim=0)
        return [(away > self.tolerance).sum(dtype=torch.float64), worst, place.double() + self._rows]

    def _together(self) -> list[Array]:
        """What all batches show, as one (7,): rows that are off are those of batches that lie in [0, 1]."""
        if not self._seen:
            return self._told
        seen, self._seen = torch.stack(self._seen), []
        within = (seen[:, :1] >= -EDGE) & (seen[:, 1:2] <= 1 + EDGE)
        seen = torch.cat([seen[:, :_OFF], torch.where(within, seen[:, _OFF:], 0.0)], dim=1)
        seen = torch.cat([seen, *(one[None] for one in self._told)])
        worst = seen.index_select(0, seen[:, _OFF + 1].argmax()[None])
        ends = seen[:, 0].amin()[None], seen[:, 1].amax()[None]
        return [torch.cat([*ends, seen[:, 2 : _OFF + 1].sum(0), worst[0, _OFF + 1 :]])]

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
        with torch.inference_mode():
            told = [*self._together(), *self._targets_together()]
        if not told:
            return
        for one, say in zip(fetch(*told), (self._tell_scores, self._tell_targets), strict=False):
            say(one, evidence)
        self._told, self._targets = [], []

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
