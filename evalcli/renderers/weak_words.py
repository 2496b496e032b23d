"""What is said of a search for weak slices, whatever the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers import wording
from evalcli.renderers.escape import visible
from evalcli.renderers.versus import minus, probability

if TYPE_CHECKING:
    from evalcli.searched import Scan, WeakSlice

_TESTS = {
    "fisher": "one-sided p-values of Fisher's exact test",
    "welch": "one-sided p-values, the larger of Welch's t-test and a permutation test",
}
_SIZES = {
    "": "",
    "(weights)": " at effective sample sizes (weights)",
    "(clusters)": " at effective sample sizes (clusters)",
}
_LEFT_OUT = 6
"""Columns that were left out, each with its reason, before the rest is a number."""


def numbers(row: WeakSlice, metric: str) -> list[str]:
    """The share or mean, that of the rest, the difference, its interval and the adjusted p-value."""
    written = _number if wording.is_of_any_size(metric) else minus
    interval = "" if row.low is None or row.high is None else f"[{written(row.low)}, {written(row.high)}]"
    difference = f"+{written(row.difference)}" if row.difference > 0 else written(row.difference)
    return [written(row.value), written(row.rest), difference, interval, probability(row.p_adjusted)]


def _number(value: float) -> str:
    """A value of any size with a true minus sign."""
    return wording.number(value).replace("-", "−", 1)


def named(row: WeakSlice) -> str:
    """Columns and values of a slice.

    >>> from evalcli.searched import WeakSlice
    >>> named(WeakSlice(("region", "device"), ("EU", "tablet"), 90, 0.5, 0.9, -0.4, None, None, 0.01, 0.02))
    'region=EU, device=tablet'
    """
    return ", ".join(f"{column}={value}" for column, value in zip(row.columns, row.values, strict=True))


def headline(scan: Scan) -> str:
    """How many were found among how many."""
    return f"{len(scan.slices):,} of {scan.tried:,} tried, by {visible(scan.metric)}" + (
        ", the worst first" if len(scan.slices) > 1 else ""
    )


def facts(scan: Scan) -> list[str]:
    """What was tried, how it was judged, what would have been found, what was left out: a sentence each."""
    columns = len(scan.columns)
    pairs = columns * (columns - 1) // 2
    of = f"{columns:,} column{'' if columns == 1 else 's'}" + (f" and {pairs:,} pairs of them" if pairs > 1 else "")
    of += " and their pair" if pairs == 1 else ""
    few = f"; {scan.few:,} had fewer" if scan.few else ""
    said = [f"tried {scan.tried:,} slices of {of} with at least {scan.least:,} rows{few}"]
    if scan.slices:
        sided = "; intervals are two-sided" if any(row.low is not None for row in scan.slices) else ""
        both = (
            ", of pairs also against the rest of either value"
            if any(len(row.columns) > 1 for row in scan.slices)
            else ""
        )
        said.append(f"{_test(scan)} against all other rows{both}, Benjamini–Hochberg at {scan.level:g}{sided}")
    elif scan.tried:
        said.append(f"none is weaker than all other rows beyond chance (Benjamini–Hochberg at {scan.level:g})")
        said.append(_would_have(scan))
    if scan.left_out:
        named_ones = [f"{visible(column, 40)} ({visible(why)})" for column, why in scan.left_out[:_LEFT_OUT]]
        more = f" and {len(scan.left_out) - _LEFT_OUT:,} more" if len(scan.left_out) > _LEFT_OUT else ""
        said.append(f"left out: {', '.join(named_ones)}{more}")
    return said


def _test(scan: Scan) -> str:
    test, _, of = scan.test.partition(" ")
    return _TESTS[test] + _SIZES[of] + ("," if test == "welch" else "")


def _would_have(scan: Scan) -> str:
    if scan.shown is None:
        few = "so few" if scan.test.startswith("fisher") else "such"
        return f"with {few} rows no difference would have been found"
    slice_ = f"{visible(scan.shown.column, 40)}={visible(scan.shown.value, 40)}"
    gap = (_number if wording.is_of_any_size(scan.metric) else minus)(scan.shown.difference)
    return f"the smallest difference that would have been found is {gap}, in the {scan.shown.n:,} rows of {slice_}"
