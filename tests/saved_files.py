"""One set of columns as a file of any format, and what scikit-learn says about labels: for tests across formats."""

from __future__ import annotations

import csv
import gzip
import io
import json
from functools import cache
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.renderers import render
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.task import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evalcli.report import Report

    Columns = Mapping[str, Any]

TENSORS = (".pt", ".pth", ".npz", ".npy", ".safetensors")
TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".csv.zst", ".jsonl.gz", ".xlsx", ".feather", ".dta")
PLAIN = (*TENSORS, ".csv", ".jsonl", ".parquet", ".xlsx", ".feather", ".dta")
"""Without those that differ only in their packing."""


def save(path: Path, columns: Columns) -> Path:
    """Write ``columns``: arrays ``(N,)``, and ``(N, C)`` which a table holds as ``p_0``, ``p_1``, …"""
    for suffix, write in WRITERS.items():
        if path.name.endswith(suffix):
            write(path, columns if suffix in TENSORS else _flat(columns))
            return path
    raise AssertionError(path)


def report_of(
    preds: Path | str,
    target: Path | str | None = None,
    execution: Execution = Execution(workers=1),  # noqa: B008 - frozen
    **chosen: Any,
) -> Report:
    """The report on files, with anything that :class:`Selection` and :class:`Choices` hold."""
    fields = Selection.__dataclass_fields__
    selection = Selection(**{name: value for name, value in chosen.items() if name in fields})
    choices = Choices(**{name: value for name, value in chosen.items() if name in Choices.__dataclass_fields__})
    source = open_source(str(preds), None if target is None else str(target), selection)
    try:
        return evaluate(source, choices, execution)
    finally:
        source.close()


def json_of(*files: Any, **chosen: Any) -> str:
    """The JSON of the report, without what names the files."""
    data = json.loads(render(report_of(*files, **chosen), "json"))
    return json.dumps(data | {"inputs": len(data["inputs"])})


def expect(found: Report, truth: Any, said: Any, weight: Any = None, names: list[str] | None = None) -> None:
    """``found`` is what scikit-learn computes from these texts, to 1e-12; counts exactly."""
    names = names or sorted({*map(str, truth), *map(str, said)})
    assert sorted(found.classes) == sorted(names)
    place = {name: index for index, name in enumerate(found.classes)}
    truth, said = (tuple(place[str(each)] for each in side) for side in (truth, said))
    told = by_sklearn(truth, said, None if weight is None else tuple(np.asarray(weight).tolist()), len(names))
    close = {"rel": 1e-12, "abs": 1e-12}
    got = {name: value.value for name, value in found.metrics.items()}
    assert found.n == len(truth)
    for name, value in told.metrics.items():
        assert got[name] == pytest.approx(value, **close), name
    for i, row in enumerate(found.per_class):
        assert row.support == pytest.approx(told.support[i], **close)
        for name, column in told.columns.items():
            value = row.metrics[name].value
            assert (value is None) == isnan(column[i])
            assert value is None or value == pytest.approx(column[i], **close)
    if weight is None:
        assert found.confusion.matrix == tuple(map(tuple, told.matrix.tolist()))
    else:
        np.testing.assert_allclose(np.array(found.confusion.matrix), told.matrix, rtol=1e-12, atol=1e-12)


class BySklearn(NamedTuple):
    """Metrics of all classes by name, columns of the class table by name, the rows of each class, and the matrix."""

    metrics: dict[str, float]
    columns: dict[str, Any]
    support: Any
    matrix: Any


@cache
def by_sklearn(
    truth: tuple[int, ...], said: tuple[int, ...], weight: tuple[float, ...] | None, classes: int
) -> BySklearn:
    """What it computes from these numbers of classes, once for all formats that hold them: it takes its time."""
    w, labels = {"sample_weight": weight}, range(classes)
    metrics = {"accuracy": sk.accuracy_score(truth, said, **w)}
    if len({*truth}) + len({*said}) > 2:  # else undefined
        metrics |= {"mcc": sk.matthews_corrcoef(truth, said, **w), "kappa": sk.cohen_kappa_score(truth, said, **w)}
    recalls = sk.recall_score(truth, said, labels=np.unique(truth), average=None, zero_division=0, **w)
    metrics["balanced_accuracy"] = recalls.mean()
    for average in ("macro", "weighted", "micro"):
        options = {"labels": np.union1d(truth, said), "average": average, "zero_division": 0, **w}
        scores = [
            *sk.precision_recall_fscore_support(truth, said, **options)[:3],
            sk.jaccard_score(truth, said, **options),
        ]
        metrics |= {
            f"{name}_{average}": score
            for name, score in zip(("precision", "recall", "f1", "jaccard"), scores, strict=True)
        }
    *columns, support = sk.precision_recall_fscore_support(truth, said, labels=labels, zero_division=np.nan, **w)
    named = dict(zip(("precision", "recall", "f1"), columns[:3], strict=True))
    return BySklearn(metrics, named, support, sk.confusion_matrix(truth, said, labels=labels, **w))


