"""The tester that users import: good metrics pass, each broken law is named."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassCohenKappa
from torchmetrics.regression import MeanSquaredError

import evalcli
from evalcli.metrics import AUROC, F1, Accuracy, LogLoss, MetricCollection, TopKAccuracy
from evalcli.testing import check_metric

RNG = np.random.default_rng(0)
TARGET = RNG.integers(0, 3, 40)
TARGET[:12] = [0, 1, 2] * 4
LOGITS = RNG.normal(size=(40, 3)) + np.eye(3)[TARGET]


class Rows(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("rows", 0)

    def update(self, preds, target):
        self.rows += len(target)

    def compute(self):
        return self.rows


@pytest.mark.parametrize(
    "metric", [Accuracy(), F1(average="macro"), LogLoss(), TopKAccuracy(k=2), 1 - Accuracy(), MulticlassCohenKappa(3)]
)
def test_good_metrics_pass_to_the_bit(metric):
    check_metric(metric, LOGITS, TARGET, rel=0)
    check_metric(metric, torch.from_numpy(LOGITS), torch.from_numpy(TARGET), cuts=[(5,), (20, 30)], rel=0)


def test_expected_values_weights_and_collections():
    check_metric(Accuracy(), LOGITS, TARGET, expected=(LOGITS.argmax(1) == TARGET).mean())
    check_metric(Accuracy(), LOGITS, TARGET, weight=RNG.random(40), rel=0)
    check_metric(MetricCollection(Accuracy(), AUROC(average="macro")), LOGITS, TARGET, cuts=[(12, 30)])
    check_metric(MeanSquaredError(), LOGITS[:, 0], LOGITS[:, 1], expected=lambda p, t: ((p - t) ** 2).mean(), rel=1e-5)
    with pytest.raises(AssertionError, match=r"Accuracy: the value is the expected one: .* is not 0\.1"):
        check_metric(Accuracy(), LOGITS, TARGET, expected=0.1)
    with pytest.raises(ValueError, match="at least ten rows"):
        check_metric(Rows(), LOGITS[:5], TARGET[:5])


class Untidy(Rows):
    def update(self, preds, target):
        super().update(preds, target)
        preds[0] = 0


class Counting(Rows):
    def compute(self):
        self.rows += 1
        return self.rows


class Batches(Rows):
    def update(self, preds, target):
        self.rows += 1


class Forgetful(Rows):
    def merge(self, other):
        return self


class FirstWins(Rows):
    def merge(self, other):
        if not self.rows:
            self.rows = other.rows
        return self


class Unsaved(Rows):
    def state_dict(self):
        return {"rows": np.array(0)}


class Sticky(Rows):
    def reset(self):
        self.rows = getattr(self, "rows", 0)


class Shared(Rows):
    def __deepcopy__(self, memo):
        return self


class Silent(Rows):
    def __call__(self, preds, target):
        return len(target)


class Loud(Rows):
    def __call__(self, preds, target):
        self.update(preds, target)
        return self.rows


@pytest.mark.parametrize(
    ("metric", "law"),
    [
        (Untidy(), "inputs stay untouched"),
        (Counting(), "compute changes nothing"),
        (Batches(), "any split into batches"),
        (Forgetful(), "merging parts gives the whole"),
        (FirstWins(), "merging parts gives the whole"),
        (Unsaved(), "a saved state is the state"),
        (Sticky(), "a reset metric is a fresh one"),
        (Shared(), "a copy is a metric of its own"),
        (Silent(), "a call counts its batch"),
        (Loud(), "a call gives the value of its batch"),
    ],
)
def test_each_broken_law_is_named(metric, law):
    with pytest.raises(AssertionError, match=f"{type(metric).__name__}: ({law})"):
        check_metric(metric, LOGITS.copy(), TARGET)
