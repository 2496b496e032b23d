"""The tables that choose a renderer."""

import subprocess
import sys

import pytest

from evalcli.errors import UsageError
from evalcli.renderers import RENDERERS, SUFFIXES, format_of, render


def test_every_suffix_has_a_renderer(make) -> None:
    for suffix, form in SUFFIXES.items():
        assert format_of(f"a.b/report{suffix.upper()}") == form
        assert render(make([[1, 0], [1, 1]]), form).endswith("\n")


def test_unknown_ones_are_refused(make) -> None:
    with pytest.raises(UsageError, match=r"out\.pdf: no format is known for the suffix '\.pdf'"):
        format_of("out.pdf")
    with pytest.raises(UsageError, match="no format 'xml'"):
        render(make([[1]]), "xml")


def test_start_up_stays_small() -> None:
    names = [f"evalcli.renderers.{form}" for form in RENDERERS if form != "rich"]
    code = (
        f"import sys, {', '.join(names)}; print([m for m in ('rich', 'numpy', 'pandas', 'torch') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
    code = "import sys, evalcli.renderers.terminal; print([m for m in ('numpy', 'rich.table') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
