"""Which column, key or array holds which side: the usual names, or what the user said.

A name is taken when the user gave it, when it is the only usual one, or when nothing else is there. Everything else is
an error that lists what there is and the flag that chooses: a wrong guess would be a wrong number without a trace.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError, UsageError, several
from evalcli.shell import word
from evalcli.sources.labels import is_number
from evalcli.sources.usual_names import (
    ID_NAMES,
    LABEL_NAMES,
    NESTED,
    PREFIXES,
    SCORE_NAMES,
    TARGET_NAMES,
    class_names,
    shared_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.errors import Faulty
    from evalcli.sources.base import Selection


FLAGS = {"prediction": "--pred", "target": "--target", "weight": "--weight", "id": "--id"}
SHOWN_NAMES = 12
ALL = "*"
"""What stands for all columns that nothing else is."""


class Chosen(NamedTuple):
    """The names that were found: ``pred`` holds several where each class has a score column of its own."""

    pred: tuple[str, ...]
    target: str | None
    weight: str | None
    id: str | None
    classes: tuple[str, ...] | None = None
    """The class names that score columns carry: ``p_cat`` gives ``cat``."""


def choose(
    names: Sequence[str],
    selection: Selection,
    path: str,
    *,
    both: bool,
    kind: str = "column",
    text: bool = True,
    arrays: bool = False,
) -> Chosen:
    """Find predictions among ``names`` and, with ``both``, the target as well.

    ``kind`` is the word for one of them in messages: ``column``, ``key`` or ``field``. Columns of ``text`` have a line
    of names above them, which may be missing. The names of ``arrays`` have dots between keys and places in lists.

    Raises:
        UsageError: the selection names something that is not there, or not once.
        InputError: nothing was selected and no name, or more than one, is a usual one.

    """
    stock = _Stock(tuple(names), path, kind, kind == "column" and text, arrays)
    weight = stock.optional(selection.weight, "weight", required=both)
    key = stock.optional(selection.id, "id", required=False)
    target = stock.named(selection.target, "target") if both and selection.target is not None else None
    taken = {name for name in (weight, key, target) if name is not None}
    if both and target is None and selection.pred not in (None, ALL):
        taken.update(stock.predictions(str(selection.pred), taken)[0])
    if both and target is None:
        if selection.pred is None:
            stock.check_any_usual(taken)
        target = stock.usual(TARGET_NAMES, "target", taken)
        taken.add(target)
    if selection.pred is not None:
        pred, grouped = stock.predictions(selection.pred, taken)
    else:
        pred, grouped = stock.find_predictions(taken, alone=not both)
    if target is not None and target in pred:
        what = f"{kind} {target!r} cannot be both prediction and target"
        raise UsageError(what, fix="name two with --pred and --target", path=path)
    without_names = kind == "column" and not selection.options.get("header", True)
    classes = class_names(pred, whole=selection.pred == ALL) if grouped and not without_names else None
    stem = (selection.pred or "").removesuffix(ALL)
    if grouped and stem.startswith(NESTED):  # 'scores.LABEL_*' are the classes 0, 1, …
        classes = tuple(name.removeprefix(stem) for name in pred)
    return Chosen(pred, target, weight, key, classes)


def choose_target(names: Sequence[str], selection: Selection, path: str, *, kind: str = "column") -> Chosen:
    """Find the target in a file that holds nothing but the truth; ``pred`` of the result is empty.

    Raises:
        UsageError: as :func:`choose`.
        InputError: as :func:`choose`.

    """
    stock = _Stock(tuple(names), path, kind, kind == "column")
    weight = stock.optional(selection.weight, "weight", required=False)
    key = stock.optional(selection.id, "id", required=False)
    if selection.target is not None:
        return Chosen((), stock.named(selection.target, "target"), weight, key)
    taken = {name for name in (weight, key) if name is not None}
    return Chosen((), stock.usual(TARGET_NAMES, "target", taken, alone=True), weight, key)


def check_order(preds: Sequence[str], target: Sequence[str], paths: tuple[str, str], selection: Selection) -> None:
    """Refuse two files whose names say that they are the other way round, or that each is a whole by itself.

    The second is what a shell makes of ``report shard*.csv``: predictions of one shard against the truth of another.

    Raises:
        InputError: the first holds a usual name for the target only, the second one for predictions only; or both files
            hold both sides.

    """
    if selection.pred is not None or selection.target is not None:
        return
    if all(_Stock(tuple(names), "", "column").is_whole() for names in (preds, target)):
        raise InputError(
            f"holds predictions and the truth, and so does {paths[1]}",
            fix="several files of one table are a quoted pattern ('shard*.csv'); if one is the truth of the other, "
            "say --pred and --target",
            path=paths[0],
        )
    truth = _Stock(tuple(preds), paths[0], "column").only_usual("target")
    said = _Stock(tuple(target), paths[1], "column").only_usual("prediction")
    if truth is not None and said is not None:
        raise InputError(
            f"the arguments look swapped: it holds {truth!r}, {paths[1]} {said!r}",
            fix=f"predictions come first: evalcli report {word(paths[1])} {word(paths[0])}; "
            "if not, say --pred and --target",
            path=paths[0],
        )


def is_whole(names: Sequence[str]) -> bool:
    """Whether there are usual names for predictions and for the truth.

    >>> is_whole(["id", "y_pred", "label"]), is_whole(["y_pred"])
    (True, False)
    """
    return _Stock(tuple(names), "", "column").is_whole()


def only_side(names: Sequence[str]) -> str | None:
    """The side that these names speak of, where they are usual for one of them only.

    >>> only_side(["id", "y_pred"]), only_side(["label"]), only_side(["label", "logits"])
    ('prediction', 'target', None)
    """
    stock = _Stock(tuple(names), "", "column")
    return next((role for role in ("prediction", "target") if stock.only_usual(role) is not None), None)


@dataclass(frozen=True, slots=True)
class _Stock:
    """The names of one file, and how to speak about them."""

    names: tuple[str, ...]
    path: str
    kind: str
    is_text: bool = False
    are_arrays: bool = False

    def is_whole(self) -> bool:
        """Whether there are usual names for both sides."""
        return all(self._by_role().values())

    def named(self, name: str, role: str) -> str:
        count = self.names.count(name)
        if count == 1:
            return name
        if count > 1:
            raise InputError(f"{self.kind} {name!r} occurs {count} times", fix="give it one name once", path=self.path)
        near = near_name(name, self.names)
        hint = f"; did you mean {near!r}?" if near is not None else ""
        raise UsageError(
            f"no {self.kind} {name!r}{hint}",
            fix=f"{self._listed()}; choose with {FLAGS[role]}{self._header_hint()}",
            path=self.path,
        )

    def optional(self, name: str | None, role: str, *, required: bool) -> str | None:
        if name is None or (name not in self.names and not required):
            return None
        return self.named(name, role)

    def predictions(self, name: str, taken: set[str]) -> tuple[tuple[str, ...], bool]:
        """One name, or the group that ``p_*`` stands for, or ``*``: all but what is ``taken``, and ids."""
        if name in self.names or not name.endswith("*"):
            return (self.named(name, "prediction"),), False
        group = tuple(each for each in self.names if each.startswith(name[:-1]) and len(each) >= len(name))
        if name == ALL:
            group = tuple(each for each in group if each not in taken and each.lower() not in ID_NAMES)
        if len(group) < 2:
            which = "are left" if name == ALL else f"begin with {name[:-1]!r}"
            raise UsageError(
                f"{len(group)} {self.kind}s {which}, scores need at least 2",
                fix=f"{self._listed()}; choose with --pred",
                path=self.path,
            )
        return group, True

    def find_predictions(self, taken: set[str], *, alone: bool) -> tuple[tuple[str, ...], bool]:
        groups = [group for prefix in PREFIXES if len(group := self._group(prefix, taken)) > 1]
        grouped = {name for group in groups for name in group}
        singles = [name for name in self._usual(LABEL_NAMES + SCORE_NAMES, taken) if name not in grouped]
        found = [*((f"{shared_prefix(group)}*", group) for group in groups), *((name, (name,)) for name in singles)]
        if len(found) > 1:
            raise self._ambiguous("prediction", [name for name, _ in found])
        if alone and found and found[0][0] == "score" and "label" in self.names and "label" not in taken:
            raise InputError(
                "'label' and 'score' could be an answer and how sure the model was of it, or the truth and the score "
                "of the positive class",
                fix="a pipeline's answers are --pred label; choose between --pred label and --pred score",
                path=self.path,
            )
        if found:
            name, group = found[0]
            return group, name.endswith("*") and len(group) > 1
        rest = self._usual(TARGET_NAMES, taken) if alone else ()
        if len(rest) == 1:  # a file of predictions alone may well call them labels
            return (rest[0],), False
        return (self._only(taken, "prediction", alone=alone),), False

    def check_any_usual(self, taken: set[str]) -> None:
        """Refuse names of which none is usual for either side: their order does not tell them apart."""
        named = self._usual(TARGET_NAMES + LABEL_NAMES + SCORE_NAMES, taken)
        if named or any(self._group(prefix, taken) for prefix in PREFIXES) or len(self.names) < 2:
            return
        hint = self._spaced("target") or self._spaced("prediction")
        raise InputError(
            f"no {self.kind} has a usual name for predictions or targets{hint}",
            fix=f"{self._listed()}; choose with --target NAME --pred NAME{self._header_hint()}",
            path=self.path,
        )

    def only_usual(self, role: str) -> str | None:
        """A name that is usual for ``role``, where no name is usual for the other one."""
        found = self._by_role()
        other = found["prediction" if role == "target" else "target"]
        return found[role][0] if found[role] and not other else None

    def _by_role(self) -> dict[str, list[str]]:
        """The usual names of each side."""
        groups = [f"{prefix}*" for prefix in PREFIXES if len(self._group(prefix, set())) > 1]
        return {
            "target": list(self._usual(TARGET_NAMES, set())),
            "prediction": [*groups, *self._usual(LABEL_NAMES + SCORE_NAMES, set())],
        }

    def usual(self, usual: Sequence[str], role: str, taken: set[str], *, alone: bool = False) -> str:
        found = self._usual(usual, taken)
        if len(found) > 1:
            raise self._ambiguous(role, found)
        return found[0] if found else self._only(taken, role, alone=alone)

    def _usual(self, usual: Sequence[str], taken: set[str]) -> tuple[str, ...]:
        free = [name for name in self.names if name not in taken]
        exact = tuple(name for name in free if name in usual)
        return exact or tuple(name for name in free if name.lower() in usual)

    def _group(self, prefix: str, taken: set[str]) -> tuple[str, ...]:
        if self.are_arrays and prefix in NESTED:
            return ()
        return tuple(name for name in self.names if name.startswith(prefix) and name != prefix and name not in taken)

    def _only(self, taken: set[str], role: str, *, alone: bool) -> str:
        free = [name for name in self.names if name not in taken]
        if alone and len(free) == 2:
            free = [name for name in free if name.lower() not in ID_NAMES]
        if alone and len(free) == 1:
            if self.is_text and (not free[0].strip() or is_number(free[0])):
                raise first_line(free[0], role, self.path)
            return free[0]
        hint = self._spaced(role)
        choose = f"choose with {FLAGS[role]}" + (
            ", or name the file that holds it last" if role == "target" and not alone else ""
        )
        raise InputError(
            f"no {self.kind} has a usual name for the {role}{hint}",
            fix=f"{self._score_hint(role, free)}{self._listed()}; {choose}{self._header_hint()}",
            path=self.path,
        )

    def _score_hint(self, role: str, free: Sequence[str]) -> str:
        """What to say where one column, or several without a prefix, may hold the scores."""
        alone = [(name, prefix) for name in free for prefix in PREFIXES if name.startswith(prefix) and name != prefix]
        if role != "prediction" or self.kind == "key":
            return ""
        if len(alone) == 1:
            name, positive = alone[0][0], alone[0][0].removeprefix(alone[0][1])
            said = f"--pred {word(name)} --positive {word(positive)}"
            return f"if {name!r} is the score of the class {positive!r}: {said}; "
        return (
            f"scores in one {self.kind} for each class: call them p_CLASS, or say --pred 'p_*', or --pred '*' for all; "
            if len(free) > 1
            else ""
        )

    def _ambiguous(self, role: str, found: Sequence[str]) -> InputError:
        counts = Counter(found)
        twice = next((name for name, count in counts.items() if count > 1), None)
        what = f"{self.kind} {twice!r} occurs {counts[twice]} times" if twice is not None else ""
        return InputError(
            what or f"several {self.kind}s could be the {role}: {_list(found)}",
            fix="give it one name once" if what else f"choose with {FLAGS[role]}",
            path=self.path,
        )

    def _listed(self) -> str:
        return f"{self.kind}s are {_list(self.names)}" if self.names else f"there is no {self.kind}"

    def _spaced(self, role: str) -> str:
        """A usual name but for spaces around it: the commonest way to miss one."""
        usual = TARGET_NAMES if role == "target" else LABEL_NAMES + SCORE_NAMES
        near = [name for name in self.names if name != name.strip() and name.strip().lower() in usual]
        return f"; did you mean {near[0]!r}?" if near else ""

    def _header_hint(self) -> str:
        if not self.is_text or not _looks_like_data(self.names):
            return ""
        first = ",".join(self.names[:SHOWN_NAMES])
        return f" (the first line is {first!r}: no header? use --no-header)"


def first_line(name: str, role: str, path: str) -> InputError:
    """What to say of a single column whose name may be the first row of a file without names."""
    return InputError(
        f"the first line is {name!r}: a row, or the name of the column",
        fix=f"--no-header counts it as a row, {FLAGS[role]} {word(name)} takes it for the name",
        path=path,
    )


def repeated_names(path: str, found: Faulty) -> InputError:
    """What is said of rows that are the names of the columns again."""
    places = ", ".join(found.places)
    what = f"{several(found.rows, 'row')} repeat{'s' * (found.rows == 1)} the names of the columns ({places})"
    return InputError(what, fix="leave such rows out, or give the files as a pattern ('shard*.csv')", path=path)


def near_name(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant: equal but for spaces or case, else the closest spelling.

    >>> near_name("p", ["y", " p"]), near_name("Target", ["targt", "x"]), near_name("a", ["b"])
    (' p', 'targt', None)
    """
    pool = list(names)
    for same in (str.strip, lambda text: text.strip().casefold()):
        matches = [each for each in pool if same(each) == same(name)]
        if matches:
            return matches[0]
    folded = {each.casefold(): each for each in pool}
    close = get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else None


def no_weight(name: str, known: Sequence[str], path: str) -> UsageError:
    """What to say of weights that are in no file."""
    near = near_name(name, known)
    hint = "" if near is None else f"; did you mean {near!r}?"
    fix = f"columns are {', '.join(map(repr, known))}; choose with --weight"
    return UsageError(f"no column {name!r} to weigh by{hint}", fix=fix, path=path)


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether a header could be a row: a number, a repeated or empty name, or not one usual name in it."""
    known = {*TARGET_NAMES, *LABEL_NAMES, *SCORE_NAMES, *ID_NAMES}
    if any(name.strip().lower() in known for name in names):
        return False
    return len(set(names)) < len(names) or any(is_number(name) for name in names) or len(names) <= 2


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
