"""What metric objects do with batches that differ, contradict, or cannot be counted; and where they live."""

import numpy as np
import pandas as pd
import pytest
import torch

import evalcli
from evalcli import functional
from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.metrics import AUROC, F1, Accuracy, Brier, ConfusionCounts, FBeta, LogLoss, Precision, Recall

PROBS = np.array([0.2, 0.7, 0.4])
LOGITS = np.array([-3.0, 2.5, 0.7])
TRUTH = np.array([0, 1, 1])


def test_N04_the_kind_of_scores_is_never_decided_batch_by_batch():
    """Logits that lie in [0, 1] in one batch are counted as the first batch was, or refused."""
    metric = Accuracy()
    metric.update(LOGITS, TRUTH)
    metric.update(np.array([0.4, 0.3]), np.array([1, 1]))  # logits above 0: both right
    assert metric.compute() == 1
    assert metric(np.array([0.4, 0.3]), np.array([1, 1])) == 1  # its own value is read in the same way
    metric = Accuracy()
    metric.update(PROBS, TRUTH)
    with pytest.raises(InputError, match="batches looked like probs of a binary task, and now like logits"):
        metric.update(LOGITS, TRUTH)
    with pytest.raises(InputError, match="say it from the start: scores='logits'"):
        metric.compute()
    metric.reset()
    metric.update(LOGITS, TRUTH)
    assert metric.compute() == 1
    said = Accuracy(scores="logits")
    said.update(PROBS, TRUTH)
    said.update(LOGITS, TRUTH)
    both = np.concatenate([PROBS, LOGITS])
    assert said.compute() == functional.accuracy(both, [*TRUTH, *TRUTH], scores="logits")


def test_parts_under_different_decisions_do_not_merge():
    first, second = AUROC(), AUROC()
    first.update(PROBS, TRUTH)
    second.update(LOGITS, TRUTH)
    with pytest.raises(InputError, match="different decisions"):
        first.merge(second)
    with pytest.raises(ValueError, match="different options"):
        Accuracy().merge(Accuracy(ignore_index=3))
    labels, scores = Accuracy(), Accuracy()
    labels.update([0, 1], [0, 1])
    scores.update([0.2, 0.9], [0, 1])
    with pytest.raises(ValueError, match="give all labels or all scores, of one shape and one dtype"):
        labels.merge(scores)


def test_classes_seen_late():
    metric = F1(average="macro")
    metric.update([0, 1], [0, 1])
    metric.update([2, 3], [2, 5])
    assert metric.compute() == functional.f1([0, 1, 2, 3], [0, 1, 2, 5], average="macro")
    metric = Precision()
    metric.update(np.array([0, 1]), np.array([0, 1]))
    assert metric.compute() == 1
    metric.update(np.array([2]), np.array([2]))
    with pytest.raises(UsageError, match="belongs to one class"):
        metric.compute()


def test_nothing_seen():
    for metric in (Accuracy(), LogLoss()):
        with pytest.raises(EmptyError, match="no batch yet"):
            metric.compute()
        metric.update(np.zeros((0, 3)), np.zeros(0, int))
        with pytest.raises(EmptyError):
            metric.compute()
    metric = Accuracy(ignore_index=1)
    metric.update([1, 1], [1, 1])
    with pytest.raises(EmptyError, match="all 2 rows are left out"):
        metric.compute()


ROWS = np.array([[0.1, 0.9], [np.nan, 0.3], [0.2, 0.8], [0.6, 0.4]], np.float32)
TARGETS = np.array([1, 1, 0, 0])


@pytest.mark.parametrize("cls", [Accuracy, Brier])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_undefined_scores_by_rule(cls, kind):
    for rule in ("drop", "wrong"):
        metric = cls(nan=rule)
        metric.update(kind(ROWS[:2]), kind(TARGETS[:2]))
        metric.update(kind(ROWS[2:]), kind(TARGETS[2:]))
        name = str(metric)
        told = getattr(functional, name)(ROWS, TARGETS, nan=rule)
        assert float(metric.compute()) == told or np.isnan(told)
    metric = cls()
    metric.update(kind(ROWS), kind(TARGETS))
    with pytest.raises(InputError, match=r"not finite.*nan='drop' leaves"):
        metric.compute()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_ignored_rows(kind):
    target = np.array([1, -100, 0, -100])
    metric = Accuracy(ignore_index=-100)
    scores = np.nan_to_num(ROWS)
    metric.update(kind(scores), kind(target))
    assert float(metric.compute()) == 0.5
    weighted = Accuracy(ignore_index=-100)
    weighted.update(kind(scores), kind(target), [3.0, 1.0, 1.0, 1.0])
    assert float(weighted.compute()) == 0.75


