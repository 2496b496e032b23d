"""The grammar of --define: what it accepts, what it refuses, and that nothing in it is executed."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalcli.definitions import with_definitions
from evalcli.errors import UsageError
from evalcli.expressions import (
    Call,
    Name,
    evaluated,
    needed,
    parse_definitions,
    parse_expression,
)
from evalcli.report import Value

VALUES = {"a": 3.0, "b": 2.0, "recall[x + y]": 0.5, "fbeta0.5_macro": 0.25, "recall[a[0]]": 0.75, "zero": 0.0}


def worth(text, values=VALUES):
    return evaluated(parse_expression(text).tree, lambda name: Value(values[name])).value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("a", 3),
        ("a + b * 2", 7),
        ("(a + b) * 2", 10),
        ("a - b - 1", 0),
        ("a / b / 2", 0.75),
        ("-a ** 2", -9),
        ("2 ** 3 ** 2", 512),
        ("2 ** -1", 0.5),
        ("--a", 3),
        ("+a", 3),
        ("1e1 + .5 + 2.", 12.5),
        ("max(a, b, 1) - min(a, b)", 1),
        ("abs(b - a)", 1),
        ("sqrt(4) + log(1)", 2),
        ("recall[x + y] * 2", 1),
        ("recall[a[0]]", 0.75),
        ("fbeta0.5_macro", 0.25),
        ("  a\n+\tb ", 5),
        ("a*-b", -6),
    ],
)
def test_values(text, value):
    assert worth(text) == value


@pytest.mark.parametrize(
    "text", ["a / zero", "log(zero)", "log(-1)", "sqrt(-1)", "(-1) ** 0.5", "10 ** 400", "zero ** -1"]
)
def test_what_is_no_number_is_undefined(text):
    assert worth(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a +", "+", "(a", "a)", "a b", "1 2", "a ^ b", "a % b", "a // b", "a == b", "a = b", "a; b", "a.b()",
        "f(a)", "max(a)", "sqrt(a, b)", "max", "log", "a[", "a[b", "'a'", '"a"', "lambda: a", "a if b else 1",
        "[a]", "{a}", "a, b",
        "__import__('os')", "().__class__", "a @ b", "a & b", "~a", "not a", "1j", "1e999", "a\x00b", "()",
        "max()", "max(,)",
    ],
)  # fmt: skip
def test_everything_else_is_refused(text):
    with pytest.raises(UsageError):
        worth(text)


def test_depth_and_length_are_bounded():
    for text in ("(" * 5000 + "1" + ")" * 5000, "-" * 4000 + "1", "2" + "**2" * 1300, "1+" * 5000 + "1", "max(" * 900):
        with pytest.raises(UsageError):
            parse_expression(text)
    assert worth("1+" * 200 + "1") == 201
    assert worth("(" * 60 + "1" + ")" * 60) == 1


def trees():
    leaves = st.one_of(st.floats(0, 9).map(lambda x: round(x, 2)), st.sampled_from(["a", "b"]).map(Name))
    return st.recursive(
        leaves,
        lambda inner: st.tuples(st.sampled_from("+-*/"), st.tuples(inner, inner)).map(lambda x: Call(*x)),
        max_leaves=12,
    )


def spelled(tree):
    if isinstance(tree, Name):
        return tree.text
    if isinstance(tree, Call):
        return f"({spelled(tree.parts[0])} {tree.operation} {spelled(tree.parts[1])})"
    return repr(tree)


@given(trees())
def test_what_is_written_out_is_read_back(tree):
    assert parse_expression(spelled(tree)).tree == tree
    try:
        expected = eval(spelled(tree), {"a": 3.0, "b": 2.0})
    except (ZeroDivisionError, OverflowError):
        expected = math.nan
    found = worth(spelled(tree))
    assert found == expected or (found is None and not math.isfinite(expected))


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_a_usage_error(text):
    with suppress(UsageError):
        parse_expression(text)


def test_certified_operands_give_certain_intervals():
    held = {"a": Value(0.5, certified=(0.4, 0.6)), "b": Value(2.0), "c": Value(0.0, certified=(-0.1, 0.1))}

    def span(text):
        return evaluated(parse_expression(text).tree, held.__getitem__)

    assert span("b").certified is None
    low, high = span("b - a").certified
    assert (low, high) == (1.4, 1.6)
    assert span("abs(c)").certified == (0.0, 0.1)
    assert span("a * c").certified == pytest.approx((-0.06, 0.06))
    assert span("b / c").value is None  # the divisor may be 0
    assert span("c ** 2").value is None
    assert span("max(a, 0.55)").certified == (0.55, 0.6)


def test_definitions():
    first, second = parse_definitions(["gap = recall[a] - recall[b]", "half=gap/2"])
    assert first.expression.names == ("recall[a]", "recall[b]")
    assert needed((first, second)) == ("recall[a]", "recall[b]")
    assert needed(parse_definitions(["x = Own + accuracy"]), {"Own"}) == ("accuracy",)
    for texts in (
        ["x"],
        ["x == 1"],
        ["1x = 2"],
        ["accuracy = 1"],
        ["max = 1"],
        ["x = 1", "x = 2"],
        ["x-y = 1"],
        ["= 1"],
    ):
        with pytest.raises(UsageError):
            parse_definitions(texts)
    for name in ("n", "ignored"):  # there would be two rows of this name in a CSV
        with pytest.raises(UsageError, match=f"--define {name}: tables call a number of rows so"):
            parse_definitions([f"{name} = accuracy"])
    with pytest.raises(UsageError, match="names no metric"):
        needed(parse_definitions(["b = gap", "gap = 1"]))
    with pytest.raises(UsageError, match="names no metric"):
        needed(parse_definitions(["x = x + 1"]), {"x"})


def test_a_report_with_definitions_says_how():
    import evalcli

    report = evalcli.evaluate([0, 1, 1, 2], [0, 1, 2, 2], define={"gap": "recall[1] -\n recall[2]", "none": "gap / 0"})
    assert report["gap"] == 0.5
    assert report.data.metrics["none"].value is None
    assert "none" in report.data.undefined
    assert "|gap:recall[1] - recall[2]|none:gap / 0" in report.data.signature
    assert report.check("gap<=0.5", "gap>=-3").passed
    assert "gap" in str(report)
    again = evalcli.Report.from_json(report.to_json())
    assert again.check("gap<=0.5").passed
    with pytest.raises(UsageError, match="no class '9'"):
        evalcli.evaluate([0, 1, 1, 2], [0, 1, 2, 2], define={"gap": "recall[9]"})
    assert with_definitions(report, ()) is report


def test_an_expression_with_a_slice_in_it_is_told_that_it_has_slices_of_its_own():
    with pytest.raises(UsageError, match="an expression reads no slices; define it of all rows"):
        parse_expression("accuracy@region=EU - accuracy")
