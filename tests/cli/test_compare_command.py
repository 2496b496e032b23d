"""``evalcli compare`` from files to exit codes, as a shell sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest

NAMES = ("ham", "spam")


def table(path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def files(tmp_path):
    """Three models of one truth: 70 %, 80 % and 90 % right; together in one table, alone in others, and as arrays."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 400)
    models = {
        name: np.where(rng.random(400) < wrong, 1 - target, target)
        for name, wrong in (("a", 0.3), ("b", 0.2), ("c", 0.1))
    }
    words = {name: [NAMES[i] for i in each] for name, each in models.items()}
    truth = [NAMES[i] for i in target]
    ids = [f"r{i}" for i in range(400)]
    table(tmp_path / "all.csv", {"id": ids, "label": truth, **words})
    table(tmp_path / "t.csv", {"id": ids, "label": truth})
    for name, each in words.items():
        table(tmp_path / f"{name}.csv", {"id": ids, "pred": each})
        table(tmp_path / f"whole_{name}.csv", {"label": truth, "pred": each})
        np.save(tmp_path / f"{name}.npy", models[name])
    np.save(tmp_path / "t.npy", target)
    return tmp_path


def parsed(done):
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def columns_of(path):
    return list(zip(*(line.split(",") for line in path.read_text().splitlines()[1:]), strict=True))


HALVES = ["one" if i % 3 else "two" for i in range(400)]
POSITIVE = ("--positive", "spam", "-f", "json")


def test_every_way_to_name_two_models_gives_the_same(run, files) -> None:
    ways = [
        ("a.csv", "b.csv", "t.csv"),
        ("a.csv", "b.csv", "t.csv", "--id", "id"),
        ("a.csv", "b.csv", "--targets", "t.csv"),
        ("whole_a.csv", "whole_b.csv"),
        ("all.csv", "--pred", "a,b"),
        ("all.csv", "--pred", "a", "--pred", "b"),
        ("all.csv", "t.csv", "--pred", "a,b", "--id", "id"),
    ]
    found = [parsed(run("compare", *way, *POSITIVE)) for way in ways]
    assert all(each["metrics"] == found[0]["metrics"] for each in found)
    assert all(each["flips"] == found[0]["flips"] for each in found)
    arrays = parsed(run("compare", "a.npy", "b.npy", "t.npy", "-f", "json"))
    assert arrays["metrics"] == found[0]["metrics"]


def test_numbers_are_those_of_reports(run, files) -> None:
    found = parsed(run("compare", "a.csv", "b.csv", "t.csv", *POSITIVE))
    for place, name in enumerate("ab"):
        report = parsed(run("report", f"{name}.csv", "t.csv", *POSITIVE))
        for metric, row in found["metrics"].items():
            assert row["values"][place] == report["metrics"][metric]["value"]


def test_three_models_make_a_league(run, files) -> None:
    ways = [
        ("a.csv", "b.csv", "c.csv", "t.csv"),
        ("a.csv", "b.csv", "c.csv", "--targets", "t.csv"),
        ("whole_a.csv", "whole_b.csv", "whole_c.csv"),
        ("all.csv", "--pred", "a,b,c"),
    ]
    found = [parsed(run("compare", *way, *POSITIVE)) for way in ways]
    assert all(each["kind"] == "league" for each in found)
    assert all(each["metrics"] == found[0]["metrics"] for each in found)
    assert [each["name"] for each in found[0]["models"]] == ["A", "B", "C"]
    assert found[0]["reference"] == 2


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--noninferior", "accuracy=1pp"), 0),
        (("--equivalent", "accuracy=1pp"), 1),
        (("--equivalent", "accuracy=12pp"), 3),
        (("--noninferior", "accuracy=1pp", "--equivalent", "accuracy=12pp"), 3),
        (("--noninferior", "recall[spam]=20%"), 0),
        (("--noninferior", "auroc=1pp"), 2),
        (("--noninferior", "accuracy"), 2),
        (("--min", "accuracy=0.7"), 0),
        (("--min", "accuracy=0.9"), 1),
        (("--min", "A:accuracy=0.75"), 1),
        (("--min", "accuracy=0.7", "--gate-on", "interval"), 0),
        (("--min", "accuracy=0.79", "--gate-on", "interval"), 3),
        (("--min", "accuracy=0.9", "--gate-on", "interval"), 1),
        (("--min", "accuracy=0.7", "--equivalent", "accuracy=12pp"), 3),
        (("--max", "error_rate=0.1", "--equivalent", "accuracy=12pp"), 1),
        (("--min", "recall[eggs]=0.5"), 2),
        (("--min", "C:accuracy=0.5"), 2),
        (("--min", "accuracy=90"), 2),
        (("--confidence", "95"), 2),
    ],
)
def test_exit_codes(run, files, gates, code) -> None:
    done = run("compare", "a.csv", "b.csv", "t.csv", "--positive", "spam", "--quiet", *gates)
    assert done.code == code, done.stderr
    assert done.stdout == ""
    assert bool(done.stderr) == (code != 0)


