"""Binary and multiclass tasks: one class for each row.

``begin`` makes what the workers of a pass fill, ``reporter`` says what was counted.
"""
