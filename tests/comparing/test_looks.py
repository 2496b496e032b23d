"""How a row of one model moves metrics of bins, confidences and curves; and the differences of two models in them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from memory_source import MemorySource
from scipy import special

from evalcli.comparing.looks import LookedUp
from evalcli.comparing.margins import judge as judge_margins
from evalcli.comparing.margins import parse_margins
from evalcli.comparing.models import compare
from evalcli.comparing.pairlooks import PairLook
from evalcli.comparing.question import Question
from evalcli.comparing.scored import has_test
from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.metrics.calibration import bin_table
from evalcli.metrics.ranking import KeyTable, rows_by_class
from evalcli.metrics.registry import METRICS, parse
from evalcli.renderers.versus import in_words
from evalcli.rules import parse_rules
from evalcli.task import Choices
from evalcli.uncertainty.binslopes import bin_slopes
from evalcli.uncertainty.intervals import Confidence, Interval
from evalcli.uncertainty.means import Moments
from evalcli.uncertainty.mover import mover
from evalcli.uncertainty.paired import mean_difference

CONFIDENCE = Confidence()
BINARY = (
    "ece", "ece_positive", "ece_equal_mass", "mce", "overconfidence", "underconfidence", "brier_reliability",
    "brier_resolution", "aurc", "excess_aurc", "accuracy_at_coverage0.9", "mean_confidence", "ks", "auroc_fpr0.1",
    "recall_at_precision0.6", "precision_at_recall0.5", "specificity_at_sensitivity0.9",
)  # fmt: skip
CLASSES = (
    "ece", "ece_equal_mass", "ece_classwise", "mce", "brier_reliability", "brier_resolution", "aurc",
    "accuracy_at_coverage0.9", "mean_confidence", "auroc_fpr0.2_macro", "auroc_fpr0.2[1]", "auroc_ovo",
)  # fmt: skip


def models(kind, rows=800, seed=0, spread=1.0):
    """Two models that err alike, and the truth; the second is ``spread`` as sharp."""
    rng = np.random.default_rng(seed)
    if kind == "binary":
        target = (rng.random(rows) < 0.4).astype(int)
        common = 2.4 * (2 * target - 1) + 1.5 * rng.standard_normal(rows)
        return [special.expit(s * (common + rng.standard_normal(rows))) for s in (1.0, spread)], target
    target = rng.integers(3, size=rows)
    common = rng.standard_normal((rows, 3)) + 1.5 * np.eye(3)[target]
    return [s * (common + 0.7 * rng.standard_normal((rows, 3))) for s in (1.0, spread)], target


def compared(preds, target, names, execution=Execution(workers=1), **more):  # noqa: B008 - frozen
    made = [
        MemorySource(each, target, paths=(f"{name}.pt", "t.pt"), **more)
        for name, each in zip("abc", preds, strict=False)
    ]
    return compare(made, Choices(), execution, Question(metrics=names))


def test_every_metric_of_scores_is_compared_but_what_only_the_truth_decides():
    scored = [entry for entry in METRICS.values() if entry.needs_scores and {"binary", "multiclass"} & {*entry.tasks}]
    left = {entry.name for entry in scored if not has_test(parse(entry.example))}
    assert left == {"brier_uncertainty"}


@pytest.mark.parametrize(("kind", "names"), [("binary", BINARY), ("classes", CLASSES)])
def test_differences_have_intervals_and_no_bit_depends_on_batches(kind, names):
    preds, target = models(kind, spread=0.6)
    found = compared(preds, target, names)
    for place, each in enumerate(preds):
        report = evaluate(MemorySource(each, target), Choices(), Execution(workers=1), names)
        assert [row.values[place] for row in found.metrics] == [report.metrics[name].value for name in names]
    swapped = compared(preds[::-1], target, names)
    for name in names:
        gap, back = (one.metric(name).differences[1] for one in (found, swapped))
        assert gap.low < gap.value < gap.high, name
        assert (gap.p < 0.05) == (gap.low > 0 or gap.high < 0), name
        assert (back.low, back.high, back.p) == pytest.approx((-gap.high, -gap.low, gap.p), rel=1e-9, abs=1e-12), name
    for execution in (Execution(batch_size=7, workers=1), Execution(batch_size=64, workers=3)):
        assert repr(compared(preds, target, names, execution)) == repr(found)


@pytest.mark.parametrize(("kind", "names"), [("binary", BINARY), ("classes", CLASSES)])
def test_models_that_agree_show_no_difference_and_are_not_quite_sure(kind, names):
    preds, target = models(kind)
    found = compared([preds[0], preds[0]], target, names)
    for name in names:
        gap = found.metric(name).differences[1]
        assert (gap.value, gap.p) == (0.0, 1.0), name
        assert gap.low < 0.0 < gap.high, name


@pytest.mark.parametrize("weight", [1.0, 5.0])
@pytest.mark.parametrize("name", ["ece", "aurc", "brier_resolution", "ks", "accuracy_at_coverage0.9"])
def test_weights_that_are_alike_make_nothing_surer(name, weight):
    preds, target = models("binary", spread=0.6)
    plain, weighted = (
        compared(preds, target, (name,), **more).metric(name).differences[1]
        for more in ({}, {"weight": np.full(len(target), weight)})
    )
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), rel=0.02, abs=2e-4)


WIDE = {
    "binary": (
        "ece_positive", "brier_reliability", "brier_resolution", "aurc", "accuracy_at_coverage0.9", "ks",
        "auroc_fpr0.1", "excess_aurc",
    ),
    "classes": ("ece", "ece_equal_mass", "brier_reliability", "aurc", "auroc_ovo"),
}  # fmt: skip


@cache
def resampled(kind):
    """Differences of each of these metrics in 120 bootstraps of the rows."""
    preds, target = models(kind, rows=1500, spread=0.3)
    rng, values = np.random.default_rng(1), []
    for _ in range(120):
        drawn = np.bincount(rng.integers(len(target), size=len(target)), minlength=len(target))
        held = drawn > 0
        each = [
            evaluate(
                MemorySource(one[held], target[held], repeats=drawn[held]),
                Choices(confidence=None),
                Execution(workers=1),
                WIDE[kind],
            )
            for one in preds
        ]
        values.append([each[1].metrics[name].value - each[0].metrics[name].value for name in WIDE[kind]])
    return dict(zip(WIDE[kind], np.transpose(values), strict=True))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in WIDE.items() for name in names])
def test_intervals_are_about_as_wide_as_a_bootstrap_of_rows_says(kind, name):
    """Far from calibrated, so that no gap folds; no narrower than 0.85 of the bootstrap's, nor twice as wide."""
    preds, target = models(kind, rows=1500, spread=0.3)
    gap = compared(preds, target, (name,)).metric(name).differences[1]
    assert 0.85 < (gap.high - gap.low) / (2 * 1.96 * np.std(resampled(kind)[name])) < 2.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [3, 25])
