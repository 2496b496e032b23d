"""What a file is known by: SHA-256, of a large file piece by piece, so that processes may hash some pieces each.

A file of up to 64 MiB is known as ``sha256:…``, which ``sha256sum`` prints for it. A larger one is cut into pieces of
64 MiB; ``sha256-64MiB:…`` is the SHA-256 of the SHA-256 digests of its pieces, one after the other, as printed by

    split -b 64M --filter 'openssl dgst -sha256 -binary' FILE | openssl dgst -sha256
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalcli.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Array = np.ndarray[Any, Any]

PIECE = 1 << 26
"""Bytes of a piece."""

_READ = 1 << 20


class Pieces:
    """The digests of the pieces of a file of ``size`` bytes, those that are known so far.

    ``update`` takes its bytes in order; ``read`` fetches the own pieces of the process ``place = (rank, size)`` among
    those that hash it.
    """

    def __init__(self, size: int, place: tuple[int, int] = (0, 1)) -> None:
        self.size = size
        self.count = max(1, -(-size // PIECE))
        rank, hands = place
        self.own = range(self.count * rank // hands, self.count * (rank + 1) // hands)
        self._known: dict[int, bytes] = {}
        self._running = _fresh()
        self._seen = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes of the file, from its first on."""
        view = memoryview(data)
        while view:
            head = view[: PIECE - self._seen % PIECE]
            self._running.update(head)
            self._seen += len(head)
            if self._seen % PIECE == 0:
                self._close(self._seen // PIECE - 1)
            view = view[len(head) :]

    def end(self) -> None:
        """After the last bytes."""
        if self._seen % PIECE or not self._seen:
            self._close(self._seen // PIECE)

    def read(self, fill: Callable[[memoryview, int], None], go_on: Callable[[], None]) -> None:
        """Hash the own pieces; ``fill(view, offset)`` fills a view with the bytes from there on."""
        buffer = memoryview(bytearray(min(_READ, self.size)))
        for number in self.own:
            stop = min((number + 1) * PIECE, self.size)
            for at in range(number * PIECE, stop, _READ):
                go_on()
                part = buffer[: min(_READ, stop - at)]
                fill(part, at)
                self._running.update(part)
            self._close(number)

    def told(self) -> Array:
        """The digests that are known, (K, 40) uint8: the number of the piece, then its digest."""
        import numpy as np

        rows = [number.to_bytes(8, "little") + digest for number, digest in sorted(self._known.items())]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 40)

    def take(self, told: Array) -> None:
        """Those that another process knows."""
        for row in told.reshape(-1, 40):
            data = row.tobytes()
            self._known[int.from_bytes(data[:8], "little")] = data[8:]

    def text(self) -> str:
        """What the file is known by.

        Raises:
            LimitError: a piece is missing.

        """
        if {*self._known} != {*range(self.count)}:
            raise LimitError("some of its bytes were hashed by nobody; no verdict", fix="run it again")
        if self.count == 1:
            return f"sha256:{self._known[0].hex()}"
        whole = _fresh()
        whole.update(b"".join(self._known[number] for number in range(self.count)))
        return f"sha256-{PIECE >> 20}MiB:{whole.hexdigest()}"

    def _close(self, number: int) -> None:
        self._known[number] = self._running.digest()
        self._running = _fresh()


def _fresh() -> Any:
    import hashlib  # a zip with checksums of its own needs none

    return hashlib.sha256()
