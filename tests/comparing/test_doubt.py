"""Ranks past their budget: gates of a comparison judge what is certain, as those of a report do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evalcli.comparing.data import Comparison, MetricRow
from evalcli.comparing.doubt import InDoubt, ends_of
from evalcli.comparing.margins import _worst


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two models of scores that all differ, so many that a budget of 1 MB does not hold them."""
    folder = tmp_path_factory.mktemp("doubt")
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 120_000)
    np.save(folder / "t.npy", truth)
    for name, far in (("a", 2.0), ("b", 2.2)):
        np.save(folder / f"{name}.npy", 1 / (1 + np.exp(-rng.normal(far * (truth - 0.5)))))
    return [str(folder / f"{name}.npy") for name in "abt"]


@pytest.fixture
def certified(files, run):
    """Between what the second area lies for certain."""
    _, second, truth = files
    seen = run("report", second, truth, "-m", "auroc", "--positive", "1", "--ranking-budget", "1", "-f", "json")
    return json.loads(seen.stdout)["metrics"]["auroc"]["certified"]


def test_a_bound_within_the_doubt_is_not_met(files, certified, run):
    low, high = certified
    assert low < high
    asked = ("compare", *files, "-m", "auroc", "--positive", "1", "-f", "json")
    inside = repr((low + high) / 2 - (high - low) / 100)  # below the middle, which is the value
    seen = run(*asked, "--ranking-budget", "1", "--min", f"auroc={inside}")
    (gate,) = json.loads(seen.stdout)["gates"]
    assert (seen.code, gate["status"]) == (1, "fail")
    assert gate["reason"].startswith(f"only certain to lie in {low!r} … {high!r}")
    assert run(*asked, "--ranking-budget", "1", "--min", f"auroc={low!r}").code == 0
    assert run(*asked, "--min", f"auroc={inside}").code in (0, 1)  # exact, whatever it is
    row = json.loads(seen.stdout)["metrics"]["auroc"]
    assert row["certified"][1] == [low, high]


def test_a_drop_is_judged_at_its_worst(files, run):
    first, _, truth = files
    asked = ("compare", first, first, truth, "-m", "auroc", "--positive", "1", "-f", "json")
    seen = run(*asked, "--ranking-budget", "1", "--max-drop", "auroc=0.000000001")
    (gate,) = json.loads(seen.stdout)["gates"]
    assert (seen.code, gate["status"], gate["value"]) == (1, "fail", 0.0)
    assert "certain only to a range" in gate["reason"]
    assert run(*asked, "--max-drop", "auroc=0.000000001").code == 0


def test_the_doubt_outlives_saving(files, certified, run):
    seen = run("compare", *files, "-m", "auroc", "--positive", "1", "--ranking-budget", "1", "-f", "json")
    again = Comparison.from_json_object(json.loads(seen.stdout))
    row = again.metric("auroc")
    assert row is not None
    assert ends_of(row.values[1]) == tuple(certified)
    assert again.to_json_object() == json.loads(seen.stdout)


@pytest.mark.parametrize(
    ("direction", "worst"), [("higher", (0.75, 0.5)), ("lower", (0.25, 1.0)), ("zero", (0.25, 1.0))]
)
def test_what_is_worst_depends_on_the_direction(direction, worst):
    values = InDoubt.made(0.5, (0.25, 0.75)), InDoubt.made(0.75, (0.5, 1.0))
    row = MetricRow("x", "lower", unit=True, values=values, differences=(None, None))
    assert _worst(row._replace(direction=direction)) == worst
    across = row._replace(direction="zero", values=(InDoubt.made(0.0, (-0.5, 0.25)), -0.5))
    assert _worst(across) == (0.0, 0.5)
