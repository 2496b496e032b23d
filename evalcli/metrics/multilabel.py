"""Several labels a row: counts per label, and rows by how their true and predicted label sets overlap.

A target cell is 1, 0, or −1 where it does not count; a predicted cell is 1, 0, or −1 where there is none, which counts
as the wrong answer. ``LabelCounts`` looks at each label over all rows, ``SampleSets`` at each row over all labels.

Counts are integers, or exact sums of weights; weights are per row. Predictions and target are ``(N, L)``, on numpy or
torch; inside, labels come first, so that every operation runs along memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from evalcli.errors import InputError
from evalcli.metrics.arrays import Array, asnumpy, columns, count_cells, is_host, joined, like, namespace
from evalcli.metrics.base import Metric
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.labels import Counts, label_rows
from evalcli.metrics.sparse import SparseTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.metrics.arrays import HostArray

_DENSE_CELLS = 1 << 20
"""Up to so many possible triples of set sizes are counted in a table before they are looked up by key."""
_SHORT = 4096
"""Rows below which a loop over labels takes longer than what it does."""
_SIZE_BITS = 20
"""Bits of a set size inside a key: three of them fit into 63."""


class LabelCells(NamedTuple):
    """A checked batch by label: ``true``, ``said`` and ``kept`` are (L, N) bool, the first two False where ``kept`` is.

    ``kept`` is ``None`` where every cell counts. ``repeats`` (N,) int64 and ``weight`` (N,) float64 lie on the host.
    """

    true: Array
    said: Array
    kept: Array | None
    repeats: HostArray | None
    weight: HostArray | None

    @property
    def rows(self) -> int:
        """How many rows of the input these are."""
        return int(self.true.shape[1]) if self.repeats is None else int(self.repeats.sum())

    def pick(self, rows: HostArray | slice) -> LabelCells:
        """Some of the rows."""
        true, said, kept = (None if part is None else columns(part, rows) for part in self[:3])
        repeats, weight = (None if part is None else part[rows] for part in self[3:])
        return LabelCells(true, said, kept, repeats, weight)

    def joined(self, others: Sequence[LabelCells]) -> LabelCells:
        """These rows and, behind them, ``others`` that hold the same arrays."""
        parts = zip(self, *others, strict=True)
        return LabelCells(*(joined(each, axis) for each, axis in zip(parts, (1, 1, 1, 0, 0), strict=True)))


def label_cells(
    preds: Array, target: Array, labels: int, weight: Array | None = None, repeats: Array | None = None
) -> LabelCells:
    """Check a batch (N, L) of predictions and target; nothing is broadcast, nothing written to.

    Raises: ``InputError`` for shapes that differ, cells that are none of 1, 0 and −1, and weights that are no weights.
    """
    preds, target = (values if hasattr(values, "dtype") else np.asarray(values) for values in (preds, target))
    if tuple(preds.shape) != tuple(target.shape) or len(preds.shape) != 2 or preds.shape[1] != labels:
        raise InputError(
            f"preds have the shape {tuple(preds.shape)}, target {tuple(target.shape)}",
            fix=f"give one cell for each row and each of the {labels} labels",
        )
    rows = int(preds.shape[0])
    none = np.zeros(rows, np.int64)
    amounts = label_rows(none, none, weight, repeats)
    target = _cells(target, "target")
    preds = _cells(preds, "preds") if is_host(target) == is_host(preds) else like(_cells(preds, "preds"), target)
    true, said, kept = target == 1, preds == 1, target != -1
    said = said | ((preds == -1) & (target == 0))
    every = bool(kept.all())
    return LabelCells(true, said if every else said & kept, None if every else kept, amounts.repeats, amounts.weight)


def _cells(values: Array, name: str) -> Array:
    """``values`` (N, L) as (L, N), in int8 unless they are bool already; bool passes without a look."""
    xp = namespace(values)
    turned = np.ascontiguousarray(values.T) if is_host(values) else values.T.contiguous()
    if turned.dtype == xp.bool or not turned.shape[1]:
        return turned
    valid = (turned == 0) | (turned == 1) | (turned == -1)
    if not bool(valid.all()):
        wrong = asnumpy(turned)[~asnumpy(valid)]
        cells = f"1 cell of {name} is" if len(wrong) == 1 else f"{len(wrong)} cells of {name} are"
        first = "" if len(wrong) == 1 else "the first is "
        what = f"{cells} none of 1, 0 and -1, {first}{wrong[0].item()!r}"
        raise InputError(what, fix="write 1 for yes, 0 for no, -1 for what does not count")
    return xp.astype(turned, xp.int8)


def count_rows(mask: Array, repeats: HostArray | None = None) -> Array:
    """How many rows each label has in ``mask`` (L, N) bool: (L,) int64."""
    if repeats is not None:
        return like(asnumpy(mask) @ repeats, mask)
    if not is_host(mask):
        return mask.sum(dim=1)
    if mask.shape[1] < _SHORT:
        return np.count_nonzero(mask, axis=1)
    return np.array([np.count_nonzero(row) for row in mask], np.int64)  # of long rows ten times as fast


def count_labels(mask: Array) -> HostArray:
    """How many labels each row has in ``mask`` (L, N) bool: (N,) int64, on the host."""
    if not is_host(mask):
        return asnumpy(mask.sum(dim=0))
    small = np.uint8 if len(mask) < 1 << 8 else np.int32
    counts: HostArray = mask.view(np.uint8).sum(axis=0, dtype=small).astype(np.int64)
    return counts


_ROUNDED = 1e-9
"""What sums of weights may differ by that were rounded."""


class CellState(Metric):
    """What the states of label cells share: the number of labels, weights, and ``take`` for a checked batch."""

    rows: int
    squares: ExactSum

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__()
        if not 1 <= num_labels < 1 << _SIZE_BITS:
            raise ValueError(f"num_labels must lie between 1 and {(1 << _SIZE_BITS) - 1}, not {num_labels}")
        self.labels, self.weighted = num_labels, weighted
        self.add_state("rows", 0)
        self.add_state("squares", ExactSum())

    def update(self, preds: Array, target: Array, weight: Array | None = None, repeats: Array | None = None) -> None:
        """Count cells (N, L); ``weight`` and ``repeats`` are one per row.

        Raises: ``InputError`` for shapes that differ, cells that are none of 1, 0 and −1, and bad weights.
        """
        if weight is not None and not self.weighted:
            raise ValueError(f"{type(self).__name__}(weighted=True) counts weights; this one does not")
        self.take(label_cells(preds, target, self.labels, weight, repeats))

    def take(self, cells: LabelCells) -> None:
        """Count a batch that ``label_cells`` has looked at."""
        if not cells.true.shape[1]:
            return
        if self.weighted and cells.weight is None:
            cells = cells._replace(weight=np.ones(cells.true.shape[1]))
        self.rows += cells.rows
        if self.weighted and cells.weight is not None:
            self.squares.add(cells.weight * cells.weight, repeats=cells.repeats)
        self._count(cells)

    def _count(self, cells: LabelCells) -> None:
        """Add the batch to the counts."""
        raise NotImplementedError

    @property
    def weight_squares(self) -> float:
        """``Σ w²`` over all rows, for intervals."""
        return float(self.squares) if self.weighted else float(self.rows)

    def merge(self, other: Self) -> Self:
        """Take in what ``other`` has counted.

        Raises: ``ValueError`` when the two were set up differently.
        """
        if isinstance(other, CellState) and (self.labels, self.weighted) != (other.labels, other.weighted):
            raise ValueError("states of different labels or weighting cannot merge")
        return super().merge(other)


class LabelCounts(CellState):
    """Per label: rows where it is true and predicted, true, predicted, and rows where its cell counts. Memory O(L).

    >>> state = LabelCounts(num_labels=2)
    >>> state.update(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [0, -1]]))
    >>> state.compute()[:4]
    (array([1, 0]), array([1, 1]), array([2, 0]), array([2, 1]))
    """

    tp: Any
    support: Any
    predicted: Any
    n: Any

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__(num_labels, weighted=weighted)
        for name in ("tp", "support", "predicted", "n"):
            self.add_state(name, ExactSum(num_labels) if weighted else np.zeros(num_labels, np.int64))

    def _count(self, cells: LabelCells) -> None:
        masks = {"tp": cells.true & cells.said, "support": cells.true, "predicted": cells.said, "n": cells.kept}
        for name, mask in masks.items():
            held = getattr(self, name)
            if isinstance(held, ExactSum):
                every = np.ones(tuple(cells.true.shape), bool) if mask is None else asnumpy(mask)
                assert cells.weight is not None
                held.add_masked(cells.weight, every, cells.repeats)
            else:
                if is_host(held) and not is_host(cells.true):
                    held = like(held, cells.true)
                counted = cells.rows if mask is None else like(count_rows(mask, cells.repeats), held)
                setattr(self, name, held + counted)

    def compute(self) -> Counts:
        """The counts so far, each of them (L,), ``n`` too."""
        parts = (self.tp, self.support, self.predicted, self.n)
        return Counts(*(part.value() if isinstance(part, ExactSum) else part for part in parts))

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave; ``ValueError`` for anything else, or more hits than there can be."""
        super().load_state_dict(state)
        tp, support, predicted, n = (np.asarray(part, np.float64) for part in self.compute()[:4])
        if tp.shape != (self.labels,) or not (tp.shape == support.shape == predicted.shape == n.shape):
            raise ValueError("the saved counts are of other labels")
        most = n + _ROUNDED * n
        if not ((tp >= 0.0) & (tp <= support) & (tp <= predicted) & (support + predicted - tp <= most)).all():
            raise ValueError("the saved counts are of no rows")


