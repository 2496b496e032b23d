"""What a pass over a multilabel input gathers: counts per label and per row, states of scores, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from evalcli.clustergroups import GROUPS, groups_of
from evalcli.clusterpasses import ClusterPasses, SlicedClusters, clusters_agree, clusters_under, saved_clusters
from evalcli.errors import EmptyError, UsageError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults, refuse_scale
from evalcli.metrics.base import restore_states, saved_states
from evalcli.metrics.label_moments import MOST_LABELS, LabelMoments
from evalcli.metrics.label_pairs import LabelPairs
from evalcli.metrics.multilabel import LabelCounts, SampleSets
from evalcli.multilabel import scan as scanning
from evalcli.multilabel.prepare import make_prepare
from evalcli.scanning.tables import scan_under, searched_codes, until_decided
from evalcli.slicepasses import LEAST_BUDGET, SlicePasses, merge_sliced, saved_slices, share_of, within
from evalcli.slicerows import RANKED_TIMES, Waiting, places_to_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from evalcli.counting import Plan
    from evalcli.metrics.base import Saveable, Settles
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.multilabel.prepare import Cells, Prepare
    from evalcli.multilabel.scoring import LabelScores, Scoring
    from evalcli.scanning.tables import ScanTables
    from evalcli.sources.base import Array, Batch, Slicer
    from evalcli.task import Task

PAIRED_LABELS = 100
"""Up to so many labels it is counted which one is predicted where another is missed."""


@dataclass(slots=True)
class MultilabelPass:
    """What one worker gathers under one decision."""

    plan: Plan
    task: Task
    prepare: Prepare
    counts: LabelCounts
    sets: SampleSets
    pairs: LabelPairs | None
    known: Evidence
    """What earlier passes have shown: a pass that starts over must not forget why."""
    scores: LabelScores | None = None
    moments: LabelMoments | None = None
    evidence: Evidence = field(default_factory=Evidence)
    signs: tuple[object, ...] = ()
    slices: tuple[SlicePasses[MultilabelPass], ...] = ()
    waiting: tuple[Waiting[Cells], ...] = ()
    """Rows that are counted with their slices, for each slicer."""
    clusters: ClusterPasses[MultilabelPass] | None = None
    clusters_in: tuple[SlicedClusters[MultilabelPass], ...] = ()
    """The clusters of each slicer's slices, where there are clusters."""
    scan: ScanTables | None = None
    scanned_by: scanning.Asked = scanning.WHOLLY_RIGHT

    @property
    def saves_all(self) -> bool:
        """A search for weak slices has no state."""
        return self.scan is None

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` where it contradicts the decision."""
        cells, holds = self.look(self.prepare(batch, self.task, self.evidence))
        if self.slices:
            assert cells.groups is not None
            for number, waiting in enumerate(self.waiting):
                self._count(number, waiting.add(cells, cells.groups[:, number]))
        elif self.clusters is None:
            self.take(cells)
        if self.clusters is not None:
            self.clusters.update(cells, self._taken_with_clusters)
        if self.scan is not None:
            codes = searched_codes(cells.groups, len(self.slices))
            self.scanned_by.take(self.scan, cells.counted, codes, cells.cluster)
        return holds

    def look(self, cells: Cells) -> tuple[Cells, bool]:
        """Cells as far as the decision lets them count, and whether what was seen still supports it."""
        holds = self._still_holds()
        return (cells if holds and not self._is_lost() else cells._replace(scored=None)), holds

    def _count(self, number: int, runs: Iterable[tuple[int, Cells]]) -> None:
        """Count rows by slice of a slicer, and, with those of the first, all of them."""
        if self.clusters_in:
            runs = [*runs]
            self.clusters_in[number].update(runs)
        self.slices[number].update(runs, None if number else self)

    @property
    def _taken_with_clusters(self) -> MultilabelPass | None:
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
        if self.scores is not None:
            yield from self.scores.columns()
        for slices in self.slices:
            yield from slices.columns()

    def exchanged(self) -> Iterator[KeyColumn]:
        """Those into which the keys of all rows go as they come, so that any worker may count them."""
        if self.scores is not None:
            yield from self.scores.columns()

    def take(self, cells: Cells) -> int:
        """Count prepared cells, and take in their scores as far as they were kept; how many rows these are."""
        for state in (self.counts, self.sets, self.pairs, self.moments):
            if state is not None:
                state.take(cells.counted)
        if self.scores is not None and cells.scored is not None:
            self.scores.update(cells)
        return cells.counted.rows

    def beside(self) -> MultilabelPass:
        """An empty one, whose counts this one and its slices can absorb."""
        scoring = None if self.scores is None else self.scores.scoring
        if scoring is not None:
            scoring = replace(scoring, budget=max(scoring.budget, LEAST_BUDGET))
        found = _empty(self.plan, self.task, self.prepare, scoring, self.known)
        found.pairs = None if self.pairs is None else self.pairs.fresh()
        return found

    def absorb(self, counted: MultilabelPass) -> None:
        """Take in what another has counted, as far as this one counts it, but for evidence and slices."""
        self.counts.merge(counted.counts)
        self.sets.merge(counted.sets)
        if self.pairs is not None and counted.pairs is not None:
            self.pairs.merge(counted.pairs)
        if self.moments is not None and counted.moments is not None:
            self.moments.merge(counted.moments)
        if self.scores is not None and counted.scores is not None:
            self.scores.absorb(counted.scores)

    def _is_lost(self) -> bool:
        """Whether these are no probabilities, said to be some: then the pass only goes on to find the error."""
        return self.task.scores == "probs" and not self.evidence.within

    def _still_holds(self) -> bool:
        """Whether what was seen so far still supports the decision that counts; asked only when something changed."""
        signs = self.evidence.signs()
        if signs == self.signs:
            return True
        self.signs = signs
        return self.plan.holds(self.task, self.evidence.with_(self.known))

    def merge(self, other: MultilabelPass) -> None:
        """Take in what another worker has gathered."""
        self.settle()
        other.settle()
        self.absorb(other)
        self.evidence.merge(other.evidence)
        merge_sliced(self, other)

    @property
    def _saved(self) -> dict[str, Saveable]:
        states: dict[str, Saveable | None] = {
            "counts": self.counts, "sets": self.sets, "pairs": self.pairs, "scores": self.scores,
            "moments": self.moments,
        }  # fmt: skip
        held = {name: state for name, state in states.items() if state is not None}
        clusters = saved_clusters(self.clusters, self.clusters_in)
        scan: dict[str, Saveable] = {} if self.scan is None else {"scan": self.scan}
        return {"evidence": self.evidence, **held, **saved_slices(self.slices), **clusters, **scan}

    def state_dict(self) -> dict[str, Array]:
        """The counts, the states of scores, the evidence, and those of every slice."""
        self.settle()
        return saved_states(self._saved)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        restore_states(self._saved, state)
        rows = self.evidence.rows
        agree = self.sets.rows == rows and all(slices.agree(rows) for slices in self.slices)
        agree = agree and (self.scan is None or self.scan.counted <= rows)
        agree = agree and clusters_agree(
            rows, self.clusters, self.clusters_in, self.slices, weighted=self.plan.source.weighted
        )
        if not (self.evidence.faults or self._is_lost() or agree):
            raise ValueError("the states do not count the same rows")

    def under(self, other: MultilabelPass) -> MultilabelPass:
        """The same with the slices of ``other``, where it counts the same labels in the same way.

        Raises: ``ValueError`` where it does not.
        """
        self.settle()
        same = type(other) is type(self) and self.task.counts_like == other.task.counts_like
        mine, theirs = (None if one.scores is None else one.scores.scoring for one in (self, other))
        if not same or (mine is None) != (theirs is None) or self.task.classes != other.task.classes:
            raise ValueError("the predictions were taken for something else")
        slices = tuple(one.under(two) for one, two in zip(self.slices, other.slices, strict=True))
        scores = None if self.scores is None or theirs is None else within(self.scores, theirs)
        clusters, clusters_in = clusters_under(self, other)
        scan = scan_under(self.scan, other.scan)
        return replace(self, scores=scores, slices=slices, clusters=clusters, clusters_in=clusters_in, scan=scan)

    def check(self, decided: Task) -> None:
        """Refuse rows that cannot be counted, a decision in doubt, and nothing at all.

        Raises:
            InputError: with the count and the first rows concerned; all rows belong to one cluster.
            EmptyError: no row is left, or all weights are 0.

        """
        self.settle()
        source = self.plan.source
        raise_faults(source, self.plan.choices, None, self.evidence)
        self.plan.refuse_doubt(decided)
        self.plan.refuse_empty(self.evidence)
        if source.weighted and not self.plan.partial:
            total = float(self.sets.compute().amount.sum())
            if not total > 0:
                raise EmptyError("all weights are 0", fix="check --weight", path=source.target.path)
            refuse_scale(total, self.counts.weight_squares, source)
        if self.clusters is not None and not self.plan.partial:
            self.clusters.check(source.clustered, source.target.path)
        if self.scan is not None:
            self._check_scan()

    def _check_scan(self) -> None:
        """Refuse to search where rows are not of as many labels each.

        Raises:
            UsageError: cells do not count; rows are to be compared by something else.

        """
        scanned, ignored = self.plan.source.scanned, self.evidence.ignored_cells
        metric = scanning.USUAL if scanned is None else scanned.asked.metric or scanning.USUAL
        if scanning.asked_by(metric, self.task.classes).is_loss and ignored:
            what = f"--scan-metric {metric}: {ignored:,} cells do not count, and so rows are not of equal weight"
            raise UsageError(what, fix=f"use {scanning.USUAL}")


def begin(plan: Plan, task: Task, known: Evidence) -> Callable[[], MultilabelPass]:
    """Empty passes, one for each worker."""
    source, scanned_by = plan.source, scanning.WHOLLY_RIGHT
    if source.scanned is not None:
        metric = source.scanned.asked.metric or scanning.USUAL
        scanned_by = until_decided(metric, lambda: scanning.asked_by(metric, task.classes), scanned_by)
    alone = not source.slicers and source.clustered is None and source.scanned is None
    device = plan.device if alone else None  # cells of slices are picked on the host
    prepare = make_prepare(plan.layout, plan.choices, source.preds, source.target, task.classes, device)
    scoring, inside = _scoring(plan, task), _scoring(plan.inside(), task)
    if scoring is not None:
        prepare = prepare._replace(keep_scores=True)

    def whole() -> MultilabelPass:
        labels = len(task.classes)
        pairs = LabelPairs(labels, weighted=source.weighted) if 1 < labels <= PAIRED_LABELS else None
        slices = tuple(
            SlicePasses(slicer, partial(_empty, plan, task, prepare, _shared(inside, slicer), known))
            for slicer in source.slicers
        )
        clusters = None if source.clustered is None else _clusters(plan, task, prepare, scoring, known)
        made = replace(_empty(plan, task, prepare, scoring, known), pairs=pairs, slices=slices, clusters=clusters)
        if source.clustered is not None:
            told = plan, task, prepare, scoring, known
            made.clusters_in = tuple(_clusters_in(slicer, *told) for slicer in source.slicers)
        made.scanned_by = scanned_by
        ranked = inside is not None and inside.ranked
        made.waiting = places_to_wait(source.slicers, plan.workers, ranked=ranked)
        made.scan = scanned_by.tables(source)
        return made

    return whole


def _scoring(plan: Plan, task: Task) -> Scoring | None:
    """What the states of scores are built from, where there are any."""
    scored = plan.scored(task.kind)
    if not scored or task.scores not in {"probs", "logits"}:
        return None
    from evalcli.multilabel.scoring import plan_scoring

    sure, source = plan.choices.confidence is not None, plan.source
    return plan_scoring(scored, task, source.preds, weighted=source.weighted, budget=plan.budget, intervals=sure)


def _shared(scoring: Scoring | None, slicer: Slicer) -> Scoring | None:
    """The same for a slice, which has its share of the memory for ranks."""
    return None if scoring is None else replace(scoring, budget=share_of(scoring.budget, slicer))


def _clusters(
    plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence
) -> ClusterPasses[MultilabelPass]:
    """The groups of clusters; fewer of them where many labels have scores, and each with its share of the memory."""
    most = _groups(scoring, 1)
    within = None if scoring is None else replace(scoring, budget=max(scoring.budget // most, LEAST_BUDGET))

    ranked = scoring is not None and scoring.ranked
    waiting: Waiting[Cells] = Waiting(plan.workers, RANKED_TIMES if ranked else 1)
    return ClusterPasses(partial(_group, plan, task, prepare, within, known), most, waiting)


def _clusters_in(
    slicer: Slicer, plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence
) -> SlicedClusters[MultilabelPass]:
    """The same of the slices of one column, which share the groups and the memory."""
    most, share = _groups(scoring, len(slicer.values)), _shared(scoring, slicer)
    within = None if share is None else replace(share, budget=max(share.budget // most, LEAST_BUDGET))
    return SlicedClusters(slicer, partial(_group, plan, task, prepare, within, known), most)


def _groups(scoring: Scoring | None, shares: int) -> int:
    return GROUPS if scoring is None else groups_of(scoring.labels * max(shares, 1))


def _group(plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence) -> MultilabelPass:
    if scoring is not None:  # clusters tell by themselves how labels go together
        scoring = replace(scoring, states=scoring.states - {"RankSample"})
    return replace(_empty(plan, task, prepare, scoring, known), moments=None)


def _empty(plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, known: Evidence) -> MultilabelPass:
    labels, weighted = len(task.classes), plan.source.weighted
    counts, sets = LabelCounts(labels, weighted=weighted), SampleSets(labels, weighted=weighted)
    scores = None if scoring is None else scoring.fresh()
    sure = plan.choices.confidence is not None and not weighted and 1 < labels <= MOST_LABELS
    moments = LabelMoments(labels) if sure else None
    return MultilabelPass(plan, task, prepare, counts, sets, None, known, scores, moments)
