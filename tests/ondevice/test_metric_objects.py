"""Metric objects whose batches lie on a device: torch's CPU stands in for it, a GPU is one where there is one."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from device_rows import cuda, on, sources
from torch_waits import waits_for_torch

import evalcli
from evalcli.classification import glances
from evalcli.classification.glances import Glances
from evalcli.errors import EvalError
from evalcli.sources import held_arrays


def made(metric: str, **options: Any) -> Any:
    """A metric object; ranks of one class against the others are averaged."""
    options |= {"average": "macro"} if metric in {"AUROC", "AveragePrecision", "KS"} else {}
    options |= {"k": 3} if metric == "TopKAccuracy" else {}
    return getattr(evalcli.metrics, metric)(**options)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "metric",
    [
        "Accuracy",
        "Kappa",
        "LogLoss",
        "ECE",
        "BalancedAccuracy",
        "MeanRank",
        "AUROC",
        "AveragePrecision",
        "KS",
        "AURC",
        "ECEClasswise",
    ],
)
@pytest.mark.parametrize("moved", [True, False])
def test_metric_objects_on_a_gpu(metric: str, *, moved: bool) -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    there, here = made(metric), made(metric)
    if moved:
        there.to("cuda")
    for start in range(0, 4000, 1000):
        rows = slice(start, start + 1000)
        there.update(preds[rows], target[rows])
        here.update(preds[rows].cpu(), target[rows].cpu())
    value = there.compute()
    assert value.device.type == "cuda"
    assert float(value) == pytest.approx(float(here.compute()), rel=1e-9)
    half = made(metric).to("cuda")
    half.update(preds[:2000].bfloat16(), target[:2000])
    alone, other, both = (made(metric) for _ in range(3))
    alone.update(preds[:2000].bfloat16().cpu(), target[:2000].cpu())
    assert float(half.compute()) == pytest.approx(float(alone.compute()), rel=1e-9)
    other.update(preds[2000:].bfloat16().cpu(), target[2000:].cpu())  # other rows: equal ones may be ties only there
    both.update(preds.bfloat16().cpu(), target.cpu())
    assert float(half.merge(other).compute()) == pytest.approx(float(both.compute()), rel=1e-9)


GATHERED = ["LogLoss", "ECE", "MeanRank", "AUROC", "AveragePrecision", "KS", "AURC", "ECEClasswise", "AUROCOVO"]


@pytest.mark.gpu
@pytest.mark.parametrize("metric", ["Accuracy", "TopKAccuracy", "Brier", *GATHERED])
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 4}, {"nan": "drop"}, {"nan": "wrong"}, {"weight": 1}], ids=str
)
def test_updates_on_a_gpu_do_not_wait_for_it(metric: str, kind: str, options: dict[str, Any]) -> None:
    torch = cuda()
    preds, target = on(torch, sources()["logits"])
    preds = preds.softmax(1) if kind == "probs" else preds
    known = {name: value for name, value in options.items() if name != "weight"}
    one, twice = made(metric, **known).to("cuda"), made(metric, **known).to("cuda")
    more = (torch.rand(4000, device="cuda"),) if "weight" in options else ()
    one.update(preds, target, *more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
        try:
            one.update(preds, target, *more)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    twice.update(*(torch.cat([part, part]) for part in (preds, target, *more)))
    assert float(one.compute()) == float(twice.compute())


@pytest.mark.parametrize("metric", GATHERED)
def test_metric_objects_gather_where_scores_lie(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU stands in for a GPU."""
    torch = pytest.importorskip("torch")
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores = scores.bfloat16()
    here, there, other, whole = (made(metric) for _ in range(4))
    here.update(scores, target)
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    for start in range(0, 2000, 500):
        there.update(scores[start : start + 500], target[start : start + 500])
    there.compute()
    copied = copy.deepcopy(there)
    other.update(scores[2000:], target[2000:])
    whole.update(scores, target)
    value = float(there.merge(other).compute())
    assert value == float(whole.compute()) == pytest.approx(float(here.compute()), rel=1e-13)
    monkeypatch.undo()
    copied.update(scores[2000:], target[2000:])  # from the host
    assert float(copied.compute()) == value
    again = made(metric)
    again.load_state_dict(whole.state_dict())
    assert float(again.compute()) == value


