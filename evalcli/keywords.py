"""Keyword arguments as choices, and messages in the words of the caller: ``nan='drop'`` for ``--nan drop``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from functools import wraps
from operator import index
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from evalcli.errors import EvalError, UsageError
from evalcli.metrics.threads import MOST_THREADS
from evalcli.shell import unquoted
from evalcli.task import FAMILIES, Choices
from evalcli.uncertainty import FEWEST_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evalcli.uncertainty.intervals import Confidence

P = ParamSpec("P")
R = TypeVar("R")

_VALUES = "error|drop|wrong|probs|logits|labels|values|binary|multiclass|multilabel|regression|seen|declared"
_WORD = r"'[^']*'(?:\"'\"'[^']*')*|[^\s,;]+"
_SOME = "a,b,c|-?[0-9]+,…"
"""Lists of classes, as messages have them."""
_NAMES = rf"(?<=positive.)(?:{_WORD})|(?<=labels.)(?:{_SOME})"
_FLAG = re.compile(rf"--([a-z][a-z-]*)(?:[ =]({_NAMES}|{_VALUES}|'[^']*'|-?[0-9][0-9.]*(?![\w,]))(?!\w))?")
_OTHERWISE = {"metric": "own", "class": "class_"}
"""Keywords that are not called as their options."""


def as_keywords(text: str) -> str:
    """``text`` with options of the command line as keyword arguments.

    >>> as_keywords("--nan drop leaves them out; check --labels, or add --ignore-index -100")
    "nan='drop' leaves them out; check labels=, or add ignore_index=-100"
    >>> as_keywords("name it with --positive 2024-01-31, or name all: --labels=-1,…")
    "name it with positive='2024-01-31', or name all: labels=['-1', …]"
    >>> as_keywords("say --pred 'p_*', or --pred '*' for all")
    "say pred='p_*', or pred='*' for all"
    """

    def spoken(match: re.Match[str]) -> str:
        name, value = _OTHERWISE.get(match[1], match[1].replace("-", "_")), match[2]
        if value is None:
            return f"{name}="
        if name == "labels" and "," in value:
            return "labels=[" + ", ".join(one if one == "…" else repr(one) for one in value.split(",")) + "]"
        return f"{name}={repr(unquoted(value)) if name == 'positive' or not value[-1].isdigit() else value}"

    return _FLAG.sub(spoken, text)


def as_arguments(text: str, metric: str) -> str:
    """``text`` with the names of a metric as what its function is called with.

    >>> as_arguments("use f1_macro or f1[cat]", "f1")
    "use average='macro' or label='cat'"
    """
    text = re.sub(rf"\b{metric}_(macro|weighted|micro)\b", r"average='\1'", text)
    return re.sub(rf"\b{metric}\[(.*)\]", lambda match: f"label={match[1]!r}", text)


@contextmanager
def in_keywords(metric: str = "") -> Iterator[None]:
    """Errors raised inside speak of keyword arguments, and of those of the function of a ``metric``."""
    try:
        yield
    except EvalError as error:
        error.what, error.fix = as_keywords(error.what), as_keywords(error.fix)
        if metric:
            error.fix = as_arguments(error.fix, metric)
        error.args = (error.what,)
        raise


def with_known_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, whose error for a keyword that it does not have says which one is meant."""
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                from evalcli.unknown_keywords import unknown_keyword

                raise unknown_keyword(function.__name__, name, known)
        return function(*args, **kwargs)

    return call


_ALLOWED = {
    "task": tuple(FAMILIES),
    "scores": ("labels", "probs", "logits", "values"),
    "nan": ("error", "drop", "wrong"),
    "classes": ("seen", "declared"),
    "class_axis": (1, -1),
    "backend": ("auto", "numpy", "torch"),
    "gate_on": ("point", "interval"),
}


def choices_of(**given: Any) -> Choices:
    """The choices that keywords make; what is not given, the input decides.

    >>> choices_of(labels=3, positive=True).labels
    ('0', '1', '2')

    Raises:
        UsageError: a keyword has a value that it cannot have.

    """
    for name in _ALLOWED.keys() & given.keys():
        check_word(name, given[name])
    labels, positive, topk, ignored = (given.get(name) for name in ("labels", "positive", "topk", "ignore_index"))
    words: dict[str, Any] = {
        "labels": None if labels is None else names_from(labels),
        "positive": None if positive is None else name_of(positive),
        "topk": None if topk is None else _ranks(topk),
    }
    if ignored is not None:
        words["ignore_index"] = whole("ignore_index", ignored, "as in ignore_index=-100")
    if given.get("threshold") is not None:
        words["threshold"] = _number("threshold", given["threshold"])
    return Choices(**given | words)


def _number(name: str, value: Any, fix: str = "give one number, from 0 to 1") -> float:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__") or getattr(value, "ndim", 0) > 0:
        raise UsageError(f"{name}={value!r}", fix=fix)
    return float(value)


