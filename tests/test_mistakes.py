"""Lists of mistakes and of suspect labels beside brute force, whatever the batch size and the number of workers."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource, text_source

from evalcli import mistakes
from evalcli.engine import Execution
from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.listing import Search
from evalcli.mistakes import list_mistakes
from evalcli.sources import open_source
from evalcli.sources.base import Selection
from evalcli.task import Choices

EXECUTIONS = [Execution(workers=1), Execution(batch_size=1, workers=1), Execution(batch_size=7, workers=3)]


def listed(source, search=None, limit=None, execution=EXECUTIONS[0], **choices):
    """Rows as dicts, of a source in memory."""
    found = list_mistakes(source, Choices(**choices), execution, search or Search())
    names = [column.name for column in found.columns]
    return [dict(zip(names, row, strict=True)) for piece in found.rows(limit) for row in piece]


def agree(first, *others):
    """Bit for bit the same."""
    assert all(repr(each) == repr(first) for each in others)
    return first


def softmax(row):
    """By the definition, in float64."""
    powers = [float(np.exp(np.float64(x) - max(map(float, row)))) for x in row]
    return [power / sum(powers) for power in powers]


def expected(probs, target, said=None):
    """Every mistake: row, target, prediction, confidence, margin, from probabilities (N, C)."""
    rows = []
    for i, (p, t) in enumerate(zip(probs, target, strict=True)):
        pred = int(np.argmax(p)) if said is None else said[i]
        if pred != t:
            rest = [x for j, x in enumerate(p) if j != pred]
            rows.append({"row": i, "target": str(t), "pred": str(pred), "confidence": p[pred],
                         "margin": p[pred] - max(rest)})  # fmt: skip
    return rows


def close(found, wanted):
    assert [{k: v for k, v in row.items() if k not in ("confidence", "margin")} for row in found] == [
        {k: v for k, v in row.items() if k not in ("confidence", "margin")} for row in wanted
    ]
    for name in ("confidence", "margin"):
        np.testing.assert_allclose([r[name] for r in found], [r[name] for r in wanted], rtol=1e-12, atol=1e-15)


def drawn(seed=0, n=300, classes=4, strength=1.0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, n)
    return rng.normal(size=(n, classes)) * 2 + strength * np.eye(classes)[target], target


# Mistakes


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("kind", ["logits", "probs"])
def test_mistakes_of_columns_in_the_order_of_the_file(dtype, kind):
    logits, target = drawn()
    scores = (logits if kind == "logits" else np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(dtype)
    probs = [softmax(row) for row in scores] if kind == "logits" else scores.astype(np.float64).tolist()
    choices = {} if kind == "logits" else {"scores": "probs"}
    rows = agree(*(listed(MemorySource(scores, target), execution=each, **choices) for each in EXECUTIONS))
    close(rows, expected(probs, target))
    for limit in (1, 5, len(rows), len(rows) + 1):
        assert agree(*(listed(MemorySource(scores, target), limit=limit, execution=each, **choices)
                       for each in EXECUTIONS)) == rows[:limit]  # fmt: skip


@pytest.mark.parametrize("classes", [2, 3, 65, 200])
def test_the_most_confident_come_first_and_ties_by_row(classes):
    logits, target = drawn(1, 500, classes)
    logits = logits.round(0)  # many ties
    probs = [softmax(row) for row in logits]
    every = listed(MemorySource(logits, target))
    close(every, expected(probs, target))
    wanted = sorted(every, key=lambda row: (-row["confidence"], row["row"]))
    search = Search(confident=True)
    for limit in (1, 3, 20, 10_000, None):
        rows = agree(*(listed(MemorySource(logits, target), search, limit, each) for each in EXECUTIONS))
        assert rows == wanted[:limit]


def test_a_long_ranked_list_takes_passes_and_is_the_same(monkeypatch):
    logits, target = drawn(2, 700)
    source = MemorySource(logits, target)
    whole = listed(source, Search(confident=True))
    assert source.passes == 2  # all of them fit: one that counts, one that lists
    monkeypatch.setattr(mistakes, "ROOM", 0)
    for held in (1, 7, 100, len(whole), len(whole) + 1):
        monkeypatch.setattr(mistakes, "HELD", held)
        source = MemorySource(logits, target)
        assert listed(source, Search(confident=True)) == whole
        assert source.passes == 1 + -(-len(whole) // held)
        assert listed(source, Search(confident=True), limit=50) == whole[:50]


def test_what_lies_beside_the_first_rows_tells_how_many_fit(tmp_path, monkeypatch):
    """Whole texts beside rows take more room than the rows: passes of as many as fit, all of them the same list."""
    logits, target = drawn(3, 900, 2)
    path = tmp_path / "a.csv"
    rows = zip(target, 1 / (1 + np.exp(-(logits[:, 1] - logits[:, 0]))), strict=True)
    path.write_text("target,score,text\n" + "".join(f"{y},{p:.9f},{'x' * 1000}{i}\n" for i, (y, p) in enumerate(rows)))
    search, sizes, part = Search(show=("text",), confident=True), [], mistakes._Passes._part
    with closing(open_source(str(path), None, Selection(listing=True))) as source:
        whole = listed(source, search)
    monkeypatch.setattr(mistakes, "HELD", 10)
    monkeypatch.setattr(mistakes._Passes, "_part", lambda *args: sizes.append(part(*args)) or sizes[-1])
    for room in (1 << 28, 1 << 18):
        monkeypatch.setattr(mistakes, "ROOM", room)
        sizes.clear()
        with closing(open_source(str(path), None, Selection(listing=True))) as source:
            assert listed(source, search, execution=Execution(workers=1)) == whole
        assert sizes[:2] == ([10, len(whole)] if room == 1 << 28 else [10, sizes[1]])
    assert 30 <= sizes[1] <= 60  # 256 KiB of rows of 1.2 KiB, held up to five times


def test_an_only_score_is_of_one_class_of_two():
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, 400)
    for scores, kind in ((rng.random(400), "probs"), (rng.normal(size=400) * 20, "logits")):
        p = scores if kind == "probs" else 1 / (1 + np.exp(-scores))
        rows = agree(*(listed(MemorySource(scores, target), execution=each) for each in EXECUTIONS))
        close(rows, expected(np.stack([1 - p, p], axis=1).tolist(), target))
        np.testing.assert_allclose([abs(2 * p[r["row"]] - 1) for r in rows], [r["margin"] for r in rows], atol=1e-12)


def test_the_confidence_under_a_threshold_is_that_of_the_prediction():
    scores, target = np.array([0.3, 0.1, 0.9, 0.25]), np.array([0, 1, 0, 1])
    for source in (MemorySource(scores, target), MemorySource(np.stack([1 - scores, scores], axis=1), target)):
        rows = listed(source, threshold=0.25)
        assert [(r["row"], r["pred"]) for r in rows] == [(0, "1"), (1, "0"), (2, "1")]
        np.testing.assert_allclose([r["confidence"] for r in rows], [0.3, 0.9, 0.9])
        np.testing.assert_allclose([r["margin"] for r in rows], [-0.4, 0.8, 0.8])
        assert [r["row"] for r in listed(source, Search(confident=True), threshold=0.25)] == [1, 2, 0]


def test_labels_have_no_confidence():
    rows = listed(MemorySource([0, 1, 2, 1], [0, 2, 2, 0]))
    assert rows == [
        {"row": 1, "target": "2", "pred": "1", "confidence": None, "margin": None},
        {"row": 3, "target": "0", "pred": "1", "confidence": None, "margin": None},
    ]
    names = text_source(["cat", "dog", "owl"], ["cat", "owl", "cat"])
    assert [(r["target"], r["pred"]) for r in listed(names)] == [("owl", "dog"), ("cat", "owl")]
    for search in (Search(confident=True), Search(suspects=True)):
        with pytest.raises(UsageError, match="needs scores, but the predictions are labels"):
            listed(names, search)
        with pytest.raises(UsageError, match="needs scores, but the predictions are labels"):
            listed(MemorySource(np.array([0.0, 1.0, 2.0]), np.array([0, 1, 2])), search)


def test_two_classes_are_alike_but_for_a_threshold():
    """A report asks which of the two is to be found; a mistake is one whichever it is."""
    assert [row["row"] for row in listed(text_source(["cat", "dog", "cat"], ["dog", "dog", "dog"]))] == [0, 2]
    scores, truth = np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0])
    columns = MemorySource(scores, truth, columns=("cat", "dog"))
    assert [(row["row"], row["pred"]) for row in listed(columns)] == [(1, "dog")]
    for source, choices in (
        (columns, {"threshold": 0.7}),
        (MemorySource([0.9, 0.2], [0, 0], labels=("cat", "dog")), {}),
    ):
        with pytest.raises(InputError, match="nothing says which one is to be found"):
            listed(source, **choices)
        assert len(listed(source, **choices, positive="dog")) == 1


def test_rows_that_do_not_count_are_no_mistakes_and_keep_their_numbers():
    logits, target = drawn(4, 50)
    logits[7] = np.nan
    target[[3, 20]] = 255
    close_to = expected([softmax(row) for row in np.nan_to_num(logits)], target)
    kept = [row for row in close_to if row["row"] not in (3, 7, 20)]
    close(listed(MemorySource(logits, target), ignore_index=255, nan="drop"), kept)
    rows = listed(MemorySource(logits, target), ignore_index=255, nan="wrong")
    unpredicted = {"row": 7, "target": str(target[7]), "pred": None, "confidence": None, "margin": None}
    assert [row for row in rows if row["row"] == 7] == [unpredicted]
    close([row for row in rows if row["row"] != 7], kept)
    ranked = listed(MemorySource(logits, target), Search(confident=True), ignore_index=255, nan="wrong")
    assert ranked[-1] == unpredicted
    assert len(ranked) == len(rows)
    with pytest.raises(InputError, match="row 7"):
        listed(MemorySource(logits, target), ignore_index=255)


@pytest.mark.parametrize("axis", [1, -1])
def test_elements_of_rows_have_an_index(axis):
    rng = np.random.default_rng(5)
    target = rng.integers(0, 3, (6, 4, 5))
    logits = rng.normal(size=(6, 4, 5, 3)) + np.eye(3)[target]
    scores = np.moveaxis(logits, -1, 1) if axis == 1 else logits
    rows = agree(*(listed(MemorySource(scores, target), execution=each) for each in EXECUTIONS))
    wanted = [
        (i, [j, k], str(target[i, j, k]), str(logits[i, j, k].argmax()))
        for i in range(6) for j in range(4) for k in range(5) if logits[i, j, k].argmax() != target[i, j, k]
    ]  # fmt: skip
    assert [(r["row"], r["element"], r["target"], r["pred"]) for r in rows] == wanted
    ranked = agree(*(listed(MemorySource(scores, target), Search(confident=True), 9, each) for each in EXECUTIONS))
    assert ranked == sorted(rows, key=lambda r: (-r["confidence"], r["row"], r["element"]))[:9]
    tokens = listed(MemorySource(logits[:, 0], target[:, 0]))
    assert [(r["row"], r["element"]) for r in tokens] == [(i, jk[1]) for i, jk, *_ in wanted if jk[0] == 0]
    hot = listed(MemorySource(logits, np.eye(3, dtype=int)[target]), class_axis=-1)
    assert [(r["row"], r["element"]) for r in hot] == [(i, jk) for i, jk, *_ in wanted]
    assert "element" not in listed(MemorySource(logits[:, 0, :1], target[:, 0, :1]))[0]
    for shape in ((6, 20), (6, 20, 1)):
        tall = listed(MemorySource(logits.reshape(6, 20, 3), target.reshape(shape)))
        assert [(r["row"], r["element"]) for r in tall] == [(i, 5 * jk[0] + jk[1]) for i, jk, *_ in wanted]
    hot = np.eye(3, dtype=int)[target].reshape(6, 20, 3, 1)
    tall = listed(MemorySource(logits.reshape(6, 20, 3, 1), hot), class_axis=-1)
    assert [(r["row"], r["element"]) for r in tall] == [(i, 5 * jk[0] + jk[1]) for i, jk, *_ in wanted]


def test_weights_stand_beside_their_rows_and_are_not_counted():
    logits, target = drawn(6, 80)
    weight = np.random.default_rng(6).random(80).round(3)
    weight[:5] = 0
    found = list_mistakes(MemorySource(logits, target, weight=weight), Choices(), EXECUTIONS[0], Search())
    plain = list_mistakes(MemorySource(logits, target), Choices(), EXECUTIONS[0], Search())
    assert (found.summary.wrong, found.matching, found.summary.n) == (plain.summary.wrong, plain.matching, 80)
    rows = [row for piece in found.rows(None) for row in piece]
    assert [row[:-1] for row in rows] == [row for piece in plain.rows(None) for row in piece]
    assert [row[-1] for row in rows] == [weight[row[0]] for row in rows]
    assert found.columns[-1].name == "weight"


# Which of them


PICKS = [
    (Search(pairs=("0:1",)), lambda t, p: (t, p) == ("0", "1")),
    (Search(pairs=("0:1", "3:2")), lambda t, p: (t, p) in {("0", "1"), ("3", "2")}),
    (Search(classes=("2",)), lambda t, p: "2" in (t, p)),
    (Search(classes=("2", "1")), lambda t, p: {"1", "2"} & {t, p}),
    (Search(pairs=("0:3",), classes=("1",)), lambda t, p: (t, p) == ("0", "3") or "1" in (t, p)),
]


@pytest.mark.parametrize(("search", "chosen"), PICKS, ids=[str(pick[0].pairs + pick[0].classes) for pick in PICKS])
@pytest.mark.parametrize("kind", ["scores", "labels", "text"])
def test_pairs_and_classes(search, chosen, kind):
    logits, target = drawn(7, 200)
    preds = logits.argmax(axis=1)

    def source():
        if kind == "text":
            return text_source(list(map(str, preds)), list(map(str, target)))
        return MemorySource(logits if kind == "scores" else preds, target)

    every = listed(source())
    wanted = [row for row in every if chosen(row["target"], row["pred"])]
    assert agree(*(listed(source(), search, execution=each) for each in EXECUTIONS)) == wanted
    found = list_mistakes(source(), Choices(), EXECUTIONS[2], search)
    assert (found.matching, found.summary.wrong) == (len(wanted), len(every))
    if kind == "scores":
        ranked = Search(search.pairs, search.classes, confident=True)
        assert listed(source(), ranked, 7) == sorted(wanted, key=lambda r: (-r["confidence"], r["row"]))[:7]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("cat:dog", ("cat", "dog")),
        ("a:b:cat", ("a:b", "cat")),
        ("cat:a:b", ("cat", "a:b")),
        ('"a":"b:c"', ("a", "b:c")),
        ('"a:b":"c"', ("a:b", "c")),
        ('q":"q', ("q", "q")),
        ('"cat":"dog"', ("cat", "dog")),
        ("::cat", (":", "cat")),
    ],
)
def test_names_with_colons_are_found(text, pair):
    names = ["cat", "dog", "a", "a:b", "b:c", "c", ":", 'q"', '"q']
    pair = ('q"', '"q') if pair == ("q", "q") else pair
    truth = [t for t in names for p in names]
    said = [p for t in names for p in names]
    rows = listed(text_source(said, truth), Search(pairs=(text,)))
    assert [(row["target"], row["pred"]) for row in rows] == [pair]


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (Search(pairs=("a:b:c",)), "can be read as 'a' and 'b:c' or as 'a:b' and 'c'"),
        (Search(pairs=("cat",)), "--pair 'cat' is no pair"),
        (Search(pairs=("cat:cat",)), "a row of that kind is no mistake"),
        (Search(pairs=("cat:dgo",)), "there is no class 'dgo'; did you mean 'dog'?"),
        (Search(pairs=("kat:dog",)), "there is no class 'kat'; did you mean 'cat'?"),
        (Search(pairs=('{"a": 1}',)), "there is no class"),
        (Search(classes=("Cat",)), "--class: there is no class 'Cat'; did you mean 'cat'?"),
        (Search(show=("x",)), "there is no column 'x' to show"),
    ],
)
def test_what_cannot_be_meant_is_said(search, words):
    names = ["cat", "dog", "a", "a:b", "b:c", "c"]
    with pytest.raises(UsageError) as caught:
        listed(text_source(names, names[::-1]), search)
    assert words in str(caught.value)


def test_a_number_that_does_not_occur_is_no_class():
    source = MemorySource([0, 5, 5], [5, 5, 0])
    assert len(listed(source, Search(pairs=("5:0",)))) == 1
    with pytest.raises(UsageError, match="there is no class '3'; classes are '0', '5'"):
        listed(source, Search(classes=("3",)))
    assert listed(source, Search(classes=("3",)), labels=tuple("012345")) == []


def test_nothing_wrong_is_an_empty_list_and_nothing_at_all_an_error():
    assert listed(MemorySource([0, 1], [0, 1])) == []
    assert listed(MemorySource(np.eye(3), [0, 1, 2]), Search(confident=True)) == []
    assert listed(MemorySource(np.eye(3), [0, 1, 2]), Search(suspects=True)) == []
    with pytest.raises(EmptyError):
        listed(MemorySource([0, 1], [9, 9]), ignore_index=9)


def test_the_decision_is_that_of_the_whole_input():
    """The first rows look like probabilities, the last one says that they are logits: so they are for every row."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [4.0, -3.0]])
    target = np.array([1, 1, 0, 0])
    rows = agree(*(listed(MemorySource(scores, target), execution=each) for each in EXECUTIONS))
    np.testing.assert_allclose(
        [row["confidence"] for row in rows], [softmax(scores[i])[p] for i, p in ((0, 0), (2, 1))]
    )


