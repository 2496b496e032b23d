"""What every comparison says of its models, whatever they predict: names, files, what is left out, rows of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.comparing import data
from evalcli.report import Clustered, Finding, InputRecord
from evalcli.reporting import records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evalcli.comparing.clusters import KnownClusters
    from evalcli.comparing.defined import Compared
    from evalcli.comparing.rows import Together
    from evalcli.counting import Pass
    from evalcli.sources.base import InputFile, Source
    from evalcli.task import Task

SAME_ANSWERS = Finding(
    "same-answers",
    "warning",
    "both models give the same answer in every row",
    "make sure that the files are those of two models",
)


def told_left_out(left_out: int) -> Finding:
    """What to say of rows that only some of the models have."""
    rows = "1 row is" if left_out == 1 else f"{left_out:,} rows are"
    text = f"{rows} left out of all, because only some of the models have a prediction there"
    return Finding("left-out", "warning", text, "find out why the others gave no number there")


def told_clusters(clusters: KnownClusters | None) -> Clustered | None:
    """What to say of rows that belong together."""
    return None if clusters is None else clusters.told


def left_out_of(
    sources: Sequence[Source], passes: Sequence[Pass], lost: Sequence[int], together: Together
) -> tuple[int, int]:
    """How many rows only some of the models have, and how many none has."""
    lost = [a + b for a, b in zip(lost, together.lost, strict=True)]
    gone = []
    for one, source, mine in zip(passes, sources, lost, strict=True):
        gone.append(one.evidence.ignored + one.evidence.dropped + source.dropped + mine)
    left_out = sum(lost) if len(sources) == 2 else max(lost)
    return left_out, max(gone[0] - left_out, 0)


def metric_rows(
    names: Sequence[Compared],
    values: Sequence[Mapping[str, float | None]],
    plain: Mapping[int, Mapping[str, data.Difference | None]],
    reference: int,
) -> tuple[data.MetricRow, ...]:
    """Every metric of all models, and how each differs from the ``reference``."""
    return tuple(
        metric_row(name, values, tuple(None if i == reference else plain[i][str(name)] for i in range(len(values))))
        for name in names
    )


def metric_row(
    name: Compared, values: Sequence[Mapping[str, float | None]], differences: tuple[data.Difference | None, ...]
) -> data.MetricRow:
    """A metric of all models, and how each differs from the reference."""
    told = tuple(each[str(name)] for each in values)
    return data.MetricRow(str(name), name.entry.direction, is_unit(name), told, differences)


def models_of(
    sources: Sequence[Source], tasks: Sequence[Task], rows: Sequence[int | None] = ()
) -> tuple[data.Model, ...]:
    """What stands behind each letter."""
    counts = rows or [None] * len(sources)
    return tuple(
        data.Model(name, source.preds.path, source.preds.name, task.scores, n)
        for name, source, task, n in zip(data.NAMES, sources, tasks, counts, strict=False)
    )


def inputs_of(sources: Sequence[Source], inputs: Sequence[tuple[InputFile, ...]]) -> tuple[InputRecord, ...]:
    """Every file that was read, once."""
    every = [record for source, files in zip(sources, inputs, strict=True) for record in records(source, files)]
    return tuple(dict.fromkeys(every))


def best_of(name: Compared, values: Sequence[Mapping[str, float | None]], usual: int = 0) -> int:
    """The model with the best value of a metric; among equals the ``usual`` one, or else the first."""
    good = [data.goodness(name.entry.direction, each[str(name)]) for each in values]
    return usual if good[usual] == max(good) else int(np.argmax(good))


def is_unit(name: Compared) -> bool:
    """Whether a metric lies in −1 … 1 and is no loss, so that people speak of points."""
    return name.entry.high <= 1.0 and name.entry.low >= -1.0 and name.base != "brier"
