"""The intervals of one's own metrics are the same bytes however whole files are read; clusters allow any cut."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from started_ranks import ranks

METRIC = """
import evalcli

class Right(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("right", 0)
        self.add_state("rows", 0)

    def update(self, preds, target):
        said = (preds >= 0.5) if preds.dtype.kind == "f" else preds
        self.right += int((said == target).sum())
        self.rows += len(target)

    def compute(self):
        return self.right / self.rows
"""
ASKED = ("--metric", "my.py:Right", "-f", "json", "-m", "accuracy", "--labels", "0,1")
FILES = ["a", "b", "c"]


@pytest.fixture
def lay(tmp_path, monkeypatch):
    """Write three tables of unlike lengths, of labels or of scores, in a format."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(METRIC)

    def laid(kind, suffix, names=FILES, rows=(90, 41, 3)):
        rng = np.random.default_rng(5)
        at = 0
        for name, many in zip(names, rows, strict=True):
            target = rng.integers(0, 2, many)
            said = np.where(rng.random(many) < 0.8, target, 1 - target)
            pred = said if kind == "labels" else np.round(np.clip(said + rng.normal(0, 0.4, many), 0, 1), 3)
            cells = [
                {"pred": p if p != "" else None, "target": t, "n": int(n), "kind": k}
                for p, t, n, k in zip(
                    pred.tolist(), target.tolist(), range(at, at + many), rng.choice(["x", "y"], many), strict=True
                )
            ]
            at += many
            write(tmp_path / f"{name}{suffix}", cells)

    return laid


def write(path, cells):
    names = list(cells[0]) if cells else ["pred", "target", "n", "kind"]
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pq.write_table(pa.table({name: [str(row[name]) if name == "kind" else row[name] for row in cells]
                                        for name in names}), path, row_group_size=16)  # fmt: skip
    if path.suffix == ".jsonl":
        return path.write_text("".join(json.dumps(row, default=str) + "\n" for row in cells))
    lines = [",".join(names), *(",".join(map(str, row.values())) for row in cells)]
    return path.write_text("\n".join([*lines, ""]))


def there():
    """What is asked for, by paths that another process knows."""
    return (ASKED[0], f"{Path.cwd()}/{ASKED[1]}", *ASKED[2:])


def own(result):
    """What is told of the metric; it has to have an interval."""
    assert result.code == 0, result.stderr
    found = json.loads(result.stdout)["metrics"]["Right"]
    assert found["low"] < found["value"] < found["high"]
    return found


def merged(run, suffix, *options, names=FILES):
    for name in names:
        done = run("report", f"{name}{suffix}", *ASKED, *options, "--quiet", "-o", f"{name}.evalcli")
        assert done.code == 0, done.stderr
    return run("merge", *(f"{name}.evalcli" for name in names[::-1]), *ASKED[:4])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", ["labels", "scores"])
@pytest.mark.parametrize("options", [(), ("--where", "kind = 'x'")], ids=["all", "some"])
def test_parts_of_files_are_the_bytes_of_one_run(lay, run, kind, suffix, options):
    lay(kind, suffix)
    alone = run("report", f"?{suffix}", *ASKED, *options)
    own(alone)
    assert merged(run, suffix, *options).stdout == alone.stdout
    for size, workers in ((17, 3), (64, 8), (1000, 1)):
        again = run("report", f"?{suffix}", *ASKED, *options, "--batch-size", size, "--workers", workers)
        assert again.stdout == alone.stdout


def test_rows_that_are_left_out_keep_the_places_of_the_others(lay, run):
    lay("labels", ".csv")
    for name in FILES[:2]:
        lines = Path(f"{name}.csv").read_text().splitlines()
        lines[7] = lines[7][lines[7].index(",") :]
        Path(f"{name}.csv").write_text("\n".join([*lines, ""]))
    alone = run("report", "?.csv", *ASKED, "--nan", "drop")
    own(alone)
    assert merged(run, ".csv", "--nan", "drop").stdout == alone.stdout


def test_neither_names_nor_order_show(lay, run):
    lay("labels", ".csv")
    first = own(run("report", "?.csv", *ASKED))
    for new, old in zip("zyx", FILES, strict=True):
        shutil.move(f"{old}.csv", f"{new}.csv")
    assert own(run("report", "?.csv", *ASKED)) == first


def test_a_part_without_rows_changes_nothing(lay, run):
    lay("labels", ".csv")
    alone = run("report", "?.csv", *ASKED, "--where", "n < 120")  # none of the third file
    own(alone)
    assert merged(run, ".csv", "--where", "n < 120").stdout == alone.stdout


def test_many_files_of_a_few_labels_are_dealt_evenly(lay, run):
    names = [f"{a}{b}" for a in "abcdefghij" for b in "0123456789"]
    lay("labels", ".csv", names, rows=[5] * 100)
    found = json.loads(run("report", "*.csv", *ASKED).stdout)["metrics"]
    width, usual = (found[name]["high"] - found[name]["low"] for name in ("Right", "accuracy"))
    assert 0.6 < width / usual < 1.5


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("options", [(), ("--where", "kind = 'x'"), ("--by", "kind")], ids=["all", "some", "by"])
def test_ranks_that_cut_files_are_the_bytes_of_one_run(lay, run, suffix, options):
    lay("labels", suffix)
    alone = run("report", f"{Path.cwd()}/?{suffix}", *there(), *options)
    own(alone)
    first, *_ = ranks(3, "report", f"{Path.cwd()}/?{suffix}", *there(), *options)
    assert (first.code, first.stdout) == (0, alone.stdout)


@pytest.mark.parametrize("sides", [("p.npy", "t.csv"), ("p.csv", "t.npy")], ids=["truth in a table", "said in one"])
def test_ranks_that_read_a_tensor_beside_a_table_are_the_bytes_of_one_run(lay, run, sides):
    lay("labels", ".csv", ["a"], [200])
    rows = [line.split(",") for line in Path("a.csv").read_text().splitlines()[1:]]
    for column, (side, name) in enumerate({"p": "pred", "t": "target"}.items()):
        np.save(f"{side}.npy", np.array([int(row[column]) for row in rows]))
        Path(f"{side}.csv").write_text("\n".join([name, *(row[column] for row in rows), ""]))
    files = [f"{Path.cwd()}/{side}" for side in sides]
    alone = run("report", *files, *there())
    own(alone)
    first, _ = ranks(2, "report", *files, *there())
    assert (first.code, first.stdout) == (0, alone.stdout)


@pytest.mark.parametrize("key", [(), ("--id", "n")], ids=["by position", "by id"])
@pytest.mark.parametrize("options", [("--by", "kind"), ("--where", "kind = 'x'")], ids=["by", "some"])
def test_parts_of_pairs_of_files_are_the_bytes_of_one_run(lay, run, key, options):
    lay("scores", ".csv")
    for name in FILES:
        head, *lines = Path(f"{name}.csv").read_text().splitlines()
        assert head == "pred,target,n,kind"
        rows = [line.split(",") for line in lines]
        Path(f"p_{name}.csv").write_text("".join(["n,pred\n", *(f"{row[2]},{row[0]}\n" for row in rows)]))
        rows = rows[::-1] if key else rows
        Path(f"t_{name}.csv").write_text(
            "".join(["n,target,kind\n", *(f"{','.join(row[2:3] + row[1:2] + row[3:])}\n" for row in rows)])
        )
    alone = run("report", "p_*.csv", "t_*.csv", *ASKED, *key, *options)
    own(alone)
    for name in FILES:
        done = run(
            "report", f"p_{name}.csv", f"t_{name}.csv", *ASKED, *key, *options, "--quiet", "-o", f"{name}.evalcli"
        )
        assert done.code == 0, done.stderr
    assert run("merge", *(f"{name}.evalcli" for name in FILES[::-1]), *ASKED[:4]).stdout == alone.stdout


def test_ranks_that_read_whole_files_are_the_bytes_of_one_run(lay, run):
    lay("scores", ".csv")
    for name in FILES:
        shutil.move(f"{name}.csv", f"{name}.txt")
        import gzip

        Path(f"{name}.csv.gz").write_bytes(gzip.compress(Path(f"{name}.txt").read_bytes(), mtime=0))
    alone = run("report", f"{Path.cwd()}/?.csv.gz", *there())
    own(alone)
    first, _ = ranks(2, "report", f"{Path.cwd()}/?.csv.gz", *there())
    assert (first.code, first.stdout) == (0, alone.stdout)
    assert own(merged(run, ".csv.gz")) == own(alone)


def test_with_clusters_any_cut_is_the_bytes_of_one_run(lay, run):
    lay("labels", ".csv", ["a"], [120])
    found = own(run("report", "a.csv", *ASKED, "--cluster", "n"))
    assert found["method"] == "jackknife (clusters)"
    head, *lines = Path("a.csv").read_text().splitlines()
    for name, part in (("x", lines[70:]), ("y", lines[:11]), ("z", lines[11:70])):
        Path(f"{name}.csv").write_text("\n".join([head, *part, ""]))
    assert own(run("report", "[xyz].csv", *ASKED, "--cluster", "n")) == found
    assert own(merged(run, ".csv", "--cluster", "n", names=["x", "y", "z"])) == found


def test_with_clusters_several_parquet_files_are_told_apart_before_their_rows_are_read(lay, run):
    lay("labels", ".parquet")
    alone = run("report", "?.parquet", *ASKED, "--cluster", "n", "--by", "kind")
    own(alone)
    assert merged(run, ".parquet", "--cluster", "n", "--by", "kind").stdout == alone.stdout


@pytest.mark.parametrize("kind", ["labels", "scores"])
def test_a_slice_is_as_sure_as_its_rows_alone(lay, run, kind):
    lay(kind, ".csv")
    sliced = run("report", "?.csv", *ASKED, "--by", "kind")
    found = {row["value"]: row["metrics"]["Right"] for row in json.loads(sliced.stdout)["slices"]}
    assert {*found} == {"x", "y"}
    for value, one in found.items():  # rows have the numbers that they have among all
        assert own(run("report", "?.csv", *ASKED, "--where", f"kind = '{value}'")) == one


def test_gates_on_intervals_of_slices(lay, run):
    lay("labels", ".csv")
    rules = {"Right@kind=x": (0.5, "pass"), "Right@kind=y": (0.999, "fail"), "Right@kind=*": (0.75, "inconclusive")}
    gates = [each for name, (bound, _) in rules.items() for each in ("--min", f"{name}={bound}")]
    found = run("report", "?.csv", *ASKED, *gates, "--gate-on", "interval")
    told = {gate["metric"]: gate for gate in json.loads(found.stdout)["gates"]}
    assert {name: told[name]["status"] for name in rules} == {name: status for name, (_, status) in rules.items()}
    assert all(gate["low"] < gate["value"] < gate["high"] for gate in told.values())
    assert merged(run, ".csv", "--by", "kind").code == 0


def test_no_interval_of_more_slices_than_few(lay, run, monkeypatch):
    from evalcli.own import groups as owngroups

    lay("labels", ".csv")
    monkeypatch.setattr(owngroups, "MOST_SLICES", 1)  # each part alone has as many
    alone = run("report", "?.csv", *ASKED, "--by", "kind")
    assert all("low" not in row["metrics"]["Right"] for row in json.loads(alone.stdout)["slices"])
    own(alone)


def test_standard_input_is_the_file(lay, run, spawn):
    lay("scores", ".csv")
    first = own(run("report", "a.csv", *ASKED))
    assert own(spawn("report", "-", *ASKED, shell="< a.csv")) == first
