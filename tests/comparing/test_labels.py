"""Several labels a row, side by side: numbers of reports, a label as two classes, differences as by rows drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from scipy import stats
from sklearn.metrics import roc_auc_score

from evalcli.comparing.data import Comparison
from evalcli.comparing.margins import judge, parse_margins
from evalcli.comparing.models import compare
from evalcli.comparing.question import Question
from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.metrics.registry import default_names
from evalcli.task import Choices

EXECUTIONS = [Execution(workers=1), Execution(batch_size=9, workers=1), Execution(batch_size=32, workers=3)]
ROWS, LABELS = 200, 3
RNG = np.random.default_rng(0)
TARGET = (RNG.normal(size=(ROWS, 1)) + RNG.normal(size=(ROWS, LABELS)) > [0.0, 0.6, 1.2]).astype(np.int64)
HARD = RNG.normal(size=(ROWS, LABELS))
FIRST, SECOND, THIRD = (
    1 / (1 + np.exp(-(2.5 * (TARGET - 0.5) + HARD + noise * RNG.normal(size=TARGET.shape))))
    for noise in (1.4, 1.0, 1.1)
)
WEIGHTS = RNG.integers(0, 5, ROWS) / 4
HOLES = np.where(RNG.random(TARGET.shape) < 0.1, -1, TARGET)
EVERY = default_names("multilabel", LABELS)
OF_ONE = ("f1[1]", "recall[2]", "precision[0]", "auroc[1]", "average_precision[2]", "log_loss[0]", "brier[1]")


def sources(*preds, target=TARGET, **more):
    return [
        MemorySource(each, target, paths=(f"{name}.pt", "t.pt"), **more)
        for name, each in zip("abcdef", preds, strict=False)
    ]


def compared(made, names=None, execution=EXECUTIONS[0], *, flips=3, by_label=False, **choices):
    question = Question(None if names is None else tuple(names), flips=flips, by_label=by_label)
    return compare(made, Choices(**{"task": "multilabel", **choices}), execution, question)


def difference(name, *preds, target=TARGET, **more):
    return compared(sources(*preds, target=target, **more), [name]).metric(name).differences[1]


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


@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_a_label_is_compared_as_two_classes_are(weight) -> None:
    found = compared(sources(FIRST, SECOND, weight=weight), OF_ONE, by_label=True)
    for name in OF_ONE:
        base, label = name[:-3], int(name[-2])
        columns = [MemorySource(each[:, label], TARGET[:, label], weight=weight) for each in (FIRST, SECOND)]
        alone = compare(columns, Choices(task="binary"), EXECUTIONS[0], Question((base,))).metrics[0]
        mine, base_row = found.metric(name).differences[1], alone.differences[1]
        assert found.metric(name).values == pytest.approx(alone.values, rel=1e-12)
        assert mine.value == pytest.approx(base_row.value, rel=1e-6)
        if weight is None or base not in {"auroc", "average_precision"}:  # those count rows of weight 1
            told = (base_row.low, base_row.high, base_row.p)
            assert (mine.low, mine.high, mine.p) == pytest.approx(told, rel=1e-6)


def _calibration(target, preds):
    """The error of 15 bins."""
    bins = np.clip(np.ceil(preds * 15).astype(int) - 1, 0, 14)
    return np.abs(np.bincount(bins, target - preds, 15)).sum() / len(target)


def _overconfident(labels):
    rng = np.random.default_rng(4)
    target = (rng.random((500, labels)) < 0.5).astype(int)
    hard = rng.normal(size=target.shape)
    noises = (by * rng.normal(size=target.shape) for by in (0.5, 0.8))
    return target, *(1 / (1 + np.exp(-3 * (2 * target - 1 + hard + noise))) for noise in noises)


def test_calibration_errors_of_labels_are_compared_as_those_of_two_classes_are() -> None:
    target, *preds = _overconfident(2)
    found = difference("ece[1]", *preds, target=target)
    columns = [MemorySource(each[:, 1], target[:, 1]) for each in preds]
    alone = compare(columns, Choices(task="binary"), EXECUTIONS[0], Question(("ece_positive",))).metrics[0]
    expected = alone.differences[1]
    assert found.value == pytest.approx(
        _calibration(target[:, 1], preds[1][:, 1]) - _calibration(target[:, 1], preds[0][:, 1])
    )
    assert (found.low, found.high, found.p) == pytest.approx((expected.low, expected.high, expected.p), rel=1e-6)


def test_calibration_errors_of_labels_of_their_own_tell_more_than_those_of_one() -> None:
    target, *preds = _overconfident(4)
    mean, one = (difference(name, *preds, target=target) for name in ("ece", "ece[1]"))
    assert 0.4 < (mean.high - mean.low) / (one.high - one.low) < 0.7
    same = difference("ece", *(each[:, [1] * 4] for each in preds), target=target[:, [1] * 4])
    assert same.value == pytest.approx(one.value, rel=1e-9)
    assert 0.75 < (same.high - same.low) / (one.high - one.low) < 1.0 + 1e-9


def test_whole_rows_have_the_exact_test_of_mcnemar() -> None:
    one, other = (((each >= 0.5) == TARGET).all(axis=1) for each in (FIRST, SECOND))
    fixed, broken = int((~one & other).sum()), int((one & ~other).sum())
    found = difference("subset_accuracy", FIRST, SECOND)
    assert found.value == pytest.approx((fixed - broken) / ROWS)
    assert found.p == pytest.approx(stats.binomtest(fixed, fixed + broken).pvalue, rel=1e-9)


def test_measures_of_rows_have_students_test_of_pairs() -> None:
    """Where differences are nearly symmetrical; else the surer of it and of Hall's."""
    sets = [each >= 0.5 for each in (FIRST, SECOND)]
    f1 = [2 * (said & (TARGET == 1)).sum(1) / np.maximum(said.sum(1) + TARGET.sum(1), 1) for said in sets]
    losses = [-np.log(np.where(TARGET == 1, each, 1 - each)).mean(axis=1) for each in (FIRST, SECOND)]
    for name, (mine, base) in {"f1_samples": f1[::-1], "log_loss": losses[::-1]}.items():
        found, test = difference(name, FIRST, SECOND), stats.ttest_rel(mine, base)
        assert found.value == pytest.approx(mine.mean() - base.mean(), rel=1e-12)
        assert found.p >= test.pvalue * (1 - 1e-12)
        assert stats.norm.isf(found.p / 2) == pytest.approx(stats.norm.isf(test.pvalue / 2), rel=0.06)


