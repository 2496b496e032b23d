"""What a row of scores says as probabilities, on a device: :mod:`evalcli.metrics.probability` in torch, in float64."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array
    from evalcli.metrics.probability import ScoreForm


class RowsThere:
    """Rows as probabilities, all (n,), as ``ProbabilityRows`` has them, each computed when first asked for.

    ``probs`` are those of every class, (C, n). ``kept`` says which rows count, if not all do, ``group`` to which of
    several each belongs, if they are counted apart, and ``weight`` float64 what each weighs, if they differ in it.
    """

    loss: Array
    brier: Array
    confidence: Array
    doubt: Array
    right: Array
    rank: Array
    tied: Array
    clipped: Array | None = None
    positive: Array | None = None
    probs: Array | None = None
    kept: Array | None = None
    group: Array | None = None
    weight: Array | None = None

    def __init__(self, target: Array) -> None:
        self.target = target

    def only(self, values: Array, none: float = 0) -> Array:
        """The ``values`` (…, n) of rows that count, ``none`` for the others."""
        return values if self.kept is None else values.masked_fill(~self.kept, none)

    def weighed(self, values: Array) -> Array:
        """The ``values`` (n,) float64, each times the weight of its row."""
        return values if self.weight is None else values * self.weight

    @property
    def heavy(self) -> RowsThere:
        """Where they stand, but for those that weigh nothing."""
        if self.weight is None:
            return self
        found, some = RowsThere(self.target), self.weight > 0
        found.kept, found.group, found.weight = some if self.kept is None else some & self.kept, self.group, self.weight
        return found

    @property
    def place(self) -> Array | None:
        """The group of each row that counts, and any of the others; ``None``: there are no groups."""
        return None if self.group is None else self.only(self.group)

    def apart(self, cells: Array, many: int) -> Array:
        """The ``cells`` (…, n) from 0, below ``many``, with each group's behind those of the one before."""
        return cells if self.group is None else cells + self.group * many


def look(scores: Array, target: Array, form: ScoreForm) -> RowsThere:
    """All that states read of ``scores`` (n, C), or (n,) of the positive class, and ``target`` (n,) int64."""
    if form.binary:
        positive = scores.double().contiguous()
        return _PositiveLogits(positive, target) if form.kind == "logits" else _Positive(positive, target, form.eps)
    columns = scores.T.contiguous()
    return _Logits(columns, target) if form.kind == "logits" else _Probs(columns, target, form.eps)


def over_classes(columns: Array) -> Array:
    """The sums (n,) over the classes of ``columns`` (C, n), for each row in an order that only C decides.

    >>> over_classes(torch.tensor([[0.5], [1.0], [2.0]])).tolist()
    [3.5]
    """
    while len(columns) > 1:
        half = len(columns) // 2
        paired = columns[:half] + columns[half : 2 * half]
        if len(columns) % 2:
            paired[0] += columns[-1]
        columns = paired
    return columns[0]


def ranks(columns: Array, target: Array) -> tuple[Array, Array]:
    """``#{s > s_y} + #{j < y: s = s_y}`` of each column of raw scores (C, n), int64, and which share their score."""
    own = columns.gather(0, target[None])
    equal = columns == own
    before = equal & (torch.arange(len(columns), device=columns.device)[:, None] < target)
    return (columns > own).sum(0) + before.sum(0), equal.sum(0) > 1


def away_from_top(columns: Array) -> Array:
    """``x − max x`` (C, n) float64 of logits; several infinite ones share first place."""
    wide = columns.double()
    top = wide.amax(0)
    endless = torch.isinf(top)
    shared = torch.where(wide == torch.inf, 0.0, -torch.inf)
    return torch.where(top == torch.inf, shared, wide) - torch.where(endless, 0.0, top)


class _Columns(RowsThere):
    """Scores of every class, (C, n)."""

    def __init__(self, raw: Array, target: Array) -> None:
        super().__init__(target)
        self.raw = raw

    @cached_property
    def _best(self) -> tuple[Array, Array]:
        """The largest score, and the first class that has it."""
        top, place = self.raw.max(dim=0)
        return top, place

    @cached_property
    def right(self) -> Array:
        """Whether the best class is the target."""
        return self._best[1] == self.target

    @cached_property
    def _ranked(self) -> tuple[Array, Array]:
        return ranks(self.raw, self.target)

    @property
    def rank(self) -> Array:
        """The rank of the target, 0 where it is the best."""
        return self._ranked[0]

    @property
    def tied(self) -> Array:
        """Whether another class has the score of the target."""
        return self._ranked[1]


