"""Rows of several sources in step: by position, by number, by id; and what cannot be brought into step."""

from __future__ import annotations

import numpy as np
import pytest

from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.task import Choices

N = 400
RNG = np.random.default_rng(3)
NAMES = np.array(["ant", "bee", "cow"])
TARGET = RNG.integers(0, 3, N)
FIRST, SECOND = (np.where(RNG.random(N) < p, RNG.integers(0, 3, N), TARGET) for p in (0.4, 0.25))
EXECUTIONS = [Execution(workers=1), Execution(batch_size=37, workers=2)]


def write(path, columns, order=None):
    order = range(N) if order is None else order
    lines = [",".join(columns)]
    lines += [",".join(str(values[i]) for values in columns.values()) for i in order]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def files(tmp_path):
    """The same rows as tables in the order of the truth, and shuffled; and as arrays."""
    ids = [f"r{i}" for i in range(N)]
    shuffled = RNG.permutation(N)
    np.save(tmp_path / "a.npy", FIRST)
    np.save(tmp_path / "b.npy", SECOND)
    np.save(tmp_path / "t.npy", TARGET)
    return {
        "a": write(tmp_path / "a.csv", {"id": ids, "pred": NAMES[FIRST]}),
        "b": write(tmp_path / "b.csv", {"id": ids, "pred": NAMES[SECOND]}),
        "mixed": write(tmp_path / "mixed.csv", {"id": ids, "pred": NAMES[SECOND]}, shuffled),
        "t": write(tmp_path / "t.csv", {"id": ids, "label": NAMES[TARGET]}, RNG.permutation(N)),
        "straight": write(tmp_path / "s.csv", {"id": ids, "label": NAMES[TARGET]}),
        "both": write(
            tmp_path / "both.csv", {"id": ids, "target": NAMES[TARGET], "a": NAMES[FIRST], "b": NAMES[SECOND]}
        ),
        "numbers": write(tmp_path / "n.csv", {"pred": SECOND}),
    }


def compared(pairs, execution=EXECUTIONS[0], question=None, nan="error", **selected):
    question = question or Question(flips=10**6, by_id=selected.get("id") is not None)
    selected |= {"listing": True, "nan": nan, "sorted": selected.get("id") is not None}
    preds = selected.pop("preds", [None] * len(pairs))
    sources = [
        open_source(path, truth, Selection(pred=pred, **selected))
        for (path, truth), pred in zip(pairs, preds, strict=True)
    ]
    try:
        return compare(sources, Choices(nan=nan), execution, question)
    finally:
        for source in sources:
            source.close()


def told(found):
    """What does not depend on where the rows lay."""
    rows = sorted((row.id, row.kind, row.target, row.first, row.second) for row in found.rows)
    return found.metrics, found.flips, rows


@pytest.fixture
def expected(files):
    return told(compared([(files["both"], None)] * 2, preds=["a", "b"]))


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_two_columns_of_one_table(files, expected, execution) -> None:
    found = compared([(files["both"], None)] * 2, execution, preds=["a", "b"])
    assert told(found) == expected
    assert found.metric("accuracy").values == (float((FIRST == TARGET).mean()), float((SECOND == TARGET).mean()))
    assert [row.row for row in found.rows] == [int(row.id[1:]) for row in found.rows]
    assert [row.line for row in found.rows] == [row.row + 2 for row in found.rows]


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_tables_in_any_order_are_joined_by_id(files, expected, execution) -> None:
    assert told(compared([(files["a"], files["t"]), (files["mixed"], files["t"])], execution, id="id")) == expected
    assert told(compared([(files["a"], files["t"]), (files["b"], files["straight"])], execution, id="id")) == expected


def test_tables_by_position_and_arrays(files, expected, tmp_path) -> None:
    pairs = [(files["a"], files["straight"]), (files["b"], files["straight"])]
    assert told(compared(pairs)) == expected
    arrays = compared([(str(tmp_path / f"{name}.npy"), str(tmp_path / "t.npy")) for name in "ab"])
    assert [row.values for row in arrays.metrics] == [row.values for row in expected[0]]
    assert [row.differences for row in arrays.metrics] == [row.differences for row in expected[0]]


def test_a_table_beside_arrays(files, expected, tmp_path) -> None:
    truth = str(tmp_path / "t.npy")
    found = compared([(str(tmp_path / "a.npy"), truth), (files["numbers"], truth)])
    assert [row.values for row in found.metrics] == [row.values for row in expected[0]]


def test_ids_that_do_not_run_in_step_are_refused(files) -> None:
    with pytest.raises(InputError, match=r"mixed.csv: row 0 has the id 'r\d+', but 'r0' in .*a.csv; pair tables with"):
        compared([(files["a"], files["straight"]), (files["mixed"], files["straight"])])


