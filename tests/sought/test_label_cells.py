"""The wrong cells of several labels a row beside numpy, whatever the batch size and the number of workers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import sought_rows
from memory_source import MemorySource

from evalcli import mistakes
from evalcli.errors import InputError, UsageError
from evalcli.listing import Search
from evalcli.threshold import Chosen, LabelCut

NAMES = ("cat", "dog", "owl", "eel")
listing_of, rows_of = (partial(each, "multilabel") for each in (sought_rows.listing_of, sought_rows.rows_of))


def drawn(seed=0, n=150, labels=4):
    rng = np.random.default_rng(seed)
    target = (rng.random((n, labels)) < 0.3).astype(np.int64)
    return rng.normal(size=(n, labels)).round(1) * 2 + 2 * target - 1, target


def expected(probs, target, thresholds=0.5, names=None, confident=False):
    """Every wrong cell by hand: cells whose target is neither 0 nor 1 do not count."""
    thresholds = np.broadcast_to(np.asarray(thresholds, float), target.shape[1:])
    rows = []
    for i, j in np.ndindex(*target.shape):
        said = int(probs[i, j] >= thresholds[j])
        if target[i, j] in (0, 1) and said != target[i, j]:
            rows.append({"row": i, "label": (names or NAMES)[j], "target": int(target[i, j]), "pred": said,
                         "score": float(probs[i, j]), "margin": abs(float(probs[i, j]) - thresholds[j])})  # fmt: skip
    return sorted(rows, key=lambda row: -row["margin"]) if confident else rows


def same(found, wanted):
    """The same cells in the same order; probabilities of logits to their last digits."""
    keys = ("row", "label", "target", "pred")
    assert [[row[key] for key in keys] for row in found] == [[row[key] for key in keys] for row in wanted]
    for name in ("score", "margin"):
        np.testing.assert_allclose([r[name] for r in found], [r[name] for r in wanted], rtol=1e-12, atol=1e-15)


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


@pytest.mark.parametrize("kind", ["probs", "logits"])
@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("threshold", [None, 0.2])
def test_wrong_cells_in_either_order(kind, confident, threshold):
    logits, target = drawn()
    probs = sigmoid(logits).round(3)
    scores = probs if kind == "probs" else logits
    probs = probs if kind == "probs" else sigmoid(logits)
    wanted = expected(probs.round(15), target, threshold or 0.5, confident=confident)
    assert {row["target"] for row in wanted} == {0, 1}
    source = MemorySource(scores, target, columns=NAMES)
    for limit in (1, 9, None):
        found = rows_of(source, Search(confident=confident), limit, threshold=threshold)
        if confident and kind == "logits":  # ties of rounded logits differ in their last digits
            assert [r["margin"] for r in found] == pytest.approx([r["margin"] for r in wanted[:limit]], rel=1e-12)
        else:
            same(found, wanted[:limit])
    found = listing_of(source, threshold=threshold)
    assert (found.wrong, found.summary.elements, found.summary.n) == (len(wanted), target.size, len(target))


def test_a_long_ranked_list_takes_passes_and_is_the_same(monkeypatch):
    logits, target = drawn(1, 40)  # a pass for each row where one is held
    source = MemorySource(sigmoid(logits).round(2), target, columns=NAMES)
    whole = rows_of(source, Search(confident=True))
    for held in (1, 10, len(whole)):
        monkeypatch.setattr(mistakes, "HELD", held)
        assert rows_of(source, Search(confident=True)) == whole


def test_some_of_the_labels():
    logits, target = drawn(2)
    probs = sigmoid(logits)
    every = expected(probs, target)
    source = MemorySource(probs, target, columns=NAMES)
    for confident in (False, True):
        found = rows_of(source, Search(classes=("owl", "cat"), confident=confident))
        wanted = [row for row in expected(probs, target, confident=confident) if row["label"] in ("owl", "cat")]
        same(found, wanted)
    found = listing_of(source, Search(classes=("owl",)))
    assert (found.matching, found.wrong) == (sum(row["label"] == "owl" for row in every), len(every))
    with pytest.raises(UsageError, match="--class: there is no label 'owls'; did you mean 'owl'"):
        listing_of(source, Search(classes=("owls",)))


def test_predictions_of_0_and_1_have_no_score():
    rng = np.random.default_rng(3)
    preds, target = rng.integers(0, 2, (40, 4)), rng.integers(0, 2, (40, 4))
    wanted = [row | {"score": None, "margin": None} for row in expected(preds, target, names=("0", "1", "2", "3"))]
    for stored in (preds, preds.astype(bool), preds.astype(np.float32)):
        assert rows_of(MemorySource(stored, target)) == wanted
        with pytest.raises(UsageError, match="--most-confident needs scores"):
            listing_of(MemorySource(stored, target), Search(confident=True))


def test_cells_that_do_not_count_are_no_mistakes():
    logits, target = drawn(4)
    target[::5, 1] = -1
    target[10] = -1
    probs = sigmoid(logits)
    source = MemorySource(probs, target, columns=NAMES)
    wanted = expected(probs, target)
    same(rows_of(source, ignore_index=-1), wanted)
    found = listing_of(source, ignore_index=-1)
    assert (found.wrong, found.summary.elements) == (len(wanted), int((target >= 0).sum()))
    assert (found.summary.n, found.summary.ignored) == (149, 1)


def test_missing_scores_are_refused_dropped_or_wrong():
    logits, target = drawn(5)
    probs = sigmoid(logits)
    probs[3, 2] = probs[90, 0] = np.nan
    source = MemorySource(probs, target, columns=NAMES)
    with pytest.raises(InputError, match="row 3"):
        listing_of(source)
    kept = [row for row in expected(np.nan_to_num(probs), target) if (row["row"], row["label"]) not in
            {(3, "owl"), (90, "cat")}]  # fmt: skip
    same(rows_of(source, nan="drop"), [row for row in kept if row["row"] not in (3, 90)])
    found = rows_of(source, nan="wrong")
    same([row for row in found if row["pred"] is not None], kept)
    assert [row for row in found if row["pred"] is None] == [
        {"row": i, "label": label, "target": int(target[i, j]), "pred": None, "score": None, "margin": None}
        for i, j, label in ((3, 2, "owl"), (90, 0, "cat"))
    ]
    ranked = rows_of(source, Search(confident=True), nan="wrong")
    assert [row["row"] for row in ranked[-2:]] == [3, 90]


def test_every_label_has_its_threshold_where_one_was_chosen():
    logits, target = drawn(6)
    cuts = (0.3, 0.5, 0.9, 0.0)
    chosen = Chosen("t.json", None, None, "probs", None, labels=tuple(map(LabelCut, NAMES, cuts, cuts)))
    probs = sigmoid(logits)
    source = MemorySource(probs, target, columns=NAMES)
    same(rows_of(source, chosen=chosen), expected(probs, target, cuts))
    same(rows_of(source, Search(confident=True), chosen=chosen), expected(probs, target, cuts, confident=True))


def test_weights_stand_beside_their_rows_and_are_not_counted():
    logits, target = drawn(7)
    weight = np.random.default_rng(7).random(len(target))
    weight[:4] = 0
    source = MemorySource(sigmoid(logits), target, columns=NAMES, weight=weight)
    found = rows_of(source)
    assert [row.pop("weight") for row in found] == [weight[row["row"]] for row in found]
    same(found, expected(sigmoid(logits), target))
    assert listing_of(source).wrong == len(found)


def test_what_speaks_of_one_class_a_row_is_refused():
    source = MemorySource(*drawn(8))
    with pytest.raises(UsageError, match=r"--pair: a row has no one target .* use --class LABEL"):
        listing_of(source, Search(pairs=("cat:dog",)))
    with pytest.raises(UsageError, match="--suspect-labels: labels are suspect where a row has one"):
        listing_of(source, Search(suspects=True))
    assert source.passes == 0
