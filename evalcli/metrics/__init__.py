"""States that add up, formulas that read them, and the registry that names them; and each of its rows as a class.

``evalcli.metrics.Accuracy()`` takes batches; ``MetricCollection`` takes metrics. All names load on first use, so that
the registry can be read without importing numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalcli.metrics.base import Metric as Metric
    from evalcli.metrics.bundle import MetricCollection as MetricCollection
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
    "MetricCollection": "bundle",
    "Pairs": "counts",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  the table above is the one list of names


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if not name[:1].isupper():  # a module, or nothing
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = import_module("evalcli.modular.classes").class_of(name)
    if made is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    from importlib import import_module

    return sorted({*globals(), *__all__, *import_module("evalcli.modular.classes").CLASSES})
