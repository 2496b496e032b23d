"""Predictions in a tensor file, sliced by a column of the table that holds the truth: as if all lay in one table."""

from contextlib import closing

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.sources import open_source
from evalcli.sources.base import Scan, Selection
from evalcli.task import Choices

ROWS = 300
RNG = np.random.default_rng(11)
REGION = RNG.choice(["EU", "US", "a,b", ""], ROWS)
TABLE = pd.DataFrame(
    {
        "value": RNG.normal(size=ROWS).round(6),
        "cat": RNG.integers(0, 2, ROWS),
        "dog": RNG.integers(0, 2, ROWS),
        "region": [one or None for one in REGION],
        "code": [f"{one:03}" for one in RNG.integers(0, 9, ROWS)],
        "age": RNG.integers(18, 90, ROWS),
    }
)
SCORES = RNG.random((ROWS, 2)).round(6)
BY = ("region", "age", "region,code", "code")


def test_parts_whose_ranges_differ_are_refused(tmp_path):
    parts = []
    for number, rows in enumerate((slice(0, 150), slice(150, ROWS))):
        np.save(tmp_path / f"p{number}.npy", SCORES[rows, 0])
        TABLE.loc[TABLE.index[rows], ["cat", "age"]].rename(columns={"cat": "target"}).to_csv(
            tmp_path / f"t{number}.csv", index=False
        )
        files = (str(tmp_path / f"p{number}.npy"), str(tmp_path / f"t{number}.csv"))
        with pytest.warns(UserWarning, match="slices by 'age' are ranges of numbers that these rows alone have cut"):
            parts.append(evalcli.evaluate(*files, by="age", partial=True))
    with pytest.raises(InputError, match="each share of the rows has cut its own"):
        evalcli.merge(parts)


def report(paths, task, by=BY, scan=None, **asked):
    selection = Selection(by=by, scan=scan, task=task, scores="values" if task == "regression" else None, **asked)
    with closing(open_source(*map(str, paths), *[None] * (2 - len(paths)), selection)) as source:
        return evaluate(source, Choices(task=task), Execution(batch_size=41))


@pytest.mark.parametrize(
    ("kind", "task", "said", "truth", "pred"),
    [
        ("csv", "regression", SCORES[:, 0], "value", "p"),
        ("csv", "binary", SCORES[:, 0], "cat", "p"),
        ("parquet", "binary", SCORES[:, 0], "cat", "p"),
        ("jsonl", "binary", SCORES[:, 0], "cat", "p"),
        ("csv", "multilabel", SCORES, "cat,dog", "p_cat,p_dog"),
    ],
)
def test_the_slices_are_those_of_one_table(tmp_path, kind, task, said, truth, pred):
    both = TABLE.assign(**dict(zip(pred.split(","), said.reshape(ROWS, -1).T, strict=True)))
    np.save(tmp_path / "said.npy", said)
    for name, frame in (("truth", TABLE), ("both", both)):
        path = tmp_path / f"{name}.{kind}"
        if kind == "csv":
            frame.to_csv(path, index=False)
        elif kind == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_json(path, orient="records", lines=True)
    mine = report((tmp_path / "said.npy", tmp_path / f"truth.{kind}"), task, target=truth)
    whole = report((tmp_path / f"both.{kind}",), task, target=truth, pred=pred)
    assert {row.by for row in mine.slices} == {*BY}
    found, wanted = ({(row.by, row.value): (row.n, row.metrics) for row in one.slices} for one in (mine, whole))
    assert found == wanted
    assert [row.value for row in mine.slices if row.by != "region,code"] == [
        row.value for row in whole.slices if row.by != "region,code"
    ]


def test_what_both_files_have_is_that_of_the_truth_and_what_none_has_is_said(tmp_path):
    np.savez(tmp_path / "said.npz", pred=SCORES[:, 0], region=np.zeros(ROWS, np.int64), side=np.arange(ROWS) % 2)
    TABLE.to_csv(tmp_path / "truth.csv", index=False)
    paths = tmp_path / "said.npz", tmp_path / "truth.csv"
    found = report(paths, "regression", ("region", "side"), target="value")
    assert [row.value for row in found.slices] == ["EU", "US", "a,b", "0", "1"]
    with pytest.raises(UsageError, match="no column 'regoin' to slice by; did you mean 'region'"):
        report(paths, "regression", ("regoin",), target="value")
    named = report(paths, "binary", (), Scan(("region", "code")), target="cat")
    assert named.scan.columns == ("region", "code")
    TABLE.rename(columns={"value": "pred"}).to_csv(tmp_path / "said.csv", index=False)
    np.savez(tmp_path / "truth.npz", target=SCORES[:, 0], region=np.arange(ROWS) % 2)
    other = report((tmp_path / "said.csv", tmp_path / "truth.npz"), "regression", ("region", "age"), pred="pred")
    assert [row.value for row in other.slices][:2] == ["0", "1"]
    assert len(other.slices) == 6
