"""Models that predict several labels a row, side by side: from what was counted of all of them to the comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli import __version__
from evalcli.comparing import data
from evalcli.comparing.beyond import At, BeyondRegistry
from evalcli.comparing.differences import verdicts
from evalcli.comparing.doubt import number_within
from evalcli.comparing.joint import BROKEN, FIXED
from evalcli.comparing.label_flips import IN_VAIN
from evalcli.comparing.label_moves import LabelMoves
from evalcli.comparing.label_rows import LabelNumbers
from evalcli.comparing.labelled import LabelDifferences, Looked
from evalcli.comparing.members import known_of
from evalcli.comparing.sides import (
    SAME_ANSWERS,
    best_of,
    inputs_of,
    left_out_of,
    metric_rows,
    models_of,
    told_clusters,
    told_left_out,
)
from evalcli.comparing.sliced import WHOLE, answered, side_by_side
from evalcli.comparing.slices import Told, about_slices, slice_rows
from evalcli.metrics.registry import parse
from evalcli.report import Finding
from evalcli.shell import quoted
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.comparing.joint import Flipped
    from evalcli.comparing.labelled import LabelLook
    from evalcli.comparing.labels import LabelsPass
    from evalcli.comparing.members import Member
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.question import Question
    from evalcli.comparing.rows import Together
    from evalcli.comparing.sliced import Asking, Fresh, Slice
    from evalcli.engine import Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source
    from evalcli.sources.listed import Place
    from evalcli.uncertainty.comparison import Difference

OF_LABELS = ("f1", "precision", "recall")
"""What is told of every label."""
MOST_TESTS = 60
"""Tests of single labels that are made unasked, F1 first: each takes some milliseconds."""
_KINDS = {FIXED: "fixed", BROKEN: "broken"}


@dataclass(slots=True)
class LabelComparing:
    """One comparison on its way, once all rows are counted."""

    sources: Sequence[Source]
    members: Sequence[Member]
    question: Question
    together: Together
    size: int
    progress: Progress | None
    counted: Counted
    labels: tuple[str, ...] = ()
    numbers: list[LabelNumbers] = field(default_factory=list)

    def result(self) -> data.Comparison:
        """The comparison of all that was counted."""
        total: LabelsPass = self.counted.total
        self.labels = self.counted.tasks[0].classes
        self.numbers = self._numbers(self.counted)
        names = self._names()
        beyond = BeyondRegistry(self.question, self.counted.own, data.NAMES[: len(self.sources)], self.labels)
        values = beyond.values(_values(self.numbers, names))
        two = len(self.sources) == 2
        by_label = two and self.question.by_label
        reference = 0 if two else best_of(names[0], values)
        confidence, flips = self.question.confidence, self.question.flips if two else 0
        differences = LabelDifferences(self.counted, self.numbers, confidence, flips)
        parts = {
            place: LabelDifferences(one, self._numbers(one), confidence, 0)
            for place, one in self.counted.slices.items()
        }
        there = {place: _values(one.numbers, names) for place, one in parts.items()}
        best = {place: 0 if two else best_of(names[0], each, reference) for place, each in there.items()}
        asking = {
            place: _differences(one, names, best[place], beyond, place)
            for place, one in parts.items()
            if self.question.tests(one.counted)
        }
        (found, look), inside = answered(
            _differences(differences, names, reference, beyond), asking, self._again, self.members[0].workers
        )
        told = {
            place: Told(
                one.counted.total.rows,
                beyond.values(there[place], place),
                best[place],
                inside[place].differences if place in inside else {},
            )
            for place, one in parts.items()
        }
        slicers = self.together.slicers
        shown = beyond.names(names, self.question.shown(self.members[0], "multilabel"))
        slices = tuple(slice_rows(slicers, shown, told, confidence))
        for source in self.sources:  # rows were read again
            source.finish()
        left_out, ignored = left_out_of(self.sources, total.passes, total.lost, self.together)
        plain = verdicts(shown, values, found, reference, confidence)
        return data.Comparison(
            version=__version__,
            kind="paired" if two else "league",
            task="multilabel",
            n=total.rows,
            ignored=ignored,
            left_out=left_out,
            weighted=self.sources[0].weighted,
            where=self.sources[0].where,
            classes=self.labels,
            positive=None,
            confidence=confidence.level,
            models=models_of(self.sources, self.counted.tasks),
            reference=reference,
            metrics=metric_rows(shown, values, plain, reference),
            per_class=tuple(self._of_labels(differences, look)) if by_label else (),
            slices=slices,
            flips=tuple(self._flips(look)) if two else (),
            rows=(*self._rows(look), *self._cells(look)) if two else (),
            findings=(
                *beyond.findings(),
                *self._findings(left_out),
                *about_slices(slicers, slices, total.rows, self.question.least),
            ),
            inputs=inputs_of(self.sources, self.counted.inputs),
            clustered=told_clusters(self.counted.clusters),
            definitions=self.question.texts,
        )

    def _again(self, fresh: Fresh) -> Any:
        """Another pass over the same rows."""
        return self.counted.again(self.together, fresh, self.size, self.progress)

    def _numbers(self, counted: Counted) -> list[LabelNumbers]:
        return [LabelNumbers.of(one, self.labels) for one in counted.total.passes]

    def _names(self) -> tuple[MetricName, ...]:
        """The metrics that all models have; what was asked for stays, and is refused where it must be."""
        scored = all(one.scored is not None for one in self.numbers)
        asked = {*(self.question.metrics or ()), *self.question.beyond}
        names = self.members[0].names("multilabel")
        names = tuple(name for name in names if scored or not name.entry.needs_scores or str(name) in asked)
        return known_of(names, self.question.spare, [one.value for one in self.numbers])

    def _of_labels(self, differences: LabelDifferences, look: LabelLook) -> Iterator[data.ClassRow]:
        """The usual metrics of every label; Holm goes over the labels, metric by metric."""
        confidence, pair = self.question.confidence, look.pairs[1]
        columns = []
        for base in OF_LABELS:
            names = [parse(f"{base}[{label}]") for label in self.labels]
            values = [{str(name): _known(one, name) for name in names} for one in self.numbers]
            tested: dict[str, Difference | None] = dict.fromkeys(map(str, names))
            if base in self._tested:
                known = [name for name in names if all(each[str(name)] is not None for each in values)]
                tested |= {str(name): differences.by_counts(name, pair) for name in known}
            columns.append(metric_rows(names, values, verdicts(names, values, {1: tested}, 0, confidence), 0))
        support = self.numbers[0].counted.counts.support.tolist()
        for label, number, rows in zip(self.labels, support, zip(*columns, strict=True), strict=True):
            yield data.ClassRow(label, number, dict(zip(OF_LABELS, rows, strict=True)))

    @property
    def _tested(self) -> tuple[str, ...]:
        """Of what every label has a test."""
        return OF_LABELS[: min(MOST_TESTS // len(self.labels), len(OF_LABELS))]

    def _flips(self, look: LabelLook) -> Iterator[data.ClassFlips]:
        """All rows, by which of the models has every label right; then the cells of each label."""
        cells = look.pairs[1].rows.cells()
        whole = {(a, b): int(n) for a, b, n in zip(cells.first, cells.second, cells.rows, strict=True)}
        wrong, other = whole.get((0, 0), 0), look.flips.other
        if not self.question.flips:
            other = 0
        of_rows = {"right": whole.get((1, 1), 0), "fixed": whole.get((0, 1), 0), "broken": whole.get((1, 0), 0)}
        yield data.ClassFlips(None, self.counted.total.rows, **of_rows, other=other, same=wrong - other)
        counts = look.pairs[1].counts
        for label, n in zip(self.labels, counts.tolist(), strict=True):
            yield data.ClassFlips(
                label,
                support=n[1] + n[3] + n[5] + n[7],
                right=n[0] + n[7],
                fixed=n[2] + n[5],
                broken=n[4] + n[3],
                other=0,
                same=n[6] + n[1],
            )

    def _rows(self, look: LabelLook) -> Iterator[data.FlippedRow]:
        """The first rows of every kind, by row, with their label sets."""
        flips = look.flips.rows.rows
        for at, number, place in self._placed(flips):
            name, *sets = flips.name[at]
            true, first, second = map(self._spoken, sets)
            kind = _KINDS.get(int(flips.kind[at]), "other")
            yield data.FlippedRow(kind, number, self._id(name), place.file, place.line, true, first, second)

    def _cells(self, look: LabelLook) -> Iterator[data.FlippedRow]:
        """The first cells of every kind and label, by row."""
        flips = look.flips.cells.rows
        for at, number, place in self._placed(flips):
            label = int(flips.target[at])
            said = int(flips.first[at]), int(flips.second[at])
            true = IN_VAIN not in said
            first, second = (str(int(true == (each == label))) for each in said)
            kind, name = _KINDS[int(flips.kind[at])], self._id(flips.name[at])
            yield data.FlippedRow(
                kind, number, name, place.file, place.line, str(int(true)), first, second, self.labels[label]
            )

    def _placed(self, flips: Flipped) -> Iterator[tuple[int, int, Place]]:
        """Flips in the order of their rows: where they are kept, the number of the row, its place."""
        order = np.lexsort((flips.target, flips.kind, flips.number))
        numbers = flips.number[order].tolist()
        with spoken_of(self.sources[0].aliases):
            places = self.together.listed[0].places(numbers)
        yield from zip(order.tolist(), numbers, places, strict=True)

    def _id(self, name: Any) -> str | None:
        return None if name is None or not self.together.listed[0].named else str(name)

    def _spoken(self, labels: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.labels[label] for label in labels)

    def _findings(self, left_out: int) -> tuple[Finding, ...]:
        """What a reader should know beyond the numbers."""
        found = [told_left_out(left_out)] if left_out else []
        if not self.counted.total.differing and len(self.sources) == 2:
            found.append(SAME_ANSWERS)
        kept = {int(np.count_nonzero(one.counted.kept)) for one in self.numbers}
        if len(kept) > 1:
            text = f"macro means run over {min(kept)} to {max(kept)} labels: not every model predicts all of them"
            fix = "--classes declared takes the same labels for all"
            found.append(Finding("unlike-classes", "info", text, fix))
        if len(self.sources) == 2 and self.question.by_label and len(self._tested) < len(OF_LABELS):
            left = " and ".join(base for base in OF_LABELS if base not in self._tested)
            text = f"of {len(self.labels):,} labels each, the differences in {left} are not tested"
            fix = f"ask for those of one with -m, as in -m {quoted(f'{OF_LABELS[-1]}[{self.labels[0]}]')}"
            found.append(Finding("untested-labels", "info", text, fix))
        if len({task.scores != "labels" for task in self.counted.tasks}) > 1 and self.question.metrics is None:
            text = "only some of the models have scores, so that no metric of scores is compared"
            found.append(Finding("labels-only", "info", text, "save the scores of all"))
        for name, one in zip(data.NAMES, self.numbers, strict=False):
            notes = () if one.scored is None else one.scored.notes()
            found += [Finding(note.code, note.level, f"{name}: {note.text}", note.fix) for note in notes]
        for source in self.sources:
            found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
        return tuple(dict.fromkeys(found))


def _differences(
    measured: LabelDifferences,
    names: Sequence[MetricName],
    reference: int,
    beyond: BeyondRegistry,
    place: Slice = WHOLE,
) -> Asking[Looked]:
    """Every other model less the ``reference``, in every metric and in what is beyond them."""
    found, total = yield from measured.of(names, reference)
    values = _values(measured.numbers, names)
    asking = {}
    for other in found:
        pair = reference, other
        look = partial(LabelMoves, measured, pair=pair)
        at = At(pair, values, look, measured.counted.clusters, place)
        asking[other] = beyond.differences(found[other], at)
    return Looked((yield from side_by_side(asking)), total)


def _values(numbers: Sequence[LabelNumbers], names: Sequence[MetricName]) -> list[dict[str, float | None]]:
    return [{str(name): _known(one, name) for name in names} for one in numbers]


def _known(numbers: LabelNumbers, name: MetricName) -> float | None:
    return number_within(numbers.value(name))
