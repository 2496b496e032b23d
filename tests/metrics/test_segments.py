"""Where a score lies in a ranking: by a table of key bits or by a search, always the bin that a search would find."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalcli.metrics import segments as module
from evalcli.metrics.keys import sort_keys
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.segments import Segments

KINDS = {
    "usual": lambda rng, n: rng.standard_normal(n),
    "shares": lambda rng, n: rng.random(n),
    "ties": lambda rng, n: np.round(rng.standard_normal(n), 1),
    "far apart": lambda rng, n: rng.standard_normal(n) * 10.0 ** rng.integers(-300, 300, n),
    "edges": lambda rng, n: rng.choice([-np.inf, np.inf, 0.0, -0.0, 5e-324, 1.0, np.nextafter(1.0, 2.0)], n),
    "one": lambda rng, n: np.full(n, 0.25),
}


def ranked(scores, target, bits, budget):
    table = KeyTable(bits=bits, budget=budget)
    table.update(scores, target)
    return table.ranking()


def searched(ranking, scores):
    """The bin of each score by a plain search among all distinct ones."""
    kind = np.float32 if ranking.bits == 32 else np.float64
    shift = np.uint64(ranking.shift)
    numbers = np.unique(sort_keys(ranking.score.astype(kind), ranking.bits).astype(np.uint64) >> shift)
    return np.searchsorted(numbers, sort_keys(scores.astype(kind), ranking.bits).astype(np.uint64) >> shift)


@pytest.mark.parametrize("kind", KINDS)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 3000),
    bits=st.sampled_from([32, 64]),
    budget=st.sampled_from([1 << 12, 1 << 26]),
)
def test_a_score_lies_in_the_bin_that_a_search_finds(kind, seed, rows, bits, budget):
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        scores = KINDS[kind](rng, rows).astype(np.float32 if bits == 32 else np.float64)
    target = rng.integers(0, 2, rows)
    ranking = ranked(scores, target, bits, budget)
    segments = Segments(ranking)
    expected = searched(ranking, scores)
    assert segments.bins(scores).tolist() == expected.tolist()
    assert segments.bins(scores[:1]).tolist() == expected[:1].tolist()
    values = rng.random((len(segments), 2))
    assert np.array_equal(segments.spread(values)[segments.places(scores)], values[expected])
    assert segments._searched(segments._numbers.copy()).tolist() == [*range(len(segments))]
    assert expected.max() == len(segments) - 1


@pytest.mark.parametrize("bits", [32, 64])
def test_many_bins_near_each_other_have_a_table_and_bins_far_apart_are_searched(bits, monkeypatch):
    monkeypatch.setattr(module, "_NEAR", 16)
    rng = np.random.default_rng(3)
    kind = np.float32 if bits == 32 else np.float64
    near, far = rng.standard_normal(200_000).astype(kind), (10.0 ** rng.uniform(-30, 30, 20_000)).astype(kind)
    for scores, budget, has_table in ((near, 1 << 21, True), (far, 1 << 26, False)):
        ranking = ranked(scores, rng.integers(0, 2, len(scores)), bits, budget)
        segments = Segments(ranking)
        assert segments.bins(scores).tolist() == searched(ranking, scores).tolist()
        assert (segments._table is not None) == has_table
        assert (len(segments.spread(np.arange(len(segments)))) > len(segments)) == has_table


@given(seed=st.integers(0, 2**32))
def test_what_belongs_to_a_segment_reaches_the_rows_of_its_side(seed):
    """Also where a bin is two segments, because all of one side lies above all of the other."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, 400)
    scores = np.round(rng.random(400) * 1e-3 + target * rng.choice([0.0, 2e-4]), 5)
    ranking = ranked(scores, target, 64, 1 << 11)
    assert not ranking.exact
    segments = Segments(ranking)
    values = rng.random(len(ranking.score))
    bins = segments.bins(scores)
    rising = ranking.score[::-1]
    place = len(rising) - np.searchsorted(rising, scores, side="right")
    for side, of in ((1, segments.of_positives), (0, segments.of_negatives)):
        rows = target == side
        assert of(values)[bins[rows]].tolist() == values[place[rows]].tolist()


@pytest.mark.parametrize("rows", [1, 5000])
def test_a_score_that_was_never_counted_lies_in_some_bin(rows):
    rng = np.random.default_rng(0)
    ranking = ranked(rng.random(5000), rng.integers(0, 2, 5000), 64, 1 << 16)
    found = Segments(ranking).bins(rng.standard_normal(rows) * 1e9)
    assert found.min() >= 0
    assert found.max() < len(Segments(ranking))


def test_nothing_ranked_has_no_bins():
    with pytest.raises(ValueError, match="nothing was ranked"):
        Segments(KeyTable().ranking()).bins(np.zeros(1))
