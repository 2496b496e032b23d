"""What is in memory already, as arrays: numpy, torch on any device, any array API, lists, columns and frames."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.errors import InputError, UsageError
from evalcli.sources.array_source import ArraySource, PassFile
from evalcli.sources.arrays import REFUSED, StoredArray
from evalcli.sources.held_arrays import HeldArray, HeldTensor, HeldText, is_there
from evalcli.sources.moments import UTC_SIGN, are_moments, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Array = np.ndarray[Any, Any]


_ROUNDED = 1 << 53
"""From here on float64, which has NaN for what is missing, does not tell whole numbers apart."""


def hold(values: Any, name: str, *, copies: bool = False) -> StoredArray:
    """Whatever holds one side, as an array that a source reads.

    Raises:
        InputError: it is no array of numbers or texts.

    """
    if isinstance(values, StoredArray):
        return values
    for known, convert in _KINDS:
        if known(values):
            return convert(values, name, copies)
    raise InputError(
        f"a {type(values).__name__} is no array", fix="give an array, a list, a column, a frame or a path", path=name
    )


def _of(package: str) -> Callable[[Any], bool]:
    """Whether a value comes from this package, asked without importing it."""
    return lambda values: any(cls.__module__.partition(".")[0] == package for cls in type(values).__mro__)


def _from_numpy(values: Any, name: str, copies: bool) -> StoredArray:
    if np.ma.isMaskedArray(values):
        if np.ma.getmaskarray(values).any():
            raise InputError("masked values", fix="fill them, or leave these rows out", path=name)
        values = values.data
    if values.dtype.kind in "US":
        flat = values.reshape(-1)
        texts = flat.tolist() if values.dtype.kind == "U" else [_decoded(item, name) for item in flat.tolist()]
        return HeldText(name, texts, values.shape)
    if values.dtype.kind == "M":
        return HeldText(name, texts_of(values), values.shape)
    if values.dtype.kind in "OT":
        return _from_list(values.tolist(), name, copies)
    return HeldArray(name, values, copies=copies)


def _decoded(item: bytes, name: str) -> str:
    try:
        return item.decode("utf-8")
    except UnicodeError as e:
        raise InputError("a label is no valid text", fix="give text as str", path=name) from e


def _from_torch(tensor: Any, name: str, copies: bool) -> StoredArray:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if str(tensor.layout) != "torch.strided" or tensor.is_nested:
        raise InputError("sparse or nested tensors are not predictions", fix="call .to_dense()", path=name)
    if tensor.is_quantized:
        raise InputError("quantized values", fix="call .dequantize()", path=name)
    if tensor.is_meta:
        raise InputError("a tensor of the meta device has no data", fix="evaluate where the data is", path=name)
    if dtype in REFUSED:
        what, _, fix = REFUSED[dtype].partition("; ")
        raise InputError(what, fix=fix, path=name)
    tensor = tensor.detach()
    if is_there(tensor) or tensor.device.type != "cpu" or dtype == "bfloat16" or dtype.startswith("float8"):
        return HeldTensor(name, tensor)
    try:
        values = tensor.resolve_neg().numpy()
    except RuntimeError as e:  # of the inside of torch.func, or of a class of tensors with no plain data
        what = f"a {type(tensor).__name__} that numpy cannot look into: {e}"
        raise InputError(what, fix="give a plain tensor, with its values", path=name) from e
    return HeldArray(name, values, copies=copies)


def _from_list(values: Any, name: str, copies: bool) -> StoredArray:
    """Plain Python values: all texts, or all numbers; ``None`` is a missing one."""
    values = list(values)
    flat = _cells(values, name) if values and isinstance(values[0], (list, tuple)) else values
    if flat is values and any(isinstance(item, bytes) for item in flat):
        flat = values = [_decoded(item, name) if isinstance(item, bytes) else item for item in values]
    texts = sum(isinstance(item, str) for item in flat)
    gone = sum(item is None for item in flat)
    if texts and texts + gone + sum(isinstance(item, float) and isnan(item) for item in flat) == len(flat):
        shape = (len(values), len(flat) // len(values))[: 1 if flat is values else 2]
        if len(shape) == 2 and any(len(row) != shape[1] for row in values):
            fix = "give every row as many, or of several labels a row an (N, L) array of 0 and 1"
            raise InputError("rows of different lengths", fix=fix, path=name)
        return HeldText(name, [item if isinstance(item, str) else None for item in flat], shape)
    if texts:
        first = next(i for i, item in enumerate(flat) if not isinstance(item, str) and item is not None)
        what = f"holds text and numbers: {next(i for i in flat if isinstance(i, str))!r} and {flat[first]!r}"
        raise InputError(what, fix="give one kind only", path=name)
    if flat is values and are_moments(flat):
        return HeldText(name, [None if item is None else text_of(item) for item in flat], (len(flat),))
    if any(getattr(item, "shape", ()) for item in flat):
        shapes = {tuple(item.shape) for item in flat if hasattr(item, "shape")}
        if len(shapes) > 1 or len(flat) > 1:
            what = f"a list of {len(flat)} arrays, not one array"
            raise InputError(what, fix="join them first, as with numpy.concatenate or torch.cat", path=name)
    if gone and flat is values:
        values = _gapped(flat, name)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError, RuntimeError) as e:  # the last from tensors inside
        fix = "give numbers in rows of one length, tensors as one: torch.stack(…).float()"
        raise InputError(f"no array can be made of it: {e}", fix=fix, path=name) from e
    if array.dtype.kind in "fuO" and flat and all(isinstance(item, int) for item in flat):
        raise InputError("a whole number is 2^63 or more, or below -2^63", fix="give labels as text", path=name)
    if array.dtype.kind == "O":
        kinds = sorted({type(item).__name__ for item in flat})
        raise InputError(f"holds {', '.join(kinds[:3])}", fix="give numbers (int, float) or texts", path=name)
    return HeldArray(name, array if len(values) else array.astype(np.int64), copies=copies)


def _told_apart(values: Array, name: str) -> Array:
    """Whole numbers that are floats because some are missing, as long as no two of them become one.

    Raises:
        InputError: float64 does not hold all of them.

    """
    if (np.abs(values) >= _ROUNDED).any():
        raise _rounded(name)
    return values


def _gapped(cells: list[Any], name: str) -> list[Any]:
    """The same numbers with NaN for what is missing."""
    if any(isinstance(item, (int, np.integer)) and abs(int(item)) >= _ROUNDED for item in cells):
        raise _rounded(name)
    return [np.nan if item is None else item for item in cells]


def _rounded(name: str) -> InputError:
    what = "whole numbers of 2^53 or more beside missing ones, which would be rounded"
    return InputError(what, fix="give them as text, or leave the missing rows out", path=name)


def _cells(rows: list[Any], name: str) -> list[Any]:
    """What stands in lists, row by row."""
    for row in rows:
        if not hasattr(row, "__len__"):
            what = f"holds rows and single values such as {row!r}"
            raise InputError(what, fix="give every row as many values", path=name)
    return [item for row in rows for item in row]


def _from_pandas(values: Any, name: str, copies: bool) -> StoredArray:
    if values.ndim == 2:
        if values.shape[1] == 1:
            return _from_pandas(values.iloc[:, 0], name, copies)
        columns = [hold(values.iloc[:, i], name) for i in range(values.shape[1])]
        return _stacked(columns, name, copies)
    dtype = values.dtype
    arrow_moment = dtype.kind == "M" and hasattr(dtype, "pyarrow_dtype")
    if str(dtype) in {"category", "str"} or dtype.kind in "OSU" or "string" in str(dtype) or arrow_moment:
        missing = np.asarray(values.isna())
        cells = np.asarray(values.astype(object)).tolist()
        if str(dtype) == "category" and not all(isinstance(cell, str) for cell in values.dtype.categories):
            kind = values.dtype.categories.dtype
            whole_with_gaps = isinstance(kind, np.dtype) and kind.kind in "biu" and missing.any()
            if whole_with_gaps:
                return HeldArray(name, _told_apart(np.asarray(values.astype(np.float64)), name), copies=copies)
            return _from_pandas(values.astype(kind), name, copies)
        return _from_list([None if gone else cell for cell, gone in zip(cells, missing, strict=True)], name, copies)
    if hasattr(dtype, "tz"):
        return HeldText(name, texts_of(values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), UTC_SIGN))
    plain = getattr(dtype, "numpy_dtype", dtype)
    if getattr(plain, "kind", "") == "M":
        return HeldText(name, texts_of(values.to_numpy(dtype=plain)))
    if not isinstance(plain, np.dtype) or plain.kind not in "biuf":
        raise InputError(f"a column of {dtype}", fix="give numbers or texts", path=name)
    if plain is not dtype and bool(values.isna().any()):
        with_gaps = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return HeldArray(name, with_gaps if plain.kind == "f" else _told_apart(with_gaps, name), copies=copies)
    return HeldArray(name, values.to_numpy(dtype=plain), copies=copies)


def _from_polars(values: Any, name: str, copies: bool) -> StoredArray:
    if hasattr(values, "columns"):
        if values.width == 1:
            return _from_polars(values.to_series(0), name, copies)
        return _stacked([hold(column, name) for column in values.get_columns()], name, copies)
    if not hasattr(values, "dtype"):
        raise InputError(f"a polars {type(values).__name__} holds no rows", fix="give a Series or a frame", path=name)
    kind = str(values.dtype).partition("(")[0]
    if kind in {"String", "Categorical", "Enum", "Utf8", "Object", "Null", "Boolean"}:
        return (
            _from_list(values.to_list(), name, copies)
            if kind != "Boolean" or values.null_count()
            else (HeldArray(name, values.to_numpy(), copies=copies))
        )
    if kind in {"Date", "Datetime"}:
        zone = getattr(values.dtype, "time_zone", None)
        plain = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else values
        return HeldText(name, texts_of(plain.to_numpy(), UTC_SIGN if zone else ""))
    if kind in {"List", "Array", "Time", "Int128", "UInt128"}:
        return _from_list(values.to_list(), name, copies)
    if values.dtype.is_numeric():
        array = values.to_numpy()
        is_gapped = values.dtype.is_integer() and array.dtype.kind == "f"
        return HeldArray(name, _told_apart(array, name) if is_gapped else array, copies=copies)
    raise InputError(f"a column of {values.dtype}", fix="give numbers or texts", path=name)


def _stacked(columns: Sequence[StoredArray], name: str, copies: bool) -> StoredArray:
    """Columns of a frame as one array ``(N, C)``; each keeps its precision as far as they share one."""
    if not columns:
        raise InputError(
            "a frame without columns", fix="give the column of labels, or a score for each class", path=name
        )
    rows = columns[0].shape[0]
    if any(column.dtype == "text" for column in columns):
        what = "a frame with columns of text is not one side"
        raise InputError(what, fix="name the columns, as in pred='label', or give one column", path=name)
    return HeldArray(name, np.stack([column.read(0, rows) for column in columns], axis=1), copies=copies)


def _from_arrow(values: Any, name: str, copies: bool) -> StoredArray:
    if str(values.type) in {"halffloat", "float"}:  # Python has but double ones
        return HeldArray(name, np.asarray(values), copies=copies)
    return _from_list(values.to_pylist(), name, copies)


def _from_any_array(values: Any, name: str, copies: bool) -> StoredArray:
    """An array of another library, through DLPack, by way of the host."""
    try:
        try:
            array = np.from_dlpack(values, device="cpu")
        except (AttributeError, TypeError, BufferError, ValueError, RuntimeError, NotImplementedError):
            array = np.asarray(values.get() if hasattr(values, "get") else values)
    except Exception as e:  # what a foreign library raises is its own
        what = f"a {type(values).__name__} does not come to the host ({type(e).__name__})"
        raise InputError(what, fix="convert it with numpy.asarray", path=name) from e
    return _from_numpy(array, name, copies)


def _is_array(values: Any) -> bool:
    return any(hasattr(values, word) for word in ("__dlpack__", "__array_namespace__", "__array__"))


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Any, str, bool], StoredArray]], ...] = (
    (lambda values: isinstance(values, (np.ndarray, np.generic)), lambda v, n, c: _from_numpy(np.asanyarray(v), n, c)),
    (_of("torch"), _from_torch),
    (lambda values: isinstance(values, (list, tuple, range)), _from_list),
    (_of("pandas"), lambda v, n, c: _from_pandas(v if hasattr(v, "isna") and hasattr(v, "iloc") else _series(v), n, c)),
    (_of("polars"), _from_polars),
    (_of("pyarrow"), _from_arrow),
    (_is_array, _from_any_array),
)
"""Who knows what to do, asked in this order."""


def _series(values: Any) -> Any:
    import pandas as pd

    return pd.Series(values)


def memory_source(
    preds: StoredArray,
    target: StoredArray,
    weight: StoredArray | None = None,
    columns: tuple[str, ...] | None = None,
    nan: str = "error",
) -> ArraySource:
    """A source over arrays in memory; ``columns`` are the class names of score columns.

    Raises:
        InputError: when the sides have different numbers of rows, or texts are missing and ``nan`` says ``error``.

    """
    _refuse_missing(preds, target, nan)
    source = ArraySource(preds, target, weight, [_held(preds.name), _held("target")])
    if columns is not None:
        source.preds = replace(source.preds, columns=columns)
    return source


def _refuse_missing(preds: StoredArray, target: StoredArray, nan: str) -> None:
    for side, noun, allowed in ((target, "target", {"drop"}), (preds, "prediction", {"drop", "wrong"})):
        rows = side.missing.tolist() if isinstance(side, HeldText) else []
        if rows and nan not in allowed:
            count = f"1 {noun} is" if len(rows) == 1 else f"{len(rows)} {noun}s are"
            first = ", ".join(f"row {row}" for row in rows[:3]) + (", …" if len(rows) > 3 else "")
            wrong = ", --nan wrong counts them as errors of the model" if "wrong" in allowed else ""
            what = f"{count} missing ({first})"
            raise InputError(what, fix=f"--nan drop leaves these rows out{wrong}", path=side.name)


def _held(name: str) -> PassFile:
    return PassFile(name, lambda: None, lambda: (), lambda: None, lambda _rows: ())


def names_of(frame: Any) -> tuple[str, ...] | None:
    """The names in a mapping or a frame; ``None``: it is neither."""
    if isinstance(frame, dict):
        return tuple(map(str, frame))
    columns = getattr(frame, "columns", None)
    if columns is None or len(getattr(frame, "shape", ())) != 2:
        return None
    return tuple(map(str, columns))


def column_of(frame: Any, name: str) -> Any:
    """The column of this name, whatever the type of the names."""
    if isinstance(frame, dict):
        return next(value for key, value in frame.items() if str(key) == name)
    return frame.iloc[:, names_of(frame).index(name)] if hasattr(frame, "iloc") else frame[name]  # type: ignore[union-attr]  # a frame has names


def check_indexes(sides: Iterable[Any]) -> None:
    """Columns of pandas pair by position; refuse those whose indexes name the same rows in another order.

    Raises:
        UsageError: they do.

    """
    indexes = [side.index for side in sides if hasattr(side, "index") and hasattr(side, "iloc")]
    for other in indexes[1:]:
        first = indexes[0]
        if len(first) == len(other) and not first.equals(other) and first.sort_values().equals(other.sort_values()):
            raise UsageError(
                "the indexes name the same rows in different orders",
                fix="align them with .loc, or drop them with .reset_index(drop=True)",
                path="target",
            )


def why_unreadable(value: Any) -> UsageError:
    """What to say where one side is a table file and the other an array."""
    return UsageError(
        f"{value} is a table, and the other side is in memory",
        fix="give both as paths, or read the column first",
        path=str(value),
    )
