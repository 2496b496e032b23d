"""The confusion matrix as a heat map, in the most telling form that fits.

Rows are targets and columns predictions. A cell holds its count and its share of the row, and is shaded by that share:
one hue for hits, another for misses, both with evenly rising lightness. Without colour the shares say the same, and
brackets mark the diagonal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from evalcli.renderers.contents import MAX_MATRIX, row_sizes
from evalcli.renderers.screen import INDENT, NAME, Screen, padded, styled
from evalcli.renderers.wording import amount, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evalcli.report import Number, Report

# Nine steps of OKLCH lightness from 0.30 to 0.82: (background, foreground). The ramps differ in hue alone (250 blue,
# 60 orange), and the foreground is the one of black and white with the higher contrast, never below 4.5:1.
HIT = (
    ("#192f46", "#ffffff"),
    ("#1f4162", "#ffffff"),
    ("#24527f", "#ffffff"),
    ("#29659d", "#ffffff"),
    ("#2d78bd", "#ffffff"),
    ("#428cd3", "#000000"),
    ("#57a0e8", "#000000"),
    ("#6bb5ff", "#000000"),
    ("#96c9fe", "#000000"),
)
MISS = (
    ("#402712", "#ffffff"),
    ("#5a3411", "#ffffff"),
    ("#75410b", "#ffffff"),
    ("#904f01", "#ffffff"),
    ("#aa5f04", "#ffffff"),
    ("#c37015", "#000000"),
    ("#d98432", "#000000"),
    ("#ef9849", "#000000"),
    ("#ffb06e", "#000000"),
)


class _Form(NamedTuple):
    """A way to draw the matrix: where the shares stand, columns by name or by row number, names cut to ``cap``."""

    shares: str
    named: bool
    cap: int


_FORMS = tuple(
    _Form(shares, named, cap)
    for shares in ("beside", "below", "")
    for named, cap in ((True, NAME), (False, NAME), (False, 24), (False, 10))
)
_SHARE = len("100%")
_HEAD = 14
"""Cells from which a column's name is too wide for the numbers under it."""


def heat_map(report: Report, screen: Screen) -> list[Text] | None:
    """The matrix as lines, or ``None`` where no form of it fits."""
    matrix = report.confusion.matrix
    if not matrix or len(matrix) > MAX_MATRIX:
        return None
    sizes = row_sizes(report)
    for form in _FORMS:
        drawing = _Drawing(report.classes, matrix, sizes, form, screen)
        if drawing.width <= screen.width - INDENT:
            return list(drawing.lines())
    return None


class _Drawing:
    """One matrix in one form: measured first, drawn if it fits."""

    def __init__(
        self,
        classes: tuple[str, ...],
        matrix: tuple[tuple[Number, ...], ...],
        sizes: Sequence[Number],
        form: _Form,
        screen: Screen,
    ) -> None:
        self.matrix, self.sizes, self.form, self.screen = matrix, sizes, form, screen
        self.names = [screen.name(name, form.cap) for name in classes]
        shown = [name.plain for name in self.names]
        cut = shown != [screen.name(name, 10**6).plain for name in classes]
        alike = cut or len(set(shown)) < len(shown)
        self.numbered = alike or not form.named
        self.heads = self.names if form.named else [Text(str(i)) for i in range(1, len(classes) + 1)]
        self.number = amount(count for row in matrix for count in row)
        self.digits = max(len(self.number(count)) for row in matrix for count in row)
        inner = {"beside": self.digits + 1 + _SHARE, "below": max(self.digits, _SHARE), "": self.digits}[form.shares]
        widest = max(head.cell_len for head in self.heads)
        self.fits = not form.named or (widest <= max(inner, _HEAD) and not alike)
        self.cell = max(inner, widest) + 2
        self.index = len(str(len(classes))) + 2 if self.numbered else 0
        self.label = max(len("target  "), *(name.cell_len + 1 for name in self.names))

    @property
    def width(self) -> float:
        """Cells from the first to the last column; without end where a name is much wider than its numbers."""
        return self.index + self.label + self.cell * len(self.matrix) if self.fits else float("inf")

    def lines(self) -> Iterator[Text]:
        """Two lines of axes, then the targets."""
        side = self.index + self.label
        what = "prediction" if self.form.named else "prediction, numbered as the rows"
        yield Text(" " * (side + 1)) + self.screen.say(f"{what} →", "dim")
        heads = Text()
        for head in self.heads:
            heads += padded(styled(head.plain, "bold"), self.cell - 1, "r") + Text(" ")
        heads.rstrip()
        yield padded(self.screen.say("target ↓", "dim"), side, "l") + heads
        for i, row in enumerate(self.matrix):
            label = padded(self.names[i], self.label, "l")
            if self.numbered:
                label = padded(styled(str(i + 1), "dim"), self.index - 2, "r") + Text("  ") + label
            yield self._line(label, i, [self._text(count, self.sizes[i]) for count in row])
            if self.form.shares == "below":
                yield self._line(Text(" " * side), i, [_share(count, self.sizes[i]) for count in row])

    def _text(self, count: Number, support: Number) -> str:
        beside = f"{_share(count, support):>{_SHARE + 1}}" if self.form.shares == "beside" else ""
        return self.number(count) + beside

    def _line(self, label: Text, i: int, texts: list[str]) -> Text:
        line, support = label.copy(), self.sizes[i]
        for j, text in enumerate(texts):
            inner = f"{text:>{self.cell - 2}}"
            bracketed = i == j and not self.screen.color
            style = _style(self.matrix[i][j], support, diagonal=i == j) if self.screen.color else ""
            line.append(f"[{inner}]" if bracketed else f" {inner} ", style)
        if not self.screen.color:  # a shaded cell keeps its right edge
            line.rstrip()
        return line


def _share(count: Number, support: Number) -> str:
    return share(count, support) if count else ""


def _style(count: Number, support: Number, *, diagonal: bool) -> str:
    if not count or support <= 0:
        return "bold dim" if diagonal else "dim"
    ramp = HIT if diagonal else MISS
    step = min(len(ramp) - 1, int(len(ramp) * count / support))
    background, foreground = ramp[step]
    return f"{'bold ' if diagonal else ''}{foreground} on {background}"