def test_a_row_moves_pairs_of_classes_as_delong_says_pair_by_pair(size, weighted):
    rng = np.random.default_rng(size)
    target = rng.integers(1, size, size=8 * size)  # no row is of class 0
    scores = np.round(rng.normal(size=(len(target), size)) + 1.5 * np.eye(size)[target], 1)
    weight = rng.integers(0, 4, len(target)) / 2 if weighted else np.ones(len(target))
    table = KeyTable(size, pairwise=True, weighted=weighted)
    table.update(scores, target, weight if weighted else None)
    expected, held = np.zeros(len(target)), [c for c in range(size) if weight[target == c].sum() > 0]
    for i in held:
        for j in held:
            if i != j:
                pos, neg = (np.flatnonzero(target == c) for c in (i, j))
                beats = np.sign(scores[pos, i][:, None] - scores[neg, i][None]) / 2 + 0.5
                of, off = weight[pos] / weight[pos].sum(), weight[neg] / weight[neg].sum()
                area = of @ beats @ off
                expected[pos] += (beats @ off - area) / weight[pos].sum()
                expected[neg] += (of @ beats - area) / weight[neg].sum()
    expected /= len(held) * (len(held) - 1)
    look = PairLook.of(table)
    found = look.influence(LookedUp(scores, *rows_by_class(target, size), binary=False))
    assert found[weight > 0] == pytest.approx(expected[weight > 0], abs=1e-14)
    assert look.smallest == min(weight[target == c].sum() for c in held)


