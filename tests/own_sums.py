"""A metric of the user's own whose numbers depend on the order of the rows, and its parts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from memory_source import MemorySource

import evalcli
from evalcli.engine import Execution
from evalcli.loading import own_metrics
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.sources.base import InputFile
from evalcli.task import Choices

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=600)
TRUTH = VALUES + RNG.normal(size=600) * 0.3
CUTS = [0, 7, 100, 101, 350, 600]


class Sums(evalcli.Metric):
    """Float sums that round at every step, rows in their order, and a sum that begins as a whole number."""

    def __init__(self):
        super().__init__()
        self.add_state("squares", np.zeros(2))
        self.add_state("total", 0)
        self.add_state("seen", [], reduce="cat")
        self.add_state("means", [], reduce="cat")
        self.add_state("least", np.inf, reduce="min")

    def update(self, preds, target):
        self.squares = self.squares + np.array([((preds - target) ** 2).sum(), len(preds)])
        self.total += float(preds.sum())
        self.seen.append(target.copy())
        self.means.append(float(target.mean()))
        self.least = min(self.least, float(target.min()))

    def compute(self):
        seen = np.concatenate(self.seen)
        return {
            "rmse": (self.squares[0] / self.squares[1]) ** 0.5,
            "total": self.total,
            "first": seen[0],
            "last": seen[-1],
            "batches": len(self.means),
            "mean": sum(self.means) / len(self.means),
            "least": self.least,
        }


def part(start, stop, own, **more):
    source = MemorySource(VALUES[start:stop], TRUTH[start:stop])
    file = InputFile(f"{start:04}.npy", 8, f"sha256:{start}")
    source.finish = lambda: (file,)
    choices = Choices(task="regression")
    found = measure_part(source, choices, Execution(workers=more.pop("workers", 1), **more), own=own)
    return decode(encode(found), file.path)


def parts(own, **more):
    return [part(a, b, own, **more) for a, b in itertools.pairwise(CUTS)]


OWN = own_metrics([Sums()])
PARTS = parts(OWN)


def told(found):
    return render(replace(report_of_part(found, own=OWN), inputs=()), "json")
