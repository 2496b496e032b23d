"""How sure a model was of single rows: the probability of every class, of the predicted one, and its lead.

Everything is float64, from logits by softmax or sigmoid. Each number follows from its own row alone, by the same
operations wherever the row stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics.probability import sigmoid, softmax

if TYPE_CHECKING:
    from evalcli.sources.base import Array
    from evalcli.task import Task


def class_probabilities(scores: Array, task: Task) -> Array:
    """The probability of each class, ``(n, C)``, from scores ``(n, C)`` in class order or ``(n,)`` of one class of two.

    >>> from evalcli.task import Task
    >>> class_probabilities(np.array([0.25]), Task("binary", "probs", "cut", ("no", "yes"), above=1)).tolist()
    [[0.75, 0.25]]
    """
    if scores.ndim == 2:
        return softmax(scores) if task.scores == "logits" else np.ascontiguousarray(scores, np.float64)
    above = np.asarray(scores, np.float64)
    pair = (sigmoid(above), sigmoid(-above)) if task.scores == "logits" else (above, 1.0 - above)
    both: Array = np.stack(pair if task.above == 0 else pair[::-1], axis=1)
    return both


def certainty(scores: Array, preds: Array, task: Task) -> tuple[Array, Array]:
    """Confidence, the probability of the predicted class, and margin, its lead over the best other one; both ``(n,)``.

    Unless a threshold is not 0.5 the predicted class is the most probable one, and the margin the difference of the
    two highest probabilities: of two classes ``|2p - 1|``. Where a threshold decided against the more probable class
    the margin is below 0. Where there is no prediction (a code below 0) both are NaN.
    """
    probs = class_probabilities(scores, task)
    rows, said = np.arange(len(preds)), np.maximum(preds, 0)
    confidence = probs[rows, said]
    probs = probs.copy()
    probs[rows, said] = -np.inf
    margin = confidence - probs.max(axis=1, initial=-np.inf)
    unsaid = preds < 0
    confidence[unsaid] = margin[unsaid] = np.nan
    return confidence, margin
