"""Messages in the words of the caller: ``ignore_index=-1`` where the command line says ``--ignore-index -1``."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evalcli.errors import EvalError

if TYPE_CHECKING:
    from collections.abc import Iterator

_VALUES = "error|drop|wrong|probs|logits|labels|values|binary|multiclass|multilabel|regression"
_FLAG = re.compile(rf"--([a-z][a-z-]*)(?:[ =]({_VALUES}|-?[0-9][0-9.]*(?![\w,])|(?<=positive.)[^\s,;]+)(?!\w))?")


def as_keywords(text: str) -> str:
    """``text`` with options of the command line as keyword arguments.

    >>> as_keywords("--nan drop leaves them out; check --labels, or add --ignore-index -100")
    "nan='drop' leaves them out; check labels=, or add ignore_index=-100"
    """

    def spoken(match: re.Match[str]) -> str:
        name, value = match[1].replace("-", "_"), match[2]
        if value is None:
            return f"{name}="
        return f"{name}={repr(value) if name == 'positive' or not value[-1].isdigit() else value}"

    return _FLAG.sub(spoken, text)


@contextmanager
def in_keywords() -> Iterator[None]:
    """Errors raised inside speak of keyword arguments."""
    try:
        yield
    except EvalError as error:
        error.what, error.fix = as_keywords(error.what), as_keywords(error.fix)
        error.args = (error.what,)
        raise
