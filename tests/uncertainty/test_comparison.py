"""Two models: McNemar against other programs, the bootstrap against rows, and what a comparison says."""

import numpy as np
import pytest
from scipy import stats

from evalcli.errors import UsageError
from evalcli.metrics.registry import evaluate, parse
from evalcli.uncertainty.cells import Cells, JointCells
from evalcli.uncertainty.comparison import (
    Discordant,
    PairedCounts,
    detectable,
    discordant,
    equivalent,
    holm,
    mcnemar,
    not_worse,
)
from evalcli.uncertainty.intervals import Confidence, Interval

CONFIDENCE = Confidence()


def models(seed=0, rows=300, classes=3, first=0.85, second=0.8):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, rows)
    preds = [np.where(rng.random(rows) < share, target, rng.integers(0, classes, rows)) for share in (first, second)]
    return target, *preds


def joint(target, first, second):
    return JointCells.of(target, first, second, np.ones(len(target)))


# Printed by statsmodels 0.14.4: mcnemar(table, exact=True).pvalue.
BY_STATSMODELS = {
    (3, 10): 0.09228515625,
    (10, 3): 0.09228515625,
    (0, 6): 0.03125,
    (25, 25): 1.0,
    (120, 85): 0.017351090463147357,
    (1, 0): 1.0,
    (40, 41): 1.0,
}


@pytest.mark.parametrize(("rows", "p"), BY_STATSMODELS.items())
def test_mcnemar_equals_statsmodels_and_scipy(rows, p):
    assert mcnemar(Discordant(*rows)) == pytest.approx(p, rel=1e-12)
    assert mcnemar(Discordant(*rows)) == pytest.approx(stats.binomtest(min(rows), sum(rows)).pvalue, rel=1e-10)


def test_mcnemar_of_many_rows_and_of_none():
    assert mcnemar(Discordant(0, 0)) == 1
    expected = stats.binomtest(499_000, 1_000_000).pvalue
    assert mcnemar(Discordant(499_000, 501_000)) == pytest.approx(expected, rel=1e-8)


def test_discordant_rows_are_counted():
    target, first, second = models()
    right = first == target, second == target
    expected = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    assert discordant(joint(target, first, second)) == expected


@pytest.mark.parametrize("text", ["accuracy", "f1_macro", "mcc"])
def test_the_paired_bootstrap_is_that_of_rows(text):
    target, first, second = models()
    name, rng, size = parse(text), np.random.default_rng(3), len(target)

    def value(preds, drawn):
        table = np.bincount(target[drawn] * 3 + preds[drawn], minlength=9).reshape(3, 3)
        return float(evaluate(name, Cells.of_matrix(table).margins.counts))

    rows = [rng.integers(0, size, size) for _ in range(3000)]
    one_by_one = np.array([value(first, drawn) - value(second, drawn) for drawn in rows])
    confidence = Confidence(resamples=4000)
    found = PairedCounts(joint(target, first, second), confidence, method="bootstrap").of(name)
    ends = np.quantile(one_by_one, [0.025, 0.975])
    spread = one_by_one.std()
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(ends), abs=0.2 * spread)
    p = (np.abs(one_by_one - one_by_one.mean()) >= abs(found.value)).mean()
    assert found.p == pytest.approx(p, abs=0.03)


@pytest.mark.parametrize("text", ["accuracy", "f1_macro", "mcc", "kappa", "balanced_accuracy", "recall[b]"])
def test_score_and_bootstrap_agree_on_many_rows(text):
    cells = joint(*models(rows=4000))
    options = {"classes": ["a", "b", "c"]}
    scored = PairedCounts(cells, CONFIDENCE, **options).of(parse(text))
    drawn = PairedCounts(cells, CONFIDENCE, method="bootstrap", **options).of(parse(text))
    assert scored.value == drawn.value
    width = scored.interval.width
    assert scored.interval.low == pytest.approx(drawn.interval.low, abs=0.09 * width)
    assert scored.interval.high == pytest.approx(drawn.interval.high, abs=0.09 * width)


def test_tosses_add_up_to_mcnemar():
    """The drawn test of another metric is the exact one of accuracy where both say the same."""
    cells = joint(*models(rows=250))
    exact = PairedCounts(cells, CONFIDENCE).of(parse("accuracy")).p
    drawn = PairedCounts(cells, Confidence(resamples=20_000)).of(parse("recall_weighted")).p
    assert drawn == pytest.approx(exact, abs=0.015)


