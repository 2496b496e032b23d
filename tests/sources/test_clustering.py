"""Clusters in files: one number for each, whatever the file, and errors that name what is wrong."""

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import evalcli
from evalcli.errors import EvalError, UsageError
from evalcli.sources.clustering import cluster_of, cluster_sql
from evalcli.sources.table_join import Column

ROWS = [(0.9, 1, 7, "a"), (0.2, 0, 7, "a"), (0.6, 0, 8, "b"), (0.7, 1, 9, "c"), (0.4, 1, 10, "d"), (0.1, 0, 10, "d")]


class Named:
    """One table with one column of text."""

    target = None
    preds = type("Table", (), {"columns": ("c",), "path": "t.csv", "noun": "column"})

    def single(self, name, side, option):
        assert option == "--cluster"
        return Column(side, name, "text", "c")


@given(
    texts=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.integers().map(str), min_size=1
    )
)
@example(["17.0", "-0.0", "True", "2024-01-31 00:00:00", "2024-01-31T12:30:00.500", "2024-01-31T12:30", "x" * 25])
@example([f"{day}{clock}" for day in ("2024-01-31", "2024-02-31", "0001-01-01", "9999-12-31", "0999-05-05")
          for clock in ("T23:30:00+02:00", " 00:30:00.250000+0530", "T23:30:00.123456789-08", "T24:00:00Z",
                        " 12:30:00+00:00", "T12:30:00.000Z", " 12:30:00+15:00", "T12:30:60Z")])  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_sql_and_python_give_a_text_the_same_number(texts):
    connection = duckdb.connect()
    source = "(SELECT unnest(CAST(? AS VARCHAR[])) AS c) AS preds"
    found = connection.execute(f"SELECT {cluster_sql(Named(), 'c')} FROM {source}", [texts]).fetchall()
    assert [row[0] for row in found] == [cluster_of(text) for text in texts]


def written(folder, kind):
    lines = ["score,target,number,name", *(",".join(map(str, row)) for row in ROWS)]
    path = folder / f"x.{kind}"
    score, target, number, name = zip(*ROWS, strict=True)
    if kind == "npz":
        np.savez(path, score=np.array(score), target=np.array(target), number=np.array(number), name=np.array(name))
    elif kind == "parquet":
        (folder / "y.csv").write_text("\n".join(lines))
        duckdb.sql(f"COPY (FROM '{folder / 'y.csv'}') TO '{path}'")
    else:
        path.write_text("\n".join(lines))
    return str(path)


@pytest.mark.parametrize("by", ["number", "name"])
def test_the_same_clusters_in_any_file_and_in_memory_give_the_same_intervals(tmp_path, by):
    score, target, number, name = (np.array(column) for column in zip(*ROWS, strict=True))
    memory = evalcli.evaluate(score, target, cluster=number if by == "number" else name).data
    assert (memory.clustered.clusters, memory.clustered.largest) == (4, 2)
    for kind in ("csv", "parquet", "npz"):
        found = evalcli.evaluate(written(tmp_path, kind), cluster=by).data
        assert found.metrics == memory.metrics, kind
        assert found.clustered.by == by


def test_a_label_table_is_clustered_too(tmp_path):
    (tmp_path / "l.csv").write_text("pred,target,who\nno,no,1\nyes,yes,1\nno,yes,2\nyes,yes,3\n")
    found = evalcli.evaluate(str(tmp_path / "l.csv"), cluster="who").data
    assert (found.n, found.metrics["accuracy"].value, found.clustered.clusters) == (4, 0.75, 3)
    assert found.metrics["accuracy"].method == "wilson (clusters)"


@pytest.mark.parametrize(
    ("text", "by", "message"),
    [
        (
            "pred,target,who\nno,no,1\nyes,yes,\nno,yes,2\n",
            "who",
            r"1 row has no cluster \(line 3\); nan=.drop. leaves",
        ),
        (
            "pred,target,who\nno,no,1\nyes,yes,1\nno,yes,2\n",
            "whom",
            "no column 'whom' to cluster by; did you mean 'who'",
        ),
        ("pred,target,who\nno,no,1\nyes,yes,1\nno,yes,1\n", "who", "all rows belong to one cluster; name the column"),
    ],
)
def test_a_column_that_says_no_clusters(tmp_path, text, by, message):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(EvalError, match=message):
        evalcli.evaluate(str(tmp_path / "l.csv"), cluster=by)


def test_rows_without_a_cluster_are_dropped_and_counted(tmp_path):
    (tmp_path / "l.csv").write_text("pred,target,who\nno,no,1\nyes,yes,\nno,yes,2\n")
    found = evalcli.evaluate(str(tmp_path / "l.csv"), cluster="who", nan="drop").data
    assert (found.n, found.ignored, found.clustered.clusters) == (2, 1, 2)


def test_an_array_of_another_length_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", preds=np.array([0, 1, 1]), target=np.array([0, 1, 0]), who=np.array([1, 2]))
    with pytest.raises(EvalError, match=r"the clusters 'who' have the shape \(2,\), and there are 3 rows"):
        evalcli.evaluate(str(tmp_path / "x.npz"), cluster="who")


def test_a_column_beside_a_tensor_is_clustered_by(tmp_path):
    preds, target = [0.1, 0.9, 0.8, 0.3, 0.6, 0.2], [0, 1, 1, 0, 0, 1]
    np.save(tmp_path / "preds.npy", np.array(preds))
    names = ["a", "7", "a", "", "7", "07"]
    rows = [f"{t},{c}" for t, c in zip(target, names, strict=True)]
    (tmp_path / "truth.csv").write_text("\n".join(["label,patient", *rows]) + "\n")
    found = evalcli.evaluate(tmp_path / "preds.npy", tmp_path / "truth.csv", cluster="patient", nan="drop").data
    alone = evalcli.evaluate(preds, target, cluster=["a", "7", "a", None, "7", "07"], nan="drop").data
    assert found.metrics == alone.metrics
    assert (found.n, found.clustered.clusters) == (5, 3)
    with pytest.raises(UsageError, match=r"no column 'clinic' to cluster by.*there are 'label', 'patient'"):
        evalcli.evaluate(tmp_path / "preds.npy", tmp_path / "truth.csv", cluster="clinic")
