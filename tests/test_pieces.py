"""Rows of which one alone is more than a batch may take are counted piece by piece: the report is the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evalcli import engine, inspection
from evalcli.cli import run
from evalcli.layout import find_layout
from evalcli.sources.array_source import ArraySource
from evalcli.sources.base import Selection
from evalcli.sources.pairing import open_arrays
from evalcli.task import Choices

RNG = np.random.default_rng(5)
B, T, V = 3, 23, 7
TOKENS = RNG.integers(0, V, (B, T))
TEXTS = RNG.normal(size=(B, T, V)).astype(np.float32) + 2 * np.eye(V, dtype=np.float32)[TOKENS]
TOKENS[:, ::5] = -100
PIXELS = RNG.integers(0, 3, (B, 8, 4))
IMAGES = np.moveaxis(RNG.normal(size=(B, 8, 4, 3)) + 2 * np.eye(3)[PIXELS], -1, 1)

INPUTS = {
    "texts": ({"pred": TEXTS, "target": TOKENS}, ["--ignore-index", "-100"]),
    "slices": (
        {"pred": TEXTS, "target": TOKENS, "site": np.array([0, 1, 0]), "group": np.array([3, 4, 5])},
        ["--ignore-index", "-100", "--by", "site", "--cluster", "group"],
    ),
    "weights of rows": (
        {"pred": TEXTS, "target": TOKENS, "weight": np.array([1.5, 0.25, 2])},
        ["--ignore-index", "-100", "--weight", "weight"],
    ),
    "weights of elements": (
        {"pred": TEXTS, "target": TOKENS, "weight": RNG.random((B, T))},
        ["--ignore-index", "-100", "--weight", "weight"],
    ),
    "torch": ({"pred": TEXTS, "target": TOKENS}, ["--ignore-index", "-100", "--backend", "torch"]),
    "images": ({"pred": IMAGES, "target": PIXELS}, []),
    "transposed": ({"pred": np.asfortranarray(TEXTS), "target": TOKENS}, ["--ignore-index", "-100"]),
    "maps of labels": ({"pred": PIXELS[:, ::-1], "target": PIXELS}, ["--task", "multiclass"]),
    "masks of one channel": ({"pred": IMAGES[:, :1] > 0, "target": PIXELS > 1}, []),
    "one long row": ({"pred": TEXTS[:1], "target": TOKENS[:1]}, ["--ignore-index", "-100"]),
}


IGNORE = ["--ignore-index", "-100"]
OTHER = np.roll(TEXTS, 3, axis=1)
MODELS = {"pred": TEXTS, "b": OTHER, "target": TOKENS, "site": np.array([0, 1, 0]), "group": np.array([3, 4, 5])}
BESIDE = {**MODELS, "id": np.array([7, 8, 9]), "said": OTHER.argmax(-1), "weight": RNG.random((B, T))}
TWO = ["compare", "a.npz", "--pred", "pred", "--pred", "b", *IGNORE]
COMMANDS = {
    "errors": (BESIDE, ["errors", "a.npz", "--show", "site", "--limit", "all", *IGNORE]),
    "suspects": (BESIDE, ["errors", "a.npz", "--weight", "weight", "--suspect-labels", *IGNORE]),
    "images": ({"pred": IMAGES, "target": PIXELS}, ["errors", "a.npz", "--most-confident"]),
    "slices": (BESIDE, [*TWO, "--by", "site", "-m", "accuracy,f1_macro,log_loss"]),
    "scores": (MODELS, [*TWO, "-m", "auroc_macro,ece,top2_accuracy"]),
    "clusters": (MODELS, [*TWO, "--cluster", "group", "-m", "accuracy,brier"]),
    "labels of one": (BESIDE, ["compare", "a.npz", "--pred", "said", "--pred", "b", *IGNORE]),
    "samples": (MODELS, ["compare", "a.npz", "a.npz", "--pred", "pred", *IGNORE, "--independent", "-m", "accuracy"]),
    "masks": ({"pred": IMAGES[:, :1], "target": PIXELS > 1}, ["tune", "a.npz", "--scores", "logits"]),
    "inspect": ({"pred": TEXTS[:1], "target": TOKENS[:1] % V}, ["inspect", "a.npz"]),
}


def told(path, options, capsys, command="report"):
    """The report but for how it ran, and what was complained of."""
    code = run([command, str(path), "-f", "json", *options])
    out, err = capsys.readouterr()
    found = json.loads(out) if out else {}
    found.pop("run", None)
    return code, found, err


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize(("most", "workers"), [(1, "1"), (300, "3")])
def test_rows_in_pieces_tell_what_whole_rows_tell(tmp_path, capsys, monkeypatch, kind, most, workers):
    arrays, options = INPUTS[kind]
    np.savez(tmp_path / "a.npz", **arrays)
    whole = told(tmp_path / "a.npz", options, capsys)
    assert whole[0] == 0, whole[2]
    monkeypatch.setattr(engine, "BATCH_BYTES", most)
    assert told(tmp_path / "a.npz", [*options, "--workers", workers], capsys) == whole


@pytest.mark.parametrize("kind", COMMANDS)
def test_other_commands_tell_of_rows_in_pieces_what_they_tell_of_whole_ones(tmp_path, capsys, monkeypatch, kind):
    arrays, (command, path, *options) = COMMANDS[kind]
    np.savez(tmp_path / path, **arrays)
    monkeypatch.chdir(tmp_path)
    pieces = []
    load = ArraySource._load_piece
    monkeypatch.setattr(ArraySource, "_load_piece", lambda *each: pieces.append(each) or load(*each))
    whole = told(path, options, capsys, command)
    assert (whole[0], pieces) == (0, []), whole[2]
    monkeypatch.setattr(engine, "BATCH_BYTES", 200)
    monkeypatch.setattr(inspection, "LOOK_BYTES", 300)
    more = [] if command in {"inspect", "tune"} else ["--workers", "3"]
    assert told(path, [*options, *more], capsys, command) == whole
    assert pieces


def test_a_row_that_is_wrong_is_named_from_its_piece(tmp_path, capsys, monkeypatch):
    broken = TEXTS.copy()
    broken[1, 20, 2] = broken[1, 4, 0] = broken[2, 0, 0] = np.nan
    np.savez(tmp_path / "a.npz", pred=broken, target=np.abs(TOKENS) % V)
    whole = told(tmp_path / "a.npz", [], capsys)
    assert "row 1" in whole[2]
    monkeypatch.setattr(engine, "BATCH_BYTES", 100)
    assert told(tmp_path / "a.npz", [], capsys) == whole
    assert told(tmp_path / "a.npz", ["--nan", "wrong"], capsys)[1]["n"] == B * T


def test_pieces_are_no_more_than_a_batch_and_say_where_a_row_ends(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", pred=TEXTS, target=TOKENS)
    monkeypatch.setattr(engine, "BATCH_BYTES", 8 * V * 5)
    source = open_arrays(str(tmp_path / "a.npz"), None, Selection())
    layout = find_layout(source.preds, source.target, Choices())
    assert engine.fit_rows(engine.Execution(), source, layout, engine.Placement("numpy", "cpu", "")) == 1
    seen = [(batch.preds.shape, batch.start, batch.goes_on) for batch in source.batches(1)]
    wanted = [((1, 5, V), True)] * 4 + [((1, 3, V), False)]
    assert seen == [(shape, row, goes_on) for row in range(B) for shape, goes_on in wanted]
    source.close()
