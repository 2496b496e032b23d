"""The rows that come first, in any order of adding and merging."""

from __future__ import annotations

import random

import numpy as np
import pytest

from evalcli.shortlist import Picked, Shortlist


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
def test_a_shortlist_keeps_the_lowest_in_any_order_of_merging(limit):
    rng = random.Random(limit)
    rows = [(rng.randrange(4) / 4, rng.randrange(3), number, element) for number in range(40) for element in range(2)]
    wanted = sorted(rows)
    for _ in range(20):
        rng.shuffle(rows)
        lists = [Shortlist(limit) for _ in range(3)]
        while chunk := [rows.pop() for _ in range(min(rng.randrange(1, 9), len(rows)))]:
            add(rng.choice(lists), chunk)
        rng.shuffle(lists)
        whole = lists[0]
        for other in lists[1:]:
            whole.merge(other)
        found = whole.rows()
        ranked = list(zip(*whole._ranks[0], found.number.tolist(), found.element.tolist(), strict=True))
        assert ranked == wanted[:limit]
        assert whole.last() == wanted[:limit][-1]
        assert whole.seen == len(wanted)
        assert all(cell == ("cell", number) for cell, number in zip(found.cells, found.number, strict=True))
        rest = Shortlist(limit, whole.last())
        add(rest, wanted)
        assert rest.rows() is None if limit >= len(wanted) else rest.rows().number[0] == wanted[limit][2]
        rows = list(wanted)


def add(shortlist, rows):
    first, second, number, element = (np.array(column) for column in zip(*rows, strict=True))

    def cells(where):
        made = np.empty(len(where), object)
        for i, place in enumerate(where):
            made[i] = ("cell", number[place])
        return made

    shortlist.add((first, second), Picked(number, element, number, number, (first, second)), cells)
