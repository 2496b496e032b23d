from __future__ import annotations

import csv
import json
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.sources.base import Selection
from evalcli.sources.table_rows import RowStream
from evalcli.sources.table_source import TableSource
from evalcli.sources.tables import Tables

NASTY = [
    "NA",
    "null",
    "NaN",
    "None",
    "007",
    "7",
    "[red]dog",
    "a,b",
    " dog ",
    "café",
    'say "hi"',
    "-",
    "1e3",
    "TRUE",
    "#",
]


def write_csv(path, names, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def write_parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return path


def open_source(*paths, progress=None, **selection):
    tables = Tables([str(path) for path in paths])
    target = tables.tables[1] if len(paths) > 1 else None
    return TableSource(tables, tables.tables[0], target, Selection(**selection), progress)


def pairs(source, size=1000):
    """Every pair of label texts with how often it came, from the batches."""
    counted = Counter()
    labels = [*source.target.labels, None]  # code -1 is None
    for batch in source.batches(size):
        repeats = np.ones(len(batch.target), int) if batch.repeats is None else batch.repeats
        for target, pred, count in zip(batch.target.tolist(), batch.preds.tolist(), repeats.tolist(), strict=True):
            counted[labels[target], labels[pred]] += count
    return counted


def joined(source, size, field):
    return np.concatenate([np.asarray(getattr(batch, field)) for batch in source.batches(size)])


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


@pytest.mark.parametrize(("cell", "says"), [("", "is missing"), ("x", "weight 'x' in column 'w' is not one number")])
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


# Scores


def test_binary_scores_are_streamed_in_order(tmp_path):
    rng = np.random.default_rng(1)
    scores = rng.random(10_000)
    target = np.where(rng.random(10_000) < 0.3, "sick", "well")
    rows = [(t, repr(float(s))) for t, s in zip(target, scores, strict=True)]
    source = open_source(write_csv(tmp_path / "f.csv", ["target", "score"], rows))
    assert (source.preds.dtype, source.preds.labels, source.preds.shape) == ("float64", None, (10_000,))
    assert source.target.labels == ("sick", "well")
    for size in (1, 2047, 5000, 10**6):
        if size == 1:
            assert len(next(source.batches(1)).preds) == 1
            continue
        assert joined(source, size, "preds").tobytes() == scores.tobytes()
        assert np.array_equal(np.array(source.target.labels)[joined(source, size, "target")], target)
    assert [batch.start for batch in source.batches(3000)] == [0, 3000, 6000, 9000]


def test_a_pass_may_be_left_and_begun_again(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "score"], [("ab"[i % 2], str(i / 7)) for i in range(9000)])
    source = open_source(path)
    first, second = source.batches(2048), None
    next(first)
    second = source.batches(2048)
    next(second)
    assert len(joined(source, 2048, "preds")) == 9000
    source.close()
    source.close()


def test_scores_keep_single_precision(tmp_path):
    scores = np.random.default_rng(2).random((3000, 3)).astype(np.float32)
    columns = {f"p_{name}": scores[:, index] for index, name in enumerate(["cat", "dog", "a_b"])}
    target = ["cat", "dog", "dog"] * 1000
    source = open_source(write_parquet(tmp_path / "f.parquet", target=target, **columns))
    assert (source.preds.dtype, source.preds.columns) == ("float32", ("cat", "dog", "a_b"))
    assert (source.preds.shape, source.preds.name) == ((3000, 3), "p_*")
    assert joined(source, 1001, "preds").dtype == np.float32
    assert np.array_equal(joined(source, 1001, "preds"), scores)
    mixed = {**columns, "p_dog": scores[:, 1].astype(np.float64)}
    assert open_source(write_parquet(tmp_path / "g.parquet", target=target, **mixed)).preds.dtype == "float64"


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3)])
def test_lists_of_scores(tmp_path, kind):
    scores = np.random.default_rng(4).normal(size=(2500, 3)).astype(np.float32)
    target = np.arange(2500) % 3
    path = write_parquet(tmp_path / "f.parquet", y=target, logits=pa.array(scores.tolist(), kind))
    source = open_source(path)
    assert source.preds.dtype == ("float32" if kind.value_type == pa.float32() else "float64")
    assert (source.preds.shape, source.target.dtype, source.target.labels) == ((2500, 3), "int64", None)
    assert np.array_equal(joined(source, 999, "preds"), scores)
    assert np.array_equal(joined(source, 999, "target"), target)


