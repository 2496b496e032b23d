"""Comparisons on a screen of any width, in a pipe, in Markdown and CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from evalcli.comparing.data import (
    ClassFlips,
    ClassRow,
    Comparison,
    Difference,
    FlippedRow,
    MetricRow,
    Model,
    Overlap,
    SharedRow,
    SliceRow,
)
from evalcli.errors import UsageError
from evalcli.renderers.comparison import plain
from evalcli.renderers.comparison_files import render_comparison
from evalcli.renderers.comparison_html import render_comparison_fragment
from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.overlap import render_overlap
from evalcli.renderers.versus import in_words, standing
from evalcli.report import Finding, InputRecord, Verdict

HOSTILE = ("[red]x[/red]", "=cmd()", "esc\x1b[31m", "a|b", "\u202eевил")


def row(name, values, *found, direction="higher", unit=True):
    return MetricRow(name, direction, unit, values, (None, *found))


BETTER = Difference(0.012, 0.004, 0.02, "score", 0.003, 0.009, 0.011, "better")
DOUBTFUL = Difference(0.01, 0.001, 0.019, "bootstrap", 0.03, 0.12, 0.013)
NOTHING = Difference(-0.001, -0.008, 0.006, "score", 0.8, 0.8, 0.009)
WORSE = Difference(0.2136, 0.1105, 0.3208, "hall", 0.00004, 0.0002, 0.15, "worse")
TINY = Difference(0.00187, 0.00162, 0.00212, "score", 1e-40, 1e-39, 0.0003, "better")

PAIRED = Comparison(
    version="0.1.0",
    kind="paired",
    task="multiclass",
    n=1000,
    ignored=3,
    left_out=2,
    weighted=False,
    classes=("cat", "dog", *HOSTILE),
    positive=None,
    confidence=0.95,
    models=(Model("A", "old.csv", "pred", "labels"), Model("B", "new [1].csv", "p_*", "probs")),
    reference=0,
    metrics=(
        row("accuracy", (0.9, 0.912), BETTER),
        row("f1_macro", (0.88, 0.89), DOUBTFUL),
        row("mcc", (0.8, 0.799), NOTHING),
        row("recall[esc\x1b[31m]", (0.5, 0.50187), TINY),
        row("log_loss", (0.2375, 0.4511), WORSE, direction="lower", unit=False),
        row("precision[dog]", (None, 0.5), None),
        row("ece", (0.02, 0.03), None, direction="lower"),
    ),
    flips=(
        ClassFlips(None, 1000, 870, 42, 30, 8, 50),
        *(ClassFlips(name, 100 + i, 90, i, 2 * i, 1, 9 - i) for i, name in enumerate(("cat", "dog", *HOSTILE))),
    ),
    rows=(
        FlippedRow("broken", 3, "img_0003", None, 5, "cat", "cat", "esc\x1b[31m"),
        FlippedRow("fixed", 7, "=id()", None, 9, "dog", None, "dog"),
        FlippedRow("other", 12345, None, "part2.csv", None, "a|b", "cat", "dog"),
    ),
    findings=(Finding("left-out", "warning", "2 rows are left out of all", "find out why"),),
    gates=(
        Verdict("noninferior(accuracy)<0.005", "accuracy", 0.012, 0.005, "pass", "", 0.004, 0.02, 1000),
        Verdict(
            "equivalent(mcc)<0.005", "mcc", -0.001, 0.005, "inconclusive", "more rows would tell", -0.008, 0.006, 1000
        ),
    ),
    inputs=(InputRecord("old.csv", 100, "sha256:0"),),
)
FAR = BETTER._replace(value=-0.04, low=-0.05, high=-0.03, verdict="worse")
LOWER = WORSE._replace(value=-0.1, low=-0.2, high=-0.01, verdict="better")
FEWER = BETTER._replace(value=-44.4, low=-80.2, high=-8.6, method="hall", detectable=51.2)
NEARER = NOTHING._replace(value=-2e-5, low=-5e-5, high=1e-5, method="hall", detectable=4e-5)
LEAGUE = replace(
    PAIRED,
    kind="league",
    models=tuple(Model(name, f"{name}.pt", "", "logits") for name in "ABC"),
    reference=2,
    metrics=(
        MetricRow("accuracy", "higher", unit=True, values=(0.88, 0.91, 0.92), differences=(FAR, NOTHING, None)),
        MetricRow("log_loss", "lower", unit=False, values=(None, 0.3, 0.4), differences=(None, LOWER, None)),
    ),
    flips=(),
    rows=(),
    gates=(),
)
SAMPLES = replace(
    PAIRED,
    kind="independent",
    models=(Model("A", "train.pt", "", "logits", 800), Model("B", "test.pt", "", "logits", 200)),
    flips=(),
    rows=(),
    gates=(),
)
VALUES = replace(
    PAIRED,
    task="regression",
    classes=(),
    models=(Model("A", "old.csv", "pred", "values"), Model("B", "new\x1b.csv", "pred", "values")),
    metrics=(
        MetricRow("rmse", "lower", unit=False, values=(12345.6, 12301.2), differences=(None, FEWER)),
        MetricRow("r2", "higher", unit=False, values=(0.91, 0.92), differences=(None, NOTHING)),
        MetricRow("bias", "zero", unit=False, values=(-3e-5, 1e-5), differences=(None, NEARER)),
        MetricRow("spearman", "higher", unit=True, values=(0.9, 0.91), differences=(None, None)),
        MetricRow("mape", "lower", unit=False, values=(None, None), differences=(None, None)),
    ),
    flips=(),
    rows=(
        FlippedRow("broken", 3, "id_3", None, 5, "1234567.25", "1.5", "-2e-09"),
        FlippedRow("fixed", 7, "=id()", None, 9, "0.0", "nan", "1e+30"),
    ),
    gates=(Verdict("noninferior(rmse)<100.0", "rmse", -44.4, 100.0, "pass", "", -80.2, -8.6, 1000),),
)


def label_row(name, support):
    of = (("f1", (0.5, 0.512), BETTER), ("precision", (0.5, 0.4), FAR), ("recall", (None, 0.5), None))
    metrics = {
        base: MetricRow(f"{base}[{name}]", "higher", unit=True, values=v, differences=(None, d)) for base, v, d in of
    }
    return ClassRow(name, support, metrics)


LABELLED = replace(
    PAIRED,
    task="multilabel",
    metrics=(row("subset_accuracy", (0.9, 0.912), BETTER), row("f1_macro", (0.88, 0.89), DOUBTFUL)),
    per_class=tuple(label_row(name, 100 + i) for i, name in enumerate(("cat", "dog", *HOSTILE))),
    rows=(
        FlippedRow("broken", 3, "img_0003", None, 5, ("cat", "dog"), ("cat", "dog"), ("esc\x1b[31m", "dog")),
        FlippedRow("fixed", 7, "=id()", None, 9, (), ("dog",), ()),
        FlippedRow("fixed", 7, "=id()", None, 9, "0", "1", "0", "=cmd()"),
    ),
)


def slice_row(by, value, n, found, again=NOTHING):
    values = (0.9, 0.9 + (0.0 if found is None else found.value))
    metrics = (row("accuracy", values, found), row("f1_macro", (0.88, 0.879), again), row("mcc", (None, 0.5), None))
    return SliceRow(by, value, n, {each.name: each for each in metrics})


SLICED = replace(
    PAIRED,
    metrics=(
        row("accuracy", (0.9, 0.912), BETTER),
        row("f1_macro", (0.88, 0.89), DOUBTFUL),
        row("mcc", (None, 0.5), None),
    ),
    slices=(
        slice_row("region", "EU", 400, BETTER),
        slice_row("region", "US", 588, NOTHING, DOUBTFUL),
        slice_row("region", "[red]x[/red]|=\x1b[31m", 12, None),
        *(slice_row("day,=hour", f"{hour}\u202e", 80 + hour, NOTHING) for hour in range(12)),
    ),
)


def league_slice(by, value, n, reference, values, found):
    losses = MetricRow("log_loss", "lower", unit=False, values=(None, 0.3, 0.4), differences=(None, LOWER, None))
    accuracy = MetricRow("accuracy", "higher", unit=True, values=values, differences=found)
    return SliceRow(by, value, n, {"accuracy": accuracy, "log_loss": losses}, reference)


LEAGUES = replace(
    LEAGUE,
    slices=(
        league_slice("region", "AP", 100, 2, (0.8, 0.85, 0.9), (FAR, NOTHING, None)),
        league_slice("region", "EU", 400, 1, (0.88, 0.92, 0.88), (FAR, None, FAR)),
        league_slice("region", "[red]x[/red]|=\x1b[31m", 12, 0, (0.99, 0.5, 0.75), (None, None, None)),
        league_slice("region", "US", 488, 0, (0.921, 0.9, 0.92), (None, FAR, NOTHING)),
        *(league_slice("day,=hour", f"{h}\u202e", 80, 2, (0.8, 0.85, 0.9), (FAR, NOTHING, None)) for h in range(12)),
    ),
)
SHOWN = {
    "sliced": SLICED,
    "paired": PAIRED,
    "league": LEAGUE,
    "league-slices": LEAGUES,
    "samples": SAMPLES,
    "values": VALUES,
    "labels": LABELLED,
}
OVERLAP = Overlap(
    "0.1.0",
    "the id 'key'",
    ("train.csv", "test\x1b.csv"),
    (800, 200),
    (790, 200),
    (5, 4),
    (SharedRow(3, 0, "=x"), SharedRow(10, 1, "b\x1b")),
    (Finding("leakage", "warning", "4 of the 200 rows of B (2 %) are in A too", "leave them out"),),
)


def test_slices_of_time_are_in_its_order() -> None:
    months = ["2023-11", "2023-12", "2024-01"]
    of_two = [slice_row("at", month, 9, found) for month, found in zip(months, (BETTER, NOTHING, BETTER), strict=True)]
    of_more = [
        league_slice("at", month, 9, best, (0.8, 0.85, 0.9), (FAR, NOTHING, None))
        for month, best in zip(months, (0, 2, 1), strict=True)
    ]
    for one in (replace(SLICED, slices=tuple(of_two)), replace(LEAGUES, slices=tuple(of_more))):
        for text in (plain(one), render_comparison(one, "markdown"), render_comparison_fragment(one)):
            assert list(dict.fromkeys(re.findall("(?<!time, )202[34]-[01][0-9]", text))) == months
    assert "3 slices, in order of time, 2023-12 the worst for B" in plain(replace(SLICED, slices=tuple(of_two)))


@pytest.fixture(params=SHOWN)
def shown(request):
    return request.param, SHOWN[request.param]


@pytest.mark.parametrize("width", [80, 120, None])
def test_whole_screen(shown, golden, width) -> None:
    name, comparison = shown
    golden(f"compare.{name}.{width or 'pipe'}.txt", plain(comparison, width))


@pytest.mark.parametrize(("form", "suffix"), [("markdown", "md"), ("csv", "csv"), ("json", "json")])
def test_whole_files(shown, golden, form, suffix) -> None:
    name, comparison = shown
    text = render_comparison(comparison, form)
    golden(f"compare.{name}.{suffix}", text)
    assert not UNSAFE.search(text.replace("\n", ""))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_every_width_is_kept(shown, width) -> None:
    text = plain(replace(shown[1], gates=()), width)
    assert max(map(cell_len, text.split("\n"))) <= width
    assert not UNSAFE.search(text.replace("\n", "").replace("\u200e", ""))
    assert not re.search(r" \n", text)
    for metric in shown[1].metrics[:2]:
        for value in metric.values:
            assert ("–" if value is None else f"{value:,.0f}" if value > 1.0 else f"{value:.4f}") in text


def test_a_notebook_is_shown_inert_text(shown, golden) -> None:
    name, comparison = shown
    page = render_comparison_fragment(comparison)
    golden(f"compare.{name}.html", page + "\n")
    whole = render_comparison(comparison, "html")
    assert whole.startswith("<!doctype html>")
    assert all(part in whole for part in re.findall(r"<table>.*?</table>", page))
    assert not UNSAFE.search(page)
    assert not re.search(
        r"[{}`$]|<(?!/?(div|p|br|strong|table|caption|thead|tbody|tr|th|td|ul|li|details|summary)\b)", page
    )


def test_of_many_labels_those_that_differ_most_are_shown() -> None:
    rows = [label_row(f"label {i}", i) for i in range(25)]
    f1 = rows[24].metrics["f1"]._replace(values=(0.1, 0.9))
    rows[24] = rows[24]._replace(metrics={**rows[24].metrics, "f1": f1})
    text = plain(replace(LABELLED, per_class=tuple(rows)))
    assert "label 24" in text
    assert "label 23" not in text
    assert "5 more labels in the JSON" in text


def test_what_is_best_at_0_says_that_sizes_are_compared() -> None:
    said = "bias: the difference is |B| − |A|"
    assert said in plain(VALUES)
    assert said in render_comparison(VALUES, "markdown").replace("\\", "")
    assert said in render_comparison_fragment(VALUES)
    assert "the difference is" not in plain(PAIRED)


def test_what_was_not_tested_is_not_worse() -> None:
    assert [standing(LEAGUES.slices[2].metrics["accuracy"], place, 0) for place in range(3)] == ["*", "?", "?"]
    assert [standing(LEAGUE.metrics[1], place, 2) for place in range(3)] == [" ", "+", "*"]
    untested = replace(LEAGUE, metrics=(LEAGUE.metrics[0]._replace(differences=(None, None, None)),))
    assert "? not tested" in plain(untested)
    assert "? not tested" not in plain(LEAGUE)


def test_differences_in_words() -> None:
    said = {metric.name: in_words(PAIRED, metric) for metric in PAIRED.metrics}
    assert said["accuracy"] == "B is better: +1.2 points, 95 % 0.4 to 2.0"
    assert said["mcc"] == "no difference shown; this sample could show 0.9 points"
    assert said["f1_macro"] == (
        "no difference shown (p 0.030 alone, 0.120 among all that is compared); this sample could show 1.3 points"
    )
    assert said["log_loss"] == "B is worse: +0.2136, 95 % 0.1105 to 0.3208"
    assert said["recall[esc\x1b[31m]"] == "B is better: +0.187 points, 95 % 0.162 to 0.212"
    assert said["precision[dog]"] == "undefined for A"
    assert said["ece"] == "no test is known for it"


def test_json_comes_back(shown) -> None:
    text = render_comparison(shown[1], "json")
    assert Comparison.from_json_object(json.loads(text)) == shown[1]


def test_csv_has_one_header_and_no_formula(shown) -> None:
    rows = list(csv.DictReader(io.StringIO(render_comparison(shown[1], "csv"))))
    assert {line["table"] for line in rows} >= {"metric"}
    assert all(None not in line for line in rows)
    assert not any(cell.startswith(("=", "@", "+")) for line in rows for cell in line.values())


@pytest.mark.parametrize(
    ("form", "suffix"), [("rich", "txt"), ("markdown", "md"), ("csv", "csv"), ("json", "json"), ("html", "html")]
)
def test_overlap(golden, form, suffix) -> None:
    text = render_overlap(OVERLAP, form, 80)
    golden(f"overlap.{suffix}", text)
    assert not UNSAFE.search(text.replace("\n", ""))


def test_another_format_is_refused() -> None:
    with pytest.raises(UsageError, match="no format 'pdf'"):
        render_comparison(PAIRED, "pdf")
