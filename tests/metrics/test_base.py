"""What user subclasses rely on."""

import copy
import pickle

import numpy as np
import pytest
import torch

from evalcli.metrics import ClassCounts, ExactSum, Metric


class Extremes(Metric):
    """Uses every kind of state; forgets ``super().__init__()`` on purpose."""

    def __init__(self, shift=0):
        self.shift = shift
        self.add_state("total", default=np.zeros(2, np.int64))
        self.add_state("rows", default=0)
        self.add_state("least", default=np.inf, reduce="min")
        self.add_state("greatest", default=np.full(1, -np.inf), reduce="max")
        self.add_state("seen", default=[], reduce="cat")
        self.add_state("product", default=1, reduce=lambda mine, theirs: mine * theirs)
        self.add_state("exact", default=ExactSum())
        self.add_state("inner", default=ClassCounts(3))

    def update(self, preds, target):
        self.total = self.total + np.bincount(preds, minlength=2)[:2]
        self.rows += len(preds)
        self.least = min(self.least, float(preds.min()))
        self.greatest = np.maximum(self.greatest, preds.max())
        self.seen.append(preds)
        self.product *= 2
        self.exact.add(preds * 0.1)
        self.inner.update(preds, target)

    def compute(self):
        return self.rows


def fed(*batches):
    metric = Extremes(shift=7)
    for batch in batches:
        metric.update(np.array(batch), np.zeros(len(batch), np.int64))
    return metric


def states(metric):
    return {name: value.tolist() for name, value in metric.state_dict().items()}


def test_every_reduction_merges():
    first, second = fed([0, 1]), fed([2, 1, 0])
    kept = states(second)
    assert first.merge(second) is first
    assert states(first) == states(fed([0, 1], [2, 1, 0]))
    assert states(second) == kept
    assert first.compute() == 5
    assert first.product == 4


def test_fresh_is_the_identity_with_the_same_configuration():
    metric = fed([0, 1])
    empty = metric.fresh()
    assert empty.shift == 7
    assert empty.rows == 0
    before = states(metric)
    assert states(metric.merge(empty)) == before
    assert states(metric.fresh().merge(metric)) == before


def test_states_are_not_shared():
    first, second = fed([1]), fed([1])
    first.reset()
    assert states(first) == states(Extremes())
    assert second.seen
    assert Extremes().seen == []


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_and_pickles(again):
    state = ClassCounts(3, weighted=True)
    state.update(np.array([0, 1, 2]), np.array([0, 1, 1]), weight=np.array([0.1, 0.2, 0.3]))
    copied = again(state)
    copied.update(np.array([0]), np.array([0]), weight=np.array([1.0]))
    assert copied.compute().n != state.compute().n
    assert state.rows == 3


def test_state_dict_round_trip():
    metric = fed([0, 1], [2])
    again = metric.fresh()
    again.load_state_dict(metric.state_dict())
    assert states(again) == states(metric)
    assert isinstance(again.rows, int)
    empty = metric.fresh()
    again.load_state_dict(empty.state_dict())
    assert states(again) == states(empty)


def test_what_is_saved_is_looked_through_once_not_for_each_part():
    class Looked(dict):
        times = 0

        def __iter__(self):
            self.times += 1
            return super().__iter__()

        def items(self):
            self.times += 1
            return super().items()

    saved = Looked(fed([0]).state_dict())
    Extremes().load_state_dict(saved)
    assert saved.times == 1


def test_load_refuses_what_does_not_belong():
    state = fed([0]).state_dict()
    with pytest.raises(ValueError, match="no state 'other'"):
        Extremes().load_state_dict(state | {"other": np.zeros(1)})
    del state["rows"]
    with pytest.raises(ValueError, match="lacks its state 'rows'"):
        Extremes().load_state_dict(state)


