"""``torchmetrics_scores.py PREDS.pt TARGETS.pt CLASSES``: labels, ranks and calibration as one MetricCollection.

What evalcli's report of logits says, as far as torchmetrics has it: it lacks log loss, Brier's split, equal-mass and
classwise calibration, mean rank, selective prediction and the temperature. AUROC and average precision are exact
(``thresholds=None``), as ours are within their budget.
"""

import json
import sys

import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassAveragePrecision,
    MulticlassCalibrationError,
    MulticlassCohenKappa,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
    MulticlassPrecision,
    MulticlassRecall,
)

BATCH = 131_072

preds, target = (torch.load(path, mmap=True, weights_only=True) for path in sys.argv[1:3])
options = {"num_classes": int(sys.argv[3]), "validate_args": False}
counted = {"precision": MulticlassPrecision, "recall": MulticlassRecall, "f1": MulticlassF1Score}
collection = MetricCollection(
    {f"{n}_{a}": m(average=a, **options) for n, m in counted.items() for a in ("none", "macro", "weighted")}
    | {
        "accuracy": MulticlassAccuracy(average="micro", **options),
        "top3_accuracy": MulticlassAccuracy(average="micro", top_k=3, **options),
        "mcc": MulticlassMatthewsCorrCoef(**options),
        "kappa": MulticlassCohenKappa(**options),
        "confusion": MulticlassConfusionMatrix(**options),
        "auroc_macro": MulticlassAUROC(average="macro", **options),
        "average_precision_macro": MulticlassAveragePrecision(average="macro", **options),
        "ece": MulticlassCalibrationError(n_bins=15, **options),
    }
)
with torch.inference_mode():
    for start in range(0, len(target), BATCH):
        # logits or probabilities must not be decided batch by batch
        collection.update(preds[start : start + BATCH].softmax(dim=1), target[start : start + BATCH])
    print(json.dumps({name: value.tolist() for name, value in collection.compute().items()}))
