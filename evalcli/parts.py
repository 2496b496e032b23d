"""A part: what a pass has gathered of some rows, and all that it takes to go on from there.

A report is a function of its part alone. So a part can be saved, sent, merged with the parts of other rows, and be
reported and judged anywhere and at any time, without the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalcli import __version__
from evalcli.counting import Outcome, Plan
from evalcli.engine import Placement
from evalcli.errors import EvalError, InputError
from evalcli.evaluation import Measured, measure, report_of, with_own
from evalcli.evidence import Evidence
from evalcli.layout import Layout  # noqa: TC001  # the reader of parts looks at annotations
from evalcli.metrics.address import split_address
from evalcli.metrics.registry import parse
from evalcli.own.contributions import Contribution, OwnName  # noqa: TC001  # likewise
from evalcli.own.groups import Sampled
from evalcli.own.states import NONE, OwnStates, contributed, restored
from evalcli.partfile import SCHEMA, forged, pack, read_bytes, unpack
from evalcli.plaindata import fitted, plain
from evalcli.shell import word
from evalcli.sources.base import Field, InputFile, Note, Scanned, Slicer, Source
from evalcli.sources.scanning import check_apart
from evalcli.sources.slicing import MOST_SLICES
from evalcli.task import FAMILIES, Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.counting import Pass
    from evalcli.engine import Execution, Progress
    from evalcli.own.metrics import OwnMetric
    from evalcli.own.values import Failure
    from evalcli.report import Report
    from evalcli.sources.base import Array, Batch
    from evalcli.task import Task


@dataclass(frozen=True, slots=True)
class About:
    """What was measured, under which choices, of which rows.

    ``task``, ``scores``, ``n`` and ``classes``, those that the choices do not name already, are told and not needed.
    """

    schema: str
    version: str
    task: str
    scores: str
    n: int
    classes: tuple[str, ...]
    choices: Choices
    metrics: tuple[str, ...] | None
    gated: tuple[str, ...]
    budget: int | None
    layout: Layout
    preds: Field
    target: Field
    weighted: bool
    rows: int
    dropped: int
    inputs: tuple[InputFile, ...]
    notes: tuple[Note, ...]
    slicers: tuple[Slicer, ...] = ()
    weight: str | None = None
    clustered: str | None = None
    where: str | None = None
    read_as: tuple[tuple[str, str], ...] = ()
    scanned: Scanned | None = None
    own: tuple[OwnName, ...] = ()
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a pass has ``gathered``, under which decision, and what it is about. ``path`` is how errors call it.

    ``own`` are the states of metrics of the caller's own.
    """

    about: About
    task: Task
    gathered: Any  # a pass of the family of the task
    path: str = ""
    own: OwnStates = NONE

    @property
    def outcome(self) -> Outcome:
        """The same as a pass over the rows would have given it."""
        return Outcome(self.task, self.gathered)

    def plan(self, also: tuple[str, ...] = (), workers: int = 1) -> Plan:
        """The plan of these rows, with ``also`` as the metrics of gates; what was not counted for them stays out."""
        counted = tuple(name for name in also if self.has(name))
        return replace(plan_of(self.about), also=counted, workers=workers, partial=False)

    def failures(self) -> tuple[Failure, ...]:
        """Which metrics of the caller's own failed while rows were counted."""
        return self.own.failures(self.about.slicers)

    def has(self, name: str) -> bool:
        """Whether the states that a metric reads are there."""
        plan, entry = plan_of(self.about), parse(name).entry
        states = {one.entry.state for one in plan.scored(self.task.kind)}
        return not entry.needs_scores or entry.state in states


class DescribedSource(Source):
    """An input whose rows were counted elsewhere: everything but the rows."""

    merged = True

    def __init__(self, about: About) -> None:
        self._about = about
        self.preds, self.target = about.preds, about.target
        self.weighted, self.rows, self.dropped = about.weighted, about.rows, about.dropped
        self.slicers, self.clustered, self.scanned = about.slicers, about.clustered, about.scanned
        self.weight, self.where, self.read_as = about.weight, about.where, about.read_as

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """Nothing: there are no rows here."""
        del size
        return iter(())

    def finish(self) -> tuple[InputFile, ...]:
        """What was read where the rows were counted."""
        return self._about.inputs

    def notes(self) -> tuple[Note, ...]:
        """What became known there."""
        return self._about.notes


def plan_of(about: About) -> Plan:
    """The plan under which the rows were counted."""
    return Plan(
        DescribedSource(about),
        about.choices,
        about.layout,
        Placement("numpy", "cpu", "merged"),
        about.metrics,
        about.gated,
        about.budget,
        partial=True,
    )


