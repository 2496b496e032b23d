"""Numbers as people read them."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalcli.renderers import contents, wording
from evalcli.report import Value, Verdict


@pytest.mark.parametrize("value", [-0.0, -1e-5, -1e-300])
def test_N20_no_negative_zero(value: float) -> None:
    assert wording.ratio(value) == "0.0000"


def test_N20_a_negative_number_keeps_its_sign() -> None:
    assert wording.ratio(-0.4101) == "-0.4101"
    assert wording.amount([-0.0, 1.5])(-0.0) == "0.00"


def test_zero_and_undefined_differ() -> None:
    assert (wording.ratio(0.0), wording.ratio(None)) == ("0.0000", "–")


@given(st.floats(0, 1), st.floats(0, 1))
def test_N19_rounding_never_hides_which_is_larger(value: float, bound: float) -> None:
    shown = wording.compared(Verdict("m>=b", "m", value, bound, "pass"))
    if value == bound:
        assert shown[0] == shown[1]
    else:
        assert (float(shown[0]) < float(shown[1])) == (value < bound)
        assert shown[0] != shown[1]


def test_N19_more_digits_when_four_would_look_equal() -> None:
    assert wording.compared(Verdict("m>=0.9", "m", 0.89995, 0.9, "fail")) == ("0.89995", "0.90000")
    assert wording.compared(Verdict("m>=0.9", "m", None, 0.9, "missing")) == ("–", "0.9000")


@given(st.integers(0, 10**9), st.integers(1, 10**9))
@example(1, 199)
def test_a_share_is_0_only_for_nothing_and_100_only_for_all(part: int, rest: int) -> None:
    whole = part + rest
    assert (wording.share(part, whole) == "0%") == (part == 0)
    assert wording.share(part, whole) != "100%"
    assert wording.share(whole, whole) == "100%"
    assert len(wording.share(part, whole)) <= 4


def test_counts_are_never_shortened() -> None:
    assert wording.amount([9_007_199_254_740_993 // 10])(900_719_925_474_099) == "900,719,925,474,099"
    assert wording.amount([0.001, 5])(0.001) == "0.001"
    assert wording.amount([1e300])(1e300) == "1e+300"
    assert wording.amount([])(0) == "0"


def test_the_baseline_stands_beside_the_accuracy(make) -> None:
    names, left = contents.headline(make([[1, 0], [0, 1]]))
    assert names[:2] == ["accuracy", "majority_baseline"]
    assert left == 2  # jaccard_macro and error_rate


def test_metrics_that_were_asked_for_are_all_shown(make) -> None:
    report = replace(make([[1, 0], [0, 1]]), metrics={"jaccard_macro": Value(1.0), "fbeta2_macro": Value(0.5)})
    assert contents.headline(report) == (["jaccard_macro", "fbeta2_macro"], 0)


def test_what_was_asked_for_is_shown_among_many(make) -> None:
    report = make([[1, 0], [0, 1]])
    report = replace(report, metrics=report.metrics | {"auroc_fpr0.1_macro": Value(0.5), "fbeta2_macro": Value(0.5)})
    names, left = contents.headline(replace(report, asked=("auroc_fpr0.1_macro",)))
    assert names[-1] == "auroc_fpr0.1_macro"
    assert left == 3
    assert contents.headline(replace(report, asked=tuple(report.metrics)))[1] == 0


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("auroc_fpr0.1_macro", "macro AUROC to FPR 0.1"),
        ("recall_at_precision0.9[my_class]", "recall at precision 0.9[my_class]"),
        ("specificity_at_sensitivity1", "specificity at sensitivity 1"),
        ("top10_accuracy", "top-10 accuracy"),
        ("auroc[f1_macro]", "AUROC[f1_macro]"),
        ("ks_weighted", "weighted KS distance"),
        ("fbeta2_macro", "macro fbeta2"),
    ],
)
def test_names_are_spoken(name: str, spoken: str) -> None:
    assert wording.title(name) == spoken


@given(value=st.floats(0, 1), below=st.floats(0, 0.5), above=st.floats(0, 0.5))
def test_the_spread_that_is_shown_is_never_too_small(value: float, below: float, above: float) -> None:
    certified = (max(value - below, 0.0), min(value + above, 1.0))
    text = wording.measured(Value(value, certified=certified))
    shown, spread = (float(part) for part in text.split(" ± "))
    off = max(certified[1] - value, value - certified[0])
    assert spread >= off * (1 - 1e-6)
    assert spread <= 2.1 * off or off == 0
    assert off == 0 or abs(shown - value) <= max(spread, 1e-7)


def test_exact_and_undefined_values_have_no_spread() -> None:
    assert wording.measured(Value(0.5)) == "0.5000"
    assert wording.measured(Value(None)) == "–"


def test_pairs_are_found_in_the_matrix_largest_first(make) -> None:
    report = make([[5, 1, 2], [0, 5, 0], [7, 0, 5]], ["a", "b", "c"])
    assert contents.confused(report) == [("c", "a", 7, 12), ("a", "c", 2, 8), ("a", "b", 1, 8)]


def test_worst_classes_leave_out_perfect_and_undefined_ones(make) -> None:
    report = make([[5, 1, 0, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]], ["a", "b", "perfect", "absent"])
    assert [row.name for row in contents.worst(report)] == ["a", "b"]
