"""Any column and any value of it has a way to be written, and is what it was when it is read again."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evalcli.errors import UsageError
from evalcli.metrics.address import parted, split_address, written
from evalcli.metrics.registry import MetricName, parse
from evalcli.rules import parse_rule, parse_rules

NAMES = st.text('ab=" *]@:[\\ng,>', min_size=1, max_size=6)
VALUES = st.one_of(st.none(), st.just("*"), st.text('ab=" *]@:[\\n,>', max_size=6))


@settings(derandomize=True, deadline=None, max_examples=400)
@given(NAMES, VALUES, st.booleans(), st.sampled_from([None, "cat", "x]", "[y"]))
def test_what_is_written_is_read_again(by, value, starred, label) -> None:
    assume(label is None or "@" not in f"{by}{value}")  # a class may be called so: its name ends at the last bracket
    name = MetricName("recall", label=label, slice_by=by, slice_value=value, slice_starred=starred and value == "*")
    text = str(name)
    assert parse(text) == name
    (rule,) = parse_rules([f"{text}=0.8"])
    assert parse(rule.metric) == name
    if "<" not in text:
        assert parse(parse_rule(rule.text()).metric) == name
    address = split_address(text)
    assert (address.by, address.value, address.is_worst) == (by, value, value == "*" and not starred)


def test_quotes_are_only_where_they_are_needed() -> None:
    assert written("MyRMSE", "slice", "region", "EU") == "MyRMSE@region=EU"
    assert str(parse('accuracy@="region"="EU"')) == "accuracy@region=EU"
    assert str(parse('accuracy@="region"="*"')) == 'accuracy@="region"="*"'
    assert str(parse('accuracy@="region"=*')) == "accuracy@region=*"


@pytest.mark.parametrize("text", ['f1@=""="x"', 'f1@="a', 'f1@="a"x', "f1@=a=b", 'f1@="a"="x"y', 'f1@="a"="'])
def test_quotes_that_do_not_end_are_refused(text) -> None:
    assert parted(text) is None
    with pytest.raises(UsageError, match="names no metric"):
        parse(text)


def test_gates_on_odd_names_and_what_is_advised(run, tmp_path) -> None:
    values = {"x ": 0.95, "*": 0.6, "EU": 0.9}
    lines = ["a=b,target,pred"]
    for value, share in values.items():
        lines += [f'"{value}",{i % 2},{i % 2 if i < 200 * share else 1 - i % 2}' for i in range(200)]
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(lines) + "\n")
    args = ("report", str(path), "--positive", "1", "-m", "accuracy", "-f", "markdown")
    gates = ('="x "=0.94', '="*"=0.59', "=*=0.59", "=EU=0.89", ":gap=0.3")
    passed = run(*args, *(part for gate in gates for part in ("--min", f'accuracy@="a=b"{gate}')))
    assert (passed.code, passed.stderr.count("pass ")) == (0, 5)
    assert 'accuracy@="a=b"="x ">=0.94' in passed.stderr
    asked = run("report", str(path), "--positive", "1", "-m", 'mcc,accuracy@="a=b"="*",f1', "-f", "json")
    assert [*json.loads(asked.stdout)["metrics"]] == ["mcc", "f1", 'accuracy@="a=b"="*"']
    failed = run(*args, "--min", 'accuracy@="a=b"="*"=0.61')
    assert failed.code == 1
    parted = run(*args, "--min", "accuracy@a=b=EU=0.9")
    assert (parted.code, 'a gate on \'a=b\' is written NAME@="a=b"="VALUE"' in parted.stderr) == (2, True)
    advised = run(*args, "--scan", "a=b", "-f", "rich").stdout
    assert '--min \'accuracy@="a=b"="*"=0.9' in " ".join(advised.split())
