"""How often metric objects wait for a GPU: an update after the first, and a value."""

from __future__ import annotations

import warnings
from itertools import product
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.gpu import options_of

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING = ("Accuracy", "ECE", "LogLoss", "TopKAccuracy", "AURC", "AUROC", "AveragePrecision", "KS")
"""Whose waits are counted: one of each kind of state."""
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    ", ignore_index": {"ignore_index": 0},
    ", nan=drop": {"nan": "drop"},
    ", nan=wrong": {"nan": "wrong"},
    ", weight": {},
}


def waits_of(work: Callable[[], object]) -> int:
    """How often ``work`` waits for the device, as far as torch tells."""
    import torch

    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) and "prototype" not in str(one.message) for one in told)


def waits(rows: int, classes: int) -> list[str]:
    """An update after the first, and a value: how long, and how often each waits for the device."""
    import torch

    import evalcli

    torch.manual_seed(0)
    sides = torch.randn(rows, classes, device="cuda").softmax(1), torch.randint(classes, (rows,), device="cuda")
    weight = torch.rand(rows, device="cuda", dtype=torch.float64)
    lines = [
        f"## Waits for the device, ({rows:,}, {classes}) float32 probabilities a batch",
        "",
        "| metric | a further update | waits | compute | waits |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, (said, options) in product(WAITING, OPTIONS.items()):
        metric = getattr(evalcli.metrics, name)(**(options_of(name) or {}), **options).to("cuda")
        given = (*sides, weight) if said == ", weight" else sides
        again = [update_and_value(metric, given) for _ in range(5)][1:]
        times = [median(each[number] for each in again) for number in range(2)]
        counts = [again[-1][number] for number in (2, 3)]
        lines.append(
            f"| {name}{said} | {times[0] * 1e3:.2f} ms | {counts[0]:.0f} | {times[1] * 1e3:.2f} ms | {counts[1]:.0f} |"
        )
    return lines


def update_and_value(metric: Any, sides: tuple[Any, ...]) -> tuple[float, float, int, int]:
    """Seconds of a second update and of the value then, and how often a third update and that value wait."""
    import torch

    metric.reset()
    metric.update(*sides)
    found = []
    for work in (lambda: metric.update(*sides), metric.compute):
        torch.cuda.synchronize()
        begin = perf_counter()
        work()
        torch.cuda.synchronize()
        found.append(perf_counter() - begin)
    metric.reset()
    metric.update(*sides)
    return found[0], found[1], waits_of(lambda: metric.update(*sides)), waits_of(metric.compute)
