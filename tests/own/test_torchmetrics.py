"""Metrics of torchmetrics: given batches, merged by their own reductions, equal to what they say of the whole."""

import copy
import itertools
import pickle
import warnings

import numpy as np
import pytest
import torch
import torchmetrics
from memory_source import MemorySource
from torchmetrics import MeanMetric, MinMetric
from torchmetrics import classification as tm
from torchmetrics import regression as tr

import evalcli
from evalcli.engine import Execution
from evalcli.integrations.torchmetrics import Adapted
from evalcli.loading import own_metrics
from evalcli.merging import merge
from evalcli.metrics import Accuracy, MetricCollection
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.sources.base import InputFile
from evalcli.task import Choices

RNG = np.random.default_rng(0)
TARGET = RNG.integers(0, 4, 200)
LOGITS = (RNG.normal(size=(200, 4)) + np.eye(4)[TARGET]).astype(np.float32)
PROBS = torch.from_numpy(LOGITS).softmax(1).numpy()
VALUES, TRUTH = RNG.normal(size=200).astype(np.float32), RNG.normal(size=200).astype(np.float32)

OF_CLASSES = [
    tm.MulticlassAccuracy(4),
    tm.MulticlassCohenKappa(4),
    tm.MulticlassMatthewsCorrCoef(4),
    tm.MulticlassF1Score(4, average=None),
    tm.MulticlassConfusionMatrix(4),
    tm.MulticlassAUROC(4),
    tm.MulticlassAveragePrecision(4, thresholds=20),
    tm.MulticlassCalibrationError(4),
    tm.MulticlassHingeLoss(4),
    tm.MulticlassSpecificity(4),
    tm.MulticlassJaccardIndex(4, average="weighted"),
    tm.MulticlassStatScores(4, average="micro"),
]
warnings.simplefilter("ignore")  # Spearman's constructor says that it keeps all rows
OF_VALUES = [
    tr.MeanSquaredError(),
    tr.MeanAbsoluteError(),
    tr.R2Score(),
    tr.ExplainedVariance(),
    tr.PearsonCorrCoef(),
    tr.SpearmanCorrCoef(),
    tr.MeanAbsolutePercentageError(),
    tr.KendallRankCorrCoef(),
]
warnings.resetwarnings()
CASES = [(metric, PROBS, TARGET) for metric in OF_CLASSES] + [(metric, VALUES, TRUTH) for metric in OF_VALUES]
IDS = [type(metric).__name__ for metric, *_ in CASES]
each = pytest.mark.parametrize(("metric", "preds", "target"), CASES, ids=IDS)


def plain(result):
    return np.asarray(torch.as_tensor(result), dtype=np.float64)


@each
def test_batches_and_merged_parts_equal_the_whole(metric, preds, target):
    whole = copy.deepcopy(metric)
    whole.update(torch.from_numpy(preds), torch.from_numpy(target))
    expected = plain(whole.compute())
    streamed = Adapted(metric)
    parts = []
    for cut in (slice(0, 50), slice(50, 51), slice(51, 200)):
        streamed.update(preds[cut], target[cut])
        parts.append(Adapted(metric))
        parts[-1].update(preds[cut], target[cut])
    if not isinstance(metric, tr.PearsonCorrCoef):  # which loses digits over a batch of one
        assert plain(streamed.compute()) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    total = Adapted(metric)
    for part in parts:
        total.merge(part)
    if not isinstance(metric, tr.PearsonCorrCoef):
        assert plain(total.compute()) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@each
def test_copies_saved_states_and_what_was_given_before(metric, preds, target):
    first = Adapted(metric)
    first.update(preds[:100], target[:100])
    loaded = first.fresh()
    loaded.load_state_dict(first.state_dict())
    for one in (copy.deepcopy(first), loaded, pickle.loads(pickle.dumps(first))):
        assert np.array_equal(plain(one.compute()), plain(first.compute()), equal_nan=True)
    first.reset()
    assert first.metric._update_count == 0


@pytest.mark.parametrize("metric", OF_CLASSES, ids=IDS[: len(OF_CLASSES)])
def test_in_a_report(metric):
    name = type(metric).__name__
    whole = copy.deepcopy(metric)
    whole.update(torch.from_numpy(PROBS), torch.from_numpy(TARGET))
    report = evalcli.evaluate(PROBS, TARGET, own=[metric], workers=2, batch_size=64)
    found = [value.value for key, value in report.data.metrics.items() if key.startswith(name)]
    assert found == pytest.approx(plain(whole.compute()).reshape(-1), rel=1e-4, abs=1e-6)
    assert not any(finding.code == "metric-failed" for finding in report.findings)


def test_on_the_command_line(tmp_path, run):
    np.savez(tmp_path / "data.npz", logits=LOGITS, target=TARGET)
    address = "torchmetrics.classification:MulticlassCohenKappa(num_classes=4)"
    found = run(
        "report",
        tmp_path / "data.npz",
        "--metric",
        f"tm={address}",
        "--define",
        "d = abs(tm - kappa)",
        "--max",
        "d=1e-6",
    )
    assert found.code == 0, found.stderr


