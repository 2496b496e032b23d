"""Where arrays live: numpy on the host, torch on any device, and the way between them.

States and formulas ask here for their namespace and are then written once against the array API. numpy 2 conforms to
it by itself, so a run on numpy imports neither torch nor ``array_api_compat.numpy``, which alone costs 90 ms.
This module imports nothing at its head: the registry stands on it and must load in no time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    HostArray: TypeAlias = np.ndarray[Any, Any]

Array: TypeAlias = Any
"""A numpy array or a torch tensor; no static type spans both."""


def is_host(array: Array) -> bool:
    """Whether ``array`` is numpy's (or a plain number, which needs no device)."""
    return isinstance(array, (int, float)) or type(array).__module__.partition(".")[0] == "numpy"


def namespace(*arrays: Array) -> Any:
    """The array API namespace that all ``arrays`` share."""
    if all(is_host(array) for array in arrays):
        import numpy as np

        return np
    from array_api_compat import array_namespace

    return array_namespace(*(array for array in arrays if not isinstance(array, (int, float))))


def asnumpy(array: Array) -> HostArray:
    """``array`` on the host, as numpy; waits for its device."""
    import numpy as np

    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


def to_device(array: Array, device: Any) -> Array:
    """``array`` on ``device``: numpy stays numpy on ``"cpu"``; any other device, or a ``torch.device``, means torch."""
    if isinstance(array, (int, float)):
        return array
    if not is_host(array):
        return array.to(device)
    if device == "cpu" and isinstance(device, str):
        return array
    import torch

    return torch.as_tensor(array, device=device)


def like(array: Array, reference: Array) -> Array:
    """``array`` in the namespace and on the device of ``reference``."""
    if is_host(reference):
        return asnumpy(array)
    import torch

    # a plain number goes through numpy: torch alone would make float32 of it
    return torch.as_tensor(asnumpy(array) if is_host(array) else array, device=reference.device)


def count_cells(cells: Array, size: int, repeats: Array | None = None) -> Array:
    """How often each of ``0 … size − 1`` occurs in ``cells`` (N,) int64, each row ``repeats`` times: (size,) int64.

    The one operation that the array API lacks. Integers on every path, so no order of addition can show; on a GPU it
    adds in place and never waits, where ``torch.bincount`` would wait for the largest cell.
    """
    if is_host(cells):
        import numpy as np

        if repeats is None:
            return np.bincount(cells, minlength=size).astype(np.int64, copy=False)
        counts = np.zeros(size, np.int64)
        np.add.at(counts, cells, repeats)
        return counts
    if repeats is None and cells.device.type in ("cpu", "mps"):
        return cells.bincount(minlength=size)
    ones = cells.new_ones(()).expand(cells.shape) if repeats is None else repeats
    return cells.new_zeros(size).scatter_add_(0, cells, ones)
