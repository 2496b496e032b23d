"""The options that make gates, each declared once. Annotations are evaluated here on purpose: typer reads them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Optional

from typer import Option

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Container

    from evalcli.cli.compare_gates import CompareGates
    from evalcli.rules import Basis, Rule

_GATES = "Gates"

MinAccuracy = Annotated[
    float | None, Option("--min-accuracy", metavar="V", help="Fail below this accuracy.", rich_help_panel=_GATES)
]
MinPrecision = Annotated[
    float | None,
    Option("--min-precision", metavar="V", help="Macro, or of the positive class.", rich_help_panel=_GATES),
]
MinRecall = Annotated[
    float | None, Option("--min-recall", metavar="V", help="Macro, or of the positive class.", rich_help_panel=_GATES)
]
MinF1 = Annotated[
    float | None, Option("--min-f1", metavar="V", help="Macro, or of the positive class.", rich_help_panel=_GATES)
]


def plain_bounds(gates: "GateOptions | CompareGates") -> dict[str, float | None]:
    """The bounds that a first-time user types, by metric."""
    return {
        "accuracy": gates.min_accuracy,
        "precision": gates.min_precision,
        "recall": gates.min_recall,
        "f1": gates.min_f1,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class GateOptions:
    """Rules for the exit code. What the configuration says is ``inherited``: a rule typed replaces its namesake."""

    layered: ClassVar[bool] = True

    min: Annotated[
        list[str],
        Option(
            "--min",
            metavar="NAME=V",
            help='Fail below V: accuracy=0.9, recall[cat]=0.8, f1@region=EU=0.7; odd names: f1@="a=b"="x "=0.7.',
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    max: Annotated[
        list[str], Option("--max", metavar="NAME=V", help="Fail above V: error_rate=0.1.", rich_help_panel=_GATES)
    ] = ()  # type: ignore[assignment]  # as above
    min_accuracy: MinAccuracy = None
    min_precision: MinPrecision = None
    min_recall: MinRecall = None
    min_f1: MinF1 = None
    baseline: Annotated[
        str | None,
        Option("--baseline", metavar="REPORT.json", help="A saved report to compare with.", rich_help_panel=_GATES),
    ] = None
    max_drop: Annotated[
        list[str],
        Option(
            "--max-drop",
            metavar="NAME=V",
            help="Fail if worse than the baseline by more: 0.01, 1pp, 2%.",
            rich_help_panel=_GATES,
        ),
    ] = ()  # type: ignore[assignment]  # as above
    min_slice_size: Annotated[
        int | None,
        Option(
            "--min-slice-size",
            metavar="N",
            min=1,
            help="Slices of fewer rows are never the worst and make no gap (1), and are not tried by --scan (30).",
            rich_help_panel=_GATES,
        ),
    ] = None
    gate_on: Annotated[
        Literal["point", "interval"] | None,
        Option("--gate-on", help="Judge the value (point), or the whole of its interval.", rich_help_panel=_GATES),
    ] = None
    inherited: Optional["GateOptions"] = None
    origin: str = ""

    def rules(self, known: "Container[str]" = ()) -> "tuple[Rule, ...]":
        """All rules, those of the configuration first; ``known`` are metrics beyond the registry."""
        from evalcli.rules import override

        rules = self._own_rules(known)
        if self.inherited is not None:
            rules = override(self.inherited.rules(known), rules)
        drops = any(rule.kind == "drop" for rule in rules)
        if not self.origin and drops and not self.names_baseline():
            raise UsageError(
                "--max-drop compares with a baseline", fix="name a saved report with --baseline REPORT.json"
            )
        if not self.origin and not drops and self.names_baseline(inherited=False):
            raise UsageError(
                "a baseline alone judges nothing", fix="say how much may be lost, as in --max-drop accuracy=0.01"
            )
        return rules

    @property
    def slice_size(self) -> int | None:
        """The rows that make a slice, as typed or else configured; ``None``: as usual."""
        return self.min_slice_size or (self.inherited.min_slice_size if self.inherited is not None else None)

    @property
    def basis(self) -> "Basis":
        """What is judged, as typed or else configured; as usual the value."""
        return self.gate_on or (self.inherited.gate_on if self.inherited is not None else None) or "point"

    def baseline_path(self) -> str | None:
        """The baseline that was typed, or else configured."""
        return self.baseline or (self.inherited.baseline if self.inherited is not None else None)

    def names_baseline(self, *, inherited: bool = True) -> bool:
        """Whether there is something to count drops from, typed or ``inherited``."""
        return (self.baseline_path() if inherited else self.baseline) is not None

    def _own_rules(self, known: "Container[str]") -> "tuple[Rule, ...]":
        from evalcli.rules import parse_rules, plain_rules

        try:
            return (*plain_rules(plain_bounds(self)), *parse_rules(self.min, self.max, self.max_drop, known))
        except UsageError as e:
            raise UsageError(e.what, fix=e.fix, path=self.origin) from e
