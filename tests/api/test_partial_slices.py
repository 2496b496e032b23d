"""Parts with slices of regressions and of several labels a row: what is merged is what one run counts, to the byte."""

import numpy as np
import pytest

import evalcli
from evalcli.errors import EvalError

ROWS = 1200
RNG = np.random.default_rng(2)
TRUTH = RNG.normal(size=ROWS)
SAID = TRUTH + RNG.normal(size=ROWS)
LABELS = (RNG.random((ROWS, 3)) < 0.4).astype(int)
SCORES = np.clip(LABELS * 0.3 + RNG.random((ROWS, 3)) * 0.7, 0, 1)
REGION = np.where(np.arange(ROWS) < 500, "EU", RNG.choice(["EU", "US", "APAC"], ROWS))  # the first part has one only
WEIGHT = RNG.choice([0.5, 1.0, 2.0], ROWS)
SIDES = {"regression": (SAID, TRUTH), "multilabel": (SCORES, LABELS)}


def counted(task, rows, **options):
    preds, target = (side[rows] for side in SIDES[task])
    return evalcli.evaluate(preds, target, task=task, by={"region": REGION[rows]}, weight=WEIGHT[rows], **options)


@pytest.mark.parametrize("budget", [None, 0.004], ids=["exact", "certified"])
@pytest.mark.parametrize("task", SIDES)
def test_parts_are_merged_to_the_report_of_all_rows(task, budget, monkeypatch):
    monkeypatch.setattr("evalcli.slicepasses.LEAST_BUDGET", 512)
    options = {"ranking_budget": budget}
    whole = counted(task, slice(None), **options)
    parts = [counted(task, slice(i, i + 400), partial=True, **options) for i in (0, 400, 800)]
    certified = [value.certified for row in whole.data.slices for value in row.metrics.values()]
    assert any(certified) == (budget is not None)
    assert [row.value for row in whole.data.slices] == ["APAC", "EU", "US"]
    for order in (parts, parts[::-1]):
        merged = evalcli.merge(order).report()
        assert merged.data.slices == whole.data.slices
        assert merged.to_json() == whole.to_json()


@pytest.mark.parametrize("task", SIDES)
def test_parts_of_other_slices_do_not_merge(task):
    preds, target = SIDES[task]
    one = evalcli.evaluate(preds[:400], target[:400], task=task, by={"region": REGION[:400]}, partial=True)
    two = evalcli.evaluate(preds[400:], target[400:], task=task, partial=True)
    with pytest.raises(EvalError, match="by="):
        evalcli.merge([one, two])
