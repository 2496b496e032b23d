"""Scores in columns and lists of a table, and what is taken for scores."""

from __future__ import annotations

from threading import Event, Thread
from time import sleep
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from table_sources import joined, open_source, write_csv, write_parquet

from evalcli.errors import InputError, UsageError
from evalcli.sources import duck


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


class LateEvent(Event):
    """Keeps the thread that sets it, with all that it holds, as a busy machine may."""

    def set(self):
        super().set()
        sleep(0.02)


def test_a_pass_may_be_left_and_begun_again(tmp_path, monkeypatch):
    monkeypatch.setattr(duck, "threading", SimpleNamespace(Thread=Thread, Event=LateEvent))
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


@pytest.mark.parametrize("again", [("y", "score"), ("a", "score")])
def test_a_header_among_scores_is_told_as_that(tmp_path, again):
    path = write_csv(tmp_path / "f.csv", ["y", "score"], [("a", "0.25"), ("b", "0.5"), again, ("a", "x")])
    with pytest.raises(InputError, match=r"1 row repeats the names of the columns \(line 4\)"):
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
