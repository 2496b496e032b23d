"""Whatever the file, its report is what scikit-learn says; and the same data gives the same report in every format."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import PLAIN, TABLES, TENSORS, expect, json_of, report_of, save

from evalcli.engine import Execution
from evalcli.errors import InputError

EVERY = (*TENSORS, *TABLES)
TEXT = tuple(suffix for suffix in EVERY if suffix != ".safetensors")
SMALL = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
    pytest.mark.filterwarnings("ignore:A single label was found:UserWarning"),
]


def drawn(seed, n=60, classes=4):
    """Truth, predictions of a middling model, and logits whose best column they are."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    logits = (rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[truth]).astype(np.float32)
    return truth, logits.argmax(axis=1), logits


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def both_ways(tmp_path, suffix, preds, target):
    """The sides in one file, and each in its own."""
    yield (save(tmp_path / f"both{suffix}", {**preds, **target}),)
    yield save(tmp_path / f"preds{suffix}", preds), save(tmp_path / f"targets{suffix}", target)


@pytest.mark.parametrize("suffix", EVERY)
def test_integer_labels_equal_scikit_learn(tmp_path, suffix):
    truth, said, _ = drawn(0, classes=12)
    for files in both_ways(tmp_path, suffix, {"pred": said}, {"target": truth}):
        found = report_of(*files)
        assert (found.task, found.scores) == ("multiclass", "labels")
        assert found.classes == tuple(map(str, sorted({*truth.tolist(), *said.tolist()})))
        expect(found, truth, said)


@pytest.mark.parametrize("suffix", PLAIN)
def test_booleans_equal_scikit_learn(tmp_path, suffix):
    truth, said, _ = drawn(2, classes=2)
    for files in both_ways(tmp_path, suffix, {"pred": said == 1}, {"target": truth == 1}):
        found = report_of(*files)
        names = np.array(found.classes)
        assert [name.lower() for name in names] in (["0", "1"], ["false", "true"])
        assert found.positive == names[1]
        expect(found, names[truth], names[said])


@pytest.mark.parametrize("suffix", TEXT)
def test_text_equals_scikit_learn(tmp_path, suffix):
    names = np.array(["NA", "null", "NaN", "None", "cat", "dog"])
    truth, said, _ = drawn(3, classes=6)
    for files in both_ways(tmp_path, suffix, {"pred": names[said]}, {"target": names[truth]}):
        found = report_of(*files)
        assert found.classes == tuple(sorted(names.tolist()))
        expect(found, names[truth], names[said])


@pytest.mark.parametrize("suffix", EVERY)
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_scores_equal_scikit_learn(tmp_path, suffix, kind):
    truth, said, logits = drawn(4)
    scores = softmax(logits.astype(np.float64)) if kind == "probs" else logits
    for files in both_ways(tmp_path, suffix, {"p": scores}, {"target": truth}):
        found = report_of(*files, **({"pred": "p"} if suffix in TENSORS and len(files) == 1 else {}))
        assert (found.task, found.scores) == ("multiclass", kind)
        expect(found, truth, said)


@pytest.mark.parametrize("suffix", PLAIN)
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_binary_scores_equal_scikit_learn(tmp_path, suffix, kind):
    truth, _, logits = drawn(5, classes=2)
    scores = logits[:, 1] if kind == "logits" else (1 / (1 + np.exp(-logits[:, 1].astype(np.float64))))
    said = (scores >= (0.5 if kind == "probs" else 0)).astype(int)
    for shape in ((-1,), (-1, 1)) if suffix in TENSORS else ((-1,),):
        for files in both_ways(tmp_path, suffix, {"score": scores.reshape(shape)}, {"target": truth}):
            found = report_of(*files)
            assert (found.task, found.scores, found.positive, found.threshold) == ("binary", kind, "1", 0.5)
            expect(found, truth, said)


