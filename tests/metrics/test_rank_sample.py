"""The sample of rows with the scores of all their columns: it follows from the rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.errors import InputError
from evalcli.metrics.rank_sample import RankSample

RNG = np.random.default_rng(3)
SCORES, CLASSES = RNG.random((3000, 4)), RNG.integers(0, 4, 3000)
LABELS = RNG.integers(-1, 2, (3000, 4))
LABELS[:, 0] = CLASSES > 1  # a row counts somewhere
WEIGHT = RNG.random(3000)


def sample_of(rows, sizes, *, labels=False, weight=None):
    state = RankSample(4, labels=labels, weighted=weight is not None)
    target = LABELS if labels else CLASSES
    for start in range(0, len(rows), sizes):
        part = rows[start : start + sizes]
        state.update(SCORES[part], target[part], None if weight is None else weight[part])
    return state


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["rows", "weights"])
@pytest.mark.parametrize("labels", [False, True], ids=["classes", "labels"])
def test_the_sample_follows_from_the_rows_alone(labels, weight):
    whole = sample_of(np.arange(3000), 3000, labels=labels, weight=weight)
    order = RNG.permutation(3000)
    first, second = (sample_of(part, 7, labels=labels, weight=weight) for part in (order[:1000], order[1000:]))
    second.merge(first)
    for one, other in zip(whole.compute(), second.compute(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.rows == second.rows == 3000
    again = RankSample(4, labels=labels, weighted=weight is not None)
    again.load_state_dict(second.state_dict())
    np.testing.assert_array_equal(again.compute().scores, whole.compute().scores)

    found = whole.compute()
    assert found.scores.shape == found.target.shape == (512, 4)
    shown = np.where(LABELS >= 0, SCORES, 0.0) if labels else SCORES
    place = {row: number for number, row in enumerate(map(tuple, shown.tolist()))}
    picked = [place[row] for row in map(tuple, found.scores.tolist())]
    truth = LABELS if labels else CLASSES[:, None] == np.arange(4)
    np.testing.assert_array_equal(found.target, truth[picked])
    np.testing.assert_array_equal(found.squares, np.ones(512) if weight is None else weight[picked] ** 2)
    # the hash prefers no kind of row
    assert abs(found.scores.mean() - shown.mean()) < 4 * shown.mean(axis=1).std() / np.sqrt(512)


def test_equal_rows_are_kept_once_with_their_number():
    state = RankSample(2)
    state.update(np.tile([[0.25, 0.5]], (9, 1)), np.ones(9, int), repeats=np.full(9, 2))
    state.update(np.array([[0.25, 0.5]]), np.array([0]))
    found = state.compute()
    assert sorted(zip(found.target.tolist(), found.squares.tolist(), strict=True)) == [([0, 1], 18.0), ([1, 0], 1.0)]


def test_many_columns_have_fewer_rows_and_others_cannot_merge():
    wide = RankSample(1 << 12)
    wide.update(RNG.random((200, 1 << 12)), np.zeros(200, int))
    assert wide.compute().scores.shape == (128, 1 << 12)
    with pytest.raises(ValueError, match="different columns"):
        wide.merge(RankSample(2))
    with pytest.raises(InputError, match="shape"):
        RankSample(3).update(SCORES, CLASSES)


def test_a_saved_sample_of_other_targets_is_refused():
    state = sample_of(np.arange(50), 50)
    saved = state.state_dict()
    name = next(key for key in saved if key.endswith("content"))
    for column in (4.0, -1.0, 0.5):
        bad = saved[name].copy()
        bad[3, 4] = column
        with pytest.raises(ValueError, match="targets that are none"):
            RankSample(4).load_state_dict(saved | {name: bad})


def test_a_cell_that_does_not_count_may_be_no_number():
    state = RankSample(2, labels=True)
    state.update(np.array([[np.nan, 0.5], [0.25, np.nan]]), np.array([[-1, 1], [0, -1]]))
    again = RankSample(2, labels=True)
    again.load_state_dict(state.state_dict())
    assert sorted(again.compute().scores.tolist()) == [[0.0, 0.5], [0.25, 0.0]]
