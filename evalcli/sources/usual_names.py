"""The names that columns, keys and arrays usually have, and what the names of score columns say of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SCORE_NAMES = _words(
    "score scores y_score prob probs proba probability probabilities y_prob y_proba pred_proba logit logits"
)
LABEL_NAMES = _words("pred preds prediction predictions predicted predicted_label pred_label y_pred y_hat yhat")
TARGET_NAMES = _words(
    "target targets label labels y y_true true truth ground_truth groundtruth gold gold_label true_label actual "
    "actuals class label_ids references y_test"
)
USUAL_NAMES = frozenset((*SCORE_NAMES, *LABEL_NAMES, *TARGET_NAMES))
ID_NAMES = _words("id ids uid uuid key sample_id example_id image_id row_id guid index idx")
NESTED = tuple(f"{name}." for name in (*SCORE_NAMES, *LABEL_NAMES, "values"))
"""What scores that carry the names of their classes begin with, in a table: arrays of a list are called so, too."""
PREFIXES = (*_words("p_ prob_ probs_ proba_ probability_ score_ logit_ logits_"), *NESTED)


def class_names(names: tuple[str, ...], *, whole: bool = False) -> tuple[str, ...] | None:
    """The classes that columns of scores are named after; ``whole``: but for a usual prefix, by all of their names.

    ``None``, where they are only counted.

    >>> class_names(("p_cat", "p_dog")), class_names(("cat", "car"), whole=True), class_names(("0", "1"), whole=True)
    (('cat', 'dog'), ('cat', 'car'), None)
    """
    count = range(len(names))
    if whole and names in {tuple(map(str, count)), tuple(f"column_{i}" for i in count)}:
        return None
    prefix = shared_prefix(names, known=whole)
    return tuple(name[len(prefix) :] for name in names)


def is_score_name(name: str) -> bool:
    """Whether the name itself says that the values are scores, not labels.

    >>> is_score_name("Logits"), is_score_name("y_pred")
    (True, False)
    """
    return name.lower() in SCORE_NAMES


def shared_prefix(group: Sequence[str], *, known: bool = False) -> str:
    """The prefix of a group: a known one, else (unless it must be ``known``) what all share up to the last ``_``."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in group):
            return prefix
    if known:
        return ""
    shortest = min(group, key=len)
    shared = next((shortest[:end] for end in range(len(shortest), 0, -1) if _all_begin(group, shortest[:end])), "")
    return shared[: shared.rfind("_") + 1] or shared


def _all_begin(group: Sequence[str], prefix: str) -> bool:
    return all(name.startswith(prefix) and len(name) > len(prefix) for name in group)
