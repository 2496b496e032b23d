"""Each rule speaks on a textbook example and is silent on a healthy one."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource, text_source

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.report import Finding
from evalcli.sources.base import Note
from evalcli.task import Choices


def found(source, **choices) -> dict[str, Finding]:
    findings = evaluate(source, Choices(**choices), Execution(workers=1)).findings
    assert len({finding.code for finding in findings}) == len(findings)
    assert all(finding.level in {"warning", "info"} and finding.text and finding.fix for finding in findings)
    return {finding.code: finding for finding in findings}


def pairs(*cells):
    """Predictions and targets from (target, prediction, count)."""
    target, said, count = zip(*cells, strict=True)
    return MemorySource(np.repeat(said, count), np.repeat(target, count))


HEALTHY = pairs((0, 0, 90), (0, 1, 10), (1, 0, 12), (1, 1, 88))
HEALTHY_MANY = pairs(*((t, p, 80 if t == p else 5) for t in range(4) for p in range(4)))


@pytest.mark.parametrize("source", [HEALTHY, HEALTHY_MANY])
def test_nothing_is_said_of_a_healthy_model(source):
    assert found(source) == {}


def test_a_line_of_totals_is_a_class_of_one_row():
    said, target = ["a"] * 30 + ["b"] * 30, ["a"] * 25 + ["b"] * 35
    told = found(text_source(["Total", *said], ["60", *target]))["total-row"]
    assert told.text == "'Total' is the class of one row alone: the line of totals of a spreadsheet?"
    assert "total-row" not in found(text_source(["Total", "Total", *said], ["Total", "a", *target]))


def test_accuracy_paradox_98_accuracy_12_recall():
    # 1,000 payments, 25 of them fraud, of which 3 are found
    said = found(pairs((0, 0, 975), (1, 0, 22), (1, 1, 3)))
    assert said["hardly-found"].text == "accuracy is 97.8%, but '1' is hardly found: 3 of 25, recall 0.1200"
    assert "--min 'recall[1]=0.8'" in said["hardly-found"].fix
    assert "majority-baseline" not in said
    scores = np.repeat([0.1, 0.2, 0.9], [975, 22, 3])
    lower = found(MemorySource(scores, np.repeat([0, 1, 1], [975, 22, 3])))
    assert lower["hardly-found"].fix.endswith("a lower --threshold finds more")


def test_hardly_found_needs_rows_and_accuracy():
    assert "hardly-found" not in found(pairs((0, 0, 990), (1, 0, 3), (1, 1, 1)))  # 4 rows say nothing
    assert "hardly-found" not in found(pairs((0, 0, 60), (1, 0, 30), (1, 1, 10)))
    several = found(pairs((0, 0, 900), (1, 0, 9), (1, 1, 1), (2, 0, 10)))
    assert several["hardly-found"].text.endswith(
        "'2' is hardly found: 0 of 10, recall 0.0000 (and 1 more such classes)"
    )


def test_majority_baseline():
    equal = found(pairs((0, 0, 880), (0, 1, 20), (1, 0, 80), (1, 1, 20)))["majority-baseline"]
    assert equal.text == "accuracy 0.9000 is no better than always answering '0' (0.9000)"
    worse = found(pairs((0, 0, 860), (0, 1, 40), (1, 0, 70), (1, 1, 30)))["majority-baseline"]
    assert worse.text == "accuracy 0.8900 is worse than always answering '0' (0.9000)"
    assert "majority-baseline" not in found(pairs((0, 0, 881), (0, 1, 19), (1, 0, 80), (1, 1, 20)))


def test_constant_prediction():
    said = found(pairs((0, 1, 50), (1, 1, 50), (2, 1, 40)))
    assert said["constant-prediction"].text == "every prediction is '1', though the target has 3 classes"
    assert not {"never-predicted", "near-chance"} & {*said}
    assert "constant-prediction" not in found(pairs((1, 1, 50)))
    assert "near-chance" not in found(pairs((0, 0, 50), (1, 0, 50)))


@pytest.mark.parametrize(("step", "word"), [(1, "after"), (-1, "before")])
def test_shifted_labels(step, word):
    truth = np.arange(1000) % 5 + 1
    said = found(MemorySource(np.where(np.arange(1000) % 10, truth + step, truth), truth))["shifted-labels"]
    assert said.text.startswith(f"90.0% of the predictions are the class {word} the right one")
    assert "shifted-labels" not in found(MemorySource(np.where(np.arange(1000) % 10 < 6, truth, truth + step), truth))
    ordered = [f"c{t}" for t in truth]
    assert "shifted-labels" not in found(text_source([f"c{t + step}" for t in truth], ordered))
    numbers = found(text_source([str(t + step) for t in truth], [str(t) for t in truth]))
    assert "shifted-labels" in numbers


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("targets.pt", "preds.pt"), True),
        (("out/y_true.npy", "out/y_pred.npy"), True),
        (("gold_labels.csv", "Predictions.csv"), True),
        (("truth.npy", "model-scores.npy"), True),
        (("preds.pt", "targets.pt"), False),
        (("all.csv", "all.csv"), False),
        (("a.npy", "b.npy"), False),
        (("pred_labels.npy", "target.npy"), False),
        (("targets/run1.npy", "preds/run1.npy"), False),
        (("goldfish.npy", "predators.npy"), False),
    ],
)
def test_arguments_that_look_swapped(paths, expected):
    source = MemorySource([0, 1, 1], [0, 1, 0], paths=paths)
    assert ("swapped-arguments" in found(source)) == expected


def test_near_and_below_chance():
    near = found(pairs((0, 0, 52), (0, 1, 48), (1, 0, 50), (1, 1, 50)))
    assert near["near-chance"].text == "balanced accuracy 0.5100 is near chance (0.5 ± 0.071 at this size)"
    below = found(pairs((0, 0, 10), (0, 1, 90), (1, 0, 85), (1, 1, 15)))
    assert below["below-chance"].text == "balanced accuracy 0.1250 is below chance: the two classes look exchanged"
    assert "below-chance" in found(pairs((0, 1, 50), (1, 0, 50)))
    # 0.51 of 200,000 rows is no coin
    assert not {"near-chance", "below-chance"} & {
        *found(pairs((0, 0, 52_000), (0, 1, 48_000), (1, 0, 50_000), (1, 1, 50_000)))
    }
    assert "near-chance" not in found(pairs(*((t, p, 10) for t in range(4) for p in range(4))))


def test_never_predicted_and_never_a_target():
    said = found(pairs((0, 0, 50), (1, 1, 50), (2, 0, 12), (3, 4, 11)))
    assert said["never-predicted"].text == "2 classes are never predicted: '2', '3'"
    assert said["never-target"].text == "1 class is predicted, but never the target: '4'"
    many = found(pairs((0, 0, 50), (1, 1, 50), *((c, 0, 12) for c in range(2, 9))))
    assert many["never-predicted"].text == "7 classes are never predicted: '2', '3', '4', '5', '6', …"


def test_values_that_are_counted_as_classes():
    values = found(pairs(*((value, value + (value % 3 > 0), 1) for value in range(0, 90, 2))))
    assert values["numbers-for-classes"].text.startswith("all 75 classes are numbers, and 60 of them are on one side")
    assert "numbers-for-classes" not in found(pairs(*((value, value - value % 5, 1) for value in range(19))))
    assert "numbers-for-classes" not in found(pairs(*((c, (c * 7) % 30 if c % 4 else c, 2) for c in range(30))))


def test_tiny_support():
    said = found(pairs((0, 0, 50), (1, 1, 9), (1, 0, 0), (2, 2, 10), (0, 2, 3)))
    assert said["tiny-support"].text.startswith("1 class is supported by fewer than 10 rows")
    assert said["tiny-support"].text.endswith(": '1'")


def test_weights_have_no_unit():
    truth, guess = np.repeat([0, 1], 100), np.tile([0, 0, 0, 1], 50)
    right = np.where(np.arange(200) % 10, truth, guess)
    for scale in (1e-9, 1.0, 1e9):
        assert found(MemorySource(right, truth, weight=np.full(200, scale))) == found(MemorySource(right, truth))
        assert "near-chance" in found(MemorySource(guess, truth, weight=np.full(200, scale)))


def test_scores_that_may_be_percentages():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    logits = rng.normal(size=(200, 3)) + np.eye(3)[truth]
    percent = 100 * np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    told = found(MemorySource(percent, truth))["never-negative"]
    assert told.level == "warning"
    assert "taken as logits, though none is below 0" in told.text
    assert "never-negative" not in found(MemorySource(percent, truth), scores="logits")
    assert "never-negative" not in found(MemorySource(logits, truth))
    assert "never-negative" not in found(MemorySource(percent / 100, truth))


def test_masks_that_may_be_one_hot_classes():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 3, 5, 6))
    truth = rng.integers(0, 3, (4, 5, 6))
    hot = np.moveaxis(np.eye(3, dtype=int)[truth], -1, 1)
    for told in (found(MemorySource(scores, hot)), found(MemorySource((scores > 0).astype(int), hot))):
        assert told["one-hot"].text.endswith("the truth looks one-hot on axis 1")
        assert "--class-axis 1;" in told["one-hot"].fix
    last = found(MemorySource(np.moveaxis(scores, 1, -1), np.eye(3, dtype=int)[truth]))["one-hot"]
    assert "--class-axis -1" in last.fix
    assert "one-hot" not in found(MemorySource(scores, hot), class_axis=1)
    assert "one-hot" not in found(MemorySource(scores, hot), task="binary")
    assert "one-hot" not in found(MemorySource(scores, rng.integers(0, 2, scores.shape)))
    assert "one-hot" not in found(MemorySource(scores[:, :1], np.ones((4, 1, 5, 6), int)))


def test_ties():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 1000)
    scores = rng.normal(size=(1000, 3)) + 4 * np.eye(3)[truth]
    assert "ties" not in found(MemorySource(scores, truth))
    scores[:10] = 7.0
    assert "ties" not in found(MemorySource(scores, truth))  # 1 %, not above
    scores[:11] = 7.0
    assert found(MemorySource(scores, truth))["ties"].text.startswith(
        "1.1% of the rows have their best score more than once"
    )


@pytest.mark.parametrize(("rows", "said", "count"), [(3, "3 rows", ("were", "count")), (1, "1 row", ("was", "counts"))])
def test_rows_without_a_usable_value(rows, said, count):
    scores = np.tile(np.eye(2), (100, 1))
    truth = np.tile([0, 1], 100)
    scores[:rows] = np.nan
    drop, wrong = (found(MemorySource(scores, truth), nan=rule)["unusable-rows"] for rule in ("drop", "wrong"))
    assert drop.text.startswith(f"{said} {count[0]} dropped")
    assert wrong.text.startswith(f"{said} without a prediction {count[1]} as wrong")


def test_all_right():
    assert found(pairs((0, 0, 30), (1, 1, 30)))["all-right"].level == "info"
    assert "all-right" not in found(pairs((0, 0, 30), (1, 1, 30), (1, 0, 1)))
    assert "all-right" not in found(pairs((0, 0, 20), (1, 1, 20)))


def test_notes_of_the_source_come_last():
    source = MemorySource([0, 0], [0, 1], notes=(Note("odd", "something odd", "look"),))
    findings = evaluate(source, Choices(), Execution()).findings
    assert findings[-1] == Finding("odd", "info", "something odd", "look")
    assert findings[0].code == "constant-prediction"


def test_what_is_not_asked_does_not_hide_a_finding():
    source = pairs((0, 0, 975), (1, 0, 22), (1, 1, 3))
    narrowed = evaluate(source, Choices(), Execution(), metrics=("f1_macro",))
    assert list(narrowed.metrics) == ["f1_macro"]
    assert any(finding.code == "hardly-found" for finding in narrowed.findings)
