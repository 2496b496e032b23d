"""Where memory is limited (``ulimit -v``), a library may end the process itself: its exit code becomes one of ours.

OpenBLAS, which numpy loads, calls ``exit(1)`` where its buffers find no room, and 1 would say that a gate failed.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_RLIMIT_AS = 9
"""The address space, from Linux's ``resource.h``: Python's module takes longer to import than to ask C."""
_held: list[Any] = []
"""What C holds no reference to."""


def end_with(code: int, tell: Callable[[], object]) -> None:
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
