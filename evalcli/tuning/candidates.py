"""The choice of a threshold from a ranking: every score that occurs is a candidate, cut there with ``>=``.

Candidates therefore predict at least one positive, and cutting the same scores at the chosen one gives its numbers
again. In a ranking whose scores were binned they are the ends of its segments, which are real operating points too,
only not all of them. Of candidates that are equally good, to a relative 1e-12, the largest threshold is chosen: it
predicts the fewest positives.

Values are those of the formulas that the report uses, over counts of shape (K, 2), negatives first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError, UsageError
from evalcli.metrics import formulas
from evalcli.metrics.labels import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.roc import Ranking

SHOWN = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity", "mcc")
"""What is said of every point, whatever was sought."""
COLUMNS = 60
"""How many places the drawn curve has."""
STEPS = (0.05, 0.02, 0.01)
"""How far off the neighbours lie: so much of all rows more or fewer are predicted positive, but at least one score."""

_BLOCK = 1 << 14
_TIE = 1e-12


def _of_positive(formula: Callable[[Counts], Any]) -> Callable[[Counts], Any]:
    return lambda counts: formula(counts)[..., 1]


def youden(counts: Counts) -> Any:
    """``recall + specificity − 1`` of the positive class, from −1 to 1.

    Source: Youden 1950, Index for rating diagnostic tests.
    """
    return formulas.recall(counts)[..., 1] + formulas.specificity(counts)[..., 1] - 1


def expected_cost(counts: Counts, fp: float, fn: float) -> Any:
    """``(c_fp·FP + c_fn·FN) / n``: what a row costs on average.

    Source: Elkan 2001, The foundations of cost-sensitive learning.
    """
    cells = formulas.one_vs_rest(counts)
    return (fp * cells.fp[..., 1] + fn * cells.fn[..., 1]) / counts.n


FORMULAS: dict[str, Callable[[Counts], Any]] = {
    "accuracy": formulas.accuracy,
    "balanced_accuracy": formulas.balanced_accuracy,
    "precision": _of_positive(formulas.precision),
    "recall": _of_positive(formulas.recall),
    "f1": _of_positive(formulas.f1),
    "specificity": _of_positive(formulas.specificity),
    "mcc": formulas.mcc,
    "youden": youden,
}
MAXIMIZED = ("f1", "fbeta2", "mcc", "balanced_accuracy", "youden")
"""What ``--maximize`` offers; any β follows ``fbeta``."""
_SOUGHT = {"precision": "recall", "specificity": "recall", "recall": "precision"}
"""What is best among the thresholds that meet a bound on the key."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What makes a threshold good: the best ``name``, among those where ``bound``, if any, is met.

    ``text`` says all of it, as the user would.
    """

    text: str
    name: str
    formula: Callable[[Counts], Any]
    bound: tuple[str, float] | None = None
    sign: int = 1
    """-1 where less is better."""


def maximize(text: str) -> Aim:
    """The highest value of a metric: one of ``MAXIMIZED``, or ``fbeta`` with another β.

    >>> maximize("fbeta2").name
    'fbeta2'

    Raises:
        UsageError: it is none of them.

    """
    beta = re.fullmatch(r"fbeta([0-9]*\.?[0-9]+)", text)
    if beta is not None and 0 < float(beta[1]) <= 1e6:
        return Aim(text, text, _of_positive(partial(formulas.fbeta, beta=float(beta[1]))))
    if text not in MAXIMIZED:
        raise UsageError(f"--maximize {text!r} is unknown", fix=f"use {', '.join(MAXIMIZED)}")
    return Aim(text, text, FORMULAS[text])


def at(text: str) -> Aim:
    """The best of one metric where another is high enough: ``precision>=0.95`` seeks the best recall.

    >>> at("precision>=0.95").text
    'recall at precision>=0.95'

    Raises:
        UsageError: it is no such bound.

    """
    name, _, bound = text.partition("=")
    name = name.removesuffix(">").strip()
    try:
        least = float(bound)
    except ValueError:
        least = -1
    if name not in _SOUGHT or not 0 <= least <= 1:
        fix = "write it in quotes, as --at 'precision>=0.95', or with recall or specificity"
        raise UsageError(f"--at {text!r} is no bound from 0 to 1", fix=fix)
    sought = _SOUGHT[name]
    return Aim(f"{sought} at {name}>={bound.strip()}", sought, FORMULAS[sought], (name, least))


def cost(text: str) -> Aim:
    """The least expected cost, from what a false positive and a false negative cost: ``fp=1,fn=20``.

    >>> cost("fp=1,fn=20").text
    'cost fp=1,fn=20'

    Raises:
        UsageError: one of the two is missing, no number, or both are 0.

    """
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        costs = {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        costs = {}
    if set(costs) != {"fp", "fn"} or len(pairs) != 2 or not all(0 <= one < inf for one in costs.values()):
        raise UsageError(f"--cost {text!r} does not price both errors", fix="write it like --cost fp=1,fn=20")
    if not any(costs.values()):
        raise UsageError("--cost: both errors are free", fix="write it like --cost fp=1,fn=20")
    return Aim(f"cost {text}", "cost", partial(expected_cost, fp=costs["fp"], fn=costs["fn"]), sign=-1)


class Place(NamedTuple):
    """A candidate: the score to cut at, the rows predicted positive there, and what that does to each metric."""

    cut: float
    predicted: float
    metrics: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen. ``curve`` holds the best value at evenly spaced cuts from the first of ``span`` to the other,
    ``None`` where the bound is not met; ``below`` is the next lower candidate, −∞ after the last.
    """

    value: float
    place: Place
    below: float
    neighbours: tuple[Place, ...]
    curve: tuple[float | None, ...]
    span: tuple[float, float]
    candidates: int
    exact: bool
    nothing: float | None = None
    """What predicting no positive at all would cost, where that is asked for and is less."""


