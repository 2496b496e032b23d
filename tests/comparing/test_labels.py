"""Several labels a row, side by side: numbers of reports, a label as two classes, differences as by rows drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labels_beside import (
    EXECUTIONS,
    FIRST,
    HOLES,
    LABELS,
    OF_ONE,
    ROWS,
    SECOND,
    TARGET,
    THIRD,
    WEIGHTS,
    compared,
    difference,
    sources,
)
from memory_source import MemorySource

from evalcli.comparing.data import Comparison
from evalcli.comparing.margins import judge, parse_margins
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.metrics.registry import default_names
from evalcli.task import Choices

EVERY = default_names("multilabel", LABELS)


CASES = {
    "plain": (lambda: sources(FIRST, SECOND), {}),
    "weighted": (lambda: sources(FIRST, SECOND, weight=WEIGHTS), {}),
    "ignored": (lambda: sources(FIRST, SECOND, target=HOLES), {"ignore_index": -1}),
    "league": (lambda: sources(FIRST, SECOND.astype(np.float32), THIRD), {"threshold": 0.4}),
    "logits": (lambda: sources(*(8 * (each - 0.5) for each in (FIRST, SECOND))), {"classes": "declared"}),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_each_model_has_the_numbers_of_its_own_report(case) -> None:
    make, choices = case
    found = compared(make(), (*EVERY, *OF_ONE), **choices)
    for place, source in enumerate(make()):
        names = tuple(row.name for row in found.metrics)
        report = evaluate(source, Choices(task="multilabel", **choices), EXECUTIONS[0], names)
        assert (report.n, report.task) == (found.n, found.task)
        for row in found.metrics:
            assert row.values[place] == report.metrics[row.name].value
    for row in found.metrics:
        told = [each for place, each in enumerate(row.differences) if place != found.reference]
        assert None not in told


def test_no_bit_depends_on_batches_and_workers(case) -> None:
    make, choices = case
    names = [name for name in EVERY if "specificity" not in name and "jaccard" not in name]
    every = [compared(make(), names, execution, **choices).to_json_object() for execution in EXECUTIONS]
    assert json.dumps(every[1]) == json.dumps(every[2]) == json.dumps(every[0])


@pytest.mark.parametrize("name", ["ks_micro", "ks[1]", "ks_macro", "ece"])
def test_no_bit_of_many_labels_depends_on_batches_of_one_row(name) -> None:
    """NumPy adds eight numbers of one row in another order than those of several."""
    rng = np.random.default_rng(2)
    target = (rng.random((33, 40)) < 0.4).astype(int)
    preds = [1 / (1 + np.exp(-(1.5 * target + rng.normal(size=target.shape)))) for _ in range(2)]
    whole, single = (
        compared(sources(*preds, target=target), [name], Execution(batch_size=size, workers=1)).metric(name)
        for size in (33, 1)
    )
    assert single.differences == whole.differences


def test_json_round_trip() -> None:
    found = compared(sources(FIRST, SECOND), by_label=True)
    assert Comparison.from_json_object(json.loads(json.dumps(found.to_json_object()))) == found
    assert found.metric("recall[1]") is found.per_class[1].metrics["recall"]


@pytest.mark.parametrize("target", [TARGET, HOLES])
def test_swapped_models_mirror_each_other(target) -> None:
    here, there = (
        compared(sources(*pair, target=target), EVERY, ignore_index=-1) for pair in ((FIRST, SECOND), (SECOND, FIRST))
    )
    for name in EVERY:
        one, other = (each.metric(name).differences[1] for each in (here, there))
        assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), rel=1e-6)
        assert (other.p, other.detectable) == pytest.approx((one.p, one.detectable), rel=1e-6)
    flips = here.flips[0], there.flips[0]
    assert (flips[0].fixed, flips[0].broken) == (flips[1].broken, flips[1].fixed)


def test_weights_that_are_all_alike_say_nothing() -> None:
    names = [name for name in EVERY if name != "subset_accuracy"]
    plain = compared(sources(FIRST, SECOND), names)
    heavy = compared(sources(FIRST, SECOND, weight=np.full(ROWS, 4.0)), names)
    for one, other in zip(plain.metrics, heavy.metrics, strict=True):
        mine, base = one.differences[1], other.differences[1]
        assert (mine.low, mine.high, mine.p) == pytest.approx((base.low, base.high, base.p), rel=1e-6)


def test_identical_models_do_not_differ_and_the_reader_is_told() -> None:
    found = compared(sources(FIRST, FIRST), EVERY, by_label=True)
    assert "same-answers" in {finding.code for finding in found.findings}
    assert found.rows == ()
    of_labels = [row for label in found.per_class for row in label.metrics.values()]
    for row in (*found.metrics, *of_labels):
        each = row.differences[1]
        assert (each.value, each.p, each.verdict) == (0.0, 1.0, "none")
        assert each.low < 0.0 < each.high


def test_a_league_is_against_the_best_and_holm_goes_over_models() -> None:
    found = compared(sources(FIRST, SECOND, THIRD), ("f1_macro", "auroc_macro"))
    best = int(np.argmax(found.metric("f1_macro").values))
    assert (found.kind, found.reference, found.flips, found.per_class) == ("league", best, (), ())
    every = (FIRST, SECOND, THIRD)
    for place in {0, 1, 2} - {best}:
        for row in found.metrics:
            mine, pair = row.differences[place], difference(row.name, every[best], every[place])
            assert (mine.value, mine.low, mine.high, mine.p) == (pair.value, pair.low, pair.high, pair.p)
            assert mine.adjusted >= mine.p


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_flips_are_those_of_rows_and_of_cells(execution) -> None:
    found = compared(sources(FIRST, SECOND), ("f1_macro",), execution, flips=4)
    said = [each >= 0.5 for each in (FIRST, SECOND)]
    cells = [each == (TARGET == 1) for each in said]
    one, other = (each.all(axis=1) for each in cells)
    apart = (said[0] != said[1]).any(axis=1)
    masks = {"fixed": ~one & other, "broken": one & ~other, "other": ~one & ~other & apart}
    whole = found.flips[0]
    assert (whole.support, whole.right, whole.same) == (ROWS, (one & other).sum(), (~one & ~other & ~apart).sum())
    for kind, mask in masks.items():
        assert getattr(whole, kind) == mask.sum()
        listed = [row for row in found.rows if row.kind == kind and row.label is None]
        assert [row.row for row in listed] == np.flatnonzero(mask)[:4].tolist()
        for row in listed:
            sets = [tuple(map(str, np.flatnonzero(each[row.row]))) for each in (TARGET == 1, *said)]
            assert [row.target, row.first, row.second] == sets
    for label, flips in enumerate(found.flips[1:]):
        mine, theirs = (each[:, label] for each in cells)
        assert (flips.name, flips.support) == (str(label), TARGET[:, label].sum())
        assert (flips.right, flips.same) == ((mine & theirs).sum(), (~mine & ~theirs).sum())
        for kind, mask in {"fixed": ~mine & theirs, "broken": mine & ~theirs}.items():
            assert getattr(flips, kind) == mask.sum()
            listed = [row for row in found.rows if row.kind == kind and row.label == str(label)]
            assert [row.row for row in listed] == np.flatnonzero(mask)[:4].tolist()
            for row in listed:
                truth = [TARGET[row.row, label], *(int(each[row.row, label]) for each in said)]
                assert [row.target, row.first, row.second] == list(map(str, truth))


def test_labels_have_holms_p_values_among_themselves() -> None:
    found = compared(sources(FIRST, SECOND), ("hamming_loss",), by_label=True)
    for base in ("f1", "precision", "recall"):
        each = [label.metrics[base].differences[1] for label in found.per_class]
        lowest = min(each, key=lambda one: one.p)
        assert lowest.adjusted == pytest.approx(min(1.0, LABELS * lowest.p))
    assert [label.support for label in found.per_class] == TARGET.sum(axis=0).tolist()


def test_many_labels_are_told_but_not_all_tested() -> None:
    rng = np.random.default_rng(1)
    target, *preds = rng.integers(0, 2, (3, 50, 70))
    found = compared(sources(*preds, target=target), ("hamming_loss", "recall[3]"), by_label=True)
    assert {"untested-labels"} == {finding.code for finding in found.findings}
    assert len(found.per_class) == 70
    assert {row.differences for label in found.per_class for row in label.metrics.values()} == {(None, None)}
    assert found.metric("recall[3]").differences[1] is not None


def test_a_label_that_one_model_predicts_once_is_no_evidence() -> None:
    """Its precision is 0/0 in A and 1 in B; no row scatters around either, and still one row shows nothing."""
    target = np.tile([[1, 0], [0, 1], [0, 0]], (20, 1))
    first = np.tile([[1, 0], [0, 0], [0, 0]], (20, 1))
    second = first.copy()
    second[1, 1] = 1
    found = difference("precision_macro", first, second, target=target)
    assert found.value == 0.5
    assert found.p > 0.2
    assert found.low < 0.0


def test_a_label_that_one_row_has_is_no_evidence() -> None:
    rng = np.random.default_rng(2)
    target = np.zeros((60, 2), np.int64)
    target[:30, 0], target[5, 1] = 1, 1
    noise = rng.normal(size=(2, 60))
    first = np.stack([target[:, 0] + noise[0], -target[:, 1].astype(float)], axis=1)
    second = np.stack([target[:, 0] + noise[0] + 0.01 * noise[1], target[:, 1].astype(float)], axis=1)
    found = difference("auroc_macro", first, second, target=target)
    assert found.value == pytest.approx(0.5, abs=0.01)
    assert found.p > 0.05
    assert found.low < 0.0


def test_rows_that_a_model_lacks() -> None:
    first, second = FIRST.copy(), SECOND.copy()
    first[:3, 0], second[2:5, 1] = np.nan, np.nan
    with pytest.raises(InputError, match="NaN"):
        compared(sources(first, second))
    for execution in EXECUTIONS:
        found = compared(sources(first, second), None, execution, nan="drop")
        assert (found.n, found.left_out, found.ignored) == (ROWS - 5, 4, 1)
        assert found.metrics == compared(sources(FIRST[5:], SECOND[5:], target=TARGET[5:])).metrics
    wrong = compared(sources(first, SECOND), ("f1_macro", "auroc_macro", "log_loss", "lrap"), nan="wrong")
    assert [row.differences[1] is None for row in wrong.metrics] == [False, True, True, True]
    assert wrong.n == ROWS


def test_unlike_truths_and_weights_are_refused() -> None:
    other = TARGET.copy()
    other[7, 2] = 1 - other[7, 2]
    one, two = MemorySource(FIRST, TARGET), MemorySource(SECOND, other, paths=("b.pt", "u.pt"))
    said = rf"1 target differs .*\(row 7: {other[7, 2]}, not {TARGET[7, 2]} at label '2'\)"
    with pytest.raises(InputError, match=said):
        compared([one, two])
    heavy = WEIGHTS.copy()
    heavy[3] += 1.0
    pair = [MemorySource(FIRST, TARGET, weight=each) for each in (WEIGHTS, heavy)]
    with pytest.raises(InputError, match="1 weights differ"):
        compared(pair)


def test_columns_in_another_order_are_found_by_name() -> None:
    names = ("x", "y", "z")
    plain = [MemorySource(each, TARGET, columns=names) for each in (FIRST, SECOND)]
    turned = MemorySource(SECOND[:, ::-1], TARGET[:, ::-1], columns=names[::-1])
    turned.target = replace(turned.target, columns=names[::-1])
    assert compared([plain[0], turned], flips=0).metrics == compared(plain, flips=0).metrics


def test_what_has_no_value_or_no_meaning_is_refused() -> None:
    labels = (SECOND >= 0.5).astype(np.int64)
    mixed = compared(sources(FIRST, labels))
    assert "labels-only" in {finding.code for finding in mixed.findings}
    assert not any(row.name.startswith(("auroc", "lrap")) for row in mixed.metrics)
    for name, said in (("accuracy", "say subset_accuracy"), ("f1[9]", "there is no class '9'"), ("f1", "f1_macro")):
        with pytest.raises(UsageError) as caught:
            compared(sources(FIRST, SECOND), [name])
        assert said in str(caught.value)
    with pytest.raises(UsageError, match="needs scores"):
        compared(sources(FIRST, labels), ["auroc_macro"])


def test_margins_read_the_direction_of_a_metric() -> None:
    found = compared(sources(SECOND, FIRST), by_label=True)
    texts = ["hamming_loss=0.5pp", "hamming_loss=30pp", "f1_macro=50%", "f1[0]=0.5"]
    verdicts = judge(found, parse_margins(texts, ["f1_macro=1pp"]))
    assert [each.status for each in verdicts] == ["inconclusive", "pass", "pass", "pass", "fail"]


cells = st.lists(st.booleans(), min_size=6, max_size=6)


@settings(max_examples=20, deadline=None)
@given(st.lists(cells, min_size=1, max_size=20))
def test_any_cells_give_an_interval_that_holds_the_difference(rows) -> None:
    target, first, second = np.array(rows).reshape(-1, 3, 2).transpose(1, 0, 2)
    scores = [0.25 + 0.5 * each for each in (first, second)]
    found = compared(sources(*scores, target=target), [name for name in EVERY if "samples" not in name], scores="probs")
    for row in found.metrics:
        each = row.differences[1]
        if each is not None:
            assert each.value == row.values[1] - row.values[0]
            assert each.low <= each.value <= each.high
            assert 0.0 <= each.p <= each.adjusted <= 1.0
