"""What both files of a pair say of rows: that beside the truth counts, and it is told where they do not agree."""

import numpy as np
import pytest

from evalcli.errors import EvalError
from evalcli.sources import open_source
from evalcli.sources.base import Selection

ROWS = {
    "w": np.array([1.0, 2.0, np.nan]),
    "region": np.array(["EU", "US", "EU"]),
    "day": np.array([[1], [2], [3]], np.int16),
}


def pair(tmp_path, **beside):
    np.savez(tmp_path / "p.npz", pred=np.array([0, 1, 1]), **ROWS)
    np.savez(tmp_path / "t.npz", target=np.array([0, 1, 0]), **beside)
    return str(tmp_path / "p.npz"), str(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("name", "asked", "alike", "other"),
    [
        ("w", {"weight": "w"}, ROWS["w"].astype(np.float32), np.array([1.0, 2.5, np.nan])),
        ("region", {"by": ("day,region",)}, ROWS["region"].astype("U9"), np.array(["EU", "EU", "EU"])),
        ("region", {"cluster": "region"}, ROWS["region"], np.array([1, 2, 1])),
        ("day", {"by": ("day",)}, np.array([1, 2, 3]), np.array([1, 2, 4])),
    ],
)
def test_arrays_of_both_files_that_differ_are_noted_where_they_are_read(tmp_path, name, asked, alike, other):
    assert open_source(*pair(tmp_path, **{**ROWS, name: alike}), Selection(**asked)).notes() == ()
    files = pair(tmp_path, **{**ROWS, name: other})
    (note,) = open_source(*files, Selection(**asked)).notes()
    assert note.text == f"array {name!r} is not the same in both files, and that beside the truth counts"
    assert (note.code, note.level) == ("columns-differ", "warning")
    assert open_source(*files, Selection()).notes() == ()


@pytest.mark.parametrize("name", ["w", "day", "region"])
def test_arrays_of_another_shape_differ(tmp_path, name):
    files = pair(tmp_path, **{name: np.zeros((1, 3), np.int64)})
    with pytest.raises(EvalError) as refused:
        open_source(*files, Selection(weight="w") if name == "w" else Selection(by=(name,)))
    shape = "weights (1, 3) do not fit" if name == "w" else "1 entry for 3 rows"
    assert shape in refused.value.what
    assert refused.value.path == files[1]


@pytest.mark.parametrize("table", [False, True])
def test_weights_beside_the_truth_count(tmp_path, table):
    preds, target = pair(tmp_path, w=np.array([3.0, 1.0, 0.5]))
    if table:
        target = tmp_path / "t.csv"
        target.write_text("target,w\n0,3\n1,1\n0,0.5\n")
    source = open_source(preds, str(target), Selection(weight="w"))
    weights = [load().weight.tolist() for load in source.plan(10)]
    assert weights == [[3.0, 1.0, 0.5]]
