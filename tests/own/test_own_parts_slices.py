"""Metrics of the user's own in the slices of parts: matched by value, merged in the order of the rows."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from own_shards import lay, written

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.evaluation import evaluate
from evalcli.gates import judge
from evalcli.loading import own_metrics
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.rules import parse_rules
from evalcli.sources.base import InputFile
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

HERE = Path(__file__).parent
RNG = np.random.default_rng(8)
ROWS = 240
VALUES = np.round(RNG.normal(size=ROWS) * 8) / 8  # sums of eighths, and of their squares, are exact
TRUTH = np.round(VALUES * 8 + RNG.normal(size=ROWS) * 4) / 8
REGION = RNG.choice(["EU", "US", "APAC", ""], ROWS, p=[0.4, 0.3, 0.2, 0.1])
REGION[:60] = np.where(REGION[:60] == "APAC", "EU", REGION[:60])  # the first part has no APAC
KIND = RNG.choice(["b", "a"], ROWS)
CUTS = [0, 60, 61, 61, 130, 240]
TASK = Choices(task="regression")


class Few(evalcli.Metric):
    """Rows in their order; fails on a batch with a value beyond ``most``, and where the sum is below ``least``."""

    def __init__(self, most=np.inf, least=-np.inf):
        super().__init__()
        self.most, self.least = most, least
        self.add_state("total", 0.0)
        self.add_state("seen", [], reduce="cat")

    def update(self, preds, target):
        if preds.max() > self.most:
            raise ValueError("too much")
        self.total += float(preds.sum())
        self.seen.append(target.copy())

    def compute(self):
        if self.total < self.least:
            raise ValueError("too little")
        seen = np.concatenate(self.seen)
        return {"total": self.total, "first": seen[0], "last": seen[-1]}


def rows(start, stop):
    names = {"region": REGION[start:stop], "kind": KIND[start:stop]}
    return MemorySource(VALUES[start:stop], TRUTH[start:stop], slices=names)


def part(start, stop, own, number=0, **more):
    source = rows(start, stop)
    file = InputFile(f"{number}.npy", 8, f"sha256:{number}")
    source.finish = lambda: (file,)
    return decode(encode(measure_part(source, TASK, Execution(**more), own=own)), file.path)


def parts(own, **more):
    return [part(a, b, own, number, **more) for number, (a, b) in enumerate(itertools.pairwise(CUTS))]


def whole(own):
    return evaluate(rows(0, ROWS), TASK, Execution(), own=own)


def told(report):
    return render(replace(report, inputs=()), "json")


OWN = own_metrics([f"{HERE}/my_metrics.py:MyRMSE", Few()])
PARTS = parts(OWN)


def test_every_slice_has_the_numbers_of_its_rows():
    slices = report_of_part(merge(PARTS[::-1]), own=OWN).slices
    assert sorted((row.by, row.value) for row in slices) == [
        *(("kind", value) for value in "ab"),
        *(("region", value) for value in ("APAC", "EU", "US")),
    ]
    for row in slices:
        inside = {"region": REGION, "kind": KIND}[row.by] == row.value
        found = {name: row.metrics[name].value for name in ("Few.total", "Few.first", "Few.last")}
        assert found == {
            "Few.total": VALUES[inside].sum(),
            "Few.first": TRUTH[inside][0],
            "Few.last": TRUTH[inside][-1],
        }
        wanted = np.sqrt(((VALUES - TRUTH)[inside] ** 2).mean())
        assert row.metrics["MyRMSE"].value == pytest.approx(wanted, rel=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_tree_of_merges_gives_the_bytes_of_one_run(data):
    found = list(PARTS)
    while len(found) > 1:
        one = found.pop(data.draw(st.integers(0, len(found) - 1)))
        other = found.pop(data.draw(st.integers(0, len(found) - 1)))
        merged = merge([one, other])
        found.append(decode(encode(merged)) if data.draw(st.booleans()) else merged)
    assert encode(found[0]) == encode(merge(PARTS))
    assert told(report_of_part(found[0], own=OWN)) == told(whole(OWN))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_batches_of_a_part_do_not_show(workers):
    merged = report_of_part(merge(parts(OWN, batch_size=7, workers=workers)), own=OWN)
    assert told(merged) == told(whole(OWN))


@pytest.mark.parametrize(
    ("metric", "text", "holds"),
    [
        (Few(least=-2.0), "Few failed in region=EU and 1 more slice: ValueError: too little", {True, False}),
        (Few(least=1e9), "Few failed: ValueError: too little", {True}),
        (Few(most=np.sort(VALUES[REGION != ""])[-2]), "Few failed: ValueError: too much", {True, False}),
    ],
    ids=["compute", "compute-all", "update"],
)
def test_what_fails_is_told_as_in_one_run(metric, text, holds):
    own = own_metrics([metric])
    alone = whole(own)
    merged = report_of_part(merge(parts(own)[::-1]), own=own)
    assert told(merged) == told(alone)
    assert [one.text.partition(" (")[0] for one in merged.findings if one.code == "metric-failed"] == [text]
    assert {"Few" in row.metrics for row in merged.slices} == holds


class Wide(evalcli.Metric):
    """Fails on batches of one region's values, unless there are others as well."""

    def __init__(self):
        super().__init__()
        self.add_state("rows", 0)

    def update(self, preds, target):
        if len({*preds.tolist()}) == 1:
            raise ValueError("all alike")
        self.rows += len(preds)

    def compute(self):
        return self.rows


