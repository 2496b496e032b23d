"""How the ranks of labels go together: the sample of rows, and what it makes of means over labels."""

import numpy as np
import pytest

import evalcli
from evalcli.metrics.ranking import KeyTable

RNG = np.random.default_rng(3)


def drawn(rows: int, labels: int, alike: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores and targets (N, L) whose causes and errors are shared to the part ``alike``."""
    shared, noise = RNG.normal(size=(2, rows, 1))
    target = (alike * shared + (1 - alike) * RNG.normal(size=(rows, labels)) > 0.3).astype(int)
    scores = 1.2 * target + alike * noise + (1 - alike) * RNG.normal(size=(rows, labels))
    return 1 / (1 + np.exp(-scores)), target


def rankings_of(scores: np.ndarray, target: np.ndarray) -> KeyTable:
    table = KeyTable(scores.shape[1])
    table.take_cells(scores.T, target.T.astype(np.int8), None, None)
    return table


NAMES = ("auroc_macro", "auroc_micro", "auroc_weighted", "average_precision_macro", "average_precision_micro")


@pytest.mark.parametrize(("alike", "weighted"), [(0.0, False), (0.7, False), (0.5, True)])
def test_widths_are_those_of_a_bootstrap_of_rows(alike, weighted):
    scores, target = drawn(1500, 4, alike)
    weight = RNG.choice([0.5, 1.0, 4.0], 1500) if weighted else None

    def found(rows, **more):
        given = None if weight is None else weight[rows]
        told = {"task": "multilabel", "metrics": list(NAMES), "workers": 1, **more}
        return evalcli.evaluate(scores[rows], target[rows], weight=given, **told)

    drawn_rows = [found(RNG.integers(0, 1500, 1500), confidence=None) for _ in range(120)]
    errors = np.std([[one[name] for name in NAMES] for one in drawn_rows], axis=0)
    metrics = found(np.arange(1500)).data.metrics
    for name, error in zip(NAMES, errors, strict=True):
        assert (metrics[name].high - metrics[name].low) / 3.92 == pytest.approx(error, rel=0.25), name
        assert "bound" not in metrics[name].method
