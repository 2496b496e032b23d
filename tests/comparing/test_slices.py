"""Two models within each slice: what a comparison of the rows of that slice alone says, for all slices at once."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from scipy.stats import binomtest

import evalcli
from evalcli.errors import UsageError
from evalcli.uncertainty.comparison import holm

N = 900
RNG = np.random.default_rng(5)
REGION = RNG.choice(["AP", "EU", "US"], N, p=[0.2, 0.5, 0.3])
AGE = RNG.integers(15, 90, N)
PATIENT = RNG.integers(0, 150, N)
WEIGHT = RNG.integers(1, 5, N) / 2
TRUTH = RNG.integers(0, 3, N)


def labels_of(right):
    return np.where(RNG.random(N) < right, TRUTH, (TRUTH + 1) % 3)


OLD, NEW = labels_of(0.8), labels_of(np.where(REGION == "EU", 0.7, 0.9))
BINARY = TRUTH == 0
MARGINS = [
    np.round(RNG.normal(size=N) + 1.5 * BINARY * skill, 3) for skill in (1.0, np.where(REGION == "EU", 0.5, 1.5))
]
PROBS = [1 / (1 + np.exp(-margin)) for margin in MARGINS]
VALUES = RNG.normal(size=N).round(3)
GUESSES = [(VALUES + RNG.normal(size=N) * scale).round(3) for scale in (0.5, np.where(REGION == "EU", 0.7, 0.4))]
SETS = RNG.random((N, 3)) < 0.4
SAID = [np.where(RNG.random((N, 3)) < 0.15, ~SETS, SETS) for _ in range(2)]
BESIDE = {"region": REGION, "age": AGE, "patient": PATIENT, "weight": WEIGHT}
TABLES = {
    "labels": {"target": [f"c{i}" for i in TRUTH], "old": [f"c{i}" for i in OLD], "new": [f"c{i}" for i in NEW]},
    "probs": {"target": BINARY.astype(int), "old": PROBS[0], "new": PROBS[1]},
    "values": {"target": VALUES, "old": GUESSES[0], "new": GUESSES[1]},
}
METRICS = {
    "labels": "accuracy,f1_macro,mcc,recall[c1]",
    "probs": "accuracy,auroc,average_precision,log_loss,ece",
    "values": "rmse,mae,bias,spearman,medae",
}


@pytest.fixture(params=TABLES)
def table(request, tmp_path):
    path = tmp_path / f"{request.param}.csv"
    columns = {**TABLES[request.param], **BESIDE}
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    kinds = {"labels": {}, "probs": {"scores": "probs"}, "values": {"task": "regression"}}[request.param]
    return partial(evalcli.compare, path, pred=("old", "new"), metrics=METRICS[request.param], resamples=200, **kinds)


def told(row):
    """All that is said of a metric but what depends on other slices."""
    found = row.differences[1]
    return row.values, None if found is None else (found.value, found.low, found.high, found.method, found.p)


@pytest.mark.parametrize("beside", [{}, {"weight": "weight"}, {"cluster": "patient"}])
def test_a_slice_is_what_its_rows_alone_are(table, beside) -> None:
    found = table(by=["region", "age:30:60"], **beside)
    assert [(row.by, row.value) for row in found.data.slices] == [
        *(("region", value) for value in ("AP", "EU", "US")),
        *(("age", value) for value in ("< 30", "[30, 60)", ">= 60")),
    ]
    where = {"EU": "region = 'EU'", "< 30": "age < 30"}
    for row in found.data.slices:
        if row.value in where:
            alone = table(where=where[row.value], **beside).data
            assert row.n == alone.n
            assert [told(each) for each in row.metrics.values()] == [told(each) for each in alone.metrics]
    whole = table(**beside).data
    assert [told(each) for each in found.data.metrics] == [told(each) for each in whole.metrics]


def test_several_labels_a_row_are_compared_in_slices() -> None:
    at = REGION == "EU"
    compare = partial(evalcli.compare, task="multilabel", resamples=200)
    found = compare(*SAID, target=SETS, by={"region": REGION})
    alone = compare(SAID[0][at], SAID[1][at], target=SETS[at])
    row = next(row for row in found.data.slices if row.value == "EU")
    assert row.n == at.sum()
    assert [told(each) for each in row.metrics.values()] == [told(each) for each in alone.data.metrics]


def test_a_slice_has_the_test_of_mcnemar_and_holm_goes_over_slices() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": REGION}, metrics="accuracy,mcc", resamples=200)
    alone = {}
    for value in ("AP", "EU", "US"):
        at = value == REGION
        fixed, broken = (
            int(np.sum((one != TRUTH)[at] & (other == TRUTH)[at])) for one, other in ((OLD, NEW), (NEW, OLD))
        )
        alone[value] = binomtest(fixed, fixed + broken).pvalue
        difference = found[f"accuracy@region={value}"]
        assert difference.p == pytest.approx(alone[value], rel=1e-9)
        assert difference.value == pytest.approx((fixed - broken) / at.sum())
    adjusted = holm(alone)
    for value, p in adjusted.items():
        assert found[f"accuracy@region={value}"].adjusted == pytest.approx(p)
    assert found["accuracy@region=EU"].verdict == "worse"
    assert found["accuracy@region=US"].verdict == "better"


def test_a_slice_that_weighs_nothing_has_no_most_frequent_class() -> None:
    weight = (REGION != "EU").astype(float)
    more = {"by": {"region": REGION}, "weight": weight, "metrics": "majority_baseline,accuracy"}
    found = evalcli.compare(OLD, NEW, target=TRUTH, **more)
    assert found.data.metric("majority_baseline@region=EU").values == (None, None)
    assert None not in found.data.metric("majority_baseline@region=US").values


def test_intervals_of_a_slice_are_those_of_resampled_rows() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": REGION}, metrics="balanced_accuracy")
    rng, at = np.random.default_rng(0), np.flatnonzero(REGION == "EU")

    def recall(said, rows):
        return np.mean([(said[rows] == c)[TRUTH[rows] == c].mean() for c in range(3)])

    drawn = [rng.choice(at, len(at)) for _ in range(2000)]
    gaps = [recall(NEW, rows) - recall(OLD, rows) for rows in drawn]
    difference = found["balanced_accuracy@region=EU"]
    assert (difference.low, difference.high) == pytest.approx(tuple(np.quantile(gaps, (0.025, 0.975))), abs=0.008)


def test_nothing_depends_on_batches_or_workers(table) -> None:
    texts = {table(by=["region", "age"], batch_size=b, workers=w).to_json() for b, w in ((64, 1), (1000, 2), (333, 3))}
    assert len(texts) == 1


def test_processes_bring_slices_home(monkeypatch, run, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, margins in zip("ab", MARGINS, strict=True):
        np.savez(f"{name}.npz", logits=margins)
    np.savez("t.npz", target=BINARY.astype(int), region=(REGION == "EU").astype(int))
    args = ("compare", "a.npz", "b.npz", "t.npz", "--by", "region", "--resamples", "100", "-f", "json")
    alone = run(*args, "--workers", "1")
    assert alone.code == 0, alone.stderr
    monkeypatch.setattr("evalcli.processes.LEAST_WORK", 0)
    assert run(*args, "--workers", "2", "--batch-size", "100").stdout == alone.stdout
    assert {row["value"] for row in json.loads(alone.stdout)["slices"]} == {"0", "1"}


def test_draws_are_shared_by_many_slices(monkeypatch) -> None:
    by, cells = {"region": REGION}, 27
    few = evalcli.compare(OLD, NEW, target=TRUTH, by=by, metrics="f1_macro", resamples=100)
    assert few["f1_macro@region=EU"].method == "bootstrap"
    monkeypatch.setattr("evalcli.comparing.differences.MOST_DRAWS", 100 * cells)
    found = evalcli.compare(OLD, NEW, target=TRUTH, by=by, metrics="f1_macro", resamples=100)
    assert found["f1_macro"].method == "bootstrap"
    assert found["f1_macro@region=EU"].method == "score"


def test_small_slices_have_values_and_no_test() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": REGION}, min_slice_size=300, metrics="accuracy")
    small = [row for row in found.data.slices if row.n < 300]
    assert small
    assert all(row.metrics["accuracy"].differences == (None, None) for row in small)
    assert all(None not in row.metrics["accuracy"].values for row in small)
    assert any(finding.code == "small-slices" for finding in found.data.findings)
    assert found.check("noninferior(accuracy@region=AP)<1pp")[0].status == "missing"


def test_slices_of_one_cluster_have_no_test() -> None:
    by = {"region": REGION}
    cluster = np.where(REGION == "EU", 1, np.arange(N) + 2)
    found = evalcli.compare(OLD, NEW, target=TRUTH, by=by, cluster=cluster, metrics="accuracy")
    told = {row.value: row.metrics["accuracy"].differences[1] for row in found.data.slices}
    assert told["EU"] is None
    assert told["US"] is not None


def test_rows_without_a_value_are_told() -> None:
    region = np.where(AGE < 20, np.nan, (REGION == "EU").astype(float))
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": region}, metrics="accuracy")
    assert sum(row.n for row in found.data.slices) == (AGE >= 20).sum()
    assert any(finding.code == "slice-missing" for finding in found.data.findings)


def test_either_model_may_have_the_column() -> None:
    pd = pytest.importorskip("pandas")
    bare = pd.DataFrame({"target": TRUTH, "pred": OLD})
    whole = pd.DataFrame({"target": TRUTH, "pred": NEW, "region": REGION})
    found = evalcli.compare(bare, whole, target="target", by="region", metrics="accuracy")
    assert [row.value for row in found.data.slices] == ["AP", "EU", "US"]
    with pytest.raises(UsageError, match="no column 'land' to slice by"):
        evalcli.compare(bare, whole, target="target", by="land")


def test_what_is_not_compared_in_slices() -> None:
    with pytest.raises(UsageError, match="one model on two samples"):
        evalcli.compare(OLD, NEW, target=(TRUTH, TRUTH), by={"region": REGION}, independent=True)


def test_gates_on_slices() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": REGION}, metrics="accuracy", resamples=200)
    lost = -found["accuracy@region=EU"].value
    verdicts = found.check(
        "drop(accuracy@region=EU)<=1pp",
        "drop(accuracy@region=US)<=0",
        "drop(accuracy@region=*)<=0.5",
        "noninferior(accuracy@region=*)<1pp",
        "noninferior(accuracy@region=US)<1pp",
        "equivalent(accuracy@region=*)<0.9",
        "drop(accuracy@land=*)<=1pp",
        "drop(accuracy@region=XX)<=1pp",
    )
    assert [one.status for one in verdicts] == ["fail", "pass", "pass", "fail", "pass", "pass", "missing", "missing"]
    assert verdicts[0].value == pytest.approx(lost)
    assert verdicts[2].value == pytest.approx(lost)
    assert verdicts[2].reason.startswith("the worst of 3 is 'EU', n = ")
    assert verdicts[6].reason == "nothing was compared by 'land'; add --by land"
    assert "there are 'AP', 'EU', 'US'" in verdicts[7].reason
    with pytest.raises(UsageError, match="gaps between slices are not compared"):
        found.check("noninferior(accuracy@region:gap)<1pp")
    assert found.with_gates("drop(accuracy)<=1pp").gates[0].rule == "drop(accuracy)<=0.01"


def test_a_saved_comparison_has_its_slices() -> None:
    found = evalcli.compare(OLD, NEW, target=TRUTH, by={"region": REGION}, resamples=100)
    again = evalcli.Comparison.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.slices.loc[("region", "EU", "accuracy"), "value"] == found["accuracy@region=EU"].value
