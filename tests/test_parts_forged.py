"""Parts that were cut, changed or forged: nothing is let in that was not counted."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from counted_parts import DATA, parts_of

import evalcli
from evalcli.errors import EvalError, InputError
from evalcli.merging import merge
from evalcli.metrics.multilabel import LabelCounts
from evalcli.metrics.paircells import PairRows, PairTable
from evalcli.partfile import SCHEMA, pack, unpack
from evalcli.parts import About, decode, encode, report_of_part
from evalcli.plaindata import _hints, _names
from evalcli.renderers import render

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def small() -> bytes:
    return encode(parts_of(*DATA["logits"], [0, 17])[0])


def test_S12_every_flipped_byte_is_noticed(small: bytes) -> None:
    begin = 8 + int.from_bytes(small[:8], "little")
    rng = random.Random(0)
    places = {*range(begin), *(rng.randrange(begin, len(small)) for _ in range(300)), len(small) - 1}
    accepted, refused = [], set()
    for place in sorted(places):
        for bit in (0x01, 0x20):
            broken = bytearray(small)
            broken[place] ^= bit
            try:
                again = decode(bytes(broken), "part")
            except InputError as error:
                refused.add((error.path, str(error).count("\n")))
            else:
                accepted.append((place, encode(again) == small))
    # what is only told (the version in the header, a space for a tab) changes nothing that is read
    assert all(same for _, same in accepted)
    assert len(accepted) < 80
    assert refused == {("part", 0)}


def test_X11_every_cut_is_noticed(small: bytes) -> None:
    for size in [*range(0, 1_000, 7), *range(1_000, len(small), 997), len(small) - 1]:
        with pytest.raises(InputError):
            decode(small[:size], "part")
    for more in (b"x", b"\0" * 8, small):
        with pytest.raises(InputError):
            decode(small + more, "part")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 1}, "not a part that evalcli writes"),
        ({"version": "0.0.9"}, "written by evalcli '0.0.9', and this is"),
        ({"n": 18}, "its decision is not the one of its evidence"),
        ({"task": "binary"}, "its decision is not the one of its evidence"),
        ({"metrics": ["no such"]}, "not a part that evalcli writes"),
        ({"weighted": True}, "not a part that evalcli writes"),
        ({"rows": -1}, "less than nothing"),
        ({"budget": 16}, "not a part that evalcli writes"),
    ],
)
def test_a_forged_description_is_refused(small: bytes, change: dict[str, Any], said: str) -> None:
    about, arrays = unpack(small, "part")
    with pytest.raises(InputError, match=said):
        decode(pack(about | change, arrays, "0.1.0"), "part")


def test_another_format_names_the_version_that_wrote_it(small: bytes) -> None:
    newer = small.replace(b"evalcli.part/8", b"evalcli.part/9").replace(b'"evalcli":"0.1.0"', b'"evalcli":"0.9.0"')
    with pytest.raises(InputError) as caught:
        decode(newer, "part")
    assert str(caught.value) == (
        "part: a part of the format evalcli.part/9, and this evalcli reads evalcli.part/8; "
        "merge with evalcli 0.9.0, which wrote it [E3]"
    )


def test_a_former_format_of_the_same_version_is_told_as_such(small: bytes) -> None:
    with pytest.raises(InputError) as caught:
        decode(small.replace(b"evalcli.part/8", b"evalcli.part/3"), "part")
    assert str(caught.value) == (
        "part: a part of the format evalcli.part/3, and this evalcli reads evalcli.part/8; "
        "write the part again with -o PART.evalcli [E3]"
    )


def _described(kind: Any) -> Any:
    """The names and types of all that a description may hold."""
    names = _names(kind)
    if names is not None:
        return [kind.__name__, *([name, _described(_hints(kind)[name])] for name in names)]
    inner = [_described(one) for one in get_args(kind) if one is not Ellipsis]
    return inner or getattr(kind, "__name__", str(kind))


def test_the_format_has_another_name_whenever_its_description_changes() -> None:
    said = json.dumps(_described(About)).encode()
    known = {"evalcli.part/8": "41b401ba6aac03de"}
    assert hashlib.sha256(said).hexdigest()[:16] == known[SCHEMA], "raise SCHEMA, and note its description here"


VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    2**62,
    1.5,
    "",
    "x",
    [],
    {},
    [1],
    "logits",
    "binary",
    "score",
    1e308,
    [2**40, 3],
]
ARRAYS = [
    np.zeros(shape, kind) for shape in [(), (0,), (1,), (3, 3)] for kind in ("int64", "float64", "bool", "uint64")
]


def _forge(rng: random.Random, about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Change one value of the description, or one array."""
    if rng.random() < 0.5:
        place: Any = about
        key: Any = rng.choice(list(about))
        while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
            place = place[key]
            key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        place[key] = rng.choice(VALUES)
        return
    name = rng.choice(list(arrays))
    array = arrays[name]
    how = rng.randrange(4)
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[name] = rng.choice(ARRAYS)
    elif how == 2:
        arrays[name] = array.reshape(-1)[:-1]
    elif array.size and array.dtype != bool:
        array.reshape(-1).view(np.uint8)[rng.randrange(array.nbytes)] ^= 1 << rng.randrange(8)