def test_the_other_way_round_the_gate_fails(spawn, files) -> None:
    gate = ("--noninferior", "accuracy=0.5pp")
    done = spawn("compare", "c.csv", "a.csv", "t.csv", "--positive", "spam", *gate, cwd=files)
    assert done.code == 1
    assert "B is worse: −" in done.stdout
    assert "FAIL" in done.stderr


def test_files_of_every_format(run, files) -> None:
    outputs = [arg for suffix in ("json", "csv", "md", "txt") for arg in ("-o", f"out.{suffix}")]
    done = run("compare", "a.csv", "c.csv", "t.csv", "--positive", "spam", *outputs)
    assert done.code == 0, done.stderr
    assert json.loads((files / "out.json").read_text())["schema"] == "evalcli.comparison/1"
    assert (files / "out.csv").read_text().startswith("table,metric,model")
    assert (files / "out.md").read_text().startswith("# Comparison\n\n**accuracy: B is better: +")
    assert "B is better" in (files / "out.txt").read_text()
    assert "B is better" in done.stdout


def test_gates_on_slices_slice_by_themselves(run, files) -> None:
    args = ("compare", "a.csv", "b.csv", "slices.csv", *POSITIVE, "-m", "accuracy")
    table(
        files / "slices.csv", {**dict(zip(("id", "label"), columns_of(files / "t.csv"), strict=True)), "half": HALVES}
    )
    done = run(*args, "--max-drop", "accuracy@half=one=0", "--noninferior", "accuracy@half=*=20pp")
    found = parsed(done)
    assert [row["value"] for row in found["slices"]] == ["one", "two"]
    assert [gate["status"] for gate in found["gates"]] == ["pass", "pass"]
    assert run(*args, "--max-drop", "accuracy@half=*=-50pp").code == 1
    assert run(*args, "--noninferior", "accuracy@half=*=0.01pp", "--min-slice-size", "300").code == 2
    by_half = parsed(run(*args, "--by", "half"))
    assert by_half["slices"] == found["slices"]
    other = parsed(run(*args, "--by", "half", "--id", "id"))
    assert other["slices"] == found["slices"]


def test_slices_may_lie_beside_the_second_model(run, files) -> None:
    words = columns_of(files / "whole_b.csv")
    table(files / "sliced_b.csv", {"label": words[0], "pred": words[1], "half": HALVES})
    first = parsed(run("compare", "whole_a.csv", "sliced_b.csv", "--by", "half", *POSITIVE))
    assert [row["n"] for row in first["slices"]] == [HALVES.count("one"), HALVES.count("two")]
    assert first["metrics"] == parsed(run("compare", "whole_a.csv", "whole_b.csv", *POSITIVE))["metrics"]
    done = run("compare", "whole_a.csv", "whole_b.csv", "--by", "half", *POSITIVE)
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("evalcli: whole_a.csv: no column 'half' to slice by")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("a.csv",), "there is one model"),
        (("-", "a.csv", "--overlap"), "save standard input to a file"),
        (("a.csv", "b.csv", "c.csv", "t.csv", "--noninferior", "accuracy=1pp"), "about two models"),
        (("a.csv", "b.csv", "--targets", "t.csv", "--pred", "a,b"), "--pred names 2 columns, and there are 2 files"),
        (("a.csv", "b.csv", "t.csv", "-m", "accuracy@id=r1"), "slices are not compared"),
        (("a.csv", "b.csv", "t.csv", "--noninferior", "accuracy@land=EU=1pp"), "no column 'land' to slice by"),
        (("a.csv", "b.csv", "t.csv", "--equivalent", "accuracy@id:gap=1pp"), "gaps between slices are not compared"),
        (("whole_a.csv", "whole_b.csv", "--independent", "--by", "pred"), "keep the rows of one slice with --where"),
        (("all.csv", "all.csv", "--overlap", "--by", "id"), "ask for one thing at a time"),
        (("a.csv", "b.csv", "t.csv", "-m", "equal_opportunity_difference@id"), "slices are not compared"),
        (("a.csv", "b.csv", "t.csv", "-m", "log_loss"), "needs scores"),
        (("a.csv", "b.csv", "t.csv", "--independent"), "about two files"),
        (("whole_a.csv", "whole_b.csv", "--overlap", "--independent"), "ask for one thing at a time"),
        (("whole_a.csv", "whole_b.csv", "--overlap"), "differ in 2 columns, so that this tells no samples apart"),
    ],
)
def test_what_cannot_be_meant_is_told(run, files, args, said) -> None:
    done = run("compare", *args, "--positive", "spam")
    assert done.code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_model_may_come_from_a_pipe(spawn, files) -> None:
    done = spawn("compare", "-", "b.csv", "t.csv", *POSITIVE, cwd=files, input=(files / "a.csv").read_text())
    straight = spawn("compare", "a.csv", "b.csv", "t.csv", *POSITIVE, cwd=files)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == json.loads(straight.stdout)["metrics"]
    assert json.loads(done.stdout)["models"][0]["path"] == "-"


