"""One model on two samples, and the rows that two files share."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource
from scipy import stats

from evalcli.comparing.independent import compare_samples
from evalcli.comparing.overlap import compare_files
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import evaluate
from evalcli.sources.base import Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence, wilson

RNG = np.random.default_rng(7)


def sample(n, wrong, seed, classes=3):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, n)
    return np.where(rng.random(n) < wrong, rng.integers(0, classes, n), target), target


def compared(train, test, execution=None, metrics=None, weights=(None, None)):
    sources = [
        MemorySource(*each, weight=weight, paths=(f"{name}.pt", f"{name}.pt"))
        for name, each, weight in zip(("train", "test"), (train, test), weights, strict=True)
    ]
    return compare_samples(sources, Choices(), execution or Execution(workers=1), Question(metrics=metrics))


def test_accuracy_has_newcombes_interval() -> None:
    train, test = sample(300, 0.1, 1), sample(200, 0.3, 2)
    found = compared(train, test)
    row = found.metric("accuracy")
    right = [int((p == t).sum()) for p, t in (train, test)]
    assert row.values == (right[0] / 300, right[1] / 200)
    one, other = wilson(right[0], 300, stats.norm.isf(0.025)), wilson(right[1], 200, stats.norm.isf(0.025))
    p, q = row.values
    gap = row.differences[1]
    assert gap.low == pytest.approx(q - p - np.sqrt((q - other.low) ** 2 + (one.high - p) ** 2), rel=1e-9)
    assert gap.high == pytest.approx(q - p + np.sqrt((other.high - q) ** 2 + (p - one.low) ** 2), rel=1e-9)
    above = (gap.high - gap.value) / stats.norm.isf(0.025)  # the standard error on the side of 0
    assert gap.p == pytest.approx(2 * stats.norm.sf(abs(q - p) / above), rel=1e-9)


def test_a_fall_is_called_overfitting() -> None:
    found = compared(sample(500, 0.05, 1), sample(500, 0.4, 2))
    assert [finding.code for finding in found.findings] == ["overfitted"]
    assert found.metric("accuracy").differences[1].verdict == "worse"
    assert [model.n for model in found.models] == [500, 500]
    back = compared(sample(500, 0.4, 2), sample(500, 0.05, 1))
    assert [finding.code for finding in back.findings] == ["easier-sample"]


def test_alike_samples_show_nothing() -> None:
    assert compared(sample(400, 0.2, 1), sample(300, 0.2, 2)).findings == ()


def test_numbers_are_those_of_two_reports_and_no_bit_depends_on_batches() -> None:
    def scored(n, shift, seed):
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 3, n)
        scores = rng.normal(size=(n, 3))
        scores[np.arange(n), target] += shift
        return scores, target

    train, test = scored(200, 2.0, 1), scored(150, 1.0, 2)
    names = ("accuracy", "f1_macro", "auroc_macro", "average_precision_weighted", "log_loss", "brier", "mrr", "ece")
    found = compared(train, test, metrics=names)
    for place, each in enumerate((train, test)):
        report = evaluate(MemorySource(*each), Choices(), Execution(workers=1), names)
        assert [row.values[place] for row in found.metrics] == [report.metrics[name].value for name in names]
    for name in names:
        gap = found.metric(name).differences[1]
        assert gap.low < gap.value < gap.high
        assert (gap.p < 0.05) == (gap.low > 0 or gap.high < 0)
    again = compared(train, test, Execution(batch_size=7, workers=3), names)
    assert repr(again) == repr(found)


def test_weights_that_are_alike_make_nothing_surer() -> None:
    samples = sample(300, 0.1, 1), sample(200, 0.3, 2)
    plain = compared(*samples).metric("accuracy").differences[1]
    for scale in (1.0, 7.0):
        found = compared(*samples, weights=(np.full(300, scale), np.full(200, scale)))
        same = found.metric("accuracy").differences[1]
        assert found.weighted
        assert (same.low, same.high, same.p) == pytest.approx((plain.low, plain.high, plain.p), rel=1e-9)
    uneven = [np.random.default_rng(3).exponential(size=size) ** 2 for size in (300, 200)]
    wider = compared(*samples, weights=uneven).metric("accuracy").differences[1]
    assert wider.high - wider.low > 1.4 * (plain.high - plain.low)


def test_the_interval_of_a_fall_covers() -> None:
    """Of 300 pairs of samples without any fall about 5 % seem to have one: 3 standard errors are 3.8 %."""
    shown = 0
    for seed in range(300):
        gap = compared(sample(80, 0.3, 1000 + seed), sample(60, 0.3, 5000 + seed), metrics=("accuracy",))
        difference = gap.metric("accuracy").differences[1]
        shown += difference.low > 0 or difference.high < 0
    assert 0.012 < shown / 300 < 0.088


def test_a_calibrated_sample_and_one_too_sure_differ_by_what_is_true() -> None:
    """Two intervals put together held it in 89 % of 300, and found a difference in 28 %."""

    def drawn(rng, n, factor):
        logits = 1.2 * rng.normal(size=n)
        target = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(int)
        return 1 / (1 + np.exp(-factor * logits)), target

    choices, execution, name = Choices(scores="probs"), Execution(workers=1), "ece_positive"
    many = MemorySource(*drawn(np.random.default_rng(0), 400_000, 1.5))
    truth = evaluate(many, choices, execution, (name,)).metrics[name].value
    held = shown = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        samples = [MemorySource(*drawn(rng, 1000, f), paths=(f"{f}.pt", "t.pt")) for f in (1.0, 1.5)]
        found = compare_samples(samples, choices, execution, Question(metrics=(name,)))
        gap = found.metric(name).differences[1]
        assert gap.low <= gap.value <= gap.high
        held += gap.low <= truth <= gap.high
        shown += gap.p <= 0.05
    assert held >= 60 * (0.95 - 3 * np.sqrt(0.05 * 0.95 / 60))
    assert shown > 24


def lots(n, seed, skill=1.0):
    """Probabilities of four labels."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 4)) < 0.4).astype(int)
    return 1 / (1 + np.exp(-(skill * (2 * target - 1) + rng.normal(size=(n, 4))))), target