@pytest.mark.parametrize("suffix", PLAIN)
def test_weights_equal_scikit_learn(tmp_path, suffix):
    truth, said, logits = drawn(6)
    weight = np.random.default_rng(6).random(len(truth))
    path = save(tmp_path / f"labels{suffix}", {"pred": said, "target": truth, "weight": weight})
    expect(report_of(path, weight="weight"), truth, said, weight)
    path = save(tmp_path / f"scores{suffix}", {"logits": logits, "target": truth, "weight": weight})
    expect(report_of(path, weight="weight"), truth, said, weight)


@pytest.mark.parametrize("suffix", PLAIN)
def test_ignore_index_leaves_rows_out(tmp_path, suffix):
    truth, said, logits = drawn(7)
    kept = np.random.default_rng(7).random(len(truth)) < 0.7
    marked = np.where(kept, truth, -100)
    for preds in ({"pred": said}, {"logits": logits}):
        path = save(tmp_path / f"data{suffix}", {**preds, "target": marked})
        found = report_of(path, ignore_index=-100)
        assert found.ignored == int((~kept).sum())
        expect(found, truth[kept], said[kept])


@pytest.mark.parametrize("suffix", TENSORS)
def test_one_hot_and_segmentation_equal_scikit_learn(tmp_path, suffix):
    truth, said, logits = drawn(8, n=120, classes=3)
    last = {"logits": logits.reshape(10, 4, 3, 3)}
    first = {"logits": np.moveaxis(last["logits"], -1, 1)}
    mask = truth.reshape(10, 4, 3)
    hot = np.eye(3, dtype=np.int64)
    for name, preds, target, axis in (
        ("hot", {"logits": logits}, hot[truth], None),
        ("hot-labels", {"pred": said}, hot[truth], None),
        ("last", last, mask, -1),
        ("first", first, mask, 1),
        ("model", {"logits": logits.reshape(12, 10, 3)}, truth.reshape(12, 10), None),
        ("channels", {"logits": np.moveaxis(logits.reshape(12, 10, 3), 2, 1)}, truth.reshape(12, 10), None),
        ("masks", {"pred": said.reshape(mask.shape)}, mask, None),
    ):
        files = save(tmp_path / f"{name}-p{suffix}", preds), save(tmp_path / f"{name}-t{suffix}", {"target": target})
        found = report_of(*files, Execution(batch_size=3, workers=2), class_axis=axis)
        assert found.n == 120
        expect(found, truth, said)


@pytest.mark.parametrize(
    ("first", "second"),
    [(".npy", ".csv"), (".csv", ".pt"), (".pt", ".parquet"), (".jsonl.gz", ".npz"), (".safetensors", ".tsv"),
     (".xlsx", ".npy"), (".pt", ".npz"), (".csv", ".parquet"), (".feather", ".csv.zst"), (".dta", ".jsonl")],
)  # fmt: skip
def test_two_files_of_different_formats(tmp_path, first, second):
    truth, said, logits = drawn(9)
    probs = softmax(logits.astype(np.float64))
    target = save(tmp_path / f"targets{second}", {"target": truth})
    for name, preds in (("labels", {"pred": said}), ("logits", {"logit": logits}), ("probs", {"p": probs})):
        expect(report_of(save(tmp_path / f"{name}{first}", preds), target), truth, said)
    if ".safetensors" not in (first, second):
        words = np.array(["NA", "b", "007", "d e"])
        files = (save(tmp_path / f"words{first}", {"pred": words[said]}),
                 save(tmp_path / f"truth{second}", {"target": words[truth]}))  # fmt: skip
        expect(report_of(*files), words[truth], words[said])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_named_after_numbers_are_found_by_number(tmp_path, suffix):
    """``p_2, p_0, p_1`` beside whole numbers in another file: the class of a column is its name, not its place."""
    truth, said, logits = drawn(15, classes=3)
    target = save(tmp_path / "targets.npy", {"target": truth})
    hot = save(tmp_path / "hot.npy", {"target": np.eye(3, dtype=int)[truth]})
    mixed = save(tmp_path / f"mixed{suffix}", {f"p_{c}": logits[:, c] for c in (2, 0, 1)})
    expect(report_of(mixed, target), truth, said)
    expect(report_of(mixed, target, labels=("0", "1", "2")), truth, said)
    expect(report_of(mixed, hot, labels=("0", "1", "2")), truth, said)
    later = save(tmp_path / f"later{suffix}", {f"p_{c + 1}": logits[:, c] for c in range(3)})
    expect(report_of(later, save(tmp_path / "later.pt", {"target": truth + 1})), truth + 1, said + 1)
    tens = save(tmp_path / "tens.npy", {"logits": logits})
    expect(report_of(tens, hot, labels=("10", "20", "30")), 10 * truth + 10, 10 * said + 10)


