"""The metric of the documentation of torchmetrics, and means of batches, wherever metrics of one's own may stand."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import evalcli
from evalcli.functional import rmse
from evalcli.testing import check_metric

RNG = np.random.default_rng(4)
TARGET = RNG.normal(size=400)
PREDS = TARGET + RNG.normal(size=400)
REGION = np.where(np.arange(400) % 3, "EU", "US")
ASKED = ("--metric", "their.py:MyRMSE", "--metric", "their.py:MeanSquare", "--by", "region", "--task", "regression")


@pytest.fixture
def their(tmp_path, monkeypatch):
    shutil.copy(Path(__file__).parent / "their_metrics.py", tmp_path / "their.py")
    monkeypatch.chdir(tmp_path)
    rows = [f"{p!r},{t!r},{r}\n" for p, t, r in zip(PREDS.tolist(), TARGET.tolist(), REGION, strict=True)]
    for number in range(2):
        Path(f"s{number}.csv").write_text("pred,target,region\n" + "".join(rows[number * 250 : (number + 1) * 250]))
    Path("all.csv").write_text("pred,target,region\n" + "".join(rows))
    return tmp_path


def values(text):
    found = json.loads(text)
    rows = {"": found["metrics"]} | {row["value"]: row["metrics"] for row in found["slices"]}
    return {(where, name): row[name]["value"] for where, row in rows.items() for name in ("MyRMSE", "MeanSquare")}


def expected():
    errors = {"": PREDS - TARGET} | {name: (PREDS - TARGET)[name == REGION] for name in ("EU", "US")}
    squares = {name: float((each**2).mean()) for name, each in errors.items()}
    wanted = {(name, "MyRMSE"): square**0.5 for name, square in squares.items()}
    return pytest.approx(wanted | {(name, "MeanSquare"): square for name, square in squares.items()}, rel=1e-12)


def test_in_code(their, monkeypatch):
    monkeypatch.syspath_prepend(their)
    from their import MyRMSE

    preds, target = torch.from_numpy(PREDS), torch.from_numpy(TARGET)
    check_metric(MyRMSE(), preds, target, expected=float(rmse(preds, target)))
    metric = MyRMSE()
    batches = [float(metric(preds[i : i + 150], target[i : i + 150])) for i in (0, 150, 300)]
    assert float(metric.compute()) == pytest.approx(float(rmse(PREDS, TARGET)))
    assert np.mean(batches) != pytest.approx(float(metric.compute()), rel=1e-6)


@pytest.mark.parametrize("more", [(), ("--batch-size", "37"), ("--batch-size", "37", "--workers", "3")])
def test_in_a_report_its_slices_and_gates(their, run, more):
    found = run("report", "all.csv", *ASKED, *more, "--max", "MyRMSE@region=*=1.5", "-f", "json")
    assert found.code == 0, found.stderr
    assert values(found.stdout) == expected()
    assert run("report", "all.csv", *ASKED, "--max", "MyRMSE@region=EU=0.1", "--quiet").code == 1


def test_in_parts(their, run):
    for number in range(2):
        assert run("report", f"s{number}.csv", *ASKED, "--quiet", "-o", f"{number}.evalcli").code == 0
    merged = run("merge", "1.evalcli", "0.evalcli", *ASKED[:4], "-f", "json")
    assert merged.code == 0, merged.stderr
    assert values(merged.stdout) == expected()


def test_across_ranks(their):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = []
    for rank in range(2):
        env = os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-m", "evalcli", "report", "s?.csv", *ASKED, "-f", "json"]
        started.append(subprocess.Popen(command, env=env, stdout=-1, stderr=-1, encoding="utf-8"))
    (out, err), _ = (process.communicate(timeout=120) for process in started)
    assert [process.returncode for process in started] == [0, 0], err
    assert values(out) == expected()


def test_python_takes_it_too(their):
    report = evalcli.evaluate(PREDS, TARGET, task="regression", own=["their.py:MyRMSE", "their.py:MeanSquare"])
    assert report["MyRMSE"] == pytest.approx(report["rmse"], rel=1e-12)
    assert report["MeanSquare"] == pytest.approx(report["mse"], rel=1e-12)
