"""Operations on the numbers of metrics: on the command line, in gates and over metric objects alike.

Plain numbers follow one rule: what has no value (0/0, the logarithm of a negative number, a power that is no real
number, anything of something undefined) is NaN, undefined. Arrays with axes follow their own library.

>>> apply("/", [1.0, 0.0]), apply("max", [1.0, 3, 2]), apply("**", [2.0, 0.5])
(nan, 3.0, 1.4142135623730951)
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _power(base: Any, exponent: Any) -> Any:
    result = base**exponent
    return math.nan if isinstance(result, complex) else result


OPERATIONS: dict[str, tuple[Callable[..., Any], int | None]] = {
    "+": (operator.add, 2),
    "-": (operator.sub, 2),
    "*": (operator.mul, 2),
    "/": (operator.truediv, 2),
    "**": (_power, 2),
    "neg": (operator.neg, 1),
    "abs": (abs, 1),
    "log": (math.log, 1),
    "sqrt": (math.sqrt, 1),
    "min": (min, None),
    "max": (max, None),
}
"""Name → what it does, and how many numbers it takes (``None``: two or more)."""


def apply(operation: str, values: Sequence[Any]) -> Any:
    """The result of an operation on numbers, or on arrays without axes, whose kind it keeps."""
    if any(getattr(value, "ndim", 0) for value in values):
        return OPERATIONS[operation][0](*values)
    result = on_numbers(operation, [float(value) for value in values])
    like = next((value for value in values if not isinstance(value, (int, float))), None)
    if like is not None and hasattr(like, "new_tensor"):
        return like.new_tensor(result)
    kind = next((value for value in values if type(value).__module__.partition(".")[0] == "numpy"), None)
    return result if kind is None else type(kind)(result)


def on_numbers(operation: str, values: Sequence[float]) -> float:
    """The result of an operation on plain numbers; NaN where there is none."""
    if any(map(math.isnan, values)):
        return math.nan
    try:
        return float(OPERATIONS[operation][0](*values))
    except (ZeroDivisionError, ValueError):
        return math.nan
    except OverflowError:
        return math.inf
