"""evalcli beside its peers, as whole processes in one run: ``python -m benchmarks --help``."""