def choose(ranking: Ranking, aim: Aim) -> Choice:
    """The best candidate of ``ranking`` for ``aim``.

    Raises:
        InputError: only one class or one score occurs, or no threshold meets the bound.

    """
    return _Candidates(ranking, aim).choice()


def measures(counts: Counts, aim: Aim) -> dict[str, float | None]:
    """``SHOWN`` and what was sought, of one point; undefined is ``None``."""
    every = {name: FORMULAS[name] for name in SHOWN} | {aim.name: aim.formula}
    with np.errstate(invalid="ignore"):
        values = {name: float(formula(counts)) for name, formula in every.items()}
    return {name: None if isnan(value) else value for name, value in values.items()}


@dataclass
class _Candidates:
    """All candidates by falling score: the positives and negatives at or above each."""

    ranking: Ranking
    aim: Aim
    tp: HostArray = field(init=False)
    fp: HostArray = field(init=False)

    def __post_init__(self) -> None:
        ranking = self.ranking
        if not ranking.defined:
            which = "positive" if ranking.positives > 0 else "negative"
            raise InputError(f"only {which} rows occur: no threshold can be judged", fix="tune on rows of both classes")
        if len(ranking.score) == 1:
            if ranking.exact:
                raise InputError("all scores are the same: there is nothing to choose", fix="check the model")
            raise InputError("too little memory to tell scores apart", fix="raise --ranking-budget")
        self.tp, self.fp = ranking.pos.cumsum(), ranking.neg.cumsum()

    def counts(self, part: slice | int) -> Counts:
        """Counts (K, 2) of some candidates, or (2,) of one."""
        tp, fp = self.tp[part], self.fp[part]
        positives, negatives = self.tp[-1], self.fp[-1]
        n = np.broadcast_to(positives + negatives, np.shape(tp))
        support = np.broadcast_to(np.stack([negatives, positives]), (*np.shape(tp), 2))
        predicted = np.stack([(negatives - fp) + (positives - tp), tp + fp], axis=-1)
        return Counts(np.stack([negatives - fp, tp], axis=-1), support, predicted, n)

    def values(self, formula: Callable[[Counts], Any]) -> HostArray:
        """A formula at every candidate, (K,), a cache-sized block at a time."""
        starts = range(0, len(self.tp), _BLOCK)
        return np.concatenate([formula(self.counts(slice(start, start + _BLOCK))) for start in starts])

    @cached_property
    def merit(self) -> HostArray:
        """What was sought, higher always better; −∞ where the bound is not met."""
        merit: HostArray = self.values(self.aim.formula) * self.aim.sign
        if self.aim.bound is not None:
            name, least = self.aim.bound
            bounded = self.values(FORMULAS[name])
            merit[~(bounded >= least)] = -inf
            if not np.isfinite(merit).any():
                best = int(np.nanargmax(bounded))
                what = f"no threshold has {name} >= {least:g}; the highest is {bounded[best]:.4f}"
                raise InputError(what, fix=f"ask for less, as --at '{name}>={np.floor(bounded[best] * 100) / 100:g}'")
        return merit

    def choice(self) -> Choice:
        """The first, so the largest, threshold whose merit is the best."""
        merit, score = self.merit, self.ranking.score
        best = float(merit.max())
        found = int(np.argmax(merit >= best - _TIE * max(abs(best), _TIE)))
        curve, span = self.curve()
        nothing = float(self.aim.formula(self.none())) if self.aim.name == "cost" else None
        place = self.place(found)
        return Choice(
            value=float(merit[found]) * self.aim.sign,
            place=place,
            below=float(score[found + 1]) if found + 1 < len(score) else -inf,
            neighbours=tuple(self.place(index) for index in self.around(found)),
            curve=curve,
            span=span,
            candidates=len(score),
            exact=self.ranking.exact,
            nothing=nothing if nothing is not None and nothing < -best else None,
        )

    def none(self) -> Counts:
        """Counts (2,) where no row is predicted positive."""
        positives, negatives = self.tp[-1], self.fp[-1]
        n = positives + negatives
        sides = ([negatives, 0], [negatives, positives], [n, 0], n)
        return Counts(*map(np.array, sides))

    def place(self, index: int) -> Place:
        """One candidate, with all that is said of it."""
        predicted = (self.tp[index] + self.fp[index]).item()
        return Place(float(self.ranking.score[index]), predicted, measures(self.counts(index), self.aim))

    def around(self, found: int) -> list[int]:
        """Candidates on both sides of one, ``STEPS`` of all rows away, by falling score; the one itself among them."""
        predicted = self.tp + self.fp
        steps = np.array(STEPS) * predicted[-1]
        higher = np.minimum(np.searchsorted(predicted, predicted[found] - steps), found - 1)
        lower = np.maximum(np.searchsorted(predicted, predicted[found] + steps), found + 1)
        every = {found, *higher.tolist(), *lower.tolist()}
        return sorted(index for index in every if 0 <= index < len(predicted))

    def curve(self) -> tuple[tuple[float | None, ...], tuple[float, float]]:
        """The best value in each of ``COLUMNS`` even stretches of the scores, from the lowest to the highest."""
        score, merit = self.ranking.score[::-1], self.merit[::-1]
        finite = score[np.isfinite(score)]
        if not len(finite):
            return (), (0.0, 0.0)
        low, high = float(finite[0]), float(finite[-1])
        edges = low * (1 - np.linspace(0, 1, COLUMNS + 1)) + high * np.linspace(0, 1, COLUMNS + 1)
        starts = np.minimum(np.searchsorted(score, edges), len(score) - 1)
        ends = np.maximum(np.append(starts[1:-1], len(score)), starts[:-1] + 1)
        best = [float(merit[start:end].max()) for start, end in zip(starts[:-1], ends, strict=True)]
        return tuple(one * self.aim.sign if isfinite(one) else None for one in best), (low, high)