def test_pairs_of_many_classes_are_compared():
    rng = np.random.default_rng(2)
    target = rng.integers(30, size=600)
    common = rng.normal(size=(600, 30)) + np.eye(30)[target]
    preds = [gain * np.eye(30)[target] + common + 0.5 * rng.normal(size=(600, 30)) for gain in (0.0, 0.5)]
    gap = compared(preds, target, ("auroc_ovo",)).metric("auroc_ovo").differences[1]
    assert 0.0 < gap.low < gap.value < gap.high
    assert (gap.p, gap.method) == (pytest.approx(0.0, abs=1e-6), "delong")


@pytest.mark.parametrize(
    "base", ["ece", "mce", "overconfidence", "underconfidence", "brier_reliability", "brier_resolution"]
)
def test_slopes_of_bins_are_derivatives(base):
    """Beside a row of little weight more; many rows, so that no gap may be noise."""
    n, sure, right = np.array([4e4, 1e4, 5e4]), np.array([1e4, 6e3, 4.5e4]), np.array([1.4e4, 4e3, 4e4])
    slopes, formula = bin_slopes(base, bin_table(n, sure, right)), METRICS[base].formula
    for place, confidence, hit in ((0, 0.2, True), (1, 0.5, False), (2, 0.9, True), (2, 0.85, False)):
        step = 1e-2 * (np.arange(3) == place)
        moved = [
            float(formula(bin_table(n + sign * step, sure + sign * step * confidence, right + sign * step * hit)))
            for sign in (1.0, -1.0)
        ]
        told = slopes.at(np.array([place]), np.array([confidence]), np.array([hit]))[0]
        assert told == pytest.approx((moved[0] - moved[1]) / 2e-2, rel=1e-5, abs=1e-13)


def test_a_gap_that_noise_may_have_made_moves_less():
    few, many = (
        bin_slopes("ece", bin_table(np.array([n]), np.array([0.7 * n]), np.array([0.72 * n]))) for n in (50, 1e6)
    )
    assert 0.0 < few.right[0, 0] * 50 < 0.5
    assert many.right[0, 0] * 1e6 == pytest.approx(1.0)


def test_what_two_estimates_have_in_common_is_taken_off():
    one, other = Interval(0.7, 0.85, "x"), Interval(0.55, 0.75, "x")
    apart, together = (mover(0.8, one, 0.65, other, CONFIDENCE, share) for share in (0.0, 0.9))
    assert together.interval.width < apart.interval.width
    assert apart.interval.low == pytest.approx(0.15 - np.hypot(0.1, 0.1))
    assert together.interval.low == pytest.approx(0.15 - np.sqrt(2 * 0.01 - 1.8 * 0.01))
    sure = mover(0.8, one, 0.65, other, CONFIDENCE, 0.9, error=0.08)
    assert sure.interval.low == pytest.approx(0.15 - CONFIDENCE.critical * 0.08)


def test_no_model_is_better_for_selecting_more():
    preds, target = models("binary", spread=0.3)
    found = compared([preds[0], np.sqrt(preds[0])], target, ("selection_rate", "mean_confidence", "majority_baseline"))
    assert [found.metric(name).differences[1].verdict for name in ("selection_rate", "mean_confidence")] == [
        "higher",
        "lower",
    ]
    same = found.metric("majority_baseline")
    assert same.differences == (None, None)
    assert in_words(found, same) == "the same for all: only the truth decides it"
    with pytest.raises(UsageError, match="neither better nor worse"):
        judge_margins(found, parse_margins(["selection_rate=0.01"]))


