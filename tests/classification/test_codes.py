"""From what files hold to class indices: names for numbers, numbers as names, text beside numbers."""

from __future__ import annotations

import numpy as np
import pytest
from memory_source import MemorySource, text_source

from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.task import Choices


def report(source, **choices):
    return evaluate(source, Choices(**choices), Execution(batch_size=2, workers=2))


def counted(source, **choices):
    found = report(source, **choices)
    return found.classes, found.confusion.matrix


def test_names_for_the_numbers_of_the_file():
    source = MemorySource([0, 2, 1, 1], [0, 2, 2, 1])
    assert counted(source, labels=("x", "y", "z")) == (("x", "y", "z"), ((1, 0, 0), (0, 1, 0), (0, 1, 1)))
    assert counted(MemorySource(np.eye(3)[[0, 2]], [0, 1]), labels=("x", "y", "z"))[1] == (
        (1, 0, 0),
        (0, 0, 1),
        (0, 0, 0),
    )


def test_numbers_as_names_are_found_by_value():
    source = MemorySource([10, 30, 20], [10, 30, 30])
    assert counted(source, labels=("30", "20", "10")) == (("30", "20", "10"), ((1, 1, 0), (0, 0, 0), (0, 0, 1)))
    assert counted(MemorySource([1, 2], [1, 1]), labels=("1", "2"), positive="2") == (("1", "2"), ((1, 1), (0, 0)))
    assert counted(MemorySource([1.0, 2.0], [1.0, 1.0]), labels=("1", "2"), scores="labels", positive="2")[1] == (
        (1, 1), (0, 0),
    )  # fmt: skip
    swapped = counted(MemorySource([0, 1], [0, 0]), labels=("1", "0"))
    assert swapped == (("1", "0"), ((0, 0), (1, 1)))
    with pytest.raises(InputError, match=r"preds.pt: 1 prediction is none of the classes \(row 1: 7\); check --labels"):
        report(MemorySource([10, 7], [10, 30]), labels=("10", "20", "30"))
    with pytest.raises(InputError, match=r"targets.pt: 2 targets are none of the classes \(row 0: 5, row 1: -1\)"):
        report(MemorySource([10, 20], [5, -1]), labels=("10", "20", "30"))
    with pytest.raises(InputError, match="class number 99999999 is too large"):
        report(MemorySource([0], [0]), labels=("0", "99999999"))


def test_classes_below_zero_are_named():
    minus = MemorySource([-1, 1, 1], [-1, 1, -1])
    with pytest.raises(InputError, match=r"row 2: -1\); if -1 marks rows to leave out, .*--labels=-1,…"):
        report(minus)
    for source in (
        minus,
        MemorySource([-2.5, 3.0, 0.1], [-1, 1, -1]),
        MemorySource([-1.0, 1.0, 1.0], [-1.0, 1.0, -1.0]),
    ):
        found = report(source, labels=("-1", "1"))
        assert (found.classes, found.positive, found.confusion.matrix) == (("-1", "1"), "1", ((1, 1), (0, 1)))
    bytes_ = MemorySource(np.array([0, 1], np.uint8), np.array([0, 0], np.uint8))
    assert counted(bytes_, labels=("-1", "0", "1")) == (("-1", "0", "1"), ((0, 0, 0), (0, 1, 1), (0, 0, 0)))
    with pytest.raises(InputError, match=r"row 0: -9223372036854775808"):
        report(MemorySource([0], [-(2**63)]), labels=("-1", "0", "1"))


def test_padded_numbers_are_names_not_values():
    source = MemorySource([0, 1, 2], [0, 1, 1])
    assert counted(source, labels=("007", "008", "009")) == (("007", "008", "009"), ((1, 0, 0), (0, 1, 1), (0, 0, 0)))


def test_declared_labels_order_and_complete_the_text():
    source = text_source(["cat", "dog", "cat"], ["cat", "dog", "dog"])
    assert counted(source, labels=("emu", "dog", "cat"))[1] == ((0, 0, 0), (0, 1, 1), (0, 0, 1))
    with pytest.raises(InputError, match=r"2 targets are none of the classes \(row 1: 'dog', row 2: 'dog'\)"):
        report(source, labels=("cat", "emu", "ant"))
    with pytest.raises(InputError, match=r"1 prediction is none of the classes \(row 1: 'dog'\)"):
        report(MemorySource([0, 1], [0, 0], labels=("a",), pred_labels=("a", "dog")), labels=("a", "b"), positive="a")


