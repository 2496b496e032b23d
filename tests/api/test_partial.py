"""``evaluate(..., partial=True)`` over partitions and ``merge`` in any tree: the bytes of one run."""

from __future__ import annotations

import functools
import importlib.util
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.errors import EmptyError, InputError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

counted = functools.partial(evalcli.evaluate, partial=True)


def merged(*parts: evalcli.Part) -> evalcli.Part:
    return evalcli.merge(parts)


def frames() -> list[pd.DataFrame]:
    """Seven partitions; the fourth has no rows, as a filter may leave it."""
    rng = np.random.default_rng(9)
    found = []
    for number in range(7):
        rows = 0 if number == 3 else 30 + 10 * number
        table = rng.dirichlet([1.0] * 3, rows)
        truth = np.where(rng.random(rows) < 0.6, table.argmax(1), rng.integers(0, 3, rows)) if rows else []
        frame = pd.DataFrame(table, columns=["p_x", "p_y", "p_z"])
        frame["target"] = np.array(["x", "y", "z"], object)[np.array(truth, int)]
        found.append(frame)
    return found


@pytest.fixture
def shards(tmp_path: Path) -> list[str]:
    paths = []
    for number, frame in enumerate(frames()):
        path = tmp_path / f"shard{number}.csv"
        frame.to_csv(path, index=False, float_format="%.17g")
        paths.append(str(path))
    return paths


@pytest.fixture
def whole(run: Run, shards: list[str]) -> str:
    return run("report", shards[0].replace("shard0", "shard*"), "-f", "json").stdout


def test_map_by_processes_and_reduce(shards: list[str], whole: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(counted, shards))
    total = evalcli.merge(parts)
    assert total.report().to_json() == whole
    pairs = functools.reduce(lambda a, b: merged(b, a), parts)
    assert pairs == total == merged(merged(*parts[4:]), merged(*parts[:4]))
    assert hash(pairs) == hash(total)
    assert repr(total) == "<Part multiclass, n=360>"


def test_partitions_in_memory_have_the_report_of_the_whole() -> None:
    every = frames()
    whole = evalcli.evaluate(pd.concat(every, ignore_index=True))
    parts = [counted(frame, target="target") for frame in every if len(frame)]
    for order in (parts, parts[::-1]):
        assert evalcli.merge(order).report().to_json() == whole.to_json()
    logits, truth = np.random.default_rng(1).normal(size=(90, 4)), np.arange(90) % 4
    by = {"half": np.arange(90) % 2}
    cut = [
        counted(
            logits[i : i + 30], truth[i : i + 30], by={"half": by["half"][i : i + 30]}, metrics="accuracy,auroc_macro"
        )
        for i in (0, 30, 60)
    ]
    one = evalcli.evaluate(logits, truth, by=by, metrics="accuracy,auroc_macro")
    assert evalcli.merge(cut).report().to_json() == one.to_json()
    alike = counted([0, 1], [0, 1])  # arrays in memory have no name by which two equal ones could be told apart
    assert merged(alike, alike).report().n == 4


@pytest.mark.parametrize("asked", [{"by": "group"}, {"pred": "score", "metrics": ["auroc"]}])
def test_true_and_false_are_two_classes_whatever_writes_them(tmp_path: Path, asked: dict[str, Any]) -> None:
    """pandas writes them with capitals to CSV; Parquet and JSON have them in small letters."""
    rng = np.random.default_rng(0)
    target = rng.random(120) < 0.5
    frame = pd.DataFrame({"target": target, "pred": target ^ (rng.random(120) < 0.2), "score": rng.random(120)})
    frame["group"] = rng.choice(["a", "b"], 120)
    writers = (frame[:40].to_csv, frame[40:80].to_parquet, frame[80:].to_csv, frame.to_parquet)
    for number, write in enumerate(writers):
        write(tmp_path / str(number), index=False)
    options = {"pred": "pred", "confidence": None, **asked}
    first, second, third = (evalcli.evaluate(tmp_path / str(n), partial=True, **options) for n in range(3))
    expected = evalcli.evaluate(tmp_path / "3", **options).data
    for tree in (
        [first, second, third],
        [evalcli.merge([third, second]), first],
        [third, evalcli.merge([first, second])],
    ):
        merged = evalcli.merge(tree).report().data
        assert merged.classes == expected.classes == ("false", "true")
        assert (merged.metrics, merged.slices, merged.findings) == (
            expected.metrics,
            expected.slices,
            expected.findings,
        )
    if "by" not in asked:
        return
    (tmp_path / "4").write_text("target,pred,score,group\nTrue,Unknown,0.5,a\nUnknown,False,0.5,b\n")
    fourth = evalcli.evaluate(tmp_path / "4", partial=True, **options)
    trees = [
        [fourth, second, first],
        [second, evalcli.merge([first, fourth])],
        [evalcli.merge([first, second]), fourth],
    ]
    one, *others = (evalcli.merge(tree).report().data for tree in trees)
    assert one.classes == ("Unknown", "false", "true")
    assert one.n == 82
    assert [other.to_json_object() for other in others] == [one.to_json_object()] * 2


