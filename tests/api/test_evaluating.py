"""``evalcli.evaluate`` takes whatever holds predictions, and says what the command line says."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from saved_files import save
from torch._subclasses.fake_tensor import FakeTensorMode

import evalcli
from evalcli.errors import EmptyError, InputError, UsageError

RNG = np.random.default_rng(0)
TARGET = RNG.integers(0, 3, 200)
LOGITS = RNG.normal(size=(200, 3)).astype(np.float32)
LOGITS[np.arange(200), TARGET] += 1.5
WORDS = np.array(["ant", "bee", "cat"])
PREDS = LOGITS.argmax(axis=1)


def same(one, other):
    """All but what names the input."""
    first, second = (json.loads(report.to_json()) for report in (one, other))
    for document in (first, second):
        document["inputs"] = []
    assert first == second


def polars():
    return pytest.importorskip("polars")


def strict():
    return pytest.importorskip("array_api_strict")


class Asked:
    """An array of a library that has no DLPack, as those of xarray and Dask."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


EXPECTED = evalcli.evaluate(LOGITS, TARGET)

SAME = {
    "lists": lambda: ([[float(x) for x in row] for row in LOGITS], TARGET.tolist()),
    "float64 rows of float32": lambda: (LOGITS.astype(np.float32).tolist(), list(TARGET)),
    "torch": lambda: (torch.from_numpy(LOGITS), torch.from_numpy(TARGET)),
    "torch with grad": lambda: (torch.from_numpy(LOGITS).requires_grad_(), torch.from_numpy(TARGET)),
    "strided": lambda: (np.repeat(LOGITS, 2, axis=0)[::2], np.repeat(TARGET, 3)[::3]),
    "fortran": lambda: (np.asfortranarray(LOGITS), TARGET.astype(np.int8)),
    "big-endian": lambda: (LOGITS.astype(">f4"), TARGET.astype(">i8")),
    "pandas frame": lambda: (pd.DataFrame(LOGITS), pd.Series(TARGET)),
    "pandas nullable": lambda: (pd.DataFrame(LOGITS), pd.Series(TARGET, dtype="Int64")),
    "polars frame": lambda: (polars().DataFrame(LOGITS), polars().Series(TARGET)),
    "array API": lambda: (strict().asarray(LOGITS), strict().asarray(TARGET)),
    "what numpy can ask for": lambda: (Asked(LOGITS), Asked(TARGET)),
    "one-hot": lambda: (LOGITS, np.eye(3, dtype=np.int64)[TARGET]),
    "mixed kinds": lambda: (torch.from_numpy(LOGITS), TARGET.tolist()),
    "dict": lambda: ({"logits": LOGITS, "target": TARGET}, None),
    "named in a dict": lambda: ({"a": LOGITS, "b": TARGET}, "b"),
}


@pytest.mark.parametrize("kind", SAME)
def test_every_kind_of_array_gives_the_same_report(kind):
    preds, target = SAME[kind]()
    more = {"pred": "a"} if kind == "named in a dict" else {}
    found = evalcli.evaluate(preds, target, **more)
    if "list" in kind or "rows" in kind:  # Python floats are float64: what rounds differs in the last bits
        assert found["accuracy"] == EXPECTED["accuracy"]
        assert found["log_loss"] == pytest.approx(EXPECTED["log_loss"], rel=1e-12)
    else:
        same(found, EXPECTED)


@pytest.mark.parametrize(
    "texts",
    [
        lambda x: x,
        list,
        lambda x: x.astype(object),
        lambda x: x.astype(bytes),
        pd.Series,
        lambda x: pd.Series(x, dtype=object),
        lambda x: pd.Series(x).astype("category"),
        lambda x: pd.Series(x).astype("category").array,
        pd.Index,
        lambda x: polars().Series(x),
        lambda x: polars().Series(x).cast(polars().Categorical),
        lambda x: pd.DataFrame({"label": x}),
    ],
)
def test_every_kind_of_text_gives_the_same_report(texts):
    same(evalcli.evaluate(texts(WORDS[PREDS]), texts(WORDS[TARGET])), evalcli.evaluate(WORDS[PREDS], WORDS[TARGET]))


def test_half_types_keep_their_own_precision():
    for dtype in (torch.bfloat16, torch.float16):
        tensor = torch.from_numpy(LOGITS).to(dtype)
        found = evalcli.evaluate(tensor, torch.from_numpy(TARGET))
        assert found["auroc_macro"] == evalcli.evaluate(tensor.float(), TARGET)["auroc_macro"]
        probs = tensor.float().softmax(1).to(dtype)
        assert evalcli.evaluate(probs, TARGET)["log_loss"] > 0  # sums are off by what the type rounds, and accepted


