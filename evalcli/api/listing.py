"""``evalcli.list_mistakes``: the rows that are wrong, from arrays, frames or files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.inputs import Sides, open_sides
from evalcli.keywords import check_running, choices_of, in_keywords, name_of, with_known_keywords
from evalcli.listing import Search
from evalcli.sources.base import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence


@with_known_keywords
def list_mistakes(  # noqa: PLR0913  # one keyword for each option of the command line
    preds: Any,
    target: Any = None,
    *,
    limit: int | None = 20,
    most_confident: bool = False,
    relative: bool = False,
    suspect_labels: bool = False,
    pair: str | Iterable[str] = (),
    class_: Any = (),
    show: str | Iterable[str] = (),
    weight: Any = None,
    pred: str | None = None,
    id: str | None = None,  # noqa: A002  # the option's name
    where: str | None = None,
    workers: int | None = None,
    task: str | None = None,
    scores: str | None = None,
    threshold: float | None = None,
    positive: Any = None,
    labels: Sequence[Any] | int | None = None,
    ignore_index: int | None = None,
    nan: str = "error",
    class_axis: int | None = None,
) -> list[dict[str, Any]]:
    """List the mistakes themselves, as ``evalcli errors`` does; ``pandas.DataFrame`` makes a frame of the list.

    Args:
        preds: As of ``evaluate``: an array, a column, a frame or a path.
        target: The truth, likewise.
        limit: How many rows; ``None`` or 0: all of them.
        most_confident: The most confident mistakes first, not those of the first rows.
        relative: Of a regression: the errors that are largest beside their targets first.
        suspect_labels: Labels that are likely wrong, by confident learning.
        pair: Only ``"cat:dog"``, cat taken for dog; several in a list.
        class_: Only rows of these classes that were missed, or wrongly called so; only these of several labels or
            outputs.
        show: Further columns of a frame or a file, or arrays beside; ``'p_*'`` for several, ``'*'`` for all.
        weight: One number a row, or the name of its column.
        pred: Which column holds the predictions, where a frame or a file has several.
        id: The column that says what rows are called; two table files pair by it.
        where: Keep the rows of table files for which this SQL holds.
        workers: Threads. No result depends on it.
        task: This and all that follow are as of ``evaluate``.
        scores: ``labels``, ``probs``, ``logits`` or ``values``.
        threshold: The probability from which the positive class, or a label, is predicted (0.5).
        positive: The positive class of a binary task.
        labels: Class names in the order of their numbers, or how many there are.
        ignore_index: Rows whose target is this number are left out.
        nan: Rows with undefined scores: ``error``, ``drop`` or count as ``wrong``.
        class_axis: Which axis holds the classes, 1 or -1, where two readings fit.

    Returns:
        A dict for each row: ``row`` (from 0), ``target``, ``pred``, ``confidence``, ``margin``; of several labels a row
        also the ``label``, with ``score`` for confidence; of a regression ``error``, ``absolute_error`` and
        ``relative_error``, the largest first.

    Raises:
        EvalError: as ``evaluate`` does.

    >>> import evalcli
    >>> evalcli.list_mistakes(["cat", "dog", "owl"], ["cat", "cat", "owl"])
    [{'row': 1, 'target': 'cat', 'pred': 'dog', 'confidence': None, 'margin': None}]

    """
    check_running(workers)
    choices = choices_of(
        task=task,
        scores=scores,
        threshold=threshold,
        positive=positive,
        labels=labels,
        ignore_index=ignore_index,
        nan=nan,
        class_axis=class_axis,
    )
    selection = Selection(
        pred=pred, id=id, where=where, scores="values" if task == "regression" else scores, nan=nan,
        labels=choices.labels, task=task, workers=workers, listing=True,
    )  # fmt: skip
    from evalcli.mistakes import list_mistakes as listed

    if not _is_limit(limit):
        raise UsageError(f"limit={limit!r}", fix="give a number of rows, or None for all of them")
    if not all(isinstance(each, str) for each in _texts(pair)):
        raise UsageError(f"pair={pair!r} is no pair", fix="write it as pair='cat:dog', and several in a list")
    with in_keywords():
        search = Search(
            *(_texts(pair), tuple(map(name_of, _texts(class_))), _texts(show)),
            *(most_confident, suspect_labels, relative),
        )
        with closing(open_sides(Sides(preds, target, weight), selection)) as source:
            found = listed(source, choices, Execution(workers=workers), search)
            names = [column.name for column in found.columns]
            return [
                dict(zip(names, row, strict=True))
                for piece in found.rows(int(limit) if limit else None)
                for row in piece
            ]


def _is_limit(limit: Any) -> bool:
    """Whether it is a number of rows, Python's or numpy's, or none."""
    return limit is None or (hasattr(limit, "__index__") and not isinstance(limit, bool) and limit >= 0)


def _texts(names: Any) -> tuple[Any, ...]:
    return tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else (names,)
