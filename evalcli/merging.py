"""Parts of one input added up: any order, any tree, the same bits as one run over all of it.

What can be added without reading the rows again is added; what cannot is refused, with the option that makes the parts
agree. Text labels are matched by name, because each part knows only those of its own rows.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from evalcli.belonging import check_alike, joined_readings
from evalcli.errors import InputError
from evalcli.evidence import Evidence
from evalcli.own.metrics import class_numbers
from evalcli.parts import Part, in_order, names_told, order, plan_of
from evalcli.sources.labels import TEXTS, check_labels, class_order, texts_in_rows
from evalcli.sources.scanning import joined_scans
from evalcli.sources.slicing import joined_slicers
from evalcli.task import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.counting import Pass
    from evalcli.parts import About
    from evalcli.sources.base import Field, InputFile, Note, Scanned, Slicer
    from evalcli.task import Task


GROUP = 64
"""So many parts are added up apart: a sum of scores is sorted anew with each part, and a small one sorts fast."""


def merge(parts: Iterable[Part]) -> Part:
    """All ``parts`` as one. They are taken one after another, so an iterator needs to hold one at a time.

    Raises:
        InputError: two of them do not belong together, or hold the same rows.

    """
    total: Sum | None = None
    rest = iter(parts)
    while group := _added(islice(rest, GROUP)):
        if total is None:
            total = group
        else:
            total.add(group.part())
    if total is None:
        raise InputError("there are no parts to merge", fix="name files written with -o PART.evalcli")
    return total.part()


def _added(parts: Iterable[Part]) -> Sum | None:
    """The sum of some parts, ``None`` of none."""
    total: Sum | None = None
    for part in parts:
        if total is None:
            total = Sum(part)
        else:
            total.add(part)
    return total


def check_complete(part: Part) -> None:
    """A verdict needs all rows: of a file that was shared out, every range has to be there.

    Raises:
        InputError: rows are in no part.

    """
    for file in part.about.inputs:
        if file.rows is not None and file.rows != (0, file.total):
            missing = f"{file.rows[0]} to {file.rows[1]} of its {file.total} rows are in these parts, and no others"
            raise InputError(missing, fix="merge the parts of all its rows", path=file.path)


class Sum:
    """Parts added one after another: what is kept are the states of all of them, and which rows they were."""

    def __init__(self, first: Part) -> None:
        self._path = first.path
        self._about = first.about
        self._task = first.task
        self._total: Pass = plan_of(first.about).begin(first.task, Evidence())()
        self._merge(self._total, first.gathered, first.path, first.task)
        self._rows, self._dropped = first.about.rows, first.about.dropped
        self._notes = {*first.about.notes}
        self._own = first.own
        self._inputs: dict[tuple[str, int, str], list[InputFile]] = {}
        self._take(first)

    def add(self, part: Part) -> None:
        """Take in one more part, which stays as it is.

        Raises:
            InputError: it does not belong to the others, or holds rows that are counted already.

        """
        check_alike(self._about, part.about, self._path, part.path)
        read_as = joined_readings(self._about.read_as, part.about.read_as, self._path, part.path)
        part = self._in_small_letters(part)
        self._check_numbers(part)
        columns = self._called(part)
        self._take(part)
        named = self._name(part.about, part.path, columns)
        plan = plan_of(self._about)
        task = plan.decide(self._total.evidence.with_(part.gathered.evidence))
        if named or task != self._task:
            total = plan.begin(task, Evidence())()
            self._merge(total, self._total, self._path, task)
            self._total = total
        self._merge(self._total, part.gathered, part.path, task)
        self._about = replace(self._about, read_as=read_as)
        self._task = task
        self._rows += part.about.rows
        self._dropped += part.about.dropped
        self._notes |= {*part.about.notes}
        self._own = self._own.beside(part.own)

    def _in_small_letters(self, part: Part) -> Part:
        """The part, with true and false written as the others have them: booleans of a CSV are True and False."""
        here, there = _truths_of(self._about), _truths_of(part.about)
        if here and here <= {*_SMALL_OF} and there & {*_SMALL_OF.values()}:
            self._about, self._total = _in_small_letters(self._about, self._total)
        if there and there <= {*_SMALL_OF} and here & {*_SMALL_OF.values()}:
            about, gathered = _in_small_letters(part.about, part.gathered)
            return replace(part, about=about, gathered=gathered)
        return part

    def _check_numbers(self, part: Part) -> None:
        """The caller's own metrics see classes by number: the same ones have to be called so in all parts.

        Raises:
            InputError: they are not.

        """
        about = part.about
        if not (about.own and about.rows and self._rows):
            return
        mine, theirs = (class_numbers(one.choices, one.preds, one.target) for one in (self._about, about))
        if mine != theirs:
            odd = min({*mine} ^ {*theirs})
            what = f"{about.own[0].name} sees classes by number, and {odd!r} is in some parts only"
            raise InputError(what, fix="write all parts with --labels naming all classes", path=part.path)

    def _called(self, part: Part) -> tuple[str, str, str]:
        """What both sides and the weights are called in the files of all parts; empty where they lie in memory, or have
        no names.

        Raises:
            InputError: another column than in the others: what one model said is no part of what another did.

        """
        mine, about = self._about, part.about
        names = [
            ("--pred", mine.preds.name, about.preds.name),
            ("--target", mine.target.name, about.target.name),
            ("--weight", mine.weight or "", about.weight or ""),
        ]
        found = []
        for option, here, there in names:
            one = here if self._inputs and self._rows else ""
            other = there if about.inputs and about.rows else ""
            if one and other and one != other:
                what = f"reads {other!r}, and {self._path} reads {one!r}"
                raise InputError(what, fix=f"write all parts with the same {option}", path=part.path)
            found.append(one or other)
        return found[0], found[1], found[2]

    def _name(self, about: About, path: str, columns: tuple[str, str, str]) -> bool:
        """Take in what both sides and the slices of a part are called, and whether that changes how rows are counted.

        Raises:
            InputError: each has ranges of its own for slices.

        """
        mine = self._about
        if not about.rows:  # what an input without rows looks like says nothing
            return False
        if not self._rows:
            self._about = about
            return True
        preds, target = joined_field(mine.preds, about.preds), joined_field(mine.target, about.target)
        preds, target = (
            replace(one, name=name or one.name) for one, name in zip((preds, target), columns[:2], strict=True)
        )
        slicers = joined_slicers(mine.slicers, about.slicers, path)
        scanned = mine.scanned
        if scanned is not None and about.scanned is not None:
            scanned = joined_scans(scanned, about.scanned, path)
        weight = columns[2] or None
        self._about = replace(mine, preds=preds, target=target, weight=weight, slicers=slicers, scanned=scanned)
        before = mine.preds.labels, mine.target.labels, mine.slicers, _columns(mine.scanned)
        return (preds.labels, target.labels, slicers, _columns(scanned)) != before

    def part(self) -> Part:
        """All of them as one."""
        about, task = self._about, self._task
        preds, target = (replace(one, shape=(self._rows, *one.shape[1:])) for one in (about.preds, about.target))
        about = replace(
            about,
            task=task.kind,
            scores=task.scores,
            classes=names_told(task, about.choices),
            n=self._total.evidence.rows,
            preds=preds,
            target=target,
            rows=self._rows,
            dropped=self._dropped,
            inputs=_joined(file for files in self._inputs.values() for file in files),
            notes=in_order(self._all_notes(preds, target)),
            contributions=self._own.contributions,
        )
        merged = Part(about, plan_of(about).decide(self._total.evidence), self._total, self._path, self._own)
        self._total.check(merged.task)
        return merged

    def _merge(self, total: Pass, gathered: Pass, path: str, task: Task) -> None:
        """The evidence of the whole input decides; a part that was counted under another decision cannot be mended."""
        if gathered.evidence.rows == 0:  # all its rows were left out, and nothing is counted under any decision
            total.evidence.merge(gathered.evidence)
            return
        try:
            total.merge(gathered.under(total))
        except ValueError as e:
            raise _decided_otherwise(gathered.task, task, path) from e

    def _all_notes(self, preds: Field, target: Field) -> tuple[Note, ...]:
        """What was said of the parts; of their labels what is to say of all."""
        if self._about.layout.preds != "labels":
            return tuple(self._notes)
        return notes_of_all(self._notes, preds, target)

    def _take(self, part: Part) -> None:
        """Take note of the rows of a part.

        The same rows are there twice when one file is, by path and content, or when files of the same content are on
        every side: a target alone may well look like another. Files without a row look alike, too.
        """
        files = part.about.inputs
        twice = [
            (here, there)
            for there in files
            for here in self._inputs.get(_content(there), ())
            if there.total and _meet(here, there)
        ]
        sides = {there.side for _, there in twice}
        for here, there in twice:
            if here.path == there.path or sides == {file.side for file in files}:
                rows = "" if there.rows is None else f", rows {there.rows[0]} to {there.rows[1]}"
                same = there.path if here.path == there.path else f"{there.path}, which equals {here.path}"
                message = f"its rows are counted already: {same}{rows}"
                raise InputError(message, fix="name every part once", path=part.path)
        for file in files:
            self._inputs.setdefault(_content(file), []).append(file)


_SMALL_OF = {"True": "true", "False": "false"}


def _truths_of(about: About) -> set[str]:
    """How true and false are written among classes that nobody has named."""
    if about.choices.labels is not None or FAMILIES[about.task] != "classification":
        return set()
    return {*_SMALL_OF, *_SMALL_OF.values()} & {*(about.preds.labels or ()), *(about.target.labels or ())}


def _in_small_letters(about: About, gathered: Any) -> tuple[About, Any]:
    """The same rows with true and false in small letters, unless metrics of the caller's own saw other numbers."""
    preds, target = (
        replace(one, labels=one.labels and class_order(_SMALL_OF.get(name, name) for name in one.labels))
        for one in (about.preds, about.target)
    )
    numbered = [class_numbers(about.choices, *sides) for sides in ((about.preds, about.target), (preds, target))]
    if about.own and [_SMALL_OF.get(name, name) for name in numbered[0]] != [*numbered[1]]:
        return about, gathered
    task = replace(gathered.task, classes=tuple(_SMALL_OF.get(name, name) for name in gathered.task.classes))
    return replace(about, preds=preds, target=target), replace(gathered, task=task)


