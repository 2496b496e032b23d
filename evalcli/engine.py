"""The only loop: batches, workers, states; progress; device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Execution:
    """Where and how to run. ``None`` and ``auto`` mean: by a stated rule."""

    backend: str = "auto"
    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None


class Progress(Protocol):
    """Told how far the work is; it decides by itself whether a person sees anything."""

    def __call__(self, done: int, total: int | None) -> None:
        """Report ``done`` of ``total`` rows (``None``: unknown)."""