def told(sources, **more):
    question = Question(metrics=more.pop("metrics", None))
    return compare_samples(sources, Choices(**more), Execution(workers=1), question)


def beside(*samples, cluster=(None, None)):
    return [
        MemorySource(*each, cluster=group, paths=(f"{name}.pt", f"{name}.pt"))
        for name, each, group in zip(("train", "test"), samples, cluster, strict=True)
    ]


def test_several_labels_and_values_have_the_intervals_of_their_reports() -> None:
    """Zou and Donner's difference of two numbers with an interval each."""
    values = [(target[:, 0] + scores[:, 0], target[:, 0] + 0.5) for scores, target in (lots(150, 1), lots(90, 2))]
    cases = [
        ("multilabel", (lots(150, 1, 1.2), lots(90, 2)), ("subset_accuracy", "f1_macro", "auroc_macro", "recall[1]")),
        ("regression", values, ("rmse", "mae", "r2")),
    ]
    for task, samples, names in cases:
        found = told(beside(*samples), task=task, metrics=names)
        assert (found.kind, found.task, found.n) == ("independent", task, 240)
        choices = Choices(task=task, confidence=Confidence())
        reports = [evaluate(source, choices, Execution(workers=1), names) for source in beside(*samples)]
        for name in names:
            one, other = (report.metrics[name] for report in reports)
            known = found.metric(name).differences[1]
            assert found.metric(name).values == (one.value, other.value)
            low = np.hypot(other.value - other.low, one.high - one.value)
            assert known.low == pytest.approx(other.value - one.value - low, rel=1e-12), name
            assert known.method == "mover"


