"""Slices in parts: matched by value, any tree of merges gives the bytes of one run, nothing forged is let in."""

from __future__ import annotations

import itertools
import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource

import evalcli
from evalcli import __version__
from evalcli.engine import Execution
from evalcli.errors import InputError, LimitError
from evalcli.evaluation import measure, report_of
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.sources import open_source
from evalcli.sources.base import InputFile, Selection, Slicer
from evalcli.sources.labels import class_order
from evalcli.sources.slicing import escaped, joined_slicers
from evalcli.task import Choices

ROWS = 1_200
CUTS = [0, 11, 300, 640, ROWS]
RNG = np.random.default_rng(7)
REGION = np.sort(RNG.choice(["EU", "US", "AS", "", "10", "9"], ROWS))  # sorted: each part sees its own
DEVICE = RNG.choice(["phone", "desk"], ROWS)
LOGITS = RNG.normal(size=(ROWS, 4)).astype(np.float32)
TARGET = np.where(RNG.random(ROWS) < 0.6, LOGITS.argmax(1), RNG.integers(0, 4, ROWS))
NAMES = np.array([f"class {i}" for i in range(12)])
TOLD = NAMES[np.sort(RNG.integers(0, 12, ROWS))]
SAID = np.where(RNG.random(ROWS) < 0.7, TOLD, np.roll(TOLD, 40))
NUMBERS = np.sort(RNG.integers(0, 30, ROWS))
WEIGHT = RNG.random(ROWS)


def rows_of(kind, part):
    slices = {"region": REGION[part], "device": DEVICE[part]}
    weight = WEIGHT[part] if kind.startswith("weighted") else None
    if kind.endswith("text"):
        names = class_order({*SAID[part].tolist(), *TOLD[part].tolist()})
        index = {name: i for i, name in enumerate(names)}
        codes = [np.array([index[name] for name in side[part].tolist()]) for side in (SAID, TOLD)]
        return MemorySource(*codes, labels=names, pred_labels=names, weight=weight, slices=slices)
    if kind.endswith("numbers"):
        return MemorySource(np.roll(NUMBERS, 9)[part], NUMBERS[part], weight=weight, slices=slices)
    if kind.endswith("binary"):
        return MemorySource(LOGITS[part, 0], (TARGET == 0)[part].astype(int), weight=weight, slices=slices)
    return MemorySource(LOGITS[part], TARGET[part], weight=weight, slices=slices)


KINDS = ["logits", "weighted logits", "binary", "text", "weighted text", "numbers"]


def part(kind, start, stop, choices=Choices(), **more):  # noqa: B008  it is frozen
    source = rows_of(kind, slice(start, stop))
    source.finish = lambda: (InputFile(f"{start:04}.npy", 8, f"sha256:{start}"),)
    execution = Execution(workers=more.pop("workers", 1), batch_size=more.pop("size", None))
    return decode(encode(measure_part(source, choices, execution, **more)), f"{start:04}.evalcli")


def told(report):
    return render(replace(report, inputs=()), "json")


