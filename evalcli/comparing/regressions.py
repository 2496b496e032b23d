"""Models that predict values, side by side: from what was counted of all of them to the comparison."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from evalcli import __version__
from evalcli.comparing import data
from evalcli.comparing.differences import verdicts
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
from evalcli.comparing.valued import ValueDifferences
from evalcli.comparing.values import FARTHER
from evalcli.regression.results import Results
from evalcli.report import Finding
from evalcli.sources import spoken_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalcli.comparing.models import Question
    from evalcli.comparing.passes import Counted, Member
    from evalcli.comparing.rows import Together
    from evalcli.comparing.values import ValuesPass
    from evalcli.engine import Progress
    from evalcli.metrics.registry import MetricName
    from evalcli.sources.base import Source


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
        results = [self._results(place) for place in range(len(self.sources))]
        values = [{str(name): _known(each, name) for name in names} for each in results]
        two = len(self.sources) == 2
        reference = 0 if two else best_of(names[0], values)
        differences = ValueDifferences(
            self.counted, results, values, self.together, self.question.confidence, self.size, self.progress
        )
        found = differences.of(names, reference)
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
            classes=(),
            positive=None,
            confidence=self.question.confidence.level,
            models=models_of(self.sources, self.counted.tasks),
            reference=reference,
            metrics=metric_rows(
                names, values, verdicts(names, values, found, reference, self.question.confidence), reference
            ),
            rows=self._rows(),
            findings=self._findings(left_out),
            inputs=inputs_of(self.sources, self.counted.inputs),
            clustered=told_clusters(self.counted.clusters),
        )

    def _results(self, place: int) -> Results:
        gathered = self.counted.total.passes[place]
        outputs = self.sources[place].target.columns or tuple(map(str, range(gathered.setup.outputs)))
        return Results(gathered.states, outputs)

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


def _known(results: Results, name: MetricName) -> float | None:
    value = float(results.value(name).value)
    return None if isnan(value) else value
