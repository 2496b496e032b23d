"""Intervals of several labels a row: how far numbers vary when whole rows are drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memory_source import MemorySource

import evalcli
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.metrics.label_moments import LabelMoments
from evalcli.metrics.registry import default_names, parse
from evalcli.multilabel import states
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence, wilson

LABELS = ("a", "b", "c", "d")
NAMES = default_names("multilabel", None)
COUNTED = tuple(name for name in NAMES if name.rpartition("_")[2] in {"macro", "micro", "weighted", "samples"})


def data(rng, rows, *, noise=1.0):
    """Labels of a row share a cause, and so do its errors."""
    cause, error = rng.normal(size=(2, rows, 1))
    target = (cause + rng.normal(size=(rows, 4)) > [0.0, 0.5, 1.0, 1.5]).astype(int)
    logits = 3.0 * target - 1.5 + noise * (error + rng.normal(size=(rows, 4)))
    return 1 / (1 + np.exp(-logits)), target


def report(scores, target, metrics=None, *, weight=None, confidence=Confidence(), run=Execution(workers=1), **more):  # noqa: B008
    choices = Choices(labels=LABELS, confidence=confidence, task="multilabel", **more)
    return evaluate(MemorySource(scores, target, weight=weight), choices, run, metrics)


def test_every_number_has_an_interval_that_holds_it():
    made = report(*data(np.random.default_rng(0), 200))
    every = {**made.metrics, **{f"{name}[{row.name}]": v for row in made.per_class for name, v in row.metrics.items()}}
    assert len(made.metrics) == 37
    assert len(every) == 37 + 11 * 4
    for name, value in every.items():
        assert value.low < value.high, name
        assert value.low <= value.value <= value.high, name
        assert value.method, name
    assert made.confidence == 0.95


def test_losses_without_ranks_are_as_sure_from_a_sixteenth_of_their_memory():
    from evalcli.multilabel.scoring import UNRANKED

    given, run = data(np.random.default_rng(4), 20_000), Execution(workers=1, ranking_budget=UNRANKED * 5 * 24 << 10)
    alone = report(*given, ("log_loss", "brier", "ece"), run=run)
    beside = report(*given, ("log_loss", "brier", "ece", "auroc_macro"), run=run)
    for few, many in zip(alone.per_class, beside.per_class, strict=True):
        assert few.metrics["ece"] == many.metrics["ece"]
        for name in ("log_loss", "brier"):
            one, other = few.metrics[name], many.metrics[name]
            assert one.value == other.value
            assert one.low != other.low  # fewer scores are told apart
            assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.01 * (other.high - other.low))


def test_of_one_label_it_is_that_of_a_share_of_rows():
    scores, target = data(np.random.default_rng(1), 150)
    row = report(scores, target).per_class[1]
    said, true = scores[:, 1] >= 0.5, target[:, 1] == 1
    for name, hits, rows in (
        ("precision", said & true, said), ("recall", said & true, true), ("specificity", ~said & ~true, ~true),
        ("npv", ~said & ~true, ~said), ("jaccard", said & true, said | true),
    ):  # fmt: skip
        found = wilson(int(hits.sum()), int(rows.sum()), Confidence().critical)
        assert (row.metrics[name].low, row.metrics[name].high) == pytest.approx((found.low, found.high)), name


def test_means_and_micro_averages_vary_as_drawing_whole_rows_anew_says():
    rng = np.random.default_rng(2)
    scores, target = data(rng, 800)
    names = (
        *COUNTED,
        *("hamming_loss", "subset_accuracy", "lrap", "coverage_error", "ranking_loss", "log_loss", "brier"),
    )
    names = tuple(name for name in names if not name.startswith(("auroc", "average_precision")))
    made = report(scores, target, names)
    drawn = []
    for _ in range(250):
        rows = rng.integers(0, 800, 800)
        drawn.append([v.value for v in report(scores[rows], target[rows], names, confidence=None).metrics.values()])
    spread = dict(zip(names, np.std(drawn, axis=0), strict=True))
    for name, value in made.metrics.items():
        told = (value.high - value.low) / 2 / Confidence().critical
        assert told == pytest.approx(spread[name], rel=0.17), name  # 250 samples know a spread to 4.5 %


def test_where_nothing_tells_how_labels_go_together_it_is_wider():
    rng = np.random.default_rng(3)
    scores, target = data(rng, 400)
    weight = np.full(400, 1.0)
    for name in ("f1_macro", "recall_weighted", "precision_macro"):
        told = report(scores, target, (name,)).metrics[name]
        bound = report(scores, target, (name,), weight=weight).metrics[name]
        assert told.method == "delta"
        assert bound.method == "wilson (bound)"
        assert told.high - told.low < bound.high - bound.low < 2 * (told.high - told.low)


def test_labels_that_say_the_same_add_nothing():
    scores, target = data(np.random.default_rng(4), 300)
    one = scores[:, :1].repeat(4, axis=1), target[:, :1].repeat(4, axis=1)
    made = report(*one)
    single, mean = made.per_class[0].metrics, made.metrics
    for name in ("precision", "recall", "auroc", "average_precision", "brier"):
        whole = mean[name if name == "brier" else f"{name}_macro"]
        told, wanted = (value.high - value.low for value in (whole, single[name]))
        assert told == pytest.approx(wanted, rel=0.03), name
    told, wanted = (value.high - value.low for value in (mean["precision_micro"], single["precision"]))
    assert told == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("weighted", [False, True])
def test_M01_M03_neither_batches_nor_workers_nor_order_can_be_seen(weighted):
    rng = np.random.default_rng(5)
    scores, target = data(rng, 300)
    weight = rng.choice([0.5, 1.0, 3.0], 300) if weighted else None
    whole = report(scores, target, weight=weight)
    order = rng.permutation(300)
    run = Execution(batch_size=37, workers=3)
    other = report(scores[order], target[order], weight=None if weight is None else weight[order], run=run)
    assert (other.metrics, other.per_class) == (whole.metrics, whole.per_class)


def test_perfect_and_useless_predictions_are_not_certain():
    _, target = data(np.random.default_rng(6), 60)
    for scores in (target * 0.98 + 0.01, 0.99 - target * 0.98):
        for name, value in report(scores, target).metrics.items():
            if value.value is not None:
                assert value.low < value.high, name
                assert value.low <= value.value <= value.high, name


def test_ignored_cells_and_labels_only():
    rng = np.random.default_rng(7)
    scores, target = data(rng, 200)
    target = np.where(rng.random(target.shape) < 0.1, -1, target)
    made = report(scores, target, ignore_index=-1)
    assert all(value.low < value.high for value in made.metrics.values())
    labels = report((scores >= 0.5).astype(int), np.abs(target))
    assert all(value.low < value.high for value in labels.metrics.values())


def test_an_interval_shows_nothing_that_was_not_asked_for():
    scores, target = data(np.random.default_rng(8), 100)
    with_, without = (report(scores, target, ("log_loss",), confidence=one) for one in (Confidence(), None))
    assert [{*row.metrics} for row in with_.per_class] == [{*row.metrics} for row in without.per_class]
    assert with_.metrics["log_loss"].low < with_.metrics["log_loss"].high


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([1, 2, 5, 12, 40]),
    spread=st.sampled_from([0.0, 3.0, 50.0, 1000.0]),
    noise=st.sampled_from([0.0, 0.01, 1.0]),
    sign=st.sampled_from([1, -1]),
    weighted=st.booleans(),
    budget=st.sampled_from([0, 300, 10**7]),
)
@example(seed=34515, rows=5, spread=3.0, noise=0.0, sign=-1, weighted=True, budget=0)  # all wrong, of 1 to 4 labels
def test_on_nasty_rows_an_interval_holds_its_value_or_there_is_none(seed, rows, spread, noise, sign, weighted, budget):
    rng = np.random.default_rng(seed)
    target = (rng.random((rows, 4)) < rng.choice([0.0, 0.02, 0.3, 1.0], 4)).astype(int)
    logits = sign * spread * (2 * target - 1) + noise * rng.normal(size=(rows, 4))
    target[1:] = np.where(rng.random((rows - 1, 4)) < 0.1, -1, target[1:])
    weight = np.maximum(rng.choice([0.0, 1e-3, 7.0], rows), [1e-3] + [0.0] * (rows - 1)) if weighted else None
    run = Execution(workers=1, ranking_budget=budget)
    scores = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    made = report(scores, target, weight=weight, run=run, ignore_index=-1)
    for metrics in (made.metrics, *(row.metrics for row in made.per_class)):
        for name, value in metrics.items():
            if value.low is not None:
                entry = parse(name).entry
                assert entry.low <= value.low <= value.value <= value.high <= entry.high, name
                assert value.low < value.high, name


def test_marks_are_counted_in_pairs():
    rng = np.random.default_rng(9)
    preds, target = (rng.random((500, 3)) < 0.4 for _ in range(2))
    repeats = rng.integers(1, 4, 500)
    marks = np.concatenate([preds & target, target, preds], axis=1).astype(int)
    whole, parts = LabelMoments(3), [LabelMoments(3) for _ in range(2)]
    whole.update(preds.astype(int), target.astype(int), repeats=repeats)
    for half, part in enumerate(parts):
        part.update(*(side[half::2].repeat(repeats[half::2], axis=0).astype(int) for side in (preds, target)))
    assert (whole.compute() == (marks * repeats[:, None]).T @ marks).all()
    assert (parts[0].merge(parts[1]).compute() == whole.compute()).all()


def test_without_intervals_labels_are_not_paired(monkeypatch):
    monkeypatch.setattr(states, "LabelMoments", None)
    scores, target = data(np.random.default_rng(10), 50)
    assert report(scores, target, confidence=None).metrics["f1_macro"].low is None


@pytest.mark.parametrize("name", ["ks", "auroc_fpr0.1", "recall_at_precision0.8", "specificity_at_sensitivity0.9"])
def test_what_is_read_off_a_curve_is_as_sure_for_a_label_as_for_a_binary_task(name):
    rng = np.random.default_rng(4)
    target = (rng.random((400, 3)) < 0.4).astype(int)
    scores = 1 / (1 + np.exp(1 - 2 * target - rng.normal(size=target.shape)))
    options = {"execution": Execution(workers=1), "metrics": (f"{name}[1]", f"{name}_macro")}
    made = MemorySource(scores, target), Choices(task="multilabel", confidence=Confidence())
    found = evaluate(*made, **options).metrics
    alone = evaluate(
        MemorySource(scores[:, 1], target[:, 1]), Choices(confidence=Confidence()), Execution(workers=1), (name,)
    ).metrics[name]
    one, mean = found[f"{name}[1]"], found[f"{name}_macro"]
    assert (one.value, one.low, one.high) == pytest.approx((alone.value, alone.low, alone.high), rel=1e-9)
    assert mean.low < mean.value < mean.high
    grouped = MemorySource(scores, target, cluster=np.arange(400) // 4)
    whole = evaluate(grouped, made[1], **options).metrics[f"{name}_macro"]
    assert whole.value == mean.value
    assert mean.low < whole.low < whole.value < whole.high < mean.high  # labels are independent: no bound is needed
    assert whole.method == f"{one.method} (clusters)"


def test_a_micro_auroc_near_one_is_as_unsure_as_few_cells_out_of_order_make_it():
    """Of 1,200 cells one or two are out of order, or none: those that are hardly tell how many there are."""

    def drawn(rng, rows):
        target = (rng.random((rows, 6)) < 0.2).astype(int)
        return 1.0 / (1.0 + np.exp(-(5.0 * target + rng.normal(size=(rows, 6)) - 2.5))), target

    names = ["auroc_micro", "average_precision_micro"]
    large = evalcli.evaluate(
        *drawn(np.random.default_rng(0), 300_000), task="multilabel", metrics=names, confidence=None
    )
    rng, held = np.random.default_rng(1), dict.fromkeys(names, 0)
    for _ in range(100):
        found = evalcli.evaluate(*drawn(rng, 200), task="multilabel", metrics=names, workers=1).data.metrics
        for name in names:
            held[name] += found[name].low <= large[name] <= found[name].high
    assert min(held.values()) >= 93
