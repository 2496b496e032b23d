"""A column as labels or as scores: the SQL that reads it so, and how to tell which of the two it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalcli.errors import InputError, UsageError
from evalcli.sources.duck import literal
from evalcli.sources.foreign_texts import refuse_foreign
from evalcli.sources.labels import NUMBER
from evalcli.sources.spelling import moment_in_sql, spelled_in_sql
from evalcli.sources.usual_names import is_score_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.sources.base import Selection
    from evalcli.sources.table_join import Column, Joined

SAMPLE_ROWS = 1000
EXACT_INTEGERS = 1 << 53
"""Floats below this are whole numbers without doubt."""
MOST_RATINGS = 20
"""Distinct texts such as 0.5, 1.0, … up to which they may well be classes."""
SAME_WORDS = 0.9
"""Of predictions that are values fewer than this share are, to the letter, some target."""

FLAG = "choose with --scores labels|probs|logits"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the two sides are read.

    ``preds`` is ``labels`` or ``scores``; ``target`` is ``labels``, ``integers`` (indices into score columns that have
    no names) or ``values``, which both sides are then. ``by_sample`` means that only the first rows spoke for it.
    """

    preds: str
    target: str
    by_sample: bool = False


def label_sql(column: Column) -> str:
    """The label in a cell, NULL where it is missing. A float column holds labels where its values are whole numbers."""
    if column.kind == "float":
        x = f"CAST({column.sql} AS DOUBLE)"
        whole = f"{x} = trunc({x}) AND abs({x}) < {EXACT_INTEGERS}"
        return (
            f"CASE WHEN isnan({x}) THEN NULL WHEN {whole} THEN CAST(CAST({x} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({column.sql} AS VARCHAR) END"
        )
    if column.kind in ("list", "texts"):
        raise InputError(
            f"column {column.name!r} holds lists, not labels",
            fix="choose another with --pred or --target; several labels a row are lists on both sides",
        )
    return column.sql if column.kind == "text" else f"CAST({column.sql} AS VARCHAR)"


def slice_sql(column: Column) -> str:
    """What rows are sliced by in a cell, in the spelling of all formats; NULL where nothing stands there."""
    return spelled_in_sql(column.sql) if column.kind == "text" else label_sql(column)


def key_sql(column: Column) -> str:
    """What rows are joined by in a cell: a midnight is its day, and a float without a fraction a whole number."""
    return moment_in_sql(column.sql) if column.kind == "text" else label_sql(column)


def named_sql(label: str, names: Mapping[str, str]) -> str:
    """A label in SQL, with the names that some of them stand for."""
    cases = " ".join(f"WHEN {literal(number)} THEN {literal(name)}" for number, name in names.items())
    return f"CASE {label} {cases} ELSE {label} END" if names else label


def group_sql(column: Column) -> str:
    """What to group by: cheaper than the label where the stored value is the label itself."""
    return column.sql if column.kind in ("text", "integer", "boolean") else label_sql(column)


def absent_sql(column: Column) -> str:
    """Whether the label in a cell is missing."""
    return f"{group_sql(column)} IS NULL"


def inexact_sql(column: Column) -> str:
    """Whether the cell holds a whole number that no float64 is."""
    if column.kind == "integer":
        whole = column.sql
    elif column.kind == "text":  # what stands in fewer digits is exact, and what has a point or a power is rounded
        whole = f"CASE WHEN regexp_full_match({column.sql}, '[+-]?[0-9]{{16,38}}') THEN {column.sql} END"
    else:
        return "false"
    exact = f"TRY_CAST({whole} AS HUGEINT)"
    return f"({exact} IS NOT NULL AND TRY_CAST(CAST({exact} AS DOUBLE) AS HUGEINT) IS DISTINCT FROM {exact})"


def score_sql(column: Column, *, single: bool = False) -> str:
    """The number in a cell, or the list of numbers; NULL where it is missing or where the text is no number."""
    kind = "FLOAT" if single else "DOUBLE"
    if column.kind == "text":
        return f"TRY_CAST({column.sql} AS {kind})"
    return f"CAST({column.sql} AS {kind}[])" if column.kind == "list" else f"CAST({column.sql} AS {kind})"


def missing_sql(column: Column) -> str:
    """Whether the cell, or an entry of its list, is empty."""
    if column.kind == "list":
        return f"({column.sql} IS NULL OR list_count({column.sql}) < len({column.sql}))"
    return f"{column.sql} IS NULL"


def unparsable_sql(column: Column) -> str:
    """Whether the cell holds a text that is no number. The engine would read ``1_000``, which no one else does."""
    if column.kind != "text":
        return "false"
    unread = f"(TRY_CAST({column.sql} AS DOUBLE) IS NULL OR contains({column.sql}, '_'))"
    return f"({column.sql} IS NOT NULL AND {unread})"


