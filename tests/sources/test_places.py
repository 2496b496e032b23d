"""A fault that is found after opening still speaks of lines of the file."""

from __future__ import annotations

import pytest

from evalcli.sources import open_source
from evalcli.sources.base import Selection


def place(row, *paths, side="preds", **selection):
    source = open_source(str(paths[0]), str(paths[1]) if paths[1:] else None, Selection(**selection))
    try:
        next(source.batches(2))  # a pass may be under way
        return source.place(row, side)
    finally:
        source.close()


@pytest.mark.parametrize(
    ("selection", "row", "line"),
    [({}, 0, 2), ({}, 4, 6), ({"where": "g = 'b'"}, 0, 3), ({"where": "g = 'b'"}, 1, 5), ({"nan": "drop"}, 3, 6)],
)
def test_rows_of_a_text_table_are_lines(tmp_path, selection, row, line):
    path = tmp_path / "a.csv"
    path.write_text("g,target,score\na,1,0.5\nb,0,0.5\na,1,\nb,0,0.25\na,1,0.75\n")
    assert place(row, path, **({"nan": "wrong"} | selection)) == f"line {line}"


def test_rows_joined_by_a_key_are_lines_of_either_file(tmp_path):
    (tmp_path / "p.csv").write_text("id,score\nc,0.1\na,0.2\nb,0.3\n")
    (tmp_path / "t.csv").write_text("id,target\na,0\nb,1\nc,1\n")
    found = [place(row, tmp_path / "p.csv", tmp_path / "t.csv", id="id") for row in range(3)]
    assert found == ["line 2", "line 3", "line 4"]
    found = [place(row, tmp_path / "p.csv", tmp_path / "t.csv", id="id", side="target") for row in range(3)]
    assert found == ["line 4", "line 2", "line 3"]


def test_rows_of_other_inputs_have_numbers(tmp_path):
    import numpy as np

    np.savez(tmp_path / "a.npz", pred=np.arange(3), target=np.arange(3))
    assert place(2, tmp_path / "a.npz") == "row 2"


def test_ids_out_of_step_are_a_warning(tmp_path):
    (tmp_path / "p.csv").write_text("id,pred\n1,a\n2,b\n")
    (tmp_path / "t.csv").write_text("id,target\n2,b\n1,a\n")
    source = open_source(str(tmp_path / "p.csv"), str(tmp_path / "t.csv"), Selection())
    (note,) = source.notes()
    source.close()
    assert (note.code, note.level) == ("ids-differ", "warning")
    assert "--id id" in note.fix
