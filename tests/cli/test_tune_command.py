"""``evalcli tune`` from files to files: the point is printed, saved, and found again by a report."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk


def drawn(n=400, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    return 1 / (1 + np.exp(-rng.normal(size=n) - 1.5 * target)), target


@pytest.fixture
def arrays(tmp_path):
    """Write scores and truth as arrays and name them."""

    def written(scores, target):
        np.save(tmp_path / "p.npy", scores)
        np.save(tmp_path / "t.npy", target)
        return "p.npy", "t.npy"

    return written


@pytest.fixture
def table(tmp_path):
    """Write scores and named truth as a CSV file."""

    def written(scores, target, name="mails.csv"):
        rows = [f"{'spam' if t else 'ham'},{s!r}\n" for s, t in zip(scores.tolist(), target.tolist(), strict=True)]
        (tmp_path / name).write_text("target,score\n" + "".join(rows))
        return name

    return written


def tuned(run, *args):
    done = run("tune", *args, "-f", "json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def reported(run, *args):
    done = run("report", *args, "-f", "json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def agree(report, document):
    for name, value in document["metrics"].items():
        if name in report["metrics"]:
            assert report["metrics"][name]["value"] == value


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_the_printed_threshold_gives_the_printed_numbers(run, arrays, dtype, kind):
    scores, target = drawn()
    values = scores if kind == "probs" else np.log(scores / (1 - scores))
    files = arrays(values.astype(dtype), target)
    document = tuned(run, *files, "--maximize", "mcc", "-o", "tuned.json")
    cut = document["cut"]
    assert document["value"] == pytest.approx(sk.matthews_corrcoef(target, values.astype(dtype) >= cut), rel=1e-12)
    printed = run("tune", *files, "--maximize", "mcc").stdout.partition("--threshold ")[2].split(",")[0]
    assert float(printed) == document["threshold"]
    for threshold in (printed, "@tuned.json"):
        agree(reported(run, *files, "--threshold", threshold), document)


def test_a_table_reproduces_and_brings_its_positive_class(run, table):
    scores, target = drawn()
    name = table(scores, target)
    document = tuned(run, name, "--positive", "spam", "-o", "tuned.json")
    assert (document["positive"], document["scores"], document["n"]) == ("spam", "probs", 400)
    assert document["threshold"] == document["cut"] in scores
    assert document["value"] == pytest.approx(sk.f1_score(target, scores >= document["cut"]), rel=1e-12)
    agree(reported(run, name, "--threshold", "@tuned.json"), document)
    agree(reported(run, name, "--positive", "spam", "--threshold", repr(document["threshold"])), document)


def test_only_the_very_file_is_warned_about(run, table):
    table(*drawn(seed=1), "valid.csv")
    table(*drawn(seed=2), "test.csv")
    tuned(run, "valid.csv", "--positive", "spam", "-o", "tuned.json")
    here, there = (reported(run, name, "--threshold", "@tuned.json") for name in ("valid.csv", "test.csv"))
    assert here["threshold"] == there["threshold"]
    (finding,) = [one for one in here["findings"] if one["code"] == "threshold-chosen-here"]
    assert finding["level"] == "warning"
    assert "this very file (valid.csv)" in finding["text"]
    both = run("compare", "valid.csv", "valid.csv", "--threshold", "@tuned.json", "-m", "f1", "-f", "json")
    assert finding in json.loads(both.stdout)["findings"]
    assert not [one for one in there["findings"] if one["code"] == "threshold-chosen-here"]


def test_the_saved_file_is_what_json_prints(run, table, tmp_path):
    name = table(*drawn())
    document = tuned(run, name, "--positive", "spam", "--at", "precision>=0.9", "-o", "tuned.json")
    assert json.loads((tmp_path / "tuned.json").read_text()) == document
    assert document["schema"] == "evalcli.threshold/1"
    assert document["objective"] == "recall at precision>=0.9"
    assert document["metrics"]["precision"] >= 0.9
    (file,) = document["inputs"]
    assert (file["path"], file["size"]) == (name, (tmp_path / name).stat().st_size)
    assert file["digest"].startswith("sha256:")


def test_the_screen_shows_before_and_after_neighbours_and_a_curve(run, table):
    name = table(*drawn())
    done = run("tune", name, "--positive", "spam", "--cost", "fp=1,fn=5")
    assert done.code == 0
    for words in ("the least cost fp=1,fn=5, of 400 thresholds", "at 0.5", "Around it", "cost by threshold", "▲", "█"):
        assert words in done.stdout
    assert done.stderr == (
        "evalcli: note: chosen on the data it is judged on, a threshold flatters; measure it on other data\n"
    )
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_curve_fits_the_screen(run, table, width):
    shown = run("tune", table(*drawn()), "--positive", "spam", env={"COLUMNS": str(width)}).stdout
    curve = shown.partition("F1 by threshold")[2].partition("Use it")[0]
    assert "█" in curve
    assert max(map(len, curve.splitlines())) <= width


def test_a_stream_without_blocks_gets_plain_characters(spawn, table, tmp_path):
    name = table(*drawn())
    done = spawn("tune", name, "--positive", "spam", env={"PYTHONIOENCODING": "ascii"}, cwd=tmp_path)
    assert done.code == 0
    assert "###" in done.stdout
    assert done.stdout.isascii()
    assert "\\u" not in done.stdout


def test_quiet_writes_the_file_alone(run, table, tmp_path):
    done = run("tune", table(*drawn()), "--positive", "spam", "--quiet", "-o", "tuned.json")
    assert (done.stdout, done.stderr, done.code) == ("", "", 0)
    assert (tmp_path / "tuned.json").is_file()


def test_bins_are_said_to_be_bins(run, arrays):
    files = arrays(*drawn(n=5000))
    done = run("tune", *files, "--ranking-budget", "0.01")
    assert "the edges of bins" in done.stdout
    assert "--ranking-budget" in done.stdout
    document = tuned(run, *files, "--ranking-budget", "0.01", "-o", "tuned.json")
    assert document["exact"] is False
    agree(reported(run, *files, "--threshold", "@tuned.json"), document)


def test_the_configuration_holds_an_aim_and_a_saved_threshold(run, table, tmp_path):
    name = table(*drawn())
    (tmp_path / "pyproject.toml").write_text(
        '[tool.evalcli]\npositive = "spam"\n[tool.evalcli.tune]\nmaximize = "mcc"\n'
    )
    (tmp_path / "deep").mkdir()
    document = tuned(run, name, "-o", "deep/tuned.json")
    assert document["objective"] == "mcc"
    (tmp_path / "deep" / "gates.toml").write_text('threshold = "@tuned.json"\n')
    assert reported(run, name, "--config", "deep/gates.toml")["threshold"] == document["threshold"]


def test_what_is_read_is_not_written_over(run, table, tmp_path):
    args = (table(*drawn()), "--positive", "spam")
    tuned(run, *args, "-o", "was.json")
    before = (tmp_path / "was.json").read_bytes()
    done = run("tune", *args, "--threshold", "@was.json", "-o", "was.json")
    assert (done.code, "the output is an input too" in done.stderr) == (2, True)
    assert (tmp_path / "was.json").read_bytes() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--maximize", "f1", "--cost", "fp=1,fn=2"), "--maximize and --cost seek different thresholds"),
        (("--maximize", "auroc"), "--maximize 'auroc' is unknown"),
        (("--at", "precision"), "write it in quotes"),
        (("-f", "csv"), "a threshold is not written as csv"),
        (("-o", "t.md"), "t.md: no format is known for the suffix '.md'; use .json, .txt"),
        (("-o", "mails.csv"), "mails.csv: no format is known for the suffix '.csv'"),
        (("--threshold", "@none.json"), "none.json: cannot be read"),
        (("--threshold", "2"), "--threshold 2"),
        (("--task", "multiclass"), "the task is multiclass"),
    ],
)
def test_errors_are_one_line(run, table, args, words):
    done = run("tune", table(*drawn()), "--positive", "spam", *args)
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_class_and_constant_scores_are_errors(run, table, tmp_path):
    scores, target = drawn()
    assert "only negative rows occur" in run("tune", table(scores, target * 0), "--positive", "spam").stderr
    done = run("tune", table(scores * 0 + 0.25, target), "--positive", "spam", "-o", "tuned.json")
    assert (done.code, done.stdout) == (2, "")
    assert "all scores are the same" in done.stderr
    assert not (tmp_path / "tuned.json").exists()


def test_another_positive_class_contradicts_the_saved_one(run, table):
    name = table(*drawn())
    tuned(run, name, "--positive", "spam", "-o", "tuned.json")
    done = run("report", name, "--positive", "ham", "--threshold", "@tuned.json")
    assert done.code == 2
    assert "tuned.json: --positive ham, but the threshold was chosen for 'spam'" in done.stderr


def test_the_saved_threshold_is_no_output(run, table):
    name = table(*drawn())
    tuned(run, name, "--positive", "spam", "-o", "tuned.json")
    done = run("report", name, "--threshold", "@tuned.json", "-o", "tuned.json")
    assert done.code == 2
    assert "the output is an input too" in done.stderr


def test_arrays_are_tuned_without_heavy_imports(arrays, tmp_path):
    code = "import sys; from evalcli.cli import run; code = run(sys.argv[1:]); print(code, *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "tune", *arrays(*drawn()), "--quiet", "-o", "tuned.json"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    code, *modules = done.stdout.split()
    assert code == "0"
    assert {"torch", "pandas", "duckdb", "pyarrow", "sklearn", "scipy"}.isdisjoint(modules)


@pytest.mark.parametrize("width", [40, 80])
def test_help_names_what_can_be_sought(run, width):
    text = run("tune", "--help", env={"COLUMNS": str(width)}).stdout
    assert all(option in text for option in ("--maximize", "--at", "--cost", "--threshold", "--positive", "--output"))
    assert "--metrics" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_pipe_learns_that_predicting_nothing_is_cheaper(run, arrays):
    files = arrays(np.array([0.9, 0.8, 0.2]), np.array([0, 1, 0]))
    assert tuned(run, *files, "--cost", "fp=20,fn=1")["no_positives"] == pytest.approx(1 / 3)
    assert "no_positives" not in tuned(run, *files, "--cost", "fp=1,fn=20")
    run("tune", *files, "--cost", "fp=20,fn=1", "-o", "tuned.json")
    assert run("report", *files, "--threshold", "@tuned.json").code == 0


def test_the_help_names_the_formats_of_a_threshold_and_no_others(run, table, tmp_path):
    shown = run("tune", "--help", env={"COLUMNS": "120"}).stdout
    assert "--format rich|json " in shown
    assert "Write .json, for --threshold @FILE, or .txt" in shown
    name = table(*drawn())
    for output in ("tuned.json", "tuned.txt"):
        assert run("tune", name, "--positive", "spam", "-o", output, "--quiet").code == 0
        assert (tmp_path / output).stat().st_size