def test_J14_lists_of_different_length(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text('{"y": 0, "probs": [0.5, 0.5]}\n{"y": 1, "probs": [0.5]}\n{"y": 1, "probs": [0.1, 0.9]}\n')
    with pytest.raises(InputError, match=r"have 1 to 2 scores \(short ones at (line|row) 2\)"):
        open_source(path)


def test_a_gap_in_a_list(tmp_path):
    path = write_parquet(tmp_path / "f.parquet", y=[0, 1, 1], probs=[[0.5, None], [0.5, 0.5], None])
    with pytest.raises(InputError, match="2 predictions are missing"):
        open_source(path)
    source = open_source(path, nan="drop")
    assert (source.rows, source.dropped, joined(source, 10, "preds").tolist()) == (1, 2, [[0.5, 0.5]])
    wrong = joined(open_source(path, nan="wrong"), 10, "preds")
    assert np.array_equal(wrong, [[0.5, np.nan], [0.5, 0.5], [np.nan, np.nan]], equal_nan=True)


@pytest.mark.parametrize("text", ["1,234.5", "0,5", "high", "1_000"])
def test_C15_a_score_that_is_no_number(tmp_path, text):
    path = write_csv(tmp_path / "f.csv", ["y", "score"], [("a", "0.25"), ("b", "0.5"), ("a", text)])
    with pytest.raises(InputError, match=rf"score '{text}' in column 'score' is not one number \(1 in all: line 4\)"):
        open_source(path)


def test_C15_every_score_has_a_comma(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "score"], [("a", "0,25"), ("b", "0,5")])
    with pytest.raises(InputError, match=r"score '0,25' in column 'score' is not one number \(2 in all"):
        open_source(path)


def test_C19_special_numbers_pass_through(tmp_path):
    rows = [("a", "0.5"), ("b", "nan"), ("a", "inf"), ("b", "-Infinity"), ("a", "1e400")]
    source = open_source(write_csv(tmp_path / "f.csv", ["y", "score"], rows))
    assert np.array_equal(joined(source, 10, "preds"), [0.5, np.nan, np.inf, -np.inf, np.inf], equal_nan=True)


def test_missing_scores(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("y,score\na,0.5\nb,\n,0.25\nb,0.75\n")
    with pytest.raises(InputError, match=r"1 target is missing \(line 4\)"):
        open_source(path)
    source = open_source(path, nan="drop")
    assert (source.rows, source.dropped, joined(source, 10, "preds").tolist()) == (2, 2, [0.5, 0.75])
    path.write_text("y,score\na,0.5\nb,\n")
    assert np.array_equal(joined(open_source(path, nan="wrong"), 10, "preds"), [0.5, np.nan], equal_nan=True)


def test_scores_with_weights(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "score", "w"], [("a", "0.5", "2"), ("b", "0.25", "0.1")])
    source = open_source(path, weight="w")
    assert joined(source, 10, "weight").tolist() == [2.0, 0.1]


# Labels or scores


@pytest.mark.parametrize(
    ("rows", "name", "reading"),
    [
        ([("0", "1"), ("1", "0"), ("1", "1")], "pred", "labels"),
        ([("0", "0.5"), ("1", "0.25"), ("1", "1")], "pred", "scores"),
        ([("a", "0.5"), ("b", "1")], "pred", "scores"),
        ([("0", "1"), ("1", "0")], "score", "labels"),
        ([("no", "1"), ("yes", "0")], "score", "scores"),
        ([("0.5", "1.5"), ("1.5", "0.5"), ("2", "2")], "pred", "labels"),
        ([("3.25", "3.5"), ("1.125", "1.0")], "pred", "scores"),
    ],
)
def test_labels_or_scores(tmp_path, rows, name, reading):
    source = open_source(write_csv(tmp_path / "f.csv", ["y", name], rows))
    assert (source.preds.labels is None) == (reading == "scores")