def whole(kind, **more):
    measured, _ = measure(rows_of(kind, slice(0, ROWS)), Choices(), Execution(workers=1), **more)
    return report_of(measured)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_parts_give_the_bytes_of_one_run(kind):
    parts = [part(kind, a, b, size=90, workers=2) for a, b in itertools.pairwise(CUTS)]
    assert len({one.about.slicers[0].values for one in parts}) > 1
    expected = whole(kind)
    assert {row.value for row in expected.slices} == {*REGION.tolist(), *DEVICE.tolist()} - {""}
    assert told(report_of_part(merge(parts))) == told(expected)
    trees = [
        merge(parts),
        merge(parts[::-1]),
        merge([merge(parts[:2]), merge(parts[2:])]),
        merge([parts[3], merge([parts[1], merge([parts[2], parts[0]])])]),
        merge([decode(encode(merge([parts[2], parts[0]])), "x"), parts[3], parts[1]]),
    ]
    assert len({encode(tree) for tree in trees}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_comes_back_bit_for_bit(kind):
    first = part(kind, 0, ROWS)
    again = decode(encode(first))
    before, after = first.gathered.state_dict(), again.gathered.state_dict()
    assert any(name.startswith("slices.1.0.confusion") for name in before)
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert (array.dtype, array.shape) == (after[name].dtype, after[name].shape)
        assert array.tobytes() == after[name].tobytes()
    assert len({encode(part(kind, 0, ROWS, size=size, workers=3)) for size in (7, 100, 5000)}) == 1
    assert told(report_of_part(again)) == told(whole(kind))


def test_merging_leaves_the_parts_as_they_are():
    parts = [part("text", a, b) for a, b in itertools.pairwise(CUTS)]
    before = [encode(one) for one in parts]
    merge(parts)
    merge(parts[::-1])
    assert [encode(one) for one in parts] == before


def test_a_part_without_rows_has_no_slices_and_fits_all_others():
    parts = [part("logits", a, b) for a, b in itertools.pairwise(CUTS)]
    empty = part("logits", ROWS, ROWS)
    assert told(report_of_part(merge([empty, *parts]))) == told(report_of_part(merge([*parts, empty])))
    assert told(report_of_part(merge([parts[0], empty, *parts[1:]]))) == told(whole("logits"))


def test_ranks_beyond_the_budget_merge_to_the_same_interval():
    rows, rng = 60_000, np.random.default_rng(1)
    score, target = rng.normal(size=rows), rng.integers(0, 2, rows)
    group = np.where(np.arange(rows) < 25_000, "a", rng.choice(["a", "b", "c"], rows))

    def source(start, stop):
        found = MemorySource(score[start:stop], target[start:stop], slices={"g": group[start:stop]})
        found.finish = lambda: (InputFile(f"{start:05}.npy", 8, f"sha256:{start}"),)
        return found

    execution = Execution(workers=1, ranking_budget=2 << 20)  # a part of one slice has 2 MB for it, all have a third
    metrics = ("auroc", "aurc")
    measured, _ = measure(source(0, rows), Choices(), execution, metrics)
    expected = report_of(measured)
    certified = [row.metrics[name].certified is not None for row in expected.slices for name in ("auroc", "aurc")]
    assert any(certified)
    parts = [
        decode(encode(measure_part(source(a, b), Choices(), execution, metrics)), str(a))
        for a, b in itertools.pairwise([0, 25_000, 40_000, rows])
    ]
    assert {len(one.about.slicers[0].values) for one in parts} == {1, 3}
    assert told(report_of_part(merge(parts))) == told(expected)
    assert encode(merge(parts)) == encode(merge([merge(parts[1:]), parts[0]]))


def test_parts_that_are_sliced_otherwise_say_what_to_do():
    first = part("logits", 0, 300)
    source = MemorySource(LOGITS[300:], TARGET[300:], slices={"region": REGION[300:]})
    source.finish = lambda: (InputFile("b.npy", 8, "sha256:b"),)
    second = decode(encode(measure_part(source, Choices(), Execution(workers=1))), "b.evalcli")
    for order in ([first, second], [second, first]):
        with pytest.raises(InputError, match=r"is sliced by other columns than .*; write all parts with the same --by"):
            merge(order)


def test_a_gate_on_slices_that_were_not_counted_says_what_to_do():
    with pytest.raises(InputError) as caught:
        report_of_part(part("logits", 0, 300), ("recall_macro@country=EU",))
    assert str(caught.value) == (
        "0000.evalcli: recall_macro@country=EU: the rows were not sliced by 'country' when they were counted; "
        "write all parts with --by country [E3]"
    )


SMALL = part("logits", 300, 640)


def forge(arrays=None, **about):
    content = unpack(encode(SMALL), "p")
    states = {**content.arrays, **(arrays or {})}
    return pack({**content.about, **about}, {k: v for k, v in states.items() if v is not None}, __version__)


def slicer(name, values, ranged=False):
    return {"name": name, "values": values, "ranged": ranged, "bounds": []}


@pytest.mark.parametrize(
    ("about", "arrays"),
    [
        ({"slicers": []}, None),
        ({"slicers": [slicer("region", ["a", "a"]), slicer("device", ["desk", "phone"])]}, None),
        ({"slicers": [slicer("region", ["a"]), slicer("device", ["desk", "phone"])]}, None),
        ({"slicers": [slicer("device", ["a", "b", "c"]), slicer("device", ["desk", "phone"])]}, None),
        ({"slicers": [slicer("region", [str(i) for i in range(10_001)]), slicer("device", ["desk", "phone"])]}, None),
        ({"slicers": [slicer("region", [1, 2, 3]), slicer("device", ["desk", "phone"])]}, None),
        ({"slicers": [{"name": "region"}, slicer("device", ["desk", "phone"])]}, None),
        (None, {"slices.1.0.confusion.table": None}),
        (None, {"slices.1.0.confusion.table": np.zeros((4, 5), np.int64)}),
        (None, {"slices.1.0.confusion.table": np.zeros((3, 4), np.int64)}),
        (None, {"slices.1.0.confusion.table": np.full((4, 5), 2**61)}),
        (None, {"slices.1.0.confusion.rows": np.array(-1)}),
        (None, {"slices.1.0.scores.unscored": None}),
        (None, {"slices.1.2.confusion.table": np.ones((4, 5), np.int64)}),
        (None, {"slices.1.00.confusion.table": np.ones((4, 5), np.int64)}),
        (None, {"slices.2.0.confusion.table": np.ones((4, 5), np.int64)}),
        (None, {"slices.1": np.ones(3)}),
        (None, {"slices.1.0.other.x": np.ones(3)}),
        (None, {"slices.1.0.scores.LogLoss.sizes.held": np.array([[0, -(2**63) + 5], [1, 1]])}),
        (None, {"slices.1.0.scores.LogLoss.sizes.held": np.array([[0, 1 << 15], [1, 1]])}),
        (None, {"slices.1.0.scores.LogLoss.sizes.held": np.array([[7, 5], [1, 1]])}),
        (None, {"slices.1.0.scores.LogLoss.sizes.held": np.zeros((3, 1), np.int64)}),
    ],
    ids=str,
)
def test_forged_slices_are_refused(about, arrays):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(arrays, **(about or {})))


