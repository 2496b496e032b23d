"""What a GPU does: ``python -m benchmarks.gpu [--write]``, on a machine that has one.

Compute: labels out of scores that lie on the device, and their counts, against a copy on the device of the same bytes
(the floor: it reads and writes what we only read) and against torchmetrics. From disk: whole processes, on the device
and on the host. Values of both sides are compared first. ``--write`` puts the tables into ``benchmarks/gpu.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import RaceError, run
from benchmarks.races import ours

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
GOAL = 0.7
"""Of the rate of a copy on the device, for argmax and counts."""

SHARED = {
    "Accuracy": ("MulticlassAccuracy", {"average": "micro"}),
    "F1": ("MulticlassF1Score", {"average": "macro"}),
    "Recall": ("MulticlassRecall", {"average": "macro"}),
    "Precision": ("MulticlassPrecision", {"average": "macro"}),
    "Kappa": ("MulticlassCohenKappa", {}),
    "MCC": ("MulticlassMatthewsCorrCoef", {}),
    "Jaccard": ("MulticlassJaccardIndex", {"average": "macro"}),
    "ECE": ("MulticlassCalibrationError", {"n_bins": 15}),
    "AUROC": ("MulticlassAUROC", {"average": "macro"}),
    "AveragePrecision": ("MulticlassAveragePrecision", {"average": "macro"}),
}
"""Our class → theirs, with the options under which both say the same."""


def seconds(work: Callable[[], object], rounds: int = 15, inner: int = 5) -> float:
    """The median time of ``work`` on the device, after three rounds to get warm; ``inner`` calls a round, one wait."""
    import torch

    for _ in range(3):
        work()
    found = []
    for _ in range(rounds):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        for _ in range(inner):
            work()
        end.record()
        torch.cuda.synchronize()
        found.append(begin.elapsed_time(end) / 1000 / inner)
    return median(found)


def copies(rows: int, classes: int) -> list[str]:
    """Argmax and counts against a copy of the same bytes."""
    import torch

    import evalcli

    lines = [
        f"## Labels and their counts, ({rows:,}, {classes:,}) on the device",
        "",
        "| scores | a copy of them | `Accuracy.update` | rate of the copy | goal | torchmetrics | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    from torchmetrics.classification import MulticlassAccuracy

    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        preds = torch.randn(rows, classes, device="cuda").to(dtype)
        target = torch.randint(classes, (rows,), device="cuda")
        into = torch.empty_like(preds)
        mine = evalcli.metrics.Accuracy().to("cuda")
        theirs = MulticlassAccuracy(classes, average="micro", validate_args=False).to("cuda")
        mine.update(preds, target)
        theirs.update(preds, target)
        if abs(float(mine.compute()) - float(theirs.compute())) > 1e-6:
            raise RaceError(f"accuracy is {mine.compute()} here and {theirs.compute()} there")
        floor = seconds(lambda into=into, preds=preds: into.copy_(preds))
        update = seconds(lambda mine=mine, preds=preds, target=target: mine.update(preds, target))
        other = seconds(lambda theirs=theirs, preds=preds, target=target: theirs.update(preds, target))
        share = floor / update
        lines.append(
            f"| {str(dtype).removeprefix('torch.')} | {floor * 1e3:.2f} ms | {update * 1e3:.2f} ms | {share:.2f} | "
            f"{GOAL} {'met' if share >= GOAL else 'MISSED'} | {other * 1e3:.2f} ms | {update / other:.2f} |"
        )
    return lines


def each(rows: int, classes: int) -> list[str]:
    """One update of each metric that both have, from scores on the device, and its value."""
    import torch
    import torchmetrics.classification as peers

    import evalcli

    torch.manual_seed(0)
    target = torch.randint(classes, (rows,), device="cuda")
    preds = torch.randn(rows, classes, device="cuda")
    preds[torch.arange(rows, device="cuda"), target] += 2
    preds = preds.softmax(1)
    lines = [
        f"## Each metric, update and compute, ({rows:,}, {classes}) float32 probabilities on the device",
        "",
        "| metric | evalcli | torchmetrics | ratio |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (peer, options) in SHARED.items():
        mine = getattr(evalcli.metrics, name)(**({"average": "macro"} if "macro" in options.values() else {})).to(
            "cuda"
        )
        theirs = getattr(peers, peer)(classes, validate_args=False, **options).to("cuda")

        def whole(metric: Any) -> float:
            metric.reset()
            metric.update(preds, target)
            return float(metric.compute())

        values = whole(mine), whole(theirs)
        if abs(values[0] - values[1]) > 1e-4:  # theirs is float32
            raise RaceError(f"{name} is {values[0]} here and {values[1]} there")
        ours_s = seconds(lambda mine=mine: whole(mine), 5, 1)
        theirs_s = seconds(lambda theirs=theirs: whole(theirs), 5, 1)
        lines.append(f"| {name} | {ours_s * 1e3:.1f} ms | {theirs_s * 1e3:.1f} ms | {ours_s / theirs_s:.2f} |")
    return lines


def from_disk(folder: Path, shapes: list[tuple[int, int]], rounds: int) -> list[str]:
    """Whole reports of two ``.pt`` files on the device and on the host."""
    import numpy as np
    import torch

    lines = [
        "## From disk (cached), a whole process",
        "",
        "| scores | report | host | device | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for rows, classes in shapes:
        rng = np.random.default_rng(0)
        target = rng.integers(classes, size=rows)
        scores = rng.standard_normal((rows, classes), dtype=np.float32)
        scores[np.arange(rows), target] += 2
        files = [str(folder / f"{rows}x{classes}-{side}.pt") for side in ("preds", "targets")]
        torch.save(torch.from_numpy(scores), files[0])
        torch.save(torch.from_numpy(target), files[1])
        del scores
        every = [("labels", ("-m", "accuracy,f1_macro")), ("all metrics", ())][: 1 if classes > 100 else 2]
        for title, flags in every:
            command = (*ours(), "report", *files, "-f", "json", *flags)
            sides = ("cpu", "cuda")
            said = [json.loads(run((*command, "--device", side)).stdout) for side in sides]
            if said[0]["metrics"] != said[1]["metrics"]:
                raise RaceError(f"{files[0]}: the device says something else than the host")
            times = [median(run((*command, "--device", side)).seconds for _ in range(rounds)) for side in sides]
            lines.append(
                f"| ({rows:,}, {classes:,}) float32 | {title} | {times[0]:.2f} s | {times[1]:.2f} s | "
                f"{times[1] / times[0]:.2f} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
        for file in files:
            Path(file).unlink()
    return lines


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", metavar="FILE", nargs="?", const=str(HERE / "gpu.md"), help="write the tables")
    parser.add_argument("--folder", type=Path, default=HERE / "data", help="where the inputs are made (4 GB)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each process runs")
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA device")
    options.folder.mkdir(exist_ok=True)
    from importlib.metadata import version

    about = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on one {torch.cuda.get_device_name()}, with Python "
        f"{sys.version.split()[0]}, torch {torch.__version__}, torchmetrics {version('torchmetrics')}; "
        "medians. Written by `python -m benchmarks.gpu --write`."
    )
    text = ["# On a GPU", "", about]
    print(about, flush=True)
    for part in (
        lambda: copies(1_000_000, 1000),
        lambda: each(100_000, 100),
        lambda: from_disk(options.folder, [(200, 4), (10_000_000, 10), (1_000_000, 1000)], options.rounds),
    ):
        lines = part()
        print("\n".join(lines), flush=True)
        text += ["", *lines]
    if options.write:
        Path(options.write).write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
