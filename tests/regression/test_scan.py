"""The search for weak slices of values: against brute force, its false alarms by simulation, whatever the file."""

import json
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.report import Report
from evalcli.rules import parse_rules
from evalcli.scanning.counts import Sums
from evalcli.scanning.tables import ScanTables
from evalcli.scanning.weakslices import judged
from evalcli.sources import open_source
from evalcli.sources.base import Scan, Scanned, Selection, Slicer
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.twoshares import benjamini_hochberg

EVERY = Scan(("*",))


def searched(path, scan=EVERY, *, size=None, workers=1, by=(), **selection):
    with closing(open_source(str(path), None, Selection(scan=scan, by=by, **selection))) as source:
        return evaluate(source, Choices(confidence=Confidence()), Execution(batch_size=size, workers=workers))


def drawn(rows=1500, seed=0):
    """Values of which those of one pair are further off; the errors are skewed."""
    rng = np.random.default_rng(seed)
    region, device = rng.choice(["EU", "US", "APAC"], rows), rng.choice(["phone", "tablet"], rows)
    target = rng.normal(100, 20, rows)
    off = rng.lognormal(0, 0.7, rows) * np.where((region == "EU") & (device == "tablet"), 2.0, 1.0)
    pred = target + off * rng.choice([-1, 1], rows)
    return pd.DataFrame(
        {"target": target, "pred": pred, "region": region, "device": device, "age": rng.integers(9, 90, rows)}
    )


def write(frame, path):
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".npz": lambda: np.savez(
            path, **{name: frame[name].to_numpy("U8" if name in {"region", "device"} else None) for name in frame}
        ),
    }[path.suffix]()
    return path


def p_larger(inside, outside):
    """The larger of Welch's p-value and that of a Pearson type III distribution of the mean of as many rows drawn."""
    stats = pytest.importorskip("scipy.stats")
    welch = stats.ttest_ind(inside, outside, equal_var=False, alternative="greater").pvalue
    whole = np.concatenate([inside, outside])
    n, rows = len(inside), len(whole)
    error = np.sqrt(whole.var() / n * (rows - n) / (rows - 1))
    skew = stats.skew(whole) * (1 - 2 * n / rows) / np.sqrt(n * (1 - n / rows))
    return max(welch, stats.pearson3.sf((inside.mean() - whole.mean()) / error, skew))


def test_what_is_found_is_what_brute_force_finds(tmp_path):
    frame = drawn()
    off = (frame["pred"] - frame["target"]).abs()
    found = searched(write(frame, tmp_path / "a.csv"), Scan(("region,device",), 60)).scan
    wanted = {}
    for names in (("region",), ("device",), ("region", "device")):
        for values in frame[list(names)].drop_duplicates().itertuples(index=False):
            own = [frame[name] == value for name, value in zip(names, values, strict=True)]
            inside = np.logical_and.reduce(own)
            parents = own if len(names) > 1 else []
            p = max(p_larger(off[inside], off[part & ~inside]) for part in (np.ones(len(off), bool), *parents))
            wanted[names, tuple(values)] = p if off[inside].mean() > off.mean() else 1.0
    adjusted = dict(zip(wanted, benjamini_hochberg(np.array([*wanted.values()])), strict=True))
    assert {(row.columns, row.values) for row in found.slices} == {name for name, p in adjusted.items() if p <= 0.05}
    assert (found.tried, found.metric, found.test) == (11, "mae", "welch")
    for row in found.slices:
        inside = np.logical_and.reduce([frame[c] == v for c, v in zip(row.columns, row.values, strict=True)])
        assert (row.value, row.rest) == pytest.approx((off[inside].mean(), off[~inside].mean()), rel=1e-12)
        assert row.low < row.difference < row.high
        if row.p > 1e-4:  # farther out the cube root is an approximation
            assert row.p == pytest.approx(wanted[row.columns, row.values], rel=0.1)
    first = found.slices[0]
    assert (first.columns, first.values) == (("region", "device"), ("EU", "tablet"))
    assert first.low == max(row.low for row in found.slices)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_no_batch_no_worker_and_no_format_can_be_seen(tmp_path, suffix):
    frame = drawn(600)
    path = write(frame, tmp_path / f"a{suffix}")
    whole = searched(path, by=("device",))
    for size, workers in ((7, 3), (599, 2)):
        assert searched(path, size=size, workers=workers, by=("device",)).to_json_object() == whole.to_json_object()
    assert {*searched(write(frame, tmp_path / "b.csv")).scan.slices} == {*whole.scan.slices}
    assert evalcli.evaluate(frame, scan="*").data.scan == whole.scan
    data = whole.to_json_object()
    assert Report.from_json_object(json.loads(json.dumps(data))).scan == whole.scan
    plain = searched(path, None, by=("device",)).to_json_object()
    assert plain["metrics"] == data["metrics"]
    assert plain["slices"] == data["slices"]


