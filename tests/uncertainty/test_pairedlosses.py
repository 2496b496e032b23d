"""Differences of mean losses of two models of which one was never wrong in a sample."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

import evalcli
from evalcli.uncertainty.intervals import Confidence, none_of
from evalcli.uncertainty.losses import unseen_loss
from evalcli.uncertainty.means import WORST_LOSS, Moments
from evalcli.uncertainty.paired import mean_difference
from evalcli.uncertainty.pairedlosses import UnseenLosses

CONFIDENCE = Confidence()
KINDS = [(0, inf), (1, 1.0)]


def drawn(rng, rows, distances, sure=(1.0, 1.0), together=0.5):
    """Losses and squared errors of two models whose errors hang ``together``, as ``test_losses`` draws them.

    Each takes its logits times ``sure`` for what they are.
    """
    noise = rng.normal(size=(2, rows))
    noise[1] = together * noise[0] + (1.0 - together**2) ** 0.5 * noise[1]
    logits = [2.0 * far * by * (far + each) for far, by, each in zip(distances, sure, noise, strict=True)]
    return [(np.logaddexp(0.0, -each), (1.0 / (1.0 + np.exp(each))) ** 2) for each in logits]


def both(losses, largest, confidence=CONFIDENCE, costs=None):
    """The difference of the first model less the second, without and with what was not seen, or what that ``costs``."""
    first, second = losses
    moments = Moments.of(first - second)
    span = WORST_LOSS if largest == inf else largest
    plain = mean_difference(float(first.mean()), float(second.mean()), moments, confidence, span)
    unseen = UnseenLosses(*(costs_of(losses, largest) if costs is None else costs))
    return plain, unseen.allowed(plain, moments, confidence, span)


def costs_of(losses, largest):
    """What a wrong row of either would cost."""
    rows = len(losses[0])
    return [unseen_loss(each, np.ones(rows), largest, 1.0, none_of(rows, CONFIDENCE.critical)) for each in losses]


@pytest.mark.parametrize(("kind", "largest"), KINDS)
@pytest.mark.parametrize("distances", [(3.0, 3.5), (3.5, 3.0)])
def test_the_difference_of_two_that_are_hardly_ever_wrong_is_held(kind, largest, distances):
    large = drawn(np.random.default_rng(0), 2_000_000, distances)
    truth = large[0][kind].mean() - large[1][kind].mean()
    rng, held, scatter = np.random.default_rng(1), 0, 0
    for _ in range(300):
        plain, found = both([each[kind] for each in drawn(rng, 400, distances)], largest)
        held += found.interval.low <= truth <= found.interval.high
        scatter += plain.interval.low <= truth <= plain.interval.high
    assert held >= 0.95 * 300
    assert scatter < 0.85 * 300  # what the scatter of right rows alone would say


@pytest.mark.parametrize(("kind", "largest"), KINDS)
def test_no_test_finds_what_its_interval_does_not(kind, largest):
    rng, found_by_scatter, found = np.random.default_rng(2), 0, 0
    for number in range(300):
        losses = [each[kind] for each in drawn(rng, 200, [(2.0, 2.5), (3.0, 2.0)][number % 2])]
        plain, allowed = both(losses, largest)
        outside = not allowed.interval.low <= 0.0 <= allowed.interval.high
        assert outside == (allowed.p < 0.05)
        assert allowed.p >= plain.p
        found_by_scatter, found = found_by_scatter + (plain.p < 0.05), found + outside
    assert 0 < found < found_by_scatter


def test_the_p_value_is_one_less_the_confidence_that_ends_at_0():
    rng = np.random.default_rng(3)
    losses = [np.append(rng.random(200) * 0.1, 6.0 + rng.random(5)), rng.random(205) * 0.01]
    plain, found = both(losses, inf)
    at = both(losses, inf, Confidence(1.0 - found.p), costs_of(losses, inf))[1]
    assert plain.p < 0.9 * found.p < 0.9
    assert at.interval.low == pytest.approx(0.0, abs=1e-9)
    back = both(losses[::-1], inf)[1]
    assert back.p == pytest.approx(found.p, rel=1e-9)
    assert (back.interval.low, back.interval.high) == pytest.approx((-found.interval.high, -found.interval.low))


def test_a_model_that_is_too_sure_of_itself_has_its_difference_held():
    """Two or three rows are wrong on average, and each costs four times what it would cost the other model."""
    how = {"distances": (2.0, 2.0), "sure": (1.0, 4.0), "together": 0.9}
    large = drawn(np.random.default_rng(0), 2_000_000, **how)
    truth = large[0][0].mean() - large[1][0].mean()
    rng, held, believed = np.random.default_rng(7), 0, 0
    for _ in range(300):
        losses = [each[0] for each in drawn(rng, 100, **how)]
        found = both(losses, inf)[1].interval
        costs = [unseen_loss(each, np.ones(100), inf) for each in losses]
        other = both(losses, inf, costs=costs)[1].interval
        held += found.low <= truth <= found.high
        believed += other.low <= truth <= other.high
    assert held >= 0.93 * 300
    assert believed < 0.87 * 300  # of a model that is believed, and one wrong row taken for all there is to know


def test_where_both_were_wrong_nothing_changes():
    rng = np.random.default_rng(4)
    for largest, wrong in ((inf, [0.7, 0.8]), (1.0, [0.3])):
        plain, found = both([np.append(rng.random(99) * 0.1, wrong) for _ in range(2)], largest)
        assert found is plain


def test_one_wrong_row_does_not_tell_what_others_cost_in_a_log_loss():
    rng = np.random.default_rng(8)
    plain, found = both([np.append(rng.random(98) * 0.1, wrong) for wrong in ([0.1, 0.7], [0.7, 0.8])], inf)
    assert found.interval.high > plain.interval.high
    assert found.interval.low == plain.interval.low


def test_only_the_end_of_a_model_that_was_never_wrong_moves():
    rng = np.random.default_rng(5)
    wrong, right = np.append(rng.random(98) * 0.1, [0.7, 0.8]), rng.random(100) * 0.1
    plain, found = both([wrong, right], inf)
    assert found.interval.high == plain.interval.high
    assert found.interval.low < plain.interval.low
    assert found.detectable > plain.detectable


def test_a_model_without_a_doubt_may_lose_the_most():
    one = np.ones(3)
    assert unseen_loss(np.zeros(3), one, inf) == WORST_LOSS
    assert unseen_loss(np.zeros(3), one, 2.0) == 2.0
    assert unseen_loss(np.array([0.0, 0.0, 0.7]), one, inf) == 0.0


def compared(losses, **options):
    """Of the command itself: the probabilities of two models, the truth always 1 or 0 by turns."""
    target = np.arange(len(losses[0])) % 2
    scores = [np.where(target == 1, np.exp(-each), -np.expm1(-each)) for each in losses]
    if options.get("task") == "multilabel":
        target, scores = np.stack([target, 1 - target], axis=1), [np.stack([p, 1.0 - p], axis=1) for p in scores]
    return evalcli.compare(*scores, target=target, scores="probs", metrics=["log_loss", "brier"], **options).data


@pytest.mark.parametrize("task", [None, "multilabel"])
@pytest.mark.parametrize("clusters", [False, True])
def test_a_comparison_allows_for_rows_that_were_not_seen(task, clusters):
    """Three rows of 200 that the first has wrong say that the second is better, but not what it has wrong elsewhere."""
    rng = np.random.default_rng(6)
    first, second = (rng.random(200) * 0.02 for _ in range(2))
    first[[20, 90, 150]] = [0.6, 0.65, 0.68]
    known = compared([first, second], task=task, cluster=np.arange(200) // 2 if clusters else None)
    first[[20, 90, 150]] = second[[20, 90, 150]] = 0.71  # each was wrong there: there is nothing that was not seen
    seen = compared([first, second], task=task, cluster=np.arange(200) // 2 if clusters else None)
    share = 3.8415 / (200 + 3.8415)
    cost = (second * 0 + -np.log(-np.expm1(-second))) @ -np.expm1(-second) / -np.expm1(-second).sum()
    for name, costs in (("log_loss", 0.9 * share * cost), ("brier", 0.9 * share)):
        less, more = known.metric(name).differences[1], seen.metric(name).differences[1]
        assert less.high > less.value + (0.3 if name == "brier" else 0.2) * costs
        assert (less.p < 0.05) == (not less.low <= 0.0 <= less.high)
        assert more.high - more.value < 0.5 * costs
