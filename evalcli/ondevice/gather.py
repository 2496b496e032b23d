"""All states of scores of one pass, gathered on a device: each part here is what one state of the host takes over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.rank_sample import RankSample
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.scorestate import ProbabilityState
from evalcli.metrics.temperature import TemperatureSample
from evalcli.ondevice.keys import sort_keys
from evalcli.ondevice.odds import one_vs_rest_columns
from evalcli.ondevice.parts import PARTS, CountsThere
from evalcli.ondevice.ranked import RankedThere
from evalcli.ondevice.rows import RowsThere, look
from evalcli.ondevice.samples import HashedRows, Hashes, SampleThere
from evalcli.ondevice.sliced import SlicedThere
from evalcli.ondevice.tables import ConfidencesThere, KeysThere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.metrics.arrays import Array
    from evalcli.metrics.base import Metric
    from evalcli.metrics.probability import ScoreForm
    from evalcli.ondevice.parts import Part
    from evalcli.ondevice.sliced import TakeOver

_SCORES = 1 << 24
"""Scores that are looked at at a time, on a device of 80 GB or more; on others in proportion."""
_BYTES = 5 << 10
"""Of a device's memory for each of them: what is made of one takes 80, and eight workers share the rest with others."""


class _Sample:
    """Of ``TemperatureSample``, whose rows are of a finite loss."""

    def __init__(self, state: TemperatureSample, device: Any) -> None:
        self.state: TemperatureSample = state
        self.sample, self.finite = SampleThere(state.sample, device), CountsThere(1, device)

    def take(self, rows: RowsThere, scores: Array, hashes: HashedRows) -> None:
        finite = rows.only(torch.isfinite(rows.loss))
        self.finite.add_where(finite, rows)
        self.sample.add(hashes, _content(scores, rows), finite.long())

    def merge(self, other: Self) -> None:
        self.sample.merge(other.sample)
        self.finite.merge(other.finite)

    def settle(self) -> None:
        self.sample.settle()
        self.state.finite += int(self.finite.taken()[0, 0])


class _Ranked:
    """Of ``RankSample``."""

    def __init__(self, state: RankSample, device: Any) -> None:
        self.sample = SampleThere(state.sample, device)

    def take(self, rows: RowsThere, scores: Array, hashes: HashedRows) -> None:
        self.sample.add(hashes, _content(scores, rows), rows.only(torch.ones_like(rows.target)))

    def merge(self, other: Self) -> None:
        self.sample.merge(other.sample)

    def settle(self) -> None:
        self.sample.settle()


def _content(scores: Array, rows: RowsThere) -> list[Array]:
    """What samples keep of ``rows``."""
    return [scores, rows.target, *([] if rows.weight is None else [rows.weight])]


def _same(state: Any, _: int) -> Any:
    """The state of all rows, which are one group; as part of what is copied with it, no closure."""
    return state


