"""Parts: every state comes back bit for bit, any tree of merges gives the bytes of one run, nothing else is let in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from counted_parts import CUTS, DATA, ROWS, measured, numbers_of, parts_of, source, text
from memory_source import MemorySource

import evalcli
from evalcli.errors import EmptyError, InputError
from evalcli.evaluation import report_of
from evalcli.evidence import Evidence
from evalcli.merging import check_complete, merge
from evalcli.parts import decode, encode, part_of, report_of_part
from evalcli.plaindata import fitted, plain
from evalcli.sources.base import InputFile
from evalcli.sources.labels import class_order
from evalcli.task import Choices
from evalcli.threshold import Chosen

if TYPE_CHECKING:
    from evalcli.parts import Part


@pytest.mark.parametrize("name", DATA)
def test_M17_merged_parts_give_the_bytes_of_one_run(name: str) -> None:
    make, choices = DATA[name]
    whole = numbers_of(report_of(measured(make, choices, slice(0, ROWS))))
    parts = parts_of(make, choices, size=190, workers=3)
    assert numbers_of(report_of_part(merge(parts))) == whole
    trees = [
        merge(parts),
        merge(parts[::-1]),
        merge([merge(parts[:2]), merge(parts[2:])]),
        merge([parts[3], merge([parts[1], merge([parts[2], parts[0]])])]),
        merge([decode(encode(merge([parts[2], parts[0]])), "x"), parts[3], parts[1]]),
    ]
    assert len({encode(tree) for tree in trees}) == 1


@pytest.mark.parametrize("name", DATA)
def test_every_state_comes_back_bit_for_bit(name: str) -> None:
    make, choices = DATA[name]
    first = part_of(*measured(make, choices, slice(0, 1_500)))
    again = decode(encode(first), "part")
    before, after = first.gathered.state_dict(), again.gathered.state_dict()
    assert before.keys() == after.keys()
    for key, array in before.items():
        assert (array.dtype, array.shape) == (after[key].dtype, after[key].shape), key
        assert array.tobytes() == after[key].tobytes(), key
    assert again.gathered.evidence == first.gathered.evidence
    assert again.about == first.about
    assert again.task == first.task
    assert encode(again) == encode(first)
    assert numbers_of(report_of_part(again)) == numbers_of(report_of(measured(make, choices, slice(0, 1_500))))


def test_merging_leaves_the_parts_as_they_are() -> None:
    parts = parts_of(*DATA["text"])
    before = [encode(part) for part in parts]
    merge(parts)
    merge(parts[::-1])
    assert [encode(part) for part in parts] == before


def test_ranks_beyond_the_budget_merge_to_the_same_interval() -> None:
    make, choices = DATA["logits"]
    more: dict[str, Any] = {"budget": 20_000, "metrics": ("auroc_macro", "average_precision[2]", "auroc_ovo", "aurc")}
    whole = measured(make, choices, slice(0, ROWS), **more)
    assert report_of(whole).metrics["auroc_macro"].certified is not None
    parts = parts_of(make, choices, **more)
    assert numbers_of(report_of_part(merge(parts))) == numbers_of(report_of(whole))
    assert encode(merge(parts)) == encode(merge(parts[::-1]))


def test_faults_and_every_field_of_evidence_are_saved() -> None:
    evidence = Evidence(rows=5, ignored=1, dropped=2, pred_low=-1.5, off_rows=1, off_worst=0.25, off_row=4, tied=3)
    evidence.fault("nan", np.array([3, 9]))
    evidence.group_fault("target-range", np.array([0]), np.array([-5]), np.array([40]))
    again = Evidence()
    again.load_state_dict(evidence.state_dict())
    assert again == evidence
    for key in evidence.state_dict():
        with pytest.raises(ValueError, match="lacks"):
            Evidence().load_state_dict({name: array for name, array in evidence.state_dict().items() if name != key})


def test_values_go_through_json_and_back() -> None:
    chosen = Chosen("t.json", 0.5, None, "probs", "spam", frozenset({"sha256:b", "sha256:a"}))
    for value in (Choices(labels=("a", "b"), topk=(1, 3), chosen=chosen, threshold=0.5), InputFile("a", 1, "b")):
        assert fitted(type(value), json.loads(json.dumps(plain(value)))) == value
    for broken in (
        {},
        {"path": "a"},
        plain(InputFile("a", 1, "b")) | {"x": 1},
        {**plain(InputFile("a", 1, "b")), "size": True},
    ):
        with pytest.raises(ValueError, match="is "):
            fitted(InputFile, broken)


def refusal(*parts: Part) -> str:
    with pytest.raises(InputError) as caught:
        merge(parts)
    with pytest.raises(InputError):  # in any order
        merge(parts[::-1])
    return str(caught.value)


def test_parts_that_were_counted_otherwise_say_what_to_do() -> None:
    make, choices = DATA["logits"]
    first = parts_of(make, choices, [0, 1_500])[0]

    def second(**more: Any) -> Part:
        return parts_of(make, replace(choices, **more), [1_500, ROWS])[0]

    assert refusal(first, second(labels=tuple("abcdef"))) == (
        "1500.evalcli: declares other labels than 0000.evalcli; write all parts with the same --labels [E3]"
    )
    assert "other choices than 0000.evalcli (--nan)" in refusal(first, second(nan="drop"))
    assert "other choices than 0000.evalcli (--ignore-index)" in refusal(first, second(ignore_index=0))
    assert "other choices than 0000.evalcli (--classes)" in refusal(first, second(classes="declared"))
    narrow = parts_of(make, choices, [1_500, ROWS], metrics=("accuracy",))[0]
    assert "computed other metrics than 0000.evalcli" in refusal(first, narrow)
    gated = parts_of(make, choices, [1_500, ROWS], also=("auroc_ovo",))[0]
    assert "with the same --min and --max" in refusal(first, gated)
    budget = parts_of(make, choices, [1_500, ROWS], budget=1 << 20)[0]
    assert "ranks within another budget than 0000.evalcli (1048576 beside none)" in refusal(first, budget)
    weighted = parts_of(*DATA["weighted"], [1_500, ROWS])[0]
    assert "differs in having weights from 0000.evalcli; write all parts with the same --weight" in refusal(
        first, weighted
    )
    assert "has another layout than" in refusal(first, parts_of(*DATA["binary"], [1_500, ROWS])[0])
    doubles = parts_of(*DATA["probs"], [1_500, ROWS])[0]
    assert "stores its scores in another type than 0000.evalcli (float64 beside float32)" in refusal(first, doubles)
    texts, numbers = (parts_of(*DATA[name], [a, b])[0] for name, a, b in (("text", 0, 9), ("numbers", 9, ROWS)))
    assert refusal(texts, numbers) == (
        "0009.evalcli: its targets are whole numbers, those of 0000.evalcli texts; "
        "write all parts with one kind stored in all of them [E3]"
    )


def test_a_decision_that_the_whole_input_takes_otherwise_is_refused() -> None:
    rng = np.random.default_rng(0)
    score, truth = rng.random(200), rng.integers(0, 2, 200)
    score[100:] -= 0.5  # the first half alone looks like probabilities
    parts = parts_of(lambda rows: source(rows, score, truth), Choices(), [0, 100, 200])
    assert refusal(*parts) == (
        "0000.evalcli: its rows alone were taken for binary probs, all parts together are binary logits; "
        "write all parts again with --scores logits [E3]"
    )
    parts = parts_of(lambda rows: source(rows, score, truth), Choices(scores="logits"), [0, 100, 200])
    whole = measured(lambda rows: source(rows, score, truth), Choices(), slice(0, 200))
    merged = report_of_part(merge(parts))
    assert numbers_of(merged) == numbers_of(report_of(whole))


def test_rows_of_one_label_each_beside_rows_of_several_ask_for_the_task() -> None:
    one = np.eye(3, dtype=np.int64)[[0, 1, 2, 1, 0]]
    several = one.copy()
    several[0] = 1
    sides = [(0.8 * target + 0.1, target) for target in (one, several)]
    with pytest.warns(UserWarning, match="probabilities or logits"):
        parts = [evalcli.evaluate(*both, partial=True) for both in sides]
    for order in (parts, parts[::-1]):
        with pytest.raises(InputError, match=r"taken for multiclass probs, all parts .* again with task='multilabel'"):
            evalcli.merge(order)
    merged = evalcli.merge(evalcli.evaluate(*both, partial=True, task="multilabel") for both in sides)
    assert merged.report().data.n == 10


def test_classes_that_scores_were_counted_for_cannot_grow() -> None:
    target = np.array(["ham", "spam"] * 50 + ["eggs", "spam"] * 50)
    score = np.linspace(0, 1, 200)

    def make(rows: slice) -> MemorySource:
        names = class_order(set(target[rows].tolist()))
        codes = np.array([names.index(name) for name in target[rows]])
        found = MemorySource(score[rows], codes, labels=names)
        found.finish = lambda: (InputFile(str(rows.start), 1, str(rows.start)),)  # type: ignore[method-assign]
        return found

    parts = parts_of(make, Choices(positive="spam"), [0, 100, 200])
    assert "0.evalcli" in refusal(*parts)


def with_inputs(part: Part, *files: InputFile) -> Part:
    return replace(part, about=replace(part.about, inputs=files))


def test_rows_are_counted_once() -> None:
    first, second, *_ = parts_of(*DATA["numbers"])
    assert refusal(first, first) == ("0000.evalcli: its rows are counted already: 0000.npy; name every part once [E3]")
    merged = merge([first, second])
    assert "counted already: 0017.npy" in refusal(merged, second)
    copied = with_inputs(second, replace(first.about.inputs[0], path="copy.npy"))
    assert "counted already: copy.npy, which equals 0000.npy" in refusal(first, copied)


def test_a_target_may_look_like_another_but_be_counted_once() -> None:
    first, second, *_ = parts_of(*DATA["numbers"])
    truth = InputFile("t1.npy", 8, "sha256:t", "target", total=17)
    one = with_inputs(first, InputFile("p1.npy", 8, "sha256:a", "preds"), truth)
    two = with_inputs(second, InputFile("p2.npy", 8, "sha256:b", "preds"), replace(truth, path="t2.npy"))
    paths = [file.path for file in merge([two, one]).about.inputs]
    assert paths == ["p1.npy", "p2.npy", "t1.npy", "t2.npy"]
    again = with_inputs(second, InputFile("p2.npy", 8, "sha256:b", "preds"), truth)
    assert "counted already: t1.npy" in refusal(one, again)


def test_ranges_of_rows_join_and_must_not_overlap() -> None:
    first, second, third, fourth = parts_of(*DATA["numbers"])
    file = InputFile("x.npy", 8, "sha256:x", "both", (0, 17), ROWS)
    ranged = [
        with_inputs(part, replace(file, rows=(a, b)))
        for part, a, b in zip((first, second, third, fourth), CUTS, CUTS[1:], strict=False)
    ]
    some = merge([ranged[0], ranged[2], ranged[1]])
    assert [one.rows for one in some.about.inputs] == [(0, 1500)]
    with pytest.raises(InputError, match="0 to 1500 of its 3000 rows are in these parts") as caught:
        check_complete(some)
    assert caught.value.path == "x.npy"
    whole = merge([some, ranged[3]])
    check_complete(whole)
    assert [one.rows for one in whole.about.inputs] == [(0, ROWS)]
    overlapping = with_inputs(fourth, replace(file, rows=(1_499, ROWS)))
    assert "counted already: x.npy, rows 1499 to 3000" in refusal(some, overlapping)


def test_gates_may_ask_for_whatever_the_states_hold() -> None:
    total = merge(parts_of(*DATA["logits"]))
    report = report_of_part(total, ("top2_accuracy", "auroc_ovo", "fbeta2_macro"))
    assert {"top2_accuracy", "fbeta2_macro"} <= report.metrics.keys()
    assert "auroc_ovo" not in report.metrics
    direct = measured(*DATA["logits"], slice(0, ROWS), also=("top2_accuracy", "fbeta2_macro"))
    assert numbers_of(report) == numbers_of(report_of(direct))


def test_what_rows_alone_leave_in_doubt_is_judged_of_all() -> None:
    rng = np.random.default_rng(1)
    told = np.array(["cat"] * 50 + ["dog", "cat"] * 25 + ["owl"] * 50)
    said = np.where(rng.random(150) < 0.8, told, "cat")
    parts = parts_of(lambda rows: text(rows, said, told), Choices(), [0, 50, 100, 150])
    with pytest.raises(InputError, match="nothing says which one is to be found"):
        report_of_part(parts[1])
    with pytest.raises(InputError, match="nothing says which one is to be found"):
        report_of_part(merge(parts[:2]))
    whole = measured(lambda rows: text(rows, said, told), Choices(), slice(0, 150))
    assert numbers_of(report_of_part(merge(parts))) == numbers_of(report_of(whole))


def test_rows_that_are_all_left_out_still_are_rows() -> None:
    rng = np.random.default_rng(2)
    logits, target = rng.normal(size=(90, 4)).astype(np.float32), rng.integers(0, 4, 90)
    target[30:60] = -100
    choices = Choices(ignore_index=-100)
    parts = parts_of(lambda rows: source(rows, logits, target), choices, [0, 30, 60, 90])
    with pytest.raises(EmptyError):
        report_of_part(parts[1])
    whole = numbers_of(report_of(measured(lambda rows: source(rows, logits, target), choices, slice(0, 90))))
    for tree in ([0, 1, 2], [1, 0, 2], [2, 0, 1]):
        assert numbers_of(report_of_part(merge([parts[i] for i in tree]))) == whole
    assert encode(merge([parts[1], parts[0]])) == encode(merge([parts[0], parts[1]]))
