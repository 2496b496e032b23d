"""The heat map: what is in a cell, which form fits, and colours that can be read."""

import itertools
import math
import re

import numpy as np
import pytest

import evalcli
from evalcli.renderers import render
from evalcli.renderers.confusion import HIT, MISS, heat_map
from evalcli.renderers.screen import Screen


def linear(color: str) -> list[float]:
    values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def luminance(color: str) -> float:
    red, green, blue = linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lightness(color: str) -> float:
    """L of OKLab (Ottosson 2020)."""
    r, g, b = linear(color)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    middle = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short


@pytest.mark.parametrize("ramp", [HIT, MISS])
def test_steps_are_even_to_the_eye(ramp) -> None:
    steps = [lightness(background) for background, _ in ramp]
    differences = [after - before for before, after in itertools.pairwise(steps)]
    assert all(abs(difference - 0.065) < 0.006 for difference in differences)


@pytest.mark.parametrize("ramp", [HIT, MISS])
def test_text_on_every_step_can_be_read(ramp) -> None:
    for background, foreground in ramp:
        light, dark = sorted((luminance(background), luminance(foreground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2 AA


def lines(report, width: int, *, color: bool = False) -> list[str]:
    found = heat_map(report, Screen(width, color=color))
    assert found is not None
    return [line.plain for line in found]


def test_rows_are_targets_and_both_axes_say_so(make) -> None:
    top, heads, cat, dog = lines(make([[3, 1], [0, 2]], ["cat", "dog"]), 80)
    assert top.strip() == "prediction →"
    assert heads.split() == ["target", "↓", "cat", "dog"]
    assert cat == "cat     [3  75%] 1  25%"
    assert dog == "dog      0      [2 100%]"


def test_forms_fall_back_step_by_step(make) -> None:
    report = make([[1000 + (i == j) for j in range(10)] for i in range(10)])
    assert "prediction →" in lines(report, 160)[0]
    assert len(lines(report, 160)) == 2 + 10  # shares beside the counts
    assert len(lines(report, 90)) == 2 + 20  # below them
    small = make([[100 + (i == j) for j in range(14)] for i in range(14)])
    assert len(lines(small, 80)) == 2 + 14  # counts alone
    assert not any("%" in line for line in lines(small, 80))
    assert heat_map(report, Screen(40)) is None


def test_long_names_give_way_to_numbers(make) -> None:
    names = [f"a rather long name of class {i}" for i in range(6)]
    text = lines(make([[1] * 6] * 6, names), 100)
    assert "numbered as the rows" in text[0]
    assert text[1].split() == ["target", "↓", "1", "2", "3", "4", "5", "6"]
    assert [re.split(r"  +", line)[0] for line in text[2:]] == ["1", "2", "3", "4", "5", "6"]


def test_every_count_is_there_whole(make) -> None:
    matrix = [[10**9 + 7, 3], [0, 123456]]
    text = "\n".join(lines(make(matrix), 80))
    assert all(f"{count:,}" in text for row in matrix for count in row)


def test_colour_follows_the_share_of_the_row(make) -> None:
    found = heat_map(make([[90, 10], [0, 0]]), Screen(80, color=True))
    assert found is not None
    styles = [str(span.style) for span in found[2].spans]
    assert f"on {HIT[8][0]}" in styles[0]
    assert styles[0].startswith("bold")
    assert f"on {MISS[0][0]}" in styles[1]
    assert not any(" on #" in str(span.style) for span in found[3].spans)  # nothing there to shade


def test_above_twenty_classes_there_is_no_map(make) -> None:
    assert heat_map(make([[1] * 20] * 20), Screen(200)) is not None
    assert heat_map(make([[1] * 21] * 21), Screen(2000)) is None


@pytest.mark.parametrize("form", ["rich", "markdown", "html"])
def test_rows_without_a_prediction_are_among_those_of_their_class(form: str) -> None:
    """Shares of a row then are recalls, as the table beside it tells these."""
    scores = np.array([0.9, np.nan, np.nan, 0.2, 0.8, 0.3, 0.9, 0.9])
    report = evalcli.evaluate(scores, np.array([1, 1, 0, 0, 0, 1, 1, 1]), nan="wrong", positive=1)
    told = render(report.data, form)
    hit = {"rich": "[3  60%]", "markdown": "**3 (60%)**", "html": "rgba(60,140,90,0.36)"}[form]
    assert hit in told