class _Logits(_Columns):
    """The sums over all classes are made together."""

    @cached_property
    def _sums(self) -> _Sums:
        away = away_from_top(self.raw)
        margin = away.gather(0, self.target[None])[0]
        powers = away.exp_()
        best = powers == 1.0
        rest_of_wrong = over_classes(powers.masked_fill(best, 0.0)) + (best.sum(0) - 1)
        others = powers.scatter(0, self.target[None], 0.0)
        outside = over_classes(others)
        rest = torch.where(self.right, outside, rest_of_wrong)
        return _Sums(powers, others, margin, outside, rest, 1.0 + rest)

    @cached_property
    def loss(self) -> Array:
        """``log Σ exp(x_j − x_target)``"""
        return torch.log1p(self._sums.rest) - self._sums.margin

    @cached_property
    def brier(self) -> Array:
        """``Σ (p_j − [j = target])²``"""
        sums = self._sums
        return (over_classes(sums.others.square()) + sums.outside * sums.outside) / (sums.total * sums.total)

    @cached_property
    def confidence(self) -> Array:
        """The largest probability."""
        return 1.0 / self._sums.total

    @cached_property
    def doubt(self) -> Array:
        """One minus the largest probability."""
        return self._sums.rest / self._sums.total

    @cached_property
    def probs(self) -> Array:  # type: ignore[override]
        """The probability of every class."""
        return self._sums.powers / self._sums.total


class _Sums(NamedTuple):
    """Of ``exp(x − max x)``: all, without the target's, its logarithm, and sums over the others than the best one."""

    powers: Array
    others: Array
    margin: Array
    outside: Array
    rest: Array
    total: Array


class _Probs(_Columns):
    def __init__(self, raw: Array, target: Array, eps: float) -> None:
        super().__init__(raw, target)
        self._eps = eps

    @cached_property
    def probs(self) -> Array:  # type: ignore[override]
        """The probability of every class."""
        return self.raw.double()

    @cached_property
    def _own(self) -> Array:
        return self.raw.gather(0, self.target[None])[0].double()

    @cached_property
    def _clipped(self) -> tuple[Array, Array]:
        return _clipped_loss(self._own, self._eps)

    @property
    def loss(self) -> Array:
        """``−log p_target``, clipped."""
        return self._clipped[0]

    @property
    def clipped(self) -> Array:  # type: ignore[override]
        """Whether the probability of the target was too large, 1, or too small, −1."""
        return self._clipped[1]

    @cached_property
    def brier(self) -> Array:
        """``Σ (p_j − [j = target])²``"""
        others = self.probs.scatter(0, self.target[None], 0.0)
        return over_classes(others.square_()) + (1.0 - self._own) ** 2

    @cached_property
    def confidence(self) -> Array:
        """The largest probability."""
        return self._best[0].double()

    @cached_property
    def doubt(self) -> Array:
        """One minus the largest probability."""
        return 1.0 - self.confidence


def _clipped_loss(own: Array, eps: float) -> tuple[Array, Array]:
    clipped = (own > 1.0 - eps).to(torch.int8) - (own < eps).to(torch.int8)
    return -own.clamp(eps, 1.0 - eps).log(), clipped


class _PositiveLogits(RowsThere):
    """Few numbers a row, made together."""

    def __init__(self, scores: Array, target: Array) -> None:
        super().__init__(target)
        upper, size = scores >= 0, scores.abs()
        small = torch.exp(-size)
        self.confidence, self.doubt = 1.0 / (1.0 + small), small / (1.0 + small)
        self.right = upper == (target == 1)
        self.brier = torch.where(self.right, self.doubt, self.confidence) ** 2
        self.loss = torch.log1p(small) + torch.where(self.right, 0.0, size)
        self.positive = torch.where(upper, self.confidence, self.doubt)
        self.rank, self.tied = (~self.right).long(), scores == 0


class _Positive(RowsThere):
    """Likewise."""

    def __init__(self, scores: Array, target: Array, eps: float) -> None:
        super().__init__(target)
        truth: Any = target == 1
        other = 1.0 - scores
        self.loss, self.clipped = _clipped_loss(torch.where(truth, scores, other), eps)
        self.brier = torch.where(truth, other, scores) ** 2
        self.confidence, self.doubt = torch.maximum(scores, other), torch.minimum(scores, other)
        self.right = (scores >= 0.5) == truth
        self.rank, self.tied = (~self.right).long(), scores == 0.5
        self.positive = scores
