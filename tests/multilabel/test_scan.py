"""The search for weak slices of several labels a row: against scipy, by rows, by one label, by labels wrong."""

import itertools

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.errors import UsageError

ROWS = 1200
RNG = np.random.default_rng(1)
REGION, DEVICE = RNG.choice(["EU", "US"], ROWS), RNG.choice(["phone", "tablet"], ROWS)
TARGET = RNG.random((ROWS, 3)) < 0.4
WEAK = (REGION == "EU") & (DEVICE == "tablet")
PREDS = TARGET ^ (RNG.random((ROWS, 3)) < np.where(WEAK, 0.25, 0.05)[:, None])
LABELS = ("cat", "dog", "owl")
FRAME = pd.DataFrame(
    {f"y_{name}": TARGET[:, i].astype(int) for i, name in enumerate(LABELS)}
    | {f"p_{name}": PREDS[:, i] * 0.6 + 0.2 for i, name in enumerate(LABELS)}
    | {"region": REGION, "device": DEVICE}
)


def write(path):
    {".csv": lambda: FRAME.to_csv(path, index=False), ".parquet": lambda: FRAME.to_parquet(path)}[path.suffix]()
    return path


def evaluated(metric=None, **options):
    both = {"region": REGION, "device": DEVICE}
    return evalcli.evaluate(PREDS, TARGET, task="multilabel", labels=LABELS, scan=both, scan_metric=metric, **options)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_wholly_right_are_compared_by_fishers_test(tmp_path, suffix):
    fisher_exact = pytest.importorskip("scipy.stats").fisher_exact
    path = write(tmp_path / f"a{suffix}")
    found = evalcli.evaluate(path, scan="*", batch_size=7, workers=3).data
    row, right = found.scan.slices[0], (PREDS == TARGET).all(axis=1)
    assert (row.columns, row.values) == (("region", "device"), ("EU", "tablet"))
    assert (found.scan.metric, found.scan.test, found.scan.tried) == ("subset_accuracy", "fisher", 8)
    assert (row.n, row.value, row.rest) == (WEAK.sum(), right[WEAK].mean(), right[~WEAK].mean())
    tables = [
        [[right[a].sum(), (~right[a]).sum()] for a in (WEAK, b & ~WEAK)] for b in (REGION == "EU", DEVICE == "tablet")
    ]
    assert row.p == pytest.approx(max(fisher_exact(table, alternative="less")[1] for table in tables), rel=1e-9)
    arrays = evaluated(by={"region": REGION})
    assert arrays.data.scan.slices == found.scan.slices
    assert "weak-slice" in {finding.code for finding in found.findings}
    plain = evalcli.evaluate(path).data
    assert plain.metrics == found.metrics


@pytest.mark.parametrize(
    ("metric", "counts", "hits"),
    [
        ("recall[dog]", TARGET[:, 1], PREDS[:, 1]),
        ("precision[dog]", PREDS[:, 1], TARGET[:, 1]),
        ("specificity[dog]", ~TARGET[:, 1], ~PREDS[:, 1]),
        ("npv[dog]", ~PREDS[:, 1], ~TARGET[:, 1]),
    ],
)
def test_rows_right_in_one_label(metric, counts, hits):
    found = evaluated(metric).data.scan
    row = found.slices[0]
    assert row.values == ("EU", "tablet")
    assert (row.n, row.value) == ((WEAK & counts).sum(), hits[WEAK & counts].mean())


def test_labels_wrong():
    found = evaluated("hamming_loss", by={"both": np.char.add(REGION, DEVICE)}).data
    row, wrong = found.scan.slices[0], (PREDS != TARGET).mean(axis=1)
    assert (found.scan.test, row.values) == ("welch", ("EU", "tablet"))
    assert (row.value, row.rest) == pytest.approx((wrong[WEAK].mean(), wrong[~WEAK].mean()), rel=1e-12)
    slices = {each.value: each.metrics["hamming_loss"].value for each in found.slices}
    assert row.value == pytest.approx(slices["EUtablet"], rel=1e-12)
    target = np.where(RNG.random(TARGET.shape) < 0.01, -1, TARGET)
    options = {"task": "multilabel", "ignore_index": -1, "scan": {"region": REGION}}
    with pytest.raises(UsageError, match=r"cells do not count.*use subset_accuracy"):
        evalcli.evaluate(PREDS, target, scan_metric="hamming_loss", **options)
    kept = evalcli.evaluate(PREDS, target, scan_metric="specificity[1]", **options).data.scan.slices[0]
    assert kept.n == ((target[:, 1] == 0) & (REGION == "EU")).sum()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("f1_macro", "not a share of rows, hits and misses, nor a mean"),
        ("accuracy", "not a share of rows, nor of their labels; use subset_accuracy"),
        ("recall", "several labels, and so no one share of rows"),
        ("recall[bird]", "no label 'bird'; labels are 'cat', 'dog', 'owl'"),
    ],
)
def test_metrics_that_are_none_to_search_by(metric, words):
    with pytest.raises(UsageError, match=words.replace("[", r"\[")):
        evaluated(metric)


@pytest.mark.parametrize(
    "options",
    [{}, {"scan_metric": "hamming_loss", "weight": True}, {"scan_metric": "npv[dog]", "cluster": True}],
)
def test_merged_parts_find_what_one_run_finds(options):
    beside = {"weight": RNG.lognormal(0, 1, ROWS), "cluster": np.arange(ROWS) // 5}

    def counted(rows, **more):
        arrays = {name: array[rows] for name, array in beside.items() if name in options}
        scan = {"region": REGION[rows], "device": DEVICE[rows]}
        asked = {
            "task": "multilabel",
            "metrics": "subset_accuracy",
            "labels": LABELS,
            "scan_metric": options.get("scan_metric"),
        }
        return evalcli.evaluate(PREDS[rows], TARGET[rows], scan=scan, **asked, **arrays, **more)

    whole = counted(slice(None))
    assert whole.data.scan.slices
    cuts = (0, 17, 500, ROWS)
    parts = [counted(slice(a, b), partial=True) for a, b in itertools.pairwise(cuts)]
    assert evalcli.merge(parts[::-1]).report().data.scan == whole.data.scan