def confidence_of(level: Any, resamples: Any, seed: Any) -> Confidence:
    """How sure intervals are to be.

    Raises:
        UsageError: no such number.

    """
    from evalcli.uncertainty.intervals import Confidence

    draws = whole("resamples", resamples, "as in resamples=2000")
    if draws < FEWEST_RESAMPLES:
        what = f"{draws} resamples say nothing of the ends of an interval"
        raise UsageError(what, fix=f"draw {FEWEST_RESAMPLES} or more, as usual 2000", path="resamples")
    start = whole("seed", seed, "from 0", 0)
    try:
        return Confidence(_number("confidence", level, "give one number, as in confidence=0.95"), draws, start)
    except ValueError as e:
        raise UsageError(str(e), fix="as in confidence=0.95, resamples=2000") from e


def whole(name: str, value: Any, example: str, least: int | None = None) -> int:
    """A keyword that is one whole number, of ``least`` or more.

    >>> whole("seed", 3.0, "as in seed=0")
    3

    Raises:
        UsageError: it is none.

    """
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else index(value)
    except TypeError:
        number = None
    axes: int = getattr(value, "ndim", 0)
    if number is None or axes or isinstance(value, bool) or (least is not None and number < least):
        raise UsageError(f"{name}={value!r}", fix=f"give one whole number, {example}")
    return number


def _ranks(topk: Any) -> tuple[int, ...]:
    """Of how many classes the truth may be one; a single number stands for itself."""
    given = topk if hasattr(topk, "__iter__") and not isinstance(topk, (str, bytes)) else [topk]
    return tuple(whole("topk", k, "or several, as in topk=[1, 5]", 1) for k in given)


def bytes_of(ranking_budget: Any) -> int | None:
    """The memory for exact ranks, from a number of MB.

    Raises:
        UsageError: it is none.

    """
    if ranking_budget is None:
        return None
    budget = _number("ranking_budget", ranking_budget, "give a number of MB, as in ranking_budget=64")
    if not 0.0 <= budget < 2**40:
        raise UsageError(f"ranking_budget={ranking_budget!r}", fix="give a number of MB, as in ranking_budget=64")
    return int(budget * 2**20)


def check_rules(rules: Sequence[Any]) -> None:
    """Refuse rules that are no texts.

    Raises:
        UsageError: one is none.

    """
    for rule in rules:
        if not isinstance(rule, str):
            raise UsageError(
                f"{rule!r} is no rule", fix="give each as a text, as in check('accuracy>=0.9', 'mcc>=0.5')"
            )


def check_word(name: str, value: Any) -> None:
    """Refuse a keyword that has one of a few values, and not this one.

    Raises:
        UsageError: it has another.

    """
    if value is not None and value not in _ALLOWED[name]:
        allowed = ", ".join(map(repr, _ALLOWED[name]))
        raise UsageError(f"{name}={value!r}", fix=f"it can be {allowed}")


def check_rows(name: str, value: Any) -> None:
    """Refuse a least number of rows that is none; ``None`` is fine.

    Raises:
        UsageError: it is no whole number from 1.

    """
    if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__") or value < 1):
        raise UsageError(f"{name}={value!r}", fix="give a number of rows, from 1")


def check_running(workers: Any, batch_size: Any = None) -> None:
    """Refuse a number of threads, or of rows in a batch, that cannot be; ``None`` is fine.

    Raises:
        UsageError: it is no whole number from 1, or there would be more than 1,024 threads.

    """
    check_rows("batch_size", batch_size)
    if workers is not None and (
        isinstance(workers, bool) or not hasattr(workers, "__index__") or not 1 <= workers <= MOST_THREADS
    ):
        raise UsageError(f"workers={workers!r}", fix=f"give a number of threads, from 1 to {MOST_THREADS}")


def names_from(labels: Sequence[Any] | int) -> tuple[str, ...]:
    """Class names, each once; a number says how many there are.

    Raises:
        UsageError: one stands twice, or is empty, or they have no order.

    """
    in_order = "give a list of names, in the order of their numbers"
    if isinstance(labels, (str, bytes)):
        raise UsageError(f"labels={labels!r} is one text", fix=in_order)
    if isinstance(labels, Mapping):
        raise UsageError("labels= maps classes", fix=f"{in_order}, as in labels=list(names.values())")
    if isinstance(labels, (set, frozenset)):
        raise UsageError("labels= is a set, which has no order", fix=in_order)
    if not isinstance(labels, Iterable) or getattr(labels, "ndim", 1) == 0:
        return tuple(map(str, range(whole("labels", labels, "or a list of names", 1))))
    names = tuple("" if label is None else name_of(label) for label in labels)
    if not names or "" in names:
        raise UsageError("labels= holds an empty name", fix="give every class a name")
    twice = [name for name in names if names.count(name) > 1] if len({*names}) < len(names) else []
    if twice:
        raise UsageError(f"labels= names {twice[0]!r} twice", fix="name every class once")
    return names


def name_of(label: Any) -> str:
    """A class as reports name it: ``True`` is the class 1.

    >>> name_of(True), name_of(3), name_of("cat")
    ('1', '3', 'cat')
    """
    if isinstance(label, str):
        return str(label)  # numpy's own texts are no other names
    return str(int(label)) if hasattr(label, "__index__") or isinstance(label, bool) else str(label)
