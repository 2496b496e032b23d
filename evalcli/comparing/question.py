"""What two models, or more, are compared by, and how sure of it one wants to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evalcli.errors import UsageError
from evalcli.extras import Extras
from evalcli.metrics.registry import parse
from evalcli.shell import word
from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from evalcli.comparing.members import Member
    from evalcli.comparing.passes import Counted
    from evalcli.expressions import Definition
    from evalcli.metrics.registry import MetricName
    from evalcli.own.metrics import OwnMetric

ROWS = 3
"""Flipped rows of every class and kind that are named, unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare and how sure to be. ``flips`` are the rows to name of every kind and class.

    ``by_id``: rows are paired by their ids, whatever their order. ``by_label``: of several labels a row, each is
    compared, too.

    Raises:
        UsageError: a metric of slices.

    """

    metrics: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    """Further metrics, those of margins."""
    confidence: Confidence = Confidence()  # noqa: RUF009  # frozen
    flips: int = ROWS
    by_id: bool = False
    by_label: bool = True
    least: int = 1
    """Rows of a slice that is tested."""
    definitions: tuple[Definition, ...] = ()
    """Metrics that are computed from others."""
    own: tuple[OwnMetric, ...] = ()
    """Metrics of the user's own."""
    gated: tuple[str, ...] = ()
    """Further metrics, of bounds on single models, which call missing what the models do not have."""

    @property
    def texts(self) -> dict[str, str]:
        """The expressions of definitions, by name."""
        return {one.name: " ".join(one.expression.text.split()) for one in self.definitions}

    @property
    def read(self) -> tuple[str, ...]:
        """The metrics that definitions read, which are compared, but not shown unless they are asked for."""
        if not self.definitions:
            return ()
        from evalcli.expressions import needed

        return needed(self.definitions, Extras(self.own))

    @property
    def beyond(self) -> tuple[str, ...]:
        """All that is compared beyond the usual metrics, or beyond those asked for."""
        return (*self.also, *self.read)

    def names(self, member: Member, kind: str, *, scored: bool) -> tuple[MetricName, ...]:
        """The metrics to compare, of scores only where all models are ``scored``, or where these were asked for.

        What was asked for stays, and is refused where it must be.
        """
        asked = {*(self.metrics or ()), *self.beyond}
        return tuple(name for name in member.names(kind) if scored or not name.entry.needs_scores or str(name) in asked)

    @property
    def spare(self) -> frozenset[str]:
        """The metrics that nothing but such bounds asks for."""
        return frozenset(self.gated) - {*(self.metrics or ()), *self.beyond}

    def shown(self, member: Member, kind: str) -> frozenset[str]:
        """The metrics of the registry that a comparison of this task has rows for."""
        return frozenset(map(str, replace(member, also=self.also).names(kind)))

    def tests(self, counted: Counted) -> bool:
        """Whether the models are tested where this was counted."""
        rows: int = counted.total.rows
        return counted.has_test and rows >= self.least

    def __post_init__(self) -> None:
        """No gate may be judged by all rows where it is on a slice."""
        own = Extras(self.own)
        for one in self.definitions:
            if one.name in own:
                raise UsageError(f"two metrics are called {one.name!r}", fix="give one of them another name")
        for text in (*(self.metrics or ()), *self.beyond, *self.gated):
            name = parse(text)
            if name.slice_by is not None or name.entry.reads == "slices":
                fix = f"say --by {word(name.slice_by or '')}, and name the metric alone"
                raise UsageError(f"{name}: slices are not compared with each other", fix=fix)