def test_columns_of_probabilities_in_percent_are_refused(tmp_path):
    truth, _, logits = drawn(15, classes=3)
    percent = 100 * softmax(logits.astype(np.float64))
    path = save(tmp_path / "percent.csv", {f"p_{c}": percent[:, c] for c in range(3)} | {"target": truth})
    with pytest.raises(InputError, match=r"'p_\*' holds values from .*, no probabilities; mend them, or say --scores"):
        report_of(path)
    expect(report_of(path, scores="logits"), truth, percent.argmax(axis=1))


@pytest.mark.parametrize("first", [".parquet", ".npy"])
@pytest.mark.parametrize("second", [".feather", ".pt"])
@pytest.mark.parametrize("kind", ["labels", "words", "logits"])
def test_missing_rows_are_left_out_wherever_they_lie(tmp_path, first, second, kind):
    truth, said, logits = drawn(16)
    words = np.array(["a", "b", "c", "d"])
    gone = np.arange(60) % 7 == 3
    first = ".feather" if (kind, first) == ("words", ".npy") else first  # an array of text has no missing entry
    preds = {
        "labels": {"pred": np.where(gone, np.nan, said)},
        "words": {"pred": np.where(gone, None, words[said])},
        "logits": {"p": np.where(gone[:, None], np.nan, logits)},
    }[kind]
    names = words if kind == "words" else np.arange(4)
    files = (save(tmp_path / f"p{first}", preds), save(tmp_path / f"t{second}", {"target": names[truth]}))
    found = report_of(*files, nan="drop")
    expect(found, names[truth[~gone]], names[said[~gone]])
    wrong = report_of(*files, nan="wrong")
    right = int((truth == said)[~gone].sum())
    assert (wrong.n, wrong.metrics["accuracy"].value) == (60, pytest.approx(right / 60, abs=1e-12))
    with pytest.raises(InputError, match="--nan drop"):
        report_of(*files)
    truth_gone = save(tmp_path / f"tg{second}", {"target": np.where(gone, np.nan, truth)})
    if kind != "words":
        expect(
            report_of(save(tmp_path / f"q{first}", {"pred": said}), truth_gone, nan="drop"), truth[~gone], said[~gone]
        )


def test_stored_types(tmp_path):
    """Scores of every float type, labels of every integer type: what counts is the value that was stored."""
    import ml_dtypes
    import torch

    truth, _, logits = drawn(10)
    target = save(tmp_path / "targets.pt", {"target": truth})
    floats = ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
    for name in floats:
        stored = torch.from_numpy(logits).to(getattr(torch, name))
        said = stored.double().argmax(dim=1).numpy()
        for suffix in (".pt", ".safetensors"):
            expect(report_of(save(tmp_path / f"{name}{suffix}", {"logits": stored}), target), truth, said)
    assert (logits.astype(ml_dtypes.float8_e5m2).astype(np.float64).argmax(axis=1) != logits.argmax(axis=1)).any()
    said = logits.argmax(axis=1)
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float64"):
        for order in "<>":
            dtype = np.dtype(name).newbyteorder(order)
            path = save(tmp_path / f"{name}.npy", {"pred": said.astype(dtype)})
            expect(report_of(path, target), truth, said)
    for dtype in (">f2", ">f4", ">f8"):
        expect(report_of(save(tmp_path / "big.npy", {"logits": logits.astype(dtype)}), target), truth,
               logits.astype(dtype).argmax(axis=1))  # fmt: skip


