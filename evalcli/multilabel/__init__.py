"""Several labels a row, each there or not."""
