"""Which elements of a batch still count, and what is wrong with those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.labels import HEAVIEST
from evalcli.sources.base import NO_CLUSTER

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.sources.base import Array


class Kept:
    """The elements of one batch of which ``inner`` make a row; ``mask`` (n,) marks those that count (``None``: all).

    ``start`` is the row of the input that the batch begins with; ``repeats`` (n,) says how often each element stands.
    """

    def __init__(self, start: int, inner: int, repeats: Array | None, evidence: Evidence) -> None:
        self.mask: Array | None = None
        self._start, self._inner, self._repeats, self._evidence = start, inner, repeats, evidence

    def narrow(self, keep: Array) -> None:
        """Count no others than these any further."""
        self.mask = self.also(keep)

    def also(self, keep: Array) -> Array:
        """Which of the elements that count are these, too."""
        return keep if self.mask is None else self.mask & keep

    def drop(self, bad: Array) -> None:
        """Leave out elements that cannot be evaluated, and say how many."""
        bad = self.also(bad)
        if bad.any():
            self._evidence.dropped += self.tally(bad)
            self.narrow(~bad)

    def fault(self, code: str, bad: Array, values: Array | None) -> None:
        """Record the marked elements, by row of the input, and count them no further."""
        bad = self.also(bad)
        if not bad.any():
            return
        where = np.flatnonzero(bad)
        named = None if values is None else values[where]
        if self._repeats is None:
            self._evidence.fault(code, self.rows(where), named)
        else:
            places = self._start + np.cumsum(self._repeats) - self._repeats
            self._evidence.group_fault(code, places[where], named, self._repeats[where])
        self.narrow(~bad)

    def ignore(self, ignored: Array) -> None:
        """Leave out what the user wants ignored, and say how much."""
        ignored = self.also(ignored)
        if ignored.any():
            self._evidence.ignored += self.tally(ignored)
            self.narrow(~ignored)

    def check_cluster(self, cluster: Array | None, nan: str) -> None:
        """Every row belongs to a cluster, or is left out where ``nan`` is ``drop``, or is a fault."""
        if cluster is not None:
            missing = np.asarray(cluster == NO_CLUSTER)
            if nan == "drop":
                self.drop(missing)
            else:
                self.fault("cluster", missing, None)

    def check_weight(self, weight: Array | None) -> None:
        """Weights are not negative and not beyond measure, or faults."""
        if weight is not None:
            low, high = float(weight.min(initial=0.0)), float(weight.max(initial=0.0))
            if not (low >= 0 and high <= HEAVIEST):
                self.fault("weight", ~((weight >= 0) & (weight <= HEAVIEST)), weight)

    def rows(self, elements: Array) -> Array:
        """The rows of the input in which elements of this batch lie (classes of ``(N, C, d…)`` moved last)."""
        return self._start + elements // self._inner

    def tally(self, mask: Array) -> int:
        """How many rows the marked elements stand for."""
        return int(np.count_nonzero(mask)) if self._repeats is None else int(self._repeats[mask].sum())

    def only(self, values: Array) -> Array:
        """Of ``values`` (n, …), those of the elements that count."""
        return values if self.mask is None else values[self.mask]

    def span(self, values: Array) -> tuple[float, float]:
        """Least and largest of what counts; (inf, -inf) of nothing."""
        return span(self.only(values))


def span(values: Array) -> tuple[float, float]:
    """Least and largest; (inf, -inf) of nothing."""
    return (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)
