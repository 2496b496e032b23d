"""``evalcli report``: what reaches the work, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from evalcli.errors import EmptyError, InputError
from evalcli.report import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_report_goes_to_stdout_and_nothing_to_stderr(run: Callable[..., Any], work: Any) -> None:
    result = run("report", "p.csv")
    assert result.code == 0
    assert result.stderr == ""
    assert "cat" in result.stdout
    assert "\x1b" not in result.stdout
    assert work.calls[0]["closed"]
    assert (work.calls[0]["preds"], work.calls[0]["target"]) == ("p.csv", None)


def test_every_option_reaches_its_object(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("NA\n007\n a,b \n")
    args = """report p.pt t.pt --pred a --target b --weight w --id key --where x>1 --task binary --scores probs
        --threshold 0.25 --positive 007 --labels names.txt --ignore-index -100 --nan drop --classes declared
        --class-axis -1 -m accuracy,recall[a,b] -m f1_macro --device cuda:1 --backend torch
        --batch-size 100k --workers 3 --delimiter ; --encoding latin-1 --no-header --trust-compression"""
    result = run(*args.split())
    assert result.code == 0, result.stderr
    (call,) = work.calls
    labels = ("NA", "007", " a,b ")
    selection, choices, execution = call["selection"], call["choices"], call["execution"]
    assert (selection.pred, selection.target, selection.weight, selection.id) == ("a", "b", "w", "key")
    assert (selection.where, selection.scores, selection.nan, selection.labels) == ("x>1", "probs", "drop", labels)
    assert selection.options == {
        "delimiter": ";", "encoding": "latin-1", "header": False, "trust_compression": True
    }  # fmt: skip
    assert (choices.task, choices.scores, choices.threshold, choices.positive) == ("binary", "probs", 0.25, "007")
    assert (choices.labels, choices.ignore_index, choices.nan) == (labels, -100, "drop")
    assert (choices.classes, choices.class_axis) == ("declared", -1)
    assert (execution.device, execution.backend) == ("cuda:1", "torch")
    assert (execution.batch_size, execution.workers) == (100_000, 3)
    assert call["metrics"] == ("accuracy", "recall[a,b]", "f1_macro")


def test_nothing_typed_leaves_everything_to_be_found(run: Callable[..., Any], work: Any) -> None:
    from evalcli.engine import Execution
    from evalcli.sources.base import Selection
    from evalcli.task import Choices
    from evalcli.uncertainty.intervals import Confidence

    run("report", "p.csv")
    (call,) = work.calls
    assert call["selection"] == Selection()
    assert call["choices"] == Choices(confidence=Confidence(level=0.95, resamples=2000, seed=0))
    assert call["execution"] == Execution(processes=True)
    assert call["metrics"] is None


def test_gates_decide_the_exit_code_and_all_are_shown(run: Callable[..., Any], work: Any) -> None:
    result = run("report", "p.csv", "--min", "accuracy=0.9", "--max", "error_rate=0.01", "--min-f1", "0.1")
    assert result.code == 1
    assert all(word in result.stderr for word in ("accuracy", "error_rate", "f1_macro"))
    assert set(work.calls[0]["also"]) == {"accuracy", "error_rate", "f1", "f1_macro"}
    assert run("report", "p.csv", "--min", "accuracy=0.9").code == 0
    assert run("report", "p.csv", "--min", "recall[bird]=0.9", "--max", "error_rate=0").code == 2
    assert run("report", "p.csv", "--min", "kappa=-1").code == 1
    assert run("report", "p.csv", "--min", "recall[a=b]=0").code == 1


def test_a_gate_that_names_no_metric_stops_before_anything_is_read(run: Callable[..., Any], work: Any) -> None:
    for args in (("--min", "acuracy=0.9"), ("--min", "accuracy=90"), ("-m", "nope"), ("--max-drop", "mcc=0.1")):
        result = run("report", "p.csv", *args)
        assert result.code == 2
        assert result.stderr.count("\n") == 1
        assert result.stderr.endswith("[E2]\n")
    assert work.calls == []


def test_a_baseline_is_compared(run: Callable[..., Any], work: Any, saved: Path) -> None:
    worse = replace(work.result, metrics=work.result.metrics | {"accuracy": Value(0.88)})
    work.result = worse
    assert run("report", "p.csv", "--baseline", saved, "--max-drop", "accuracy=2pp").code == 0
    assert run("report", "p.csv", "--baseline", saved, "--max-drop", "accuracy=1pp").code == 1
    assert run("report", "p.csv", "--baseline", saved).code == 2
    assert run("report", "p.csv", "--baseline", "none.json", "--max-drop", "accuracy=1pp").code == 2


def test_X10_json_is_one_document_on_stdout(run: Callable[..., Any], work: Any) -> None:
    result = run("report", "p.csv", "-f", "json", "--min", "accuracy=0.95")
    document = json.loads(result.stdout)
    assert document["schema"] == "evalcli.report/1"
    assert [gate["status"] for gate in document["gates"]] == ["fail"]
    assert result.code == 1


@pytest.mark.parametrize("spelled", [("-f", "json"), ("--format", "json"), ("--format=json",), ("-fjson",)])
def test_an_error_is_one_line_and_with_json_one_document(
    run: Callable[..., Any], work: Any, spelled: tuple[str, ...]
) -> None:
    work.error = InputError("is no\x1b[31m table", fix="look at it", path="a\nb.csv")
    result = run("report", "p.csv", *spelled)
    assert result.code == 2
    assert result.stderr == "evalcli: a\\nb.csv: is no\\x1b[31m table; look at it [E3]\n"
    document = json.loads(result.stdout)
    assert document["schema"] == "evalcli.error/1"
    assert document["error"] == {
        "code": "E3",
        "kind": "input",
        "path": "a\\nb.csv",
        "message": "is no\\x1b[31m table",
        "fix": "look at it",
    }
    assert work.calls[-1]["closed"]


def test_without_json_an_error_leaves_stdout_alone(run: Callable[..., Any], work: Any) -> None:
    work.error = EmptyError("no rows")
    result = run("report", "p.csv")
    assert (result.stdout, result.stderr, result.code) == ("", "evalcli: no rows [E5]\n", 2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "PREDS is missing"),
        (("p", "t", "x"), "unexpected extra argument"),
        (("p", "--nan", "maybe"), "--nan 'maybe' is unknown; use error, drop, wrong"),
        (("p", "--workers", "0"), "--workers 0 is less than 1"),
        (("p", "--workers", "1025"), "--workers 1025 is more than 1024"),
        (("p", "--workers", "two"), "--workers 'two' is not a whole number"),
        (("p", "--threshold", "nan"), "--threshold 'nan' is not a finite number"),
        (("p", "--threshold", "1_0"), "--threshold '1_0' is not a number"),
        (("p", "--threshold", "0,5"), "--threshold '0,5' is not a number; write a point: 0.5"),
        (("p", "--metric", "f1_macro"), "evalcli has it: --metrics f1_macro"),
        (("p", "--batch-size", "0"), "--batch-size '0' is no number of rows"),
        (("p", "--batch-size", "-5"), "no number of rows"),
        (("p", "--batch-size", "9" * 30), "no number of rows"),
        (("p", "--min-f1", "80"), "did you mean 0.80?"),
        (("p", "--labels", "a,a"), "--labels names 'a' twice"),
        (("p", "--labels", "a,,b"), "--labels holds an empty name"),
        (("p", "--labels", "none.txt"), "--labels none.txt: no such file"),
        (("p", "--slice", "region"), "no such option: --slice"),
        (("p", "--min"), "requires an argument; try 'evalcli report --help'"),
        (("p", "--quiet=1"), "does not take a value; try 'evalcli report --help'"),
        (("",), "PREDS holds an empty name; try 'evalcli report --help'"),
        (("p", ""), "[TARGETS] holds an empty name"),
        (("p", "-o", ""), "-o has an empty name; name a file"),
        (("p", "-f", "yaml"), "use rich, json, csv, markdown, html"),
        (("p", "-o", "x.pdf"), "use .json, .csv, .md, .markdown, .html, .htm, .txt"),
    ],
)
def test_a_usage_error_is_one_line_with_a_way_out(
    run: Callable[..., Any], work: Any, args: tuple[str, ...], words: str
) -> None:
    result = run("report", *args)
    assert result.code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("[E2]\n")
    assert work.calls == []


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"cat\ndog\n", ("cat", "dog")),
        (b"cat\r\ndog", ("cat", "dog")),
        (b" cat \nnull\n", (" cat ", "null")),
        (b'["cat", "a\\nb"]', ("cat", "a\nb")),
        (b"\xef\xbb\xbfcat\ndog\n", ("cat", "dog")),
        (b"[red]\ndog\n", ("[red]", "dog")),
    ],
)
def test_labels_come_from_a_file_exactly(
    run: Callable[..., Any], work: Any, tmp_path: Path, content: bytes, names: tuple[str, ...]
) -> None:
    (tmp_path / "names").write_bytes(content)
    assert run("report", "p.csv", "--labels", "names").code == 0
    assert work.calls[0]["choices"].labels == names


@pytest.mark.parametrize(
    ("name", "content"), [("n.json", b"[1, 2]"), ("n.json", b'{"0": "cat"}'), ("n", b"[1, 2]"), ("n.txt", b"\xff\xfe")]
)
def test_a_labels_file_that_holds_no_names_is_refused(
    run: Callable[..., Any], work: Any, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    result = run("report", "p.csv", "--labels", name)
    assert result.code == 2
    assert result.stderr.startswith(f"evalcli: {name}: ")


def test_quiet_prints_nothing_unless_a_gate_fails_and_then_every_rule(run: Callable[..., Any], work: Any) -> None:
    result = run("report", "p.csv", "--quiet", "--min", "accuracy=0.9", "--max", "error_rate=0.01")
    assert result.stdout == ""
    assert "error_rate" in result.stderr
    assert "accuracy" in result.stderr  # a verdict shows all rules
    assert result.code == 1
    result = run("report", "p.csv", "--quiet", "--min", "accuracy=0.9")
    assert (result.stdout, result.stderr, result.code) == ("", "", 0)


def test_X08_color_only_where_it_is_wanted(run: Callable[..., Any], work: Any) -> None:
    plain = run("report", "p.csv").stdout
    assert run("report", "p.csv", env={"GITHUB_ACTIONS": "true"}).stdout == plain
    assert "\x1b[" in run("report", "p.csv", env={"FORCE_COLOR": "1"}).stdout
    assert run("report", "p.csv", env={"NO_COLOR": "1"}).stdout == plain  # both set: NO_COLOR wins


def test_O16_a_bug_shows_no_source_and_no_values(run: Callable[..., Any], work: Any) -> None:
    work.error = ZeroDivisionError("secret-value")
    result = run("report", "p.csv", "-f", "json")
    assert result.code == 70
    assert result.stderr.count("\n") == 1
    assert "secret-value" not in result.stderr + result.stdout
    assert json.loads(result.stdout)["error"]["kind"] == "bug"
    path = result.stderr.partition("traceback is in ")[2].partition(";")[0]
    with open(path, encoding="utf-8") as file:
        assert "secret-value" in file.read()
    import os

    os.unlink(path)


def test_memory_is_a_limit(run: Callable[..., Any], work: Any) -> None:
    work.error = MemoryError()
    result = run("report", "p.csv")
    assert result.code == 2
    assert result.stderr == "evalcli: not enough memory; try a smaller --batch-size [E6]\n"


def test_X04_an_interrupt_says_how_far_it_was(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    work.error = KeyboardInterrupt()
    result = run("report", "p.csv", "-o", "r.json")
    assert result.code == 130
    assert result.stderr == "evalcli: interrupted after 40 of 100 rows, no verdict\n"
    assert list(tmp_path.iterdir()) == []


def test_X22_the_same_report_gives_the_same_bytes(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        run("report", "p.csv", "-o", name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_pattern_that_the_shell_spread_is_told_to_be_quoted(run: Callable[..., Any]) -> None:
    result = run("report", "shard1.csv", "shard2.csv", "shard3.csv")
    assert result.code == 2
    assert "quote a pattern, as in 'shard*.csv'" in result.stderr


def test_a_search_reaches_the_source_with_its_size_and_metric(run: Callable[..., Any], work: Any) -> None:
    cases: list[tuple[tuple[str, ...], tuple[tuple[str, ...], int, str | None] | None]] = [
        ((), None),
        (("--scan", "a,b", "--scan", "c"), (("a,b", "c"), 30, None)),
        (("--scan", "a", "--scan", "*", "--min-slice-size", "7"), (("a", "*"), 7, None)),
        (("--scan", "age:18,*"), (("*", "age:18"), 30, None)),
        (("--scan", "*", "--scan-metric", "recall[a,b]"), (("*",), 30, "recall[a,b]")),
    ]
    for args, wanted in cases:
        assert run("report", "p.csv", *args).code == 0
        scan = work.calls[-1]["selection"].scan
        assert scan == (None if wanted is None else (*wanted, False))


def test_the_size_of_slices_may_be_configured(run: Callable[..., Any], work: Any, tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text('scan = ["a", "b"]\nmin-slice-size = 12\n')
    for typed, size in (((), 12), (("--min-slice-size", "5"), 5)):
        assert run("report", "p.csv", "--config", tmp_path / "some.toml", *typed).code == 0
        assert work.calls[-1]["selection"].scan == (("a", "b"), size, None, False)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--scan-metric", "accuracy"), "--scan-metric without --scan"),
        (("--scan", "a", "--scan-metric", "accurcy"), "did you mean accuracy"),
        (("--scan", "a", "--min-slice-size", "0"), "--min-slice-size"),
    ],
)
def test_searches_that_make_no_sense(run: Callable[..., Any], work: Any, args: tuple[str, ...], message: str) -> None:
    result = run("report", "p.csv", *args)
    assert result.code == 2
    assert message in result.stderr
    assert not work.calls


@pytest.mark.parametrize("scan", [",", ""])
def test_a_search_of_no_column_says_so(run, scan):
    done = run("report", "preds.csv", "--scan", scan)
    assert (done.code, done.stdout) == (2, "")
    assert "--scan names no column; say which" in done.stderr


@pytest.mark.parametrize(
    ("header", "rows", "options"),
    [
        (
            "y_0,y_1,p_0,p_1,site",
            ("1,0,0.9,0.2,EU", "0,1,0.4,0.7,EU"),
            ("--pred", "p_*", "--target", "y_*", "--task", "multilabel"),
        ),
        ("target,pred,site", ("1.5,1.4,EU", "0.5,1.1,EU"), ()),
        ("target,pred,site", ("cat,cat,EU", "dog,cat,EU"), ("--positive", "cat")),
    ],
)
def test_a_search_of_columns_that_tell_no_rows_apart_finds_nothing(run, tmp_path, header, rows, options):
    path = tmp_path / "few.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    done = run("report", path, "--scan", "site", "-f", "json", *options)
    assert done.code == 0, done.stderr
    scan = json.loads(done.stdout)["scan"]
    assert (scan["tried"], scan["slices"]) == (0, [])
