"""numpy and torch behind one door."""

import subprocess
import sys

import array_api_compat.torch
import numpy as np
import pytest
import torch

from evalcli.metrics.arrays import asnumpy, count_cells, like, namespace, to_device


def test_numpy_is_its_own_namespace():
    assert namespace(np.zeros(2), 3, np.float64(1.0)) is np


def test_torch_goes_through_array_api_compat():
    assert namespace(torch.zeros(2), 3) is array_api_compat.torch


EVALUATION = """
import numpy as np
from evalcli.metrics import ClassCounts
from evalcli.metrics.registry import evaluate, parse
state = ClassCounts(3)
state.update(np.array([0, 1]), np.array([0, 2]))
evaluate(parse('mcc'), state.merge(state.fresh()).compute())
"""


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import evalcli.metrics.registry", ("numpy", "torch", "array_api_compat")),
        (EVALUATION, ("torch", "array_api_compat")),
    ],
)
def test_nothing_heavy_is_imported(statement, absent):
    script = f"{statement}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_devices_and_back():
    host = np.arange(3)
    assert to_device(host, "cpu") is host
    moved = to_device(host, torch.device("cpu"))
    assert isinstance(moved, torch.Tensor)
    assert np.array_equal(asnumpy(moved), host)
    assert like(0.1, moved).item() == 0.1  # float64: through float32 it would be 0.10000000149
    assert isinstance(like(moved, host), np.ndarray)


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor])
def test_count_cells(convert):
    cells = convert(np.array([0, 2, 2, 4]))
    assert asnumpy(count_cells(cells, 6)).tolist() == [1, 0, 2, 0, 1, 0]
    repeats = convert(np.array([2**53 + 1, 1, 2**53, 3]))
    assert asnumpy(count_cells(cells, 6, repeats)).tolist() == [2**53 + 1, 0, 2**53 + 1, 0, 3, 0]
    assert count_cells(cells, 6).dtype in (np.int64, torch.int64)
