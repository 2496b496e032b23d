"""Means of ranks over classes: their widths against a bootstrap of rows, in slices, and where no sample can be kept."""

from __future__ import annotations

import numpy as np
import pytest

import evalcli

NAMES = ("auroc_macro", "auroc_weighted", "average_precision_macro", "average_precision_weighted", "auroc_ovo")


def drawn(rows, seed=0, shares=(5, 3, 2, 1)):
    rng = np.random.default_rng(seed)
    target = rng.choice(len(shares), rows, p=np.divide(shares, sum(shares)))
    logits = rng.normal(size=(rows, len(shares)))
    logits[np.arange(rows), target] += 1.3
    return logits, target, rng.choice([0.5, 1.0, 4.0], rows)


def found(logits, target, **more):
    return evalcli.evaluate(logits, target, scores="logits", metrics=list(NAMES), workers=1, **more)


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_widths_are_those_of_a_bootstrap_of_rows(weighted):
    logits, target, weight = drawn(1200)
    rng = np.random.default_rng(1)

    def values(rows):
        told = found(logits[rows], target[rows], weight=weight[rows] if weighted else None, confidence=None)
        return [told[name] for name in NAMES]

    errors = np.std([values(rng.integers(0, 1200, 1200)) for _ in range(150)], axis=0)
    metrics = found(logits, target, weight=weight if weighted else None).data.metrics
    for name, error in zip(NAMES, errors, strict=True):
        assert (metrics[name].high - metrics[name].low) / 3.92 == pytest.approx(error, rel=0.2), name


def test_a_slice_reads_the_sample_of_all_rows_and_is_as_wide_as_its_own_report():
    logits, target, _ = drawn(3000)
    side = np.where(np.arange(3000) % 3 == 0, "a", "b")
    side[target == 3] = "b"  # a class that the first has not
    for row in found(logits, target, by=side).data.slices:
        rows = side == row.value
        alone = found(logits[rows], target[rows], labels=4).data.metrics
        for name in NAMES:
            one, other = row.metrics[name], alone[name]
            assert one.value == other.value
            assert one.high - one.low == pytest.approx(other.high - other.low, rel=0.06), (row.value, name)


def test_where_no_sample_is_kept_classes_are_taken_to_go_together_as_closely_as_can_be(monkeypatch):
    logits, target, _ = drawn(600)
    told = found(logits, target).data.metrics
    monkeypatch.setattr("evalcli.classification.scoring.MOST_CLASSES", 3)
    bound = found(logits, target).data.metrics
    for name in NAMES:
        assert bound[name].high - bound[name].low > 1.2 * (told[name].high - told[name].low)
