"""Rows whose content has the lowest hash, found on a device: :mod:`evalcli.metrics.temperature` in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from evalcli.metrics.arrays import fetch
from evalcli.metrics.temperature import FIRST_SPREAD, SECOND_SPREAD, hash_factors

if TYPE_CHECKING:
    from evalcli.metrics.arrays import Array
    from evalcli.metrics.temperature import LowestHashes

_LEAST = -(1 << 63)


def row_hashes(scores: Array, target: Array) -> Array:
    """A hash (n,) of each row of ``scores`` (n,) or (n, C) and ``target`` (n,): the bits of uint64 in an int64."""
    columns = scores[:, None] if scores.ndim == 1 else scores
    many = hash_factors(columns.shape[1] + 2).view(np.int64)
    factors = torch.from_numpy(many).to(scores.device)
    bits = (columns.double() + 0.0).view(torch.int64)
    return _mixed(target * factors[0] + (bits * factors[2:]).sum(1))


def _mixed(hashes: Array) -> Array:
    """Every bit spread over all the others (the finaliser of SplitMix64)."""
    for shift, factor in (FIRST_SPREAD, SECOND_SPREAD):
        hashes = (hashes ^ _down(hashes, shift)) * (factor - (1 << 64))
    return hashes ^ _down(hashes, 31)


def _down(hashes: Array, shift: int) -> Array:
    """A shift to the right that brings no sign along."""
    return (hashes >> shift) & ((1 << (64 - shift)) - 1)


def lowest(hashes: Array, sample: LowestHashes, among: Array | None = None) -> Array:
    """The rows (K,) of ``hashes`` (n,), ``among`` some (n,) bool, that may be the lowest that ``sample`` has seen."""
    ordered = hashes ^ _LEAST  # compares as unsigned
    low = ordered <= sample.limit - (1 << 63)
    where = (low if among is None else low & among).nonzero()[:, 0]
    if len(where) <= sample.capacity:
        return where
    found = ordered[where]
    rising = torch.unique(found)  # of a batch so many different ones at most can be among the lowest
    return where[found <= rising[: sample.capacity][-1]]


def add_rows(sample: LowestHashes, hashes: Array, content: list[Array], rows: Array) -> None:
    """Add some ``rows`` to ``sample``: their hashes, and what is in ``content``, each (n,) or (n, K), side by side."""
    if not len(rows):
        return
    parts = [part[rows].double() for part in content]
    wide = torch.cat([part[:, None] if part.ndim == 1 else part for part in parts], dim=1) + 0.0
    found, held = fetch(hashes[rows], wide)
    sample.add(found.view(np.uint64), held.copy(), np.ones(len(found), np.int64))
