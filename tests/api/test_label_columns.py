"""A frame with a column for each label on both sides is read as a file of the same columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import evalcli
from evalcli.errors import UsageError

RNG = np.random.default_rng(4)
ROWS = 200
TRUTH = (RNG.random((ROWS, 3)) < [0.5, 0.3, 0.2]).astype(int)
OLD, NEW = (np.clip(0.3 + 0.4 * TRUTH + RNG.normal(0, 0.25, TRUTH.shape), 0, 1).round(3) for _ in range(2))
FRAME = pd.DataFrame(
    {f"{stem}_{name}": side[:, i] for stem, side in (("y", TRUTH), ("p", OLD)) for i, name in enumerate("abc")}
    | {"sex": RNG.choice(["f", "m"], ROWS), "w": RNG.integers(1, 4, ROWS), "user": RNG.integers(0, 40, ROWS)}
)
BOTH = FRAME.assign(**{f"q_{name}": NEW[:, i] for i, name in enumerate("abc")})
KINDS = {"pandas": lambda frame: frame, "polars": pl.from_pandas, "dict": lambda frame: frame.to_dict("list")}


def content(made, *without: str):
    data = json.loads(made.to_json())
    return {name: part for name, part in data.items() if name not in {"inputs", *without}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"by": "sex"}, {"weight": "w", "cluster": "user"}, {"scan": "sex"}], ids=str)
def test_a_frame_says_what_a_file_says(tmp_path, kind, options):
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    file = evalcli.evaluate(tmp_path / "rows.csv", resamples=100, **options)
    assert file.task == "multilabel"
    assert content(evalcli.evaluate(KINDS[kind](FRAME), resamples=100, **options)) == content(file)


def test_a_star_says_which_columns(tmp_path):
    BOTH.to_csv(tmp_path / "rows.csv", index=False)
    file = evalcli.evaluate(tmp_path / "rows.csv", pred="q_*")
    for target in (None, "y_*"):
        assert content(evalcli.evaluate(BOTH, target, pred="q_*")) == content(file)
    two = evalcli.compare(BOTH, pred=("p_*", "q_*"))
    assert content(two, "models", "rows") == content(
        evalcli.compare(tmp_path / "rows.csv", pred=("p_*", "q_*")), "models", "rows"
    )
    with pytest.raises(UsageError, match="no column begins with 'x_'"):
        evalcli.evaluate(BOTH, "x_*", pred="q_*")


def test_outputs_of_a_regression_go_by_their_columns(tmp_path):
    names = {"y_a": "y_price", "y_b": "y_area", "p_a": "pred_price", "p_b": "pred_area"}
    frame = FRAME.rename(columns=names)[[*names.values()]]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    file = evalcli.evaluate(tmp_path / "rows.csv", task="regression")
    found = evalcli.evaluate(frame, task="regression")
    assert found.data.outputs == ("price", "area")
    assert content(found) == content(file)
