"""What the registry knows of a metric. Importing this module imports no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

AVERAGES = ("macro", "weighted", "micro")
OVER_ROWS = "samples"
"""The average that only a multilabel task has: over rows, of each row's own label sets."""
COUNTED = "ClassCounts"
"""The state of every metric that needs no more than the predicted labels."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that stands in the name of a metric: its ``word`` and ``symbol``, its range, and an ``example``."""

    word: str
    symbol: str
    low: float
    high: float
    example: str
    whole: bool = False
    default: float | None = None
    """What a name without a number means; ``None``: it needs one."""

    @classmethod
    def share(cls, word: str, symbol: str, example: str = "0.9") -> Parameter:
        """One from 0.0001 to 1."""
        return cls(word, symbol, 0.0001, 1.0, example)

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high and (not self.whole or number == int(number))


class Entry(NamedTuple):
    """All that is known of a metric: ``formula`` takes what its ``state`` computes, and the parameter in its name.

    ``reads`` says what the state is fed with: predicted labels, scores, or the values of a regression. What reads
    ``slices`` compares their metrics, and has no value of all rows.

    ``spelling`` says where the parameter stands: ``fbeta{}``. A ``direction`` of ``zero``: the nearer to 0, the better.
    One of ``neither``: no model is better for more of it or for less.
    """

    name: str
    title: str
    formula: Callable[..., Any]
    formula_text: str
    source: str
    summary: str
    convention: str
    direction: Literal["higher", "lower", "zero", "neither"] = "higher"
    low: float = 0.0
    high: float = 1.0
    per_class: bool = False
    averages: tuple[str, ...] = ()
    state: str = COUNTED
    tasks: tuple[str, ...] = ("binary", "multiclass")
    reads: Literal["labels", "scores", "values", "slices"] = "labels"
    spelling: str = ""
    parameter: Parameter | None = None
    multilabel: tuple[str, ...] = ()
    """Further averages, of a multilabel task alone."""
    by_label: Callable[..., Any] | None = None
    """Where a class has no number of its own but a label of a multilabel task has: it reads ``LabelCalibration``."""

    @property
    def needs_scores(self) -> bool:
        """Whether labels alone do not give it."""
        return self.reads == "scores"

    @property
    def per_output(self) -> bool:
        """Whether it is a number for each output of a regression."""
        return self.reads == "values"

    @property
    def better(self) -> str:
        """Where the good values lie, in words."""
        return "nearer 0" if self.direction == "zero" else self.direction

    def called(self, parameter: str = "") -> str:
        """The bare name with a parameter in its place."""
        return self.spelling.format(parameter) if self.spelling else self.name

    @property
    def example(self) -> str:
        """The bare name as someone would type it."""
        return self.called(self.parameter.example if self.parameter is not None else "")


def split_names(text: str, *, of_metrics: bool = False) -> list[str]:
    """Names between commas, where a comma in brackets belongs to a class name, and ``of_metrics`` one in quotes, too.

    >>> split_names("accuracy,recall[a,b]"), split_names('mcc@="a,b"="x,y",mcc', of_metrics=True)
    (['accuracy', 'recall[a,b]'], ['mcc@="a,b"="x,y"', 'mcc'])
    """
    names, depth, quoted = [""], 0, False
    for char in text:
        quoted ^= of_metrics and char == '"' and '@="' in names[-1] + char
        depth += 0 if quoted else (char == "[") - (char == "]" and depth > 0)
        if char == "," and depth == 0 and not quoted:
            names.append("")
        else:
            names[-1] += char
    return names


def late(module: str, name: str) -> Callable[..., Any]:
    """A formula of a module that is imported when it is first called."""

    def formula(*args: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(f"evalcli.metrics.{module}"), name)(*args)

    return formula
