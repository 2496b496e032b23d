"""Collections and arithmetic: shared states by construction, copies of what they are made of, values that agree."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch

import evalcli
from evalcli.errors import EmptyError, UsageError
from evalcli.metrics import (
    AUROC,
    F1,
    Accuracy,
    BalancedAccuracy,
    LogLoss,
    Metric,
    MetricCollection,
    Precision,
    Recall,
    TopKAccuracy,
)
from evalcli.metrics.arithmetic import on_numbers

RNG = np.random.default_rng(1)
TARGET = RNG.integers(0, 3, 120)
LOGITS = RNG.normal(size=(120, 3)) + np.eye(3)[TARGET]


class Rows(Metric):
    """A metric of a user's own."""

    def __init__(self):
        super().__init__()
        self.add_state("rows", 0)

    def update(self, preds, target):
        self.rows += len(target)

    def compute(self):
        return self.rows


def every():
    return [Accuracy(), F1(average="macro"), Recall(label=2), AUROC(average="macro"), LogLoss(), TopKAccuracy(k=2)]


def test_a_collection_gives_what_its_members_give():
    both = MetricCollection(every(), rows=Rows())
    for part in (slice(0, 50), slice(50, 120)):
        both.update(LOGITS[part], TARGET[part])
    found = both.compute()
    for metric in every():
        metric.update(LOGITS, TARGET)
        assert found[str(metric)] == metric.compute()
    assert found["rows"] == 120
    assert list(both) == list(found) == list(both.keys())
    assert both["accuracy"] == found["accuracy"]
    assert len(both) == 7


def test_metrics_of_equal_options_share_one_state_and_others_do_not():
    assert len(MetricCollection(every()).states) == 1
    assert len(MetricCollection(Accuracy(), Recall(average="macro", ignore_index=0)).states) == 2
    assert len(MetricCollection(Accuracy(), Rows(), a=Rows()).states) == 3
    rows = Rows()
    assert len(MetricCollection(a=rows, b=rows).states) == 1
    assert len((rows * rows + rows).states) == 1 + 1  # each expression has copied it


def test_a_collection_owns_its_states():
    accuracy = Accuracy()
    accuracy.update(LOGITS, TARGET)
    both = MetricCollection(accuracy, error=1 - accuracy)
    both.update(LOGITS[:1], TARGET[:1])
    assert accuracy.compute() == Accuracy()(LOGITS, TARGET)
    assert both["accuracy"] + both["error"] == 1
    both.reset()
    with pytest.raises(EmptyError, match="no batch yet; call update first"):
        both.compute()


def test_names():
    both = MetricCollection({"a": Accuracy()}, b=F1(average="micro"), prefix="val_", postfix="!")
    both.update(LOGITS, TARGET)
    assert list(both.compute()) == ["val_a!", "val_b!"]
    with pytest.raises(ValueError, match="two metrics are called 'accuracy'"):
        MetricCollection(Accuracy(), Accuracy())
    with pytest.raises(TypeError, match="a str is neither a metric nor a number"):
        MetricCollection("accuracy")


def test_collections_copy_save_merge_and_call():
    both = MetricCollection(every(), twice=2 * Accuracy())
    value = both(LOGITS[:60], TARGET[:60])
    assert value["twice"] == 2 * value["accuracy"] == 2 * Accuracy()(LOGITS[:60], TARGET[:60])
    other = both.fresh()
    other.update(LOGITS[60:], TARGET[60:])
    loaded = both.fresh()
    loaded.load_state_dict(both.state_dict())
    whole = MetricCollection(every(), twice=2 * Accuracy())
    whole.update(LOGITS, TARGET)
    for one in (copy.deepcopy(both), pickle.loads(pickle.dumps(both)), loaded):
        assert one.merge(other).compute() == whole.compute()


P, R = Precision(average="macro"), Recall(average="macro")
EXPRESSIONS = [
    (lambda p, r: 2 * p * r / (p + r)),
    (lambda p, r: abs(p - r) ** 0.5),
    (lambda p, r: -(p**2) + 1 - r),
    (lambda p, r: 1 / p - 2**r),
    (lambda p, r: (p + 1) * (3 - r) / 7),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_arithmetic_of_metrics_is_arithmetic_of_values(expression):
    metric = expression(P, R)
    for part in (slice(0, 50), slice(50, 120)):
        metric.update(LOGITS[part], TARGET[part])
    p, r = evalcli.functional.precision, evalcli.functional.recall
    expected = expression(*(float(one(LOGITS, TARGET, average="macro")) for one in (p, r)))
    assert metric.compute() == expected
    assert len(metric.states) == 1
    assert isinstance(metric.compute(), np.float64)
    tensor = metric.fresh()
    tensor.update(torch.from_numpy(LOGITS), torch.from_numpy(TARGET))
    assert isinstance(tensor.compute(), torch.Tensor)
    assert tensor.compute() == expected
    assert P.stream.is_empty


def test_arithmetic_of_metrics_that_have_seen_something():
    p, r = Precision(average="macro"), Recall(average="macro")
    p.update(LOGITS, TARGET)
    r.update(LOGITS, TARGET)
    f = 2 * p * r / (p + r)
    assert f.compute() == 2 * p.compute() * r.compute() / (p.compute() + r.compute())


def test_what_has_no_value_is_undefined():
    gap = Recall(label=1, labels=3) - Recall(label=2, labels=3)
    gap.update([0, 0], [0, 1])
    assert math.isnan(gap.compute())
    ratio = Accuracy() / (1 - Accuracy())
    ratio.update([0, 1], [0, 1])
    assert math.isnan(ratio.compute())
    assert str(2 * Accuracy() - 1) == "((2 * accuracy) - 1)"
    for operation, values in (
        ("/", [0, 0]),
        ("log", [-1]),
        ("log", [0]),
        ("sqrt", [-1]),
        ("**", [-1, 0.5]),
        ("**", [0, -1]),
    ):
        assert math.isnan(on_numbers(operation, values))
    assert on_numbers("**", [10, 400]) == math.inf
    assert on_numbers("min", [2, math.nan]) != on_numbers("min", [2, math.nan])


def test_arithmetic_with_own_metrics_and_axes():
    class Mean(Metric):
        def __init__(self):
            super().__init__()
            self.add_state("total", np.zeros(3))
            self.add_state("rows", 0)

        def update(self, preds, target):
            self.total = self.total + preds.sum(axis=0)
            self.rows += len(preds)

        def compute(self):
            return self.total / self.rows

    both = 2 * Mean() + Accuracy()
    both.update(LOGITS, TARGET)
    expected = 2 * LOGITS.sum(axis=0) / 120 + Accuracy()(LOGITS, TARGET)
    assert np.array_equal(both.compute(), expected)
    with pytest.raises(TypeError, match="neither a metric nor a number"):
        Accuracy() + "1"


def test_balanced_accuracy_is_in_scope():
    assert BalancedAccuracy()(LOGITS, TARGET) == evalcli.evaluate(LOGITS, TARGET)["balanced_accuracy"]


def test_a_metric_that_comes_late_is_refused():
    accuracy = Accuracy()
    accuracy.update(LOGITS, TARGET)
    with pytest.raises(UsageError, match="batches have been counted"):
        accuracy.stream.also("mcc")