@dataclass(frozen=True, slots=True)
class SetSizes:
    """Kinds of rows (K,): labels that are true and predicted (``hit``), true, predicted; and the ``amount`` of each."""

    hit: HostArray
    true: HostArray
    said: HostArray
    amount: HostArray


class SampleSets(CellState):
    """Rows by the sizes of their label sets: what all means over rows read, exactly. Memory O(kinds of rows).

    >>> state = SampleSets(num_labels=3)
    >>> state.update(np.array([[1, 0, 1], [0, 0, 0]]), np.array([[1, 1, 0], [0, 0, 0]]))
    >>> subset_accuracy(state.compute())
    0.5
    """

    table: SparseTable

    def __init__(self, num_labels: int, *, weighted: bool = False) -> None:
        super().__init__(num_labels, weighted=weighted)
        self.add_state("table", SparseTable(weighted=weighted))

    def _count(self, cells: LabelCells) -> None:
        if not is_host(cells.true) and not self.weighted and cells.repeats is None:
            masks = (cells.true & cells.said, cells.true, cells.said)
            self.table.wait(_key(*(mask.sum(dim=0) for mask in masks)))
            return
        hit, true, said = (count_labels(mask) for mask in (cells.true & cells.said, cells.true, cells.said))
        if not self.weighted and (side := self.labels + 1) ** 3 <= _DENSE_CELLS:
            counts = count_cells((hit * side + true) * side + said, side**3, cells.repeats)
            kinds = np.flatnonzero(counts)
            rest, said = np.divmod(kinds, side)
            hit, true = np.divmod(rest, side)
            self.table.take(_key(hit, true, said), counts[kinds])
            return
        self.table.add(_key(hit, true, said), cells.repeats, cells.weight)

    def compute(self) -> SetSizes:
        """The kinds of rows so far, in a fixed order."""
        keys, mask = self.table.keys(), (1 << _SIZE_BITS) - 1
        return SetSizes(keys >> 2 * _SIZE_BITS, keys >> _SIZE_BITS & mask, keys & mask, self.table.amounts())


