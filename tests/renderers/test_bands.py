"""Many classes by how many rows they have."""

import numpy as np
import pytest
from memory_source import MemorySource

from evalcli.engine import Execution
from evalcli.evaluation import evaluate
from evalcli.renderers import render
from evalcli.renderers.bands import bands
from evalcli.task import Choices

SIZES = np.concatenate([[500, 100], np.full(10, 99), np.full(5, 20), np.full(40, 19), np.full(9, 1)])


def report_of(sizes):
    target = np.repeat(np.arange(len(sizes)), sizes)
    preds = np.where(np.random.default_rng(0).random(len(target)) < 0.6, target, (target + 1) % len(sizes))
    return evaluate(MemorySource(preds, target), Choices(), Execution()), preds, target


def test_bands_are_means_over_their_classes():
    from sklearn.metrics import precision_recall_fscore_support

    report, preds, target = report_of(SIZES)
    scores = np.array(precision_recall_fscore_support(target, preds, zero_division=0)[:3])
    found = bands(report)
    assert [(band.classes, band.rows) for band in found] == [(2, 600), (15, 1090), (49, 769)]
    for band, classes in zip(found, (SIZES >= 100, (SIZES < 100) & (SIZES >= 20), SIZES < 20), strict=True):
        assert [*band.metrics] == ["precision", "recall", "f1"]
        assert [*band.metrics.values()] == pytest.approx(scores[:, classes].mean(axis=1), abs=1e-12)


def test_they_are_shown_where_there_are_several():
    report, *_ = report_of(SIZES)
    screen = render(report, "rich")
    assert "By support  means over classes" in screen
    assert "head, 100 rows or more        2    600" in screen
    assert "| tail, 1 to 19 rows | 49 | 769 |" in render(report, "markdown")
    for sizes in (np.full(60, 30), SIZES[:12]):
        report, *_ = report_of(sizes)
        assert bands(report) == []
        assert "By support" not in render(report, "rich") + render(report, "markdown")


@pytest.mark.parametrize("factor", [0.001, 1.0, 1000.0])
def test_no_unit_of_weights_moves_a_class_to_another_band(factor):
    report, preds, target = report_of(SIZES)
    weights = np.random.default_rng(1).choice([0.5, 1.5], len(target))
    heavy, light = (
        evaluate(MemorySource(preds, target, weight=weights * unit), Choices(), Execution()) for unit in (factor, 1.0)
    )
    assert [(band.name, band.classes) for band in bands(heavy)] == [(band.name, band.classes) for band in bands(light)]
    assert sum(band.classes for band in bands(heavy)) == len(SIZES)
    assert [band.rows for band in bands(heavy)] == pytest.approx([factor * band.rows for band in bands(light)])
    even = evaluate(MemorySource(preds, target, weight=np.full(len(target), factor)), Choices(), Execution())
    assert [(band.classes, band.metrics) for band in bands(even)] == [
        (band.classes, pytest.approx(band.metrics)) for band in bands(report)
    ]


def test_numbers_of_rows_are_called_weights_where_rows_weigh():
    rng = np.random.default_rng(2)
    target = rng.integers(0, 2, 100)
    scores = np.clip(target * 0.4 + 0.3 + 0.2 * rng.normal(size=100), 0.01, 0.99)
    plain, weighed = (
        evaluate(MemorySource(scores, target, weight=weights), Choices(), Execution())
        for weights in (None, np.full(100, 0.5))
    )
    for form in ("rich", "markdown"):
        texts = [render(one, form).partition("Calibration")[2] for one in (plain, weighed)]
        lines = [next(line for line in text.split("\n") if "mean" in line) for text in texts]
        assert ["rows" in line for line in lines] == [True, False]
        assert ["weight" in line for line in lines] == [False, True]
