"""A report in Python: numbers by name, frames, files, gates, a terminal, a notebook."""

import copy
import io
import json
import math
import pickle
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

import evalcli
from evalcli.errors import InputError, OutputError, UsageError
from evalcli.report import Report as PlainReport

PREDS, TARGET = ["cat", "dog", "cat", "cat", "owl"], ["cat", "dog", "dog", "cat", "cat"]
HOSTILE = ['"><script>alert(1)</script>', "<img src=x onerror=y>", "a\x1b[31m\nb", "&amp;'`{{7*7}}", "\u202eabc"]


@pytest.fixture
def report():
    return evalcli.evaluate(PREDS, TARGET)


def test_numbers_by_name(report):
    assert report["accuracy"] == 0.6
    assert report["recall[cat]"] == 2 / 3
    assert "fbeta1_macro" not in report
    assert math.isnan(report["recall[owl]"])
    assert not report["recall[owl]"] >= 0
    with pytest.raises(KeyError, match="no class 'bat'; there are 'cat', 'dog'"):
        report["recall[bat]"]
    with pytest.raises(KeyError, match="it needs scores"):
        report["top3_accuracy"]
    with pytest.raises(UsageError, match="did you mean accuracy"):
        report["acuracy"]
    assert "accuracy" in report
    assert "acuracy" not in report
    assert 0 not in report
    assert list(report) == list(report.metrics.index)
    assert len(report) == len(report.metrics)
    assert report


def test_the_data_stay_plain_and_frozen(report):
    assert isinstance(report.data, PlainReport)
    assert isinstance(report.data.metrics, dict)
    with pytest.raises(FrozenInstanceError):
        report.data.n = 3
    with pytest.raises(AttributeError, match="'n' cannot be set"):
        report.n = 3
    assert (report.task, report.n, report.classes) == ("multiclass", 5, ("cat", "dog", "owl"))
    assert report.findings == report.data.findings
    assert report.gates == ()


def test_it_is_copied_and_pickled(report):
    for again in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert again == report
        assert again.to_json() == report.to_json()
    assert report != evalcli.evaluate(PREDS[1:], TARGET[1:])


