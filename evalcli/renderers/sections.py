"""The parts of the report on screen, from the header to the findings, each as lines."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from rich.text import Text

from evalcli import classrows
from evalcli.renderers import contents, wording
from evalcli.renderers.bands import cells
from evalcli.renderers.calibration import calibration_lines
from evalcli.renderers.confusion import heat_map
from evalcli.renderers.escape import visible
from evalcli.renderers.screen import (
    GAP,
    INDENT,
    NAME,
    Screen,
    indented,
    padded,
    prose,
    styled,
    table,
    title,
)
from evalcli.renderers.slices import slice_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from evalcli.report import ClassRow, Finding, Report, Verdict

_MANY = 100
"""Classes up to which each has its row on screen."""
_WIDE = 100
"""Cells from which there is room to show how often a class was predicted."""
_NARROW = 66
"""Cells below which a binary table has no room for specificity and NPV, and one of labels none for their ranks."""
_CALIBRATED = 116
"""Cells from which there is room for the calibration of each label."""
_TAKEN = {"binary": 66, "multilabel": 54}
"""Cells that the numbers of a table take beside the names; 46 of all others."""
_LEAST_NAME = 10
"""Names are not cut below this."""
_MOST_UNDEFINED = 6
"""So many metrics are named that have no value; of more, how many they are."""


def report_lines(report: Report, screen: Screen) -> Iterator[Text]:
    """The whole report without its gates."""
    if report.task == "regression":
        from evalcli.renderers.residuals import errors_part, outputs_part

        parts: tuple[Callable[[Report, Screen], list[Text]], ...] = (_undefined_alone, outputs_part, errors_part)
    else:
        parts = (_classes, _bands, _confusion, calibration_lines)
    drawn = [part(report, screen) for part in (_header, _overall, *parts, slice_lines, _weak, _findings)]
    for i, lines in enumerate(part for part in drawn if part):
        if i:
            yield Text()
        yield from indented(lines)


def _weak(report: Report, screen: Screen) -> list[Text]:
    """What a search for weak slices found, where there was one."""
    if report.scan is None:
        return []
    from evalcli.renderers.weak import weak_lines

    return weak_lines(report, screen)


def verdict_lines(gates: Sequence[Verdict], screen: Screen) -> Iterator[Text]:
    """Every gate with its value, interval, bound and rows, and its status as a word; nothing where there are none."""
    if not gates:
        return
    yield Text()
    passed = sum(verdict.status == "pass" for verdict in gates)
    cap = max(2 * _LEAST_NAME, min(NAME, screen.width - 34))
    rows = [[screen.say(head, "dim") for head in ("status", "gate", "value", "bound", "interval", "n")]]
    count = wording.amount(verdict.n or 0 for verdict in gates)
    for verdict in gates:
        value, bound = (screen.say(text) for text in wording.compared(verdict))
        word, style = _STATUS.get(verdict.status, (verdict.status, "yellow"))
        further = (wording.ends(verdict), "" if verdict.n is None else count(verdict.n))
        rows.append([screen.say(word, style), screen.name(verdict.rule, cap), value, bound, *map(screen.say, further)])
    if not any(row[4].plain for row in rows[1:]):
        rows = [[*row[:4], row[5]] for row in rows]
    used = len(rows[0]) if any(row[-1].plain for row in rows[1:]) else 4
    sides = "llrrlr" if used == 6 else "llrrr"
    for columns in (used, 4, 3):  # the rule itself names the bound
        lines = table([row[:columns] for row in rows], sides[:columns])
        if max(line.cell_len for line in lines) <= screen.width - INDENT:
            break
    drawn = [lines[0]]
    for line, verdict in zip(lines[1:], gates, strict=True):
        drawn.append(line)
        sure, rows_of = wording.ends(verdict), "" if verdict.n is None else f"n = {count(verdict.n)}"
        beside = ", ".join(filter(None, (sure, rows_of))) if columns < used else ""
        if text := "; ".join(filter(None, (beside, verdict.reason))):
            drawn += prose(text, screen, hang=4, style="dim")
    yield from indented([*title(f"Gates: {passed} of {len(gates)} passed", screen), *drawn])


_STATUS = {
    "pass": ("pass", "green"),
    "fail": ("FAIL", "bold red"),
    "undefined": ("undefined", "bold yellow"),
    "missing": ("missing", "bold yellow"),
    "inconclusive": ("inconclusive", "bold yellow"),
}


def _header(report: Report, screen: Screen) -> list[Text]:
    count = wording.amount([report.n, report.ignored])
    facts = [("files", ", ".join(visible(path) for path in wording.files(report)))]
    one, many = wording.nouns(report)
    kinds = [report.task, f"{len(report.classes):,} {many}" if len(report.classes) != 1 else f"1 {one}", report.scores]
    if len(report.outputs) > 1:
        kinds = [report.task, f"{len(report.outputs):,} outputs"]
    elif report.outputs:
        kinds = [report.task]
    facts.append(("task", ", ".join(kinds if report.classes or report.outputs else [report.task, report.scores])))
    if report.positive is not None:
        at = "" if report.threshold is None else f", from a probability of {report.threshold:g}"
        facts.append(("positive", screen.name(report.positive).plain + at))
    facts.append(("threshold", wording.threshold(report)))
    weighted = ", weighted" if report.weighted else ""
    facts.append(("samples", f"{count(report.n)}{weighted}, {count(report.ignored)} ignored"))
    facts.append(("where", visible(report.where or "")))
    facts.append(("clustered", wording.clustered(report.clustered)))
    if report.run is not None:
        run = report.run
        where = run.device if run.device == run.backend else f"{run.backend} on {run.device}"
        why = f" ({run.why})" if run.why else ""
        facts.append(("ran", f"{where}{why}, {run.seconds:.2f} s"))
    lines = []
    width = max(10, *(len(key) + GAP for key, fact in facts if fact))
    for key, fact in facts:
        if fact:
            first, *more = prose(fact, screen, hang=width)
            lines += [padded(screen.say(key, "dim"), width, "l") + first[width:], *more]
    return lines


def _room(screen: Screen) -> dict[str, bool]:
    """For how many columns of numbers there is room."""
    return {"narrow": screen.width < _NARROW, "wide": screen.width >= _CALIBRATED}


def _overall(report: Report, screen: Screen) -> list[Text]:
    """The headline: metrics side by side, in rows, so that the baseline stands beside the accuracy."""
    names, left = contents.headline(report, **_room(screen))
    if not names:
        return []
    cells = []
    for name in names:
        measured = report.metrics[name]
        cells.append(
            (screen.say(wording.title(visible(name))), wording.spoken(name, measured), wording.interval(name, measured))
        )
    intervals = any(interval for *_, interval in cells)
    for columns in (3, 2, 1):
        rows = []
        for start in range(0, len(cells), columns):
            row = []
            for label, value, interval in cells[start : start + columns]:
                row += [label, screen.say(value, "bold"), *([screen.say(interval, "dim")] if intervals else []), Text()]
            rows.append(row + [Text()] * ((4 if intervals else 3) * columns - len(row)))
        lines = table(rows, ("lrll" if intervals else "lrl") * columns)
        if columns == 1 and intervals and max(line.cell_len for line in lines) > screen.width - INDENT:
            stacked = [part for line in rows for part in (line[:2], [Text(), line[2]])]
            lines = table([part for part in stacked if part[1].plain], "lr")
        if columns == 1 or max(line.cell_len for line in lines) <= screen.prose - INDENT:
            break
    if left:
        lines.append(screen.say(f"and {left} more in the JSON", "dim"))
    return lines


def _classes(report: Report, screen: Screen) -> list[Text]:
    """The table that scikit-learn made familiar."""
    columns = contents.class_columns(report, **_room(screen))
    if not columns:
        return []
    predicted = screen.width >= _WIDE
    supports = classrows.supports(report.per_class)
    count = wording.amount(chain(supports, classrows.predictions(report.per_class)))
    heads = ["", *columns.values(), "support", *(["predicted"] if predicted else [])]
    body = []
    shown = report.per_class if len(report.per_class) <= _MANY else ()
    for row in shown:
        numbers = [_number(row.metrics.get(name), screen) for name in columns]
        counts = [count(row.support), *([count(row.predicted)] if predicted else [])]
        body.append([*numbers, *(screen.say(text) for text in counts)])
    total = count(sum(supports))
    averages = contents.average_rows(report)
    feet = [[*_average(report, columns, suffix, screen), screen.say(total)] for _, suffix in averages]
    feet = [row + [Text()] * predicted for row in feet]
    top = [screen.say(head, "dim") for head in heads[1:]]
    names = _names(report, shown, screen)
    labels = [Text(), *names, *(screen.say(label) for label, _ in averages)]
    lines = _joined(labels, [top, *body, *feet], screen)
    rule = screen.rule(max(line.cell_len for line in lines))
    stacked = (len(lines) - 1) // (len(labels) - 1)
    split = 1 + stacked * len(shown)
    if not shown:
        many = wording.nouns(report)[1]
        note = f"{len(report.per_class):,} {many}: the worst stand below, all in the JSON, CSV and Markdown"
        return [*prose(note, screen, hang=0, style="dim"), lines[0], rule, *lines[split:], *_undefined(report, screen)]
    return [lines[0], rule, *lines[1:split], rule, *lines[split:], *_undefined(report, screen)]


def _joined(labels: list[Text], numbers: list[list[Text]], screen: Screen) -> list[Text]:
    """Labels before their numbers; above them where the screen is too narrow for both."""
    right = table(numbers, "r" * len(numbers[0]))
    room = screen.width - INDENT - GAP - max(line.cell_len for line in right)
    widest = max(label.cell_len for label in labels)
    if widest <= room:
        return [padded(label, widest + GAP, "l") + line for label, line in zip(labels, right, strict=True)]
    lines = [right[0]]
    for label, line in zip(labels[1:], right[1:], strict=True):
        lines += [label, line]
    return lines if labels[0].plain == "" else [labels[0], *lines]


def _names(report: Report, rows: Sequence[ClassRow], screen: Screen) -> list[Text]:
    numbers = _TAKEN.get(report.task, 54 if "auroc" in contents.class_columns(report) else 46)
    room = screen.width - INDENT - numbers
    names = _labels(report, [row.name for row in rows], min(NAME, max(room, 24)), screen)
    positive = screen.say(" (+)", "dim")
    return [names[row.name] + positive if row.name == report.positive else names[row.name] for row in rows]


def _labels(report: Report, names: Sequence[str], cap: int, screen: Screen) -> dict[str, Text]:
    """How these classes are called here; by their number too, where a name is cut or two look alike."""
    drawn = {name: screen.name(name, cap) for name in names}
    cut = any(label.plain != screen.name(name, 10**6).plain for name, label in drawn.items())
    if not cut and len({label.plain for label in drawn.values()}) == len(drawn):
        return drawn
    digits = len(str(len(report.classes)))
    numbers = {name: f"{i:>{digits}}  " for i, name in enumerate(report.classes, 1)}
    return {name: styled(numbers.get(name, ""), "dim") + label for name, label in drawn.items()}


def _number(value: object, screen: Screen) -> Text:
    found = getattr(value, "value", None)
    return screen.say(wording.ratio(found), "dim" if found is None else "")


def _average(report: Report, columns: dict[str, str], suffix: str, screen: Screen) -> list[Text]:
    if not suffix:  # accuracy stands under the last of the three familiar columns
        familiar = [name for name in columns if name in contents.CLASS_COLUMNS]
        value = _number(report.metrics["accuracy"], screen) if "accuracy" in report.metrics else Text()
        return [value if familiar and name == familiar[-1] else Text() for name in columns]
    found = [report.metrics.get(f"{name}_{suffix}") for name in columns]
    return [Text() if value is None else _number(value, screen) for value in found]


def _undefined(report: Report, screen: Screen) -> list[Text]:
    from evalcli.metrics.registry import is_registered

    ours = report.undefined if report.task != "regression" else ()  # of other metrics nobody knows why
    known = {name: None for name in ours if is_registered(name)}  # in order, and found at once among a million
    found = []
    for why, names in ((" (0/0)", [*known]), ("", [name for name in report.undefined if name not in known])):
        if names:
            named = ", ".join(names[:_MOST_UNDEFINED])
            more = f" and {len(names) - _MOST_UNDEFINED:,} more" if len(names) > _MOST_UNDEFINED else ""
            found += prose(f"– undefined{why}: {named}{more}", screen, hang=0, style="dim")
    return [Text(), *found] if found else []


def _undefined_alone(report: Report, screen: Screen) -> list[Text]:
    return _undefined(report, screen)[1:]


def _confusion(report: Report, screen: Screen) -> list[Text]:
    """The heat map; the pairs and classes that matter most where it would be too large."""
    drawn = heat_map(report, screen)
    if drawn is not None:
        shares = "count and share of the row" if any("%" in line.plain for line in drawn) else "count"
        return [*title("Confusion matrix", screen, shares), *drawn]
    all_named = report.task == "multilabel" and len(report.classes) <= contents.MAX_MATRIX
    pairs, classes = _worst_pairs(report, screen), [] if all_named else _worst_classes(report, screen)
    return [*pairs, *([Text()] if pairs and classes else []), *classes]


def _worst_pairs(report: Report, screen: Screen) -> list[Text]:
    pairs = contents.confused(report)
    if not pairs:
        return []
    count = wording.amount(number for *_, number, _ in pairs)
    spare = screen.width - INDENT - len(" → ") - 2 * 6  # 6: what a number before the name may take
    beside = spare - 20 >= 2 * _LEAST_NAME  # 20: the counts
    cap = max(_LEAST_NAME, min(NAME, (spare - 20 * beside) // 2))
    names = _labels(report, [name for target, guess, *_ in pairs for name in (target, guess)], cap, screen)
    column = max(names[target].cell_len for target, *_ in pairs) if beside else 0
    arrow = screen.say(" → ", "dim")
    one, other, whole = contents.pair_heads(report)
    labels = [padded(screen.say(one, "dim"), column, "l") + arrow + screen.say(other, "dim")]
    rows = [[screen.say(head, "dim") for head in ("count", whole)]]
    for target, guess, number, support in pairs:
        labels.append(padded(names[target], column, "l") + arrow + names[guess])
        rows.append([screen.say(count(number)), screen.say(wording.share(number, support))])
    beside_title = contents.PAIRED if report.task == "multilabel" else ""
    if not beside_title and len(report.classes) <= contents.MAX_MATRIX:
        beside_title = f"the matrix does not fit in {screen.width} columns"
    return [*title("Most confused", screen, beside_title), *_joined(labels, rows, screen)]


def _worst_classes(report: Report, screen: Screen) -> list[Text]:
    rows = contents.worst(report)
    if not rows:
        return []
    columns = {name: heading for name, heading in contents.CLASS_COLUMNS.items() if name in rows[0].metrics}
    count = wording.amount(row.support for row in rows)
    cap = max(24, min(NAME, screen.width - INDENT - 48))
    names = _labels(report, [row.name for row in rows], cap, screen)
    labels = [Text(), *(names[row.name] for row in rows)]
    drawn = [[screen.say(head, "dim") for head in (*columns.values(), "support")]]
    for row in rows:
        numbers = [_number(row.metrics.get(name), screen) for name in columns]
        drawn.append([*numbers, screen.say(count(row.support))])
    return [*title(f"Worst {wording.nouns(report)[1]}", screen), *_joined(labels, drawn, screen)]


def _bands(report: Report, screen: Screen) -> list[Text]:
    """Means over the classes with many rows, with some and with few."""
    heads, lines = cells(report)
    if not lines:
        return []
    names = [Text(), *(screen.say(line[0]) for line in lines)]
    rows = [[screen.say(head, "dim") for head in heads], *([screen.say(cell) for cell in line[1:]] for line in lines)]
    return [*title("By support", screen, "means over classes"), *_joined(names, rows, screen)]


def _findings(report: Report, screen: Screen) -> list[Text]:
    return finding_lines(report.findings, screen)


def finding_lines(findings: Iterable[Finding], screen: Screen) -> list[Text]:
    """What was noticed, of a report or a comparison."""
    lines = []
    for finding in findings:
        sign, style = _SIGN.get(finding.level, ("·", ""))
        first, *more = prose(finding.text, screen, hang=2)
        lines += [screen.say(sign, style) + first[1:], *more]
        lines += prose(finding.fix, screen, hang=4, style="dim") if finding.fix else []
    return [*title("Findings", screen), *lines] if lines else []


_SIGN = {"warning": ("!", "bold yellow"), "info": ("i", "bold cyan")}
