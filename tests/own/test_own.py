"""Metrics of the user's own: by address, in reports, gates and definitions, with any number of workers."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from memory_source import MemorySource
from saved_files import save

import evalcli
from evalcli.engine import Execution
from evalcli.errors import UsageError
from evalcli.evaluation import evaluate
from evalcli.loading import load_metric, load_metrics
from evalcli.task import Choices

HERE = Path(__file__).parent
RNG = np.random.default_rng(0)
TARGET = RNG.integers(0, 3, 300)
LOGITS = RNG.normal(size=(300, 3)) + np.eye(3)[TARGET]
PREDS = LOGITS.argmax(axis=1)


@pytest.fixture
def my(tmp_path, monkeypatch):
    shutil.copy(HERE / "my_metrics.py", tmp_path / "my.py")
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "data.npz", {"logits": LOGITS, "target": TARGET})
    return tmp_path


def told(run, *args):
    found = run("report", "data.npz", *args, "-f", "json")
    return found, json.loads(found.stdout or "{}").get("metrics", {})


def test_addresses_arguments_gates_and_definitions(my, run):
    found, metrics = told(
        run, "--metric", "my.py:TopK(k=2)", "--metric", "top=my.py:TopK(2)", "--define", "more = top - accuracy",
        "--min", "TopK(k=2)=0.5", "--min", "more=0", "--max", "top=1.5", "--batch-size", 37,
    )  # fmt: skip
    assert found.code == 0, found.stderr
    expected = float(evalcli.functional.topk_accuracy(LOGITS, TARGET, k=2))
    assert metrics["TopK(k=2)"]["value"] == metrics["top"]["value"] == expected
    assert metrics["more"]["value"] == expected - metrics["accuracy"]["value"]
    found, _ = told(run, "--metric", "my.py:TopK(k=2)", "--min", "TopK(k=2)=1")
    assert found.code == 1


def test_a_saved_report_is_gated_by_such_names(my, run):
    run("report", "data.npz", "--metric", "top=my.py:TopK(2)", "-o", "r.json", "--quiet")
    assert run("gate", "r.json", "--min", "top=0.5").code == 0
    assert run("gate", "r.json", "--min", "top=1").code == 1
    assert run("gate", "r.json", "--min", "bottom=1").code == 2


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_any_number_of_workers_and_batch_size(workers, size):
    own = load_metrics([f"{HERE}/my_metrics.py:Weighted", f"n={HERE}/my_metrics.py:PerClass"])
    source = MemorySource(PREDS, TARGET)
    report = evaluate(source, Choices(task="multiclass"), Execution(workers=workers, batch_size=size), own=own)
    assert report.metrics["Weighted.share"].value == (PREDS == TARGET).sum() / 300
    assert report.metrics["Weighted.first.0"].value == TARGET[0]  # parts are merged in the order of the rows
    assert [report.metrics[f"n[{i}]"].value for i in range(3)] == np.bincount(TARGET).tolist()


def test_float_sums_do_not_depend_on_the_workers():
    noise = RNG.normal(size=5000)

    def found(workers):
        own = load_metrics([f"{HERE}/my_metrics.py:MyRMSE"])
        source = MemorySource((noise > 0).astype(int), (noise > 0.3).astype(int))
        return evaluate(source, Choices(), Execution(workers=workers, batch_size=11), own=own).metrics["MyRMSE"].value

    assert len({found(workers) for workers in (1, 2, 3, 7)}) == 1


def test_my_rmse_in_batches_is_the_rmse_and_the_mean_of_batches_is_not():
    own = load_metric(f"{HERE}/my_metrics.py:MyRMSE").metric
    preds, target = RNG.normal(size=100), RNG.normal(size=100)
    whole = np.sqrt(((preds - target) ** 2).mean())
    means = [own(preds[part], target[part]) for part in (slice(0, 10), slice(10, 100))]
    assert own.compute() == pytest.approx(whole, rel=1e-14)
    assert np.mean(means) != pytest.approx(whole, rel=1e-3)


def test_what_metrics_see():
    seen = []

    class See(evalcli.Metric):
        def update(self, preds, target, weight=None):
            seen.append((preds, target, weight))

        def compute(self):
            return 0.0

    words = np.array(["a", "b", "c"])
    evalcli.evaluate(words[PREDS], words[TARGET], own=[See()], confidence=None)
    assert np.array_equal(seen[-1][0], PREDS)
    assert np.array_equal(seen[-1][1], TARGET)
    evalcli.evaluate(
        words[PREDS], words[TARGET], labels=["c", "b", "a"], own=[See()], confidence=None, weight=np.ones(300)
    )
    assert np.array_equal(seen[-1][1], 2 - TARGET)
    assert seen[-1][2].sum() == 300
    evalcli.evaluate(PREDS, TARGET, ignore_index=1, own=[See()], confidence=None)
    assert np.array_equal(seen[-1][1], TARGET[TARGET != 1])
    evalcli.evaluate(LOGITS, TARGET, own={"see": See()}, confidence=None)
    assert seen[-1][0].shape == (300, 3)
    with pytest.raises(ValueError, match="read-only"):
        seen[-1][0][0] = 1


def test_rows_counted_together_come_one_by_one(my, run):
    words = np.array(["a", "b", "c"])
    save(my / "table.csv", {"pred": words[PREDS], "target": words[TARGET]})
    found = run("report", "table.csv", "--metric", "my.py:PerClass", "-f", "json")
    assert found.code == 0, found.stderr
    metrics = json.loads(found.stdout)["metrics"]
    assert [metrics[f"PerClass[{word}]"]["value"] for word in words] == np.bincount(TARGET).tolist()


def test_a_metric_that_fails_is_named_with_its_line_and_the_rest_stands(my, run):
    _, metrics = told(run)
    found, with_bad = told(run, "--metric", "my.py:BadUpdate", "--metric", "my.py:BadCompute", "--min", "accuracy=0")
    assert found.code == 2
    line = next(i for i, text in enumerate((my / "my.py").read_text().splitlines(), 1) if "way" in text)
    assert (
        f"evalcli: BadUpdate failed: ValueError: \\x1b[31mno (my.py, line {line}); mend the metric [E3]" in found.stderr
    )
    assert "BadCompute failed: TypeError: compute gave a str, which is no number (my.py); mend" in found.stderr
    assert {name: with_bad[name] for name in metrics} == metrics
    assert with_bad["BadUpdate"] == {"value": None}
    document = json.loads(found.stdout)
    assert "BadUpdate" in document["undefined"]
    assert document["findings"][0]["code"] == "metric-failed"
    gated, _ = told(run, "--metric", "my.py:BadUpdate", "--min", "BadUpdate=0")
    assert gated.code == 2
    report = evalcli.evaluate(LOGITS, TARGET, own=["my.py:BadUpdate"])
    assert np.isnan(report["BadUpdate"])
    assert not report.check("BadUpdate>=0").passed
    for workers in (1, 4):
        again = run("report", "data.npz", "--metric", "my.py:BadUpdate", "--workers", workers, "--batch-size", 10)
        assert again.code == 2


@pytest.mark.parametrize("where", ["update", "merge", "compute"])
def test_no_metric_chooses_the_exit_code(my, run, where):
    own, wrong = ("--metric", f"my.py:Exits('{where}')"), np.where(np.arange(300) % 2, TARGET, 0)
    save(my / "other.npz", {"pred": wrong, "target": TARGET})
    for args in (("report", "data.npz", "--min", "accuracy=1"), ("compare", "data.npz", "other.npz")):
        done = run(*args, *own)
        assert done.code == 2
        assert f"Exits('{where}') failed: SystemExit: 0 (my.py, line " in done.stderr
        assert "accuracy" in done.stdout


def test_no_metric_changes_what_others_see(my, run):
    alone, _ = told(run, "--metric", "my.py:TopK")
    found, metrics = told(run, "--metric", "my.py:Overwrites", "--metric", "my.py:TopK")
    assert found.code == 2
    assert "Overwrites failed: ValueError: assignment destination is read-only (my.py, line " in found.stderr
    assert metrics["TopK"] == json.loads(alone.stdout)["metrics"]["TopK"]


def test_a_file_that_ends_the_program_is_told(my, run):
    (my / "script.py").write_text("import sys\n\nsys.exit(0)\n")
    done = run("report", "data.npz", "--metric", "script.py:X")
    assert (done.code, done.stdout) == (2, "")
    assert "--metric script.py:X: script.py failed: SystemExit: 0 (script.py, line 3)" in done.stderr
    (my / "script.py").write_text("class X:\n    pass\n)\n")
    done = run("report", "data.npz", "--metric", "script.py:X")
    assert "script.py failed: SyntaxError: unmatched ')' (script.py, line 3); mend it" in done.stderr


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("my.py", "no package offers 'my.py'"),
        ("none.py:X", "no such file"),
        ("my.py:TopJ", "my.py has no 'TopJ'; did you mean TopK"),
        ("my.py:NoMetric", "NoMetric is no metric class; subclass evalcli.Metric"),
        ("my.py:BadInit", "RuntimeError: not today (my.py, line"),
        ("my.py:TopK(j=1)", "unexpected keyword argument 'j'"),
        ("my.py:TopK(k=__import__('os').system('touch pwned'))", "the arguments are no literals"),
        ("my.py:TopK(*[1])", "the arguments are no literals"),
        ("my.py:TopK(**{'k': 1})", "the arguments are no literals"),
        ("my.py:TopK(k=1)(2)", "is no address|no literals"),
        ("my.py:TopK(k=1", "is no address"),
        ("broken.py:X", "SyntaxError"),
        ("os:system('touch pwned')", "system is no metric class"),
        ("no_such_module:X", "ModuleNotFoundError"),
        ("accuracy=my.py:TopK", "there is a metric 'accuracy' already"),
        ("", "is no address"),
        ("a b:c d", "is no address|ModuleNotFoundError"),
    ],
)
def test_addresses_that_lead_nowhere(my, run, address, says):
    import re

    (my / "broken.py").write_text("def (:\n")
    found = run("report", "data.npz", "--metric", address)
    assert found.code == 2
    assert re.search(says.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*"), found.stderr), found.stderr
    assert not (my / "pwned").exists()


def test_two_of_one_name_are_refused(my, run):
    found = run("report", "data.npz", "--metric", "my.py:TopK", "--metric", "my.py:TopK")
    assert "two metrics are called 'TopK'; name one: other=my.py:TopK" in found.stderr
    with pytest.raises(UsageError, match="two metrics are called"):
        evalcli.evaluate(LOGITS, TARGET, own=["my.py:TopK", "my.py:TopK"])


def test_no_configuration_can_run_code(my, run):
    (my / "pyproject.toml").write_text('[tool.evalcli]\nmetric = ["my.py:TopK"]\n')
    found = run("report", "data.npz")
    assert found.code == 2
    assert "'metric' is no option" in found.stderr
    (my / "pyproject.toml").write_text('[tool.evalcli]\ndefine = ["gap = recall[1] - recall[2]"]\nmin = ["gap=-1"]\n')
    assert run("report", "data.npz").code == 0


def test_installed_packages_offer_metrics(my, run, monkeypatch):
    info = my / "offer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[evalcli.metrics]\nbest = my:TopK\n")
    monkeypatch.syspath_prepend(str(my))
    found, metrics = told(run, "--metric", "best(k=2)")
    assert found.code == 0, found.stderr
    assert metrics["best(k=2)"]["value"] > metrics["accuracy"]["value"]
    found = run("report", "data.npz", "--metric", "worst")
    assert "no package offers 'worst' (offered: best)" in found.stderr


def test_metrics_in_a_file_see_their_neighbours(my, run):
    (my / "beside.py").write_text("K = 2\n")
    (my / "uses.py").write_text(
        "from beside import K\nfrom my import TopK\nclass Two(TopK):\n    def __init__(self): super().__init__(K)\n"
    )
    assert run("report", "data.npz", "--metric", "two=uses.py:Two").code == 0
    assert os.getcwd() == str(my)