def test_an_input_that_changes_between_the_passes_is_noticed():
    source = MemorySource([0, 1, 1], [0, 0, 1])
    found = list_mistakes(source, Choices(), EXECUTIONS[0], Search())
    source.arrays[0] = np.array([0, 0, 1])
    with pytest.raises(InputError, match="1 mistakes were counted, but 0 were found"):
        list(found.rows(None))


# Suspect labels


def suspects(probs, target):
    """Confident learning by the paper, with exact means: (row, label, suggested, p(label), p(suggested)), ranked."""
    classes = len(probs[0])
    threshold = {}
    for j in range(classes):
        own = [Fraction(float(p[j])) for p, t in zip(probs, target, strict=True) if t == j]
        if own:
            threshold[j] = float(sum(own)) / len(own)
    found = []
    for i, (p, t) in enumerate(zip(probs, target, strict=True)):
        likely = [j for j in range(classes) if j in threshold and p[j] >= threshold[j]]
        if likely:
            best = max(likely, key=lambda j: (p[j], -j))
            if best != t:
                found.append((i, str(t), str(best), p[t], p[best]))
    return sorted(found, key=lambda row: (row[3], -row[4], row[0]))


@pytest.mark.parametrize("classes", [2, 3, 10, 70])
def test_suspect_labels_beside_the_paper(classes):
    logits, truth = drawn(8, 600, classes, strength=4)
    rng = np.random.default_rng(9)
    given_labels = np.where(rng.random(600) < 0.1, rng.integers(0, classes, 600), truth)
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = suspects(probs, given_labels)
    source = MemorySource(probs, given_labels)
    search = Search(suspects=True)
    rows = agree(*(listed(source, search, None, each, scores="probs") for each in EXECUTIONS))
    assert [tuple(row.values()) for row in rows] == wanted
    assert len(rows) > 20
    assert listed(source, search, 11, scores="probs") == rows[:11]
    from_logits = listed(MemorySource(logits, given_labels), search)
    assert [(r["row"], r["suggested"]) for r in from_logits] == [(r["row"], r["suggested"]) for r in rows]
    flipped = {i for i in range(600) if given_labels[i] != truth[i]}
    assert len(flipped & {row["row"] for row in rows}) > 0.6 * len(flipped)


