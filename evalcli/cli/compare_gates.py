"""The options that make gates on a comparison. Annotations are evaluated here on purpose: typer reads them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Optional

from typer import Option

from evalcli.cli.gate_options import MinAccuracy, MinF1, MinPrecision, MinRecall, plain_bounds
from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from evalcli.comparing.alone import Bound
    from evalcli.comparing.data import Comparison
    from evalcli.comparing.margins import Margin
    from evalcli.report import Report, Verdict
    from evalcli.rules import Basis

_GATES = "Gates"


@dataclass(frozen=True, kw_only=True)
class CompareGates:
    """Gates on models and on how they differ. What the configuration says is ``inherited``: a gate typed replaces its
    namesake.
    """

    layered: ClassVar[bool] = True

    min: Annotated[
        list[str],
        Option(
            "--min",
            metavar="NAME=V",
            help="Fail where a model but the first is below V: recall[cat]=0.8, f1@region=EU=0.7; A:f1=0.8 judges A.",
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    max: Annotated[
        list[str],
        Option(
            "--max",
            metavar="NAME=V",
            help="Fail where one is above V: error_rate=0.1.",
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    min_accuracy: MinAccuracy = None
    min_precision: MinPrecision = None
    min_recall: MinRecall = None
    min_f1: MinF1 = None
    gate_on: Annotated[
        Literal["point", "interval"] | None,
        Option(
            "--gate-on",
            help="Judge --min and --max by the value (point), or by the whole of its interval.",
            rich_help_panel=_GATES,
        ),
    ] = None
    noninferior: Annotated[
        list[str],
        Option(
            "--noninferior",
            metavar="NAME=V",
            help="Fail where B is worse than A by V: accuracy=0.5pp, 0.01, 2%.",
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    equivalent: Annotated[
        list[str],
        Option(
            "--equivalent",
            metavar="NAME=V",
            help="Fail where B differs from A by V, either way.",
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    max_drop: Annotated[
        list[str],
        Option(
            "--max-drop",
            metavar="NAME=V",
            help='Fail where another than A is worse by more: f1@region=EU=1pp, f1@region=*=1pp; f1@="a=b"="x "=1pp.',
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    min_slice_size: Annotated[
        int | None,
        Option(
            "--min-slice-size",
            metavar="N",
            min=1,
            help="Slices of fewer rows are not tested, and never the worst (1).",
            rich_help_panel=_GATES,
        ),
    ] = None
    inherited: Optional["CompareGates"] = None
    origin: str = ""

    @property
    def slice_size(self) -> int:
        """The rows that make a slice, as typed or else configured."""
        return self.min_slice_size or (self.inherited.slice_size if self.inherited is not None else 1)

    @property
    def basis(self) -> "Basis":
        """What ``--min`` and ``--max`` judge, as typed or else configured; as usual the value."""
        return self.gate_on or (self.inherited.basis if self.inherited is not None else "point")

    @property
    def typed(self) -> bool:
        """Whether any gate was typed."""
        plain = (bound is not None for bound in plain_bounds(self).values())
        return any((self.min, self.max, self.noninferior, self.equivalent, self.max_drop, *plain))

    def rules(self, known: "Container[str]") -> "Rules":
        """All gates, those of the configuration first; ``known`` are metrics beyond the registry."""
        from evalcli.comparing.alone import override, parse_bounds
        from evalcli.comparing.margins import parse_margins

        try:
            bounds = parse_bounds(self.min, self.max, known, plain_bounds(self))
            margins = parse_margins(self.noninferior, self.equivalent, self.max_drop, known)
        except UsageError as e:
            raise UsageError(e.what, fix=e.fix, path=self.origin) from e
        if self.inherited is not None:
            before = self.inherited.rules(known)
            bounds = override(before.bounds, bounds)
            named = {(one.kind, one.metric) for one in margins}
            margins = (*(m for m in before.margins if (m.kind, m.metric) not in named), *margins)
        return Rules(bounds, margins, self.slice_size, self.basis)


@dataclass(frozen=True)
class Rules:
    """Gates that were read: ``bounds`` on models, ``margins`` between them; slices have ``least`` rows."""

    bounds: "tuple[Bound, ...]"
    margins: "tuple[Margin, ...]"
    least: int
    basis: "Basis"

    def __bool__(self) -> bool:
        return bool(self.bounds or self.margins)

    @property
    def metrics(self) -> "tuple[str, ...]":
        """The metrics of the registry whose differences they read."""
        from evalcli.comparing.margins import metrics_of

        return metrics_of(self.margins)

    @property
    def gated(self) -> "tuple[str, ...]":
        """The metrics of the registry that they read of single models."""
        from evalcli.comparing.alone import metrics_of

        return metrics_of(self.bounds)

    @property
    def slicers(self) -> "tuple[str, ...]":
        """What rows must be sliced by for them."""
        from evalcli.rules import slicers_of

        return slicers_of((*(one.rule.metric for one in self.bounds), *(one.metric for one in self.margins)))

    def check(self, models: int) -> None:
        """Refuse what so many models cannot be judged by, before they are read.

        Raises:
            UsageError: a gate on a difference, and not two models, or on a model that there is not.

        """
        from evalcli.comparing.margins import check_two

        check_two(self.margins, models)
        for one in self.bounds:
            one.places(models)

    def judged(self, comparison: "Comparison", reports: "Callable[[int], Report]") -> "tuple[Verdict, ...]":
        """The verdicts; ``reports`` makes that on one of the models, where its intervals are to be judged."""
        from evalcli.comparing.alone import judge_alone
        from evalcli.comparing.margins import judge

        apart: Mapping[int, Report] | None = None
        if self.basis == "interval":
            models = {place for one in self.bounds for place in one.places(len(comparison.models))}
            apart = {place: reports(place) for place in sorted(models)}
        alone = judge_alone(comparison, self.bounds, self.least, apart)
        return (*alone, *judge(comparison, self.margins, self.least))
