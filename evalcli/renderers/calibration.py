"""The reliability table on screen: what was promised beside what came true, with a bar for each bin of confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from evalcli.renderers import contents, wording
from evalcli.renderers.screen import GAP, INDENT, Screen, prose, styled, table, title

if TYPE_CHECKING:
    from evalcli.report import CalibrationBin, Report

_BAR = 25
"""Cells of a bar, which stands for 0 to 1."""


def calibration_lines(report: Report, screen: Screen) -> list[Text]:
    """The bins that hold rows, and what they add up to; nothing where no scores were read."""
    calibration = report.calibration
    bins = [] if calibration is None else contents.filled(calibration.bins)
    if calibration is None or not bins:
        return []
    count = wording.amount(one.n for one in bins)
    heads = [
        screen.say(head, "dim") for head in (f"P({calibration.of})", contents.counted(report), "mean", "came true")
    ]
    rows = [heads]
    for one in bins:
        numbers = (wording.span(one), count(one.n), wording.ratio(one.confidence), wording.ratio(one.accuracy))
        rows.append([screen.say(text) for text in numbers])
    lines = table(rows, "lrrr")
    legend = ""
    if max(line.cell_len for line in lines) + GAP + _BAR <= screen.width - INDENT:
        legend = "█ came true, ░ promised but not, ▒ beyond the promise"
        width = max(line.cell_len for line in lines)
        bars = [Text(), *(_bar(one, screen) for one in bins)]
        lines = [
            line + Text(" " * (width - line.cell_len + GAP)) + bar if bar.plain else line
            for line, bar in zip(lines, bars, strict=True)
        ]
    facts = [part for text in contents.calibration_facts(report) for part in prose(text, screen, hang=2, style="dim")]
    return [*title("Calibration", screen, legend), *lines, *facts]


def _bar(one: CalibrationBin, screen: Screen) -> Text:
    """What came true, and how far that is from what was promised."""
    promised, true = (round((share or 0.0) * _BAR) for share in (one.confidence, one.accuracy))
    both = min(promised, true)
    sign, style = ("░", "red") if promised > true else ("▒", "green")
    gap = styled(screen.say(sign * (max(promised, true) - both)).plain, style)
    return screen.say("█" * both) + gap
