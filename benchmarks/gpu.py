"""What a GPU does: ``python -m benchmarks.gpu [--write]``, on a machine that has one.

Compute: labels out of scores that lie on the device, and their counts, against a copy on the device of the same bytes
(the floor: it reads and writes what we only read) and against torchmetrics. From disk: whole processes, on the device
and on the host, whose modules are compiled before, into a folder of their own: where Python may write no bytecode,
``import torch`` compiles a thousand modules each time, for seconds. Values of both sides are compared first.
``--write`` puts the tables into ``benchmarks/gpu.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.measure import RaceError, Run, run
from benchmarks.races import ours

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
SHAPES = ((200, 4), (10_000_000, 10), (40_000_000, 10), (1_000_000, 1000))
"""Of the scores that are read from disk."""
GOAL = 0.7
"""Of the rate of a copy on the device, for argmax and counts."""

SHARED = {
    "Accuracy": ("MulticlassAccuracy", {"average": "micro"}),
    "BalancedAccuracy": ("MulticlassRecall", {"average": "macro"}),
    "F1": ("MulticlassF1Score", {"average": "macro"}),
    "FBeta": ("MulticlassFBetaScore", {"average": "macro", "beta": 2.0}),
    "Recall": ("MulticlassRecall", {"average": "macro"}),
    "Precision": ("MulticlassPrecision", {"average": "macro"}),
    "Specificity": ("MulticlassSpecificity", {"average": "macro"}),
    "NPV": ("MulticlassNegativePredictiveValue", {"average": "macro"}),
    "Kappa": ("MulticlassCohenKappa", {}),
    "MCC": ("MulticlassMatthewsCorrCoef", {}),
    "Jaccard": ("MulticlassJaccardIndex", {"average": "macro"}),
    "ECE": ("MulticlassCalibrationError", {"n_bins": 15}),
    "MCE": ("MulticlassCalibrationError", {"n_bins": 15, "norm": "max"}),
    "AUROC": ("MulticlassAUROC", {"average": "macro"}),
    "AveragePrecision": ("MulticlassAveragePrecision", {"average": "macro"}),
    "TopKAccuracy": ("MulticlassAccuracy", {"average": "micro", "top_k": 3}),
}
"""Our class → theirs, with the options under which both say the same."""

LEFT_OUT = {"AUROCOVO", "SelectionRate"}
"""Every two classes apart, on the host whatever the device; and what only one class has."""


def options_of(name: str) -> dict[str, Any] | None:
    """What our class is given; ``None``: it is not for many classes."""
    from evalcli.modular.classes import CLASSES

    entry = CLASSES[name]
    if "multiclass" not in entry.tasks or name in LEFT_OUT:
        return None
    given: dict[str, Any] = {"average": "macro"} if "macro" in entry.averages and name != "Accuracy" else {}
    if entry.parameter is not None and getattr(entry.parameter, "default", None) is None:
        from evalcli.modular.setup import parameter_of

        number = float(entry.parameter.example)
        given[parameter_of(entry)] = int(number) if number.is_integer() else number
    return given


def seconds(work: Callable[[], object], rounds: int = 15, inner: int = 5, warm: int = 3) -> float:
    """The median time of ``work`` on the device, after ``warm`` rounds; ``inner`` calls a round, one wait."""
    import torch

    for _ in range(warm):
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
    """One update of each metric from scores on the device, and its value; beside torchmetrics, where both have it."""
    import torch
    import torchmetrics.classification as peers

    import evalcli
    from evalcli.modular.classes import CLASSES

    torch.manual_seed(0)
    target = torch.randint(classes, (rows,), device="cuda")
    preds = torch.randn(rows, classes, device="cuda")
    preds[torch.arange(rows, device="cuda"), target] += 2
    preds = preds.softmax(1)
    lines = [
        f"## Each metric, update and compute, ({rows:,}, {classes}) float32 probabilities on the device",
        "",
        "| metric | evalcli | the same on the host | torchmetrics | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    host = preds.cpu(), target.cpu()

    def whole(metric: Any, sides: tuple[Any, Any]) -> float:
        metric.reset()
        metric.update(*sides)
        return float(metric.compute())

    for name in CLASSES:
        given = options_of(name)
        if given is None:
            continue
        here, there = (getattr(evalcli.metrics, name)(**given) for _ in range(2))
        value = whole(there.to("cuda"), (preds, target))
        if abs(value - whole(here, host)) > 1e-9:
            raise RaceError(f"{name} is {value} on the device and another number on the host")
        ours_s = seconds(lambda there=there: whole(there, (preds, target)), 3, 1, 1)
        begin = perf_counter()
        whole(here, host)
        cells = [name, f"{ours_s * 1e3:.1f} ms", f"{(perf_counter() - begin) * 1e3:.1f} ms", "", ""]
        if name in SHARED:
            peer, options = SHARED[name]
            theirs = getattr(peers, peer)(num_classes=classes, validate_args=False, **options).to("cuda")
            if abs(value - whole(theirs, (preds, target))) > 1e-4:  # theirs is float32
                raise RaceError(f"{name} is {value} here and {whole(theirs, (preds, target))} there")
            theirs_s = seconds(lambda theirs=theirs: whole(theirs, (preds, target)), 3, 1, 1)
            cells[3:] = f"{theirs_s * 1e3:.1f} ms", f"{ours_s / theirs_s:.2f}"
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def compile_once(folder: Path) -> None:
    """Let the processes that are timed find their modules compiled, whatever this one was told."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder.resolve() / "bytecode")


