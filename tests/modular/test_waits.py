"""No batch of a metric object waits for a device but the first, whatever is left out and weighed. The CPU stands in."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch_waits import waits_for_torch

from evalcli import metrics
from evalcli.errors import EvalError
from evalcli.metrics.registry import MEASURED
from evalcli.modular import waiting
from evalcli.modular.classes import class_name
from evalcli.modular.setup import options_of, parameter_of
from evalcli.sources import held_arrays

ROWS, BATCH, CLASSES = 240, 40, 4
IGNORED = 3


def sides(kind):
    """Predictions and truth of a task, as tensors."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, CLASSES, ROWS)
    scores = (rng.normal(size=(ROWS, CLASSES)) + 1.5 * np.eye(CLASSES)[target]).astype(np.float32)
    several = (rng.random((ROWS, CLASSES)) < 0.4).astype(np.int64)
    probs = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = {
        "logits": (scores, target),
        "probs": (probs, target),
        "labels": (scores.argmax(axis=1), target),
        "two": (scores[:, :2], target % 2),
        "one": (scores[:, 0], target % 2),
        "several": (scores + several.astype(np.float32), several),
        "values": (np.abs(scores[:, 0]) + 1, np.abs(scores[:, 1]) + 1),
    }
    return tuple(torch.as_tensor(side.copy()) for side in found[kind])


def kinds_of(entry):
    """Which inputs a metric has."""
    if entry.reads == "values":
        return ["values"]
    found = [] if "multiclass" not in entry.tasks else ["logits", "probs"]
    found += ["two", "one"] if "binary" in entry.tasks else []
    found += ["several"] if "multilabel" in entry.tasks else []
    if {"multiclass", "binary"} & {*entry.tasks} and not entry.needs_scores:
        found += ["labels"]
    return found


OPTIONS = {"plain": {}, "weights": {}, "ignored": {"ignore_index": IGNORED}, "drop": {"nan": "drop"}}
OPTIONS |= {"wrong": {"nan": "wrong"}, "ignored, drop": {"ignore_index": IGNORED, "nan": "drop"}}


def made(entry, kind, options):
    """A metric object of this input, with what it cannot do without."""
    known = {name for name, _, _ in options_of(entry)}
    given = {name: value for name, value in OPTIONS[options].items() if name in known}
    if entry.parameter is not None:
        number = float(entry.parameter.example)
        given[parameter_of(entry)] = int(number) if entry.parameter.whole else number
    if kind in {"logits", "probs", "labels"} and entry.per_class:
        given |= {"average": entry.averages[0]} if entry.averages else {"label": 1}
    elif kind == "several":
        means = (*entry.averages, *entry.multilabel)
        given |= {"task": "multilabel"} | ({"average": means[0]} if means else {})
    return getattr(metrics, class_name(entry))(**given)


CASES = [
    pytest.param(entry, kind, options, id=f"{name} {kind} {options}")
    for name, entry in MEASURED.items()
    for kind in kinds_of(entry)
    for options in OPTIONS
    if (kind, options) != ("values", "wrong")
]


STATES = {(entry.state, kind, options): case for case in CASES for entry, kind, options in [case.values]}
"""A metric of each state."""


def states_of(wanted):
    return pytest.mark.parametrize(("entry", "kind", "options"), [STATES[key] for key in STATES if wanted(*key[1:])])


FIRST = {entry: case for case in reversed(CASES) for entry, _, options in [case.values] if options == "ignored, drop"}
WAITED = sorted({case.id: case for case in (*FIRST.values(), *STATES.values())}.values(), key=lambda case: case.id)
"""Every metric, and every state of every input with every option."""


def update(metric, rows, *given):
    """Count some rows of all that is given."""
    metric.update(*(side[rows] for side in given if side is not None))


def fed(metric, *given, size=BATCH):
    """Count them in batches, whose memory is used again."""
    for start in range(0, ROWS, size):
        parts = [None if side is None else side[start : start + size].clone() for side in given]
        update(metric, slice(None), *parts)
        for part in parts:
            if part is not None:
                part.zero_()
    return metric


def weights():
    return torch.as_tensor(np.random.default_rng(1).random(ROWS))


def states(metric):
    """What was counted, as bits, but for the evidence, which says what was left out."""
    held = metric.state_dict()
    others = ("stream.pass.evidence", "stream.known", "stream.form", "stream.undefined")
    return {name: array.tobytes() for name, array in held.items() if not name.startswith(others)}