def test_suspect_labels_by_hand():
    """Means of a: (0.9+0.8+0.1)/3 = 0.6, of b: (0.7+0.3+0.8)/3 = 0.6. Row 2 is b at 0.9, row 4 is a at 0.7."""
    p = np.array([0.9, 0.8, 0.1, 0.3, 0.7, 0.2])
    labels = ["a", "a", "a", "b", "b", "b"]
    columns = MemorySource(np.stack([p, 1 - p], axis=1), [0, 0, 0, 1, 1, 1], labels=("a", "b"), columns=("a", "b"))
    rows = listed(columns, Search(suspects=True), task="multiclass")
    assert [(r["row"], r["target"], r["suggested"]) for r in rows] == [(2, "a", "b"), (4, "b", "a")]
    assert [(r["p_target"], r["p_suggested"]) for r in rows] == [(0.1, 0.9), (pytest.approx(0.3), 0.7)]
    single = MemorySource(1 - p, [labels.index(x) and int(x == "b") for x in labels])
    assert [(r["row"], r["suggested"]) for r in listed(single, Search(suspects=True))] == [(2, "1"), (4, "0")]
    pair = listed(columns, Search(pairs=("a:b",), suspects=True), task="multiclass")
    assert [r["row"] for r in pair] == [2]


def test_a_class_that_no_row_bears_is_never_suggested():
    probs = np.array([[0.1, 0.2, 0.7], [0.1, 0.1, 0.8], [0.3, 0.1, 0.6], [0.6, 0.3, 0.1]])
    rows = listed(MemorySource(probs, [0, 1, 0, 1]), Search(suspects=True))
    assert {row["suggested"] for row in rows} <= {"0", "1"}
    assert rows
    assert [tuple(row.values()) for row in rows] == suspects(probs, [0, 1, 0, 1])


