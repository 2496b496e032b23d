"""One way to read a whole file of tensors, and one to see it refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalcli.errors import EvalError, InputError
from evalcli.sources.table_source import TableSource
from evalcli.sources.tensors import open_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evalcli.sources.base import Batch


def _read_all(path: str, step: int = 7) -> dict[str, np.ndarray]:
    file = open_tensors(path)
    try:
        file.begin()
        found = {}
        for name, array in file.arrays.items():
            rows = range(0, array.shape[0] if 0 not in array.shape else 0, step)
            labels = array.labels
            parts = [array.read(start, min(start + step, array.shape[0])).copy() for start in rows]
            found[name] = np.concatenate(parts) if parts else np.empty(array.shape)
            if labels is not None:
                found[name] = np.array(labels, dtype=object)[found[name]]
        file.finish()
        return found
    finally:
        file.close()


def _refuse(path: str, *words: str, kind: type[EvalError] = InputError) -> str:
    with pytest.raises(EvalError) as caught:
        _read_all(path)
    message = str(caught.value)
    assert type(caught.value) is kind, message
    assert message.startswith(path)
    assert message.isprintable()
    assert "weights_only" not in message
    for word in words:
        assert word in message
    return message


@pytest.fixture(scope="session")
def read_all() -> Callable[..., dict[str, np.ndarray]]:
    """Every array of a file, read in pieces of ``step`` rows in a complete and verified pass; text as text."""
    return _read_all


@pytest.fixture(scope="session")
def refuse() -> Callable[..., str]:
    """The file must be refused, in one printable line that names it and holds ``words``."""
    return _refuse


def _counted(batches: Iterator[Batch]) -> Counter[tuple[Any, ...]]:
    """How many rows have the same target, prediction and weight."""
    rows: Counter[tuple[Any, ...]] = Counter()
    for batch in batches:
        count = np.ones(len(batch.target), int) if batch.repeats is None else batch.repeats
        weight = np.ones(len(batch.target)) if batch.weight is None else batch.weight
        for *row, times in zip(
            batch.target.tolist(), batch.preds.tolist(), weight.tolist(), count.tolist(), strict=True
        ):
            rows[tuple(row)] += times
    return rows


@pytest.fixture(autouse=True)
def recounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table of labels that any of these tests counts is listed row by row as well, to the same counts."""
    plan, seen = TableSource.plan, set()

    def both(source: TableSource, size: int) -> Iterator[Any]:
        if source._opened.groups is not None and id(source) not in seen:
            seen.add(id(source))
            listed = source.listed()
            rows = list(_each(listed.plan(max(1001 + size % 1000, source.rows // 50))))
            assert [batch.start for batch in rows] == [
                sum(map(len, (b.target for b in rows[:i]))) for i in range(len(rows))
            ]
            assert _counted(iter(rows)) == _counted(_each(plan(source, size)))
            numbers = np.concatenate(
                [b.start + np.arange(len(b.target)) if b.numbers is None else b.numbers for b in rows]
            )
            assert (np.diff(numbers) > 0).all()
        return plan(source, size)

    monkeypatch.setattr(TableSource, "plan", both)


def _each(loads: Iterator[Callable[[], Batch]]) -> Iterator[Batch]:
    for load in loads:
        yield load()