def test_slices_of_other_rows_are_refused():
    content = unpack(encode(SMALL), "p")
    for name, array in content.arrays.items():
        if name.startswith("slices.1.0.scores") and name.endswith(".rows"):
            with pytest.raises(InputError, match="not a part that evalcli writes"):
                decode(forge({name: array + 1}))


texts = st.text(st.sampled_from("ab,\\ 1!"), max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(texts, min_size=1), min_size=3, max_size=3), st.permutations(range(3)))
def test_values_join_in_the_order_of_one_run_whatever_the_order(groups, order):
    made = [(Slicer("c", class_order(values)),) for values in groups]
    total = made[order[0]]
    for number in order[1:]:
        total = joined_slicers(total, made[number], "p")
    assert total == (Slicer("c", class_order({value for values in groups for value in values})),)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(texts, min_size=1, max_size=4), min_size=3, max_size=3), st.sets(texts, min_size=2, max_size=3))
def test_crossed_arrays_join_in_their_order(groups, other):
    """By the first column, then by the second, as arrays cross them, unless that is the order of texts as well."""

    def crossed(values):
        pairs = itertools.product(class_order(values), class_order(other))
        return tuple(",".join(map(escaped, pair)) for pair in pairs)

    made = [Slicer("a,b", crossed(values)) for values in groups]
    whole = crossed({value for values in groups for value in values})
    for order in itertools.permutations(made):
        total = order[:1]
        for one in order[1:]:
            total = joined_slicers(total, (one,), "p")
        assert {*total[0].values} == {*whole}
        if any(one.values != class_order(one.values) for one in made):
            assert total[0].values == whole


def test_ranges_of_each_part_are_refused_and_equal_ones_are_not():
    ranged = Slicer("age", ("[0, 5)", "[5, 9]"), ranged=True)
    assert joined_slicers((ranged,), (ranged,), "p") == (ranged,)
    assert joined_slicers((ranged,), (Slicer("age", ()),), "p") == (ranged,)
    assert joined_slicers((Slicer("age", ()),), (ranged,), "p") == (ranged,)
    others = Slicer("age", ("[0, 6)", "[6, 9]"), ranged=True), Slicer("age", ("1", "2")), Slicer("age", ranged.values)
    for other in others:
        with pytest.raises(InputError, match="give the bounds of all ranges, as in age:5"):
            joined_slicers((ranged,), (other,), "p")
    few, more = (Slicer("age", tuple(map(str, numbers))) for numbers in (range(30), range(25, 60)))
    with pytest.raises(InputError, match="more than 50 numbers are cut into ranges"):
        joined_slicers((few,), (more,), "p")
    many = [Slicer("id", tuple(f"x{i}" for i in numbers)) for numbers in (range(9_000), range(8_000, 12_000))]
    with pytest.raises(LimitError, match="--by id makes more than 10,000 slices"):
        joined_slicers(many[:1], many[1:], "p")


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Tables of labels with columns to slice by: a text, one that holds commas, a number of many values."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    for number in range(3):
        size = 60 + 9 * number
        region = rng.choice(["EU", "US", "AS", "AF"][number : number + 2], size)
        device, age = rng.choice(["a,b", "c\\", "d"], size), rng.integers(0, 1000, size)
        truth = rng.integers(0, 3, size)
        said = np.where(rng.random(size) < 0.7, truth, 0)
        columns = zip(said, truth, region, device, age, strict=True)
        lines = [f'{"xyz"[p]},{"xyz"[t]},{r},"{d}",{a}' for p, t, r, d, a in columns]
        (tmp_path / f"s{number}.csv").write_text("\n".join(["pred,target,region,device,age", *lines, ""]))
    return ["s0.csv", "s1.csv", "s2.csv"]


