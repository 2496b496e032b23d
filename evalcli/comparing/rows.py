"""The same rows of several sources: taken side by side, in step, with their ids compared.

Arrays are cut alike, and every worker loads its range of all of them. Streams of tables come in pieces of their own
lengths: these are put in step here, by position, by the numbers of the rows where some were left out, or by id.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evalcli.errors import InputError, UsageError, several
from evalcli.shell import word
from evalcli.sources.base import Batch
from evalcli.sources.cells import Cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.sources.base import Array, Source
    from evalcli.sources.crc import Ledger
    from evalcli.sources.listed import Listed

NAMED = 3
"""Ids that an error names; all are counted."""
_SAMPLES = "evaluate all models on the same samples, or pair tables with --id"


class Rows(NamedTuple):
    """Rows of every model, a batch each, all of one length; ``number`` is their place among those of a pass."""

    batches: tuple[Batch, ...]
    number: int = 0

    @property
    def target(self) -> Array:
        """That of the first model; all have the same."""
        return self.batches[0].target

    @property
    def cluster(self) -> Array | None:
        """The number of each row's cluster, of the first model that says so; all that do say the same."""
        return next((batch.cluster for batch in self.batches if batch.cluster is not None), None)

    @property
    def groups(self) -> Array | None:
        """The slices (N, S) of each row, of the first model that says so."""
        return next((batch.groups for batch in self.batches if batch.groups is not None), None)

    def bare(self) -> Rows:
        """The same without a word of slices."""
        return Rows(tuple(replace(batch, groups=None) for batch in self.batches))

    @property
    def length(self) -> int:
        """How many there are."""
        return len(self.target)

    @property
    def arrays(self) -> tuple[Array | None, ...]:
        """All that ``pick`` keeps of them."""
        return tuple(part for each in self.batches for part in (each.preds, each.target, each.weight, each.cluster))

    @property
    def is_piece(self) -> bool:
        """Whether there is more of their only row in others."""
        return self.batches[0].is_piece

    def pick(self, places: Array | slice) -> Rows:
        """Some of them, which nobody will name: they have no numbers of their own, and no cells."""
        return self._with(tuple(None if part is None else part[places] for part in self.arrays))

    def joined(self, others: Sequence[Rows]) -> Rows:
        """A copy of them with ``others`` behind them, which hold the same arrays; none has numbers or cells."""
        every = zip(self.arrays, *(other.arrays for other in others), strict=True)
        return self._with(tuple(None if parts[0] is None else np.concatenate(parts) for parts in every))

    def _with(self, arrays: Sequence[Any]) -> Rows:
        sides = (arrays[start : start + 4] for start in range(0, len(arrays), 4))
        return Rows(tuple(Batch(preds, target, weight, cluster=cluster) for preds, target, weight, cluster in sides))

    @property
    def done(self) -> int:
        """How many rows of the input end in them."""
        return self.batches[0].done


