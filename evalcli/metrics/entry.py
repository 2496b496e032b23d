"""What the registry knows of a metric. Importing this module imports no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

AVERAGES = ("macro", "weighted", "micro")
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

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high and (not self.whole or number == int(number))


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is known of a metric: ``formula`` takes what its ``state`` computes, and the parameter in its name.

    ``reads`` says what the state is fed with: predicted labels, scores, or the values of a regression.

    ``spelling`` says where the parameter stands: ``fbeta{}``.
    """

    name: str
    title: str
    formula: Callable[..., Any]
    formula_text: str
    source: str
    summary: str
    convention: str
    direction: Literal["higher", "lower"] = "higher"
    low: float = 0.0
    high: float = 1.0
    per_class: bool = False
    averages: tuple[str, ...] = ()
    state: str = COUNTED
    tasks: tuple[str, ...] = ("binary", "multiclass")
    reads: Literal["labels", "scores", "values"] = "labels"
    spelling: str = ""
    parameter: Parameter | None = None

    @property
    def needs_scores(self) -> bool:
        """Whether labels alone do not give it."""
        return self.reads == "scores"

    def called(self, parameter: str = "") -> str:
        """The bare name with a parameter in its place."""
        return self.spelling.format(parameter) if self.spelling else self.name

    @property
    def example(self) -> str:
        """The bare name as someone would type it."""
        return self.called(self.parameter.example if self.parameter is not None else "")


def split_names(text: str) -> list[str]:
    """Names between commas, where a comma in brackets belongs to a class name.

    >>> split_names("accuracy,recall[a,b]")
    ['accuracy', 'recall[a,b]']
    """
    names, depth = [""], 0
    for char in text:
        depth += (char == "[") - (char == "]" and depth > 0)
        if char == "," and depth == 0:
            names.append("")
        else:
            names[-1] += char
    return names