def written(path, name, values):
    """A file that holds one side."""
    if path.suffix == ".npy":
        np.save(path, values)
        return path
    return save(path, {name: values})


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz", ".csv", ".parquet"])
def test_files_give_what_the_command_line_gives(tmp_path, monkeypatch, run, suffix):
    monkeypatch.chdir(tmp_path)
    preds = written(tmp_path / f"preds{suffix}", "pred", PREDS)
    target = written(tmp_path / f"target{suffix}", "target", TARGET)
    found = run("report", preds, target, "-f", "json")
    assert found.code == 0, found.stderr
    assert evalcli.evaluate(preds, str(target)).to_json() == found.stdout
    assert evalcli.evaluate(str(preds), Path(target)).to_json() == found.stdout


def test_one_side_in_a_file(tmp_path):
    path = written(tmp_path / "preds.npy", "logits", LOGITS)
    same(evalcli.evaluate(path, TARGET), EXPECTED)
    same(evalcli.evaluate(LOGITS, written(tmp_path / "target.pt", "target", TARGET)), EXPECTED)
    with pytest.raises(UsageError, match="is a table, and the other side is in memory"):
        evalcli.evaluate(save(tmp_path / "preds.csv", {"pred": PREDS}), TARGET)


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda data: polars().DataFrame(data)])
def test_a_frame_holds_both_sides(frame):
    table = frame({"pred": WORDS[PREDS], "label": WORDS[TARGET], "w": np.arange(200.0)})
    plain = evalcli.evaluate(WORDS[PREDS], WORDS[TARGET])
    same(evalcli.evaluate(table), plain)
    same(evalcli.evaluate(table, "label"), plain)
    same(evalcli.evaluate(table, "label", pred="pred"), plain)
    same(evalcli.evaluate(table["pred"], table["label"]), plain)
    weighted = evalcli.evaluate(WORDS[PREDS], WORDS[TARGET], weight=np.arange(200.0))
    same(evalcli.evaluate(table, weight="w"), weighted)
    with pytest.raises(UsageError, match="no column 'x'"):
        evalcli.evaluate(table, "label", weight="x")


@pytest.mark.parametrize("frame", [pd.DataFrame, lambda data: polars().DataFrame(data)])
def test_score_columns_carry_their_class_names(frame):
    table = frame({f"p_{word}": LOGITS[:, i] for i, word in enumerate(WORDS)} | {"target": WORDS[TARGET]})
    found = evalcli.evaluate(table)
    assert found.classes == tuple(WORDS)
    scores = table[[f"p_{word}" for word in WORDS[::-1]]]
    same(evalcli.evaluate(scores, WORDS[TARGET], labels=list(WORDS)), evalcli.evaluate(LOGITS, TARGET, labels=WORDS))
    hot = frame({word: (i == TARGET).astype(int) for i, word in enumerate(WORDS)})
    assert evalcli.evaluate(scores, hot)["accuracy"] == found["accuracy"]
    with pytest.raises(UsageError, match="name both alike"):
        evalcli.evaluate(scores, frame({"x": TARGET, "y": TARGET, "z": TARGET}))


def test_options_mean_what_they_mean_on_the_command_line(tmp_path, run):
    scores = 1 / (1 + np.exp(-LOGITS[:, 0]))
    target = (TARGET == 0).astype(int)
    paths = written(tmp_path / "s.npy", "", scores), written(tmp_path / "t.npy", "", target)
    told = run("report", *paths, "--threshold", 0.7, "--positive", 0, "-m", "accuracy,recall", "-f", "json")
    found = evalcli.evaluate(*paths, threshold=0.7, positive=0, metrics=["accuracy", "recall"])
    assert found.to_json() == told.stdout
    assert list(found) == ["accuracy", "recall"]
    assert evalcli.evaluate(LOGITS, TARGET, topk=[2])["top2_accuracy"] > found["accuracy"] - 1
    assert evalcli.evaluate(LOGITS, TARGET, workers=3, batch_size=7).to_json() == EXPECTED.to_json()
    assert evalcli.evaluate(LOGITS, TARGET, backend="torch").to_json() == EXPECTED.to_json()