def _decided_otherwise(was: Task, now: Task, path: str) -> InputError:
    if (was.kind, was.scores) == (now.kind, now.scores):
        what, fix = "the classes of its rows are others than those of all parts together", "--labels naming all classes"
    else:
        what = f"its rows alone were taken for {was.kind} {was.scores}, all parts together are {now.kind} {now.scores}"
        rescored = was.family == now.family and was.scores != now.scores
        fix = f"--scores {now.scores}" if rescored else f"--task {now.kind}"
    return InputError(what, fix=f"write all parts again with {fix}", path=path)


def _columns(scanned: Scanned | None) -> tuple[Slicer, ...]:
    return () if scanned is None else scanned.columns


def joined_field(mine: Field, theirs: Field) -> Field:
    """One side of both, with all its labels."""
    if mine == theirs:
        return mine
    labels = mine.labels
    if labels != theirs.labels and labels is not None and theirs.labels is not None:
        labels = class_order({*labels, *theirs.labels})
    name, path, dtype = (min(getattr(mine, one), getattr(theirs, one)) for one in ("name", "path", "dtype"))
    return replace(mine, name=name, path=path, dtype=dtype, labels=labels)


def notes_of_all(notes: Iterable[Note], preds: Field, target: Field) -> tuple[Note, ...]:
    """What was said of some rows each; of labels that look alike, and of rows of several texts, what is to say of all.

    ``preds`` and ``target`` are those of the whole.
    """
    said = tuple(notes)
    if preds.labels is None or target.labels is None:
        return said
    alike = check_labels(target.labels, preds.labels, target.path)
    if any(note.code == TEXTS for note in said):
        alike += texts_in_rows(target.shape)
    return (*(note for note in said if note.code != TEXTS and not note.code.startswith("labels-")), *alike)


def _content(file: InputFile) -> tuple[str, int, str]:
    """What tells one file from another, wherever it lies."""
    return file.digest, file.size, file.side


def _meet(first: InputFile, second: InputFile) -> bool:
    """Whether two ranges of one content share a row."""
    if first.rows is None or second.rows is None:
        return True
    return first.rows[0] < second.rows[1] and second.rows[0] < first.rows[1]


def _joined(files: Iterable[InputFile]) -> tuple[InputFile, ...]:
    """In order, ranges that touch as one."""
    joined: list[InputFile] = []
    for file in sorted(files, key=order):
        last = joined[-1] if joined else None
        if last is not None and last.rows and file.rows and last.rows[1] == file.rows[0] and _same(last, file):
            joined[-1] = replace(last, rows=(last.rows[0], file.rows[1]))
        else:
            joined.append(file)
    return tuple(joined)


def _same(first: InputFile, second: InputFile) -> bool:
    return replace(first, rows=None) == replace(second, rows=None)
