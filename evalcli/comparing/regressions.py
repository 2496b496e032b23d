"""Models that predict values, side by side: from what was counted of all of them to the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from evalcli import __version__
from evalcli.comparing import data
from evalcli.comparing.beyond import At, BeyondRegistry
from evalcli.comparing.differences import verdicts
from evalcli.comparing.doubt import number_within
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
from evalcli.comparing.value_moves import ValueMoves
from evalcli.comparing.valued import ValueDifferences
from evalcli.comparing.values import FARTHER
from evalcli.regression.results import Results
from evalcli.report import Finding
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.members import Member
    from evalcli.comparing.passes import Counted
    from evalcli.comparing.question import Question
    from evalcli.comparing.rows import Together
    from evalcli.comparing.sliced import Asking, Fresh, Slice
    from evalcli.comparing.values import ValuesPass
    from evalcli.engine import Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source
    from evalcli.uncertainty.comparison import Difference


@dataclass(frozen=True, slots=True)
class ValueComparing:
    """One comparison on its way, once all rows are counted."""

    sources: Sequence[Source]
    members: Sequence[Member]
    question: Question
    together: Together
    size: int
    progress: Progress | None
    counted: Counted

    def result(self) -> data.Comparison:
        """The comparison of all that was counted."""
        total: ValuesPass = self.counted.total
        names = self.members[0].names("regression")
        whole = self._measured(self.counted, names)
        beyond = BeyondRegistry(self.question, self.counted.own, data.NAMES[: len(self.sources)])
        values = beyond.values(whole.values)
        two = len(self.sources) == 2
        reference = 0 if two else best_of(names[0], values)
        parts = {place: self._measured(one, names) for place, one in self.counted.slices.items()}
        best = {place: 0 if two else best_of(names[0], one.values, reference) for place, one in parts.items()}
        asking = {
            place: _differences(one, names, best[place], beyond, place)
            for place, one in parts.items()
            if self.question.tests(one.counted)
        }
        found, inside = answered(
            _differences(whole, names, reference, beyond), asking, self._again, self.members[0].workers
        )
        told = {
            place: Told(one.counted.total.rows, beyond.values(one.values, place), best[place], inside.get(place, {}))
            for place, one in parts.items()
        }
        shown = beyond.names(names, self.question.shown(self.members[0], "regression"))
        slicers, least = self.together.slicers, self.question.least
        slices = tuple(slice_rows(slicers, shown, told, self.question.confidence))
        for source in self.sources:  # values were read again
            source.finish()
        left_out, ignored = left_out_of(self.sources, total.passes, total.lost, self.together)
        return data.Comparison(
            version=__version__,
            kind="paired" if two else "league",
            task="regression",
            n=total.rows,
            ignored=ignored,
            left_out=left_out,
            weighted=self.sources[0].weighted,
            where=self.sources[0].where,
            classes=(),
            positive=None,
            confidence=self.question.confidence.level,
            models=models_of(self.sources, self.counted.tasks),
            reference=reference,
            metrics=metric_rows(
                shown, values, verdicts(shown, values, found, reference, self.question.confidence), reference
            ),
            slices=slices,
            rows=self._rows(),
            findings=(*beyond.findings(), *self._findings(left_out), *about_slices(slicers, slices, total.rows, least)),
            inputs=inputs_of(self.sources, self.counted.inputs),
            clustered=told_clusters(self.counted.clusters),
            definitions=self.question.texts,
        )

    def _again(self, fresh: Fresh) -> Any:
        """Another pass over the same rows."""
        return self.counted.again(self.together, fresh, self.size, self.progress)

    def _measured(self, counted: Counted, names: Sequence[MetricName]) -> ValueDifferences:
        """All rows, or those of a slice: the metrics of every model, ready to be compared."""
        results = []
        for source, gathered in zip(self.sources, counted.total.passes, strict=True):
            outputs = source.target.columns or tuple(map(str, range(gathered.setup.outputs)))
            results.append(Results(gathered.states, outputs))
        values = [{str(name): _known(each, name) for name in names} for each in results]
        return ValueDifferences(counted, results, values, self.question.confidence)

    def _rows(self) -> tuple[data.FlippedRow, ...]:
        """The rows on which one of two models is farther off by the most, the largest first."""
        found, listed = self.counted.total.gaps.rows, self.together.listed[0]
        with spoken_of(self.sources[0].aliases):
            places = listed.places(found.number.tolist())
        return tuple(
            data.FlippedRow(
                "broken" if kind == FARTHER else "fixed",
                number,
                None if name is None or not listed.named else str(name),
                place.file,
                place.line,
                *map(repr, values),
            )
            for kind, number, name, place, *values in zip(
                found.kind.tolist(),
                found.number.tolist(),
                found.name,
                places,
                *(part.tolist() for part in (found.target, found.first, found.second)),
                strict=True,
            )
        )

    def _findings(self, left_out: int) -> tuple[Finding, ...]:
        """What a reader should know beyond the numbers."""
        found = [told_left_out(left_out)] if left_out else []
        if not self.counted.total.differing and len(self.sources) == 2:
            found.append(SAME_ANSWERS)
        for source in self.sources:
            found += [Finding(note.code, note.level, note.text, note.fix) for note in source.notes()]
        return tuple(dict.fromkeys(found))


def _differences(
    measured: ValueDifferences,
    names: Sequence[MetricName],
    reference: int,
    beyond: BeyondRegistry,
    place: Slice = WHOLE,
) -> Asking[dict[int, dict[str, Difference | None]]]:
    """Every other model less the ``reference``, in every metric and in what is beyond them."""
    found = yield from measured.of(names, reference)
    asking = {}
    for other in found:
        pair = reference, other
        look = partial(ValueMoves, measured, pair=pair)
        at = At(pair, measured.values, look, measured.counted.clusters, place)
        asking[other] = beyond.differences(found[other], at)
    return (yield from side_by_side(asking))


def _known(results: Results, name: MetricName) -> float | None:
    return number_within(results.value(name))
