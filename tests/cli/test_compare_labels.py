"""``evalcli compare`` of several labels a row, from files to exit codes, as a shell sees it."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

ROWS = 200
LABELS = ("cat", "dog", "=bird")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three models of one truth, together in one table, alone in others, shuffled, and as arrays."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    target = (rng.normal(size=(ROWS, 3)) > [0.3, 0.6, 1.0]).astype(int)
    hard = rng.normal(size=target.shape)
    ids = [f"r{i}" for i in range(ROWS)]
    truth = pd.DataFrame({"id": ids, **{f"y_{name}": target[:, i] for i, name in enumerate(LABELS)}})
    whole = truth.copy()
    for number, (name, noise) in enumerate((("a", 1.6), ("b", 0.9), ("c", 0.95))):
        scores = 1 / (1 + np.exp(-(3.0 * (target - 0.5) + 0.7 * hard + noise * rng.normal(size=target.shape))))
        one = pd.DataFrame({"id": ids, **{f"p_{label}": scores[:, i] for i, label in enumerate(LABELS)}})
        one.to_csv(f"{name}.csv", index=False)
        one[["id", *one.columns[:0:-1]]].sample(frac=1.0, random_state=number).to_parquet(f"mixed_{name}.parquet")
        for i, label in enumerate(LABELS):
            whole[f"{name}_{label}"] = scores[:, i]
        np.save(f"{name}.npy", scores)
    truth.to_csv("t.csv", index=False)
    whole.to_csv("all.csv", index=False)
    one[["id", *one.columns[:0:-1]]].to_csv("turned_c.csv", index=False)
    np.save("t.npy", target)
    holes, weight = np.where(rng.random(target.shape) < 0.1, -1, target), rng.integers(1, 4, ROWS)
    np.savez("holes.npz", target=holes, w=weight)
    return tmp_path


def parsed(done):
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def test_every_way_to_name_two_models_gives_the_same(run, files) -> None:
    ways = [
        ("a.csv", "b.csv", "t.csv"),
        ("a.csv", "mixed_b.parquet", "--targets", "t.csv", "--id", "id"),
        ("mixed_a.parquet", "mixed_b.parquet", "t.csv", "--id", "id"),
        ("all.csv", "--pred", "a_*,b_*"),
        ("a.npy", "b.npy", "t.npy", "--labels", ",".join(LABELS)),
        ("a.npy", "b.npy", "t.npy", "--labels", ",".join(LABELS), "--batch-size", "7", "--workers", "3"),
    ]
    found = [parsed(run("compare", *way, "-f", "json")) for way in ways]
    for each in found:
        ordered = sorted(each["per_class"], key=lambda label: label["class"])
        assert ordered == sorted(found[0]["per_class"], key=lambda label: label["class"])
        for name, row in each["metrics"].items():
            mine, base = row["differences"][1], found[0]["metrics"][name]["differences"][1]
            assert row["values"] == pytest.approx(found[0]["metrics"][name]["values"], rel=1e-12)
            assert (mine["low"], mine["high"], mine["p"]) == pytest.approx((base["low"], base["high"], base["p"]))
    names = {row["id"] for row in found[0]["rows"] if "label" not in row}
    assert names <= {f"r{i}" for i in range(ROWS)}
    assert [row["id"] for row in found[3]["rows"]] == [row["id"] for row in found[0]["rows"]]


def test_numbers_without_names_lie_in_the_order_of_the_truth(run, files) -> None:
    args = ("--task", "multilabel", "-m", "recall_macro,recall[cat]", "-f", "json")
    expected = parsed(run("compare", "c.csv", "b.csv", "t.csv", *args))["metrics"]
    for first in ("c.csv", "turned_c.csv"):
        found = parsed(run("compare", first, "b.npy", "t.csv", *args))
        assert found["metrics"]["recall[cat]"]["values"] == expected["recall[cat]"]["values"]
        assert found["metrics"]["recall_macro"]["values"] == pytest.approx(expected["recall_macro"]["values"])
    done = run("compare", "c.csv", "b.npy", "t.npy", *args)
    assert done.code == 2
    assert "its labels are not those of c.csv" in done.stderr


def test_numbers_are_those_of_reports(run, files) -> None:
    args = ("--weight", "w", "--ignore-index", "-1", "--threshold", "0.3", "--task", "multilabel", "-f", "json")
    found = parsed(run("compare", "a.npy", "b.npy", "holes.npz", *args))
    assert found["weighted"]
    for place, name in enumerate("ab"):
        report = parsed(run("report", f"{name}.npy", "holes.npz", *args))
        for metric, row in found["metrics"].items():
            assert row["values"][place] == report["metrics"][metric]["value"]
        for label, theirs in zip(found["per_class"], report["per_class"], strict=True):
            assert label["support"] == theirs["support"]
            for metric, row in label["metrics"].items():
                assert row["values"][place] == theirs[metric]["value"]


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--noninferior", "f1_macro=1pp", "--noninferior", "recall[dog]=10pp"), 0),
        (("--equivalent", "f1_macro=0.1pp"), 1),
        (("--equivalent", "lrap=4pp"), 3),
        (("--noninferior", "ks_macro=1pp"), 0),
        (("--noninferior", "log_loss=1pp"), 2),
    ],
)
def test_gates_have_the_exit_codes_of_gates(run, files, gates, code) -> None:
    assert run("compare", "a.csv", "b.csv", "t.csv", "--quiet", *gates).code == code


def test_every_format_tells_of_it(run, files) -> None:
    outputs = [part for suffix in ("json", "csv", "md", "txt") for part in ("-o", f"out.{suffix}")]
    done = run("compare", "a.csv", "b.csv", "t.csv", *outputs)
    assert "B is better: +" in done.stdout
    assert "all: rows with every label right; fixed: " in done.stdout
    assert (files / "out.txt").read_text().split() == done.stdout.split()
    assert "| `cat` | " in (files / "out.md").read_text()
    rows = list(csv.DictReader(io.StringIO((files / "out.csv").read_text())))
    found = json.loads((files / "out.json").read_text())
    (line,) = [row for row in rows if row["table"] == "class" and (row["metric"], row["class"]) == ("f1", "dog")][1:]
    dog = found["per_class"][1]["metrics"]["f1"]
    assert (float(line["value"]), float(line["difference"])) == (dog["values"][1], dog["differences"][1]["value"])
    assert all(not row["class"].startswith("=") for row in rows)
    of_cells = [row for row in rows if row["table"] == "row" and row["class"]]
    assert {row["target"] for row in of_cells} <= {"0", "1"}


def test_a_league(run, files) -> None:
    found = parsed(run("compare", "all.csv", "--pred", "a_*,b_*,c_*", "-m", "f1_macro,auroc_macro", "-f", "json"))
    best = int(np.argmax(found["metrics"]["f1_macro"]["values"]))
    assert (found["kind"], found["reference"]) == ("league", best)
    verdicts = [each and each["verdict"] for each in found["metrics"]["f1_macro"]["differences"]]
    assert verdicts[0] == "worse"
    assert verdicts[best] is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("a.csv", "b.csv", "t.csv", "-m", "accuracy"), "say subset_accuracy"),
        (("a.csv", "b.csv", "t.csv", "-m", "f1[cow]"), "there is no class 'cow'"),
        (("a.csv", "b.csv", "t.csv", "--independent"), "2 files, each with its own truth"),
        (("a.npy", "b.npy", "t.npy", "--labels", "x,y"), "3 score columns but 2 class names"),
        (("all.csv", "--pred", "a_*,nothing_*"), "no column begins with 'nothing_'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(run, files, args, said) -> None:
    done = run("compare", *args)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr or "--independent" in args
    assert done.stderr.count("\n") == 1


def test_a_notebook_shows_tables_of_inert_text(files) -> None:
    import evalcli

    first, second, target = (np.load(f"{name}.npy") for name in ("a", "b", "t"))
    found = evalcli.compare(first, second, target=target, labels=["cat", "<b>", "x{y}"])
    page = found._repr_html_()
    assert page.startswith('<div class="evalcli-comparison">')
    assert "<b>" not in page
    assert "&#60;b&#62;" in page
    assert "{" not in page
    assert page.count("<table>") == 4
    assert found["f1[<b>]"].value == found.data.per_class[1].metrics["f1"].differences[1].value
    league = evalcli.compare(first, second, first, target=target, metrics="f1_macro")._repr_html_()
    assert "Models, the best first" in league


def test_tables_that_hold_both_sides_are_models_however_many(run, tmp_path) -> None:
    """The last of three is a truth only where it holds nothing else: a model may not get lost."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (40, 2))
    for number in range(3):
        scores = rng.random((40, 2))
        rows = "\n".join(",".join(map(str, (*t, *s))) for t, s in zip(truth.tolist(), scores.tolist(), strict=True))
        (tmp_path / f"{number}.csv").write_text(f"y_cat,y_dog,p_cat,p_dog\n{rows}\n")
        names = "\n".join(f"{'ab'[t]},{'ab'[int(s > 0.5)]}" for t, s in zip(truth[:, 0], scores[:, 0], strict=True))
        (tmp_path / f"n{number}.csv").write_text(f"real,guess\n{names}\n")
    named = ("--pred", "guess", "--target", "real", "--positive", "b")
    for files, more in (("012", ()), ("012", ("--pred", "p_*", "--target", "y_*")), (("n0", "n1", "n2"), named)):
        done = run("compare", *(tmp_path / f"{name}.csv" for name in files), "-f", "json", *more)
        assert done.code == 0, done.stderr
        assert len(json.loads(done.stdout)["models"]) == 3
