"""Which parts belong together: what they have in common, and what to say where they do not."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from evalcli.errors import InputError
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Readings = tuple[tuple[str, str], ...]

    from evalcli.parts import About
    from evalcli.sources.base import Field

_ALIKE: tuple[tuple[str, str, Callable[[About], object]], ...] = (
    ("declares other labels than", "--labels", lambda about: about.choices.labels),
    ("was written under other choices than", "options", lambda about: replace(about.choices, labels=None)),
    ("computed other metrics than", "-m", lambda about: about.metrics),
    ("computed other metrics for gates than", "--min and --max", lambda about: about.gated),
    ("ranks within another budget than", "--ranking-budget", lambda about: about.budget),
    ("is sliced by other columns than", "--by", lambda about: [slicer.name for slicer in about.slicers]),
    ("has other clusters than", "--cluster", lambda about: about.clustered),
    ("holds rows chosen otherwise than", "--where", lambda about: about.where),
    ("searches for other weak slices than", "--scan", lambda about: _searched(about)),  # noqa: PLW0108  stands below
    ("counted other metrics of your own than", "--metric", lambda about: about.own),
    ("differs in having weights from", "--weight", lambda about: about.weighted),
    ("has another layout than", "options", lambda about: about.layout),
    ("has other score columns than", "--pred", lambda about: about.preds.columns),
    ("has rows of another shape than", "options", lambda about: (about.preds.shape[1:], about.target.shape[1:])),
    ("differs in holding text or numbers from", "options", lambda about: _texts(about)),  # noqa: PLW0108  stands below
    ("stores its scores in another type than", "options", lambda about: _stored(about)),  # noqa: PLW0108  likewise
)
"""What a part must have in common with the others: how it differs, the option that says it, where it stands."""
_OF_KINDS = {"has another layout than", "differs in holding text or numbers from"}
"""Differences that may come from what is stored on one side."""
_CHOSEN = 10
"""So many of them are chosen, and hold even of a part without rows."""


def _searched(about: About) -> object:
    """What is asked of a search, and of which columns; of all but ids these are not known yet."""
    scanned = about.scanned
    if scanned is None or not scanned.asked.every:
        return None if scanned is None else (scanned.asked, [column.name for column in scanned.columns])
    return (scanned.asked, scanned.left_out, [size.name for size in scanned.sizes], scanned.hashed)


def _stored(about: About) -> str:
    """The type of the scores; labels are the same in any, and so are the values of a regression that was asked for."""
    return "" if about.layout.preds in {"labels", "values"} else about.preds.dtype


def _texts(about: About) -> tuple[bool, ...]:
    may_be_values = about.layout.target == "labels" and "float" in about.target.dtype
    return (about.preds.labels is None, about.target.labels is None, may_be_values)


def check_alike(first: About, second: About, beside: str, path: str) -> None:
    """Refuse the second part beside the first, which is called ``beside``.

    Raises:
        InputError: the two do not belong together.

    """
    for what, option, of in _ALIKE if first.rows and second.rows else _ALIKE[:_CHOSEN]:
        here, there = of(first), of(second)
        if here != there:
            if what in _OF_KINDS:
                _tell_kinds(first, second, beside, path)
            if first.preds.columns and second.preds.columns:
                _tell_order(first.preds.columns, second.preds.columns, beside, path)
            message = f"{what} {beside}{_difference(here, there)}"
            raise InputError(message, fix=f"write all parts with the same {option}", path=path)


def joined_readings(first: Readings, second: Readings, beside: str, path: str) -> Readings:
    """As what ``--where`` sees columns in both: text may equal no number that it looks like, ``30`` and ``30.0``.

    Raises:
        InputError: as one thing in the first, which is called ``beside``, and as another in the second.

    """
    here, there = dict(first), dict(second)
    for column in here.keys() & there.keys():
        if here[column] != there[column]:
            from evalcli.sources.table_where import spelled

            name = column.partition(".")[2]
            what = f"--where sees {name!r} as {there[column]} here, as {here[column]} in {beside}"
            fix = f"compare {spelled(name)}::VARCHAR or TRY_CAST({spelled(name)} AS DOUBLE), and write all parts so"
            raise InputError(what, fix=fix, path=path)
    return tuple(sorted((here | there).items()))


def _difference(here: object, there: object) -> str:
    """Both values where they are short, and of choices those that differ."""
    if isinstance(here, Choices) and isinstance(there, Choices):
        names = [one.name for one in fields(here) if getattr(here, one.name) != getattr(there, one.name)]
        return f" (--{names[0].replace('_', '-')})" if names and names[0] != "chosen" else " (--threshold)"
    simple = isinstance(here, str | int | None) and isinstance(there, str | int | None)
    return f" ({_named(there)} beside {_named(here)})" if simple and not isinstance(here, bool) else ""


def _named(value: object) -> str:
    return "none" if value is None else str(value)


def _tell_order(here: Sequence[str], there: Sequence[str], beside: str, path: str) -> None:
    """Say that both have the same score columns, if all that differs is their order.

    Raises:
        InputError: it does.

    """
    if here != there and sorted(here) == sorted(there):
        fix = "write them in one order in all files, or evaluate the files together"
        raise InputError(f"has the score columns of {beside} in another order", fix=fix, path=path)


def _tell_kinds(first: About, second: About, beside: str, path: str) -> None:
    """Say which side holds other things in the two, where one thing is told in rows of one shape.

    Raises:
        InputError: one does.

    """
    if first.preds.shape[1:] != second.preds.shape[1:] or first.target.shape[1:] != second.target.shape[1:]:
        return
    sides = (("targets", first.target, second.target), ("predictions", first.preds, second.preds))
    for side, here, there in sides:
        kinds = {_kind(here), _kind(there)}
        if len(kinds) < 2:
            continue
        what = f"its {side} are {_kind(there)}, those of {beside} {_kind(here)}"
        values = "" if "texts" in kinds else "--task regression if these are values, else with "
        raise InputError(what, fix=f"write all parts with {values}one kind stored in all of them", path=path)


def _kind(field: Field) -> str:
    """What a side holds; names of classes that are digits are whole numbers, as in a CSV."""
    if field.labels is None:
        return "floats" if "float" in field.dtype else "whole numbers"
    return "whole numbers" if all(re.fullmatch("-?[0-9]+", name) for name in field.labels) else "texts"
