"""Multilabel tasks: each row may have several labels, or none, and every cell is a decision of its own.

``begin`` makes what the workers of a pass fill, ``reporter`` says what was counted.
"""