@pytest.mark.parametrize("by", [("--by", "region,device", "--by", "device"), ()])
def test_merge_and_its_gates_print_the_bytes_of_one_run(shards, run, by):
    gates = ("--min", "recall[x]@region=EU=0.1", "--min", "accuracy@region=*=0.2", "--max", "accuracy@region:gap=0.9")
    gates += ("--min-slice-size", "20")
    whole = run("report", "s?.csv", *by, *gates, "-f", "json")
    assert whole.code == 0, whole.stderr
    parts = [name.replace("csv", "evalcli") for name in shards]
    for name, path in zip(shards, parts, strict=True):
        assert run("report", name, *by, "--by", "region", "-o", path, "--quiet").code == 0
    merged = run("merge", *parts[::-1], *gates, "-f", "json")
    assert (merged.code, merged.stdout, merged.stderr) == (0, whole.stdout, whole.stderr)
    assert json.loads(merged.stdout)["slices"]
    failing = run("merge", *parts, "--min", "accuracy@region=AS=1", "-f", "json")
    assert failing.code == 1
    missing = run("merge", *parts, "--min", "accuracy@region=XX=0.1")
    alone = run("report", "s?.csv", "--min", "accuracy@region=XX=0.1")
    assert missing.code == alone.code == 2


def test_numbers_of_many_values_say_what_to_do(shards, run):
    ages = [np.loadtxt(name, delimiter=",", skiprows=1, usecols=-1, quotechar='"') for name in shards]
    edges = [
        ":".join(f"{edge:g}" for edge in np.quantile(age, [0.25, 0.5, 0.75], method="inverted_cdf")) for age in ages
    ]
    for number, name in enumerate(shards):
        part = run("report", name, "--by", "age", "-o", f"{number}.evalcli", "--quiet")
        assert part.code == 0
        assert part.stderr == (
            "evalcli: slices by 'age' are ranges of numbers that these rows alone have cut, and no part of other rows "
            f"merges with them; give the bounds of all ranges, as in age:{edges[number]}\n"
        )
    with pytest.warns(UserWarning, match="slices by 'age' are ranges"):
        evalcli.evaluate("s0.csv", by="age", partial=True)
    merged = run("merge", "0.evalcli", "1.evalcli", "2.evalcli")
    assert (merged.code, merged.stdout) == (2, "")
    assert merged.stderr == (
        "evalcli: 1.evalcli: slices by 'age': these are ranges of numbers, and each share of the rows has cut its own; "
        f"give the bounds of all ranges, as in age:{edges[0]} [E3]\n"
    )
    assert run("merge", "2.evalcli", "-f", "json").stdout == run("report", "s2.csv", "--by", "age", "-f", "json").stdout


def test_parts_in_python(shards, run):
    parts = [evalcli.evaluate(name, metrics="accuracy@region=*", partial=True) for name in shards]
    report = evalcli.merge(parts[::-1]).report()
    whole = run("report", "s?.csv", "-m", "accuracy@region=*", "-f", "json").stdout
    assert report.to_json() == whole
    by = [evalcli.evaluate(name, by="region", partial=True) for name in shards]
    assert len(evalcli.merge(by).report().slices) == 4


def test_slices_are_read_where_their_checksums_are_kept(tmp_path):
    np.savez(tmp_path / "a.npz", preds=TARGET, target=TARGET, region=NUMBERS)
    for by, regions in (((), 2), (("region",), 3)):
        with closing(open_source(str(tmp_path / "a.npz"), None, Selection(by=by))) as source:
            assert len(source.ledgers()) == regions  # processes bring all of them home
