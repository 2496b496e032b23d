"""Clusters in parts: matched by number, any tree of merges gives the bytes of one run, nothing forged is let in."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from memory_source import MemorySource

import evalcli
from evalcli import __version__
from evalcli.classification.clusters import CellTable
from evalcli.engine import Execution
from evalcli.errors import InputError
from evalcli.evaluation import measure, report_of
from evalcli.merging import merge
from evalcli.partfile import pack, unpack
from evalcli.parts import decode, encode, measure_part, report_of_part
from evalcli.renderers import render
from evalcli.sources.base import InputFile
from evalcli.sources.labels import class_order
from evalcli.task import Choices
from evalcli.uncertainty.intervals import Confidence

ROWS = 300
CUTS = [0, 11, 180, ROWS]
RNG = np.random.default_rng(7)
REGION = np.sort(RNG.choice(["EU", "US", ""], ROWS))  # sorted: each part sees its own
NAMES = np.array([f"class {i}" for i in range(6)])
TOLD = NAMES[np.sort(RNG.integers(0, 6, ROWS))]
SAID = np.where(RNG.random(ROWS) < 0.7, TOLD, np.roll(TOLD, 40))
LOGITS = RNG.normal(size=(ROWS, 3)).astype(np.float32)
TARGET = np.where(RNG.random(ROWS) < 0.6, LOGITS.argmax(1), RNG.integers(0, 3, ROWS))
CELLS = (RNG.random((ROWS, 3)) < 0.4).astype(np.int8)
WEIGHT = RNG.integers(0, 4, ROWS) / 2
FEW, MANY = RNG.integers(0, 30, ROWS), RNG.integers(0, 130, ROWS) * 1_000_003 - 7
CHOICES = {"regression": Choices(task="regression"), "multilabel": Choices(task="multilabel")}


def rows_of(kind, part, cluster, slices=None):
    more = {"slices": {"region": REGION[part]} if slices is None else slices, "cluster": cluster[part]}
    if kind == "weighted text":
        names = class_order({*SAID[part].tolist(), *TOLD[part].tolist()})
        index = {name: i for i, name in enumerate(names)}
        codes = [np.array([index[name] for name in side[part].tolist()]) for side in (SAID, TOLD)]
        return MemorySource(*codes, labels=names, pred_labels=names, weight=WEIGHT[part], **more)
    if kind == "numbers":
        return MemorySource(LOGITS[part].argmax(1), TARGET[part], **more)
    if kind == "regression":
        return MemorySource(LOGITS[part, 0] + TARGET[part], TARGET[part] + 0.5, weight=WEIGHT[part], **more)
    if kind == "multilabel":
        return MemorySource((LOGITS + 2 * CELLS)[part, :2], CELLS[part, :2], **more)
    return MemorySource(LOGITS[part], TARGET[part], **more)


def part(kind, start, stop, cluster, metrics, **more):
    source = rows_of(kind, slice(start, stop), cluster, **more)
    source.finish = lambda: (InputFile(f"{start:04}.npy", 8, f"sha256:{start}"),)
    choices = replace(CHOICES.get(kind, Choices()), confidence=Confidence(resamples=50))
    found = measure_part(source, choices, Execution(workers=2, batch_size=130), metrics)
    return decode(encode(found), f"{start:04}.evalcli")


def told(report):
    return render(replace(report, inputs=()), "json")


def whole(kind, cluster, metrics, **more):
    choices = replace(CHOICES.get(kind, Choices()), confidence=Confidence(resamples=50))
    return report_of(measure(rows_of(kind, slice(0, ROWS), cluster, **more), choices, Execution(workers=1), metrics)[0])


ASKED = {
    "weighted text": ("accuracy", "f1_macro"),
    "numbers": ("accuracy", "kappa"),
    "logits": ("accuracy", "auroc_macro"),
    "regression": ("rmse", "spearman"),
    "multilabel": ("subset_accuracy", "auroc_macro"),
}


@pytest.mark.parametrize(("kind", "cluster"), [(kind, FEW if kind == "regression" else MANY) for kind in ASKED])
def test_merged_parts_give_the_bytes_of_one_run(kind, cluster):
    metrics = ASKED[kind]
    parts = [part(kind, a, b, cluster, metrics) for a, b in itertools.pairwise(CUTS)]
    before = [encode(one) for one in parts]
    expected = whole(kind, cluster, metrics)
    telling = WEIGHT > 0 if kind in {"weighted text", "regression"} else slice(None)
    assert expected.clustered.clusters == len(np.unique(cluster[telling]))
    assert len(expected.slices) == 2
    for row in expected.slices:
        assert row.metrics[metrics[0]].method.endswith("(clusters)")
    trees = [merge(parts), merge([decode(encode(merge([parts[2], parts[0]])), "x"), parts[1]])]
    assert told(report_of_part(trees[0])) == told(expected)
    assert len({encode(tree) for tree in trees}) == 1
    assert [encode(one) for one in parts] == before


def test_slices_of_few_values_and_of_many_have_groups_that_follow_from_each_other():
    """Of 20 slices of three classes each has 25 groups of clusters; a part of fewer slices has more groups."""
    group = np.array([f"a{i * 19 // ROWS:02}" for i in range(ROWS)])
    group[np.random.default_rng(3).random(ROWS) < 0.6] = "s"
    metrics, slices = ("auroc_macro", "accuracy"), [{"g": group[a:b]} for a, b in itertools.pairwise(CUTS)]
    cuts = zip(itertools.pairwise(CUTS), slices, strict=True)
    parts = [part("logits", a, b, MANY, metrics, slices=one) for (a, b), one in cuts]
    total = merge(parts)
    held = [one.gathered.clusters_in[0].of(one.about.slicers[0].values.index("s")) for one in (*parts, total)]
    assert held[1].is_hashed
    assert (held[1].most, held[3].most) == (50, 25)
    assert told(report_of_part(total)) == told(whole("logits", MANY, metrics, slices={"g": group}))


def test_clusters_on_one_side_say_what_to_do():
    first, other = part("numbers", 0, 180, FEW, None), rows_of("numbers", slice(180, ROWS), FEW)
    other.cluster = other.clustered = None
    other.finish = lambda: (InputFile("b.npy", 8, "sha256:b"),)
    choices = Choices(confidence=Confidence(resamples=50))
    second = decode(encode(measure_part(other, choices, Execution(workers=1))), "b.evalcli")
    for order in ([first, second], [second, first]):
        with pytest.raises(InputError, match=r"has other clusters than .*; write all parts with the same --cluster"):
            merge(order)


def test_a_part_may_be_of_one_cluster_and_all_of_them_may_not():
    one = np.where(np.arange(ROWS) < 180, 4, 9)
    first, second = (part("regression", a, b, one, ("mae",)) for a, b in ((0, 180), (180, ROWS)))
    assert report_of_part(merge([first, second])).clustered.clusters == 2
    with pytest.raises(InputError, match="clusters by 'patient': all rows belong to one cluster"):
        report_of_part(second)


SMALL = {kind: part(kind, 11, 180, FEW, ASKED[kind]) for kind in ("logits", "regression")}


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("regression", "clusters.sizes.cluster", lambda a: a[::-1]),
        ("regression", "clusters.sizes.cluster", lambda a: a + 1),
        ("regression", "clusters.sizes.cluster", lambda a: a.astype(float)),
        ("regression", "clusters.sizes.rows", lambda a: a + 1),
        ("regression", "clusters.sizes.rows", lambda a: a * 0),
        ("regression", "clusters.sizes.rows", lambda a: a[1:]),
        ("regression", "clusters.sizes.rows", lambda _: None),
        ("regression", "clusters.groups.shared", lambda a: ~a),
        ("regression", "clusters.groups.shared", lambda _: None),
        ("regression", "clusters.groups.7.evidence.rows", lambda a: a + 1),
        ("regression", "clusters.groups.107.evidence.rows", lambda _: np.array(1)),
        ("regression", "clusters0.0.sizes.rows", lambda a: a + 1),
        ("regression", "clusters0.9.sizes.rows", lambda _: np.ones(1, np.int64)),
        ("logits", "clusters.0.table.0", lambda a: a[::-1]),
        ("logits", "clusters.0.table.1", lambda a: -a),
        ("logits", "clusters.0.table.2", lambda a: a + 1),
        ("logits", "clusters.0.table.3", lambda _: np.ones(1, np.int64)),
        ("logits", "clusters.0.groups.7.KeyTable.rows", lambda a: a + 1),
        ("logits", "clusters.1.0.groups.shared", lambda _: None),
        ("logits", "clusters.2.0.groups.shared", lambda _: np.ones((), bool)),
    ],
)
def test_forged_clusters_are_refused(kind, name, change):
    content = unpack(encode(SMALL[kind]), "p")
    made = change(content.arrays.get(name))
    states = (
        {**content.arrays, name: made} if made is not None else {k: v for k, v in content.arrays.items() if k != name}
    )
    with pytest.raises(InputError, match="not a part that evalcli writes"):
        decode(pack(content.about, states, __version__))


def test_parts_of_files_and_of_arrays(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{p},{t},u{c},{r}" for p, t, c, r in zip(LOGITS[:, 0], TARGET + 0.5, FEW, REGION, strict=True)]
    for number, (a, b) in enumerate(itertools.pairwise(CUTS)):
        (tmp_path / f"s{number}.csv").write_text("\n".join(["pred,target,user,region", *lines[a:b], ""]))
    rules = ("--max", "mae@region=EU=1.05", "--gate-on", "interval")
    asked = ("--cluster", "user", "--by", "region", "--resamples", "100")
    alone = run("report", "s?.csv", *asked, *rules, "-f", "json")
    for number in range(3):
        assert run("report", f"s{number}.csv", *asked, "-o", f"{number}.evalcli", "--quiet").code == 0
    merged = run("merge", *(f"{number}.evalcli" for number in (2, 0, 1)), *rules, "-f", "json")
    assert (merged.code, merged.stdout, merged.stderr) == (alone.code, alone.stdout, alone.stderr)
    named = np.array([f"u{c}" for c in FEW])
    both = LOGITS[:, 0].astype(float), TARGET + 0.5
    parts = [
        evalcli.evaluate(
            *(side[a:b] for side in both), cluster=named[a:b], by={"region": REGION[a:b]}, partial=True, resamples=100
        )
        for a, b in itertools.pairwise(CUTS)
    ]
    report = evalcli.merge(parts).report().data
    once = evalcli.evaluate(*both, cluster=named, by={"region": REGION}, resamples=100).data
    assert report.metrics == once.metrics
    assert report.slices == once.slices


@pytest.mark.parametrize("asked", [(), ("--cluster", "user", "--by", "user")])
def test_a_table_without_a_row_is_a_part_like_any_other(tmp_path, run, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    lines = [f"{p},{t},u{c}" for p, t, c in zip(SAID, TOLD, FEW % 4, strict=True)]
    for name, rows in (("a", lines[:150]), ("b", lines[150:]), ("none", [])):
        (tmp_path / f"{name}.csv").write_text("\n".join(["pred,target,user", *rows, ""]))
        assert run("report", f"{name}.csv", *asked, "-o", f"{name}.evalcli", "--quiet").code == 0
    alone = run("report", "[ab].csv", *asked, "--min", "accuracy=0.1")
    assert alone.code == 0
    orders = [("none", "b", "a"), ("a", "none", "b")]
    merged = [run("merge", *(f"{name}.evalcli" for name in order), "-f", "json") for order in orders]
    assert {one.code for one in merged} == {0}
    assert len({one.stdout for one in merged}) == 1
    assert '"n": 300' in merged[0].stdout


def test_a_share_without_rows_comes_back():
    for weighted in (False, True):
        table = CellTable(weighted=weighted)
        table.load_state_dict(CellTable(weighted=weighted).state_dict())
        assert table.sizes().cluster.size == 0