@pytest.mark.parametrize("metric", GATHERED)
def test_batches_of_inference_mode_merge_outside_of_it(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    one, other, whole = (made(metric) for _ in range(3))
    with torch.inference_mode():
        one.update(scores[:2000], target[:2000])
        other.update(scores[2000:3000], target[2000:3000])
    one.merge(other)(scores[3000:], target[3000:])
    whole.update(scores, target)
    assert float(one.compute()) == float(whole.compute())


def test_metric_objects_of_two_devices_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores[::9] = torch.nan
    one, other = (evalcli.metrics.TopKAccuracy(k=2, nan="wrong") for _ in range(2))
    one.update(scores[:2000], target[:2000])
    other.update(scores[2000:], target[2000:])
    mine, theirs = (metric.stream._core.gathered.scores for metric in (one, other))
    theirs._there.device = torch.device("cuda", 1)
    before = int(mine._unscored_there)
    one.merge(other)
    assert int(mine._unscored_there) == before  # no sum of numbers of two devices
    mine.settle()
    assert mine.unscored == int(torch.isnan(scores[:, 0]).sum())


@pytest.mark.parametrize("metric", ["AUROC", "AveragePrecision", "KS"])
def test_more_classes_wait_no_more_often(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    counts = []
    for classes in (5, 40):
        scores = torch.randn(400, classes, generator=torch.Generator().manual_seed(classes))
        one = made(metric)
        one.update(scores, torch.arange(400) % classes)
        with waits_for_torch(monkeypatch) as waits:
            one.compute()
        counts.append(waits[0])
    assert counts[0] == counts[1]


@pytest.mark.parametrize("metric", ["Accuracy", "TopKAccuracy", "Brier", *GATHERED])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_no_batch_of_a_metric_object_waits(metric: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    scores = scores.softmax(1) if kind == "probs" else scores
    there, whole = made(metric), made(metric)
    there.update(scores[:500], target[:500])
    with waits_for_torch(monkeypatch) as waits:
        for start in range(500, 4000, 500):
            there.update(scores[start : start + 500], target[start : start + 500])
    assert waits[0] == (0 if metric != "Accuracy" else waits[0])  # labels on the CPU are numpy's
    whole.update(scores, target)
    assert float(there.compute()) == float(whole.compute())


def odd_batches() -> dict[str, tuple[dict[str, Any], dict[str, Any], str]]:
    """What a batch after the first holds, in scores and in targets, and what is said of it in the end."""
    nowhere = "4 predictions are not finite .NaN, or -inf in every column.; nan='drop'"
    return {
        "nan": ({"preds": ((slice(7, 11), 2), np.nan)}, {}, nowhere),
        "no best": ({"preds": (slice(7, 11), -np.inf)}, {}, nowhere),
        "sums": ({"preds": (slice(7, 9), 0.1)}, {}, r"2 rows do not sum to 1 \(worst: row 507, off by 0.5\)"),
        "logits": ({"preds": (3, -2.0)}, {}, "looked like probs of a multiclass task, and now like logits"),
        "endless": ({"preds": ((3, 1), np.inf)}, {}, "now like logits"),
        "said": ({"preds": ((3, 1), 1.5)}, {"scores": "probs"}, "not probabilities: values from"),
        "beyond": ({"target": (slice(7, 9), 5)}, {}, r"2 targets are outside the classes 0 to 4 \(5\)"),
        "below": ({"target": (7, -1)}, {}, r"1 target is outside the classes 0 to 4 \(-1\); if -1 marks rows"),
    }


@pytest.mark.parametrize("metric", ["ECE", "AUROC"])
@pytest.mark.parametrize("name", odd_batches())
def test_what_is_wrong_with_a_batch_is_told_in_the_end(metric: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    monkeypatch.setattr(glances, "_MANY", 3)
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    odd = {"preds": scores.softmax(1), "target": target}
    changes, options, says = odd_batches()[name]
    for side, (place, value) in changes.items():
        odd[side][500:1000][place] = value
    one = made(metric, **options)
    for start in range(0, 4000, 500):
        one.update(odd["preds"][start : start + 500], odd["target"][start : start + 500])
    for _ in range(2):  # it stays wrong
        with pytest.raises(EvalError, match=says):
            one.compute()
    other, saved = copy.deepcopy(one), made(metric, **options)
    saved.load_state_dict(one.state_dict())
    for again in (other, saved):
        with pytest.raises(EvalError, match=says):
            again.compute()
    one.reset()
    one.update(odd["preds"][1000:], odd["target"][1000:])
    assert float(one.compute()) > 0


@pytest.mark.parametrize("options", [{"nan": "drop"}, {"nan": "wrong"}, {"ignore_index": 4}, {"labels": list("abcde")}])
def test_rows_that_are_left_out_are_found_on_a_device(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    scores, target = (torch.as_tensor(side.copy()) for side in sources()["logits"].arrays[:2])
    if "nan" in options:
        scores[700:705] = torch.nan
    values = []
    for kinds in ({"cpu"}, {"cuda"}):
        monkeypatch.setattr(held_arrays, "GATHERING", kinds)
        one = evalcli.metrics.TopKAccuracy(k=2, **options)
        for start in range(0, 4000, 500):
            one.update(scores[start : start + 500], target[start : start + 500])
        values.append(float(one.compute()))
    assert values[0] == values[1] or np.isnan(values).all()


def test_targets_come_to_where_scores_are_looked_at() -> None:
    torch = pytest.importorskip("torch")
    elsewhere = Glances("meta", 1e-3, nan="error")
    for ignored in (None, 1):
        inside, kept = elsewhere.look_at_target(torch.tensor([0, 1]), 1, ignored)
        assert {side.device.type for side in (inside, kept) if side is not None} == {"meta"}
