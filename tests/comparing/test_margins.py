"""Margins of non-inferiority and equivalence: what passes, what fails, and what the rows cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evalcli.comparing.data import Comparison, Difference, MetricRow, Model
from evalcli.comparing.margins import judge, parse_margin, parse_margins
from evalcli.errors import ExitCode, UsageError
from evalcli.gates import exit_code


def comparison(low, high, *, name="accuracy", direction="higher", base=0.8, kind="paired"):
    value = (low + high) / 2
    found = Difference(value, low, high, "score", 0.5, 0.5, 0.01)
    return Comparison(
        version="0",
        kind=kind,
        task="binary",
        n=100,
        ignored=0,
        left_out=0,
        weighted=False,
        classes=("a", "b"),
        positive=None,
        confidence=0.95,
        models=(Model("A", "a", "", "labels"), Model("B", "b", "", "labels")),
        reference=0,
        metrics=(MetricRow(name, direction, unit=True, values=(base, base + value), differences=(None, found)),),
    )


@pytest.mark.parametrize(
    ("low", "high", "noninferior", "equivalent"),
    [
        (0.001, 0.009, "pass", "pass"),
        (-0.009, 0.001, "pass", "pass"),
        (-0.011, 0.001, "inconclusive", "inconclusive"),
        (-0.01, 0.001, "inconclusive", "inconclusive"),
        (-0.03, -0.02, "fail", "fail"),
        (0.02, 0.03, "pass", "fail"),
        (0.005, 0.03, "pass", "inconclusive"),
    ],
)
def test_verdicts_follow_the_interval(low: float, high: float, noninferior: str, equivalent: str) -> None:
    margins = parse_margins(["accuracy=1pp"], ["accuracy=0.01"])
    verdicts = judge(comparison(low, high), margins)
    assert [verdict.status for verdict in verdicts] == [noninferior, equivalent]
    assert verdicts[0].low == low
    assert verdicts[0].bound == 0.01


@pytest.mark.parametrize(
    ("low", "high", "margin", "told"),
    [
        (-0.011, 0.001, "noninferior(accuracy)<1pp", "across the margin: about 300 rows would tell"),
        (
            -0.015,
            0.001,
            "noninferior(accuracy)<0.65pp",
            "the value lies beyond the margin, its interval on both",
        ),
        (-0.02, 0.0, "noninferior(accuracy)<1pp", "no number of rows would tell"),
        (-0.02, 0.02, "equivalent(accuracy)<1pp", "across the margin: about 1,100 rows would tell"),
        (-0.015, 0.001, "equivalent(accuracy)<1pp", "across the margin: about 1,500 rows would tell"),
        (0.005, 0.03, "equivalent(accuracy)<1pp", "its interval on both sides: about 570 rows would tell"),
        (-0.02, 0.0, "equivalent(accuracy)<1pp", "no number of rows would tell"),
        (-0.01, 0.01, "noninferior(accuracy)<2%", "no number of rows would tell"),
    ],
)
def test_it_is_told_how_many_rows_would_decide(low: float, high: float, margin: str, told: str) -> None:
    one = comparison(low, high, base=0.0 if "%" in margin else 0.8)
    (verdict,) = judge(one, [parse_margin(margin)])
    assert verdict.status == "inconclusive"
    assert told in verdict.reason
    (verdict,) = judge(replace(one, kind="independent"), [parse_margin(margin)])
    assert verdict.reason.endswith("counted in both samples") == ("about" in verdict.reason)


def test_of_a_loss_more_is_worse() -> None:
    (margin,) = parse_margins(["log_loss=0.01"])
    of = {"name": "log_loss", "direction": "lower"}
    assert judge(comparison(-0.5, 0.009, **of), [margin])[0].status == "pass"
    assert judge(comparison(-0.5, 0.02, **of), [margin])[0].status == "inconclusive"
    assert judge(comparison(0.01, 0.02, **of), [margin])[0].status == "fail"


def test_a_percentage_is_of_the_first_model() -> None:
    (margin,) = parse_margins(["accuracy=2%"])
    verdict = judge(comparison(-0.0159, 0.0, base=0.8), [margin])[0]
    assert verdict.bound == pytest.approx(0.016)
    assert verdict.status == "pass"
    assert judge(comparison(-0.0161, 0.0, base=0.8), [margin])[0].status == "inconclusive"


def test_what_was_not_compared_is_no_verdict() -> None:
    (verdict,) = judge(comparison(-0.1, 0.1), parse_margins(["mcc=0.1"]))
    assert verdict.status == "missing"
    assert exit_code([verdict]) is ExitCode.NO_VERDICT
    undefined = MetricRow("accuracy", "higher", unit=True, values=(None, 0.5), differences=(None, None))
    (verdict,) = judge(replace(comparison(0, 0), metrics=(undefined,)), parse_margins(["accuracy=0.1"]))
    assert verdict.status == "undefined"
    assert exit_code([verdict]) is ExitCode.FAIL


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((), ExitCode.PASS),
        (("pass",), ExitCode.PASS),
        (("pass", "inconclusive"), ExitCode.INCONCLUSIVE),
        (("fail", "inconclusive"), ExitCode.FAIL),
        (("fail", "inconclusive", "missing"), ExitCode.NO_VERDICT),
    ],
)
def test_exit_codes(statuses, code) -> None:
    from evalcli.report import Verdict

    assert exit_code(Verdict("r", "accuracy", 0.0, 0.0, status) for status in statuses) is code


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("accuracy", "is not NAME=AMOUNT"),
        ("accuracy=0", "a margin is more than 0"),
        ("accuracy=-1pp", "a margin is more than 0"),
        ("accuracy=x", "is not an amount"),
        ("nonsense=0.1", "names no metric"),
        ("accuracy=30", "so no drop can be 30"),
        (
            "rmse=0.5pp",
            "rmse is no share, and has no percentage points; write the number itself, as in rmse=0.5, or 0.5%",
        ),
        ("mae[price]=1pp", "has no percentage points"),
    ],
)
def test_what_is_no_margin_is_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        parse_margins([text])


def test_a_league_has_no_margins() -> None:
    two = comparison(0, 0.1, kind="league")
    with pytest.raises(UsageError, match="about two models"):
        judge(replace(two, models=(*two.models, two.models[0])), parse_margins(["accuracy=1pp"]))