@pytest.mark.parametrize(
    "option", [{"workers": 0}, {"workers": "2"}, {"workers": 2.5}, {"workers": 1025}, {"batch_size": 0}]
)
def test_a_number_of_threads_or_rows_that_cannot_be(option):
    (name,) = option
    with pytest.raises(UsageError, match=f"^{name}="):
        evalcli.evaluate(LOGITS, TARGET, **option)


def test_an_error_says_the_name_of_a_class_as_python_does():
    with pytest.raises(InputError) as raised:
        evalcli.evaluate(["no it's", "a"], ["a", "a"])
    assert raised.value.fix.startswith('name it with positive="no it\'s", or treat both alike with task=')


def test_nothing_is_written_to_and_nothing_is_kept():
    scores, target = LOGITS.copy(), TARGET.copy()
    scores[3, 1] = np.nan
    before = scores.tobytes(), target.tobytes()
    held = torch.from_numpy(scores)
    evalcli.evaluate(scores, target, nan="wrong", ignore_index=2)
    evalcli.evaluate(held, target, nan="drop")
    assert (scores.tobytes(), target.tobytes()) == before
    assert scores.flags.writeable
    count = sys.getrefcount(scores)
    evalcli.evaluate(scores, target, nan="drop")
    gc.collect()
    assert sys.getrefcount(scores) == count


def test_memory_is_not_copied():
    import tracemalloc

    scores = np.zeros((1_000_000, 10), np.float32)
    scores[:, 0] = 1
    target = np.zeros(1_000_000, np.int64)
    evalcli.evaluate(scores[:1000], target[:1000], metrics="accuracy")
    tracemalloc.start()
    evalcli.evaluate(scores, target, metrics="accuracy", workers=1)
    assert tracemalloc.get_traced_memory()[1] < scores.nbytes
    tracemalloc.stop()


with FakeTensorMode():
    FAKE = torch.zeros(2, 3)

