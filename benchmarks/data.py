"""The inputs of the races, made once and kept in ``benchmarks/data`` (not in git).

``python benchmarks/data.py KIND ROWS`` makes one kind; the races do so in a process of their own, to stay small.
Ten classes, about nine predictions in ten are right; ``binary`` has two and probabilities. Seeded, so every machine
races on the same rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

CLASSES = 10
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = Path(__file__).parent / "data"
FILES = {
    "labels": ("preds.pt", "targets.pt"),
    "logits": ("preds.pt", "targets.pt"),
    "binary": ("preds.pt", "targets.pt"),
    "text": ("table.csv",),
    "integers": ("table.csv",),
}


def paths(kind: str, rows: int) -> tuple[str, ...]:
    """Return where the files of a kind lie, made or not."""
    return tuple(str(FOLDER / f"{kind}-{rows}-{name}") for name in FILES[kind])


def write_tensors(kind: str, rows: int) -> None:
    import numpy as np
    import torch

    rng = np.random.default_rng(42)
    target = rng.integers(CLASSES, size=rows)
    other = rng.integers(CLASSES, size=rows)
    preds = np.where(rng.random(rows, dtype=np.float32) < 0.9, target, other)
    if kind == "binary":  # nearly every score is different, a third of the rows are positive
        target = (rng.random(rows, dtype=np.float32) < 1 / 3).astype(np.int64)
        preds = 1 / (1 + np.exp(1 - 2 * target - 1.5 * rng.standard_normal(rows, dtype=np.float32)))
        preds = preds.astype(np.float32)
    if kind == "logits":
        scores = rng.standard_normal((rows, CLASSES), dtype=np.float32)
        scores[np.arange(rows), preds] += 4
        preds = scores
    for path, array in zip(paths(kind, rows), (preds, target), strict=True):
        torch.save(torch.from_numpy(array), path + ".tmp")
        Path(path + ".tmp").rename(path)


def write_table(kind: str, rows: int) -> None:
    import duckdb

    (path,) = paths(kind, rows)
    name = "$names[{}::INTEGER + 1]" if kind == "text" else "{}"
    # Three independent digits a row: the truth, a wrong guess, and whether to use it.
    truth, guess, luck = (f"((hash(i + {seed * 1_000_000_000}) >> 24) % 10)" for seed in range(3))
    query = f"""
        COPY (
            SELECT {name.format("t")} AS target, {name.format("p")} AS pred
            FROM (SELECT {truth} AS t, CASE WHEN {luck} < 9 THEN {truth} ELSE {guess} END AS p
                  FROM range({rows}) AS numbers(i))
        ) TO '{path}.tmp' (FORMAT csv, HEADER)
    """
    duckdb.execute(query, {"names": list(NAMES)} if kind == "text" else None)
    Path(path + ".tmp").rename(path)


def main(kind: str, rows: int) -> None:
    FOLDER.mkdir(exist_ok=True)
    write = write_table if FILES[kind] == ("table.csv",) else write_tensors
    write(kind, rows)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
