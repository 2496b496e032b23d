"""What a device reads off sorted keys against what the host reads off the same ones: torch runs here on the CPU."""

from __future__ import annotations

import copy
from math import log1p

import numpy as np
import pytest
import torch

from evalcli.metrics.probability import ScoreForm
from evalcli.metrics.ranking import KeyTable, auroc, average_precision, over_columns
from evalcli.metrics.terms import BLOCK, _log1p, added
from evalcli.ondevice import gather, keys


def rows(size: int, classes: int, digits: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size + classes + digits)
    scores, target = rng.normal(size=(size, classes)), rng.integers(0, max(classes - 1, 2), size)  # one class has none
    scores[np.arange(size), target % classes] += 1
    scores = (scores.round(digits) if digits else scores).astype(np.float32 if bits == 32 else np.float64)
    return (scores if classes > 1 else scores[:, 0]), target


def gathered(table: KeyTable, scores: np.ndarray, target: np.ndarray) -> gather.DeviceScores:
    form = ScoreForm("probs", max(table.columns, 2), binary=table.columns == 1)
    there = gather.DeviceScores({"KeyTable": table}, form, "cpu")
    there.update(torch.from_numpy(scores), torch.from_numpy(target))
    there.settle()
    return there


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("budget", [1 << 26, 60_000, 3_000])
@pytest.mark.parametrize(("size", "classes"), [(1, 1), (1, 5), (7, 2), (3000, 1), (3000, 5)])
@pytest.mark.parametrize("digits", [0, 1, 3])
def test_rankings_and_what_is_read_off_them_are_those_of_the_host(bits, budget, size, classes, digits, monkeypatch):
    monkeypatch.setattr(keys, "SORTED", 2 * size)  # two columns at a time
    scores, target = rows(size, classes, digits, bits)
    here, table = (KeyTable(classes, bits=bits, budget=budget) for _ in range(2))
    here.update(scores, target)
    there = gathered(table, scores, target).ranked
    expected = here.compute()
    for found in (there.rankings(), table.compute()):
        for one, other in zip(found, expected, strict=True):
            for part in ("score", "pos", "neg", "mixed", "spread"):
                np.testing.assert_array_equal(getattr(one, part), getattr(other, part), err_msg=part)
                assert getattr(one, part).dtype == getattr(other, part).dtype
            assert (one.shift, one.bits) == (other.shift, other.bits)
    for name, formula in (("auroc", auroc), ("average_precision", average_precision)):
        for one, other in zip(there.read(name), over_columns(formula, expected), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    assert there.read("ks") is None
    assert there.positives.tolist() == [ranking.positives for ranking in expected]
    assert budget > 3_000 or size < 3000 or not here.exact


def test_only_what_was_sorted_at_once_is_read_there(monkeypatch):
    scores, target = rows(300, 3, 0, 32)
    table = KeyTable(3, bits=32)
    there = gathered(table, scores, target)
    assert there.ranked.rows == table.rows == 300
    assert copy.deepcopy(there.ranked) is there.ranked
    first = there.ranked
    there.update(torch.from_numpy(scores), torch.from_numpy(target))
    there.settle()
    assert there.ranked is first  # of 300 rows, whose numbers nobody takes for those of 600
    assert table.rows == 600
    monkeypatch.setattr(keys, "MOST_BYTES", 1000)
    assert gathered(KeyTable(3, bits=32), scores, target).ranked is None


def test_terms_are_added_up_the_same_wherever_they_lie():
    rng = np.random.default_rng(1)
    for size in (0, 1, 2, 3, 5, 100, 1023, BLOCK):
        terms = rng.normal(size=(3, size)) * 10.0 ** rng.integers(-9, 9, (3, size))
        kept = terms.copy()
        alone = [float(added(row)) for row in terms]
        behind = np.concatenate([terms, np.zeros((3, 77))], axis=1)
        assert added(behind).tolist() == added(torch.from_numpy(terms)).tolist() == alone
        assert alone == pytest.approx(terms.sum(axis=1).tolist(), rel=1e-9, abs=1e-6)
        np.testing.assert_array_equal(terms, kept)


def test_the_logarithm_is_bounded_from_above():
    sizes = np.concatenate([10.0 ** np.arange(-20, 300, 0.25), [0.0, np.inf]])
    found = _log1p(sizes)
    for size, bound in zip(sizes.tolist(), found.tolist(), strict=True):
        exact = log1p(size) if size < 1e300 else 0.0
        assert exact * (1 - 1e-15) <= bound
        assert size > 100 or bound <= exact * 1.001
    assert found.tolist() == _log1p(torch.from_numpy(sizes)).tolist()
