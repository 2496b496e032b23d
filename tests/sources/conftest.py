"""One way to read a whole file of tensors, and one to see it refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from evalcli.errors import EvalError, InputError
from evalcli.sources.tensors import open_tensors

if TYPE_CHECKING:
    from collections.abc import Callable


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