def test_ids_that_one_file_lacks_or_repeats_are_named(files, tmp_path) -> None:
    ids = [f"r{i}" for i in range(N)]
    ids[5] = "other"
    whole = {"id": ids, "target": NAMES[TARGET], "pred": NAMES[SECOND]}
    lacking = write(tmp_path / "lacking.csv", whole)
    first = write(tmp_path / "first.csv", whole | {"id": [f"r{i}" for i in range(N)]})
    with pytest.raises(InputError, match=r"first.csv: 1 id not in .*lacking.csv \('r5'\)"):
        compared([(first, None), (lacking, None)], id="id")
    ids[5] = "r6"
    twice = write(tmp_path / "twice.csv", whole)
    with pytest.raises(InputError, match=r"twice.csv: 1 id occurs twice \('r6'\)"):
        compared([(first, None), (twice, None)], id="id")
    for row in range(20, 30):
        ids[row] = "r7"
    ids[40], ids[50] = "r8", "r9"
    more = write(tmp_path / "more.csv", whole)
    with pytest.raises(InputError, match=r"4 ids occur twice \('r6', 'r7', 'r8', …\)"):
        compared([(first, None), (more, None)], EXECUTIONS[1], id="id")
    ids[:] = [f"r{i}" for i in range(N)]
    short = write(tmp_path / "short.csv", {name: [*column][13:] for name, column in whole.items()}, range(N - 13))
    missing = r"first.csv: 13 ids not in all of .*first.*, .*short.csv \('r0', 'r1', 'r10', …\)"
    with pytest.raises(InputError, match=missing):
        compared([(first, None), (first, None), (short, None)], id="id")
    ids[5] = ""
    with pytest.raises(InputError, match="1 row has no id"):
        compared([(first, None), (write(tmp_path / "none.csv", whole), None)], id="id")


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("by", ["id", None])
def test_rows_that_one_side_leaves_out(tmp_path, execution, by) -> None:
    ids = [f"r{i}" for i in range(N)]
    said = [NAMES[FIRST].tolist(), NAMES[SECOND].tolist()]
    gaps = [{3, 50, 51, 399}, {0, 50, 200}]
    for side, rows in zip(said, gaps, strict=True):
        for row in rows:
            side[row] = ""
    paths = [
        write(tmp_path / f"{name}.csv", {"id": ids, "target": NAMES[TARGET], "pred": side})
        for name, side in zip("ab", said, strict=True)
    ]
    pairs = [(path, None) for path in paths]
    with pytest.raises(InputError, match="4 predictions are missing"):
        compared(pairs, execution, id=by)
    found = compared(pairs, execution, id=by, nan="drop")
    kept = np.setdiff1d(np.arange(N), [0, 3, 50, 51, 200, 399])
    assert (found.n, found.left_out, found.ignored) == (N - 6, 5, 1)
    assert found.metric("accuracy").values == tuple(float((side == TARGET)[kept].mean()) for side in (FIRST, SECOND))
    assert {row.row for row in found.rows} == set(kept[FIRST[kept] != SECOND[kept]].tolist())


def test_a_filter_that_keeps_other_rows_is_refused(tmp_path) -> None:
    columns = {"target": NAMES[TARGET], "pred": NAMES[FIRST], "kept": [i % 2 for i in range(N)]}
    first = write(tmp_path / "first.csv", columns)
    second = write(tmp_path / "second.csv", columns | {"kept": [(i + 1) % 2 for i in range(N)]})
    same = write(tmp_path / "same.csv", columns | {"pred": NAMES[SECOND]})
    found = compared([(first, None), (same, None)], where="kept = 1")
    assert found.n == N // 2
    assert all(row.row % 2 for row in found.rows)
    with pytest.raises(InputError, match=r"row \d+ is not among the rows of .*; .*--where"):
        compared([(first, None), (second, None)], where="kept = 1")


def test_the_truth_is_read_once(files, tmp_path, monkeypatch) -> None:
    from evalcli.sources.array_source import ReadOnce

    read = []
    true = ReadOnce.read
    monkeypatch.setattr(ReadOnce, "read", lambda self, *args: read.append(args) or true(self, *args))
    found = compared([(str(tmp_path / f"{name}.npy"), str(tmp_path / "t.npy")) for name in "ab"])
    assert len(read) == 2
    assert [record.path for record in found.inputs] == [str(tmp_path / f"{name}.npy") for name in "atb"]


def test_scores_that_cannot_be_of_the_other_models_classes_are_named(tmp_path) -> None:
    """And not the rows that were not counted for it."""
    scores = {"target": NAMES[TARGET % 2], "score": RNG.random(N)}
    labels = write(tmp_path / "labels.csv", {"target": NAMES[TARGET], "pred": NAMES[FIRST]})
    with pytest.raises(
        InputError, match=r"scores.csv: one score for each row, but the classes of the target are ant, bee, cow"
    ):
        compared([(labels, None), (write(tmp_path / "scores.csv", scores), None)])