def test_partitions_without_rows_are_parts_too(shards: list[str], whole: str, run: Run) -> None:
    empty = counted(shards[3])
    with pytest.raises(EmptyError):
        empty.report()
    rest = [counted(path) for path in shards if path != shards[3]]
    assert merged(empty, *rest).report().to_json() == whole
    another = shutil.copy(shards[3], shards[3].replace("shard3", "shard7"))  # a header alone, as an engine leaves many
    every = run("report", shards[0].replace("shard0", "shard*"), "-f", "json").stdout
    for parts in ([empty, counted(another), *rest], [merged(*rest[3:], empty), merged(counted(another), *rest[:3])]):
        assert evalcli.merge(parts).report().to_json() == every
    values = [counted(np.zeros((0, 3)), np.zeros(0, int)), counted(np.eye(3), np.arange(3))]
    assert evalcli.merge(values).report()["accuracy"] == 1


def test_partitions_of_texts_without_rows_are_parts_too() -> None:
    truth, said = np.array([["a", "b"], ["b", "c"], ["c", "a"]]), np.array([["a", "b"], ["c", "c"], ["c", "b"]])
    for here, there in ((said, truth), (said[:, 0], truth[:, 0]), (said.astype(object), truth.astype(object))):
        parts = [evalcli.evaluate(here[at], there[at], partial=True) for at in (slice(0), slice(2), slice(2, 3))]
        assert evalcli.merge(parts).report().to_json() == evalcli.evaluate(here, there).to_json()


def test_parts_are_saved_sent_and_read_by_the_command_line(
    shards: list[str], whole: str, tmp_path: Path, run: Run
) -> None:
    paths = []
    for number, path in enumerate(shards):
        part = counted(path)
        paths.append(tmp_path / f"{number}.evalcli")
        part.save(paths[-1])
        assert bytes(part) == paths[-1].read_bytes()
        assert evalcli.Part.load(paths[-1]) == part == pickle.loads(pickle.dumps(part))
    assert run("merge", *paths, "-f", "json").stdout == whole
    assert evalcli.merge(paths).report().to_json() == whole
    with pytest.raises(UsageError, match=r"a part is no report; name a file as in PART\.evalcli"):
        part.save(tmp_path / "x.json")
    with pytest.raises(OutputError, match="folder does not exist"):
        part.save(tmp_path / "no" / "x.evalcli")
    with pytest.raises(InputError, match="not a part of a report"):
        evalcli.Part.load(shards[0])


def test_metrics_and_definitions_are_computed_of_all(shards: list[str]) -> None:
    gap = {"gap": "recall[x] - recall[y]"}
    parts = [counted(path, define=gap, metrics="accuracy") for path in shards]
    whole = evalcli.evaluate(shards[0].replace("shard0", "shard*"), define=gap, metrics="accuracy")
    found = evalcli.merge(parts).report(define=gap)
    assert found["gap"] == whole["gap"]
    assert found.check("gap<=1").passed


def test_states_with_a_number_in_their_name_travel() -> None:
    asked = {"metrics": "mae,poisson_deviance,gamma_deviance,tweedie_deviance1.5", "task": "regression"}
    target = np.random.default_rng(3).gamma(2.0, size=60)
    whole = evalcli.evaluate(target * 1.1 + 0.1, target, **asked)
    parts = [counted(target[rows] * 1.1 + 0.1, target[rows], **asked) for rows in (slice(20), slice(20, 60))]
    assert evalcli.merge(parts).report().to_json() == whole.to_json()
    deviance, again = evalcli.metrics.GammaDeviance(), evalcli.metrics.GammaDeviance()
    deviance.update(target * 1.1 + 0.1, target)
    again.load_state_dict(deviance.state_dict())
    assert again.compute() == deviance.compute() == whole["gamma_deviance"]