def test_M11_single_precision_meets_the_threshold_in_every_format(tmp_path):
    """A score stored as 0.7 in single precision is at a threshold of 0.7, though in double it lies below."""
    import pandas as pd

    rng = np.random.default_rng(17)
    scores, truth = (rng.integers(0, 11, 60) / 10).astype(np.float32), rng.integers(0, 2, 60)
    frame = pd.DataFrame({"score": scores, "target": truth})
    frame.to_parquet(tmp_path / "data.parquet")
    frame.to_feather(tmp_path / "data.feather")
    frame.to_stata(tmp_path / "data.dta")
    frame.to_csv(tmp_path / "data.csv", index=False)
    for suffix in (".pt", ".npz", ".npy", ".safetensors"):
        save(tmp_path / f"data{suffix}", {"score": scores, "target": truth})
    for path in sorted(tmp_path.glob("data.*")):
        for tenth in (1, 3, 6, 7, 9):
            said = (np.rint(scores * 10) >= tenth).astype(int)
            expect(report_of(path, threshold=tenth / 10), truth, said)


def test_memory_layouts(tmp_path):
    """Fortran order and views of many kinds, as they are saved."""
    import torch

    truth, said, logits = drawn(11)
    wide = np.full((240, 9), 99.0, np.float32)
    wide[::4, 1:9:2] = logits
    target = save(tmp_path / "targets.pt", {"target": truth})
    np.save(tmp_path / "fortran.npy", np.asfortranarray(logits))
    torch.save(torch.from_numpy(wide)[::4, 1:9:2], tmp_path / "view.pt")
    torch.save(torch.from_numpy(logits.T.copy()).T, tmp_path / "transposed.pt")
    torch.save(torch.from_numpy(logits).requires_grad_(), tmp_path / "grad.pt")
    torch.save(torch.nn.Parameter(torch.from_numpy(logits)), tmp_path / "parameter.pt")
    np.savez(tmp_path / "fortran.npz", logits=np.asfortranarray(logits))
    for name in ("fortran.npy", "view.pt", "transposed.pt", "grad.pt", "parameter.pt", "fortran.npz"):
        for size in (7, 60):
            expect(report_of(tmp_path / name, target, Execution(batch_size=size, workers=2)), truth, said)
    torch.save({"pred": torch.from_numpy(said.repeat(3))[::3], "target": torch.from_numpy(truth)}, tmp_path / "s.pt")
    expect(report_of(tmp_path / "s.pt"), truth, said)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".jsonl", ".tsv.gz"])
def test_globs_are_one_input(tmp_path, suffix):
    truth, said, logits = drawn(12)
    for i, part in enumerate(np.array_split(np.arange(60), 3)):
        save(tmp_path / f"labels-{i}{suffix}", {"pred": said[part], "target": truth[part]})
        save(tmp_path / f"scores-{i}{suffix}", {"p": logits[part]})
        save(tmp_path / f"truth-{i}{suffix}", {"target": truth[part]})
    expect(report_of(tmp_path / f"labels-*{suffix}"), truth, said)
    expect(report_of(tmp_path / f"scores-*{suffix}", tmp_path / f"truth-?{suffix}"), truth, said)
    _copied(tmp_path, f"truth-0{suffix}", f"truth-1{suffix}")
    assert "copied-files" not in _codes(report_of(tmp_path / f"scores-*{suffix}", tmp_path / f"truth-?{suffix}"))
    _copied(tmp_path, f"labels-0{suffix}", f"labels-3{suffix}")
    assert "copied-files" in _codes(report_of(tmp_path / f"labels-*{suffix}"))
    _copied(tmp_path, f"scores-0{suffix}", f"scores-1{suffix}")
    assert "copied-files" in _codes(report_of(tmp_path / f"scores-*{suffix}", tmp_path / f"truth-?{suffix}"))


def test_files_without_a_row_are_no_copies(tmp_path):
    for name, rows in {"a": "x,x\n", "b": "", "c": ""}.items():
        (tmp_path / f"{name}.csv").write_text(f"pred,target\n{rows}")
    assert "copied-files" not in _codes(report_of(tmp_path / "?.csv"))


