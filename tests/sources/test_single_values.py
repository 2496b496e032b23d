"""Weights, slices, clusters and ids are one value a row: a column of lists is an error that says so."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evalcli
from evalcli.errors import InputError

SAID = r"rows\.parquet: {}= li: the field holds lists, not one value a row; name another field"


@pytest.fixture(params=["labels", "scores"])
def table(request, tmp_path):
    path = tmp_path / "rows.parquet"
    preds = [0, 1, 1, 0] * 5 if request.param == "labels" else [0.1, 0.7, 0.9, 0.4] * 5
    pq.write_table(pa.table({"target": [0, 1] * 10, "pred": preds, "li": [[1, 2]] * 20}), path)
    return path


@pytest.mark.parametrize("role", ["weight", "by", "cluster"])
def test_a_column_of_lists_has_no_such_role(table, role):
    for call in (evalcli.evaluate, lambda path, **named: evalcli.compare(path, path, **named)):
        with pytest.raises(InputError, match=SAID.format(role)):
            call(table, **{role: "li"})


@pytest.mark.parametrize("role", ["weight", "by", "cluster"])
def test_nor_beside_arrays(table, tmp_path, role):
    np.savez(tmp_path / "preds.npz", preds=np.zeros(20, int))
    pq.write_table(pq.read_table(table).drop_columns("pred"), table)
    with pytest.raises(InputError, match=SAID.format(role)):
        evalcli.evaluate(tmp_path / "preds.npz", table, **{role: "li"})


def test_no_rows_are_paired_by_lists(table):
    with pytest.raises(InputError, match=SAID.format("id")):
        evalcli.compare(table, table, id="li")
