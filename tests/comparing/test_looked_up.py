"""How rows are looked up in rankings of many bins."""

import numpy as np
import pytest

from evalcli.comparing.looks import RankedColumn
from evalcli.metrics.ranking import KeyTable
from evalcli.uncertainty.rankinfluences import RowInfluence

RNG = np.random.default_rng(0)
TARGET = np.sort(RNG.integers(0, 2, 5000))
SCORES = RNG.normal(TARGET)


def looked_up(monkeypatch, bins, alike):
    monkeypatch.setattr("evalcli.comparing.looks._MOST_BINS", bins)
    monkeypatch.setattr("evalcli.comparing.looks._ALIKE", alike)
    table = KeyTable()
    table.update(SCORES, TARGET)
    ranking = table.ranking()
    influences = [RowInfluence.of(base, ranking) for base in ("auroc", "average_precision")]
    column = RankedColumn.of(ranking, [*influences, None])
    exact = np.stack([one.at(SCORES, TARGET == 1) for one in influences], axis=1)
    return len(column.segments), column.told(SCORES, np.flatnonzero(TARGET)), exact


def test_of_many_bins_several_are_one_whose_rows_add_their_mean(monkeypatch):
    bins, found, exact = looked_up(monkeypatch, 512, 1e-3)
    assert 128 < bins <= 512
    assert not (found[:, :2] == exact).all()
    assert found[:, :2] == pytest.approx(exact, abs=0.05 * np.abs(exact).max())
    assert found[:, :2].sum(axis=0) == pytest.approx(exact.sum(axis=0), abs=1e-12)
    assert (found[:, :2] ** 2).sum(axis=0) == pytest.approx((exact**2).sum(axis=0), rel=1e-3)
    assert not found[:, 2].any()


@pytest.mark.parametrize(("bins", "alike"), [(1 << 16, 1e-3), (512, 1e-9)], ids=["few", "unlike"])
def test_bins_stay_apart_where_they_are_few_or_their_rows_differ(bins, alike, monkeypatch):
    size, found, exact = looked_up(monkeypatch, bins, alike)
    assert size == len(SCORES)
    assert (found[:, :2] == exact).all()