def test_what_fails_in_slices_while_rows_are_counted_is_one_finding_of_the_first():
    own = own_metrics([Wide()])
    preds = np.array([1.0, 2, 3, 1, 4, 3, 1, 2, 3])
    region = np.array([["c", "b"][number % 3 == 1] if number % 3 else "a" for number in range(9)])

    def source(start, stop):
        return MemorySource(preds[start:stop], preds[start:stop] + 1, slices={"g": region[start:stop]})

    alone = evaluate(source(0, 9), TASK, Execution(), own=own)
    found = []
    for number in range(3):
        one = source(3 * number, 3 * number + 3)
        one.finish = lambda number=number: (InputFile(f"{number}.npy", 8, f"sha256:{number}"),)
        found.append(measure_part(one, TASK, Execution(batch_size=3), own=own))
    merged = merge(found[::-1])
    (failure,) = merged.failures()
    assert str(failure).startswith("Wide failed in g=a and 2 more slices: ValueError: all alike (test_own_parts_slices")
    report = report_of_part(merged, own=own)
    (finding,) = [one for one in report.findings if one.code == "metric-failed"]
    assert finding.text == str(failure)
    assert report.metrics["Wide"].value == 9
    assert {row.metrics["Wide"].value for row in report.slices} == {None}
    (other,) = [one for one in alone.findings if one.code == "metric-failed"]
    assert other.text.startswith("Wide failed in g=a and 1 more slice: ValueError: all alike")


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(4)), st.booleans())
def test_rows_in_memory_are_merged_in_any_tree(order, left):
    """Also where two parts hold the same."""
    rng = np.random.default_rng(2)
    values, region = rng.normal(size=40), np.array(["a", "b"] * 20)
    cuts = [slice(0, 10), slice(10, 20), slice(20, 40), slice(0, 10)]
    own = {"few": Few()}
    found = [
        evalcli.evaluate(values[cut], values[cut] + 1, by={"g": region[cut]}, own=own, task="regression", partial=True)
        for cut in cuts
    ]
    (a, b, c, d), whole = (found[number] for number in order), evalcli.merge(found)
    merged = evalcli.merge([evalcli.merge([evalcli.merge([a, b]), c]), d] if left else [a, evalcli.merge([b, c, d])])
    assert merged.report(own=own).to_json() == whole.report(own=own).to_json()
    rows = np.concatenate([np.arange(40), np.arange(10)])
    total = values[rows][region[rows] == "b"].sum()
    assert merged.report(own=own)["few.total@g=b"] == pytest.approx(total, rel=1e-12)


def forge(held, about=None, arrays=None):
    content = unpack(encode(held), "p")
    states = {**content.arrays, **(arrays or {})}
    kept = {name: array for name, array in states.items() if array is not None}
    return pack({**content.about, **(about or {})}, kept, evalcli.__version__)


def forged_slices():
    (one,) = unpack(encode(PARTS[0]), "p").about["contributions"]
    first, *others = one["slices"]
    failure = {"name": "Few", "what": "x", "place": "", "where": ""}
    yield [*one["slices"], {**first, "by": "age"}]
    yield [{**first, "value": "MARS"}, *others]
    yield [first, first, *others]
    yield [*others, first]
    yield others
    yield [{**first, "failures": [{**failure, "name": "Other"}]}, *others]
    yield [{**first, "failures": [failure, failure]}, *others]
    yield [{**first, "failures": [failure]}, *others]
    yield [{"by": "kind", "value": "a"}, *others]
    yield None


@pytest.mark.parametrize("slices", list(forged_slices()), ids=range(10))
def test_slices_that_there_are_not_are_refused(slices):
    (one,) = unpack(encode(PARTS[0]), "p").about["contributions"]
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], {"contributions": [{**one, "slices": slices}]}))


SURE = measure_part(rows(0, 60), replace(TASK, confidence=Confidence()), Execution(), own=OWN)


def forged_groups():
    """Of all rows, or of a slice."""
    (one,) = unpack(encode(SURE), "p").about["contributions"]
    first = one["slices"][0]
    failure = {"name": "Few", "what": "x", "place": "", "where": ""}
    for inside, (head, *more) in ((False, one["groups"]), (True, first["groups"])):
        for changed in ({"number": 20}, {"number": -1}, {"rows": 0}, {"failures": [failure]}):
            yield inside, [{**head, **changed}, *more]
        for groups in ([*more, head], [head, head, *more], more, None):
            yield inside, groups


