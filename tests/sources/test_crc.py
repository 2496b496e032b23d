"""CRC-32 of a whole from its pieces, against zlib."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from evalcli.sources.crc import Ledger, crc32_combine


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_crc32_combine_equals_zlib(a, b):
    assert crc32_combine(zlib.crc32(a), zlib.crc32(b), len(b)) == zlib.crc32(a + b)


@given(st.binary(min_size=1, max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8))
def test_a_ledger_needs_no_order_and_no_completeness(data, pieces):
    ledger = Ledger()
    for a, b in pieces:
        start, stop = sorted((min(a, len(data)), min(b, len(data))))
        ledger.add(start, stop, zlib.crc32(data[start:stop]))
    assert ledger.total(len(data), lambda start, stop: zlib.crc32(data[start:stop])) == zlib.crc32(data)
