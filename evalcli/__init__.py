"""Evaluate saved predictions: a report, a confusion matrix and a verdict.

From Python: ``evalcli.evaluate(preds, target)`` gives the report of the command line, ``evalcli.functional.f1(…)`` one
number, ``evalcli.metrics.F1(…)`` an object that takes batches. The names below load on first use, so that importing
``evalcli`` costs nothing.

>>> import evalcli
>>> evalcli.evaluate([0, 2, 1, 1], [0, 2, 1, 0])["accuracy"]
0.75
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalcli.api.comparing import compare as compare
    from evalcli.api.comparison import Comparison as Comparison
    from evalcli.api.evaluating import evaluate as evaluate
    from evalcli.api.listing import list_mistakes as list_mistakes
    from evalcli.api.overlapping import Overlap as Overlap
    from evalcli.api.overlapping import overlap as overlap
    from evalcli.api.partial import Part as Part
    from evalcli.api.partial import merge as merge
    from evalcli.api.report import Report as Report
    from evalcli.errors import EmptyError as EmptyError
    from evalcli.errors import EvalError as EvalError
    from evalcli.errors import InputError as InputError
    from evalcli.errors import LimitError as LimitError
    from evalcli.errors import OutputError as OutputError
    from evalcli.errors import UsageError as UsageError
    from evalcli.metrics.base import Metric as Metric

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "api.comparison",
    "EmptyError": "errors",
    "EvalError": "errors",
    "InputError": "errors",
    "LimitError": "errors",
    "Metric": "metrics.base",
    "OutputError": "errors",
    "Overlap": "api.overlapping",
    "Part": "api.partial",
    "Report": "api.report",
    "UsageError": "errors",
    "compare": "api.comparing",
    "evaluate": "api.evaluating",
    "list_mistakes": "api.listing",
    "merge": "api.partial",
    "overlap": "api.overlapping",
}
_ROOMS = ("functional", "integrations", "metrics", "testing")
"""Modules that are reached without an import of their own."""
__all__ = sorted((*_HOMES, *_ROOMS))  # noqa: PLE0605  the tables above are the one list of names


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
