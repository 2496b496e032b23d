"""The cells that intervals of counts are made from, by the places of classes that have names; and those of slices."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.metrics.counts import Pairs
from evalcli.uncertainty.cells import Cells
from evalcli.uncertainty.measures import measure
from evalcli.uncertainty.proportions import micro
from evalcli.uncertainty.samples import Moved, Samples, moved, suits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.classification.numbers import Setting
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.counts import ConfusionCounts
    from evalcli.metrics.registry import MetricName
    from evalcli.uncertainty.intervals import Interval

_TOGETHER = 1 << 16
"""Cells of slices that a formula sees at once: what it makes of them stays in the cache."""


def placed(picked: HostArray, target: HostArray, preds: HostArray) -> tuple[HostArray, HostArray]:
    """Classes by their place among the ``picked`` ones, which have names; −1 for no prediction."""
    places = np.full(max(int(part.max(initial=0)) for part in (picked, target, preds)) + 1, -1)
    places[picked] = np.arange(len(picked))
    return places[target], np.where(preds < 0, -1, places[preds])


def cells_of(pairs: Pairs, picked: HostArray, squares: float | None = None) -> Cells:
    """Those that were counted; ``squares`` is Σw² of all rows where they weigh."""
    return Cells.of(Pairs(*placed(picked, pairs.target, pairs.preds), pairs.counts), squares)


class SliceCells(NamedTuple):
    """Those of the slice at a ``place``, which are made when they are asked for."""

    every: SlicedCells
    place: int

    @property
    def cells(self) -> Cells:
        """The cells alone."""
        return self.every.cells[self.place]

    def moved(self, name: MetricName) -> Moved | None:
        """What moves a metric of all classes; ``None`` where the slice is looked at by itself."""
        return self.every.moved(name, self.place)

    def micro(self, name: MetricName) -> Interval | None:
        """The interval of a micro average."""
        return self.every.micro(name, self.place)


class SlicedCells:
    """The cells of every slice of rows that count alike, and how metrics move in each, found of all of them at once."""

    def __init__(self, setting: Setting, every: Sequence[ConfusionCounts]) -> None:
        self._setting, self._every = setting, every
        self._moved: dict[MetricName, HostArray] = {}
        self._micro: dict[MetricName, dict[int, Interval]] = {}

    def at(self, place: int) -> SliceCells:
        """Those of one slice."""
        return SliceCells(self, place)

    @cached_property
    def cells(self) -> list[Cells]:
        """Slice by slice."""
        return [cells_of(one.pairs(), self._setting.picked) for one in self._every]

    def moved(self, name: MetricName, place: int) -> Moved | None:
        """The same of the slice at ``place``."""
        if place not in self._suiting:
            return None
        if name not in self._moved:
            self._moved[name] = found = np.empty((len(self.cells), len(Moved._fields)))
            for places, samples in self._beside:
                found[places] = moved(measure(name, self.cells[places[0]], declared=self._declared), samples)
        return Moved(*self._moved[name][place].tolist())

    def micro(self, name: MetricName, place: int) -> Interval | None:
        """The interval of a micro average of the slice at ``place``."""
        if place not in self._answered or self._setting.confidence is None:
            return None
        if name not in self._micro:
            cells = list(self._answered.values())
            classes = [self._declared or one.size for one in cells]
            found = micro(name, cells, self._setting.confidence.critical, classes)
            self._micro[name] = dict(zip(self._answered, found, strict=True))
        return self._micro[name][place]

    @property
    def _declared(self) -> int | None:
        """Over how many classes means run where it is not those that occur."""
        return len(self._setting.names) if self._setting.scope == "declared" else None

    @cached_property
    def _answered(self) -> dict[int, Cells]:
        """Those of slices of which all rows have a prediction, by place."""
        return {place: one for place, one in enumerate(self.cells) if one.margins.answered is None}

    @cached_property
    def _suiting(self) -> dict[int, Cells]:
        """Those of slices that may lie beside others, by place."""
        return {place: one for place, one in enumerate(self.cells) if suits(one)}

    @cached_property
    def _beside(self) -> list[tuple[list[int], Samples]]:
        """Slices of as many classes, as many as stay in the cache."""
        return [(places, Samples.beside([self.cells[place] for place in places])) for places in self._alike()]

    def _alike(self) -> Iterator[list[int]]:
        waiting: dict[int, list[int]] = {}
        for place in self._suiting:
            one = self.cells[place]
            places = waiting.setdefault(one.size, [])
            places.append(place)
            if len(places) * len(one.amounts) >= _TOGETHER:
                yield waiting.pop(one.size)
        yield from waiting.values()
