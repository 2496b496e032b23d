"""Labels that other tools change, merge or lose; rows that do not belong together: never a silently wrong number."""

from __future__ import annotations

import json
import shlex
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import TABLES, TENSORS, expect, json_of, report_of, save

from evalcli.engine import Execution
from evalcli.errors import EvalError, InputError

NASTY = [
    "NA", "null", "NaN", "None", "N/A", "007", "7", "[red]dog", "a,b", "a;b", '"q"', "café", "with space", "'single'",
    "1e3", "0x10", "True", "=cmd()", "😀", "C?", "-", "a\\b", "p|q", "[/b]", ":smile:", "\u202ereversed", "a[b]",
    "#tag", "2024-01-02", "inf", "1_000", "{}", "%s", "nan ", "`x`", "<b>", "&amp;", "$x", "~", "é" * 100,
]  # fmt: skip
TEXT = tuple(suffix for suffix in (*TENSORS, *TABLES) if suffix != ".safetensors")
SMALL = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning"),
    pytest.mark.filterwarnings("ignore:A single label was found:UserWarning"),
]


def drawn(seed, words, n=200):
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.array(words), rng.choice(words, n)])
    return truth, np.where(rng.random(len(truth)) < 0.7, truth, rng.permutation(truth))


@pytest.mark.parametrize("suffix", TEXT)
def test_labels_are_exactly_the_text(tmp_path, suffix):
    truth, said = drawn(0, NASTY)
    one = save(tmp_path / f"both{suffix}", {"pred": said, "target": truth})
    two = save(tmp_path / f"p{suffix}", {"pred": said}), save(tmp_path / f"t{suffix}", {"target": truth})
    for files in ((one,), two):
        found = report_of(*files, execution=Execution(batch_size=13, workers=3))
        assert found.classes == tuple(sorted(NASTY))
        expect(found, truth, said)


def test_M11_hostile_labels_give_the_same_report_in_every_format(tmp_path):
    truth, said = drawn(1, NASTY)
    reports = {suffix: json_of(save(tmp_path / f"both{suffix}", {"pred": said, "target": truth})) for suffix in TEXT}
    assert {suffix for suffix, text in reports.items() if text != reports[".pt"]} == set()


@pytest.mark.parametrize(("suffix", "said"), [(".jsonl", 1), (".parquet", 1), (".npz", 1), (".csv", 0), (".xlsx", 1)])
def test_text_that_is_a_number_is_no_number_in_silence(tmp_path, suffix, said):
    sides = {"pred": np.array([0, 1, 1, 0]), "target": np.array(["0", "1", "0", "0"])}
    codes = [[each.code for each in report_of(save(tmp_path / f"a{suffix}", sides)).findings]]
    codes.append(
        [each.code for each in report_of(save(tmp_path / f"b{suffix}", {**sides, "target": sides["pred"]})).findings]
    )
    assert [one.count("text-for-numbers") for one in codes] == [said, 0]


def test_C14n_only_text_with_quotes_can_swallow_rows(tmp_path):
    long = np.array(["two\nlines", "x" * 300, "short"])
    truth, said = drawn(6, long)
    for suffix in (".jsonl", ".parquet", ".xlsx", ".npy", ".pt"):
        expect(report_of(save(tmp_path / f"both{suffix}", {"pred": said, "target": truth})), truth, said)
    for suffix in (".csv", ".tsv"):
        with pytest.raises(InputError, match="is a quote missing or too much"):
            report_of(save(tmp_path / f"both{suffix}", {"pred": said, "target": truth}))


def test_every_output_holds_every_label(tmp_path, run):
    truth, said = drawn(2, NASTY)
    said[: len(NASTY)] = NASTY
    path = save(tmp_path / "both.csv", {"pred": said, "target": truth})
    data = json.loads(run("report", path, "-f", "json").stdout)
    assert data["classes"] == sorted(NASTY) == [row["class"] for row in data["per_class"]]
    for name in NASTY:
        row = next(row for row in data["per_class"] if row["class"] == name)
        value = row["recall"]["value"]
        result = run("report", path, "-f", "json", "-m", "accuracy", "--min", f"recall[{name}]={value!r}",
                     "--max", f"precision[{name}]={row['precision']['value'] - 1e-9!r}")  # fmt: skip
        gates = json.loads(result.stdout)["gates"]
        assert (result.code, [gate["metric"] for gate in gates]) == (1, [f"recall[{name}]", f"precision[{name}]"])
        assert [(gate["status"], gate["value"]) for gate in gates] == [
            ("pass", value), ("fail", row["precision"]["value"])
        ]  # fmt: skip
    for form in ("rich", "csv", "markdown"):
        result = run("report", path, "-f", form)
        assert result.code == 0
        assert not {"\x1b", "\u202e"} & {*result.stdout}