def _f1(tp, true, said):
    return 2 * tp / np.maximum(true + said, 1e-300)


def drawn(weights, preds):
    """Metrics of a model with rows drawn ``weights`` (R, N) times each: (R,) of every name."""
    true, said = TARGET == 1, preds >= 0.5
    tp, support, predicted = (weights @ part.astype(float) for part in (true & said, true, said))
    rows = {
        "hamming_loss": (true != said).mean(axis=1),
        "recall_samples": (true & said).sum(1) / np.maximum(true.sum(1), 1),
    }
    found = {name: weights @ each / ROWS for name, each in rows.items()}
    areas, ranked = [], []
    for label in range(LABELS):
        up, down = preds[true[:, label], label], preds[~true[:, label], label]
        over = (up[:, None] > down).astype(float) + 0.5 * (up[:, None] == down)
        positives, negatives = weights[:, true[:, label]], weights[:, ~true[:, label]]
        areas.append(((positives @ over) * negatives).sum(1) / positives.sum(1) / negatives.sum(1))
        order = np.argsort(-preds[:, label])
        mass, hits = weights[:, order], (weights * true[:, label])[:, order]
        ranked.append((hits * hits.cumsum(1) / np.maximum(mass.cumsum(1), 1)).sum(1) / hits.sum(1))
    return found | {
        "f1_macro": _f1(tp, support, predicted).mean(1),
        "f1_weighted": (_f1(tp, support, predicted) * support).sum(1) / support.sum(1),
        "f1_micro": _f1(tp.sum(1), support.sum(1), predicted.sum(1)),
        "precision_macro": (tp / np.maximum(predicted, 1)).mean(1),
        "specificity_micro": 1 - (predicted - tp).sum(1) / (ROWS * LABELS - support.sum(1)),
        "auroc_macro": np.mean(areas, axis=0),
        "auroc_weighted": (np.array(areas).T * support).sum(1) / support.sum(1),
        "average_precision_macro": np.mean(ranked, axis=0),
    }