def test_the_first_rows_do_not_decide_alone(tmp_path):
    rows = [("0", "1"), ("1", "0")] * 1000 + [("1", "0.75")]
    source = open_source(write_csv(tmp_path / "f.csv", ["y", "pred"], rows))
    assert source.preds.dtype == "float64"
    assert joined(source, 4096, "preds")[-1] == 0.75
    assert source.target.labels == ("0", "1")
    rows = [("0", "0.5"), ("1", "0.25")] * 1000 + [("1", "cat")]
    with pytest.raises(InputError, match=r"score 'cat'.*--scores labels"):
        open_source(write_csv(tmp_path / "g.csv", ["y", "pred"], rows))


def test_the_users_word_decides(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred"], [("0", "1"), ("1", "0")])
    assert open_source(path, scores="probs").preds.dtype == "float64"
    path = write_csv(tmp_path / "g.csv", ["y", "pred"], [("0.5", "0.5"), ("0.5", "0.25")])
    assert open_source(path, scores="labels").preds.labels == ("0.25", "0.5")
    path = write_csv(tmp_path / "h.csv", ["y", "p_a", "p_b"], [("a", "0.5", "0.5")])
    with pytest.raises(UsageError, match="labels come from one column"):
        open_source(path, scores="labels")


def test_values_on_both_sides(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred"], [("1.5", "1.25"), ("2", "2.5")])
    source = open_source(path)
    assert (source.target.dtype, joined(source, 9, "target").tolist()) == ("float64", [1.5, 2.0])


# Pairing


def test_ids_join_in_the_order_of_the_predictions(tmp_path):
    rng = random.Random(5)
    ids = [f"s{i}" for i in range(5000)]
    truth = {each: rng.choice("abc") for each in ids}
    scores = {each: rng.random() for each in ids}
    shuffled = ids[:]
    rng.shuffle(shuffled)
    preds = write_csv(tmp_path / "p.csv", ["name", "score"], [(i, repr(scores[i])) for i in ids])
    target = write_parquet(tmp_path / "t.parquet", name=shuffled, y=[truth[i] for i in shuffled])
    source = open_source(preds, target, id="name")
    assert joined(source, 2048, "preds").tolist() == [scores[i] for i in ids]
    assert [source.target.labels[code] for code in joined(source, 2048, "target")] == [truth[i] for i in ids]


def test_ids_that_do_not_pair_are_counted_and_named(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["k", "pred"], [("1", "a"), ("2", "a"), ("2", "a"), ("5", "a"), ("", "a")])
    target = write_csv(tmp_path / "t.csv", ["k", "y"], [("1", "a"), ("2", "a"), ("3", "a"), ("4", "b")])
    for nan in ("error", "drop"):
        with pytest.raises(InputError) as caught:
            open_source(preds, target, id="k", nan=nan)
        text = str(caught.value)
        assert "1 empty ids in the predictions" in text
        assert "1 ids that occur twice in the predictions ('2')" in text
        assert "1 ids without a target ('5')" in text
        assert "2 ids without a prediction ('3', '4')" in text
        assert "--where" in text
    with pytest.raises(UsageError, match="no column 'key' to join by"):
        open_source(preds, target, id="key")


def test_where_chooses_the_ids_that_must_pair(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["k", "pred"], [("1", "a"), ("2", "b")])
    target = write_csv(
        tmp_path / "t.csv", ["k", "y", "split"], [("0", "a", "train"), ("2", "a", "test"), ("1", "a", "test")]
    )
    with pytest.raises(InputError, match=r"1 ids without a prediction \('0'\)"):
        open_source(preds, target, id="k")
    source = open_source(preds, target, id="k", where="split = 'test'")
    assert pairs(source) == {("a", "a"): 1, ("a", "b"): 1}


@pytest.mark.parametrize("where", [None, "pred = 'a'"])
def test_N22_lengths_that_differ(tmp_path, where):
    preds = write_csv(tmp_path / "p.csv", ["pred"], [("a",)] * 7)
    target = write_parquet(tmp_path / "t.parquet", y=["a"] * 5)
    for nan in ("error", "drop"):
        with pytest.raises(InputError, match="7 predictions but 5 targets"):
            open_source(preds, target, nan=nan, where=where)
    scores = write_csv(tmp_path / "s.csv", ["score"], [("0.5",)] * 4)
    with pytest.raises(InputError, match="4 predictions but 5 targets"):
        open_source(scores, target, nan="drop")


def test_ids_out_of_step_are_noted(tmp_path):
    preds = write_csv(tmp_path / "p.csv", ["id", "pred"], [("1", "a"), ("2", "b"), ("3", "a")])
    target = write_csv(tmp_path / "t.csv", ["id", "y"], [("1", "a"), ("3", "a"), ("2", "b")])
    source = open_source(preds, target)
    (note,) = [note for note in source.notes() if note.code == "ids-differ"]
    assert "in 2 rows" in note.text
    assert note.fix == "join with --id id"
    assert pairs(open_source(preds, target, id="id")) == {("a", "a"): 2, ("b", "b"): 1}


def test_order_holds_over_three_million_rows(tmp_path):
    n = 3_000_000
    labels = np.arange(n) % 7
    with open(tmp_path / "p.csv", "w") as file:
        file.write("pred\n" + "\n".join(map(str, labels.tolist())) + "\n")
    write_parquet(tmp_path / "t.parquet", y=labels)
    source = open_source(tmp_path / "p.csv", tmp_path / "t.parquet")
    assert pairs(source) == {(str(k), str(k)): int((labels == k).sum()) for k in range(7)}


# Which rows


def test_where_filters_rows(tmp_path):
    rows = [("a", "a", "EU", "30"), ("a", "b", "US", "40"), ("b", "b", "EU", "9")]
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "region", "age"], rows)
    source = open_source(path, where="region = 'EU' -- Europe")
    assert pairs(source) == {("a", "a"): 1, ("b", "b"): 1}
    assert source.rows == 2
    assert pairs(open_source(path, where="CAST(age AS INTEGER) > 20 AND preds.region <> 'US'")) == {("a", "a"): 1}
    with pytest.raises(EmptyError, match="no row satisfies --where"):
        open_source(path, where="region = 'XX'")


