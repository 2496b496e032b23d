"""What a pass over a classification input gathers: counts of labels, states of scores, evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import EmptyError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults, refuse_scale
from evalcli.metrics.arrays import is_host, to_device
from evalcli.slicepasses import by_name, merge_sliced
from evalcli.sources.labels import check_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evalcli.classification.clusters import ClusterStates, SlicedClusters
    from evalcli.classification.labels import Labels
    from evalcli.classification.prepare import Prepare
    from evalcli.classification.scoring import ScoreStates
    from evalcli.classification.slices import SliceStates
    from evalcli.counting import Plan
    from evalcli.metrics.base import Saveable
    from evalcli.metrics.counts import ConfusionCounts
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.ondevice.pairs import PairsThere
    from evalcli.ondevice.waiting import LabelsThere
    from evalcli.scanning.tables import Rows, ScanTables
    from evalcli.slicerows import Waiting
    from evalcli.sources.base import Array, Batch
    from evalcli.task import Task


@dataclass(slots=True)
class ClassificationPass:
    """What one worker gathers under one decision."""

    plan: Plan
    task: Task
    prepare: Prepare
    confusion: ConfusionCounts
    known: Evidence
    """What earlier passes have shown: a pass that starts over must not forget why."""
    scores: ScoreStates | None = None
    slices: tuple[SliceStates, ...] = ()
    waiting: tuple[Waiting[Labels], ...] = ()
    """Rows whose scores are counted with their slices, for each slicer."""
    scan: ScanTables | None = None
    scan_rows: Rows | None = None
    """Which rows the metric of the search is a share of, where there is one."""
    clusters: ClusterStates | None = None
    clusters_in: tuple[SlicedClusters, ...] = ()
    """The clusters of each slicer's slices, where there are clusters."""
    evidence: Evidence = field(default_factory=Evidence)
    signs: tuple[object, ...] = ()
    pairs: PairsThere | None = None
    """What a device has added of the weights of labels, and ``confusion`` has not yet taken over."""
    searched: LabelsThere | None = None
    """Labels of a device that ``scan`` has not yet counted."""

    @property
    def asked_by(self) -> tuple[str, ...]:
        """The modules that will read this, to be imported when there is time."""
        return () if self.scores is None or self.prepare.choices.confidence is None else self.scores.readers

    @property
    def saves_all(self) -> bool:
        """A search for weak slices has no state."""
        return self.scan is None

    @property
    def counts_there(self) -> bool:
        """Whether targets that are class numbers may stay on the device of the scores."""
        prepare = self.prepare
        is_fed = prepare.glances is not None and not prepare.glances.rereads
        return is_fed and prepare.target_codes is None and self.plan.layout.target == "labels"

    @property
    def gathers_there(self) -> bool:
        """Whether slices, weights and clusters, if there are any, are counted on the device, too."""
        return self.prepare.glances is not None

    def add(self, batch: Batch) -> bool:
        """Count ``batch``; ``False`` where it contradicts the decision."""
        labels = self.prepare(batch, self.task, self.evidence)
        fewer = self._count_sliced(labels)
        self.count(labels if fewer is None else fewer)
        return self._look(labels)

    def count(self, labels: Labels) -> None:
        """Count the pairs of labels."""
        if self.pairs is not None:
            self.pairs.take(labels)
            return
        if self.prepare.glances is not None and not is_host(labels.preds):
            self.confusion.take(labels.preds, labels.target, labels.kept)
            return
        self.confusion.update(labels.preds, labels.target, labels.weight, labels.repeats)

    def look(self, labels: Labels) -> bool:
        """Count slices and take in the scores; ``False`` where the rows so far contradict the decision."""
        self._count_sliced(labels)
        return self._look(labels)

    def _look(self, labels: Labels) -> bool:
        """Take in the scores."""
        holds = self._still_holds()
        scored = self.scores is not None and holds and not self._is_lost()
        if self.slices and scored and is_host(labels.preds):
            self._score_slices(labels)
        elif self.scores is not None and scored and not (self.clusters is not None and is_host(labels.preds)):
            self.scores.update(self._in_slots(labels, self.scores))
        if self.scan is not None and self.scan_rows is not None and self.plan.layout.inner == 1:
            self._search(labels)
        if self.clusters is not None:
            self.clusters.update(labels, self._scored_with_clusters, scores=scored)
        for number, clusters in enumerate(self.clusters_in):
            assert labels.groups is not None
            clusters.update(labels, labels.groups[:, number], scores=scored)
        return holds

    @property
    def _scored_with_clusters(self) -> ScoreStates | None:
        """What the groups of clusters feed on the host, where no slices do."""
        return None if self.slices else self.scores

    def _search(self, labels: Labels) -> None:
        """Count what is searched, on the host: what lies on a device waits until it is much."""
        if is_host(labels.preds):
            from evalcli.classification.scan import count
            from evalcli.scanning.tables import searched_codes

            assert self.scan is not None
            assert self.scan_rows is not None
            count(self.scan, self.scan_rows, labels, searched_codes(labels.groups, len(self.slices)))
            return
        if self.searched is None:
            from evalcli.ondevice.waiting import LabelsThere

            self.searched = LabelsThere(self._search)
        self.searched.add(labels)

    def _in_slots(self, labels: Labels, scores: ScoreStates) -> Labels:
        """The same; on a device, where there are clusters, in the slices that their groups are there."""
        if self.clusters is None or is_host(labels.preds):
            return labels
        assert labels.cluster is not None
        slots = self.clusters.slots(labels.cluster, scores.settle_slices)
        return labels._replace(groups=to_device(slots[:, None], labels.preds.device))

    def _count_sliced(self, labels: Labels) -> Labels | None:
        """Count labels by slice, which costs little; the same labels in fewer rows, where slices have made some."""
        if not self.slices:
            return None
        assert labels.groups is not None
        if not is_host(labels.preds):
            for number, slices in enumerate(self.slices):
                slices.count_there(labels, labels.groups[:, number])
            return None
        bare = labels._replace(scores=None, places=None, cluster=None, groups=None)
        counted = [slices.update(bare, labels.groups[:, number]) for number, slices in enumerate(self.slices)]
        return counted[0]

    def _score_slices(self, labels: Labels) -> None:
        """Let scores wait for others of their slice."""
        assert labels.groups is not None
        assert self.scores is not None
        narrow = labels.narrow(self.scores.scoring.classes)
        for number, (slices, waiting) in enumerate(zip(self.slices, self.waiting, strict=True)):
            slices.score(waiting.add(narrow, labels.groups[:, number]), None if number else self.scores)

    def settle(self) -> None:
        """Count the scores that wait, slice by slice, and see what a device has seen."""
        if self.prepare.glances is not None:
            self.prepare.glances.tell(self.evidence)
        if self.pairs is not None:
            self.pairs.settle(lambda _: self.confusion)
        if self.searched is not None:
            self.searched.settle()
        if self.clusters is not None:
            self.clusters.settle(self._scored_with_clusters)
            if self.scores is not None:
                self.scores.settle_slices()  # each worker has groups of its own
        for number, (slices, waiting) in enumerate(zip(self.slices, self.waiting, strict=True)):
            slices.score(waiting.all(), None if number else self.scores)

    def columns(self) -> Iterator[KeyColumn]:
        """Where keys of scores wait to be sorted, those of all rows first."""
        if self.scores is not None:
            yield from self.scores.columns()
        for slices in self.slices:
            yield from slices.columns()

    def exchanged(self) -> Iterator[KeyColumn]:
        """Those into which the keys of all rows go as they come, so that any worker may count them."""
        if self.scores is not None:
            yield from self.scores.columns()

    def _is_lost(self) -> bool:
        """Whether these are no probabilities, said to be some: then the pass only goes on to find the error."""
        return self.task.scores == "probs" and not self.evidence.within

    def _still_holds(self) -> bool:
        """Whether what was seen so far still supports the decision that counts; asked only when something changed."""
        if self.evidence.unclear:
            return False
        signs = self.evidence.signs()
        if signs == self.signs:
            return True
        self.signs = signs
        return self.plan.holds(self.task, self.evidence.with_(self.known))

    def merge(self, other: ClassificationPass) -> None:
        """Take in what another worker has gathered."""
        self.settle()
        other.settle()
        self.confusion.merge(other.confusion)
        if self.scores is not None and other.scores is not None:
            self.scores.merge(other.scores)
        merge_sliced(self, other)
        self.evidence.merge(other.evidence)

    def state_dict(self) -> dict[str, Array]:
        """The counts, the states of scores, the evidence, and those of every slice."""
        self.settle()
        parts: dict[str, Mapping[str, Array]] = {
            "confusion": self.confusion.state_dict(),
            "evidence": self.evidence.state_dict(),
        }
        if self.scores is not None:
            parts["scores"] = self.scores.state_dict()
        for number, slices in enumerate(self.slices):
            parts[f"slices.{number}"] = slices.state_dict()
        for number, clusters in enumerate(self._every_clusters()):
            parts[f"clusters.{number}"] = clusters.state_dict()
        if self.scan is not None:
            parts["scan"] = self.scan.state_dict()
        return {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``state_dict`` gave.

        Raises: ``ValueError`` for anything else.
        """
        parts = by_name(state, ("confusion", "evidence", "scores", "slices", "clusters", "scan"))
        if (self.scan is None) != (not parts["scan"]):
            raise ValueError("a search on one side only")
        if (self.scores is None) != (not parts["scores"]):
            raise ValueError("there are states of scores on one side only")
        self.confusion.load_state_dict(parts["confusion"])
        self.evidence.load_state_dict(parts["evidence"])
        if self.scores is not None:
            self.scores.load_state_dict(parts["scores"])
        self._restore(self.slices, parts["slices"])
        self._restore(self._every_clusters(), parts["clusters"])
        if self.scan is not None:
            self.scan.load_state_dict(parts["scan"])
        if not (self.evidence.faults or self._is_lost() or self._agree()):
            raise ValueError("the states do not count the same rows")

    def _every_clusters(self) -> list[ClusterStates | SlicedClusters]:
        """Those of all rows and of every slicer's slices, where there are any."""
        return [] if self.clusters is None else [self.clusters, *self.clusters_in]

    @staticmethod
    def _restore(held: Sequence[Saveable], state: Mapping[str, Array]) -> None:
        parts = by_name(state, [str(number) for number, _ in enumerate(held)])
        for one, saved in zip(held, parts.values(), strict=True):
            one.load_state_dict(saved)

    def _agree(self) -> bool:
        """Whether all states have seen the rows that the evidence is of."""
        rows = self.evidence.rows
        counted = {self.confusion.rows, self.confusion.rows if self.confusion.weighted else self.confusion.total()}
        if self.scores is not None:
            counted |= self.scores.rows()
        sliced = all(slices.agrees(rows) for slices in self.slices)
        searched = self.scan is None or self.scan.counted <= rows
        return counted == {rows} and sliced and searched and self._clusters_agree()

    def _clusters_agree(self) -> bool:
        scores, rows = self.scores is not None, self.evidence.rows
        if self.clusters is None:
            return True
        inside = zip(self.clusters_in, self.slices, strict=True)
        return self.clusters.agree(rows, scores=scores) and all(
            clusters.agree(slices, scores=scores) for clusters, slices in inside
        )

    def under(self, other: ClassificationPass) -> ClassificationPass:
        """The same, with the classes and the slices of ``other``.

        Raises: ``ValueError`` where ``other`` makes other labels of the same predictions, or reads other scores.
        """
        self.settle()
        if self.scores is not None:
            self.scores.settle()
        if type(other) is not type(self):
            raise ValueError("another family of tasks")
        scan = None
        if self.scan is not None or other.scan is not None:
            from evalcli.scanning.tables import scan_under

            scan = scan_under(self.scan, other.scan)
        same = self.prepare.classes == other.prepare.classes and (
            self.prepare.classes is None or self.task.classes == other.task.classes
        )
        mine, theirs = (None if one.scores is None else one.scores.scoring for one in (self, other))
        fixed = self.task.mode == "cut" or mine is not None
        if self.task.counts_like != other.task.counts_like or mine != theirs or (fixed and not same):
            raise ValueError("the predictions were taken for something else")
        if same:
            slices = tuple(
                one.under(two, lambda held: held) for one, two in zip(self.slices, other.slices, strict=True)
            )
            return replace(self, slices=slices, scan=scan, **self._clusters_under(other, None))
        if self.prepare.classes is None or other.prepare.classes is None:
            raise ValueError("classes have names on one side only")
        place = {name: i for i, name in enumerate(other.task.classes)}
        index, many = np.array([place.get(name, -1) for name in self.task.classes], np.int64), other.prepare.classes

        def recoded(held: ConfusionCounts) -> ConfusionCounts:
            return held.recoded(index, many)

        slices = tuple(one.under(two, recoded) for one, two in zip(self.slices, other.slices, strict=True))
        counted = recoded(self.confusion)
        made = replace(self, task=other.task, prepare=other.prepare, confusion=counted, slices=slices)
        made = replace(made, scan=scan)
        return replace(made, **self._clusters_under(other, index))

    def _clusters_under(self, other: ClassificationPass, index: Array | None) -> dict[str, Any]:
        """The clusters as ``other`` keeps them, with class ``i`` as ``index[i]``, if any.

        Raises: ``ValueError`` where ``other`` has none, or counts otherwise.
        """
        if self.clusters is None or other.clusters is None:
            if self.clusters is not other.clusters:
                raise ValueError("clusters on one side only")
            return {}
        both = zip(self.clusters_in, other.clusters_in, strict=True)
        inside = tuple(one.under(two, index) for one, two in both)
        return {"clusters": self.clusters.under(other.clusters, index), "clusters_in": inside}

    def check(self, decided: Task) -> None:
        """Refuse rows that cannot be counted, a decision in doubt, and nothing at all.

        Raises:
            InputError: with the count and the first rows concerned; weights are all tiny or huge.
            UsageError: a search for weak slices that these rows cannot have.
            EmptyError: no row is left, or all weights are 0.

        """
        self.settle()
        if self.scores is not None:
            self.scores.settle()
        source, evidence = self.plan.source, self.evidence
        if decided.problem is not None:  # it says better why labels are no labels
            for code in ("pred-fraction", *(("pred-range",) if self.plan.layout.preds == "score" else ())):
                evidence.faults.pop(code, None)
        raise_faults(source, self.plan.choices, self.prepare.classes, evidence)
        self.plan.refuse_doubt(decided)
        self.plan.refuse_empty(evidence)
        if self.scan is not None:
            from evalcli.classification.scan import check

            check(self.plan, decided)
        if source.merged and not self.plan.partial:
            self._compare_labels()
        if source.weighted and not self.plan.partial:
            total = float(self.confusion.class_counts().numpy().n)
            if not total > 0:
                raise EmptyError("all weights are 0", fix="check --weight", path=source.target.path)
            refuse_scale(total, self.confusion.weight_squares, source)
        self._check_clusters()

    def _check_clusters(self) -> None:
        """Refuse a single cluster: nothing says how another would differ from it.

        Raises:
            InputError: there is only one.

        """
        if self.clusters is not None and not self.plan.partial and np.unique(self.clusters.rows().cluster).size < 2:
            from evalcli.clusterpasses import single_cluster

            raise single_cluster(self.plan.source.clustered, self.plan.source.target.path)

    def _compare_labels(self) -> None:
        """Refuse two spellings of one class on the two sides, as a source does that sees all rows.

        Raises:
            InputError: there are some.

        """
        source, names = self.plan.source, self.task.classes
        if source.preds.labels is None or source.target.labels is None or self.plan.choices.labels is not None:
            return
        counts = self.confusion.class_counts().numpy()
        truth, said = ({names[i] for i in np.flatnonzero(side > 0)} for side in (counts.support, counts.predicted))
        check_labels(truth, said, source.target.path)
