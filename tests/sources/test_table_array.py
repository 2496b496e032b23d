from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalcli.errors import EmptyError, InputError
from evalcli.sources.base import Selection
from evalcli.sources.naming import choose, choose_target
from evalcli.sources.table_array import read_side, read_weight
from evalcli.sources.tables import Tables


def open_side(path, side, **options):
    tables = Tables([str(path)])
    table = tables.tables[0]
    selection = Selection(**options)
    names = list(table.columns)
    if side == "target":
        chosen = choose_target(names, selection, table.path)
    else:
        chosen = choose(names, selection, table.path, both=False)
    return read_side(tables, table, chosen, selection)


def whole(array):
    parts = [array.read(start, min(start + 7, array.shape[0])) for start in range(0, array.shape[0], 7)]
    return np.concatenate(parts)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_whole_numbers_become_integers(tmp_path):
    values = [3, 0, 12, 3, -100] * 9
    path = write(tmp_path / "t.csv", "label\n" + "".join(f"{value}\n" for value in values))
    array = open_side(path, "target")
    assert (array.name, array.shape, array.dtype, array.labels) == ("label", (45,), "int64", None)
    assert whole(array).tolist() == values


@pytest.mark.parametrize("texts", [["007", "7"], ["cat", "1"], ["-0", "1"], ["+1", "2"], ["1.0", "2.0"], ["١", "1"]])
def test_other_texts_stay_texts(tmp_path, texts):
    array = open_side(write(tmp_path / "t.csv", "label\n" + "\n".join(texts) + "\n"), "target")
    assert array.dtype == "text"
    assert [array.labels[code] for code in whole(array).tolist()] == texts


def test_codes_take_little_room(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"label": [f"c{index}" for index in range(300)]}), path)
    assert open_side(path, "target").read(0, 1).dtype == np.int16
    pq.write_table(pa.table({"label": ["a", "b"] * 300_000}), path)
    array = open_side(path, "target")
    assert array.read(0, 1).dtype == np.int8
    assert np.array_equal(array.read(0, 600_000), np.tile([0, 1], 300_000))


@pytest.mark.parametrize("value", [int, float])
def test_rows_that_threads_read_side_by_side_come_in_the_order_of_the_file(tmp_path, value):
    # The engine hands out row groups; unless it keeps their order, two threads return them as each is done.
    path, values = tmp_path / "t.parquet", np.arange(300_000) % 7 + (0.5 if value is float else 0)
    pq.write_table(pa.table({"y": values}), path, row_group_size=30_000)
    array = open_side(path, "target", scores="values" if value is float else None)
    assert np.array_equal(array.read(0, 300_000), values)


def test_floats_and_booleans(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"label": [1.0, 0.0, 1.0]}), path)
    assert whole(open_side(path, "target")).tolist() == [1, 0, 1]
    pq.write_table(pa.table({"label": [1.5, 0.0, 1.0]}), path)
    array = open_side(path, "target")
    assert (array.dtype, whole(array).tolist()) == ("float64", [1.5, 0.0, 1.0])
    pq.write_table(pa.table({"label": [True, False]}), path)
    assert open_side(path, "target").labels == ("false", "true")


def test_class_numbers_of_savetxt(tmp_path):
    np.savetxt(tmp_path / "t.csv", [3, 0, -1], header="target", comments="")
    assert whole(open_side(str(tmp_path / "t.csv"), "target")).tolist() == [3, 0, -1]


def test_scores(tmp_path):
    scores = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"p_a": scores[:, 0], "p_b": scores[:, 1]}), path)
    array = open_side(path, "preds")
    assert (array.shape, array.dtype) == ((50, 2), "float32")
    assert np.array_equal(whole(array), scores)
    pq.write_table(pa.table({"logits": scores.tolist()}), path)
    assert np.array_equal(whole(open_side(path, "preds")), scores.astype(np.float64))
    csv = write(tmp_path / "p.csv", "score\n0\n1\n0.5\n")
    assert whole(open_side(csv, "preds")).tolist() == [0.0, 1.0, 0.5]
    csv = write(tmp_path / "q.csv", "pred\n0\n1\n")
    assert whole(open_side(csv, "preds", scores="probs")).dtype == np.float64
    assert open_side(csv, "preds").dtype == "int64"


def test_gaps(tmp_path):
    path = write(tmp_path / "p.csv", "id,pred\n1,a\n2,\n3,b\n")
    with pytest.raises(InputError, match=r"1 prediction is missing \(line 3\)"):
        open_side(path, "preds")
    array = open_side(path, "preds", nan="wrong")
    assert whole(array).tolist() == [0, -1, 1]
    path = write(tmp_path / "t.csv", "id,y\n1,a\n2,\n3,b\n")
    with pytest.raises(InputError, match=r"1 target is missing \(line 3\)"):
        open_side(path, "target", nan="wrong")
    with pytest.raises(EmptyError):
        open_side(write(tmp_path / "e.csv", "y\n"), "target")


def test_texts_that_are_no_scores(tmp_path):
    with pytest.raises(InputError, match="is not one number"):
        open_side(write(tmp_path / "q.csv", "score\n0.5\nhigh\n"), "preds")


def test_weights(tmp_path):
    path = write(tmp_path / "t.csv", "y,w\na,1\nb,0.1\n")
    tables = Tables([str(path)])
    array = read_weight(tables, tables.tables[0], "w", Selection())
    assert (array.dtype, array.read(0, 2).tolist()) == ("float64", [1.0, 0.1])
    tables = Tables([str(write(tmp_path / "u.csv", "y,w\na,1\nb,\n"))])
    with pytest.raises(InputError, match="weight in column 'w' is missing"):
        read_weight(tables, tables.tables[0], "w", Selection())
