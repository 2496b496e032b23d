"""JSON documents that are tables, and Arrow streams: what other people's tools write without being asked."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from evalcli import evaluate
from evalcli.errors import LimitError
from evalcli.sources import arrowfiles, jsontable
from evalcli.sources.jsontable import read_json
from evalcli.sources.sniff import file_format
from evalcli.sources.tables import Tables


@pytest.fixture
def counted(run):
    """The JSON of a report that must come about."""

    def called(*args):
        seen = run("report", *args, "-f", "json")
        assert seen.code == 0, seen.stderr
        return json.loads(seen.stdout)

    return called


@pytest.fixture
def refused(run):
    """What is said instead of a report."""

    def called(*args):
        seen = run("report", *args)
        assert (seen.code, seen.stdout) == (2, "")
        assert seen.stderr.count("\n") == 1
        return seen.stderr

    return called


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    target = rng.choice(["cat", "dog", "owl"], 40)
    pred = np.where(rng.random(40) < 0.7, target, rng.choice(["cat", "dog", "owl"], 40))
    return pd.DataFrame({"id": range(40), "target": target, "pred": pred, "group": rng.choice(["x", "y"], 40)})


@pytest.mark.parametrize("shape", ["records", "split", "columns", "index", "table", "list", "indented", "tracker"])
def test_a_table_in_one_document_reports_as_its_lines(tmp_path, counted, frame, shape):
    path = tmp_path / "x.json"
    if shape in ("list", "indented"):
        path.write_text(json.dumps(frame.to_dict("list"), indent=2 if shape == "indented" else None))
    elif shape == "tracker":
        path.write_text(json.dumps({"columns": [*frame], "data": frame.values.tolist(), "kind": "table"}))
    else:
        frame.to_json(path, orient=shape)
    assert file_format(str(path)) == "json"
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    found, lines = (counted(tmp_path / name, "--by", "group") for name in ("x.json", "x.jsonl"))
    assert found["n"] == 40
    for part in ("metrics", "classes", "confusion", "slices"):
        assert found[part] == lines[part]


def test_bare_lists_are_two_files_of_one_column(tmp_path, counted):
    scores = [[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]
    (tmp_path / "p.json").write_text(json.dumps(scores))
    (tmp_path / "t.json").write_text("[2, 0, 2]")
    found = counted(tmp_path / "p.json", tmp_path / "t.json")
    assert (found["scores"], found["n"], found["metrics"]["accuracy"]["value"]) == ("probs", 3, 2 / 3)


def test_a_short_first_key_makes_no_safetensors_of_it(tmp_path, counted):
    path = tmp_path / "x.json"
    path.write_text('{"pred":{"0":"a","1":"b","2":"c"},"target":{"0":"a","1":"b","2":"c"}}')
    assert path.read_bytes()[8:10] == b'{"'
    assert counted(path)["n"] == 3


def test_lines_stay_lines(tmp_path, counted, refused):
    path = tmp_path / "x.json"  # as Spark calls them
    path.write_text('{"target": ["a", "b"], "pred": ["a"]}\n\n{"target": ["b"], "pred": ["a", "b"]}\n')
    assert file_format(str(path)) == "jsonl"
    assert counted(path)["task"] == "multilabel"
    path = tmp_path / "x.jsonl"
    path.write_text('{"target": ["a", "b"], "pred": ["b", "a"]}\n')
    assert file_format(str(path)) == "jsonl"
    path.write_text('[{"target": "a", "pred": "a"}]\n')
    assert "a JSON array, not one object" in refused(path)


def test_a_document_from_a_pipe(counted, frame, monkeypatch):
    text = frame.to_json(orient="records").encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert counted("-")["n"] == 40


@pytest.mark.parametrize("name", ["x.json", "x.txt"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_in_utf_16_is_read_as_powershell_writes_it(tmp_path, counted, refused, frame, name, indent):
    path = tmp_path / name
    text = json.dumps(frame.replace("cat", "chät").to_dict("list"), indent=indent, ensure_ascii=False)
    reports = []
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        reports.append({key: value for key, value in counted(path).items() if key != "inputs"})
    assert reports[0]["n"] == 40
    assert reports[1:] == reports[:1] * 2
    path.write_bytes(text.encode("utf-16") + b"!")
    assert f"{name}: begins as UTF-16 and is none" in refused(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[{"target": "a", "pred": "a"},', "line 1, column 31: not JSON"),
        ('[{"target": "a", "pred": "a"},\n {"target" "b"}]', "line 2, column 12: not JSON"),
        ('[{"target": "a", "target": "b"}]', "key 'target' occurs twice"),
        ('[{"target": "\\ud800", "pred": "a"}]', "half a character"),
        ("[" * 100_000, "the document: not JSON"),
        ('[{"target": "a", "pred": "a"}, 3]', "row 1 is no object"),
        ('[{"target": "a", "pred": "a"}, {"target": "b", "pred": 1}]', "row 1: 'pred' is integer, earlier it was text"),
        ('{"target": ["a"], "pred": ["a", "b"]}', "its columns differ in length: 'target' 1, 'pred' 2"),
        ('{"target": {"0": 1}, "pred": {"1": 1}}', "column 'pred' has other rows"),
        ('{"columns": ["target", "pred"], "data": [["a", "b"], ["a"]]}', "row 1 has 1 values, there are 2 columns"),
        ('{"columns": ["pred", "pred"], "data": [["a", "b"]]}', "column 'pred' occurs twice"),
        ('{"columns": ["pred", 1], "data": [["a", "b"]]}', "called by no text"),
        ("[]", "no rows and no keys"),
        ("{\n}", "no rows and no keys"),
    ],
)
def test_a_document_that_is_no_table_says_why(tmp_path, refused, text, told):
    path = tmp_path / "x.json"
    path.write_text(text)
    said = refused(path)
    assert told in said
    assert "x.json: " in said


def test_what_lies_under_a_key_is_not_guessed(tmp_path, refused, counted):
    path = tmp_path / "x.json"
    rows = [{"target": i % 2, "pred": {"label": i % 2}, "other": i % 2, "far": [[1], [2]]} for i in range(4)]
    path.write_text(json.dumps(rows))
    assert "key 'pred' holds objects; write one text or number under each key" in refused(path)
    assert "key 'far' holds arrays of other things" in refused(path, "--pred", "far")
    assert counted(path, "--pred", "other", "--positive", "1")["n"] == 4


def test_J06_J01_values_keep_their_kind(tmp_path, refused, counted):
    path = tmp_path / "x.json"
    path.write_text('{"target": [1, 0, 1], "score": [0.5, NaN, 0.3]}')
    assert "1 prediction is not finite" in refused(path, "--positive", "1")
    path.write_text('{"target": ["007", "7", "007"], "pred": ["007", "7", "7"]}')
    assert sorted(counted(path, "--positive", "7")["classes"]) == ["007", "7"]
    path.write_text('{"target": [18446744073709551615, 1], "pred": [18446744073709551615, 1]}')
    assert counted(path, "--task", "multiclass")["classes"] == ["1", "18446744073709551615"]
    path.write_text('{"target": [1, null, 1], "pred": [0, 1, 1]}')
    assert "1 target is missing (row 1)" in refused(path)


def test_a_document_beyond_the_limit_says_what_streams(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"target": "a", "pred": "a"}] * 10))
    monkeypatch.setattr(jsontable, "LIMIT", 100)
    with pytest.raises(LimitError, match="in one document; at most 100 are read; write JSON lines"):
        read_json(str(path))


def test_a_feather_column_of_structs_is_no_label(tmp_path, refused):
    path = tmp_path / "x.arrow"
    feather.write_feather(pa.table({"target": ["a", "b"], "pred": [{"label": "a"}] * 2}), path)
    assert "field 'pred' holds values of type STRUCT" in refused(path)


def test_an_arrow_stream_reports_as_the_file(tmp_path, counted, refused, frame):
    table = pa.Table.from_pandas(frame)
    for name, opened in (("stream", pa.ipc.new_stream), ("file", pa.ipc.new_file)):
        with opened(str(tmp_path / f"{name}.arrow"), table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    stream, file = (counted(tmp_path / f"{name}.arrow") for name in ("stream", "file"))
    assert stream["n"] == 40
    assert stream["metrics"] == file["metrics"]
    held = (tmp_path / "stream.arrow").read_bytes()
    (tmp_path / "cut.arrow").write_bytes(held[: len(held) // 2])
    assert "cannot be read as feather" in refused(tmp_path / "cut.arrow")
    (tmp_path / "bad.arrow").write_bytes(b"\xff" * 4000)
    assert "cannot be read as feather" in refused(tmp_path / "bad.arrow")


def test_a_folder_that_datasets_saved_is_the_rows_of_its_files_in_order(tmp_path, counted, refused, frame):
    """As ``Dataset.save_to_disk`` lays it out: the state names the files, which need not come by name."""
    folder, names = tmp_path / "split", ["b.arrow", "a.arrow"]
    folder.mkdir()
    for name, rows in zip(names, (frame[:25], frame[25:]), strict=True):
        table = pa.Table.from_pandas(rows, preserve_index=False)
        with pa.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "f"}
    (folder / "state.json").write_text(json.dumps(state))
    frame.to_parquet(tmp_path / "x.parquet")
    seen, expected = (counted(path, "--by", "group") for path in (folder, tmp_path / "x.parquet"))
    assert (seen["metrics"], seen["slices"]) == (expected["metrics"], expected["slices"])
    assert [each["path"] for each in seen["inputs"]] == [str(folder / name) for name in names]
    for odd, said in (
        ({"_data_files": [{"filename": "../x.arrow"}]}, "state.json names no files of rows"),
        ({"_data_files": []}, "state.json names no files of rows"),
        (state | {"_indices_data_files": [{"filename": "i.arrow"}]}, "save .flatten_indices() of the data set"),
        ("[", "state.json cannot be read"),
    ):
        (folder / "state.json").write_text(odd if isinstance(odd, str) else json.dumps(odd))
        assert said in refused(folder)
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "split"]}')
    assert f"a data set of splits: 'train', 'split'; name one of them: {folder}" in refused(tmp_path)
    (tmp_path / "dataset_dict.json").unlink()
    assert f"is a directory; name a file, or a glob in quotes: '{tmp_path}/*.parquet'" in refused(tmp_path)


def test_batches_of_arrow_with_dictionaries_of_their_own_are_read_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(arrowfiles, "AT_ONCE", 3)
    words = [["a", "b", "c"], ["c", "d"], ["b"], ["d", "c", "b", "a"]]
    files = [tmp_path / "1.arrows", tmp_path / "2.arrows"]
    rows = []
    for number, path in enumerate(files):
        batches = [
            pa.record_batch(
                {
                    "target": pa.DictionaryArray.from_arrays(np.arange(50 + number) * 7 % len(some), some),
                    "n": np.arange(50 + number),
                }
            )
            for some in words
        ]
        rows += [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
        with pa.ipc.new_stream(path, batches[0].schema) as out:
            for batch in batches:
                out.write_batch(batch)
    tables = Tables([str(tmp_path / "*.arrows")])
    try:
        for _ in range(2):  # a stream is opened anew
            assert tables.query("SELECT c0, c1 FROM evalcli_0").fetchall() == rows
    finally:
        tables.close()


def test_a_frame_of_probabilities_beside_the_truth(tmp_path, counted):
    """What scikit-learn's users save: columns called as the classes."""
    scores = np.random.default_rng(3).dirichlet([1, 1, 1], 30)
    truth = np.array(["car", "carp", "cat"])[scores.argmax(1)]
    frame = pd.DataFrame(scores, columns=["car", "carp", "cat"])
    frame.to_csv(tmp_path / "p.csv", index=False)
    pd.Series(truth, name="y").to_csv(tmp_path / "y.csv")
    assert counted(tmp_path / "p.csv", tmp_path / "y.csv", "--pred", "*")["metrics"]["accuracy"]["value"] == 1
    frame.assign(label=truth).to_csv(tmp_path / "both.csv", index_label="id")
    assert counted(tmp_path / "both.csv", "--pred", "*")["metrics"]["accuracy"]["value"] == 1
    assert evaluate(frame, truth)["accuracy"] == 1
    np.savetxt(tmp_path / "p.txt", scores)
    np.savetxt(tmp_path / "y.txt", scores.argmax(1), fmt="%d")
    written = ("--no-header", "--delimiter", " ", "--pred", "*")
    assert counted(tmp_path / "p.txt", tmp_path / "y.txt", *written)["metrics"]["accuracy"]["value"] == 1
