"""Gates that must block, whatever is wrong with the number they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path


def _blocked(folder: Path) -> dict[str, tuple[list[object], int]]:
    truth = np.arange(60) % 3
    preds = np.where(np.arange(60) % 4, truth, (truth + 1) % 3)
    nan = np.eye(3)[truth]
    nan[7] = np.nan
    arrays = {
        "good": {"pred": truth, "target": truth},
        "bad": {"pred": preds, "target": truth},
        "empty": {"pred": truth[:0], "target": truth[:0]},
        "one": {"pred": truth * 0, "target": truth * 0},
        "nan": {"logits": nan, "target": truth},
        "two": {"pred": truth % 2, "target": truth % 2},
    }
    for name, both in arrays.items():
        np.savez(folder / f"{name}.npz", **both)
    np.savez(folder / "longer.npz", target=np.arange(61) % 3)
    bad, drop = folder / "bad.npz", ["--baseline", folder / "good.json", "--max-drop", "accuracy=0.1"]
    return {
        "min": ([bad, "--min", "accuracy=0.9"], 1),
        "max": ([bad, "--max", "error_rate=0.1"], 1),
        "of a class": ([bad, "--min", "recall[1]=0.9"], 1),
        "plain": ([bad, "--min-f1", "0.9"], 1),
        "drop": ([bad, *drop], 1),
        "relative drop": ([bad, "--baseline", folder / "good.json", "--max-drop", "f1_macro=5%"], 1),
        "one of several": ([bad, "--min", "accuracy=0.1", "--min", "mcc=0.9"], 1),
        "NaN": ([folder / "nan.npz", "--min", "accuracy=0"], 2),
        "empty": ([folder / "empty.npz", "--min", "accuracy=0"], 2),
        "one class": ([folder / "one.npz", "--min", "kappa=-1", "--task", "multiclass"], 1),
        "wrong file": ([folder / "good.npz", folder / "longer.npz", "--min", "accuracy=0"], 2),
        "no file": ([folder / "gone.npz", "--min", "accuracy=0"], 2),
        "other classes": ([folder / "two.npz", *drop], 2),
        "a class that is not there": ([folder / "good.npz", "--min", "recall[9]=0"], 2),
    }


GATES = ("min", "max", "of a class", "plain", "drop", "relative drop", "one of several", "NaN", "empty", "one class",
         "wrong file", "no file", "other classes", "a class that is not there")  # fmt: skip


@pytest.mark.parametrize("name", GATES)
def test_N15_N16_N19_every_kind_of_gate_blocks(tmp_path, run, name):
    cases = _blocked(tmp_path)
    assert run("report", tmp_path / "good.npz", "--min", "accuracy=1", "-o", tmp_path / "good.json").code == 0
    args, code = cases[name]
    result = run("report", *args, "--quiet")
    assert result.code == code, result
    assert result.stderr
    assert set(cases) == set(GATES)
