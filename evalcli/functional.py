"""Every metric of the registry as a function of predictions and truth.

Each reads its arguments as ``evalcli.evaluate`` does and gives the number that the command line gives, as an array
without axes of the kind of ``preds`` on its device, or a plain number for lists and columns. NaN: undefined.

>>> from evalcli.functional import accuracy, f1, fbeta
>>> accuracy([0, 1, 1, 1], [0, 1, 1, 0])
0.75
>>> f1([0, 1, 1, 1], [0, 1, 1, 0], average="macro") == fbeta([0, 1, 1, 1], [0, 1, 1, 0], beta=1, average="macro")
True
>>> import inspect
>>> list(inspect.signature(accuracy).parameters)[:4]
['preds', 'target', 'weight', 'task']
"""

from __future__ import annotations

from contextlib import closing
from math import nan
from typing import TYPE_CHECKING, Any

from evalcli.metrics.registry import MEASURED
from evalcli.modular.setup import Setup, address, options_of, setup_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature

    from evalcli.metrics.entry import Entry
    from evalcli.metrics.registry import MetricName

__all__ = sorted(MEASURED)  # noqa: PLE0605  the registry is the one list of names


def __getattr__(name: str) -> Any:
    if name not in MEASURED:
        from difflib import get_close_matches

        from evalcli.metrics.othernames import name_for

        meant = name_for(name)
        near = [meant[0]] if meant is not None else get_close_matches(name, MEASURED, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    made = globals()[name] = _function(MEASURED[name])
    return made


def __dir__() -> list[str]:
    return __all__


def _function(entry: Entry) -> Callable[..., Any]:
    """The function of a row of the registry."""
    shape = signature_of(entry)

    def metric(*args: Any, **kwargs: Any) -> Any:
        from evalcli.keywords import in_keywords
        from evalcli.modular.kinds import kind_of

        unknown = next((name for name in kwargs if name not in shape.parameters), None)
        if unknown is not None:
            from evalcli.unknown_keywords import unknown_keyword

            raise unknown_keyword(entry.name, unknown, shape.parameters)
        bound = shape.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        with in_keywords(entry.name):
            name, setup = address(entry, given), setup_of(entry, given)
            value = value_of(name, setup, given["preds"], given["target"], given["weight"])
        return kind_of(given["preds"]).scalar(value)

    metric.__name__ = metric.__qualname__ = entry.name
    metric.__module__ = __name__
    metric.__doc__ = docstring_of(entry)
    metric.__signature__ = shape  # type: ignore[attr-defined]  # functions may carry one
    return metric


def signature_of(entry: Entry) -> Signature:
    """``(preds, target, *, weight=None, …)`` with the keywords that the metric has."""
    from inspect import Parameter, Signature

    both = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("preds", "target")]
    keywords = [Parameter("weight", Parameter.KEYWORD_ONLY, default=None)]
    keywords += [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default, _ in options_of(entry)]
    return Signature([*both, *keywords])


def docstring_of(entry: Entry) -> str:
    """All that the registry knows of a metric, in the form of a docstring."""
    from textwrap import wrap

    from evalcli.keywords import as_keywords

    shapes = {
        "labels": "labels ``(N,)``, or scores ``(N, C)``, ``(N,)`` of which each row's label follows",
        "scores": "probabilities or logits ``(N, C)``; ``(N,)`` of the positive class in a binary task",
        "values": "numbers ``(N,)``, or ``(N, D)`` of several outputs",
    }
    bounds = f"{entry.low:g} to {entry.high:g}"
    better = getattr(entry, "better", entry.direction)
    lines = [
        f"{entry.title}: ``{entry.formula_text}``.",
        "",
        *wrap(as_keywords(f"{entry.summary} {entry.convention}"), 100),
        "",
        "Args:",
        f"    preds: {shapes[entry.reads]}.",
        "    target: The truth, ``(N,)``, or one-hot." if entry.reads != "values" else "    target: Likewise.",
        "    weight: One number a row.",
        *(f"    {name}: {meaning}" for name, _, meaning in options_of(entry)),
        "",
        "Returns:",
        f"    A number, {bounds}, {better} is better; NaN where it is undefined.",
        "",
        "Raises:",
        "    EvalError: the arguments cannot be evaluated; of the kind that says why.",
        "",
        f"Source: {entry.source}.",
    ]
    return "\n".join(lines)


def value_of(name: MetricName, setup: Setup, preds: Any, target: Any, weight: Any) -> float:
    """One metric of one input, by the way of the command line; NaN: undefined."""
    from evalcli.engine import Execution
    from evalcli.evaluation import evaluate
    from evalcli.inputs import Sides, open_sides
    from evalcli.sources.base import Selection

    choices = setup.choices
    selection = Selection(scores=choices.scores, nan=choices.nan, labels=choices.labels)
    with closing(open_sides(Sides(preds, target, weight), selection)) as source:
        report = evaluate(source, choices, Execution(ranking_budget=setup.budget), (str(name),))
    value = report.metrics[str(name)].value
    return nan if value is None else value
