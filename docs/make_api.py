"""Makes docs/api.md from the docstrings: ``python docs/make_api.py`` writes it, a test compares it."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import evalcli
from evalcli import functional, metrics
from evalcli.integrations import huggingface
from evalcli.metrics.registry import MEASURED
from evalcli.modular.classes import class_name
from evalcli.testing import check_metric

PAGE = Path(__file__).with_name("api.md")
HEAD = """# evalcli in Python

Made from the docstrings by `python docs/make_api.py`; a test keeps it current.

"""
REPORT = ("metrics", "per_class", "confusion", "slices", "check", "with_gates", "to_json", "to_markdown", "save")
REPORT += ("load", "from_json")
METRIC = ("add_state", "update", "compute", "reset", "merge", "fresh", "to", "sync", "state_dict", "load_state_dict")


def signature(name: str, thing: Any, *, bound: bool = False) -> str:
    """The call as someone would write it, without types."""
    shape = inspect.signature(thing)
    plain = [one.replace(annotation=inspect.Parameter.empty) for one in shape.parameters.values()]
    shown = inspect.Signature(plain[1:] if bound and plain and plain[0].name in {"self", "cls"} else plain)
    return f"{name}{shown}"


def prose(thing: Any) -> str:
    """A docstring as Markdown: sections in bold, examples and arguments as they stand."""
    text = (inspect.getdoc(thing) or "").replace("``", "`")
    text = re.sub(r"^(>>> .*(?:\n(?!\n).*)*)", r"```python\n\1\n```", text, flags=re.MULTILINE)
    text = re.sub(r"^(Args|Returns|Raises):\n", r"**\1**\n\n", text, flags=re.MULTILINE)
    return re.sub(r"^    (?:(\w+): )?", _item, text, flags=re.MULTILINE).strip()


def _item(found: re.Match[str]) -> str:
    """An argument begins an item of a list; what goes on below it stays indented."""
    return f"- `{found[1]}`: " if found[1] else ""


def entry(name: str, thing: Any, level: int = 3, *, bound: bool = False) -> str:
    """A heading, the call, and what it says of itself."""
    shown = re.sub(r"[(\[].*", "", name).rpartition(".")[2]
    call = name if isinstance(thing, property) else signature(name, thing, bound=bound)
    return f"{'#' * level} {shown}\n\n```python\n{call}\n```\n\n{prose(thing)}\n"


def rows() -> str:
    """Every metric: its function, its class, its formula, range and source."""
    lines = ["| function | class | formula | range | better | source |", "|---|---|---|---|---|---|"]
    for name, row in MEASURED.items():
        cells = (
            f"`{name}`", f"`{class_name(row)}`", f"`{row.formula_text}`", f"{row.low:g} … {row.high:g}",
            getattr(row, "better", row.direction), row.source,
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    example = functional.fbeta
    parts = [
        HEAD,
        "## Evaluate\n\n",
        entry("evalcli.evaluate", evalcli.evaluate),
        "\n## Report\n\n",
        f"{prose(evalcli.Report)}\n\n",
        *(f"{entry(f'report.{name}', getattr(evalcli.Report, name), bound=True)}\n" for name in REPORT),
        entry("evalcli.compare", evalcli.compare),
        entry("evalcli.list_mistakes", evalcli.list_mistakes),
        *(
            f"{entry(f'comparison.{name}', getattr(evalcli.Comparison, name), bound=True)}\n"
            for name in ("metrics", "slices", "check", "with_gates", "to_json", "save", "from_json")
        ),
        entry("evalcli.overlap", evalcli.overlap),
        f"\n{prose(evalcli.Overlap)}\n\n",
        entry("evalcli.merge", evalcli.merge),
        f"\n### Part\n\n{prose(evalcli.Part)}\n\n",
        *(f"{entry(f'part.{name}', getattr(evalcli.Part, name), bound=True)}\n" for name in ("report", "save", "load")),
        "## Functions and classes of the registry\n\n",
        f"{prose(functional)}\n\n",
        f"{prose(metrics.Accuracy.__mro__[1])}\n\n",
        rows(),
        "\nOne of them in full; `help(evalcli.functional.NAME)` shows the others:\n\n",
        entry("evalcli.functional.fbeta", example),
        "\n## Collections and arithmetic\n\n",
        entry("evalcli.metrics.MetricCollection", metrics.MetricCollection),
        "\n## Metrics of one's own\n\n",
        f"{prose(evalcli.Metric)}\n\n",
        *(f"{entry(f'metric.{name}', getattr(evalcli.Metric, name), bound=True)}\n" for name in METRIC),
        entry("evalcli.testing.check_metric", check_metric),
        "\n## Training loops\n\n",
        entry("evalcli.integrations.huggingface.compute_metrics", huggingface.compute_metrics),
    ]
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
