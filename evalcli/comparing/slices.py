"""What a comparison says of every slice: all models there, how they differ, and whether by chance.

Two models are compared as they are of all rows, more with the best of the slice. Slices by one column are tests of one
question, so Holm goes over them, metric by metric, and over all pairs of the models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli.comparing import data
from evalcli.comparing.differences import gap_of, judged
from evalcli.comparing.sides import metric_row
from evalcli.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalcli.comparing.defined import Compared
    from evalcli.comparing.sliced import Slice
    from evalcli.sources.base import Slicer
    from evalcli.uncertainty.comparison import Difference
    from evalcli.uncertainty.intervals import Confidence


class Told(NamedTuple):
    """The ``rows`` of a slice, the ``values`` of all models there, and how others differ from the ``reference``.

    Nothing was ``found`` where the models were not tested.
    """

    rows: int
    values: Sequence[Mapping[str, float | None]]
    reference: int
    found: Mapping[int, Mapping[str, Difference | None]]

    def others(self) -> Iterator[int]:
        """The models that are compared with the reference."""
        return (place for place in range(len(self.values)) if place != self.reference)


def slice_rows(
    slicers: Sequence[Slicer], names: Sequence[Compared], told: Mapping[Slice, Told], confidence: Confidence
) -> Iterator[data.SliceRow]:
    """Every slice that has a row, in the order of its column."""
    for number, slicer in enumerate(slicers):
        here = {code: told[number, code] for code in range(len(slicer.values)) if (number, code) in told}
        every = {name: _of_column(name, here, 1.0 - confidence.level) for name in names}
        for code, one in here.items():
            metrics = {str(name): metric_row(name, one.values, rows[code]) for name, rows in every.items()}
            yield data.SliceRow(slicer.name, slicer.values[code], one.rows, metrics, one.reference)


def _of_column(name: Compared, here: Mapping[int, Told], level: float) -> dict[int, tuple[data.Difference | None, ...]]:
    """How the models differ in a metric, slice by slice of one column; ``None`` for the reference itself."""
    tests = {f"{code} {place}": (one, place) for code, one in here.items() for place in one.others()}
    found = judged(
        {test: one.found.get(place, {}).get(str(name)) for test, (one, place) in tests.items()},
        {test: gap_of(name, one.values[place], one.values[one.reference]) for test, (one, place) in tests.items()},
        dict.fromkeys(tests, name),
        level,
        max(len(one.values) for one in here.values()) if here else 2,
    )
    return {code: tuple(found.get(f"{code} {place}") for place in range(len(one.values))) for code, one in here.items()}


def about_slices(
    slicers: Sequence[Slicer], slices: Sequence[data.SliceRow], rows: int, least: int
) -> Iterator[Finding]:
    """What is in no slice, because the column has no value there; and slices of too few rows to be tested."""
    for slicer in slicers:
        missing = rows - sum(row.n for row in slices if row.by == slicer.name)
        if missing > 0:
            have, are = ("1 row has", "is") if missing == 1 else (f"{missing:,} rows have", "are")
            text = f"{have} no value of {slicer.name!r}, and {are} in no slice"
            yield Finding("slice-missing", "warning", text, "write a value of its own there, as 'unknown'")
    few = sum(row.n < least for row in slices)
    if few:
        have, are = ("1 slice has", "is") if few == 1 else (f"{few:,} slices have", "are")
        text = f"{have} fewer than {least:,} rows, and {are} not tested"
        yield Finding("small-slices", "info", text, "a smaller --min-slice-size tests them")
