"""What errors have in common: one line that says what is wrong, and what to do."""

import ast
import errno
import os
from pathlib import Path

import numpy as np
import pytest

import evalcli
from evalcli.errors import remedy, why

PACKAGE = Path(evalcli.__file__).parent
RAISED = {"UsageError", "InputError", "LimitError", "OutputError"}


def test_whoever_makes_an_error_says_what_to_do():
    without, seen = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                seen += 1
                if not {"fix", None} & {keyword.arg for keyword in node.keywords}:
                    without.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert (without, seen > 500) == ([], True)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "path is right"),
        (errno.EACCES, "who may"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "to another"),
        (errno.ENOSPC, "make room"),
        (errno.ESTALE, "the disk is well"),  # of which nothing is said in particular
    ],
)
def test_what_the_system_says_comes_with_what_to_do(number, words):
    error = OSError(number, os.strerror(number))
    assert why(error) == os.strerror(number).lower()
    assert words in remedy(error)


def test_what_python_says_of_a_name_does_too():
    with pytest.raises(ValueError, match="null") as caught:
        Path("a\0b").stat()
    assert "null byte" in why(caught.value)
    assert "path is right" in remedy(caught.value)


@pytest.mark.parametrize(
    ("option", "purpose"), [("--by", "slice by"), ("--cluster", "cluster by"), ("--scan", "search")]
)
def test_what_lies_beside_arrays_without_names_is_asked_for_in_one_file(run, tmp_path, option, purpose):
    for name in ("preds", "target"):
        np.save(tmp_path / f"{name}.npy", np.array([0, 1, 1]))
    done = run("report", tmp_path / "preds.npy", tmp_path / "target.npy", option, "site")
    fix = f"no array 'site' to {purpose}; save it with the others in one .npz, under its name [E2]"
    assert (done.code, done.stderr) == (2, f"evalcli: {tmp_path / 'preds.npy'}: {fix}\n")
