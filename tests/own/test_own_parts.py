"""Metrics of the user's own in parts: counted apart, laid side by side, merged in the order of the rows alone."""

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
from own_sums import CUTS, OWN, PARTS, TRUTH, VALUES, Sums, part, told
from saved_files import save

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.loading import own_metric, own_metrics
from evalcli.merging import merge
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.sources.base import InputFile
from evalcli.task import Choices

HERE = Path(__file__).parent


def test_the_numbers_are_those_of_all_rows():
    values = report_of_part(merge(PARTS), own=OWN).metrics
    assert values["Sums.rmse"].value == pytest.approx(np.sqrt(((VALUES - TRUTH) ** 2).mean()), rel=1e-13)
    assert values["Sums.total"].value == pytest.approx(VALUES.sum(), rel=1e-13)
    assert values["Sums.first"].value == TRUTH[0]
    assert values["Sums.last"].value == TRUTH[-1]
    assert values["Sums.least"].value == TRUTH.min()
    assert values["Sums.batches"].value == len(CUTS) - 1  # a list comes back in its pieces
    means = [TRUTH[a:b].mean() for a, b in itertools.pairwise(CUTS)]
    assert values["Sums.mean"].value == pytest.approx(np.mean(means), rel=1e-13)


def tree(found, draw):
    """Merged in pairs, as chance has it."""
    found = list(found)
    while len(found) > 1:
        one = found.pop(draw(st.integers(0, len(found) - 1)))
        other = found.pop(draw(st.integers(0, len(found) - 1)))
        merged = merge([one, other])
        found.append(decode(encode(merged)) if draw(st.booleans()) else merged)
    return found[0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_order_and_no_tree_of_merges_shows(data):
    whole = merge(PARTS)
    found = tree(PARTS, data.draw)
    assert told(found) == told(whole)
    assert encode(found) == encode(whole)


@pytest.mark.parametrize("workers", [1, 3])
def test_exact_states_give_the_bytes_of_one_run_whatever_the_batches(workers):
    own = own_metrics([f"{HERE}/my_metrics.py:MyRMSE"])
    rounded = np.round(VALUES * 8) / 8  # squares of eighths add up exactly
    exact = MemorySource(rounded, np.round(TRUTH * 8) / 8)
    whole = evalcli.evaluation.evaluate(exact, Choices(task="regression"), Execution(), own=own)
    found = []
    for a, b in itertools.pairwise(CUTS):
        source = MemorySource(rounded[a:b], np.round(TRUTH * 8)[a:b] / 8)
        source.finish = lambda a=a: (InputFile(f"{a:04}.npy", 8, f"sha256:{a}"),)
        execution = Execution(workers=workers, batch_size=13)
        found.append(decode(encode(measure_part(source, Choices(task="regression"), execution, own=own))))
    merged = report_of_part(merge(found[::-1]), own=own)
    assert render(replace(merged, inputs=()), "json") == render(replace(whole, inputs=()), "json")


def test_a_part_without_rows_adds_nothing():
    empty = part(0, 0, OWN)
    empty = replace(
        empty,
        about=replace(empty.about, inputs=(InputFile("none.npy", 8, "sha256:none"),)),
    )
    assert (
        report_of_part(merge([*PARTS]), own=OWN).metrics["Sums.rmse"]
        == (report_of_part(merge([PARTS[2], empty, *PARTS[:2], *PARTS[3:]]), own=OWN).metrics["Sums.rmse"])
    )


def test_metrics_of_the_library_travel_too():
    target = (TRUTH > 0).astype(int)
    probs = 1 / (1 + np.exp(-VALUES))
    own = own_metrics({"mine": evalcli.metrics.AUROC(), "gap": evalcli.metrics.Accuracy() - evalcli.metrics.F1()})
    found = []
    for a, b in itertools.pairwise([0, 200, 390, 600]):
        source = MemorySource(probs[a:b], target[a:b])
        source.finish = lambda a=a: (InputFile(f"{a:04}.npy", 8, f"sha256:{a}"),)
        found.append(decode(encode(measure_part(source, Choices(), Execution(workers=1), own=own))))
    report = report_of_part(merge(found), own=own)
    assert report.metrics["mine"].value == report.metrics["auroc"].value
    assert report.metrics["gap"].value == report.metrics["accuracy"].value - report.metrics["f1"].value


@pytest.fixture
def my(tmp_path, monkeypatch):
    lay(tmp_path, 30)
    monkeypatch.chdir(tmp_path)
    return tmp_path


ASKED = ("--metric", "my.py:TopK(k=2)", "--metric", "top=my.py:TopK(1)", "--metric", "my.py:PerClass")


def test_merge_prints_the_bytes_of_one_run(my, run):
    more = ("--define", "gap = top - accuracy", "--min", "gap=0", "--min", "PerClass[y]=1", "-f", "json")
    whole = run("report", "s?.csv", *ASKED, *more)
    assert whole.code == 0, whole.stderr
    files = written(run, *ASKED)
    first = run("merge", *files, *ASKED, *more)
    assert first == whole
    for order in itertools.islice(itertools.permutations(files), 0, 24, 5):
        assert run("merge", *order, *ASKED, *more) == first
    assert run("merge", *files[:2], "--quiet", "-o", "one.evalcli").code == 0  # no user code is needed
    assert run("merge", *files[:1:-1], "--quiet", "-o", "two.evalcli").code == 0
    assert run("merge", "two.evalcli", "one.evalcli", *ASKED, *more) == first
    assert run("merge", *files, *ASKED, "--min", "TopK(k=2)=1").code == 1


def test_parts_and_reports_of_one_run_agree(my, run):
    whole = run("report", "s?.csv", *ASKED, "-f", "json", "-o", "p.evalcli")
    assert whole.code == 0
    assert run("merge", "p.evalcli", *ASKED, "-f", "json").stdout == whole.stdout


def test_what_merge_says_of_metrics_too_many_or_too_few(my, run):
    files = written(run, *ASKED)
    missing = run("merge", *files, *ASKED[:4])
    assert (missing.code, missing.stdout) == (2, "")
    assert missing.stderr == (
        "evalcli: p0.evalcli: PerClass was counted, and nothing says how to compute it; "
        "add --metric FILE.py:PerClass [E3]\n"
    )
    assert "add --metric top=FILE.py:TopK(1) [E3]" in run("merge", *files, *ASKED[:2], *ASKED[4:]).stderr
    more = run("merge", *files, *ASKED, "--metric", "more=my.py:TopK")
    assert "--metric more: no states of it were counted (there are: PerClass, TopK(k=2), top)" in more.stderr
    other = run("merge", *files, *ASKED[:2], "--metric", "top=my.py:TopK(3)", *ASKED[4:])
    assert "top was counted as TopK(1), and is to be computed as TopK(3)" in other.stderr
    alien = run("merge", *files, *ASKED[:4], "--metric", "PerClass=my.py:PerClass")
    assert alien.code == 0, alien.stderr
    plain = run("report", "s1.csv", "--quiet", "-o", "plain.evalcli")
    assert plain.code == 0
    mixed = run("merge", files[0], "plain.evalcli")
    assert mixed.stderr == (
        "evalcli: plain.evalcli: counted other metrics of your own than p0.evalcli; "
        "write all parts with the same --metric [E3]\n"
    )


def test_classes_by_other_numbers_are_refused(my, run):
    Path("s0.csv").write_text("pred,target\na,a\nc,c\n")
    Path("s1.csv").write_text("pred,target\nb,a\nc,c\n")
    files = written(run, "--metric", "my.py:PerClass", count=2)
    found = run("merge", *files, "--metric", "my.py:PerClass")
    assert found.code == 2
    assert found.stderr == (
        "evalcli: p1.evalcli: PerClass sees classes by number, and 'b' is in some parts only; "
        "write all parts with --labels naming all classes [E3]\n"
    )
    files = written(run, "--metric", "my.py:PerClass", "--labels", "a,b,c", count=2)
    found = run("merge", *files, "--metric", "my.py:PerClass", "-f", "json")
    metrics = json.loads(found.stdout)["metrics"]
    assert [metrics[f"PerClass[{name}]"]["value"] for name in "abc"] == [2, 0, 2]


def test_a_failure_travels(my, run):
    bad = ("--metric", "my.py:BadUpdate", "--metric", "my.py:BadCompute")
    alone = run("report", "s?.csv", *bad, "-f", "json")
    for number in range(4):
        done = run("report", f"s{number}.csv", *bad, "--quiet", "-o", f"p{number}.evalcli")
        assert done.code == 2
        assert "BadUpdate failed: ValueError" in done.stderr
    files = [f"p{number}.evalcli" for number in range(4)]
    merged = run("merge", *files[::-1], *bad, "-f", "json")
    assert merged == alone
    assert merged.code == 2
    assert "BadCompute failed" in merged.stderr


def test_parts_in_python(my):
    own = {"two": "my.py:TopK(k=2)"}
    parts = [evalcli.evaluate(f"s{number}.csv", own=own, partial=True) for number in range(4)]
    report = evalcli.merge(parts[::-1]).report(own=own)
    whole = evalcli.evaluate("s?.csv", own=own)
    assert report["two"] == whole["two"]
    with pytest.raises(InputError, match=r"two was counted, and nothing says how to compute it"):
        evalcli.merge(parts).report()


def test_an_object_in_python_has_no_address():
    with pytest.raises(InputError, match=r"add --metric Sums=FILE\.py:CLASS"):
        report_of_part(PARTS[0])
    assert own_metric(Sums()).made == ""


def test_metrics_whose_numbers_begin_with_a_file_that_is_gone(my, run):
    save(my / "a.npz", {"preds": VALUES, "target": TRUTH})
    done = run("report", "a.npz", "--task", "regression", "--metric", "my.py:MyRMSE", "--quiet", "-o", "a.evalcli")
    assert done.code == 0, done.stderr
    (my / "a.npz").unlink()
    merged = run("merge", "a.evalcli", "--metric", "my.py:MyRMSE", "--max", "MyRMSE=1", "-f", "json")
    assert merged.code == 0, merged.stderr
    found = json.loads(merged.stdout)["metrics"]
    assert found["MyRMSE"]["value"] == pytest.approx(found["rmse"]["value"], rel=1e-12)
