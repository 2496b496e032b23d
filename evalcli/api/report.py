"""The report as Python code meets it: numbers by name, frames, files, gates, a page in a notebook.

The data stay what :class:`evalcli.report.Report` is: frozen, plain, the same JSON to the byte.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import TYPE_CHECKING, Self

from evalcli.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from pandas import DataFrame
    from rich.console import Console, ConsoleOptions, RenderResult

    from evalcli.report import Finding, Verdict
    from evalcli.report import Report as PlainReport
    from evalcli.rules import Basis


class Verdicts(tuple["Verdict", ...]):
    """The verdicts of gates, in the order of the rules. Printed, they read as on the command line."""

    __slots__ = ()

    @property
    def passed(self) -> bool:
        """Whether every gate passed; an undefined or missing value never does."""
        return all(verdict.status == "pass" for verdict in self)

    @property
    def exit_code(self) -> int:
        """What the command line would say to the shell: 0 pass, 1 fail, 3 inconclusive, 2 no verdict."""
        from evalcli.gates import exit_code

        return int(exit_code(self))

    def __str__(self) -> str:
        from evalcli.renderers.terminal import plain_verdict

        return plain_verdict(tuple(self)).rstrip("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from evalcli.renderers.terminal import render_verdict

        yield render_verdict(tuple(self))


class Report:
    """Everything that is known of one evaluation.

    ``report["f1_macro"]``, ``report["recall[cat]"]`` are numbers (NaN: undefined, and a comparison with NaN is false).
    ``metrics``, ``per_class``, ``confusion`` and ``slices`` are frames of pandas. ``data`` is the record behind all of
    it, frozen and plain: each value with its interval and whether it is certified, findings, gates, inputs.

    >>> import evalcli
    >>> report = evalcli.evaluate(["cat", "dog", "cat", "cat"], ["cat", "dog", "dog", "cat"], task="multiclass")
    >>> report["recall[dog]"], "f1_macro" in report, int(report.confusion.loc["dog", "cat"])
    (0.5, True, 1)
    >>> report.check("accuracy>=0.7", "recall[dog]>=0.8").passed
    False
    """

    __slots__ = ("data",)

    data: PlainReport
    """The record: what the JSON holds."""

    def __init__(self, data: PlainReport) -> None:
        object.__setattr__(self, "data", data)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a report is what was measured: {name!r} cannot be set")

    def __reduce__(self) -> tuple[type[Self], tuple[PlainReport]]:
        return type(self), (self.data,)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, however long it took."""
        return isinstance(other, Report) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # it holds mappings

    @property
    def task(self) -> str:
        """``binary``, ``multiclass``, ``multilabel`` or ``regression``."""
        return self.data.task

    @property
    def n(self) -> int:
        """How many rows were counted."""
        return self.data.n

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, or of the labels."""
        return self.data.classes

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a reader should know before trusting the numbers, the worst first."""
        return self.data.findings

    @property
    def gates(self) -> tuple[Verdict, ...]:
        """The verdicts that ``with_gates`` has left."""
        return self.data.gates

    @property
    def metrics(self) -> DataFrame:
        """A row a metric, by name: ``value``, ``low``, ``high``, ``method``; undefined is NaN."""
        from evalcli.api.frames import metrics_frame

        return metrics_frame(self.data)

    @property
    def per_class(self) -> DataFrame:
        """A row a class, by name: ``support``, ``predicted`` and its metrics; of a regression a row an output."""
        from evalcli.api.frames import class_frame

        return class_frame(self.data)

    @property
    def confusion(self) -> DataFrame:
        """The confusion matrix, targets down and predictions across.

        With many classes, whose matrix a report does not hold, the most confused pairs, a row each. Of several labels a
        row, a row a label: ``tn``, ``fp``, ``fn``, ``tp``.
        """
        from evalcli.api.frames import confusion_frame

        return confusion_frame(self.data)

    @property
    def slices(self) -> DataFrame:
        """A row a slice, by column and value: ``n`` and its metrics; no row without ``by=``."""
        from evalcli.api.frames import slice_frame

        return slice_frame(self.data)

    def __getitem__(self, name: str) -> float:
        """The value of a metric, by any name that a gate would find; NaN where it is undefined.

        Raises:
            KeyError: the report does not have it.

        """
        from evalcli.addresses import look_up

        found = look_up(self.data, name)
        if isinstance(found, str):
            raise KeyError(f"{name}: {found}")
        return nan if found.value.value is None else found.value.value

    def __contains__(self, name: object) -> bool:
        """Whether ``report[name]`` is a number, or undefined."""
        try:
            self[str(name)]
        except (KeyError, UsageError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        """The names of the metrics."""
        return iter(self.data.metrics)

    def __len__(self) -> int:
        """How many metrics there are."""
        return len(self.data.metrics)

    def __bool__(self) -> bool:
        """A report is true whatever it says; gates are asked by ``check``."""
        return True

    def check(
        self,
        *rules: str,
        baseline: Report | str | os.PathLike[str] | None = None,
        gate_on: Basis = "point",
        min_slice_size: int | None = None,
    ) -> Verdicts:
        """Judge the report: ``check("accuracy>=0.9", "log_loss<=0.3", "drop(f1_macro)<=1pp")``.

        ``baseline`` is a report, or the path of a saved one, for rules about a drop. ``gate_on="interval"`` judges the
        whole interval of a value, and may be inconclusive. Slices of fewer rows than ``min_slice_size`` are never the
        worst, and make no gap: by default of as many as ``evaluate`` was given.

        Raises:
            UsageError: a text that is no rule, a ``gate_on`` that is neither, or a number of rows that is none.

        """
        from evalcli.addresses import Beyond
        from evalcli.gates import judge
        from evalcli.keywords import check_rows, check_rules, check_word, in_keywords
        from evalcli.rules import parse_rule

        check_rules(rules)
        check_rows("min_slice_size", min_slice_size)
        with in_keywords():
            check_word("gate_on", gate_on)
            parsed = tuple(parse_rule(rule, known=Beyond(self.data)) for rule in rules)
            before = baseline if baseline is None or isinstance(baseline, Report) else type(self).load(baseline)
            known = None if before is None else before.data
            return Verdicts(judge(self.data, parsed, known, least=min_slice_size or self.data.least, on=gate_on))

    def with_gates(
        self,
        *rules: str,
        baseline: Report | str | os.PathLike[str] | None = None,
        gate_on: Basis = "point",
        min_slice_size: int | None = None,
    ) -> Self:
        """The report with these gates judged in it, as ``--min`` and ``--max`` leave it; arguments as of ``check``."""
        judged = self.check(*rules, baseline=baseline, gate_on=gate_on, min_slice_size=min_slice_size)
        return type(self)(replace(self.data, gates=tuple(judged)))

    def to_json(self) -> str:
        """The JSON document that ``evalcli report -f json`` prints, to the byte."""
        from evalcli.renderers.json import render_json

        return render_json(self.data)

    def to_markdown(self) -> str:
        """The report for a pull request or a wiki."""
        from evalcli.renderers.markdown import render_markdown

        return render_markdown(self.data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file, whole or not at all; the suffix picks .json, .csv, .md, .html or .txt.

        Raises:
            UsageError: no format is known for the suffix.
            OutputError: the file cannot be written; what stood there before still stands.

        """
        from evalcli.api.saving import save_as
        from evalcli.renderers import render

        save_as(path, lambda form: render(self.data, form))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A report that was saved as JSON.

        Raises:
            InputError: the file cannot be read, or is no report.

        """
        import os

        from evalcli.cli.saved import read_report

        return cls(read_report(os.fspath(path)))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A report from the text of its JSON document.

        Raises:
            InputError: it is no report.

        """
        from evalcli.saved import parse_report

        return cls(parse_report(text))

    def __str__(self) -> str:
        from evalcli.renderers.terminal import plain

        return plain(self.data).rstrip("\n")

    def __repr__(self) -> str:
        shown = [f"{name}={self[name]:.4g}" for name in list(self)[:3]]
        return f"<Report {self.task}, n={self.n}{', ' if shown else ''}{', '.join(shown)}>"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from evalcli.renderers.terminal import render_terminal, render_verdict

        yield render_terminal(self.data)
        if self.gates:
            yield render_verdict(self.gates)

    def _repr_html_(self) -> str:
        from evalcli.renderers.html import render_fragment

        return render_fragment(self.data)
