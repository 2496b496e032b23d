"""``with_duckdb.py FILE.csv``: a bare GROUP BY, the least that any count of the table needs."""

import sys

import duckdb
from from_counts import show

query = "SELECT target, pred, count(*) FROM read_csv($path) GROUP BY ALL"
show(duckdb.execute(query, {"path": sys.argv[1]}).fetchall())
