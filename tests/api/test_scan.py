"""``evaluate(scan=…)``: the search for weak slices, of frames, arrays and files."""

import numpy as np
import pandas as pd
import pytest

import evalcli
from evalcli.errors import UsageError

ROWS = 2000
RNG = np.random.default_rng(5)
TARGET = RNG.choice(["cat", "dog", "owl"], ROWS)
REGION, DEVICE = RNG.choice(["EU", "US"], ROWS), RNG.choice(["phone", "desk"], ROWS)
WRONG = pd.Series(TARGET).map({"cat": "dog", "dog": "owl", "owl": "cat"}).to_numpy()
GOOD = RNG.random(ROWS) < 0.9 - 0.4 * ((REGION == "EU") & (DEVICE == "phone"))
FRAME = pd.DataFrame(
    {
        "key": [f"k{i}" for i in range(ROWS)],
        "target": TARGET,
        "pred": np.where(GOOD, TARGET, WRONG),
        "region": REGION,
        "device": DEVICE,
        "age": RNG.integers(18, 90, ROWS),
    }
)


def weakest(report):
    return report.data.scan.slices[0].columns, report.data.scan.slices[0].values


@pytest.mark.parametrize("scan", ["region,device", ["region", "device"], {"region": REGION, "device": DEVICE}])
def test_names_and_arrays_find_what_the_file_finds(tmp_path, scan):
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    file = evalcli.evaluate(tmp_path / "rows.csv", scan=["region", "device"])
    assert weakest(file) == (("region", "device"), ("EU", "phone"))
    assert evalcli.evaluate(FRAME, scan=scan).data.scan == file.data.scan
    if isinstance(scan, dict):
        assert evalcli.evaluate(FRAME["pred"], TARGET, scan=scan).data.scan == file.data.scan


def test_all_columns_of_a_frame_but_roles_and_ids(tmp_path):
    FRAME.to_parquet(tmp_path / "rows.parquet")
    mine, file = evalcli.evaluate(FRAME, scan="*"), evalcli.evaluate(tmp_path / "rows.parquet", scan="*")
    assert mine.data.scan.slices == file.data.scan.slices
    assert mine.data.scan.columns == file.data.scan.columns == ("region", "device", "age")
    assert [name for name, _ in mine.data.scan.left_out] == ["key"]
    odd = FRAME.assign(thing=[object()] * ROWS)
    assert [name for name, _ in evalcli.evaluate(odd, scan="*").data.scan.left_out] == ["thing", "key"]


def test_the_metric_the_least_rows_and_slices_beside_it():
    found = evalcli.evaluate(FRAME, scan="region", scan_metric="recall[cat]", min_slice_size=200, by="device")
    assert (found.data.scan.metric, found.data.scan.least, found.data.scan.tried) == ("recall[cat]", 200, 2)
    assert [row.value for row in found.data.slices] == ["desk", "phone"]
    plain = evalcli.evaluate(FRAME)
    assert found.data.metrics == plain.data.metrics
    assert plain.data.scan is None


@pytest.mark.parametrize(
    ("args", "scan", "words"),
    [
        ((FRAME,), "regoin", "no column 'regoin'"),
        ((TARGET, TARGET), "*", "searches the columns of a frame"),
        ((TARGET, TARGET), {"region": REGION[:-1]}, "1,999 entries for 2,000 rows"),
        (("rows.csv",), {"region": REGION}, "the predictions are a file"),
    ],
)
def test_errors_say_what_to_do(args, scan, words):
    with pytest.raises(UsageError, match=words):
        evalcli.evaluate(*args, scan=scan)