class DeviceScores:
    """What a device has seen of the rows, and ``states``, by their names, have not yet taken over."""

    kinds: ClassVar[frozenset[type]] = frozenset({*PARTS, ConfidenceTable, TemperatureSample, RankSample, KeyTable})

    def __init__(self, states: Mapping[str, Metric], form: ScoreForm, device: str) -> None:
        self.states, self.form, self.device = states, form, torch.device(device)
        self.rows, self._most = 0, _SCORES
        self._left_out: Any = 0
        if self.device.type == "cuda":
            self._most = min(_SCORES, torch.cuda.get_device_properties(self.device).total_memory // _BYTES)
        self._parts: dict[str, Part] = {}
        self._tables: dict[str, KeysThere] = {}
        self.ranked: RankedThere | None = None
        """How all rows of the table of ranks rank, where they were sorted here at once."""
        for name, state in states.items():
            if type(state) in PARTS:
                self._parts[name] = PARTS[type(state)](state, self.device)
            elif isinstance(state, ConfidenceTable):
                self._parts[name] = ConfidencesThere(state, self.device, 1, partial(_same, state))
            elif isinstance(state, KeyTable):
                self._tables[name] = KeysThere(state, self.device, 1, partial(_same, state))
        held, there = states.values(), self.device
        self._weighted = any(getattr(state, "weighted", False) for state in held)
        self._samples = [_Sample(state, there) for state in held if isinstance(state, TemperatureSample)]
        self._ranked = [_Ranked(state, there) for state in held if isinstance(state, RankSample)]
        if self._samples or self._ranked:
            self._hashes = Hashes(1 if form.binary else form.classes, there, weighted=self._weighted)
        self._sliced: list[SlicedThere] = []
        self._looks = any(isinstance(state, ProbabilityState) for state in states.values())

    @classmethod
    def suits(cls, states: Mapping[str, Metric], device: str) -> bool:
        """Whether all ``states`` can be gathered on ``device``, which must know float64."""
        return all(type(state) in cls.kinds for state in states.values()) and not device.startswith("mps")

    def slice(self, states: Mapping[str, Metric], slices: int, take_over: TakeOver) -> None:
        """Gather the same for many slices of the rows, for which ``take_over`` has states like ``states`` by code."""
        self._sliced.append(SlicedThere(states, slices, take_over, self.device))
        self._looks = True

    def update(
        self,
        scores: Array,
        target: Array,
        kept: Array | None = None,
        groups: Array | None = None,
        weight: Array | None = None,
    ) -> None:
        """Take in rows that lie there: ``scores`` (n, C), or (n,) of the positive class, and ``target`` (n,) int64.

        ``groups`` (n, S) are their slices. ``kept`` (n,) bool: no others count, but their targets are classes, too, and
        their scores are numbers. ``weight`` (n,) float64: where states are weighted, it is 1 unless it is given.
        """
        if self._weighted and weight is None:
            weight = torch.ones(len(target), dtype=torch.float64, device=self.device)
        step = max(1, self._most // (1 if scores.ndim == 1 else scores.shape[1]))
        with torch.inference_mode():
            for start in range(0, len(target), step):
                part = slice(start, start + step)
                more = (None if one is None else one[part] for one in (kept, groups, weight))
                self._take(scores[part], target[part], *more)
            if kept is not None:
                self._left_out = self._left_out + (~kept).sum()
        self.rows += len(target)

    def _take(
        self, scores: Array, target: Array, kept: Array | None, groups: Array | None, weight: Array | None
    ) -> None:
        first = self._hashes.first(scores, target, weight) if self._samples or self._ranked else None
        if self._looks:
            rows = look(scores, target, self.form)
            rows.kept, rows.weight = kept, weight
            for part in self._parts.values():
                part.take(rows)
            for sample in self._samples:
                sample.take(rows, scores, HashedRows(first, self._hashes.second(scores, target, weight)))
            for number, sliced in enumerate(self._sliced):
                assert groups is not None
                sliced.take(rows, groups[:, number], kept)
            del rows
        tables = [*self._tables.values(), *(table for sliced in self._sliced for table in sliced.tables.values())]
        if not tables and not self._ranked:
            return
        columns = scores[None] if scores.ndim == 1 else one_vs_rest_columns(scores, self.form.kind)
        rows = RowsThere(target)
        rows.kept, rows.weight = kept, weight
        for ranked in self._ranked:
            ranked.take(rows, columns.T, HashedRows(first, self._hashes.second(columns.T, target, weight)))
        keys = {bits: sort_keys(columns, bits) for bits in {table.columns.bits for table in tables}}
        for table in self._tables.values():
            table.take(keys[table.columns.bits], rows)
        for number, sliced in enumerate(self._sliced):
            assert groups is not None
            sliced.rank(keys, rows, groups[:, number], kept)

    def merge(self, other: Self) -> None:
        """Take in what another worker has gathered; what its states hold, these take from them."""
        self.rows += other.rows
        self._left_out = self._left_out + other._left_out
        with torch.inference_mode():  # whoever made these may have been in it: then they change only there
            for name, part in self._parts.items():
                part.merge(other._parts[name])
            for name, table in self._tables.items():
                table.merge(other._tables[name])
            for mine, theirs in zip(self._sliced, other._sliced, strict=True):
                mine.merge(theirs)
            for sample, more in zip(self._samples, other._samples, strict=True):
                sample.merge(more)
            for ranked, others in zip(self._ranked, other._ranked, strict=True):
                ranked.merge(others)

    def settle_slices(self) -> None:
        """Let the states of slices take over what there is of them."""
        with torch.inference_mode():
            for sliced in self._sliced:
                sliced.settle()

    def settle(self) -> None:
        """Let the states take everything over; nothing is left here."""
        if not self.rows:
            return
        with torch.inference_mode():
            self.rows -= int(self._left_out)
            self._left_out = 0
            for name, part in self._parts.items():
                part.settle([self.states[name]])
            self.settle_slices()
            for sample in self._samples:
                sample.settle()
            for ranked in self._ranked:
                ranked.settle()
            for there in self._tables.values():
                table: Any = there.state
                is_whole = not (table.pairwise or table.weighted or table.rows or there.is_sorted)
                if (entries := there.settle([table])) is not None and is_whole:
                    self.ranked = RankedThere(entries, self.rows)
        for state in self.states.values():
            state.rows += self.rows  # type: ignore[attr-defined]  # all of these count them
        self.rows = 0
