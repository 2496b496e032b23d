"""Which files hold which model, and the rows of several models opened to be read side by side."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from evalcli.cli.progress import Meter
    from evalcli.sources.base import Selection, Source


class Side(NamedTuple):
    """One model: its file, the truth unless that lies in the same file, and the column or key."""

    preds: str
    targets: str | None
    pred: str | None


def open_models(sides: Sequence[Side], wanted: Selection, progress: Meter, held: ExitStack) -> list[Source]:
    """The sources of all models, row by row, until ``held`` is closed."""
    from evalcli.sources import open_source

    sources = []
    for side in sides:
        chosen = replace(wanted, pred=side.pred, listing=True, sorted=wanted.id is not None)
        source = open_source(side.preds, side.targets, chosen, progress.share)
        held.enter_context(closing(source))
        sources.append(source)
    return sources
