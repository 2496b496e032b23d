"""Regression: numbers against numbers, one or several to a row.

``begin`` makes what the workers of a pass fill, ``reporter`` says what was measured.
"""