BAD = [
    ([0, 1], [0, 1, 1], {}, InputError, "2 predictions but 3 targets"),
    ([], [], {}, EmptyError, "no rows"),
    ([0, "a"], [0, 1], {}, InputError, "preds: holds text and numbers: 'a' and 0"),
    ([2**70, 1], [1, 1], {}, InputError, r"preds: a whole number is 2\^63 or more, or below -2\^63; give"),
    ([["a", "b"], ["a"]], [["a"], ["a"]], {}, InputError, r"of several labels a row an \(N, L\) array of 0 and 1"),
    ([[1.0], [1.0, 2.0]], [0, 1], {}, InputError, "no array can be made of it"),
    (3, [0], {}, InputError, "a int is no array"),
    (np.array(1.0), [0], {}, InputError, "a single number"),
    (np.array([1j]), [0], {}, InputError, "complex"),
    (np.array(["2020-01-01"], "M8[D]"), [0], {}, InputError, "text such as '2020-01-01'"),
    (torch.zeros(2, 3, device="meta"), [0, 1], {}, InputError, "no data"),
    (torch.zeros(2, 2).to_sparse(), [0, 1], {}, InputError, "sparse"),
    (torch.zeros(2, 2).to_mkldnn(), [0, 1], {}, InputError, r"call \.to_dense\(\)"),
    (FAKE, [0, 1], {}, InputError, "a FakeTensor that numpy cannot look into: .*; give a plain tensor"),
    ([torch.ones((), requires_grad=True)] * 2, [0, 1], {}, InputError, r"tensors as one: torch\.stack"),
    ([[1, 2], 3], [0, 1], {}, InputError, "preds: holds rows and single values such as 3; give every row"),
    (memoryview(np.zeros((2, 3))), [0, 1], {}, InputError, "a memoryview is no array"),
    (np.ma.masked_array([0, 1], [True, False]), [0, 1], {}, InputError, "masked"),
    ([np.zeros(3), np.zeros(2)], [0, 1], {}, InputError, "a list of 2 arrays"),
    (["a", None], ["a", "a"], {}, InputError, r"preds: 1 prediction is missing \(row 1\); nan='drop' leaves"),
    (["a", "b"], ["a", None], {"nan": "wrong"}, InputError, "target: 1 target is missing"),
    ([0, 1], [0, -1], {}, InputError, "add ignore_index=-1"),
    ([0, 1], [0, 1], {"task": "binari"}, UsageError, "it can be 'binary', 'multiclass'"),
    ([0, 1], [0, 1], {"labels": "ab"}, UsageError, "is one text"),
    ([0, 1], [0, 1], {"labels": ["a", "a"]}, UsageError, "names 'a' twice"),
    ([0, 1], [0, 1], {"metrics": "acuracy"}, UsageError, "did you mean accuracy"),
    ([0, 1], None, {}, UsageError, "the target is missing; give target=, "),
    ([0, 1], [0, 1], {"threshold": 0.4}, UsageError, "drop threshold="),
    ([0, 1], [0, 1], {"weight": [-1.0, 1.0]}, InputError, "is negative"),
    ([0, 1], [0, 1], {"weight": "w"}, UsageError, "names no column"),
    ([2**64 - 1, 1], [0, 1], {}, InputError, r"2\^63 or more"),
    (np.array([2**64 - 1, 1], np.uint64), [0, 1], {}, InputError, "uint64 .* give labels as text, or "),
    ([0, 1], [0, 1], {"weight": ["2", "4"]}, InputError, "the weights are texts such as '2'; give numbers"),
    ([0, 1], [0, 1], {"weight": np.array(["2020-01-01"] * 2, "M8[D]")}, InputError, "texts such as '2020-01-01'"),
    *(
        ([0, 1], [0, 1], {"ignore_index": one}, UsageError, "give one whole number, as in ignore_index=-100")
        for one in ("0", [0], 1.5, float("nan"), True, torch.tensor(0.5))
    ),
    ([0, 1], [0, 1], {"labels": {0: "a", 1: "b"}}, UsageError, r"as in labels=list\(names.values\(\)\)"),
    ([0, 1], [0, 1], {"labels": {"a", "b"}}, UsageError, "a set, which has no order"),
    ([0, 1], [0, 1], {"labels": ["a", None]}, UsageError, "an empty name"),
    ([0, 1], [0, 1], {"labels": 1.5}, UsageError, "give one whole number, or a list of names"),
    ([0, 1], [0, 1], {"topk": "10"}, UsageError, r"topk='10'; give one whole number, or several, as in topk=\[1, 5\]"),
    ([0, 1], [0, 1], {"confidence": "0.95"}, UsageError, "as in confidence=0.95"),
    ([0, 1], [0, 1], {"resamples": 1000.5}, UsageError, "as in resamples=2000"),
    ([0, 1], [0, 1], {"seed": -1}, UsageError, "give one whole number, from 0"),
    ([0, 1], [0, 1], {"ranking_budget": "64"}, UsageError, "as in ranking_budget=64"),
    ([0, 1], [0, 1], {"ranking_budget": -1}, UsageError, "as in ranking_budget=64"),
    ([0, 1], [0, 1], {"metrics": 3}, UsageError, "'3' names no metric"),
    (pd.DataFrame({"yes": [1], "y": [1]}), "truth", {}, UsageError, "no column, and no file; columns are 'yes', 'y'"),
    (["a", "b"], ["b", "a"], {}, InputError, "name it with positive='b'"),
    (["2024-01-31"], ["2024-02-01"], {}, InputError, "name it with positive='2024-02-01',"),
    ([-1, 1], [-1, -1], {}, InputError, r"name all classes: labels=\['-1', …\]"),
]  # fmt: skip


@pytest.mark.parametrize(("preds", "target", "more", "error", "says"), BAD)
def test_errors_name_the_side_and_speak_of_keywords(preds, target, more, error, says):
    with pytest.raises(error, match=says) as caught:
        evalcli.evaluate(preds, target, **more)
    assert "--" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_are_refused():
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(1)])
    for sides in ((nested, [0, 1]), ([0, 1], nested)):
        with pytest.raises(InputError, match="sparse or nested"):
            evalcli.evaluate(*sides)


def test_frames_that_are_no_side_are_refused():
    import pyarrow as pa

    twice = pd.DataFrame(LOGITS, columns=["x", "x", "y"])
    with pytest.raises(UsageError, match="two score columns are called 'x'"):
        evalcli.evaluate(twice, TARGET)
    lazy = polars().LazyFrame({"pred": PREDS, "target": TARGET})
    with pytest.raises(UsageError, match="a lazy frame has no rows yet"):
        evalcli.evaluate(lazy)
    with pytest.raises(InputError, match="a polars Expr holds no rows; give a Series or a frame"):
        evalcli.evaluate(polars().col("a"), [0, 1])
    with pytest.raises(InputError, match="a frame with columns of text"):
        evalcli.evaluate(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [0, 1])
    table = pa.table({"pred": WORDS[PREDS], "target": WORDS[TARGET]})
    same(evalcli.evaluate(table), evalcli.evaluate(WORDS[PREDS], WORDS[TARGET]))
    same(evalcli.evaluate(table["pred"], table["target"]), evalcli.evaluate(WORDS[PREDS], WORDS[TARGET]))


