"""How the metrics of two models on the same rows go together: what each row moves, of either, in one more pass.

A row moves a metric by its influence. Sums over rows of the products of influences are the covariances of metrics, of
one model and of both; of rows that belong together whole clusters are summed up first, or groups of these.

Source: Hampel 1974, The influence curve and its role in robust estimation; DeLong, DeLong and Clarke-Pearson 1988.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from evalcli.comparing.apart import Apart
from evalcli.comparing.clusters import GroupSums
from evalcli.metrics.exact import ExactSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName


class Moved(NamedTuple):
    """What rows (n,) move in k metrics of two models, (2k, n), times their weights; the reference comes first."""

    moves: HostArray
    cluster: HostArray | None


class Kinds(NamedTuple):
    """What a row of each kind moves, (2k, K), the ``squares`` of their weights (K,), and how many ``rows`` (K,)."""

    moves: HostArray
    squares: HostArray
    rows: HostArray


def losses_apart(metrics: Sequence[MetricName]) -> HostArray:
    """Which two of these metrics, (k, k), are a log loss and another.

    What it has in common with others rests on the few largest losses, and is not believed.
    """
    losses = np.array([name.base == "log_loss" for name in metrics])
    apart: HostArray = (losses[:, None] | losses[None, :]) & ~np.eye(len(losses), dtype=bool)
    return apart


class Look(Protocol):
    """Rows as several metrics of two models see them."""

    @property
    def names(self) -> Sequence[str]:
        """The metrics (k,)."""

    def moved(self, rows: Rows) -> Moved:
        """What these rows move; 0 in metrics of which nobody knows."""

    def kinds(self) -> Kinds | None:
        """The same of all rows, counted by kind, where so much is known of them; ``None`` where rows must tell."""

    def unrelated(self) -> HostArray:
        """Of which metrics (k, k) nobody knows how they go together; on the diagonal, of which nothing is known."""


@dataclass(slots=True)
class MovesPass(Apart):
    """What one worker gathers: of each metric the reference, then the difference of the other model from it."""

    travels = ("sums", "groups")

    look: Look
    sums: ExactSum
    groups: GroupSums | None

    @classmethod
    def empty(cls, look: Look, clusters: KnownClusters | None) -> MovesPass:
        """No rows yet."""
        size = 2 * len(look.names)
        groups = None if clusters is None else GroupSums(clusters, size)
        return cls(look, ExactSum(size * (size + 1) // 2 + size if clusters is None else 1), groups)

    def add(self, rows: Rows) -> bool:
        """Look at the rows of both models."""
        moves, cluster = self.look.moved(rows)
        if not moves.shape[1]:
            return True
        moves = _gaps(moves)
        if self.groups is not None and cluster is not None:
            group = self.groups.clusters.group_of(cluster)
            for number, one in enumerate(moves):
                self.groups.update(number, one, group)
            return True
        squares = moves * moves
        self._take(moves, squares * squares)
        return True

    @classmethod
    def of_kinds(cls, look: Look, kinds: Kinds) -> MovesPass:
        """All rows at once."""
        total = cls.empty(look, None)
        moves = _gaps(kinds.moves) * np.sqrt(kinds.squares)
        squares = moves * moves
        total._take(moves, squares * squares / kinds.rows)
        return total

    def _take(self, moves: HostArray, fourths: HostArray) -> None:
        """Add up the products of what rows move, or kinds of rows together (2k, N), and their fourth powers."""
        start = 0
        for number, one in enumerate(moves):
            self.sums.add_rows(one * moves[number:], np.arange(start, start + len(moves) - number))
            start += len(moves) - number
        self.sums.add_rows(fourths, np.arange(start, start + len(moves)))

    def merge(self, other: MovesPass) -> None:
        """Take in what another worker has gathered."""
        self.sums.merge(other.sums)
        if self.groups is not None and other.groups is not None:
            self.groups.merge(other.groups)

    def covariance(self) -> HostArray:
        """How the metrics of the reference and the differences from it vary together (2k, 2k).

        NaN of what no row moves, and of those of which nobody knows how they go together.
        """
        size = 2 * len(self.look.names)
        found = np.zeros((size, size))
        if self.groups is not None:
            pulls = np.stack([one.pulls for one in self.groups.moved()])
            count = pulls.shape[1]
            found = np.array([[float((one * other).sum()) for other in pulls] for one in pulls]) * count / (count - 1.0)
        else:
            pairs = combinations_with_replacement(range(size), 2)
            for (i, j), value in zip(pairs, self.sums.value().tolist(), strict=False):
                found[i, j] = found[j, i] = value
        unrelated = np.tile(self.look.unrelated(), (2, 2))
        still = ~(np.diag(found) > 0.0) | np.diag(unrelated)
        found[unrelated] = np.nan
        found[still], found[:, still] = np.nan, np.nan
        return found

    def telling(self) -> HostArray:
        """How many rows the variance of each rests on (2k,): ``(Σ L²)² / Σ L⁴``, infinite where whole clusters tell."""
        size = 2 * len(self.look.names)
        if self.groups is not None:
            return np.full(size, np.inf)
        squares, fourths = np.diag(self.covariance()), self.sums.value()[-size:]
        with np.errstate(all="ignore"):
            found: HostArray = np.where(fourths > 0.0, squares * squares / fourths, np.inf)
        return found


def _gaps(moves: HostArray) -> HostArray:
    """What moves the metrics of the reference, then the differences from it (2k, N), from what moves those of both."""
    half = len(moves) // 2
    return np.concatenate([moves[:half], moves[half:] - moves[:half]])
