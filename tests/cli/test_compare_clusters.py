"""``--cluster`` beside another model, as a shell sees it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from evalcli.cli.failure import Interrupted, tell_interrupted
from evalcli.cli.models import _Shares
from evalcli.cli.progress import Meter


@pytest.fixture
def files(tmp_path):
    """Two models that are right or wrong in whole clusters of five rows: the second in 15 more of 80."""
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(80), 5)
    target = np.array(["no", "yes"])[rng.integers(0, 2, 400)]
    other = np.where(target == "no", "yes", "no")
    old, new = (np.where(cluster % 16 < most, target, other) for most in (11, 14))
    new = np.where(cluster == 0, other, new)
    ids = [f"r{i}" for i in range(400)]
    rows = {"id": ids, "target": target}
    pd.DataFrame({**rows, "pred": old, "who": cluster}).to_csv(tmp_path / "old.csv", index=False)
    pd.DataFrame({**rows, "pred": new}).sample(frac=1, random_state=0).to_csv(tmp_path / "new.csv", index=False)
    pd.DataFrame({**rows, "pred": new, "who": cluster}).to_csv(tmp_path / "both.csv", index=False)
    return tmp_path


BY = ("--cluster", "who", "--id", "id")


def test_every_format_says_what_was_drawn(run, files) -> None:
    told = "by who: 80 clusters, the largest of 5 rows"
    for form, text in (("rich", f"  clustered {told}\n"), ("markdown", f"| clustered | {told} |\n")):
        assert text in run("compare", "old.csv", "new.csv", *BY, "-f", form).stdout
    found = json.loads(run("compare", "old.csv", "new.csv", *BY, "-f", "json").stdout)
    assert found["clustered"] == {"by": "who", "clusters": 80, "largest": 5, "design_effect": None}
    assert found["metrics"]["accuracy"]["differences"][1]["method"] == "score (clusters)"
    assert sum(row["fixed"] for row in found["flips"][1:]) == 75  # rows, as ever
    assert ",score (clusters)," in run("compare", "old.csv", "new.csv", *BY, "-f", "csv").stdout


def test_whole_clusters_are_less_sure_than_rows(run, files) -> None:
    found = [
        json.loads(run("compare", "old.csv", "new.csv", *more, "-f", "json").stdout)["metrics"]["accuracy"]
        for more in (("--id", "id"), BY)
    ]
    alone, drawn = (each["differences"][1] for each in found)
    assert 2.0 < (drawn["high"] - drawn["low"]) / (alone["high"] - alone["low"]) < 2.6  # √5 times, by t quantiles
    assert alone["p"] < 1e-10
    assert 1e-5 < drawn["p"] < 0.01


@pytest.mark.parametrize(("gate", "code"), [("0.3", 0), ("0.06", 3), ("0.001", 3)])
def test_gates_read_the_interval_of_clusters(run, files, gate, code) -> None:
    """Drops of 17.5 points, from 8 to 26: the old one against the new."""
    done = run("compare", "both.csv", "old.csv", *BY, "--noninferior", f"accuracy={gate}")
    assert done.code == (1 if gate != "0.3" else code), done.stderr
    args = ("--baseline", "both.csv", "--cluster", "who", "--max-drop", f"accuracy={gate}", "--gate-on", "interval")
    done = run("report", "old.csv", *args, "-f", "json")
    (verdict,) = json.loads(done.stdout)["gates"]
    assert verdict["method"] == "score (clusters)"
    assert (verdict["status"] == "pass") == (gate == "0.3")


def test_one_model_may_come_from_a_pipe(spawn, files) -> None:
    piped = (files / "both.csv").read_text()
    done = spawn("compare", "old.csv", "-", "--cluster", "who", "-f", "json", input=piped)
    assert json.loads(done.stdout)["clustered"]["clusters"] == 80
    alone = pd.read_csv(files / "both.csv").drop(columns="who").to_csv(index=False)
    done = spawn("compare", "-", "old.csv", "--cluster", "who", "-f", "json", input=alone)
    assert json.loads(done.stdout)["clustered"]["clusters"] == 80


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("old.csv", "new.csv", "--cluster", "whom"), "no column 'whom' to cluster by; did you mean 'who'?"),
        (("old.csv", "new.csv", "--cluster", ""), "the name of a column to cluster by is missing; there are 'id'"),
        (("old.csv", "new.csv", "--cluster", "who", "--overlap"), "--overlap counts rows and compares no metrics"),
        (("old.csv", "new.csv", "--cluster", "who", "--independent"), "no column 'who' to cluster by, which the other"),
    ],
)
def test_what_cannot_be_meant_is_told(run, files, args, said) -> None:
    done = run("compare", *args)
    assert done.code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("by", [",", "who,", " "])
def test_a_slice_without_a_name_is_told_as_such(run, files, by) -> None:
    done = run("report", "old.csv", "--by", by)
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert "the name of a column to slice by is missing; there are 'id', 'target', 'pred', 'who'" in done.stderr


@pytest.mark.parametrize(("models", "of"), [(2, "both"), (3, "3")])
def test_an_interrupt_says_that_rows_are_those_of_several_files(capsys, models, of) -> None:
    def interrupted() -> None:
        with Meter(quiet=True) as meter:
            shares = _Shares(models, meter)
            for number in range(models):
                shares.of(number)(0.5, 1000)
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        interrupted()
    assert tell_interrupted(caught.value) == 130
    assert capsys.readouterr().err == f"evalcli: interrupted after {models},000 rows of {of} models, no verdict\n"