def _flat(columns: Columns) -> dict[str, list[Any]]:
    """Plain Python columns of one axis."""
    flat = {}
    for name, values in columns.items():
        array = np.asarray(values)
        if array.ndim == 2:
            flat |= {f"{name}_{i}": array[:, i].tolist() for i in range(array.shape[1])}
        else:
            flat[name] = array.tolist()
    return flat


def _cell(value: Any) -> str:
    """The shortest text that reads back as the same number; text and integers as they are."""
    return repr(value) if isinstance(value, float) else str(value)


def _separated(delimiter: str) -> Callable[[Columns], bytes]:
    def text(columns: Columns) -> bytes:
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*([_cell(cell) for cell in column] for column in columns.values()), strict=True))
        return stream.getvalue().encode()

    return text


def _lines(columns: Columns) -> bytes:
    rows = zip(*columns.values(), strict=True)
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows).encode()


def _write_text(content: Callable[[Columns], bytes], pack: Callable[[bytes], bytes] = bytes) -> Callable[..., None]:
    def write(path: Path, columns: Columns) -> None:
        path.write_bytes(pack(content(columns)))

    return write


def _zstd(data: bytes) -> bytes:
    import zstandard

    return bytes(zstandard.compress(data))


def _tensors(columns: Columns) -> dict[str, Any]:
    """Torch tensors; text stays a list."""
    import torch

    made = {}
    for name, values in columns.items():
        if isinstance(values, torch.Tensor):
            made[name] = values
        else:
            array = np.asarray(values)
            made[name] = array.tolist() if array.dtype.kind == "U" else torch.from_numpy(np.ascontiguousarray(array))
    return made


def _write_torch(path: Path, columns: Columns) -> None:
    import torch

    torch.save(_tensors(columns), path)


def _write_npy(path: Path, columns: Columns) -> None:
    """One array bare; several as the fields of a structured one."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if len(arrays) == 1:
        np.save(path, next(iter(arrays.values())))
        return
    fields = [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]
    table = np.empty(len(next(iter(arrays.values()))), fields)
    for name, array in arrays.items():
        table[name] = array
    np.save(path, table)


def _write_npz(path: Path, columns: Columns) -> None:
    np.savez_compressed(path, **{name: np.asarray(values) for name, values in columns.items()})


def _write_safetensors(path: Path, columns: Columns) -> None:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in _tensors(columns).items()}, path)


def _write_frame(method: str, **options: Any) -> Callable[..., None]:
    def write(path: Path, columns: Columns) -> None:
        import pandas as pd

        getattr(pd.DataFrame(dict(columns)), method)(path, **options)

    return write


def _write_xlsx(path: Path, columns: Columns) -> None:
    """Text is text, even where it looks like a formula."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(list(columns))
    for i, row in enumerate(zip(*columns.values(), strict=True), 2):
        for j, value in enumerate(row, 1):
            cell = book.active.cell(i, j, value)
            cell.data_type = "s" if isinstance(value, str) else cell.data_type
    book.save(path)


WRITERS: dict[str, Callable[..., None]] = {
    ".pt": _write_torch,
    ".pth": _write_torch,
    ".npz": _write_npz,
    ".npy": _write_npy,
    ".safetensors": _write_safetensors,
    ".csv": _write_text(_separated(",")),
    ".csv.gz": _write_text(_separated(","), gzip.compress),
    ".csv.zst": _write_text(_separated(","), _zstd),
    ".tsv": _write_text(_separated("\t")),
    ".tsv.gz": _write_text(_separated("\t"), gzip.compress),
    ".jsonl": _write_text(_lines),
    ".jsonl.gz": _write_text(_lines, gzip.compress),
    ".jsonl.zst": _write_text(_lines, _zstd),
    ".parquet": _write_frame("to_parquet", index=False),
    ".feather": _write_frame("to_feather"),
    ".xlsx": _write_xlsx,
    ".dta": _write_frame("to_stata", write_index=False, version=118),
}
"""Suffix → writer."""
