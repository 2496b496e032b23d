"""What the states of the whole input say: each metric of one output, or the mean over all."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from math import fsum, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import UsageError
from evalcli.metrics.registry import check_task
from evalcli.metrics.roc import UNDEFINED, Certified
from evalcli.metrics.threads import each
from evalcli.metrics.values import SMALLEST_VALUE
from evalcli.regression.states import StateKey, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.values import ValueState
    from evalcli.regression.together import OutputPairs

_MOMENTS, _EXTREMES, _PAIRS, _RESIDUALS = map(StateKey, ("Moments", "Extremes", "RankPairs", "ResidualTable"))


class Results:
    """Values of metrics, each state computed once, when it is first read."""

    def __init__(self, states: Mapping[StateKey, ValueState], outputs: tuple[str, ...], workers: int = 1) -> None:
        self._states, self.outputs, self._workers = states, outputs, workers
        self._computed: dict[StateKey, list[Any]] = {}
        self._values: dict[tuple[str, int], Certified] = {}

    def has(self, key: StateKey) -> bool:
        """Whether this state was filled."""
        return key in self._states

    def read(self, key: StateKey) -> list[Any]:
        """What a state computed, output by output."""
        if key not in self._computed:
            state: Any = self._states[key]
            self._computed[key] = state.compute(self._workers) if key == _PAIRS else state.compute()
        return self._computed[key]

    def read_ahead(self) -> None:
        """Read the states that take long, side by side."""
        each(self.read, [key for key in (_PAIRS, _RESIDUALS) if self.has(key)], self._workers)

    def pairs(self, output: int, mean_weight: float = 1.0) -> OutputPairs | None:
        """The pairs of an output, for intervals; ``None`` where they were not kept."""
        from evalcli.regression.together import OutputPairs

        state: Any = self._states.get(_PAIRS)
        moment = self.read(_MOMENTS)[output]
        if state is None or not moment.n:
            return None
        return OutputPairs(state, output, partial(self.read, _PAIRS), float(moment.target / moment.n), mean_weight)

    def value(self, name: MetricName) -> Certified:
        """The value of a metric, of the output it names, else the plain mean over all; NaN where it is undefined.

        Raises:
            UsageError: it is no metric of a regression, or there is no such output.

        """
        check_task(name, "regression")
        if name.label is not None:
            return self.of_output(name, self._index(name))
        values = [self.of_output(name, output) for output in range(len(self.outputs))]
        if len(values) == 1:
            return values[0]
        if any(isnan(value.value) for value in values):
            return UNDEFINED
        return Certified(*(fsum(part) / len(values) for part in zip(*values, strict=True)))

    def of_output(self, name: MetricName, output: int) -> Certified:
        """The value of a metric of one output."""
        bare = str(name).partition("[")[0], output
        if bare not in self._values:
            key = state_of(name)
            arguments = name.arguments if key.power is None else ()  # a power is the state's own
            squared = key == _MOMENTS and name.base != "bias"
            result = (
                UNDEFINED
                if squared and self._is_lost(name.base, output)
                else name.entry.formula(self.read(key)[output], *arguments)
            )
            self._values[bare] = result if isinstance(result, Certified) else Certified(result, result, result)
        return self._values[bare]

    def _is_lost(self, base: str, output: int) -> bool:
        """Whether values lie so near to 0 that squares are lost: of a correlation those of either side, else of both.

        Both can only be those of a slice, as whole inputs are refused.
        """
        extremes: Any = self._states.get(_EXTREMES)
        if extremes is None:
            return False
        sides = np.abs(np.stack([extremes.least[:2, output], extremes.most[:2, output]])).max(axis=0)
        tiny = (sides > 0.0) & (sides < SMALLEST_VALUE)
        return bool(tiny.any() and (base == "pearson" or sides.max() < SMALLEST_VALUE))

    def _index(self, name: MetricName) -> int:
        if name.label in self.outputs:
            return self.outputs.index(name.label)
        close = get_close_matches(name.label or "", self.outputs, n=3) or list(self.outputs[:10])
        more = ", …" if len(close) < len(self.outputs) else ""
        names = f"use one of {', '.join(map(repr, close))}{more}"
        raise UsageError(f"{name}: there is no output {name.label!r}", fix=names)
