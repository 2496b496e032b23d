"""Tables that are written and opened as sources."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evalcli.sources.base import Selection
from evalcli.sources.table_source import TableSource
from evalcli.sources.tables import Tables

NASTY = [
    "NA",
    "null",
    "NaN",
    "None",
    "007",
    "7",
    "[red]dog",
    "a,b",
    " dog ",
    "café",
    'say "hi"',
    "-",
    "1e3",
    "TRUE",
    "#",
]


def write_csv(path, names, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def write_parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=1000)
    return path


def open_source(*paths, progress=None, **selection):
    tables = Tables([str(path) for path in paths])
    target = tables.tables[1] if len(paths) > 1 else None
    return TableSource(tables, tables.tables[0], target, Selection(**selection), progress)


def pairs(source, size=1000):
    """Every pair of label texts with how often it came, from the batches."""
    counted = Counter()
    labels = [*source.target.labels, None]  # code -1 is None
    for batch in source.batches(size):
        repeats = np.ones(len(batch.target), int) if batch.repeats is None else batch.repeats
        for target, pred, count in zip(batch.target.tolist(), batch.preds.tolist(), repeats.tolist(), strict=True):
            counted[labels[target], labels[pred]] += count
    return counted


def joined(source, size, field):
    return np.concatenate([np.asarray(getattr(batch, field)) for batch in source.batches(size)])