def test_several_models_may_come_from_one_pipe(spawn, files) -> None:
    """As columns of one table, or with a truth that is piped in beside two files."""
    both = (files / "all.csv").read_text()
    straight = spawn("compare", "all.csv", "--pred", "a,b", *POSITIVE, cwd=files)
    done = spawn("compare", "-", "--pred", "a,b", *POSITIVE, cwd=files, input=both)
    assert done.code == straight.code == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == json.loads(straight.stdout)["metrics"]
    assert "evalcli-stdin" not in done.stdout
    done = spawn("compare", "a.csv", "b.csv", "-", *POSITIVE, cwd=files, input=(files / "t.csv").read_text())
    assert json.loads(done.stdout)["metrics"] == json.loads(straight.stdout)["metrics"]
    done = spawn("compare", "-", "--pred", "a,zz", *POSITIVE, cwd=files, input=both)
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("evalcli: -: no column 'zz'")


@pytest.mark.parametrize("written", ["1", "1.0"])
def test_a_slice_is_found_however_its_value_is_written(run, files, written) -> None:
    """A column of ``1.0`` and ``2.0``, which is sliced as 1 and 2."""
    lines = (files / "all.csv").read_text().splitlines()
    rows = [f"{line},{'version' if i == 0 else f'{1 + i % 2}.0'}" for i, line in enumerate(lines)]
    (files / "versions.csv").write_text("\n".join(rows) + "\n")
    gate = f"accuracy@version={written}=1"
    found = parsed(run("compare", "versions.csv", "--pred", "a,b", *POSITIVE, "--by", "version", "--noninferior", gate))
    assert [(gate["status"], gate["n"]) for gate in found["gates"]] == [("pass", 200)]


def test_train_against_test(run, files) -> None:
    done = run("compare", "whole_c.csv", "whole_a.csv", "--independent", "--positive", "spam")
    assert done.code == 0, done.stderr
    assert "overfitted, if A was trained on: accuracy is" in done.stdout
    assert "Flips" not in done.stdout


def test_weights_of_two_samples_are_told(run, files) -> None:
    (files / "heavy.csv").write_text("target,pred,w\n" + "ham,ham,2\nspam,ham,1\nspam,spam,3\n" * 20)
    asked = ("compare", "heavy.csv", "heavy.csv", "--independent", "--positive", "spam")
    assert "samples   60 in A, 60 in B\n" in run(*asked).stdout
    assert "samples   60 in A, 60 in B, weighted\n" in run(*asked, "--weight", "w").stdout


def test_overlap(run, files) -> None:
    done = run("compare", "a.csv", "t.csv", "--overlap", "--id", "id")
    assert done.code == 0, done.stderr
    assert "400 rows of B are in A" in done.stdout
    assert "leave them out" in done.stdout
    found = json.loads(run("compare", "a.csv", "t.csv", "--overlap", "--id", "id", "-f", "json").stdout)
    assert found["shared"] == [400, 400]


def test_options_come_from_the_configuration(run, files) -> None:
    (files / "own.toml").write_text(
        '[compare]\npositive = "spam"\nnoninferior = { accuracy = "1pp" }\nmetrics = "accuracy"\n'
    )
    done = run("compare", "a.csv", "b.csv", "t.csv", "--config", "own.toml", "-f", "json")
    assert list(parsed(done)["metrics"]) == ["accuracy"]
    assert "1 of 1 passed" in done.stderr


