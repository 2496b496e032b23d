"""What a device prepares of a batch: its best columns and labels stay there, and nobody waits for them but once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evalcli.classification.columns import in_halves
from evalcli.classification.labels import MISSING, Labels
from evalcli.metrics.arrays import is_host, joined, namespace, picked, to_device
from evalcli.sources.base import NO_CLUSTER
from evalcli.threshold import as_stored

if TYPE_CHECKING:
    from evalcli.classification.glances import Seen
    from evalcli.classification.prepare import Rows
    from evalcli.sources.base import Array
    from evalcli.task import Task


def glance(rows: Rows, scores: Array, task: Task) -> Array:
    """The best column of each row, on the device: waited for once, when most wrong guesses are found."""
    glances, mask = rows.plan.glances, rows.kept.mask
    assert glances is not None
    if mask is not None and glances.rereads:
        kept = np.flatnonzero(mask)
        scores = picked(scores, kept if is_host(scores) else to_device(kept, scores.device))
    elif mask is not None:  # rows keep their places, by which they are told
        rows.kept_there = to_device(mask, glances.device)
    there = rows.kept_there

    def look(part: Array, start: int) -> Seen:
        kept = None if there is None else there[start : start + len(part)]
        return glances.look(part, probs=task.scores != "logits", kept=kept)

    seen: list[Seen] = [found for _, found in in_halves(scores, str(glances.device), look)]
    parts = zip(*seen, strict=True)
    best, rows.scores, rows.kept_there = (part[0] if len(part) == 1 else joined(part) for part in parts)
    if glances.is_wanted:
        glances.tell(rows.evidence)
    return best if task.mode == "argmax" else _margin(rows, rows.scores, task, best)


def _margin(rows: Rows, scores: Any, task: Task, best: Any) -> Array:
    """Two columns against the threshold, on the device."""
    assert task.cut is not None
    positive, negative = (scores[:, i].double() for i in (task.above, 1 - task.above))
    if task.scores == "logits":
        over = positive - negative >= task.cut
    else:
        over = positive >= float(as_stored(task.cut, rows.plan.preds.dtype, np.dtype(np.float64)))
    labels: Array = (over if task.above else ~over).long()
    if rows.kept_there is not None:
        labels = namespace(labels).where(best == MISSING, best, labels)
    return labels


def labels_there(rows: Rows, preds: Array, scores: Array | None) -> Labels:
    """What is left to count, on the device, but for clusters, of which a row that weighs nothing has none."""
    target, weight, groups, cluster, mask = rows.target, rows.weight, rows.groups(), rows.cluster, rows.kept.mask
    rows.evidence.rows += len(target) if mask is None else int(np.count_nonzero(mask))
    if cluster is not None and weight is not None:
        cluster = np.where(weight > 0, cluster, NO_CLUSTER)
    if mask is not None:
        assert rows.plan.glances is not None
        target = target[mask] if rows.plan.glances.rereads else np.where(mask, target, 0)
        weight, groups, cluster = (None if part is None else part[mask] for part in (weight, groups, cluster))
    weight, groups = (None if part is None else to_device(part, preds.device) for part in (weight, groups))
    target = to_device(target, preds.device)
    return Labels(preds, target, weight, None, scores, None, groups, cluster, rows.kept_there)