def test_what_goes_wrong_is_said(shards: list[str]) -> None:
    part = counted(shards[0])
    with pytest.raises(InputError, match="part 1: its rows are counted already"):
        merged(part, part)
    with pytest.raises(InputError, match="part 1: not a part of a report"):
        merged(part, evalcli.Part(b"pred,target\n"))
    with pytest.raises(InputError, match="there are no parts to merge"):
        evalcli.merge([])
    with pytest.raises(InputError, match=r"other choices than part 0 \(nan=\)"):
        merged(part, counted(shards[1], nan="drop"))
    with pytest.raises(InputError, match="not a part"):
        evalcli.merge([shards[0]])
    for wrong in (3, part, shards[0]):
        with pytest.raises(UsageError, match="several parts are merged"):
            evalcli.merge(wrong)
    with pytest.raises(UsageError, match="part 1 is a int"):
        evalcli.merge([part, 3])


def _missing(name: str) -> bool:
    return importlib.util.find_spec(name) is None


@pytest.mark.skipif(_missing("dask"), reason="dask is not installed")
def test_dask(shards: list[str], whole: str) -> None:
    import dask.bag

    parts = dask.bag.from_sequence(shards, npartitions=4).map(evalcli.evaluate, partial=True)
    total = parts.reduction(evalcli.merge, evalcli.merge, split_every=2).compute(scheduler="threads")
    assert total.report().to_json() == whole


@pytest.mark.skipif(_missing("ray"), reason="ray is not installed")
def test_ray(shards: list[str], whole: str) -> None:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        parts = [ray.remote(evalcli.evaluate).remote(path, partial=True) for path in shards]
        while len(parts) > 1:
            parts = [ray.remote(merged).remote(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
        assert ray.get(parts[0]).report().to_json() == whole
    finally:
        ray.shutdown()


@pytest.mark.skipif(_missing("pyspark"), reason="pyspark is not installed")
def test_spark(shards: list[str], whole: str) -> None:
    from pyspark import SparkContext

    context = SparkContext("local[2]", "evalcli")
    try:
        total = context.parallelize(shards, 4).map(lambda path: evalcli.evaluate(path, partial=True)).reduce(merged)
        assert total.report().to_json() == whole
    finally:
        context.stop()


def test_what_an_editor_shows_is_what_evaluate_takes() -> None:
    from inspect import signature
    from typing import get_overloads

    from evalcli.api.evaluating import evaluate

    shown = signature(get_overloads(evaluate)[1]).parameters
    taken = signature(evaluate).parameters
    assert [*shown] == [*taken]
    assert {name: one.default for name, one in shown.items()} == {name: one.default for name, one in taken.items()}


def test_whole_numbers_here_and_floats_there_say_what_to_do() -> None:
    whole, broken = ([1, 2, 3], [1, 2, 2]), ([1.5, 2.5, 3.5], [1.25, 2.5, 2.75])
    parts = [counted(*one) for one in (whole, broken)]
    for here, there in (parts, parts[::-1]):
        with pytest.raises(InputError, match="with task='regression' if these are values, else with one kind stored"):
            merged(here, there)
    values = [counted(*one, task="regression") for one in (whole, broken)]
    together = ([*whole[0], *broken[0]], [*whole[1], *broken[1]])
    for found in (merged(*values), merged(*values[::-1])):
        assert bytes(found) == bytes(counted(*together, task="regression"))


def test_score_columns_in_another_order_are_told_as_that() -> None:
    frame = frames()[0]
    names = ["target", "p_y", "p_x", "p_z"]
    parts = [evalcli.evaluate(one, "target", partial=True) for one in (frame, frame[names])]
    with pytest.raises(InputError, match="part 1: has the score columns of part 0 in another order; write them in one"):
        merged(*parts)


def test_class_numbers_of_a_table_are_whole_numbers(run: Run, tmp_path: Path) -> None:
    for name, text in (("a", "target,pred\n1,1\n2,2\n"), ("b", "target,pred\n1.5,1.25\n2.5,2.5\n")):
        (tmp_path / f"{name}.csv").write_text(text)
        run("report", tmp_path / f"{name}.csv", "-o", tmp_path / f"{name}.evalcli", "--quiet")
    done = run("merge", tmp_path / "a.evalcli", tmp_path / "b.evalcli")
    assert (
        f"its targets are floats, those of {tmp_path / 'a.evalcli'} whole numbers; write all parts with --task"
        in done.stderr
    )
