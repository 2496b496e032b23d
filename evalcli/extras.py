"""Metrics beyond the registry in one evaluation: the user's own, and those defined from others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evalcli.evaluation import Measured
    from evalcli.expressions import Definition
    from evalcli.own.metrics import OwnMetric
    from evalcli.report import Report
    from evalcli.rules import Rule


@dataclass(frozen=True, slots=True)
class Extras:
    """What was asked for. ``name in extras`` says whether a report will hold a metric of this name."""

    own: tuple[OwnMetric, ...] = ()
    definitions: tuple[Definition, ...] = ()
    least: int = 1
    """The rows without which a slice is never the worst, and makes no gap."""

    def __contains__(self, name: object) -> bool:
        """One of the user's own may give several numbers, under names that begin with its own; each also in slices."""
        from evalcli.metrics.address import split_address

        address = split_address(str(name))
        text = str(name) if address is None else address.metric
        begins = (f"{one.name}{sign}" for one in self.own for sign in "[.")
        return text in {*self._names()} or text.startswith(tuple(begins))

    def _names(self) -> Iterator[str]:
        yield from (one.name for one in self.own)
        yield from (one.name for one in self.definitions)

    def needed(self, rules: Iterable[Rule]) -> tuple[str, ...]:
        """The metrics of the registry that gates and definitions read.

        Raises:
            UsageError: a definition reads what there is not.

        """
        from evalcli.rules import metrics_of

        gated = tuple(name for name in metrics_of(rules) if name not in self)
        if not self.definitions:
            return gated
        from evalcli.expressions import needed

        return (*gated, *needed(self.definitions, self))

    def slicers(self, names: Iterable[str], rules: Iterable[Rule] = ()) -> tuple[str, ...]:
        """What rows must be sliced by for the metrics ``names``, and for those that gates and definitions read."""
        from evalcli.rules import metrics_of, slicers_of

        rules = tuple(rules)
        return slicers_of((*names, *metrics_of(rules), *self.needed(rules)))

    def defined(self, report: Report, measured: Measured | None = None) -> Report:
        """The report with the definitions in it, and no small slice in what it says between slices.

        What was ``measured`` says how the metrics go together that a definition reads.
        """
        if self.least > 1:
            from evalcli.addresses import of_size

            report = replace(of_size(report, self.least), least=self.least)
        if not self.definitions:
            return report
        from evalcli.definitions import unknown, with_definitions
        from evalcli.jointly import Jointly

        covariance = unknown if measured is None else Jointly(measured)
        return with_definitions(report, self.definitions, self.least, covariance)
