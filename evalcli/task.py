"""What is decided once, for the whole input: the task, the kind of scores, how a prediction becomes an answer.

A decision is a pure function of the layout, the user's choices and the evidence of the whole input. A pass over the
data starts on the decision that its first rows suggest; when the whole input decides otherwise, the pass is repeated.
Each family of tasks decides in its own room; ``evalcli.decision`` knows which one is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalcli.errors import EvalError
    from evalcli.threshold import Chosen
    from evalcli.uncertainty.intervals import Confidence

FAMILIES = {
    "binary": "classification",
    "multiclass": "classification",
    "multilabel": "multilabel",
    "regression": "regression",
}
"""Task → the room that decides, counts and reports it."""

SUM_TOLERANCE = {"float16": 1e-2, "bfloat16": 1e-2}
"""How far a row of probabilities may be from 1, by stored type; float8 as float16, everything else 1e-3."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user fixed; ``None`` means: decide from the whole input."""

    task: str | None = None
    scores: str | None = None
    threshold: float | None = None
    positive: str | None = None
    labels: tuple[str, ...] | None = None
    ignore_index: int | None = None
    nan: str = "error"
    classes: str = "seen"
    class_axis: int | None = None
    topk: tuple[int, ...] | None = None
    confidence: Confidence | None = None
    """How sure intervals are to be; ``None``: there are none."""
    chosen: Chosen | None = None
    """The saved choice that ``threshold`` was taken from."""
    alike: bool = False
    """Nobody asks for the positive one of two classes, as long as no threshold is of its score."""


@dataclass(frozen=True, slots=True)
class Task:
    """The decision, for a ``kind`` of task. ``mode`` is how a prediction becomes a label: it is one (``labels``), the
    best column (``argmax``), or class ``above`` where a score is at least ``cut`` (``cut``; of two columns of logits
    the margin). Of several labels a row each is predicted where its score is at least its one of ``cuts``. A value of a
    regression stays one (``value``).

    ``classes`` are the class names; ``seen_only`` says that they were read off the data, so that a class without a
    row is not listed. ``problem`` is what forbids a verdict, raised once the whole input is known.
    """

    kind: str
    scores: str
    mode: str
    classes: tuple[str, ...]
    seen_only: bool = False
    positive: int | None = None
    threshold: float | None = None
    cut: float | None = None
    above: int = 1
    cuts: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    """Of several labels a row, the threshold of each, where they differ from label to label."""
    keeps_ignored: bool = False
    """Whether the ignored label is a class all the same, because the model predicts it."""
    problem: EvalError | None = None

    @property
    def family(self) -> str:
        """Which room counts it."""
        return FAMILIES[self.kind]

    @property
    def counts_like(self) -> tuple[object, ...]:
        """What the counting depends on: two decisions that agree here give the same counts."""
        above = self.above if self.mode == "cut" else None
        return (self.family, self.mode, self.cut, above, self.keeps_ignored, self.cuts)


def sum_tolerance(dtype: str) -> float:
    """How far the sum of a row of probabilities may be from 1, for a stored type."""
    return 1e-2 if dtype.startswith("float8") else SUM_TOLERANCE.get(dtype, 1e-3)


def logit(p: float) -> float:
    """ln(p / (1 - p)): the logit at which a probability is reached."""
    return -inf if p <= 0 else inf if p >= 1 else log(p / (1 - p))
