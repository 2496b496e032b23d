"""What makes metrics terms of an expression: ``1 - m``, ``2 * p * r / (p + r)``, ``abs(m)``."""

from __future__ import annotations

from typing import Any


def _composed(operation: str, *operands: Any) -> Any:
    from evalcli.metrics.bundle import Composed

    return Composed(operation, *operands)


class Operators:
    """Arithmetic with metrics and numbers; the result is a metric of its own."""

    def __add__(self, other: Any) -> Any:
        return _composed("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return _composed("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return _composed("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _composed("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return _composed("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _composed("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _composed("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _composed("/", other, self)

    def __pow__(self, other: Any) -> Any:
        return _composed("**", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _composed("**", other, self)

    def __neg__(self) -> Any:
        return _composed("neg", self)

    def __abs__(self) -> Any:
        return _composed("abs", self)
