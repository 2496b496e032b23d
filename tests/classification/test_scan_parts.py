"""A search for weak slices in parts: any tree of merges finds what one run finds, nothing forged is let in."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli import __version__
from evalcli.errors import InputError, LimitError, UsageError
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode
from evalcli.sources import scanning

ROWS = 900
CUTS = [0, 20, 400, ROWS]
RNG = np.random.default_rng(5)
REGION = np.sort(RNG.choice(["EU", "US", "APAC", "X"], ROWS, p=[0.4, 0.3, 0.28, 0.02]))  # each part sees its own
DEVICE = RNG.choice(["phone", "tablet"], ROWS)
WEAK = (REGION == "EU") & (DEVICE == "tablet")
TARGET = RNG.choice(["cat", "dog", "owl"], ROWS)
TARGET[:20] = "dog"
WRONG = np.array(["dog", "owl", "cat"])[np.searchsorted(["cat", "dog", "owl"], TARGET)]
VALUES = RNG.normal(size=ROWS)
FRAME = pd.DataFrame(
    {
        "target": TARGET,
        "pred": np.where(RNG.random(ROWS) < 0.9 - 0.4 * WEAK, TARGET, WRONG),
        "region": REGION,
        "device": DEVICE,
        "rare": [f"r{i // 4}" for i in range(ROWS)],
        "grade": RNG.integers(1, 5, ROWS),
        "patient": np.arange(ROWS) // 7,
        "w": RNG.lognormal(0, 1, ROWS),
        "number": RNG.normal(size=ROWS),
    }
)
FRAME.loc[::13, "device"] = None
OFF = FRAME.assign(target=VALUES, pred=VALUES + RNG.lognormal(0, 0.7, ROWS) * np.where(WEAK, 2.5, 1.0))
SEARCH = {"scan": "region,device,rare,grade", "metrics": "accuracy"}


def parts_of(frame, **options):
    cut = [frame.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(CUTS)]
    return [evalcli.evaluate(rows, partial=True, **SEARCH | options) for rows in cut]


def plain(report):
    return json.dumps(replace(report.data, inputs=()).to_json_object())


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (FRAME, {}),
        (FRAME, {"weight": "w", "cluster": "patient"}),
        (FRAME, {"weight": "w", "by": "grade", "scan_metric": "recall[cat]"}),
        (FRAME, {"cluster": "patient", "scan_metric": "npv[owl]"}),
        (OFF, {"task": "regression", "metrics": "mae"}),
        (OFF, {"task": "regression", "weight": "w", "cluster": "patient", "metrics": "mae"}),
    ],
)
def test_merged_parts_find_what_one_run_finds(frame, options):
    whole = evalcli.evaluate(frame, **SEARCH | options)
    assert whole.data.scan.columns == ("region", "device", "grade")
    assert whole.data.scan.left_out == (("rare", "no value has 30 rows"),)
    assert whole.data.scan.slices or "cluster" in options
    first, second, third = parts_of(frame, **options)
    for tree in (
        [first, second, third],
        [third, evalcli.merge([second, first])],
        [evalcli.merge([third, first]), second],
    ):
        assert plain(evalcli.merge(tree).report()) == plain(whole)


def test_every_state_comes_back_bit_for_bit():
    for frame, options in (
        (FRAME, {"cluster": "patient", "weight": "w"}),
        (OFF, {"task": "regression", "weight": "w", "metrics": "mae"}),
    ):
        data = bytes(evalcli.evaluate(frame, partial=True, **SEARCH | options))
        assert encode(decode(data)) == data
        assert any(name.startswith("scan.") for name in unpack(data, "x").arrays)


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_files(tmp_path, run, suffix):
    asked = ("--scan", "region,device,grade", "--weight", "w", "--task", "multiclass", "-m", "accuracy", "-f", "json")
    names = []
    for number, (a, b) in enumerate(itertools.pairwise(CUTS)):
        rows = FRAME.iloc[a:b].fillna({"device": ""})
        path = tmp_path / f"s{number}{suffix}"
        if suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            texts = ("target", "pred", "region", "device")
            np.savez(
                path, **{name: rows[name].to_numpy("U6" if name in texts else None) for name in rows if name != "rare"}
            )
        names.append(tmp_path / f"p{number}.evalcli")
        done = run("report", path, *asked, "-o", names[-1], *(("-o", tmp_path / "r.json") if number else ()))
        assert done.code == 0, done.stderr
    assert json.loads((tmp_path / "r.json").read_text())["scan"]["least"] == 30
    alone = run("report", path, *asked).stdout
    assert (tmp_path / "r.json").read_text() == alone  # of rows that were counted for a part, too
    merged = json.loads(run("merge", *names[::-1], "-f", "json").stdout)["scan"]
    if suffix == ".csv":
        assert merged == json.loads(run("report", tmp_path / "s?.csv", *asked).stdout)["scan"]
    assert merged["tried"] > json.loads(alone)["scan"]["tried"]


LABELS = OFF.assign(target_a=TARGET == "cat", target_b=WEAK, pred_a=DEVICE == "tablet", pred_b=WEAK)


@pytest.mark.parametrize("cluster", [(), ("--cluster", "patient")])
@pytest.mark.parametrize(
    ("frame", "sides"),
    [
        (FRAME, ("pred", "target")),
        (OFF, ("pred", "target")),
        (LABELS, ("pred_a", "pred_b", "target_a", "target_b")),
    ],
)
def test_a_part_of_which_nothing_is_searched_says_so_as_one_run_does(tmp_path, run, frame, sides, cluster):
    path = tmp_path / "p.csv"
    frame[[*sides, "w", "patient", "rare"]].replace({True: 1, False: 0}).to_csv(path, index=False)
    asked = ("report", path, "--scan", "rare", "--weight", "w", *cluster, "-f", "json", "--no-intervals")
    whole = run(*asked)
    scan = json.loads(whole.stdout)["scan"]
    assert (scan["columns"], scan["tried"]) == ([], 0)
    assert scan["test"].endswith(" (clusters)" if cluster else " (weights)")
    assert run(*asked, "-o", tmp_path / "p.evalcli").stdout == whole.stdout
    assert json.loads(run("merge", tmp_path / "p.evalcli", "-f", "json").stdout)["scan"] == scan


def test_parts_without_rows_or_without_a_value():
    first, second, third = parts_of(FRAME)
    nothing = evalcli.evaluate(FRAME.iloc[:0], partial=True, **SEARCH)
    blank = evalcli.evaluate(FRAME.iloc[:9].assign(device=None, grade=None), partial=True, **SEARCH)
    found = evalcli.merge([nothing, first, blank, second, third]).report().data
    whole = evalcli.evaluate(pd.concat([FRAME, FRAME.iloc[:9].assign(device=None, grade=None)]), **SEARCH).data
    assert found.scan == whole.scan


def test_what_only_all_rows_tell_is_refused(tmp_path, run):
    with pytest.raises(UsageError, match=r"may have another positive class; name a class, as in recall\[0\]"):
        evalcli.evaluate(
            FRAME.assign(target=FRAME["grade"] > 2, pred=FRAME["grade"] > 1),
            scan="region",
            scan_metric="recall",
            partial=True,
        )
    with pytest.warns(UserWarning, match="slices by 'number' are ranges"):
        parts = parts_of(FRAME, scan="number")
    with pytest.raises(InputError, match="each share of the rows has cut its own"):
        evalcli.merge(parts)
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    done = run("report", tmp_path / "a.csv", "--scan", "number", "-o", tmp_path / "a.evalcli")
    assert (done.code, "slices by 'number' are ranges" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    "options", [{"scan": None}, {"scan": "region"}, {"min_slice_size": 9}, {"scan_metric": "recall[cat]"}]
)
def test_other_searches_do_not_merge(options):
    first, second = parts_of(FRAME)[1], parts_of(FRAME, **options)[2]
    with pytest.raises(
        InputError, match=r"searches for other weak slices than .*; write all parts with the same scan="
    ):
        evalcli.merge([first, second])


def test_more_values_than_can_be_counted_apart(monkeypatch):
    parts = parts_of(FRAME, scan="region,rare")
    monkeypatch.setattr(scanning, "MOST_VALUES", 200)
    with pytest.raises(LimitError, match="--scan rare: 225 values or more, of rows that are counted apart"):
        merge([decode(bytes(part)) for part in parts])
    monkeypatch.setattr(scanning, "MOST_VALUES", 100)
    with pytest.raises(LimitError, match=r"scan= rare: .* scan something with up to 100 values"):
        parts_of(FRAME, scan="region,rare")
    monkeypatch.setattr(scanning, "MOST_VALUES", 1000)
    monkeypatch.setattr(scanning, "MOST_CELLS", 500)
    with pytest.raises(LimitError, match=r"scan= of 2 columns makes .* pairs of values, more than 500; name fewer"):
        parts_of(FRAME, scan="region,rare")


def forged(data, change):
    content = unpack(data, "x")
    about, arrays = (
        json.loads(json.dumps(content.about)),
        {name: array.copy() for name, array in content.arrays.items()},
    )
    change(about, arrays)
    return pack(about, arrays, __version__)


def set_to(name, make):
    return lambda _, arrays: arrays.update({name: make(arrays[name])})


def more_rows(about, _):
    about["scanned"]["rows"][0] = [5]


@pytest.mark.parametrize(
    "change",
    [
        lambda about, _: about.update(scanned=None),
        lambda about, _: about["scanned"]["asked"].update(apart=False),
        lambda about, _: about["scanned"]["asked"].update(least=0),
        lambda about, _: about["scanned"]["asked"].update(metric="nonsense"),
        lambda about, _: about["scanned"]["columns"].pop(),
        lambda about, _: about["scanned"]["columns"][0]["values"].append("EU"),
        more_rows,
        lambda _, arrays: arrays.pop("scan.total.counts"),
        lambda _, arrays: arrays.pop("scan.weights.ends"),
        set_to("scan.weights.ends", lambda ends: -ends),
        set_to("scan.0.counts", lambda counts: -counts),
        set_to("scan.0.counts", lambda counts: counts[:-1]),
        set_to("scan.0-1.counts", lambda counts: counts + 1),
        set_to("scan.total.counts", lambda counts: counts * 9),
        set_to("scan.clusters.1", lambda codes: codes + 100),
        set_to("scan.clusters.0", lambda cluster: cluster[:-1]),
        set_to("scan.clusters.5", lambda weights: weights * np.nan),
        set_to("scan.clusters.6", lambda counts: counts * 2),
    ],
)
def test_nothing_forged_is_let_in(change):
    data = bytes(evalcli.evaluate(FRAME, partial=True, scan="region,device,grade", weight="w", cluster="patient"))
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forged(data, change), "x")