@pytest.mark.parametrize("name", ["logits", "weighted", "text", "weighted text", "binary"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # sums of forged counts may overflow, as anyone's may
def test_forged_parts_with_a_true_digest_are_refused_or_harmless(name: str) -> None:
    part = parts_of(*DATA[name], [0, 300])[0]
    other = parts_of(*DATA[name], [300, 600])[0]
    content = unpack(encode(part), "part")
    rng = random.Random(name)
    outcomes: dict[str, int] = {}
    for _ in range(250):
        about, arrays = copy.deepcopy(content.about), {key: array.copy() for key, array in content.arrays.items()}
        for _ in range(rng.choice([1, 1, 2])):
            _forge(rng, about, arrays)
        try:
            found = decode(pack(about, arrays, "0.1.0"), "forged")
            render(report_of_part(found), "json")
            merge([found, other])
        except EvalError as error:
            outcomes[str(error)] = str(error).count("\n")
    assert len(outcomes) > 10
    assert set(outcomes.values()) == {0}


def _values() -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(1)
    target, weight = rng.exponential(size=40), rng.random(40) + 0.1
    metrics = ["mae", "spearman"]
    part = evalcli.evaluate(
        np.round(target * 1.1, 2), target, task="regression", metrics=metrics, weight=weight, partial=True
    )
    content = unpack(bytes(part), "part")
    return content.about, {key: array.copy() for key, array in content.arrays.items()}


def _doubled(array: Any) -> Any:
    return np.concatenate([array, array])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("repeats", lambda array: array[:-1]),
        ("repeats", lambda array: array * 0),
        ("weight", lambda array: array * np.inf),
        ("weight", lambda array: -array),
        ("weight", _doubled),
        ("x", _doubled),
        ("x", lambda array: array.astype(np.int64)),
        ("about", lambda array: array[:1]),
        ("bits", lambda array: array[:1]),
        ("y", None),
    ],
)
def test_forged_pairs_of_values_are_refused(name: str, change: Callable[[Any], Any] | None) -> None:
    about, arrays = _values()
    key = f"RankPairs.pairs0.{name}"
    if change is None:
        del arrays[key]
    else:
        arrays[key] = change(arrays[key])
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(pack(about, arrays, "0.1.0"), "forged")


@pytest.mark.parametrize("rows", [0, 400])
@pytest.mark.parametrize("budget", [16, 1 << 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_tables_of_pairs_are_read_back_and_forged_ones_refused(rows: int, budget: int, weighted: bool) -> None:
    table, rng = PairTable(budget, weighted=weighted), np.random.default_rng(0)
    keys = rng.integers(1, 1 << 62, (2, rows)).astype(np.uint64)
    table.add(PairRows(*keys, weight=rng.random(rows) + 0.1 if weighted else None))
    state = table.state_dict()
    again = PairTable(budget, weighted=weighted)
    again.load_state_dict(state)
    assert [array.tolist() for array in again.state_dict().values()] == [array.tolist() for array in state.values()]
    shortened = [{name: array[1:]} for name, array in state.items() if array.ndim and array.size]
    for forged in (*shortened, {"about": state["about"] + 1}, {"about": state["about"] - 200}):
        if weighted and not table.exact and forged.get("about") is not None:
            continue  # sums of weights do not tell of how many rows
        with pytest.raises(ValueError, match="the saved"):
            PairTable(budget, weighted=weighted).load_state_dict(state | forged)


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_of_labels_that_no_rows_have_are_refused(weighted: bool) -> None:
    state = LabelCounts(2, weighted=weighted)
    state.update(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [0, -1]]), np.array([0.1, 0.3]) if weighted else None)
    saved = state.state_dict()
    LabelCounts(2, weighted=weighted).load_state_dict(saved)
    end = ".limbs" if weighted else ""
    for name, factor in (("tp", 2), ("support", 0), ("predicted", 0), ("n", 0), ("tp", -1)):
        with pytest.raises(ValueError, match=r"the saved (counts are of no rows|sums are not carried)"):
            LabelCounts(2, weighted=weighted).load_state_dict(saved | {f"{name}{end}": saved[f"{name}{end}"] * factor})
