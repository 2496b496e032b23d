"""Files in, batches out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalcli.sources.base import Selection, Source


def open_source(preds: str, target: str | None, selection: Selection) -> Source:
    """Open one file that holds both sides, or two."""
    raise NotImplementedError
