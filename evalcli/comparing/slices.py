"""What a comparison says of every slice: both models there, how they differ, and whether by chance.

Slices by one column are tests of one question, so Holm goes over them, metric by metric.
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
    """The ``rows`` of a slice, the ``values`` of both models there, and the differences that were ``found``."""

    rows: int
    values: Sequence[Mapping[str, float | None]]
    found: Mapping[str, Difference | None]


def slice_rows(
    slicers: Sequence[Slicer], names: Sequence[Compared], told: Mapping[Slice, Told], confidence: Confidence
) -> Iterator[data.SliceRow]:
    """Every slice that has a row, in the order of its column."""
    for number, slicer in enumerate(slicers):
        here = {code: told[number, code] for code in range(len(slicer.values)) if (number, code) in told}
        every: dict[int, dict[str, data.MetricRow]] = {code: {} for code in here}
        for name in names:
            found = judged(
                {str(code): one.found.get(str(name)) for code, one in here.items()},
                {str(code): gap_of(name, one.values[1], one.values[0]) for code, one in here.items()},
                dict.fromkeys(map(str, here), name),
                1.0 - confidence.level,
            )
            for code, one in here.items():
                every[code][str(name)] = metric_row(name, one.values, (None, found[str(code)]))
        for code, metrics in every.items():
            yield data.SliceRow(slicer.name, slicer.values[code], here[code].rows, metrics)


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
