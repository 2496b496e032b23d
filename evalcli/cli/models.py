"""Which files hold which model, and the rows of several models opened to be read side by side."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from evalcli.cli.progress import Meter
    from evalcli.sources.base import Selection, Source
    from evalcli.sources.clustering import NoClustersError
    from evalcli.sources.slicing import NoSlicesError

POLL_SECONDS = 0.1
"""How often the waiting main thread looks up, for Ctrl-C."""


class Side(NamedTuple):
    """One model: its file, the truth unless that lies in the same file, and the column or key."""

    preds: str
    targets: str | None
    pred: str | None


def open_models(
    sides: Sequence[Side],
    wanted: Selection,
    progress: Meter,
    held: ExitStack,
    slicing: int | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> list[Source]:
    """The sources of all models, row by row, until ``held`` is closed. Tables, which opening counts, are read at once.

    The files of model ``slicing`` say first what slices the rows, and those of another where they do not. This thread,
    which only waits for them, does something else ``meanwhile``.

    Raises:
        EvalError: what is wrong with the first of them that cannot be opened.

    """
    shares = _Shares(len(sides), progress)
    first = slicing or 0
    openings = [
        _Opening(side, wanted if number == first else replace(wanted, by=()), shares, number)
        for number, side in enumerate(sides)
    ]  # what slices the rows need only be known once
    try:
        for opening in openings:
            opening.start()
        if meanwhile is not None:
            meanwhile()
        sources = [opening.result() for opening in openings]
        if openings[first].unsliced is not None:
            sources = _sliced_by_another(openings, first, wanted)
        if wanted.cluster is not None and all(source.clustered is None for source in sources):
            raise next(opening.unclustered for opening in openings if opening.unclustered is not None)
        return sources
    except BaseException:
        shares.given_up = True
        raise
    finally:
        for opening in openings:
            opening.end(held)


def _sliced_by_another(openings: Sequence[_Opening], first: int, wanted: Selection) -> list[Source]:
    """The sources, one of which opened again because it has what the first one lacks: what slices the rows.

    Raises:
        NoSlicesError: none has it.

    """
    missing = openings[first].unsliced
    assert missing is not None
    for opening in openings:
        if opening is not openings[first] and opening.slices_by(wanted.by):
            return [one.result() for one in openings]
    raise missing


class _AbandonedError(BaseException):
    """Nobody waits for this file any more."""


class _Shares:
    """How far several files are, as one share."""

    def __init__(self, files: int, progress: Meter) -> None:
        self.given_up = False
        self._done = [(0.0, 0)] * files
        self._progress = progress

    def of(self, number: int) -> Callable[[float, int], None]:
        """What one of the files tells."""

        def heard(share: float, rows: int) -> None:
            if self.given_up:
                raise _AbandonedError
            self._done[number] = share, rows
            share, rows = (sum(each) for each in zip(*self._done, strict=True))
            files = len(self._done)
            self._progress.share(share / files, int(rows), " of both models" if files == 2 else f" of {files} models")

        return heard


class _Opening(threading.Thread):
    """A source on its way."""

    def __init__(self, side: Side, wanted: Selection, shares: _Shares, number: int) -> None:
        super().__init__(name=f"evalcli-open-{number}", daemon=True)
        self._side = side
        self._wanted = replace(
            wanted, pred=side.pred, listing=True, beside=True, processes=True, sorted=wanted.id is not None
        )
        self._heard = shares.of(number)
        self._source: Source | None = None
        self.unclustered: NoClustersError | None = None
        """Its files do not have what rows are clustered by: those of another model may."""
        self.unsliced: NoSlicesError | None = None
        """The same of what they are sliced by."""
        self._failure: BaseException | None = None
        self._ended = threading.Event()  # a thread whose ``join`` is interrupted passes for dead from then on
        self._begun = False

    def start(self) -> None:
        """Open it on a thread of its own."""
        self._begun = True
        super().start()

    def run(self) -> None:
        """Open it."""
        try:
            while self._source is None:
                self._source = self._opened()
        except BaseException as e:
            self._failure = e
        finally:
            self._ended.set()

    def _opened(self) -> Source | None:
        """The source; ``None`` where it lacks what others may have, and is not asked for that again."""
        from evalcli.sources import open_source

        try:
            return open_source(self._side.preds, self._side.targets, self._wanted, self._heard)
        except UsageError as e:
            from evalcli.sources.clustering import NoClustersError
            from evalcli.sources.slicing import NoSlicesError

            if isinstance(e, NoClustersError):
                self.unclustered, self._wanted = e, replace(self._wanted, cluster=None)
            elif isinstance(e, NoSlicesError):
                self.unsliced, self._wanted = e, replace(self._wanted, by=())
            else:
                raise
            return None

    def slices_by(self, by: tuple[str, ...]) -> bool:
        """Open it again, sliced, if its files have what rows are sliced by."""
        assert self._source is not None
        self._source.close()
        self._source, self._wanted = None, replace(self._wanted, by=by)
        self.run()
        self.result()
        return self.unsliced is None

    def result(self) -> Source:
        """The source, once it is there."""
        while not self._ended.wait(POLL_SECONDS):
            pass
        if self._failure is not None:
            raise self._failure
        assert self._source is not None
        return self._source

    def end(self, held: ExitStack) -> None:
        """Leave what was opened, now or until ``held`` is closed, to that."""
        while self._begun and not self._ended.wait(POLL_SECONDS):
            pass
        if self._source is not None:
            held.enter_context(closing(self._source))
