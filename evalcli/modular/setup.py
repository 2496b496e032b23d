"""What metric objects are told: the choices of an evaluation, and the names that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalcli.errors import UsageError
from evalcli.keywords import bytes_of, choices_of, name_of
from evalcli.metrics.registry import MetricName, parse
from evalcli.task import FAMILIES

if TYPE_CHECKING:
    from evalcli.metrics.entry import Entry
    from evalcli.task import Choices

Option = tuple[str, Any, str]
"""A keyword, its default, and what it means."""

_DECIDING: tuple[Option, ...] = (
    ("labels", None, "Class names in the order of their numbers, or how many there are."),
    ("scores", None, "``labels``, ``probs`` or ``logits``; by default what the input shows."),
    ("threshold", None, "The probability from which the positive class is predicted (0.5)."),
    ("positive", None, "The positive class of a binary task."),
    ("ignore_index", None, "Rows whose target is this number are left out."),
    ("classes", "seen", "Means run over the classes ``seen``, or over all ``declared``."),
    ("class_axis", None, "Which axis holds the classes, 1 or -1, where two readings fit."),
)
_ALWAYS: tuple[Option, ...] = (("nan", "error", "Rows with undefined scores: ``error``, ``drop`` or ``wrong``."),)
_BUDGET: Option = ("ranking_budget", None, "Memory for exact ranks, in MB (64).")


def options_of(entry: Entry) -> tuple[Option, ...]:
    """The keywords of a metric, those that stand in its name first.

    >>> from evalcli.metrics.registry import METRICS
    >>> [name for name, _, _ in options_of(METRICS["f1"])][:3]
    ['average', 'label', 'task']
    """
    found: list[Option] = []
    means = (*entry.averages, *getattr(entry, "multilabel", ()))
    if entry.parameter is not None:
        default = getattr(entry.parameter, "default", None)
        bounds = f"from {entry.parameter.low:g} to {entry.parameter.high:g}"
        found.append((parameter_of(entry), default, f"{entry.parameter.symbol}, {bounds}."))
    if means:
        found.append(("average", None, f"{', '.join(f'``{one}``' for one in means)}: the mean over classes."))
    if entry.per_class:
        found.append(("label", None, "One class, against all others."))
    if getattr(entry, "per_output", False):
        found.append(("label", None, "One output of several."))
    if entry.reads != "values":
        tasks = ", ".join(f"``{task}``" for task in entry.tasks)
        found += [("task", None, f"{tasks}; by default what the input shows."), *_DECIDING]
    found += _ALWAYS
    return (*found, _BUDGET) if entry.reads != "labels" else tuple(found)


def parameter_of(entry: Entry) -> str:
    """The keyword of the number in a metric's name.

    >>> from evalcli.metrics.registry import METRICS
    >>> parameter_of(METRICS["fbeta"]), parameter_of(METRICS["auroc_fpr"])
    ('beta', 'highest_false_positive_rate')
    """
    return "" if entry.parameter is None else entry.parameter.word.replace(" ", "_").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Setup:
    """The choices and the budget: metrics of equal setup can share a state."""

    choices: Choices
    budget: int | None = None


def address(entry: Entry, given: dict[str, Any]) -> MetricName:
    """The name under which the registry knows a metric with these keywords.

    Raises:
        UsageError: there is no such metric.

    """
    text = entry.name
    if entry.parameter is not None:
        word, number = parameter_of(entry), given.get(parameter_of(entry))
        if number is None and getattr(entry.parameter, "default", None) is None:
            raise UsageError(f"{entry.name} needs its {word}", fix=f"as in {word}={entry.parameter.example}")
        text = entry.name if number is None else entry.called(repr(number).removesuffix(".0"))
    if given.get("average") is not None:
        text += f"_{given['average']}"
    if given.get("label") is not None:
        text += f"[{name_of(given['label'])}]"
    return parse(text)


def setup_of(entry: Entry, given: dict[str, Any]) -> Setup:
    """The choices that keywords make.

    Raises:
        UsageError: a keyword has a value that it cannot have.

    """
    known = {"task", *(name for name, _, _ in _DECIDING + _ALWAYS)}
    choices = choices_of(**{name: value for name, value in given.items() if name in known})
    if choices.task is None and "classification" not in {FAMILIES[task] for task in entry.tasks}:
        choices = replace(choices, task=entry.tasks[0])  # no input shows by itself that it is meant so
    return Setup(choices, bytes_of(given.get("ranking_budget")))
