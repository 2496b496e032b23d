"""Several labels a row in the columns of a table: which columns hold the cells of which label, on either side.

Several outputs of a regression lie in columns as several labels do: what is said of labels here holds for them.

A group is a column for each label (``y_cat``, ``y_dog``), found by what its names begin with or as the user listed
them, or a single column of lists. Columns of the two sides belong together by the name of their label, never by their
place; only a list of numbers has no names, and goes by place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError, UsageError
from evalcli.sources.naming import FLAGS, near_name, no_weight
from evalcli.sources.usual_names import ID_NAMES, LABEL_NAMES, PREFIXES, SCORE_NAMES, TARGET_NAMES, USUAL_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evalcli.sources.base import Selection

TARGET_PREFIXES = (
    *("y_", "y_true_", "true_", "truth_", "target_", "targets_", "label_", "labels_", "gold_", "actual_"),
    *(f"{name}." for name in TARGET_NAMES),
)
SAID_PREFIXES = (
    *PREFIXES,
    *("pred_", "preds_", "prediction_", "predicted_", "y_pred_", "y_hat_", "yhat_"),
    *("y_score_", "y_prob_", "y_proba_", "pred_proba_"),
)
LISTS = ("list", "texts")
SHOWN = 5


class Group(NamedTuple):
    """The columns of one side. ``labels`` are the names they carry; ``None`` for a single column of lists."""

    columns: tuple[str, ...]
    labels: tuple[str, ...] | None


class Names(NamedTuple):
    """The columns of one file with their kinds, its path, and what one of them is called."""

    kinds: Mapping[str, str]
    path: str
    noun: str = "column"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names."""
        return tuple(self.kinds)