def test_missing_texts_by_rule():
    preds, target = ["a", None, "b", "b"], ["a", "b", "b", "a"]
    assert evalcli.evaluate(preds, target, nan="drop", positive="b").n == 3
    wrong = evalcli.evaluate(preds, target, nan="wrong", task="multiclass")
    assert (wrong.n, wrong["accuracy"]) == (4, 0.5)
    series = pd.Series(preds, dtype="string")
    assert evalcli.evaluate(series, target, nan="drop", positive="b").n == 3


def test_missing_numbers_of_columns():
    scores = pd.Series([0.9, None, 0.2], dtype="Float64")
    assert evalcli.evaluate(scores, [1, 1, 0], nan="drop")["accuracy"] == 1
    with pytest.raises(InputError, match="1 prediction is not finite"):
        evalcli.evaluate(scores, [1, 1, 0])
    for labels in (pd.Series([3, None, 4]), pd.Series(pd.Categorical.from_codes([0, -1, 1], categories=[3, 4]))):
        assert evalcli.evaluate(labels, [3, 4, 4], nan="drop").data.ignored == 1
        assert evalcli.evaluate([3, 4, 4], labels, nan="drop")["accuracy"] == 1
        by = evalcli.evaluate([3, 4, 4], [3, 4, 4], by={"group": labels})
        assert [row.value for row in by.data.slices] == ["3", "4"]


BIG = [1 << 53, (1 << 53) + 1, None]


@pytest.mark.parametrize(
    "kind",
    [
        list,
        lambda values: pd.Series(values, dtype="Int64"),
        lambda values: pd.Series(pd.Categorical.from_codes([0, 1, -1], categories=values[:2])),
        lambda values: polars().Series(values),
        lambda values: pytest.importorskip("pyarrow").array(values),
    ],
)
def test_ids_beside_missing_ones_are_not_rounded_into_one(kind):
    with pytest.raises(
        InputError, match=r"2\^53 or more beside missing ones, which would be rounded; give them as text"
    ):
        evalcli.evaluate([0, 1, 1], [0, 1, 1], by={"id": kind(BIG)})
    small = evalcli.evaluate([0, 1, 1], [0, 1, 1], by={"id": kind([7, 8, None])})
    assert [row.value for row in small.data.slices] == ["7", "8"]


def test_whole_numbers_of_128_bits_are_whole_numbers():
    labels = polars().Series([1, 2, 3])
    for kind in (polars().Int128, polars().UInt128):
        assert evalcli.evaluate(labels.cast(kind), labels)["accuracy"] == 1


def test_tensors_in_a_dict_are_not_taken_apart():
    """Cells that may name classes are looked for in lists: a tensor has none, and its rows are long."""
    import tracemalloc

    scores = torch.zeros(100, 20_000)
    tracemalloc.start()
    evalcli.evaluate({"pred": scores, "target": torch.arange(100)}, scores="logits", metrics="accuracy")
    assert tracemalloc.get_traced_memory()[1] < 4 * scores.nbytes
    tracemalloc.stop()


def test_texts_of_a_row_are_told_to_be_decisions_of_their_own():
    found = evalcli.evaluate([["a", "b"], ["b", "c"]], [["a", "b"], ["c", "c"]]).findings
    assert [each.text for each in found if each.code == "texts-in-rows"] == [
        "every row holds 2 texts, and each of them is a decision of its own, as of a word: 4 in 2 rows"
    ]
    assert not any(
        each.code == "texts-in-rows" for each in evalcli.evaluate([["a"], ["b"], ["c"]], ["a", "a", "c"]).findings
    )


def test_what_can_only_be_meant_one_way_is_taken():
    scores, target = np.eye(4)[[0, 1, 2, 3, 0]] * 0.6 + 0.1, np.array([0, 1, 2, 3, 1])
    found = evalcli.evaluate(scores, target, topk=2, labels=np.int64(4), metrics=evalcli.functional.accuracy)
    assert (found["accuracy"], found.classes) == (0.8, ("0", "1", "2", "3"))
    assert evalcli.evaluate(scores, target, topk=2)["top2_accuracy"] == 1.0
    named = evalcli.evaluate(scores, target, labels=np.array(["a", "b", "c", "d"]), ignore_index=np.float64(1))
    assert (repr(named.classes), named.n) == ("('a', 'b', 'c', 'd')", 3)
    assert evalcli.evaluate([b"a", b"b", b"c"], ["a", "b", "b"])["accuracy"] == 2 / 3