@pytest.mark.parametrize("name", ["x'; reboot; '", "$(reboot)", "`reboot`", 'a"b', "not spam", "cat"])
def test_a_command_that_is_advised_means_the_class_and_runs_no_part_of_it(tmp_path, run, name):
    truth = ["rest"] * 980 + [name] * 20
    path = save(tmp_path / "both.csv", {"pred": ["rest"] * 998 + [name] * 2, "target": truth, "by": truth})
    asked = run("report", path)
    advised = asked.stderr.partition("name it with ")[2].partition(", or treat")[0]
    flag, positive = shlex.split(advised)
    assert (asked.code, flag, positive in {name, "rest"}) == (2, "--positive", True)
    options = ("--task", "multiclass", "--by", "by", "-f", "json", "--scan", "by", "--min-slice-size", 3)
    report = json.loads(run("report", path, *options).stdout)
    fixes = {one["code"]: one["fix"] for one in report["findings"]}
    found = shlex.split(fixes["hardly-found"])[-2:]
    weak = shlex.split(fixes["weak-slice"])[-2:]
    assert (found, weak[1].rpartition("=")[0]) == (["--min", f"recall[{name}]=0.8"], f"accuracy@by={name}")
    assert run("report", path, *options, *found, *weak).code in {0, 1}  # and not 2: both name what is there


def test_score_columns_named_after_hostile_classes(tmp_path):
    names = [name for name in NASTY if name not in {"C?"}]
    rng = np.random.default_rng(3)
    codes = rng.integers(0, len(names), 300)
    scores = rng.normal(size=(300, len(names))) + 2 * np.eye(len(names))[codes]
    columns = {f"p_{name}": scores[:, i] for i, name in enumerate(names)}
    truth, said = np.array(names)[codes], np.array(names)[scores.argmax(axis=1)]
    for suffix in (".csv", ".jsonl", ".parquet", ".feather"):
        found = report_of(save(tmp_path / f"scores{suffix}", {**columns, "target": truth}))
        assert found.classes == tuple(names)
        expect(found, truth, said, names=names)


