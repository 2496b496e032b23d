"""What slices of several labels a row are searched by: rows wholly right, rows right in one label, or labels wrong.

Rows wholly right are the usual one: they are a share of rows, and Fisher's test of it is exact. Where a row has many
labels and hardly one is wholly right, the share of its labels that are wrong says more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import UsageError
from evalcli.metrics.arrays import asnumpy
from evalcli.metrics.multilabel import count_labels
from evalcli.scanning.counts import Hits, Sums
from evalcli.scanning.tables import ALL, SIDES, Rows, scanned_metric, tables_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.metrics.multilabel import LabelCells
    from evalcli.scanning.tables import ScanTables
    from evalcli.sources.base import Array, Source

USUAL = "subset_accuracy"
"""What is searched by unless asked otherwise."""
WRONG = "hamming_loss"


class Asked(NamedTuple):
    """What a search compares slices by: a loss of every row, or ``rows`` that are hits or misses."""

    is_loss: bool = False
    rows: Rows = ALL

    def tables(self, source: Source) -> ScanTables | None:
        """Empty ones, where something is searched."""
        return tables_of(source, Sums if self.is_loss else Hits)

    def take(self, tables: ScanTables, cells: LabelCells, codes: Array | None, cluster: Array | None) -> None:
        """Count rows with the codes of their values, (N, K), −1 for none; ``None`` where no column is searched."""
        if self.rows.side != "all":
            return tables.update_some(*self._of_label(cells), codes, cells.repeats, cells.weight, cluster)
        wrong = count_labels(cells.true != cells.said)
        values = wrong / int(cells.true.shape[0]) if self.is_loss else wrong == 0
        return tables.update(values, codes, cells.repeats, cells.weight, cluster)

    def _of_label(self, cells: LabelCells) -> tuple[Array, Array]:
        """Which rows count by one label, and which are hits."""
        true, said = (asnumpy(side[self.rows.place]) for side in (cells.true, cells.said))
        asked, answer = (true, said) if self.rows.side == "target" else (said, true)
        if not self.rows.other:
            return asked, answer
        return (~asked if cells.kept is None else asnumpy(cells.kept[self.rows.place]) & ~asked), ~answer


WHOLLY_RIGHT = Asked()


def asked_by(metric: str, labels: Sequence[str]) -> Asked:
    """What ``metric`` compares slices by.

    Raises:
        UsageError: it is no share of rows and not the share of wrong labels, or of a label that is not there.

    """
    fix = "use subset_accuracy, hamming_loss, or recall[cat], precision[cat], specificity[cat], npv[cat] of a label"
    name = scanned_metric(metric, (USUAL, WRONG, *SIDES), "not a share of rows, nor of their labels", fix)
    if name.base in {USUAL, WRONG}:
        return Asked(name.base == WRONG)
    told = ", ".join(map(repr, labels[:5]))
    if name.label is None:
        fix = f"name a label, as in {name.base}[{labels[0] if labels else 1}]"
        raise UsageError(f"--scan-metric {metric}: several labels, and so no one share of rows", fix=fix)
    if name.label not in labels:
        raise UsageError(f"--scan-metric {metric}: no label {name.label!r}", fix=f"labels are {told}")
    return Asked(rows=SIDES[name.base].of(labels.index(name.label)))
