"""Tables as sources: labels, missing cells, weights."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from table_sources import NASTY, joined, open_source, pairs, write_csv, write_parquet

from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.sources.table_rows import RowStream


@pytest.fixture
def nasty():
    rng = random.Random(3)
    return [(rng.choice(NASTY), rng.choice(NASTY)) for _ in range(5000)]


# Labels


def test_C01_C02_labels_are_the_exact_text(tmp_path, nasty):
    source = open_source(write_csv(tmp_path / "f.csv", ["target", "pred"], nasty))
    assert pairs(source) == Counter(nasty)
    assert source.rows == 5000
    assert source.target.labels == source.preds.labels == tuple(sorted(NASTY))
    assert (source.target.dtype, source.preds.dtype, source.target.shape) == ("text", "text", (5000,))
    assert not source.weighted


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_batches_do_not_depend_on_their_size(tmp_path, nasty, size):
    source = open_source(write_csv(tmp_path / "f.csv", ["target", "pred"], nasty))
    whole = {name: joined(source, 1 << 20, name) for name in ("target", "preds", "repeats")}
    for name, array in whole.items():
        assert joined(source, size, name).tobytes() == array.tobytes()
    starts = [batch.start for batch in source.batches(size)]
    assert starts[0] == 0
    assert starts == [int(whole["repeats"][: index * size].sum()) for index in range(len(starts))]
    assert max(len(batch.target) for batch in source.batches(size)) <= size


def test_parquet_integers_booleans_and_dictionaries(tmp_path):
    target = pa.array([3, 10, 3, 10**15], pa.int64())
    pred = pa.array([3, 3, 10, 7], pa.int32())
    source = open_source(write_parquet(tmp_path / "i.parquet", target=target, pred=pred))
    assert source.target.labels == ("3", "7", "10", str(10**15))
    assert pairs(source)["10", "3"] == 1
    source = open_source(write_parquet(tmp_path / "b.parquet", y=[True, False], pred=[True, True]))
    assert pairs(source) == {("true", "true"): 1, ("false", "true"): 1}
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    source = open_source(write_parquet(tmp_path / "d.parquet", y=words, pred=words))
    assert pairs(source) == {("a", "a"): 2, ("b", "b"): 1}


def test_floats_that_are_whole_are_integer_labels(tmp_path):
    # what pandas makes of integers with a gap in between
    source = open_source(write_parquet(tmp_path / "f.parquet", target=[1.0, 0.0, -0.0], pred=[1.0, 1.0, 0.0]))
    assert pairs(source) == {("1", "1"): 1, ("0", "1"): 1, ("0", "0"): 1}


@pytest.mark.parametrize("labels", [None, ("a", "b", "c", "d")])
def test_class_numbers_of_savetxt_are_numbers(tmp_path, labels):
    """Written in the notation of ``%e``; what anybody may call a class stays its name."""
    rows = np.array([[3, 3], [0, 3], [1, 0], [3, 3]])
    np.savetxt(tmp_path / "e.csv", rows, delimiter=",", header="target,pred", comments="")
    np.savetxt(tmp_path / "d.csv", rows, "%d", delimiter=",", header="target,pred", comments="")
    found = [open_source(str(tmp_path / name), labels=labels) for name in ("e.csv", "d.csv")]
    assert pairs(found[0]) == pairs(found[1])
    assert found[0].target.labels == found[1].target.labels
    path = write_csv(tmp_path / "n.csv", ["target", "pred"], [("1e3", "1e3"), ("2.5e+00", "1e3")])
    assert pairs(open_source(path)) == {("1e3", "1e3"): 1, ("2.5e+00", "1e3"): 1}


def test_N11_a_float_that_is_no_class(tmp_path):
    # beside words a fraction is a class for nobody; beside numbers the report asks, see tests/regression
    path = write_parquet(tmp_path / "f.parquet", target=["1", "x", "0"], pred=[1.0, 0.5, 0.0])
    with pytest.raises(InputError, match=r"column 'label' holds 0.5, which is no whole number"):
        open_source(write_parquet(tmp_path / "g.parquet", label=[1.0, 0.5, 0.0], pred=["a", "b", "x"]))
    assert open_source(path).preds.dtype == "float64"  # scores, for which the classes are then too many


def test_jsonl_labels(tmp_path):
    path = tmp_path / "f.jsonl"
    rows = [("007", "007"), ("NA", "007"), ("1.0", "1.0")]
    path.write_text("".join(json.dumps({"label": t, "prediction": p}) + "\n" for t, p in rows))
    assert pairs(open_source(path)) == Counter(rows)


def test_two_files_of_different_formats(tmp_path, nasty):
    preds = write_csv(tmp_path / "p.csv", ["id", "pred"], [(i, p) for i, (_, p) in enumerate(nasty)])
    target = write_parquet(tmp_path / "t.parquet", label=[t for t, _ in nasty])
    source = open_source(preds, target)
    assert pairs(source) == Counter(nasty)
    assert (source.preds.path, source.target.path) == (str(preds), str(target))


def test_many_classes(tmp_path):
    count = 60_000
    labels = np.arange(count)
    source = open_source(write_parquet(tmp_path / "f.parquet", target=labels, pred=labels[::-1].copy()))
    assert len(source.target.labels) == count
    assert source.target.labels[:3] == ("0", "1", "2")
    assert (joined(source, 50_000, "preds") == count - 1 - joined(source, 50_000, "target")).all()


@pytest.mark.parametrize("labels", [("dog", "cat", "ü"), ("dog", *map(str, range(3000)), "cat", "ü")], ids=len)
def test_texts_become_numbers_alike_whether_labels_or_rows_are_more(labels):
    column = pa.array(["cat", None, "dog", "ü", "other", "cat"])
    stream = RowStream(None, "", 1, labels, np.float64)
    for kind in (pa.string(), pa.large_string()):
        cells = column.cast(kind)
        wanted = [labels.index(cell) if cell in labels else -1 for cell in cells.to_pylist()]
        assert stream._side(cells).tolist() == wanted
        assert stream._side(cells.slice(2, 3)).tolist() == wanted[2:5]


def test_declared_order(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred"], [("cat", "dog"), ("ant", "cat")])
    assert open_source(path, labels=("dog", "cat", "ant")).target.labels == ("dog", "cat", "ant")


def test_C03_two_spellings_of_a_number(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred"], [("1", "1.0"), ("0", "0.0")])
    with pytest.raises(InputError, match="same number in two spellings"):
        open_source(path)


def test_a_header_in_the_middle_is_no_row(tmp_path):
    path = write_csv(
        tmp_path / "x.csv", ["target", "pred"], [("a", "a"), ("target", "b"), ("target", "pred"), ("b", "pred")]
    )
    with pytest.raises(InputError, match=r"1 row repeats the names of the columns \(line 4\)"):
        open_source(path)
    assert open_source(path, where="pred != 'pred'").rows == 2


def test_C14n_a_label_that_spans_lines(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred"], [("cat", "cat"), ("a" * 300, "cat")])
    with pytest.raises(InputError, match="line 3: a label is 300 bytes long"):
        open_source(path)


def test_M11_the_same_rows_in_three_formats(tmp_path, nasty):
    rows = [(t, p, w) for (t, p), w in zip(nasty, [1, 2, 3, 4, 5] * 1000, strict=True)]
    write_csv(tmp_path / "f.csv", ["target", "pred", "w"], rows)
    target, pred, weight = zip(*rows, strict=True)
    write_parquet(tmp_path / "f.parquet", target=target, pred=pred, w=weight)
    with open(tmp_path / "f.jsonl", "w") as file:
        file.writelines(json.dumps({"target": t, "pred": p, "w": w}) + "\n" for t, p, w in rows)
    sources = [open_source(tmp_path / f"f.{suffix}", weight="w") for suffix in ("csv", "parquet", "jsonl")]
    for name in ("preds", "target", "repeats", "weight"):
        arrays = [joined(source, 100, name) for source in sources]
        assert arrays[0].tobytes() == arrays[1].tobytes() == arrays[2].tobytes()
    assert len({source.target.labels for source in sources}) == 1


# Missing cells


@pytest.fixture
def gaps(tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text('y,pred\na,a\n,b\nb,\nb,b\na,""\n,\n')
    return path


def test_missing_cells_are_an_error_with_places(tmp_path, gaps):
    with pytest.raises(InputError, match=r"2 targets are missing \(line 3, line 7\); --nan drop"):
        open_source(gaps)
    path = tmp_path / "one.csv"
    path.write_text("y,pred\n" + "a,a\n" * 5 + "a,\n" * 5)
    with pytest.raises(InputError, match=r"5 predictions are missing \(line 7, line 8, line 9, …\)"):
        open_source(path)


def test_missing_cells_can_be_dropped(gaps):
    source = open_source(gaps, nan="drop")
    assert pairs(source) == {("a", "a"): 1, ("b", "b"): 1, ("a", ""): 1}
    assert (source.rows, source.dropped) == (3, 3)


def test_missing_predictions_can_count_as_wrong(tmp_path, gaps):
    path = tmp_path / "one.csv"
    path.write_text("y,pred\na,a\na,\nb,\n")
    source = open_source(path, nan="wrong")
    assert pairs(source) == {("a", "a"): 1, ("a", None): 1, ("b", None): 1}
    assert source.rows == 3
    assert min(joined(source, 10, "preds")) == -1
    with pytest.raises(InputError, match="targets are missing"):
        open_source(gaps, nan="wrong")


def test_nothing_left_is_an_error(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("y,pred\na,\n,b\n")
    with pytest.raises(EmptyError, match="all 2 rows have a missing"):
        open_source(path, nan="drop")


# Weights


def test_weights_are_grouped_with_their_rows(tmp_path):
    rows = [("a", "a", "0.1")] * 7 + [("a", "b", "0.1"), ("a", "a", "2.5"), ("b", "b", "1e-3")]
    source = open_source(write_csv(tmp_path / "f.csv", ["y", "pred", "w"], rows), weight="w")
    assert source.weighted
    (batch,) = source.batches(100)
    got = sorted(zip(batch.target, batch.preds, batch.weight, batch.repeats, strict=True))
    assert got == [(0, 0, 0.1, 7), (0, 0, 2.5, 1), (0, 1, 0.1, 1), (1, 1, 0.001, 1)]


def test_many_weights_stream_the_rows(tmp_path):
    rng = np.random.default_rng(0)
    n = 30_000
    target, pred, weight = rng.integers(0, 3, n), rng.integers(0, 3, n), rng.random(n)
    source = open_source(write_parquet(tmp_path / "f.parquet", y=target, pred=pred, w=weight), weight="w")
    assert np.array_equal(joined(source, 777, "weight"), weight)
    assert np.array_equal(joined(source, 777, "target"), target)
    assert np.array_equal(joined(source, 777, "preds"), pred)
    assert all(batch.repeats is None for batch in source.batches(5000))


_ODD = "in column 'w' is negative, not finite or huge"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("", "is missing"),
        ("x", "weight 'x' in column 'w' is not one number"),
        *((cell, f"weight '{cell}' {_ODD}") for cell in ("-1", "nan", "inf", "-inf", "1e200")),
    ],
)
def test_a_weight_that_is_none(tmp_path, cell, says):
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "w"], [("a", "a", "1"), ("a", "a", cell)])
    with pytest.raises(InputError, match=says) as caught:
        open_source(path, weight="w")
    assert "line 3" in str(caught.value)


def test_a_weight_from_the_file_of_targets(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["pred"], [("a",), ("b",)])
    target = write_parquet(tmp_path / "t.parquet", y=["a", "a"], w=[1, 3])
    source = open_source(preds, target, weight="w")
    (batch,) = source.batches(10)
    assert batch.weight.tolist() == [1.0, 3.0]
    with pytest.raises(UsageError, match="no column 'v' to weigh by"):
        open_source(preds, target, weight="v")
    with pytest.raises(UsageError, match=r"t\.parquet: no column 'W' to weigh by; did you mean 'w'\?"):
        open_source(preds, target, weight="W")


# The rest of the contract


def test_finish_names_what_was_read(tmp_path, nasty):
    path = write_csv(tmp_path / "f.csv", ["target", "pred"], nasty)
    source = open_source(path)
    list(source.batches(100))
    (file,) = source.finish()
    assert (file.path, file.size) == (str(path), path.stat().st_size)


def test_progress_is_between_nothing_and_all(tmp_path, nasty):
    heard = []
    path = write_csv(tmp_path / "f.csv", ["target", "pred"], nasty)
    source = open_source(path, progress=lambda share, rows: heard.append((share, rows)))
    assert source.progress() is None
    assert heard[0] == (0.0, 0)
    assert all(0 <= share <= 1 and 0 <= rows <= len(nasty) + 1 for share, rows in heard)


def test_C10_names_that_differ_only_in_case(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["Y", "y"], [("a", "b"), ("a", "a")])
    source = open_source(path, target="Y", pred="y")
    assert pairs(source) == {("a", "b"): 1, ("a", "a"): 1}


def test_C14n_a_label_that_swallowed_lines(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text('y,pred\na,a\na,"a\nb,b\nb,b"\n')
    with pytest.raises(InputError, match="line 3: a label holds a line break"):
        open_source(path)


def test_odd_column_names(tmp_path):
    names = ['the "truth"', "p; DROP", "x'y"]
    path = write_csv(tmp_path / "f.csv", names, [("a", "a", "1"), ("b", "a", "2")])
    source = open_source(path, target=names[0], pred=names[1], weight=names[2])
    assert pairs(source) == {("a", "a"): 1, ("b", "a"): 1}
    assert (source.target.name, source.preds.name) == (names[0], names[1])


def test_a_weight_that_is_missing_is_not_asked_for_a_decimal_point(tmp_path):
    path = write_parquet(tmp_path / "f.parquet", y=["a", "b"], pred=["a", "b"], w=[1.0, None])
    with pytest.raises(InputError, match=r"is missing \(1 in all: row 1\); give every row a weight") as caught:
        open_source(path, weight="w")
    assert "decimal" not in str(caught.value)


def test_an_id_that_is_not_there_is_told_with_what_is(tmp_path):
    one = write_csv(tmp_path / "p.csv", ["Image", "pred"], [("1", "a")])
    two = write_csv(tmp_path / "t.csv", ["Image", "target"], [("1", "a")])
    with pytest.raises(UsageError, match=r"no column 'image' to join by; did you mean 'Image'\? columns are 'Image', "):
        open_source(one, two, id="image")
    with pytest.raises(UsageError, match="--id pairs two files, but there is one"):
        open_source(one, id="Image")
