"""Models side by side: each has the numbers of its own report, and the differences are those of brute force."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from memory_source import MemorySource, text_source
from models_beside import CASES, EXECUTIONS, TARGET, WEIGHTS, answers, compared, logits, sources

from evalcli.comparing import models
from evalcli.comparing.data import Comparison
from evalcli.comparing.models import numbers_of
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_rows_are_counted_once_for_each_model(monkeypatch, case) -> None:
    seen = []
    monkeypatch.setattr(models, "numbers_of", lambda *of: seen.append(numbers_of(*of)) or seen[-1])
    compared(case(), EXECUTIONS[2])
    _, target, weight, _ = case()[0].arrays
    for numbers in seen:
        assert numbers.total == (len(target) if weight is None else weight.sum())
        assert numbers.counts.support.tolist() == np.bincount(target, weight).tolist()
    assert len(seen) == len(case())


def test_each_model_has_the_numbers_of_its_own_report(case) -> None:
    found = compared(case())
    for place, source in enumerate(case()):
        report = evaluate(source, Choices(), EXECUTIONS[0], tuple(row.name for row in found.metrics))
        assert report.n == found.n
        for row in found.metrics:
            assert row.values[place] == report.metrics[row.name].value


def test_no_bit_depends_on_batches_and_workers(case) -> None:
    question = Question(confidence=Confidence(resamples=200))
    there = Execution(backend="torch", workers=1)  # of which a comparison asks nothing: it looks at rows on the host
    every = [compared(case(), execution, question).to_json_object() for execution in (*EXECUTIONS, there)]
    for other in every[1:]:
        assert json.dumps(other) == json.dumps(every[0])


def test_json_round_trip(case) -> None:
    found = compared(case())
    assert Comparison.from_json_object(json.loads(json.dumps(found.to_json_object()))) == found


def test_the_sign_follows_the_order_and_the_verdict_the_direction() -> None:
    made = sources(logits(TARGET, 0.5, 1), logits(TARGET, 2.5, 2))
    there, back = compared(made), compared(made[::-1])
    for name, verdict in product(("accuracy", "log_loss", "auroc_macro"), ("better",)):
        one, other = there.metric(name).differences[1], back.metric(name).differences[1]
        assert one.verdict == verdict
        assert other.verdict == "worse"
        assert one.value == pytest.approx(-other.value)
        assert one.low == pytest.approx(-other.high, rel=0.05)
    assert there.metric("log_loss").differences[1].value < 0


def test_holm_goes_over_all_metrics_that_are_compared() -> None:
    found = compared(sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.25, 9)))
    every = [row.differences[1] for row in found.metrics]
    smallest = min(every, key=lambda each: each.p)
    assert smallest.adjusted == pytest.approx(min(len(every) * smallest.p, 1))
    alone = compared(sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.25, 9)), question=Question(metrics=("mcc",)))
    assert alone.metrics[0].differences[1].adjusted == alone.metrics[0].differences[1].p


def brute_flips(first, second, target):
    kinds = {"fixed": [], "broken": [], "other": []}
    for row, (a, b, t) in enumerate(zip(first.tolist(), second.tolist(), target.tolist(), strict=True)):
        if a != b:
            kinds["fixed" if b == t else "broken" if a == t else "other"].append((row, str(t), str(a), str(b)))
    return kinds


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_flips_beside_brute_force(execution) -> None:
    first, second = answers(TARGET, 0.4, 1), answers(TARGET, 0.3, 2)
    found = compared(sources(first, second), execution, Question(flips=10**6))
    kinds = brute_flips(first, second, TARGET)
    whole, classes = found.flips[0], found.flips[1:]
    assert (whole.fixed, whole.broken, whole.other) == tuple(len(kinds[k]) for k in ("fixed", "broken", "other"))
    assert whole.right == int(((first == TARGET) & (second == TARGET)).sum())
    assert whole.same == int(((first != TARGET) & (second == first)).sum())
    assert whole.support == len(TARGET)
    for each in classes:
        assert each.support == each.right + each.fixed + each.broken + each.other + each.same
        assert each.broken == sum(t == each.name for _, t, *_ in kinds["broken"])
    listed = {kind: [(r.row, r.target, r.first, r.second) for r in found.rows if r.kind == kind] for kind in kinds}
    assert listed == kinds


def test_only_the_first_flips_of_a_class_are_named() -> None:
    first, second = answers(TARGET, 0.4, 1), answers(TARGET, 0.3, 2)
    kinds = brute_flips(first, second, TARGET)
    expected = [row for kind in kinds for name in "0123" for row in [r for r in kinds[kind] if r[1] == name][:2]]
    for execution in EXECUTIONS:
        found = compared(sources(first, second), execution, Question(flips=2))
        assert sorted((r.row, r.target, r.first, r.second) for r in found.rows) == sorted(expected)


def test_targets_that_differ_are_told_with_their_first_rows() -> None:
    other = TARGET.copy()
    other[[7, 100]] = (other[[7, 100]] + 1) % 4
    made = [*sources(answers(TARGET, 0.3, 1)), MemorySource(answers(TARGET, 0.2, 2), other, paths=("b.pt", "u.pt"))]
    with pytest.raises(InputError, match=r"2 targets differ from those of t.pt \(row 7: \d, not \d, row 100"):
        compared(made, EXECUTIONS[2])


def test_weights_that_differ_are_refused() -> None:
    first, second = sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.2, 2), weight=WEIGHTS)
    heavy = MemorySource(second.arrays[0], TARGET, weight=WEIGHTS + 1, paths=("b.pt", "u.pt"))
    with pytest.raises(InputError, match="500 weights differ"):
        compared([first, heavy])
    with pytest.raises(UsageError, match="some models are weighted"):
        compared([first, *sources(answers(TARGET, 0.2, 2))])


def test_other_lengths_are_refused() -> None:
    for more in ({}, {"nan": "drop"}, {"question": Question(by_id=True)}):  # arrays stand in one order
        made = [*sources(answers(TARGET, 0.3, 1)), MemorySource(TARGET[:-1], TARGET[:-1])]
        with pytest.raises(InputError, match=r"499 rows, but a\.pt has 500"):
            compared(made, **more)


def test_labels_meet_scores() -> None:
    found = compared(sources(logits(TARGET, 1.0, 1), answers(TARGET, 0.2, 2)))
    assert [model.scores for model in found.models] == ["logits", "labels"]
    assert [row.name for row in found.metrics] == ["accuracy", "balanced_accuracy", "f1_macro", "mcc"]
    assert any(finding.code == "labels-only" for finding in found.findings)
    with pytest.raises(UsageError, match="log_loss needs scores"):
        compared(sources(logits(TARGET, 1.0, 1), answers(TARGET, 0.2, 2)), question=Question(metrics=("log_loss",)))


def test_the_classes_are_those_of_all_models() -> None:
    """The first alone would be binary; a class that the second alone answers is one of both."""
    target = np.array([0, 1, 0, 1, 1])
    found = compared(sources(np.array([0, 1, 1, 1, 1]), np.array([0, 2, 0, 1, 1]), target=target))
    assert found.task == "multiclass"
    assert found.classes == ("0", "1", "2")
    texts = [
        text_source(["a", "b", "a"], ["a", "b", "b"]),
        text_source(["a", "c", "b"], ["a", "b", "b"]),
    ]
    found = compared(texts)
    assert found.classes == ("a", "b", "c")
    assert found.metric("accuracy").values == (2 / 3, 2 / 3)


def test_score_columns_of_other_classes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"scores of 5 classes, but of 4 in a\.pt"):
        compared(sources(logits(TARGET, 1.0, 1), logits(TARGET, 1.0, 2, 5)))


def test_columns_in_another_order_are_the_same_classes() -> None:
    scores = logits(TARGET, 1.5, 1)
    names = ("w", "x", "y", "z")
    order = [2, 0, 3, 1]
    first = MemorySource(scores, TARGET, labels=names, columns=names)
    second = MemorySource(scores[:, order], TARGET, labels=names, columns=tuple(names[i] for i in order))
    found = compared([first, second])
    assert found.flips[0].fixed == found.flips[0].broken == 0
    assert any(finding.code == "same-answers" for finding in found.findings)
    for row in found.metrics:
        assert row.values[0] == pytest.approx(row.values[1], abs=1e-15)
        assert row.differences[1].p == 1.0
        assert row.differences[1].low < 0 < row.differences[1].high


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_rows_without_a_score_are_compared_nowhere_or_wrong(execution) -> None:
    scores = logits(TARGET, 1.5, 1)
    scores[[3, 50]] = np.nan
    second = answers(TARGET, 0.2, 2)
    with pytest.raises(InputError, match="2 predictions are not finite"):
        compared(sources(scores, second), execution)
    found = compared(sources(scores, second), execution, nan="drop")
    kept = np.setdiff1d(np.arange(500), [3, 50])
    assert (found.n, found.left_out, found.ignored) == (498, 2, 0)
    assert found.metric("accuracy").values[1] == float((second == TARGET)[kept].mean())
    assert {row.row for row in found.rows} & {3, 50} == set()
    wrong = compared(sources(scores, second), execution, question=Question(flips=10**6), nan="wrong")
    assert (wrong.n, wrong.left_out) == (500, 0)
    assert [row.first for row in wrong.rows if row.row in {3, 50}] == [None, None]


def test_ignored_rows_are_ignored_by_all() -> None:
    target = TARGET.copy()
    target[:50] = 255
    found = compared(sources(answers(TARGET, 0.3, 1), answers(TARGET, 0.2, 2), target=target), ignore_index=255)
    assert (found.n, found.ignored, found.left_out) == (450, 50, 0)
    assert min(row.row for row in found.rows) >= 50
    with pytest.raises(EmptyError, match="all 500 rows are left out"):
        compared(sources(TARGET, TARGET, target=np.full(500, 255)), ignore_index=255)


def test_pixels_are_compared_and_their_rows_named() -> None:
    target = TARGET.reshape(10, 5, 10)
    first, second = (answers(TARGET, wrong, seed).reshape(10, 5, 10) for wrong, seed in ((0.3, 1), (0.2, 2)))
    expected = compared(sources(first.reshape(-1), second.reshape(-1)), question=Question(flips=10**6))
    for execution in EXECUTIONS:
        found = compared(sources(first, second, target=target), execution, Question(flips=10**6))
        assert found.metrics == expected.metrics
        assert sorted(row.row for row in found.rows) == sorted(row.row // 50 for row in expected.rows)


def test_a_league_compares_all_with_the_best() -> None:
    found = CASES["league"]()
    league = compared(found)
    assert league.kind == "league"
    assert league.reference == 1
    row = league.metric("accuracy")
    assert row.differences[1] is None
    pairwise = {other: compared([found[1], found[other]]).metric("accuracy").differences[1] for other in (0, 2)}
    for other, pair in pairwise.items():
        ours = row.differences[other]
        assert (ours.value, ours.p) == (pair.value, pair.p)
        assert (ours.low, ours.high) == (pair.low, pair.high)
    smallest, largest = sorted((row.differences[i].p, row.differences[i].adjusted) for i in (0, 2))
    assert smallest[1] == pytest.approx(3 * smallest[0])  # of three pairs
    assert largest[1] == pytest.approx(max(min(2 * largest[0], 1.0), smallest[1]))
    assert row.differences[2].verdict == "none"
    assert row.differences[0].verdict == "worse"


@pytest.mark.parametrize("size", [1, 20, 33])
def test_a_batch_of_ignored_rows_counts_nothing_twice(size) -> None:
    target = TARGET.copy()
    target[100:140] = -100
    made = [logits(TARGET, 1.0, 1), logits(TARGET, 1.3, 2)]
    names = Question(metrics=("log_loss", "brier", "top2_accuracy", "auroc_macro"))
    whole, cut = (
        compared(sources(*made, target=target), Execution(batch_size=each, workers=1), names, ignore_index=-100)
        for each in (None, size)
    )
    kept = target >= 0
    again = compared(sources(*(each[kept] for each in made), target=target[kept]), EXECUTIONS[0], names)
    for name in names.metrics or ():
        found = cut.metric(name).differences[1]
        assert found == whole.metric(name).differences[1] == again.metric(name).differences[1]


@pytest.mark.parametrize("more", [{}, {"weight": WEIGHTS}])
def test_a_league_of_scores_has_what_each_pair_has(more) -> None:
    made = [logits(TARGET, shift, i) for i, shift in enumerate((1.0, 1.6, 1.2))]
    names = ("log_loss", "brier", "top2_accuracy", "mrr", "auroc_macro", "average_precision_macro")
    league = compared(sources(*made, **more), question=Question(metrics=names))
    assert league.reference == 1
    for other in (0, 2):
        pair = compared(sources(made[1], made[other], **more), question=Question(metrics=names))
        for name in names:
            ours, theirs = league.metric(name).differences[other], pair.metric(name).differences[1]
            assert (ours.value, ours.low, ours.high) == pytest.approx(
                (theirs.value, theirs.low, theirs.high), abs=1e-12
            )
            assert ours.p == pytest.approx(theirs.p, rel=1e-9)


def test_a_saved_comparison_that_is_none_is_refused() -> None:
    good = compared(CASES["labels"]()).to_json_object()
    with pytest.raises(InputError, match="not a saved comparison"):
        Comparison.from_json_object({"schema": "evalcli.report/1"})
    with pytest.raises(InputError, match="a part missing"):
        Comparison.from_json_object({key: value for key, value in good.items() if key != "models"})
    assert replace(Comparison.from_json_object(good | {"news": 1})) == Comparison.from_json_object(good)


def test_many_classes_are_counted_without_a_table_of_all() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 5000, 3000)
    first, second = (np.where(rng.random(3000) < p, rng.integers(0, 5000, 3000), target) for p in (0.3, 0.2))
    found = compared(sources(first, second, target=target), question=Question(metrics=("accuracy", "f1_macro")))
    assert found.metric("accuracy").values == (float((first == target).mean()), float((second == target).mean()))
    assert found.metric("accuracy").differences[1].verdict == "better"
