"""Texts that are no names to a person are asked about before they are counted as classes."""

import pytest

from evalcli import evaluate
from evalcli.errors import InputError
from evalcli.sources.foreign_texts import refuse_foreign


@pytest.mark.parametrize(
    ("preds", "target", "told"),
    [
        (["1,7", "2"], ["1,5", "2,25"], "numbers with other marks than a decimal point, such as '1,5'"),
        (["1,200.5"], ["1,234.25"], "numbers with other marks"),
        (["1.200,5"], ["-1.234,25"], "numbers with other marks"),
        (["$1.50", "-$2.25"], ["$1.75"], "numbers with other marks"),
        (["90.5%", "12%"], ["91%"], "numbers with other marks"),
        (["1.5 kg"], ["1.25 kg"], "numbers with other marks"),
        (["−1.5"], ["1.25"], "numbers with other marks"),
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
        (["v1.5"], ["v1.0"]),
        (["10%"], ["20%"]),
        (["31.01.2024", "1.5"], ["01.02.2024"]),
        (["0.5 GB"], ["0.5 MB"]),
        ([], []),
    ],
)
def test_names_stay(preds, target):
    refuse_foreign(preds, target, "x.csv")


def test_a_task_that_is_named_takes_texts_as_they_are(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("pred\ttarget\n1,5\t1,7\n2,5\t2,5\n")
    with pytest.raises(InputError, match="digits and a decimal point alone"):
        evaluate(str(path))
    assert evaluate(str(path), task="multiclass", confidence=None)["accuracy"] == 0.5
