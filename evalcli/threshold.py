"""A threshold that was chosen on data and saved (``evalcli.threshold/1``), to be applied to other data.

``threshold`` is a probability, as ``--threshold`` reads it. ``cut`` is the score itself: a logit may lie where no
probability of float64 reaches it, so the file holds both, and whoever reads the file cuts at ``cut``. Of a multilabel
task the file holds both for each label, under ``labels``.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from evalcli.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evalcli.report import InputRecord
    from evalcli.sources.base import Note

SCHEMA = "evalcli.threshold/1"

_FIX = "name a file written by evalcli tune -o FILE.json"


class LabelCut(NamedTuple):
    """The threshold of one label; ``cut`` as in ``Chosen``."""

    name: str
    threshold: float
    cut: float | None


class Chosen(NamedTuple):
    """What a saved threshold says; ``cut`` is ``None`` where it is infinite, as the logit of 0 and of 1 are.

    Of a multilabel task every label has its own, in ``labels``, and there is no positive class.
    """

    path: str
    threshold: float | None
    cut: float | None
    scores: str
    positive: str | None
    digests: frozenset[str] = frozenset()
    labels: tuple[LabelCut, ...] = ()

    def note(self, inputs: Iterable[InputRecord]) -> Note | None:
        """The warning that it was chosen on one of these very files."""
        from evalcli.sources.base import Note

        same = [file.path for file in inputs if file.digest in self.digests]
        if not same:
            return None
        text = f"the threshold was chosen on this very file ({same[0]}): what is measured at it flatters"
        fix = "choose on one part and measure on another, as with --where, or on a file of its own"
        return Note("threshold-chosen-here", text, fix, "warning")


def as_stored(cut: float, dtype: str, loaded: Any) -> Any:  # a numpy dtype, and a scalar of it
    """The threshold rounded as the scores were: a score stored as 0.7 is at a threshold of 0.7, in every type."""
    import numpy as np

    if dtype.startswith(("bfloat16", "float8")):
        import ml_dtypes

        stored = np.asarray(cut).astype(getattr(ml_dtypes, dtype)).astype(np.float64)
        return stored if np.isfinite(stored) else np.float64(cut)
    if "float" not in dtype:
        return np.float64(cut)
    return np.asarray(cut, dtype).astype(loaded)


def parse_chosen(text: str | bytes, path: str) -> Chosen:
    """A saved threshold, from the content of its file.

    Raises:
        InputError: it is not strict JSON, or no saved threshold.

    """
    import json

    def reject(constant: str) -> NoReturn:
        raise InputError(f"{constant} is no JSON number", fix=_FIX, path=path)

    try:
        data = json.loads(text, parse_constant=reject)
    except (ValueError, RecursionError) as e:
        reason = "nested too deeply" if isinstance(e, RecursionError) else str(e)
        raise InputError(f"not JSON: {reason}", fix=_FIX, path=path) from e
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise InputError(f"no saved threshold: 'schema' is {schema!r}, not {SCHEMA!r}", fix=_FIX, path=path)
    inputs = data.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) for one in inputs):
        raise InputError("'inputs' is no list of files", fix=_FIX, path=path)
    digests = frozenset(one["digest"] for one in inputs if isinstance(one.get("digest"), str))
    scores = _text(data, "scores", path)
    if "labels" in data:
        return Chosen(path, None, None, scores, None, digests, _labels(data["labels"], path))
    threshold, cut = _cut(data, path)
    return Chosen(path, threshold, cut, scores, _text(data, "positive", path), digests)


def _cut(data: dict[str, Any], path: str) -> tuple[float, float | None]:
    """A threshold and the score at it."""
    threshold = _number(data, "threshold", path)
    if not 0 <= threshold <= 1:
        raise InputError(f"'threshold' is {threshold:g}, no probability", fix=_FIX, path=path)
    return threshold, None if data.get("cut") is None else _number(data, "cut", path)


def _labels(parts: object, path: str) -> tuple[LabelCut, ...]:
    """The thresholds of all labels, in order."""
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) for one in parts):
        raise InputError("'labels' is no list of labels", fix=_FIX, path=path)
    labels = tuple(LabelCut(_text(one, "label", path), *_cut(one, path)) for one in parts)
    names = [one.name for one in labels]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the label {twice!r} occurs twice", fix=_FIX, path=path)
    return labels


def _number(data: dict[str, Any], key: str, path: str) -> float:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise InputError(f"{key!r} is {value!r}, not a finite number", fix=_FIX, path=path)
    return float(value)


def _text(data: dict[str, Any], key: str, path: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise InputError(f"{key!r} is {value!r}, not a text", fix=_FIX, path=path)
    return value
