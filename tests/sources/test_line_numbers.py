"""Lines by number: two lines have the same number exactly where they have the same bytes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.sources import linenumbers
from evalcli.sources.linenumbers import LONGEST, LineNumbers

LINES = st.lists(
    st.one_of(
        st.binary(max_size=30).filter(lambda line: b"\n" not in line),
        st.sampled_from(
            [b"", b"\0", b"\0" * 7, b"\0" * 8, b"\0" * 9, b"a" * 7, b"a" * 8, b"a" * 9, b"cat,dog", b"x" * 500]
        ),
    ),
    min_size=1,
    max_size=60,
)


def told(numbers: LineNumbers, lines: list[bytes]) -> list[bytes]:
    found = numbers.of(b"".join(line + b"\n" for line in lines))
    assert found is not None
    return [numbers.lines[number] for number in found.tolist()]


@settings(max_examples=200, deadline=None)
@given(blocks=st.lists(LINES, min_size=1, max_size=3), piece=st.sampled_from([600, 1 << 18]))
def test_numbers_stand_for_the_lines_that_have_them(blocks: list[list[bytes]], piece: int) -> None:
    numbers = LineNumbers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linenumbers, "PIECE", piece)
        assert [told(numbers, block) for block in blocks] == blocks
    counts = Counter(line for block in blocks for line in block)
    assert dict(zip(numbers.lines[1:], numbers.counts[1:], strict=True)) == counts


def test_thousands_of_lines_share_slots_and_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    lines = [b"c%d,c%d" % pair for pair in zip(*rng.integers(0, 170, (2, 200_000)).tolist(), strict=True)]
    numbers = LineNumbers()
    assert told(numbers, lines) == lines
    assert len(numbers.lines) == 1 + len(set(lines)) > 25_000
    assert told(numbers, lines[::-1]) == lines[::-1]


def test_lines_of_one_hash_are_refused_and_never_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linenumbers, "_FACTORS", np.zeros_like(linenumbers._FACTORS))
    assert told(LineNumbers(), [b"a", b"a"]) == [b"a", b"a"]
    assert LineNumbers().of(b"a\nb\n") is None
    numbers = LineNumbers()
    assert told(numbers, [b"a"]) == [b"a"]
    assert numbers.of(b"b\n") is None


def test_what_is_too_long_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = b"x" * (LONGEST - 1)
    assert told(LineNumbers(), [b"a", longest]) == [b"a", longest]
    assert LineNumbers().of(b"a\n" + longest + b"x\n") is None
    assert LineNumbers().of(b"x" * (1 << 19) + b"\n") is None
    monkeypatch.setattr(linenumbers, "MOST_LINES", 3)
    numbers = LineNumbers()
    assert told(numbers, [b"a", b"b", b"c", b"a"]) == [b"a", b"b", b"c", b"a"]
    assert numbers.of(b"d\n") is None


def test_threads_find_the_same_lines() -> None:
    rng = np.random.default_rng(1)
    blocks = [[b"%d" % number for number in rng.integers(0, high, 3000).tolist()] for high in range(10, 40_000, 1000)]
    numbers = LineNumbers()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda block: told(numbers, block), blocks)) == blocks
    counts = Counter(line for block in blocks for line in block)
    assert dict(zip(numbers.lines[1:], numbers.counts[1:], strict=True)) == counts