def test_the_models_in_each_others_place():
    target, first, second = models()
    one = PairedCounts(joint(target, first, second), CONFIDENCE).of(parse("f1_macro"))
    other = PairedCounts(joint(target, second, first), CONFIDENCE).of(parse("f1_macro"))
    assert (one.first, one.second) == (other.second, other.first)
    assert one.interval.low == pytest.approx(-other.interval.high, abs=1e-4)
    assert one.detectable == pytest.approx(other.detectable, rel=1e-3)


def test_two_that_say_the_same_differ_by_nothing_that_was_seen():
    target, first, _ = models()
    for text in ("accuracy", "f1_macro", "mcc"):
        found = PairedCounts(joint(target, first, first), CONFIDENCE).of(parse(text))
        assert (found.value, found.p) == (0, 1)
        assert -0.1 < found.interval.low < 0 < found.interval.high < 0.1
        assert found.detectable > 0


def test_what_is_undefined_is_not_compared():
    cells = JointCells.of([0, 0, 0], [0, 0, 0], [0, 1, 0], [5, 3, 2])
    options = {"classes": ["a", "b", "c"]}
    assert PairedCounts(cells, CONFIDENCE, **options).of(parse("precision[b]")) is None
    assert PairedCounts(cells, CONFIDENCE, **options).of(parse("recall[c]")) is None
    with pytest.raises(UsageError):
        PairedCounts(cells, CONFIDENCE, **options).of(parse("recall[z]"))


def test_weighted_rows_are_compared():
    target, first, second = models()
    weight = np.random.default_rng(1).gamma(1.0, size=len(target)) + 0.1
    cells = JointCells.of(target, first, second, weight, weight**2)
    found = PairedCounts(cells, CONFIDENCE).of(parse("accuracy"))
    plain = PairedCounts(joint(target, first, second), CONFIDENCE).of(parse("accuracy"))
    assert found.value == pytest.approx(
        float((weight * ((first == target) * 1.0 - (second == target))).sum() / weight.sum())
    )
    assert 1.1 < found.interval.width / plain.interval.width < 2
    assert 0 < found.p <= 1


def test_holm_equals_statsmodels():
    """Printed by statsmodels 0.14.4: multipletests([.01, .04, .03, .005, .9], method="holm")."""
    values = dict(zip("abcde", (0.01, 0.04, 0.03, 0.005, 0.9), strict=True))
    adjusted = dict(zip("abcde", (0.04, 0.09, 0.09, 0.025, 0.9), strict=True))
    assert holm(values) == pytest.approx(adjusted)
    assert holm({}) == {}
    assert holm({"a": None, "b": 0.2}) == {"a": None, "b": 0.2}
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_of_several_models_holm_goes_over_all_pairs():
    """The tests of all six pairs of four models say no more than those with the best of them, adjusted for six."""
    with_best = {"b": 0.004, "c": 0.02, "d": 0.03}
    every = holm(with_best | {"bc": 0.2, "bd": 0.05, "cd": 0.9})
    mine = holm(with_best, models=4)
    assert mine == pytest.approx({"b": 0.024, "c": 0.1, "d": 0.12})
    assert all(mine[name] >= every[name] for name in with_best)


def test_a_detectable_difference_is_detected_with_its_power():
    cells = joint(*models(rows=600))
    found = PairedCounts(cells, CONFIDENCE).of(parse("accuracy"))
    error = found.detectable / (CONFIDENCE.critical + stats.norm.ppf(0.8))
    assert stats.norm.sf(CONFIDENCE.critical - found.detectable / error) == pytest.approx(0.8)
    assert error == pytest.approx(found.interval.width / 2 / CONFIDENCE.critical, rel=0.05)
    assert detectable(error, CONFIDENCE) == pytest.approx(found.detectable)


@pytest.mark.parametrize(
    ("ends", "direction", "worse", "same"),
    [
        ((-0.02, 0.01), "higher", False, False),
        ((-0.005, 0.03), "higher", True, False),
        ((-0.005, 0.008), "higher", True, True),
        ((-0.03, 0.005), "lower", True, False),
        ((-0.01, 0.0), "higher", False, False),
    ],
)
def test_margins(ends, direction, worse, same):
    interval = Interval(*ends, "score")
    assert not_worse(interval, 0.01, direction) is worse
    assert equivalent(interval, 0.01) is same
