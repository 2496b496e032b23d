"""Hugging Face: ``Trainer(compute_metrics=compute_metrics("accuracy", "f1_macro"))``.

Importing this imports nothing of theirs: the trainer hands over arrays and takes back a dict of numbers.

>>> import numpy as np
>>> compute = compute_metrics("accuracy", "f1_macro")
>>> compute((np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 1])))
{'accuracy': 1.0, 'f1_macro': 1.0}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

IGNORED = -100
"""The label that their collators give to what does not count."""


def compute_metrics(
    *metrics: str, ignore_index: int | None = IGNORED, on_report: Callable[[Any], None] | None = None, **options: Any
) -> Callable[[Any], dict[str, float]]:
    """A function for ``Trainer(compute_metrics=…)``.

    Args:
        metrics: Names as in ``evalcli metrics``; none: those of a report, which the undefined ones are left out of.
        ignore_index: Labels that do not count; tokens labelled so are left out.
        on_report: Called with the whole report of each evaluation: to print it, to save it, to check gates.
        options: Keywords of ``evalcli.evaluate``.

    Returns:
        From an ``EvalPrediction``, or a pair (predictions, labels), a dict of plain numbers. Where a model returns
        several outputs the first are the logits, as the trainer itself takes it.

    """

    def computed(prediction: Any) -> dict[str, float]:
        import evalcli

        preds, labels = (getattr(prediction, name, None) for name in ("predictions", "label_ids"))
        if preds is None:
            preds, labels = prediction
        preds = preds[0] if isinstance(preds, (tuple, list)) and hasattr(preds[0], "shape") else preds
        labels = labels[0] if isinstance(labels, (tuple, list)) and hasattr(labels[0], "shape") else labels
        report = evalcli.evaluate(preds, labels, metrics=metrics or None, ignore_index=ignore_index, **options)
        if on_report is not None:
            on_report(report)
        return {name: value.value for name, value in report.data.metrics.items() if value.value is not None}

    return computed