def biased(n, by, seed):
    rng = np.random.default_rng(seed)
    target = rng.normal(10, 3, n)
    return target + rng.normal(by, 2, n), target


@pytest.mark.parametrize(("shift", "verdict"), [(-4.0, "worse"), (4.0, "worse"), (1.0, "none"), (-1.0, "none")])
def test_what_is_best_at_0_is_compared_by_its_size(shift, verdict) -> None:
    samples = biased(150, 1.0, 1), biased(90, shift, 2)
    found = told(beside(*samples), task="regression", metrics=("bias",)).metrics[0]
    means = [float(np.mean(preds - target)) for preds, target in samples]
    assert found.values == pytest.approx(means)
    known = found.differences[1]
    assert known.value == pytest.approx(abs(means[1]) - abs(means[0]))
    errors = [np.std(preds - target, ddof=1) / np.sqrt(len(target)) for preds, target in samples]
    assert known.high - known.value == pytest.approx(1.98 * np.hypot(*errors), rel=0.05)
    assert known.verdict == verdict


def test_where_neither_sample_is_biased_hardly_any_difference_is_shown() -> None:
    shown = 0
    for seed in range(100):
        pair = biased(60, 0.0, seed), biased(40, 0.0, 1000 + seed)
        each = told(beside(*pair), task="regression", metrics=("bias",)).metrics[0].differences[1]
        assert each.low <= each.value <= each.high
        shown += each.verdict != "none"
    assert shown <= 3


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_samples_of_clusters_are_less_sure(task) -> None:
    pair = (lots(60, 3, 1.2), lots(60, 4)) if task == "multilabel" else (sample(60, 0.1, 3), sample(60, 0.2, 4))
    again = [tuple(np.repeat(part, 4, axis=0) for part in each) for each in pair]
    cluster = np.repeat(np.arange(60), 4)
    alone, thought, drawn = (
        told(each, task=task) for each in (beside(*pair), beside(*again), beside(*again, cluster=(cluster, cluster)))
    )
    assert drawn.clustered == ("patient", 120, 4, None)
    for rows in zip(alone.metrics, thought.metrics, drawn.metrics, strict=True):
        one, two, three = (row.differences[1].high - row.differences[1].low for row in rows)
        assert two / one < 0.62, rows[0].name  # twice as sure, where they are no more sure
        assert 0.85 < three / one < 1.3, rows[0].name
    with pytest.raises(UsageError, match=r"train\.pt: no column 'patient' to cluster by, which the other sample has"):
        told(beside(*again, cluster=(None, cluster)), task=task)


def test_other_tasks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"test.pt: read as binary"):
        compared(sample(50, 0.2, 1), (np.array([0, 1]), np.array([0, 1])))


