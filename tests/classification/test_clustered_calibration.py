"""What bins say of rows in clusters: those of one row are rows, and rows that are all alike tell as much as one."""

import numpy as np
import pytest
from scipy import special

import evalcli

OF_BOTH = ["ece", "ece_equal_mass", "mce", "overconfidence", "brier_reliability", "brier_resolution"]
NAMES = {"binary": [*OF_BOTH, "ece_positive"], "multiclass": [*OF_BOTH, "ece_classwise"]}


def drawn(task, rows, sharper, seed):
    """Probabilities and targets of a model that is as many times ``sharper`` as it should be."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, 4)) * 1.5
    if task == "binary":
        target = (rng.random(rows) < special.expit(scores[:, 0])).astype(int)
        return special.expit(sharper * scores[:, 0]), target
    target = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    return special.softmax(sharper * scores, axis=1), target


def found_of(preds, target, task, **options):
    return evalcli.evaluate(preds, target, task=task, metrics=NAMES[task], **options).data.metrics


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("sharper", [1.0, 2.0])
@pytest.mark.parametrize("rows", [60, 100, 500])
def test_clusters_of_one_row_are_rows(task, sharper, rows):
    for seed in range(3):
        preds, target = drawn(task, rows, sharper, seed)
        alone, found = (found_of(preds, target, task, cluster=one) for one in (None, np.arange(rows)))
        for name in NAMES[task]:
            ratio = (found[name].high - found[name].low) / (alone[name].high - alone[name].low)
            assert 0.9 < ratio < 1.2, (name, ratio)


@pytest.mark.parametrize("task", NAMES)
def test_rows_five_times_over_are_as_sure_as_once(task):
    preds, target = drawn(task, 90, 2.0, 0)
    once = found_of(preds, target, task)
    preds, target, cluster = (np.repeat(part, 5, axis=0) for part in (preds, target, np.arange(90)))
    alone, found = (found_of(preds, target, task, cluster=one) for one in (None, cluster))
    for name in NAMES[task]:
        if name == "ece_equal_mass":
            continue  # its bins are of more rows
        widths = [one[name].high - one[name].low for one in (once, alone, found)]
        assert 0.85 < widths[2] / widths[0] < 1.2, name
        assert widths[1] < 0.9 * widths[2], name


@pytest.mark.parametrize("task", NAMES)
def test_widths_are_what_samples_of_clusters_scatter_by(task):
    rng, samples = np.random.default_rng(4), []
    names = ["ece", "brier_reliability", "brier_resolution"]
    for _ in range(40):
        cluster = np.repeat(np.arange(80), rng.integers(1, 13, 80))
        alike = special.ndtr(np.sqrt(0.5) * rng.normal(size=80)[cluster] + np.sqrt(0.5) * rng.normal(size=len(cluster)))
        scores = np.sort(rng.normal(size=(len(cluster), 4)) * 1.5, axis=1)[:, ::-1]  # a cluster is right together
        if task == "binary":
            said, target = special.expit(2.0 * scores[:, 0]), (alike < special.expit(scores[:, 0])).astype(int)
        else:
            said = special.softmax(2.0 * scores, axis=1)
            target = np.minimum((alike[:, None] > special.softmax(scores, axis=1).cumsum(axis=1)).sum(axis=1), 3)
            classes = np.argsort(rng.random(scores.shape), axis=1)
            said, target = np.take_along_axis(said, classes, axis=1), np.argmax(classes == target[:, None], axis=1)
        found = evalcli.evaluate(said, target, task=task, cluster=cluster, metrics=names).data.metrics
        samples.append([(found[name].value, found[name].high - found[name].low) for name in names])
    values, widths = np.moveaxis(np.array(samples), 2, 0)
    ratios = widths.mean(axis=0) / (2.0 * 1.99 * values.std(axis=0, ddof=1))
    assert ratios.min() > 0.85, ratios  # 40 samples know it to 11 %
    assert ratios.max() < 1.6, ratios


def test_clusters_of_one_row_of_a_very_good_model_take_nothing_from_it():
    rng = np.random.default_rng(5)
    target = rng.integers(0, 4, 300)
    logits = rng.normal(size=(300, 4))
    logits[np.arange(300), target] += 4.0
    logits *= 4.0
    names = "log_loss brier ece ece_classwise ece_equal_mass mce brier_reliability brier_resolution mrr"
    options = {"metrics": [*names.split(), "mean_confidence"]}
    rows = evalcli.evaluate(logits, target, **options).data.metrics
    clusters = evalcli.evaluate(logits, target, cluster=np.arange(300), **options).data.metrics
    for name, one in rows.items():
        times = (clusters[name].high - clusters[name].low) / (one.high - one.low)
        assert 0.9 < times < (2.2 if name == "brier_reliability" else 1.3), (name, times)
