"""How sure what gaps of bins add up to is, of all slices: what seeks an end takes longer to call than to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.uncertainty.bins import calibration_intervals
from evalcli.uncertainty.squares import reliability_intervals, resolution_intervals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Confidence, Interval

_METHODS = {
    **dict.fromkeys(("ece", "ece_positive", "ece_classwise"), calibration_intervals),
    "brier_reliability": reliability_intervals,
    "brier_resolution": resolution_intervals,
}
"""Of tables that are there; bins of equal mass are made of many rows, slice by slice."""


class SlicedGaps:
    """The intervals of slices of rows that count alike, by their states; each when it is first asked for."""

    def __init__(self, every: Sequence[Mapping[str, Any]], confidence: Confidence) -> None:
        self._every, self._confidence = every, confidence
        self._known: dict[tuple[str, Any], list[Interval]] = {}

    def interval(self, name: MetricName, place: int) -> Interval | None:
        """That of the slice at ``place``; ``None`` of a metric that is looked at slice by slice."""
        method = _METHODS.get(name.base)
        if method is None:
            return None
        asked = name.entry.state, method
        if asked not in self._known:
            states = [one[name.entry.state] for one in self._every]
            tables = [state.compute() for state in states]
            every = type(tables[0])(*(np.stack(parts) for parts in zip(*tables, strict=True)))
            self._known[asked] = method(every, self._confidence)
        return self._known[asked][place]
