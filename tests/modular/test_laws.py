"""Laws over every class of the registry: functional = modular = command line; splits, merges, copies, kinds."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch

import evalcli
from evalcli import functional, metrics
from evalcli.metrics.registry import MEASURED
from evalcli.modular.classes import CLASSES, class_name
from evalcli.modular.setup import parameter_of

ROWS = 240
RNG = np.random.default_rng(0)
TARGET = RNG.integers(0, 4, ROWS)
LOGITS = (RNG.normal(size=(ROWS, 4)) + 1.5 * np.eye(4)[TARGET]).astype(np.float32)
LABELS = LOGITS.argmax(axis=1)
HALF = (TARGET == 2).astype(np.int64)
SCORE = LOGITS[:, 2] - LOGITS[:, 1]
WEIGHT = RNG.random(ROWS)

IN_A_CLASSIFICATION = {name: entry for name, entry in MEASURED.items() if {"binary", "multiclass"} & {*entry.tasks}}


def keywords(entry):
    """Every way to ask for a metric that a multiclass task has, and the name it has on the command line."""
    number = {} if entry.parameter is None else {parameter_of(entry): float(entry.parameter.example)}
    if entry.parameter is not None and entry.parameter.whole:
        number = {name: int(value) for name, value in number.items()}
    if entry.per_class:
        yield from ({**number, "average": average} for average in entry.averages)
        yield {**number, "label": 1}
    else:
        yield number


CASES = [
    pytest.param(name, given, id=f"{name} {given}")
    for name, entry in IN_A_CLASSIFICATION.items()
    if "multiclass" in entry.tasks
    for given in keywords(entry)
]
each = pytest.mark.parametrize(("name", "given"), CASES)


def made(name, given):
    return getattr(metrics, class_name(MEASURED[name]))(**given)


def batches(preds, target, *cuts):
    ends = (0, *cuts, len(target))
    return [(preds[a:b], target[a:b]) for a, b in itertools.pairwise(ends)]


def fed(metric, parts):
    for preds, target in parts:
        metric.update(preds, target)
    return metric


def bits(value):
    return np.asarray(float(value)).tobytes()


@each
def test_functional_is_modular_is_the_command_line_in_any_split(name, given):
    metric = made(name, given)
    told = evalcli.evaluate(LOGITS, TARGET, metrics=[str(metric)])[str(metric)]
    assert not np.isnan(told)
    assert bits(getattr(functional, name)(LOGITS, TARGET, **given)) == bits(told)
    for cuts in ((), (1,), (100, 101, 200), tuple(range(13, ROWS, 13))):
        assert bits(fed(made(name, given), batches(LOGITS, TARGET, *cuts)).compute()) == bits(told)


@each
def test_merging_in_any_order_and_grouping_is_the_whole(name, given):
    whole = bits(fed(made(name, given), [(LOGITS, TARGET)]).compute())
    parts = [fed(made(name, given), [batch]) for batch in batches(LOGITS, TARGET, 30, 31, 170)]
    for order in ((0, 1, 2, 3), (3, 1, 0, 2)):
        total = made(name, given)
        for place in order:
            total.merge(parts[place])
        assert bits(total.compute()) == whole
    left, right = copy.deepcopy(parts[0]).merge(parts[1]), copy.deepcopy(parts[2]).merge(parts[3])
    assert bits(left.merge(right).compute()) == whole
    assert bits(right.merge(made(name, given)).compute()) == bits(right.compute())


@each
def test_states_copies_and_pickles_go_on(name, given):
    first, rest = batches(LOGITS, TARGET, 100)
    whole = bits(fed(made(name, given), [first, rest]).compute())
    metric = fed(made(name, given), [first])
    loaded = made(name, given)
    loaded.load_state_dict(metric.state_dict())
    again = made(name, given)
    again.load_state_dict(loaded.state_dict())
    for other in (loaded, again, copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert bits(other.compute()) == bits(metric.compute())
        assert bits(fed(other, [rest]).compute()) == whole
    assert bits(metric.compute()) == bits(fed(made(name, given), [first]).compute())
    metric.reset()
    assert bits(fed(metric, [first, rest]).compute()) == whole


@each
def test_a_call_gives_the_value_of_the_batch_and_counts_it(name, given):
    metric = made(name, given)
    for preds, target in batches(LOGITS, TARGET, 80, 160):
        value = metric(preds, target)
        assert bits(value) == bits(getattr(functional, name)(preds, target, **given))
    assert bits(metric.compute()) == bits(getattr(functional, name)(LOGITS, TARGET, **given))


@each
def test_results_are_of_the_kind_of_the_input(name, given):
    expected = bits(getattr(functional, name)(LOGITS, TARGET, **given))
    tensor = fed(made(name, given), batches(torch.from_numpy(LOGITS), torch.from_numpy(TARGET), 77)).compute()
    assert isinstance(tensor, torch.Tensor)
    assert (tensor.dtype, tensor.shape, bits(tensor)) == (torch.float64, (), expected)
    array = fed(made(name, given), [(LOGITS, TARGET)]).compute()
    assert isinstance(array, np.float64)


@each
def test_inputs_stay_untouched(name, given):
    scores, target = LOGITS.copy(), TARGET.copy()
    scores.flags.writeable = target.flags.writeable = False
    fed(made(name, given), batches(scores, target, 50))
    tensor = torch.from_numpy(LOGITS.copy()).requires_grad_()
    fed(made(name, given), [(tensor, torch.from_numpy(TARGET))])
    assert tensor.grad is None
    assert torch.equal(tensor.detach(), torch.from_numpy(LOGITS))


@each
def test_weights(name, given):
    metric = made(name, given)
    for a, b in ((0, 90), (90, ROWS)):
        metric.update(LOGITS[a:b], TARGET[a:b], WEIGHT[a:b])
    told = evalcli.evaluate(LOGITS, TARGET, weight=WEIGHT, metrics=[str(metric)])[str(metric)]
    assert bits(metric.compute()) == bits(told)
    assert bits(getattr(functional, name)(LOGITS, TARGET, weight=WEIGHT, **given)) == bits(told)


@pytest.mark.parametrize("name", [name for name, entry in IN_A_CLASSIFICATION.items() if "binary" in entry.tasks])
@pytest.mark.parametrize("kind", ["score", "columns", "labels"])
def test_binary_metrics_bare(name, kind):
    entry = MEASURED[name]
    if entry.needs_scores and kind == "labels":
        pytest.skip("needs scores")
    columns = np.stack([np.zeros_like(SCORE), SCORE], axis=1)
    preds = {"score": SCORE, "columns": columns, "labels": (SCORE >= 0).astype(int)}[kind]
    given = {**next(iter(keywords(entry)))}
    given.pop("average", None)
    metric = made(name, given)
    told = evalcli.evaluate(preds, HALF, metrics=[str(metric)])[str(metric)]
    for cuts in ((), (100,), (20, 150, 151)):
        assert bits(fed(made(name, given), batches(preds, HALF, *cuts)).compute()) == bits(told)
    assert bits(getattr(functional, name)(preds, HALF, **given)) == bits(told)


@pytest.mark.parametrize("name", [name for name, entry in IN_A_CLASSIFICATION.items() if not entry.needs_scores])
def test_labels_of_any_form(name):
    given = next(iter(keywords(MEASURED[name])))
    told = bits(getattr(functional, name)(LABELS, TARGET, **given))
    for preds, target, more in (
        (torch.from_numpy(LABELS), torch.from_numpy(TARGET).int(), {}),
        (LABELS.tolist(), TARGET.tolist(), {}),
        (LABELS.astype(np.uint8), TARGET, {"labels": 4}),
        (LABELS.reshape(60, 2, 2), TARGET.reshape(60, 2, 2), {}),
        (np.eye(4)[LABELS].reshape(60, 2, 2, 4).transpose(0, 3, 1, 2), TARGET.reshape(60, 2, 2), {"class_axis": 1}),
    ):
        metric = made(name, {**given, **more})
        half = len(target) // 2
        assert bits(fed(metric, batches(preds, target, half)).compute()) == told
    words = np.array(list("abcd"))
    lettered = {**given, "labels": "abcd", **({"label": "b"} if "label" in given else {})}
    lettered["labels"] = list("abcd")
    assert bits(fed(made(name, lettered), batches(words[LABELS], words[TARGET], 70)).compute()) == told


def test_every_row_has_a_class_and_a_function_with_a_signature():
    assert {*functional.__all__} == {*MEASURED}
    assert {entry.name for entry in CLASSES.values()} == {*MEASURED}
    assert len(CLASSES) == len(MEASURED)
    for name, entry in MEASURED.items():
        function, cls = getattr(functional, name), getattr(metrics, class_name(entry))
        shape = inspect.signature(function)
        assert list(shape.parameters)[:3] == ["preds", "target", "weight"]
        assert [*inspect.signature(cls).parameters] == list(shape.parameters)[3:]
        for text in (inspect.getdoc(function), inspect.getdoc(cls)):
            assert entry.formula_text in text
            assert entry.source in text
            assert "--" not in text
        assert pickle.loads(pickle.dumps(cls)) is cls
        assert cls.__name__ in dir(metrics)
    with pytest.raises(TypeError, match="missing a required argument: 'target'"):
        functional.accuracy(LABELS)
    with pytest.raises(TypeError, match="unexpected keyword argument 'beta'"):
        functional.accuracy(LABELS, TARGET, beta=2)
    with pytest.raises(evalcli.UsageError, match="use average='macro' or label='0' "):
        functional.f1([0, 1, 2], [0, 1, 1])
    with pytest.raises(AttributeError, match="did you mean 'auroc'"):
        functional.roc_auc_score  # noqa: B018
    with pytest.raises(AttributeError, match="did you mean 'accuracy'"):
        functional.acuracy  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'Acuracy'"):
        metrics.Acuracy  # noqa: B018