def test_to_moves_states_and_what_reset_returns_to():
    metric = Metric()
    metric.add_state("total", np.zeros(2))
    metric.add_state("parts", [], reduce="cat")
    metric.parts.append(np.ones(1))
    assert isinstance(metric.to("cpu").total, np.ndarray)
    metric.to(torch.device("cpu"))
    assert isinstance(metric.total, torch.Tensor)
    assert metric.total.dtype == torch.float64
    assert isinstance(metric.parts[0], torch.Tensor)
    metric.reset()
    assert isinstance(metric.total, torch.Tensor)
    other = metric.fresh()
    other.total += 2
    assert metric.merge(other).total.tolist() == [2.0, 2.0]
    assert metric.fresh().total.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "default", "reduce", "match"),
    [
        ("a b", 0, "sum", "identifier"),
        ("update", 0, "sum", "taken"),
        ("x", 0, "median", "reduce must be"),
        ("x", [], "sum", "cat state"),
        ("x", 0, "cat", "cat state"),
    ],
)
def test_add_state_refuses(name, default, reduce, match):
    with pytest.raises(ValueError, match=match):
        Metric().add_state(name, default, reduce)


def test_merge_refuses_another_kind_and_the_base_has_nothing_to_say():
    with pytest.raises(TypeError, match="Extremes cannot merge a ClassCounts"):
        Extremes().merge(ClassCounts(3))
    with pytest.raises(NotImplementedError, match="update"):
        Metric().update(1, 2)
    with pytest.raises(NotImplementedError, match="compute"):
        Metric().compute()


class MeanGap(Metric):
    """A mean of each batch, as code of training loops has it."""

    def __init__(self, default=0.0):
        super().__init__()
        self.add_state("error", default, reduce="mean")
        self.add_state("batches", 0)

    def update(self, preds, target):
        self.error = self.error + abs(preds - target).mean()
        self.batches += 1

    def compute(self):
        return self.error


class MeanOfBatches(MeanGap):
    def update(self, preds, target):
        super().update(preds, target)


@pytest.mark.parametrize("kind", [MeanGap, MeanOfBatches])
@pytest.mark.parametrize("default", [0, 0.0, np.zeros(()), torch.tensor(0.0, dtype=torch.float64)])
def test_a_mean_is_by_rows_so_that_no_split_shows(kind, default):
    from evalcli.testing import check_metric

    rng = np.random.default_rng(0)
    preds, target = rng.normal(size=50), rng.normal(size=50)
    expected = float(np.abs(preds - target).mean())
    if isinstance(default, torch.Tensor):
        preds, target = torch.from_numpy(preds), torch.from_numpy(target)
    check_metric(kind(default), preds, target, expected=expected)
    metric = kind(default)
    first = metric(preds[:7], target[:7])
    assert float(first) == pytest.approx(float(abs(preds[:7] - target[:7]).mean()))
    metric.update(preds=preds[7:], target=target[7:])
    assert metric.batches == 2
    assert metric.mean_rows == 50
    assert float(metric.compute()) == pytest.approx(expected)
    again = pickle.loads(pickle.dumps(metric))
    again.update(preds[:1], target[:1])
    assert again.mean_rows == 51
    other = kind(default)
    other.load_state_dict(metric.state_dict())
    assert float(other.merge(kind(default)).compute()) == float(metric.compute())
    other.reset()
    assert (other.mean_rows, float(other.compute())) == (0, 0.0)


def test_reductions_are_spelt_as_torchmetrics_does():
    class Theirs(Metric):
        def __init__(self):
            super().__init__()
            self.add_state("total", default=torch.tensor(0.0), dist_reduce_fx="sum")
            self.add_state("most", default=torch.tensor(-1e9), dist_reduce_fx=lambda both: both.amax(dim=0))
            self.add_state("seen", default=[], dist_reduce_fx="cat")

        def update(self, preds, target):
            self.total += torch.sum(preds - target)
            self.most = torch.maximum(self.most, preds.max())
            self.seen.append(preds)

        def compute(self):
            return {"total": self.total, "most": self.most, "rows": sum(len(part) for part in self.seen)}

    first, second = Theirs(), Theirs()
    first.update(torch.tensor([1.0, 5.0]), torch.tensor([0.0, 1.0]))
    second.update(torch.tensor([9.0]), torch.tensor([3.0]))
    assert first.merge(second).compute() == {"total": 11.0, "most": 9.0, "rows": 3}
    with pytest.raises(ValueError, match="reduce must be one of mean, sum, min, max, cat or a callable"):
        Theirs().add_state("more", 0.0, dist_reduce_fx="median")
