"""How the metrics of a report go together: read off the states that it was made from, only where someone asks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import UsageError
from evalcli.evaluation import reporter_of
from evalcli.metrics.registry import is_registered, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.definitions import Leaf
    from evalcli.evaluation import Measured
    from evalcli.metrics.arrays import HostArray


class Jointly:
    """Called with metrics of all rows and of slices, it says how they vary together (k, k); NaN where nobody knows."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    @cached_property
    def _reporter(self) -> Any:
        return reporter_of(self._measured)

    def __call__(self, leaves: Sequence[Leaf]) -> HostArray:
        """Those of the same rows as these tell; of two slices by one column nothing, for they share no row."""
        found = np.full((len(leaves), len(leaves)), np.nan)
        wheres = [(leaf.by, leaf.value) for leaf in leaves]
        for where in dict.fromkeys(wheres):
            places = [place for place, one in enumerate(wheres) if one == where and is_registered(leaves[place].name)]
            if places:
                found[np.ix_(places, places)] = self._inside(where, [leaves[place].name for place in places])
        if self._measured.plan.source.clustered is None:
            apart = np.array([[one[0] == other[0] != "" and one != other for other in wheres] for one in wheres])
            found[apart] = 0.0
        return found

    def _inside(self, where: tuple[str, str], names: Sequence[str]) -> HostArray:
        """Those of the same rows. The only metric of its rows varies by as much as its interval says."""
        if len(names) == 1:
            return np.full((1, 1), np.nan)
        try:
            found: HostArray = self._reporter.covariance([parse(name) for name in names], *where)
        except UsageError:  # one is of what the task does not have
            found = np.full((len(names), len(names)), np.nan)
        return found