def test_the_command_is_listed(run) -> None:
    assert "compare " in run("--help").stdout


def test_a_missing_truth_is_told_in_words_that_fit(run, files) -> None:
    """``compare`` is not answered with a command line of ``report``."""
    np.save("alone.npy", np.zeros(3, int))
    for args in (("compare", "a.npy", "alone.npy"), ("report", "a.npy")):
        done = run(*args)
        assert done.code == 2
        assert "so the targets are missing; name the file that holds them last: … TARGETS" in done.stderr
        assert "evalcli report" not in done.stderr


@pytest.mark.parametrize("order", [("three.npy", "scores.npy"), ("scores.npy", "three.npy")])
def test_scores_of_two_classes_beside_labels_of_three_end(spawn, files, order) -> None:
    """Each pass would show the same contradiction again, for ever."""
    target = np.arange(20) % 2
    np.save(files / "two.npy", target)
    np.save(files / "three.npy", np.where(np.arange(20) == 3, 2, target))
    np.save(files / "scores.npy", np.where(target == 1, 0.8, 0.3))
    done = spawn("compare", *order, "two.npy", cwd=files)
    assert done.code == 2
    assert "do not fit one task; give all the same classes, or say --task and --scores [E3]" in done.stderr


def test_what_is_defined_is_compared_and_judged(run, files):
    args = ("compare", files / "whole_a.csv", files / "whole_b.csv", "--define", "gap = recall[ham] - recall[spam]")
    args += ("--task", "multiclass")
    done = run(*args, "-m", "accuracy", "--max-drop", "gap=0.9", "--noninferior", "gap=0.9", "-f", "json")
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [*found["metrics"]] == ["accuracy", "gap"]
    assert found["definitions"] == {"gap": "recall[ham] - recall[spam]"}
    assert [gate["status"] for gate in found["gates"]] == ["pass", "pass"]
    for form, told in (("markdown", "defined"), ("csv", "gap"), ("rich", "gap = recall")):
        assert told in run(*args, "-f", form).stdout
    assert run(*args, "--max-drop", "gap=-0.9").code == 1
    assert "what --define and --metric make is always computed" in run(*args, "-m", "gap").stderr
    assert run(*args, "--max-drop", "gop=1").code == 2
    assert run("compare", *args[1:3], "--define", "x = accuracy@a=b").code == 2
    assert run("compare", *args[1:3], "--define", "x = accuracy", "--overlap").code == 2


def test_a_model_is_judged_as_in_a_report_on_it(run, files):
    """Point and interval, of all rows, of a slice, of the worst, of a gap, of what is defined."""
    columns = {"half": HALVES, **dict(zip(("id", "label", "a", "b", "c"), columns_of(files / "all.csv"), strict=True))}
    table(files / "halves.csv", columns)
    gates = ("--min", "accuracy=0.79", "--min", "recall[ham]@half=one=0.8", "--min", "f1_macro@half=*=0.7")
    gates += ("--max", "accuracy@half:gap=0.01", "--min", "less=0.01", "--min-slice-size", "20", "--max", "accuracy=1")
    gates += ("--define", "less = recall[ham] - recall[spam]", "--positive", "spam", "-f", "json")
    for basis in ("point", "interval"):
        args = (*gates, "--gate-on", basis)
        found = json.loads(run("compare", "halves.csv", "--pred", "a,b", *args).stdout)["gates"]
        alone = json.loads(run("report", "halves.csv", "--pred", "b", *args).stdout)["gates"]
        assert len(found) == 6
        assert not any("is better" in gate["reason"] for gate in found)
        for mine, theirs in zip(found, alone, strict=True):
            ends = {} if basis == "interval" else {"low": None, "high": None}
            assert {name: mine[name] for name in theirs} | ends == theirs | ends | {"rule": f"B:{theirs['rule']}"}


def test_every_model_of_a_league_but_the_first_is_judged(run, files):
    args = ("compare", "all.csv", "--pred", "a,b,c", "--positive", "spam", "--quiet")
    done = run(*args, "--min", "accuracy=0.85", "--min", "C:recall=0.8")
    assert done.code == 1
    assert [line.split()[:2] for line in done.stderr.splitlines() if ":" in line and ">=" in line] == [
        ["FAIL", "B:accuracy>=0.85"], ["pass", "C:accuracy>=0.85"], ["pass", "C:recall>=0.8"],
    ]  # fmt: skip
    assert run(*args, "--min", "C:accuracy=0.85").code == 0
    assert "judge each by --min and --max" in run(*args, "--noninferior", "accuracy=1pp").stderr