def test_rules_are_texts():
    found = evalcli.evaluate([0, 1], [0, 1])
    for checked in (found, evalcli.compare([0, 1], [1, 1], target=[0, 1])):
        with pytest.raises(UsageError, match=r"is no rule; give each as a text, as in check\('accuracy>=0.9'"):
            checked.check(["accuracy>=0.9"])


@pytest.mark.parametrize(
    ("call", "name", "says"),
    [
        (evalcli.evaluate, "no_intervals", "evaluate.* 'no_intervals'; confidence=None computes"),
        (evalcli.evaluate, "sample_weight", "did you mean weight="),
        (evalcli.evaluate, "threshhold", "did you mean threshold="),
        (evalcli.evaluate, "min", r"judged by \.check\('accuracy>=0.9'\)"),
        (evalcli.evaluate, "normalize", "there are backend, batch_size, by, "),
        (evalcli.compare, "names", r"compare.* called as their columns are, as in pandas\.Series"),
        (evalcli.compare, "no_intervals", "there are batch_size"),
        (evalcli.list_mistakes, "n_jobs", "list_mistakes.* did you mean workers="),
        (evalcli.overlap, "ids", "overlap.* did you mean id="),
        (evalcli.functional.f1, "avg", "f1.* did you mean average="),
        (evalcli.metrics.F1, "num_classes", "F1.* did you mean labels="),
    ],
)
def test_an_unknown_keyword_is_told_which_one_is_meant(call, name, says):
    with pytest.raises(TypeError, match=says):
        call(**{name: 1})


def test_a_warning_is_of_the_line_that_calls():
    with pytest.warns(UserWarning, match="ranges of numbers") as caught:
        evalcli.evaluate([0, 1] * 50, [0, 1] * 50, by=np.linspace(0, 1, 100), partial=True)
    assert caught[0].filename == __file__


def test_indexes_in_another_order_are_no_pairing():
    preds = pd.Series([0, 1, 1], index=["x", "y", "z"])
    with pytest.raises(UsageError, match="different orders"):
        evalcli.evaluate(preds, pd.Series([0, 1, 1], index=["z", "y", "x"]))
    evalcli.evaluate(preds, pd.Series([0, 1, 1]))


def test_importing_evalcli_loads_nothing_but_itself_and_what_types_need():
    code = (
        "import enum, sys, typing, warnings\n"
        "before = {*sys.modules}\n"
        "import evalcli\n"
        "print(sorted({*sys.modules} - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "['__future__', 'evalcli']"


def test_an_evaluation_of_arrays_imports_neither_torch_nor_pandas():
    code = (
        "import sys, evalcli\n"
        "evalcli.evaluate([0, 1], [0, 1]).to_json()\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'torch', 'pandas', 'duckdb', 'polars', 'typer'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_names_are_listed_and_unknown_ones_refused():
    assert {"evaluate", "Report", "Metric", "metrics", "InputError"} <= {*dir(evalcli)}
    with pytest.raises(AttributeError, match="has no attribute 'evalute'"):
        evalcli.evalute  # noqa: B018


@pytest.mark.parametrize("threshold", [[0.9, 0.1], {"a": 0.3}, "0.5", np.array([0.9, 0.1]), np.array([0.5])])
def test_a_threshold_is_one_number(threshold):
    scores, target = np.array([[0.2, 0.7], [0.6, 0.4]]), np.array([[0, 1], [1, 0]])
    with pytest.raises(UsageError, match="threshold="):
        evalcli.evaluate(scores, target, task="multilabel", threshold=threshold)


@pytest.mark.parametrize("threshold", [0.5, np.float32(0.5), np.array(0.5)])
def test_a_threshold_is_any_kind_of_number(threshold):
    scores, target = np.array([0.2, 0.7, 0.6]), np.array([0, 1, 0])
    assert (
        evalcli.evaluate(scores, target, threshold=threshold).to_json()
        == evalcli.evaluate(scores, target, threshold=0.5).to_json()
    )


def test_columns_of_a_frame_may_be_called_by_numbers():
    said, truth = [0, 1, 2, 1], [0, 1, 1, 1]
    assert evalcli.evaluate(pd.DataFrame({0: said}), truth)["accuracy"] == 0.75
    with pytest.raises(InputError) as caught:
        evalcli.evaluate(pd.DataFrame({0: said, 1: truth}))
    assert "--no-header" not in str(caught.value)
