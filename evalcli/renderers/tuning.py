"""A chosen threshold for machines and for people: what it does, what lies around it, and the curve it was read off."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from evalcli.renderers.escape import visible
from evalcli.renderers.json import document
from evalcli.renderers.screen import INDENT, Screen, indented, table, wrapped
from evalcli.renderers.tuning_labels import amount, label_lines, sought
from evalcli.renderers.wording import ratio, title
from evalcli.tuning.labels import LabelTuning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from evalcli.tuning.choosing import Tuning

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ROWS = 5
_WIDEST = 100
_LABEL = 8
_AROUND = ("precision", "recall", "f1")
"""Metrics of the neighbours, beside what was sought."""


def render_tuning(tuning: Tuning | LabelTuning, form: str, width: int | None = None, encoding: str = "utf-8") -> str:
    """The text of a file or of a screen: ``form`` is ``json`` or ``rich``."""
    if form == "json":
        return document(tuning.to_json_object())
    screen = Screen(min(width or _WIDEST, _WIDEST), encoding)
    lines = label_lines(tuning, screen) if isinstance(tuning, LabelTuning) else _lines(tuning, screen)
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


def _lines(tuning: Tuning, screen: Screen) -> list[Text]:
    blank = screen.say("")
    parts = (_header(tuning, screen), _effects(tuning, screen), _around(tuning, screen))
    return [
        *(line for part in parts for line in (*part, blank)),
        *_curve(tuning, screen),
        *_remarks(tuning, screen),
    ]


def _header(tuning: Tuning, screen: Screen) -> list[Text]:
    names = [screen.name(name) for name in dict.fromkeys(file.path for file in tuning.inputs)]
    files = screen.say(", ").join(names)
    binned = "" if tuning.exact else ", the edges of bins"
    rows = [
        [screen.say("files"), files],
        [screen.say("positive"), screen.name(tuning.positive) + screen.say(f", {tuning.scores}")],
        [screen.say("samples"), screen.say(f"{tuning.n:,}, {tuning.ignored:,} ignored")],
        *([] if tuning.where is None else [[screen.say("where"), screen.say(visible(tuning.where))]]),
        [screen.say("sought"), screen.say(f"{sought(tuning.objective)}, of {tuning.candidates:,} thresholds{binned}")],
        [screen.say("threshold"), screen.say(_threshold(tuning))],
    ]
    return indented(table(rows, "ll"))


def _threshold(tuning: Tuning) -> str:
    cut = f", a logit of {tuning.cut!r}" if tuning.scores == "logits" else ""
    return f"{tuning.chosen.threshold!r}{cut}"


def _effects(tuning: Tuning, screen: Screen) -> list[Text]:
    """Every metric at the threshold compared with, and at the chosen one."""
    first, second = tuning.reference, tuning.chosen
    rows = [[screen.say("", "dim"), *(screen.say(f"at {point.threshold:.6g}") for point in (first, second))]]
    for name in second.metrics:
        values = (_shown(point.metrics[name]) for point in (first, second))
        rows.append([screen.say(title(name)), *(screen.say(value) for value in values)])
    counted = (amount(point.predicted) for point in (first, second))
    rows.append([screen.say("predicted positive"), *(screen.say(value) for value in counted)])
    return indented(table(rows, "lrr"))


def _around(tuning: Tuning, screen: Screen) -> list[Text]:
    """Neighbours by falling threshold; the chosen one among them is marked."""
    names = list(dict.fromkeys((*_AROUND, tuning.sought)))
    rows = [[screen.say(text) for text in ("", "threshold", "predicted", *map(title, names))]]
    for point in tuning.neighbours:
        mark = ">" if point.metrics == tuning.chosen.metrics and point.predicted == tuning.chosen.predicted else ""
        shown = tuning.chosen if mark else point
        values = [amount(point.predicted), *(_shown(point.metrics[name]) for name in names)]
        rows.append([screen.say(text) for text in (mark, f"{shown.threshold:.6g}", *values)])
    return [screen.say("  Around it"), *indented(table(rows, "lr" + "r" * (len(names) + 1)))]


def _curve(tuning: Tuning, screen: Screen) -> list[Text]:
    """What was sought against the score, as high as blocks; empty where the bound is not met."""
    low, high = tuning.span
    room = screen.width - INDENT - _LABEL - 3
    if not tuning.curve or high <= low or room < 20:
        return []
    columns = _pooled(tuning.curve, min(len(tuning.curve), room), lowest=tuning.sought == "cost")
    known = [value for value in columns if value is not None]
    least, most = min(known), max(known)
    levels = len(_BLOCKS) - 1
    step = (most - least) / (_ROWS * levels - 1) or 1.0
    heights = [0 if value is None else 1 + round((value - least) / step) for value in columns]
    lines = [screen.say(f"  {title(tuning.sought)} by {'logit' if tuning.scores == 'logits' else 'threshold'}")]
    for row in reversed(range(_ROWS)):
        label = _shown(most) if row == _ROWS - 1 else _shown(least) if row == 0 else ""
        bar = "".join(_BLOCKS[min(max(height - row * levels, 0), levels)] for height in heights)
        if not screen.encoding.startswith("utf"):
            bar = "".join(" " if char == " " else "#" for char in bar)
        lines.append(screen.say(f"  {label:>{_LABEL}}  {bar}"))
    place = min(max(int((tuning.cut - low) / (high - low) * len(columns)), 0), len(columns) - 1)
    pointer = "▲" if screen.encoding.startswith("utf") else "^"
    ends = f"{low:<{len(columns) // 2}.4g}{high:>{len(columns) - len(columns) // 2}.4g}"
    margin = " " * (INDENT + _LABEL + 2)
    return [*lines, screen.say(f"{margin}{' ' * place}{pointer}"), screen.say(f"{margin}{ends}"), screen.say("")]


def _pooled(curve: Sequence[float | None], columns: int, *, lowest: bool) -> list[float | None]:
    """The curve in fewer columns, each with the best of what it covers."""
    edges = [index * len(curve) // columns for index in range(columns + 1)]
    found: list[float | None] = []
    for start, end in pairwise(edges):
        known = [value for value in curve[start:end] if value is not None]
        found.append(None if not known else min(known) if lowest else max(known))
    return found


def _remarks(tuning: Tuning, screen: Screen) -> list[Text]:
    """What is not as it seems, and how to use it."""
    texts = [f"{note.text}; {note.fix}" if note.fix else note.text for note in tuning.notes]
    if not tuning.exact:
        texts.append(
            "Scores were binned for lack of memory: every threshold above is a real operating point, but one inside "
            "a bin may be better. --ranking-budget raises the memory."
        )
    if tuning.nothing is not None:
        texts.append(f"Predicting no positive at all would cost less: {_shown(tuning.nothing)} a row.")
    if tuning.reachable:
        texts.append(
            f"Use it: evalcli report PREDS --threshold {tuning.chosen.threshold!r}, or -o tuned.json here "
            "and --threshold @tuned.json there."
        )
    else:
        texts.append(
            "No probability reaches this logit exactly. Use it through a file: -o tuned.json here, and "
            "evalcli report PREDS --threshold @tuned.json there."
        )
    return [screen.say(f"  {line}") for text in texts for line in wrapped(text, screen.prose - INDENT)]


def _shown(value: float | None) -> str:
    """Four decimals; what is too small for them, such as a cost, in four digits.

    >>> _shown(0.5), _shown(0.00001234), _shown(None)
    ('0.5000', '1.234e-05', '–')
    """
    if value is not None and 0 < abs(value) < 1e-3:
        return f"{value:.4g}"
    return ratio(value)
