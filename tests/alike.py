"""Numbers of two backends, compared."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest


def assert_alike(there: Any, here: Any, rel: float = 1e-13) -> None:
    """The same, but for the last digits of numbers that are no whole ones."""
    assert type(there) is type(here)
    if isinstance(here, float):
        assert there == pytest.approx(here, rel=rel, abs=rel, nan_ok=True)
    elif is_dataclass(here):
        assert_alike(vars_of(there), vars_of(here), rel)
    elif isinstance(here, dict):
        assert there.keys() == here.keys()
        for key, value in here.items():
            assert_alike(there[key], value, rel)
    elif isinstance(here, (list, tuple)):
        assert len(there) == len(here)
        for one, other in zip(there, here, strict=True):
            assert_alike(one, other, rel)
    elif isinstance(here, np.ndarray):
        np.testing.assert_allclose(there, here, rel, rel)
    else:
        assert there == here


def vars_of(held: Any) -> dict[str, Any]:
    return {one.name: getattr(held, one.name) for one in fields(held)}
