"""What a reader of one tensor format hands over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalcli.errors import InputError, LimitError
from evalcli.sources.rawfile import plain

if TYPE_CHECKING:
    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.base import Note
    from evalcli.sources.rawfile import Region

ARRAY_LIMIT = 1_000


@dataclass(slots=True)
class Contents:
    """Arrays by name in file order, and what was passed over, with the reason.

    ``regions`` carry the format's own CRC-32 when it is ``checksummed``; ``base`` is the CRC-32 of the part that
    describes the arrays.
    """

    arrays: dict[str, StoredArray] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    checksummed: bool = False
    base: int = 0
    regions: list[Region] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    lists: dict[str, list[str]] = field(default_factory=dict)
    """Of each list of arrays, their names: those of one key, where it is a list of dicts."""
    moments: dict[str, StoredArray] = field(default_factory=dict)
    """Of what was passed over, the dates and times, by which rows may be sliced."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the file says of itself in words."""

    def add(self, array: StoredArray, whole: str | None = None) -> None:
        """One more array; ``whole`` is the name of the list that it is in.

        Raises:
            InputError: its name is taken.
            LimitError: there are too many outside of lists.

        """
        self.check_name(array.name)
        if whole is not None:
            self.lists.setdefault(whole, []).append(array.name)
        elif len(self.arrays) - sum(map(len, self.lists.values())) >= ARRAY_LIMIT:
            raise LimitError(f"more than {ARRAY_LIMIT:,} arrays", fix="save one tensor of all samples")
        self.arrays[array.name] = array

    def skip(self, name: str, reason: str) -> None:
        """Something that is no input stays unread."""
        self.check_name(name)
        self.skipped[name] = reason

    def why_skipped(self, name: str) -> InputError:
        """Why this one is not among the arrays."""
        what, _, fix = self.skipped[name].partition("; ")
        return InputError(f"{plain(name)}: {what}" if name else what, fix=fix)

    def check_name(self, name: str) -> None:
        """Names are unique."""
        if name in self.arrays or name in self.skipped:
            raise InputError(f"two entries are named {plain(name)}", fix="rename one")

    def check_any(self) -> None:
        """At least one array can be read.

        Raises:
            InputError: none can; the first reason is named.

        """
        if self.arrays:
            return
        for name in self.skipped:
            raise self.why_skipped(name)
        raise InputError("no tensor inside", fix="save {'pred': tensor, 'target': tensor}")
