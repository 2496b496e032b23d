"""Rows of every kind, counted whole and in parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import Measured, measure
from evalcli.parts import decode, encode, measure_part
from evalcli.renderers import render
from evalcli.sources.base import InputFile
from evalcli.sources.labels import class_order
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalcli.parts import Part

    Make = Callable[[slice], MemorySource]


ROWS = 3_000
CUTS = [0, 17, 700, 1_500, ROWS]


def source(rows: slice, preds: Any, target: Any, **more: Any) -> MemorySource:
    """Some rows, as a file of their own that is named after them."""
    weight = more.pop("weight", None)
    found = MemorySource(preds[rows], target[rows], weight=None if weight is None else weight[rows], **more)
    name = f"{rows.start:04}.npy"
    file = InputFile(name, found.rows, f"sha256:{name}", total=found.rows)
    found.finish = lambda: (file,)  # type: ignore[method-assign]  # a file for what lies in memory
    return found


def text(rows: slice, preds: Any, target: Any, **more: Any) -> MemorySource:
    """Texts, of which each part knows only its own."""
    said, truth = preds[rows], target[rows]
    names = class_order({*said.tolist(), *truth.tolist()})
    index = {name: i for i, name in enumerate(names)}
    codes = [np.array([index[name] for name in side.tolist()]) for side in (said, truth)]
    weight = more.pop("weight", None)
    found = source(slice(0, None), *codes, labels=names, pred_labels=names, **more)
    if weight is not None:
        found.arrays[2], found.weighted = weight[rows], True
    file = InputFile(f"{rows.start:04}.csv", len(said), f"sha256:{rows.start}", total=len(said))
    found.finish = lambda: (file,)  # type: ignore[method-assign]  # as above
    return found


def _data() -> dict[str, tuple[Make, Choices]]:
    rng = np.random.default_rng(5)
    logits = (rng.normal(size=(ROWS, 6)) * 2).astype(np.float32)
    target = np.where(rng.random(ROWS) < 0.6, logits.argmax(1), rng.integers(0, 6, ROWS))
    weight = rng.random(ROWS)
    weight[::7] = 0
    score = rng.normal(size=ROWS)
    truth = (score + rng.normal(size=ROWS) > 0).astype(np.int64)
    probs = np.exp(logits.astype(np.float64))
    probs /= probs.sum(axis=1, keepdims=True)
    names = np.array([f"class {i}" for i in range(40)])
    told = names[np.sort(rng.integers(0, 40, ROWS))]  # sorted: each part sees its own classes
    said = np.where(rng.random(ROWS) < 0.7, told, np.roll(told, 100))
    numbers = np.sort(rng.integers(0, 50, ROWS))
    missing = logits.copy()
    missing[::50, 2] = np.nan
    plain_choices = Choices()
    return {
        "logits": (lambda rows: source(rows, logits, target), plain_choices),
        "weighted": (lambda rows: source(rows, logits, target, weight=weight), plain_choices),
        "probs": (lambda rows: source(rows, probs, target), plain_choices),
        "binary": (lambda rows: source(rows, score, truth), plain_choices),
        "numbers": (lambda rows: source(rows, np.roll(numbers, 9), numbers), plain_choices),
        "text": (lambda rows: text(rows, said, told), plain_choices),
        "weighted text": (lambda rows: text(rows, said, told, weight=weight), plain_choices),
        "declared": (
            lambda rows: text(rows, said, told),
            Choices(labels=tuple(names[::-1].tolist()), classes="declared"),
        ),
        "ignored": (lambda rows: text(rows, said, told), Choices(ignore_index=3)),
        "wrong": (lambda rows: source(rows, missing, target), Choices(nan="wrong", scores="logits")),
        "dropped": (lambda rows: source(rows, missing, target), Choices(nan="drop", scores="logits")),
        "many": (lambda rows: source(rows, np.roll(numbers, 9) * 40, numbers * 40), plain_choices),
    }


DATA = _data()


def measured(make: Make, choices: Choices, rows: slice, *, size: int | None = None, **more: Any) -> Measured:
    execution = Execution(workers=more.pop("workers", 1), batch_size=size, ranking_budget=more.pop("budget", None))
    return measure(make(rows), choices, execution, more.pop("metrics", None), **more)[0]


def counted(make: Make, choices: Choices, rows: slice, *, size: int | None = None, **more: Any) -> Part:
    execution = Execution(workers=more.pop("workers", 1), batch_size=size, ranking_budget=more.pop("budget", None))
    return measure_part(make(rows), choices, execution, more.pop("metrics", None), **more)


def parts_of(make: Make, choices: Choices, cuts: list[int] = CUTS, **more: Any) -> list[Part]:
    """Each range as a part that went through its bytes."""
    ranges = pairwise(cuts)
    return [decode(encode(counted(make, choices, slice(a, b), **more)), f"{a:04}.evalcli") for a, b in ranges]


def numbers_of(report: Any) -> str:
    """The JSON without the names of files, which differ between rows in one file and rows in several."""
    return render(replace(report, inputs=()), "json")