def test_frames(report):
    metrics = report.metrics
    assert list(metrics.columns) == ["value", "low", "high", "method"]
    assert metrics.loc["accuracy", "value"] == 0.6
    assert metrics.loc["accuracy", "low"] < 0.6 < metrics.loc["accuracy", "high"]
    classes = report.per_class
    assert classes.loc["cat", "support"] == 3
    assert classes.loc["dog", "recall"] == 0.5
    assert math.isnan(classes.loc["owl", "recall"])
    confusion = report.confusion
    assert confusion.loc["dog", "cat"] == 1
    assert confusion.index.name == "target"
    assert confusion.columns.name == "prediction"
    assert confusion.to_numpy().sum() == report.n
    many = evalcli.evaluate(np.arange(300) % 150, np.arange(300) // 2)
    assert list(many.confusion.columns) == ["target", "prediction", "count"]
    assert len(report.slices) == 0


def test_frames_of_several_labels():
    report = evalcli.evaluate([[1, 0], [1, 1], [0, 0]], [[1, 1], [0, 1], [0, 0]], labels=["a", "b"], task="multilabel")
    assert report.confusion.loc["a"].tolist() == [1, 1, 0, 1]
    assert report.confusion.loc["b"].to_dict() == {"tn": 1, "fp": 0, "fn": 1, "tp": 1}
    assert report.per_class.loc["b", "recall"] == 0.5


def test_frames_of_a_regression():
    one = evalcli.evaluate([1.5, 2.0, 4.0], [1.0, 2.0, 3.0], task="regression")
    assert len(one.per_class) == len(one.confusion) == 0
    two = evalcli.evaluate([[1.5, 2.0], [4.0, 1.0]], [[1.0, 2.0], [3.0, 1.0]], task="regression")
    assert two.per_class["mae"].tolist() == [0.75, 0.0]
    assert two.metrics.loc["mae", "value"] == two["mae"] == 0.375


def test_json_round_trips_to_the_byte(report, tmp_path):
    text = report.to_json()
    assert json.loads(text)["schema"] == "evalcli.report/1"
    path = tmp_path / "r.json"
    report.save(path)
    assert path.read_text() == text
    again = evalcli.Report.load(path)
    assert again.to_json() == text
    assert again == report
    assert type(again) is evalcli.Report
    assert evalcli.Report.from_json(text).to_json() == text


@pytest.mark.parametrize("suffix", ["json", "csv", "md", "txt"])
def test_the_suffix_picks_the_format(report, tmp_path, suffix, run):
    path = tmp_path / f"r.{suffix}"
    report.save(str(path))
    saved = tmp_path / "again.json"
    report.save(saved)
    other = tmp_path / f"told.{suffix}"
    assert run("gate", saved, "--min", "accuracy=0", "-o", other).code == 0
    assert path.read_text()
    if suffix == "csv":  # the others say which gates passed
        assert path.read_text() == other.read_text()


def test_a_save_is_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    path.write_text("old")
    with pytest.raises(UsageError, match="no format is known"):
        report.save(tmp_path / "r.xyz")
    with pytest.raises(OutputError, match="folder does not exist"):
        report.save(tmp_path / "no" / "r.json")

    def full(_text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evalcli.cli.output._encoded", full)
    with pytest.raises(OutputError, match="no space left"):
        report.save(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_what_is_no_report_is_refused(tmp_path):
    path = tmp_path / "r.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="not a report of evalcli"):
        evalcli.Report.load(path)


def test_gates(report, tmp_path):
    verdicts = report.check("accuracy>=0.5", "recall[dog] >= 0.5", "error_rate<=0.4")
    assert verdicts.passed
    assert verdicts.exit_code == 0
    assert [verdict.status for verdict in verdicts] == ["pass"] * 3
    failed = report.check("accuracy>=0.9", "recall[owl]>=0")
    assert not failed.passed
    assert failed.exit_code == 1
    assert [verdict.status for verdict in failed] == ["fail", "undefined"]
    assert "0.6000 < 0.9" in str(failed)
    assert report.check("recall[bat]>=0").exit_code == 2
    path = tmp_path / "base.json"
    report.save(path)
    worse = evalcli.evaluate(["dog", *PREDS[1:]], TARGET)
    assert not worse.check("drop(accuracy)<=1pp", baseline=path).passed
    assert worse.check("drop(accuracy)<=50%", baseline=report).passed
    with pytest.raises(UsageError, match="name a saved report with baseline="):
        worse.check("drop(accuracy)<=1pp")
    for text in ("accuracy", "accuracy>0.5", "drop(accuracy)>=1", ">=0.5", "accuracy>=high", "accuracy>=2"):
        with pytest.raises(UsageError):
            report.check(text)
    assert report.check("accuracy>=0.6").passed  # a value on its bound
    unsure = report.check("accuracy>=0.5", gate_on="interval")
    assert [verdict.status for verdict in unsure] == ["inconclusive"]
    assert unsure.exit_code == 3
    with pytest.raises(UsageError, match="gate_on='whole'; it can be 'point', 'interval'"):
        report.check("accuracy>=0.5", gate_on="whole")
    gated = report.with_gates("accuracy>=0.9")
    assert json.loads(gated.to_json())["gates"][0]["status"] == "fail"


def shown(thing, width=80):
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, force_jupyter=False).print(thing)
    return out.getvalue()


def test_in_a_terminal(report):
    assert "accuracy" in str(report)
    assert "cat" in shown(report)
    assert "FAIL" in shown(report.with_gates("accuracy>=0.9"))
    assert "FAIL" in shown(report.check("accuracy>=0.9"))
    assert max(map(len, shown(report, 60).splitlines())) <= 60
    assert repr(report) == "<Report multiclass, n=5, accuracy=0.6, balanced_accuracy=0.5833, mcc=0.3086>"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.attributes, self.text = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text.append(data)


def test_O09_a_notebook_shows_no_active_content():
    report = evalcli.evaluate(HOSTILE, HOSTILE[1:] + HOSTILE[:1]).with_gates(f"recall[{HOSTILE[0]}]>=0.5")
    html = report._repr_html_()
    tags = Tags()
    tags.feed(html)
    allowed = {"div", "p", "strong", "br", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert tags.seen <= allowed | {"details", "summary", "span"}
    assert tags.attributes <= {"class", "scope", "style"}
    assert not any(ord(char) < 32 for char in html)
    assert "\u202e" not in html
    assert "{{" not in html
    said = "".join(tags.text)
    assert "<script>" in said  # as text, and only there
    assert "<script" not in html


def test_a_notebook_shows_what_matters(report):
    html = report.with_gates("accuracy>=0.9")._repr_html_()
    for part in ("accuracy 0.6000", "Gates", "Classes", "Confusion matrix", "<details>"):
        assert part in html
    binary = evalcli.evaluate([0.9, 0.2], [1, 0])._repr_html_()
    assert "positive 1" in binary
    many = evalcli.evaluate(np.arange(300) % 150, np.arange(300) // 2)._repr_html_()
    assert "Worst 10 of 150" in many
