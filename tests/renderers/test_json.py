"""The machine format: strict, exact, one document."""

import json
import math
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evalcli.renderers.escape import UNSAFE
from evalcli.renderers.json import render_json
from evalcli.report import SCHEMA, Value
from evalcli.saved import parse_report


def strict(text: str) -> Any:
    def reject(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=reject)


def test_whole_document(shown, golden) -> None:
    name, report = shown
    if name != "thousand":
        golden(f"{name}.json", render_json(report))


def test_M15_saved_and_read_again_is_the_same_bytes(shown) -> None:
    _, report = shown
    text = render_json(report)
    again = parse_report(text)
    assert again == replace(report, run=None)
    assert render_json(again) == text


def test_layout_does_not_change_the_data(shown) -> None:
    _, report = shown
    assert strict(render_json(report)) == report.to_json_object()


NAMES = st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=6, unique=True)


@given(names=NAMES)
@example(names=["\ud800", "\udc00", "\x7f\u2028", "a\\u0041", "\U000e0041"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_survives_and_nothing_raw_is_written(make, names: list[str]) -> None:
    report = make([[1] * len(names)] * len(names), names)
    text = render_json(report)
    assert parse_report(text).classes == tuple(names)
    assert not UNSAFE.search(text.replace("\n", ""))
    assert parse_report(text.encode()).per_class == report.per_class


def test_O15_undefined_is_null_and_classes_are_no_keys(make) -> None:
    report = make(
        [[1, 0], [0, 0]], ["1", "value"], metrics={"a": Value(None), "b": Value(math.inf), "c": Value(math.nan)}
    )
    data = strict(render_json(report))
    assert data["metrics"] == {"a": {"value": None}, "b": {"value": None, "infinite": "+"}, "c": {"value": None}}
    assert [row["class"] for row in data["per_class"]] == ["1", "value"]


def test_X10_one_document_with_a_newline_at_its_end(shown) -> None:
    text = render_json(shown[1])
    data, end = json.JSONDecoder().raw_decode(text)
    assert data["schema"] == SCHEMA
    assert text[end:] == "\n"


def test_keys_stand_in_the_documented_order(shown) -> None:
    name, report = shown
    binary = ["positive", "threshold"] if name == "spam" else []
    scored = ["calibration", "coverage"] if name == "scored" else []
    assert list(strict(render_json(report))) == [
        *("schema", "version", "signature", "task", "scores", "n", "ignored", "weighted", "classes", "averaged"),
        *binary,
        *("metrics", "per_class", "confusion"),
        *scored,
        *("undefined", "findings", "gates"),
        *(["slices"] if name == "sliced" else []),
        *(["scan"] if name in {"searched", "found_nothing"} else []),
        "inputs",
    ]


def test_how_it_ran_leaves_no_trace(make) -> None:
    report = make([[1, 2], [3, 4]])
    assert render_json(report) == render_json(replace(report, run=None))


def test_a_row_of_the_matrix_is_a_line(make) -> None:
    size = 60
    text = render_json(make([[1000 + j for j in range(size)] for _ in range(size)]))
    row = ", ".join(str(1000 + j) for j in range(size))
    assert text.count(f"[{row}]") == size


def test_numbers_are_unrounded(make) -> None:
    assert '{"value": 0.30000000000000004}' in render_json(make([[1]], metrics={"m": Value(0.1 + 0.2)}))