@pytest.mark.parametrize(
    "where",
    [
        "(SELECT count(*) FROM read_csv('/etc/passwd')) > 0",
        "region = ",
        "1) OR (1 = 1",
        "true; DROP TABLE x",
        "a, b",
        "/*",
        "",
        "nosuch = 1",
        "count(*) > 1",
    ],
)
def test_where_must_be_one_expression(tmp_path, where):
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "region"], [("a", "a", "EU")])
    with pytest.raises(UsageError, match="--where"):
        open_source(path, where=where)


def test_places_count_rows_of_the_file_not_of_the_selection(tmp_path):
    path = write_csv(tmp_path / "f.csv", ["y", "pred", "r"], [("a", "a", "1")] * 5 + [("a", "", "2")])
    with pytest.raises(InputError, match="line 7"):
        open_source(path, where="r = '2'")


def test_an_empty_table(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("y,pred\n")
    with pytest.raises(EmptyError):
        open_source(path)
    path = write_parquet(tmp_path / "f.parquet", y=pa.array([], pa.string()), score=pa.array([], pa.float32()))
    with pytest.raises(EmptyError):
        open_source(path)


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
    with pytest.raises(InputError, match=r"is missing \(1 in all: row 2\); give every row a weight") as caught:
        open_source(path, weight="w")
    assert "decimal" not in str(caught.value)


def test_an_id_that_is_not_there_is_told_with_what_is(tmp_path):
    one = write_csv(tmp_path / "p.csv", ["Image", "pred"], [("1", "a")])
    two = write_csv(tmp_path / "t.csv", ["Image", "target"], [("1", "a")])
    with pytest.raises(UsageError, match=r"no column 'image' to join by; did you mean 'Image'\? columns are 'Image', "):
        open_source(one, two, id="image")
    with pytest.raises(UsageError, match="--id pairs two files, but there is one"):
        open_source(one, id="Image")
