"""The best column of rows of scores on a GPU, in one reading of them.

torch's ``argmax`` takes no less time for bfloat16 than for float32, which are half the bytes, and says nothing of rows
without a best column. Compiled by Triton, which comes with torch for CUDA, when first called for so many columns; who
imports this must be ready for an ``ImportError`` where it did not come.

Source: Tillet, Kung and Cox 2019, Triton: an intermediate language and compiler for tiled neural network computations.
"""
# No ``from __future__ import annotations``: the compiler reads those of a kernel.

from typing import Any

import torch
import triton
import triton.language as tl

WIDEST = 1024
"""Columns that are read at a time."""

TILE = 1024
"""Scores that a program of one warp reads at a time: measured fastest of 1024 to 16,384 on an H200."""

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def best_columns(scores: Any) -> Any:
    """The first of the largest columns of each row of ``scores`` (N, C), int64; −1 where there is a NaN or only −inf.

    ``scores`` are contiguous, of one of ``DTYPES``, on a device that Triton compiles for.
    """
    rows, columns = scores.shape
    width = min(WIDEST, triton.next_power_of_2(columns))
    height = max(1, TILE // width)
    best = torch.empty(rows, dtype=torch.int64, device=scores.device)
    with torch.cuda.device(scores.device):  # Triton asks the current one
        _best_of_rows[(triton.cdiv(rows, height),)](
            scores, best, rows, COLUMNS=columns, HEIGHT=height, WIDTH=width, num_warps=1
        )
    return best


@triton.jit  # type: ignore[untyped-decorator]
def _best_of_rows(  # type: ignore[no-untyped-def]  # a language of its own
    scores,
    best,
    rows,
    COLUMNS: tl.constexpr,  # noqa: N803
    HEIGHT: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0).to(tl.int64) * HEIGHT + tl.arange(0, HEIGHT)
    inside = row < rows
    top = tl.full((HEIGHT,), float("-inf"), tl.float32)
    place = tl.full((HEIGHT,), -1, tl.int32)
    bad = tl.zeros((HEIGHT,), tl.int32)
    for first in range(0, COLUMNS, WIDTH):
        column = first + tl.arange(0, WIDTH)
        held = inside[:, None] & (column < COLUMNS)[None, :]
        tile = tl.load(scores + row[:, None] * COLUMNS + column[None, :], mask=held, other=float("-inf"))
        tile = tile.to(tl.float32)
        bad = tl.maximum(bad, tl.max((tile != tile).to(tl.int32), axis=1))  # noqa: PLR0124  # a NaN
        here, at = tl.max(tile, axis=1, return_indices=True)
        better = here > top
        place = tl.where(better, first + at, place)
        top = tl.where(better, here, top)
    tl.store(best + row, tl.where(bad > 0, -1, place).to(tl.int64), mask=inside)
