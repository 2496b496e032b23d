"""Which task, which score kind: decided once, for the whole input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user fixed; ``None`` means: decide from the whole input."""

    task: str | None = None
    scores: str | None = None
    threshold: float | None = None
    positive: str | None = None
    labels: tuple[str, ...] | None = None
    ignore_index: int | None = None
    nan: str = "error"
    classes: str = "seen"
    class_axis: int | None = None