@pytest.mark.parametrize(("inside", "groups"), list(forged_groups()), ids=range(16))
def test_groups_that_there_are_not_are_refused(inside, groups):
    (one,) = unpack(encode(SURE), "p").about["contributions"]
    first, *others = one["slices"]
    changed = {"slices": [{**first, "groups": groups}, *others]} if inside else {"groups": groups}
    assert decode(encode(SURE)).own.contributions
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(SURE, {"contributions": [{**one, **changed}]}))


@pytest.mark.parametrize("name", ["0/0~20.0.sum_squared_error", "0~.0.total", "0~0/0.0.total", "0/9~0.0.total"])
def test_states_of_no_group_are_refused(name):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(SURE, arrays={f"own.{name}": np.zeros(1)}))


@pytest.mark.parametrize("head", ["0/4", "0/00", "0/-1", "0/", "/0", "1/0", "0/0/0"])
def test_states_of_no_slice_are_refused(head):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], arrays={f"own.{head}.0.total": np.zeros(1)}))


@pytest.mark.parametrize("array", [None, np.zeros(3), np.ones((), bool)], ids=str)
def test_forged_states_of_a_slice_are_an_error_that_names_the_metric(array):
    assert "own.0/2.0.total" in unpack(encode(PARTS[0]), "p").arrays
    held = decode(forge(PARTS[0], arrays={"own.0/2.0.total": array}), "f.evalcli")
    total = merge([held, *PARTS[1:]])
    with pytest.raises(InputError, match=r"^f\.evalcli: the states of Few are not those of this metric"):
        report_of_part(total, own=OWN)


def test_gates_read_them():
    names = ("MyRMSE@region=EU", "MyRMSE@region=*", "MyRMSE@region:gap", "Few.total@kind=a", "MyRMSE@region=XX")
    rules = parse_rules((), [f"{name}=9" for name in names], known=names)
    merged = judge(report_of_part(merge(PARTS), own=OWN), rules)
    assert merged == judge(whole(OWN), rules)
    assert [verdict.status for verdict in merged[:3]] == ["pass"] * 3
    assert merged[4].status == "missing"


@pytest.fixture
def my(tmp_path, monkeypatch):
    lay(tmp_path, 40, regions=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ASKED = ("--metric", "my.py:TopK(k=2)", "--metric", "top=my.py:TopK(1)", "--metric", "my.py:PerClass")
GATES = (
    *("--define", "gap = top - accuracy", "--max", "gap@region=*=0", "--min", "top@region=EU=0.99"),
    *("--max", "top@region:gap=0.5", "--min", "PerClass[y]@region=*=1", "--min", "TopK(k=2)@region=US=0.1"),
)


def test_merge_prints_the_bytes_of_one_run(my, run):
    alone = run("report", "s?.csv", "--by", "region", *ASKED, *GATES, "-f", "json", "-o", "all.evalcli")
    assert alone.code == 1, alone.stderr
    assert [gate["status"] for gate in json.loads(alone.stdout)["gates"]] == ["fail", *["pass"] * 4]
    files = written(run, "--by", "region", *ASKED)
    first = run("merge", *files, *ASKED, *GATES, "-f", "json")
    assert first == alone
    for order in itertools.islice(itertools.permutations(files), 0, 24, 7):
        assert run("merge", *order, *ASKED, *GATES, "-f", "json") == first
    assert run("merge", *files[:2], "--quiet", "-o", "one.evalcli").code == 0
    assert run("merge", files[3], files[2], "--quiet", "-o", "two.evalcli").code == 0
    assert run("merge", "two.evalcli", "one.evalcli", *ASKED, *GATES, "-f", "json") == first
    assert run("merge", "all.evalcli", *ASKED, *GATES, "-f", "json") == alone


def test_a_gate_on_slices_that_no_part_has_says_what_to_write(my, run):
    files = written(run, *ASKED)
    refused = run("merge", *files, *ASKED, "--min", "top@region=EU=0.1")
    assert (refused.code, refused.stdout) == (2, "")
    assert "write all parts with --by region" in refused.stderr


def test_parts_in_python(my):
    own = {"two": "my.py:TopK(k=2)"}
    found = [evalcli.evaluate(f"s{number}.csv", own=own, by="region", partial=True) for number in range(4)]
    report = evalcli.merge(found[::-1]).report(own=own)
    alone = evalcli.evaluate("s?.csv", own=own, by="region")
    for name in ("two@region=EU", "two@region=AF", "two@region=*", "two@region:gap"):
        assert report[name] == alone[name]
    assert report.check("two@region=*>=0.1").passed