def _copied(folder, name, copy):
    (folder / copy).write_bytes((folder / name).read_bytes())


def _codes(report):
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("kind", ["labels", "logits", "probs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_M11_the_same_data_gives_the_same_report(tmp_path, kind, weighted):
    truth, said, logits = drawn(13)
    logits = (logits * 256).round() / 256  # Excel files keep 16 digits
    preds = {
        "labels": {"pred": said},
        "logits": {"logit": logits},
        "probs": {"prob": softmax(logits.astype(np.float64)).round(12)},
    }[kind]
    columns = {**preds, "target": truth}
    if weighted:
        columns["w"] = np.random.default_rng(13).random(60).round(3)
    weight = "w" if weighted else None
    reports = {suffix: json_of(save(tmp_path / f"data{suffix}", columns), weight=weight) for suffix in EVERY}
    if kind == "logits":  # single precision is part of the data, and exact in double
        double = {"logit": logits.astype(np.float64), **{k: v for k, v in columns.items() if k != "logit"}}
        reports["f64"] = json_of(save(tmp_path / "double.npz", double), weight=weight)
    different = {suffix for suffix, text in reports.items() if text != reports[".pt"]}
    assert not different


def test_M11_the_same_words_give_the_same_report(tmp_path):
    words = np.array(["NA", "007", "[red]dog", "a,b", "ü"])
    truth, said, _ = drawn(14, classes=5)
    columns = {"pred": words[said], "target": words[truth]}
    reports = {suffix: json_of(save(tmp_path / f"data{suffix}", columns)) for suffix in TEXT}
    assert {suffix for suffix, text in reports.items() if text != reports[".pt"]} == set()


@pytest.mark.parametrize(
    ("truth", "said"),
    [([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 0], [0, 1]), ([2, 2], [2, 2]), ([5, 3], [3, 3]), ([10, 9, 1], [9, 9, 10]),
     ([0, -100, 0], [0, 0, 0]), ([-100, 3, 5], [3, 3, 5]), ([7], [3])],
)  # fmt: skip
def test_M11_few_classes_are_the_same_task_in_every_format(tmp_path, truth, said):
    reports = set()
    for suffix in (".pt", ".npz", ".csv", ".jsonl", ".parquet", ".xlsx"):
        path = save(tmp_path / f"data{suffix}", {"pred": np.array(said), "target": np.array(truth)})
        reports.add(json_of(path, ignore_index=-100))
    assert len(reports) == 1


@SMALL
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 80),
    classes=st.integers(3, 9),
    suffix=st.sampled_from([".pt", ".npy", ".npz", ".safetensors", ".csv", ".jsonl.gz", ".parquet", ".tsv"]),
    form=st.sampled_from(["labels", "logits", "probs"]),
    weighted=st.booleans(),
    batches=st.tuples(st.integers(1, 90), st.integers(1, 4)),
)
def test_any_data_equals_scikit_learn(tmp_path, seed, n, classes, suffix, form, weighted, batches):
    truth, said, logits = drawn(seed, n, classes)
    probs = softmax(logits.astype(np.float64))
    preds = {"labels": {"pred": said}, "logits": {"logits": logits + 9}, "probs": {"prob": probs}}[form]
    said = (logits + 9).argmax(axis=1) if form == "logits" else said
    said = probs.argmax(axis=1) if form == "probs" else said
    weight = np.random.default_rng(seed).choice([0.1, 0.3, 1.0], n) if weighted else None
    columns = {**preds, "target": truth} | ({} if weight is None else {"w": weight})
    binary = form == "labels" and {*truth, *said} <= {0, 1}
    names = [str(c) for c in range(2 if binary else classes)] if binary or form != "labels" else None
    size, workers = batches
    found = report_of(save(tmp_path / f"data{suffix}", columns), None, Execution(batch_size=size, workers=workers),
                      task="multiclass", weight="w" if weighted else None)  # fmt: skip
    expect(found, truth, said, weight, names)
