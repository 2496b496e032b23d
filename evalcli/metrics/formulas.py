"""Textbook formulas over counts: pure, a few lines each, on numpy and torch alike.

Every formula reads a ``Counts`` (``tp``, ``support``, ``predicted`` of shape (…, C), ``n`` of shape (…)) and
broadcasts over the leading axes, so that one line serves a matrix, S slices and B bootstrap replicates. Per-class
formulas look at one class against the rest and give (…, C); the others give (…). All arithmetic is float64, where
counts are exact up to 2^53 and products of them cannot overflow.

Undefined is NaN; inside a mean over classes it counts as 0. A row without a prediction is an error: it is in
``support`` and ``n``, and in no class's ``predicted``. No class was ruled out for it either, so that it is no true
negative of the others: of two classes the specificity of one is the recall of the other, its NPV the other's precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from evalcli.metrics.arrays import Array, namespace

if TYPE_CHECKING:
    from evalcli.metrics.counts import Counts

Scope = Literal["seen", "declared"]
"""Which classes a mean runs over: those in target ∪ preds, or all that were declared."""


class OneVsRest(NamedTuple):
    """The four cells of every class against the rest, (…, C) float64."""

    tp: Array
    fp: Array
    fn: Array
    tn: Array


def one_vs_rest(counts: Counts) -> OneVsRest:
    """``fp = predicted − tp``, ``fn = support − tp``, ``tn`` all the rest."""
    xp = namespace(counts.tp)
    tp, support, predicted, n = map(_float, (counts.tp, counts.support, counts.predicted, counts.n))
    fp = predicted - tp
    tn = (n[..., None] - support) - fp
    return OneVsRest(tp, fp, support - tp, xp.where(tn > 0, tn, 0.0))  # rounded weights may leave tn a hair below 0


def _of_answered(counts: Counts) -> OneVsRest:
    """The four cells of the rows that have a prediction."""
    if counts.answered is None:
        return one_vs_rest(counts)
    return one_vs_rest(counts._replace(support=counts.answered, n=counts.n_answered))


def _lost(counts: Counts) -> Array:
    """The rows of other classes that have no prediction (…, C)."""
    xp = namespace(counts.tp)
    if counts.answered is None:
        return xp.zeros_like(_float(counts.tp))
    n, support, n_answered, answered = map(_float, (counts.n, counts.support, counts.n_answered, counts.answered))
    lost = (n - n_answered)[..., None] - (support - answered)
    return xp.where(lost > 0, lost, 0.0)  # as above


def _float(array: Array) -> Array:
    """``array`` as float64: counts stay exact, and products of them cannot leave it as they can int64."""
    xp = namespace(array)
    return xp.asarray(array, dtype=xp.float64)


def ratio(numerator: Array, denominator: Array) -> Array:
    """``numerator / denominator``, NaN where the denominator is 0, without a warning."""
    xp = namespace(numerator, denominator)
    empty = denominator == 0
    return xp.where(empty, xp.nan, numerator / xp.where(empty, 1.0, denominator))


# Per class, one against the rest: (…, C).


def precision(counts: Counts) -> Array:
    """``tp / (tp + fp)``"""
    tp, fp, _, _ = one_vs_rest(counts)
    return ratio(tp, tp + fp)


def recall(counts: Counts) -> Array:
    """``tp / (tp + fn)``"""
    tp, _, fn, _ = one_vs_rest(counts)
    return ratio(tp, tp + fn)


def fbeta(counts: Counts, beta: float = 1.0) -> Array:
    """``(1 + β²)·tp / ((1 + β²)·tp + β²·fn + fp)``, undefined only when all are 0."""
    tp, fp, fn, _ = one_vs_rest(counts)
    hit = (1.0 + beta * beta) * tp
    return ratio(hit, hit + beta * beta * fn + fp)


def f1(counts: Counts) -> Array:
    """``2·tp / (2·tp + fp + fn)``, undefined only when all are 0."""
    return fbeta(counts)


def specificity(counts: Counts) -> Array:
    """``tn / (tn + fp + lost)``, of the rows of other classes: ``tn`` were predicted as another, ``lost`` as none."""
    _, fp, _, tn = _of_answered(counts)
    return ratio(tn, tn + fp + _lost(counts))


def npv(counts: Counts) -> Array:
    """``tn / (tn + fn)``, of the rows that were predicted as another class."""
    _, _, fn, tn = _of_answered(counts)
    return ratio(tn, tn + fn)


def jaccard(counts: Counts) -> Array:
    """``tp / (tp + fp + fn)``"""
    tp, fp, fn, _ = one_vs_rest(counts)
    return ratio(tp, tp + fp + fn)


# Over all classes: (…).


def accuracy(counts: Counts) -> Array:
    """``Σ tp / n``: the share correct, always."""
    return _share(*_right_and_wrong(counts), counts)


def error_rate(counts: Counts) -> Array:
    """``(n − Σ tp) / n``: the share wrong."""
    right, wrong = _right_and_wrong(counts)
    return _share(wrong, right, counts)


def _right_and_wrong(counts: Counts) -> tuple[Array, Array]:
    """``Σ tp`` and ``Σ fn``, which is 0 where all is right: n less a sum of rounded weights need not be."""
    xp = namespace(counts.tp)
    tp, support = _float(counts.tp), _float(counts.support)
    return xp.sum(tp, axis=-1), xp.sum(support - tp, axis=-1)


def _share(part: Array, rest: Array, counts: Counts) -> Array:
    """``part / n``, and 1 without a rest, though weights were rounded."""
    return ratio(part, namespace(part).where(rest == 0, part, _float(counts.n)))


def balanced_accuracy(counts: Counts) -> Array:
    """``mean of tp / (tp + fn)`` over the classes with support."""
    return mean_over(recall(counts), counts.support > 0)


def selection_rate(counts: Counts) -> Array:
    """``predicted / n``: how often the model says a class (…, C)."""
    return ratio(_float(counts.predicted), _float(counts.n)[..., None])


def majority_baseline(counts: Counts) -> Array:
    """``max support / n``: what naming the most frequent class every time would reach."""
    xp, support = namespace(counts.tp), _float(counts.support)
    largest = (
        xp.max(support, axis=-1) if support.shape[-1] else xp.sum(support, axis=-1)
    )  # no class, where nothing weighs
    return ratio(largest, _float(counts.n))


def mcc(counts: Counts) -> Array:
    """``Σ(tp·tn − fp·fn) / √(Σ p·(n − p) · Σ t·(n − t))``; one side constant 0, both constant undefined."""
    xp = namespace(counts.tp)
    tp, fp, fn, tn = _shares(counts)
    unpredicted = _unpredicted_share(counts)
    preds_vary = xp.sum((tp + fp) * (fn + tn), axis=-1) + unpredicted * (1.0 - unpredicted)
    target_varies = xp.sum((tp + fn) * (fp + tn), axis=-1)
    together = ratio(xp.sum(tp * tn - fp * fn, axis=-1), xp.sqrt(preds_vary * target_varies))
    together = xp.clip(together, -1.0, 1.0)  # rounding may take it a hair beyond
    return xp.where((preds_vary == 0) ^ (target_varies == 0), 0.0, together)


def kappa(counts: Counts) -> Array:
    """``(p_o − p_e) / (1 − p_e)`` with ``p_e = Σ t·p / n²``; undefined when both sides are one and the same class."""
    xp = namespace(counts.tp)
    tp, fp, fn, tn = _shares(counts)
    return ratio(xp.sum(tp * tn - fp * fn, axis=-1), xp.sum((tp + fn) * (fn + tn), axis=-1))


def _shares(counts: Counts) -> OneVsRest:
    """The four cells as shares of n: products of these lose no digits, as differences of sums of squares would."""
    xp = namespace(counts.tp)
    n = _float(counts.n)[..., None]
    return OneVsRest(*(cell / xp.where(n == 0, 1.0, n) for cell in one_vs_rest(counts)))


def _unpredicted_share(counts: Counts) -> Array:
    """The share of rows without a prediction, which MCC sees as one more predicted class."""
    xp = namespace(counts.tp)
    n = _float(counts.n)
    rest = xp.sum(_float(counts.support) - _float(counts.predicted), axis=-1)  # rounded weights: 0 where all is right
    return xp.where(rest > 0, rest, 0.0) / xp.where(n == 0, 1.0, n)


# Means over classes: (…, C) to (…).


def in_scope(counts: Counts, scope: Scope = "seen") -> Array:
    """Which classes a mean runs over, (…, C) bool."""
    seen = (counts.support > 0) | (counts.predicted > 0)
    return seen | True if scope == "declared" else seen


def mean_over(values: Array, weight: Array) -> Array:
    """The mean of ``values`` (…, C) with ``weight`` (…, C); an undefined value counts as 0; no weight at all: NaN."""
    xp = namespace(values, weight)
    weight = _float(weight)
    known = xp.where(xp.isnan(values), 0.0, values)
    return ratio(xp.sum(known * weight, axis=-1), xp.sum(weight, axis=-1))


def pooled(counts: Counts, scope: Scope = "seen") -> Counts:
    """The counts of all classes in scope added up as one, for micro averages: (…, 1)."""
    xp = namespace(counts.tp)
    classes = xp.sum(xp.astype(in_scope(counts, scope), xp.int64), axis=-1)
    tp, support, predicted, answered = (
        None if array is None else xp.sum(array, axis=-1)[..., None]
        for array in (counts.tp, counts.support, counts.predicted, counts.answered)
    )
    n_answered = None if counts.n_answered is None else counts.n_answered * classes
    return type(counts)(tp, support, predicted, counts.n * classes, answered, n_answered)