def test_a_reduction_of_one_s_own():
    class Longest(torchmetrics.Metric):
        def __init__(self):
            super().__init__()
            self.add_state("longest", torch.tensor(0), dist_reduce_fx=lambda both: both.amax(dim=0))

        def update(self, preds, target):
            self.longest = torch.maximum(self.longest, torch.tensor(len(preds)))

        def compute(self):
            return self.longest

    parts = [Adapted(Longest()) for _ in range(2)]
    for part, rows in zip(parts, (3, 8), strict=True):
        part.update(VALUES[:rows], TRUTH[:rows])
    assert int(parts[0].merge(parts[1]).compute()) == 8


class OfDifferences(torchmetrics.Metric):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def update(self, preds, target):
        self.inner.update(preds - target)

    def compute(self):
        return self.inner.compute()


@pytest.mark.parametrize("inner", [MeanMetric, MinMetric])
def test_metrics_inside_metrics_merge_too(inner):
    parts, whole = [Adapted(OfDifferences(inner())) for _ in range(2)], Adapted(OfDifferences(inner()))
    for part, cut in zip(parts, (slice(0, 30), slice(30, 200)), strict=True):
        part.update(VALUES[cut], TRUTH[cut])
        whole.update(VALUES[cut], TRUTH[cut])
    assert float(parts[0].merge(parts[1]).compute()) == pytest.approx(float(whole.compute()), rel=1e-5)


def test_in_collections_and_arithmetic():
    theirs = tm.MulticlassAccuracy(4, average="micro")
    both = MetricCollection(ours=Accuracy(), theirs=theirs, gap=Accuracy() - theirs)
    both.update(torch.from_numpy(PROBS), torch.from_numpy(TARGET))
    assert both["gap"] == pytest.approx(0, abs=1e-6)
    assert float(both["ours"]) == pytest.approx(float(both["theirs"]))
    assert theirs._update_count == 0


def test_a_metric_that_cannot_go_on_after_merging_says_so():
    parts = [Adapted(tr.PearsonCorrCoef()) for _ in range(2)]
    for part in parts:
        part.update(VALUES, TRUTH)
    parts[0].merge(parts[1])
    with pytest.raises(NotImplementedError, match="takes no batch once it was merged"):
        parts[0].update(VALUES, TRUTH)


def test_the_engine_does_not_disturb_it():
    metric = tm.MulticlassAccuracy(4)
    evalcli.evaluate(PROBS, TARGET, own={"x": metric})
    assert metric._update_count == 0
    assert Execution().workers is None


def through_bytes(metric, preds, target, cuts=(0, 50, 51, 200)):
    """What a metric says of rows that were counted apart, in the order of the rows."""
    own = own_metrics({"m": metric})
    found = []
    for a, b in itertools.pairwise(cuts):
        source = MemorySource(preds[a:b], target[a:b])
        source.finish = lambda a=a: (InputFile(f"{a:04}.npy", 8, f"sha256:{a}"),)
        task = "regression" if target.dtype.kind == "f" else "multiclass"
        part = measure_part(source, Choices(task=task), Execution(workers=2, batch_size=30), own=own)
        found.append(decode(encode(part)))
    one, other = (report_of_part(merge(each), own=own) for each in (found, [merge(found[:0:-1]), found[0]]))
    assert one.metrics == other.metrics
    assert not [finding for finding in one.findings if finding.code == "metric-failed"]
    return [value.value for name, value in one.metrics.items() if name == "m" or name.startswith(("m.", "m["))]


@each
def test_in_parts(metric, preds, target):
    whole = copy.deepcopy(metric)
    whole.update(torch.from_numpy(preds), torch.from_numpy(target))
    expected = plain(whole.compute()).reshape(-1)
    # Pearson's merge of torchmetrics loses digits over a batch of one
    cuts = (0, 60, 200) if isinstance(metric, tr.PearsonCorrCoef) else (0, 50, 51, 200)
    assert through_bytes(metric, preds, target, cuts) == pytest.approx(expected, rel=1e-4, abs=1e-6)


class Halves(torchmetrics.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("total", torch.zeros(3, dtype=torch.bfloat16), dist_reduce_fx="sum")
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.inner = MinMetric()

    def update(self, preds, target):
        self.total = self.total + torch.tensor([1, 0, 2], dtype=torch.bfloat16)
        self.rows.append(preds.to(torch.float16))
        self.inner.update(target)

    def compute(self):
        return [*self.total.float().tolist(), len(torch.cat(self.rows)), self.inner.compute().item()]


def test_states_of_every_type_and_of_metrics_inside():
    assert through_bytes(Halves(), VALUES, TRUTH) == [
        *(8.0, 0.0, 16.0),  # two batches of 30 rows, one of 1, five of the rest
        200.0,
        float(TRUTH.min()),
    ]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("total", np.zeros(4)),
        ("total", None),
        ("updates", np.array(-1)),
        ("updates", np.array(1.5)),
        ("updates", None),
        ("other", np.zeros(1)),
        ("rows.9", np.zeros(1)),
        ("inside.0.min_value", None),
        ("inside.1.min_value", np.zeros(())),
    ],
)
def test_states_of_another_metric_are_refused(name, array):
    metric = Adapted(Halves())
    metric.update(VALUES, TRUTH)
    state = metric.state_dict() | {name: array}
    with pytest.raises(ValueError, match=r"state|batches"):
        metric.fresh().load_state_dict({key: one for key, one in state.items() if one is not None})
