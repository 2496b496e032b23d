"""What the report of several labels a row notices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from labelled_rows import LABELS, data, report
from memory_source import MemorySource

import evalcli
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.multilabel.findings import Facts, find
from evalcli.sources.base import Note
from evalcli.task import Choices
from evalcli.threshold import Chosen, LabelCut

# Findings


def found(made_from, **facts):
    made = report(*made_from)
    return [finding.code for finding in made.findings]


def test_nothing_predicted():
    scores, target, _ = data(0)
    assert found((scores * 0.4, target))[0] == "predicts-nothing"
    text = next(f for f in report(scores * 0.4, target).findings if f.code == "predicts-nothing")
    assert "evalcli tune" in text.fix
    assert (
        "evalcli tune"
        not in next(
            f for f in report(np.zeros_like(target), target, task="multilabel").findings if f.code == "predicts-nothing"
        ).fix
    )


def test_rows_side_by_side_look_like_one_row_of_many_labels():
    scores, target = np.linspace(0, 1, 12), np.arange(12) % 2
    row = evalcli.evaluate(scores[None], target[None], confidence=None).data
    (finding,) = (each for each in row.findings if each.code == "single-row")
    assert finding.text == "there is 1 row, of 12 labels: of 12 rows with one score each the numbers are others"
    few = evalcli.evaluate(scores[None, :4], target[None, :4], confidence=None).data
    assert "single-row" not in [each.code for each in few.findings]


def test_no_better_than_predicting_nothing():
    _, target, _ = data(0)
    rng = np.random.default_rng(1)
    noise = rng.random(target.shape)
    finding = next(f for f in report(noise, target).findings if f.code == "nothing-baseline")
    assert "Hamming loss" in finding.text
    assert "worse than predicting no label at all (0." in finding.text
    rare = (rng.random((200, 4)) < 0.05).astype(int)
    partly = np.where(rare == 1, (rng.random((200, 4)) < 0.9) * 0.9, 0.1)
    partly[rare.sum(axis=1) == 0, 0] = 0.9  # every row without a label gets a wrong one
    finding = next(f for f in report(partly, rare).findings if f.code == "nothing-baseline")
    assert finding.text.startswith(("Hamming loss", "subset accuracy"))


def test_a_label_hardly_found_behind_a_low_hamming_loss():
    rng = np.random.default_rng(0)
    target = (rng.random((400, 4)) < [0.5, 0.5, 0.5, 0.1]).astype(int)
    scores = np.where(target == 1, 0.9, 0.1)
    scores[:, 3] = np.where(rng.random(400) < 0.2, scores[:, 3], 0.1)
    finding = next(f for f in report(scores, target).findings if f.code == "hardly-found")
    assert "of all cells are right, but 'eel' is hardly found: " in finding.text
    assert finding.fix == "gate on it: --min 'recall[eel]=0.8'"


def test_scores_that_rank_well_and_are_cut_badly():
    scores, target, _ = data(0)
    scores[:, 1] = 0.3 * target[:, 1] + scores[:, 1] * 0.05
    made = report(scores, target)
    finding = next(f for f in made.findings if f.code == "wrong-threshold")
    text = "the scores of 'dog' rank well (AUROC 1.0000), but at this threshold its F1 is 0.0000"
    assert finding.text.startswith(text)
    assert "evalcli tune" in finding.fix


def test_labels_never_or_always_predicted_or_true():
    scores, target, _ = data(0)
    scores[:, 0], scores[:, 1] = 0.1, 0.9
    target[:, 2], target[:, 3] = 0, 1
    made = report(scores, target)
    texts = {finding.code: finding.text for finding in made.findings}
    assert texts["never-predicted"] == "1 label is true somewhere and never predicted: 'cat'"
    assert texts["always-predicted"] == "1 label is predicted in every row: 'dog'"
    assert texts["never-true"] == "1 label is true in no row: 'owl'"
    assert texts["always-true"] == "1 label is true in every row: 'eel'"


def test_tiny_support_and_rows_without_a_label():
    scores, target, _ = data(0)
    target[:, 3] = 0
    target[:3, 3] = 1
    target[50:] = 0
    texts = {finding.code: finding.text for finding in report(scores, target).findings}
    assert "true in fewer than 10 rows" in texts["tiny-support"]
    assert "'eel'" in texts["tiny-support"]
    assert "of the rows have no true label: each counts 1 in LRAP" in texts["empty-rows"]


def test_all_right_and_swapped():
    scores, target, _ = data(0)
    assert "all-right" in [f.code for f in report(target, target, task="multilabel").findings]
    source = MemorySource(scores, target, paths=("targets.pt", "preds.pt"))
    assert evaluate(source, Choices(), Execution(workers=1)).findings[0].code == "swapped-arguments"


def test_clipped_probabilities_and_notes_of_the_source_are_passed_on():
    scores, target, _ = data(0)
    scores[0] = 1 - target[0]
    made = report(scores, target)
    assert "4 cells give what happened a probability of (nearly) 0" in "".join(f.text for f in made.findings)
    facts = Facts(replace(made, findings=()), notes=(Note("x", "y", "z", "warning"),))
    assert "x" in [finding.code for finding in find(facts)]


def test_a_saved_choice_that_meets_its_own_file_warns():
    scores, target, _ = data(0)
    cuts = tuple(LabelCut(name, 0.5, 0.5) for name in LABELS)
    chosen = Chosen("tuned.json", None, None, "probs", None, frozenset({"sha256:00"}), cuts)

    class Filed(MemorySource):
        def finish(self):
            from evalcli.sources.base import InputFile

            return (InputFile("preds.pt", 1, "sha256:00"),)

    source = Filed(scores, target)
    made = evaluate(source, Choices(labels=LABELS, task="multilabel", chosen=chosen), Execution(workers=1))
    assert ("threshold-chosen-here", "warning") in [(finding.code, finding.level) for finding in made.findings]
    assert made.threshold == (0.5,) * 4
    assert made.metrics == report(scores, target).metrics
