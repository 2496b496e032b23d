"""Where arrays live: numpy on the host, torch on any device, and the way between them.

States and formulas ask here for their namespace and are then written once against the array API. numpy 2 conforms to
it by itself, so a run on numpy imports neither torch nor ``array_api_compat.numpy``, which alone costs 90 ms.
This module imports nothing heavy at its head: the registry stands on it and must load in no time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    HostArray: TypeAlias = np.ndarray[Any, Any]

_BLOCK_CELLS = 4096
"""Counts of so many cells fit into the memory that a block of a GPU's threads shares."""

Array: TypeAlias = Any
"""A numpy array or a torch tensor; no static type spans both."""


def is_host(array: Array) -> bool:
    """Whether ``array`` is numpy's (or a plain number, which needs no device)."""
    return _is_of_host(type(array))  # type: ignore[arg-type]  # every type is hashable


@cache
def _is_of_host(kind: type) -> bool:
    return issubclass(kind, (int, float)) or kind.__module__.partition(".")[0] == "numpy"


def namespace(*arrays: Array) -> Any:
    """The array API namespace that all ``arrays`` share."""
    if all(map(_is_of_host, map(type, arrays))):  # asked so often that a generator would show
        import numpy as np

        return np
    from array_api_compat import array_namespace

    return array_namespace(*(array for array in arrays if not isinstance(array, (int, float))))


def asnumpy(array: Array) -> HostArray:
    """``array`` on the host, as numpy; waits for its device."""
    import numpy as np

    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


def host_scores(scores: Array) -> HostArray:
    """Scores on the host, in a type that numpy computes with: it has no bfloat16 to receive torch's."""
    return asnumpy(scores if is_host(scores) or scores.dtype.itemsize > 2 else scores.float())


def to_device(array: Array, device: Any) -> Array:
    """``array`` on ``device``: numpy stays numpy on ``"cpu"``; any other device, or a ``torch.device``, means torch."""
    if isinstance(array, (int, float)):
        return array
    if not is_host(array):
        return array.to(device)
    if device == "cpu" and isinstance(device, str):
        return array
    import torch

    if torch.device(device).type != "cuda" or not array.nbytes:
        return torch.as_tensor(array if array.flags.writeable else array.copy(), device=device)
    # Through pinned memory, which torch keeps and gives out again once the copy is done: it takes twice as many bytes
    # a second, and this thread need not wait for it, nor for all that was asked before.
    import numpy as np

    pinned = torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype, pin_memory=True)
    np.copyto(pinned.numpy(), array)
    return pinned.to(device, non_blocking=True)


def fetch(*tensors: Array) -> list[HostArray]:
    """Tensors of one device on the host, as numpy: one wait for all of them, and none for what others ask of it."""
    return [asnumpy(tensor) for tensor in brought(tensors)]


def brought(tensors: Sequence[Array]) -> list[Array]:
    """Tensors as tensors of the host, with one wait for each device that they lie on."""
    import torch

    held = [
        torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor.detach(), non_blocking=True)
        if tensor.device.type == "cuda"
        else tensor.detach().cpu()
        for tensor in tensors
    ]
    for device in {tensor.device for tensor in tensors if tensor.device.type == "cuda"}:
        torch.cuda.current_stream(device).synchronize()
    return held


def tensor_of(array: Any, device: Any = "cpu") -> Any:
    """A tensor of torch that shares nothing with ``array``, of a type that it can compute with."""
    import numpy as np
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach().to(device)
    held = np.asarray(array)
    if held.dtype.kind == "u" and held.dtype.itemsize > 1:
        held = held.astype(np.int64)
    return torch.from_numpy(np.array(held)).to(device)


def like(array: Array, reference: Array) -> Array:
    """``array`` in the namespace and on the device of ``reference``."""
    if is_host(reference):
        return asnumpy(array)
    # a plain number goes through numpy: torch alone would make float32 of it
    return to_device(asnumpy(array) if is_host(array) else array, reference.device)


def joined(parts: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one namespace behind one another along ``axis``; ``None`` of several that are ``None``."""
    held = [part for part in parts if part is not None]
    return namespace(*held).concat(held, axis=axis) if held else None


def columns(values: Array, places: HostArray | slice) -> Array:
    """Some columns of ``values`` (K, N), row by row in memory: numpy's own index lays them out by column."""
    if isinstance(places, slice):
        return values[:, places]
    return values.take(places, axis=1) if is_host(values) else values[:, like(places, values)]


def picked(values: Array, rows: Array | slice) -> Array:
    """Some rows of ``values`` (N, …), by their numbers or as a slice.

    Numpy's own index takes four times as long where a row has several values, and a third more where it has one.
    """
    whole = is_host(values) and getattr(rows, "dtype", None) == "int64"
    return values.take(rows, axis=0) if whole else values[rows]


def distinct(values: HostArray) -> HostArray:
    """The values that occur, rising: (K,). ``np.unique`` says the same, but imports masked arrays for it: 5 ms."""
    import numpy as np

    rising = np.sort(values, axis=None)
    fresh = np.ones(rising.shape, bool)
    np.not_equal(rising[1:], rising[:-1], out=fresh[1:])
    found: HostArray = rising[fresh]
    return found


def count_cells(cells: Array, size: int, repeats: Array | None = None) -> Array:
    """How often each of ``0 … size − 1`` occurs in ``cells`` (N,) int64, each row ``repeats`` times: (size,) int64.

    The one operation that the array API lacks. Integers on every path, so no order of addition can show; on a GPU it
    never waits, where ``torch.bincount`` would wait for the largest cell. A cell that many rows share is added to in a
    histogram of each block first, up to as many cells as fit there: one after the other they take ten times as long.
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
    if repeats is None and cells.device.type == "cuda" and size <= _BLOCK_CELLS:
        import torch

        if not torch.are_deterministic_algorithms_enabled():  # whole numbers always are, but torch does not know
            return cells.histc(bins=size, min=0, max=size)
    ones = cells.new_ones(()).expand(cells.shape) if repeats is None else repeats
    return cells.new_zeros(size).scatter_add_(0, cells, ones)


def column_order(columns: Sequence[str] | None, names: Sequence[str]) -> HostArray | None:
    """Where each of ``names`` lies among named columns; ``None`` where it lies in place, or where columns lack one."""
    import numpy as np

    if columns is None or tuple(columns) == tuple(names) or {*columns} != {*names}:
        return None
    return np.array([columns.index(name) for name in names], np.int64)
