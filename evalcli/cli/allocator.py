"""How the C library hands out memory: what a batch gives back is kept for the next one.

By default glibc returns a freed megabyte to the system at once, and gives every thread an arena that grows by system
calls. A report of ten million scores then waits a third of its time for pages that it has had before.
"""

from __future__ import annotations

from contextlib import suppress

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""The names of ``mallopt``, from ``malloc.h``."""

_KEPT = 256 << 20
"""Bytes that stay with the process when they are free."""

_FROM_SYSTEM = 32 << 20
"""Arrays of this size come from the system, and go back to it: the most that glibc lets be set."""

_STEP = 16 << 20
"""By so much the heap grows."""


def keep_what_is_freed() -> None:
    """Tell the C library, where it is one that listens; to be called before there are threads."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # another system's
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (
            (_TRIM_THRESHOLD, _KEPT),
            (_TOP_PAD, _STEP),
            (_MMAP_THRESHOLD, _FROM_SYSTEM),
            (_ARENA_MAX, 1),
        ):
            mallopt(option, value)