def test_suspects_without_a_prediction_are_passed_over():
    logits, target = drawn(10, 100, strength=3)
    broken = logits.copy()
    broken[::10] = np.nan
    keep = np.arange(100) % 10 != 0
    rows = listed(MemorySource(broken, target), Search(suspects=True), nan="wrong")
    wanted = suspects([softmax(row) for row in logits[keep]], target[keep])
    assert [(r["row"], r["suggested"]) for r in rows] == [(int(np.flatnonzero(keep)[w[0]]), w[2]) for w in wanted]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_any_small_input(data):
    n, classes = data.draw(st.integers(1, 12)), data.draw(st.integers(2, 4))
    step = st.integers(0, 4)
    raw = np.array([[data.draw(step) for _ in range(classes)] for _ in range(n)], float) + 0.25
    probs = raw / raw.sum(axis=1, keepdims=True)
    target = np.array([data.draw(st.integers(0, classes - 1)) for _ in range(n)])
    execution = Execution(batch_size=data.draw(st.integers(1, 13)), workers=data.draw(st.integers(1, 3)))
    limit = data.draw(st.none() | st.integers(1, 6))
    choices = {"scores": "probs", "task": "multiclass"}
    source = MemorySource(probs, target)
    rows = listed(source, limit=limit, execution=execution, **choices)
    close(rows, expected(probs.tolist(), target)[:limit])
    best = listed(source, Search(confident=True), limit, execution, **choices)
    close(best, sorted(expected(probs.tolist(), target), key=lambda r: (-r["confidence"], r["row"]))[:limit])
    doubted = listed(source, Search(suspects=True), limit, execution, **choices)
    assert [tuple(row.values()) for row in doubted] == suspects(probs.tolist(), target)[:limit]
