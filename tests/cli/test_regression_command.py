"""Regressions from real files to the screen and the exit code, as a newcomer would type them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "diabetes.csv"
RNG = np.random.default_rng(7)
T = RNG.normal(50, 10, 300)
P = T + RNG.normal(0, 4, 300)


def _saved(folder: Path) -> dict[str, list[str]]:
    """The same 300 rows in every format that is read: arguments of a report."""
    np.save(folder / "p.npy", P)
    np.save(folder / "t.npy", T)
    np.savez(folder / "both.npz", pred=P, target=T)
    torch.save(torch.as_tensor(P), folder / "p.pt")
    torch.save(torch.as_tensor(T)[:, None], folder / "t.pt")
    torch.save({"preds": torch.as_tensor(P), "targets": torch.as_tensor(T)}, folder / "both.pt")
    table = pd.DataFrame({"id": range(300), "target": T, "prediction": P})
    table.to_csv(folder / "r.csv", index=False)
    table.to_csv(folder / "r.tsv", index=False, sep="\t")
    table.to_parquet(folder / "r.parquet")
    table.to_json(folder / "r.jsonl", orient="records", lines=True, double_precision=15)
    table.drop(columns="target").to_csv(folder / "said.csv", index=False)
    table.drop(columns="prediction").to_parquet(folder / "truth.parquet")
    names = {
        "npy": ["p.npy", "t.npy"], "npz": ["both.npz"], "pt": ["p.pt", "t.pt"], "dict": ["both.pt"], "csv": ["r.csv"],
        "tsv": ["r.tsv"], "parquet": ["r.parquet"], "jsonl": ["r.jsonl"], "two tables": ["said.csv", "truth.parquet"],
        "tensor and table": ["p.npy", "truth.parquet"], "table and tensor": ["said.csv", "t.npy"],
    }  # fmt: skip
    return {kind: [str(folder / name) for name in files] for kind, files in names.items()}


KINDS = (
    *("npy", "npz", "pt", "dict", "csv", "tsv", "parquet", "jsonl", "two tables", "tensor and table"),
    "table and tensor",
)


def metrics(result) -> dict[str, float]:
    return {name: value["value"] for name, value in json.loads(result.stdout)["metrics"].items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flags", [[], ["--task", "regression"], ["--scores", "values"]])
def test_M11_every_format_gives_the_same_numbers(run, tmp_path, kind, flags) -> None:
    files = _saved(tmp_path)
    expected = metrics(run("report", *files["npy"], "-f", "json"))
    result = run("report", *files[kind], *flags, "-f", "json")
    assert (result.code, result.stderr) == (0, "")
    found = metrics(result)
    if kind == "jsonl":  # pandas writes fifteen digits
        assert found == pytest.approx(expected, rel=1e-9)
    else:
        assert found == expected


def test_whole_numbers_are_values_when_asked_for(run, tmp_path) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("target,pred\n" + "".join(f"{i % 7},{i % 7 + 0.25}\n" for i in range(50)))
    result = run("report", path)
    assert (result.code, "--task regression if both are values" in result.stderr) == (2, True)
    assert metrics(run("report", path, "--task", "regression", "-f", "json"))["bias"] == 0.25
    path.write_text("target,pred\n" + "".join(f"{i % 7},{i % 7 + 1}\n" for i in range(50)))
    assert metrics(run("report", path, "--scores", "values", "-f", "json"))["mae"] == 1.0


def _late(path: Path, pred: str, *, whole: int = 1500, fractions: int = 1700) -> Path:
    """A table whose first targets are whole, beyond the rows that are looked at, and later ones are not."""
    rows = [f"{i % 40},{eval(pred, {'i': i})}\n" for i in range(whole)]
    rows += [f"{i % 40 + 0.5},{eval(pred, {'i': i})}\n" for i in range(fractions)]
    path.write_text("target,pred\n" + "".join(rows))
    return path


@pytest.mark.parametrize("pred", ["i % 40 + 0.25", "(i + 1) % 90", "i % 40 + (i % 3 == 0) / 3"])
def test_a_table_whose_first_targets_are_whole_is_read_right_or_asks(run, tmp_path, pred) -> None:
    path = _late(tmp_path / "late.csv", pred)
    table = pd.read_csv(path)
    asked, unasked = (run("report", path, *flags, "-f", "json") for flags in (["--task", "regression"], []))
    assert metrics(unasked) == metrics(asked)
    assert metrics(asked)["mae"] == pytest.approx((table.pred - table.target).abs().mean(), rel=1e-12)
    few = run("report", _late(tmp_path / "few.csv", pred, fractions=3))
    assert few.code == 2
    assert "3 of 1,503 targets have a fraction, the others are whole" in few.stderr


def test_predictions_that_are_whole_in_a_table_are_values(run, tmp_path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("y,y_pred\n1.5,2\n2.5,2\n3.25,4\n")
    assert metrics(run("report", path, "-f", "json"))["mae"] == pytest.approx(1.75 / 3)


def test_ratings_stay_classes_and_codes_that_look_like_numbers_are_asked_about(run, tmp_path) -> None:
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("target,pred\n" + "".join(f"{i % 5 / 2},{(i + i % 3) % 5 / 2}\n" for i in range(300)))
    assert json.loads(run("report", ratings, "-f", "json").stdout)["task"] == "multiclass"
    codes = tmp_path / "codes.csv"
    for rows in (range(300), range(3000)):  # seen in the first rows, and only when all were counted
        whole = "".join(f"{i % 15},{i % 15}\n" for i in range(1200)) if len(rows) > 300 else ""
        codes.write_text("target,pred\n" + whole + "".join(f"{i % 90 / 7:.3f},{i * i % 90 / 7:.3f}\n" for i in rows))
        result = run("report", codes)
        assert result.code == 2
        assert (
            "are texts that the target has too: values, or names of classes? say --task regression or" in result.stderr
        )
        assert json.loads(run("report", codes, "--task", "multiclass", "-f", "json").stdout)["task"] == "multiclass"
        assert json.loads(run("report", codes, "--task", "regression", "-f", "json").stdout)["task"] == "regression"


def test_a_word_among_many_values_is_named(run, tmp_path) -> None:
    path, values = tmp_path / "r.csv", "".join(f"{i / 7:.3f},{i / 6:.3f}\n" for i in range(60))
    path.write_text("target,pred\n" + values + "0.5,N/A\n")
    assert "prediction 'N/A' in column 'pred' is not one number (1 in all: line 62)" in run("report", path).stderr
    path.write_text("target,pred\n" + values + "N/A,0.5\n")
    assert "--task regression if both are values" in run("report", path).stderr
    assert "target 'N/A' in column 'target' is not one" in run("report", path, "--task", "regression").stderr


def test_lists_are_refused(run, tmp_path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"target": 1.5, "pred": [1.0, 2.0]}\n' * 3)
    result = run("report", path, "--task", "regression")
    assert (result.code, "takes one number from each row of a table" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["1.5,2.5", "abc,3"], "target 'abc' in column 'target' is not one number (1 in all: line 3)"),
        (["1.5,2.5", "2,x"], "prediction 'x' in column 'pred' is not one number (1 in all: line 3)"),
        (["1.5,2.5", "2.5,"], "1 prediction is missing (line 3); --nan drop leaves such rows out [E3]"),
        (["1.5,2.5", ",2.5"], "1 target is missing (line 3); --nan drop leaves such rows out [E3]"),
        (["1.5,2.5", "2.5,nan"], "1 prediction is not finite (line 3: nan)"),
        (
            ["1.5,2.5", "9007199254740993,1.5"],
            "target 9007199254740993 in column 'target' is a whole number that float64",
        ),
    ],
)
def test_cells_that_are_no_values_are_refused_with_their_line(run, tmp_path, rows, says) -> None:
    path = tmp_path / "r.csv"
    path.write_text("\n".join(["target,pred", *rows]) + "\n")
    result = run("report", path, "--task", "regression")
    assert (result.code, result.stdout) == (2, "")
    assert says in result.stderr


def test_whole_numbers_in_a_table_beyond_what_float64_holds(run, tmp_path) -> None:
    table = pd.DataFrame({"target": [2**53 + 1, 2], "pred": [1.5, 2.5]})
    table.to_parquet(tmp_path / "r.parquet")
    result = run("report", tmp_path / "r.parquet", "--task", "regression")
    assert (result.code, "9007199254740993 in column 'target' is a whole number" in result.stderr) == (2, True)
    table.target -= 1
    table.to_parquet(tmp_path / "r.parquet")
    assert run("report", tmp_path / "r.parquet", "--task", "regression").code == 0
    np.save(tmp_path / "p.npy", np.array([1.5, 2.5]))
    table.target += 1
    table[["target"]].to_csv(tmp_path / "t.csv", index=False)
    result = run("report", tmp_path / "p.npy", tmp_path / "t.csv", "--task", "regression")
    assert "9007199254740993 in column 'target' is a whole number" in result.stderr


def test_missing_cells_are_dropped_when_asked(run, tmp_path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("target,pred\n1.5,2.5\n,2\n3.5,\n4.5,inf\n5.25,5.25\n")
    found = json.loads(run("report", path, "--nan", "drop", "-f", "json").stdout)
    assert (found["n"], found["ignored"], found["metrics"]["mae"]["value"]) == (2, 3, 0.5)


def test_weights_and_conditions_of_a_table(run, tmp_path) -> None:
    table = pd.DataFrame({"target": T, "prediction": P, "w": RNG.random(300), "part": ["a", "b"] * 150})
    table.to_csv(tmp_path / "r.csv", index=False)
    found = metrics(run("report", tmp_path / "r.csv", "--weight", "w", "--where", "part = 'a'", "-f", "json"))
    part = table[table.part == "a"]
    assert found["mae"] == pytest.approx(np.average((part.prediction - part.target).abs(), weights=part.w), rel=1e-12)


def test_ids_pair_two_tables(run, tmp_path) -> None:
    order = RNG.permutation(300)
    pd.DataFrame({"id": range(300), "prediction": P}).to_csv(tmp_path / "p.csv", index=False)
    pd.DataFrame({"id": order, "target": T[order]}).to_csv(tmp_path / "t.csv", index=False)
    found = metrics(run("report", tmp_path / "p.csv", tmp_path / "t.csv", "--id", "id", "-f", "json"))
    assert found["mae"] == pytest.approx(np.abs(P - T).mean(), rel=1e-12)


def test_several_outputs_of_tensors(run, tmp_path) -> None:
    np.save(tmp_path / "p.npy", np.stack([P, P / 2], 1))
    np.save(tmp_path / "t.npy", np.stack([T, T / 2], 1))
    refused = run("report", tmp_path / "p.npy", tmp_path / "t.npy")
    assert (refused.code, "for values --task regression" in refused.stderr) == (2, True)
    result = run("report", tmp_path / "p.npy", tmp_path / "t.npy", "--task", "regression", "--max", "rmse[1]=1")
    assert result.code == 1
    assert "regression, 2 outputs" in result.stdout
    assert "FAIL    rmse[1]<=1" in result.stderr
    broadcast = run("report", tmp_path / "p.npy", tmp_path / "p.npy", "--task", "regression", "--weight", "x")
    assert broadcast.code == 0 or "weight" in broadcast.stderr


def _outputs(folder: Path) -> pd.DataFrame:
    """Three outputs, their predictions in another order than their targets."""
    table = pd.DataFrame({f"y_{name}": T * size for name, size in (("price", 1.0), ("area", 1e6), ("age", -0.5))})
    for name, size in (("age", -0.5), ("price", 1.0), ("area", 1e6)):
        table[f"pred_{name}"] = P * size
    table.to_csv(folder / "wide.csv", index=False)
    table.to_parquet(folder / "wide.parquet")
    return table


@pytest.mark.parametrize("name", ["wide.csv", "wide.parquet"])
@pytest.mark.parametrize("flags", [[], ["--target", "y_*", "--pred", "pred_*"]])
def test_several_outputs_of_a_table_belong_together_by_name(run, tmp_path, name, flags) -> None:
    table = _outputs(tmp_path)
    result = run("report", tmp_path / name, "--task", "regression", *flags, "--no-intervals", "-f", "json")
    document = json.loads(result.stdout)
    assert document["outputs"] == ["age", "price", "area"]
    for row in document["per_output"]:
        error = (table[f"pred_{row['output']}"] - table[f"y_{row['output']}"]).abs().mean()
        assert row["mae"]["value"] == pytest.approx(error, rel=1e-12)
    chosen = ["--target", "y_area,y_age", "--pred", "pred_area,pred_age", "--max", "rmse[area]=1"]
    two = run("report", tmp_path / name, "--task", "regression", *chosen, "-m", "rmse")
    assert (two.code, "regression, 2 outputs" in two.stdout) == (1, True)


def test_targets_of_several_outputs_keep_all_their_digits(run, tmp_path) -> None:
    table = pd.DataFrame({"y_a": 1e8 + T * 1e-3, "y_b": T, "p_a": 1e8 + P * 1e-3, "p_b": P})
    table.to_parquet(tmp_path / "wide.parquet")
    found = json.loads(run("report", tmp_path / "wide.parquet", "--task", "regression", "-f", "json").stdout)
    first, second = (row["r2"]["value"] for row in found["per_output"])
    assert first == pytest.approx(second, rel=1e-4)  # but for the digits that 1e8 leaves of the fractions
    assert first != second


def test_several_outputs_in_lists_and_beside_a_tensor(run, tmp_path) -> None:
    said, truth = np.stack([P, 2 * P], 1), np.stack([T, 2 * T], 1)
    pd.DataFrame({"target": list(truth), "pred": list(said)}).to_parquet(tmp_path / "lists.parquet")
    np.save(tmp_path / "p.npy", said)
    pd.DataFrame(truth, columns=["y_a", "y_b"]).to_csv(tmp_path / "t.csv", index=False)
    flags = ["--task", "regression", "-m", "mae", "-f", "json"]
    lists, mixed = (
        run("report", tmp_path / "lists.parquet", *flags),
        run("report", tmp_path / "p.npy", tmp_path / "t.csv", *flags),
    )
    assert metrics(lists) == metrics(mixed) == {"mae": pytest.approx(1.5 * np.abs(P - T).mean(), rel=1e-12)}
    assert json.loads(mixed.stdout)["outputs"] == ["a", "b"]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("x", "target 'x' in column 'y_a' is"),
        ("true", "target 'true' in column 'y_a' is not one number (1 in all: line 2)"),
        ("", "1 target is not finite (line 2: nan); --nan drop"),
        ("9007199254740993", "target 9007199254740993 in column 'y_a' is a whole number that float64 does not hold"),
    ],
)
def test_cells_of_several_outputs_are_checked(run, tmp_path, cell, says) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(f"y_a,y_b,p_a,p_b\n{cell},1,2,3\n1.5,2.5,3.5,4.5\n")
    result = run("report", path, "--task", "regression")
    assert (result.code, says in result.stderr) == (2, True), result.stderr
    if not cell:
        assert json.loads(run("report", path, "--task", "regression", "--nan", "drop", "-f", "json").stdout)["n"] == 1


def test_outputs_that_one_side_lacks_are_named(run, tmp_path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("y_a,y_b,p_a,p_c\n1,2,3,4\n")
    result = run("report", path, "--task", "regression", "--target", "y_*", "--pred", "p_*")
    assert (result.code, "'c'" in result.stderr and "'b'" in result.stderr) == (2, True)
    path.write_text("word,other\n" + "['a'],['b']\n")
    assert run("report", path, "--task", "regression").code == 2


def test_the_sample_is_a_regression_with_gates(run) -> None:
    result = run("report", SAMPLE, "--task", "regression", "--max", "mae=45", "--min", "r2=0.5")
    assert result.code == 0
    assert "RMSE      53.15  ±5.04" in result.stdout
    assert "Gates: 2 of 2 passed" in result.stderr


def test_reports_are_kept_judged_again_and_compared(run, tmp_path) -> None:
    files = _saved(tmp_path)
    base, worse = tmp_path / "base.json", tmp_path / "worse.npy"
    assert (
        run("report", *files["npy"], "-o", base, "-o", tmp_path / "r.md", "-o", tmp_path / "r.csv", "--quiet").code == 0
    )
    assert run("gate", base, "--max", "rmse=5", "--min", "r2=0.5").code == 0
    assert run("gate", base, "--max", "rmse=0.5").code == 1
    assert run("gate", base, "--max", "kendall=1").code == 2
    np.save(worse, T + 1.05 * (P - T))
    drop = ["--baseline", str(base), "--max-drop"]
    assert run("report", worse, tmp_path / "t.npy", *drop, "rmse=2%").code == 1
    assert run("report", worse, tmp_path / "t.npy", *drop, "rmse=6%", "--quiet").code == 0
    assert run("report", *files["npy"], *drop, "rmse=0", "--quiet").code == 0


def test_options_in_a_file(run, tmp_path) -> None:
    (tmp_path / "evalcli.toml").write_text('task = "regression"\nmax = ["rmse=1"]\n')
    result = run("report", SAMPLE, "--config", tmp_path / "evalcli.toml")
    assert (result.code, "FAIL    rmse<=1" in result.stderr) == (1, True)


def test_inspect_reads_values_and_names_the_command(run, tmp_path) -> None:
    files = _saved(tmp_path)
    for kind in ("npz", "dict", "csv", "parquet", "jsonl"):
        seen = json.loads(run("inspect", *files[kind], "-f", "json").stdout)
        assert seen["reading"] == "regression, values on both sides"
        assert seen["command"] == f"evalcli report {files[kind][0]}"
    seen = json.loads(run("inspect", SAMPLE, "-f", "json").stdout)
    assert seen["command"].endswith("--task regression")
    np.savez(tmp_path / "several.npz", pred=np.stack([P, P], 1), target=np.stack([T, T], 1))
    seen = json.loads(run("inspect", tmp_path / "several.npz", "-f", "json").stdout)
    assert seen["command"].endswith("--task regression")
    assert "one number for each row" in run("inspect", tmp_path / "p.npy").stdout


def test_metrics_of_values_explain_themselves(run) -> None:
    text = run("metrics", "rmse[price]").stdout
    assert "the output 'price' alone" in text
    assert "tasks      regression; it needs values" in text
    assert "nearer 0 is better" in run("metrics", "bias").stdout
    assert "names      pinball, pinball0.9, pinball0.9[OUTPUT]" in run("metrics", "pinball").stdout
    assert json.loads(run("metrics", "r2", "-f", "json").stdout)["needs"] == "values"


def test_a_regression_starts_without_what_is_heavy(spawn) -> None:
    code = (
        "import sys; sys.argv = ['evalcli', 'report', *sys.argv[1:]]\n"
        "from evalcli.cli import run\n"
        "run(sys.argv[1:])\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'scipy') if m in sys.modules], file=sys.stderr)"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code, str(SAMPLE), "--task", "regression", "-m", "kendall,spearman,msle"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == "[]\n"
