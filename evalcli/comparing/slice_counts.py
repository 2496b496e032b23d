"""Differences in metrics of counts of every slice, by several processes where there may be some and slices are many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from evalcli.reporting import goes_apart
from evalcli.uncertainty.comparison import Difference
from evalcli.uncertainty.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalcli.comparing.sliced import Slice
    from evalcli.counting import Plan

S = TypeVar("S")
Found = dict[int, dict[str, Difference | None]]
"""Differences by metric, of every model but the reference."""


def count_differences(count: Callable[[S], Found], slices: Mapping[Slice, S], plan: Plan) -> dict[Slice, Found]:
    """What ``count`` says of each of the ``slices``."""
    every = [*slices.values()]
    if not goes_apart(plan, len(every)):
        return dict(zip(slices, map(count, every), strict=True))
    from evalcli.forks import Apart

    first = count(every[0])  # what that imports all processes have then
    with Apart(lambda one: _plain(count(one)), every[1:], plan.workers) as apart:
        rest = [_found(row) for row in apart.results()]
    return dict(zip(slices, [first, *rest], strict=True))


def _plain(found: Found) -> list[tuple[int, str, tuple[Any, ...]]]:
    return [
        (
            place,
            name,
            ()
            if one is None
            else (
                one.first,
                one.second,
                one.p,
                one.detectable,
                one.interval.low,
                one.interval.high,
                one.interval.method,
            ),
        )
        for place, every in found.items()
        for name, one in every.items()
    ]


def _found(row: Sequence[tuple[int, str, tuple[Any, ...]]]) -> Found:
    found: Found = {place: {} for place, _, _ in row}
    for place, name, parts in row:
        found[place][name] = _difference(*parts) if parts else None
    return found


def _difference(first: float, second: float, p: float, least: float, *interval: Any) -> Difference:
    return Difference(first, second, Interval(*interval), p, least)
