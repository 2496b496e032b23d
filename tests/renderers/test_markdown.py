"""GitHub's Markdown: the same shape whatever the names."""

import re

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.markdown import render_markdown


def shape(text: str) -> list[int]:
    """Cells of each line, by GitHub's rule: every bar that no backslash stands before is a border."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.split("\n")]


def test_whole_document(shown, golden) -> None:
    name, report = shown
    if name in {"spam", "nasty", "many", "weighted", "intervals", "scored", "sliced", "searched", "found_nothing"}:
        golden(f"{name}.md", render_markdown(report))


@given(names=st.lists(st.text(st.characters(), max_size=20), min_size=3, max_size=3, unique=True))
@example(names=["a|b", "\\|", "x\ny"])
@example(names=["`", "``|", "\\"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_O10_names_do_not_change_the_shape(make, names: list[str]) -> None:
    matrix = [[3, 1, 0], [0, 2, 0], [1, 0, 4]]
    text = render_markdown(make(matrix, names))
    assert shape(text) == shape(render_markdown(make(matrix, ["a", "b", "c"])))
    assert not UNSAFE.search(text.replace("\n", ""))


def test_O10_nothing_live_or_remote(shown) -> None:
    text = render_markdown(shown[1])
    outside = re.sub(r"`[^`]*`|<code>.*?</code>", "", text).replace("\\<", "")
    assert "<" not in outside
    assert "@" not in outside
    assert "](" not in outside
    assert "://" not in outside


def test_both_axes_are_named_and_the_diagonal_is_bold(make) -> None:
    text = render_markdown(make([[3, 1], [0, 2]], ["cat", "dog"]))
    assert "| target ↓ prediction → | `cat` | `dog` |" in text
    assert "| `cat` | **3 (75%)** | 1 (25%) |" in text
    assert "| `dog` | 0 | **2 (100%)** |" in text
