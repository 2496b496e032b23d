"""States of metrics of the user's own that no arrays can hold, and forged ones: an error that names the metric."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_sums import OWN, PARTS, part, parts

import evalcli
from evalcli.errors import InputError, UsageError
from evalcli.loading import own_metrics
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode, report_of_part


class Words(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("word", np.array(""))

    def update(self, preds, target):
        self.word = np.array("x")

    def compute(self):
        return 1


class Ragged(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.add_state("pieces", [], reduce="cat")

    def update(self, preds, target):
        self.pieces.append([1, 2])

    def compute(self):
        return len(self.pieces)


class Hidden(evalcli.Metric):
    def __init__(self):
        super().__init__()
        self.rows = 0

    def update(self, preds, target):
        self.rows += len(target)

    def merge(self, other):
        self.rows += other.rows
        return self

    def compute(self):
        return self.rows


class Raises(evalcli.Metric):
    def update(self, preds, target):
        pass

    def state_dict(self):
        raise OSError("no\nway")

    def compute(self):
        return 0


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        (Words(), "state 'word' is an array of <U1 of shape ()"),
        (Ragged(), "state 'pieces' holds a list"),
        (Hidden(), "'rows' is merged and is no state"),
        (Raises(), "no"),
    ],
    ids=["text", "list", "outside", "raises"],
)
def test_a_metric_that_no_arrays_can_hold_is_named(metric, why):
    name = type(metric).__name__
    with pytest.raises(UsageError) as caught:
        part(0, 5, own_metrics([metric]))
    message = str(caught.value)
    assert message.startswith(f"--metric {name}: its state cannot be written as arrays: {why}; keep numbers and arrays")
    assert "\n" not in message


def test_attributes_that_nobody_merges_may_be_anything():
    class Caching(evalcli.Metric):
        def __init__(self):
            super().__init__()
            self.add_state("rows", 0)
            self.last = None

        def update(self, preds, target):
            self.rows += len(target)
            self.last = object()

        def compute(self):
            return self.rows

    own = own_metrics([Caching()])
    assert report_of_part(merge(parts(own)), own=own).metrics["Caching"].value == 600


def forge(held, about=None, arrays=None):
    content = unpack(encode(held), "p")
    changed = {**content.about, **(about or {})}
    states = {**content.arrays, **(arrays or {})}
    return pack(changed, {k: v for k, v in states.items() if v is not None}, evalcli.__version__)


def forged_abouts():
    plain = unpack(encode(PARTS[0]), "p").about
    (one,) = plain["contributions"]
    failure = {"name": "Sums", "what": "x", "place": ""}
    yield {"own": []}
    yield {"contributions": []}
    yield {"own": [*plain["own"], *plain["own"]]}
    yield {"own": [{"name": "Sums"}]}
    yield {"contributions": [one, one]}
    yield {"contributions": [{**one, "failures": [{**failure, "name": "Other"}]}]}
    yield {"contributions": [{**one, "failures": [failure, failure]}]}
    yield {"contributions": [{**one, "failures": [failure]}]}
    yield {"contributions": [{**one, "inputs": [{**one["inputs"][0], "side": "x"}]}]}


@pytest.mark.parametrize("about", list(forged_abouts()), ids=str)
def test_what_is_said_of_the_states_is_checked(about):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], about))


@pytest.mark.parametrize("name", ["own.1.0.total", "own.0.1.total", "own.0", "own.x.y.z", "own.00.0.total", "own..."])
def test_states_of_nobody_are_refused(name):
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(forge(PARTS[0], arrays={name: np.zeros(1)}))


@pytest.mark.parametrize(
    "arrays",
    [
        {"own.0.0.total": None},
        {"own.0.0.total": np.zeros(3)},
        {"own.0.0.total": np.ones((), bool)},
        {"own.0.0.other": np.zeros(3)},
        {"own.0.0.seen.lengths": None},
        {"own.0.0.seen.lengths": np.array([3])},
        {"own.0.0.seen.lengths": np.array([-2])},
        {"own.0.0.seen.lengths": np.array([2**62, 2**62, 2**62, 2**62])},
        {"own.0.0.seen.lengths": np.zeros((1, 1), np.int64)},
        {"own.0.0.seen": np.array(1.0)},
        {"own.0.0.seen": None},
        {"own.0.0.squares": np.zeros((2, 2))},
    ],
    ids=str,
)
def test_forged_states_are_an_error_that_names_the_metric(arrays):
    held = decode(forge(PARTS[0], arrays=arrays), "f.evalcli")  # what they mean, no merge needs to know
    total = merge([held, *PARTS[1:]])
    with pytest.raises(InputError, match=r"^f\.evalcli: the states of Sums are not those of this metric"):
        report_of_part(total, own=OWN)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_array_in_place_of_a_state_is_an_error_or_a_failure(data):
    names = [key for key in unpack(encode(PARTS[0]), "p").arrays if key.startswith("own.")]
    dtype = data.draw(st.sampled_from(["bool", "int8", "int64", "uint64", "float16", "float64", "bfloat16"]))
    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    shape = data.draw(st.lists(st.integers(0, 3), max_size=4))
    name = data.draw(st.sampled_from(names))
    held = decode(forge(PARTS[0], arrays={name: np.ones(shape, dtype)}))
    with suppress(InputError):
        said = [name for name in report_of_part(merge([held, PARTS[1]]), own=OWN).metrics if "Sums" in name]
        assert said
