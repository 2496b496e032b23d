"""Every metric of scores has an interval; curves are drawn from few segments; gates decide."""

import math

import numpy as np
import pytest

from evalcli.metrics.calibration import CalibrationBins, ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.ranking import KeyTable, over_columns
from evalcli.metrics.registry import METRICS, parse
from evalcli.metrics.roc import Certified, ks, partial_auroc
from evalcli.metrics.scorestate import feed, score_rows
from evalcli.metrics.selective import aurc
from evalcli.metrics.topk import RankHistogram
from evalcli.uncertainty import curves
from evalcli.uncertainty.curves import curve_interval, selective_interval, worst_together
from evalcli.uncertainty.decisions import Decision, decide, judged, rows_to_decide
from evalcli.uncertainty.intervals import Confidence, Interval, wilson
from evalcli.uncertainty.means import Moments
from evalcli.uncertainty.scored import WAYS, Asked, interval_of

FEW = Confidence(resamples=200)
ROWS, SIZE = 400, 4


@pytest.fixture(scope="module")
def computed():
    """What each state of a multiclass and of a binary task computes."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, SIZE, ROWS)
    logits = rng.normal(size=(ROWS, SIZE))
    logits[np.arange(ROWS), target] += 2.0
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    form, binary = ScoreForm("probs", classes=SIZE), ScoreForm("probs", binary=True)
    states = {
        "CalibrationBins": CalibrationBins(form),
        "ClasswiseBins": ClasswiseBins(form),
        "ConfidenceTable": ConfidenceTable(form),
        "RankHistogram": RankHistogram(form),
    }
    feed(list(states.values()), score_rows(probs, target, form, None, None))
    positive = CalibrationBins(binary, of="positive")
    positive.update(probs[:, 1], (target == 1).astype(int))
    tables = KeyTable(SIZE), KeyTable(SIZE, pairwise=True)
    for table in tables:
        table.update(probs, target)
    losses = -np.log(probs[np.arange(ROWS), target])
    squares = ((probs - np.eye(SIZE)[target]) ** 2).sum(axis=1)
    return {
        **{name: state.compute() for name, state in states.items()},
        "PositiveBins": positive.compute(),
        "KeyTable": tables[0].compute(),
        "PairwiseKeyTable": tables[1],
        "LogLoss": Moments.of(losses),
        "Brier": Moments.of(squares),
    }


def value_of(name, state):
    if name.entry.state in {"LogLoss", "Brier"}:
        return state.mean
    if name.entry.state == "KeyTable":
        return float(np.mean(over_columns(name.entry.formula, state, *name.arguments).value))
    found = name.entry.formula(state, *name.arguments)
    return float(found.value if isinstance(found, Certified) else found)


SCORED = [entry for entry in METRICS.values() if entry.reads == "scores"]


def test_the_table_is_that_of_the_registry():
    assert set(WAYS) == {entry.name for entry in SCORED}


@pytest.mark.parametrize("entry", SCORED, ids=lambda entry: entry.name)
def test_every_metric_of_scores_has_an_interval(entry, computed):
    name = parse(f"{entry.example}_macro" if entry.averages else entry.example)
    state = computed[entry.state]
    found = interval_of(Asked(name, FEW), state)
    value = value_of(name, state)
    assert entry.low <= found.low <= value + 1e-12
    assert value - 1e-12 <= found.high <= entry.high
    assert 0 < found.width < 0.5 * min(entry.high - entry.low, 10)
    assert interval_of(Asked(name, FEW), state) == found
    if entry.name != "auroc_ovo":  # its table counts, or weighs, by itself
        assert interval_of(Asked(name, FEW, mean_weight=4.0), state).width > 0.9 * found.width


def test_top_k_is_a_share(computed):
    ranks = computed["RankHistogram"]
    found = interval_of(Asked(parse("top2_accuracy"), FEW), ranks)
    plain = wilson(int(ranks.histogram[:2].sum()), ROWS, FEW.critical)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


def test_without_rows_there_is_none():
    form = ScoreForm("probs", classes=3)
    for text, state in (
        ("ece", CalibrationBins(form)),
        ("ece_equal_mass", ConfidenceTable(form)),
        ("aurc", ConfidenceTable(form)),
        ("mrr", RankHistogram(form)),
    ):
        assert interval_of(Asked(parse(text), FEW), state.compute()) is None, text
    assert interval_of(Asked(parse("log_loss"), FEW), Moments.counted(0, 0, 0, 0)) is None
    assert interval_of(Asked(parse("ks_macro"), FEW), KeyTable(2).compute()) is None


# Curves.


def ranking(rows=4000, distance=1.0):
    rng = np.random.default_rng(0)
    table = KeyTable()
    target = np.repeat([1, 0], [rows // 4, rows - rows // 4])
    table.update(rng.normal(size=rows) + distance * target, target)
    return table.ranking()


@pytest.mark.parametrize("formula", [ks, partial_auroc])
def test_few_segments_tell_as_much_as_all(monkeypatch, formula):
    of = ranking()
    few = curve_interval(formula, of, FEW)
    monkeypatch.setattr(curves, "MOST", 1 << 20)
    every = curve_interval(formula, of, FEW)
    assert (few.low, few.high) == pytest.approx((every.low, every.high), abs=0.25 * every.width)
    assert formula(of).value in few


def test_a_perfect_curve_has_width():
    table = KeyTable()
    table.update(np.arange(60.0), np.repeat([0, 1], 30))
    found = curve_interval(ks, table.ranking(), FEW)
    assert (found.high, found.method) == (1.0, "wilson")
    assert found.low < 0.95
    groups = ConfidenceTable(ScoreForm("probs", binary=True))
    groups.update(np.array([0.9, 0.1, 0.8]), np.array([1, 0, 1]))
    right = selective_interval(aurc, groups.compute(), FEW)
    assert right.low == 0 < right.high


def test_the_worst_together_is_the_mean_of_ends():
    parts = [Interval(0.6, 0.9, "x"), Interval(0.2, 0.3, "x")]
    found = worst_together(parts, [0.8, 0.25], [0.5, 0.5])
    assert (found.low, found.high) == pytest.approx((0.4, 0.6))


# Gates.


@pytest.mark.parametrize(
    ("ends", "kind", "outcome"),
    [
        ((0.91, 0.95), "min", "pass"),
        ((0.90, 0.95), "min", "pass"),
        ((0.89, 0.95), "min", "inconclusive"),
        ((0.85, 0.90), "min", "inconclusive"),
        ((0.85, 0.89), "min", "fail"),
        ((0.91, 0.95), "max", "fail"),
        ((0.90, 0.95), "max", "inconclusive"),
        ((0.85, 0.90), "max", "pass"),
    ],
)
def test_outcomes(ends, kind, outcome):
    assert decide(Interval(*ends, "x"), 0.9, kind) == outcome


def test_the_rows_that_would_decide_do_decide():
    """With so many rows and the same truth, eight of ten samples decide."""
    confidence, truth, bound = Confidence(), 0.92, 0.9
    needed = rows_to_decide(truth, wilson(460, 500, confidence.critical), bound, 500, confidence)
    rights = np.random.default_rng(0).binomial(needed, truth, 1000)
    decided = [decide(wilson(right, needed, confidence.critical), bound, "min") == "pass" for right in rights.tolist()]
    assert np.mean(decided) == pytest.approx(0.8, abs=0.05)


def test_how_many_rows_is_said_only_where_it_helps():
    confidence, interval = Confidence(), wilson(450, 500, Confidence().critical)
    assert judged(0.9, interval, 0.5, "min", 500, confidence) == Decision("pass")
    assert judged(0.9, interval, 0.9, "min", 500, confidence) == Decision("inconclusive", None)
    found = judged(0.9, interval, 0.91, "min", 500, confidence)
    assert found.outcome == "inconclusive"
    assert found.rows > 500
    assert found.rows % 100 == 0
    assert rows_to_decide(0.9, interval, 0.9 + 1e-9, 500, confidence) is None
    assert rows_to_decide(0.9, interval, 0.8999, 500, confidence) > 10**6
    assert math.isfinite(rows_to_decide(0.9, interval, 0.7, 500, confidence))
