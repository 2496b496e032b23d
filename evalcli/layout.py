"""How the two sides fit together: what follows from shapes and stored types alone, before a value is read.

====================  ==================  =============================================================
predictions           target              read as
====================  ==================  =============================================================
``(N, d…)`` integer   ``(N, d…)``         labels, element by element
``(N,)`` float        ``(N,)``            one score a row (binary), or labels stored as floats
``(N, d…)`` float     ``(N, d…)``         one score an element (binary masks, three axes and more)
``(N, C)``            ``(N,)``            a score for each class
``(N, C, d…)``        ``(N, d…)``         likewise, classes on axis 1 (segmentation)
``(N, d…, C)``        ``(N, d…)``         likewise, classes last (language models)
``(N, 1, d…)``        ``(N, d…)``         one score or label an element (binary masks with a channel axis)
``(N, C)``            ``(N, C)``          a score for each class against a one-hot target
``(N,)``              ``(N, C)``          labels or scores against a one-hot target
====================  ==================  =============================================================

Several labels a row are ``(N, L)`` against ``(N, L)``, scores or labels: read so when the task is named, and where the
target of score columns turns out not to be one-hot.

A trailing axis of length 1 is dropped; nothing is ever broadcast. A regression that was asked for takes values on both
sides, ``(N,)`` or ``(N, D)``, of one shape.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple

from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.shell import word

if TYPE_CHECKING:
    from evalcli.sources.base import Field
    from evalcli.task import Choices

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """``preds`` are ``labels``, one ``score`` an element, or ``columns`` of scores on axis ``class_axis`` (``width`` of
    them); the target holds ``labels`` or is ``one-hot`` on ``target_axis``. ``inner`` elements lie in one row. Both are
    ``values``, ``width`` of them a row, where a regression was asked for.
    """

    preds: Literal["labels", "score", "columns", "values"]
    target: Literal["labels", "one-hot", "values"] = "labels"
    class_axis: int = -1
    target_axis: int = -1
    width: int | None = None
    inner: int = 1

    @property
    def outputs(self) -> int:
        """How many values are predicted of each row, in a regression."""
        return self.width or 1 if self.preds == "values" else 1


def is_float(field: Field) -> bool:
    """Whether the stored numbers may be fractional."""
    return "float" in field.dtype


def plain_shape(shape: Shape) -> Shape:
    """The shape without a trailing axis of length 1 (``(N, 1)`` is ``(N,)``)."""
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape


def find_layout(preds: Field, target: Field, choices: Choices) -> Layout:
    """Fit predictions to targets.

    Raises:
        EmptyError: when an axis other than the first has no entry.
        InputError: when no row of the table above fits, with both shapes and the likeliest cause.
        UsageError: when two readings fit and ``--class-axis`` or ``--task`` must choose.

    """
    p, t = _compared(preds.shape, target.shape)
    for field in (preds, target):
        if 0 in field.shape[1:]:
            raise EmptyError(f"no values: shape {field.shape}", fix="save at least one for each row", path=field.path)
    if p[0] != t[0]:
        raise _length_error(preds, target, p, t)
    if choices.task == "multilabel":
        return _several_labels(preds, target, choices)
    if choices.class_axis is not None and max(len(p), len(t)) == 1:
        message = f"--class-axis {choices.class_axis}, but predictions {preds.shape} have no axis of classes"
        raise UsageError(message, fix="drop it", path=preds.path)
    if choices.task == "regression" or choices.scores == "values":
        return _values(preds, target, p, t)
    if p == t:
        return _same_shape(preds, choices, p)
    if len(p) == len(t) + 1:
        return _class_columns(preds, choices, p, t)
    if len(t) == len(p) + 1 and t[:-1] == p:
        if is_float(target):
            raise _swapped(preds, target)
        return Layout(_single(preds, choices), "one-hot", width=t[-1], inner=prod(p[1:]))
    raise _shape_error(preds, target)


def _compared(p: Shape, t: Shape) -> tuple[Shape, Shape]:
    """The shapes without trailing axes of length 1, unless such an axis is what makes them fit: ``(N, 1, C)``."""
    plain = plain_shape(p), plain_shape(t)
    longer, shorter = (p, t) if len(p) > len(t) else (t, p)
    fits = len(longer) == len(shorter) + 1 and (longer[:1] + longer[2:] == shorter or longer[:-1] == shorter)
    return (p, t) if fits and plain[0] != plain[1] else plain


def one_hot_axis(layout: Layout, stored: Shape, positives: float, cells: float) -> int | None:
    """The axis on which a target of single decisions may be one-hot: just one cell in as many as it is long is 1.

    >>> masks = Layout("score", inner=12)
    >>> one_hot_axis(masks, (5, 3, 4), 20, 60), one_hot_axis(masks, (5, 3, 4), 9, 60)
    (1, None)
    """
    shape = plain_shape(stored)
    if layout.target != "labels" or len(shape) < 3 or layout.inner != prod(shape[1:]):
        return None
    return next((axis for axis in (1, -1) if shape[axis] > 1 and positives * shape[axis] == cells), None)


def _values(preds: Field, target: Field, p: Shape, t: Shape) -> Layout:
    if p != t:
        message = f"predictions {preds.shape} do not fit targets {target.shape}, and values are never broadcast"
        raise InputError(message, fix="a regression takes (N,) or (N, D) on both sides", path=preds.path)
    if len(p) > 2:
        fix = "reshape both to (N, D) for D outputs, or to (N,) to take every element for a row"
        raise InputError(f"values of shape {preds.shape}; a regression takes (N,) or (N, D)", fix=fix, path=preds.path)
    return Layout("values", "values", width=p[1] if len(p) == 2 else 1)


def _same_shape(preds: Field, choices: Choices, p: Shape) -> Layout:
    if choices.class_axis is not None and len(p) > 1:
        axis = _checked_axis(choices.class_axis)
        return Layout("columns", "one-hot", axis, axis, p[axis], prod(p[1:]) // p[axis])
    if preds.columns is not None or (len(p) == 2 and is_float(preds) and choices.task != "binary"):
        return Layout("columns", "one-hot", width=p[-1])
    return Layout(_single(preds, choices), inner=prod(p[1:]))


def _several_labels(preds: Field, target: Field, choices: Choices) -> Layout:
    """A cell for each row and label on both sides; one label may go without its axis."""
    if choices.class_axis is not None:
        raise UsageError("--class-axis, but the labels of a multilabel task lie on the second axis", fix="drop it")
    p, t = (shape if len(shape) > 1 else (*shape, 1) for shape in (plain_shape(preds.shape), plain_shape(target.shape)))
    if p != t or len(p) != 2:
        raise InputError(
            f"predictions {preds.shape} do not fit targets {target.shape}",
            fix="several labels a row are (N, L) on both sides: one score or prediction for each cell of the target",
            path=preds.path,
        )
    return Layout("columns" if is_float(preds) and choices.scores != "labels" else "labels", "one-hot", width=p[1])


def _single(preds: Field, choices: Choices) -> Literal["labels", "score"]:
    """What one number an element is."""
    return "score" if is_float(preds) and choices.scores != "labels" else "labels"


def _class_columns(preds: Field, choices: Choices, p: Shape, t: Shape) -> Layout:
    if len(p) > 2 and p[1] == 1 and p[2:] == t[1:]:  # one column is a score, not a choice among classes
        return Layout(_single(preds, choices), inner=prod(t[1:]))
    first, last = p[2:] == t[1:], p[:-1] == t
    if choices.class_axis is not None:
        axis = _checked_axis(choices.class_axis)
        if not (first if axis == 1 else last):
            message = f"with classes on axis {axis}, predictions {p} do not fit targets {t}"
            raise UsageError(message, fix="check --class-axis", path=preds.path)
    elif first and last and len(p) > 2:
        message = f"predictions {p} against targets {t} can be read with classes on axis 1 or last"
        raise UsageError(message, fix="say which with --class-axis 1 or --class-axis -1", path=preds.path)
    elif not (first or last):
        raise _no_fit(preds, p, t)
    else:
        axis = 1 if first else -1
    return Layout("columns", class_axis=axis, width=p[axis], inner=prod(t[1:]))


def _checked_axis(axis: int) -> int:
    if axis not in {1, -1}:
        raise UsageError(f"--class-axis is {axis}", fix="it can be 1 (N, C, …) or -1 (N, …, C)")
    return axis


def _length_error(preds: Field, target: Field, p: Shape, t: Shape) -> InputError:
    if len(p) == 2 and len(t) == 1 and p[1] == t[0]:
        message = f"predictions {p} look transposed: {target.path} has {t[0]} row{'' if t[0] == 1 else 's'}"
        return InputError(message, fix="save them as (N, C), one row a sample", path=preds.path)
    said, truth = (f"{n} {side}{'' if n == 1 else 's'}" for n, side in ((p[0], "prediction"), (t[0], "target")))
    message = f"{said} but {truth} (shapes {preds.shape} and {target.shape})"
    return InputError(message, fix="evaluate both on the same samples, or pair tables with --id", path=preds.path)


def _shape_error(preds: Field, target: Field) -> InputError:
    if len(target.shape) > len(preds.shape) and is_float(target) and not is_float(preds):
        return _swapped(preds, target)
    return _no_fit(preds, preds.shape, target.shape)


def _no_fit(preds: Field, p: Shape, t: Shape) -> InputError:
    return InputError(
        f"predictions {p} do not fit targets {t}",
        fix="targets (N,) go with labels (N,) or scores (N, C); targets (N, d…) with (N, C, d…) or (N, d…, C)",
        path=preds.path,
    )


def _swapped(preds: Field, target: Field) -> InputError:
    return InputError(
        f"the arguments look swapped: the target holds {target.dtype} scores {target.shape}, "
        f"the predictions {preds.dtype} labels {preds.shape}",
        fix=f"predictions come first: evalcli report {word(target.path)} {word(preds.path)}",
        path=target.path,
    )
