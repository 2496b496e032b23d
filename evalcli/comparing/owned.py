"""The user's own metrics (``--metric``) of several models: what each is, and how far the models differ.

By how much two models' numbers differ without each of the groups of rows, which are the same for both, tells how sure
their difference is: it is paired, group by group. Its p-value is that of Student's t, with one degree of freedom less
than there are groups.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from evalcli.comparing.defined import Lies, Named
from evalcli.comparing.expressed import BASE, GAP
from evalcli.comparing.sliced import WHOLE
from evalcli.evaluation import MEND, METRIC_FAILED, about_weights
from evalcli.own import groups as owngroups
from evalcli.own.values import RAISED, number_names, told_once
from evalcli.report import Finding
from evalcli.uncertainty.comparison import Difference, detectable
from evalcli.uncertainty.quantiles import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from evalcli.comparing.own_passes import OwnPasses
    from evalcli.comparing.sliced import Slice
    from evalcli.metrics.arrays import HostArray
    from evalcli.own.groups import Moved
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.values import Failure
    from evalcli.uncertainty.intervals import Confidence

    Values = dict[str, float | None]

_ROUNDED = 1e-13
"""Of the larger number: what differs by no more varies by rounding alone."""


@dataclass(frozen=True)
class OwnNumber(Named):
    """One of the numbers that a metric gives, as comparisons read a metric; ``key`` is its name there."""

    metric: OwnMetric
    key: str

    @property
    def entry(self) -> Lies:
        """Nobody knows where it lies, and only its class which values are better."""
        direction: dict[str, Literal["higher", "lower"]] = {"higher": "higher", "lower": "lower"}
        return Lies(direction.get(self.metric.better, "neither"), -inf, inf)


class _Computed(NamedTuple):
    """What a model's metrics compute of some rows, by their names and those of their numbers; and what failed."""

    values: Mapping[str, Mapping[str, float]]
    failures: tuple[Failure, ...]


