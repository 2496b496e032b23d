"""``with_sklearn.py PREDS.pt TARGETS.pt``: load two tensors and score them with scikit-learn."""

import sys

import torch
from sklearn_scores import show

preds, target = (torch.load(path, mmap=True, weights_only=True) for path in sys.argv[1:3])
if preds.ndim == 2:
    preds = preds.argmax(dim=1)
show(target.numpy(), preds.numpy())
