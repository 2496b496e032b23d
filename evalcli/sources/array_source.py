"""Stored arrays as the rows of a pass: each side is read by ranges from its own file, so a load touches only what it
counts.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError
from evalcli.sources.arrays import StoredArray, path_of
from evalcli.sources.base import Batch, Field, InputFile, Note, Source
from evalcli.sources.labels import check_labels, text_for_numbers, texts_in_rows
from evalcli.sources.origins import MARKING, Origin, mark_of, mark_of_rows
from evalcli.sources.rawfile import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evalcli.sources.array_scan import ArrayScan
    from evalcli.sources.base import Scan
    from evalcli.sources.beside import Beside
    from evalcli.sources.clustering import ArrayClusters
    from evalcli.sources.crc import Ledger
    from evalcli.sources.digest import Pieces
    from evalcli.sources.listed import Listed
    from evalcli.sources.slicing import ArraySlicer
    from evalcli.sources.table import Table
    from evalcli.sources.tensors import TensorFile


def check_weight(weight: StoredArray, target: tuple[int, ...], path: str) -> None:
    """Refuse what is no weight for each row of a target of this shape, nor for each of its elements.

    Raises:
        InputError: it holds texts, or is of another length.

    """
    if weight.labels:
        what = f"the weights are texts such as {weight.labels[0]!r}"
        raise InputError(what, fix="give numbers, as of .astype(float)", path=path)
    if weight.shape not in {target[:1], (target[0], 1), target}:
        message = f"weights {weight.shape} do not fit targets {target}"
        raise InputError(message, fix="save one weight for each row", path=path)


class ArraySource(Source):
    """Stored arrays, paired by position.

    Raises:
        InputError: when the sides have different numbers of rows, or labels that differ only in their spelling.

    """

    splits = True
    beside: Beside | None = None
    """What else lies in the files, for whoever lists rows."""

    def __init__(
        self, preds: StoredArray, target: StoredArray, weight: StoredArray | None, files: Sequence[PassFile]
    ) -> None:
        self._arrays = (preds, target, weight)
        self._files = tuple(files)
        self._label_notes: tuple[Note, ...] = ()
        self.pairing_notes: tuple[Note, ...] = ()
        """What is not the same in both files."""
        self._slicers: tuple[ArraySlicer, ...] = ()
        self._scan: ArrayScan | None = None
        self._clusters: ArrayClusters | None = None
        self._span: tuple[int, int] | None = None
        self._split: tuple[int, int] | None = None
        self._hashing: tuple[TensorFile, ...] = ()
        self._origins: tuple[Origin, ...] | None = None
        paths = [file.path for file in files]
        self.preds = _field(preds, paths[0])
        self.target = _field(target, paths[-1])
        self.weighted = weight is not None
        self.rows = self.preds.shape[0]
        if weight is not None:
            check_weight(weight, self.target.shape, path_of(weight, paths[0]))
        if self.preds.labels is not None and self.target.labels is not None:
            self._label_notes = check_labels(self.target.labels, self.preds.labels, self.target.path)
            self._label_notes += texts_in_rows(self.target.shape)
        for side, other in ((self.preds, self.target), (self.target, self.preds)):
            if side.labels and other.dtype.startswith(("int", "uint", "bool")) and side.shape == other.shape:
                self._label_notes = text_for_numbers(side.labels)

    def slice_by(self, by: Sequence[str], scan: Scan | None = None, span: tuple[int, int] | None = None) -> None:
        """Slice the rows by what lies beside them, and search it for weak slices, counted in the rows ``span`` alone.

        Raises:
            UsageError: no array has the name, or it has not one value a row.

        """
        if by:
            from evalcli.sources.bounds import asked
            from evalcli.sources.slicing import ArraySlicer

            assert self.beside is not None
            path = self.preds.path
            named = asked(by, self.beside.known)
            self._slicers = tuple(ArraySlicer(each, self.beside.sliced(each.parts, self), path) for each in named)
            self.slicers = tuple(each.slicer for each in self._slicers)
        if scan is not None:
            from evalcli.sources.array_scan import ArrayScan

            assert self.beside is not None
            self._scan = ArrayScan(scan, self.beside, self, span)
            self.scanned = self._scan.scanned

    def cluster_by(self, name: str | None, array: StoredArray | None = None) -> None:
        """Rows with the same value of ``array`` belong together; without one, of what lies beside them as ``name``.

        Raises:
            UsageError: no array has the name, or it has not one value a row.

        """
        if name is not None:
            from evalcli.sources.clustering import ArrayClusters

            if array is None:
                assert self.beside is not None
                array = self.beside.clustered(name, self)
            self._clusters = ArrayClusters(array, name, self.rows, path_of(array, self.preds.path))
            self.clustered = name

    def share_target(self, other: ArraySource) -> None:
        """Read the truth once for both, where it is the same array of the same file and nothing else lies there."""
        mine, theirs = self.beside, other.beside
        alone = mine is not None and theirs is not None and mine.tables is None and theirs.tables is None
        if not alone or self.weighted or other.weighted or len(self._files) < 2 or len(other._files) < 2:
            return
        if (self.target.path, self.target.name) != (other.target.path, other.target.name):
            return
        preds, target, _ = other._arrays
        if not isinstance(target, ReadOnce):
            target = ReadOnce(target)
            other._arrays = (preds, target, None)
        self._arrays = (self._arrays[0], target, None)
        self._files[-1].close()
        self._files = self._files[:-1]
        assert mine is not None
        assert theirs is not None
        self.beside = replace(mine, arrays={**mine.arrays, "target": theirs.arrays["target"]})

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Ranges of rows, in order."""
        for file in self._files:
            file.begin()
        if isinstance(self._arrays[1], ReadOnce):
            self._arrays[1].forget()
        first, rows = self._span or (0, min(self.preds.shape[0], self.target.shape[0]))
        if self._split is not None:
            axis, step = self._split
            length = self.preds.shape[axis]
            for row in range(first, rows):
                for at in range(0, length, step):
                    yield partial(self._load_piece, row, axis, at, min(at + step, length))
            return
        for start in range(first, rows, size):
            yield partial(self._load, start, min(start + size, rows))

    def split(self, axis: int, step: int) -> None:
        """Read no more of a row at once."""
        self._split, self.pieces = (axis, step), -(-self.preds.shape[axis] // step)

    def narrow(self, start: int, stop: int) -> None:
        """Be the rows ``start:stop`` alone from now on; they keep their numbers."""
        self._span, self.first = (start, stop), start
        self.rows = stop - start

    def hash_together(self, place: tuple[int, int]) -> None:
        """Hash the share ``place = (rank, size)`` of the bytes of each file, from now on."""
        self._hashing = tuple(file.tensors for file in self._files if file.tensors is not None)
        for file in self._hashing:
            file.hashing = place

    def hashed(self) -> dict[str, Pieces]:
        """Those of files without checksums."""
        found = {f"{number} {file.path}": file.hashed() for number, file in enumerate(self._hashing)}
        held = {name: pieces for name, pieces in found.items() if pieces is not None}
        return held if self._table is None else held | self._table.hashed()

    @property
    def _table(self) -> Table | None:
        """The table that one side lies in."""
        return None if self.beside is None else self.beside.table

    def tally(self) -> dict[str, tuple[int, int]]:
        """Those of the table."""
        return {} if self._table is None else self._table.tally()

    def settle(self, tallies: Sequence[Mapping[str, tuple[int, int]]], own: int) -> None:
        """As the table knows it."""
        if self._table is not None:
            self._table.settle(tallies, own)

    def origins(self) -> tuple[Origin, ...]:
        """The first file of tensors, which is one whatever the rows that are read; else what is in memory."""
        if self._origins is None:
            paths = [file.path for file in self._files if file.tensors is not None]
            rows = min(self.preds.shape[0], self.target.shape[0], MARKING)
            mark = mark_of(paths[0]) if paths else mark_of_rows(side.read(0, rows) for side in self._arrays[:2] if side)
            self._origins = (Origin(mark=mark),)
        return self._origins

    def _load(self, start: int, stop: int) -> Batch:
        preds, target, weight = self._arrays
        weights = None if weight is None else weight.read(start, stop).astype(np.float64)
        return self._with_rows(Batch(preds.read(start, stop), target.read(start, stop), weights, start=start), stop)

    def _load_piece(self, row: int, axis: int, first: int, last: int) -> Batch:
        preds, target, weight = self._arrays
        weights = None
        if weight is not None:
            whole = weight.shape != target.shape
            weights = (weight.read(row, row + 1) if whole else weight.part(row, 1, first, last)).astype(np.float64)
        sides = preds.part(row, axis, first, last), target.part(row, 1, first, last)
        offset = first * prod(self.target.shape[2:])
        batch = Batch(*sides, weights, start=row, goes_on=last < self.preds.shape[axis], offset=offset)
        return self._with_rows(batch, row + 1)

    def _with_rows(self, batch: Batch, stop: int) -> Batch:
        """The batch, with what is known of each of its rows."""
        start = batch.start
        codes = [each.codes(start, stop) for each in self._slicers]
        groups = None if not codes else codes[0][:, None] if len(codes) == 1 else np.stack(codes, axis=1)
        if self._scan is not None:
            searched = self._scan.codes(start, stop)
            groups = searched if groups is None else np.concatenate([groups, searched], axis=1)
        cluster = None if self._clusters is None else self._clusters.read(start, stop)
        return replace(batch, groups=groups, cluster=cluster)

    def ledgers(self) -> list[Ledger] | None:
        """Those of the regions that plain arrays of numbers lie in; anything else keeps more than that."""
        if self._scan is not None or self._clusters is not None:
            return None
        arrays = [array for array in self._arrays if array is not None]
        arrays += [array for slicer in self._slicers for array in slicer.arrays]
        regions = [region for array in arrays for region in array.regions]
        if not all(array.regions for array in arrays) or {*map(type, regions)} != {Region}:
            return None
        return [region.ledger for region in regions]

    def listed(self, show: Sequence[str] = ()) -> Listed:
        """The same rows, with what lies beside them."""
        from evalcli.sources.array_listing import ArrayRows

        if self.beside is None:  # arrays in memory, beside which nothing lies
            return super().listed(show)
        return ArrayRows(self, self.beside, show)

    def finish(self) -> tuple[InputFile, ...]:
        """Checksums are compared, and every file is still what it was."""
        sides = ("both",) if len(self._files) == 1 else ("preds", "target")
        found = zip(sides, self._files, strict=True)
        total = self.preds.shape[0]
        return tuple(
            replace(record, side=side)
            if file.tensors is None  # the files of a table know their own rows
            else replace(record, side=side, rows=self._span, total=total)
            for side, file in found
            for record in file.finish(self.rows)
        )

    def notes(self) -> tuple[Note, ...]:
        """What the files say of themselves."""
        return self._label_notes + self.pairing_notes + tuple(note for file in self._files for note in file.notes())

    def close(self) -> None:
        """Close every file."""
        for file in self._files:
            file.close()
        super().close()


class ReadOnce(StoredArray):
    """An array that several sources read range by range, one after the other: the bytes are fetched for the first."""

    def __init__(self, array: StoredArray) -> None:
        self.name, self.shape, self.dtype = array.name, array.shape, array.dtype
        self._array = array
        self._held = threading.local()

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Those of the array."""
        return self._array.labels

    def forget(self) -> None:
        """A new pass begins, which vouches for all that it reads itself."""
        self._held = threading.local()

    def read(self, start: int, stop: int) -> Any:
        """The rows, still where the same thread has read them last."""
        if getattr(self._held, "range", None) != (start, stop):
            self._held.rows = self._array.read(start, stop)
            self._held.range = (start, stop)
        return self._held.rows


def _field(array: StoredArray, path: str) -> Field:
    return Field(array.name, path, array.shape, array.dtype, array.labels)


class PassFile(NamedTuple):
    """A file that takes part in a pass: the same few calls for tensor files and tables."""

    path: str
    begin: Callable[[], None]
    notes: Callable[[], tuple[Note, ...]]
    close: Callable[[], None]
    finish: Callable[[int | None], tuple[InputFile, ...]]
    tensors: TensorFile | None = None
