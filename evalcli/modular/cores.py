"""Which core the first batch asks for: counts of labels where they are enough, else the pass of an evaluation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from evalcli.layout import find_layout
from evalcli.modular.labels import LabelCore, suits
from evalcli.modular.passes import PassCore
from evalcli.sources.base import Field
from evalcli.sources.held_arrays import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.evidence import Evidence
    from evalcli.inputs import Sides
    from evalcli.metrics.arrays import HostArray
    from evalcli.modular.running import Core
    from evalcli.modular.setup import Setup


_PLAIN = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_PLAIN |= {"bool", "bfloat16", "float16", "float32", "float64"}


def first_core(setup: Setup, names: tuple[str, ...], sides: Sides, known: Evidence | None) -> Core | None:
    """An empty core for batches like this one; ``None`` for a batch without rows."""
    fields = plain_fields(sides.preds, sides.target)
    if fields is not None and fields[0].shape[0] > 0:
        layout = find_layout(*fields, setup.choices)
        if suits(setup.choices, names, layout, fields):
            return LabelCore(setup.choices, layout, fields, weighted=sides.weight is not None)
    return PassCore.of(setup, names, sides, known)


def saved_core(setup: Setup, names: tuple[str, ...], state: Mapping[str, HostArray]) -> Core:
    """The core whose ``state_dict`` this is.

    Raises:
        ValueError: it is not one of these metrics.

    """
    try:
        form = json.loads(bytes(state["form"]).decode())
        fields = tuple(
            Field(side["name"], side["name"], tuple(side["shape"]), side["dtype"], None, _names(side["columns"]))
            for side in form["fields"]
        )
    except (KeyError, ValueError, TypeError) as e:
        raise ValueError("this is no state of a registered metric") from e
    core: LabelCore | PassCore
    if form["core"] == "labels":
        layout = find_layout(fields[0], fields[1], setup.choices)
        core = LabelCore(setup.choices, layout, (fields[0], fields[1]), weighted=form["weighted"])
    else:
        core = PassCore(setup, names, (fields[0], fields[1]), weighted=form["weighted"])
    core.load_state_dict(state)
    return core


def _names(columns: list[str] | None) -> tuple[str, ...] | None:
    return None if columns is None else tuple(columns)


def plain_fields(preds: Any, target: Any) -> tuple[Field, Field] | None:
    """Both sides as fields where they are arrays of numpy or torch, which need no look at their values."""
    found = []
    for name, side in (("preds", preds), ("target", target)):
        dtype = str(side.dtype).removeprefix("torch.") if is_plain(side) else None
        if dtype not in _PLAIN or not side.shape:
            return None
        found.append(Field(name, name, tuple(side.shape), dtype))
    return found[0], found[1]
