"""How a metric is addressed in slices: ``accuracy@region=EU``, ``@region=*`` for the worst, ``@region:gap``.

What this cannot say stands in double quotes behind ``@=``, where no name of a column begins: ``accuracy@="a=b"="x "``,
a quote in it twice. ``@="a"="*"`` is the slice that is called so, ``@="a"=*`` the worst.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

WORST = "*"
Kind = Literal["all", "slice", "gap", "whole"]
"""Of all rows, of one slice or the worst, the gap between slices, or what compares them."""

_STEM = r"(?P<stem>[^\[@]*)(?:\[(?P<label>.*)\])?"
_PLAIN = re.compile(
    rf"{_STEM}(?:@(?:(?P<gap>[^=]+):gap|(?P<slice>[^=]+)=(?P<value>.*)|(?P<whole>[^=]+)))?",
    re.DOTALL,
)
_IN_QUOTES = r'"(?P<{}>(?:[^"]|"")*)"'
_QUOTED = rf'{_STEM}@={_IN_QUOTES.format("by")}(?:(?P<gap>:gap)|=(?:{_IN_QUOTES.format("called")}|(?P<value>[^"].*)))?'
"""Compiled when somebody writes so."""


class Address(NamedTuple):
    """A metric in slices: its name in all rows, what they are sliced ``by``, and the ``value`` of the slice.

    The value is ``*`` for the worst, unless the slice is ``starred``, called so, and ``None`` for the gap or what
    compares slices.
    """

    metric: str
    by: str
    value: str | None
    starred: bool = False

    @property
    def is_worst(self) -> bool:
        """Whether the worst slice is meant."""
        return self.value == WORST and not self.starred

    @property
    def names_slice(self) -> bool:
        """Whether one slice is named."""
        return self.value is not None and not self.is_worst


class Parts(NamedTuple):
    """What a text says: what stands before the brackets, the class in them, and where."""

    stem: str
    label: str | None
    kind: Kind = "all"
    by: str | None = None
    value: str | None = None
    starred: bool = False

    @property
    def metric(self) -> str:
        """The name of all rows."""
        return self.stem if self.label is None else f"{self.stem}[{self.label}]"


def parted(text: str) -> Parts | None:
    """The parts of an address; ``None`` where it is none. A label may hold brackets, to the last one that fits.

    >>> parted('recall[a]b]@="x=y"="*"')
    Parts(stem='recall', label='a]b', kind='slice', by='x=y', value='*', starred=True)
    """
    found = _PLAIN.fullmatch(text)
    if found is not None:
        kinds: tuple[Kind, ...] = ("slice", "gap", "whole")
        kind: Kind = next((one for one in kinds if found[one] is not None), "all")
        by = None if kind == "all" else found[kind]
        return Parts(found["stem"], found["label"], kind, by, found["value"])
    found = re.fullmatch(_QUOTED, text, re.DOTALL)
    if found is None or not found["by"]:
        return None
    by, called = (None if each is None else each.replace('""', '"') for each in (found["by"], found["called"]))
    value = found["value"] if called is None else called
    kind = "gap" if found["gap"] else "whole" if value is None else "slice"
    return Parts(found["stem"], found["label"], kind, by, value, called == WORST)


@lru_cache(maxsize=4096)
def written(metric: str, kind: Kind, by: str, value: str | None = None, *, starred: bool = False) -> str:
    """The text of an address, in quotes only where it would say something else without.

    >>> written("accuracy", "slice", "region", "EU"), written("accuracy", "slice", "a=b", 'x" y')
    ('accuracy@region=EU', 'accuracy@="a=b"="x"" y"')
    """
    tail = {"gap": ":gap", "slice": f"={value}"}.get(kind, "")
    plain = f"{metric}@{by}{tail}"
    found = parted(plain)
    said = None if found is None or plain != plain.strip() else (found.metric, *found[2:])
    if said == (metric, kind, by, value, starred):
        return plain
    if kind == "slice" and value is not None and (value != WORST or starred):
        tail = f"={_in_quotes(value)}"
    return f"{metric}@={_in_quotes(by)}{tail}"


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def split_address(text: str) -> Address | None:
    """The parts of what is addressed in slices, whether or not the registry knows the metric; ``None``: of all rows.

    >>> split_address("MyRMSE@region=EU")
    Address(metric='MyRMSE', by='region', value='EU', starred=False)
    >>> split_address("MyRMSE@region:gap").value, split_address("recall[a@b]")
    (None, None)
    """
    found = parted(text)
    if found is None or found.by is None:
        return None
    return Address(found.metric, found.by, found.value, found.starred)