class Together:
    """The rows of several sources, in step.

    ``by_id``: they come in the order of their ids; else row *i* of one is row *i* of the others. ``lossy``: a row that
    one of them leaves out is left out of all, and counted in ``lost``. ``slicers`` are those of the first that has any.

    Raises:
        InputError: the sources have different numbers of rows.
        UsageError: ids of arrays, which stay in their order, and of tables.

    """

    def __init__(self, sources: Sequence[Source], *, by_id: bool = False, lossy: bool = False) -> None:
        share_targets(sources)
        self.slicers = next((source.slicers for source in sources if source.slicers), ())
        for source in sources:
            source.slicers = ()  # no model counts slices by itself
        self.listed: tuple[Listed, ...] = tuple(source.listed() for source in sources)
        self.lost = [0] * len(sources)
        self._sources = sources
        self._paths = [source.preds.path for source in sources]
        self._lossy = lossy
        if by_id and len({each.even for each in self.listed}) > 1:
            raise UsageError("--id cannot pair arrays with tables", fix="save both alike")
        arrays = all(each.even for each in self.listed)
        self._by_id = by_id and not arrays
        one_file = len({*self._paths}) == 1
        self._named = [i for i, each in enumerate(self.listed) if each.named and not (one_file and not by_id)]
        rows = [each.rows for each in self.listed]
        self.rows = rows[0]
        for path, count in zip(self._paths, rows, strict=True):
            if count != self.rows and (arrays or not (lossy or by_id)):
                what = f"{several(count or 0, 'row')}, but {self._paths[0]} has {self.rows}"
                fix = f"{_SAMPLES}; --independent compares one model on two samples"
                raise InputError(what, fix=fix, path=path)

    def ledgers(self) -> list[Ledger] | None:
        """The checksums that loads leave behind, of all sources; ``None`` where one must be read in one process."""
        if not all(each.even for each in self.listed):
            return None
        every = [source.ledgers() for source in self._sources]
        found = [ledger for ledgers in every if ledgers is not None for ledger in ledgers]
        return None if None in every else list({id(ledger): ledger for ledger in found}.values())

    def plan(self, size: int) -> Iterator[Callable[[], Rows]]:
        """Loads of at most ``size`` rows each, in step."""
        for number, load in enumerate(self._plan(size)):
            yield partial(_numbered, load, number)

    def _plan(self, size: int) -> Iterator[Callable[[], Rows]]:
        self.lost = [0] * len(self.listed)
        self._missing: list[list[str]] = [[] for _ in self.listed]
        plans = [each.plan(size) for each in self.listed]
        if all(each.even for each in self.listed):
            for loads in zip(*plans, strict=True):
                yield partial(self._load, loads)
        else:
            paths = self._paths if self._by_id else [None] * len(plans)
            yield from self._in_step([_Feed(each, path) for each, path in zip(plans, paths, strict=True)])

    def _load(self, loads: Sequence[Callable[[], Batch]]) -> Rows:
        rows = Rows(tuple(load() for load in loads))
        self._check_ids(rows.batches)
        self._check_clusters(rows.batches)
        return rows

    def _in_step(self, feeds: Sequence[_Feed]) -> Iterator[Callable[[], Rows]]:
        while True:
            filled = [feed.fill() for feed in feeds]
            if not all(filled):
                break
            batches = self._common(feeds)
            if len(batches[0].target):
                self._check_clusters(batches)
                yield partial(Rows, batches)
        for place, feed in enumerate(feeds):
            while feed.fill():
                self._lose(place, feed.batch, range(len(feed.batch.target)))
                feed.pass_over(len(feed.batch.target))
        self._refuse_lost()

    def _common(self, feeds: Sequence[_Feed]) -> tuple[Batch, ...]:
        """The rows that all have, up to where the first of the batches in hand ends."""
        rows = min(len(feed.batch.target) for feed in feeds)
        ahead = tuple(_part(feed.batch, slice(0, rows)) for feed in feeds)
        if self._are_alike(ahead):
            for feed in feeds:
                feed.pass_over(rows)
            return ahead
        keys = [_ids(feed.batch) if self._by_id else _numbers(feed.batch) for feed in feeds]
        last = min(each[-1] for each in keys)
        lengths = [int(np.searchsorted(each, last, side="right")) for each in keys]
        common = reduce(np.intersect1d, (each[:length] for each, length in zip(keys, lengths, strict=True)))
        batches = []
        for place, (feed, each, length) in enumerate(zip(feeds, keys, lengths, strict=True)):
            kept = np.isin(each[:length], common)
            self._lose(place, feed.batch, np.flatnonzero(~kept))
            batches.append(_part(feed.batch, np.flatnonzero(kept)))
            feed.pass_over(length)
        if not self._by_id:
            self._check_ids(batches)
        return tuple(batches)

    def _are_alike(self, batches: tuple[Batch, ...]) -> bool:
        """Whether these are the same rows, as they nearly always are."""
        if self._by_id:
            return _same_ids(batches)
        if any(batch.numbers is not None for batch in batches):
            numbers = [_numbers(batch) for batch in batches]
            if any(not np.array_equal(numbers[0], each) for each in numbers[1:]):
                return False
        elif any(batch.start != batches[0].start for batch in batches[1:]):
            return False
        self._check_ids(batches)
        return True

    def _lose(self, place: int, batch: Batch, rows: Any) -> None:
        """Count rows that others do not have, or refuse them."""
        if not len(rows):
            return
        self.lost[place] += len(rows)
        if self._lossy:
            return
        if self._by_id:  # counted to the end of all files
            self._missing[place] += [repr(each) for each in _ids(batch)[rows[:NAMED]]][
                : NAMED - len(self._missing[place])
            ]
            return
        what = f"row {int(_numbers(batch)[rows[0]])} is not among the rows of {self._others(place)}"
        raise InputError(what, fix=f"{_SAMPLES}; --where must keep the same rows of all", path=self._paths[place])

    def _refuse_lost(self) -> None:
        """Refuse ids that some have and others have not."""
        for place, named in enumerate(self._missing):
            if named:
                count = self.lost[place]
                what = f"{several(count, 'id')} not in {self._others(place)} ({_listed(named, count)})"
                fix = "give all models the same samples, or select those that all have with --where"
                raise InputError(what, fix=fix, path=self._paths[place])

    def _others(self, place: int) -> str:
        others = dict.fromkeys(path for i, path in enumerate(self._paths) if i != place)
        return f"{'all of ' if len(others) > 1 else ''}{', '.join(others)}"

    def _check_ids(self, batches: Sequence[Batch]) -> None:
        """Refuse rows that are paired by position though their ids say otherwise."""
        named = [batches[i] for i in self._named]
        if len(named) < 2 or _same_ids(named):
            return
        ids = [_ids(batch) for batch in named]
        for place, each in zip(self._named[1:], ids[1:], strict=True):
            differ = np.flatnonzero(ids[0] != each)
            if len(differ):
                row = int(differ[0])
                number = int(_numbers(batches[self._named[0]])[row])
                what = f"row {number} has the id {each[row]!r}, but {ids[0][row]!r} in {self._paths[self._named[0]]}"
                fix = f"pair tables with --id {word(self.listed[place].columns[0])}, or bring arrays into one order"
                raise InputError(what, fix=fix, path=self._paths[place])

    def _check_clusters(self, batches: Sequence[Batch]) -> None:
        """Refuse rows that belong to one cluster in one file and to another in the next."""
        held = [(place, batch.cluster) for place, batch in enumerate(batches) if batch.cluster is not None]
        for place, cluster in held[1:]:
            differ = np.flatnonzero(cluster != held[0][1])
            if len(differ):
                number = int(_numbers(batches[place])[differ[0]])
                what = f"row {number} belongs to another cluster than in {self._paths[held[0][0]]}"
                fix = "keep the column of --cluster beside the truth, or make both agree"
                raise InputError(what, fix=fix, path=self._paths[place])


