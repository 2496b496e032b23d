"""Passes over a classification input that have gathered nothing yet: one for each worker, under one decision."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from evalcli.classification.codes import make_prepare
from evalcli.classification.prepare import ROUNDING
from evalcli.classification.states import ClassificationPass
from evalcli.metrics.counts import ConfusionCounts
from evalcli.slicerows import RANKED_TIMES, Waiting, places_to_wait
from evalcli.task import sum_tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalcli.classification.clusters import ClusterStates
    from evalcli.classification.labels import Labels
    from evalcli.classification.prepare import Prepare
    from evalcli.classification.scoring import ScoreStates, Scoring
    from evalcli.classification.slices import SliceStates
    from evalcli.counting import Plan
    from evalcli.evidence import Evidence
    from evalcli.task import Task


def begin(plan: Plan, task: Task, known: Evidence) -> Callable[[], ClassificationPass]:
    """Empty passes, one for each worker. Text becomes class indices by tables made once for all of them."""
    prepare = make_prepare(plan.layout, plan.choices, plan.source, task.classes, plan.device)
    if plan.scored(task.kind):
        prepare = prepare._replace(keep_scores=True)
    scoring = _scoring(plan, task)
    inside = None if scoring is None else _scoring(plan.inside(), task)
    return partial(_empty, plan, task, prepare, scoring, inside, known)


def _scoring(plan: Plan, task: Task) -> Scoring | None:
    """What the states of scores are built from, where there are any."""
    states = {name.entry.state for name in plan.scored(task.kind)}
    if not states:
        return None
    from evalcli.classification.scoring import plan_scoring

    if plan.asked is None:
        states.add("TemperatureSample")
    weighted, sure = plan.source.weighted, plan.choices.confidence is not None
    return plan_scoring(
        states, task, plan.layout, plan.source.preds, weighted=weighted, budget=plan.budget, intervals=sure
    )


def _can_glance(plan: Plan, prepare: Prepare) -> bool:
    """Whether a device can keep all that comes of a batch until the end, when it is known what is wrong with it.

    Rows can then be read again, or what cannot be counted is left out there, or an error.
    """
    source, device = plan.source, prepare.device
    alone = not (plan.fed and (source.weighted or source.clustered is not None))
    known = (plan.rereads or plan.fed) and device is not None and not device.startswith("mps")  # which has no float64
    return known and alone and plan.layout.preds == "columns"


def _gathers_slices(slices: Sequence[SliceStates | ClusterStates], scores: ScoreStates | None) -> bool:
    """Whether a device can count all of them, the rows of each beside those of the others."""
    if not all(one.fits_device for one in slices):
        return False
    if scores is None or not slices:
        return True
    from evalcli.ondevice.sliced import SlicedThere

    made = [(one.scoring.fresh().states, one.size) for one in slices if one.scoring is not None]
    return all(SlicedThere.suits(states, size) for states, size in made)


def _gathers_weights(prepare: Prepare) -> bool:
    """Whether a device can add the weights of all pairs of labels."""
    from evalcli.ondevice.pairs import PairsThere

    return prepare.classes is not None and PairsThere.suits(prepare.classes)


def _on_device(
    plan: Plan,
    prepare: Prepare,
    scores: ScoreStates | None,
    slices: Sequence[SliceStates | ClusterStates],
    known: Evidence,
) -> Prepare:
    """The same, with what the device gathers and keeps to the end."""
    glances = _can_glance(plan, prepare) and not known.unclear
    device = prepare.device
    if device is None or (plan.source.clustered is not None and (plan.source.slicers or plan.source.scanned)):
        return prepare
    if slices and not (glances and _gathers_slices(slices, scores)):
        return prepare
    if plan.source.weighted and not (glances and _gathers_weights(prepare)):
        return prepare
    if scores is not None:
        prepare = prepare._replace(leave_scores=scores.gather_on(device))
        for one in slices if prepare.leave_scores else ():
            scores.slice_on_device(one)
    if not glances or (prepare.keep_scores and not prepare.leave_scores):
        return prepare
    from evalcli.classification.glances import Glances

    tolerance = sum_tolerance(plan.source.preds.dtype) + ROUNDING
    nan = plan.choices.nan if plan.fed else None
    return prepare._replace(glances=Glances(device, tolerance, guessed=not known.rows, nan=nan))


def _empty(
    plan: Plan, task: Task, prepare: Prepare, scoring: Scoring | None, inside: Scoring | None, known: Evidence
) -> ClassificationPass:
    """An empty pass; ``inside`` are the states of scores that slices have."""
    many = prepare.classes or None  # a share without a row knows no class
    confusion = ConfusionCounts(many, weighted=plan.source.weighted)
    scores = None if scoring is None else scoring.fresh()
    weighted = plan.source.weighted
    slices: tuple[SliceStates, ...] = ()
    if plan.source.slicers:
        from evalcli.classification.slices import SliceStates

        slices = tuple(SliceStates(slicer, many, inside, weighted=weighted) for slicer in plan.source.slicers)
    clusters = None
    if plan.source.clustered is not None:
        from evalcli.classification.clusters import ClusterStates

        waits: Waiting[Labels] | None = None if scoring is None else Waiting(plan.workers, RANKED_TIMES)
        clusters = ClusterStates(scoring, weighted=weighted, waiting=waits)
    prepare = _on_device(plan, prepare, scores, [*slices, *([] if clusters is None else [clusters])], known)
    if prepare.glances is None and prepare.device is not None:
        confusion = confusion.to(prepare.device)  # else it follows its first batch
    scanned = plan.source.scanned
    ranked = inside is not None and "KeyTable" in inside.states
    waiting = places_to_wait(plan.source.slicers, plan.workers, ranked=ranked)
    empty = ClassificationPass(plan, task, prepare, confusion, known, scores, slices, waiting)
    if weighted and prepare.glances is not None:
        from evalcli.ondevice.pairs import PairsThere

        assert many is not None
        empty.pairs = PairsThere(many, prepare.device)
    if scanned is not None:
        from evalcli.classification.scan import USUAL, rows_of
        from evalcli.scanning.counts import Hits
        from evalcli.scanning.tables import ALL, tables_of, until_decided

        empty.scan = tables_of(plan.source, Hits)
        metric = scanned.asked.metric or USUAL
        empty.scan_rows = until_decided(metric, lambda: rows_of(metric, task), ALL)
    if clusters is None:
        return empty
    from evalcli.classification.clusters import SlicedClusters

    clusters_in = tuple(SlicedClusters(slicer, scoring, weighted=weighted) for slicer in plan.source.slicers)
    return replace(empty, clusters=clusters, clusters_in=clusters_in)