def write(path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_tables_share_rows_by_content_and_by_id(tmp_path) -> None:
    text = [f"mail {i}" for i in range(40)]
    train = write(tmp_path / "train.csv", {"id": range(30), "text": text[:30], "pred": [i % 2 for i in range(30)]})
    test = write(tmp_path / "test.csv", {"pred": [i % 2 for i in range(25, 40)], "text": text[25:], "id": range(15)})
    found = compare_files(train, test, Selection())
    assert (found.n, found.distinct, found.shared) == ((30, 15), (30, 15), (5, 5))
    assert [(row.first, row.second) for row in found.rows] == [(25 + i, i) for i in range(5)]
    assert [finding.code for finding in found.findings] == ["leakage"]
    named = compare_files(train, test, Selection(id="text"))
    assert named.shared == (5, 5)
    assert [row.id for row in named.rows] == text[25:30]
    assert compare_files(train, test, Selection(id="id")).shared == (15, 15)


def test_length_goes_before_each_text_of_a_row(tmp_path) -> None:
    """``a`` and ``bc`` are not ``ab`` and ``c``; an empty cell is no text."""
    one = write(tmp_path / "one.csv", {"x": ["a", ""], "y": ["bc", "q"]})
    two = write(tmp_path / "two.csv", {"x": ["ab", "-"], "y": ["c", "q"]})
    assert compare_files(one, two, Selection()).shared == (0, 0)
    same = write(tmp_path / "same.csv", {"x": ["", ""], "y": ["q", "q"]})
    assert compare_files(one, same, Selection(id="y")).shared == (1, 2)


def test_arrays_share_rows(tmp_path) -> None:
    scores = RNG.normal(size=(50, 3)).astype(np.float32)
    np.save(tmp_path / "train.npy", scores[:30])
    np.save(tmp_path / "test.npy", scores[::-1][:25])
    found = compare_files(str(tmp_path / "train.npy"), str(tmp_path / "test.npy"), Selection())
    assert (found.n, found.shared) == ((30, 25), (5, 5))
    assert [(row.first, row.second) for row in found.rows] == [(29 - i, 20 + i) for i in range(5)]


def test_labels_alone_tell_no_samples_apart(tmp_path) -> None:
    one = write(tmp_path / "one.csv", {"target": [0, 1] * 20, "pred": [0, 1] * 20})
    with pytest.raises(UsageError, match=r"only 2 of 40 rows differ .*--id COL"):
        compare_files(one, one, Selection())
    np.save(tmp_path / "labels.npy", np.array([0, 1] * 20))
    with pytest.raises(UsageError, match="only 2 of 40 rows differ"):
        compare_files(str(tmp_path / "labels.npy"), str(tmp_path / "labels.npy"), Selection())


def test_what_has_nothing_in_common_is_refused(tmp_path) -> None:
    one = write(tmp_path / "one.csv", {"a": [1, 2]})
    two = write(tmp_path / "two.csv", {"b": [1, 2]})
    with pytest.raises(UsageError, match="no column in common"):
        compare_files(one, two, Selection())
    with pytest.raises(UsageError, match="no column 'key'"):
        compare_files(one, two, Selection(id="key"))


def test_means_of_ranks_are_as_sure_as_in_the_reports() -> None:
    names = ("auroc_macro", "average_precision_weighted")
    sides = []
    for rows, seed in ((500, 1), (400, 2)):
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 4, rows)
        sides.append((rng.normal(size=(rows, 4)) + np.eye(4)[target], target))
    found, sure = compared(*sides, metrics=names), Choices(confidence=Confidence())
    train, test = (evaluate(MemorySource(*side), sure, Execution(workers=1), names).metrics for side in sides)
    for name in names:
        gap, one, other = found.metric(name).differences[1], train[name], test[name]
        below = np.hypot(other.value - other.low, one.high - one.value)
        assert gap.value - gap.low == pytest.approx(below, rel=1e-9)


def test_calibration_errors_of_clusters_are_tested_at_once() -> None:
    """Put together from two intervals, a calibrated model beside one that is too sure was no difference."""
    rng = np.random.default_rng(8)

    def drawn(sharper: float) -> tuple[np.ndarray, np.ndarray]:
        logits = 1.5 * rng.normal(size=800)
        return 1 / (1 + np.exp(-sharper * logits)), (rng.random(800) < 1 / (1 + np.exp(-logits))).astype(int)

    pair, singles, pairs = (drawn(1.0), drawn(2.0)), np.arange(800), np.arange(800) // 2
    names = ("ece", "overconfidence", "brier_reliability", "brier_resolution")
    rows, alone, two = (
        told(beside(*pair, cluster=(one, one)), task="binary", metrics=names) for one in (None, singles, pairs)
    )
    for plain, single, double in zip(rows.metrics, alone.metrics, two.metrics, strict=True):
        widths = [one.differences[1].high - one.differences[1].low for one in (plain, single, double)]
        assert 0.95 < widths[1] / widths[0] < 1.1, plain.name
        assert 0.95 < widths[2] / widths[0] < 1.5, plain.name
        assert {one.differences[1].method for one in (plain, single)} == {"joint inversion"}
        assert plain.differences[1].p == pytest.approx(single.differences[1].p, abs=0.02)
