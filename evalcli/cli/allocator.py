"""How the C library hands out memory: what a batch gives back is kept for the next one.

By default glibc returns a freed megabyte to the system at once, and gives every thread an arena that grows by system
calls. A report of ten million scores then waits a third of its time for pages that it has had before.

Where memory is limited (``ulimit -v``), a library may end the process by itself: OpenBLAS, which numpy loads, calls C's
``exit(1)`` where its buffers find no room, and 1 would say that a gate failed.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""The names of ``mallopt``, from ``malloc.h``."""

_KEPT = 256 << 20
"""Bytes that stay with the process when they are free."""

_FROM_SYSTEM = 32 << 20
"""Arrays of this size come from the system, and go back to it: the most that glibc lets be set."""

_STEP = 16 << 20
"""By so much the heap grows."""

_RLIMIT_AS = 9
"""The address space, from Linux's ``resource.h``: Python's module takes longer to import than to ask C."""

_held: list[Any] = []
"""What C holds no reference to."""


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


def end_where_there_is_none(code: int, tell: Callable[[], object]) -> None:
    """Let a call of C's ``exit`` ``tell`` what happened and end in this ``code``: this process never makes one."""
    if sys.platform != "linux":
        return
    import ctypes

    limits = (ctypes.c_ulong * 2)()
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        if libc.getrlimit(_RLIMIT_AS, limits) or limits[0] == ctypes.c_ulong(-1).value:
            return

        def end(_: object) -> None:
            try:
                tell()
            finally:
                os._exit(code)

        handler = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(end)
        _held.append(handler)
        register = libc.__cxa_atexit
        register(handler, None, None)
