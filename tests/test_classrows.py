"""Rows of classes that are held by column."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from evalcli.classrows import ClassRows, Values, metrics, names, predictions, supports, values
from evalcli.renderers import RENDERERS, pieces
from evalcli.report import ClassRow, Report, Value

SMALL = 1.2345678901234567e-05
NUMBER = st.one_of(st.sampled_from([math.nan, math.inf, SMALL]), st.floats(0, 1))
ROWS = st.lists(st.tuples(st.text(max_size=5), st.integers(0, 9), st.integers(0, 9), NUMBER, NUMBER), max_size=9)


def both(rows: list[tuple[str, int, int, float, float]]) -> tuple[ClassRows, tuple[ClassRow, ...]]:
    """The same rows held by column, and as objects that are written out here."""
    called, support, predicted, recall, low = zip(*rows, strict=True) if rows else ((),) * 5
    columns = {
        "recall": Values(np.array(recall, float), np.array(low, float), np.array(low, float) + 1, "bootstrap"),
        "f1": [Value(None)] * len(rows),
        "auroc": Values(np.array(recall, float)),
    }
    held = ClassRows(tuple(called), np.array(support, int), np.array(predicted, int), columns)
    plain = []
    for name, rows_of, said, value, start in rows:
        measured = Value(value) if math.isnan(start) else Value(value, start, start + 1, "bootstrap")
        recalled = Value(None) if math.isnan(value) else measured
        alone = Value(None) if math.isnan(value) else Value(value)
        plain.append(ClassRow(name, rows_of, said, {"recall": recalled, "f1": Value(None), "auroc": alone}))
    return held, tuple(plain)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine it is
@given(ROWS)
def test_rows_equal_those_that_were_made_beforehand(rows: list[tuple[str, int, int, float, float]]) -> None:
    held, plain = both(rows)
    assert (held, len(held), tuple(held), held[1:3]) == (plain, len(plain), plain, plain[1:3])
    assert plain == held
    assert held != (*plain, ClassRow("more", 0, 0, {}))
    assert held.undefined == [f"{k}[{row.name}]" for row in plain for k, v in row.metrics.items() if v.value is None]
    assert all(held[-place] == plain[-place] for place in range(1, len(plain) + 1))


def test_a_row_that_is_not_there_is_an_error() -> None:
    held, _ = both([("a", 1, 1, 0.5, 0.1)])
    with pytest.raises(IndexError):
        held[1]


@settings(max_examples=30, deadline=None)
@example([("too long for a line", 1, 1, SMALL, SMALL), ("in parts", 9, 9, 0.5, math.nan)], 1)
@given(ROWS, st.sampled_from([1, 60, 512, 513, 700, 5000]))
def test_every_format_writes_the_same_of_both(rows: list[tuple[str, int, int, float, float]], copies: int) -> None:
    held, plain = both(rows[:3] * (copies if len(rows) < 3 else 1))
    classes = tuple(row.name for row in plain)
    report = Report("1", "s", "multiclass", "labels", 3, 0, weighted=False, classes=classes, metrics={}, per_class=held)
    other = replace(report, per_class=plain)
    text = "".join(pieces(report, "json"))
    assert text == "".join(pieces(other, "json")) == RENDERERS["json"](other)
    assert json.loads(text) == json.loads(json.dumps(other.to_json_object()))
    assert RENDERERS["csv"](report) == RENDERERS["csv"](other)


@given(ROWS)
def test_columns_are_those_of_the_rows(rows: list[tuple[str, int, int, float, float]]) -> None:
    for some in both(rows):
        assert [*names(some)] == [row[0] for row in rows]
        assert (supports(some), predictions(some)) == ([row[1] for row in rows], [row[2] for row in rows])
        assert values(some, "recall") == [None if math.isnan(row[3]) else row[3] for row in rows]
        assert values(some, "f1") == values(some, "none") == [None] * len(rows)
        assert metrics(some) == {"recall", "f1", "auroc"} or not rows
