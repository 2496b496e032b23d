"""A page of HTML: whole, inert, and alone; its names are text and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evalcli.renderers import render
from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.html import render_fragment, render_html
from evalcli.report import SliceRow, Value

if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN = {"br", "meta"}
_TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "p", "strong", "br", "table", "caption", "thead"}
_TAGS |= {"tbody", "tr", "th", "td", "ul", "li", "details", "summary", "span", "footer"}


class Tags(HTMLParser):
    """The tags in order, all of them closed in turn, and what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self._stack: list[str] = []
        self.feed(page)
        assert self._stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in _OPEN:
            self._stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_whole_document(shown: Any, golden: Callable[[str, str], None]) -> None:
    name, report = shown
    if name in {"nasty", "many", "searched"}:
        golden(f"{name}.html", render_html(report))


def test_O09_nothing_live_or_remote(shown: Any) -> None:
    page = render(shown[1], "html")
    tags = Tags(page)
    assert {*tags.tags} <= _TAGS
    assert tags.attributes <= {"lang", "charset", "http-equiv", "content", "name", "scope", "style"}
    assert "default-src 'none'" in page
    assert "://" not in re.sub(r"&#\d+;", "", page).replace(shown[1].signature, "")
    assert not re.search(r"url\(|@import|<script|javascript:", page)
    assert not UNSAFE.search(page.replace("\n", ""))


def test_a_page_says_what_the_report_holds(shown: Any) -> None:
    name, report = shown
    said = "".join(Tags(render_html(report)).text)
    assert report.version in said
    for verdict in report.gates:
        assert verdict.status in said
    for finding in report.findings:
        assert finding.level in said
    assert all(metric in said for metric in report.metrics)
    if report.scan is not None:
        assert "Benjamini" in said
    if report.confusion.pairs:
        assert "Most confused" in said
    assert (", with intervals" in said) == (0 < len(report.per_class) <= 1000), name


@given(names=st.lists(st.text(st.characters(), max_size=20), min_size=3, max_size=3, unique=True))
@example(names=["<b>", "</td>", "&amp;"])
@example(names=["'", '"', "</style><script>"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_O09_names_do_not_change_the_shape(make: Any, names: list[str]) -> None:
    matrix = [[3, 1, 0], [0, 2, 0], [1, 0, 4]]
    assert Tags(render_html(make(matrix, names))).tags == Tags(render_html(make(matrix, ["a", "b", "c"]))).tags


@pytest.mark.parametrize("share", [0.0, 0.001, 1.0])
def test_the_ground_of_a_cell_is_a_share(make: Any, share: float) -> None:
    page = render_html(make([[int(1000 - 1000 * share), int(1000 * share)], [0, 5]], ["a", "b"]))
    found = [float(alpha) for alpha in re.findall(r"rgba\(200,70,50,([0-9.]+)\)", page)]
    assert found == ([] if share == 0.0 else [pytest.approx(0.6 * share, abs=0.005)])


def test_numbers_below_0_have_a_true_minus_sign(make: Any) -> None:
    """In every table; names keep their hyphens."""
    value = Value(-0.25, -0.5, 0.1, "bootstrap")
    slices = (SliceRow("re-gion", "E-U", 8, {"mcc": value}),)
    report = make([[1, 3], [3, 1]])
    report = replace(report, slices=slices, asked=("mcc",), metrics={"mcc": value})
    for page in (render_html(report), render_fragment(report)):
        assert page.count("−0.2500") == 3  # the headline, the metric, the slice
        assert page.count("[−0.5000, 0.1000]") == 2
        assert "E-U" in page
        assert "re-gion" in page
        assert not re.search(r">[^<]*-[0-9]", page[page.index("<body") if "<body" in page else 0 :])


def test_the_interval_of_a_slice_stands_beside_its_metric(make: Any) -> None:
    sure, alone = Value(0.75, 0.5, 0.9, "wilson"), Value(0.5)
    slices = (SliceRow("region", "EU", 8, {"accuracy": sure, "f1_macro": alone}),)
    page = render_html(replace(make([[3, 1], [1, 3]]), slices=slices, asked=("accuracy", "f1_macro")))
    table = page[page.index("<caption>By region") :]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', table.partition("</thead>")[0])
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", table.partition("<tbody>")[2].partition("</tr>")[0])
    assert list(zip(heads, cells, strict=True)) == [
        ("region", "EU"), ("accuracy", "0.7500"), ("interval", "[0.5000, 0.9000]"), ("macro F1", "0.5000"), ("n", "8"),
    ]  # fmt: skip
