"""Merge many synthetic parts, and print what each kind of state weighs and what merging it costs.

``--parts`` of each kind are made of a few that differ, under new names; they are merged from their bytes one after
another, as ``evalcli merge`` reads them. Each kind runs in a process of its own. ``--only`` picks kinds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evalcli.engine import Execution
from evalcli.merging import merge
from evalcli.parts import Part, decode, encode, measure_part, report_of_part
from evalcli.sources.base import Batch, Field, InputFile, Source
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DIFFERENT = 20
"""So many parts of a kind are counted; the others are these under other names."""


class Kind(NamedTuple):
    """What the rows of a part are."""

    rows: int
    classes: int
    scores: bool
    metrics: tuple[str, ...] | None = None


KINDS = {
    "labels, 10 classes": Kind(100_000, 10, scores=False),
    "labels, 1,000 classes": Kind(100_000, 1_000, scores=False),
    "labels, 100,000 classes": Kind(100_000, 100_000, scores=False),
    "logits, 10 classes, counts and losses": Kind(
        2_000, 10, scores=True, metrics=("accuracy", "f1_macro", "log_loss", "ece", "brier")
    ),
    "logits, 10 classes, every metric": Kind(2_000, 10, scores=True),
    "binary scores, every metric": Kind(2_000, 2, scores=True),
}


class Rows(Source):
    """Random rows under a name of their own."""

    def __init__(self, kind: Kind, number: int) -> None:
        rng = np.random.default_rng(number)
        target = rng.integers(0, kind.classes, kind.rows)
        if not kind.scores:
            preds = np.where(rng.random(kind.rows) < 0.8, target, rng.integers(0, kind.classes, kind.rows))
        elif kind.classes == 2:
            preds = (rng.normal(size=kind.rows) + target).astype(np.float32)
        else:
            preds = rng.normal(size=(kind.rows, kind.classes)).astype(np.float32)
            preds[np.arange(kind.rows), target] += 1
        self.arrays = preds, target
        self.name = f"part{number:06}.npy"
        self.preds = Field("preds", self.name, preds.shape, str(preds.dtype))
        self.target = Field("target", self.name, target.shape, "int64")
        self.rows = kind.rows

    def plan(self, size: int) -> Iterator[Callable[[], Batch]]:
        """All rows at once."""
        del size
        yield lambda: Batch(*self.arrays)

    def finish(self) -> tuple[InputFile, ...]:
        """The file that the rows would be in."""
        return (InputFile(self.name, self.rows or 0, f"sha256:{self.name}"),)


def made(kind: Kind, count: int) -> list[bytes]:
    """The bytes of the different parts."""
    choices = Choices(labels=None if kind.scores else tuple(map(str, range(kind.classes))))
    execution = Execution(workers=1)
    return [encode(measure_part(Rows(kind, n), choices, execution, kind.metrics)) for n in range(min(count, DIFFERENT))]


def renamed(data: list[bytes], count: int) -> Iterator[Part]:
    """``count`` parts read from bytes, each of rows of its own."""
    for number in range(count):
        part = decode(data[number % len(data)])
        name = f"part{number:06}.npy"
        file = replace(part.about.inputs[0], path=name, digest=f"sha256:{name}")
        yield replace(part, about=replace(part.about, inputs=(file,)))


def measure(name: str, count: int) -> dict[str, float]:
    """Merge ``count`` parts of a kind in this process."""
    kind = KINDS[name]
    data = made(kind, count)
    base = resource.getrusage(resource.RUSAGE_SELF)
    total = merge(renamed(data, count))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    assert total.about.n == kind.rows * count
    report = report_of_part(total)
    assert 0 < (report.metrics["accuracy"].value or 0) < 1
    return {
        "part": sum(map(len, data)) / len(data),
        "merged": len(encode(total)),
        "cpu": spent.ru_utime + spent.ru_stime - base.ru_utime - base.ru_stime,
        "peak": spent.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


def size_of(number: float) -> str:
    """Bytes in words.

    >>> size_of(2_300), size_of(1_200_000)
    ('2.3 kB', '1.2 MB')
    """
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.parts)))
        return
    print(f"{options.parts:,} parts merged one after another, {datetime.now(UTC):%Y-%m-%d}")
    print("| state | rows a part | bytes a part | merged | CPU seconds | a part | peak memory |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in options.only or KINDS:
        command = [sys.executable, "-m", "benchmarks.merging", "--one", name, "--parts", str(options.parts)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        cells = (
            name,
            f"{KINDS[name].rows:,}",
            size_of(found["part"]),
            size_of(found["merged"]),
            f"{found['cpu']:.1f}",
            f"{found['cpu'] / options.parts * 1000:.1f} ms",
            size_of(found["peak"]),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
