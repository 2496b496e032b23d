"""Slices: each is the report of its rows, whatever the batches, and gates read one, the worst and the gap."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from memory_source import MemorySource

from evalcli.classification import slices
from evalcli.classification.labels import Labels
from evalcli.engine import Execution
from evalcli.errors import LimitError, UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.metrics.counts import ConfusionCounts
from evalcli.metrics.registry import parse
from evalcli.renderers.terminal import plain
from evalcli.report import Report
from evalcli.rules import parse_rules, slicers_of
from evalcli.sources import open_source
from evalcli.sources.base import Selection, Slicer
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence


def report(source, names=None, *, size=None, workers=1, also=(), **choices):
    return evaluate(source, Choices(**choices), Execution(batch_size=size, workers=workers), names, also=also)


def drawn(kind, seed=0, rows=400):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, rows)
    logits = rng.normal(size=(rows, 3)) + 1.2 * np.eye(3)[truth]
    preds = {"labels": logits.argmax(axis=1), "logits": logits}[kind]
    region = rng.choice(["EU", "US", "APAC", ""], rows, p=[0.5, 0.3, 0.15, 0.05])
    return preds, truth, region, rng.choice([0.5, 1.0, 2.25], rows)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["labels", "logits"])
def test_a_slice_is_the_report_of_its_rows(kind, weighted):
    preds, truth, region, weight = drawn(kind)
    weight = weight if weighted else None
    found = report(MemorySource(preds, truth, weight=weight, slices={"region": region}))
    assert [row.value for row in found.slices] == ["APAC", "EU", "US"]
    for row in found.slices:
        rows = region == row.value
        alone = report(MemorySource(preds[rows], truth[rows], weight=None if weight is None else weight[rows]))
        assert (row.by, row.n) == ("region", int(rows.sum()))
        assert row.metrics == alone.metrics
    whole = report(MemorySource(preds, truth, weight=weight))
    assert found.metrics == whole.metrics


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["labels", "logits"])
def test_M01_M02_no_batch_and_no_worker_can_be_seen(kind, weighted):
    preds, truth, region, weight = drawn(kind, seed=1)
    source = MemorySource(preds, truth, weight=weight if weighted else None, slices={"region": region, "all": region})
    whole = report(source).slices
    for size, workers in ((1, 3), (7, 2), (399, 1)):
        assert report(source, size=size, workers=workers).slices == whole


def test_tables_that_grow_too_large_for_all_slices_are_counted_one_by_one(monkeypatch):
    preds, truth, region, _ = drawn("labels", seed=2)
    preds, truth = preds * 5, truth * 5  # the classes are open, and turn up as they come
    source = MemorySource(preds, truth, slices={"region": region})
    whole = report(source).slices
    for cells in (0, 3 * 6 * 7, 3 * 11 * 12):
        monkeypatch.setattr(slices, "TABLE_CELLS", cells)
        for size, workers in ((400, 1), (9, 3)):
            assert report(source, size=size, workers=workers).slices == whole


def test_rows_of_a_table_of_slices_are_counted_once_for_all_of_them():
    rng = np.random.default_rng(6)
    preds, target, codes = rng.integers(-1, 3, 500), rng.integers(0, 3, 500), rng.integers(0, 4, 500)
    states = slices.SliceStates(Slicer("g", ("a", "b", "c", "d")), None, None, weighted=False)
    counted = [states.update(Labels(preds, target, None, None), codes) for _ in range(2)]
    whole, again = ConfusionCounts(), ConfusionCounts()
    whole.update(preds, target)
    again.update(counted[1].preds, counted[1].target, repeats=counted[1].repeats)
    assert len(counted[1].preds) == 12  # a row for each pair
    assert {name: part.tolist() for name, part in whole.state_dict().items()} == {
        name: part.tolist() for name, part in again.state_dict().items()
    }
    codes[7] = -1
    assert states.update(Labels(preds, target, None, None), codes) is None  # a row in no slice is in none of these


def test_repeated_rows_count_as_often_as_they_stand_there():
    preds, truth, region, _ = drawn("labels", seed=3, rows=50)
    times = np.random.default_rng(3).integers(1, 9, 50)
    source = MemorySource(preds, truth, repeats=times, slices={"region": region})
    written = MemorySource(preds.repeat(times), truth.repeat(times), slices={"region": region.repeat(times)})
    assert report(source).slices == report(written).slices


def test_ignored_rows_are_in_no_slice():
    preds, truth, region, _ = drawn("labels", seed=4)
    truth = np.where(np.arange(400) % 3 == 0, -100, truth)
    found = report(MemorySource(preds, truth, slices={"region": region}), ignore_index=-100)
    for row in found.slices:
        assert row.n == int(((region == row.value) & (truth >= 0)).sum())


def test_every_element_of_a_row_is_in_its_slice():
    rng = np.random.default_rng(5)
    truth, preds = rng.integers(0, 2, (6, 4, 4)), rng.integers(0, 2, (6, 4, 4))
    night = np.array(["day", "night"] * 3)
    found = report(MemorySource(preds, truth, slices={"light": night}), task="binary")
    for row in found.slices:
        rows = night == row.value
        assert row.n == 48
        assert row.metrics["accuracy"].value == pytest.approx((preds == truth)[rows].mean(), abs=1e-15)


def test_metrics_of_slices_follow_what_was_asked_for():
    preds, truth, region, _ = drawn("logits")
    source = MemorySource(preds, truth, slices={"region": region})
    found = report(source, ("accuracy", "recall[1]"), also=("f1_macro@region=EU", "ece@other=x", "mcc"))
    assert all([*row.metrics] == ["accuracy", "recall[1]", "f1_macro", "mcc"] for row in found.slices)
    assert [*found.metrics] == ["accuracy", "recall[1]", "mcc"]


def test_gates_read_a_slice_the_worst_one_and_the_gap():
    preds, truth, region, _ = drawn("logits")
    found = report(MemorySource(preds, truth, slices={"region": region}), ("accuracy", "log_loss"))
    values = {row.value: row.metrics["accuracy"].value for row in found.slices}
    losses = [row.metrics["log_loss"].value for row in found.slices]
    names = ("accuracy@region=EU", "accuracy@region=*", "log_loss@region=*", "accuracy@region:gap", "accuracy@x=*")
    rules = parse_rules([f"{name}=0.5" for name in names])
    verdicts = {verdict.metric: verdict for verdict in judge(found, rules)}
    assert verdicts["accuracy@region=EU"].value == values["EU"]
    assert verdicts["accuracy@region=*"].value == min(values.values())
    assert verdicts["log_loss@region=*"].value == max(losses)
    gap = max(values.values()) - min(values.values())
    assert verdicts["accuracy@region:gap"].value == pytest.approx(gap, abs=1e-15)
    assert verdicts["accuracy@x=*"].status == "missing"
    assert "--by x" in verdicts["accuracy@x=*"].reason
    small = min(row.n for row in found.slices)
    (worst,) = judge(found, parse_rules(["accuracy@region=*=0.5"]), least=small + 1)
    assert worst.value == min(values[row.value] for row in found.slices if row.n > small)
    (none,) = judge(found, parse_rules(["accuracy@region=*=0.5"]), least=10**6)
    assert none.status == "missing"


def test_the_gap_and_fairness_are_judged_by_their_intervals():
    rng = np.random.default_rng(3)
    truth, sex = rng.integers(0, 2, 600), np.repeat(["f", "m"], 300)
    preds = np.where(rng.random(600) < np.where(sex == "f", 0.9, 0.7), truth, 1 - truth)
    source = MemorySource(preds, truth, slices={"sex": sex})
    names = ("accuracy@sex:gap", "f1_macro@sex:gap", "equalized_odds_difference@sex")
    bounds = {0.5: "pass", 0.2: "inconclusive", 0.05: "fail"}
    found = report(source, names, confidence=Confidence())
    for name in names:
        value = found.metrics[name]
        assert 0.0 < value.low < value.value < value.high < 0.5
        rules = parse_rules(maximum=[f"{name}={bound}" for bound in bounds])
        assert [verdict.status for verdict in judge(found, rules, on="interval")] == [*bounds.values()]
    plain = report(source, names)
    (verdict,) = judge(plain, parse_rules(maximum=["accuracy@sex:gap=0.2"]), on="interval")
    assert verdict.status == "missing"
    assert "report without --no-intervals" in verdict.reason


def test_what_no_slice_can_have_is_told_as_of_all_rows():
    found = report(MemorySource([0, 1, 2, 1], [0, 1, 2, 0], slices={"g": ["a", "a", "b", "b"]}))
    for name in ("rmse", "subset_accuracy"):
        whole, sliced = (judge(found, parse_rules([f"{one}=1"]))[0] for one in (name, f"{name}@g=*"))
        assert whole.status == sliced.status == "missing"
        assert sliced.reason == whole.reason.replace(name, f"{name}@g=*", 1)


def test_one_slice_is_no_plural():
    found = report(MemorySource([0, 1, 2, 1], [0, 1, 2, 0], slices={"g": ["a"] * 4}))
    assert "By g  1 slice\n" in plain(found, 80)


def test_an_undefined_slice_makes_the_worst_undefined():
    source = MemorySource([0, 0, 1, 1], [0, 0, 1, 0], slices={"g": ["a", "a", "b", "b"]})
    found = report(source, ("recall",))
    (verdict,) = judge(found, parse_rules(["recall@g=*=0.1"]))
    assert verdict.status == "undefined"


def test_what_rows_must_be_sliced_by():
    assert slicers_of(["accuracy", "f1@a,b=x,y", "recall@region:gap", "mcc@region=*"]) == ("a,b", "region")


def test_M15_slices_come_back_from_a_file_to_the_same_bytes():
    preds, truth, region, _ = drawn("logits")
    found = report(MemorySource(preds, truth, slices={"region": region}))
    data = found.to_json_object()
    assert data["slices"][0]["by"] == "region"
    again = Report.from_json_object(json.loads(json.dumps(data)))
    assert again.slices == found.slices
    assert again.to_json_object() == data


def test_fairness_is_how_far_apart_the_slices_are():
    rng = np.random.default_rng(6)
    truth, sex = rng.integers(0, 2, 400), rng.choice(["f", "m", "x"], 400)
    preds = np.where(rng.random(400) < 0.8 - 0.2 * (sex == "m"), truth, 1)
    source = MemorySource(preds, truth, slices={"sex": sex})
    names = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference")
    found = report(source, (*(f"{name}@sex" for name in names), "recall@sex:gap", "recall@sex=*", "recall@sex=f"))

    def gap(rate):
        values = [rate(truth[sex == value], preds[sex == value]) for value in "fmx"]
        return max(values) - min(values)

    recall = lambda t, p: (p[t == 1] == 1).mean()  # noqa: E731
    alarms = lambda t, p: (p[t == 0] == 1).mean()  # noqa: E731
    values = {name: value.value for name, value in found.metrics.items()}
    assert values["demographic_parity_difference@sex"] == pytest.approx(gap(lambda t, p: (p == 1).mean()), abs=1e-15)
    assert values["equal_opportunity_difference@sex"] == pytest.approx(gap(recall), abs=1e-15)
    assert values["equalized_odds_difference@sex"] == pytest.approx(max(gap(recall), gap(alarms)), abs=1e-15)
    assert values["recall@sex:gap"] == values["equal_opportunity_difference@sex"]
    assert values["recall@sex=*"] == min(row.metrics["recall"].value for row in found.slices)
    assert values["recall@sex=f"] == found.slices[0].metrics["recall"].value
    assert found.asked == tuple(found.metrics)
    (verdict,) = judge(report(source, also=(f"{names[2]}@sex",)), parse_rules(maximum=[f"{names[2]}@sex=0.5"]))
    assert (verdict.value, verdict.status) == (values["equalized_odds_difference@sex"], "pass")
    preds, truth, region, _ = drawn("labels")
    with pytest.raises(UsageError, match="is a metric of binary tasks"):
        report(MemorySource(preds, truth, slices={"sex": region}), (f"{names[0]}@sex",))
    with pytest.raises(UsageError, match="no slice 'y'"):
        report(source, ("recall@sex=y",))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("equalized_odds_difference", "compares slices; write it like equalized_odds_difference@column"),
        ("equalized_odds_difference@sex=f", "compares slices"),
        ("accuracy@sex", "of which slice? write it like accuracy@column=value"),
    ],
)
def test_names_that_lack_their_slice(name, message):
    with pytest.raises(UsageError, match="names no metric") as error:
        parse(name)
    assert message in str(error.value)


# From files


def table():
    rng = np.random.default_rng(7)
    rows = 300
    truth = rng.integers(0, 2, rows)
    frame = pd.DataFrame(
        {
            "target": truth,
            "pred": np.where(rng.random(rows) < 0.8, truth, 1 - truth),
            "score": np.clip(truth * 0.4 + rng.random(rows) * 0.6, 0, 1).round(3),
            "region": rng.choice(["EU", "U,S", "007"], rows),
            "age": rng.integers(18, 90, rows),
            "level": rng.integers(1, 4, rows),
            "height": rng.normal(170, 10, rows).round(2),
        }
    )
    frame["w"] = rng.choice([0.5, 2.0], rows)
    return frame


def write(frame, path):
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".npz": lambda: np.savez(path, **{name: frame[name].to_numpy() for name in frame}),
    }[path.suffix]()
    return str(path)


def sliced(path, by, pred="pred", weight=None, where=None):
    with_by = Selection(pred=pred, target="target", by=by, weight=weight, where=where)
    source = open_source(path, None, with_by)
    try:
        return evaluate(source, Choices(), Execution(batch_size=64, workers=2)).slices
    finally:
        source.close()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".npz"])
@pytest.mark.parametrize("pred", ["pred", "score"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_M11_slices_of_every_format_are_the_same(tmp_path, suffix, pred, weight):
    frame = table()
    frame["region"] = frame["region"].astype(object if suffix != ".npz" else "U4")
    path = tmp_path / f"data{suffix}"
    if suffix == ".npz":
        np.savez(path, **{c: frame[c].to_numpy("U4" if c == "region" else None) for c in frame})
    else:
        write(frame, path)
    found = sliced(str(path), ("region", "level", "age", "region,level"), pred, weight)
    rows = {(row.by, row.value): row for row in found}
    for by, columns in (("region", ["region"]), ("level", ["level"]), ("region,level", ["region", "level"])):
        for values, part in frame.groupby(columns):
            name = ",".join(str(value).replace(",", "\\,") if len(columns) > 1 else str(value) for value in values)
            alone = report(
                MemorySource(part[pred].to_numpy(), part["target"].to_numpy(), weight=part[weight] if weight else None),
                ("accuracy", "recall"),
                labels=("0", "1"),
            )
            assert rows[by, name].n == len(part)
            assert rows[by, name].metrics["accuracy"] == alone.metrics["accuracy"]
            assert rows[by, name].metrics["recall"] == alone.metrics["recall"]
    ranges = [row for row in found if row.by == "age"]
    assert len(ranges) == 4
    assert sum(row.n for row in ranges) == len(frame)
    assert max(row.n for row in ranges) < 1.3 * min(row.n for row in ranges)
    for row in ranges:
        low, high = (float(end) for end in row.value.strip("[])").split(", "))
        ages = frame["age"]
        inside = (ages >= low) & ((ages <= high) if row.value.endswith("]") else (ages < high))
        assert row.n == int(inside.sum())


def test_where_and_missing_cells(tmp_path):
    frame = table()
    frame.loc[:9, "region"] = None
    path = write(frame, tmp_path / "data.csv")
    found = sliced(path, ("region",), where="level > 1")
    kept = frame[frame["level"] > 1]
    assert {row.value: row.n for row in found} == kept["region"].value_counts().to_dict()


def test_numbers_of_many_values_are_ranges_whatever_their_type(tmp_path):
    frame = table()
    frame.loc[3, "height"] = None
    csv = sliced(write(frame, tmp_path / "data.csv"), ("height",))
    parquet = sliced(write(frame, tmp_path / "data.parquet"), ("height",))
    arrays = sliced(write(frame.drop(columns="region"), tmp_path / "data.npz"), ("height",))
    assert csv == parquet == arrays
    assert sum(row.n for row in csv) == len(frame) - 1


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = write(table(), tmp_path / "data.csv")
    with pytest.raises(UsageError, match="no column 'regoin' to slice by; did you mean 'region'"):
        sliced(path, ("regoin",))
    with pytest.raises(UsageError, match="no column 'x' to slice by"):
        sliced(path, ("region,x",))
    path = write(table().drop(columns="region"), tmp_path / "data.npz")
    with pytest.raises(UsageError, match="no array 'x' to slice by"):
        sliced(path, ("x",))


def test_more_slices_than_anyone_can_read(tmp_path):
    rows = 11_000
    frame = pd.DataFrame({"target": [0, 1] * (rows // 2), "pred": 1, "id": [f"r{i}" for i in range(rows)]})
    with pytest.raises(LimitError, match="--by id makes more than 10,000 slices"):
        sliced(write(frame, tmp_path / "data.csv"), ("id",))
    np.savez(tmp_path / "a.npz", target=frame["target"], pred=frame["pred"], id=frame["id"].to_numpy("U6"))
    with pytest.raises(LimitError, match="--by id makes more than 10,000 slices"):
        sliced(str(tmp_path / "a.npz"), ("id",))
