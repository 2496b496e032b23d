"""Four tables of predictions with the metrics that users write beside them, and parts of them."""

import shutil
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "own"
FILES = [f"s{number}.csv" for number in range(4)]


def lay(folder, rows, *, regions=False):
    """Write the metrics as ``my.py`` and the tables, the first of so many ``rows``, some of them in ``regions``."""
    shutil.copy(HERE / "my_metrics.py", folder / "my.py")
    rng = np.random.default_rng(1)
    for number, name in enumerate(FILES):
        probs = rng.dirichlet(np.ones(3), rows + number)
        truth = np.where(rng.random(len(probs)) < 0.6, probs.argmax(1), rng.integers(0, 3, len(probs)))
        cells = [
            f"{a:.9f},{b:.9f},{1 - round(a, 9) - round(b, 9):.9f},{'xyz'[t]}"
            for (a, b, _), t in zip(probs, truth, strict=True)
        ]
        if regions:
            there = rng.choice(["EU", "US", "AS", "AF", ""][number : number + 3], len(probs))
            cells = [f"{each},{region}" for each, region in zip(cells, there, strict=True)]
        head = "p_x,p_y,p_z,target" + (",region" if regions else "")
        (folder / name).write_text("\n".join([head, *cells, ""]))


def written(run, *options, count=4):
    """A part of each of the first ``count`` tables, written with these options."""
    parts = [f"p{number}.evalcli" for number in range(count)]
    for name, part in zip(FILES[:count], parts, strict=True):
        done = run("report", name, "--quiet", "-o", part, *options)
        assert (done.code, done.stderr) == (0, "")
    return parts
