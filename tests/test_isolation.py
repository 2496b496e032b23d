"""What a report leaves alone: heavy libraries, the network, and everything that could run code from a file."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from saved_files import save

import evalcli
from evalcli.classification.scoring import READERS

PACKAGE = Path(evalcli.__file__).parent
HEAVY = ("torch", "pandas", "duckdb", "sklearn", "pyarrow", "torchmetrics", "scipy", "safetensors")

CHILD = """
import json, sys
seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "pty.", "ctypes.dlopen",
                         "urllib.", "ftplib.", "smtplib.", "http.")) or event in (
                         "os.system", "os.fork", "os.forkpty", "pickle.find_class", "marshal.loads", "webbrowser.open"):
        seen.append(f"{event} {args!r}"[:200])
sys.addaudithook(hook)
from evalcli.cli import run
for command in json.loads(sys.argv[1]):
    code = int(run(command))
    ours = [name for name in sys.modules if name.startswith(("evalcli.", "numpy."))]
    modules = sorted({name.partition(".")[0] for name in sys.modules} | {*ours})
    print("watched:", json.dumps([code, modules, seen]), file=sys.stderr)
"""


def watched_each(commands, cwd):
    """Exit code, top-level modules and suspicious events so far of each of these, run after one another in a process.

    What none of them may do can be asked of all together: it starts once.
    """
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps([list(map(str, command)) for command in commands])],
        capture_output=True, encoding="utf-8", timeout=60, check=False, cwd=cwd,
    )  # fmt: skip
    lines = [line.removeprefix("watched: ") for line in done.stderr.splitlines() if line.startswith("watched: ")]
    assert len(lines) == len(commands), done.stderr
    return [(*json.loads(line), done) for line in lines]


def watched(*args, cwd):
    """Exit code, top-level modules and suspicious events of one command in a process of its own."""
    return watched_each([args], cwd)[0]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 100)
    return {"logits": rng.normal(size=(100, 3)).astype(np.float32), "target": truth}


def without(events, *allowed):
    """Events but for the libraries that an import itself opens."""
    return [event for event in events if not event.startswith(allowed)]


@pytest.mark.parametrize(
    "command", [("report", "none.csv"), ("report", "none.pt", "--scan", "*"), ("report", "--help")]
)
def test_what_needs_no_numbers_imports_no_numpy(tmp_path, command):
    code, modules, _, done = watched(*command, cwd=tmp_path)
    assert (code, "numpy" in modules) == (0 if "--help" in command else 2, False), done.stderr


def test_tensor_reports_import_nothing_heavy_and_touch_nothing_else(tmp_path, data):
    paths = [save(tmp_path / f"data{suffix}", data) for suffix in (".pt", ".npy", ".npz", ".safetensors")]
    for code, modules, events, done in watched_each(
        [("report", path, "--min", "accuracy=0.99") for path in paths], tmp_path
    ):
        assert code == 1, done.stderr
        assert not {*HEAVY} & {*modules}
        assert without(events, "ctypes.dlopen", "marshal.loads") == []


NOT_ASKED = (
    "numpy.polynomial", "numpy.ma",
    "evalcli.classification.slices", "evalcli.classification.clusters", "evalcli.clusterpasses",
    "evalcli.clustergroups", "evalcli.scanning.tables", "evalcli.searched", "evalcli.expressions",
    "evalcli.definitions", "evalcli.own.metrics", "evalcli.comparing",
    "evalcli.multilabel", "evalcli.regression.states", "evalcli.ondevice",
    "evalcli.uncertainty.clusters", "evalcli.uncertainty.clusterbins", "evalcli.uncertainty.comparison",
    "evalcli.uncertainty.paired", "evalcli.uncertainty.curves", "evalcli.sources.duck", "evalcli.sources.table",
    "evalcli.renderers.html", "evalcli.renderers.json", "evalcli.api", "evalcli.modular", "evalcli.cli.models",
)  # fmt: skip
"""What slices, clusters, searches, comparisons, tables and other tasks need."""


def test_a_plain_report_imports_nothing_that_was_not_asked_for(tmp_path, data):
    many = {name: np.resize(each, (2000, *each.shape[1:])) for name, each in data.items()}  # of fewer none are drawn
    _, modules, _, done = watched("report", save(tmp_path / "data.pt", many), cwd=tmp_path)
    assert {*READERS} <= {*modules}, done.stderr  # or nobody reads states by what is imported for it
    assert not {*NOT_ASKED} & {*modules}
    labels = save(tmp_path / "labels.npz", {"pred": np.resize([0, 1], 400), "target": np.resize([0, 0, 1, 1], 400)})
    _, modules, _, done = watched("report", labels, cwd=tmp_path)
    assert not {*NOT_ASKED, "evalcli.uncertainty.score", "evalcli.metrics.segments"} & {*modules}, done.stderr


def test_bfloat16_needs_one_small_library(tmp_path, data):
    import torch

    path = save(tmp_path / "half.pt", {**data, "logits": torch.from_numpy(data["logits"]).bfloat16()})
    code, modules, _, done = watched("report", path, "-f", "json", cwd=tmp_path)
    assert code == 0, done.stderr
    assert not {*HEAVY} & {*modules}


def test_label_tables_import_neither_torch_nor_pandas(tmp_path, data):
    words = np.array(["a", "b", "c"])
    columns = {"pred": words[data["logits"].argmax(axis=1)], "target": words[data["target"]]}
    paths = [save(tmp_path / f"data{suffix}", columns) for suffix in (".csv", ".csv.gz", ".jsonl")]
    for code, modules, events, done in watched_each([("report", path, "-f", "json") for path in paths], tmp_path):
        assert code == 0, done.stderr
        assert not {"torch", "pandas", "sklearn", "pyarrow", "scipy"} & {*modules}
        assert without(events, "ctypes.dlopen", "marshal.loads") == []


def test_score_tables_import_neither_torch_nor_pandas(tmp_path, data):
    paths = [save(tmp_path / f"data{suffix}", data) for suffix in (".csv", ".parquet")]
    for code, modules, events, done in watched_each([("report", path, "-f", "json") for path in paths], tmp_path):
        assert code == 0, done.stderr
        assert not {"torch", "sklearn", "scipy"} & {*modules}
        assert without(events, "ctypes.dlopen", "marshal.loads") == []


READING = [
    ("errors", "data.csv"),
    ("errors", "data.csv", "--show", "kind"),
    ("compare", "data.csv", "other.csv"),
    ("compare", "data.csv", "other.csv", "--id", "id"),
    ("report", "data.csv", "--by", "kind"),
    ("report", "data.csv", "--scan", "*"),
    ("errors", "scores.csv"),
    ("report", "scores.csv", "--by", "kind"),
    ("report", "scores.csv", "--scan", "*"),
    ("report", "sets.parquet", "--task", "multilabel"),
]


def test_what_reads_rows_of_a_table_does_without_pandas(tmp_path, data):
    words = np.array(["a", "b", "c"])
    said, truth = words[data["logits"].argmax(axis=1)], words[data["target"]]
    more = {"kind": words[np.arange(100) % 2], "id": np.arange(100).astype(str)}
    save(tmp_path / "data.csv", {"pred": said, "target": truth, **more})
    save(tmp_path / "other.csv", {"pred": said[::-1], "target": truth, **more})
    scores = {f"score_{word}": column for word, column in zip("abc", data["logits"].T, strict=True)}
    save(tmp_path / "scores.csv", {**scores, "target": truth, **more})
    lists = {"pred": [sorted({one, "a"}) for one in said.tolist()], "target": [[one] for one in truth.tolist()]}
    pq.write_table(pa.table(lists), tmp_path / "sets.parquet")
    for command, (code, modules, _, done) in zip(READING, watched_each(READING, tmp_path), strict=True):
        assert code == 0, done.stderr
        assert not {"torch", "pandas", "sklearn", "scipy"} & {*modules}, command


def test_G05_an_address_opens_no_socket(tmp_path):
    for address in ("https://example.com/preds.csv", "s3://bucket/preds.pt"):
        code, _, events, done = watched("report", address, cwd=tmp_path)
        assert code == 2
        assert without(events, "ctypes.dlopen", "marshal.loads") == []
        assert "only local files are read" in done.stderr


def _sources():
    return sorted(PACKAGE.rglob("*.py"))


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


UNSAFE_MODULES = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "socket", "ssl", "http",
    "urllib", "ftplib", "smtplib", "requests", "subprocess", "multiprocessing", "ctypes", "cffi", "runpy", "code",
    "webbrowser", "asyncio", "xmlrpc",
}  # fmt: skip
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "execfile", "input", "breakpoint"}
UNSAFE_METHODS = {
    "system", "popen", "read_pickle", "memmap", "open_memmap", "mmap", "fork", "execv", "execve", "spawnv", "from_file",
    "literal_eval", "frombuffer_unsafe", "read_table_pickle", "load_library", "install_extension", "load_extension",
}  # fmt: skip


def test_the_package_cannot_run_what_it_reads():
    """Neither pickle nor eval, exec, torch.load, np.load, a shell, a socket or a map of a file, in any source file."""
    assert len(_sources()) > 50
    for path in _sources():
        name_of_file = path.relative_to(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
                continue
            place = f"{name_of_file}:{node.lineno}"
            for name in _imported(node):
                allowed = place.partition(":")[0] == "cli/allocator.py" and name == "ctypes"  # one function of libc
                assert allowed or name.partition(".")[0] not in UNSAFE_MODULES, place
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name):
                assert node.func.id not in UNSAFE_CALLS, place
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                # a worker is this program itself, and the map is of memory that both have made
                forks = place.partition(":")[0] in {"forks.py", "answers.py", "exchange.py"} and node.func.attr in {
                    "fork",
                    "mmap",
                }
                assert forks or node.func.attr not in UNSAFE_METHODS, place
                assert not (node.func.attr == "load" and owner in {"torch", "np", "numpy", "yaml"}), place
            for keyword in node.keywords:
                assert keyword.arg != "shell", place
                said = isinstance(keyword.value, ast.Constant) and keyword.value.value
                assert not (keyword.arg in {"allow_pickle", "memory_map", "mmap_mode"} and said), place


def test_the_check_above_can_fail():
    bad = ast.parse("import pickle\neval('1')\ntorch.load(f)\nnp.load(f, allow_pickle=True)")
    assert [name for node in ast.walk(bad) for name in _imported(node)] == ["pickle"]


def test_a_comparison_imports_only_what_it_is_asked(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=400)
    paths = [
        save(tmp_path / f"{name}.npz", {"preds": np.where(rng.random(400) < 0.8, truth, 0), "target": truth})
        for name in "ab"
    ]
    code, modules, _, done = watched("compare", *paths, cwd=tmp_path)
    assert code == 0, done.stderr
    unasked = ("table_listing", "clusters", "owned", "defined", "slicing", "pairedclusters", "comparison_files")
    assert not {name for name in modules if name.rpartition(".")[2] in unasked}
    assert not {"concurrent", *HEAVY} & {*modules}
