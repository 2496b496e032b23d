"""One metric over the processes of a distributed run: every rank merges the states of all, in the order of ranks."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evalcli.metrics.base import Metric

M = TypeVar("M", bound="Metric")


_ALONE: ContextVar[bool] = ContextVar("_ALONE", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """What is computed inside is of this process only."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def is_alone() -> bool:
    """Whether the value of one batch of one process is being computed."""
    return _ALONE.get()


def is_distributed() -> bool:
    """Whether ``torch.distributed`` runs with several processes; asks without importing torch."""
    distributed: Any = sys.modules.get("torch.distributed")
    return bool(
        distributed is not None
        and distributed.is_available()
        and distributed.is_initialized()
        and distributed.get_world_size() > 1
    )


def over_ranks(metric: M, group: Any = None) -> M:
    """A new metric that has seen what the metrics of all ranks of ``group`` have seen."""
    import torch.distributed as dist

    ranks: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(ranks, metric, group=group)
    total = metric.fresh()
    for part in ranks:
        total.merge(part)
    return total
