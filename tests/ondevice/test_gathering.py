"""What a device gathers of scores against what the host counts: torch runs here on the CPU."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch

from evalcli.metrics import temperature
from evalcli.metrics.calibration import CalibrationBins, ClasswiseBins
from evalcli.metrics.confidence import ConfidenceTable
from evalcli.metrics.exact import ExactSum
from evalcli.metrics.losses import Brier, LogLoss
from evalcli.metrics.odds import one_vs_rest_scores
from evalcli.metrics.probability import ScoreForm, probability_rows, score_rows
from evalcli.metrics.rank_sample import RankSample
from evalcli.metrics.ranking import KeyTable
from evalcli.metrics.scorestate import feed
from evalcli.metrics.selective import aurc
from evalcli.metrics.temperature import LowestHashes, TemperatureSample, second_hashes
from evalcli.metrics.temperature import row_hashes as host_hashes
from evalcli.metrics.topk import RankHistogram
from evalcli.ondevice import gather, keys, sums
from evalcli.ondevice.odds import one_vs_rest_columns
from evalcli.ondevice.rows import RowsThere, look
from evalcli.ondevice.samples import HashedRows, Hashes, SampleThere

RNG = np.random.default_rng(7)


def nasty(rows: int, classes: int) -> np.ndarray:
    """Logits with ties, far ones, infinite ones, several infinite ones, and zeros of both signs."""
    logits = RNG.normal(size=(rows, classes)) * RNG.choice([0.1, 3.0, 300.0], (rows, 1))
    logits[::5, 0] = logits[::5, -1]
    logits[1], logits[2], logits[3, 0] = 0.0, -0.0, 1e30
    logits[4, 0], logits[5], logits[6, 1] = np.inf, np.inf, -np.inf
    logits[7, 1:], logits[8] = -np.inf, logits[9]
    return logits


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def forms() -> dict[str, tuple[ScoreForm, np.ndarray, np.ndarray]]:
    found = {}
    for classes in (2, 3, 8, 65, 130):
        target = RNG.integers(classes, size=600)
        logits = nasty(600, classes)
        probs = softmax(RNG.normal(size=(600, classes)) * 4)
        probs[:3] = np.eye(classes)[:1]
        found[f"logits-{classes}"] = ScoreForm("logits", classes), logits, target
        found[f"float32-{classes}"] = ScoreForm("logits", classes, eps=2.0**-23), logits.astype(np.float32), target
        found[f"probs-{classes}"] = ScoreForm("probs", classes), probs, target
        found[f"probs32-{classes}"] = ScoreForm("probs", classes, eps=2.0**-23), probs.astype(np.float32), target
    target, odds = RNG.integers(2, size=600), RNG.normal(size=600) * 5
    odds[:5] = 0.0, -0.0, np.inf, -np.inf, 800.0
    share = (1 / (1 + np.exp(-odds))).round(2)
    found["one-logit"] = ScoreForm("logits", binary=True), odds, target
    found["one-prob"] = ScoreForm("probs", binary=True), share, target
    found["one-prob32"] = ScoreForm("probs", binary=True, eps=2.0**-23), share.astype(np.float32), target
    return found


FORMS = forms()


def states_of(form: ScoreForm, scores: np.ndarray, budget: int = 1 << 26, *, weighted: bool = False) -> dict:
    bits = 32 if scores.dtype == np.float32 and (form.kind == "probs" or form.binary) else 64
    found = {
        "loss": LogLoss(form, weighted=weighted),
        "brier": Brier(form, weighted=weighted),
        "bins": CalibrationBins(form, weighted=weighted),
        "table": ConfidenceTable(form, budget=budget, weighted=weighted),
        "ranked": KeyTable(1 if form.binary else form.classes, bits=bits, budget=budget, weighted=weighted),
        "temperature": TemperatureSample(form, rows=50, weighted=weighted),
    }
    if form.binary:
        return found | {"positive": CalibrationBins(form, of="positive", weighted=weighted)}
    found |= {"classwise": ClasswiseBins(form, weighted=weighted), "ranks": RankHistogram(form, weighted=weighted)}
    if form.classes <= 8:
        found["pairs"] = KeyTable(form.classes, bits=bits, budget=budget, pairwise=True, weighted=weighted)
    return found | {"sample": RankSample(form.classes, cells=40 * form.classes, weighted=weighted)}


def on_host(
    states: dict, form: ScoreForm, scores: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
) -> dict:
    hashes = host_hashes(scores, target, weight)
    shared = [state for state in states.values() if hasattr(state, "take") and not isinstance(state, RankSample)]
    with np.errstate(all="ignore"):
        feed(shared, score_rows(scores, target, form, weight)._replace(hashes=hashes))
        odds = scores if form.binary else one_vs_rest_scores(scores, form.kind)
    for name in {"ranked", "pairs"} & states.keys():
        states[name].update(odds, target, weight)
    if "sample" in states:
        states["sample"].update(odds, target, weight, hashes=hashes)
    return states


def gathered(
    states: dict,
    form: ScoreForm,
    scores: np.ndarray,
    target: np.ndarray,
    cuts: list[int],
    weight: np.ndarray | None = None,
) -> gather.DeviceScores:
    there = gather.DeviceScores(states, form, "cpu")
    for start, stop in pairwise([0, *cuts, len(target)]):
        more = None if weight is None else torch.from_numpy(weight[start:stop])
        there.update(torch.from_numpy(scores[start:stop]), torch.from_numpy(target[start:stop]), weight=more)
    return there


def saved(states: dict) -> dict[str, np.ndarray]:
    return {f"{name}.{part}": array for name, state in states.items() for part, array in state.state_dict().items()}


EXPONENTIALS = ("total", "confidence", "column", "ranked", "pairs", "sample", "sizes")
"""What may differ in a last digit, since two libraries take an exponential or a logarithm."""


@pytest.mark.parametrize("name", FORMS)
def test_rows_are_looked_at_as_on_the_host(name):
    form, scores, target = FORMS[name]
    with np.errstate(all="ignore"):
        here = probability_rows(score_rows(scores, target, form), form)
    there = look(torch.from_numpy(scores), torch.from_numpy(target), form)
    for part in ("rank", "tied", "clipped"):
        mine, theirs = getattr(here, part), getattr(there, part)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs.numpy(), err_msg=part)
    for part in ("loss", "brier", "confidence", "doubt", "positive"):
        if getattr(here, part) is not None:
            np.testing.assert_allclose(getattr(there, part).numpy(), getattr(here, part), 1e-14, 1e-300, err_msg=part)


@pytest.mark.parametrize("name", [name for name, (form, *_) in FORMS.items() if not form.binary])
def test_odds_are_those_of_the_host(name):
    form, scores, _ = FORMS[name]
    with np.errstate(all="ignore"):
        here = one_vs_rest_scores(scores, form.kind)
    np.testing.assert_allclose(one_vs_rest_columns(torch.from_numpy(scores), form.kind).T.numpy(), here, 1e-13, 1e-300)


@pytest.mark.parametrize("classes", [4, 7, 70])
def test_rows_of_the_same_logits_tie_whichever_class_has_which(classes):
    logits = torch.from_numpy(RNG.integers(-6, 7, (400, classes)) / 4)
    logits[:40] = -2000.0  # of which those of other classes are next to nothing beside the first
    logits[:40, 0] = 0.0
    odds = one_vs_rest_columns(logits, "logits")
    for order in (range(classes - 1, -1, -1), RNG.permutation(classes)):
        assert torch.equal(one_vs_rest_columns(logits[:, list(order)], "logits"), odds[list(order)])


WEIGHED = [f"weighed-{name}" for name in ("logits-3", "float32-8", "probs-8", "probs32-65", "one-logit", "one-prob32")]


@pytest.mark.parametrize("name", [*FORMS, *WEIGHED])
def test_states_take_over_what_the_host_counts(name, monkeypatch):
    """Whole numbers are the same bits, and so are sums of weights; so is everything where no exponential is taken."""
    monkeypatch.setattr(keys, "MOST_BYTES", 5000 if name in WEIGHED else keys.MOST_BYTES)
    form, scores, target = FORMS[name.removeprefix("weighed-")]
    finite = np.isfinite(scores.reshape(len(scores), -1)).all(axis=1) | (form.kind == "logits")
    scores, target = scores[finite], target[finite]
    weight = RNG.choice([0.0, 0.1, 0.3, 5e-100, 1e100], len(target)) if name in WEIGHED else None
    here = on_host(states_of(form, scores, weighted=weight is not None), form, scores, target, weight)
    there = states_of(form, scores, weighted=weight is not None)
    gathered(there, form, scores, target, [10, 10, 333], weight).settle()
    expected, found = saved(here), saved(there)
    assert expected.keys() == found.keys()
    for key, array in expected.items():
        exact = form.kind == "probs" and "loss" not in key and "bri" not in key
        if exact or not any(word in key for word in EXPONENTIALS):
            np.testing.assert_array_equal(found[key], array, err_msg=key)
    for state in ("loss", "brier"):
        assert float(there[state].total) == pytest.approx(float(here[state].total), rel=1e-14)
    mine, theirs = here["ranked"].compute(), there["ranked"].compute()
    for one, other in zip(mine, theirs, strict=True):
        assert (one.pos.sum(), one.neg.sum()) == (other.pos.sum(), other.neg.sum())


def test_losses_that_no_number_holds_with_their_weight_are_infinite():
    scores, target, form = (
        np.array([[1e300, 0.0], [0.0, 1.0], [0.0, np.inf]]),
        np.array([1, 1, 0]),
        FORMS["logits-2"][0],
    )
    weight = np.array([1e10, 2.0, 0.0])
    here, there = ({"loss": LogLoss(form, weighted=True)} for _ in range(2))
    on_host(here, form, scores, target, weight)
    gathered(there, form, scores, target, [], weight).settle()
    for states in (here, there):
        assert states["loss"].compute()[:4] == (3, 1e10 + 2, pytest.approx(2 * np.log1p(np.exp(-1))), 1)


@pytest.mark.parametrize("budget", [1 << 26, 4000])
def test_no_cut_and_no_merge_shows(budget, monkeypatch):
    monkeypatch.setattr(gather, "_SCORES", 500)
    form, scores, target = FORMS["logits-8"]
    whole = states_of(form, scores, budget)
    gathered(whole, form, scores, target, []).settle()
    assert budget > 4000 or not whole["ranked"].exact
    parts = []
    for start, stop, cuts in ((0, 250, [1, 7]), (250, 600, [100])):
        states = states_of(form, scores, budget)
        parts.append((states, gathered(states, form, scores[start:stop], target[start:stop], cuts)))
    (states, there), (_, also) = parts
    there.merge(also)
    there.settle()
    expected, found = saved(whole), saved(states)
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_confidences_of_a_device_and_of_the_host_tie(monkeypatch):
    """Whose exponentials differ: the CPU stands in for a GPU, with an error so large that some are rounded apart."""
    rng = np.random.default_rng(5)
    scores = torch.from_numpy(rng.normal(size=(6000, 4))).bfloat16().float()
    scores[3000:] = scores[:3000][:, torch.from_numpy(rng.permutation(4))]
    target, form = torch.from_numpy(rng.integers(0, 4, 6000)), ScoreForm("logits", 4)

    def erring(*sides):
        rows = look(*sides)
        rows.doubt = (rows.doubt.view(torch.int64) + 200 * (torch.arange(len(target)) % 7 - 3)).view(torch.float64)
        return rows

    monkeypatch.setattr(gather, "look", erring)
    here, there = ConfidenceTable(form), ConfidenceTable(form)
    here.update(scores.numpy(), target.numpy())
    found = gather.DeviceScores({"table": there}, form, "cpu")
    found.update(scores, target)
    found.settle()
    assert len(here.compute().low) < 3100
    assert len(there.column.bins_of((0, 1)).least) > len(here.compute().low)
    assert aurc(there.compute()) == aurc(here.compute())
    assert len(there.merge(here).compute().low) == len(here.compute().low)
    assert aurc(there.compute()) == aurc(copy.deepcopy(here).merge(here).compute())


@pytest.mark.parametrize("name", ["logits-3", "one-logit", "probs-8"])
def test_nothing_that_waits_lies_in_the_memory_of_a_batch(name):
    form, scores, target = FORMS[name]
    expected, found = states_of(form, scores), states_of(form, scores)
    expected["temperature"], found["temperature"] = TemperatureSample(form), TemperatureSample(form)
    gathered(expected, form, scores, target, []).settle()
    there = gather.DeviceScores(found, form, "cpu")
    room, labels = (
        torch.empty(scores[:60].shape, dtype=torch.from_numpy(scores).dtype),
        torch.empty(60, dtype=torch.int64),
    )
    for start in range(0, 600, 60):
        room.copy_(torch.from_numpy(scores[start : start + 60]))
        labels.copy_(torch.from_numpy(target[start : start + 60]))
        there.update(room, labels)
    room.zero_()
    labels.zero_()
    there.settle()
    for key, array in saved(expected).items():
        np.testing.assert_array_equal(saved(found)[key], array, err_msg=key)


def test_full_columns_are_sorted_on_the_way(monkeypatch):
    form, scores, target = FORMS["logits-3"]
    expected = states_of(form, scores, 2000)
    gathered(expected, form, scores, target, []).settle()
    monkeypatch.setattr(keys, "MOST_BYTES", 1000)
    found = states_of(form, scores, 2000)
    gathered(found, form, scores, target, list(range(50, 600, 50))).settle()
    for key, array in saved(expected).items():
        np.testing.assert_array_equal(saved(found)[key], array, err_msg=key)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("capacity", [4, 5, 17, 100, 1000])
def test_columns_are_sorted_into_the_bins_of_the_host(bits, capacity):
    from evalcli.metrics.keycolumn import KeyColumn
    from evalcli.metrics.keys import sort_keys

    scores = np.concatenate([RNG.normal(size=300), RNG.integers(-3, 3, 100), [0.0, -0.0, np.inf, -np.inf, 5e-324]])
    scores = scores.astype(np.float32 if bits == 32 else np.float64)
    truth = RNG.random(len(scores)) < 0.3
    here, there = KeyColumn(2, bits, capacity), KeyColumn(2, bits, capacity)
    for side in (0, 1):
        here.add(side, sort_keys(scores[truth == side], bits))
    column = keys.ColumnsThere(1, bits, "cpu")
    rows = RowsThere(torch.from_numpy(truth))
    column.add(keys.sort_keys(torch.from_numpy(scores)[None], bits), rows, rows.target)
    column.into([there], [1])
    for key, array in here.state_dict().items():
        np.testing.assert_array_equal(there.state_dict()[key], array, err_msg=key)


def test_sums_are_the_exact_ones(monkeypatch):
    monkeypatch.setattr(sums, "_MOST_ROWS", 1000)
    values = RNG.normal(size=5000) * 10.0 ** RNG.integers(-300, 300, 5000)
    values[:4] = 0.0, -0.0, 5e-324, 1.7e308
    cells = RNG.integers(3, size=5000)
    expected = ExactSum(3)
    expected.add(values, cells)
    there, also, total = sums.SumsThere(3, "cpu"), sums.SumsThere(3, "cpu"), ExactSum(3)
    for part, (start, stop) in zip((there, also, there), pairwise([0, 700, 3000, 5000]), strict=True):
        part.add(torch.from_numpy(values[start:stop]), torch.from_numpy(cells[start:stop]))
    there.merge(also)
    there.into(total)
    assert total.exact() == expected.exact()
    there.into(total)  # nothing is left
    assert total.exact() == expected.exact()
    for key, array in expected.state_dict().items():
        np.testing.assert_array_equal(total.state_dict()[key], array)


def unsigned(hashes):
    return hashes.numpy().view(np.uint64)


def test_hashes_are_those_of_the_host():
    for classes in (1, 2, 40):
        scores, target = RNG.normal(size=(100, classes)).astype(np.float32), RNG.integers(9, size=100)
        scores[0] = -0.0
        there, sides = Hashes(classes, "cpu"), (torch.from_numpy(scores), torch.from_numpy(target))
        np.testing.assert_array_equal(unsigned(there.first(*sides)), host_hashes(scores, target))
        content = np.column_stack([scores, target]).astype(np.float64)
        np.testing.assert_array_equal(unsigned(there.second(*sides)), second_hashes(content))
        short = sides[0].bfloat16()
        np.testing.assert_array_equal(
            unsigned(there.first(short, sides[1])), host_hashes(short.float().numpy(), target)
        )
    there, flat = Hashes(1, "cpu"), torch.from_numpy(scores[:, 0].copy())
    np.testing.assert_array_equal(unsigned(there.first(flat, sides[1])), host_hashes(scores[:, 0], target))


def test_the_lowest_are_kept_as_unsigned_numbers():
    here, rows = LowestHashes(3, 1), SampleThere(LowestHashes(3, 1), "cpu")
    hashes = np.array([1 << 63, 5, (1 << 64) - 1, 5, 7, 9, 2, 1], np.uint64)
    content, counts = hashes.astype(np.float64), np.array([1, 1, 1, 1, 1, 1, 1, 0])
    for some in (slice(0, 2), slice(2, 8)):
        here.add(hashes[some][counts[some] > 0], content[some, None][counts[some] > 0], counts[some][counts[some] > 0])
        there = torch.from_numpy(hashes[some].view(np.int64))
        rows.add(HashedRows(there, there), [torch.from_numpy(content[some])], torch.from_numpy(counts[some]))
    rows.settle()
    assert rows.sample.kept.hashes.tolist() == [2, 5, 7]
    assert rows.sample.kept.content[:, 0].tolist() == [2.0, 5.0, 7.0]
    assert rows.sample.kept.counts.tolist() == here.kept.counts.tolist() == [1, 2, 1]
    rows.settle()  # nothing is left
    assert rows.sample.kept.counts.tolist() == [1, 2, 1]


def test_rows_of_one_hash_are_sampled_as_on_the_host(monkeypatch):
    """Of the first hash 17 bits are left, so that it is often that of other rows, too."""
    scores = torch.from_numpy(RNG.normal(size=(200_000, 2))).bfloat16().float()
    target = (scores[:, 0] > 0).long()
    whole = Hashes.first
    monkeypatch.setattr(Hashes, "first", lambda *a: whole(*a) & (-1 << 47))
    monkeypatch.setattr(temperature, "row_hashes", lambda *a: host_hashes(*a) & np.uint64((1 << 64) - (1 << 47)))
    form = ScoreForm("logits", 2)
    here, there = TemperatureSample(form, rows=1000), TemperatureSample(form, rows=1000)
    here.update(scores.numpy(), target.numpy())
    found = gather.DeviceScores({"sample": there}, form, "cpu")
    for start, stop in ((0, 70_000), (70_000, 200_000)):
        found.update(scores[start:stop], target[start:stop])
    found.settle()
    kept = here.sample.kept
    assert len(np.unique(kept.hashes)) < len(kept.hashes)
    assert kept.counts.max() > 1
    for key, array in here.state_dict().items():
        np.testing.assert_array_equal(there.state_dict()[key], array, err_msg=key)


def test_what_cannot_be_gathered():
    suits = gather.DeviceScores.suits
    form = ScoreForm("logits", 3)
    assert suits({"loss": LogLoss(form), "pairs": KeyTable(3, pairwise=True, weighted=True)}, "cuda")
    assert not suits({"loss": LogLoss(form)}, "mps")


def test_a_copy_goes_on_by_itself():
    form, scores, target = FORMS["probs-3"]
    states = states_of(form, scores)
    there = gathered(states, form, scores[:100], target[:100], [])
    there.settle()
    other = copy.deepcopy(there)
    other.update(torch.from_numpy(scores), torch.from_numpy(target))
    other.settle()
    assert states["loss"].rows == 100
    assert other.states["loss"].rows == 700
