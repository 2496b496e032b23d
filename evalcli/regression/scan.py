"""What slices of a regression are searched by: the absolute error of a row, of one output or the mean over all.

Not its square: of that a few rows make most, and a test needs many more rows to say as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.errors import UsageError
from evalcli.scanning.tables import scanned_metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.values import ValueRows
    from evalcli.sources.base import Array

USUAL = "mae"
"""What is searched by."""


def output_of(metric: str, outputs: Sequence[str]) -> int | None:
    """Which output ``metric`` is of; ``None`` for all.

    Raises:
        UsageError: it is another metric, or of an output that is not there.

    """
    fix = "use mae, or mae[price] of one of several outputs"
    name = scanned_metric(metric, (USUAL,), "values are searched by the absolute error of a row", fix)
    if name.label is None:
        return None
    if name.label not in outputs:
        told = ", ".join(map(repr, outputs[:5]))
        raise UsageError(f"--scan-metric {metric}: no output {name.label!r}", fix=f"outputs are {told}")
    return outputs.index(name.label)


def losses(rows: ValueRows, output: int | None) -> Array:
    """What each row (N,) is off by."""
    off = np.abs(rows.residual)
    if output is not None:
        one: Array = off[output]
        return one
    total: Array = off[0]
    for further in off[1:]:  # one after another, so that no batch changes a bit
        total = total + further
    return total / len(off) if len(off) > 1 else total
