"""The medium a report is drawn on: its width, its characters, whether it has colour; and tables made of lines.

Everything is drawn as lines of ``rich.text.Text``. A class name reaches the screen only through ``Screen.name``, which
shows control characters as escapes; nothing is ever read as markup.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from evalcli.renderers.escape import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions

INDENT = 2
GAP = 2
PROSE = 100
"""Where sentences wrap, however wide the screen."""
NAME = 60
"""Cells of a class name before it is cut."""
_LEAST_TOLD_APART = 6
"""Cells that hold the first of a name and what it differs in."""

_ASCII = str.maketrans(
    {"–": "-", "…": "...", "·": ",", "─": "-", "→": "->", "×": "x", "±": "+-", "²": "2", "↓": "", "−": "-", "τ": "tau"}
    | {"█": "#", "░": ".", "▒": "+"}
)

# A terminal that knows Hebrew and Arabic would also turn round the numbers that follow such a name, and show recall
# under precision. A left-to-right mark on both sides, which has no width, keeps the rest of the line in order.
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
_MARK = "\u200e"


class Screen(NamedTuple):
    """Where lines will be shown: ``width`` in cells, the ``encoding`` of the stream, and whether it has ``color``."""

    width: int
    encoding: str = "utf-8"
    color: bool = False

    @classmethod
    def of(cls, console: Console, options: ConsoleOptions) -> Screen:
        """The screen behind a console."""
        return cls(options.max_width, options.encoding, console.color_system is not None)

    @property
    def prose(self) -> int:
        """Cells for a line of text."""
        return min(self.width, PROSE)

    def say(self, text: str, style: str = "") -> Text:
        """Our own words, in characters that the stream can show."""
        return styled(self._encodable(text), style)

    def name(self, text: str, limit: int = NAME) -> Text:
        """A text from the input: escaped, cut to ``limit`` cells; quoted where blanks would not be seen."""
        return self._named(visible(_in_sight(text), limit))

    def names(self, texts: Sequence[str], limit: int = NAME) -> list[Text]:
        """As ``name`` each, where those that would be cut to the same keep what they differ in."""
        return [self._named(shown) for shown in told_apart([_in_sight(text) for text in texts], limit)]

    def _named(self, shown: str) -> Text:
        if self.encoding.startswith("utf") and not shown.isascii() and re.search(_RIGHT_TO_LEFT, shown):
            shown = f"{_MARK}{shown}{_MARK}"
        return styled(self._encodable(shown))

    def rule(self, cells: int) -> Text:
        """A thin line."""
        return self.say("─" * min(cells, self.width - INDENT), "dim")

    def _encodable(self, text: str) -> str:
        if self.encoding.startswith("utf"):
            return text
        return text.translate(_ASCII).encode(self.encoding, "backslashreplace").decode(self.encoding)


def _in_sight(text: str) -> str:
    return text if text and text == text.strip() else f'"{text}"'


def told_apart(texts: Sequence[str], limit: int) -> list[str]:
    """Texts made visible and cut to ``limit`` cells; those that would be cut to the same keep what they differ in.

    >>> told_apart(["2024-03-31 00:00:00+00:00", "2024-03-31 01:00:00+00:00", "2024"], 12)
    ['202…00:00…00', '202…01:00…00', '2024']
    """
    shown = [visible(text, limit) for text in texts]
    alike: dict[str, list[int]] = {}
    for place, cut in enumerate(shown):
        alike.setdefault(cut, []).append(place)
    for cut, places in alike.items():
        whole = [visible(texts[place]) for place in places]
        if len(set(whole)) > 1 and limit >= _LEAST_TOLD_APART:
            begin, head = _differing(whole, limit), _begun(cut, limit // 4)
            rests = told_apart([text[begin:] for text in whole], limit - 1 - cell_len(head))
            for place, rest in zip(places, rests, strict=True):
                shown[place] = f"{head}…{rest}"
    return shown


def _differing(texts: Sequence[str], limit: int) -> int:
    """Where they begin to differ, or where the word or number does in which that is, if it is short."""
    least, most = min(texts), max(texts)
    begin = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
    word = re.split(r"\W", texts[0][:begin])[-1]
    return begin - len(word) if len(word) <= limit // 4 else begin


def _begun(text: str, cells: int) -> str:
    while cell_len(text) > cells:
        text = text[:-1]
    return text


def styled(text: str, style: str = "") -> Text:
    """Text whose style ends with it: what is added behind it stays as it is."""
    return Text().append(text, style)


def padded(cell: Text, width: int, align: str) -> Text:
    """``cell`` filled with blanks to ``width`` cells; ``align`` is ``l`` or ``r``."""
    blanks = max(0, width - cell.cell_len)
    return Text(" " * blanks) + cell if align == "r" else cell + Text(" " * blanks)


def table(rows: Sequence[Sequence[Text] | None], align: str) -> list[Text]:
    """Rows as lines whose columns stand under each other; ``None`` leaves a place for a rule.

    The last column is not filled up, so that no line ends in blanks; a rule is returned as an empty line.
    """
    widths = [max((row[i].cell_len for row in rows if row is not None), default=0) for i in range(len(align))]
    lines = []
    for row in rows:
        line = Text()
        for cell, width, side in zip(row or (), widths, align, strict=False):
            line += padded(cell, width, side) + Text(" " * GAP)
        line.rstrip()
        lines.append(line)
    return lines


def indented(lines: Sequence[Text], cells: int = INDENT) -> list[Text]:
    """The lines, moved to the right."""
    return [Text(" " * cells) + line if line.plain else line for line in lines]


def wrapped(text: str, width: int) -> list[str]:
    """Words filled into lines of at most ``width`` cells; a word longer than that stays whole."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(joined) > width:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines


def title(text: str, screen: Screen, beside: str = "") -> list[Text]:
    """A heading, and in quieter words what it shows: below it where there is no room beside it."""
    if len(text) + GAP + len(beside) > screen.width - INDENT:
        return [screen.say(text, "bold"), *prose(beside, screen, hang=0, style="dim")]
    return [screen.say(text, "bold") + screen.say(f"  {beside}" if beside else "", "dim")]


def prose(text: str, screen: Screen, hang: int, style: str = "") -> list[Text]:
    """A paragraph, every line of it ``hang`` cells to the right."""
    shown = screen.say(visible(text)).plain
    return [Text(" " * hang) + styled(line, style) for line in wrapped(shown, screen.prose - INDENT - hang)]
