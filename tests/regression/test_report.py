"""A regression from a source to a report: the same whatever the batches, beside scikit-learn, saved and judged."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_source import MemorySource
from sklearn import metrics as sk

from evalcli.engine import Execution
from evalcli.errors import InputError, UsageError
from evalcli.evaluation import evaluate
from evalcli.gates import exit_code, judge
from evalcli.metrics.registry import default_names
from evalcli.renderers.json import render_json
from evalcli.renderers.terminal import plain
from evalcli.report import Report
from evalcli.rules import metrics_of, parse_rules
from evalcli.saved import parse_report
from evalcli.task import Choices

ALL = (
    *default_names("regression"),
    *("kendall", "msle", "poisson_deviance", "gamma_deviance", "tweedie_deviance1.5", "pinball0.9", "adjusted_r2_p3"),
)


def drawn(seed=0, n=300, outputs=1):
    rng = np.random.default_rng(seed)
    target = rng.lognormal(size=(n, outputs))
    preds = target * rng.lognormal(sigma=0.3, size=(n, outputs))
    return (preds[:, 0], target[:, 0]) if outputs == 1 else (preds, target)


def report(preds, target, execution=Execution(workers=1), *, weight=None, metrics=None, also=(), dtype=None, **choices):  # noqa: B008 - frozen
    source = MemorySource(preds, target, weight=weight, dtype=dtype)
    return evaluate(source, Choices(**choices), execution, metrics, also=also)


def numbers(found):
    return {name: value.value for name, value in found.metrics.items()}


@pytest.mark.parametrize("weighted", [False, True])
def test_a_whole_report_equals_scikit_learn(weighted):
    preds, target = drawn()
    weight = np.random.default_rng(1).random(300) if weighted else None
    found = report(preds, target, weight=weight)
    assert (found.task, found.scores, found.n, found.ignored, found.weighted) == (
        "regression", "values", 300, 0, weighted,
    )  # fmt: skip
    assert tuple(found.metrics) == default_names("regression")
    got, w = numbers(found), {"sample_weight": weight}
    for name, formula in {
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "r2": sk.r2_score,
        "medae": sk.median_absolute_error,
        "mape": sk.mean_absolute_percentage_error,
        "explained_variance": sk.explained_variance_score,
    }.items():
        assert got[name] == pytest.approx(formula(target, preds, **w), rel=1e-12), name
    assert (found.classes, found.per_class, found.positive, found.outputs, found.per_output) == (
        (),
        (),
        None,
        ("0",),
        (),
    )
    assert found.signature == (
        f"task:regression|scores:values|outputs:1|n:300|ignore:-|nan:error|weights:{'yes' if weighted else 'no'}"
        "|budget:67108864|v:0.1.0"
    )


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    batch=st.integers(1, 400),
    workers=st.integers(1, 4),
    backend=st.sampled_from(["numpy", "torch"]),
    outputs=st.sampled_from([1, 3]),
    budget=st.sampled_from([None, 3000]),
    weighted=st.booleans(),
)
def test_M01_M02_the_same_bytes_whatever_the_batches_workers_and_backend(
    seed, batch, workers, backend, outputs, budget, weighted
):
    preds, target = drawn(seed, outputs=outputs)
    weight = np.random.default_rng(seed).lognormal(sigma=9, size=300) if weighted else None
    more = {"weight": weight, "metrics": ALL} | ({"task": "regression"} if outputs > 1 else {})
    whole = report(preds, target, Execution(workers=1, ranking_budget=budget), **more)
    parts = report(preds, target, Execution(backend, batch_size=batch, workers=workers, ranking_budget=budget), **more)
    assert render_json(parts) == render_json(whole)
    order = np.random.default_rng(seed).permutation(300)
    turned = report(
        preds[order], target[order], Execution(workers=1, ranking_budget=budget),
        **more | {"weight": None if weight is None else weight[order]},
    )  # fmt: skip
    assert render_json(turned) == render_json(whole)


def test_what_ran_is_said_as_it_was():
    found = report(*drawn(), Execution("torch", workers=1))
    assert (found.run.backend, found.run.device) == ("numpy", "cpu")
    assert "on the host" in found.run.why


def test_N04_the_task_is_decided_by_the_whole_input():
    target = np.arange(40.0)
    target[20:] += 0.5
    preds = target + 0.25
    found = [report(preds, target, Execution(batch_size=size, workers=1)) for size in (1, 7, 40)]
    assert {each.task for each in found} == {"regression"}
    assert render_json(found[0]) == render_json(found[1]) == render_json(found[2])
    target[21:] -= 0.5
    for size in (1, 7, 40):
        with pytest.raises(InputError, match="1 of 40 targets has a fraction"):
            report(preds, target, Execution(batch_size=size, workers=1))


def test_several_outputs():
    preds, target = drawn(outputs=3)
    found = report(preds, target, task="regression", metrics=("rmse", "r2", "rmse[1]"))
    each = sk.mean_squared_error(target, preds, multioutput="raw_values") ** 0.5
    assert found.outputs == ("0", "1", "2")
    assert [row.metrics["rmse"].value for row in found.per_output] == pytest.approx(each.tolist(), rel=1e-12)
    assert found.metrics["rmse"].value == pytest.approx(each.mean(), rel=1e-12)
    assert found.metrics["rmse[1]"].value == found.per_output[1].metrics["rmse"].value
    assert list(found.per_output[0].metrics) == ["rmse", "r2"]
    assert found.residuals == ()  # nothing that was asked for reads them
    one = report(preds, target, task="regression", metrics=("rmse[1]",), also=("mae", "mae[0]"))
    assert one.per_output == ()
    assert [judge(one, parse_rules(maximum=[rule]))[0].status for rule in ("mae[0]=9", "mae[1]=9")] == [
        "pass",
        "missing",
    ]
    assert "Outputs" not in plain(one, 80)
    whole = report(preds, target, scores="values")
    assert [row.output for row in whole.residuals] == ["0", "1", "2"]
    assert report(preds[:, :1], target[:, :1]).metrics == report(preds[:, 0], target[:, 0]).metrics


def test_residuals_of_a_report():
    preds, target = drawn()
    (residuals,) = report(preds, target).residuals
    errors = preds - target
    assert dict(residuals.quantiles)[50].value == pytest.approx(float(np.median(errors)))
    assert dict(residuals.quantiles)[0].value == errors.min()
    assert dict(residuals.quantiles)[100].value == errors.max()
    assert residuals.bias == pytest.approx(float(errors.mean()), rel=1e-12)
    assert sum(residuals.counts) == 300
    assert residuals.edges[0] == errors.min()


def test_what_is_not_asked_for_is_not_paid_for():
    found = report(*drawn(), metrics=("rmse",))
    assert list(found.metrics) == ["rmse"]
    assert "budget" not in found.signature
    assert found.asked == ("rmse",)


def test_certified_values_are_marked():
    preds, target = drawn(n=2000)
    exact, coarse = (report(preds, target, Execution(ranking_budget=size)) for size in (None, 20_000))
    for name in ("medae", "spearman"):
        low, high = coarse.metrics[name].certified
        assert low <= exact.metrics[name].value <= high
        assert exact.metrics[name].certified is None
    assert coarse.metrics["rmse"] == exact.metrics["rmse"]
    assert dict(coarse.residuals[0].quantiles)[25].certified is not None
    assert "budget:20000" in coarse.signature


def test_undefined_metrics_are_listed_and_fail_their_gate():
    preds, target = drawn()
    target[5] = 0.0
    found = report(preds, target, metrics=("mape", "gamma_deviance", "rmse"))
    assert found.undefined == ("mape", "gamma_deviance")
    verdicts = judge(found, parse_rules(maximum=["mape=1", "rmse=1e9"]))
    assert [verdict.status for verdict in verdicts] == ["undefined", "pass"]
    assert verdicts[0].reason == "undefined here (see the findings), and undefined never passes"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
def test_M15_a_saved_report_is_read_back_to_the_byte(weighted, outputs):
    preds, target = drawn(outputs=outputs)
    target[3] = 0.0
    weight = np.random.default_rng(1).random(300) if weighted else None
    found = report(preds, target, Execution(ranking_budget=9000), weight=weight, task="regression", metrics=ALL)
    text = render_json(found)
    assert parse_report(text) == replace(found, run=None, asked=())
    assert render_json(parse_report(text)) == text
    document = json.loads(text)
    assert not {"classes", "per_class", "confusion", "averaged", "positive"} & set(document)
    assert Report.from_json_object(document).outputs == found.outputs


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda d: d.pop("outputs"), "outputs is missing"),
        (lambda d: d.pop("residuals"), "residuals is missing"),
        (lambda d: d["residuals"][0].pop("histogram"), r"residuals\[0\].histogram is missing"),
        (lambda d: d["residuals"][0]["histogram"]["counts"].pop(), "edges for"),
        (lambda d: d["residuals"][0]["histogram"]["counts"].append("x"), "is 'x', not a number"),
        (lambda d: d["residuals"][0]["quantiles"][0].pop("percent"), "percent is missing"),
        (lambda d: d["residuals"][0].update(bias=None), "bias is null"),
        (lambda d: d["per_output"][0].pop("output"), r"per_output\[0\].output is missing"),
    ],
)
def test_a_damaged_report_is_refused_with_its_place(damage, says):
    document = json.loads(render_json(report(*drawn(outputs=2), task="regression")))
    damage(document)
    with pytest.raises(InputError, match=says):
        parse_report(json.dumps(document))


def test_gates_on_values_of_one_output_and_against_a_baseline():
    preds, target = drawn(outputs=2)
    rules = parse_rules(["r2=0.2", "r2[1]=0.2"], ["rmse[0]=0.001", "rmse[7]=1", "pinball0.9=9"], [])
    found = report(preds, target, task="regression", also=metrics_of(rules))
    statuses = {verdict.rule: verdict.status for verdict in judge(found, rules)}
    assert statuses == {
        "r2>=0.2": "pass", "r2[1]>=0.2": "pass", "rmse[0]<=0.001": "fail", "rmse[7]<=1": "missing",
        "pinball0.9<=9": "pass",
    }  # fmt: skip
    reasons = [verdict.reason for verdict in judge(found, rules) if verdict.status == "missing"]
    assert reasons == ["no output '7'; there are '0', '1'"]
    single = report(*drawn())
    assert judge(single, parse_rules(maximum=["rmse[0]=9"]))[0].status == "pass"
    assert judge(single, parse_rules(maximum=["kendall=1"]))[0].status == "missing"


def test_a_drop_follows_the_direction_of_the_metric():
    preds, target = drawn()
    worse = target + 1.1 * (preds - target)
    before, now = report(preds, target), report(worse, target)
    rules = parse_rules(drops=["rmse=2%", "rmse=20%", "r2=0.0001", "bias=50%", "mae=11%"])
    assert [verdict.status for verdict in judge(now, rules, before)] == ["fail", "pass", "fail", "pass", "pass"]
    assert {verdict.status for verdict in judge(before, rules, now)} == {"pass"}
    assert exit_code(judge(now, rules, before)) == 1


@pytest.mark.parametrize(
    ("old", "new", "passes"), [(-1.0, 0.5, True), (0.5, -1.0, False), (-1.0, 1.0, True), (0.0, -0.1, False)]
)
def test_a_bias_is_worse_the_farther_it_is_from_0(old, new, passes):
    target = np.arange(20) + 0.5
    before, now = report(target + old, target), report(target + new, target)
    assert (judge(now, parse_rules(drops=["bias=0"]), before)[0].status == "pass") is passes


def test_baselines_of_other_outputs_and_tasks_do_not_compare():
    one, two = report(*drawn()), report(*drawn(outputs=2), task="regression")
    rules = parse_rules(drops=["rmse=0.1"])
    with pytest.raises(
        InputError, match="the baseline has other outputs: only one side has '1'; compare reports on the"
    ):
        judge(one, rules, two)
    labels = evaluate(MemorySource(np.array([0, 1]), np.array([0, 1])), Choices(), Execution())
    with pytest.raises(InputError, match="the baseline's task is binary, this report's is regression"):
        judge(one, rules, labels)


def test_the_reason_of_a_failed_gate_has_digits_of_any_size():
    found = report(np.array([1.5e-7, 2.5]), np.array([0.0, 2.5]), metrics=("max_error",), task="regression")
    verdict = judge(found, parse_rules(maximum=["max_error=1.2e-7"]))[0]
    assert (verdict.status, verdict.reason) == ("fail", "1.5e-07 > 1.2e-07")


def test_a_threshold_is_not_tuned_on_values():
    from evalcli.tuning.candidates import maximize
    from evalcli.tuning.choosing import tune

    for choices in (Choices(), Choices(task="regression")):
        with pytest.raises(UsageError, match="a threshold belongs to a binary task, and this one is regression"):
            tune(MemorySource(*drawn()), choices, Execution(), maximize("f1"))
