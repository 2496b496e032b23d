"""``sklearn_ranks.py PREDS.pt TARGETS.pt``: the two areas of a binary classifier by scikit-learn, and its answers."""

import json
import sys

import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

preds, target = (torch.load(path, mmap=True, weights_only=True).numpy() for path in sys.argv[1:3])
answers = preds >= 0.5
scores = {
    "accuracy": accuracy_score(target, answers),
    "f1_macro": f1_score(target, answers, average="macro"),
    "auroc": roc_auc_score(target, preds),
    "average_precision": average_precision_score(target, preds),
}
print(json.dumps({name: float(value) for name, value in scores.items()}))