class OwnCompared:
    """The user's own metrics of all models, of all rows and of slices; ``passes`` is ``None`` where there are none.

    ``models`` is what they are called, ``classes`` those that a comparison names.
    """

    def __init__(
        self, passes: OwnPasses | None, models: Sequence[str], classes: Sequence[str], confidence: Confidence
    ) -> None:
        self._passes, self._models, self._confidence = passes, models, confidence
        self._known: dict[Slice, list[_Computed]] = {}
        self._groups: dict[tuple[str, Slice], list[Moved | None]] = {}
        self.names: tuple[OwnNumber, ...] = ()
        """What a comparison has rows for."""
        if passes is not None:
            values = [one.values for one in self._at(WHOLE)]
            self.names = tuple(numbers_of(passes.each[0].metrics, values, classes))

    def _at(self, place: Slice) -> list[_Computed]:
        if place not in self._known:
            assert self._passes is not None
            held = self._passes.at(place)
            self._known[place] = [_Computed({}, ()) if one is None else _Computed(*one.values()) for one in held]
        return self._known[place]

    def with_values(self, values: Sequence[Mapping[str, float | None]], place: Slice = WHOLE) -> list[Values]:
        """The metrics of every model, and their own."""
        if not self.names:
            return [{**one} for one in values]
        return [
            {**known} | {each.name: finite(one.values, each) for each in self.names}
            for known, one in zip(values, self._at(place), strict=True)
        ]

    def differences(self, pair: tuple[int, int], place: Slice = WHOLE) -> dict[str, Difference | None]:
        """The second model of a ``pair`` less the first, in each number."""
        return {each.name: self._difference(each, pair, place) for each in self.names}

    def moved(self, pair: tuple[int, int], place: Slice = WHOLE) -> dict[str, HostArray]:
        """What groups of rows (J,) move the numbers of the first of a ``pair`` by, and the differences of the second.

        They are as long as the quantile of Student's t, of so many groups, makes of the normal one.
        """
        found: dict[str, HostArray] = {}
        for each in self.names:
            base, now = (finite(self._at(place)[model].values, each) for model in pair)
            before, after = (self._of_groups(each.metric, place)[model] for model in pair)
            if base is None or now is None or before is None or after is None:
                continue
            wider = t_quantile(1.0 - self._confidence.tail, after.freedom) / self._confidence.critical
            known = before.of(each.key)
            found[BASE + each.name] = wider * before.parts(base, known)
            found[GAP + each.name] = wider * after.parts(now - base, after.of(each.key) - known)
        return found

    def _of_groups(self, own: OwnMetric, place: Slice) -> list[Moved | None]:
        if (own.name, place) not in self._groups:
            self._groups[own.name, place] = self._moved(own, place)
        return self._groups[own.name, place]

    def _moved(self, own: OwnMetric, place: Slice) -> list[Moved | None]:
        """What a metric of each model is without each of the groups; ``None`` where it fails, or nothing tells."""
        assert self._passes is not None
        none: list[Moved | None] = [None] * len(self._models)
        held = [one for one in self._passes.at(place) if one is not None]
        numbers = sorted(held[0].groups) if held else []
        rows = np.array([held[0].groups[number].rows for number in numbers])
        if not owngroups.tell(rows):
            return none
        totals = [[one.groups[number].totals().get(own.name) for number in numbers] for one in held]
        whole = [None not in each for each in totals]
        alone = any(owngroups.are_kept(each, rows) for each, known in zip(totals, whole, strict=True) if known)
        for model, groups in enumerate(totals):
            if whole[model]:
                with suppress(*RAISED):  # a stranger's code raises what it likes
                    none[model] = owngroups.moved(own.how, groups, rows, alone=alone)
        return none

    def _difference(self, number: OwnNumber, pair: tuple[int, int], place: Slice) -> Difference | None:
        """The second model of a ``pair`` less the first in one number."""
        base, now = (finite(self._at(place)[model].values, number) for model in pair)
        before, after = (self._of_groups(number.metric, place)[model] for model in pair)
        if base is None or now is None or before is None or after is None:
            return None
        value = now - base
        error = after.error(value, after.of(number.key) - before.of(number.key))
        if not error > _ROUNDED * max(abs(base), abs(now)):
            return None
        assert self._passes is not None
        sampled = owngroups.Sampled(self._confidence, self._passes.of_clusters)
        interval = after.interval(value, error, sampled)
        p = t_two_sided(value / error, after.freedom)
        reach = interval.width / 2.0 / self._confidence.critical
        return Difference(now, base, interval, p, detectable(reach, self._confidence))

    def findings(self) -> Iterator[Finding]:
        """What failed, of each metric and model once, and what counts no weights."""
        if self._passes is None:
            return
        told, slices = [], [*self._passes.slices()]
        for model, whole in enumerate(self._at(WHOLE)):
            inside = ((where, self._at(place)[model].failures) for place, where in slices)
            told.append(told_once(whole.failures, inside))
        yield from about_failures(self._models, told)
        first = self._passes.each[0]
        yield from about_weights(first.metrics, weighted=first.source.weighted)


def numbers_of(
    metrics: Iterable[OwnMetric], values: Sequence[Mapping[str, Mapping[str, float]]], classes: Sequence[str]
) -> Iterator[OwnNumber]:
    """All numbers that ``metrics`` gave of any of the models; one that failed on all of them has one."""
    for own in metrics:
        keys = dict.fromkeys(key for each in values for key in each.get(own.name, ()))
        for key, name in number_names(own.name, [*keys] or [""], classes).items():
            yield OwnNumber(name, own, key)


def about_failures(models: Sequence[str], told: Sequence[tuple[Failure, ...]]) -> Iterator[Finding]:
    """What failed on each of the models; once where it is the same on all."""
    if len({*told}) == 1:
        texts = [str(failure) for failure in told[0]]
    else:
        texts = [failure.told(name) for name, each in zip(models, told, strict=True) for failure in each]
    for text in texts:
        yield Finding(METRIC_FAILED, "warning", text, MEND)


def finite(values: Mapping[str, Mapping[str, float]], number: OwnNumber) -> float | None:
    """One of the numbers that metrics computed, if it is one."""
    value = values.get(number.metric.name, {}).get(number.key, nan)
    return value if isfinite(value) else None
