"""``--scan '*'`` in parts: all rows together say which columns hold ids, and merged parts know it as one run does."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli import __version__
from evalcli.errors import EvalError, InputError
from evalcli.partfile import pack, unpack
from evalcli.parts import decode
from evalcli.sources.distinct import KEPT, SPACE, ColumnSize, least_of
from evalcli.sources.table_hashes import Hashes

ROWS = 4200
CUTS = [0, 40, 1300, ROWS]
ORDERS = [(0, 1, 2), (2, 0, 1), (1, 2, 0)]
"""Each part comes first, second and last, and each two of them are merged before the third."""
RNG = np.random.default_rng(8)
REGION = np.sort(RNG.choice(["EU", "US", "APAC"], ROWS))  # each part sees its own
TARGET = RNG.choice(["cat", "dog", "owl"], ROWS)
WRONG = RNG.random(ROWS) < np.where(REGION == "EU", 0.4, 0.1)
HALF = ROWS // 2
FRAME = pd.DataFrame(
    {
        "target": TARGET,
        "pred": np.where(WRONG, np.where(TARGET == "cat", "dog", "cat"), TARGET),
        "region": REGION,
        "grade": RNG.integers(1, 5, ROWS),
        "mail": [f"{i}@home" for i in range(ROWS)],
        "row": np.arange(ROWS) * 7,
        "user": [f"u{i if i < HALF else i % 300}" for i in range(ROWS)],  # ids in the first parts, not in all rows
        "pair": [f"p{i // 2}" for i in range(ROWS)],
        "place": [f"z{i % 130}" for i in range(ROWS)],  # ids in the first part, to look at
        "same": ["x"] * ROWS,
        "level": RNG.choice([0.5, 1.0, 2.0], ROWS),
        "uid": RNG.integers(0, 9, ROWS),
    }
)
LEFT_OUT = ["uid", "mail", "row", "user", "pair"]


def wrote(frame, path):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        np.savez(
            path, **{name: cells.to_numpy("U9" if cells.dtype.kind == "O" else None) for name, cells in frame.items()}
        )
    return path


def plain(report):
    return json.dumps(replace(report.data, inputs=()).to_json_object())


def parts_of(frame, **options):
    cut = [frame.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(CUTS)]
    return [evalcli.evaluate(rows, partial=True, metrics="accuracy", scan="*", **options) for rows in cut]


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_ids_of_small_shards_take_no_room_that_there_is_not(tmp_path, run, suffix):
    """Each shard has 600 to 900 ids of four kinds: to search them all would take tables of millions of pairs."""
    ids = {f"key{i}": [f"k{(i + 2) * row}" for row in range(2400)] for i in range(4)}
    frame = FRAME.iloc[:2400][["target", "pred", "region", "place"]].assign(**ids)
    asked = ("--scan", "*", "-m", "accuracy")
    whole = json.loads(run("report", wrote(frame, tmp_path / f"all{suffix}"), *asked, "-f", "json").stdout)
    cuts = [0, 900, 1500, 2400]
    for number, (a, b) in enumerate(itertools.pairwise(cuts)):
        done = run(
            "report", wrote(frame[a:b], tmp_path / f"s{number}{suffix}"), *asked, "-o", tmp_path / f"p{number}.evalcli"
        )
        assert (done.code, done.stderr) == (0, "")
    for tree in ORDERS:
        merged = run("merge", *(tmp_path / f"p{i}.evalcli" for i in tree), "-f", "json")
        assert merged.code == 0, merged.stderr
        assert json.loads(merged.stdout)["scan"] == whole["scan"]
    assert whole["scan"]["columns"] == ["region"]


def test_what_passed_for_ids_in_a_part_is_not_searched_in_silence(tmp_path, run):
    ids = {f"key{i}": [f"k{(i + 2) * (row % 700)}" for row in range(2100)] for i in range(3)}
    frame = FRAME.iloc[:2100][["target", "pred"]].assign(**ids)
    for number in range(3):
        path = wrote(frame[700 * number : 700 * (number + 1)], tmp_path / f"s{number}.csv")
        assert run("report", path, "--scan", "*", "-o", tmp_path / f"p{number}.evalcli", "--quiet").code == 0
    merged = run("merge", *(tmp_path / f"p{i}.evalcli" for i in range(3)))
    assert merged.code == 2
    assert "--scan '*': 'key2' told the rows of a part apart, and not all rows; write all parts" in merged.stderr


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_merged_parts_search_what_one_run_searches(tmp_path, run, suffix):
    asked = ("--scan", "*", "-m", "accuracy")
    wrote(FRAME, tmp_path / f"all{suffix}")
    for number, (a, b) in enumerate(itertools.pairwise(CUTS)):
        path = wrote(FRAME.iloc[a:b], tmp_path / f"s{number}{suffix}")
        done = run("report", path, *asked, "-o", tmp_path / f"p{number}.evalcli")
        assert (done.code, done.stderr) == (0, "")
    whole = json.loads(run("report", tmp_path / f"all{suffix}", *asked, "-f", "json").stdout)
    assert whole["scan"]["columns"] == ["region", "grade", "place", "same", "level"]
    assert [one["column"] for one in whole["scan"]["left_out"]] == LEFT_OUT
    for tree in ORDERS:
        inner = run("merge", *(tmp_path / f"p{i}.evalcli" for i in tree[:2]), "-o", tmp_path / "two.evalcli")
        assert inner.code == 0, inner.stderr
        merged = json.loads(
            run("merge", tmp_path / "two.evalcli", tmp_path / f"p{tree[2]}.evalcli", "-f", "json").stdout
        )
        assert {**merged, "inputs": whole["inputs"]} == whole


@pytest.mark.parametrize("options", [{}, {"cluster": "pair"}, {"weight": "grade", "by": "place"}])
def test_frames(options):
    whole = evalcli.evaluate(FRAME, metrics="accuracy", scan="*", **options)
    assert whole.data.scan.slices
    one, two, three = parts_of(FRAME, **options)
    for tree in ([one, two, three], [three, evalcli.merge([two, one])], [evalcli.merge([three, one]), two]):
        assert plain(evalcli.merge(tree).report()) == plain(whole)
    alone = evalcli.evaluate(FRAME[:1260], metrics="accuracy", scan="*", **options)
    part = evalcli.evaluate(FRAME[:1260], metrics="accuracy", scan="*", partial=True, **options)
    assert plain(part.report()) == plain(alone)


@pytest.mark.parametrize("suffix", [".parquet", ""])
def test_a_column_may_hold_nothing_in_a_part(tmp_path, suffix):
    phase = [*[None] * 40, *["late", None] * 280]
    whole = FRAME[:600].assign(phase=phase, mail=FRAME["mail"].where(FRAME["region"] == "EU"))

    def counted(number, frame, **how):
        if suffix:
            return evalcli.evaluate(wrote(frame, tmp_path / f"{number}{suffix}"), metrics="accuracy", scan="*", **how)
        return evalcli.evaluate(frame, target="target", metrics="accuracy", scan="*", **how)

    one = counted(3, whole)
    parts = [counted(i, rows, partial=True) for i, rows in enumerate((whole[:0], whole[:40], whole[40:]))]
    assert "phase" in one.data.scan.columns
    for tree in (parts, [evalcli.merge(parts[1:]), parts[0]], parts[::-1]):
        assert plain(evalcli.merge(tree).report()) == plain(one)
    sizes = {size.name: size for size in decode(bytes(parts[2])).about.scanned.sizes}
    assert (sizes["phase"].rows, sizes["phase"].distinct) == (280, 1)


def test_numbers_of_many_values_need_bounds():
    aged = FRAME.assign(age=RNG.integers(18, 90, ROWS))
    with pytest.warns(UserWarning, match=r"slices by 'age' are ranges of numbers.* as in '\*,age:[0-9:]+'$"):
        parts = parts_of(aged)
    with pytest.raises(InputError, match=r"'age' holds numbers of many values.* scan='\*,age:18:65', with"):
        evalcli.merge(parts).report()
    several = aged.assign(income=RNG.integers(1, 99, ROWS) * 1000)
    with pytest.warns(UserWarning, match=r"by 'age' and 'income' .* as in '\*,age:[\d:]+,income:[\d:]+'$") as said:
        parts = parts_of(several)
    with pytest.raises(InputError, match=r"'age', 'income' hold numbers .* scan='\*,age:18:65,income:18:65', with"):
        evalcli.merge(parts).report()
    bounds = str(said[-1].message).rpartition(" as in ")[2].strip("'")
    cut = [several.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(CUTS)]
    parts = [evalcli.evaluate(rows, partial=True, metrics="accuracy", scan=bounds) for rows in cut]
    assert plain(evalcli.merge(parts).report()) == plain(evalcli.evaluate(several, metrics="accuracy", scan=bounds))
    cut = [aged.iloc[a:b] for a, b in itertools.pairwise(CUTS)]
    asked = {"metrics": "accuracy", "scan": ("*", "age:30:60")}
    whole = evalcli.evaluate(aged, **asked)
    assert whole.data.scan.columns == ("region", "grade", "place", "same", "level", "age")
    merged = evalcli.merge([evalcli.evaluate(rows.reset_index(drop=True), partial=True, **asked) for rows in cut])
    assert plain(merged.report()) == plain(whole)


def test_a_name_beside_all_is_searched_though_it_is_of_ids(tmp_path, run):
    path = wrote(FRAME, tmp_path / "all.csv")
    done = json.loads(run("report", path, "--scan", "*,uid", "--scan", "row:900", "-f", "json").stdout)["scan"]
    assert done["columns"] == ["region", "grade", "place", "same", "level", "uid", "row"]
    assert [one["column"] for one in done["left_out"]] == ["mail", "user", "pair"]
    held = evalcli.evaluate(FRAME, scan="*,uid,row:900", weight="row")
    assert held.data.scan.columns == (*done["columns"][:-2], "uid", "row")


def test_parts_of_other_columns_are_refused():
    first, second, _ = parts_of(FRAME)
    other = evalcli.evaluate(
        FRAME[1300:].rename(columns={"place": "where"}), partial=True, metrics="accuracy", scan="*"
    )
    with pytest.raises(InputError, match=r"part 1: searches for other weak slices than part 0; .* same scan="):
        evalcli.merge([first, other])
    forged = unpack(bytes(second), "x")
    forged.about["scanned"]["hashed"] = "DuckDB v9"
    with pytest.raises(InputError, match="searches for other weak slices"):
        evalcli.merge([first, evalcli.Part(pack(forged.about, forged.arrays, __version__))])


@pytest.mark.parametrize(
    "forge",
    [
        lambda scanned: scanned["sizes"][0].update(hashes=[7, 7]),
        lambda scanned: scanned["sizes"][0].update(hashes=[*range(KEPT + 1)]),
        lambda scanned: scanned["sizes"][0].update(hashes=[-1]),
        lambda scanned: scanned["sizes"][0].update(rows=-1),
        lambda scanned: scanned["sizes"][0].update(counted=not scanned["sizes"][0]["counted"]),
        lambda scanned: scanned["sizes"].append(scanned["sizes"][0]),
        lambda scanned: scanned["asked"].update(names=["region"]),
    ],
)
def test_nothing_forged_is_let_in(forge):
    held = unpack(bytes(parts_of(FRAME)[1]), "x")
    forge(held.about["scanned"])
    with pytest.raises(EvalError):
        decode(pack(held.about, held.arrays, __version__))


def test_a_sketch_tells_how_many_values_differ():
    with Hashes() as hashes:
        for many in (1, 900, KEPT, 5_000, 200_000):
            numbers = np.arange(many)
            texts = [f"v{i}" for i in range(min(many, 5_000))]
            for rows, found in ((many, hashes.least(numbers)), (len(texts), hashes.least(texts))):
                size = ColumnSize("x", 10**9, found)
                assert size.distinct == rows if rows < KEPT else abs(size.distinct / rows - 1) < 0.1
                assert found == least_of(found)
                assert max(found) < SPACE
            split = hashes.least(numbers[::2], hashes.least(np.repeat(numbers[1::2], 3)))
            assert split == hashes.least(numbers)
            for other in (numbers.astype(np.uint32), numbers.astype(float), [f"{number}" for number in numbers]):
                assert hashes.least(other) == hashes.least(numbers)
        assert hashes.least(np.array([np.nan, 0.5, -0.0], np.float32)) == hashes.least(["0.5", "0"])
        assert hashes.least(np.array([True, False])) == hashes.least(["true", "false"])


def test_shards_in_memory_and_in_files_know_ids_alike(tmp_path):
    """Each kind of source tells as many values of the same rows, so that any two of them go together."""
    frame = FRAME.drop(columns="level")  # text writes 1.0, which is the number 1 elsewhere
    cuts = [frame.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(CUTS)]
    whole = evalcli.evaluate(wrote(frame, tmp_path / "all.parquet"), metrics="accuracy", scan="*").data.scan
    sources = [cuts[0], wrote(cuts[1], tmp_path / "b.parquet"), wrote(cuts[2], tmp_path / "c.csv")]
    parts = [evalcli.evaluate(source, partial=True, metrics="accuracy", scan="*") for source in sources]
    for tree in itertools.permutations(parts):
        assert evalcli.merge(tree).report().data.scan == whole
    assert evalcli.evaluate(frame, metrics="accuracy", scan="*").data.scan == whole
