"""Names side by side on a narrow screen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import evalcli
from evalcli.renderers import comparison
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import Screen, told_apart

HOURS = [f"2024-03-31 {hour:02}:00:00+00:00" for hour in range(6)]
MODELS = ([0, 1] * 90, [0, 0, 1] * 60, [1, 1, 0] * 60)


@pytest.mark.parametrize("models", [2, 3])
@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("names", [HOURS, [f"{hour},{kind}" for hour in HOURS[:5] for kind in "ab"]])
def test_no_two_slices_of_a_comparison_look_alike(models: int, width: int, names: list[str]) -> None:
    by = {"at": [names[i % len(names)] for i in range(180)]}
    found = evalcli.compare(*MODELS[:models], target=[0, 1, 0, 1] * 45, by=by, metrics="accuracy")
    lines = comparison.plain(found.data, width).split("\n")
    shown = [line[2:].split("  ")[0] for line in lines if line.startswith("  20") and line.split()[-1].isdigit()]
    assert len({*shown}) == len(shown) == len(names)
    assert max(map(cell_len, lines)) <= width


@given(st.lists(st.text("ab:-日\u0301\u200b", max_size=40), min_size=1, max_size=6), st.integers(8, 40))
def test_names_beside_each_other_fit_and_those_that_differ_alone_stay_as_they_are(texts: list[str], limit: int) -> None:
    shown, alone = told_apart(texts, limit), [visible(text, limit) for text in texts]
    assert len(shown) == len(texts)
    assert all(cell_len(one) <= limit for one in shown)
    assert len(set(shown)) >= len(set(alone))
    if len(set(alone)) == len(alone):
        assert shown == alone


def test_names_are_quoted_and_marked_as_they_are_alone() -> None:
    screen = Screen(80)
    texts = ["", " blank ", "שלום", "x" * 99, "a\nb"]
    assert [one.plain for one in screen.names(texts, 20)] == [screen.name(text, 20).plain for text in texts]