def test_intervals_agree_with_a_bootstrap_of_pairs_of_rows() -> None:
    """A standard error of 2,000 resamples is off by 1.6 %; the two ways differ by as much again in 200 rows."""
    weights = np.random.default_rng(5).multinomial(ROWS, np.full(ROWS, 1 / ROWS), 2000).astype(float)
    first, second = (drawn(weights, each) for each in (FIRST, SECOND))
    whole = [drawn(np.ones((1, ROWS)), each) for each in (FIRST, SECOND)]
    found = compared(sources(FIRST, SECOND), tuple(first))
    for name in first:
        each, error = found.metric(name).differences[1], np.std(second[name] - first[name])
        assert each.value == pytest.approx(float((whole[1][name] - whole[0][name])[0]), rel=1e-9), name
        assert (each.high - each.low) / 2 == pytest.approx(1.97 * error, rel=0.09), name
        assert (each.high + each.low) / 2 == pytest.approx(each.value, abs=0.25 * error), name
        assert stats.norm.isf(each.p / 2) == pytest.approx(abs(each.value) / error, rel=0.12), name


CURVES = ("ks", "auroc_fpr0.2", "recall_at_precision0.8", "precision_at_recall0.7", "specificity_at_sensitivity0.9")


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("weight", [None, WEIGHTS])
@pytest.mark.parametrize("cluster", [None, np.arange(ROWS) // 5])
def test_the_curve_of_a_label_is_compared_as_that_of_two_classes(name, weight, cluster) -> None:
    more = {"weight": weight, "cluster": cluster}
    found = difference(f"{name}[1]", FIRST, SECOND, **more)
    alone = compared(
        sources(FIRST[:, 1], SECOND[:, 1], target=TARGET[:, 1], **more), [name], task="binary", scores="probs"
    )
    each = alone.metric(name).differences[1]
    assert (found.value, found.low, found.high) == pytest.approx((each.value, each.low, each.high), abs=1e-12)
    assert (found.p, found.method) == (pytest.approx(each.p, abs=1e-12), each.method)


@pytest.mark.parametrize("clusters", [None, 100])
def test_means_and_pools_of_curves_agree_with_a_bootstrap(clusters) -> None:
    """A standard error of 100 resamples is off by 7 %."""
    cluster = None if clusters is None else np.arange(ROWS) // (ROWS // clusters)
    groups = np.arange(ROWS)[:, None] if clusters is None else np.arange(ROWS).reshape(clusters, -1)
    rng, values = np.random.default_rng(6), []
    for _ in range(100):
        rows = groups[rng.integers(0, len(groups), len(groups))].ravel()
        areas = [
            [roc_auc_score(t, p, max_fpr=0.3) for t, p in zip(TARGET[rows].T, each[rows].T, strict=True)]
            + [roc_auc_score(TARGET[rows].ravel(), each[rows].ravel(), max_fpr=0.3)]
            for each in (FIRST, SECOND)
        ]
        gap = np.subtract(areas[1], areas[0])
        values.append((gap[:LABELS].mean(), gap[LABELS]))
    for name, error in zip(("auroc_fpr0.3_macro", "auroc_fpr0.3_micro"), np.std(values, axis=0), strict=True):
        each = difference(name, FIRST, SECOND, cluster=cluster)
        assert (each.high - each.low) / 2 == pytest.approx(2.0 * error, rel=0.2), name
        assert stats.norm.isf(each.p / 2) == pytest.approx(abs(each.value) / error, rel=0.25), name


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
