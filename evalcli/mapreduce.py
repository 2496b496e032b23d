"""For engines that map a function over partitions and reduce what it returns: a part as bytes, parts added up as bytes.

Nothing but bytes and plain values crosses a process, so any engine that can send bytes will do:

>>> from concurrent.futures import ProcessPoolExecutor
>>> def report(shards):
...     with ProcessPoolExecutor() as pool:
...         return report_bytes(merge_bytes(pool.map(count_files, shards)))

``merge_bytes`` is associative and commutative, so the engine may reduce in any order and in any tree.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from evalcli.engine import Execution
from evalcli.gates import slicers_of
from evalcli.loading import own_metrics
from evalcli.merging import check_complete, merge
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from evalcli.own import OwnMetric
    from evalcli.report import Report
    from evalcli.sources.base import Source

_ALONE = Execution(workers=1)
"""The engine has one task for each core already."""
_USUAL = Choices(confidence=Confidence())
"""What the command line takes for granted."""


def count_source(
    source: Source,
    choices: Choices | None = None,
    execution: Execution = _ALONE,
    metrics: tuple[str, ...] | None = None,
    own: Sequence[OwnMetric] = (),
) -> bytes:
    """A part of the rows of ``source``, which stays open.

    Raises:
        InputError: rows that cannot be counted, with their number and the first ones.
        UsageError: choices contradict each other or the input.

    """
    return encode(measure_part(source, choices or _USUAL, execution, metrics, own=own))


def count_files(
    preds: str,
    target: str | None = None,
    choices: Choices | None = None,
    selection: Selection | None = None,
    metrics: tuple[str, ...] | None = None,
    own: Iterable[Any] | Mapping[str, Any] = (),
) -> bytes:
    """A part of the rows of one file with both sides, or of two; ``own`` as ``evalcli.evaluate`` takes it.

    Raises:
        EvalError: as ``count_source``, or a file cannot be read.

    """
    chosen = choices or _USUAL
    told = selection or Selection(scores=chosen.scores, nan=chosen.nan, labels=chosen.labels, workers=1)
    by = tuple(dict.fromkeys((*told.by, *slicers_of(metrics or ()))))
    with closing(open_source(preds, target, replace(told, by=by, partial=True))) as source:
        return count_source(source, chosen, metrics=metrics, own=own_metrics(own))


def merge_bytes(parts: Iterable[bytes]) -> bytes:
    """All parts as one.

    Raises:
        InputError: one is no part, two do not belong together, or hold the same rows.

    """
    return encode(merge(decode(data, f"part {number}") for number, data in enumerate(parts)))


def report_bytes(
    part: bytes, also: Sequence[str] = (), workers: int = 1, own: Iterable[Any] | Mapping[str, Any] = ()
) -> Report:
    """The report of the rows of a part; ``also`` are metrics of gates beyond those that were asked for.

    ``own`` are the metrics of the caller's own that were counted.

    Raises:
        EvalError: it is no part, rows are missing, or all rows together cannot be evaluated.

    """
    held = decode(part)
    check_complete(held)
    return report_of_part(held, also, workers, own_metrics(own))
