"""The search for weak slices of weighted rows and of clusters, from files to reports."""

import json
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.report import Report
from evalcli.sources import open_source
from evalcli.sources.base import Scan, Selection
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

ROWS = 900
RNG = np.random.default_rng(3)
REGION, DEVICE = RNG.choice(["EU", "US", "APAC"], ROWS), RNG.choice(["phone", "tablet"], ROWS)
TARGET = RNG.choice(["cat", "dog", "owl"], ROWS)
RIGHT = RNG.random(ROWS) < 0.9 - 0.35 * ((REGION == "EU") & (DEVICE == "tablet"))
WEIGHT = RNG.lognormal(0, 0.7, ROWS)
FRAME = pd.DataFrame(
    {
        "target": TARGET,
        "pred": np.where(
            RIGHT, TARGET, np.roll(["cat", "dog", "owl"], 1)[np.searchsorted(["cat", "dog", "owl"], TARGET)]
        ),
        "region": REGION,
        "device": DEVICE,
        "w": WEIGHT,
        "one": 1.0,
        "two": 2.0,
        "tenth": 0.1,
        "double": 2 * WEIGHT,
        "patient": np.arange(ROWS) // 9,
        "row": np.arange(ROWS),
    }
)
SEARCHED = Scan(("region,device",))


def searched(path, *, size=None, workers=1, scan=SEARCHED, **selection):
    with closing(open_source(str(path), None, Selection(scan=scan, **selection))) as source:
        return evaluate(
            source, Choices(confidence=Confidence()), Execution(batch_size=size, workers=workers), ("accuracy",)
        )


def write(path):
    text = ("target", "pred", "region", "device")
    {
        ".csv": lambda: FRAME.to_csv(path, index=False),
        ".npz": lambda: np.savez(
            path, **{name: FRAME[name].to_numpy("U6" if name in text else None) for name in FRAME}
        ),
    }[path.suffix]()
    return path


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_weights_that_are_alike_are_as_none(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    plain = searched(path).scan
    assert plain.slices[0].values == ("EU", "tablet")
    for name in ("one", "two", "tenth"):
        found = searched(path, weight=name)
        assert found.weighted
        assert found.scan == plain
    found = searched(path, weight="w").scan
    assert (found.test, found.tried, found) == ("fisher (weights)", plain.tried, searched(path, weight="double").scan)
    assert [row.n for row in found.slices if row.columns == ("region",)] == [
        row.n for row in plain.slices if row.columns == ("region",)
    ]


def test_weighted_slices_have_the_values_of_the_report(tmp_path):
    path = write(tmp_path / "a.csv")
    found = searched(path, weight="w", by=("region,device",))
    row, inside = found.scan.slices[0], (REGION == "EU") & (DEVICE == "tablet")
    assert (row.values, row.n) == (("EU", "tablet"), inside.sum())
    assert row.value == pytest.approx(np.average(RIGHT[inside], weights=WEIGHT[inside]), rel=1e-12)
    assert row.rest == pytest.approx(np.average(RIGHT[~inside], weights=WEIGHT[~inside]), rel=1e-12)
    assert row.value == next(s for s in found.slices if s.value == "EU,tablet").metrics["accuracy"].value
    assert row.low < row.difference < row.high < 0.0
    pd.concat([FRAME] * 4).to_csv(path, index=False)
    recall = searched(path, weight="w", scan=Scan(("region,device",), metric="recall[cat]")).scan.slices[0]
    cats = inside & (TARGET == "cat")
    assert (recall.n, recall.value) == (4 * cats.sum(), pytest.approx(np.average(RIGHT[cats], weights=WEIGHT[cats])))


def test_single_rows_as_clusters_are_as_none(tmp_path):
    for suffix in (".csv", ".npz"):
        path = write(tmp_path / f"a{suffix}")
        plain, found = searched(path).scan, searched(path, cluster="row").scan
        assert [row[:6] for row in found.slices] == [row[:6] for row in plain.slices]
        for one, two in zip(found.slices, plain.slices, strict=True):
            assert one[6:] == pytest.approx(two[6:], rel=1e-9)
        assert found.test == "fisher (clusters)"


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_no_batch_no_worker_and_no_format_can_be_seen(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    for chosen in ({"weight": "w"}, {"cluster": "patient"}, {"weight": "w", "cluster": "patient"}):
        whole = searched(path, **chosen).scan
        assert whole.slices
        for size, workers in ((100, 3), (899, 2)):
            assert searched(path, size=size, workers=workers, **chosen).scan == whole
        scan = SEARCHED.names[0]
        assert evalcli.evaluate(FRAME, scan=scan, metrics="accuracy", **chosen).data.scan == whole


def test_the_clusters_are_no_column_to_search(tmp_path):
    for suffix in (".csv", ".npz"):
        found = searched(write(tmp_path / f"a{suffix}"), scan=Scan(("*",), 9), cluster="patient", weight="w")
        assert "patient" not in found.scan.columns
        assert "w" not in found.scan.columns
        assert "region" in found.scan.columns


def test_clusters_of_values_and_of_labels(tmp_path):
    off = np.abs(RNG.normal(size=ROWS)) * np.where(RIGHT, 1.0, 3.0)
    both = {"region": REGION, "device": DEVICE}
    patient = np.arange(ROWS) // 9
    values = evalcli.evaluate(
        off, np.zeros(ROWS), task="regression", metrics="mae", scan=both, cluster=patient, weight=WEIGHT
    )
    assert values.data.scan.test == "welch (clusters)"
    assert values.data.scan.slices[0].value == pytest.approx(np.average(off[inside()], weights=WEIGHT[inside()]))
    truth = RNG.random((ROWS, 3)) < 0.4
    said = truth ^ (RNG.random((ROWS, 3)) < np.where(inside(), 0.3, 0.05)[:, None])
    for metric, test in ((None, "fisher"), ("hamming_loss", "welch"), ("recall[1]", "fisher")):
        options = {"task": "multilabel", "metrics": "subset_accuracy", "scan": both, "scan_metric": metric}
        plain, weighted, clustered = (
            evalcli.evaluate(said, truth, **options, **more).data.scan
            for more in ({}, {"weight": WEIGHT}, {"cluster": patient})
        )
        assert (weighted.test, clustered.test) == (f"{test} (weights)", f"{test} (clusters)")
        assert {row.values for row in (weighted.slices[0], clustered.slices[0])} == {plain.slices[0].values}
        assert clustered.slices[0].p >= plain.slices[0].p


def inside():
    return (REGION == "EU") & (DEVICE == "tablet")


def test_it_is_said_and_comes_back_from_a_file(tmp_path):
    path = write(tmp_path / "a.csv")
    for chosen, words in (({"weight": "w"}, "(weights)"), ({"cluster": "patient"}, "(clusters)")):
        report = evalcli.evaluate(path, scan="region,device", **chosen)
        assert f"Fisher's exact test at effective sample sizes {words} against all" in report.to_markdown()
        data = report.data.to_json_object()
        assert Report.from_json_object(json.loads(json.dumps(data))).scan == report.data.scan
