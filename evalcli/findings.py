"""What findings about reports of all tasks have in common: their order, their words, and those that any may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evalcli.report import ClassRow, Report
    from evalcli.sources.base import Note

NAMED = 5
"""How many classes or labels a finding names."""
_TARGET_WORDS = {"target", "targets", "truth", "truths", "gold", "label", "labels", "true", "actual", "actuals"}
_PREDS_WORDS = {
    "pred",
    "preds",
    "prediction",
    "predictions",
    "predicted",
    "score",
    "scores",
    "logit",
    "logits",
    "probs",
    "output",
}


def in_order(found: Iterable[Finding | None], notes: Iterable[Note]) -> tuple[Finding, ...]:
    """What rules ``found``, in the order of their importance, and what ``notes`` say; warnings first."""
    told = [finding for finding in found if finding is not None]
    told += [Finding(note.code, note.level, note.text, note.fix) for note in notes]
    return tuple(sorted(told, key=lambda finding: finding.level != "warning"))


def amount(number: float) -> str:
    """Rows, or their weight.

    >>> amount(1200), amount(1200.25)
    ('1,200', '1,200.25')
    """
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"


def about(
    rows: Sequence[ClassRow], kinds: tuple[str, str], code: str, level: str, told: tuple[str, str]
) -> Finding | None:
    """That each of these ``rows`` is so: one or several of ``kinds``. ``told`` is what they are and what to do."""
    if not rows:
        return None
    what, fix = told
    names = ", ".join(repr(row.name) for row in rows[:NAMED])
    count = f"1 {kinds[0]} is" if len(rows) == 1 else f"{len(rows)} {kinds[1]} are"
    return Finding(code, level, f"{count} {what}: {names}{', …' if len(rows) > NAMED else ''}", fix)


def unusable_rows(dropped: float, wrong: float = 0, one: str = "row", lacks: str = "prediction") -> Finding | None:
    """Rows dropped for want of a usable value, and what counts as ``wrong``: each ``one`` ``lacks`` it."""
    parts = []
    if dropped:
        parts.append("1 row was dropped" if dropped == 1 else f"{amount(dropped)} rows were dropped")
    if wrong:
        many = f"{amount(wrong)} {one}s without a {lacks} count as wrong"
        parts.append(f"1 {one} without a {lacks} counts as wrong" if wrong == 1 else many)
    text = " and ".join(parts) + " (--nan)"
    return Finding("unusable-rows", "warning", text, "find out why the model gave no number there") if parts else None


def weak_slice(report: Report) -> Finding | None:
    """The worst of the slices that a search found to be weaker than the rest."""
    if report.scan is None:
        return None
    from evalcli.scanning import weakslices

    return weakslices.weak_slice(report)


def swapped(paths: tuple[str, str], names: tuple[str, str]) -> Finding | None:
    """A finding where the first of two files, or of two names in them, is called the truth, the second predictions."""
    if paths[0] == paths[1] or not (_are_swapped(*paths) or _are_swapped(*names)):
        return None
    first, second = paths if _are_swapped(*paths) else map(repr, names)
    text = f"the arguments look swapped: {first} was read as predictions, {second} as the truth"
    return Finding("swapped-arguments", "warning", text, "predictions come first: evalcli report PREDS TARGETS")


def _are_swapped(first: str, second: str) -> bool:
    """Whether two names for predictions and truth speak of truth and predictions."""
    one, other = _words(first), _words(second)
    looks = one & _TARGET_WORDS and not one & _PREDS_WORDS
    return bool(looks and other & _PREDS_WORDS and not other & _TARGET_WORDS)


def _words(path: str) -> frozenset[str]:
    """The words in the name of a file."""
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    return frozenset("".join(sign if sign.isalpha() else " " for sign in name).split())
