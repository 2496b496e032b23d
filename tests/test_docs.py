"""The Python blocks of the README and of the guide run as they stand, and the API page is what the docstrings say."""

import doctest
import importlib.util
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


PAGES = [
    page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if BLOCK.search(page.read_text("utf-8"))
]
METHODS = (ROOT / "docs" / "uncertainty.md").read_text("utf-8").partition("## Which interval")[2].partition("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    """One block after the other, as one session, beside a copy of the sample data."""
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    blocks = "\n".join(BLOCK.findall(page.read_text("utf-8")))
    session = doctest.DocTestParser().get_doctest(blocks, {}, page.name, page.name, 0)
    assert session.examples
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(session, out=said.append)
    assert not said, "".join(said)


def test_the_readme_and_the_guide_show_python():
    assert {"README.md", "python.md", "machines.md"} <= {page.name for page in PAGES}


def test_the_page_on_uncertainty_names_the_method_of_every_number():
    """A row of its table for each method that reports of all tasks have."""
    import evalcli

    told = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|[^|]*\|(.*?)\|", METHODS, re.MULTILINE))))
    samples = ROOT / "sample_data"
    reports = [
        evalcli.evaluate(samples / "digits.csv", by="split"),
        evalcli.evaluate(samples / "cancer.parquet", positive="malignant"),
        evalcli.evaluate(samples / "cancer.parquet", positive="malignant", metrics="ks,aurc,recall_at_precision0.9"),
        evalcli.evaluate(samples / "segments.csv"),
        evalcli.evaluate(samples / "diabetes.csv", task="regression", metrics="medae,mae,r2,kendall,max_error"),
    ]
    found = {value.method for report in reports for value in report.data.metrics.values()} - {None}
    assert {"wilson", "bins", "hall", "jackknife", "order"} < found <= told


@pytest.fixture
def maker():
    spec = importlib.util.spec_from_file_location("make_api", ROOT / "docs" / "make_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_api_page_is_current(maker):
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "see python docs/make_api.py"


def test_the_api_page_names_everything(maker):
    from evalcli.metrics.registry import MEASURED

    page = maker.page()
    for name in MEASURED:
        assert f"| `{name}` |" in page
    for name in ("evalcli.evaluate(", "check_metric(", "MetricCollection(", "report.check(", "compute_metrics("):
        assert name in page
    assert page.count("```") % 2 == 0
    assert "``python" not in page.replace("```python", "")
