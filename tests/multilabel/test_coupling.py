"""How the ranks of labels go together: the sample of rows, and what it makes of means over labels."""

import numpy as np
import pytest

import evalcli
from evalcli.metrics.label_sample import LabelSample, SampledRows
from evalcli.metrics.ranking import KeyTable
from evalcli.multilabel.coupling import of_cells, of_labels

RNG = np.random.default_rng(3)


def drawn(rows: int, labels: int, alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets (N, L) whose causes and errors are shared to the part ``alike``."""
    shared, noise = RNG.normal(size=(2, rows, 1))
    target = (alike * shared + (1 - alike) * RNG.normal(size=(rows, labels)) > 0.3).astype(int)
    scores = 1.2 * target + alike * noise + (1 - alike) * RNG.normal(size=(rows, labels))
    return 1 / (1 + np.exp(-scores)), target


def sample_of(scores: np.ndarray, target: np.ndarray, sizes: int) -> LabelSample:
    state = LabelSample(scores.shape[1])
    for start in range(0, len(scores), sizes):
        state.update(scores[start : start + sizes], target[start : start + sizes])
    return state


def test_the_sample_follows_from_the_rows_alone():
    scores, target = drawn(3000, 4, 0.5)
    whole = sample_of(scores, target, 3000).compute()
    order = RNG.permutation(3000)
    first, second = (sample_of(scores[part], target[part], 7) for part in (order[:1000], order[1000:]))
    for one, other in zip(whole, second.merge(first).compute(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.scores.shape == (512, 4)
    rows = {(*score, *label) for score, label in zip(scores.tolist(), target.tolist(), strict=True)}
    assert all((*one, *two) in rows for one, two in zip(whole.scores.tolist(), whole.target.tolist(), strict=True))
    # the hash prefers no kind of row
    assert abs(whole.scores.mean() - scores.mean()) < 4 * scores.mean(axis=1).std() / np.sqrt(512)


def test_equal_rows_are_kept_once_with_their_number():
    found = sample_of(np.tile([[0.25, 0.5]], (9, 1)), np.tile([[1, 0]], (9, 1)), 4).compute()
    assert (found.scores.tolist(), found.counts.tolist()) == ([[0.25, 0.5]], [9])


def rankings_of(scores: np.ndarray, target: np.ndarray) -> KeyTable:
    table = KeyTable(scores.shape[1])
    table.take_cells(scores.T, target.T.astype(np.int8), None, None)
    return table


def test_labels_that_are_all_one_are_coupled_as_closely_as_can_be():
    scores, target = drawn(400, 1, 0.5)
    scores, target = np.repeat(scores, 5, axis=1), np.repeat(target, 5, axis=1)
    rows = SampledRows(scores, target.astype(float), np.ones(400, np.int64))
    table, even = rankings_of(scores, target), np.full(5, 0.2)
    for base in ("auroc", "average_precision"):
        assert of_labels(base, rows, table.compute(), even, np.zeros(5)) == pytest.approx(5)
        assert of_cells(base, rows, table.pooled()) == pytest.approx(5)


def test_labels_apart_are_not_coupled_and_few_rows_do_not_tell():
    scores, target = drawn(4000, 4, 0.0)
    rows = SampledRows(scores, target.astype(float), np.ones(4000, np.int64))
    rankings, even = rankings_of(scores, target).compute(), np.full(4, 0.25)
    assert of_labels("auroc", rows, rankings, even, np.zeros(4)) == pytest.approx(1, abs=0.15)
    few = SampledRows(*(part[:10] for part in rows))
    assert of_labels("auroc", few, rankings, even, np.zeros(4)) is None


NAMES = ("auroc_macro", "auroc_micro", "auroc_weighted", "average_precision_macro", "average_precision_micro")


@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_widths_are_those_of_a_bootstrap_of_rows(alike):
    scores, target = drawn(1500, 4, alike)

    def values(rows: np.ndarray) -> list[float]:
        found = evalcli.evaluate(
            scores[rows], target[rows], task="multilabel", metrics=list(NAMES), confidence=None, workers=1
        )
        return [found[name] for name in NAMES]

    errors = np.std([values(RNG.integers(0, 1500, 1500)) for _ in range(120)], axis=0)
    found = evalcli.evaluate(scores, target, task="multilabel", metrics=list(NAMES), workers=1).data.metrics
    for name, error in zip(NAMES, errors, strict=True):
        assert (found[name].high - found[name].low) / 3.92 == pytest.approx(error, rel=0.25), name
        assert "bound" not in found[name].method
