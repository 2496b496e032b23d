from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from evalcli.classification.columns import BLOCK, Look, blocks, look_at_columns, looks_on_device


def naive(scores):
    """The same by Python's own arithmetic, row by row."""
    best, tied, good = [], 0, []
    for row in scores.tolist():
        bad = any(map(isnan, row)) or all(x == -np.inf for x in row)
        good.append(not bad)
        best.append(0 if bad else row.index(max(row)))
        tied += not bad and row.count(max(row)) > 1
    return np.array(best), tied, np.array(good)


def same(look: Look, scores):
    best, tied, good = naive(scores)
    assert look.best[good].tolist() == best[good].tolist()
    assert look.tied == tied
    if look.bad is not None:
        assert (~look.bad).tolist() == good.tolist()
    else:
        assert good.all()
    kept = scores[good]
    if kept.size:
        assert (look.low, look.high) == (float(kept.min()), float(kept.max()))
    if kept.size and kept.min() >= 0 and kept.max() <= 1:
        np.testing.assert_allclose(look.sums[good], kept.astype(np.float64).sum(axis=1), rtol=0, atol=1e-12)
    else:
        assert look.sums is None


def draw(rng, classes, dtype, kind):
    rows = int(rng.integers(1, 60))
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 2 if kind == "unit" else 5, (rows, classes)).astype(dtype)
    if kind == "unit":
        return rng.random((rows, classes)).round(2).astype(dtype)
    return rng.normal(0, 3, (rows, classes)).round(1).astype(dtype)  # rounded: ties are common


def looks_of(scores: np.ndarray) -> Look:
    """What torch sees of all rows."""
    ((start, look),) = looks_on_device(scores, "cpu")
    assert start == 0
    return look


@pytest.mark.parametrize("look", [look_at_columns, looks_of], ids=["host", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int64", "bool"])
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 63, 64, 65, 255, 256, 257, 300])
def test_a_look_is_what_python_sees(look, dtype, classes):
    rng = np.random.default_rng([classes, len(dtype)])
    for kind in ("unit", "wide") * 3:
        scores = draw(rng, classes, dtype, kind)
        before = scores.copy()
        same(look(scores), scores)
        assert (scores == before).all()


@pytest.mark.parametrize("look", [look_at_columns, looks_of], ids=["host", "torch"])
@pytest.mark.parametrize("classes", [1, 2, 7, 64, 65, 130])
def test_N01_N02_nan_and_infinities(look, classes):
    rng = np.random.default_rng(classes)
    values = np.array([np.nan, -np.inf, np.inf, 0.0, 0.0, 1.0, 1.0, -0.0], np.float32)
    for _ in range(20):
        scores = rng.choice(values, (int(rng.integers(1, 40)), classes), p=[0.02, 0.2, 0.1, 0.2, 0.2, 0.1, 0.1, 0.08])
        same(look(scores), scores)
    same(look(np.full((3, classes), np.nan, np.float32)), np.full((3, classes), np.nan))
    same(look(np.full((3, classes), -np.inf, np.float32)), np.full((3, classes), -np.inf))
    same(look(np.full((3, classes), np.inf, np.float32)), np.full((3, classes), np.inf))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("classes", [3, 100])
def test_memory_order_and_views_do_not_show(order, classes):
    scores = np.random.default_rng(1).normal(size=(200, classes)).round(1).astype(np.float32)
    view = np.asarray(scores, order=order)
    same(look_at_columns(view), scores)
    same(look_at_columns(view[::2, ::-1]), scores[::2, ::-1])
    same(looks_of(np.ascontiguousarray(view[::3])), scores[::3])


@pytest.mark.parametrize("classes", [2, 64, 65, 40_000])
def test_blocks_cover_every_row_once(classes):
    rows = BLOCK + 3 if classes < 100 else 20
    scores = np.random.default_rng(2).random((rows, classes), np.float32)
    looks = list(blocks(scores))
    assert np.concatenate([look.best for _, look in looks]).tolist() == scores.argmax(axis=1).tolist()
    assert [start for start, _ in looks] == np.cumsum([0] + [len(look.best) for _, look in looks[:-1]]).tolist()
    assert len(looks) > 1
    kept = np.flatnonzero(scores[:, 0] > 0.3)
    some = np.concatenate([look.best for _, look in blocks(scores, kept)])
    assert some.tolist() == scores[kept].argmax(axis=1).tolist()


def test_no_rows():
    assert list(blocks(np.empty((0, 3), np.float32))) == []
    empty = looks_of(np.empty((0, 3), np.float32))
    assert (empty.best.size, empty.tied, empty.low, empty.high) == (0, 0, np.inf, -np.inf)


def test_sums_do_not_depend_on_the_shape_of_a_block():
    scores = np.random.default_rng(3).dirichlet(np.ones(50), 500).astype(np.float32)
    whole = look_at_columns(scores).sums
    single = np.concatenate([look_at_columns(scores[i : i + 1]).sums for i in range(len(scores))])
    np.testing.assert_allclose(whole, single, rtol=0, atol=1e-15)
