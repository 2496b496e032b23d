"""What metrics of counts say of all slices at once: a formula over one table takes longer to call than to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.counts import Counts
from evalcli.metrics.registry import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.classification.numbers import Setting
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName

_TOGETHER = 1 << 16
"""Classes of slices that a formula sees at once: what it makes of them stays in the cache."""


class SlicedCounts:
    """The counts of every slice, each of the same classes; every metric is computed once, when first asked for."""

    def __init__(self, setting: Setting, every: Sequence[Counts]) -> None:
        self._setting = setting
        step = max(_TOGETHER // max(len(setting.names), 1), 1)
        blocks = [every[start : start + step] for start in range(0, len(every), step)]
        self._blocks = [Counts(*(np.stack(parts) for parts in zip(*block, strict=True))) for block in blocks]
        self._known: dict[MetricName, HostArray] = {}

    def value(self, name: MetricName, place: int) -> float:
        """A metric of the slice at ``place``.

        Raises: ``UsageError`` for a class that is not there.
        """
        if name not in self._known:
            task, names, scope = self._setting.task, self._setting.names, self._setting.scope
            said = [evaluate(name, block, scope=scope, positive=task.positive, classes=names) for block in self._blocks]
            self._known[name] = np.concatenate(said)
        return float(self._known[name][place])
