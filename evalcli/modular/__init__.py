"""Metrics as objects that take batches: ``evalcli.metrics.F1(average="macro")`` and all others of the registry.

A registered metric is a name and a ``Running`` state; what that state gathers is decided by the first batch, as an
evaluation decides it for its input, and metrics of equal options can share one. The numbers are those of the command
line: its decisions, its states, its formulas.
"""
