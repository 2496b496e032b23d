"""``-o PART.evalcli`` and ``evalcli merge``: the bytes and the verdict of one run, or one line that says why not."""

from __future__ import annotations

import errno
import itertools
import json
import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from system_errors import FAILING, LARGE, NO_ROOM

import evalcli
from evalcli.errors import InputError
from evalcli.sources.rawfile import RawFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., Any]

OLD = b"what stood here before"
SHARDS = 5


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Tables of labels; not every class is in every one of them."""
    rng = np.random.default_rng(3)
    names = np.array(["cat", "dog", "owl", "ant", "bee", "eel"])
    paths = []
    for number in range(SHARDS):
        truth = rng.integers(number % 3, 6 - number % 2, 40 + 30 * number)
        said = np.where(rng.random(len(truth)) < 0.7, truth, rng.integers(0, 3, len(truth)))
        rows = [f"{names[p]},{names[t]}\n" for p, t in zip(said, truth, strict=True)]
        paths.append(tmp_path / f"shard{number}.csv")
        paths[-1].write_text("pred,target\n" + "".join(rows))
    return paths


@pytest.fixture
def scores(tmp_path: Path) -> list[Path]:
    """Tables with a score for each class."""
    rng = np.random.default_rng(4)
    paths = []
    for number in range(SHARDS):
        table = rng.dirichlet([1.0] * 3, 40 + 30 * number)
        truth = np.where(rng.random(len(table)) < 0.6, table.argmax(1), rng.integers(0, 3, len(table)))
        rows = [f"{a:.17g},{b:.17g},{c:.17g},{'xyz'[t]}\n" for (a, b, c), t in zip(table, truth, strict=True)]
        paths.append(tmp_path / f"scores{number}.csv")
        paths[-1].write_text("p_x,p_y,p_z,target\n" + "".join(rows))
    return paths


def parts(run: Run, files: list[Path], *options: object) -> list[Path]:
    written = [path.with_suffix(".evalcli") for path in files]
    for path, part in zip(files, written, strict=True):
        result = run("report", path, "-o", part, "--quiet", *options)
        assert (result.code, result.stdout, result.stderr) == (0, "", "")
    return written


@pytest.mark.parametrize("kind", ["shards", "scores"])
def test_merged_parts_print_the_bytes_of_one_run(
    run: Run, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    files = request.getfixturevalue(kind)
    pattern = tmp_path / f"{files[0].name[:-5]}*.csv"
    few = ("--resamples", 100)
    whole = run("report", pattern, "-f", "json", *few).stdout
    assert json.loads(whole)["n"] == sum(40 + 30 * number for number in range(SHARDS))
    for workers, size in ((1, 17), (2, 50), (8, 1_000_000)):
        assert run("report", pattern, "-f", "json", "--workers", workers, "--batch-size", size, *few).stdout == whole
        written = parts(run, files, "--workers", workers, "--batch-size", size, *few)
        for order in (written, written[::-1], written[2:] + written[:2]):
            assert run("merge", *order, "-f", "json").stdout == whole
    one, two = tmp_path / "one.evalcli", tmp_path / "two.evalcli"
    assert run("merge", *written[1:4], "-o", one, "--quiet").code == 0
    assert run("merge", written[4], written[0], "-o", two, "--quiet").code == 0
    merged = run("merge", one, two, "-f", "json", "-o", tmp_path / "all.evalcli", "-o", tmp_path / "all.json")
    assert merged.stdout == (tmp_path / "all.json").read_text() == whole
    assert run("merge", *written, "--quiet", "-o", tmp_path / "flat.evalcli").code == 0
    assert (tmp_path / "flat.evalcli").read_bytes() == (tmp_path / "all.evalcli").read_bytes()
    assert (
        run("merge", tmp_path / "all.evalcli").stdout
        == run("merge", tmp_path / f"{files[0].name[:-5]}?.evalcli").stdout
    )


def test_a_part_is_written_beside_the_report(run: Run, shards: list[Path], tmp_path: Path) -> None:
    plain = run("report", shards[3], "-f", "json")
    both = run("report", shards[3], "-f", "json", "-o", tmp_path / "a.evalcli", "-o", tmp_path / "a.json")
    assert both == plain
    assert run("merge", tmp_path / "a.evalcli", "-f", "json").stdout == plain.stdout


def test_gates_are_judged_on_the_sum(run: Run, shards: list[Path]) -> None:
    written = parts(run, shards)
    accuracy = json.loads(run("merge", *written, "-f", "json").stdout)["metrics"]["accuracy"]["value"]
    above = run("merge", *written, "--min", f"accuracy={accuracy!r}", "--quiet")
    assert (above.code, above.stdout, above.stderr) == (0, "", "")
    below = run("merge", *written, "--min", f"accuracy={accuracy + 1e-9!r}", "--quiet")
    assert (below.code, below.stdout) == (1, "")
    assert "FAIL" in below.stderr
    assert run("merge", *written, "--min", "auroc_macro=0.5").code == 2  # labels have no ranks
    whole = run("report", shards[0].with_name("shard*.csv"), "--min", "fbeta2_macro=0.2", "-f", "json")
    assert run("merge", *written, "--min", "fbeta2_macro=0.2", "-f", "json").stdout == whole.stdout


def test_what_does_not_belong_together_is_refused(run: Run, shards: list[Path], scores: list[Path]) -> None:
    first, second, *_ = parts(run, shards)
    assert run("merge", first, second, first).stderr == (
        f"evalcli: {first}: its rows are counted already: {shards[0]}; name every part once [E3]\n"
    )
    other = parts(run, scores)[0]
    assert "has another layout than" in run("merge", first, other).stderr
    declared = parts(run, shards[1:2], "--labels", "cat,dog,owl,ant,bee,eel")[0]
    result = run("merge", first, declared, "-f", "json")
    assert result.code == 2
    assert json.loads(result.stdout)["error"]["fix"] == "write all parts with the same --labels"


def test_parts_of_other_columns_are_refused_in_any_tree(run: Run, tmp_path: Path) -> None:
    saved = []
    for number, names in enumerate((("m1", "truth"), ("m1", "truth"), ("m2", "truth"), ("m1", "checked"))):
        path = tmp_path / f"{number}.csv"
        path.write_text("m1,m2,truth,checked\n" + f"a,b,{'abc'[number % 3]},a\nb,c,b,c\n" * (number + 1))
        saved.append(tmp_path / f"{number}.evalcli")
        made = run("report", path, "--pred", names[0], "--target", names[1], "-o", saved[-1], "--quiet")
        assert made.code == 0, made.stderr
    held = evalcli.evaluate(["a", "c"], ["a", "b"], partial=True)  # which has no columns
    for other, option in ((saved[2], "pred="), (saved[3], "target=")):
        for tree in ([*saved[:2], held, other], [other, held, saved[0]], [evalcli.merge([held, other]), saved[1]]):
            with pytest.raises(InputError, match=f" reads '.*', and .* reads '.*'; write all parts with .*{option}"):
                evalcli.merge(tree)
    assert evalcli.merge([held, *saved[:2]]) == evalcli.merge([saved[1], evalcli.merge([saved[0], held])])


def test_a_part_comes_through_a_pipe(run: Run, spawn: Run, shards: list[Path]) -> None:
    first, second, *_ = parts(run, shards)
    for command in ((first, "-"), ("-", first)):
        with second.open("rb") as stdin:
            result = spawn("merge", *command, "-f", "json", stdin=stdin)
        assert result.stdout == run("merge", first, second, "-f", "json").stdout
    with second.open("rb") as stdin:
        result = spawn("merge", "-", "-", stdin=stdin)
    assert result.stderr == f"evalcli: -: its rows are counted already: {shards[1]}; name every part once [E3]\n"


def test_parts_without_rows_alone_are_empty_whatever_was_asked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pred,target\n")
    made = run("report", tmp_path / "a.csv", "--positive", "yes", "-o", tmp_path / "a.evalcli", "--quiet")
    assert made.code == 0, made.stderr
    said = f"evalcli: {tmp_path / 'a.csv'}: there are no rows; check the file and --where [E5]\n"
    result = run("merge", tmp_path / "a.evalcli", "--min", "accuracy=0.5")
    assert (result.code, result.stdout, result.stderr) == (2, "", said)


def test_parts_weighed_by_other_columns_are_refused_in_any_tree(run: Run, tmp_path: Path) -> None:
    saved = []
    for number, weight in enumerate(("w1", "w1", "w2")):
        path = tmp_path / f"{number}.csv"
        path.write_text("pred,target,w1,w2\n" + f"a,{'abc'[number]},1,2\nb,c,3,4\n" * (number + 1))
        saved.append(tmp_path / f"{number}.evalcli")
        made = run("report", path, "--weight", weight, "-o", saved[-1], "--quiet")
        assert made.code == 0, made.stderr
    held = evalcli.evaluate(["a", "c"], ["a", "b"], weight=[1, 2], partial=True)  # whose weights have no name
    for tree in (saved, [held, saved[2], saved[0]], [evalcli.merge([held, saved[2]]), saved[1]]):
        with pytest.raises(InputError, match=r" reads '.*', and .* reads '.*'; write all parts with .*weight="):
            evalcli.merge(tree)
    assert evalcli.merge([held, *saved[:2]]) == evalcli.merge([saved[1], evalcli.merge([saved[0], held])])
    whole = run("report", tmp_path / "[01].csv", "--weight", "w1", "-f", "json")
    assert run("merge", *saved[:2], "-f", "json").stdout == whole.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["merge"], "PART… is missing; try 'evalcli merge --help' [E2]"),
        (
            ["merge", "none.evalcli"],
            "none.evalcli: cannot be opened: No such file or directory; see whether the path is right [E3]",
        ),
        (["merge", "none*.evalcli"], "none*.evalcli: no file matches; check the pattern [E3]"),
        (["merge", "shard0.csv"], "shard0.csv: not a part of a report; name a file written with -o PART.evalcli [E3]"),
        (["merge", "."], ".: not a regular file; give a file; what comes through a pipe is read as - [E3]"),
        (
            ["report", "a.evalcli"],
            "a.evalcli: a part of a report, not predictions; add parts up: evalcli merge PART … [E3]",
        ),
        (
            ["inspect", "a.evalcli"],
            "a.evalcli: a part of a report, not predictions; add parts up: evalcli merge PART … [E3]",
        ),
        (
            ["gate", "a.evalcli", "--min", "accuracy=0.5"],
            "a.evalcli: a part of a report, not a report; make one of it: evalcli merge a.evalcli -o report.json [E3]",
        ),
        (
            ["merge", "a.evalcli", "-o", "a.evalcli"],
            "a.evalcli: the output is an input too; write to another file [E2]",
        ),
        (
            ["gate", "a.json", "--min", "accuracy=0.5", "-o", "b.evalcli"],
            (
                "b.evalcli: a part holds what was counted, and nothing is counted here; "
                "evalcli report and evalcli merge write parts [E2]"
            ),
        ),
    ],
)
def test_usage(run: Run, shards: list[Path], tmp_path: Path, arguments: list[str], said: str) -> None:
    run("report", shards[0], "-o", "a.evalcli", "-o", "a.json", "--quiet")
    result = run(*arguments)
    assert (result.code, result.stdout, result.stderr) == (2, "", f"evalcli: {said}\n")


def test_X11_a_truncated_part_is_refused(run: Run, shards: list[Path], tmp_path: Path) -> None:
    written = parts(run, shards)
    data = written[2].read_bytes()
    for size in (1, 7, 8, 9, 300, len(data) // 2, len(data) - 1):
        written[2].write_bytes(data[:size])
        result = run("merge", *written, "-o", tmp_path / "x.json", "--min", "accuracy=0.1")
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"evalcli: {written[2]}: not a whole part: ")
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "x.json").exists()
    written[2].write_bytes(b"")
    assert run("merge", *written).code == 2
    flipped = bytearray(data)
    flipped[-10] ^= 1
    written[2].write_bytes(flipped)
    assert "damaged: its states are not those of its digest" in run("merge", *written).stderr


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_X11_a_disk_that_is_full_keeps_the_old_part(spawn: Run, shards: list[Path], tiny_disk: Path) -> None:
    part = tiny_disk / "a.evalcli"
    part.write_bytes(OLD)
    (tiny_disk / "ballast").write_bytes(b"x" * 60 * 1024)
    result = spawn("report", shards[0], "-o", part)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == f"evalcli: {part}: cannot be written: {NO_ROOM} [E4]\n"
    assert part.read_bytes() == OLD
    assert sorted(path.name for path in tiny_disk.iterdir()) == ["a.evalcli", "ballast"]


@pytest.fixture
def arrays(tmp_path: Path) -> tuple[Path, Path]:
    truth = np.arange(300) % 3
    np.save(tmp_path / "p.npy", truth)
    np.save(tmp_path / "t.npy", truth)
    return tmp_path / "p.npy", tmp_path / "t.npy"


@pytest.mark.parametrize("size", [0, 100, 1000])
def test_X11_a_limit_on_the_size_of_parts(spawn: Run, arrays: tuple[Path, Path], tmp_path: Path, size: int) -> None:
    (tmp_path / "a.evalcli").write_bytes(OLD)
    before = sorted(path.name for path in tmp_path.iterdir())

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    for options in ([], ["--quiet"]):
        result = spawn("report", *arrays, "-o", "a.evalcli", *options, preexec_fn=limited, env=env)
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr == f"evalcli: a.evalcli: cannot be written: {LARGE} [E4]\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "a.evalcli").read_bytes() == OLD


def _changing(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """After the first read of ``path``, someone writes to it."""
    real, times = RawFile._pread, itertools.count(1)

    def read(self: RawFile, view: memoryview, offset: int) -> int:
        count = real(self, view, offset)
        if self.path == str(path):
            os.utime(path, ns=(1, next(times)))
        return count

    monkeypatch.setattr(RawFile, "_pread", read)


def test_T30_an_input_that_changes_leaves_no_part(
    run: Run, arrays: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _changing(monkeypatch, arrays[0])
    for options in ([], ["--quiet"]):
        result = run("report", *arrays, "-o", tmp_path / "a.evalcli", *options)
        assert (result.code, result.stdout) == (2, "")
        assert result.stderr == (
            f"evalcli: {arrays[0]}: input changed while reading; run again when it is complete [E3]\n"
        )
        assert not (tmp_path / "a.evalcli").exists()


def test_T30_a_part_that_changes_while_it_is_read(
    run: Run, shards: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = parts(run, shards)
    _changing(monkeypatch, written[1])
    result = run("merge", *written)
    assert (result.code, result.stdout) == (2, "")
    assert result.stderr == f"evalcli: {written[1]}: input changed while reading; run again when it is complete [E3]\n"


def test_a_read_that_fails_is_one_line(run: Run, shards: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    written = parts(run, shards)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(RawFile, "_pread", broken)
    assert run("merge", *written).stderr == f"evalcli: {written[0]}: cannot be read: {FAILING} [E3]\n"


def test_rows_that_do_not_tell_what_they_are_say_so_when_their_part_is_written(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "a.evalcli"
    for name, shift in (("p", 0), ("t", 1)):
        np.save(tmp_path / f"{name}.npy", np.roll(np.eye(3, dtype=int), shift, axis=1))
    files = (tmp_path / "p.npy", tmp_path / "t.npy")
    done = run("report", *files, "-o", part, "--quiet")
    assert done.code == 0
    assert (
        "one-hot classes, or single decisions? Unless the rows of other parts tell, no merge gives a report; --task "
        in (done.stderr)
    )
    assert run("merge", part).stderr.startswith(done.stderr.partition(" Unless")[0])
    with pytest.warns(UserWarning, match=r"\? Unless the rows of other parts tell, no merge gives a report; task="):
        evalcli.evaluate(*map(str, files), partial=True)
    assert run("report", *files, "-o", part, "--quiet", "--class-axis", "-1").stderr == ""
