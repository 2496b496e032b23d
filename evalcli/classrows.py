"""The rows of many classes, held by column: a million objects of every kind take gigabytes, three arrays take little.

Rows and values are made when they are asked for, and equal those that were made beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, TypeAlias, overload

from evalcli.report import ClassRow, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from evalcli.report import Number

    Floats: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]
    Column: TypeAlias = "Sequence[Value] | Values"

_CHUNK = 4096
"""So many rows are plain numbers at a time."""


@dataclass(frozen=True)
class Values:
    """One metric of all classes: ``value``, ``low`` and ``high`` (C,), NaN where there is none.

    ``method`` is that of all their intervals, or of each by its place.
    """

    value: Floats
    low: Floats | None = None
    high: Floats | None = None
    method: str | Mapping[int, str] = ""

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, place: int) -> Value:
        value = float(self.value[place])
        if isnan(value):
            return Value(None)
        if self.low is None or self.high is None or isnan(self.low[place]):
            return Value(value)
        method = self.method if isinstance(self.method, str) else self.method[place]
        return Value(value, float(self.low[place]), float(self.high[place]), method)


class _Metrics(Mapping[str, Value]):
    """The values of one class."""

    __slots__ = ("_columns", "_place")

    def __init__(self, columns: Mapping[str, Column], place: int) -> None:
        self._columns, self._place = columns, place

    def __getitem__(self, name: str) -> Value:
        return self._columns[name][self._place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __repr__(self) -> str:
        return repr(dict(self))


class ClassRows(Sequence[ClassRow]):
    """One row for each of the ``names``, from counts (C,) and the ``columns`` of metrics by their names.

    >>> import numpy as np
    >>> rows = ClassRows(("cat", "dog"), np.array([2, 1]), np.array([3, 0]), {"recall": Values(np.array([0.5, 0.0]))})
    >>> rows[1].name, rows[0].support, rows[0].metrics["recall"].value
    ('dog', 2, 0.5)
    """

    def __init__(
        self,
        names: tuple[str, ...],
        support: np.ndarray[tuple[int], np.dtype[np.generic]],
        predicted: np.ndarray[tuple[int], np.dtype[np.generic]],
        columns: Mapping[str, Column],
    ) -> None:
        self.names, self.support, self.predicted, self.columns = names, support, predicted, columns

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> ClassRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ClassRow, ...]: ...
    def __getitem__(self, place: int | slice) -> ClassRow | tuple[ClassRow, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        at = range(len(self))[place]
        return self._row(at, self.support[at].item(), self.predicted[at].item())

    def __iter__(self) -> Iterator[ClassRow]:
        for start in range(0, len(self), _CHUNK):
            part = slice(start, start + _CHUNK)
            counts = zip(self.support[part].tolist(), self.predicted[part].tolist(), strict=True)
            for place, (support, predicted) in enumerate(counts, start):
                yield self._row(place, support, predicted)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like the rows themselves

    def __repr__(self) -> str:
        return repr(tuple(self))

    @property
    def undefined(self) -> list[str]:
        """The numbers that have no value: ``recall[cat]``, class by class."""
        import numpy as np

        names = list(self.columns)
        rows, places = np.nonzero(np.stack([_unknown(self.columns[name]) for name in names], axis=1))
        pairs = zip(rows.tolist(), places.tolist(), strict=True)
        return [f"{names[place]}[{self.names[row]}]" for row, place in pairs]

    def _row(self, place: int, support: Number, predicted: Number) -> ClassRow:
        return ClassRow(self.names[place], support, predicted, _Metrics(self.columns, place))


def names(rows: Sequence[ClassRow]) -> Sequence[str]:
    """What the classes are called."""
    return rows.names if isinstance(rows, ClassRows) else [row.name for row in rows]


def supports(rows: Sequence[ClassRow]) -> list[Number]:
    """How many rows, or what weight, each class has."""
    return rows.support.tolist() if isinstance(rows, ClassRows) else [row.support for row in rows]


def predictions(rows: Sequence[ClassRow]) -> list[Number]:
    """How often each class was predicted."""
    return rows.predicted.tolist() if isinstance(rows, ClassRows) else [row.predicted for row in rows]


def values(rows: Sequence[ClassRow], name: str) -> list[float | None]:
    """One metric of each class, ``None`` where it is undefined or is not there."""
    if not isinstance(rows, ClassRows):
        return [row.metrics[name].value if name in row.metrics else None for row in rows]
    column = rows.columns.get(name, ())
    if not isinstance(column, Values):
        return [one.value for one in column] or [None] * len(rows)
    return [None if isnan(value) else value for value in column.value.tolist()]


def metrics(rows: Sequence[ClassRow]) -> frozenset[str]:
    """The metrics that any of the classes has."""
    return frozenset(rows.columns) if isinstance(rows, ClassRows) else frozenset().union(*(row.metrics for row in rows))


def _unknown(column: Column) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    import numpy as np

    if isinstance(column, Values):
        return np.isnan(column.value)
    return np.array([one.value is None for one in column], bool)