def part_of(plan: Plan, outcome: Outcome, inputs: tuple[InputFile, ...], own: OwnStates | None = None) -> Part:
    """The part of what was just counted; ``own`` are the states of the caller's own metrics if others have them too.

    Raises:
        UsageError: a metric of the caller's own, whose state cannot be written.

    """
    source, task = plan.source, outcome.task
    named = tuple(sorted((replace(file, path=source.aliases.get(file.path, file.path)) for file in inputs), key=order))
    if own is None:
        own = NONE if plan.own is None or plan.own.total is None else contributed(plan.own.total, named)
    about = About(
        schema=SCHEMA,
        version=__version__,
        task=task.kind,
        scores=task.scores,
        n=outcome.evidence.rows,
        classes=names_told(task, plan.choices),
        choices=plan.choices,
        metrics=plan.asked,
        gated=tuple(sorted(set(plan.also))),
        budget=plan.budget,
        layout=plan.layout,
        preds=source.preds,
        target=source.target,
        weighted=source.weighted,
        rows=source.preds.shape[0],
        dropped=source.dropped,
        inputs=named,
        notes=in_order(source.notes()),
        slicers=source.slicers,
        weight=source.weight,
        clustered=source.clustered,
        where=source.where,
        read_as=source.read_as,
        scanned=source.scanned,
        own=own.names,
        contributions=own.contributions,
    )
    return Part(about, task, outcome.gathered, own=own)


def measure_part(
    source: Source,
    choices: Choices,
    execution: Execution,
    metrics: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    *,
    also: Sequence[str] = (),
    own: Sequence[OwnMetric] = (),
) -> Part:
    """Read ``source`` once and count, as ``evaluate`` does, without a report.

    What its rows alone leave in doubt, down to whether there are any, is for the merge of all parts to judge.

    Raises:
        InputError: rows that cannot be counted, with their number and the first ones.
        UsageError: choices contradict each other or the input.

    """
    measured, _ = measure(source, choices, execution, metrics, progress, also=also, own=own, partial=True)
    return part_of(*measured)


def told_of_doubt(part: Part) -> str:
    """What to say where the rows of a part leave in doubt how they are read, before hundreds of parts are written so.

    Empty where nothing does. Classes that were only read off these rows may be others in the whole.
    """
    doubt = part.task.problem
    if doubt is None or part.task.seen_only or not part.about.rows:
        return ""
    told = f"{doubt.path}: {doubt.what}" if doubt.path else doubt.what
    text = f"{told}{'' if told.endswith('?') else '.'} Unless the rows of other parts tell, no merge gives a report"
    return f"{text}; {doubt.fix}" if doubt.fix else text


def report_of_part(part: Part, also: Sequence[str] = (), workers: int = 1, own: Sequence[OwnMetric] = ()) -> Report:
    """The report of the rows of a part; ``also`` are the metrics of gates, ``own`` those of the caller's own.

    Raises:
        EvalError: its rows leave in doubt what they are, or there are none; its own metrics are not those of ``own``.

    """
    check_sliced(part, also)
    confidence, of_clusters = part.about.choices.confidence, part.about.clustered is not None
    sampled = None if confidence is None else Sampled(confidence, of_clusters)
    found = part.own.values(own, part.about.slicers, part.path, sampled)
    measured = measured_of_part(part, also, workers)
    if not part.about.rows:  # nothing shows what they are, and so whether the choices fit
        measured.plan.refuse_empty(part.outcome.evidence)
    gathered: Pass = replace(part.gathered, plan=measured.plan)
    gathered.check(part.task)
    report = report_of(measured)
    return with_own(report, own, found) if own else report


def measured_of_part(part: Part, also: Sequence[str] = (), workers: int = 1) -> Measured:
    """What was counted of the rows of a part, as if it had been counted just now."""
    return Measured(part.plan(tuple(also), workers), part.outcome, part.about.inputs)


def check_sliced(part: Part, names: Sequence[str]) -> None:
    """Refuse a gate on slices that nobody has counted; ``names`` are of any metrics.

    Raises:
        InputError: there is one.

    """
    sliced = {slicer.name for slicer in part.about.slicers}
    for name in names:
        address = split_address(name)
        if address is not None and address.by not in sliced:
            what = f"{name}: the rows were not sliced by {address.by!r} when they were counted"
            raise InputError(what, fix=f"write all parts with --by {word(address.by)}", path=part.path)


def names_told(task: Task, choices: Choices) -> tuple[str, ...]:
    """The classes of a task where nobody has named them."""
    return () if task.classes == choices.labels else task.classes


def order(file: InputFile) -> tuple[Any, ...]:
    """Where a file stands among those of a report: predictions before targets, then by name."""
    return (file.side == "target", file.path, file.digest, file.size, file.rows or (0, 0))


