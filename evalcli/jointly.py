"""How the metrics of a report go together: read off the states that it was made from, only where someone asks."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import UsageError
from evalcli.evaluation import reporter_of
from evalcli.metrics.registry import is_registered, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.evaluation import Measured
    from evalcli.metrics.arrays import HostArray


class Jointly:
    """Called with metrics of the same rows, it says how they vary together (k, k); NaN where nobody knows."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    @cached_property
    def _reporter(self) -> Any:
        return reporter_of(self._measured)

    def __call__(self, names: Sequence[str], by: str = "", value: str = "") -> HostArray:
        """Of all rows, or of the slice ``value`` of those ``by`` a column; nothing of metrics beyond the registry."""
        found = np.full((len(names), len(names)), np.nan)
        places = [place for place, name in enumerate(names) if is_registered(name)]
        if len(places) > 1:
            with suppress(UsageError):  # one is of what the task does not have
                parsed = [parse(names[place]) for place in places]
                found[np.ix_(places, places)] = self._reporter.covariance(parsed, by, value)
        return found
