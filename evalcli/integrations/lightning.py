"""Lightning: metrics that move with their module and that ``self.log`` takes, and a report after an epoch.

    class Model(LightningModule):
        def __init__(self):
            super().__init__()
            self.accuracy = LoggedMetric(evalcli.metrics.Accuracy(labels=10))

        def validation_step(self, batch, _):
            x, y = batch
            self.accuracy.update(self(x), y)
            self.log("accuracy", self.accuracy)       # computed at the end of the epoch, then reset

    Trainer(callbacks=[ReportCallback("report.json")])

Works with ``lightning`` and ``pytorch_lightning``; ``LoggedMetric`` with any loop that knows torchmetrics.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torchmetrics import Metric as TorchMetric

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from evalcli.metrics.base import Metric


class LoggedMetric(TorchMetric):  # type: ignore[misc]  # torchmetrics is optional, so unknown to the checker
    """One of our metrics as a module of torch and a metric of torchmetrics, which is what ``self.log`` asks for.

    It moves with the module it is an attribute of, is reset at the end of an epoch, and computes over all ranks.
    """

    full_state_update = False

    def __init__(self, metric: Metric) -> None:
        # ours gathers the ranks itself, by states of which theirs knows nothing
        super().__init__(sync_on_compute=False, dist_sync_on_step=False)
        self.inner = metric.fresh()
        self.register_buffer("_place", torch.zeros(0), persistent=False)

    def update(self, preds: Any, target: Any, **more: Any) -> None:
        """Count a batch."""
        self.inner.update(preds, target, **more)

    def compute(self) -> torch.Tensor:
        """The value, as a tensor on the device of the module."""
        value = self.inner.compute()
        device = self._place.device
        dtype = torch.float32 if device.type == "mps" else torch.float64
        return torch.as_tensor(value, dtype=dtype, device=device)

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Count a batch, and give its own value."""
        value = self.inner(*args, **kwargs)
        self._update_count += 1
        self._computed = None
        return torch.as_tensor(value, dtype=torch.float64, device=self._place.device)

    def reset(self) -> None:
        """Forget every batch."""
        super().reset()
        if hasattr(self, "inner"):
            self.inner.reset()

    def _apply(self, fn: Callable[..., Any], exclude_state: Any = "") -> Any:
        moved = super()._apply(fn, exclude_state)
        self.inner.to(self._place.device)
        return moved


def _callback() -> type[Any]:
    """The base of callbacks, of whichever of the two packages runs."""
    if "lightning" not in sys.modules and "pytorch_lightning" in sys.modules:
        from pytorch_lightning import Callback as OlderCallback

        older: type[Any] = OlderCallback
        return older
    try:
        from lightning import Callback
    except ImportError:  # LoggedMetric serves other loops, too
        return object
    found: type[Any] = Callback
    return found


class ReportCallback(_callback()):  # type: ignore[misc]  # known when the module is imported
    """Prints and saves the report of a validation or test epoch.

    A step returns ``{"preds": …, "target": …}`` (or a tuple of the two), and that is all it has to do; batches are kept
    on the host until the epoch ends. ``path`` may hold ``{epoch}`` and ``{stage}``; its suffix picks the format.
    ``rules`` are gates, judged in the report. ``report`` is the last one. Keywords go to ``evalcli.evaluate``.
    """

    def __init__(
        self, path: str | Path | None = None, *, rules: tuple[str, ...] = (), show: bool = True, **options: Any
    ) -> None:
        super().__init__()
        self.path, self.rules, self.show, self.options = path, rules, show, options
        self.report: Any = None
        self._batches: list[tuple[Any, Any]] = []

    def on_validation_epoch_start(self, *_: Any) -> None:
        """Begin with nothing."""
        self._batches = []

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(self, trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
        """Keep what a step returned."""
        if not trainer.sanity_checking:
            preds, target = _both(outputs)
            self._batches.append((preds.detach().cpu(), target.detach().cpu()))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Any, _module: Any) -> None:
        """Report on validation."""
        if not trainer.sanity_checking:
            self._finish(trainer, "validation")

    def on_test_epoch_end(self, trainer: Any, _module: Any) -> None:
        """Report on test."""
        self._finish(trainer, "test")

    def _finish(self, trainer: Any, stage: str) -> None:
        batches = _of_all_ranks(self._batches)
        self._batches = []
        if not batches:
            return
        import evalcli

        preds, target = (torch.cat(side) for side in zip(*batches, strict=True))
        self.report = evalcli.evaluate(preds, target, **self.options)
        if self.rules:
            self.report = self.report.with_gates(*self.rules)
        if not trainer.is_global_zero:
            return
        if self.show:
            from rich import print as show

            show(self.report)
        if self.path is not None:
            self.report.save(str(self.path).format(epoch=trainer.current_epoch, stage=stage))


def _both(outputs: Any) -> tuple[Any, Any]:
    if isinstance(outputs, dict) and {"preds", "target"} <= {*outputs}:
        return outputs["preds"], outputs["target"]
    if isinstance(outputs, (tuple, list)) and len(outputs) == 2:
        return outputs[0], outputs[1]
    raise TypeError("the step must return {'preds': …, 'target': …} for ReportCallback")


def _of_all_ranks(batches: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The batches of every rank, on every rank, in the order of ranks."""
    from evalcli.metrics.ranks import is_distributed

    if not is_distributed():
        return batches
    import torch.distributed as dist

    ranks: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(ranks, batches)
    return [batch for rank in ranks for batch in rank]
