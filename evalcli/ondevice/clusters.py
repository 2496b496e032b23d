"""Rows by cluster and cell of the confusion matrix, brought together on a device: most clusters have few cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from evalcli.metrics.arrays import fetch, joined, to_device

if TYPE_CHECKING:
    from evalcli.classification.labels import Labels
    from evalcli.metrics.arrays import Array, HostArray

_MOST = 1 << 22
"""Rows that wait: 96 MB and, when they are sorted, five times as much."""


class CellsThere:
    """Rows of a device that wait until there are many of them, and come to the host as distinct ones."""

    def __init__(self) -> None:
        self._waiting: list[list[Array]] = []
        self._rows = 0

    def add(self, labels: Labels) -> None:
        """Let labels that are classes wait, each with its cluster and, if they differ in it, its weight."""
        with torch.inference_mode():
            cluster = to_device(labels.cluster, labels.preds.device)
            held = [cluster, *([] if labels.weight is None else [labels.weight])]
            held = [part.clone() for part in held]  # a batch may lie in memory that is used again
            self._waiting.append([held[0], (labels.target.long() << 32) | (labels.preds.long() + 1), *held[1:]])
        self._rows += len(cluster)

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return self._rows > _MOST

    def taken(self) -> tuple[HostArray, ...] | None:
        """Distinct rows, sorted: cluster, cell, weight above 0 if any, and how often each occurs; waits, none is left.

        ``None``: none has waited.
        """
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return None
        with torch.inference_mode():
            keys = [joined(parts) for parts in zip(*waiting, strict=True)]
            order = keys[-1].argsort()
            for key in keys[-2::-1]:
                order = order[key[order].argsort(stable=True)]
            keys = [key[order] for key in keys]
            fresh = torch.ones(len(order), dtype=torch.bool, device=order.device)
            fresh[1:] = torch.stack([key[1:] != key[:-1] for key in keys]).any(0)
            heads = fresh.nonzero()[:, 0]
            ends = torch.cat([heads[1:], heads.new_full((1,), len(order))])
            *found, counts = fetch(*(key[heads] for key in keys), ends - heads)
        return (*found, counts) if len(found) == 2 else tuple(part[found[2] > 0] for part in (*found, counts))
