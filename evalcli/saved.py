"""Reading a saved report: strict JSON, every part checked, and an error that names what is missing.

The writing half is :mod:`evalcli.report_json`; the two together keep every byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, NoReturn, TypeVar

from evalcli.errors import InputError
from evalcli.report import (
    SCHEMA,
    Calibration,
    CalibrationBin,
    ClassRow,
    Clustered,
    Confusion,
    CoveragePoint,
    Finding,
    InputRecord,
    Number,
    OutputRow,
    Report,
    Residuals,
    SliceRow,
    Square,
    Temperature,
    Value,
    Verdict,
)
from evalcli.searched import LeastShown, Scan, WeakSlice
from evalcli.shell import word

T = TypeVar("T")


def parse_report(text: str | bytes, path: str = "") -> Report:
    """A saved report, from the content of its file.

    Raises:
        InputError: the content is not strict JSON, or not a report.

    """
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f"the key {twice!r} stands twice in one object", fix="leave one of them", path=path)
        return dict(pairs)

    def reject(constant: str) -> NoReturn:
        raise InputError(f"{constant} is no JSON number", fix="write null where there is none", path=path)

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=reject)
    except (ValueError, RecursionError) as e:
        if path.endswith(".evalcli"):
            fix = f"make one of it: evalcli merge {word(path)} -o report.json"
            raise InputError("a part of a report, not a report", fix=fix, path=path) from e
        reason = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise InputError(f"not JSON: {reason}", fix="name a file written with -o FILE.json", path=path) from e
    return report_from(data, path)


def report_from(data: object, path: str = "") -> Report:
    """A report from parsed JSON, as ``Report.from_json_object`` promises it."""
    top = _Part(data, path)
    schema = top.data.get("schema")
    if schema != SCHEMA:
        what = f"not a report of evalcli: 'schema' is {schema!r}, not {SCHEMA!r}"
        raise InputError(what, fix="name a file written with -o FILE.json", path=path)
    return Report(
        version=top.take("version", str),
        signature=top.take("signature", str),
        task=top.take("task", str),
        scores=top.take("scores", str),
        n=top.take("n", int),
        ignored=top.take("ignored", int),
        weighted=top.take("weighted", bool),
        where=top.optional("where", str),
        metrics=_values(top.part("metrics")),
        directions=_directions(top.part("directions")) if "directions" in top.data else {},
        undefined=top.texts("undefined"),
        findings=tuple(_finding(part) for part in top.parts("findings")),
        gates=tuple(_verdict(part) for part in top.parts("gates")),
        slices=tuple(_slice(part) for part in top.parts("slices")) if "slices" in top.data else (),
        scan=_scan(top.part("scan")) if "scan" in top.data else None,
        inputs=tuple(
            InputRecord(part.take("path", str), part.take("size", int), part.take("digest", str))
            for part in top.parts("inputs")
        ),
        positive=top.optional("positive", str),
        threshold=_threshold(top),
        confidence=top.optional("confidence", float),
        clustered=_clustered(top.part("clustered")) if "clustered" in top.data else None,
        **(_of_outputs(top) if top.data["task"] == "regression" else _of_classes(top)),
    )


def _of_classes(top: _Part) -> dict[str, Any]:
    """What only tasks with classes have."""
    classes = top.texts("classes")
    return {
        "classes": classes,
        "averaged": top.take("averaged", int),
        "per_class": tuple(_row(part) for part in top.parts("per_class")),
        "confusion": _confusion(top.part("confusion"), len(classes)),
        "calibration": _calibration(top.part("calibration")) if "calibration" in top.data else None,
        "coverage": tuple(_coverage(part) for part in top.parts("coverage")) if "coverage" in top.data else (),
    }


def _directions(part: _Part) -> dict[str, str]:
    for name in part.data:
        if part.take(name, str) not in {"higher", "lower"}:
            part.refuse(f"{part.at(name)} is {_shown(part.data[name])}, neither 'higher' nor 'lower'")
    return dict(part.data)


def _clustered(part: _Part) -> Clustered:
    return Clustered(
        part.take("by", str),
        part.take("clusters", int),
        part.take("largest", int),
        part.optional("design_effect", float),
    )


def _of_outputs(top: _Part) -> dict[str, Any]:
    """What only a regression has."""
    return {
        "classes": (),
        "outputs": top.texts("outputs"),
        "per_output": tuple(
            OutputRow(part.take("output", str), _values(part, skip=("output",))) for part in top.parts("per_output")
        ),
        "residuals": tuple(_residuals(part) for part in top.parts("residuals")),
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """One object of a saved report; ``place`` says where in the file it stands."""

    data: Any
    path: str
    place: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.data, dict):
            self.refuse(f"{self.place or 'the document'} is not an object")

    def refuse(self, what: str) -> NoReturn:
        raise InputError(f"not a whole report: {what}", fix="write it again with -o FILE.json", path=self.path)

    def need(self, key: str) -> None:
        if key not in self.data:
            self.refuse(f"{self.at(key)} is missing")

    def take(self, key: str, kind: type[T]) -> T:
        self.need(key)
        return self.checked(self.data[key], kind, self.at(key))

    def optional(self, key: str, kind: type[T]) -> T | None:
        return None if self.data.get(key) is None else self.take(key, kind)

    def checked(self, value: Any, kind: type[T], place: str) -> T:
        # True is an int to Python and 1 is no float; in a report 1 is a number and true is not.
        kinds = (int, float) if kind is float else kind
        if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
            self.refuse(f"{place} is {_shown(value)}, not {_KINDS[kind]}")
        if isinstance(value, float) and not isfinite(value):
            self.refuse(f"{place} is too large for a number")
        return value  # type: ignore[return-value]  # an int passes for a float, as it does everywhere in Python

    def at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def part(self, key: str) -> _Part:
        return _Part(self.take(key, dict), self.path, self.at(key))

    def parts(self, key: str) -> list[_Part]:
        return [_Part(item, self.path, f"{self.at(key)}[{i}]") for i, item in enumerate(self.take(key, list))]

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self.checked(x, str, f"{self.at(key)}[{i}]") for i, x in enumerate(self.take(key, list)))


_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def _shown(value: object) -> str:
    kinds = {type(None): "null", dict: "an object", list: "a list"}
    return kinds.get(type(value)) or repr(value)[:40]


def _values(part: _Part, skip: tuple[str, ...] = ()) -> dict[str, Value]:
    return {name: _value(part.part(name)) for name in part.data if name not in skip}


def _value(part: _Part) -> Value:
    part.need("value")
    low, high = part.optional("low", float), part.optional("high", float)
    sign = part.optional("infinite", str)
    value = part.optional("value", float) if sign is None else -inf if sign == "-" else inf
    return Value(value, low, high, part.optional("method", str), _certified(part))


def _certified(part: _Part) -> tuple[float, float] | None:
    ends = part.optional("certified", list)
    if ends is None:
        return None
    place = part.at("certified")
    if len(ends) != 2:
        part.refuse(f"{place} has {len(ends)} parts, not 2")
    low, high = (part.checked(end, float, place) for end in ends)
    if not low <= high:
        part.refuse(f"{place} ends below its start")
    return low, high


def _threshold(top: _Part) -> float | tuple[float, ...] | None:
    """One number, or one for each label."""
    if not isinstance(top.data.get("threshold"), list):
        return top.optional("threshold", float)
    every = top.take("threshold", list)
    if len(every) != len(top.take("classes", list)):
        top.refuse(f"threshold has {len(every)} parts, not one for each of 'classes'")
    return tuple(top.checked(one, float, f"threshold[{i}]") for i, one in enumerate(every))


def _row(part: _Part) -> ClassRow:
    metrics = _values(part, skip=("class", "support", "predicted"))
    return ClassRow(part.take("class", str), part.take("support", float), part.take("predicted", float), metrics)


def _residuals(part: _Part) -> Residuals:
    drawn = part.part("histogram")
    edges, counts = (_numbers(drawn, drawn.take(key, list), drawn.at(key)) for key in ("edges", "counts"))
    if len(edges) != len(counts) + 1 and (edges or counts):
        part.refuse(f"{drawn.place} has {len(edges)} edges for {len(counts)} counts")
    quantiles = tuple((each.take("percent", float), _value(each)) for each in part.parts("quantiles"))
    return Residuals(part.take("output", str), part.take("bias", float), quantiles, edges, counts)


def _confusion(part: _Part, classes: int) -> Confusion:
    for axis, meaning in (("rows", "target"), ("columns", "prediction")):
        if part.take(axis, str) != meaning:
            part.refuse(f"{part.at(axis)} is not {meaning!r}")
    matrix = part.optional("matrix", list)
    if matrix is not None and any(len(row) != classes for row in [matrix, *matrix] if isinstance(row, list)):
        part.refuse(f"{part.at('matrix')} is not {classes} by {classes}, as 'classes' says")
    pairs, labels = part.optional("pairs", list), part.optional("labels", list)
    if labels is not None and len(labels) != classes:
        part.refuse(f"{part.at('labels')} has {len(labels)} parts, not one for each of 'classes'")
    rows = None if matrix is None else enumerate(matrix)
    return Confusion(
        matrix=None if rows is None else tuple(_numbers(part, row, f"{part.at('matrix')}[{i}]") for i, row in rows),
        pairs=None if pairs is None else tuple(_pair(part, pair, i) for i, pair in enumerate(pairs)),
        labels=None if labels is None else tuple(_square(part, square, i) for i, square in enumerate(labels)),
    )


def _numbers(part: _Part, row: object, place: str) -> tuple[Number, ...]:
    return tuple(part.checked(x, float, place) for x in part.checked(row, list, place))


def _square(part: _Part, square: object, i: int) -> Square:
    place = f"{part.at('labels')}[{i}]"
    rows = [_numbers(part, row, place) for row in part.checked(square, list, place)]
    if [len(row) for row in rows] != [2, 2]:
        part.refuse(f"{place} is not 2 by 2")
    (a, b), (c, d) = rows
    return (a, b), (c, d)


def _pair(part: _Part, pair: object, i: int) -> tuple[str, str, Number]:
    place = f"{part.at('pairs')}[{i}]"
    items = part.checked(pair, list, place)
    if len(items) != 3:
        part.refuse(f"{place} has {len(items)} parts, not 3")
    target, guess, count = items
    return part.checked(target, str, place), part.checked(guess, str, place), part.checked(count, float, place)


def _calibration(part: _Part) -> Calibration:
    bins = tuple(
        CalibrationBin(
            each.take("low", float),
            each.take("high", float),
            each.take("n", float),
            each.optional("confidence", float),
            each.optional("accuracy", float),
        )
        for each in part.parts("bins")
    )
    fitted = None
    if "temperature" in part.data:
        found = part.part("temperature")
        before, after = found.take("before", float), found.take("after", float)
        fitted = Temperature(found.optional("value", float), before, after, found.take("rows", int))
    return Calibration(part.take("of", str), bins, fitted)


def _slice(part: _Part) -> SliceRow:
    return SliceRow(part.take("by", str), part.take("value", str), part.take("n", int), _values(part.part("metrics")))


def _scan(part: _Part) -> Scan:
    test = part.optional("test", str) or "fisher"
    if test.removesuffix(" (weights)").removesuffix(" (clusters)") not in {"fisher", "welch"}:
        part.refuse(f"{part.at('test')} is {test[:20]!r}, not 'fisher' or 'welch'")
    left_out = tuple((each.take("column", str), each.take("why", str)) for each in part.parts("left_out"))
    shown = None if part.optional("shown", dict) is None else part.part("shown")
    return Scan(
        part.take("metric", str),
        part.take("level", float),
        part.take("least", int),
        part.texts("columns"),
        left_out,
        part.take("tried", int),
        part.take("few", int),
        tuple(map(_weak, part.parts("slices"))),
        None if shown is None else LeastShown(*(shown.take(*field) for field in _LEAST_SHOWN)),
        test,
    )


_LEAST_SHOWN: tuple[tuple[str, Any], ...] = (("column", str), ("value", str), ("n", int), ("difference", float))


def _weak(part: _Part) -> WeakSlice:
    columns, values = part.texts("columns"), part.texts("values")
    if len(columns) != len(values):
        part.refuse(f"{part.at('values')} has {len(values)} parts, not one for each of 'columns'")
    shares = [part.take(name, float) for name in ("value", "rest", "difference")]
    ends = [part.optional(name, float) for name in ("low", "high")]
    p_values = [part.take(name, float) for name in ("p", "p_adjusted")]
    return WeakSlice(columns, values, part.take("n", int), *shares, *ends, *p_values)


def _coverage(part: _Part) -> CoveragePoint:
    return CoveragePoint(*(part.take(name, float) for name in CoveragePoint._fields))


def _finding(part: _Part) -> Finding:
    return Finding(part.take("code", str), part.take("level", str), part.take("text", str), part.take("fix", str))


def _verdict(part: _Part) -> Verdict:
    part.need("value")
    return Verdict(
        rule=part.take("rule", str),
        metric=part.take("metric", str),
        value=part.optional("value", float),
        bound=part.take("bound", float),
        status=part.take("status", str),
        reason=part.optional("reason", str) or "",
        low=part.optional("low", float),
        high=part.optional("high", float),
        n=part.optional("n", int),
        baseline=part.optional("baseline", float),
        current=part.optional("current", float),
        method=part.optional("method", str),
    )
