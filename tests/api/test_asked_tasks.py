"""What a table leaves open is answered by ``task``, as on the command line."""

import pytest

import evalcli
from evalcli.errors import InputError


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_values_or_classes_is_asked_and_answered(tmp_path, task):
    path = str(tmp_path / "x.csv")
    rows = "".join(f"{i / 4},{(i + (i % 7 == 0)) / 4}\n" for i in range(60))
    (tmp_path / "x.csv").write_text("target,pred\n" + rows)
    with pytest.raises(InputError, match="say task='regression' or task='multiclass'"):
        evalcli.evaluate(path)
    assert evalcli.evaluate(path, task=task, confidence=None).task == task
    with pytest.raises(InputError, match="say task='regression' or task='multiclass'"):
        evalcli.compare(path, path)
    assert evalcli.compare(path, path, task=task, resamples=100).data.task == task
