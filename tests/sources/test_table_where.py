"""--where sees the same rows whatever the format, and only rows that are the same the next time."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalcli.errors import EmptyError, InputError, UsageError
from evalcli.sources import open_source
from evalcli.sources.base import Selection

AGES = [9, 30, 35, 100, 7, 250]
HEIGHTS = [1.5, 1.75, 0.25, 1e-3, 2.0, 10.5]
REGIONS = ["EU", "US", "EU", "", "US", "EU"]


def write(path):
    """The same rows; an empty region is a missing one."""
    columns = {"target": ["a"] * 6, "pred": ["a", "b"] * 3, "age": AGES, "height": HEIGHTS, "Region": REGIONS}
    columns["Region"] = [cell or None for cell in REGIONS]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def kept(path, where, **selection):
    source = open_source(str(path), None, Selection(where=where, **selection))
    try:
        list(source.batches(100))
        source.finish()
        return source.rows
    finally:
        source.close()


def refusal(path, where, *words, kind=UsageError):
    with pytest.raises(kind) as caught:
        kept(path, where)
    message = str(caught.value)
    assert all(word in message for word in words), message
    return message


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "f.csv")


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("age > 30", 3),
        ("age > '30'", 3),
        ("'30' < preds.age", 3),
        ("age BETWEEN 9 AND 35", 3),
        ("AGE + 1 >= 31 AND region = 'EU'", 2),
        ("age IN (9, 100)", 2),
        ("age % 2 = 0", 3),
        ("height < 1.6", 3),
        ("height * 10 > age", 2),
        ("abs(-age) > 99 OR Region IS NULL", 2),
        ("-height < -1.6 AND NOT age > 200", 2),
        ("coalesce(age, 0) > 99", 2),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_M11_numbers_compare_alike_in_every_format(tmp_path, suffix, where, rows):
    assert kept(write(tmp_path / f"f{suffix}"), where) == rows


def test_M11_the_whole_column_decides_not_its_first_rows(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("target,pred,age\n" + "a,a,100\n" * 3000 + "a,a,unknown\n")
    refusal(path, "age > 30", "'age' is text", "TRY_CAST(age AS DOUBLE)")
    refusal(path, "age > '30'", "'age' is text", "TRY_CAST(age AS DOUBLE)")
    assert kept(path, "TRY_CAST(age AS DOUBLE) > 30") == 3000
    assert kept(path, "age = 'unknown'") == 1


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("code LIKE '00%'", 1),
        ("code || 'x' = '7x'", 1),
        ("code = '007'", 1),
        ("code = '7'", 1),
        ("length(code) = 3", 2),
        ("code <> ''", 4),
        ("whole LIKE '1_'", 2),
        ("CAST(whole AS VARCHAR) = '10'", 1),
        ("whole || '' = '10' AND whole > 5", 1),
        ("whole = 'x' OR whole = '9'", 1),
        ("long = '9007199254740993'", 1),
        ("long = 9007199254740993", 1),
    ],
)
def test_what_is_used_as_text_stays_the_exact_text(tmp_path, where, rows):
    path = tmp_path / "f.csv"
    path.write_text(
        "target,pred,code,whole,long\n"
        "a,a,007,9,9007199254740992\na,a,7,10,9007199254740993\na,a,7.0,11,1\na,a,x,100,2\n"
    )
    if "> 5" in where:
        refusal(path, where, "is text")
    else:
        assert kept(path, where) == rows


def test_labels_stay_text_though_where_sees_numbers(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("target,pred\n1.50,1.50\n2.5,1.50\n0.5,2.5\n")
    source = open_source(str(path), None, Selection(where="target > 1", scores="labels"))
    assert source.target.labels == ("1.50", "2.5")
    assert source.rows == 2
    source.close()


def test_columns_of_two_tables_are_told_apart(tmp_path):
    (tmp_path / "p.csv").write_text("id,pred,n\n1,a,10\n2,b,9\n3,a,8\n")
    (tmp_path / "t.csv").write_text("id,target,n\n3,a,1\n2,b,20\n1,a,30\n")
    for where, rows in [("preds.n < target.n", 2), ("target.n > 5 AND preds.n >= 10", 1), ("pred = 'a'", 2)]:
        source = open_source(str(tmp_path / "p.csv"), str(tmp_path / "t.csv"), Selection(where=where, id="id"))
        assert source.rows == rows
        source.close()
    with pytest.raises(UsageError, match=r"mbiguous.*preds\.n"):
        open_source(str(tmp_path / "p.csv"), str(tmp_path / "t.csv"), Selection(where="n > 1"))


@pytest.mark.parametrize(
    "where",
    [
        "random() < 0.5",
        "age > 30 AND now() > '2020-01-01'::TIMESTAMP",
        "current_date > '2020-01-01'",
        "current_timestamp IS NOT NULL",
        "today() > DATE '2020-01-01'",
        "uuid()::VARCHAR < '8'",
        "age(TIMESTAMP '2020-01-01') > INTERVAL 1 DAY",
        "hash(Random()) > 3",
    ],
)
def test_a_condition_that_changes_by_itself_is_refused(table, where):
    refusal(table, where, "gives other rows the next time")


def test_a_column_may_be_called_like_a_clock(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("target,pred,user,age\na,a,x,3\na,b,y,4\n")
    assert kept(path, "user = 'x' AND age < 4") == 1


def test_a_query_inside_is_refused(table):
    refusal(table, "age > (SELECT 3)", "a query of its own")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("target", ("VARCHAR for each row", "not a condition", "region = 'EU'")),
        ("age", ("not a condition",)),
        ("1", ("not a condition",)),
        ("CAST(Region AS INTEGER) > 3", ("--where", "Could not convert string", "TRY_CAST")),
        ("Region > 3", ("'Region' is text", "Region::DOUBLE")),
        ("Region > DATE '2024-01-01'", ("'Region' is text", "compare Region::DATE")),
        ("Region + 1 > 3", ("'Region' is text", "Region::DOUBLE")),
        ("regin = 'EU'", ('there is no column "regin"', "did you mean 'Region'")),
        ('Region = "EU"', ("single quotes: 'EU'",)),
        ("Region = EU", ("single quotes: 'EU'; columns are",)),
        ("other.age > 3", ("--where", "preds.age")),
        ("COLUMNS(*) > '1'", ("all columns at once",)),
        ("row_number() OVER () > 2", ("a query of its own",)),
        ("age > ?", ("--where",)),
        ("age > 'x", ("--where is not one SQL expression",)),
    ],
)
def test_what_is_wrong_with_a_condition_is_a_usage_error(table, where, words):
    message = refusal(table, where, *words)
    assert "FROM clause" not in message
    assert "write it again" not in message


@pytest.mark.parametrize(
    "where",
    [
        "'region' != 'EU'",
        "'Region' = 'EU'",
        "'region' IN ('EU')",
        "lower('region') <> 'eu'",
        "age > 2 AND 'region' < 'x'",
    ],
)
def test_a_column_in_the_quotes_of_a_text_is_not_every_row(table, where):
    refusal(table, where, "since it stands in single quotes; write the column as Region")


def test_a_text_may_be_called_as_a_column_is(table):
    refusal(table, "region = 'region'", "no row satisfies", kind=EmptyError)
    assert kept(table, "region = 'age' OR age > 0") == kept(table, "1 = 1 AND age > 0")


@pytest.mark.parametrize("where", ["net age > 3", "cat.score > 3", "cat.score", "a-b > 3"])
def test_a_column_that_is_no_word_wants_double_quotes(tmp_path, where):
    path = tmp_path / "f.csv"
    path.write_text("target,pred,net age,cat.score,a-b,cat\na,a,3,1,5,x\na,b,4,2,6,y\n")
    name = where.removesuffix(" > 3")
    refusal(path, where, f'write the column in double quotes: "{name}"')
    assert kept(path, f'"{name}" > 0') == 2


def test_a_damaged_file_is_not_blamed_on_the_condition(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("target,pred,age\na,a,1\na,a\n")
    refusal(path, "age > 0", "line 3", kind=InputError)


def test_no_row_is_not_an_error_of_usage(table):
    refusal(table, "age > 1000", "no row satisfies", kind=EmptyError)
