"""Texts that are no names to a person are asked about before they are counted as classes."""

import pytest

from evalcli import evaluate
from evalcli.errors import InputError
from evalcli.sources.foreign_texts import refuse_foreign


@pytest.mark.parametrize(
    ("preds", "target", "told"),
    [
        (["1,7", "2"], ["1,5", "2,25"], "numbers with commas, such as '1,5', would be classes"),
        (["1,200.5"], ["1,234.25"], "numbers with commas"),
        (["1.200,5"], ["-1.234,25"], "numbers with commas"),
        (["['a', 'b']", "[]"], ["a", "b"], "print a list or an object"),
        (["a"], ["[0.1 0.9]"], "print a list or an object"),
        (["{'label': 'a', 'score': 0.9}"], ["a"], "print a list or an object"),
    ],
)
def test_what_is_no_name_is_asked_about(preds, target, told):
    with pytest.raises(InputError, match=told):
        refuse_foreign(preds, target, "x.csv")


@pytest.mark.parametrize(
    ("preds", "target"),
    [
        (["1,2", "3"], ["1,2", "3", "4,5"]),
        (["[PAD]", "[red]"], ["[PAD]", "[CLS]"]),
        (["{a}"], ["{a}"]),
        (["1,5", "cat"], ["2,5"]),
        (["Paris, TX"], ["1,5"]),
        ([], []),
    ],
)
def test_names_stay(preds, target):
    refuse_foreign(preds, target, "x.csv")


def test_a_task_that_is_named_takes_texts_as_they_are(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("pred\ttarget\n1,5\t1,7\n2,5\t2,5\n")
    with pytest.raises(InputError, match="write a decimal point"):
        evaluate(str(path))
    assert evaluate(str(path), task="multiclass", confidence=None)["accuracy"] == 0.5
