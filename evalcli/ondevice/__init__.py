"""Scores that lie on a device, gathered there: what the states on the host take over once, at the end.

The looks are those of :mod:`evalcli.metrics`, number by number, in torch: counts and exact sums are the same bits, and
what follows from an exponential differs in its last digit at most. No cut into batches shows: each number follows from
its row alone, and what is added is added as whole numbers.
"""
