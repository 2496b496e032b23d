"""The report of evalcli by scikit-learn: what its user guide lists for a classifier."""

import json
from typing import Any

from sklearn.metrics import (
    balanced_accuracy_score,
    classification_report,
    cohen_kappa_score,
    confusion_matrix,
    jaccard_score,
    matthews_corrcoef,
)


def show(target: Any, preds: Any) -> None:
    report = classification_report(target, preds, output_dict=True, zero_division=0)
    scores = {
        "accuracy": report["accuracy"],
        "f1_macro": report["macro avg"]["f1-score"],
        "balanced_accuracy": balanced_accuracy_score(target, preds),
        "mcc": matthews_corrcoef(target, preds),
        "kappa": cohen_kappa_score(target, preds),
        "jaccard": jaccard_score(target, preds, average=None).tolist(),
        "confusion": confusion_matrix(target, preds).tolist(),
    }
    print(json.dumps(scores))