def _numbered(load: Callable[[], Rows], number: int) -> Rows:
    return load()._replace(number=number)


def share_targets(sources: Sequence[Source]) -> None:
    """Read a truth that several sources have in common once."""
    from evalcli.sources.array_source import ArraySource

    first = sources[0]
    for source in sources[1:]:
        if isinstance(first, ArraySource) and isinstance(source, ArraySource):
            source.share_target(first)


class _Feed:
    """What is left of one stream: the batch in hand, and those to come. Ids of the file at ``path`` must be unique."""

    def __init__(self, loads: Iterator[Callable[[], Batch]], path: str | None) -> None:
        self._loads, self._path = loads, path
        self._batch: Batch | None = None
        self._last: str | None = None
        self._repeats = False
        self.twice = 0
        self.named: list[str] = []

    @property
    def batch(self) -> Batch:
        """The rows in hand."""
        assert self._batch is not None
        return self._batch

    def fill(self) -> bool:
        """See to it that there are rows in hand; ``False`` where there are no more."""
        while self._batch is None or not len(self._batch.target):
            load = next(self._loads, None)
            if load is None:
                return False
            self._batch = load()
            if self._path is not None and len(self._batch.target):
                self._check_unique(self._batch, self._path)
                if self.twice:
                    self._refuse_twice(self._path)
        return True

    def _check_unique(self, batch: Batch, path: str) -> None:
        """Refuse ids that are missing, and count those that occur twice: sorted, they stand side by side."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from evalcli.sources.table_rows import whole

        assert isinstance(batch.cells, Cells)
        texts = batch.cells.texts(0)
        if texts.null_count:
            rows = "1 row has" if texts.null_count == 1 else f"{texts.null_count:,} rows have"
            raise InputError(f"{rows} no id", fix="leave them out with --where", path=path)
        first, last = texts[0].as_py(), texts[-1].as_py()
        alike = whole(pc.cast(pc.equal(texts[1:], texts[:-1]), pa.uint8()), np.bool_)
        again = np.concatenate(([first == self._last], alike))
        before = np.concatenate(([self._repeats], again[:-1]))
        starts = np.flatnonzero(again & ~before)  # an id that occurs three times is told once
        self.twice += len(starts)
        self.named += [repr(texts[int(i)].as_py()) for i in starts[: NAMED - len(self.named)]]
        self._last, self._repeats = last, bool(again[-1])

    def _refuse_twice(self, path: str) -> None:
        """Refuse the ids of this file that occur twice, having counted those to come."""
        for load in self._loads:
            batch = load()
            if len(batch.target):
                self._check_unique(batch, path)
        occur = "occurs" if self.twice == 1 else "occur"
        what = f"{several(self.twice, 'id')} {occur} twice ({_listed(self.named, self.twice)})"
        raise InputError(what, fix="give every row an id of its own", path=path)

    def pass_over(self, rows: int) -> None:
        """Have no more than what follows these rows."""
        self._batch = _part(self.batch, slice(rows, None))


def _listed(named: Sequence[str], count: int) -> str:
    """Some of so many ids."""
    return ", ".join((*named, *(["…"] if count > len(named) else [])))


def _part(batch: Batch, rows: Array | slice) -> Batch:
    """Some rows of a batch."""
    numbers, start = batch.numbers, batch.start
    if isinstance(rows, slice):
        start += rows.start
        if rows.start == 0 and rows.stop == len(batch.target):
            return batch
    elif numbers is None:
        numbers = _numbers(batch)
    return replace(
        batch,
        preds=batch.preds[rows],
        target=batch.target[rows],
        weight=None if batch.weight is None else batch.weight[rows],
        start=start,
        numbers=None if numbers is None else numbers[rows],
        cells=batch.cells.part(rows) if isinstance(batch.cells, Cells) else None,
        cluster=None if batch.cluster is None else batch.cluster[rows],
        groups=None if batch.groups is None else batch.groups[rows],
    )


def _numbers(batch: Batch) -> Array:
    """The row of the file that each row is."""
    if batch.numbers is not None:
        return batch.numbers
    return np.arange(batch.start, batch.start + len(batch.target))


def _ids(batch: Batch) -> Array:
    """What each row is called, as text."""
    assert batch.cells is not None
    if isinstance(batch.cells, Cells):
        found = batch.cells.texts(0).to_pylist()
    else:
        found = [row[0] for row in batch.cells(np.arange(len(batch.target)))]
    ids = np.empty(len(found), object)
    ids[:] = ["" if each is None else str(each) for each in found]
    return ids


def _same_ids(batches: Sequence[Batch]) -> bool:
    first, *others = batches
    if all(isinstance(batch.cells, Cells) for batch in batches):
        texts = [batch.cells.texts(0) for batch in batches]  # type: ignore[union-attr]  # as just asked
        return all(texts[0].equals(each) for each in texts[1:])
    ids = _ids(first)
    return all(np.array_equal(ids, _ids(batch)) for batch in others)
