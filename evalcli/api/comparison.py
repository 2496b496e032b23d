"""The comparison as Python code meets it: differences by name, a frame, gates, files, tables in a notebook."""

from __future__ import annotations

import json
from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Any, Self

from evalcli.api.saving import save_as
from evalcli.comparing.data import Comparison as PlainComparison

if TYPE_CHECKING:
    import os

    from pandas import DataFrame
    from rich.console import Console, ConsoleOptions, RenderResult

    from evalcli.api.report import Verdicts
    from evalcli.comparing.data import Difference, MetricRow
    from evalcli.report import Verdict


class Comparison:
    """What ``evalcli compare`` says of two models or more.

    ``comparison["accuracy"]`` is the difference of two models, second less first, with ``value``, ``low``, ``high``,
    ``p``, ``adjusted`` and ``verdict``; of one of several labels a row, ``comparison["f1[cat]"]``, and of a slice
    ``comparison["accuracy@region=EU"]``. ``metrics`` and ``slices`` are frames of pandas; ``data`` the plain record:
    ``metrics``, ``slices``, labels ``per_class``, ``flips`` by class, flipped ``rows``, ``findings``. Printed, it reads
    as on the command line; a notebook shows it as tables.
    """

    __slots__ = ("data",)

    data: PlainComparison
    """The record: what the JSON holds."""

    def __init__(self, data: PlainComparison) -> None:
        self.data = data

    @property
    def n(self) -> int:
        """How many rows all models were judged on."""
        return self.data.n

    @property
    def metrics(self) -> DataFrame:
        """A row for each metric: the values of the models, and how each differs from the reference."""
        import pandas as pd

        return pd.DataFrame.from_dict({row.name: self._cells(row) for row in self.data.metrics}, orient="index")

    @property
    def slices(self) -> DataFrame:
        """A row for each metric of each slice (``by``, ``value``, ``metric``): its ``n`` rows, then as in ``metrics``.

        Of more than two models, ``best`` is the one of the slice with which the others are compared there. Holm
        (``adjusted``) goes over the slices by one column and over all pairs of models, metric by metric.
        """
        import pandas as pd

        index, rows = [], []
        for one in self.data.slices:
            for row in one.metrics.values():
                index.append((one.by, one.value, row.name))
                best = {"best": self.data.models[one.reference].name} if self.data.kind == "league" else {}
                rows.append({"n": one.n, **best, **self._cells(row)})
        return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=("by", "value", "metric")))

    def _cells(self, row: MetricRow) -> dict[str, Any]:
        """A metric of every model, and how each differs from the reference."""
        models = self.data.models
        cells: dict[str, Any] = {
            model.name: nan if value is None else value for model, value in zip(models, row.values, strict=True)
        }
        for model, found in zip(models, row.differences, strict=True):
            if found is not None:
                tail = "" if len(models) == 2 else f" {model.name}"
                cells |= {f"{name}{tail}": value for name, value in found._asdict().items()}
        return cells

    @property
    def gates(self) -> tuple[Verdict, ...]:
        """The verdicts that ``with_gates`` has left."""
        return self.data.gates

    def check(self, *rules: str, min_slice_size: int | None = None) -> Verdicts:
        """Judge models, and the others against the first: ``check("accuracy>=0.9", "noninferior(mcc)<0.5pp")``.

        ``accuracy>=0.9`` and ``log_loss<=0.3`` judge the values of every model but the first, ``A:accuracy>=0.9`` that
        of the first. ``noninferior`` passes where the interval of the difference shows that the second is not worse by
        as much, ``equivalent`` where it differs by less either way, ``drop`` where its value is not lower by more. Each
        may be of a slice, ``accuracy@region=EU``, or of the worst, ``accuracy@region=*``, of those of
        ``min_slice_size`` rows: as many as ``compare`` was given, unless others are asked for.

        Raises:
            UsageError: a text that is no rule, or the interval of a difference of more than two models.

        """
        from evalcli.addresses import Beyond
        from evalcli.api.report import Verdicts
        from evalcli.comparing.alone import alone_of, judge_alone, parse_bound
        from evalcli.comparing.margins import is_margin, judge, parse_margin
        from evalcli.keywords import check_rows, check_rules, in_keywords

        check_rules(rules)
        check_rows("min_slice_size", min_slice_size)
        least = min_slice_size or self.data.least
        verdicts: list[Verdict] = []
        known = Beyond(alone_of(self.data, 0))
        with in_keywords():
            for rule in rules:
                if is_margin(rule):
                    verdicts += judge(self.data, [parse_margin(rule, known)], least)
                else:
                    verdicts += judge_alone(self.data, [parse_bound(rule, known)], least)
            return Verdicts(verdicts)

    def with_gates(self, *rules: str, min_slice_size: int | None = None) -> Self:
        """The comparison with these gates judged in it, as the command leaves it; arguments as of ``check``."""
        return type(self)(replace(self.data, gates=tuple(self.check(*rules, min_slice_size=min_slice_size))))

    def __getitem__(self, name: str) -> Difference:
        """How the second of two models differs from the first in a metric.

        Raises:
            KeyError: the metric was not compared, there is no test of it, or there are more than two models.

        """
        row = self.data.metric(name)
        if row is None or len(self.data.models) > 2 or row.differences[-1] is None:
            why = "was not compared" if row is None else "has no single difference; see metrics"
            raise KeyError(f"{name} {why}")
        return row.differences[-1]

    def to_json(self) -> str:
        """The JSON of ``evalcli compare -f json``."""
        from evalcli.renderers.comparison_files import render_comparison

        return render_comparison(self.data, "json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all; the suffix picks .json, .csv, .md, .html or .txt.

        Raises:
            UsageError: no format is known for the suffix.
            OutputError: the file cannot be written; what stood there before still stands.

        """
        from evalcli.renderers.comparison_files import render_comparison

        save_as(path, lambda form: render_comparison(self.data, form))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A comparison from its JSON.

        Raises:
            InputError: it is none.

        """
        return cls(PlainComparison.from_json_object(json.loads(text)))

    def __str__(self) -> str:
        from evalcli.renderers.comparison import plain

        return plain(self.data).rstrip("\n")

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.data.models)} models, {self.data.task}, n={self.n}>"

    def _repr_html_(self) -> str:
        from evalcli.renderers.comparison_html import render_comparison_fragment

        return render_comparison_fragment(self.data)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from evalcli.renderers.comparison import ComparisonView

        yield ComparisonView(self.data)
