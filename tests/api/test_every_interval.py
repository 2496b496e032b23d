"""Every number of a report has an interval, or its page says why it has none."""

import numpy as np
import pytest

import evalcli
from evalcli.metrics.registry import METRICS, parse

WITHOUT = {"max_error"}


def drawn(task):
    rng = np.random.default_rng(4)
    target = rng.integers(0, 3, 120)
    if task == "multiclass":
        return rng.dirichlet(np.ones(3), 120), target
    if task == "binary":
        return rng.random(120), target > 1
    if task == "multilabel":
        return rng.random((120, 3)), rng.random((120, 3)) < 0.4
    return rng.random((120, 2)) + 1.0, rng.random((120, 2)) + 1.0


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_only_what_nothing_bounds_has_none(task):
    found = evalcli.evaluate(*drawn(task), task=task, resamples=100).data
    parts = [*found.per_class, *found.per_output]
    every = [*found.metrics.items(), *(item for part in parts for item in part.metrics.items())]
    assert len(every) > 20
    assert {name for name, value in every if value.low is None or value.high is None} <= WITHOUT
    assert all(value.method for name, value in every if name not in WITHOUT)
    assert ("max_error" in dict(every)) == (task == "regression")


def test_what_has_none_says_so():
    assert {name for name, entry in METRICS.items() if "No interval" in entry.convention} == WITHOUT
    assert parse("max_error").entry.convention.startswith("No interval: ")
