"""What is compared beyond the registry: the user's own metrics, and what is defined from any.

A definition may read both. How numbers of one's own go together the groups of rows tell, which are the same for both
models; how they go together with metrics of the registry nobody does, so that the worst is taken to be true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalcli.comparing.sliced import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.defined import Compared, Defined
    from evalcli.comparing.own_passes import OwnPasses
    from evalcli.comparing.owned import OwnCompared
    from evalcli.comparing.question import Question
    from evalcli.comparing.row_moves import Look
    from evalcli.comparing.sliced import Asking, Slice
    from evalcli.metrics.registry import MetricName
    from evalcli.report import Finding
    from evalcli.uncertainty.comparison import Difference

    Values = Mapping[str, float | None]
    Looking = Callable[[Sequence[MetricName]], Look]


class BeyondRegistry:
    """The user's own metrics of all ``models``, and definitions, of all rows and of slices.

    ``passes`` is ``None`` where there are no metrics of one's own; ``classes`` are those that a comparison names.
    """

    def __init__(
        self, question: Question, passes: OwnPasses | None, models: Sequence[str], classes: Sequence[str] = ()
    ) -> None:
        self._confidence = question.confidence
        self._own: OwnCompared | None = None
        self._defined: tuple[Defined, ...] = ()
        if passes is not None:
            from evalcli.comparing.owned import OwnCompared

            self._own = OwnCompared(passes, models, classes, question.confidence)
        if question.definitions:
            from evalcli.comparing.defined import defined_of

            self._defined = defined_of(question.definitions)

    def names(self, names: Sequence[MetricName], shown: Collection[str]) -> tuple[Compared, ...]:
        """What a comparison has a row for: of the metrics of the registry those that are ``shown``, and all of this."""
        own = () if self._own is None else self._own.names
        return (*(name for name in names if str(name) in shown), *self._defined, *own)

    def values(self, values: Sequence[Values], place: Slice = WHOLE) -> list[dict[str, float | None]]:
        """The metrics of every model, and what is beyond them."""
        known = [{**one} for one in values] if self._own is None else self._own.with_values(values, place)
        if not self._defined:
            return known
        from evalcli.comparing.defined import with_values

        return with_values(known, self._defined)

    def differences(self, found: Mapping[str, Difference | None], at: At) -> Asking[dict[str, Difference | None]]:
        """What was ``found`` of the registry's metrics, and how the two models differ in what is beyond them."""
        known = {**found} if self._own is None else {**found, **self._own.differences(at.pair, at.place)}
        if not self._defined:
            return known
        from evalcli.comparing.defined import DefinedDifferences

        differences = DefinedDifferences(self._defined, self.values(at.values, at.place), self._confidence)
        moved = {} if self._own is None else self._own.moved(at.pair, at.place)
        return known | (yield from differences.of(at.pair, known, at.look, at.clusters, moved))

    def findings(self) -> Iterator[Finding]:
        """What failed."""
        return iter(()) if self._own is None else self._own.findings()


@dataclass(frozen=True, slots=True)
class At:
    """Where two models are compared: which ``pair``, in which slice, with which ``values`` of the registry's metrics.

    ``look`` is at the rows as metrics see them.
    """

    pair: tuple[int, int]
    values: Sequence[Values]
    look: Looking
    clusters: KnownClusters | None
    place: Slice = WHOLE
