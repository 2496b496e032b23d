"""What to say of a keyword that a function does not have: which one is meant.

Other libraries, and the command line, have other names for the same. Only an error imports this module.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_MEANT = {
    "preds": ("y_pred", "y_score", "y_prob", "y_proba", "predictions", "prediction", "input"),
    "target": ("y_true", "y_test", "y", "targets", "truth", "references"),
    "weight": ("sample_weight", "sample_weights", "weights"),
    "labels": ("class_names", "target_names", "num_classes", "n_classes", "num_labels"),
    "positive": ("pos_label", "positive_class", "positive_label"),
    "topk": ("top_k", "k"),
    "by": ("slices", "slice_by", "group_by", "groupby", "sensitive_features"),
    "cluster": ("groups", "group", "clusters"),
    "nan": ("nan_policy", "nans", "missing"),
    "metrics": ("metric", "names"),
    "confidence": ("confidence_level", "level", "ci"),
    "resamples": ("n_resamples", "n_bootstrap", "n_boot", "num_bootstraps", "bootstrap", "bootstraps"),
    "seed": ("random_state", "random_seed", "rng"),
    "workers": ("n_jobs", "num_workers", "threads", "n_threads"),
}
"""Keyword → what others call it."""
_ADVICE = (
    (("no_intervals", "intervals"), "partial", "confidence=None computes no intervals"),
    (("alpha",), "confidence", "confidence= is 1 - alpha, as in confidence=0.95"),
    (("average",), "metrics", "an average is part of a name, as in metrics='f1_macro'"),
    (("names",), "flips", "models are called as their columns are, as in pandas.Series(scores, name='new')"),
    (("min", "max", "gate", "gates"), "metrics", "what is returned is judged by .check('accuracy>=0.9')"),
    (("output", "o", "path"), "metrics", "what is returned is written by .save('report.json')"),
)
"""What a function that has the keyword in the middle says of others."""


def unknown_keyword(function: str, name: str, known: Collection[str]) -> TypeError:
    """The error of a call of ``function`` with a keyword that is not ``known``.

    >>> print(unknown_keyword("evaluate", "sample_weight", ("preds", "target", "weight")))
    evaluate() got an unexpected keyword argument 'sample_weight'; did you mean weight=?
    """
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}; {_hint(name, known)}")


def _hint(name: str, known: Collection[str]) -> str:
    for others, where, said in _ADVICE:
        if name in others and where in known:
            return said
    meant = [keyword for keyword, others in _MEANT.items() if name in others and keyword in known]
    near = meant or get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}=?" if near else f"there are {', '.join(sorted(known))}"
