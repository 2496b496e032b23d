"""From a comparison to the pairs of values that gates on a drop judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.comparing.margins import places_of
from evalcli.drops import Pair
from evalcli.metrics.registry import is_registered, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.comparing.data import Comparison
    from evalcli.comparing.margins import Place


def pairs_of(
    comparison: Comparison, names: Iterable[str], least: int = 1, *, intervals: bool = True
) -> dict[str, tuple[Pair, ...]]:
    """The pair of each of these metrics, of the second model beside the first, with its interval or without.

    Of the worst slice it is one of every slice of ``least`` rows.
    """
    pairs = {}
    for name in names:
        places = places_of(name, comparison, least)
        if isinstance(places, str):
            continue
        note = "; ".join(_notes(comparison, str(parse(name).whole) if is_registered(name) else name))
        pairs[name] = tuple(_pair(place, note, intervals=intervals) for place in places)
    return pairs


def _pair(place: Place, note: str, *, intervals: bool) -> Pair:
    before, now = place.row.values
    pair = Pair(before, now, place.n, note=note, where=place.where)
    found = place.row.differences[1]
    if intervals and found is not None:
        pair = pair._replace(low=found.low, high=found.high, method=found.method)
    return pair


def _notes(comparison: Comparison, name: str) -> Iterable[str]:
    """What a reader of the verdict should know beyond its numbers."""
    codes, parsed = {finding.code for finding in comparison.findings}, parse(name) if is_registered(name) else None
    if comparison.left_out:
        rows = "1 row is" if comparison.left_out == 1 else f"{comparison.left_out:,} rows are"
        yield f"{rows} left out, which only one of the two has a prediction for"
    if "same-answers" in codes and (parsed is None or not parsed.entry.needs_scores):
        yield "both give the same answer in every row"
    if "unlike-classes" in codes and (parsed is None or parsed.average == "macro"):
        yield "the two do not answer the same classes, and each mean runs over its own"
