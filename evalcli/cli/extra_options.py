"""The options of metrics beyond the registry. Annotations are evaluated here on purpose: typer reads them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

if TYPE_CHECKING:
    from evalcli.extras import Extras

_PANEL = "What the values mean"

NEVER_CONFIGURED = frozenset({"metric"})
"""What runs code has to be typed: a file that is found must not be able to ask for it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtraOptions:
    """Metrics of the user's own, and those computed from others."""

    metric: Annotated[
        list[str],
        Option(
            "--metric",
            metavar="FILE:CLASS",
            help="A metric of your own: my.py:MyRMSE, my.py:TopK(k=3), package.module:Metric(…).",
            rich_help_panel=_PANEL,
        ),
    ] = ()  # type: ignore[assignment]  # typer knows lists; ours are never changed
    define: Annotated[
        list[str],
        Option(
            "--define",
            metavar="NAME=EXPR",
            help="A metric from others: 'gap = recall[cat] - recall[dog]'.",
            rich_help_panel=_PANEL,
        ),
    ] = ()  # type: ignore[assignment]  # as above

    def extras(self, least: int | None = None) -> "Extras":
        """The metrics, imported and made, and the expressions, read; ``least`` rows make a slice."""
        from evalcli.extras import Extras

        least = least or 1
        if not (self.metric or self.define):
            return Extras(least=least)
        from evalcli.expressions import parse_definitions
        from evalcli.loading import load_metrics

        return Extras(load_metrics(self.metric), parse_definitions(self.define), least)
