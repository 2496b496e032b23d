"""What a pass over a regression gathers: the states that the metrics asked for read, and evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.clustergroups import GROUPS, groups_of
from evalcli.clusterpasses import ClusterPasses, SlicedClusters, clusters_agree, clusters_under, saved_clusters
from evalcli.errors import EmptyError, InputError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults, refuse_scale
from evalcli.metrics.absolute import AbsoluteErrors, Extremes, RatioCounts
from evalcli.metrics.base import Metric, restore_states, saved_states
from evalcli.metrics.deviance import Deviance, LogErrors
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.keycolumn import columns_of
from evalcli.metrics.moments import Moments
from evalcli.metrics.pairs import BUDGET, RankPairs
from evalcli.metrics.residuals import ResidualTable
from evalcli.metrics.values import SMALLEST_VALUE, ValueState, feed
from evalcli.regression import scan as scanning
from evalcli.regression.prepare import Prepare
from evalcli.scanning.counts import Sums
from evalcli.scanning.tables import ScanTables, scan_under, searched_codes, tables_of, until_decided
from evalcli.slicepasses import LEAST_BUDGET, SlicePasses, merge_sliced, saved_slices, share_of
from evalcli.slicerows import Waiting, places_to_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalcli.counting import Plan
    from evalcli.metrics.base import Saveable, Settles
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.values import ValueRows
    from evalcli.sources.base import Array, Batch, Slicer
    from evalcli.task import Task


class StateKey(NamedTuple):
    """A state by its name in the registry, and the power where that makes several of one kind."""

    name: str
    power: float | None = None

    @property
    def saved(self) -> str:
        """What it is saved under: a point ends the name of a state.

        >>> StateKey("Deviance", 1.5).saved
        'Deviance:1,5'
        """
        return self.name if self.power is None else f"{self.name}:{self.power}".replace(".", ",")


ALWAYS = (StateKey("Moments"), StateKey("Extremes"), StateKey("RatioCounts"))
"""What findings read, whatever was asked for: they cost little."""

POWERS = {"poisson_deviance": 1.0, "gamma_deviance": 2.0}
"""Of the deviances that have a name of their own."""


def state_of(name: MetricName) -> StateKey:
    """The state that a metric reads."""
    entry = name.entry
    if entry.state != "Deviance":
        return StateKey(entry.state)
    return StateKey("Deviance", POWERS.get(entry.name, name.parameter))


class Setup(NamedTuple):
    """What the states of one input have in common."""

    outputs: int
    weighted: bool
    budget: int

    def make(self, key: StateKey) -> ValueState:
        """An empty state."""
        plain: dict[str, type[ValueState]] = {
            kind.__name__: kind for kind in (Moments, Extremes, RatioCounts, AbsoluteErrors, LogErrors)
        }
        if key.name in plain:
            return plain[key.name](self.outputs, weighted=self.weighted)
        if key.power is not None:
            return Deviance(self.outputs, power=key.power, weighted=self.weighted)
        tables = {"ResidualTable": ResidualTable, "RankPairs": RankPairs}
        return tables[key.name](self.outputs, budget=self.budget, weighted=self.weighted)


@dataclass(slots=True)
class RegressionPass:
    """What one worker gathers."""

    plan: Plan
    task: Task
    prepare: Prepare
    setup: Setup
    states: dict[StateKey, ValueState]
    evidence: Evidence = field(default_factory=Evidence)
    squares: ExactSum = field(default_factory=ExactSum)
    """Σw², where there are weights."""
    slices: tuple[SlicePasses[RegressionPass], ...] = ()
    waiting: tuple[Waiting[ValueRows], ...] = ()
    """Rows that are counted with their slices, for each slicer."""
    clusters: ClusterPasses[RegressionPass] | None = None
    clusters_in: tuple[SlicedClusters[RegressionPass], ...] = ()
    """The clusters of each slicer's slices, where there are clusters."""
    scan: ScanTables | None = None

    @property
    def saves_all(self) -> bool:
        """A search for weak slices has no state."""
        return self.scan is None

    @property
    def weight_squares(self) -> float:
        """``Σw²``, for intervals."""
        return float(self.squares) if self.plan.source.weighted else float(self.evidence.rows)

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; once a target had a fraction, or it was asked for, nothing speaks against a regression."""
        rows = self.prepare(batch, self.evidence)
        if self.slices:
            assert rows.groups is not None
            for number, waiting in enumerate(self.waiting):
                self._count(number, waiting.add(rows, rows.groups[:, number]))
        elif self.clusters is None:
            self.take(rows)
        if self.clusters is not None:
            self.clusters.update(rows, self._taken_with_clusters)
        if self.scan is not None:
            codes = searched_codes(rows.groups, len(self.slices))
            self.scan.update(self.loss(rows), codes, rows.repeats, rows.weight, rows.cluster)
        return True

    def loss(self, rows: ValueRows) -> Array:
        """What slices are compared by in a search, row by row (N,)."""
        metric = self._searched_by()
        of = partial(scanning.output_of, metric, outputs_of(self.plan))
        return scanning.losses(rows, until_decided(metric, of, None))

    def _searched_by(self) -> str:
        scanned = self.plan.source.scanned
        return scanning.USUAL if scanned is None else scanned.asked.metric or scanning.USUAL

    def _count(self, number: int, runs: Iterable[tuple[int, ValueRows]]) -> None:
        """Count rows by slice of a slicer, and, with those of the first, all of them."""
        if self.clusters_in:
            runs = [*runs]
            self.clusters_in[number].update(runs)
        self.slices[number].update(runs, None if number else self)

    @property
    def _taken_with_clusters(self) -> RegressionPass | None:
        """What groups of clusters count their rows in, too, where no slices do."""
        return None if self.slices else self

    def settle(self) -> None:
        """Count the rows that wait."""
        if self.clusters is not None:
            self.clusters.settle(self._taken_with_clusters)
        for number, waiting in enumerate(self.waiting):
            self._count(number, waiting.all())

    def columns(self) -> Iterator[Settles]:
        """Where keys wait to be sorted, those of all rows first."""
        yield from columns_of(self.states.values())
        for state in self.states.values():
            if isinstance(state, RankPairs):
                yield from state.tables()
        for slices in self.slices:
            yield from slices.columns()

    def exchanged(self) -> Iterator[KeyColumn]:
        """Those into which the keys of all rows go as they come, so that any worker may count them."""
        yield from columns_of(self.states.values())

    def take(self, rows: ValueRows) -> int:
        """Count prepared rows; how many of the input they stand for."""
        feed(tuple(self.states.values()), rows)
        if rows.weight is not None:
            self.squares.add(rows.weight * rows.weight, repeats=rows.repeats)
        return rows.count

    def beside(self) -> RegressionPass:
        """An empty one, whose counts this one and its slices can absorb."""
        setup = self.setup._replace(budget=max(self.setup.budget, LEAST_BUDGET))
        return RegressionPass(self.plan, self.task, self.prepare, setup, {key: setup.make(key) for key in self.states})

    def absorb(self, counted: RegressionPass) -> None:
        """Take in what another has counted, as far as this one counts it, but for evidence and slices."""
        for key, state in self.states.items():
            Metric.merge(state, counted.states[key])  # budgets apart, they are alike
        self.squares.merge(counted.squares)

    def merge(self, other: RegressionPass) -> None:
        """Take in what another worker has gathered."""
        self.settle()
        other.settle()
        for key, state in self.states.items():
            state.merge(other.states[key])
        self.evidence.merge(other.evidence)
        self.squares.merge(other.squares)
        merge_sliced(self, other)

    @property
    def _saved(self) -> dict[str, Saveable]:
        states = {key.saved: state for key, state in self.states.items()}
        saved: dict[str, Saveable] = {
            "evidence": self.evidence,
            "squares": self.squares,
            **states,
            **saved_slices(self.slices),
        }
        saved |= saved_clusters(self.clusters, self.clusters_in)
        return saved if self.scan is None else saved | {"scan": self.scan}

    def state_dict(self) -> dict[str, Array]:
        """The states, the evidence, the squares of the weights, and those of every slice."""
        self.settle()
        return saved_states(self._saved)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        restore_states(self._saved, state)
        rows = self.evidence.rows
        agree = self.states[ALWAYS[0]].rows == rows and all(slices.agree(rows) for slices in self.slices)
        agree = agree and (self.scan is None or self.scan.counted == rows)
        agree = agree and clusters_agree(
            rows, self.clusters, self.clusters_in, self.slices, weighted=self.plan.source.weighted
        )
        if not (self.evidence.faults or agree):
            raise ValueError("the states do not count the same rows")

    def under(self, other: RegressionPass) -> RegressionPass:
        """The same with the slices of ``other``, where it measures the same numbers; within its memory for ranks.

        Raises: ``ValueError`` where it does not.
        """
        self.settle()
        alike = type(other) is type(self) and self.setup._replace(budget=other.setup.budget) == other.setup
        if not alike or {*self.states} != {*other.states}:
            raise ValueError("the predictions were taken for something else")
        slices = tuple(mine.under(theirs) for mine, theirs in zip(self.slices, other.slices, strict=True))
        states = self.states
        if self.setup != other.setup:
            states = {key: other.setup.make(key) for key in self.states}
            for key, state in states.items():
                Metric.merge(state, self.states[key])  # budgets apart, they are alike
        clusters, clusters_in = clusters_under(self, other)
        made = replace(self, setup=other.setup, states=states, slices=slices)
        return replace(made, clusters=clusters, clusters_in=clusters_in, scan=scan_under(self.scan, other.scan))

    def check(self, decided: Task) -> None:
        """Refuse rows that cannot be measured, a decision in doubt, and nothing at all.

        Raises:
            InputError: with the count and the first rows concerned; all rows belong to one cluster.
            UsageError: a search for weak slices that these rows cannot have.
            EmptyError: no row is left, or all weights are 0.

        """
        self.settle()
        source = self.plan.source
        raise_faults(source, self.plan.choices, None, self.evidence)
        self.plan.refuse_doubt(decided)
        self.plan.refuse_empty(self.evidence)
        if self.scan is not None:
            scanning.output_of(self._searched_by(), outputs_of(self.plan))
        if source.weighted and not self.plan.partial:
            total = float(self.states[ALWAYS[0]].weights)
            if not total > 0:
                raise EmptyError("all weights are 0", fix="check --weight", path=source.target.path)
            refuse_scale(total, self.weight_squares, source)
        if self.clusters is not None and not self.plan.partial:
            self.clusters.check(source.clustered, source.target.path)
        self._refuse_tiny()

    def _refuse_tiny(self) -> None:
        """Refuse what is too small to be squared.

        Raises:
            InputError: all values of an output lie that near to 0.

        """
        extremes = self.states[ALWAYS[1]]
        assert isinstance(extremes, Extremes)
        ends = np.abs(np.stack([extremes.least[:2], extremes.most[:2]]))
        largest = ends.max(axis=(0, 1))
        if not self.plan.partial and ((largest > 0.0) & (largest < SMALLEST_VALUE)).any():
            what = f"all values are within {SMALLEST_VALUE:g} of 0, and cannot be squared"
            raise InputError(what, fix="give both sides in a smaller unit", path=self.plan.source.target.path)


def begin(plan: Plan, task: Task) -> Callable[[], RegressionPass]:
    """Empty passes, one for each worker."""
    setup = Setup(plan.layout.outputs, plan.source.weighted, BUDGET if plan.budget is None else plan.budget)
    sure = plan.choices.confidence is not None
    read, inside = (_read_by(one.names("regression"), intervals=sure) for one in (plan, plan.inside()))
    prepare = Prepare(plan.choices, setup.outputs)

    def empty(setup: Setup, keys: Iterable[StateKey]) -> RegressionPass:
        return RegressionPass(plan, task, prepare, setup, {key: setup.make(key) for key in dict.fromkeys(keys)})

    def group(budget: int) -> RegressionPass:
        return empty(
            setup._replace(budget=max(budget, LEAST_BUDGET)), (ALWAYS[0], *asked_keys(plan.names("regression")))
        )

    def sliced(slicer: Slicer) -> SlicedClusters[RegressionPass]:
        most = groups_of(setup.outputs * max(len(slicer.values), 1))
        return SlicedClusters(slicer, partial(group, share_of(setup.budget, slicer) // most), most)

    def whole() -> RegressionPass:
        slices = tuple(
            SlicePasses(
                slicer, partial(empty, setup._replace(budget=share_of(setup.budget, slicer)), (ALWAYS[0], *inside))
            )
            for slicer in plan.source.slicers
        )
        clusters, clusters_in = None, tuple[SlicedClusters[RegressionPass], ...]()
        if plan.source.clustered is not None:
            clusters = ClusterPasses(partial(group, setup.budget // GROUPS), waiting=Waiting(plan.workers))
            clusters_in = tuple(map(sliced, plan.source.slicers))
        scan = tables_of(plan.source, Sums)
        made = replace(empty(setup, (*ALWAYS, *read)), slices=slices, scan=scan)
        waiting = places_to_wait(plan.source.slicers, plan.workers)
        return replace(made, waiting=waiting, clusters=clusters, clusters_in=clusters_in)

    return whole


def outputs_of(plan: Plan) -> tuple[str, ...]:
    """What the outputs are called: as their columns are, else numbered."""
    source = plan.source
    return source.target.columns or source.preds.columns or tuple(map(str, range(plan.layout.outputs)))


def asked_keys(names: Iterable[MetricName]) -> tuple[StateKey, ...]:
    """The states that these metrics read; what other tasks measure is none of ours."""
    return tuple(dict.fromkeys(state_of(name) for name in names if name.entry.per_output))


def _read_by(names: Iterable[MetricName], *, intervals: bool) -> tuple[StateKey, ...]:
    """Those states, and what the ``intervals`` of these metrics read beside them."""
    names = [name for name in names if name.entry.per_output]
    beside: list[StateKey] = []
    if intervals:
        from evalcli.regression.intervals import reads

        beside = [StateKey(state) for state in map(reads, names) if state is not None]
    return tuple(dict.fromkeys((*asked_keys(names), *beside)))
