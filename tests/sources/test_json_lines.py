"""JSON lines as tables: what is read, and what is refused by its line."""

import pytest
from read_tables import put, read, refused

from evalcli.errors import InputError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"y":"b","p"', "not JSON"),
        ('{"y":"b","p":"c",}', "not JSON"),
        ('{"y":"b","y":"c"}', "key 'y' occurs twice"),
        (r'{"y":"\ud800","p":"c"}', "line 3: an escape stands for half a character"),
        (r'{"y\udc00":"b","p":"c"}', "line 3: an escape stands for half a character"),
        ("[1]", "array"),
        ("3", "not a JSON object"),
        ('{"y":"b","p":"c"} x', "not JSON"),
    ],
)
def test_J07_J09_J10_J17_broken_lines(tmp_path, line, said):
    data = '{"y":"a","p":"b"}\n\n' + line
    refused(put(tmp_path / "x.jsonl", data.encode()), said)


def test_a_key_with_values_of_two_kinds(tmp_path):
    path = put(tmp_path / "x.jsonl", b'{"y":"1","p":"b"}\n{"y":1,"p":"b"}\n')
    assert read(path, ["p"])[2].columns == {"y": "other", "p": "text"}
    with pytest.raises(InputError, match="'y' holds values of several kinds"):
        read(path, ["y"])


@pytest.mark.parametrize(
    ("line", "above"),
    [
        ('{"y":"b","p":"c",}', 20_000),  # beyond the sample that kinds are told from
        ('{"y":1,"p":"c"}', 20_000),
        ('{"y":"b"', 6_000),
        ('{"y":"b","y":"c"}', 6_000),
    ],
)
def test_J09_J10_broken_lines_far_down(tmp_path, line, above):
    data = ('{"y":"a","p":"b"}' + " " * 200 + "\n") * above + line + "\n" + '{"y":"a","p":"b"}\n' * 10
    refused(put(tmp_path / "x.jsonl", data.encode()), f"line {above + 1}: ")


def test_J06_J08b_numbers_and_late_keys(tmp_path):
    lines = ['{"y":1,"s":0.5,"t":true,"l":[0.5,1]}'] * 3000 + ['{"y":9007199254740993,"s":NaN,"late":"x"}']
    lines += ['{"y":null,"s":1e3,"l":[]}', '{"s":-Infinity}']
    rows, _, table = read(put(tmp_path / "x.jsonl", "\n".join(lines).encode()))
    assert table.columns == {"y": "integer", "s": "float", "t": "boolean", "l": "list", "late": "text"}
    assert rows[0] == (1, 0.5, True, [0.5, 1.0], None)
    assert rows[3000][0] == 9007199254740993
    assert rows[3000][1] != rows[3000][1]
    assert rows[3000][4] == "x"
    assert rows[3001:] == [(None, 1000.0, None, [], None), (None, float("-inf"), None, None, None)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"y": {"0": "a"}, "p": 1}\n', "key 'y' holds objects; write one text or number"),
        ('{"y": [["a"]], "p": 1}\n', "key 'y' holds arrays of other things than numbers"),
        ('{"y": "a", "p": 1}\n{"y": 1, "p": 1}\n', "key 'y' holds values of several kinds"),
    ],
)
def test_J14_a_key_that_cannot_be_read_says_what_it_holds(tmp_path, text, says):
    path = tmp_path / "f.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read(path, ["y"])
    assert read(path, ["p"])[0] == [(1,)] * text.count("\n")


@pytest.mark.parametrize("text", ['[{"y": "a", "p": "a"}]', '[\n  {"y": "a"},\n  {"y": "b"}\n]\n'])
def test_J12_a_json_array_is_told_how_to_be_lines(tmp_path, text):
    (tmp_path / "f.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"a JSON array, not one object; convert it with: jq -c '\.\[\]', or call it"):
        read(tmp_path / "f.jsonl")
    (tmp_path / "f.jsonl").rename(tmp_path / "f.json")
    assert read(tmp_path / "f.json", ["y"])[0][0] == ("a",)


def test_a_key_of_two_kinds_says_where(tmp_path):
    one = put(tmp_path / "x.jsonl", b'{"y":"1","p":"b"}\n\n{"y":1,"p":"b"}\n')
    with pytest.raises(InputError, match=r"several kinds: integer in line 3 of .*x\.jsonl, earlier text"):
        read(one, ["y"])
    put(tmp_path / "a.jsonl", b'{"y":1,"p":"b"}\n')
    put(tmp_path / "b.jsonl", b'{"y":"1","p":"b"}\n')
    with pytest.raises(InputError, match=r"several kinds: text in .*b\.jsonl, earlier integer"):
        read(str(tmp_path / "[ab].jsonl"), ["y"])
