"""What a report would make of a file by its first rows, in words, and the command that makes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evalcli.classification.codes import make_prepare
from evalcli.classification.task import likely_positive
from evalcli.decision import decide
from evalcli.engine import Execution, fit_rows, row_bytes
from evalcli.errors import EvalError
from evalcli.evidence import Evidence
from evalcli.faults import raise_faults
from evalcli.layout import find_layout
from evalcli.shell import word
from evalcli.sources.label_groups import find_target_labels
from evalcli.sources.naming import only_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from evalcli.layout import Layout
    from evalcli.sources.base import Batch, Selection, Source
    from evalcli.sources.label_groups import Names
    from evalcli.task import Choices, Task

LOOK_ROWS = 1000
"""Rows that are looked at."""
LOOK_BYTES = 1 << 30
"""Of rows of more than a megabyte fewer, and one of a gigabyte, piece by piece."""

PASSES = 4
"""How often the first rows may change the decision: each time one of a few signs is new."""

FLAG = re.compile(
    r"--(?:target NAME --pred NAME|pred \S+ --positive [^\s,;]+|labels a,b,c|ignore-index -?\d+|nan drop"
    r"|scores (?:labels|probs|logits)|positive [^\s,;]+|class-axis -?1|task (?:multiclass|multilabel|regression)"
    r"|no-header"
    r"|delimiter \S+)"
)
"""What an error offers and a command can take."""

REFUSED = "cannot be evaluated as it is"
SHOWN = 8
"""How many classes are named."""


def reading_of(path: str, open_look: Callable[[], Source], choices: Choices) -> tuple[str, str]:
    """What a report would make of the first rows, in words, and the command that makes it."""
    try:
        source = open_look()
    except EvalError as error:
        return _refused(path, error)
    try:
        return _decided(path, source, choices)
    except EvalError as error:
        return _refused(path, error)
    finally:
        source.close()


def one_sided(path: str, names: Iterable[str], selection: Selection) -> tuple[str, str] | None:
    """The reading and the command for a file whose names speak of one side only."""
    side = only_side(tuple(names)) if selection.pred is None and selection.target is None else None
    return {
        "prediction": ("predictions; the truth is missing", f"{report_command(path)} TARGETS"),
        "target": ("the truth; predictions are missing", f"evalcli report PREDS {word(path)}"),
    }.get(side or "")


def truth_alone(names: Names, selection: Selection) -> tuple[str, str] | None:
    """The reading and the command for a file that holds a column for each of several labels, and nothing else."""
    group = find_target_labels(names, selection) if selection.pred is None else None
    if group is None or group.labels is None:
        return None
    reading = f"the truth of {len(group.labels)} labels a row; predictions are missing"
    return reading, f"evalcli report PREDS {word(names.path)}"


def _refused(path: str, error: EvalError) -> tuple[str, str]:
    """A report would refuse the file: why, and the flag that helps where one does."""
    place = f"{error.path}: " if error.path and error.path != path else ""
    flag = FLAG.search(error.fix)
    return f"{REFUSED}: {place}{error.told}", report_command(path) + (f" {flag[0]}" if flag else "")


def _decided(path: str, source: Source, choices: Choices) -> tuple[str, str]:
    """The decision that the first rows lead to."""
    layout = find_layout(source.preds, source.target, choices)
    known = Evidence()
    rows = min(LOOK_ROWS, max(1, LOOK_BYTES // max(1, row_bytes(source))))
    size = min(rows, fit_rows(Execution(), source, layout))
    for _ in range(PASSES):
        task = decide(layout, source.preds, source.target, choices, known)
        look, classes = _look_at(layout, choices, source, task)
        evidence = Evidence()
        done = 0
        for load in source.plan(size):
            batch = load()
            look(batch, evidence)
            done += batch.done
            if done >= rows:
                break
        decided = decide(layout, source.preds, source.target, choices, evidence.with_(known))
        if decided.counts_like == task.counts_like:
            break
        known = evidence.with_(known)
    if layout.preds == "columns" and source.preds.columns is None and choices.labels is None:
        names = source.target.labels or ()
        if not {*names} <= {*decided.classes}:
            what = f"a list of {layout.width} scores for each row, and targets such as {names[0]!r}"
            return f"{what}: name the classes in the order of the scores", f"{report_command(path)} --labels a,b,c"
    if decided.problem is not None:
        evidence.faults.pop("pred-fraction", None)
    raise_faults(source, choices, classes, evidence)
    return _in_words(decided, layout), report_command(path) + _missing_flags(decided)


def _look_at(
    layout: Layout, choices: Choices, source: Source, task: Task
) -> tuple[Callable[[Batch, Evidence], object], int | None]:
    """What takes evidence from a batch, and how many classes there are if that is known."""
    if task.family == "regression":
        from evalcli.regression.prepare import Prepare

        return Prepare(choices, layout.outputs).__call__, None
    if task.family == "multilabel":
        from evalcli.multilabel.prepare import make_prepare as prepare_labels

        cells = prepare_labels(layout, choices, source.preds, source.target, task.classes)
        return lambda batch, evidence: cells(batch, task, evidence), None
    prepare = make_prepare(layout, choices, source, task.classes)
    return lambda batch, evidence: prepare(batch, task, evidence), prepare.classes


def _in_words(task: Task, layout: Layout) -> str:
    if task.family == "regression":
        several = f", {layout.width} outputs" if layout.preds == "values" and (layout.width or 1) > 1 else ""
        return f"regression{several}, values on both sides" + (f"; but {task.problem.what}" if task.problem else "")
    names = ", ".join(task.classes[:SHOWN]) + (", …" if len(task.classes) > SHOWN else "")
    noun = "labels" if task.family == "multilabel" else "classes"
    classes = f"{len(task.classes)} {noun} ({names})" if task.classes else "classes as counted"
    positive = "" if task.positive is None or task.problem else f", positive {task.classes[task.positive]!r}"
    doubt = f"; but {task.problem.what}" if task.problem else ""
    return f"{task.kind}, {task.scores}, {classes}{positive}{doubt}"


def _missing_flags(task: Task) -> str:
    """What must be added before a report can be made."""
    if task.problem is None:
        return ""
    if task.kind == "binary" and len(task.classes) == 2 and "--positive" in task.problem.fix:
        return f" --positive {word(task.classes[likely_positive(task.classes)])}"
    if "--task regression" in task.problem.fix:
        return " --task regression"
    if task.problem.fix.startswith("--task multilabel"):
        return " --task multilabel"
    return " --scores probs" if "--scores" in task.problem.fix else ""


def report_command(path: str) -> str:
    """The command that reports a file, so far as nobody has to say more.

    >>> report_command("my preds.pt")
    "evalcli report 'my preds.pt'"
    """
    return f"evalcli report {word(path)}"
