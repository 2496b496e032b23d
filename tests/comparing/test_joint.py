"""The joint table of two models, and the first rows that flip, however the rows are cut and merged."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from evalcli.comparing.joint import FirstFlips, JointCounts
from evalcli.errors import LimitError

RNG = np.random.default_rng(11)


def rows(n, classes):
    return tuple(RNG.integers(low, classes, n) for low in (0, -1, -1))


def counted(sides, cuts, weight=None):
    """Parts of the rows, each counted by itself, merged from the last to the first."""
    parts = []
    for start, stop in zip(cuts, [*cuts[1:], len(sides[0])], strict=True):
        table = JointCounts(weighted=weight is not None)
        table.update(*(side[start:stop] for side in sides), None if weight is None else weight[start:stop])
        parts.append(table)
    while len(parts) > 1:
        parts[-2].merge(parts.pop())
    return parts[0].cells()


@pytest.mark.parametrize("classes", [1, 2, 10, 60, 1000])
@pytest.mark.parametrize("cuts", [[0], [0, 1, 40, 41, 400], list(range(0, 500, 7))])
def test_counts_beside_brute_force(classes: int, cuts: list[int]) -> None:
    sides = rows(500, classes)
    cells = counted(sides, cuts)
    expected = sorted(Counter(zip(*(side.tolist() for side in sides), strict=True)).items())
    assert list(zip(*(part.tolist() for part in cells[:4]), strict=True)) == [(*key, n) for key, n in expected]
    assert cells.amounts.tolist() == cells.squares.tolist() == cells.rows.tolist()


def test_weights_are_added_exactly_and_rows_of_no_weight_are_counted() -> None:
    sides = rows(300, 3)
    weight = RNG.random(300)
    weight[sides[0] == 0] = 0.0
    cells = counted(sides, [0, 100, 101], weight)
    again = counted(sides, list(range(300)), weight)
    assert all(np.array_equal(one, other) for one, other in zip(cells, again, strict=True))
    for t, a, b, n, amount, square in zip(*(part.tolist() for part in cells), strict=True):
        here = weight[(sides[0] == t) & (sides[1] == a) & (sides[2] == b)].tolist()
        assert n == len(here)
        assert amount == float(sum(map(Fraction, here)))
        assert square == float(sum(Fraction(w * w) for w in here))
    assert cells.amounts[cells.target == 0].tolist() == [0.0] * int((cells.target == 0).sum())


def test_classes_beyond_the_keys_are_refused() -> None:
    table = JointCounts()
    most = np.array([2**21 - 3])
    table.update(most, most, np.array([-1]))
    assert [part.tolist() for part in table.cells()[:3]] == [[2**21 - 3], [2**21 - 3], [-1]]
    with pytest.raises(LimitError, match="classes are too many to compare"):
        table.update(most + 1, most, most)


@pytest.mark.parametrize("limit", [0, 1, 3, 10**6])
@pytest.mark.parametrize("size", [1, 13, 500])
def test_first_flips_of_any_order_and_cut(limit: int, size: int) -> None:
    target, first, second = rows(500, 3)
    numbers = RNG.permutation(500)
    flips = [FirstFlips(limit), FirstFlips(limit)]
    for turn, start in enumerate(range(0, 500, size)):
        part = slice(start, start + size)
        here = numbers[part]
        flips[turn % 2].update(
            target[part],
            first[part],
            second[part],
            here.__getitem__,
            lambda where, here=here: here[where].astype(object),
        )
    flips[1].merge(flips[0])
    found = flips[1].rows
    expected = []
    for kind in range(3):
        for name in range(3):
            is_kind = [second == target, first == target, (first != target) & (second != target)][kind]
            held = np.sort(numbers[is_kind & (first != second) & (target == name)])[:limit]
            expected += [(kind, name, int(number)) for number in held]
    assert list(zip(found.kind.tolist(), found.target.tolist(), found.number.tolist(), strict=True)) == expected
    assert found.name.tolist() == found.number.tolist()


def test_rows_behind_the_last_that_may_be_kept_are_not_wanted():
    flips = FirstFlips(1)
    assert flips.wants(np.array([0]), 0)
    assert not flips.wants(np.array([], int), 0)
    assert not FirstFlips(0).wants(np.array([0]), 0)
    target, first, second = np.zeros(3, int), np.array([1, 0, 1]), np.array([0, 1, 2])  # a row of every kind
    flips.update(target, first, second, np.array([4, 5, 6]).__getitem__, None)
    assert not flips.wants(np.array([0]), 7)
    assert flips.wants(np.array([0]), 6)
    assert flips.wants(np.array([0, 1]), 7)
