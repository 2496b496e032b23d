"""Scores whose cell names their classes, as pipelines of Hugging Face return them: each class becomes a column.

An object ``{"cat": 0.9, "dog": 0.1}``, or a list ``[{"label": "cat", "score": 0.9}, …]``, the surest first, under the
key ``scores`` is read as the columns ``scores.cat`` and ``scores.dog``, and so is a list ``labels`` beside it. All rows
have to name the same classes. A single ``{"label": "cat", "score": 0.9}`` is the label, with the column
``scores.score`` beside it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from evalcli.sources.csvtext import COLUMN_LIMIT
from evalcli.sources.duck import literal
from evalcli.sources.labels import class_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OBJECT = "scores by name"
PAIRS = "labels with scores"
ANSWER = "a label with its score"
FIRST = "the one label with its score"
"""Kinds of JSON values; the last two are an object, and the only one of a list."""
NAMED = (OBJECT, PAIRS)
ANSWERS = (ANSWER, FIRST)
BESIDE = ("labels", "scores")
"""The keys under which a pipeline for classes of one's own gives two lists, the highest score first."""
ODD = "scores of "
"""What is told of rows with other classes begins so."""
FIX = "keep the score of every class in every row: a pipeline gives all with top_k=None"
PAIR = {"label", "score"}
_SHOWN = 3


def named_kind(value: Any) -> str | None:
    """Which of the kinds a list or an object of JSON is; ``None`` for any other.

    >>> named_kind({"cat": 0.9, "dog": 0.1}), named_kind([{"label": "cat", "score": 0.9}]), named_kind({"a": "b"})
    ('scores by name', 'the one label with its score', None)
    """
    if isinstance(value, list):
        if not all(map(_is_pair, value)):
            return None
        return FIRST if len(value) == 1 else PAIRS
    if _is_pair(value):
        return ANSWER
    numbers = isinstance(value, dict) and 1 < len(value) <= COLUMN_LIMIT and all(map(_is_number, value.values()))
    return OBJECT if numbers and {*value} != PAIR else None


def names_of(value: Any) -> tuple[str, ...]:
    """The classes that a value of such a kind names, in the order of a report; as they stand where one comes twice."""
    names = [str(each["label"]) for each in value] if isinstance(value, list) else [*value]
    return class_order(names) if len({*names}) == len(names) else tuple(names)


def cells_of(value: Any, names: Sequence[str]) -> list[Any]:
    """The score of each of these classes."""
    found = {str(each["label"]): each["score"] for each in value} if isinstance(value, list) else value
    return [found[name] for name in names]


class Met(NamedTuple):
    """The classes of a column, and where they were met first."""

    names: tuple[str, ...]
    place: str


class NamedScores:
    """What the first rows show of such columns: the classes of each, and which rows name others."""

    def __init__(self) -> None:
        self.met: dict[str, Met] = {}
        self.odd: dict[str, str] = {}
        """Columns that no scores can be read from, and what they hold."""
        self.beside: bool | None = None
        """Whether labels beside scores are their names in every row; ``None`` before the first one."""

    def meet(self, row: Mapping[str, Any], place: str) -> None:
        """Look at one row."""
        for name, value in row.items():
            if isinstance(value, (dict, list)) and named_kind(value) in (OBJECT, PAIRS, FIRST):
                self._learn(name, names_of(value), place)
        labels, scores = (row.get(name) for name in BESIDE)
        if self.beside is False or (labels is None and scores is None):
            return
        self.beside = are_beside(labels, scores)
        if self.beside:
            self._learn(BESIDE[1], class_order(labels or ()), place)

    def fault(self, name: str, value: Any) -> str | None:
        """What is wrong with the classes of a value, if anything is."""
        known = self.met.get(name)
        return None if known is None else unlike(names_of(value), known)

    def _learn(self, name: str, names: tuple[str, ...], place: str) -> None:
        known = self.met.setdefault(name, Met(names, place))
        what = unlike(names, known)
        if what is not None:
            self.odd.setdefault(name, f"{ODD}{what} ({place})")


def unlike(names: Sequence[str], known: Met) -> str | None:
    """How the classes of a row differ from those that are known, and from one another."""
    if len({*names}) < len(names):
        return f"the class {next(name for name in names if names.count(name) > 1)!r} twice"
    if tuple(names) == known.names:
        return None
    fresh, lost = (
        [name for name in one if name not in other] for one, other in ((names, known.names), (known.names, names))
    )
    told = [f"{word} {_some(those)}" for word, those in (("with", fresh), ("without", lost)) if those]
    return f"other classes than those of {known.place}: {', '.join(told)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _is_pair(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != len(PAIR) or {*value} != PAIR:
        return False
    label = value["label"]
    return isinstance(label, (str, int)) and not isinstance(label, bool) and _is_number(value["score"])


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


def are_beside(labels: Any, scores: Any, names: Sequence[str] | None = None) -> bool:
    """Whether a list of texts names the numbers of another, the highest first; of these ``names``, if any are given."""
    if labels is None and scores is None and names is not None:
        return True
    if not isinstance(labels, list) or not isinstance(scores, list) or len(labels) != len(scores) or not labels:
        return False
    numbers = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in scores)
    if not numbers or not all(isinstance(one, str) for one in labels) or len({*labels}) < len(labels):
        return False
    sorted_down = all(a >= b for a, b in pairwise(scores))
    return sorted_down if names is None else {*labels} == {*names}


# In SQL.


def entries_sql(kind: str, cell: str) -> str:
    """Pairs of a class and its score, from a token of JSON of this kind."""
    if kind == OBJECT:
        return f"""map_entries(from_json_strict({cell}, '"MAP(VARCHAR, DOUBLE)"'))"""
    return f"""from_json_strict({cell}, '[{{"label":"VARCHAR","score":"DOUBLE"}}]')"""


def names_sql(entries: str) -> str:
    """The classes of sorted ``entries``."""
    return f"[struct_extract_at(e, 1) FOR e IN {entries}]"


def scores_sql(entries: str, names: Sequence[str], fault: str = "kind") -> str:
    """The scores of sorted ``entries`` by the code points of their ``names``; of others the query stops."""
    wanted = f"[{', '.join(map(literal, sorted(names)))}]"
    here = names_sql(entries)
    scores = f"[struct_extract_at(e, 2) FOR e IN {entries}]"
    return (
        f"CASE WHEN {entries} IS NULL THEN NULL WHEN {here} = {wanted} THEN {scores} ELSE error({literal(fault)}) END"
    )


def answer_sql(kind: str, cell: str) -> str:
    """The label with its score, from a token of JSON of this kind; of a list of several the query stops."""
    if kind == ANSWER:
        return f"""from_json_strict({cell}, '{{"label":"VARCHAR","score":"DOUBLE"}}')"""
    entries = entries_sql(PAIRS, cell)
    return f"CASE WHEN {cell} IS NULL THEN NULL WHEN len({entries}) = 1 THEN {entries}[1] ELSE error('kind') END"


def columns_of(name: str, names: Sequence[str], scores: str) -> list[tuple[str, str]]:
    """The columns of a cell of scores, and the SQL of each."""
    places = {each: place for place, each in enumerate(sorted(names), 1)}
    return [(f"{name}.{each}", f"{scores}[{places[each]}]") for each in names]