def test_two_sides_of_text_with_labels_of_their_own():
    source = MemorySource([1, 0, 2], [0, 1, 0], labels=("b", "c"), pred_labels=("a", "b", "d"))
    assert counted(source) == (("a", "b", "c", "d"), ((0, 0, 0, 0), (0, 1, 0, 1), (1, 0, 0, 0), (0, 0, 0, 0)))


def test_text_beside_numbers():
    numeric = MemorySource([10, 9, 10], [1, 0, 0], labels=("9", "10"))
    assert counted(numeric, positive="10") == (("9", "10"), ((1, 1), (0, 1)))
    other = MemorySource([1, 0, 0], [10, 9, 10], pred_labels=("9", "10"))
    assert counted(other, positive="10") == (("9", "10"), ((1, 0), (1, 1)))
    with pytest.raises(InputError, match=r"preds.pt holds numbers, targets.pt text such as 'cat'; .*--labels a,b,c"):
        report(MemorySource([0, 1], [0, 1], labels=("cat", "dog")), positive="dog")
    named = MemorySource([0, 2, 1], [0, 1, 1], labels=("cat", "dog"))
    assert counted(named, labels=("dog", "cat", "emu"))[1] == ((0, 1, 1), (1, 0, 0), (0, 0, 0))


def test_score_columns_beside_text():
    scores = np.eye(3)[[0, 1, 2]]
    source = MemorySource(scores, [0, 1, 1], labels=("ant", "cat"), columns=("cat", "dog", "ant"))
    assert counted(source) == (("cat", "dog", "ant"), ((0, 1, 1), (0, 0, 0), (1, 0, 0)))
    with pytest.raises(
        InputError, match=r"none of the classes \(row 0: 'ant'\); check --labels, or the names of the score"
    ):
        report(MemorySource(scores, [0, 1, 1], labels=("ant", "cat"), columns=("cat", "dog", "emu")))
    emu_first = ("emu", "dog", "cat")
    reordered = MemorySource(scores, [0, 2, 0], labels=("cat", "dog", "emu"), columns=("cat", "dog", "emu"))
    assert counted(reordered, labels=emu_first) == (emu_first, ((0, 1, 0), (0, 0, 0), (1, 0, 1)))
    with pytest.raises(
        UsageError, match=r"--labels names the classes cat, dog, ant, but the score columns are cat, dog, emu"
    ):
        report(reordered, labels=("cat", "dog", "ant"))
    renamed = MemorySource(scores, [0, 2, 0], columns=("0", "1", "2"))
    assert counted(renamed, labels=("x", "y", "z")) == (("x", "y", "z"), ((1, 0, 1), (0, 0, 0), (0, 1, 0)))
    two = MemorySource([[0.8, 0.2], [0.3, 0.7]], [0, 1], labels=("no", "yes"), columns=("no", "yes"))
    assert report(two, labels=("yes", "no"), threshold=0.6).confusion == report(two, labels=("yes", "no")).confusion
    unnamed = MemorySource(scores, [0, 1, 1], labels=("ant", "cat"))
    with pytest.raises(InputError, match=r"3 targets are none .*in the order of the scores: --labels a,b,c"):
        report(unnamed)
    assert counted(unnamed, labels=("ant", "bee", "cat"))[1] == ((1, 0, 0), (0, 0, 0), (0, 1, 1))


def test_numbered_columns_and_one_hot_places_agree_by_number():
    scores = np.eye(3, dtype=np.float32)[[2, 0, 1]]  # columns 2, 0, 1: rows of the classes 1, 2, 0
    for columns, right in ((("2", "0", "1"), 1.0), (("0", "1", "2"), 0.0), (("c", "a", "b"), 0.0)):
        source = MemorySource(scores, np.eye(3, dtype=np.int64)[[1, 2, 0]], columns=columns)
        assert report(source).metrics["accuracy"].value == right