@pytest.mark.parametrize("nan", ["error", "drop"])
@pytest.mark.parametrize("truth", [torch.int64, torch.uint8, torch.int16])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.uint8])
def test_ignored_rows_of_types_that_numpy_has_and_has_not(kind, truth, nan):
    """As of a language model that is evaluated on the CPU: both sides come to the count as arrays of one library."""
    target = torch.tensor([1, 100, 0, 100]).to(truth)
    scores = torch.tensor([[1, 3], [2, 0], [0, 5], [7, 1]]).to(kind)
    for preds, labels in ((scores, None), (torch.tensor([1, 0, 1, 0], dtype=torch.uint8), 2)):
        metric = Accuracy(ignore_index=100, nan=nan, labels=labels)
        metric.update(preds, target)
        assert float(metric.compute()) == 0.5


@pytest.mark.parametrize(
    ("preds", "target", "error", "says"),
    [
        ([[0.1, 0.9]], [2], InputError, "outside the classes"),
        ([0], [-1], InputError, "outside the classes"),
        ([0, 1], [0], InputError, "2 predictions but 1 target"),
        (np.zeros((2, 3)), np.zeros(3, int), InputError, r"preds"),
        (["a"], ["b"], InputError, r"name all classes from the start: labels="),
        ([0.5, 2.0], [0, 1], InputError, "scores='probs' or scores='logits'"),
    ],
)
def test_what_cannot_be_counted(preds, target, error, says):
    def counted():
        metric = Accuracy()
        metric.update(preds, target)
        return metric.compute()

    with pytest.raises(error, match=says):
        counted()


def test_texts_need_their_classes():
    metric = Recall(label="7", labels=["3", "7"], task="multiclass")
    metric.update(["3", "7"], ["7", "7"])
    assert metric.compute() == 0.5
    with pytest.raises(InputError, match="'9' is none of the classes"):
        metric.update(["9"], ["7"])


ROW = torch.tensor([[0.2, 0.8], [0.7, 0.3]])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (lambda: np.ma.masked_array(ROW.numpy(), [[False, True], [False, False]]), "preds: masked values"),
        (lambda: ROW.numpy().astype(np.longdouble), "preds: long doubles"),
        (ROW.to_sparse, "preds: sparse or nested"),
        (lambda: torch.nested.nested_tensor([ROW[0], ROW[1, :1]]), "preds: sparse or nested"),
        (lambda: ROW.to("meta"), "preds: a tensor of the meta device"),
    ],
)
def test_what_an_evaluation_refuses_a_metric_refuses(odd, says):
    """Counts of labels look at arrays of numpy and torch themselves: those with more to them must not slip through."""
    metric = Accuracy()
    for _ in range(2):
        with pytest.raises(InputError, match=says):
            metric.update(odd(), np.array([0, 1]))
        metric.update(ROW, np.array([1, 1]))
    assert metric.compute() == 0.5


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_views_and_subclasses_are_their_values():
    for scores in (torch._neg_view(-ROW), np.asmatrix(ROW.numpy()), torch.nn.Parameter(ROW)):
        metric = Accuracy()
        metric.update(scores, np.array([1, 1]))
        assert metric.compute() == 0.5


@pytest.mark.parametrize(
    "kind", [list, pd.Series, torch.from_numpy, lambda w: torch.from_numpy(w).bfloat16(), lambda w: w[:, None]]
)
def test_weights_are_whatever_an_evaluation_takes(kind):
    metric = Accuracy()
    metric.update(ROW, np.array([1, 1]), weight=kind(np.array([3.0, 1.0])))
    assert metric.compute() == 0.75


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        (np.ones(1), r"weights \(1,\) do not fit targets \(2,\)"),
        (2.0, "a float is no array"),
        (np.ma.masked_array([1.0, 1.0], [True, False]), "masked"),
        (np.array([1j, 1]), "complex"),
        (np.array(["2020-01-01"] * 2, "M8[D]"), "texts such as '2020-01-01'"),
        ({"w": [1.0, 2.0]}, "a dict is no array"),
    ],
)
def test_weights_that_an_evaluation_refuses_are_refused(weight, says):
    metric = Accuracy()
    with pytest.raises(InputError, match=says):
        metric.update(ROW, np.array([1, 1]), weight=weight)


