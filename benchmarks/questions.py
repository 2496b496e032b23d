"""What further questions cost beside a plain report: ``python -m benchmarks.questions [--write]``.

Ten million rows: a report without intervals, one by 50 slices, one of clusters, and two models compared, each as a
ratio to one report of the same file. ``--write`` puts the table into ``benchmarks/questions.md``; the inputs (1.7 GB)
are made when first needed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from benchmarks import data, page
from benchmarks.races import HERE, MILLION, ours
from benchmarks.scale import timed

if TYPE_CHECKING:
    from pathlib import Path

SLICES = 50
CLUSTERS = 5_000
KINDS = {
    "labels, `.npz`": ("labels", ".npz"),
    "text labels, `.csv`": ("labels", ".csv"),
    "10 float32 logits, `.npz`": ("logits", ".npz"),
    "binary float32 scores, `.npz`": ("binary", ".npz"),
    "float32 values, `.npz`": ("values", ".npz"),
}


def columns(kind: str, rows: int, model: int) -> dict[str, Any]:
    """Predictions of a model, the truth that all models have, a column to slice by, and one of clusters."""
    import numpy as np

    rng = np.random.default_rng(7)
    site = rng.integers(SLICES, size=rows).astype(np.int16)
    patient = rng.integers(CLUSTERS, size=rows).astype(np.int32)
    target: Any = rng.integers(data.CLASSES, size=rows)
    if kind == "binary":
        target = (rng.random(rows) < 1 / 3).astype(np.int64)
    if kind == "values":
        target = rng.standard_normal(rows, dtype=np.float32)
    rng = np.random.default_rng(100 + model)
    noise = rng.standard_normal(rows, dtype=np.float32)
    preds: Any = np.where(rng.random(rows) < 0.9, target, rng.integers(data.CLASSES, size=rows))
    if kind == "binary":
        preds = (1 / (1 + np.exp(1 - 2 * target - 1.5 * noise))).astype(np.float32)
    if kind == "values":
        preds = target + noise / 3
    if kind == "logits":
        scores = rng.standard_normal((rows, data.CLASSES), dtype=np.float32)
        scores[np.arange(rows), preds] += 4
        preds = scores
    return {"preds": preds, "target": target, "site": site, "patient": patient}


def file(kind: str, suffix: str, rows: int, model: int) -> Path:
    """Where the predictions of a model lie, made now if they are not there."""
    path = data.FOLDER / f"further-{kind}-{rows}-{model}{suffix}"
    if not path.exists():
        import numpy as np

        held = columns(kind, rows, model)
        if suffix == ".npz":
            np.savez(path, **held)
        else:
            import pyarrow as pa
            import pyarrow.csv

            names = np.array(data.NAMES)
            written = {"target": names[held["target"]], "pred": names[held["preds"]]}
            pa.csv.write_csv(pa.table(written), path, pa.csv.WriteOptions(quoting_style="none"))
            sliced = path.with_name(path.name.replace("further", "sliced"))
            more = {name: held[name].astype(str) for name in ("site", "patient")}
            whole = pa.table({**written, **more})
            pa.csv.write_csv(whole, sliced, pa.csv.WriteOptions(quoting_style="none"))
    return path


def row(name: str, kind: str, suffix: str, rows: int) -> str:
    """The seconds of one report, and the ratios to it: of the fastest of each of three, by turns."""
    first, second = (str(file(kind, suffix, rows, model)) for model in (0, 1))
    sliced = first.replace("further", "sliced") if suffix == ".csv" else first
    commands = {
        "plain": ("report", first),
        "beside": ("report", sliced),
        "bare": ("report", first, "--no-intervals"),
        "slices": ("report", sliced, "--by", "site"),
        "whole": ("report", sliced, "-f", "json"),
        "clusters": ("report", sliced, "--cluster", "patient"),
        "every": ("report", sliced, "-f", "json", "--by", "site"),
        "compared": ("compare", first, second),
    }
    runs = [{key: timed((*ours(), *command), runs=1) or 0.0 for key, command in commands.items()} for _ in range(3)]
    best = {key: min(run[key] for run in runs) for key in commands}
    pairs = (
        ("bare", "plain"),
        ("slices", "beside"),
        ("every", "whole"),
        ("clusters", "beside"),
        ("compared", "plain"),
    )
    ratios = " | ".join(f"{best[one] / best[other]:.2f}" for one, other in pairs)
    return f"| {name} | {best['plain']:.2f} s | {ratios} |"


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write benchmarks/questions.md")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    options = parser.parse_args()
    data.FOLDER.mkdir(exist_ok=True)
    rows = 10 * MILLION // (100 if options.quick else 1)
    text = [
        "# What further questions cost",
        "",
        f"Measured {page.machine()}. Written by `python -m benchmarks.questions --write`.",
        "",
        f"Seconds of a report of {rows:,} rows with all metrics and intervals, start included, and ratios to it.",
        "A table to slice has two more columns, and is beside a report of the same table. A screen shows few metrics",
        "of every slice, and only these are computed; JSON holds all of them, and is beside a report as JSON. Clusters",
        "(`--cluster`) are drawn whole: all intervals follow from them.",
        "",
        f"| {rows:,} rows of | report | no intervals | {SLICES} slices | JSON | {CLUSTERS:,} clusters | two models |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, (kind, suffix) in KINDS.items():
        text.append(row(name, kind, suffix, rows))
        print(text[-1], flush=True)
    if options.write:
        (HERE / "questions.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
