"""Text labels: their order, and the two spellings of one class that must never count as two in silence.

A label is the exact text of a cell. Nothing is trimmed, folded or read as a number, so ``1`` and ``1.0`` are two
labels. Where the labels of the two sides would agree after one such step, the input is wrong and says so.
"""

from __future__ import annotations

import re
import unicodedata
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from evalcli.errors import InputError
from evalcli.sources.base import Note
from evalcli.sources.spelling import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?:\.0*)?")
"""What counts as a whole number for the order of classes. The length keeps ``int`` away from its limit."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_POWER = re.compile(r"-?[0-9]\.[0-9]+e[+-][0-9]{2,3}")
TEXTS = "texts-in-rows"
"""The code of what is said where each row holds several texts."""
TRUTH = {"true": "1", "false": "0"}


def class_order(labels: Iterable[str], declared: Sequence[str] | None = None) -> tuple[str, ...]:
    """The distinct labels in class order: as declared, else by value if all are whole numbers, else by code point.

    Labels that the declared order lacks follow it, in the order they would have had without one.

    >>> class_order(["10", "9", "1"]), class_order(["b", "B", "a"]), class_order(["cat", "ant"], ["dog", "cat"])
    (('1', '9', '10'), ('B', 'a', 'b'), ('cat', 'ant'))
    """
    distinct = set(labels)
    if all(WHOLE_NUMBER.fullmatch(label) for label in distinct):
        ordered = sorted(distinct, key=lambda label: (int(label.partition(".")[0]), label))
    else:
        ordered = sorted(distinct)
    if declared is None:
        return tuple(ordered)
    place = {label: index for index, label in enumerate(declared)}
    return tuple(sorted(ordered, key=lambda label: place.get(label, len(place))))


def names_of_numbers(labels: Iterable[str], declared: Sequence[str] | None) -> dict[str, str]:
    """Which declared name each class number of a side stands for: numbers are places, unless the names are numbers.

    A whole number in the notation of ``%e``, which is how ``numpy.savetxt`` writes all, is that number.

    >>> names_of_numbers(["0", "2"], ["cat", "dog", "owl"]), names_of_numbers(["0", "2"], ["2", "0"])
    ({'0': 'cat', '2': 'owl'}, {})
    >>> names_of_numbers(["3.000000000000000000e+00", "1e3", "2.5e+00"], None)
    {'3.000000000000000000e+00': '3'}
    """
    found = set(labels) - {*(declared or ())}
    whole = {label: str(int(float(label))) for label in sorted(found) if _is_whole_power(label)}
    found = {whole.get(label, label) for label in labels}
    if declared is None or found & {*declared} or all(map(_is_class_number, declared)):
        return whole
    if not all(_is_class_number(label.removeprefix("-")) for label in found):
        return whole
    names = {label: declared[int(label)] for label in sorted(found) if "-" not in label and int(label) < len(declared)}
    return names | {label: names.get(number, number) for label, number in whole.items()}


def _is_whole_power(label: str) -> bool:
    return _POWER.fullmatch(label) is not None and abs(float(label)) < 2**53 and float(label).is_integer()


def is_number(text: str) -> bool:
    """Whether a text reads as a number of any kind."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_class_number(label: str) -> bool:
    return label.isascii() and label.isdecimal() and len(label) < 19 and label == str(int(label))


class Likeness(NamedTuple):
    """One way in which two texts can mean one class: ``key`` maps both to the same text."""

    name: str
    key: Callable[[str], str]
    what: str
    fix: str
    meaningful: bool = False
    """Whether a careful person may well have two classes that differ only so (``a`` and ``A``)."""


def _number(label: str) -> str:
    """The value of a decimal number in one spelling, without going through a float: ``007`` and ``7.0`` give ``7``."""
    text = label.strip()
    if not NUMBER.fullmatch(text) or "e" in text.lower():
        return label
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return value if value == "0" else sign + value


_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|\+00:00)?")


def _moment(label: str) -> str:
    """A moment in the fewest letters: ``2024-01-31 00:00:00``, and the same with a ``T`` and a ``Z``, is the day."""
    found = _MOMENT.fullmatch(moment(label.strip()))
    if found is None:
        return label
    day, minute, seconds = found[1], found[2] or "00:00", found[3] or ""
    clock = minute + (seconds.rstrip("0").rstrip(".") if "." in seconds else seconds).removesuffix(":00")
    return day if clock == "00:00" else f"{day} {clock}"


