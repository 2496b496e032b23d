"""What the user's own metrics (``--metric``) gather of several models, which see the same rows.

Every model has metrics of its own, over the rows that all models have, dealt to the same groups for all of them
(:mod:`evalcli.own.groups`). Classes have the numbers that they have for all models.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.clustergroups import hashed
from evalcli.comparing.sliced import WHOLE
from evalcli.own import groups as owngroups
from evalcli.own.metrics import Accompanied, OwnMetrics, class_numbers
from evalcli.own.passes import OwnPass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.comparing.members import Member
    from evalcli.comparing.rows import Rows
    from evalcli.comparing.sliced import Slice
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.passes import Gathered
    from evalcli.sources.base import Array, Slicer


def own_of(metrics: Sequence[OwnMetric], member: Member) -> OwnMetrics:
    """What ``metrics`` see of one of the models: classes have the numbers that they have for all of them."""
    choices, source = member.choices, member.source
    names = class_numbers(choices, source.preds, source.target)
    if choices.labels is None and source.preds.columns is None:
        names = tuple(name for name in member.texts if name != str(choices.ignore_index))
    return OwnMetrics(tuple(metrics), choices, source, names=names)


class OwnPasses:
    """What all workers have gathered of every model's metrics, which see the same rows."""

    def __init__(self, each: Sequence[OwnMetrics], slicers: Sequence[Slicer]) -> None:
        self.each = each
        self.passes = [OwnPass(one, slicers) for one in each]
        self.of_clusters = any(one.source.clustered is not None for one in each)
        self._origins = [() if self.of_clusters else one.source.origins() for one in each]

    def around(self, begin: Callable[[], Any]) -> Callable[[], Accompanied]:
        """Passes that these metrics accompany: what they gather is one for all workers."""
        return lambda: Accompanied(begin(), self)

    def add(self, rows: Rows) -> None:
        """Give the rows of a batch to each metric; any thread may."""
        seen = [own.every(batch) for own, batch in zip(self.each, rows.batches, strict=True)]
        kept = [keep for own, one in zip(self.each, seen, strict=True) if (keep := own.kept(one)) is not None]
        dealt = self._dealt(rows)
        for one_pass, one in zip(self.passes, seen, strict=True):
            alike = one._replace(groups=rows.groups, dealt=dealt)
            one_pass.take(alike.pick(reduce(np.logical_and, kept)) if kept else alike, rows.number, rows.number + 1)

    def _dealt(self, rows: Rows) -> Array:
        if rows.cluster is not None:
            return hashed(rows.cluster, owngroups.GROUPS)
        return owngroups.dealt_together(zip(rows.batches, self._origins, strict=True))

    def finished(self) -> OwnPasses:
        """The same, once all batches are there."""
        for one in self.passes:
            one.finished()
        return self

    def at(self, place: Slice) -> list[Gathered | None]:
        """What was gathered of each model, of all rows or of a slice."""
        number, code = place
        return [one.whole if place == WHOLE else one.slices[number].get(code) for one in self.passes]

    def slices(self) -> Iterator[tuple[Slice, tuple[str, str]]]:
        """Every slice that has rows, with its column and value."""
        first = self.passes[0]
        for number, (slicer, held) in enumerate(zip(first.slicers, first.slices, strict=True)):
            for code in sorted(held):
                yield (number, code), (slicer.name, slicer.values[code])
