"""Scores in memory whose cells name their classes: each class becomes a column, as in :mod:`named_scores` of files."""

from __future__ import annotations

from itertools import islice
from typing import Any

from evalcli.errors import InputError
from evalcli.sources.memory import column_of, names_of
from evalcli.sources.named_scores import ANSWERS, BESIDE, FIX, NAMED, NamedScores, cells_of, named_kind
from evalcli.sources.usual_names import USUAL_NAMES

BARE = "scores"
"""What a side that is nothing but such cells is called."""
_LOOKED_AT = 100
"""So many cells may be missing before the first that shows of which kind they are."""


def with_named_scores(side: Any, pred: str | None = None) -> Any:
    """The side with a column for each class in place of cells that name them; any other as it is.

    ``pred`` is what the caller calls the predictions.

    >>> with_named_scores([{"cat": 0.9, "dog": 0.1}, {"dog": 0.6, "cat": 0.4}])
    {'scores.cat': [0.9, 0.4], 'scores.dog': [0.1, 0.6]}

    Raises:
        InputError: rows of the predictions name other classes than those before.

    """
    names = names_of(side)
    if names is None:
        return _spread({BARE: _cells(side)}, [BARE], BARE) if _first_kind(side) else side
    nested = [name for name in names if _first_kind(column_of(side, name))]
    beside = [name for name in BESIDE if name in names and isinstance(_first(column_of(side, name)), list)]
    nested += beside if len(beside) == len(BESIDE) else []
    return _spread({name: column_of(side, name) for name in names}, nested, pred) if nested else side


def _spread(columns: dict[str, Any], nested: list[str], pred: str | None) -> dict[str, Any]:
    cells = {name: _cells(columns[name]) for name in nested}
    named = NamedScores()
    for number, row in enumerate(zip(*cells.values(), strict=True)):
        named.meet(dict(zip(cells, row, strict=True)), f"row {number}")
    if named.beside:
        labels, scores = cells[BESIDE[0]], cells[BESIDE[1]]
        pairs = zip(labels, scores, strict=True)
        cells[BESIDE[1]] = [None if one is None else dict(zip(one, other, strict=True)) for one, other in pairs]
    found: dict[str, Any] = {}
    for name, column in columns.items():
        if not (named.beside and name == BESIDE[0]):
            found |= _columns_of(name, column, cells.get(name), named, pred)
    return found


def _columns_of(
    name: str, column: Any, cells: list[Any] | None, named: NamedScores, pred: str | None
) -> dict[str, Any]:
    kinds = {named_kind(cell) for cell in cells or () if cell is not None}
    if cells is None or not kinds or (not kinds <= {*NAMED} and len(kinds) > 1) or None in kinds:
        return {name: column}
    if kinds <= {*ANSWERS}:
        pairs = [cell[0] if isinstance(cell, list) else cell or {} for cell in cells]
        labels = [None if pair.get("label") is None else str(pair["label"]) for pair in pairs]
        return {name: labels, f"{name}.score": [pair.get("score") for pair in pairs]}
    if name in named.odd:  # of no meaning, unless these are the predictions
        if name == pred or name.lower() in USUAL_NAMES:
            raise InputError(named.odd[name], fix=FIX, path=name)
        return {name: column}
    classes = named.met[name].names
    rows = [[None] * len(classes) if cell is None else cells_of(cell, classes) for cell in cells]
    return {f"{name}.{each}": [row[place] for row in rows] for place, each in enumerate(classes)}


def _first_kind(column: Any) -> str | None:
    """Of which kind the first cell is that is there."""
    first = _first(column)
    return named_kind(first) if isinstance(first, (dict, list)) else None


def _first(column: Any) -> Any:
    if getattr(getattr(column, "dtype", None), "kind", "O") in "biufcM" or isinstance(column, (str, bytes, dict)):
        return None
    if hasattr(column, "is_floating_point"):  # a tensor
        return None
    try:
        start = [_plain(cell) for cell in islice(iter(column), _LOOKED_AT)]
    except (TypeError, NotImplementedError):  # of what has no cells the reader says so
        return None
    return next((cell for cell in start if cell is not None), None)


def _cells(column: Any) -> list[Any]:
    return [_plain(cell) for cell in column]


def _plain(cell: Any) -> Any:
    """A cell as JSON would have it: pandas has arrays for lists and NaN for what is missing, Arrow pairs for a map."""
    if hasattr(cell, "as_py"):
        cell = cell.as_py()
    elif hasattr(cell, "tolist") and getattr(cell, "ndim", 0) == 1:
        cell = cell.tolist()
    elif hasattr(cell, "to_list"):
        cell = cell.to_list()
    if isinstance(cell, float) and cell != cell:  # noqa: PLR0124  NaN
        return None
    if isinstance(cell, list) and cell and all(isinstance(each, tuple) and len(each) == 2 for each in cell):
        return dict(cell)
    return cell
