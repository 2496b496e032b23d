"""A class for each row of the registry: ``F1(average="macro")`` counts what ``evalcli report -m f1_macro`` counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from evalcli.metrics.base import Metric
from evalcli.metrics.registry import MEASURED
from evalcli.modular.running import Running
from evalcli.modular.setup import address, options_of, setup_of

if TYPE_CHECKING:
    from inspect import Signature

    from evalcli.metrics.entry import Entry

_ACRONYMS = frozenset(
    [
        "auroc",
        "aurc",
        "npv",
        "mcc",
        "ece",
        "mce",
        "mrr",
        "ks",
        "fpr",
        "ovo",
        "mse",
        "rmse",
        "mae",
        "mape",
        "smape",
        "wape",
        "msle",
        "rmsle",
        "rse",
        "rae",
        "ccc",
        "lrap",
        "r2",
        "f1",
    ]
)
_WORDS = {"topk": "TopK", "fbeta": "FBeta", "medae": "MedAE", "fpr": "FPR"}


def class_name(entry: Entry) -> str:
    """The name of a row as a class.

    >>> [class_name(MEASURED[name]) for name in ("f1", "log_loss", "topk_accuracy", "auroc_fpr")]
    ['F1', 'LogLoss', 'TopKAccuracy', 'AUROCFPR']
    """
    words = entry.name.split("_")
    return "".join(_WORDS.get(word) or (word.upper() if word in _ACRONYMS else word.capitalize()) for word in words)


CLASSES = {class_name(entry): entry for entry in MEASURED.values()}
"""Name of a class → its row."""


class Registered(Metric):
    """A metric of the registry that takes batches.

    ``update(preds, target, weight=None)`` counts a batch: arrays of numpy, of torch on any device, of any array
    library, lists, columns. ``m(preds, target)`` counts it too and gives its value alone. ``compute`` gives the value
    of everything seen since ``reset``, as an array without axes of the kind of the batches on their device, or a plain
    number; NaN where it is undefined. ``merge`` takes in another. Any split into batches and any order of merging gives
    the same bits. What the values are is decided by the first batch; a later one that contradicts is refused.
    """

    entry: ClassVar[Entry]
    stream: Running

    def __init__(self, **given: Any) -> None:
        from evalcli.keywords import in_keywords

        super().__init__()
        known = {name for name, _, _ in options_of(self.entry)}
        for name in given:
            if name not in known:
                from evalcli.unknown_keywords import unknown_keyword

                raise unknown_keyword(type(self).__name__, name, known)
        with in_keywords():
            self.name, setup = address(self.entry, given), setup_of(self.entry, given)
        self.add_state("stream", Running(setup, (str(self.name),)))

    @property
    def reading(self) -> tuple[Running, str]:
        """The state that this metric reads, and under which name: how it becomes part of a bundle."""
        return self.stream, str(self.name)

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # nobody sets it
        """Whether larger values are better; ``None`` where 0 is best, or neither is."""
        return {"higher": True, "lower": False}.get(self.entry.direction)

    @property
    def device(self) -> Any:
        """Where results are given."""
        return self.stream.device

    def update(self, preds: Any, target: Any, weight: Any = None) -> None:
        """Count a batch.

        Raises:
            EvalError: it cannot be counted, is of another form than the first, or contradicts what that showed.

        """
        from evalcli.keywords import in_keywords

        with in_keywords():
            self.stream.update(preds, target, weight)

    def compute(self) -> Any:
        """The value of everything seen so far, on all ranks of ``torch.distributed`` where it runs; NaN: undefined.

        Raises:
            EvalError: nothing was seen, rows cannot be counted, or the task does not have this metric.

        """
        from evalcli.keywords import in_keywords

        with in_keywords():
            return self.gathered().stream.value(str(self.name))

    def __str__(self) -> str:
        return str(self.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {self.stream.batches} batches>"


def class_of(name: str) -> type[Registered] | None:
    """The class of this name; ``None``: no row of the registry is called so."""
    if name not in CLASSES:
        return None
    entry = CLASSES[name]
    more = {
        "entry": entry,
        "__doc__": _docstring(entry),
        "__module__": "evalcli.metrics",
        "__signature__": _signature(entry),
    }
    return type(name, (Registered,), more)


def _signature(entry: Entry) -> Signature:
    from inspect import Parameter, Signature

    return Signature(
        [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default, _ in options_of(entry)]
    )


def _docstring(entry: Entry) -> str:
    from textwrap import wrap

    from evalcli.keywords import as_keywords

    lines = [
        f"{entry.title} of batches: ``{entry.formula_text}``.",
        "",
        *wrap(as_keywords(f"{entry.summary} {entry.convention}"), 100),
        "",
        "Args:",
        *(f"    {name}: {meaning}" for name, _, meaning in options_of(entry)),
        "",
        f"Source: {entry.source}.",
    ]
    return "\n".join(lines)
