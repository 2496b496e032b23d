"""A tester for metrics of one's own: the laws that every metric of evalcli obeys.

>>> import numpy as np
>>> import evalcli
>>> class Bias(evalcli.Metric):
...     def __init__(self):
...         super().__init__()
...         self.add_state("total", 0.0)
...         self.add_state("rows", 0)
...
...     def update(self, preds, target):
...         self.total += float((preds - target).sum())
...         self.rows += len(target)
...
...     def compute(self):
...         return self.total / self.rows
>>> preds, target = np.arange(20.0), np.zeros(20)
>>> check_metric(Bias(), preds, target, expected=9.5)

A metric that breaks a law fails with its name:

>>> class MeanOfMeans(Bias):
...     def update(self, preds, target):
...         self.total += float((preds - target).mean())
...         self.rows += 1
>>> check_metric(MeanOfMeans(), preds, target)
Traceback (most recent call last):
...
AssertionError: MeanOfMeans: any split into batches gives the value of the whole: 5.0 is not 9.5
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from evalcli.loading import own_metric
from evalcli.own.values import plain_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def check_metric(
    metric: Any,
    preds: Any,
    target: Any,
    *,
    expected: Any = None,
    cuts: Sequence[Sequence[int]] = ((1,), (7, 8)),
    rel: float = 1e-9,
    **more: Any,
) -> None:
    """Check the laws of a metric on these rows.

    Any split into batches gives the value of the whole; merging is associative and commutative, with a fresh metric as
    its identity; states survive saving, copying and resetting; a call gives the value of its batch and counts it;
    ``compute`` changes nothing; inputs stay untouched.

    Args:
        metric: An ``evalcli.Metric`` or one of torchmetrics; it is copied, and may have seen something.
        preds: Rows that slicing cuts, at least ten.
        target: As many.
        expected: The value on all rows, or a function of ``preds`` and ``target`` that gives it.
        cuts: Where the rows are cut into batches.
        rel: How far values may differ, relatively. 0: not by a bit, which sums of whole numbers and ``ExactSum`` reach.
        more: Further arguments of ``update``, cut likewise, as ``weight``.

    Raises:
        AssertionError: a law does not hold; the message says which.

    """
    if len(target) < 10:
        raise ValueError("at least ten rows are needed to split")
    start = own_metric(metric, "metric").metric.fresh()
    check = _Check(type(metric).__name__, start, (preds, target), more, rel)
    whole = check.value(check.fed((0, len(target))))
    if expected is not None:
        wanted = plain_values(expected(preds, target) if callable(expected) else expected)
        check.same("the value is the expected one", whole, wanted)
    for places in cuts:
        check.splits(whole, (0, *places, len(target)))
    check.copies(whole)
    check.calls(whole)


class _Check:
    """One metric and its rows; every method is a law or two."""

    def __init__(self, name: str, start: Any, rows: tuple[Any, Any], more: dict[str, Any], rel: float) -> None:
        self.name, self.start, self.rows, self.more, self.rel = name, start, rows, more, rel

    def same(self, law: str, found: dict[str, float], wanted: dict[str, float]) -> None:
        if found.keys() != wanted.keys():
            raise AssertionError(f"{self.name}: {law}: there are {[*found]}, not {[*wanted]}")
        for key, value in wanted.items():
            if not self._close(found[key], value):
                place = f"{key}: " if key else ""
                raise AssertionError(f"{self.name}: {law}: {place}{found[key]!r} is not {value!r}")

    def _close(self, one: float, other: float) -> bool:
        if one == other or (one != one and other != other):  # noqa: PLR0124  # NaN is NaN here
            return True
        return abs(one - other) <= self.rel * max(abs(one), abs(other))

    def value(self, metric: Any) -> dict[str, float]:
        """The result; computing it again must give it again."""
        first = plain_values(metric.compute())
        self.same("compute changes nothing", plain_values(metric.compute()), first)
        return first

    def batch(self, begin: int, end: int) -> tuple[list[Any], dict[str, Any]]:
        """Rows from ``begin`` to ``end``."""
        return [side[begin:end] for side in self.rows], {name: side[begin:end] for name, side in self.more.items()}

    def fed(self, *spans: tuple[int, int]) -> Any:
        """A fresh metric that has seen these rows; they must stay as they are."""
        metric = self.start.fresh()
        for span in spans:
            args, kwargs = self.batch(*span)
            before = [copy.deepcopy(side) for side in args]
            metric.update(*args, **kwargs)
            if not all(_equal(one, other) for one, other in zip(args, before, strict=True)):
                raise AssertionError(f"{self.name}: inputs stay untouched")
        return metric

    def splits(self, whole: dict[str, float], ends: tuple[int, ...]) -> None:
        """Batches, and parts merged in any order and grouping."""
        spans = list(pairwise(ends))
        self.same("any split into batches gives the value of the whole", self.value(self.fed(*spans)), whole)
        for law, order in (("merging parts gives the whole", spans), ("merging is commutative", spans[::-1])):
            self.same(law, self.value(self._merged(self.fed(span) for span in order)), whole)
        last = self.start.fresh()
        for span in spans[1:]:
            last.merge(self.fed(span))
        self.same("merging is associative", self.value(self.fed(spans[0]).merge(last)), whole)

    def _merged(self, parts: Iterator[Any]) -> Any:
        total = self.start.fresh()
        for part in parts:
            total.merge(part)
        return total

    def copies(self, whole: dict[str, float]) -> None:
        """Identity, saving, copying, resetting."""
        rows = (0, len(self.rows[1]))
        metric = self.fed(rows)
        makers: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("a fresh metric is the identity of merge", lambda: self.fed(rows).merge(self.start.fresh())),
            ("a saved state is the state", lambda: self._loaded(metric)),
            ("a copy is a metric of its own", lambda: self._used(copy.deepcopy(metric), metric)),
            ("a reset metric is a fresh one", lambda: self._reset(metric)),
        )
        for law, make in makers:
            self.same(law, self.value(make()), whole)

    def _loaded(self, metric: Any) -> Any:
        loaded = self.start.fresh()
        loaded.load_state_dict(metric.state_dict())
        return loaded

    def _used(self, copied: Any, metric: Any) -> Any:
        args, kwargs = self.batch(0, 3)
        copied.update(*args, **kwargs)
        return metric

    def _reset(self, metric: Any) -> Any:
        again = copy.deepcopy(metric)
        again.reset()
        args, kwargs = self.batch(0, len(self.rows[1]))
        again.update(*args, **kwargs)
        return again

    def calls(self, whole: dict[str, float]) -> None:
        """``m(preds, target)`` gives the value of the batch and counts it."""
        metric, half = self.start.fresh(), len(self.rows[1]) // 2
        for span in ((0, half), (half, len(self.rows[1]))):
            args, kwargs = self.batch(*span)
            found = plain_values(metric(*args, **kwargs))
            self.same("a call gives the value of its batch", found, self.value(self.fed(span)))
        self.same("a call counts its batch", self.value(metric), whole)


def _equal(one: Any, other: Any) -> bool:
    if hasattr(one, "tobytes"):
        return bool(one.tobytes() == other.tobytes())
    if hasattr(one, "detach"):
        return _equal(one.detach().cpu().float().numpy(), other.detach().cpu().float().numpy())
    return bool(one == other)
