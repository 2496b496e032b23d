"""``.pt .pth .npy .npz .safetensors``: one way to open them, to pass over them and to vouch for what was read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError
from evalcli.sources.base import InputFile, Note
from evalcli.sources.crc import crc32_combine
from evalcli.sources.digest import Pieces
from evalcli.sources.rawfile import RawFile
from evalcli.sources.sniff import file_format

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.contents import Contents


class TensorFile:
    """An open file of arrays.

    ``arrays`` maps names to arrays in file order: the empty name for a bare one, keys of a dict, ``0``, ``1``, … of a
    list, ``a.b`` of nested dicts and of fields. A list of batches is one array, with the list's name. ``skipped`` maps
    what is no input to the reason.
    """

    def __init__(self, file: RawFile, kind: str, contents: Contents) -> None:
        self.path = file.path
        self.format = kind
        self._contents = contents
        self.arrays: dict[str, StoredArray] = contents.arrays
        self.join_batches()
        self.skipped = contents.skipped
        self._file = file
        self._digest: _Digest | None = None
        self.hashing = (0, 1)
        """Which of how many processes this is that hash the file together."""

    @property
    def lists(self) -> dict[str, list[str]]:
        """Of each list of arrays that is left, their names."""
        return {name: parts for name, parts in self._contents.lists.items() if self.arrays.keys() >= {*parts}}

    @property
    def named(self) -> dict[str, StoredArray]:
        """The arrays, and dates and times: whatever rows may be sliced by."""
        return self.arrays | self._contents.moments

    @property
    def rows(self) -> set[int]:
        """The numbers of rows that its arrays have; lists that may be batches or rows, may have."""
        lengths = {name: array.shape[0] for name, array in self.arrays.items()}
        lists = [[lengths.pop(name) for name in parts] for parts in self.lists.values()]
        return {*lengths.values(), *map(sum, lists), *map(len, lists)}

    def join_batches(self, rows: Collection[int] = (), apart: Collection[str | None] = ()) -> None:
        """Make one array of each list of batches.

        Where only their number could tell, they are those of ``rows`` that it is to be paired with. A list of which one
        array is asked for by its own name, in ``apart``, stays one.
        """
        if self._contents.lists:
            from evalcli.sources.batchlists import with_batches_joined

            self.arrays = with_batches_joined(self._contents.arrays, self._contents.lists, rows, apart)

    def why_skipped(self, name: str) -> InputError:
        """Why there is no array of this name, though the file holds something under it."""
        error = self._contents.why_skipped(name)
        error.path = self.path
        return error

    def begin(self) -> None:
        """A pass over the rows begins."""
        for region in self._contents.regions:
            region.ledger.clear()
        if not self._contents.checksummed and self._digest is None:
            self._digest = _Digest(self._file, self.hashing)

    def hashed(self) -> Pieces | None:
        """What was hashed of the file, once a pass has begun; ``None`` where its own checksums vouch for it."""
        return None if self._contents.checksummed else self._hashed()

    def _hashed(self) -> Pieces:
        self._digest = self._digest or _Digest(self._file, self.hashing)
        return self._digest.result()

    def finish(self) -> InputFile:
        """A pass is complete: what was read is vouched for.

        The digest of a zip is the CRC-32 of the part that describes the arrays and of all their records, in file order,
        as one run of bytes: of those that were not read as the file says it, so that a file has one digest whatever was
        asked of it. For any other file see :mod:`evalcli.sources.digest`.

        Raises:
            InputError: the file changed, or a checksum is wrong.

        """
        self._file.check_unchanged()
        if self._contents.checksummed:
            crc = self._contents.base
            for region in self._contents.regions:
                part = region.verify() if region.was_read else region.stored or 0
                crc = crc32_combine(crc, part, region.size)
            digest = f"crc32:{crc:08x}"
        else:
            digest = self._hashed().text()
        self._file.check_unchanged()
        return InputFile(self.path, self._file.size, digest)

    def notes(self) -> tuple[Note, ...]:
        """What a reader should know about the file."""
        return tuple(self._contents.notes)

    def close(self) -> None:
        """Release files and threads. Harmless when repeated."""
        if self._digest is not None:
            self._digest.stop()
        for region in self._contents.regions:
            region.close()
        self._file.close()


class _Digest(threading.Thread):
    """SHA-256 of a file, or of the own pieces of it, computed beside the pass that reads it."""

    def __init__(self, file: RawFile, place: tuple[int, int]) -> None:
        super().__init__(name="evalcli-digest", daemon=True)
        self._file = file
        self._stopped = False
        self._error: BaseException | None = None
        self._pieces = Pieces(file.size, place)
        self.start()

    def run(self) -> None:
        try:
            self._pieces.read(self._file.read_into, self._go_on)
        except BaseException as e:  # raised again by whoever asks for the result
            self._error = e

    def result(self) -> Pieces:
        """What was hashed; waits for it."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._pieces

    def stop(self) -> None:
        """End early; the file may be closed afterwards."""
        self._stopped = True
        self.join()

    def _go_on(self) -> None:
        if self._stopped:
            raise InputError("reading was given up", fix="run it again", path=self._file.path)


def open_tensors(path: str) -> TensorFile:
    """Open a file of arrays by what it is, not by its name.

    Raises:
        InputError: it is no such file, or damaged, forged or of a kind that is not read.
        LimitError: it goes beyond a limit.

    """
    kind = file_format(path)
    if kind not in _READERS:
        raise InputError(
            f"a {kind} table, not a file of tensors", fix="give .pt, .npy, .npz or .safetensors", path=path
        )
    file = RawFile(path)
    try:
        return TensorFile(file, kind, _READERS[kind](file))
    except EvalError as e:
        file.close()
        e.path = e.path or path
        raise
    except BaseException:
        file.close()
        raise


def _read_pt(file: RawFile) -> Contents:
    if file.read(0, min(2, file.size)) == b"PK":
        from evalcli.sources.torchzip import read_torch_zip

        return read_torch_zip(file)
    from evalcli.sources.torchlegacy import read_torch_legacy

    return read_torch_legacy(file)


def _read_npy(file: RawFile) -> Contents:
    from evalcli.sources.npyfile import read_npy

    return read_npy(file)


def _read_npz(file: RawFile) -> Contents:
    from evalcli.sources.npyfile import read_npz

    return read_npz(file)


def _read_safetensors(file: RawFile) -> Contents:
    from evalcli.sources.safetensorsfile import read_safetensors

    contents = read_safetensors(file)
    if contents.metadata.get("format", "").startswith("evalcli.part/"):
        raise InputError("a part of a report, not predictions", fix="add parts up: evalcli merge PART …")
    return contents


_READERS: dict[str, Callable[[RawFile], Contents]] = {
    "pt": _read_pt,
    "npy": _read_npy,
    "npz": _read_npz,
    "safetensors": _read_safetensors,
}
