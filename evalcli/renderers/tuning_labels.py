"""Chosen thresholds of many labels for people: what each does to its label, and all of them to the averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.renderers.escape import visible
from evalcli.renderers.screen import GAP, INDENT, NAME, Screen, indented, table, wrapped
from evalcli.renderers.wording import ratio, title

if TYPE_CHECKING:
    from rich.text import Text

    from evalcli.tuning.labels import LabelChoice, LabelTuning

_LISTED = 100
"""Labels up to which each has its row."""
_MOST_CHANGED = 20
"""Of more labels so many are listed, those that gain most."""
_WIDE = 96
"""Cells from which there is room for the support."""
_LEAST = 10
"""Cells below which names are not cut."""
_NAMED = 5


def label_lines(tuning: LabelTuning, screen: Screen) -> list[Text]:
    """The whole screen."""
    blank = screen.say("")
    return [*_header(tuning, screen), blank, *_labels(tuning, screen), blank, *_averages(tuning, screen), blank,
            *_remarks(tuning, screen)]  # fmt: skip


def _header(tuning: LabelTuning, screen: Screen) -> list[Text]:
    names = [screen.name(name) for name in dict.fromkeys(file.path for file in tuning.inputs)]
    tuned = sum(not one.kept for one in tuning.labels)
    rows = [
        [screen.say("files"), screen.say(", ").join(names)],
        [screen.say("labels"), screen.say(f"{len(tuning.labels):,}, {tuning.scores}")],
        [screen.say("samples"), screen.say(f"{tuning.n:,}, {tuning.ignored:,} ignored")],
        *([] if tuning.where is None else [[screen.say("where"), screen.say(visible(tuning.where))]]),
        [screen.say("sought"), screen.say(f"{sought(tuning.objective)}, for each label")],
        [screen.say("tuned"), screen.say(f"{tuned:,} of {len(tuning.labels):,} labels")],
    ]
    return indented(table(rows, "ll"))


def sought(objective: str) -> str:
    """What was sought, in words.

    >>> sought("f1"), sought("recall at precision>=0.9"), sought("cost fp=1,fn=20")
    ('the highest F1', 'the highest recall at precision>=0.9', 'the least cost fp=1,fn=20')
    """
    name, _, rest = objective.partition(" ")
    return f"the {'least' if name == 'cost' else 'highest'} {title(name)}" + (f" {rest}" if rest else "")


def _labels(tuning: LabelTuning, screen: Screen) -> list[Text]:
    """Every label with its threshold, and what was sought before and after; the most changed of many."""
    shown = tuning.labels
    if len(shown) > _LISTED:
        shown = tuple(sorted(shown, key=lambda one: -_gain(one, tuning.sought))[:_MOST_CHANGED])
    name, wide = tuning.sought, screen.width >= _WIDE
    beside = [metric for metric in ("precision", "recall", "f1") if metric != name]
    heads = ["threshold", f"{title(name)} before", title(name), *map(title, beside), "predicted"]
    rows = [[screen.say(head, "dim") for head in (*heads, *(["support"] if wide else []))]]
    for one in shown:
        values = [one.reference.metrics[name], *(one.chosen.metrics[metric] for metric in (name, *beside))]
        counts = [one.chosen.predicted, *([one.support] if wide else [])]
        mark = " *" if one.kept else ""
        cells = [f"{one.chosen.threshold:.6g}{mark}", *map(ratio, values), *map(amount, counts)]
        rows.append([screen.say(cell) for cell in cells])
    numbers = table(rows, "r" * len(rows[0]))
    room = screen.width - INDENT - GAP - max(line.cell_len for line in numbers)
    names = [screen.say("label", "dim"), *_names(shown, max(_LEAST, min(NAME, room)), screen)]
    lines = indented(table(list(zip(names, numbers, strict=True)), "ll"))
    if len(tuning.labels) > _LISTED:
        lines.append(screen.say(f"  the {len(shown)} of {len(tuning.labels):,} labels that gain most; all in the JSON"))
    return lines


def _names(shown: tuple[LabelChoice, ...], cap: int, screen: Screen) -> list[Text]:
    """The labels in ``cap`` cells; where two would look alike, by number too."""
    names = [screen.name(one.label, cap) for one in shown]
    if len({name.plain for name in names}) == len(names):
        return names
    return [screen.say(f"{i}  ", "dim") + screen.name(one.label, max(cap - 4, 6)) for i, one in enumerate(shown, 1)]


def _gain(one: LabelChoice, name: str) -> float:
    before, after = one.reference.metrics[name] or 0.0, one.chosen.metrics[name] or 0.0
    return before - after if name == "cost" else after - before


def _averages(tuning: LabelTuning, screen: Screen) -> list[Text]:
    rows = [[screen.say("", "dim"), screen.say("before"), screen.say("after")]]
    for name, value in tuning.after.items():
        rows.append([screen.say(title(name)), screen.say(ratio(tuning.before[name])), screen.say(ratio(value))])
    return indented(table(rows, "lrr"))


def _remarks(tuning: LabelTuning, screen: Screen) -> list[Text]:
    """What is not as it seems, and how to use it."""
    texts = [f"{note.text}; {note.fix}" if note.fix else note.text for note in tuning.notes]
    kept: dict[str, list[str]] = {}
    for one in tuning.labels:
        if one.kept:
            kept.setdefault(one.kept, []).append(screen.name(one.label).plain)
    for reason, names in kept.items():
        texts.append(f"* kept as it was, {_some(names)}: {reason}.")
    idle = [screen.name(one.label).plain for one in tuning.labels if one.nothing is not None]
    if idle:
        texts.append(f"Never predicting it at all would cost less: {_some(idle)}.")
    if not tuning.exact:
        texts.append(
            "Scores were binned for lack of memory: every threshold above is a real operating point, but one inside "
            "a bin may be better. --ranking-budget raises the memory."
        )
    texts.append("Use them: -o tuned.json here, and evalcli report PREDS TARGETS --threshold @tuned.json there.")
    return [screen.say(f"  {line}") for text in texts for line in wrapped(text, screen.prose - INDENT)]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def amount(value: float) -> str:
    """Rows, or a sum of weights."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