class LabelColumns(NamedTuple):
    """Both sides, with their columns in the same order of labels where both have names; weight and key."""

    preds: Group
    target: Group
    weight: str | None = None
    key: str | None = None

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the labels; ``None`` where neither side has any."""
        return self.preds.labels or self.target.labels


def unlike_labels(preds: Sequence[str], target: Sequence[str], path: str) -> InputError:
    """What to say where each side names labels that the other lacks."""
    one, other = set(preds), set(target)
    lacking = {
        "the target lacks": [name for name in preds if name not in other],
        "the predictions lack": [name for name in target if name not in one],
    }
    said = " and ".join(f"{side} {_some(names)}" for side, names in lacking.items() if names)
    return InputError(f"the sides name different labels: {said}", fix="give both sides the same labels", path=path)


def find_labels(preds: Names, target: Names | None, selection: Selection) -> LabelColumns | None:
    """The columns of several labels a row; ``None`` where one column is the target, as in any other task.

    ``target`` is ``None`` where one file holds both sides.

    Raises:
        UsageError: the selection names something that is not there.
        InputError: the labels of the two sides differ, or several groups could be meant.

    """
    if selection.task == "binary":
        return None
    weight = _optional(selection.weight, preds, target)
    found = _Search(preds, target, selection, {name for name in (weight, selection.id) if name is not None}).pair()
    if found is None:
        return None
    return LabelColumns(*_in_step(*found, path=preds.path), weight, selection.id)


def find_target_labels(names: Names, selection: Selection) -> Group | None:
    """The columns of several labels a row in a file that holds nothing but the truth, beside a tensor."""
    taken = {name for name in (selection.weight, selection.id) if name is not None}
    wanted = _asked(selection.target, names, "target", taken)
    if wanted is not None or selection.target is not None or selection.task == "binary":
        return wanted
    usual = _usual(names, TARGET_NAMES, taken)
    if usual is not None:
        return Group((usual,), None) if names.kinds[usual] in LISTS else None
    groups = [group for group in _groups(names, TARGET_PREFIXES, taken).values() if len(group.columns) > 1]
    if len(groups) == 1:
        return groups[0]
    free = _bare(names, taken | _sliced(selection, names))
    return Group(free, free) if selection.task == "multilabel" and free else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _optional(name: str | None, *files: Names | None) -> str | None:
    """A name that one of the files must have.

    Raises:
        UsageError: none has.

    """
    there = [file for file in files if file is not None]
    if name is None or any(name in file.kinds for file in there):
        return name
    raise no_weight(name, [each for file in there for each in file.kinds], there[-1].path)


def _usual(names: Names, usual: Iterable[str], taken: set[str]) -> str | None:
    """The first name that is usual for a side as a whole."""
    return next((name for name in names.kinds if name.lower() in usual and name not in taken), None)


# What was asked for.


def _asked(text: str | None, names: Names, role: str, taken: set[str]) -> Group | None:
    """The group that a pattern, a list of columns or a column of lists means; ``None`` for one column, or nothing."""
    if text is None:
        return None
    if text in names.kinds:
        return Group((text,), None) if names.kinds[text] in LISTS else None
    if text.endswith("*"):
        stem = text[:-1]
        found = tuple(name for name in names.kinds if name.startswith(stem) and name != stem and name not in taken)
        found = found or _refuse(f"no {names.noun} begins with {stem!r}", names, role)
        prefix = stem if stem.endswith(("_", "-", ".")) or not stem else _common_start(found)
        return Group(found, tuple(name.removeprefix(prefix) for name in found))
    if "," not in text:
        return None
    listed = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in listed:
        if name not in names.kinds:
            near = near_name(name, names.kinds)
            _refuse(
                f"no {names.noun} {name!r}" + (f"; did you mean {near!r}?" if near is not None else ""), names, role
            )
        if listed.count(name) > 1:
            raise UsageError(f"{FLAGS[role]} names {name!r} twice", fix="name every column once", path=names.path)
    return Group(listed, _labels_of(listed, TARGET_PREFIXES if role == "target" else SAID_PREFIXES))


def _refuse(what: str, names: Names, role: str) -> tuple[str, ...]:
    raise UsageError(what, fix=f"{names.noun}s are {_some(names.columns)}; choose with {FLAGS[role]}", path=names.path)


def _labels_of(columns: Sequence[str], prefixes: Iterable[str]) -> tuple[str, ...]:
    """Names without what they all begin with: a usual prefix, else all up to the last mark that they share."""
    usual = [prefix for prefix in prefixes if all(name.startswith(prefix) and name != prefix for name in columns)]
    prefix = max(usual, key=len, default="") or _common_start(columns)
    return tuple(name.removeprefix(prefix) for name in columns)


def _common_start(columns: Sequence[str]) -> str:
    """What several names share from the start up to the last ``_``."""
    if len(columns) < 2:
        return ""
    low, high = min(columns), max(columns)
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[: low.rfind("_", 0, shared) + 1]


# What the names tell.


def _groups(names: Names, prefixes: Sequence[str], taken: set[str]) -> dict[str, Group]:
    """Groups by what their names begin with: each name under the longest of all usual prefixes."""
    every = sorted({*TARGET_PREFIXES, *SAID_PREFIXES}, key=len, reverse=True)
    found: dict[str, list[str]] = {}
    for name in names.kinds:
        if name in taken or name.lower() in USUAL_NAMES or name.lower() in ID_NAMES:
            continue
        prefix = next((prefix for prefix in every if name.startswith(prefix) and name != prefix), None)
        if prefix is not None and prefix in prefixes:
            found.setdefault(prefix, []).append(name)
    return {
        prefix: Group(tuple(group), tuple(name.removeprefix(prefix) for name in group))
        for prefix, group in found.items()
    }


def _sliced(selection: Selection, *files: Names) -> set[str]:
    """The columns that rows are sliced by: no labels, unless a prefix says that they are."""
    if not selection.by:
        return set()
    from evalcli.sources.bounds import columns_of

    known = {name for file in files for name in file.kinds}
    return {name for by in selection.by for name in columns_of(by, known)}


def _bare(names: Names, taken: set[str]) -> tuple[str, ...]:
    """The columns that may hold cells: no id, no weight, no index without a name."""
    readable = (name for name, kind in names.kinds.items() if name and kind not in (*LISTS, "other"))
    return tuple(name for name in readable if name not in taken and name.lower() not in ID_NAMES)


class _Search:
    """What is known on the way to two groups that belong together. ``taken`` are columns of another use."""

    def __init__(self, preds: Names, target: Names | None, selection: Selection, taken: set[str]) -> None:
        self.preds, self.truth, self.selection, self.taken = preds, target or preds, selection, taken
        self.two_files = target is not None
        self.wanted = _asked(selection.target, self.truth, "target", taken)
        self.said = _asked(selection.pred, preds, "prediction", taken)
        self.usual = selection.target or _usual(self.truth, TARGET_NAMES, taken)
        if self.usual is None:
            sets = [name for name, kind in self.truth.kinds.items() if kind == "texts" and name not in taken]
            self.usual = sets[0] if len(sets) == 1 and sets[0] != selection.pred else None
        if self.wanted is None and self.usual is not None and self.truth.kinds.get(self.usual) in LISTS:
            self.wanted = Group((self.usual,), None)

    @property
    def named(self) -> bool:
        """Whether several labels are what the user means: then it is an error to find none."""
        return self.selection.task == "multilabel" or (self.wanted is not None and self.wanted.labels is not None)

    def pair(self) -> tuple[Group, Group] | None:
        """Predictions and target; ``None`` where this is another task."""
        if self.wanted is None and self.usual is not None and self.selection.task != "multilabel":
            return None
        if self.wanted is not None and self.wanted.labels is None:
            return self._beside_list(self.wanted)
        return self._singles() or self._by_name()

    def _singles(self) -> tuple[Group, Group] | None:
        """One label, in a column of each side."""
        if self.said is not None or self.wanted is not None or self.usual is None:
            return None
        pred = self.selection.pred or _usual(self.preds, (*SCORE_NAMES, *LABEL_NAMES), self.taken | {self.usual})
        if pred is None or self.usual not in self.truth.kinds or self.preds.kinds.get(pred, "list") in LISTS:
            return None
        return Group((pred,), (self.usual,)), Group((self.usual,), (self.usual,))

    def _beside_list(self, wanted: Group) -> tuple[Group, Group] | None:
        """The predictions that go with a target of lists: lists themselves, else a column for each label."""
        if self.said is not None:
            return self.said, wanted
        taken = self.taken | set(wanted.columns)
        usual = self.selection.pred or _usual(self.preds, (*SCORE_NAMES, *LABEL_NAMES), taken)
        if usual is not None and self.preds.kinds.get(usual) in LISTS:
            return Group((usual,), None), wanted
        groups = [group for group in _groups(self.preds, SAID_PREFIXES, taken).values() if len(group.columns) > 1]
        return (groups[0], wanted) if len(groups) == 1 else None

    def _by_name(self) -> tuple[Group, Group] | None:
        """The two groups with the same labels, as far as they were not asked for themselves."""
        targets = {"": self.wanted} if self.wanted is not None else _groups(self.truth, TARGET_PREFIXES, self.taken)
        said = {"": self.said} if self.said is not None else _groups(self.preds, SAID_PREFIXES, self.taken)
        if self.selection.pred is not None and self.said is None:
            said = {}  # one column was named
        pairs = [(one, other) for one in said for other in targets if _share(said[one], targets[other])]
        alike = [(one, other) for one, other in pairs if _alike(said[one], targets[other])]
        if len(alike) > 1:
            flag = "--pred" if len({one for one, _ in alike}) > 1 else "--target"
            found = sorted({f"{one if flag == '--pred' else other}*" for one, other in alike})
            raise InputError(
                f"several groups of columns hold the same labels: {_some(found)}",
                fix=f"choose with {flag}",
                path=self.preds.path,
            )
        if not alike and self.two_files and (bare := self._bare_pair(said)) is not None:
            return bare
        if pairs:
            one, other = (alike or pairs)[0]
            return said[one], targets[other]
        return self._nothing(said, targets) if self.named else None

    def _bare_pair(self, said: Mapping[str, Group]) -> tuple[Group, Group] | None:
        """Two files whose columns are called as the labels are, on one side or on both."""
        if self.wanted is not None:
            labels = self.wanted.labels or ()
            here = self.said is None and set(labels) <= set(self.preds.kinds)
            return (Group(labels, labels), self.wanted) if here else None
        for group in said.values():
            if len(group.columns) > 1 and group.labels is not None and set(group.labels) <= set(self.truth.kinds):
                return group, Group(group.labels, group.labels)
        taken = self.taken | _sliced(self.selection, self.preds, self.truth)
        mine, theirs = _bare(self.preds, taken), _bare(self.truth, taken)
        both = [name for name in mine if name in theirs and name.lower() not in USUAL_NAMES]
        if self.said is not None or not both:
            return None
        if self.named:
            return Group(mine, mine), Group(theirs, theirs)
        if (
            len(both) > 1
            and not said
            and self.selection.pred is None
            and _usual(self.preds, USUAL_NAMES, set()) is None
        ):
            what = f"both files have the {self.preds.noun}s {_some(both)}, and none with a usual name"
            fix = "if these are the labels of a row, say --task multilabel; else choose with --pred and --target"
            raise InputError(what, fix=fix, path=self.preds.path)
        return None

    def _nothing(self, said: Mapping[str, Group], targets: Mapping[str, Group]) -> tuple[Group, Group]:
        """No two groups belong together, though they are what is meant.

        Raises:
            InputError: with what there is.

        """
        for one in said.values():
            for other in targets.values():
                if one.labels is not None and other.labels is not None:
                    raise unlike_labels(one.labels, other.labels, self.preds.path)
        side, names = ("predictions", self.preds) if targets else ("target", self.truth)
        flags = "--target 'y_*' --pred 'p_*', or lists of names between commas"
        raise InputError(
            f"no {names.noun}s for the {side} of several labels are found",
            fix=f"call them y_LABEL and p_LABEL, or say {flags}; {names.noun}s are {_some(names.columns)}",
            path=names.path,
        )


def _share(one: Group, other: Group) -> bool:
    """Whether two groups have a label in common, or one of them has no names."""
    return one.labels is None or other.labels is None or bool(set(one.labels) & set(other.labels))


def _alike(one: Group, other: Group) -> bool:
    """Whether two groups have the same labels."""
    return one.labels is None or other.labels is None or set(one.labels) == set(other.labels)


def _in_step(preds: Group, target: Group, path: str) -> tuple[Group, Group]:
    """Both groups with their labels in the order of the predictions.

    Raises:
        InputError: one side has labels that the other lacks.

    """
    if preds.labels is None or target.labels is None or preds.labels == target.labels:
        return preds, target
    if set(preds.labels) != set(target.labels):
        raise unlike_labels(preds.labels, target.labels, path)
    columns = dict(zip(target.labels, target.columns, strict=True))
    return preds, Group(tuple(columns[label] for label in preds.labels), preds.labels)
