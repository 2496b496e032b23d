"""Class numbers beside declared names mean the same in tables as in tensors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from saved_files import expect, report_of, save

from evalcli.errors import InputError

NAMES = ("owl", "cat", "dog", "fox")
FORMATS = (".csv", ".jsonl", ".parquet", ".npz")


def sides(seed=3, n=200):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, n), rng.integers(0, 4, n)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("named", list(itertools.product([True, False], repeat=2)))
def test_numbers_are_places_among_the_declared_names(tmp_path, suffix, named):
    truth, said = sides()
    columns = {
        "target": np.array(NAMES)[truth] if named[0] else truth,
        "pred": np.array(NAMES)[said] if named[1] else said,
    }
    found = report_of(save(tmp_path / f"f{suffix}", columns), labels=NAMES)
    assert found.classes == NAMES
    expect(found, np.array(NAMES)[truth], np.array(NAMES)[said])


@pytest.mark.parametrize("suffix", FORMATS[:3])
def test_numbers_stay_numbers_where_the_names_are_numbers(tmp_path, suffix):
    truth, said = sides()
    found = report_of(save(tmp_path / f"f{suffix}", {"target": truth, "pred": said}), labels=("3", "2", "1", "0"))
    assert found.classes == ("3", "2", "1", "0")
    expect(found, truth.astype(str), said.astype(str))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_weights_that_all_differ_are_streamed_under_the_same_names(tmp_path, suffix):
    truth, said = sides(5, 25_000)
    weight = np.random.default_rng(6).random(25_000) + 0.5
    path = save(tmp_path / f"f{suffix}", {"target": np.array(NAMES)[truth], "pred": said, "weight": weight})
    expect(report_of(path, labels=NAMES, weight="weight"), np.array(NAMES)[truth], np.array(NAMES)[said], weight)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".npz"])
def test_numbers_beside_scores_are_places_as_well(tmp_path, suffix):
    truth, _ = sides()
    scores = np.random.default_rng(8).normal(size=(200, 4))
    found = report_of(save(tmp_path / f"f{suffix}", {"target": truth, "logits": scores}), labels=NAMES)
    expect(found, np.array(NAMES)[truth], np.array(NAMES)[scores.argmax(axis=1)])


def test_a_binary_score_beside_zero_and_one(tmp_path):
    truth, score = sides()[0] % 2, np.random.default_rng(9).random(200)
    path = save(tmp_path / "f.csv", {"target": truth, "score": score})
    found = report_of(path, labels=("well", "ill"), positive="ill")
    expect(found, np.array(["well", "ill"])[truth], np.array(["well", "ill"])[(score >= 0.5).astype(int)])


def test_a_number_without_a_name_is_no_class(tmp_path):
    path = save(tmp_path / "f.csv", {"target": [0, 1, 4], "pred": [0, 1, 2]})
    with pytest.raises(InputError, match=r"none of the classes.*'4'"):
        report_of(path, labels=NAMES)
    assert report_of(path, labels=NAMES, ignore_index=4).n == 2


@pytest.mark.parametrize("suffix", FORMATS[:3])
def test_without_declared_names_the_error_asks_for_them(tmp_path, suffix):
    truth, said = sides()
    path = save(tmp_path / f"f{suffix}", {"target": np.array(NAMES)[truth], "pred": said})
    with pytest.raises(InputError, match="in the order of their numbers, --labels a,b,c"):
        report_of(path)
