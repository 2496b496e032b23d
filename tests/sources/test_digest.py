"""What a file is known by: SHA-256 as other tools say it, whoever hashes which bytes."""

from __future__ import annotations

import hashlib
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalcli.errors import LimitError
from evalcli.sources import digest
from evalcli.sources.digest import Pieces

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 16


def by_definition(data: bytes) -> str:
    """The digest of the digests of pieces, by hashlib alone."""
    if len(data) <= PIECE:
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    pieces = [hashlib.sha256(data[at : at + PIECE]).digest() for at in range(0, len(data), PIECE)]
    return f"sha256-0MiB:{hashlib.sha256(b''.join(pieces)).hexdigest()}"


@given(st.binary(max_size=100), st.lists(st.integers(0, 100)), st.integers(1, 9))
def test_blocks_and_hands_do_not_matter(data: bytes, cuts: list[int], hands: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest, "PIECE", PIECE)
        patch.setattr(digest, "_READ", 5)
        alone = Pieces(len(data))
        edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        for start, stop in pairwise(edges):
            alone.update(data[start:stop])
        alone.end()
        seen: list[int] = []

        def fill(view: memoryview, offset: int) -> None:
            view[:] = data[offset : offset + len(view)]
            seen.extend(range(offset, offset + len(view)))

        every = [Pieces(len(data), (rank, hands)) for rank in range(hands)]
        for pieces in every:
            pieces.read(fill, lambda: None)
        for pieces in every:
            for other in every:
                pieces.take(other.told())
        assert {pieces.text() for pieces in every} == {alone.text()} == {by_definition(data)}
        assert sorted(seen) == list(range(len(data)))  # each byte is read once


def test_a_piece_that_nobody_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "PIECE", PIECE)
    half = Pieces(40, (0, 2))
    half.read(lambda _view, _offset: None, lambda: None)
    with pytest.raises(LimitError, match="hashed by nobody"):
        half.text()


def test_the_digest_of_a_large_file_is_what_the_shell_says(tmp_path: Path) -> None:
    data = b"evalcli\n" * (9 << 20)  # 72 MiB
    pieces = Pieces(len(data))
    pieces.update(data)
    pieces.end()
    (tmp_path / "x").write_bytes(data)
    command = f"split -b 64M --filter 'openssl dgst -sha256 -binary' {tmp_path}/x | openssl dgst -sha256"
    said = subprocess.run(["bash", "-c", command], capture_output=True, encoding="utf-8", check=False)
    if said.returncode or not said.stdout:
        pytest.skip("needs split of GNU and openssl")
    assert pieces.text() == f"sha256-64MiB:{said.stdout.split()[-1]}"
