"""``with_torchmetrics.py PREDS.pt TARGETS.pt CLASSES``: the report of evalcli as a MetricCollection over batches.

Written for speed: the files are mapped, not copied; metrics that share a state share its update (compute groups, the
default); the arguments are not validated (``validate_args=False``), though evalcli checks every label.
"""

import json
import sys

import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCohenKappa,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassMatthewsCorrCoef,
    MulticlassPrecision,
    MulticlassRecall,
)

BATCH = 131_072
PER_CLASS = {
    "precision": MulticlassPrecision,
    "recall": MulticlassRecall,
    "f1": MulticlassF1Score,
    "jaccard": MulticlassJaccardIndex,
}

preds, target = (torch.load(path, mmap=True, weights_only=True) for path in sys.argv[1:3])
options = {"num_classes": int(sys.argv[3]), "validate_args": False}
metrics = {
    f"{name}_{average}": metric(average=average, **options)
    for name, metric in PER_CLASS.items()
    for average in ("none", "macro", "weighted")
}
metrics |= {
    "accuracy": MulticlassAccuracy(average="micro", **options),
    "balanced_accuracy": MulticlassAccuracy(average="macro", **options),
    "mcc": MulticlassMatthewsCorrCoef(**options),
    "kappa": MulticlassCohenKappa(**options),
    "confusion": MulticlassConfusionMatrix(**options),
}
collection = MetricCollection(metrics)
with torch.inference_mode():
    for start in range(0, len(target), BATCH):
        collection.update(preds[start : start + BATCH], target[start : start + BATCH])
    print(json.dumps({name: value.tolist() for name, value in collection.compute().items()}))