LIKENESSES = (
    Likeness("spaces", str.strip, "differ only by spaces around the text", "remove the spaces on both sides"),
    Likeness(
        "unicode",
        lambda label: unicodedata.normalize("NFC", label),
        "look the same and differ only in Unicode composition (NFC and NFD)",
        "normalise both sides to NFC",
    ),
    Likeness(
        "number",
        _number,
        "are the same number in two spellings",
        "write both sides in one way (integers, for example)",
    ),
    Likeness(
        "moment", _moment, "are the same moment in two spellings", "write both sides in one way (dates, for example)"
    ),
    Likeness(
        "case", str.casefold, "differ only in upper and lower case", "write both sides in one case", meaningful=True
    ),
    Likeness(
        "truth",
        lambda label: TRUTH.get(label.strip().lower(), label),
        "are true/false on one side and 1/0 on the other",
        "write both sides in one way",
    ),
)


def check_labels(target: Iterable[str], preds: Iterable[str], path: str = "") -> tuple[Note, ...]:
    """Refuse two sets of labels that would agree after one rule; note single labels that look like another.

    Raises:
        InputError: the sides do not match but would but for spaces, Unicode composition, the spelling of numbers
            or moments, true/false against 1/0, or case; or one side holds names and the other numbers.

    """
    truth, said = set(target), set(preds)
    notes = []
    told: set[tuple[str, str]] = set()
    for likeness in LIKENESSES:
        pairs = _crossing(truth - said, said - truth, likeness.key)
        if pairs and _is_mismatch(truth, said, pairs, meaningful=likeness.meaningful):
            raise _mismatch(likeness, pairs, path)
        twins = [pair for pair in _twins(truth | said, likeness.key) if pair not in told]
        told.update(twins)
        if twins:
            count = f"{len(twins)} pairs of labels" if len(twins) > 1 else "two labels"
            first, second = twins[0]
            notes.append(
                Note(f"labels-{likeness.name}", f"{count} {likeness.what}: {first!r} and {second!r}", likeness.fix)
            )
    _refuse_names_against_numbers(truth, said, path)
    return tuple(notes)


def text_for_numbers(classes: Iterable[str]) -> tuple[Note, ...]:
    """What is said of one side stored as text beside another kind, where some ``classes`` may be told by either."""
    if not any(is_number(name) or name in TRUTH for name in classes):
        return ()
    text = "one side is stored as text, the other is not, and the text '1' and the number 1 count as one class"
    return (Note("text-for-numbers", text, "store both sides as one type"),)


def texts_in_rows(shape: Sequence[int]) -> tuple[Note, ...]:
    """What is said of texts ``shape`` of which each row holds several: they may be meant as sets of labels.

    >>> texts_in_rows((2, 3))[0].text
    'every row holds 3 texts, and each of them is a decision of its own, as of a word: 6 in 2 rows'
    """
    rows, each = shape[0], prod(shape[1:])
    if each < 2:
        return ()
    text = f"every row holds {each} texts, and each of them is a decision of its own, as of a word"
    fix = "of sets of labels give an (N, L) array of 0 and 1, a column for each label"
    return (Note(TEXTS, f"{text}: {rows * each:,} in {rows:,} rows", fix),)


def _crossing(truth: set[str], said: set[str], key: Callable[[str], str]) -> list[tuple[str, str]]:
    """Pairs (target, prediction) of labels that one side lacks and that are one after the rule."""
    by_key = {key(label): label for label in sorted(truth, reverse=True)}
    return [(by_key[folded], label) for label in sorted(said) if (folded := key(label)) in by_key]


def _is_mismatch(truth: set[str], said: set[str], pairs: list[tuple[str, str]], *, meaningful: bool) -> bool:
    shared = truth & said
    if not shared:
        return True
    explained_truth, explained_said = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    explains_a_side = explained_truth == truth - said or explained_said == said - truth
    return explains_a_side and (not meaningful or len(pairs) >= len(shared))


def _mismatch(likeness: Likeness, pairs: list[tuple[str, str]], path: str) -> InputError:
    target, pred = pairs[0]
    more = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
    return InputError(
        f"target label {target!r} and predicted label {pred!r}{more} {likeness.what}", fix=likeness.fix, path=path
    )


def _twins(labels: set[str], key: Callable[[str], str]) -> list[tuple[str, str]]:
    if len(set(map(key, labels))) == len(labels):
        return []
    seen: dict[str, str] = {}
    twins = []
    for label in sorted(labels):
        first = seen.setdefault(key(label), label)
        if first != label:
            twins.append((first, label))
    return twins


def _refuse_names_against_numbers(truth: set[str], said: set[str], path: str) -> None:
    if not truth or not said or truth & said:
        return
    numbers = [all(WHOLE_NUMBER.fullmatch(label) for label in side) for side in (truth, said)]
    words = [not any(NUMBER.fullmatch(label) for label in side) for side in (truth, said)]
    if (numbers[0] and words[1]) or (words[0] and numbers[1]):
        raise InputError(
            f"targets such as {min(truth)!r} and predictions such as {min(said)!r} have no label in common: "
            "names on one side, numbers on the other",
            fix="name the classes in the order of their numbers, --labels a,b,c, or write names on both sides",
            path=path,
        )
