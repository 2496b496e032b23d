"""Labels that lie on a device and are counted on the host: they wait there until they are many, and come at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from evalcli.metrics.arrays import fetch, joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.classification.labels import Labels
    from evalcli.metrics.arrays import Array

_MOST = 1 << 20
"""Rows that wait."""


class LabelsThere:
    """Labels, with their weights and groups, if any, that wait for ``count`` to count them on the host."""

    def __init__(self, count: Callable[[Labels], object]) -> None:
        self._count = count
        self._waiting: list[Labels] = []
        self._rows = 0

    def add(self, labels: Labels) -> None:
        """Let labels wait."""
        bare = labels._replace(scores=None, places=None)
        with torch.inference_mode():  # copies: a batch may lie in memory that is used again
            self._waiting.append(type(labels)(*(None if part is None else part.clone() for part in bare)))
        self._rows += labels.length
        if self._rows > _MOST:
            self.settle()

    def settle(self) -> None:
        """Have all counted that wait, which is waited for; nothing is left."""
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        with torch.inference_mode():
            parts: list[Array | None] = [joined(each) for each in zip(*waiting, strict=True)]
            found = iter(fetch(*(part for part in parts if part is not None)))
        self._count(type(waiting[0])(*(None if part is None else next(found) for part in parts)))
