"""The kernel of a GPU is asked of the GPU that the scores lie on; what compiles it stands aside here."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import evalcli.metrics

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_kernel_runs_on_the_device_of_the_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    current: list[Any] = []
    launched: list[Any] = []

    class Kernel:
        def __init__(self, _: Any) -> None:
            """Whatever it does."""

        def __getitem__(self, _: Any) -> Any:
            return lambda *_, **__: launched.append(current[-1])

    @contextmanager
    def device(which: Any) -> Iterator[None]:
        current.append(which)
        yield
        current.pop()

    triton, language = ModuleType("triton"), ModuleType("triton.language")
    vars(triton).update(jit=Kernel, language=language, next_power_of_2=lambda n: n, cdiv=lambda n, by: -(-n // by))
    vars(language).update(constexpr=int)
    for name, module in (("triton", triton), ("triton.language", language)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(evalcli.metrics, "kernels", None, raising=False)  # the import sets both, of what stands aside
    monkeypatch.setitem(sys.modules, "evalcli.metrics.kernels", None)
    del sys.modules["evalcli.metrics.kernels"]
    monkeypatch.setattr(torch.cuda, "device", device)
    current.append(None)
    scores = torch.zeros(10, 4)
    importlib.import_module("evalcli.metrics.kernels").best_columns(scores)
    assert launched == [scores.device]
