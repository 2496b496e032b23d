"""Which library and device a caller's arrays are of, so that results come back as the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array


class Kind(NamedTuple):
    """``library`` is ``python``, ``numpy``, ``torch`` or the module of an array namespace."""

    library: str
    device: str = "cpu"

    def scalar(self, value: float) -> Any:
        """A number as an array without axes of this kind, float64; where a device has none, float32."""
        if self.library == "python":
            return value
        if self.library == "numpy":
            import numpy as np

            return np.float64(value)
        if self.library == "torch":
            import torch

            dtype = torch.float32 if self.device.startswith("mps") else torch.float64
            return torch.full((), value, dtype=dtype, device=self.device)  # which waits for nothing
        from importlib import import_module

        xp = import_module(self.library)
        return xp.asarray(value, dtype=xp.float64)


def kind_of(values: Array) -> Kind:
    """The kind of an input: columns of pandas and Polars and lists give plain numbers.

    >>> kind_of([0, 1]).scalar(0.5)
    0.5
    """
    package = type(values).__module__.partition(".")[0]
    if package == "numpy":
        return Kind("numpy")
    if hasattr(values, "detach"):
        return Kind("torch", str(values.device))
    if package not in {"pandas", "polars"} and hasattr(values, "__array_namespace__"):
        return Kind(values.__array_namespace__().__name__)
    return Kind("python")
