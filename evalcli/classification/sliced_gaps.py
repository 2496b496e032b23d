"""How sure the calibration errors of all slices are: what seeks an end takes longer to call than to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.uncertainty.bins import calibration_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence, Interval

_ERRORS = frozenset({"ece", "ece_positive", "ece_classwise"})
"""Those of tables that are there; bins of equal mass are made of many rows, slice by slice."""


class SlicedGaps:
    """The calibration errors of slices of rows that count alike, by their states; each when it is first asked for."""

    def __init__(self, every: Sequence[Mapping[str, Any]], confidence: Confidence) -> None:
        self._every, self._confidence = every, confidence
        self._known: dict[str, list[Interval]] = {}

    def interval(self, name: MetricName, place: int) -> Interval | None:
        """That of the slice at ``place``; ``None`` of a metric that is looked at slice by slice."""
        if name.base not in _ERRORS:
            return None
        if name.entry.state not in self._known:
            states = [one[name.entry.state] for one in self._every]
            tables = [state.compute() for state in states]
            every = type(tables[0])(*(np.stack(parts) for parts in zip(*tables, strict=True)))
            self._known[name.entry.state] = calibration_intervals(every, self._confidence)
        return self._known[name.entry.state][place]
