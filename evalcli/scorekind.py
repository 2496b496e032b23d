"""What every task of scores asks of them: their kind, where a threshold cuts them, how well they were stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalcli.errors import EvalError, InputError, UsageError, several
from evalcli.sources.base import Note
from evalcli.task import logit

if TYPE_CHECKING:
    from evalcli.evidence import Evidence
    from evalcli.sources.base import Field
    from evalcli.task import Choices
    from evalcli.threshold import Chosen

EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23}
"""What stored types resolve below 1; float8 says it itself, everything else is kept as float64."""
SINGLE = ("float16", "bfloat16", "float32", "float8")
"""Types that arrive as float32."""
_HALF_OFF = 0.02
"""Softmax in bfloat16 seldom sums to less than 0.98."""
_NEAR = 1e-6
"""What is off by less is so in float32, too."""


def eps_of(dtype: str) -> float:
    """What a stored type resolves below 1.

    >>> eps_of("float32") == 2.0**-23, eps_of("int64") == 2.0**-52
    (True, True)
    """
    if dtype.startswith("float8"):
        import ml_dtypes

        return float(ml_dtypes.finfo(getattr(ml_dtypes, dtype)).eps)
    return EPS.get(dtype, 2.0**-52)


def check_threshold(choices: Choices) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        UsageError: it is none.

    """
    if choices.threshold is not None and not 0 <= choices.threshold <= 1:
        raise UsageError(
            f"--threshold {choices.threshold:g}",
            fix="it is a probability, from 0 to 1; of logits the sigmoid is compared",
        )


def cut_of(choices: Choices, threshold: float, scores: str) -> tuple[float, EvalError | None]:
    """The score from which the positive class is predicted; of a saved choice the very one that was chosen."""
    chosen = choices.chosen
    cut = threshold if scores != "logits" else logit(threshold)
    if chosen is None:
        return cut, None
    if chosen.labels:
        message = "the thresholds were chosen for each label of a multilabel task, and this one is binary"
        return cut, UsageError(message, fix="choose again", path=chosen.path)
    if (doubt := chosen_on_others(chosen, scores)) is not None:
        return cut, doubt
    return cut if chosen.cut is None else chosen.cut, None


def chosen_on_others(chosen: Chosen, scores: str) -> EvalError | None:
    """A threshold on probabilities says nothing about logits, nor the other way round."""
    if chosen.scores == scores:
        return None
    message = f"the threshold was chosen on {chosen.scores}, and these scores are {scores}"
    return UsageError(message, fix="say what they are with --scores, or choose again", path=chosen.path)


def one_sided(preds: Field, evidence: Evidence) -> EvalError | None:
    """Scores of one class that are all positive and not all below 1 may be anything: percentages, a slip, logits."""
    if not evidence.doubtful:
        return None
    return InputError(
        f"scores from {evidence.pred_low:.8g} to {evidence.pred_high:.8g}: beyond 1, so no probabilities; "
        "none below 0, so hardly logits",
        fix="bring them into [0, 1], or say what they are with --scores probs or --scores logits",
        path=preds.path,
    )


def named_probs(preds: Field, evidence: Evidence) -> EvalError | None:
    """What is called a probability should be one; so should ``p_CLASS``, where nothing below 0 says otherwise."""
    name = preds.name.lower()
    if "prob" not in name and not (name.startswith("p_") and evidence.doubtful):
        return None
    return InputError(
        f"{preds.name!r} holds values from {evidence.pred_low:.8g} to {evidence.pred_high:.8g}, no probabilities",
        fix="mend them, or say --scores logits",
        path=preds.path,
    )


def never_negative(scores: str, choices: Choices, evidence: Evidence) -> tuple[Note, ...]:
    """Score columns that were taken for logits, though none is below 0: percentages and votes look the same."""
    if scores != "logits" or choices.scores is not None or not evidence.doubtful:
        return ()
    ends = f"{evidence.pred_low:.4g} to {evidence.pred_high:.4g}"
    text = f"scores from {ends} are taken as logits, though none is below 0"
    fix = "divide percentages and votes by their sum, and save that; if these are logits, say --scores logits"
    return (Note("never-negative", text, fix, "warning"),)


def no_probabilities(preds: Field, evidence: Evidence) -> EvalError:
    """What is said to be probabilities, and is beyond 0 and 1."""
    where = f"values from {evidence.pred_low:g} to {evidence.pred_high:g}"
    return InputError(f"not probabilities: {where}", fix="use --scores logits", path=preds.path)


def few_digits(evidence: Evidence, width: int) -> str:
    """What looks to have been done to rows of ``width`` probabilities whose sums are a little off; empty if nothing.

    A number of ``d`` decimals is off by half of the last one at most, and the sum is a whole number of these.
    """
    worst = evidence.off_worst
    for decimals in (1, 2, 3):
        unit = 10.0**-decimals
        if abs(worst - round(worst, decimals)) < _NEAR and worst <= width * unit / 2 + _NEAR:
            return f"rounded to {several(decimals, 'decimal')}"
    return "kept in half precision" if 0.0 < worst <= _HALF_OFF else ""


def nothing_to_cut(path: str) -> UsageError:
    """What to say where a threshold is sought and there are no scores."""
    fix = "save probabilities or logits; if these are scores, say so with --scores probs or --scores logits"
    return UsageError("the predictions are labels, and a threshold cuts scores", fix=fix, path=path)


def threshold_of_labels(choices: Choices) -> EvalError | None:
    """A threshold has nothing to cut where the predictions are labels."""
    if choices.threshold is not None or choices.chosen is not None:
        return UsageError("--threshold, but the predictions are labels", fix="give scores, or drop --threshold")
    return None
