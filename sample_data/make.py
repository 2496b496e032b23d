"""Make the files of this folder: ``python sample_data/make.py [FOLDER]``.

Needs the ``test`` extra. Every number is seeded. The counted tables (``screening``, ``fraud``, ``spam``) come out the
same byte for byte anywhere; the trained models agree to the last digits that a processor's arithmetic leaves open.
What each file holds stands in the README.md beside this script.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_blobs
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = 255
SCENE_CLASSES = ("sky", "hill", "house", "road", "grass")
SEGMENTS = {
    "top": "02356789",
    "upper_left": "045689",
    "upper_right": "01234789",
    "middle": "2345689",
    "lower_left": "0268",
    "lower_right": "013456789",
    "bottom": "0235689",
}
"""The segments of a seven-segment display, and the digits for which each is lit."""


def write_blobs(folder: Path) -> None:
    """Write the test logits and truth of the four-blob model that many a first course in PyTorch trains."""
    points, truth = make_blobs(n_samples=1000, n_features=2, centers=4, cluster_std=1.5, random_state=42)
    x = torch.from_numpy(points).float()
    y = torch.from_numpy(truth).long()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = nn.CrossEntropyLoss()
    for _ in range(100):
        optimizer.zero_grad()
        loss(model(x_train), y_train).backward()
        optimizer.step()
    with torch.inference_mode():
        logits = model(x_test)
    torch.save(logits.clone(), folder / "preds.pt")
    torch.save(y_test.clone(), folder / "targets.pt")


def write_digits(folder: Path) -> None:
    """Write class probabilities for 1,000 digits, by two models that learnt from the 797 before them.

    The data set lists its digits writer by writer, so the writers of the later rows are strangers to the models. The
    rows of the second model are in an order of their own.
    """
    pixels, truth = load_digits(return_X_y=True)
    seen = len(truth) - 1000
    models = {
        "digits.csv": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, tol=1e-8)),
        "digits_knn.csv": KNeighborsClassifier(5),
    }
    for name, model in models.items():
        model.fit(pixels[:seen], truth[:seen])
        probabilities = model.predict_proba(pixels[seen:])
        table = pd.DataFrame(
            {
                "id": [f"d{row:04d}" for row in range(seen, len(truth))],
                "split": ["valid"] * 500 + ["test"] * 500,
                "target": truth[seen:],
            }
        )
        for digit in range(10):
            table[f"p_{digit}"] = [f"{value:.5f}" for value in probabilities[:, digit]]
        if name != "digits.csv":
            table = table.iloc[np.random.default_rng(42).permutation(len(table))]
        table.to_csv(folder / name, index=False, lineterminator="\n")


def write_segments(folder: Path) -> None:
    """Write which segments of a display show each of the last 500 digits, as seven models see them one by one.

    Each model learnt its own segment from the same 797 digits as that of ``digits.csv``, and knows nothing of digits.
    """
    pixels, digit = load_digits(return_X_y=True)
    seen, shown = len(digit) - 1000, slice(len(digit) - 500, None)
    table = pd.DataFrame({"id": [f"d{row:04d}" for row in range(len(digit) - 500, len(digit))]})
    scores = {}
    for name, digits in SEGMENTS.items():
        lit = np.isin(digit, [int(one) for one in digits]).astype(int)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, tol=1e-8))
        model.fit(pixels[:seen], lit[:seen])
        table[f"y_{name}"] = lit[shown]
        scores[f"p_{name}"] = [f"{value:.5f}" for value in model.predict_proba(pixels[shown])[:, 1]]
    table = table.assign(**scores)
    table.to_csv(folder / "segments.csv", index=False, lineterminator="\n")


def write_cancer(folder: Path) -> None:
    """Write the score of every tumour by a model that was trained without it (five folds)."""
    cells, truth = load_breast_cancer(return_X_y=True)
    malignant = (truth == 0).astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8, max_iter=5000))
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    scores = cross_val_predict(model, cells, malignant, cv=folds, method="predict_proba")[:, 1]
    table = pd.DataFrame(
        {
            "id": np.arange(len(truth)),
            "target": np.where(malignant, "malignant", "benign"),
            "score": scores,
        }
    )
    table.to_parquet(folder / "cancer.parquet", index=False)


def write_diabetes(folder: Path) -> None:
    """Write the progression of diabetes in 221 patients a year on, and what a linear model of the other half says."""
    measurements, truth = load_diabetes(return_X_y=True)
    rows = np.random.default_rng(42).permutation(len(truth))
    learnt, asked = rows[: len(rows) // 2], np.sort(rows[len(rows) // 2 :])
    model = LinearRegression().fit(measurements[learnt], truth[learnt])
    table = pd.DataFrame(
        {
            "id": [f"p{row:03d}" for row in asked],
            "target": truth[asked].astype(int),
            "prediction": [f"{value:.2f}" for value in model.predict(measurements[asked])],
        }
    )
    table.to_csv(folder / "diabetes.csv", index=False, lineterminator="\n")


def write_counted(path: Path, cells: dict[tuple[str, str], int], seed: int) -> None:
    """Write a table of exactly these (target, pred) counts, shuffled."""
    rows = [pair for pair, count in cells.items() for _ in range(count)]
    order = np.random.default_rng(seed).permutation(len(rows))
    text = "".join(f"{rows[row][0]},{rows[row][1]}\n" for row in order)
    path.write_text("target,pred\n" + text, encoding="utf-8", newline="\n")


def draw_scene(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the truth of one landscape: sky above a ridge, grass below, a road that narrows, houses on the grass."""
    rows, columns = np.mgrid[0:height, 0:width]
    ridge = height * (0.38 + 0.10 * np.sin(columns / width * 6 + rng.uniform(0, 6)))
    plain = height * 0.58 + 2.0 * np.sin(columns / 9)
    scene = np.where(rows < ridge, 0, np.where(rows < plain, 1, 4)).astype(np.uint8)
    middle = width * rng.uniform(0.4, 0.6)
    depth = (rows - height * 0.58) / (height * 0.42)
    scene[(depth > 0) & (np.abs(columns - middle) < 2 + 14 * depth)] = 3
    for left in (0.08, 0.75):
        top, start = int(height * 0.52), int(width * left)
        scene[top : top + height // 5, start : start + width // 7] = 2
    return scene


def write_scene(folder: Path) -> None:
    """Write a segmentation model's logits for two drawn landscapes; the seams between regions are 255, not judged."""
    rng = np.random.default_rng(42)
    truth = np.stack([draw_scene(72, 96, rng) for _ in range(2)])
    one_hot = np.moveaxis(np.eye(len(SCENE_CLASSES))[truth], -1, 1)
    blurred = gaussian_filter(one_hot, sigma=(0, 0, 2.0, 2.0))
    noise = gaussian_filter(rng.normal(size=one_hot.shape), sigma=(0, 0, 1.5, 1.5))
    logits = (5.0 * blurred + 9.0 * noise).astype(np.float16)
    seam = maximum_filter(truth, size=(1, 3, 3)) != minimum_filter(truth, size=(1, 3, 3))
    np.save(folder / "scene_preds.npy", logits)
    np.save(folder / "scene_targets.npy", np.where(seam, IGNORED, truth).astype(np.uint8))
    (folder / "scene_labels.txt").write_text("\n".join(SCENE_CLASSES) + "\n", encoding="utf-8", newline="\n")


SCREENING = {("sick", "sick"): 2, ("sick", "healthy"): 5, ("healthy", "healthy"): 4993}
FRAUD = {("fraud", "fraud"): 12, ("fraud", "ok"): 88, ("ok", "fraud"): 12, ("ok", "ok"): 4888}
SPAM = {("spam", "spam"): 50, ("spam", "ham"): 10, ("ham", "spam"): 5, ("ham", "ham"): 100}


def main(folder: Path) -> None:
    write_blobs(folder)
    write_digits(folder)
    write_segments(folder)
    write_cancer(folder)
    write_diabetes(folder)
    write_counted(folder / "screening.csv", SCREENING, seed=1)
    write_counted(folder / "fraud.csv", FRAUD, seed=2)
    write_counted(folder / "spam.csv", SPAM, seed=3)
    write_scene(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