def timed(command: tuple[str, ...], rounds: int) -> list[Run]:
    """Runs of ``command`` after a first one, which compiles what it imports."""
    return [run(command) for _ in range(rounds + 1)][1:]


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two reports have the same values, but for their last digits."""
    pairs = [(one[name]["value"], other[name]["value"]) for name in one]
    return one.keys() == other.keys() and all(a == b or abs(a - b) <= 1e-9 * max(1.0, abs(a)) for a, b in pairs)


def start(rounds: int) -> list[str]:
    """What a process pays before the first score is there."""
    lines = ["## The start of a process", "", "| | seconds |", "| --- | ---: |"]
    for title, code in (
        ("Python and numpy", "import numpy"),
        ("and torch", "import torch"),
        ("and a first sum on the device", "import torch; torch.ones(9, device='cuda').sum().item()"),
    ):
        times = [one.seconds for one in timed((sys.executable, "-c", code), rounds)]
        lines.append(f"| {title} | {median(times):.2f} |")
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
            runs = [timed((*command, "--device", side), rounds) for side in ("cpu", "cuda")]
            said = [json.loads(each[0].stdout)["metrics"] for each in runs]
            if not alike(*said):
                raise RaceError(f"{files[0]}: the device says something else than the host")
            times = [median(one.seconds for one in each) for each in runs]
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
    parser.add_argument("--shapes", type=int, nargs="*", default=range(len(SHAPES)), help="which of the files")
    parser.add_argument("--rounds", type=int, default=3, help="how often each process runs")
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        sys.exit("no CUDA device")
    options.folder.mkdir(exist_ok=True)
    compile_once(options.folder)
    from importlib.metadata import version

    from benchmarks.gpu_waits import waits

    about = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on one {torch.cuda.get_device_name()}, with Python "
        f"{sys.version.split()[0]}, torch {torch.__version__}, torchmetrics {version('torchmetrics')}, "
        f"{os.cpu_count()} cores; medians. The modules of timed processes were compiled before. "
        "Written by `python -m benchmarks.gpu --write`."
    )
    text = ["# On a GPU", "", about]
    print(about, flush=True)
    for part in (
        lambda: copies(1_000_000, 1000),
        lambda: each(100_000, 100),
        lambda: waits(100_000, 100),
        lambda: from_disk(options.folder, [SHAPES[number] for number in options.shapes], options.rounds),
        lambda: start(options.rounds),
    ):
        lines = part()
        print("\n".join(lines), flush=True)
        text += ["", *lines]
        if options.write:  # what was measured so far
            Path(options.write).write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
