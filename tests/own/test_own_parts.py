"""Metrics of the user's own in parts: counted apart, laid side by side, merged in the order of the rows alone."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from own_shards import lay, written
from saved_files import save

import evalcli
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.loading import own_metric, own_metrics
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.sources.base import InputFile
from evalcli.task import Choices

HERE = Path(__file__).parent
RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=600)
TRUTH = VALUES + RNG.normal(size=600) * 0.3
CUTS = [0, 7, 100, 101, 350, 600]


class Sums(evalcli.Metric):
    """Float sums that round at every step, rows in their order, and a sum that begins as a whole number."""

    def __init__(self):
        super().__init__()
        self.add_state("squares", np.zeros(2))
        self.add_state("total", 0)
        self.add_state("seen", [], reduce="cat")
        self.add_state("means", [], reduce="cat")
        self.add_state("least", np.inf, reduce="min")

    def update(self, preds, target):
        self.squares = self.squares + np.array([((preds - target) ** 2).sum(), len(preds)])
        self.total += float(preds.sum())
        self.seen.append(target.copy())
        self.means.append(float(target.mean()))
        self.least = min(self.least, float(target.min()))

    def compute(self):
        seen = np.concatenate(self.seen)
        return {
            "rmse": (self.squares[0] / self.squares[1]) ** 0.5,
            "total": self.total,
            "first": seen[0],
            "last": seen[-1],
            "batches": len(self.means),
            "mean": sum(self.means) / len(self.means),
            "least": self.least,
        }


def part(start, stop, own, **more):
    source = MemorySource(VALUES[start:stop], TRUTH[start:stop])
    file = InputFile(f"{start:04}.npy", 8, f"sha256:{start}")
    source.finish = lambda: (file,)
    choices = Choices(task="regression")
    found = measure_part(source, choices, Execution(workers=more.pop("workers", 1), **more), own=own)
    return decode(encode(found), file.path)


def parts(own, **more):
    return [part(a, b, own, **more) for a, b in itertools.pairwise(CUTS)]


OWN = own_metrics([Sums()])
PARTS = parts(OWN)


def told(found):
    return render(replace(report_of_part(found, own=OWN), inputs=()), "json")


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


class Words(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("word", np.array(""))

    def update(self, preds, target):
        self.word = np.array("x")

    def compute(self):
        return 1


class Ragged(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("pieces", [], reduce="cat")

    def update(self, preds, target):
        self.pieces.append([1, 2])

    def compute(self):
        return len(self.pieces)


class Hidden(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.rows = 0

    def update(self, preds, target):
        self.rows += len(target)

    def merge(self, other):
        self.rows += other.rows
        return self

    def compute(self):
        return self.rows


class Raises(evalcli.Metric):
    def update(self, preds, target):
        pass

    def state_dict(self):
        raise OSError("no\nway")

    def compute(self):
        return 0


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (Words(), "state 'word' is an array of <U1 of shape ()"),
        (Ragged(), "state 'pieces' holds a list"),
        (Hidden(), "'rows' is merged and is no state"),
        (Raises(), "no"),
    ],
    ids=["text", "list", "outside", "raises"],
)
def test_a_metric_that_no_arrays_can_hold_is_named(metric, why):
    name = type(metric).__name__
    with pytest.raises(UsageError) as caught:
        part(0, 5, own_metrics([metric]))
    message = str(caught.value)
    assert message.startswith(f"--metric {name}: its state cannot be written as arrays: {why}; keep numbers and arrays")
    assert "\n" not in message


def test_attributes_that_nobody_merges_may_be_anything():
    class Caching(evalcli.Metric):
        def __init__(self):
            super().__init__()
            self.add_state("rows", 0)
            self.last = None

        def update(self, preds, target):
            self.rows += len(target)
            self.last = object()

        def compute(self):
            return self.rows

    own = own_metrics([Caching()])
    assert report_of_part(merge(parts(own)), own=own).metrics["Caching"].value == 600


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


def forge(held, about=None, arrays=None):
    content = unpack(encode(held), "p")
    changed = {**content.about, **(about or {})}
    states = {**content.arrays, **(arrays or {})}
    return pack(changed, {k: v for k, v in states.items() if v is not None}, evalcli.__version__)


def forged_abouts():
    plain = unpack(encode(PARTS[0]), "p").about
    (one,) = plain["contributions"]
    failure = {"name": "Sums", "what": "x", "place": ""}
    yield {"own": []}
    yield {"contributions": []}
    yield {"own": [*plain["own"], *plain["own"]]}
    yield {"own": [{"name": "Sums"}]}
    yield {"contributions": [one, one]}
    yield {"contributions": [{**one, "failures": [{**failure, "name": "Other"}]}]}
    yield {"contributions": [{**one, "failures": [failure, failure]}]}
    yield {"contributions": [{**one, "failures": [failure]}]}
    yield {"contributions": [{**one, "inputs": [{**one["inputs"][0], "side": "x"}]}]}


@pytest.mark.parametrize("about", list(forged_abouts()), ids=str)
def test_what_is_said_of_the_states_is_checked(about):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], about))


@pytest.mark.parametrize("name", ["own.1.0.total", "own.0.1.total", "own.0", "own.x.y.z", "own.00.0.total", "own..."])
def test_states_of_nobody_are_refused(name):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], arrays={name: np.zeros(1)}))


@pytest.mark.parametrize(
    "arrays",
    [
        {"own.0.0.total": None},
        {"own.0.0.total": np.zeros(3)},
        {"own.0.0.total": np.ones((), bool)},
        {"own.0.0.other": np.zeros(3)},
        {"own.0.0.seen.lengths": None},
        {"own.0.0.seen.lengths": np.array([3])},
        {"own.0.0.seen.lengths": np.array([-2])},
        {"own.0.0.seen.lengths": np.array([2**62, 2**62, 2**62, 2**62])},
        {"own.0.0.seen.lengths": np.zeros((1, 1), np.int64)},
        {"own.0.0.seen": np.array(1.0)},
        {"own.0.0.seen": None},
        {"own.0.0.squares": np.zeros((2, 2))},
    ],
    ids=str,
)
def test_forged_states_are_an_error_that_names_the_metric(arrays):
    held = decode(forge(PARTS[0], arrays=arrays), "f.evalcli")  # what they mean, no merge needs to know
    total = merge([held, *PARTS[1:]])
    with pytest.raises(InputError, match=r"^f\.evalcli: the states of Sums are not those of this metric"):
        report_of_part(total, own=OWN)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_array_in_place_of_a_state_is_an_error_or_a_failure(data):
    names = [key for key in unpack(encode(PARTS[0]), "p").arrays if key.startswith("own.")]
    dtype = data.draw(st.sampled_from(["bool", "int8", "int64", "uint64", "float16", "float64", "bfloat16"]))
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    shape = data.draw(st.lists(st.integers(0, 3), max_size=4))
    name = data.draw(st.sampled_from(names))
    held = decode(forge(PARTS[0], arrays={name: np.ones(shape, dtype)}))
    with suppress(InputError):
        said = [name for name in report_of_part(merge([held, PARTS[1]]), own=OWN).metrics if "Sums" in name]
        assert said


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
