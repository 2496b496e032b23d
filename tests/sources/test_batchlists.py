"""Lists of tensors, one a batch: what ``torch.save`` writes of them is read as one array."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evalcli.cli import run
from evalcli.errors import EvalError, InputError
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.sources.tensors import open_tensors

N, SIZES = 10, (4, 4, 2)
LOGITS = torch.arange(3.0 * N).reshape(N, 3).remainder(7)
TARGETS = torch.arange(N) % 3


def save(path, value):
    torch.save(value, path)
    return str(path)


def sides(source):
    """Both sides of all rows."""
    with closing(source):
        # a batch is good until the next one is read
        every = [(np.array(batch.preds), np.array(batch.target)) for batch in (load() for load in source.plan(3))]
        source.finish()
        return tuple(map(np.concatenate, zip(*every, strict=True)))


def cut(tensor, sizes=SIZES):
    return list(tensor.split(list(sizes)))


WRITTEN = {
    "lists": ({"preds": cut(LOGITS), "targets": cut(TARGETS)}, None),
    "tuples": ({"preds": tuple(cut(LOGITS)), "targets": tuple(cut(TARGETS))}, None),
    "dicts": ([{"logits": p, "labels": t} for p, t in zip(cut(LOGITS), cut(TARGETS), strict=True)], None),
    "nested": ({"epoch": 3, "val": [{"y": t, "p": p} for p, t in zip(cut(LOGITS), cut(TARGETS), strict=True)]}, None),
    "two files": (cut(LOGITS), cut(TARGETS)),
    "one list": (cut(LOGITS), TARGETS),
    "labels of one length": ({"preds": cut(LOGITS), "targets": cut(TARGETS, (5, 5))}, None),
    "labels of one length, two files": (LOGITS, cut(TARGETS, (5, 5))),
    "a pair of one length": (cut(LOGITS, (5, 5)), TARGETS),
    "rows": (list(LOGITS), TARGETS),
    "single numbers": (cut(LOGITS), list(TARGETS)),
    "both of one length": (cut(LOGITS, (5, 5)), cut(TARGETS, (2, 2, 2, 2, 2))),
    "an empty batch": (cut(LOGITS, (4, 0, 6)), cut(TARGETS, (0, 10))),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_list_of_batches_is_one_array(tmp_path, kind, legacy):
    preds, target = WRITTEN[kind]
    named = {"pred": "val.p", "target": "val.y"} if kind == "nested" else {}
    paths = [tmp_path / name if value is not None else None for name, value in (("p.pt", preds), ("t.pt", target))]
    for path, value in zip(paths, (preds, target), strict=True):
        if path is not None:
            torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    found = sides(open_source(str(paths[0]), paths[1] and str(paths[1]), Selection(**named)))
    np.testing.assert_array_equal(found[0], LOGITS)
    np.testing.assert_array_equal(found[1], TARGETS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=8).filter(lambda sizes: len(set(sizes)) > 1),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.bool, torch.uint8]),
    st.integers(1, 7),
)
def test_any_cut_is_read_as_the_whole(tmp_path_factory, sizes, dtype, size):
    whole = (torch.arange(2 * sum(sizes)).reshape(-1, 2) % 5).to(dtype)
    path = save(tmp_path_factory.mktemp("cut") / "a.pt", {"x": cut(whole, sizes)})
    file = open_tensors(path)
    array = file.arrays["x"]
    assert array.shape == tuple(whole.shape)
    found = [array.read(at, min(at + size, len(whole))).copy() for at in range(0, len(whole), size)]
    np.testing.assert_array_equal(np.concatenate(found), whole.float() if dtype == torch.bfloat16 else whole)
    assert array.values(0, len(whole), np.array([0, len(whole) - 1])) == [whole[0].tolist(), whole[-1].tolist()]
    file.close()


def test_reports_are_those_of_the_joined_file(tmp_path, capsys):
    whole = save(tmp_path / "a.pt", {"preds": LOGITS, "targets": TARGETS})
    lists = save(tmp_path / "b.pt", {"preds": cut(LOGITS), "targets": cut(TARGETS)})

    def counted(path, *options):
        assert run(["report", path, "-f", "json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        return found["metrics"], found["classes"], found["confusion"]

    assert counted(lists) == counted(whole)
    assert counted(lists, "--batch-size", "3", "--workers", "2") == counted(whole)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"preds": cut(LOGITS.argmax(1), (5, 5)), "target": cut(TARGETS, (5, 5))}, "preds: a list of 2 arrays of 5"),
        (cut(TARGETS, (2, 2, 2, 2, 2)), "a list of 5 arrays of 2, which may be batches or rows; .*torch.cat"),
        ({"preds": [LOGITS, LOGITS.double()], "target": TARGETS}, "keys are 'preds.0', 'preds.1'"),
    ],
)
def test_what_may_be_batches_or_rows_is_asked_for(tmp_path, value, told):
    path = save(tmp_path / "a.pt", value)
    other = None if isinstance(value, dict) else path
    with pytest.raises(EvalError, match=told):
        open_source(path, other, Selection())


def test_arrays_of_a_list_have_their_places_as_names(tmp_path, capsys):
    path = save(tmp_path / "a.pt", [LOGITS, -LOGITS, LOGITS.flip(0)])
    truth = save(tmp_path / "t.pt", TARGETS)
    assert run(["report", path, truth]) == 2
    assert "30 predictions but 10 targets" in capsys.readouterr().err
    for place, wanted in enumerate((LOGITS, -LOGITS, LOGITS.flip(0))):
        found = sides(open_source(path, truth, Selection(pred=str(place))))
        np.testing.assert_array_equal(found[0], wanted)


def test_arrays_of_a_list_that_are_both_sides_are_read_apart(tmp_path):
    labels = (LOGITS > 3).float()
    found = sides(open_source(save(tmp_path / "a.pt", [LOGITS, labels, LOGITS]), None, Selection(pred="0", target="1")))
    np.testing.assert_array_equal(found[0], LOGITS)
    np.testing.assert_array_equal(found[1], labels)


def test_a_damaged_batch_and_a_label_beyond_int64_are_found(tmp_path):
    path = tmp_path / "a.pt"
    save(path, {"preds": [torch.full((3,), 7.125), torch.full((4,), 9.375)], "target": torch.ones(7).long()})
    data = bytearray(path.read_bytes())
    data[data.index(torch.tensor(9.375).numpy().tobytes()) + 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="CRC"):
        sides(open_source(str(path), None, Selection()))
    large = torch.tensor([1, 2, 2**63 + 1, 0, 0], dtype=torch.uint64)
    file = open_tensors(save(path, {"y": [large[:1], large[1:3], large[3:]]}))
    with pytest.raises(InputError, match="first in row 2"):
        file.arrays["y"].read(0, 5)
    assert file.arrays["y"].values(1, 3) == [2, 2**63 + 1]
    file.close()


def test_thousands_of_batches_are_read(tmp_path):
    path = save(tmp_path / "a.pt", {"preds": [torch.ones(2, 2)] * 9_000, "target": torch.zeros(18_000).long()})
    assert sides(open_source(path, None, Selection()))[0].shape == (18_000, 2)
