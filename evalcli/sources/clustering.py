"""Which cluster a row belongs to (``--cluster``): a whole number for each, the same whatever kind of file it lies in.

There may be a million clusters, so nobody lists them. A whole number stands for itself and a text, spelled as slices
are, for half of its MD5 digest, in a table by SQL and of an array here. Two of a million texts share a number with a
chance of 1 in 10 million.
"""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import UsageError
from evalcli.sources.base import NO_CLUSTER
from evalcli.sources.spelling import spelled

if TYPE_CHECKING:
    from collections.abc import Collection

    from evalcli.sources.arrays import StoredArray
    from evalcli.sources.table_join import Column, Joined

    Array = np.ndarray[Any, Any]

_EXACT = 2.0**53


def cluster_sql(joined: Joined, name: str) -> str:
    """The number of each row's cluster, NULL for none; a column that both files have is that of the truth.

    Raises:
        NoClustersError: there is no such column.
        InputError: it holds lists.

    """
    from evalcli.sources.table_columns import slice_sql

    known = dict.fromkeys(joined.preds.columns, "preds")
    known |= {} if joined.target is None else dict.fromkeys(joined.target.columns, "target")
    if name not in known:
        raise no_column(name, known, joined.preds.path, joined.preds.noun)
    column: Column = joined.single(name, known[name], "--cluster")
    text = slice_sql(column)
    number = f"TRY_CAST({text} AS BIGINT)"
    digest = f"CAST(md5_number_lower({text}) >> 1 AS BIGINT)"
    named = f"CAST({number} AS VARCHAR) = {text} AND {number} > -9223372036854775807 - 1"
    return f"CASE WHEN {named} THEN {number} ELSE {digest} END"


class NoClustersError(UsageError):
    """These files do not have what rows are clustered by; others that are read beside them may."""


def no_column(name: str, known: Collection[str], path: str, noun: str) -> NoClustersError:
    """What to say of a name that is not there."""
    from evalcli.sources.slicing import missing_column

    found = missing_column(name, known, path, noun, "to cluster by")
    return NoClustersError(found.what, fix=found.fix, path=found.path)


def cluster_of(text: str) -> int:
    """The number of the cluster of this name, as ``cluster_sql`` makes it.

    >>> cluster_of("17"), cluster_of("17.0"), cluster_of("017")
    (17, 17, 6011817671718572175)
    """
    text = spelled(text)
    if text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 20:
        number = int(text)
        if str(number) == text and NO_CLUSTER < number < 2**63:
            return number
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[8:], "little") >> 1


class ArrayClusters:
    """The clusters of rows by an array that lies beside them.

    Raises:
        UsageError: it is not one value a row.

    """

    def __init__(self, array: StoredArray, name: str, rows: int | None, path: str) -> None:
        if [size for size in array.shape[1:] if size != 1] or array.shape[0] != rows:
            what = f"the clusters {name!r} have the shape {array.shape}, and there are {rows} rows"
            raise UsageError(what, fix="name an array with one entry for each row", path=path)
        self._array = array
        labels = array.labels
        self._named = None if labels is None else np.array([*map(cluster_of, labels), NO_CLUSTER], np.int64)

    def read(self, start: int, stop: int) -> Array:
        """The number of the cluster of each of the rows ``start:stop``, (N,) int64."""
        values = self._array.read(start, stop).reshape(-1)
        if self._named is not None:
            return self._named[values]
        if values.dtype.kind != "f":
            return values.astype(np.int64)
        exact = values.astype(np.float64)
        whole = (np.trunc(exact) == exact) & (np.abs(exact) < _EXACT)
        numbers = np.where(whole, np.where(whole, exact, 0.0).astype(np.int64), exact.view(np.int64))
        return np.where(np.isnan(exact), NO_CLUSTER, numbers)
