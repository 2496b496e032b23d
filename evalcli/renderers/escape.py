r"""Text from files made harmless and visible.

A class name or a file name may hold anything: escape codes that recolour or retitle the terminal, line breaks that
split a row, characters that reorder or hide what stands beside them. Everything of that kind is shown as the escape a
programmer would write, so that two different names rarely look alike and no output ever carries a raw one. Backslashes
stay as they are: ``visible(visible(x)) == visible(x)``.
"""

from __future__ import annotations

import re

UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0"  # invisible on their own
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, line separators, bidi, BOM, annotation
    "\ud800-\udfff"  # surrogates: undecodable bytes of a file name, or half a character
    "\U000e0000-\U000e0fff"  # tags
    "]"
)

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, limit: int | None = None) -> str:
    r"""``text`` with every control, bidi and zero-width character as an escape, cut to ``limit`` terminal cells.

    >>> print(visible("a\x1b[31m\n"))
    a\x1b[31m\n
    >>> visible("class_of_many_0017", 10)
    'class_…017'
    """
    shown = UNSAFE.sub(_escaped, text)
    return shown if limit is None else _capped(shown, limit)


def _escaped(match: re.Match[str]) -> str:
    char = match.group()
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _capped(text: str, limit: int) -> str:
    """Cut in the middle: names of one family differ at their ends."""
    tail = limit // 3
    if text.isascii():  # the common case needs no width table
        return text if len(text) <= limit else f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
    from rich.cells import cell_len

    head = text[: 4 * limit]  # marks that take no cell must not make a name endless either
    if head == text and cell_len(text) <= limit:
        return text
    end = text[len(text) - tail :]
    while cell_len(end) > tail:
        end = end[1:]
    while cell_len(head) > limit - 1 - cell_len(end):
        head = head[:-1]
    return f"{head}…{end}"


_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def spreadsheet(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: those that would start one get a ``'`` in front.

    >>> spreadsheet("=cmd()"), spreadsheet("cat")
    ("'=cmd()", 'cat')
    """
    shown = visible(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


_PROSE = r"[\\|`*_\[\]<>!~&]"
_ACTIVE = "[@#]"
_LINK = r"(?i:(https?|ftp)://|\bwww\.)"
_NAME = r"[\\|`*_\[\]<>!#@~&\"']"


def markdown(text: str) -> str:
    r"""Prose for GitHub's Markdown: no formatting, link, image, mention or reference comes from ``text``.

    A backslash stops formatting, but mentions and references are found in the finished page, where only code is left
    alone: ``@`` and ``#`` are set as code.

    >>> print(markdown("a|b *c* @team #12"))
    a\|b \*c\* <code>@</code>team <code>#</code>12
    """
    safe = re.sub(_PROSE, r"\\\g<0>", visible(text))
    safe = re.sub(_ACTIVE, r"<code>\g<0></code>", safe)
    return re.sub(_LINK, lambda found: found.group().replace(":", "&#58;").replace(".", "&#46;"), safe)


def markdown_name(text: str) -> str:
    """A class name or a path as inert code, fit for a table cell.

    >>> markdown_name("cat"), markdown_name("a|b")
    ('`cat`', '<code>a&#124;b</code>')
    """
    shown = visible(text) or '""'
    plain = "`" not in shown and "|" not in shown and shown == shown.strip()
    if plain:
        return f"`{shown}`"
    inner = re.sub(_NAME, lambda found: f"&#{ord(found.group())};", shown)
    return f"<code>{inner.replace(' ', '&#32;')}</code>"
