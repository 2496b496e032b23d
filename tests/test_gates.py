"""Rules and verdicts."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.errors import ExitCode, InputError, UsageError
from evalcli.gates import exit_code, judge
from evalcli.report import ClassRow, Report, SliceRow, Value, Verdict
from evalcli.rules import Rule, metrics_of, override, parse_rules, plain_rules

if TYPE_CHECKING:
    from collections.abc import Sequence


def a_report(task: str = "multiclass", classes: Sequence[str] = ("cat", "dog"), **values: float | None) -> Report:
    rows = tuple(ClassRow(name, 1, 1, {"recall": Value(0.75), "precision": Value(None)}) for name in classes)
    metrics = {name: Value(value) for name, value in values.items()}
    positive = classes[-1] if task == "binary" else None
    return Report(
        version="0.1.0",
        signature="",
        task=task,
        scores="labels",
        n=4,
        ignored=0,
        weighted=False,
        classes=tuple(classes),
        metrics=metrics,
        per_class=rows,
        positive=positive,
    )


def statuses(report: Report, rules: tuple[Rule, ...], baseline: Report | None = None) -> list[str]:
    return [verdict.status for verdict in judge(report, rules, baseline)]


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [
        ("accuracy=0.9", None, "pass"),  # exactly on the bound
        ("accuracy=0.9000000000000001", None, "fail"),
        (None, "accuracy=0.9", "pass"),
        (None, "accuracy=0.8999999999999999", "fail"),
        ("accuracy=0", None, "pass"),
        ("accuracy=1", None, "fail"),
        ("recall[cat]=0.75", None, "pass"),
        ("recall[cat]=0.76", None, "fail"),
        ("precision[cat]=0", None, "undefined"),
        (None, "precision[cat]=1", "undefined"),
        ("recall[bird]=0", None, "missing"),
        ("kappa=-1", None, "missing"),
        ("recall=0", None, "missing"),  # not one number in a multiclass task
        ("accuracy@region=EU=0.5", None, "missing"),
    ],
)
def test_a_rule_gets_its_status(minimum: str | None, maximum: str | None, expected: str) -> None:
    rules = parse_rules([minimum] if minimum else [], [maximum] if maximum else [])
    assert statuses(a_report(accuracy=0.9), rules) == [expected]


CERTIFIED = Value(0.75, certified=(0.7, 0.8))


@pytest.mark.parametrize(
    ("minimum", "maximum", "expected"),
    [
        ("auroc=0.7", None, "pass"),
        ("auroc=0.72", None, "fail"),  # it may be 0.7
        ("auroc=0.9", None, "fail"),
        (None, "auroc=0.8", "pass"),
        (None, "auroc=0.79", "fail"),
    ],
)
def test_a_certified_value_passes_only_as_a_whole(minimum: str | None, maximum: str | None, expected: str) -> None:
    report = replace(a_report("binary"), metrics={"auroc": CERTIFIED})
    verdict = judge(report, parse_rules(filter(None, [minimum]), filter(None, [maximum])))[0]
    assert (verdict.status, verdict.value) == (expected, 0.75)
    uncertain = expected == "fail" and verdict.bound != 0.9
    assert ("only certain to lie in 0.7 … 0.8" in verdict.reason) == uncertain


def test_a_drop_is_counted_between_the_worse_ends() -> None:
    report = replace(a_report("binary"), metrics={"auroc": CERTIFIED, "ece": CERTIFIED})
    rules = parse_rules(drops=["auroc=0.1", "ece=0.1", "auroc=0.09"])
    verdicts = judge(report, rules, report)
    assert [verdict.status for verdict in verdicts] == ["pass", "pass", "fail"]
    assert [verdict.value for verdict in verdicts] == [pytest.approx(0.1)] * 3


def test_an_infinite_loss_fails_and_has_no_difference() -> None:
    report = a_report("binary", log_loss=float("inf"))
    before = a_report("binary", log_loss=0.5)
    assert statuses(report, parse_rules(maximum=["log_loss=3"])) == ["fail"]
    for now, old in ((report, before), (before, report), (report, report)):
        assert statuses(now, parse_rules(drops=["log_loss=0.1"]), old) == ["undefined"]


def test_metrics_of_scores_are_missing_where_there_are_labels() -> None:
    verdict = judge(a_report("binary"), parse_rules(["auroc=0.5"]))[0]
    assert (verdict.status, verdict.reason) == ("missing", "it needs scores, and the predictions are labels")


@pytest.mark.parametrize("slices", ["region=EU", "region=*", "region:gap"])
def test_what_no_report_can_have_is_not_asked_for_again_in_slices(slices: str) -> None:
    report = replace(a_report(), slices=(SliceRow("region", "EU", 4, {"accuracy": Value(0.5)}),))
    for metric in ("precision", "auroc_macro"):
        of_all, sliced = judge(report, parse_rules([f"{metric}=0.5", f"{metric}@{slices}=0.5"]))
        assert (sliced.status, sliced.reason) == ("missing", of_all.reason)
        assert "report again" not in sliced.reason


def test_class_names_may_hold_equals_signs_and_brackets() -> None:
    rules = parse_rules(["recall[a=b]=0.7", "recall[x]y]=0.7"])
    assert [rule.metric for rule in rules] == ["recall[a=b]", "recall[x]y]"]
    assert statuses(a_report(classes=("a=b", "x]y")), rules) == ["pass", "pass"]


def test_N19_a_gate_compares_in_float64() -> None:
    # float32(0.9) is less than 0.9: nine of ten must pass all the same, and the next double below must not.
    assert statuses(a_report(accuracy=9 / 10), parse_rules(["accuracy=0.9"])) == ["pass"]
    assert statuses(a_report(accuracy=0.8999999761581421), parse_rules(["accuracy=0.9"])) == ["fail"]


def test_N19_the_reason_shows_the_digits_that_rounding_hides() -> None:
    (verdict,) = judge(a_report(accuracy=0.89995), parse_rules(["accuracy=0.9"]))
    assert verdict.reason == "0.89995 < 0.9, shown as 0.9000"
    (verdict,) = judge(a_report(accuracy=0.5), parse_rules(["accuracy=0.9"]))
    assert verdict.reason == "0.5000 < 0.9"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accuracy=90", "accuracy lies in 0…1, so 90 bounds nothing; did you mean 0.90?"),
        ("accuracy=99.5", "did you mean 0.995?"),
        ("accuracy=1.5", "change the bound"),
        ("accuracy=900", "change the bound"),
        ("accuracy=-0.1", "accuracy lies in 0…1"),
        ("mcc=-2", "mcc lies in -1…1"),
        ("accuracy=nan", "'nan' is not a number"),
        ("accuracy=inf", "'inf' is not a number"),
        ("accuracy=1e999", "not a finite number"),
        ("accuracy=0_9", "'0_9' is not a number"),
        ("accuracy=٣", "is not a number"),
        ("accuracy=", "is not NAME=NUMBER"),
        ("accuracy", "is not NAME=NUMBER"),
        ("=0.9", "is not NAME=NUMBER"),
        ("", "is not NAME=NUMBER"),
        ("accuracy>=0.9", "'accuracy>=0.9' is not NAME=NUMBER"),
        ("acuracy=0.9", "names no metric"),
        ("accuracy[cat]=0.9", "one number over all classes"),
    ],
)
def test_a_bound_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rules([text])
    assert words in str(caught.value)
    with pytest.raises(UsageError):
        parse_rules([], [text])


def test_plain_rules_follow_the_task() -> None:
    rules = plain_rules({"accuracy": 0.5, "precision": None, "recall": 0.5, "f1": 0.5})
    binary = a_report("binary", accuracy=0.6, recall=0.4, recall_macro=0.9, f1=0.5, f1_macro=0.1)
    many = a_report(accuracy=0.6, recall_macro=0.9, f1_macro=0.1)
    assert [(v.rule, v.status) for v in judge(binary, rules)] == [
        ("accuracy>=0.5", "pass"),
        ("recall>=0.5", "fail"),
        ("f1>=0.5", "pass"),
    ]
    assert [(v.rule, v.status) for v in judge(many, rules)] == [
        ("accuracy>=0.5", "pass"),
        ("recall_macro>=0.5", "pass"),
        ("f1_macro>=0.5", "fail"),
    ]
    assert metrics_of(rules) == ("accuracy", "recall", "recall_macro", "f1", "f1_macro")


@pytest.mark.parametrize(
    ("amount", "old", "new", "expected"),
    [
        ("accuracy=0.01", 0.95, 0.94, "pass"),  # 0.95 - 0.94 is 0.010000000000000009 in doubles
        ("accuracy=1pp", 0.95, 0.94, "pass"),
        ("accuracy=0.01", 0.95, 0.9399, "fail"),
        ("accuracy=0.01", 0.95, 0.99, "pass"),
        ("accuracy=2%", 0.5, 0.49, "pass"),
        ("accuracy=2%", 0.5, 0.4899, "fail"),
        ("accuracy=0", 0.5, 0.5, "pass"),
        ("accuracy=-0.01", 0.5, 0.5, "fail"),  # an improvement was asked for
        ("error_rate=0.01", 0.10, 0.11, "pass"),
        ("error_rate=0.01", 0.10, 0.12, "fail"),
        ("error_rate=0.01", 0.10, 0.01, "pass"),
        ("error_rate=10%", 0.10, 0.11, "pass"),
        ("error_rate=10%", 0.10, 0.1101, "fail"),
        ("mcc=50%", -0.2, -0.3, "pass"),  # (new - old)/|old| = -0.5
        ("mcc=50%", -0.2, -0.31, "fail"),
        ("mcc=50%", 0.0, 0.5, "undefined"),
        ("mcc=0.1", 0.0, 0.0, "pass"),
    ],
)
def test_a_drop_is_in_the_bad_direction(amount: str, old: float, new: float, expected: str) -> None:
    name = amount.partition("=")[0]
    rules = parse_rules(drops=[amount])
    assert statuses(a_report(**{name: new}), rules, a_report(**{name: old})) == [expected]


def test_a_gap_between_slices_gets_worse_as_it_grows_and_each_slice_is_judged_beside_itself() -> None:
    def sliced(**shares: float) -> Report:
        rows = (
            SliceRow("g", name, 2, {"accuracy": Value(share), "own": Value(share)}) for name, share in shares.items()
        )
        return replace(a_report(accuracy=0.9, own=0.9), slices=tuple(rows), directions={"own": "higher"})

    even, uneven = sliced(x=0.95, y=0.9), sliced(x=0.55, y=0.95)
    rules = parse_rules(drops=["accuracy@g:gap=0.1", "own@g:gap=0.1", "accuracy@g=*=0.1"], known=("own@g:gap",))
    assert statuses(uneven, rules, even) == ["fail", "fail", "fail"]
    assert statuses(even, rules, uneven) == ["pass", "pass", "pass"]
    gap, _, worst = judge(uneven, rules, even)
    assert gap.value == pytest.approx(0.35)
    assert gap.reason == "from 'x' to 'y'; 0.0500 before, 0.4000 now; in the baseline from 'y' to 'x'"
    assert worst.value == pytest.approx(0.4)
    assert worst.reason == "the worst of 2 is 'x', n = 2; 0.9500 before, 0.5500 now"
    (fresh,) = judge(sliced(x=0.9, new=0.1), rules[2:], even)
    assert fresh.status == "pass"
    assert fresh.reason == (
        "the worst of 1 is 'x', n = 2; 0.9500 before, 0.9000 now; not in the baseline: 'new'; only in the baseline: 'y'"
    )
    (none,) = judge(sliced(new=0.1), rules[2:], even)
    assert none.status == "missing"
    assert none.reason == "in the baseline: no slice 'new'; there are 'x', 'y'"


def test_what_a_baseline_lacks_gives_no_verdict() -> None:
    rules = parse_rules(drops=["accuracy=0.1"])
    assert statuses(a_report(accuracy=0.9), rules, a_report()) == ["missing"]
    assert statuses(a_report(accuracy=0.9), rules, a_report(accuracy=None)) == ["undefined"]
    assert statuses(a_report(accuracy=None), rules, a_report(accuracy=0.9)) == ["undefined"]


def test_a_baseline_must_be_of_the_same_task_and_classes() -> None:
    rules = parse_rules(drops=["accuracy=0.1"])
    report = a_report(accuracy=0.9)
    for other in (
        a_report("binary", accuracy=0.9),
        a_report(classes=("cat", "bird"), accuracy=0.9),
        replace(report, positive="cat"),
    ):
        with pytest.raises(InputError):
            judge(report, rules, other)
    assert statuses(report, rules, a_report(classes=("dog", "cat"), accuracy=0.9)) == ["pass"]
    with pytest.raises(UsageError, match="compares with a baseline"):
        judge(report, rules)


@pytest.mark.parametrize(
    "text",
    [
        *("accuracy=2", "accuracy=200pp", "accuracy=x", "accuracy=%", "accuracy=1e999%", "accuracy=1e99999999"),
        *("rmse=0.5pp", "log_loss=1pp"),
    ],
)
def test_an_amount_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rules(drops=[text])


def test_a_rule_typed_replaces_its_namesake_only() -> None:
    inherited = parse_rules(["accuracy=0.9", "mcc=0.5"], ["error_rate=0.1"])
    given = parse_rules(["accuracy=0.8"])
    assert [rule.text() for rule in override(inherited, given)] == ["mcc>=0.5", "error_rate<=0.1", "accuracy>=0.8"]


def test_missing_outranks_failed_and_nothing_fails_without_rules() -> None:
    def verdict(status: str) -> Verdict:
        return Verdict("", "", None, 0.0, status)

    codes = {
        (): ExitCode.PASS,
        ("pass",): ExitCode.PASS,
        ("pass", "fail"): ExitCode.FAIL,
        ("pass", "undefined"): ExitCode.FAIL,
        ("fail", "missing"): ExitCode.NO_VERDICT,
        ("pass", "missing"): ExitCode.NO_VERDICT,
        ("what is this",): ExitCode.NO_VERDICT,
    }
    for given_, code in codes.items():
        assert exit_code(map(verdict, given_)) is code


numbers = st.floats(0, 1)


@settings(deadline=None)  # the first example imports
@given(value=numbers, loose=numbers, strict=numbers)
def test_M16_a_stricter_bound_never_turns_fail_into_pass(value: float, loose: float, strict: float) -> None:
    loose, strict = sorted((loose, strict))
    report = a_report(accuracy=value, error_rate=value)
    low, high = statuses(report, parse_rules([f"accuracy={loose!r}", f"accuracy={strict!r}"]))
    assert (low, high) != ("fail", "pass")
    high, low = statuses(report, parse_rules([], [f"error_rate={loose!r}", f"error_rate={strict!r}"]))
    assert (low, high) != ("fail", "pass")
    high, low = statuses(
        report, parse_rules(drops=[f"accuracy={loose!r}", f"accuracy={strict!r}"]), a_report(accuracy=0.5)
    )
    assert (low, high) != ("fail", "pass")


@settings(deadline=None)  # the first example imports
@given(value=numbers, bound=numbers)
def test_min_and_max_agree_with_exact_numbers(value: float, bound: float) -> None:
    report = a_report(accuracy=value)
    lower, upper = statuses(report, parse_rules([f"accuracy={bound!r}"], [f"accuracy={bound!r}"]))
    assert (lower == "pass") == (Fraction(value) >= Fraction(bound))
    assert (upper == "pass") == (Fraction(value) <= Fraction(bound))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (plain_rules({"accuracy": 0.99}), parse_rules(["accuracy=0.5"])),
        (parse_rules(["accuracy=0.99"]), plain_rules({"accuracy": 0.5})),
        (plain_rules({"f1": 0.99}), plain_rules({"f1": 0.5})),
    ],
)
def test_a_rule_replaces_its_synonym(old: tuple[Rule, ...], new: tuple[Rule, ...]) -> None:
    assert override(old, new) == new
    assert override(parse_rules(["f1_weighted=0.99"], ["f1_macro=0.9"]), new)[-1:] == new


def test_a_drop_says_when_the_sizes_differ() -> None:
    now = a_report(accuracy=0.9)
    (verdict,) = judge(now, parse_rules(drops=["accuracy=0.01"]), replace(now, n=now.n + 7))
    assert verdict.reason.endswith(f"; of {now.n + 7:,} rows then, {now.n:,} now")


@pytest.mark.parametrize("kind", ["min", "max"])
@pytest.mark.parametrize("value", [94.0, -0.5, 1.0 + 1e-6])
def test_a_number_that_no_metric_can_have_passes_no_gate(kind: str, value: float) -> None:
    report = a_report(accuracy=value, rmse=94.0, mcc=-0.5)
    (verdict,) = judge(report, [Rule("accuracy", kind, 1.0 if kind == "max" else 0.0)])
    assert (verdict.status, verdict.reason) == ("missing", f"{value!r} is none: it lies from 0 to 1")
    assert statuses(report, parse_rules(["mcc=-1"], ["rmse=100"])) == ["pass", "pass"]
    assert statuses(a_report(accuracy=1.0 + 1e-12), parse_rules(["accuracy=0.9"], [])) == ["pass"]


@pytest.mark.parametrize(("name", "before", "now"), [("error_rate", 9.1, 0.5), ("accuracy", -0.5, 0.1)])
def test_a_drop_from_a_number_that_no_metric_can_have_is_none(name: str, before: float, now: float) -> None:
    (verdict,) = judge(a_report(**{name: now}), parse_rules(drops=[f"{name}=0.01"]), a_report(**{name: before}))
    assert (verdict.status, verdict.reason) == ("missing", f"in the baseline: {before!r} is none: it lies from 0 to 1")


def test_a_drop_between_intervals_of_two_levels_has_none() -> None:
    def measured(level: float | None, off: float) -> Report:
        value = Value(0.9, low=0.9 - off, high=0.9 + off, method="wilson")
        return replace(a_report(), metrics={"accuracy": value}, confidence=level)

    rules, now = parse_rules(drops=["accuracy=0.09"]), measured(0.95, 0.05)
    (verdict,) = judge(now, rules, measured(0.5, 0.02), on="interval")
    assert verdict.status == "missing"
    assert verdict.reason.startswith("intervals of the baseline are at 0.5, these at 0.95; report both at one ")
    assert judge(now, rules, measured(0.5, 0.02))[0].status == "pass"
    assert judge(now, rules, measured(0.95, 0.05), on="interval")[0].status == "pass"


def test_a_drop_says_what_was_set_otherwise() -> None:
    now = replace(a_report(accuracy=0.9), signature="task:multiclass|classes:seen(2/2)|weights:no|labels:1f|v:0.1.0")
    then = replace(now, signature="task:multiclass|classes:declared(2/2)|weights:yes|labels:2e|v:0.1.0")
    (verdict,) = judge(now, parse_rules(drops=["accuracy=0.01"]), then)
    assert verdict.reason.endswith("; the baseline has classes:declared, weights:yes, this classes:seen, weights:no")
    (verdict,) = judge(
        replace(now, signature=f"{now.signature}|cluster:who"), parse_rules(drops=["accuracy=0.01"]), now
    )
    assert verdict.reason.endswith("; the baseline has cluster:-, this cluster:who")


@pytest.mark.parametrize(
    ("minimum", "maximum", "said"),
    [
        (["error_rate=0.1"], [], "lower is better: --max fails what is too bad"),
        ([], ["accuracy=0.9"], "higher is better: --min fails what is too bad"),
        (["error_rate=0.1"], ["error_rate=0.9"], ""),
        (["accuracy=0.1"], ["accuracy=0.9"], ""),
        ([], ["error_rate=0.9"], ""),
        (["majority_baseline=0.1"], [], ""),
    ],
)
def test_a_rule_that_only_a_good_model_can_fail_says_so(minimum: list[str], maximum: list[str], said: str) -> None:
    report = a_report(error_rate=0.5, accuracy=0.5, majority_baseline=0.5)
    assert [verdict.reason for verdict in judge(report, parse_rules(minimum, maximum))][:1] == [said]


@pytest.mark.parametrize(
    ("old", "new", "binary", "multiclass"),
    [
        (plain_rules({"f1": 0.99}), parse_rules(["f1_macro=0.5"]), ["f1>=0.99", "f1_macro>=0.5"], ["f1_macro>=0.5"]),
        (parse_rules(["f1_macro=0.99"]), plain_rules({"f1": 0.5}), ["f1_macro>=0.99", "f1>=0.5"], ["f1_macro>=0.5"]),
        (parse_rules(["f1=0.99"]), plain_rules({"f1": 0.5}), ["f1>=0.5"], ["f1>=0.99", "f1_macro>=0.5"]),
        (plain_rules({"f1": 0.99}), parse_rules(["f1=0.5"]), ["f1>=0.5"], ["f1_macro>=0.99", "f1>=0.5"]),
    ],
)
def test_what_a_plain_rule_replaces_is_known_with_the_task(
    old: tuple[Rule, ...], new: tuple[Rule, ...], binary: list[str], multiclass: list[str]
) -> None:
    rules = override(old, new)
    for task, expected in (("binary", binary), ("multiclass", multiclass)):
        verdicts = judge(a_report(task, f1=0.7, f1_macro=0.7), rules)
        assert [verdict.rule for verdict in verdicts] == expected
