"""Cells of several labels from real tables: columns, lists and sets, in every format, and what can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalcli.errors import EmptyError, InputError, LimitError, UsageError
from evalcli.sources import open_source
from evalcli.sources.base import Selection

LABELS = ("cat", "dog", "owl")
TRUTH = (np.random.default_rng(0).random((40, 3)) < [0.5, 0.3, 0.1]).astype(int)
SCORES = np.random.default_rng(1).random((40, 3)).round(6)


def frame():
    columns = {"id": [f"r{i}" for i in range(40)]}
    columns |= {f"y_{name}": TRUTH[:, i] for i, name in enumerate(LABELS)}
    columns |= {f"p_{LABELS[i]}": SCORES[:, i] for i in (2, 0, 1)}
    return pd.DataFrame(columns)


def sets(table):
    return [[LABELS[i] for i in np.flatnonzero(row)] for row in table]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write(folder, name):
    path = folder / name
    stem = path.name.partition(".")[0]
    rows = {
        "columns": frame().to_dict("records"),
        "lists": [{"target": t.tolist(), "pred": s.tolist()} for t, s in zip(TRUTH, SCORES, strict=True)],
        "sets": [{"target": t, "pred": s} for t, s in zip(sets(TRUTH), sets(SCORES > 0.5), strict=True)],
        "tags": [{"tags": t} | {f"p_{n}": v for n, v in zip(LABELS, s.tolist(), strict=True)}
                 for t, s in zip(sets(TRUTH), SCORES, strict=True)],
    }[stem]  # fmt: skip
    if name.endswith("jsonl"):
        jsonl(path, rows)
    elif name.endswith("parquet"):
        pd.DataFrame(rows).to_parquet(path)
    else:
        pd.DataFrame(rows).to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ",")
    return str(path)


def read(first, second=None, size=7, **asked):
    source = open_source(first, second, Selection(**asked))
    try:
        starts, whole = [], []
        for rows in (size, 100):  # it can be iterated again from the start
            parts = [(batch.preds.copy(), batch.target.copy(), batch.start) for batch in source.batches(rows)]
            starts.append([start for *_, start in parts])
            whole.append([np.concatenate([part[side] for part in parts]) for side in (0, 1)])
        assert all(np.array_equal(*pair, equal_nan=True) for pair in zip(*whole, strict=True))
        assert starts[0] == list(range(0, len(whole[0][0]), size))
        source.finish()
        return source, *whole[0]
    finally:
        source.close()


@pytest.mark.parametrize("name", ["columns.csv", "columns.csv.gz", "columns.tsv", "columns.parquet", "columns.jsonl"])
def test_columns_of_every_format(tmp_path, name):
    source, preds, target = read(write(tmp_path, name))
    assert source.preds.columns == source.target.columns == ("owl", "cat", "dog")
    assert (source.preds.name, source.target.name) == ("p_*", "y_*")
    assert (source.rows, source.preds.shape, source.target.shape) == (40, (40, 3), (40, 3))
    assert (source.preds.dtype, source.target.dtype) == ("float64", "float32")
    assert np.array_equal(preds, SCORES[:, [2, 0, 1]])
    assert np.array_equal(target, TRUTH[:, [2, 0, 1]])


@pytest.mark.parametrize("name", ["lists.jsonl", "lists.parquet"])
def test_lists_go_by_place(tmp_path, name):
    source, preds, target = read(write(tmp_path, name))
    assert source.preds.columns is None
    assert source.target.columns is None
    assert np.array_equal(preds, SCORES)
    assert np.array_equal(target, TRUTH)


@pytest.mark.parametrize("name", ["sets.jsonl", "sets.parquet"])
def test_sets_become_a_cell_for_each_label_that_occurs_or_is_declared(tmp_path, name):
    path = write(tmp_path, name)
    source, preds, target = read(path)
    assert source.preds.columns == source.target.columns == LABELS
    assert np.array_equal(preds, SCORES > 0.5)
    assert np.array_equal(target, TRUTH)
    declared, _, target = read(path, labels=("owl", "eel", "dog", "cat"))
    assert declared.target.columns == ("owl", "eel", "dog", "cat")
    assert np.array_equal(target[:, [3, 2, 0]], TRUTH)
    assert not target[:, 1].any()


def test_two_spellings_of_a_label_are_never_two_labels_in_silence(tmp_path):
    rows = [{"target": ["cat", "dog"], "pred": ["Cat", "Dog"]}, {"target": ["dog"], "pred": ["Dog"]}]
    jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError, match="differ only in upper and lower case"):
        read(str(tmp_path / "a.jsonl"))
    rows += [{"target": ["cat", "Cat", "owl", "eel"], "pred": ["cat", "Cat", "dog"]}]
    jsonl(tmp_path / "a.jsonl", rows)
    assert [note.code for note in read(str(tmp_path / "a.jsonl"))[0].notes()] == ["labels-case"]


def test_sets_of_free_text_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("evalcli.sources.table_cells.MOST_LABELS", 2)
    with pytest.raises(LimitError, match="'pred' holds more than 2 different labels"):
        read(write(tmp_path, "sets.jsonl"))


def test_sets_beside_columns_take_their_names(tmp_path):
    for name in ("tags.jsonl", "tags.parquet"):
        source, preds, target = read(write(tmp_path, name))
        assert source.target.columns == LABELS
        assert np.array_equal(target, TRUTH)
        assert np.array_equal(preds, SCORES)


def test_sets_beside_numbers_without_names_need_the_order(tmp_path):
    path = tmp_path / "both.jsonl"
    jsonl(path, [{"target": t, "pred": s.tolist()} for t, s in zip(sets(TRUTH), SCORES, strict=True)])
    with pytest.raises(InputError, match="name the labels in the order of the scores: --labels"):
        read(str(path))
    _, preds, target = read(str(path), labels=LABELS)
    assert np.array_equal(target, TRUTH)
    assert np.array_equal(preds, SCORES)
    with pytest.raises(InputError, match="'target' holds labels that are none of the others: 'owl'"):
        read(str(path), labels=("cat", "dog", "eel"))


def test_two_files_by_position_and_by_key(tmp_path):
    whole = frame()
    said, truth = whole.filter(regex="id|p_"), whole.filter(regex="id|y_")
    said.to_csv(tmp_path / "p.csv", index=False)
    truth.sample(frac=1, random_state=0).to_csv(tmp_path / "t.csv", index=False)
    paths = str(tmp_path / "p.csv"), str(tmp_path / "t.csv")
    _source, preds, target = read(*paths, id="id")
    assert np.array_equal(target, TRUTH[:, [2, 0, 1]])
    assert np.array_equal(preds, SCORES[:, [2, 0, 1]])
    by_position, _, _ = read(*paths)
    assert [note.code for note in by_position.notes()] == ["ids-differ"]
    truth.iloc[:30].to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="40 predictions but 30 targets"):
        read(*paths)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_tensor_of_scores_beside_a_table_of_the_truth(tmp_path, suffix):
    np.save(tmp_path / "p.npy", SCORES.astype(np.float32))
    path = tmp_path / f"t.{suffix}"
    truth = frame().filter(regex="id|y_")
    {"csv": lambda: truth.to_csv(path, index=False), "parquet": lambda: truth.to_parquet(path),
     "jsonl": lambda: jsonl(path, truth.to_dict("records"))}[suffix]()  # fmt: skip
    source, preds, target = read(str(tmp_path / "p.npy"), str(path))
    assert (source.preds.columns, source.target.columns) == (None, LABELS)
    assert np.array_equal(target, TRUTH)
    assert np.array_equal(preds, SCORES.astype(np.float32))


def test_sets_beside_a_tensor(tmp_path):
    np.save(tmp_path / "p.npy", SCORES)
    jsonl(tmp_path / "t.jsonl", [{"tags": t} for t in sets(TRUTH)])
    paths = str(tmp_path / "p.npy"), str(tmp_path / "t.jsonl")
    with pytest.raises(InputError, match="in the order of the scores"):
        read(*paths, target="tags")
    source, _, target = read(*paths, target="tags", labels=LABELS)
    assert source.target.columns == LABELS
    assert np.array_equal(target, TRUTH)


def test_true_and_false_are_1_and_0(tmp_path):
    whole = frame()
    for name in LABELS:
        whole[f"y_{name}"] = whole[f"y_{name}"].astype(bool)
    whole.to_csv(tmp_path / "a.csv", index=False)
    whole.to_parquet(tmp_path / "a.parquet")
    jsonl(tmp_path / "a.jsonl", json.loads(whole.to_json(orient="records")))
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        assert np.array_equal(read(str(tmp_path / name))[2], TRUTH[:, [2, 0, 1]])
    rows = [{"target": t, "pred": s} for t, s in zip(TRUTH.astype(bool).tolist(), SCORES.tolist(), strict=True)]
    jsonl(tmp_path / "l.jsonl", rows)
    pd.DataFrame(rows).to_parquet(tmp_path / "l.parquet")
    for name in ("l.jsonl", "l.parquet"):
        assert np.array_equal(read(str(tmp_path / name))[2], TRUTH)


def test_rows_are_chosen_and_weighed(tmp_path):
    whole = frame().assign(w=np.arange(40) / 4)
    path = tmp_path / "a.csv"
    whole.to_csv(path, index=False)
    source = open_source(str(path), None, Selection(weight="w", where="w >= 5"))
    batches = list(source.batches(100))
    source.close()
    assert np.concatenate([batch.weight for batch in batches]).tolist() == (np.arange(20, 40) / 4).tolist()
    assert source.rows == 20
    assert source.weighted


def spoilt(tmp_path, *cells, suffix="csv"):
    whole = frame().astype(object)
    for row, column, value in cells:
        whole.loc[row, column] = value
    path = tmp_path / f"spoilt.{suffix}"
    whole.to_csv(path, index=False)
    return str(path)


def test_missing_cells_arrive_as_nan_with_their_line(tmp_path):
    _source, preds, target = read(spoilt(tmp_path, (4, "y_dog", None), (9, "p_owl", None), (11, "p_cat", "nan")))
    assert np.argwhere(np.isnan(target)).tolist() == [[4, 2]]
    assert np.argwhere(np.isnan(preds)).tolist() == [[9, 0], [11, 1]]
    again = open_source(spoilt(tmp_path, (4, "y_dog", None)), None, Selection())
    assert [again.place(4, side) for side in ("preds", "target")] == ["line 6", "line 6"]
    again.close()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [(2, "y_cat", "maybe"), (7, "y_cat", "x")],
            "target 'maybe' in column 'y_cat' is no number (2 in all: line 4, line 9)",
        ),
        ([(2, "y_cat", "yes")], "write 0 and 1 (or true and false)"),
        ([(2, "p_dog", "1_0")], "prediction '1_0' in column 'p_dog' is no number (1 in all: line 4)"),
        ([(2, "p_dog", "0,5")], "prediction '0,5' in column 'p_dog' is no number"),
    ],
)
def test_texts_are_refused_with_their_lines(tmp_path, cells, words):
    with pytest.raises(InputError) as caught:
        read(spoilt(tmp_path, *cells))
    assert words in str(caught.value)


def test_texts_beside_a_tensor_are_refused_with_their_lines(tmp_path):
    np.save(tmp_path / "p.npy", SCORES)
    with pytest.raises(InputError, match=r"target 'maybe' in column 'y_cat' is no number \(1 in all: line 4\)"):
        read(str(tmp_path / "p.npy"), spoilt(tmp_path, (2, "y_cat", "maybe")))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"target": [1, 0], "pred": [0.1, 0.2]}, {"target": [1], "pred": [0.1, 0.2]}],
         "lists in column 'target' have 1 to 2 entries (short ones at line 2)"),
        ([{"target": [1, 0], "pred": [0.1, 0.2, 0.3]}], "lists of 3 predictions but 2 targets a row"),
        ([{"target": [], "pred": []}], "are empty"),
        ([{"target": [1, "a"], "pred": [0.1, 0.2]}], "arrays of other things than numbers or texts"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_are_refused(tmp_path, rows, words):
    jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError) as caught:
        read(str(tmp_path / "a.jsonl"))
    assert words in str(caught.value)


def test_a_missing_list_is_a_row_of_missing_cells(tmp_path):
    jsonl(tmp_path / "a.jsonl", [{"target": [1, 0], "pred": [0.1, 0.2]}, {"target": [0, 1], "pred": None},
                                 {"target": [0, None], "pred": [0.3, 0.4]}])  # fmt: skip
    _, preds, target = read(str(tmp_path / "a.jsonl"))
    assert np.isnan(preds).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert np.isnan(target).tolist() == [[False] * 2, [False] * 2, [False, True]]


def test_a_missing_set_is_not_an_empty_one(tmp_path):
    jsonl(tmp_path / "a.jsonl", [{"tags": ["a"], "p_a": 0.5, "p_b": 0.5}, {"tags": None, "p_a": 0.5, "p_b": 0.5},
                                 {"tags": [], "p_a": 0.5, "p_b": 0.5}])  # fmt: skip
    _, _, target = read(str(tmp_path / "a.jsonl"))
    assert np.array_equal(target, [[1, 0], [np.nan, np.nan], [0, 0]], equal_nan=True)


def test_no_rows_are_no_verdict(tmp_path):
    (tmp_path / "a.csv").write_text("y_a,y_b,p_a,p_b\n")
    with pytest.raises(EmptyError):
        read(str(tmp_path / "a.csv"))
    with pytest.raises(EmptyError, match="no row satisfies"):
        read(write(tmp_path, "columns.csv"), where="id = 'x'")


@pytest.mark.parametrize("name", ["'; DROP TABLE x; --", 'a"b', "x, y", "日本", "a*b", "%"])
def test_nasty_names_are_names(tmp_path, name):
    whole = frame().rename(columns={"y_cat": f"y_{name}", "p_cat": f"p_{name}"})
    whole.to_csv(tmp_path / "a.csv", index=False)
    source, _preds, target = read(str(tmp_path / "a.csv"))
    assert source.preds.columns == ("owl", name, "dog")
    assert np.array_equal(target[:, 1], TRUTH[:, 0])
    jsonl(tmp_path / "a.jsonl", [{"tags": [name], f"p_{name}": 0.5, "p_b": 0.25}])
    _, _, target = read(str(tmp_path / "a.jsonl"))
    assert target.tolist() == [[1, 0]]


def test_a_thousand_labels(tmp_path):
    rng = np.random.default_rng(0)
    truth, scores = (rng.random((30, 1000)) < 0.1).astype(int), rng.random((30, 1000)).astype(np.float32)
    columns = {f"y_{i}": truth[:, i] for i in range(1000)} | {f"p_{i}": scores[:, i] for i in range(1000)}
    pd.DataFrame(columns).to_parquet(tmp_path / "a.parquet")
    source, preds, target = read(str(tmp_path / "a.parquet"))
    assert source.preds.dtype == "float32"
    assert np.array_equal(target, truth)
    assert np.array_equal(preds, scores)


def test_a_damaged_table_is_noticed(tmp_path):
    path = write(tmp_path, "columns.csv")
    text = Path(path).read_text().splitlines()
    text[5] += ",1"
    Path(path).write_text("\n".join(text) + "\n")
    with pytest.raises(InputError, match="line 6"):
        read(path)


def test_classification_is_told_that_lists_are_no_labels(tmp_path):
    path = write(tmp_path, "tags.jsonl")
    with pytest.raises((InputError, UsageError), match="lists, not labels"):
        read(path, task="binary", target="tags", pred="p_cat")
