"""Counts of labels, where the metrics asked for need no more: on the device of the batches, without a look at scores.

Which column is the best does not depend on what the scores are, so nothing has to be decided to count it, and a row of
scores is read once. Everything that is not so plain (texts, thresholds, one score a row) goes to ``PassCore``. What
has weights, or classes that are not known from the start, is counted on the host, and waits on its device until it is
much.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from evalcli.classification.task import decide
from evalcli.errors import InputError
from evalcli.evidence import Evidence
from evalcli.layout import find_layout
from evalcli.metrics.arrays import asnumpy, host_scores, is_host, like, namespace
from evalcli.metrics.base import Metric
from evalcli.metrics.counts import ClassCounts, Counts
from evalcli.metrics.entry import COUNTED
from evalcli.metrics.registry import evaluate, parse
from evalcli.modular.waiting import WaitingBatches
from evalcli.sources.array_source import check_weight
from evalcli.sources.held_arrays import is_there
from evalcli.sources.memory import hold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evalcli.layout import Layout
    from evalcli.metrics.arrays import Array, HostArray
    from evalcli.sources.base import Field
    from evalcli.task import Choices

_CLASSES = {"binary", "multiclass"}


def suits(choices: Choices, names: tuple[str, ...], layout: Layout, fields: tuple[Field, Field]) -> bool:
    """Whether counts of labels are all that is needed, and batches of this form give them without a decision."""
    entries = [parse(name).entry for name in names]
    counted = all(entry.state == COUNTED and not entry.needs_scores for entry in entries)
    whole = all("float" not in field.dtype for field in fields[layout.preds == "columns" :])
    plain = layout.target == "labels" and (layout.preds == "columns" or (layout.preds == "labels" and whole))
    flat = layout.inner == 1 or len(fields[1].shape) > 2 or layout.preds == "columns"
    unsaid = choices.threshold is None and choices.task in {None, *_CLASSES} and choices.scores != "values"
    named = choices.labels is None or layout.width == len(choices.labels) or _are_places(choices.labels)
    return counted and plain and flat and whole and unsaid and named and _task_of_classes(entries)


def _task_of_classes(entries: list[Any]) -> bool:
    return all(_CLASSES & {*entry.tasks} for entry in entries)


def _are_places(labels: tuple[str, ...]) -> bool:
    """Whether the names are the numbers themselves, or names that only stand for their places."""
    return labels == tuple(map(str, range(len(labels)))) or not any(name.lstrip("-").isdecimal() for name in labels)


class LabelCore(Metric):
    """Counts by class, and how many rows had no best column."""

    counts: ClassCounts
    undefined: Any

    def __init__(self, choices: Choices, layout: Layout, fields: tuple[Field, Field], *, weighted: bool) -> None:
        super().__init__()
        self.choices, self.layout, self.fields, self.weighted = choices, layout, fields, weighted
        classes = layout.width if choices.labels is None else len(choices.labels)
        self.add_state("counts", ClassCounts(classes, weighted=weighted))
        self.add_state("undefined", 0)
        self._waiting = WaitingBatches()

    @property
    def form(self) -> tuple[Any, ...]:
        """The number of classes and where they lie, and whether rows have weights."""
        return ("labels", self.layout[:5], self.weighted)

    @property
    def shown(self) -> None:
        """Nothing: which column is the best depends on nothing that other batches show."""

    def add(self, preds: Array, target: Array, weight: Any) -> None:
        """Count a batch of the form of the first.

        Raises:
            InputError: it is of another form.

        """
        self._check(preds, target, weight)
        if weight is not None:
            weight = _checked(weight, target)
        preds, target = _native(preds), _native(target)
        if self.layout.preds == "columns":
            preds = self._best(preds, target)
        preds, target = _flat(preds), _flat(target)
        is_counted_there = weight is None and not is_host(preds) and self.counts.num_classes is not None
        if not is_counted_there and WaitingBatches.suits(preds, target, weight):
            self._waiting.add(preds, target, weight)
            if self._waiting.is_full:
                self._take_waiting()
        else:
            self._take_waiting()
            self._count(preds, target, weight)

    def _take_waiting(self) -> None:
        """Count what waits on a device."""
        self._waiting.each(self._count)

    def _count(self, preds: Array, target: Array, weight: Any) -> None:
        """Count labels (N,)."""
        if weight is not None:
            preds, target = asnumpy(preds), asnumpy(target)
            weight = _spread(weight, target.shape[0])
        if self.choices.ignore_index is None and (self.choices.nan != "drop" or self.layout.preds != "columns"):
            self.counts.update(preds, target, weight)
        elif is_host(preds):
            keep = self._kept(preds, asnumpy(target))
            self.counts.update(preds[keep], target[keep], None if weight is None else weight[keep])
        else:
            self._count_kept(preds, target)

    def _count_kept(self, preds: Array, target: Array) -> None:
        """Count labels of a device but those that are to be left out, whose number nobody waits for."""
        keep = self._kept(preds, target)
        self.counts.update(preds, target.long().masked_fill(~keep, -1))
        self.counts.leave_out((~keep).sum())

    def _check(self, preds: Array, target: Array, weight: Any) -> None:
        from evalcli.modular.cores import plain_fields

        fields = plain_fields(preds, target)
        if (
            fields is not None
            and fields[0].shape[1:] == self.fields[0].shape[1:]
            and fields[1].shape[1:] == (self.fields[1].shape[1:])
        ):
            same = fields[0].shape[0] == fields[1].shape[0] and fields[1].dtype == self.fields[1].dtype
            same = same and ("float" in fields[0].dtype) == ("float" in self.fields[0].dtype)
        else:
            same = fields is not None and find_layout(*fields, self.choices)[:5] == self.layout[:5]
        if not same:
            if fields is not None:
                find_layout(*fields, self.choices)  # which says what does not fit
            else:
                hold(preds, "preds"), hold(target, "target")  # which say what is no array of values
            what = "a batch of another form than the first" if fields is not None else "a batch of another kind"
            raise InputError(what, fix="give all batches as arrays of one dtype and layout", path="preds")
        if (weight is not None) != self.weighted:
            raise InputError("some batches have weights and some have none", fix="weigh all of them or none")

    def _best(self, scores: Array, target: Array) -> Array:
        """The best column of every row; where none is, −1 and a count, unless the row is ignored."""
        axis = 1 if self.layout.class_axis == 1 else scores.ndim - 1
        xp = namespace(scores)
        found = _read_once(scores)
        if found is not None:
            self._note_undefined(found < 0, target)
            return found
        best = scores.argmax(axis) if is_host(scores) else scores.argmax(dim=axis)
        if "float" not in str(scores.dtype):
            return best
        top = (
            np.take_along_axis(scores, np.expand_dims(best, axis), axis)
            if is_host(scores)
            else scores.gather(axis, best.unsqueeze(axis))
        )
        bad = ~(top.squeeze(axis) > -np.inf)
        if is_host(bad) and not bad.any():
            return best
        self._note_undefined(bad, target)
        return xp.where(bad, xp.full_like(best, -1), best)

    def _note_undefined(self, bad: Array, target: Array) -> None:
        if self.choices.ignore_index is not None:
            bad = bad & (like(target, bad).reshape(bad.shape) != self.choices.ignore_index)
        self.undefined = self.undefined + (int(bad.sum()) if is_host(bad) else bad.sum())

    def _kept(self, preds: Array, target: Array) -> Array:
        """Which rows are not ignored, and have a best column where those without one are dropped."""
        ignored = self.choices.ignore_index
        keep = target == target if ignored is None else target != ignored  # noqa: PLR0124  # all of them
        if self.choices.nan == "drop" and self.layout.preds == "columns":
            keep = keep & (preds >= 0)
        return keep

    def merge(self, other: Self) -> Self:
        """Take in what another has counted."""
        self._take_waiting()
        other._take_waiting()
        return super().merge(other)

    def values(self, names: tuple[str, ...]) -> dict[str, float]:
        """Each metric by its name, as an evaluation of all rows gives it.

        Raises:
            InputError: rows without a best column, or a label outside the classes.
            UsageError: a metric that the task does not have.

        """
        self._take_waiting()
        if self.choices.nan == "error" and (undefined := int(self.undefined)):
            preds = "1 prediction is" if undefined == 1 else f"{undefined} predictions are"
            what = f"{preds} not finite (NaN, or -inf in every column)"
            fix = "--nan drop leaves these rows out, --nan wrong counts them as errors of the model"
            raise InputError(what, fix=fix, path="preds")
        held = self.counts.on_host()
        counts = held.class_counts().numpy()
        high = counts.tp.shape[0] - 1
        evidence = Evidence(rows=int(held.rows), pred_low=0.0, pred_high=1.0, target_low=0.0, target_high=high)
        if self.layout.preds == "labels":
            evidence.pred_high = high
        task = decide(self.layout, *self.fields, self.choices, evidence)
        if task.problem is not None:
            raise task.problem
        classes = task.classes or tuple(map(str, range(high + 1)))
        counts = _widened(counts, len(classes))
        found = {}
        for name in names:
            scope: Any = self.choices.classes
            result = evaluate(parse(name), counts, scope=scope, positive=task.positive, classes=classes)
            found[name] = float(result)
        return found

    def to(self, device: Any) -> Self:
        """Move the counts."""
        if str(device) != "cpu" or not is_host(self.counts.tp if not self.weighted else 0):
            super().to(device)
        return self

    def state_dict(self) -> dict[str, HostArray]:
        """The counts, and the form of the batches."""
        self._take_waiting()
        sides = [
            {"name": side.name, "shape": [1, *side.shape[1:]], "dtype": side.dtype, "columns": None}
            for side in self.fields
        ]
        form = json.dumps({"core": "labels", "fields": sides, "weighted": self.weighted})
        return {**super().state_dict(), "form": np.frombuffer(form.encode(), np.uint8)}

    def load_state_dict(self, state: Mapping[str, HostArray]) -> None:
        """Take over what ``state_dict`` gave."""
        super().load_state_dict({name: array for name, array in state.items() if name != "form"})


def _read_once(scores: Array) -> Array | None:
    """The best columns by a kernel of our own; ``None`` where these scores are not for it, or it cannot be compiled."""
    if is_host(scores) or scores.device.type != "cuda" or scores.ndim != 2 or not scores.is_contiguous():
        return None
    kernels = _kernels()
    if kernels is None or scores.dtype not in kernels.DTYPES or not scores.numel():
        return None
    try:
        return kernels.best_columns(scores.detach())
    except Exception:  # a compiler may fail in any way; torch does the same, if slower, or has the same complaint
        _broken.append(True)
        return None


_broken: list[bool] = []


def _kernels() -> Any:
    """The module of kernels; ``None`` where there is no compiler for them."""
    if _broken:
        return None
    try:
        from evalcli.metrics import kernels
    except ImportError:
        _broken.append(True)
        return None
    return kernels


def _native(array: Any) -> Array:
    """A tensor of the CPU as numpy, which finds the best of a thousand columns four times as fast."""
    if is_host(array):
        return array
    array = array.detach()
    is_for_numpy = _is_of_cpu(array) and array.dtype.itemsize > 1 and "bfloat16" not in str(array.dtype)
    return array.resolve_neg().numpy() if is_for_numpy else array


def _flat(labels: Array) -> Array:
    """Labels (N,), which a CPU has as numpy whatever scores they are the best columns of: both sides are alike."""
    flat = labels.reshape(-1)
    return flat.numpy() if not is_host(flat) and _is_of_cpu(flat) else flat


def _is_of_cpu(tensor: Any) -> bool:
    return tensor.device.type == "cpu" and not is_there(tensor)


def _checked(weight: Any, target: Array) -> Array:
    """Weights as arrays, on the host or where they lie.

    Raises:
        InputError: they are no numbers, or do not fit the rows.

    """
    held = hold(weight, "weight")
    check_weight(held, tuple(target.shape), "weight")
    return weight if is_there(weight) else held.read(0, held.shape[0])


def _spread(weight: Array, rows: int) -> Array:
    """One weight a row as one for each of its elements."""
    flat = host_scores(weight).reshape(-1)
    return flat if flat.shape[0] == rows else np.repeat(flat, rows // flat.shape[0])


def _widened(counts: Counts, classes: int) -> Counts:
    """Room for classes beyond the highest that was seen."""
    missing = classes - counts.tp.shape[0]
    if missing <= 0:
        return counts
    return Counts(*(part if part is None or part.ndim == 0 else np.pad(part, (0, missing)) for part in counts))