def _key(hit: Array, true: Array, said: Array) -> Array:
    key: Array = hit << 2 * _SIZE_BITS | true << _SIZE_BITS | said
    return key


def one_label_each(counts: Counts) -> Counts:
    """Counts (L,) as L tables of one class, (L, 1) and ``n`` (L,): what the formulas of classes broadcast over."""
    return Counts(counts.tp[..., None], counts.support[..., None], counts.predicted[..., None], counts.n)


def per_label(formula: Callable[..., Array], counts: Counts, *arguments: float) -> Array:
    """A formula of one class against the rest for every label of counts (L,): (L,)."""
    return formula(one_label_each(counts), *arguments)[..., 0]


def pooled_labels(counts: Counts, kept: Array) -> Counts:
    """The cells of the labels in ``kept`` (L,) bool added up as those of one label, for micro averages: (1,)."""
    xp = namespace(counts.tp)
    parts = (counts.tp, counts.support, counts.predicted, counts.n)
    tp, support, predicted, n = (xp.sum(xp.where(kept, part, xp.zeros_like(part))) for part in parts)
    return Counts(tp[None], support[None], predicted[None], n)


def over_samples(formula: Callable[..., Array], sets: SetSizes, *arguments: float) -> float:
    """The mean over rows of a formula of each row's two label sets, as ``of_samples`` has them; NaN without rows."""
    return _mean(of_samples(formula, sets, *arguments), sets.amount)


def of_samples(formula: Callable[..., Array], sets: SetSizes, *arguments: float) -> HostArray:
    """A formula of the two label sets of each kind of row, (K,); 0/0 counts as 0, as scikit-learn has it.

    A row with no true and no predicted label so adds 0 to the mean of F1 and Jaccard, though nothing is wrong with it.
    """
    counts = Counts(sets.hit[:, None], sets.true[:, None], sets.said[:, None], np.zeros(len(sets.hit), np.int64))
    values: HostArray = np.nan_to_num(formula(counts, *arguments)[:, 0])
    return values


def subset_accuracy(sets: SetSizes) -> float:
    """``#{rows whose predicted set is the true set} / n``; NaN without rows."""
    same = (sets.hit == sets.true) & (sets.hit == sets.said)
    return _mean(same.astype(np.float64), sets.amount)


def hamming_loss(counts: Counts) -> float:
    """``Σ (fp + fn) / Σ n``: the share of cells that are wrong, of those that count; NaN without any."""
    counts = counts.numpy()
    wrong = (counts.predicted - counts.tp) + (counts.support - counts.tp)
    cells = fsum(counts.n.tolist())
    return min(fsum(wrong.tolist()) / cells, 1.0) if cells > 0 else float("nan")  # weights are rounded


def hamming_accuracy(counts: Counts) -> float:
    """``Σ (tp + tn) / Σ n``: the share of cells that are right."""
    return 1.0 - hamming_loss(counts)


def _mean(values: HostArray, amounts: HostArray) -> float:
    total = fsum(amounts.tolist())
    return fsum((values * amounts).tolist()) / total if total > 0 else float("nan")
