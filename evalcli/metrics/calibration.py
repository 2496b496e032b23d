"""Calibration: how far confidence can be believed, bin by bin.

A ``BinTable`` counts rows, sums their confidence and counts the right ones, over bins of equal width
``(k/B, (k+1)/B]``; the first takes 0 as well. An edge is rounded to the precision in which probabilities were stored,
so that a stored 0.7 lies at the edge 0.7 in every type. All formulas read such tables and broadcast over leading axes.

The top label's confidence is the highest probability, of binary scores ``max(p, 1 − p)``, and it is right when rank 0
is (at p = 0.5 the prediction is positive). ``of="positive"`` looks at P(positive) against the positives in its place,
``ClasswiseBins`` at every class's probability against its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from evalcli.errors import LimitError
from evalcli.metrics.exact import LIMB_BITS, ExactSum
from evalcli.metrics.probability import Block, ProbabilityRows, ScoreForm
from evalcli.metrics.scorestate import AllClassesState, ProbabilityState, added, counted
from evalcli.report import CalibrationBin

if TYPE_CHECKING:
    from evalcli.metrics.arrays import HostArray

BINS = 15
"""Guo et al. 2017 take 15."""
MOST_CLASSES = 4096
"""Beyond this many classes the bins of each class would outnumber the rows."""
GRID = 2.0**60
_LOW = 30
"""Bits of such a multiple that are added apart from those above them: sums of either are whole numbers of float64."""
_LIMB, _AT = 31, 22
"""The limb of exact sums in which 1 / GRID is one bit, and which: 32 · 31 + 22 − 1074 = −60."""


class BinTable(NamedTuple):
    """Bins (…, B) by rising confidence: ``n`` rows or weights, the sum of their ``confidence``, the ``right`` ones.

    ``low`` and ``high`` are their edges (B,) or (…, B).
    """

    n: HostArray
    confidence: HostArray
    right: HostArray
    low: HostArray
    high: HostArray


class CalibrationBins(ProbabilityState):
    """Bins of the top label's confidence, or of P(positive).

    Source: Guo et al. 2017, On calibration of modern neural networks.

    >>> from evalcli.metrics.probability import ScoreForm
    >>> state = CalibrationBins(ScoreForm("probs", binary=True), bins=10)
    >>> state.update(np.array([1.0, 1.0, 1.0, 0.97]), np.array([1, 1, 0, 1]))
    >>> round(ece(state.compute()).item(), 12)
    0.2425
    """

    counts: Any
    confidence: ExactSum

    def __init__(
        self,
        form: ScoreForm,
        *,
        bins: int = BINS,
        of: Literal["top", "positive"] = "top",
        weighted: bool = False,
    ) -> None:
        super().__init__(form, weighted=weighted)
        if bins < 1 or (of == "positive" and not form.binary):
            raise ValueError("bins start at 1, and only binary scores have a positive class")
        self.bins, self.of = bins, of
        self.edges = rounded_edges(bins, form)
        self.add_state("counts", ExactSum(2 * bins) if weighted else np.zeros(2 * bins, np.int64))
        self.add_state("confidence", ExactSum(bins))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.bins, self.of

    def take(self, rows: ProbabilityRows) -> None:
        """Take in a batch that ``probability_rows`` has looked at."""
        if self.of == "top":
            values, right = rows.confidence, rows.rank == 0
        else:
            assert rows.positive is not None
            values, right = rows.positive, rows.target == 1
        places = bin_places(stored_confidence(values, self.form), self.edges)
        self.counts = counted(self.counts, rows, 2 * places + right)
        added(self.confidence, rows, values, places)

    def compute(self) -> BinTable:
        """The table so far, (B,)."""
        counts = _values(self.counts).reshape(-1, 2)
        return bin_table(counts.sum(axis=1), self.confidence.value(), counts[:, 1])


class ClasswiseBins(AllClassesState):
    """Bins of every class's probability, with the rows of the class as the right ones. Memory O(C · bins).

    It bins N·C probabilities, so it costs about twice as much as all else here. They are rounded to multiples of 2^−60
    first: most are tiny, and exact sums of tiny numbers are slow.

    Source: Kull et al. 2019, Beyond temperature scaling.

    Raises: ``LimitError`` beyond 4096 classes.
    """

    counts: Any
    right: Any
    confidence: ExactSum

    def __init__(self, form: ScoreForm, *, bins: int = BINS, weighted: bool = False) -> None:
        super().__init__(form, weighted=weighted)
        if form.binary or bins < 1:
            raise ValueError("bins start at 1; the one class of binary scores is of='positive'")
        if form.classes > MOST_CLASSES:
            raise LimitError(f"{form.classes} classes are too many to bin each", fix="ask for ece")
        self.bins = bins
        self.edges = rounded_edges(bins, form)
        cells = form.classes * bins
        for name in ("counts", "right"):
            self.add_state(name, ExactSum(cells) if weighted else np.zeros(cells, np.int64))
        self.add_state("confidence", ExactSum(cells))

    def _setup(self) -> tuple[Any, ...]:
        return *super()._setup(), self.bins

    def visit(self, block: Block) -> None:
        """Take in a block."""
        classes, rows = block.probs.shape
        probs = np.ascontiguousarray(np.rint(block.probs * GRID))
        own = bin_places(probs.reshape(-1).take(block.target * rows + np.arange(rows)) / GRID, self.edges)
        self.right = counted(self.right, block, block.target * self.bins + own)
        is_plain = block.weight is None and block.repeats is None
        if is_plain and rows and probs.min() >= 0.0 and probs.max() <= GRID:
            self._count_plain(probs)
            return
        probs /= GRID
        cells = bin_places(probs.ravel(), self.edges).reshape(classes, rows)
        cells += np.arange(classes)[:, None] * self.bins
        weight = None if block.weight is None else np.tile(block.weight, classes)
        repeats = None if block.repeats is None else np.tile(block.repeats, classes)
        every = Block(probs, block.target, weight, repeats)
        self.counts = counted(self.counts, every, cells.ravel())
        added(self.confidence, every, probs.ravel(), cells.ravel())

    def _count_plain(self, multiples: HostArray) -> None:
        """Count whole multiples (C, n) of 1 / GRID, adding integers: what is above the first bin is taken off it."""
        classes, rows = multiples.shape
        size, first = classes * self.bins, np.arange(classes) * self.bins
        is_large = multiples > self.edges[1] * GRID
        large, many = np.flatnonzero(is_large), np.count_nonzero(is_large, axis=1)
        cells = np.repeat(first, many) + bin_places(multiples.reshape(-1).take(large) / GRID, self.edges)
        counts = np.bincount(cells, minlength=size)
        counts[first] += rows - many
        self.counts += counts
        whole = multiples.astype(np.int64)
        high = whole >> _LOW
        whole &= (1 << _LOW) - 1
        sums = []
        for part in (high, whole):
            found = np.bincount(cells, part.reshape(-1).take(large), size).astype(np.int64)
            found[first] += part.sum(axis=1) - found.reshape(classes, -1).sum(axis=1)
            sums.append(found)
        self.confidence.take_limbs(_limbs(*sums), _LIMB)

    def take(self, rows: ProbabilityRows) -> None:
        """Nothing more: the blocks were taken already."""

    def compute(self) -> BinTable:
        """The tables so far, (C, B)."""
        shape = (self.form.classes, self.bins)
        return bin_table(
            _values(self.counts).reshape(shape),
            self.confidence.value().reshape(shape),
            _values(self.right).reshape(shape),
        )


def _limbs(high: HostArray, low: HostArray) -> HostArray:
    """``(high · 2^30 + low) / GRID`` (K,), neither of them beyond 2^43, as limbs of exact sums: (K, 3) int64."""
    at_high = _AT + _LOW - LIMB_BITS
    low_over, high_over = LIMB_BITS - _AT, LIMB_BITS - at_high
    least = (low & ((1 << low_over) - 1)) << _AT
    middle = (low >> low_over) + ((high & ((1 << high_over) - 1)) << at_high)
    return np.stack([least, middle, high >> high_over], axis=1)


def _values(held: Any) -> HostArray:
    values: HostArray = held.value() if isinstance(held, ExactSum) else held.copy()
    return values


def bin_table(n: HostArray, confidence: HostArray, right: HostArray) -> BinTable:
    """Bins of equal width from their rows, sums of confidence and right rows, each (…, B)."""
    edges = np.arange(n.shape[-1] + 1) / n.shape[-1]
    return BinTable(n, confidence, right, edges[:-1], edges[1:])


def rounded_edges(bins: int, form: ScoreForm) -> HostArray:
    """``k / B``, rounded as probabilities were."""
    edges = np.arange(bins + 1) / bins
    if form.kind == "logits" or form.eps <= 2.0**-52:
        return edges
    mantissa, exponent = np.frexp(edges)
    rounded: HostArray = np.ldexp(np.rint(mantissa * (2 / form.eps)) * (form.eps / 2), exponent)
    return rounded


def stored_confidence(values: HostArray, form: ScoreForm) -> HostArray:
    """``1 − p`` of a stored ``p``, on the grid of stored numbers from ½ to 1: 1 − 0.1 is at the edge 0.9."""
    if not form.binary or form.kind == "logits" or form.eps <= 2.0**-52:
        return values
    grid = form.eps / 2  # a power of 2
    rounded: HostArray = values * (1.0 / grid)
    np.rint(rounded, out=rounded)
    rounded *= grid
    if values.size and values.min() < 0.5:
        np.copyto(rounded, values, where=values < 0.5)
    return rounded


def bin_places(values: HostArray, edges: HostArray) -> HostArray:
    """The bin of each of ``values`` (N,): the number of the edges below it, less one."""
    bins = len(edges) - 1
    product = values * bins
    places: HostArray = np.ceil(product, out=product).astype(np.int64)
    places -= 1
    np.maximum(places, 0, out=places)
    np.minimum(places, bins - 1, out=places)
    places += values > edges[1:].take(places)  # a product may round across an edge, to either side
    np.minimum(places, bins - 1, out=places)
    places -= (values <= edges[:-1].take(places)) & (places > 0)
    return places


def _over(numerator: HostArray, denominator: HostArray) -> HostArray:
    """``numerator / denominator``, NaN where the denominator is 0."""
    empty = denominator == 0
    result: HostArray = np.where(empty, np.nan, numerator / np.where(empty, 1, denominator))
    return result


# Over a table: (…).


def ece(table: BinTable) -> HostArray:
    """``Σ_b |right_b − confidence_b| / n``; NaN without rows.

    Source: Guo et al. 2017, On calibration of modern neural networks.
    """
    return _over(np.abs(table.right - table.confidence).sum(axis=-1), table.n.sum(axis=-1))


def mce(table: BinTable) -> HostArray:
    """``max_b |accuracy_b − mean confidence_b|`` over the bins that hold rows; NaN without rows.

    Source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning.
    """
    gaps = np.abs(_over(table.right - table.confidence, table.n))
    return np.where(table.n.sum(axis=-1) == 0, np.nan, np.where(np.isnan(gaps), 0.0, gaps).max(axis=-1))


def classwise_ece(table: BinTable) -> HostArray:
    """The mean over all C classes of the ECE of a table (…, C, B).

    Source: Kull et al. 2019, Beyond temperature scaling.
    """
    values: HostArray = ece(table).mean(axis=-1)
    return values


def mean_confidence(table: BinTable) -> HostArray:
    """``Σ_b confidence_b / n``; NaN without rows."""
    return _over(table.confidence.sum(axis=-1), table.n.sum(axis=-1))


def accuracy(table: BinTable) -> HostArray:
    """``Σ_b right_b / n``; NaN without rows."""
    return _over(table.right.sum(axis=-1), table.n.sum(axis=-1))


def overconfidence(table: BinTable) -> HostArray:
    """``Σ_b max(confidence_b − right_b, 0) / n``: the part of the ECE from bins that promise too much."""
    return _over(np.maximum(table.confidence - table.right, 0).sum(axis=-1), table.n.sum(axis=-1))


def underconfidence(table: BinTable) -> HostArray:
    """``Σ_b max(right_b − confidence_b, 0) / n``: the part of the ECE from bins that promise too little."""
    return _over(np.maximum(table.right - table.confidence, 0).sum(axis=-1), table.n.sum(axis=-1))


def reliability(table: BinTable) -> tuple[CalibrationBin, ...]:
    """The bins of one table (B,) as plain rows."""
    columns = (table.low, table.high, table.n, table.confidence, table.right)
    return tuple(
        CalibrationBin(low, high, n, confidence / n if n else None, right / n if n else None)
        for low, high, n, confidence, right in zip(*(column.tolist() for column in columns), strict=True)
    )


class BrierSplit(NamedTuple):
    """``brier = reliability − resolution + uncertainty + within``, each (…).

    The first three are exactly the Brier score of the binned forecast, which says in each bin the mean of that bin.
    ``within`` is what the bins blur: the variance of the forecasts inside them, less twice their covariance with what
    happened. It is 0 where each bin holds one value only.
    """

    brier: HostArray
    reliability: HostArray
    resolution: HostArray
    uncertainty: HostArray
    within: HostArray


def brier_split(table: BinTable, brier: float | HostArray) -> BrierSplit:
    """Murphy's split over bins (…, B) of ``brier`` (…), the mean squared error of the very forecasts in the table.

    For binary scores the bins are those ``of="positive"``. For the Brier score of C classes they are ``ClasswiseBins``,
    and the parts of all classes are added up. ``within`` is the remainder.

    Source: Murphy 1973, A new vector partition of the probability score; Stephenson et al. 2008, Two extra components
    in the Brier score decomposition.
    """
    n = table.n.sum(axis=-1, keepdims=True)
    share, base = _over(table.n, n), _over(table.right.sum(axis=-1, keepdims=True), n)
    forecast, happened = _over(table.confidence, table.n), _over(table.right, table.n)
    off = np.where(table.n == 0, 0.0 * share, share * (forecast - happened) ** 2).sum(axis=-1)
    told = np.where(table.n == 0, 0.0 * share, share * (happened - base) ** 2).sum(axis=-1)
    spread = (base * (1.0 - base))[..., 0]
    if table.n.ndim > 1:
        off, told, spread = off.sum(axis=-1), told.sum(axis=-1), spread.sum(axis=-1)
    return BrierSplit(np.asarray(brier), off, told, spread, brier - (off - told + spread))


def brier_reliability(table: BinTable) -> HostArray:
    """The part of the Brier score that better calibrated probabilities would mend: 0 is best."""
    return brier_split(table, np.nan).reliability


def brier_resolution(table: BinTable) -> HostArray:
    """The part by which the probabilities tell rows apart, taken off the Brier score: 0 says nothing of any row."""
    return brier_split(table, np.nan).resolution


def brier_uncertainty(table: BinTable) -> HostArray:
    """The Brier score of always saying how frequent each class is: it belongs to the data and not to the model."""
    return brier_split(table, np.nan).uncertainty