def test_batches_of_another_form():
    metric = Accuracy()
    metric.update(np.zeros((2, 3), np.float32), np.array([0, 1]))
    with pytest.raises(InputError, match="give all batches"):
        metric.update(np.zeros((2, 4), np.float32), np.array([0, 1]))
    with pytest.raises(InputError, match="weigh all of them or none"):
        metric.update(np.zeros((2, 3), np.float32), np.array([0, 1]), [1.0, 2.0])
    loss = LogLoss()
    loss.update(np.zeros((2, 3), np.float32), np.array([0, 1]))
    with pytest.raises(InputError, match="a batch of float64"):
        loss.update(np.zeros((2, 3)), np.array([0, 1]))


def test_options_are_checked_at_once():
    with pytest.raises(TypeError, match=r"Accuracy\(\) got an unexpected keyword argument 'beta'; there are "):
        Accuracy(beta=2)
    with pytest.raises(UsageError, match="fbeta needs its beta; as in beta=2"):
        FBeta()
    with pytest.raises(UsageError, match="names no metric"):
        F1(average="median")
    with pytest.raises(UsageError, match="it can be 'error', 'drop', 'wrong'"):
        Accuracy(nan="skip")
    assert FBeta(beta=0.5, average="macro").reading[1] == "fbeta0.5_macro"
    assert Accuracy().higher_is_better
    assert not LogLoss().higher_is_better
    assert repr(Accuracy()) == "<Accuracy accuracy, 0 batches>"


def test_states_follow_their_batches_and_move():
    metric = Accuracy()
    assert metric.device == "cpu"
    metric.update(torch.zeros(2, 3, dtype=torch.bfloat16), torch.tensor([0, 1]))
    assert metric.compute() == 0.5
    assert metric.to("cpu") is metric
    moved = Accuracy().to(torch.device("meta"))
    assert str(moved.device) == "meta"
    state = metric.state_dict()
    assert all(isinstance(array, np.ndarray) for array in state.values())
    other = Accuracy()
    with pytest.raises(ValueError, match="no state of a registered metric"):
        other.load_state_dict({"stream.x": np.zeros(1)})
    other.load_state_dict(state)
    assert other.compute() == 0.5


def test_a_pass_after_saving_still_knows_what_it_showed():
    metric = AUROC()
    metric.update(LOGITS, TRUTH)
    other = AUROC()
    other.load_state_dict(metric.state_dict())
    other.update(PROBS, TRUTH)
    both = np.concatenate([LOGITS, PROBS])
    assert other.compute() == functional.auroc(both, [*TRUTH, *TRUTH])


def test_counting_states_are_metrics_too():
    counts = ConfusionCounts(2)
    counts.update(np.array([0, 1]), np.array([0, 0]))
    assert counts.matrix().tolist() == [[1, 1], [0, 0]]
    assert evalcli.metrics.ConfusionCounts is ConfusionCounts


def test_arrays_of_other_libraries_come_back_as_theirs():
    strict = pytest.importorskip("array_api_strict")
    for metric in (Accuracy(scores="logits"), LogLoss(scores="logits")):
        scores = np.nan_to_num(ROWS)
        metric.update(strict.asarray(scores), strict.asarray(TARGETS))
        value = metric.compute()
        assert type(value) is type(strict.asarray(1.0))
        assert float(value) == getattr(functional, str(metric))(scores, TARGETS, scores="logits")


@pytest.mark.parametrize("metric", [Accuracy, AUROC])
def test_a_device_that_is_not_there_is_refused_when_it_is_asked_for(metric):
    for device in ("nonsense", "", "cpu:7"):
        held = metric()
        with pytest.raises(UsageError, match=r"no device .*; there is"):
            held.to(device)
        assert held.device == "cpu"