def is_single_precision(joined: Joined, columns: Sequence[Column]) -> bool:
    """Whether all these columns are stored as float32."""
    if any(column.kind not in ("float", "list") for column in columns):
        return False
    names = ", ".join(column.sql for column in columns)
    types = [row[1] for row in joined.tables.query(f"DESCRIBE SELECT {names} {joined.source()}").fetchall()]
    return all(str(each).partition("[")[0] == "FLOAT" for each in types)


def decide(joined: Joined, preds: Sequence[Column], target: Column, selection: Selection) -> Reading:
    """Labels or scores: by what the user said, by kind, by name, and only then by the first rows.

    Raises:
        UsageError: several columns or lists shall be labels.

    """
    first = preds[0]
    many = len(preds) > 1 or first.kind == "list"
    if selection.scores == "labels":
        if many:
            raise UsageError("labels come from one column, not from one for each class", fix="name it with --pred")
        return Reading("labels", "labels")
    if selection.scores == "values":
        _refuse_lists(joined, (*preds, target))
        return Reading("scores", "values")
    said, truth = sample(joined, first, target)
    if selection.scores is not None or many:
        return Reading("scores", _target_reading(truth, target, many=many, lists=first.kind == "list"))
    stored = first.kind == "float" or target.kind == "float"
    if selection.may_be_values and are_values(said, truth, joined.preds.path, stored=stored):
        return Reading("scores", "values", by_sample=True)
    preds_as, by_sample = _preds_reading(first, said, truth)
    if preds_as == "labels" and selection.may_be_values:
        refuse_foreign(said, truth, joined.preds.path)
    if preds_as == "labels":
        return Reading("labels", "labels", by_sample)
    return Reading("scores", _target_reading(truth, target, many=False, lists=False), by_sample)


def _refuse_lists(joined: Joined, columns: Iterable[Column]) -> None:
    for column in columns:
        if column.kind == "list":
            raise InputError(
                f"column {column.name!r} holds lists, and a regression takes one number from each row of a table",
                fix="give one number on both sides, or lists of one length on both",
                path=joined.preds.path,
            )


def are_values(said: Iterable[str], truth: Iterable[str], path: str, *, stored: bool = False) -> bool:
    """Whether both sides are values: numbers, with fractions in the truth.

    Up to ``MOST_RATINGS`` texts such as 0.5, 1.0, … are ratings, and so labels, where the truth has every prediction;
    ``stored`` numbers with fractions are none.

    Raises:
        InputError: more of them, of which the truth has nearly all: values, or codes of classes such as 250.00?

    """
    said, truth = set(said), set(truth)
    numbers = sum(are_numbers([text]) for text in said)
    if not are_fractions(truth) or 2 * numbers < len(said):  # a word among numbers is named where values are read
        return False
    if stored:
        return True
    if len(truth) <= MOST_RATINGS:
        return numbers == len(said) and not said <= truth
    shared = len(said & truth)
    if numbers == len(said) and shared >= SAME_WORDS * len(said):
        raise InputError(
            f"numbers with fractions on both sides, and {shared:,} of {len(said):,} predictions are texts that the "
            "target has too: values, or names of classes?",
            fix="say --task regression or --task multiclass",
            path=path,
        )
    return True


def contradicts(labels: Iterable[str], truth: Iterable[str]) -> bool:
    """Whether what was counted as predicted labels are scores: numbers, not all whole, that the truth does not have."""
    said, known = set(labels), set(truth)
    return not said <= known and are_fractions(said)


def are_numbers(texts: Iterable[str]) -> bool:
    """Whether every text is one decimal number, and there is one."""
    texts = list(texts)
    return bool(texts) and all(NUMBER.fullmatch(text.strip()) or _is_special(text) for text in texts)


def are_fractions(texts: Iterable[str]) -> bool:
    """Whether all are numbers and not all whole."""
    texts = list(texts)
    return are_numbers(texts) and any(not _is_special(text) and not float(text).is_integer() for text in texts)


def _is_special(text: str) -> bool:
    return text.strip().lstrip("+-").lower() in ("nan", "inf", "infinity")


def sample(joined: Joined, pred: Column, target: Column) -> tuple[set[str], set[str]]:
    """The distinct predictions and targets of the first rows, as texts; lists have none."""
    said = "NULL" if pred.kind == "list" else label_sql(pred)
    first = f"SELECT {said}, {label_sql(target)} {joined.source(whole=True)} LIMIT {SAMPLE_ROWS}"
    rows = joined.tables.query(first).fetchall()
    return {row[0] for row in rows if row[0] is not None}, {row[1] for row in rows if row[1] is not None}


def _preds_reading(pred: Column, said: set[str], truth: set[str]) -> tuple[str, bool]:
    if said and said <= truth:
        return "labels", True
    if is_score_name(pred.name) or pred.kind == "float":
        return "scores", False
    return ("scores" if are_fractions(said) else "labels"), True


def _target_reading(truth: set[str], target: Column, *, many: bool, lists: bool) -> str:
    if lists and target.kind == "integer":
        return "integers"
    return "values" if not many and are_fractions(truth) else "labels"
