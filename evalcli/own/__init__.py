"""Metrics of the caller's own: how they run beside an evaluation, what is gathered of them, and how sure they are."""