@pytest.mark.parametrize(("entry", "kind", "options"), WAITED)
def test_no_further_batch_waits(entry, kind, options, monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    given = (*sides(kind), weights() if options == "weights" else None)
    there, whole = made(entry, kind, options), made(entry, kind, options)
    update(there, slice(0, BATCH), *given)
    with waits_for_torch(monkeypatch) as waits:
        for start in range(BATCH, ROWS, BATCH):
            update(there, slice(start, start + BATCH), *given)
    assert waits[0] == 0
    update(whole, slice(0, ROWS), *given)
    np.testing.assert_array_equal(float(there.compute()), float(whole.compute()))


@states_of(lambda kind, options: kind in {"logits", "probs", "two"} and options not in {"plain", "weights"})
def test_rows_that_are_left_out_leave_no_trace(entry, kind, options, monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    preds, target = sides(kind)
    preds[5:200:9, 1] = torch.nan
    preds[7] = -torch.inf
    if "ignored" in options:
        target[9:220:11] = IGNORED
    preds[9] = torch.nan  # of a row that is ignored
    nowhere = torch.isnan(preds).any(dim=1) | (preds == -torch.inf).all(dim=1)
    ignored, wrong = target == IGNORED if "ignored" in options else nowhere & False, options == "wrong"
    if "drop" in options or wrong:
        kept = ~ignored & ~nowhere
    else:
        kept, preds = ~ignored, torch.where((nowhere & ~ignored)[:, None], 1 / preds.shape[1], preds)
    one = fed(made(entry, kind, options), preds, target)
    if not wrong:
        plain = made(entry, kind, "plain")
        update(plain, slice(0, int(kept.sum())), preds[kept], target[kept])
        assert states(one) == states(plain)
    monkeypatch.setattr(held_arrays, "GATHERING", {"cuda"})
    here = made(entry, kind, options)
    update(here, slice(0, ROWS), preds, target)
    np.testing.assert_allclose(float(one.compute()), float(here.compute()), rtol=1e-12)
    evidence = ("rows", "ignored", "dropped", "pred_low", "pred_high", "target_low", "target_high", "off_rows")
    for name in (f"pass.evidence.{name}" for name in evidence):
        assert one.state_dict().get(name) == here.state_dict().get(name), name


@states_of(lambda kind, options: options == "weights" or kind in {"one", "several", "values", "labels"})
def test_what_waits_is_counted_as_if_it_had_not(entry, kind, options, monkeypatch):
    given = (*sides(kind), weights() if options == "weights" else None)
    here = fed(made(entry, kind, options), *given)
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    monkeypatch.setattr(waiting, "MOST_BATCHES", 2)
    there = fed(made(entry, kind, options), *given)
    copied = copy.deepcopy(there)
    assert there.state_dict().keys() == here.state_dict().keys()
    for name, array in there.state_dict().items():
        assert array.tobytes() == here.state_dict()[name].tobytes(), name
    assert float(copied.merge(there).compute()) == pytest.approx(float(here.compute()), rel=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", ["Accuracy", "ECE", "AUROC"])
def test_what_is_wrong_with_a_batch_that_waits_is_told_in_the_end(name, monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    monkeypatch.setattr(waiting, "MOST_BYTES", 1 << 14)
    means, heavy = {"average": "macro"} if name == "AUROC" else {}, weights()
    heavy[50:53] = -1.0
    one = fed(getattr(metrics, name)(**means), *sides("logits"), heavy)
    for _ in range(2):  # it stays wrong
        with pytest.raises(EvalError, match=r"3 weights are negative"):
            one.compute()
    one.reset()
    assert float(fed(one, *sides("logits"), weights()).compute()) > 0


@pytest.mark.parametrize("name", ["Accuracy", "ECE", "AUROC"])
def test_ignored_rows_hide_no_others_outside_the_classes(name, monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    preds, target = sides("logits")
    target[::4], target[101:103] = -100, 7
    one = fed(
        getattr(metrics, name)(ignore_index=-100, **({"average": "macro"} if name == "AUROC" else {})), preds, target
    )
    with pytest.raises(EvalError, match=r"2 (rows hold a label|targets are) outside the classes 0 to 3"):
        one.compute()


def test_batches_of_ignored_rows_alone_decide_nothing(monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    preds, target = sides("logits")
    target[: 2 * BATCH] = IGNORED
    one = fed(metrics.LogLoss(ignore_index=IGNORED), preds, target)
    kept = target != IGNORED
    other = metrics.LogLoss()
    other.update(preds[kept], target[kept])
    assert float(one.compute()) == float(other.compute())


@pytest.mark.parametrize("options", ["ignored", "drop", "wrong", "ignored, drop", "weights"])
@pytest.mark.parametrize("name", ["accuracy", "ece", "auroc", "log_loss", "mae"])
def test_states_are_saved_and_go_on(name, options, monkeypatch):
    monkeypatch.setattr(held_arrays, "GATHERING", {"cpu"})
    kind = "values" if name == "mae" else "logits"
    if (kind, options) == ("values", "wrong"):
        return
    preds, target = sides(kind)
    preds[11::17] = torch.nan if options != "weights" else 0.5
    if "ignored" in options and "drop" not in options:
        target[11::17] = IGNORED
    given = (preds, target, weights() if options == "weights" else None)
    three = [made(MEASURED[name], kind, options) for _ in range(3)]
    if kind == "values" and "drop" not in options:
        preds[11::17] = 0.5
    one = fed(three[0], *given)
    three[1].load_state_dict(one.state_dict())
    copied = pickle.loads(pickle.dumps(one))
    for other in (three[1], copied, copy.deepcopy(one)):
        update(other, slice(0, ROWS), *given)
        np.testing.assert_equal(float(other.compute()), float(one.compute()))  # all rows twice
