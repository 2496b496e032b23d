"""What each row moves in metrics of several labels a row, of two models."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing.clusters import clusters_at
from evalcli.comparing.elements import in_common
from evalcli.comparing.label_rows import RowLook
from evalcli.comparing.labelled import contrast_of
from evalcli.comparing.row_moves import Moved, losses_apart
from evalcli.evidence import Evidence
from evalcli.metrics.registry import class_index
from evalcli.uncertainty.cells import Margins
from evalcli.uncertainty.slopes import RATIOS, ratio_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.label_contrasts import Contrast
    from evalcli.comparing.labelled import LabelDifferences
    from evalcli.comparing.rows import Rows
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.registry import MetricName


class LabelMoves:
    """Of the models of a ``pair``, the reference first, from what was ``measured`` of all."""

    def __init__(self, measured: LabelDifferences, metrics: Sequence[MetricName], pair: tuple[int, int]) -> None:
        self._measured, self._metrics, self._pair = measured, metrics, pair

    @property
    def names(self) -> Sequence[str]:
        """The metrics (k,)."""
        return [*map(str, self._metrics)]

    def unrelated(self) -> HostArray:
        """Which of the metrics (k, k) are not known to go together."""
        apart = losses_apart(self._metrics)
        return apart | np.diag([not self._is_known(name) for name in self._metrics])

    def _is_known(self, name: MetricName) -> bool:
        of_label = name.label is not None and name.base in {*RATIOS, "f1", "fbeta"}
        return of_label or name.base == "subset_accuracy" or self._contrasts[str(name)] is not None

    def kinds(self) -> None:
        """Rows must tell."""

    def moved(self, rows: Rows) -> Moved:
        """What these rows move."""
        counted, numbers = self._measured.counted, self._measured.numbers
        passes = counted.total.passes
        every = [one.prepare(batch, one.task, Evidence()) for one, batch in zip(passes, rows.batches, strict=True)]
        cells, places = in_common(every)
        cluster = None if counted.clusters is None else clusters_at(rows, places)
        if not cells[0].length:
            return Moved(np.zeros((2 * len(self._metrics), 0)), cluster)
        look = RowLook(cells, numbers)
        with np.errstate(over="ignore", under="ignore"):
            found = np.stack([self._of_side(look, name, side) for side in range(2) for name in self._metrics])
        return Moved(found if look.weight is None else found * look.weight, cluster)

    def _of_side(self, look: RowLook, name: MetricName, side: int) -> HostArray:
        """What rows move in a metric of one of the two (n,)."""
        contrast, place = self._contrasts[str(name)], self._pair[side]
        if contrast is not None:
            return contrast.side(look, side)
        numbers = self._measured.numbers[place]
        if name.base == "subset_accuracy":
            share: HostArray = (look.right(place) - float(numbers.value(name).value)) / numbers.total
            return share
        if not self._is_known(name):
            return np.zeros(look.rows)
        label, ratio = class_index(name, None, numbers.counted.labels), ratio_of(name.base, *name.arguments)
        true, said = (part[label].astype(np.float64) for part in (look.true, look.cells[place].counted.said))
        kept = np.ones(look.rows) if look.kept is None else look.kept[label].astype(np.float64)
        row = Margins(true * said, true, said, kept)
        whole = float(ratio.bottom.of(numbers.margins.each(lambda part: part[label])))
        found: HostArray = (ratio.top.of(row) - float(numbers.value(name).value) * ratio.bottom.of(row)) / whole
        return found * kept

    @cached_property
    def _contrasts(self) -> dict[str, Contrast | None]:
        """What tells of each metric row by row; ``None`` where its counts do."""
        first, second = (self._measured.numbers[place] for place in self._pair)
        return {str(name): contrast_of(name, self._pair, (first, second)) for name in self._metrics}