def test_the_finding_names_a_gate(tmp_path):
    path = write(drawn(), tmp_path / "a.csv")
    report = evalcli.evaluate(path, scan="region,device")
    (finding,) = [each for each in report.data.findings if each.code == "weak-slice"]
    assert finding.text.startswith("mae is 2.")
    gate = finding.fix.split("'")[1]
    assert finding.fix.split(": ")[1].startswith("--max 'mae@region,device=EU,tablet=1.")
    sliced = evalcli.evaluate(path, by="region,device").data
    assert judge(sliced, parse_rules([], [gate]))[0].status == "fail"


def test_outputs_alone_and_together():
    rng = np.random.default_rng(3)
    region, target = rng.choice(["a", "b"], 400), rng.normal(size=(400, 9))
    preds = target + rng.normal(size=(400, 9)) * np.where(region == "a", 2, 1)[:, None] * (np.arange(9) == 4)
    every, one = (
        evalcli.evaluate(
            preds, target, task="regression", scan={"r": region}, scan_metric=metric, batch_size=size
        ).data.scan.slices
        for metric, size in ((None, 3), ("mae[4]", None))
    )
    off = np.abs(preds - target)
    assert every[0].value == pytest.approx(off[region == "a"].mean(), rel=1e-12)
    assert one[0].value == pytest.approx(off[region == "a", 4].mean(), rel=1e-12)
    again = evalcli.evaluate(preds, target, task="regression", scan={"r": region}).data.scan.slices
    assert again == every
    with pytest.raises(UsageError, match=r"scan_metric= mae\[9\]: no output '9'; outputs are '0', '1'"):
        evalcli.evaluate(preds, target, task="regression", scan={"r": region}, scan_metric="mae[9]")


def test_what_is_not_searched(tmp_path):
    path = write(drawn(300), tmp_path / "a.csv")
    for metric, words in (
        ("rmse", "not a share of rows, hits and misses, nor a mean"),
        ("accuracy", "by the absolute"),
    ):
        with pytest.raises(UsageError, match=words):
            searched(path, Scan(("region",), metric=metric))


@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_where_nothing_is_weak_few_searches_find_anything(kind):
    rng = np.random.default_rng(len(kind))
    sizes = (2, 3, 5, 8)
    columns = tuple(Slicer(f"c{i}", tuple(map(str, range(size)))) for i, size in enumerate(sizes))
    scanned = Scanned(Scan(tuple(column.name for column in columns)), columns)
    alarms = 0
    for _ in range(40):
        rows = 500
        codes = np.stack([rng.integers(0, size, rows) for size in sizes], axis=1)
        codes[:, 0] = rng.random(rows) < 0.03  # the other rows may be very few
        tables = ScanTables(scanned, Sums)
        tables.update(np.abs(rng.normal(size=rows)) if kind == "normal" else rng.lognormal(0, 1.5, rows), codes)
        found = judged(scanned, tables, "mae", (), None)
        assert found.tried > 30
        alarms += bool(found.slices)
    assert alarms <= 0.05 * 40


def test_weights_that_are_too_heavy_are_refused_as_without_a_search():
    rng = np.random.default_rng(1)
    for scan in (None, {"r": rng.integers(0, 2, 90)}):
        with pytest.raises(InputError, match="too heavy to be multiplied"):
            evalcli.evaluate(
                rng.normal(size=90) * 1e5, rng.normal(size=90), task="regression", weight=np.full(90, 1e149), scan=scan
            )
