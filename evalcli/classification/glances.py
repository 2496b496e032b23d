"""What rows show at a glance, on a device that nobody waits for: as :mod:`evalcli.classification.columns` has it.

The range of all scores and the number of ties are kept there until they are asked for. So is the number of rows that
one cannot count without a look at them: those without a best column (a NaN, or all minus infinity), and probabilities
that do not sum to 1. Where all rows can be read again there are none of them, or all are counted again with care.
Where they cannot, since they are fed by hand, such rows are what is wrong with the input in the end, or are left out
there; then targets may stay there, too, and those outside the classes are found as late.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

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
_MOST = (1 << 63) - 1


class Seen(NamedTuple):
    """Rows on a device: their ``best`` column (n,) int64, −1 for none, their ``scores`` (n, C), and which are ``kept``.

    ``None``: all of them. What is not kept, and what has no best column, has even scores.
    """

    best: Array
    scores: Array
    kept: Array | None = None


class Glances:
    """Looks at batch after batch; ``tolerance`` is how far the sum of a row of probabilities may be from 1.

    ``nan`` says what becomes of rows without a best column; without it, they are read again.

    >>> glances = Glances("cpu", 1e-3)
    >>> glances.look(torch.tensor([[0.25, 0.75], [0.5, 0.5]]), probs=True).best.tolist()
    [1, 0]
    """

    def __init__(self, device: str, tolerance: float, *, guessed: bool = True, nan: str | None = None) -> None:
        self.device, self.tolerance, self.nan = torch.device(device), tolerance, nan
        self.is_wanted = guessed
        """Whether the next batch is to tell what it shows, since nobody has seen any."""
        self._rows = 0
        self._most = 0
        self._seen: list[Array] = []
        self._told: list[Array] = []
        self._none = torch.zeros((), dtype=torch.float64, device=self.device)
        self._targets: list[Array] = []

    @property
    def rereads(self) -> bool:
        """Whether all rows are read again where something is wrong with one."""
        return self.nan is None

    def look(self, scores: Array, *, probs: bool, kept: Array | None = None) -> Seen:
        """Rows of ``scores`` (n, C), or of those that are ``kept`` (n,) bool; unclear ones are even.

        ``probs``: they are taken for probabilities.
        """
        with torch.inference_mode():
            there = to_device(scores, self.device)
            if not there.is_floating_point():
                there = there.to(torch.int64)
            if not len(there):
                return Seen(there.new_zeros(0, dtype=torch.int64), there)
            top, best = there.max(dim=1)
            bad = ~(top > -inf)
            there = there.masked_fill(bad[:, None], 1 / there.shape[1] if there.is_floating_point() else 0)
            if kept is not None:
                bad = bad & kept
            counted = kept
            if self.nan in {"drop", "wrong"}:
                counted = ~bad if kept is None else kept & ~bad
            found = Seen(best, there, counted)
            if self.nan == "wrong":
                found = Seen(best.masked_fill(bad, -1), there, torch.ones_like(bad) if kept is None else kept)
            self._show(there, top, bad, counted, probs=probs)
            if probs:  # in place: rows that were shown are not to be looked at again for want of memory
                there.clamp_(-1, 2)  # what is no probability after all must not lead to a cell that is none
            return found

    def _show(self, there: Array, top: Array, bad: Array, counted: Array | None, *, probs: bool) -> None:
        """Keep what the rows that are ``counted`` show."""
        low, high = torch.aminmax(there) if counted is None else _span_of(there, top, counted)
        shown = [low.double(), high.double(), self._tied(there, top, bad), bad.sum(dtype=torch.float64)]
        shown += self._off(there, counted) if probs else [self._none] * 3
        self._seen.append(torch.stack(shown))
        self._rows += len(there)
        if len(self._seen) >= _MANY:
            self._told, self._targets = self._together(), self._targets_together()

    def _tied(self, there: Array, top: Array, bad: Array) -> Array:
        """How many rows have their best score more than once, where anybody will be told."""
        if not self.rereads:
            return self._none
        tied: Array = ((there == top[:, None]).sum(dim=1) > 1) & ~bad
        return tied.sum(dtype=torch.float64)

    def _off(self, there: Array, counted: Array | None) -> list[Array]:
        """How many rows do not sum to 1, by how much the worst, and which that is."""
        away = (there.sum(dim=1, dtype=torch.float64) - 1.0).abs_()
        if counted is not None:
            away.masked_fill_(~counted, 0.0)
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

    def look_at_target(self, target: Array, most: int, ignored: int | None) -> tuple[Array, Array | None]:
        """The ``target`` (n,) int64, on the device, of whole numbers: those outside 0 … ``most`` as one of these.

        And which rows are not ``ignored``, (n,) bool, where any are to be.
        """
        with torch.inference_mode():
            self._most, target = most, target.to(self.device, torch.int64)
            if ignored is None:
                low, high = target.aminmax()
                kept, left = None, low.new_zeros(())
                inside: Array = target.clamp(0, most)
                outside = inside != target
            else:
                kept = target != ignored
                low, high = target.masked_fill(~kept, _MOST).amin(), target.masked_fill(~kept, -_MOST).amax()
                inside, left = target.clamp(0, most), (~kept).sum()
                outside = (inside != target) & kept
            self._targets.append(torch.stack([low, high, outside.sum(), left]))
            return inside, kept

    def _targets_together(self) -> list[Array]:
        if not self._targets:
            return []
        seen = torch.stack(self._targets)
        return [torch.stack([seen[:, 0].amin(), seen[:, 1].amax(), seen[:, 2].sum(), seen[:, 3].sum()])]

    def tell(self, evidence: Evidence) -> None:
        """Add what was seen to ``evidence``, and begin anew; waits for the device."""
        with torch.inference_mode():
            told = [*self._together(), *self._targets_together()]
        if not told:
            return
        for one, say in zip(fetch(*told), (self._tell_scores, self._tell_targets), strict=False):
            say(one, evidence)
        self._told, self._targets = [], []
        self.is_wanted = evidence.pred_low > evidence.pred_high  # of rows that are all left out nobody has seen any

    def _tell_scores(self, seen: HostArray, evidence: Evidence) -> None:
        low, high, tied, bad, off, worst, row = seen.tolist()
        evidence.note_preds(low, high)
        evidence.tied += int(tied)
        if self.rereads:
            evidence.unclear += int(bad + off)
            return
        if self.nan == "drop":
            evidence.dropped += int(bad)
            evidence.rows -= int(bad)  # all had been counted
        elif bad and self.nan == "error":
            evidence.faults.setdefault("nan", Fault()).merge(Fault(int(bad)))
        if off:
            evidence.off_rows += int(off)
            evidence.note_off(round(worst, 9), int(row))

    def _tell_targets(self, targets: HostArray, evidence: Evidence) -> None:
        low, high, outside, left = targets.tolist()
        evidence.ignored += left
        evidence.rows -= left  # likewise
        if low <= high:
            evidence.note_target(max(low, 0), min(high, self._most))
        if outside:
            found = Fault(outside, [(0, str(low if low < 0 else high))], numbered=False)
            evidence.faults.setdefault("target-range", Fault(numbered=False)).merge(found)


def _span_of(scores: Array, top: Array, counted: Array) -> tuple[Array, Array]:
    """The least and the largest of the scores (n, C) of rows that are ``counted``; (inf, -inf) of none."""
    return torch.where(counted, scores.amin(dim=1), inf).amin(), torch.where(counted, top, -inf).amax()