def in_order(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Each note once, in an order that no merge can change."""
    return tuple(sorted(set(notes), key=lambda note: (note.code, note.text)))


def encode(part: Part) -> bytes:
    """The bytes of its file; equal parts give equal bytes."""
    own = {f"own.{name}": array for name, array in part.own.state_dict().items()}
    return pack(plain(part.about), part.gathered.state_dict() | own, part.about.version)


def decode(data: bytes, path: str = "part") -> Part:
    """A part from the bytes of its file, which may come from anyone.

    Raises:
        InputError: they are no part, damaged, forged, or written by another version of evalcli.

    """
    about, arrays = unpack(data, path)
    version = about.get("version")
    if isinstance(version, str) and version != __version__:
        message = f"written by evalcli {version[:20]!r}, and this is {__version__!r}: their numbers may differ"
        raise InputError(message, fix="write and merge all parts with one version", path=path)
    try:
        return _restored(fitted(About, about), arrays, path)
    except (ValueError, EvalError) as e:  # nothing that evalcli wrote is refused by it
        what = e.what if isinstance(e, EvalError) else str(e)
        raise forged(what, path) from e


def read_part(path: str) -> Part:
    """The part in a file.

    Raises:
        InputError: as ``decode``, or the file cannot be read.

    """
    return decode(read_bytes(path), path)


def _restored(about: About, arrays: dict[str, Array], path: str) -> Part:
    _check(about)
    for name in (*(about.metrics or ()), *about.gated):
        parse(name)
    kept = {key[4:]: arrays.pop(key) for key in [*arrays] if key.startswith("own.")}
    own = restored(about.own, about.contributions, kept, about.slicers)
    plan = plan_of(about)
    evidence = Evidence()
    evidence.load_state_dict({key[9:]: array for key, array in arrays.items() if key.startswith("evidence.")})
    task = plan.decide(evidence)
    found = (task.kind, task.scores, names_told(task, about.choices), evidence.rows)
    if found != (about.task, about.scores, about.classes, about.n):
        raise ValueError("its decision is not the one of its evidence")
    gathered: Pass = plan.begin(task, Evidence())()
    gathered.restore(arrays)
    gathered.check(task)
    return Part(about, task, gathered, path, own)


def _check(about: About) -> None:
    """What types cannot say. Rows that were in memory are of no file."""
    counts = [about.n, about.rows, about.dropped, about.budget or 0, *about.preds.shape, *about.target.shape]
    counts += [about.layout.width or 0, *(file.size for file in about.inputs)]
    if min(counts) < 0 or not about.preds.shape or not about.target.shape:
        raise ValueError("it counts less than nothing, or nothing at all")
    chosen = about.choices
    known = chosen.task in {None, *FAMILIES} and chosen.nan in {"error", "drop", "wrong"}
    if not known or chosen.classes not in {"seen", "declared"} or chosen.class_axis not in {None, 1, -1}:
        raise ValueError("it was written under choices that do not exist")
    for file in (*about.inputs, *(file for one in about.contributions for file in one.inputs)):
        start, stop = file.rows or (0, 1)
        if file.side not in {"both", "preds", "target"} or not 0 <= start < stop:
            raise ValueError("it names rows in no known way")
        if file.rows is not None and stop > file.total:
            raise ValueError("it names rows beyond the end of a file")
    if about.inputs != tuple(sorted(about.inputs, key=order)) or about.notes != in_order(about.notes):
        raise ValueError("its inputs are not in order")
    _check_slicers(about.slicers)
    if about.scanned is not None:
        _check_scanned(about.scanned)
    for side in (about.preds, about.target):
        if side.labels is not None and len(set(side.labels)) != len(side.labels):
            raise ValueError("it names a class twice")
    if about.layout.width is not None and not 0 < about.layout.width <= max(1, *about.preds.shape, *about.target.shape):
        raise ValueError("it has other classes than columns")


def _check_slicers(slicers: Sequence[Slicer]) -> None:
    names = [slicer.name for slicer in slicers]
    if len({*names}) != len(names) or any(len(slicer.values) > MOST_SLICES for slicer in slicers):
        raise ValueError("it has more slices than there can be")
    if any(len({*slicer.values}) != len(slicer.values) for slicer in slicers):
        raise ValueError("it names a slice twice")


def _check_scanned(scanned: Scanned) -> None:
    _check_slicers(scanned.columns)
    check_apart(scanned.columns, "")
    rows = zip(scanned.rows, scanned.columns, strict=True)
    if not scanned.asked.apart or scanned.asked.least < 1 or scanned.rare:
        raise ValueError("it searches what no part does")
    if not scanned.asked.every and (scanned.left_out or scanned.sizes):
        raise ValueError("it leaves out columns that it was asked for")
    for size in scanned.sizes:
        size.check()
    sizes, columns = {size.name: size for size in scanned.sizes}, {column.name for column in scanned.columns}
    if len(sizes) < len(scanned.sizes) or any(size.counted != (size.name in columns) for size in scanned.sizes):
        raise ValueError("it searches other columns than it found")
    if any(len(counts) != len(slicer.values) or min(counts, default=0) < 0 for counts, slicer in rows):
        raise ValueError("it counts other values than it searches")
    if scanned.asked.metric is not None:
        parse(scanned.asked.metric)
