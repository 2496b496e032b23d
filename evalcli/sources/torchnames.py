"""The names a file of tensors may use, what they build, and why well-known others are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evalcli.errors import DAMAGED, InputError
from evalcli.sources.arrays import RAW, REFUSED
from evalcli.sources.picklevm import Builder, Opaque, malformed
from evalcli.sources.rawfile import plain

_AXES = 64


@dataclass(frozen=True, slots=True)
class DType:
    """``torch.float32`` and its kind."""

    name: str


@dataclass(frozen=True, slots=True)
class StorageType:
    """``torch.FloatStorage`` and its kind; ``dtype`` is None for bytes."""

    dtype: str | None


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage the pickle refers to: ``count`` elements of ``dtype``, or bytes."""

    key: str
    dtype: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset and strides count elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_STORAGES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Bool": "bool",
    "ComplexDouble": "complex128",
    "ComplexFloat": "complex64",
    "QUInt8": "quint8",
    "QInt8": "qint8",
    "QInt32": "qint32",
    "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
}

_SUBCLASS = (
    "a tensor subclass, a nested tensor or a tensor with attributes",
    "save t.detach().clone() of plain tensors",
)
_SPARSE = ("sparse tensors are not predictions", "call .to_dense() before saving")
_MODEL = ("a model, not predictions", "run it and save its outputs")
_NUMPY = ("numpy objects inside", "save torch.from_numpy(a), or write .npy with numpy.save")
_FRAME = ("a pandas object inside", "write it with to_parquet or to_csv")
_DEVICE = ("a tensor of a device that stores it in its own way", "call .cpu() before saving")
_REASONS: dict[str, tuple[str, str]] = {
    "torch._utils _rebuild_sparse": _SPARSE,
    "torch._utils _rebuild_qtensor": ("quantized tensors are not predictions", "call .dequantize() before saving"),
    "torch._utils _rebuild_meta": ("the file holds shapes only, no data (device meta)", "save the computed tensor"),
    "torch._utils _rebuild_nested": _SUBCLASS,
    "torch._utils _rebuild_wrapper": _SUBCLASS,
    "torch._utils _rebuild_device": _DEVICE,
    "torch._utils _rebuild_xla": _DEVICE,
    "torch._tensor _rebuild_from_type": _SUBCLASS,
    "torch.serialization _get_layout": _SPARSE,
    "torch.nn.": _MODEL,
    "__torch__": _MODEL,
    "numpy": _NUMPY,
    "_codecs encode": _NUMPY,
    "pandas": _FRAME,
}
"""How a name begins → what is wrong and what to do."""


def find_name(name: str) -> Any:
    """What ``module name`` stands for.

    Raises:
        InputError: it is not on the list.

    """
    if name in _ALLOWED:
        return _ALLOWED[name]
    for beginning, (what, fix) in _REASONS.items():
        if name.startswith(beginning):
            raise InputError(what, fix=fix)
    raise InputError(
        f"refused: the file asks to run {plain(name.replace(' ', '.'))}",
        fix="evalcli never runs code from data files; save {'pred': tensor, 'target': tensor}",
    )


def check_storage(reference: Any, extra: int) -> Storage:
    """The storage that a persistent id names: ``('storage', type, key, location, count)`` and ``extra`` more."""
    if not isinstance(reference, tuple) or len(reference) != 5 + extra:
        raise malformed()
    word, kind, key, _, count, *view = reference
    fits = word == "storage" and isinstance(kind, StorageType) and isinstance(key, str) and _is_size(count)
    if not fits or any(item is not None for item in view):
        raise malformed()
    return Storage(key, kind.dtype, count)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _tensor(dtype: str | None, storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    if (
        not isinstance(storage, Storage)
        or dtype is None
        or not isinstance(shape, tuple)
        or not isinstance(strides, tuple)
    ):
        raise malformed()
    if not all(_is_size(n) for n in (offset, *shape, *strides)) or len(shape) != len(strides) or len(shape) > _AXES:
        raise InputError("the tensor view does not fit its storage", fix=DAMAGED)
    return Tensor(storage, dtype, offset, shape, strides)


def _rebuild(*args: Any) -> Tensor:
    """``(storage, offset, size, stride[, requires_grad, hooks[, metadata]])``."""
    if len(args) not in (4, 6, 7) or not isinstance(args[0], Storage):
        raise malformed()
    _refuse_metadata(args[6:])
    return _tensor(args[0].dtype, *args[:4])


def _rebuild_typed(*args: Any) -> Tensor:
    """``(storage, offset, size, stride, requires_grad, hooks, dtype[, metadata])``."""
    if len(args) not in (7, 8) or not isinstance(args[6], DType) or not isinstance(args[0], Storage):
        raise malformed()
    if args[0].dtype not in (None, args[6].name):
        raise malformed()
    _refuse_metadata(args[7:])
    return _tensor(args[6].name, *args[:4])


def _refuse_metadata(metadata: tuple[Any, ...]) -> None:
    if any(metadata):
        raise InputError("a conjugated or negated view", fix="call .resolve_conj().resolve_neg() before saving")


def _parameter(*args: Any) -> Tensor:
    """``(tensor, requires_grad, hooks[, state])``: the tensor itself."""
    if len(args) not in (3, 4) or not isinstance(args[0], Tensor):
        raise malformed()
    return args[0]


def _mapping(*args: Any) -> dict[Any, Any]:
    if args:
        raise malformed()
    return {}


class Size(tuple[Any, ...]):
    """A shape: numbers, and yet no samples."""

    __slots__ = ()


def _size(*args: Any) -> Size:
    if len(args) != 1 or not isinstance(args[0], tuple):
        raise malformed()
    return Size(args[0])


def _opaque(kind: str) -> Builder:
    return Builder(lambda *_: Opaque(kind))


_ALLOWED: dict[str, Any] = {
    "torch._utils _rebuild_tensor": Builder(_rebuild),
    "torch._utils _rebuild_tensor_v2": Builder(_rebuild),
    "torch._utils _rebuild_tensor_v3": Builder(_rebuild_typed),
    "torch._utils _rebuild_parameter": Builder(_parameter),
    "torch._utils _rebuild_parameter_with_state": Builder(_parameter),
    "collections OrderedDict": Builder(_mapping),
    "collections Counter": _opaque("Counter"),
    "torch Size": Builder(_size),
    "torch device": _opaque("torch.device"),
    "torch.storage UntypedStorage": StorageType(None),
    "torch UntypedStorage": StorageType(None),
    **{f"{module} {kind}": _opaque(kind) for module in ("builtins", "__builtin__") for kind in ("set", "frozenset")},
    **{f"torch {name}Storage": StorageType(dtype) for name, dtype in _STORAGES.items()},
    **{f"torch {name}": DType(name) for name in (*RAW, *REFUSED) if name not in ("object", "void")},
}
