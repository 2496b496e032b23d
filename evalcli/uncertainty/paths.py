"""What formulas of curves say of many replicates at once.

A replicate is a row of counts (B, K) of either side by segment, by falling score. The curve runs straight through a
segment, so a point that a formula asks for may lie inside one; rows of a segment are spread evenly. A replicate in
which a formula is undefined has NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.metrics.arrays import HostArray


class Paths(NamedTuple):
    """Both sides of every segment (B, K), and what there is of them where it ends."""

    pos: HostArray
    neg: HostArray
    tp: HostArray
    fp: HostArray

    @classmethod
    def of(cls, pos: HostArray, neg: HostArray) -> Paths:
        """From the sides (B, K)."""
        return cls(pos, neg, pos.cumsum(axis=1), neg.cumsum(axis=1))

    def before(self) -> tuple[HostArray, HostArray]:
        """What there is of both sides before every segment (B, K)."""
        return self.tp - self.pos, self.fp - self.neg

    @property
    def positives(self) -> HostArray:
        """How many there are in all (B, 1)."""
        return self.tp[:, -1:]

    @property
    def negatives(self) -> HostArray:
        """How many there are in all (B, 1)."""
        return self.fp[:, -1:]

    @property
    def defined(self) -> HostArray:
        """Which replicates have both sides, (B,) bool."""
        both: HostArray = (self.tp[:, -1] > 0) & (self.fp[:, -1] > 0)
        return both

    def shares(self) -> tuple[HostArray, HostArray]:
        """The true and the false positive rates where segments end, 0 without such rows."""
        return _share(self.tp, self.positives), _share(self.fp, self.negatives)


def _share(part: HostArray, whole: HostArray) -> HostArray:
    """``part / whole``, of nothing 0: then there is no part of it either."""
    shares: HostArray = part / np.where(whole > 0, whole, 1.0)
    return shares


def partial_auroc(paths: Paths, max_fpr: float) -> HostArray:
    """The area up to a false positive rate, scaled as ``roc.partial_auroc`` scales it."""
    tp0, fp0 = paths.before()
    width = np.minimum(np.maximum(max_fpr * paths.negatives - fp0, 0.0), paths.neg)
    height = tp0 + paths.pos * _share(width, paths.neg) / 2.0
    area = _share((width * height).sum(axis=1), paths.positives[:, 0] * paths.negatives[:, 0])
    chance = max_fpr * max_fpr / 2.0
    return np.where(paths.defined, (1.0 + (area - chance) / (max_fpr - chance)) / 2.0, np.nan)


def recall_at_precision(paths: Paths, precision: float) -> HostArray:
    """The highest recall with that precision: ``tp + s·pos`` for the last ``s`` in [0, 1] that keeps it."""
    tp0, fp0 = paths.before()
    ahead = (1.0 - precision) * tp0 - precision * fp0
    gained = (1.0 - precision) * paths.pos - precision * paths.neg
    kept = ahead + gained >= 0.0
    part = np.where(kept, 1.0, np.where(gained < 0.0, _share(ahead, -gained), 0.0))
    reached = kept | ((ahead >= 0.0) & (tp0 > 0))
    found = np.where(reached, tp0 + part * paths.pos, 0.0).max(axis=1)
    return np.where(paths.defined, _share(found, paths.positives[:, 0]), np.nan)


def precision_at_recall(paths: Paths, recall: float) -> HostArray:
    """The highest precision with at least that recall: where the curve reaches it, or where a later segment ends."""
    (tp0, fp0), wanted = paths.before(), recall * paths.positives
    rest = np.minimum(np.maximum(wanted - tp0, 0.0), paths.pos)
    found, alarms = tp0 + rest, fp0 + paths.neg * _share(rest, paths.pos)
    into = found >= wanted
    best = np.where(into, np.maximum(_share(found, found + alarms), _end(paths)), 0.0)
    return np.where(paths.defined, best.max(axis=1), np.nan)


def _end(paths: Paths) -> HostArray:
    return _share(paths.tp, paths.tp + paths.fp)


def specificity_at_sensitivity(paths: Paths, sensitivity: float) -> HostArray:
    """``1 − FP/N`` where the curve reaches that recall."""
    (tp0, fp0), wanted = paths.before(), sensitivity * paths.positives
    rest = np.minimum(np.maximum(wanted - tp0, 0.0), paths.pos)
    alarms = fp0 + paths.neg * _share(rest, paths.pos)
    least = np.where(tp0 + rest >= wanted, alarms, paths.negatives).min(axis=1)
    return np.where(paths.defined, 1.0 - _share(least, paths.negatives[:, 0]), np.nan)


def aurc(paths: Paths) -> HostArray:
    """The area under the risk–coverage curve of right (``pos``) and wrong (``neg``) rows, as of weights."""
    tp0, fp0 = paths.before()
    return _area(paths.pos + paths.neg, paths.neg, tp0 + fp0, fp0)


def excess_aurc(paths: Paths) -> HostArray:
    """The same without that of the same rows in the best order."""
    right, wrong = paths.positives, paths.negatives
    excess: HostArray = aurc(paths) - _area(wrong, wrong, right, np.zeros_like(right))
    return np.where(excess < 0.0, 0.0, excess)


def _area(rows: HostArray, wrong: HostArray, before: HostArray, wrong_before: HostArray) -> HostArray:
    """``Σ w + (e₀ − k₀·w/m)·ln((k₀ + m)/k₀)`` over segments of ``m`` rows, over all rows."""
    away = wrong_before - before * _share(wrong, rows)
    total = (before + rows)[:, -1]
    area = (wrong + away * np.log1p(_share(rows, before))).sum(axis=1)
    return np.where(total > 0, _share(area, total), np.nan)


def accuracy_at_coverage(paths: Paths, coverage: float) -> HostArray:
    """The share of right rows up to a coverage, which may end inside a segment."""
    rows, before = paths.pos + paths.neg, sum(paths.before())
    taken = coverage * (paths.positives + paths.negatives)
    part = np.minimum(np.maximum(taken - before, 0.0), rows)
    right = (paths.pos * _share(part, rows)).sum(axis=1)
    return np.where(taken[:, 0] > 0, _share(right, taken[:, 0]), np.nan)


def ks(paths: Paths) -> HostArray:
    """``max |TP/P − FP/N|``"""
    found, alarms = paths.shares()
    apart = found - alarms
    return np.where(paths.defined, np.abs(apart, out=apart).max(axis=1), np.nan)


FORMULAS: dict[str, Callable[..., HostArray]] = {
    "auroc_fpr": partial_auroc,
    "ks": ks,
    "recall_at_precision": recall_at_precision,
    "precision_at_recall": precision_at_recall,
    "specificity_at_sensitivity": specificity_at_sensitivity,
    "aurc": aurc,
    "excess_aurc": excess_aurc,
    "accuracy_at_coverage": accuracy_at_coverage,
}
"""By the name of a metric, without its parameter."""
