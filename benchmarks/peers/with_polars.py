"""``with_polars.py FILE.csv``: the same count, by the lazy streaming engine."""

import sys

import polars as pl
from from_counts import show

show(pl.scan_csv(sys.argv[1]).group_by("target", "pred").len().collect(engine="streaming").iter_rows())
