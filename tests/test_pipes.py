"""The tool between real pipes: what goes in by standard input, what leaves, and the exit code that a shell sees."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from saved_files import TABLES, TENSORS, report_of, save

from evalcli.renderers import render

CODES = "; echo ${PIPESTATUS[*]} >&2"


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.choice(["NA", "dog", "a,b"], 300)
    said = np.where(rng.random(300) < 0.8, truth, "dog")
    return {"pred": said, "target": truth}


def shell(command, *args, cwd):
    line = ["bash", "-c", command.replace("evalcli", '"$0" -m evalcli'), sys.executable, *map(str, args)]
    return subprocess.run(line, capture_output=True, encoding="utf-8", timeout=60, check=False, cwd=cwd)


def test_json_through_three_processes(tmp_path, data):
    path = save(tmp_path / "x.csv", data)
    read = "import json, sys; data = json.load(sys.stdin); print(repr(data['metrics']['f1_macro']['value']))"
    done = shell(f'cat x.csv | evalcli report - -f json | "$0" -c "{read}" {CODES}', cwd=tmp_path)
    assert done.stderr.split() == ["0", "0", "0"]
    assert float(done.stdout) == report_of(path).metrics["f1_macro"].value


@pytest.mark.parametrize("suffix", [*TENSORS, *TABLES])
def test_T32_G06_standard_input_is_the_file(tmp_path, suffix, run, monkeypatch, data):
    if suffix == ".safetensors":
        data = {name: np.unique(values, return_inverse=True)[1] for name, values in data.items()}
    path = save(tmp_path / f"x{suffix}", data)
    with path.open("rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": stream, "fileno": stream.fileno})())
        result = run("report", "-", "-f", "json", "--no-intervals")
    assert result.code == 0, result.stderr
    piped, read = json.loads(result.stdout), json.loads(render(report_of(path), "json"))
    assert [file.pop("path") for file in piped["inputs"] + read["inputs"]] == ["-", str(path)]
    assert piped == read


def test_G06_one_side_through_a_pipe(tmp_path, data):
    save(tmp_path / "p.csv", {"pred": data["pred"]})
    save(tmp_path / "t.parquet", {"target": data["target"]})
    save(tmp_path / "both.jsonl.gz", data)
    texts = []
    for command in ("cat p.csv | evalcli report - t.parquet", "cat t.parquet | evalcli report p.csv -",
                    "evalcli report - < both.jsonl.gz"):  # fmt: skip
        done = shell(f"{command} -f json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        texts.append(json.loads(done.stdout) | {"inputs": []})
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(("bound", "code"), [("0.1", "0"), ("0.99", "1")])
def test_X01_a_verdict_outranks_a_closed_pipe(tmp_path, data, bound, code):
    save(tmp_path / "x.csv", data)
    for form in ("rich", "json"):
        done = shell(f"evalcli report x.csv -f {form} --min accuracy={bound} | head -1 {CODES}", cwd=tmp_path)
        assert done.stderr.split()[-2:] == [code, "0"], done.stderr
        assert len(done.stdout.splitlines()) == 1
        assert "Traceback" not in done.stderr


def test_an_empty_pipe_is_no_verdict(tmp_path):
    for command in ("cat /dev/null | evalcli report -", "evalcli report - < /dev/null", "evalcli report - <&-"):
        done = shell(f"{command} --min accuracy=0.1", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1


def test_X10_stdout_is_the_result_alone(tmp_path, data):
    save(tmp_path / "x.csv", data)
    done = shell("evalcli report x.csv -f json --min accuracy=0.99 -o r.md -o r.json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["gates"][0]["status"]) == (1, "fail")
    assert "accuracy" in done.stderr
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == done.stdout
    quiet = shell("evalcli report x.csv -f json --min accuracy=0.1", cwd=tmp_path)
    assert json.loads(quiet.stdout)["schema"] == "evalcli.report/1"
