"""Slices of time stand in order of time, and what is no time the worst first."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from evalcli.renderers.html import render_html
from evalcli.renderers.markdown import render_markdown
from evalcli.renderers.terminal import plain
from evalcli.report import SliceRow, Value

MONTHS = [f"2024-{month:02}" for month in range(1, 13)]


def with_slices(report, names):
    """The last but one is the worst."""
    shares = [0.9 + i / 1000 for i in range(len(names))]
    shares[-2] = 0.1
    rows = (SliceRow("at", name, 9, {"accuracy": Value(one)}) for name, one in zip(names, shares, strict=True))
    return replace(report, slices=tuple(rows), asked=("accuracy",))


@pytest.mark.parametrize(
    "names",
    [
        MONTHS,
        ["< 2024-06-01", "[2024-06-01, 2025-01-01)", ">= 2025-01-01"],
        ["1999", "2000", "2024"],
        ["2023-Q4", "2024-Q1", "2024-Q2"],
        ["2023-W52", "2024-W01", "2024-W02"],
        ["2024-01-31", "2024-01-31 12:30:00.5", "2024-02-01 00:00:00"],
    ],
)
def test_slices_of_time_are_in_its_order_and_the_worst_is_named(make, names) -> None:
    report = with_slices(make([[3, 1], [0, 2]]), names)
    page = unescape(render_html(report).partition("By at")[2])
    first_cells = [
        [line.strip().partition("  ")[0] for line in plain(report, None).splitlines()],
        [line.split("|")[1].strip(" `") for line in render_markdown(report).splitlines() if "|" in line],
        re.findall(r"<t[dh][^>]*>([^/]*)</t[dh]>", page),
    ]
    assert [[cell for cell in cells if cell in names] for cells in first_cells] == [names] * 3
    assert f"{len(names)} slices, in order of time, {names[-2]} the worst" in plain(report, None)


@pytest.mark.parametrize(
    "names",
    [
        ["1234", "2024", "2025"],
        ["2024-01", "2024-02", "2024-13"],
        ["2024-01,m", "2024-02,m", "2024-03,f"],
        [f"2024-01-01 {i:02}:00,m" for i in range(4)],
        [f"2024-01-01 {i:02}:00" for i in range(32)],
    ],
)
def test_what_is_no_time_or_too_much_has_the_worst_first(make, names) -> None:
    text = plain(with_slices(make([[3, 1], [0, 2]]), names), None)
    assert f"{len(names)} slices, the worst first" in text
    below = text.partition("the worst first")[2]
    assert below.index(names[-2]) < below.index(names[0])
