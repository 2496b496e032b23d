"""A report survives being saved, and a damaged one is refused with its place."""

import json
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from evalcli.errors import InputError
from evalcli.renderers.json import render_json
from evalcli.report import ClassRow, Confusion, Finding, InputRecord, Report, Run, Value, Verdict
from evalcli.saved import parse_report

REPORT = Report(
    version="0.1.0",
    signature="task:binary|scores:probs",
    task="binary",
    scores="probs",
    n=10,
    ignored=1,
    weighted=True,
    classes=("no", "yes"),
    metrics={"accuracy": Value(0.9, 0.6, 0.98, "wilson"), "auroc": Value(None), "mcc": Value(1)}
    | {"brier": Value(0.25, certified=(0.2, 0.3)), "ece": Value(0.5, 0.4, 0.6, "bootstrap", (0.5, 0.75))},
    per_class=(
        ClassRow("no", 6, 5.5, {"precision": Value(1.0), "recall": Value(None)}),
        ClassRow("yes", 4, 4.5, {"precision": Value(0.1 + 0.2)}),
    ),
    confusion=Confusion(matrix=((5, 1), (0.5, 3.5))),
    undefined=("auroc",),
    findings=(Finding("code", "warning", "text", "fix"), Finding("code2", "info", "text")),
    gates=(Verdict("accuracy>=0.9", "accuracy", 0.9, 0.9, "pass"), Verdict("x>=1", "x", None, 1.0, "missing", "why")),
    inputs=(InputRecord("a.pt", 2**60, "sha256:0"),),
    positive="yes",
    threshold=0.5,
    averaged=2,
    run=Run(1.5, "numpy", "cpu", 2, 1024, "small"),
)


@pytest.mark.parametrize(
    "report",
    [
        REPORT,
        replace(REPORT, positive=None, threshold=None),
        replace(REPORT, threshold=None),
        replace(REPORT, confusion=Confusion(pairs=(("yes", "no", 3), ("no", "yes", 0.5)))),
        replace(REPORT, classes=(), confusion=Confusion(), per_class=(), metrics={}),
    ],
)
def test_M15_nothing_is_lost_but_how_it_ran(report: Report) -> None:
    assert Report.from_json_object(report.to_json_object()) == replace(report, run=None)
    text = render_json(report)
    assert parse_report(text) == replace(report, run=None)
    assert render_json(parse_report(text.encode())) == text


def test_intervals_are_left_out_while_there_are_none() -> None:
    metrics = REPORT.to_json_object()["metrics"]
    assert metrics["auroc"] == {"value": None}
    assert metrics["accuracy"] == {"value": 0.9, "low": 0.6, "high": 0.98, "method": "wilson"}
    assert metrics["brier"] == {"value": 0.25, "certified": [0.2, 0.3]}


def paths(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every member of the document, at any depth."""
    members = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in members for found in [(*place, key), *paths(value, (*place, key))]]


DOCUMENT = json.loads(render_json(REPORT))
OPTIONAL = {"low", "high", "method", "certified", "reason", "positive", "threshold", "matrix"}


@pytest.mark.parametrize("place", paths(DOCUMENT), ids=str)
def test_every_missing_or_mistyped_part_is_named(place: tuple[Any, ...]) -> None:
    for damage in ("remove", {"wrong": []}):
        data = json.loads(render_json(REPORT))
        holder = data
        for key in place[:-1]:
            holder = holder[key]
        if damage != "remove":
            if isinstance(holder[place[-1]], dict) and place[-2:-1] != ("per_class",) and place[0] == "metrics":
                continue  # another metric may stand there
            holder[place[-1]] = damage
        elif isinstance(holder, list) or place[-1] in OPTIONAL or place[0] == "metrics" or place[:1] == ("per_class",):
            continue  # a shorter list, or a metric that was not asked for, is still a report
        else:
            del holder[place[-1]]
        with pytest.raises(InputError) as caught:
            parse_report(json.dumps(data), "old.json")
        assert str(caught.value).startswith("old.json: ")
        named = [str(key) for key in place if isinstance(key, str)]
        assert any(key in str(caught.value) for key in named)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "the document is not an object"),
        (b"{}", "'schema' is None"),
        (b'{"schema": "evalcli.report/2"}', "'evalcli.report/2'"),
        (b'{"schema": "evalcli.report/1"}', "version is missing"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b"1" * 5000, "not JSON"),
        (render_json(REPORT).replace('"n": 10', '"n": true').encode(), "n is True, not a whole number"),
        (render_json(REPORT).replace('"n": 10', '"n": 1.5').encode(), "n is 1.5, not a whole number"),
        (render_json(REPORT).replace("0.98", "1e999").encode(), "metrics.accuracy.high is too large"),
        (render_json(REPORT).replace("[0.2, 0.3]", "[0.2]").encode(), "metrics.brier.certified has 1 parts, not 2"),
        (render_json(REPORT).replace("[0.2, 0.3]", "[0.3, 0.2]").encode(), "certified ends below its start"),
        (render_json(REPORT).replace("[0.2, 0.3]", '[0.2, "a"]').encode(), "certified is 'a', not a number"),
        (render_json(REPORT).replace("[5, 1]", "[5]").encode(), "confusion.matrix is not 2 by 2"),
        (render_json(REPORT).replace('"value": null', '"other": 1').encode(), "metrics.auroc.value is missing"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(content: bytes, what: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        parse_report(content, "old.json")
    assert what in str(caught.value)
    assert str(caught.value).startswith("old.json: ")


def test_keys_of_later_versions_are_passed_over() -> None:
    data = REPORT.to_json_object() | {"slices": []}
    assert Report.from_json_object(data) == replace(REPORT, run=None)


def test_what_is_infinite_stays_so() -> None:
    metrics = {"log_loss": Value(inf), "accuracy": Value(0.5)}
    report = replace(REPORT, metrics=metrics, run=None)
    text = render_json(report)
    assert json.loads(text)["metrics"]["log_loss"] == {"value": None, "infinite": "+"}
    assert parse_report(text).metrics["log_loss"].value == inf
    worst = replace(REPORT, metrics={"r2": Value(-inf)}, run=None)
    assert parse_report(render_json(worst)).metrics["r2"].value == -inf