def test_gates_of_a_configuration_are_replaced_one_by_one(run, files):
    (files / "gates.toml").write_text('min = ["accuracy=0.99", "mcc=0.99"]\nnoninferior = ["accuracy=1pp"]\n')
    args = ("compare", "whole_a.csv", "whole_b.csv", "--positive", "spam", "--config", "gates.toml", "-f", "json")
    gates = [json.loads(run(*args, *more).stdout)["gates"] for more in ((), ("--min", "mcc=0.1"))]
    assert [gate["rule"] for gate in gates[0]] == ["B:accuracy>=0.99", "B:mcc>=0.99", "noninferior(accuracy)<0.01"]
    assert [gate["rule"] for gate in gates[1]] == ["B:accuracy>=0.99", "B:mcc>=0.1", "noninferior(accuracy)<0.01"]
    (files / "gates.toml").write_text('min = ["accurcy=0.99"]\n')
    assert run(*args).stderr.startswith("evalcli: gates.toml: ")


def test_minimums_of_a_report_in_a_configuration_judge_what_is_compared(run, files):
    (files / "gates.toml").write_text("min-accuracy = 0.99\nmin-f1 = 0.5\n")
    args = ("compare", "whole_a.csv", "whole_b.csv", "--config", "gates.toml", "-f", "json", "-m", "accuracy")
    binary, both = ("--positive", "spam"), ("--task", "multiclass")
    for task, typed, rules in (
        (binary, (), ["B:accuracy>=0.99", "B:f1>=0.5"]),
        (binary, ("--min", "f1_macro=0.1"), ["B:accuracy>=0.99", "B:f1>=0.5", "B:f1_macro>=0.1"]),
        (both, (), ["B:accuracy>=0.99", "B:f1_macro>=0.5"]),
        (both, ("--min", "f1_macro=0.1"), ["B:accuracy>=0.99", "B:f1_macro>=0.1"]),
        (both, ("--min", "B:f1_macro=0.1"), ["B:accuracy>=0.99", "B:f1_macro>=0.5", "B:f1_macro>=0.1"]),
        (both, ("--min-f1", "0.1"), ["B:accuracy>=0.99", "B:f1_macro>=0.1"]),
    ):
        done = run(*args, *task, *typed)
        gates = json.loads(done.stdout)["gates"]
        assert [gate["rule"] for gate in gates] == rules
        assert {gate["rule"]: gate["status"] for gate in gates}["B:accuracy>=0.99"] == "fail"
        assert done.code == 1


def test_an_interval_of_other_rows_than_those_compared_judges_nothing(run, files):
    values = np.random.default_rng(3).normal(size=(3, 400))
    values[0, :2] = np.nan
    table(files / "values.csv", {"target": values[2], "a": values[0], "b": values[2] + 0.1 * values[1]})
    args = ("compare", "values.csv", "--pred", "a,b", "--task", "regression", "--nan", "drop", "--quiet")
    assert run(*args, "--max", "rmse=0.2").code == 0
    done = run(*args, "--max", "rmse=0.2", "--gate-on", "interval")
    assert done.code == 2
    assert "its interval is of 400 rows, and 398 are compared" in " ".join(done.stderr.split())


def test_what_the_models_do_not_have_is_missing_as_in_a_report(run, files):
    """And the comparison is told all the same: a configuration may hold gates that are about something else."""
    gates = ("--min", "auroc=0.5", "--min", "rmse=1", "--min", "recall[eggs]=0.5", "--min", "accuracy=0.7")
    args = (*gates, "--positive", "spam", "-f", "json")
    found = [
        run("compare", "whole_a.csv", "whole_b.csv", *args),
        run("compare", "whole_a.csv", "whole_b.csv", *args, "--independent"),
        run("report", "whole_b.csv", *args),
    ]
    assert {one.code for one in found} == {2}
    told = [[(one["status"], one.get("reason", "")) for one in json.loads(each.stdout)["gates"]] for each in found]
    assert [status for status, _ in told[0]] == ["missing", "missing", "missing", "pass"]
    assert told[0] == told[1] == told[2]
