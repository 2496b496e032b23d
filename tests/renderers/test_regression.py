"""Reports on values in every format: kept pictures, every width, names and numbers of any kind."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from evalcli.renderers import render
from evalcli.renderers.csv import render_csv
from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.markdown import render_markdown
from evalcli.renderers.screen import Screen
from evalcli.renderers.sections import report_lines
from evalcli.renderers.terminal import plain
from evalcli.report import Finding, InputRecord, OutputRow, Report, Residuals, Run, SliceRow, Value, Verdict

METRICS = {
    "rmse": Value(54.1234567),
    "mae": Value(43.5),
    "r2": Value(0.4526),
    "medae": Value(37.25, certified=(37.2, 37.3)),
    "bias": Value(-0.000123456),
    "max_error": Value(1234567.0),
    "mse": Value(2929.348),
    "explained_variance": Value(0.99999),
    "pearson": Value(0.673),
    "spearman": Value(0.6512, certified=(0.6508, 0.6519)),
    "mape": Value(None),
    "smape": Value(0.25),
    "wape": Value(1.5e-7),
}
PERCENTS = (0, 5, 25, 50, 75, 95, 100)
EDGES = (-1171.5, -100.0, -50.0, 0.0, 50.0, 100.0, 1234567.0)


def residuals(output="0", scale=1.0):
    values = (-1171.5, -90.0, -40.0, -0.125, 38.5, 95.0, 1234567.0)
    quantiles = tuple((percent, Value(value * scale)) for percent, value in zip(PERCENTS, values, strict=True))
    return Residuals(output, -0.000123456, quantiles, tuple(edge * scale for edge in EDGES), (1, 12, 30, 33, 0, 5))


SINGLE = Report(
    version="0.1.0",
    signature="task:regression|scores:values|outputs:1|n:81",
    task="regression",
    scores="values",
    n=81,
    ignored=2,
    weighted=False,
    classes=(),
    metrics=METRICS,
    undefined=("mape",),
    findings=(Finding("zero-targets", "info", "3 targets are 0, so MAPE is undefined", "wape and smape are defined"),),
    gates=(
        Verdict("rmse<=54.12", "rmse", 54.1234567, 54.12, "fail", "54.1234567 > 54.12, shown as 54.12"),
        Verdict("wape<=2e-07", "wape", 1.5e-7, 2e-7, "pass"),
        Verdict("r2>=0.4", "r2", 0.4526, 0.4, "pass"),
    ),
    inputs=(InputRecord("p.npy", 1234, "sha256:00"), InputRecord("t.npy", 99, "sha256:11")),
    run=Run(0.021, "numpy", "cpu", 2, 131072),
    outputs=("0",),
    residuals=(residuals(),),
)


def several(names):
    rows = tuple(
        OutputRow(name, {metric: replace(value, certified=None) for metric, value in METRICS.items()}) for name in names
    )
    spread = tuple(residuals(name, 10.0**i) for i, name in enumerate(names))
    return replace(SINGLE, outputs=tuple(names), per_output=rows, residuals=spread)


def many(count):
    rows = tuple(OutputRow(f"y{i:03}", {"rmse": Value(float(i)), "r2": Value(1 - i / count)}) for i in range(count))
    return replace(
        SINGLE, outputs=tuple(row.name for row in rows), per_output=rows, residuals=(), findings=(), gates=()
    )


def sliced():
    """Slices of errors of any size, the worst of which has most of them, and one without rows that count."""
    rows = (
        ("EU", 120, Value(12.5, 11.9, 14.75, "hall"), Value(-0.25), Value(0.99999)),
        ("US", 7000, Value(123456.7, 123000.0, 123913.4, "hall"), Value(50.0), Value(-3.5)),
        ("日本", 3, Value(None), Value(None), Value(None)),
    )
    found = [
        SliceRow("region", name, n, {"rmse": rmse, "mae": Value(1.5e-7), "r2": r2, "bias": bias, "MyOwn": Value(2.0)})
        for name, n, rmse, bias, r2 in rows
    ]
    return replace(SINGLE, slices=tuple(found), gates=(), residuals=())


SCREENS = {
    "values": SINGLE,
    "values_sliced": sliced(),
    "outputs": several(("price", "area", "日本語の出力")),
    "manyoutputs": many(150),
    "narrowed": replace(SINGLE, metrics={"rmse": Value(0.5)}, residuals=(), findings=(), gates=(), undefined=()),
}
each_screen = pytest.mark.parametrize("name", SCREENS)


@each_screen
@pytest.mark.parametrize("width", [40, 80, 120, None])
def test_whole_screen(name, width, golden) -> None:
    golden(f"{name}.{width or 'pipe'}.txt", plain(SCREENS[name], width))


@each_screen
def test_whole_markdown(name, golden) -> None:
    golden(f"{name}.md", render_markdown(SCREENS[name]))


def test_a_page_has_every_output(golden) -> None:
    golden("outputs.html", render(SCREENS["outputs"], "html"))


@pytest.mark.parametrize("name", ["values", "values_sliced", "outputs"])
def test_whole_tables_and_documents(name, golden) -> None:
    golden(f"{name}.csv", render_csv(SCREENS[name]))
    golden(f"{name}.json", render(SCREENS[name], "json"))


@each_screen
@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_X09_every_width_is_kept(name, width) -> None:
    text = plain(SCREENS[name], width)
    assert max(map(cell_len, text.split("\n"))) <= width
    assert not re.search(r"[ \t]\n", text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_O07_a_stream_without_blocks_gets_plain_characters(encoding) -> None:
    text = "\n".join(line.plain for line in report_lines(SINGLE, Screen(80, encoding)))
    text.encode(encoding)
    assert "##" in text
    assert "█" not in text


def test_no_number_is_lost_to_rounding() -> None:
    text = plain(SINGLE, 100)
    for shown in ("54.12", "37.25 ± 0.05", "-0.0001235", "1,234,567", "0.99999", "0.6512 ± 0.0007", "1.500e-07", "–"):
        assert shown in text
    assert "0.0000" not in text


def test_the_histogram_is_left_out_where_there_is_nothing_to_draw() -> None:
    one = replace(residuals(), edges=(1.0, 1.0), counts=(81,))
    text = plain(replace(SINGLE, residuals=(one,)), 80)
    assert "█" not in text
    assert "median" in text


def test_weights_have_a_histogram_too() -> None:
    weighted = replace(residuals(), counts=(0.5, 1.25, 0.0, 3.0, 0.001, 2.0))
    text = plain(replace(SINGLE, weighted=True, residuals=(weighted,)), 80)
    assert "█" in text
    assert "weighted" in text


@given(names=st.lists(st.text(st.characters(), max_size=70), min_size=2, max_size=4, unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_O05_any_name_of_an_output_is_harmless_in_every_format(names) -> None:
    report = several(names)
    for width in (40, 100, None):
        assert not UNSAFE.search(plain(report, width).replace("\n", "").replace("\u200e", ""))
    table = render_csv(report)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert not UNSAFE.search(table.replace("\n", ""))
    assert len({row["class"] for row in rows if row["table"] == "output"}) <= len(names)
    lines = render_markdown(report).split("## Outputs")[1].split("## Errors")[0].strip().split("\n")
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert json.loads(render(report, "json"))["outputs"] == [
        name.encode("utf-8", "replace").decode() for name in names
    ] or any("\ud800" <= char <= "\udfff" for name in names for char in name)


def test_the_worst_of_very_many_outputs_stand_on_screen() -> None:
    text = plain(many(150), 80)
    assert "Worst of 150 outputs" in text
    assert "y149" in text
    assert "y100" not in text
    assert "150 outputs" in text


def test_asked_metrics_make_the_columns_of_the_outputs() -> None:
    report = replace(several(("a", "b")), asked=("mape", "pearson"))
    text = plain(report, 100)
    assert re.search(r"\n +MAPE +Pearson\n  a +– +0\.6730\n", text)
