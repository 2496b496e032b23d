"""The tidy table."""

import csv
import io
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalcli.renderers.csv import COLUMNS, render_csv
from evalcli.renderers.escape import UNSAFE, spreadsheet
from evalcli.report import Value


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_whole_table(shown, golden) -> None:
    name, report = shown
    if name in {"spam", "nasty", "weighted", "intervals", "scored", "sliced", "searched", "found_nothing"}:
        golden(f"{name}.csv", render_csv(report))


def test_every_number_is_there_unrounded(shown) -> None:
    _, report = shown
    rows = parsed(render_csv(report))
    overall = {row["metric"]: row["value"] for row in rows if row["table"] == "overall"}
    for name, value in report.metrics.items():
        assert overall[name] == ("" if value.value is None else repr(value.value))
    counts = [row for row in rows if row["table"] == "confusion"]
    if report.confusion.matrix:
        assert [float(row["value"]) for row in counts] == [x for line in report.confusion.matrix for x in line]
    else:
        assert len(counts) == len(report.confusion.pairs)


@given(names=st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=5, unique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_O11_any_name_is_one_harmless_cell(make, names: list[str]) -> None:
    text = render_csv(make([[1] * len(names)] * len(names), names))
    rows = parsed(text)
    assert [row["class"] for row in rows if row["metric"] == "support"] == [spreadsheet(name) for name in names]
    assert text.count("\n") == len(rows) + 1
    assert all(list(row) == list(COLUMNS) and None not in row.values() for row in rows)
    assert not UNSAFE.search(text.replace("\n", ""))


def test_certified_ends_have_columns_of_their_own(make) -> None:
    report = replace(make([[1, 0], [0, 1]]), metrics={"auroc": Value(0.75, certified=(0.7, 0.8)), "ks": Value(None)})
    rows = {row["metric"]: row for row in parsed(render_csv(report)) if row["table"] == "overall"}
    assert (rows["auroc"]["certified_low"], rows["auroc"]["certified_high"]) == ("0.7", "0.8")
    assert (rows["auroc"]["low"], rows["ks"]["certified_low"]) == ("", "")


def test_plain_names_are_exact(make) -> None:
    names = ["cat", "a,b", 'say "hi"', "007", "NA", "日本"]
    rows = parsed(render_csv(make([[1] * 6] * 6, names)))
    assert [row["class"] for row in rows if row["metric"] == "support"] == names
