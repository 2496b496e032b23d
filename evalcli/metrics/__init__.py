"""States that add up, formulas that read them, and the registry that names them.

The names below load on first use, so that the registry can be read without importing numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalcli.metrics.base import Metric as Metric
    from evalcli.metrics.counts import ClassCounts as ClassCounts
    from evalcli.metrics.counts import ConfusionCounts as ConfusionCounts
    from evalcli.metrics.counts import Counts as Counts
    from evalcli.metrics.counts import Pairs as Pairs
    from evalcli.metrics.exact import ExactSum as ExactSum

_HOMES = {
    "ClassCounts": "counts",
    "ConfusionCounts": "counts",
    "Counts": "counts",
    "ExactSum": "exact",
    "Metric": "base",
    "Pairs": "counts",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  the table above is the one list of names


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