@SMALL
@given(
    words=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1,
                max_size=8),
        min_size=2, max_size=8, unique=True,
    ),
    suffix=st.sampled_from([".csv", ".tsv.gz", ".jsonl", ".parquet", ".npz", ".pt"]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_text_is_a_label(tmp_path, words, suffix, seed):
    truth, said = drawn(seed, words, n=30)
    found = report_of(save(tmp_path / f"any{suffix}", {"pred": said, "target": truth}), task="multiclass")
    expect(found, truth, said)


SPELLINGS = {
    "number": ("1", "1.0"),
    "zeros": ("007", "7"),
    "sign": ("+3", "3"),
    "trailing space": ("cat", "cat "),
    "leading space": ("cat", " cat"),
    "composition": (unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")),
    "truth": ("true", "1"),
}


@pytest.mark.parametrize("pair", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("suffix", [".pt", ".csv", ".parquet", ".xlsx"])
def test_two_spellings_of_one_class_are_refused(tmp_path, suffix, pair):
    for one, other in (pair, pair[::-1]):
        truth = np.array([one, "zebra", one, "zebra", "ox"])
        said = np.array([other, "zebra", other, "zebra", "ox"])
        with pytest.raises(InputError) as caught:
            report_of(save(tmp_path / f"both{suffix}", {"pred": said, "target": truth}))
        assert repr(one) in str(caught.value)
        assert repr(other) in str(caught.value)


@pytest.mark.parametrize("pair", SPELLINGS.values(), ids=SPELLINGS)
def test_two_spellings_between_formats(tmp_path, pair):
    truth, said = np.array([pair[0], "zebra", "ox"]), np.array([pair[1], "zebra", "ox"])
    for first, second in ((".csv", ".parquet"), (".npy", ".csv"), (".jsonl", ".pt"), (".pt", ".npy")):
        files = save(tmp_path / f"p{first}", {"pred": said}), save(tmp_path / f"t{second}", {"target": truth})
        with pytest.raises(InputError):
            report_of(*files)


def test_two_spellings_in_case_are_refused_where_they_are_most_classes_and_always_said(tmp_path):
    """A reader of letters may have an ``A`` and an ``a``; nobody has ``True``, ``False``, ``true`` and ``false``."""
    truth, said = drawn(4, ["True", "False"])
    with pytest.raises(InputError, match="upper and lower case"):
        report_of(save(tmp_path / "both.csv", {"pred": np.char.lower(said), "target": truth}))
    truth, said = drawn(4, [*"cdefghij", "A"])
    said = np.where(said == "A", "a", said)
    for suffix in (".csv", ".npy", ".parquet"):
        found = report_of(save(tmp_path / f"letters{suffix}", {"pred": said, "target": truth}))
        expect(found, truth, said)
        assert any("'A' and 'a'" in f.text for f in found.findings)


@pytest.mark.parametrize("pair", SPELLINGS.values(), ids=SPELLINGS)
def test_one_class_in_two_spellings_among_many_is_refused(tmp_path, pair):
    words = [f"w{i}" for i in range(20)]
    truth, said = drawn(4, [*words, pair[0]])
    path = save(tmp_path / "both.csv", {"pred": np.where(said == pair[0], pair[1], said), "target": truth})
    with pytest.raises(InputError) as caught:
        report_of(path)
    assert repr(pair[1]) in str(caught.value)


def test_two_spellings_on_the_same_side_are_two_classes_and_said(tmp_path):
    truth, said = drawn(5, ["007", "7", "7.0", "a", "a ", "b"])
    found = report_of(save(tmp_path / "both.csv", {"pred": said, "target": truth}))
    expect(found, truth, said)
    assert {f.code for f in found.findings} >= {"labels-number", "labels-spaces"}


def test_words_against_numbers_are_refused(tmp_path):
    words, codes = np.array(["cat", "dog", "ox"]), np.array([0, 1, 2])
    for first, second in ((".csv", ".csv"), (".csv", ".pt"), (".pt", ".csv"), (".parquet", ".npy"), (".npy", ".npz")):
        files = save(tmp_path / f"p{first}", {"pred": words}), save(tmp_path / f"t{second}", {"target": codes})
        with pytest.raises(EvalError):
            report_of(*files)


# Rows that do not belong together


PAIRS = [(".csv", ".csv"), (".csv", ".parquet"), (".jsonl", ".tsv"), (".parquet", ".feather"), (".xlsx", ".csv.gz")]


def rows(seed, n=60):
    rng = np.random.default_rng(seed)
    truth, ids = rng.choice(["a", "b", "c"], n), np.array([f"id-{i:03}" for i in range(n)])
    said = np.where(rng.random(n) < 0.7, truth, rng.choice(["a", "b", "c"], n))
    return ids, said, truth, rng.permutation(n)


@pytest.mark.parametrize("pair", [(".csv", ".parquet"), (".npz", ".csv"), (".npz", ".npz")])
def test_swapped_arguments_are_refused(tmp_path, pair):
    truth, said = np.arange(60) % 3, np.arange(60) % 4 % 3
    first, second = save(tmp_path / f"a{pair[0]}", {"target": truth}), save(tmp_path / f"b{pair[1]}", {"pred": said})
    with pytest.raises(InputError, match=r"the arguments look swapped.*evalcli report .*b.* .*a"):
        report_of(first, second)
    assert "swapped-arguments" not in {f.code for f in report_of(second, first).findings}


@pytest.mark.parametrize("pair", PAIRS)
def test_rows_in_another_order_pair_by_id(tmp_path, pair):
    ids, said, truth, order = rows(0)
    first = save(tmp_path / f"p{pair[0]}", {"id": ids, "pred": said})
    second = save(tmp_path / f"t{pair[1]}", {"id": ids[order], "target": truth[order]})
    expect(report_of(first, second, id="id"), truth, said)
    found = report_of(first, second)
    assert any(f.code == "ids-differ" and "--id id" in f.fix for f in found.findings)
    straight = save(tmp_path / f"s{pair[1]}", {"id": ids, "target": truth})
    assert json_of(first, straight, id="id") == json_of(first, straight) == json_of(first, second, id="id")


@pytest.mark.parametrize("pair", PAIRS)
def test_scores_in_another_order_pair_by_id(tmp_path, pair):
    rng = np.random.default_rng(1)
    truth, ids, order = rng.integers(0, 3, 60), np.arange(1000, 1060), rng.permutation(60)
    logits = rng.normal(size=(60, 3)) + np.eye(3)[truth]
    weight = rng.random(60).round(3)
    first = save(tmp_path / f"p{pair[0]}", {"id": ids, "p": logits})
    second = save(tmp_path / f"t{pair[1]}", {"id": ids[order], "target": truth[order], "w": weight[order]})
    for size in (1, 17, 60):
        found = report_of(first, second, Execution(batch_size=size, workers=3), id="id", weight="w")
        expect(found, truth, logits.argmax(axis=1), weight)


@pytest.mark.parametrize("pair", PAIRS)
def test_ids_that_do_not_pair_are_refused(tmp_path, pair):
    ids, said, truth, _ = rows(2)
    first = save(tmp_path / f"p{pair[0]}", {"id": ids, "pred": said})
    changed = {
        "missing": (ids[1:], truth[1:], "id-000"),
        "extra": (np.append(ids, "id-999"), np.append(truth, "a"), "id-999"),
        "twice": (np.append(ids, "id-007"), np.append(truth, "b"), "id-007"),
    }
    for keys, values, name in changed.values():
        second = save(tmp_path / f"t{pair[1]}", {"id": keys, "target": values})
        with pytest.raises(InputError, match=name):
            report_of(first, second, id="id")


@pytest.mark.parametrize(
    ("first", "second"),
    [*PAIRS, (".pt", ".npy"), (".npz", ".csv"), (".csv", ".safetensors"), (".pt", ".parquet"), (".npy", ".npy")],
)
def test_N22_unequal_lengths_are_refused(tmp_path, first, second):
    for n, m in ((50, 51), (51, 50), (50, 1)):
        for preds in ({"pred": np.arange(n) % 3}, {"logits": np.eye(3, dtype=np.float32)[np.arange(n) % 3]}):
            files = save(tmp_path / f"p{first}", preds), save(tmp_path / f"t{second}", {"target": np.arange(m) % 3})
            with pytest.raises(InputError, match=rf"{n}.*{m}|{m}.*{n}"):
                report_of(*files)
