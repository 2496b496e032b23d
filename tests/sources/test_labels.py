from __future__ import annotations

import unicodedata

import pytest

from evalcli.errors import InputError
from evalcli.sources.labels import check_labels, class_order

NFC = "café"
NFD = unicodedata.normalize("NFD", NFC)


def test_convention_32_order_of_classes():
    assert class_order(["b", "a", "10"]) == ("10", "a", "b")
    assert class_order(["10", "9", "-1", "+3"]) == ("-1", "+3", "9", "10")
    assert class_order(["10.0", "9.0"]) == ("9.0", "10.0")
    assert class_order(["007", "7", "6"]) == ("6", "007", "7")
    assert class_order(["0.5", "10.0", "9.0"]) == ("0.5", "10.0", "9.0")
    assert class_order(["9" * 400, "10"]) == ("10", "9" * 400)
    assert class_order(["é", "z", "Z", ""]) == ("", "Z", "z", "é")
    assert class_order(["a", "b", "c", "x"], declared=["c", "unseen", "a"]) == ("c", "a", "b", "x")


@pytest.mark.parametrize(
    ("target", "preds", "says"),
    [
        (["0", "1"], ["0.0", "1.0"], "same number"),
        (["007", "010"], ["7", "10"], "same number"),
        (["1", "2", "3"], ["1.0", "2.0"], "same number"),
        (["True", "False"], ["true", "false"], "upper and lower case"),
        (["Yes", "No"], ["yes", "no"], "upper and lower case"),
        (["1", "0"], ["True", "False"], "true/false"),
        (["dog", "cat"], ["dog ", " cat"], "spaces"),
        (["dog", "cat"], ["dog", "cat "], "spaces"),
        ([NFC, "thé"], [NFD, "thé"], "NFC"),
        (["2024-01-31", "2024-02-01"], ["2024-01-31 00:00:00", "2024-02-01 00:00:00"], "same moment"),
        (["2024-01-31 12:30:00"], ["2024-01-31T12:30Z"], "same moment"),
        (["2024-01-31 12:30:10"], ["2024-01-31T12:30:10.000+00:00"], "same moment"),
        (["cat", "dog"], ["0", "1"], "numbers on the other"),
        (["3", "4"], ["cat", "dog"], "numbers on the other"),
    ],
)
def test_two_spellings_of_one_class_are_an_error(target, preds, says):
    with pytest.raises(InputError, match=says):
        check_labels(target, preds)
    with pytest.raises(InputError, match=says):
        check_labels(preds, target)


def test_the_error_gives_a_pair_and_the_count():
    with pytest.raises(InputError, match=r"target label '0' and predicted label '0.0' \(and 1 more\).*; write both"):
        check_labels(["0", "1"], ["0.0", "1.0"], "f.csv")


@pytest.mark.parametrize(
    ("target", "preds"),
    [
        (["cat", "dog"], ["cat", "dog"]),
        (["cat", "dog"], ["cat"]),
        (["cat"], ["cat", "bird"]),
        (["NA", "null", "007", "[red]dog", "a,b"], ["NA", "None", "7up"]),
        (["0", "1"], ["1", "2"]),
        (["0.5", "1"], ["0.25"]),
        (["2024-01-31", "2024-01-31 12:30:10.5"], ["2024-01-31", "2024-01-31 12:30:10"]),
        ([], []),
    ],
)
def test_plain_differences_are_allowed(target, preds):
    assert check_labels(target, preds) == ()


def test_C11_labels_of_one_side_that_look_the_same_are_noted():
    (note,) = check_labels([NFC, NFD, "x"], [NFC, NFD, "x"])
    assert note.code == "labels-unicode"
    assert "NFC" in note.text
    (note,) = check_labels(["a", "A", "b"], ["a", "A", "b"])
    assert note.code == "labels-case"
    (note,) = check_labels(["True", "true"], ["True", "true"])
    assert note.code == "labels-case"
    (note,) = check_labels(["1", "1.0"], ["1", "1.0"])
    assert note.code == "labels-number"


def test_a_class_that_differs_by_case_among_many_is_a_note():
    # a reader of letters that never says A where the truth has one, and says b where the truth has none
    letters = list("cdefghij")
    (note,) = check_labels([*letters, "A"], [*letters, "a"])
    assert note.code == "labels-case"