def test_the_worst_slice_of_what_may_be_neither_too_high_nor_too_low_is_the_one_beyond_its_bound():
    target, preds = np.tile([0, 1], 30), np.repeat([1, 0, 1], 20)
    source = MemorySource(preds, target, slices={"site": np.repeat(["a", "b", "c"], 20).astype(object)})
    report = evaluate(source, Choices(), Execution(workers=1), ("selection_rate@site=*",))
    rules = parse_rules(minimum=["selection_rate@site=*=0.5"], maximum=["selection_rate@site=*=0.5"])
    assert [(one.value, one.status) for one in judge(report, rules)] == [(0.0, "fail"), (1.0, "fail")]


@pytest.mark.parametrize("rows", [7, 400])
def test_a_third_model_that_says_nothing_of_a_row_takes_no_loss_from_the_others(rows):
    preds, target = models("binary", rows=40, spread=0.6)
    preds = preds[::-1]  # the better one is what leagues compare with
    silent = np.where(np.arange(40) == 23, np.nan, preds[0])
    names, execution = ("brier", "log_loss", "mean_confidence"), Execution(batch_size=rows, workers=1)
    made = [MemorySource(each, target, paths=(f"{i}.pt", "t.pt")) for i, each in enumerate([*preds, silent])]
    found = compare(made, Choices(nan="wrong"), execution, Question(metrics=names))
    both = compared(preds, target, names)
    assert found.reference == 0
    for name in names:
        row = found.metric(name)
        assert (row.values[2], row.differences[2]) == (None, None)
        one, other = (each.metric(name).differences[1] for each in (found, both))
        assert (one.value, one.low, one.high, one.p) == (other.value, other.low, other.high, other.p)


def test_no_interval_leaves_what_two_shares_can_differ_by():
    """A row that weighs as much as all others is the curve: its slope promises more than there is."""
    target, weight = np.array([0, 1, 1, 0, 1, 1]), np.array([1.0, 1.0, 1.0, 1.0, 1.0, 30.0])
    preds = [np.array([0.1, 0.3, 0.6, 0.7, 0.4, 0.99]), np.array([0.4, 0.9, 0.2, 0.6, 0.7, 0.01])]
    for name in BINARY[:-7]:
        gap = compared(preds, target, (name,), weight=weight).metric(name).differences[1]
        assert -1.0 <= gap.low <= gap.value <= gap.high <= 1.0, name


@pytest.mark.parametrize("rows", [1, 2, 5, 30])
@pytest.mark.parametrize("size", [0.1, 0.5, 1.0])
def test_rows_that_all_differ_alike_are_as_sure_as_their_interval_and_no_surer_than_their_signs(rows, size):
    found = mean_difference(size, 0.0, Moments.of(np.full(rows, size)), CONFIDENCE, 1.0)
    if found.p > 2.0 ** (1 - rows):
        at = mean_difference(size, 0.0, Moments.of(np.full(rows, size)), Confidence(1.0 - found.p), 1.0)
        assert at.interval.low == pytest.approx(0.0, abs=1e-9)
    else:
        assert found.p == 2.0 ** (1 - rows)
    back = mean_difference(0.0, size, Moments.of(np.full(rows, -size)), CONFIDENCE, 1.0)
    assert back.p == found.p


def test_a_ranking_turned_round_is_no_chance():
    scores = np.linspace(0.1, 0.9, 40)
    gap = compared([scores, 1.0 - scores], (scores > 0.5).astype(int), ("auroc",)).metric("auroc").differences[1]
    assert (gap.value, gap.verdict) == (-1.0, "worse")
    assert gap.p == 2.0**-19


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_metrics_of_ranks_are_the_same_together_as_each_alone(kind):
    preds, target = models(kind)
    names = (
        ("auroc", "average_precision")
        if kind == "binary"
        else ("auroc_macro", "auroc[1]", "average_precision_weighted")
    )
    together = compared(preds, target, names)
    for name in names:
        assert (
            together.metric(name).differences[1].low == compared(preds, target, (name,)).metric(name).differences[1].low
        )
