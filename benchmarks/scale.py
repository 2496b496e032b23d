"""How time and memory grow: ``python -m benchmarks.scale [--write]``, whole processes of evalcli and of its peers.

Against the rows, the workers and the classes. A peer that does not finish within two minutes and 16 GiB is named as one
that cannot. Memory is that of all processes of a command together. ``--write`` puts the tables into
``benchmarks/scale.md``; the inputs (3 GB) are made when first needed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import data, page
from benchmarks.measure import tree_peak
from benchmarks.races import CAT, HERE, MILLION, PYTHON_START, ROOT, ours

PATIENCE = 120
MEMORY = 16 << 30
MIB = 1 << 20
_UNHEARD: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
"""Nothing is kept of what a command prints: what this process holds would count as memory of the next one."""
PEERS = {"torchmetrics": "with_torchmetrics.py", "scikit-learn": "with_sklearn.py"}


def timed(argv: tuple[str, ...], runs: int = 2) -> float | None:
    """Seconds from start to end, the fastest of short ``runs``; ``None`` where a command fails, or takes too much."""
    best = None
    for _ in range(runs):
        start = perf_counter()
        try:
            subprocess.run(argv, check=True, timeout=PATIENCE, preexec_fn=_limited, **_UNHEARD)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
        seconds = perf_counter() - start
        best = seconds if best is None else min(best, seconds)
        if seconds > 5:
            break
    return best


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def cells(argv: tuple[str, ...], *, peak: bool) -> list[str]:
    """Seconds and, where asked for, MiB of one command."""
    seconds = timed(argv)
    if seconds is None:
        return ["cannot"] + ["–"] * peak
    return [f"{seconds:.2f} s"] + [f"{tree_peak(argv) / MIB:,.0f}"] * peak


def files(kind: str, rows: int) -> tuple[str, ...]:
    """The paths of an input, made now if it is not there."""
    paths = data.paths(kind, rows)
    if not all(Path(path).exists() for path in paths):
        subprocess.run((sys.executable, str(HERE / "data.py"), kind, str(rows)), check=True)
    return paths


def floor(paths: tuple[str, ...]) -> str:
    """Python's start and ``cat`` of the files."""
    return f"{(timed(PYTHON_START) or 0) + (timed((*CAT, *paths)) or 0):.2f} s"


def by_rows(million: int) -> list[str]:
    """Labels and logits of more and more rows."""
    lines = [
        "## Rows",
        "",
        "| rows | of | floor | evalcli | MiB | torchmetrics | MiB | scikit-learn | MiB |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    labels, every = ("-m", "accuracy,f1_macro,mcc"), ()
    for kind, millions, flags in (
        ("labels", 1, every), ("labels", 10, every), ("labels", 100, every),
        ("logits", 1, labels), ("logits", 10, labels), ("logits", 1, every), ("logits", 10, every),
    ):  # fmt: skip
        rows = millions * million
        paths = files(kind, rows)
        full = kind == "logits" and flags == every
        peers = {"torchmetrics": "torchmetrics_scores.py"} if full else PEERS
        row = [f"{rows:,}", f"10 {kind}, all metrics" if full else f"10 classes, {kind}", floor(paths)]
        row += cells((*ours(), "report", *paths, *flags), peak=True)
        for name in PEERS:
            peer = None if name not in peers else str(HERE / "peers" / peers[name])
            more = ("10",) if name == "torchmetrics" else ()
            row += ["", ""] if peer is None else cells((sys.executable, peer, *paths, *more), peak=True)
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return lines


def by_workers(million: int) -> list[str]:
    """The same with one worker and with as many as there are cores."""
    lines = [
        "## Workers",
        "",
        "| workers | labels of 10M × 10 logits | MiB | all metrics | MiB |",
        "| ---: |" + " ---: |" * 4,
    ]
    paths = files("logits", 10 * million)
    import os

    for workers in sorted({1, 2, len(os.sched_getaffinity(0))}):
        row = [str(workers)]
        for flags in (("-m", "accuracy,f1_macro,mcc"), ()):
            row += cells((*ours(), "report", *paths, *flags, "--workers", str(workers)), peak=True)
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return lines


def many_classes() -> tuple[str, ...]:
    """Where labels of many classes lie."""
    return tuple(str(data.FOLDER / f"classes-{side}.pt") for side in ("preds", "targets"))


def make(classes: int) -> None:
    """Write a million labels of so many classes; in a process of its own, so that the one that measures stays small."""
    import numpy as np
    import torch

    rng = np.random.default_rng(classes)
    share = 1 / np.arange(1, classes + 1) ** 0.9
    share /= share.sum()
    target = rng.choice(classes, size=MILLION, p=share)
    preds = np.where(rng.random(MILLION) < 0.8, target, rng.choice(classes, size=MILLION, p=share))
    target[-1] = preds[-1] = classes - 1
    for path, array in zip(many_classes(), (preds, target), strict=True):
        torch.save(torch.from_numpy(array), path)


def by_classes(_million: int) -> list[str]:
    """Labels of a million rows, of more and more classes."""
    lines = [
        f"## Classes ({MILLION:,} rows of labels, frequencies falling as 1 / k^0.9)",
        "",
        "| classes | evalcli | MiB | torchmetrics | MiB | scikit-learn | MiB |",
        "| ---: |" + " ---: |" * 6,
    ]
    for classes in (10, 1000, 10_000, 100_000, 1_000_000):
        subprocess.run((sys.executable, "-m", "benchmarks.scale", "--make", str(classes)), check=True, cwd=ROOT)
        paths = many_classes()
        row = [f"{classes:,}", *cells((*ours(), "report", *paths), peak=True)]
        for name, script in PEERS.items():
            more = (str(classes),) if name == "torchmetrics" else ()
            row += cells((sys.executable, str(HERE / "peers" / script), *paths, *more), peak=True)
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write benchmarks/scale.md")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--make", type=int, metavar="CLASSES", help="only write labels of so many classes")
    options = parser.parse_args()
    data.FOLDER.mkdir(exist_ok=True)
    if options.make:
        make(options.make)
        return
    million = MILLION // (100 if options.quick else 1)
    text = ["# How it scales", "", f"Measured {page.machine()}. Written by `python -m benchmarks.scale --write`."]
    for part in (by_rows, by_workers, by_classes):
        text += ["", *part(million)]
    if options.write:
        (HERE / "scale.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
