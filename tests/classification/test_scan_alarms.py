"""How often the search for weak slices is wrong, and what it would have found: by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.classification.labels import Labels
from evalcli.classification.scan import count
from evalcli.scanning.counts import Hits
from evalcli.scanning.tables import Rows, ScanTables
from evalcli.scanning.weakslices import judged
from evalcli.sources.base import Scan, Scanned, Slicer
from evalcli.uncertainty.intervals import Confidence


def simulated(rng, rows, share, sizes=(2, 3, 5, 8)):
    """A search over columns drawn at random, each row right with a probability of its ``share``."""
    codes = np.stack([rng.integers(0, size, rows) for size in sizes], axis=1)
    hit = (rng.random(rows) < share(codes)).astype(np.int64)
    columns = tuple(Slicer(f"c{i}", tuple(map(str, range(size)))) for i, size in enumerate(sizes))
    scanned = Scanned(Scan(tuple(column.name for column in columns)), columns)
    tables = ScanTables(scanned, Hits)
    count(tables, Rows(), Labels(hit, np.ones(rows, np.int64), None, None), codes)
    return judged(scanned, tables, "accuracy", (), Confidence())


@pytest.mark.parametrize(("rows", "rate"), [(500, 0.9), (3000, 0.7)])
def test_where_nothing_is_weak_few_searches_find_anything(rows, rate):
    rng = np.random.default_rng(rows)
    alarms = sum(bool(simulated(rng, rows, lambda _: rate).slices) for _ in range(400))
    assert alarms <= 0.05 * 400


def test_a_pair_is_no_news_where_one_of_its_columns_explains_it():
    rng = np.random.default_rng(5)
    every = [simulated(rng, 3000, lambda codes: 0.9 - 0.3 * (codes[:, 1] == 2)) for _ in range(200)]
    first = [(found.slices[0].columns, found.slices[0].values) for found in every]
    assert first.count((("c1",), ("2",))) >= 0.97 * 200
    shares = [np.mean([len(row.columns) > 1 for row in found.slices]) for found in every]
    assert np.mean(shares) <= 0.05


def test_a_planted_pair_is_found_and_named_first():
    rng = np.random.default_rng(6)
    first = [
        simulated(rng, 3000, lambda codes: 0.9 - 0.3 * ((codes[:, 1] == 2) & (codes[:, 2] == 3))).slices[:1]
        for _ in range(200)
    ]
    assert sum(bool(found) and found[0].values == ("2", "3") for found in first) >= 0.97 * 200


def test_where_nothing_is_found_it_says_what_would_have_been():
    rng = np.random.default_rng(7)
    found = simulated(rng, 2000, lambda _: 0.8)
    assert not found.slices
    shown = found.shown
    assert (shown.column, shown.value) in {("c0", "0"), ("c0", "1")}  # the largest shows most
    assert -0.1 < shown.difference < -0.04
    hopeless = simulated(rng, 2000, lambda _: 1.0)
    assert (hopeless.slices, hopeless.shown) == ((), None)


def test_the_least_that_would_have_been_found_is_found():
    columns = (Slicer("c", ("a", "b")),)
    scanned = Scanned(Scan(("c",)), columns)

    def searched_with(hits):
        """1000 rows, 800 right; ``hits`` of the first 400 are."""
        tables = ScanTables(scanned, Hits)
        right = np.concatenate([np.arange(400) < hits, np.arange(600) < 800 - hits]).astype(np.int64)
        tables.update(right, (np.arange(1000) >= 400)[:, None] * 1)
        return judged(scanned, tables, "accuracy", (), None)

    shown = searched_with(320).shown
    assert (shown.value, shown.n) == ("b", 600) or (shown.value, shown.n) == ("a", 400)
    gaps = {hits: hits / 400 - (800 - hits) / 600 for hits in range(290, 321)}
    listed = {hits: bool(searched_with(hits).slices) for hits in gaps}
    edge = max(hits for hits, found in listed.items() if found)
    assert all(found == (hits <= edge) for hits, found in listed.items())
    assert shown.difference >= gaps[edge] - 1e-12  # in the other value it may be smaller still
