"""The sample files hold what their README says: read with numpy, pandas, torch and scikit-learn, never with evalcli."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, r2_score, recall_score

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_data"
COUNTED = ("screening", "fraud", "spam")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data_make", SAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def labels(name: str) -> tuple[pd.Series, pd.Series]:
    table = pd.read_csv(SAMPLES / f"{name}.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == ["target", "pred"]
    return table["target"], table["pred"]


def test_blob_model_is_right_199_times_in_200() -> None:
    logits = torch.load(SAMPLES / "preds.pt", weights_only=True)
    truth = torch.load(SAMPLES / "targets.pt", weights_only=True)
    assert (logits.shape, logits.dtype) == ((200, 4), torch.float32)
    assert (truth.shape, truth.dtype) == ((200,), torch.int64)
    assert int((logits.argmax(1) == truth).sum()) == 199
    assert sorted(truth.unique().tolist()) == [0, 1, 2, 3]


def test_digits_are_probabilities_of_unseen_writers() -> None:
    table = pd.read_csv(SAMPLES / "digits.csv")
    scores = table[[f"p_{digit}" for digit in range(10)]].to_numpy()
    assert list(table.columns) == ["id", "split", "target", *(f"p_{digit}" for digit in range(10))]
    assert table["id"].is_unique
    assert table["split"].value_counts().to_dict() == {"valid": 500, "test": 500}
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-4)
    assert int((scores.argmax(axis=1) == table["target"]).sum()) == 940
    top_two = np.sort(scores, axis=1)[:, -2:]
    assert (top_two[:, 1] > top_two[:, 0]).all(), "rounding must not tie the best two classes"


def test_segments_show_digits_that_the_models_have_not_seen(maker: ModuleType) -> None:
    table = pd.read_csv(SAMPLES / "segments.csv")
    names = list(maker.SEGMENTS)
    assert list(table.columns) == ["id", *(f"y_{name}" for name in names), *(f"p_{name}" for name in names)]
    digits = pd.read_csv(SAMPLES / "digits.csv").set_index("id").loc[table["id"], "target"].astype(str)
    for name, lit in maker.SEGMENTS.items():
        assert (table[f"y_{name}"].to_numpy() == digits.isin(list(lit)).to_numpy()).all()
    truth, scores = (table.filter(like=prefix).to_numpy() for prefix in ("y_", "p_"))
    right = (scores >= 0.5) == truth
    assert len(table) == 500
    assert round(right.mean(), 3) == 0.924
    assert int(right.all(axis=1).sum()) == 323


def test_nearest_neighbours_vote_on_the_same_digits() -> None:
    table, other = pd.read_csv(SAMPLES / "digits_knn.csv"), pd.read_csv(SAMPLES / "digits.csv")
    scores = table[[f"p_{digit}" for digit in range(10)]].to_numpy()
    assert not table["id"].equals(other["id"])
    shared = ["id", "split", "target"]
    pd.testing.assert_frame_equal(table[shared].sort_values("id", ignore_index=True), other[shared])
    assert int((scores.argmax(axis=1) == table["target"]).sum()) == 954
    assert set(np.unique(scores).tolist()) <= {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}


def test_cancer_scores_are_probabilities_of_malignant() -> None:
    table = pd.read_parquet(SAMPLES / "cancer.parquet")
    assert list(table.columns) == ["id", "target", "score"]
    assert table["target"].value_counts().to_dict() == {"benign": 357, "malignant": 212}
    assert table["score"].dtype == np.float64
    assert table["score"].between(0, 1).all()
    called = np.where(table["score"] >= 0.5, "malignant", "benign")
    assert confusion_matrix(table["target"], called).tolist() == [[354, 3], [12, 200]]


def test_diabetes_is_predicted_for_patients_the_model_has_not_seen() -> None:
    table = pd.read_csv(SAMPLES / "diabetes.csv")
    assert list(table.columns) == ["id", "target", "prediction"]
    assert table["id"].is_unique
    assert (len(table), table["target"].min(), table["target"].max()) == (221, 31, 341)
    assert round(r2_score(table["target"], table["prediction"]), 3) == 0.553


def test_screening_misses_five_of_the_sick() -> None:
    target, pred = labels("screening")
    assert len(target) == 5000
    assert round(accuracy_score(target, pred), 3) == 0.999
    assert precision_score(target, pred, pos_label="sick") == 1.0
    assert recall_score(target, pred, pos_label="sick") == pytest.approx(2 / 7)
    assert int(((target == "sick") & (pred == "healthy")).sum()) == 5


def test_fraud_is_hardly_found_at_98_percent_accuracy() -> None:
    target, pred = labels("fraud")
    assert accuracy_score(target, pred) == 0.98
    assert recall_score(target, pred, pos_label="fraud") == 0.12


def test_spam_has_the_textbook_counts() -> None:
    target, pred = labels("spam")
    assert confusion_matrix(target, pred, labels=["spam", "ham"]).tolist() == [[50, 10], [5, 100]]


def test_scene_has_ignored_seams_and_every_class() -> None:
    logits = np.load(SAMPLES / "scene_preds.npy", allow_pickle=False)
    truth = np.load(SAMPLES / "scene_targets.npy", allow_pickle=False)
    names = (SAMPLES / "scene_labels.txt").read_text(encoding="utf-8").splitlines()
    assert (logits.shape, logits.dtype) == ((2, 5, 72, 96), np.float16)
    assert (truth.shape, truth.dtype) == ((2, 72, 96), np.uint8)
    assert names == ["sky", "hill", "house", "road", "grass"]
    assert set(np.unique(truth)) == {0, 1, 2, 3, 4, 255}
    judged = truth != 255
    assert 0.8 < judged.mean() < 0.95
    assert 0.85 < (logits.argmax(axis=1)[judged] == truth[judged]).mean() < 0.99


def test_all_together_are_small_and_described() -> None:
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    data = [path for path in SAMPLES.iterdir() if path.suffix not in {".py", ".md"} and path.is_file()]
    assert sum(path.stat().st_size for path in data) < 1_500_000
    for path in data:
        assert f"`{path.name}`" in readme


def test_script_counts_the_tables_out_byte_for_byte(tmp_path: Path, maker: ModuleType) -> None:
    for seed, name in enumerate(COUNTED, start=1):
        cells = getattr(maker, name.upper())
        maker.write_counted(tmp_path / f"{name}.csv", cells, seed=seed)
        assert (tmp_path / f"{name}.csv").read_bytes() == (SAMPLES / f"{name}.csv").read_bytes()
        assert Counter(zip(*labels(name), strict=True)) == Counter(cells)


def test_script_trains_the_models_again(tmp_path: Path, maker: ModuleType) -> None:
    """Up to the last digits, which a processor's order of additions decides."""
    maker.write_blobs(tmp_path)
    maker.write_digits(tmp_path)
    maker.write_segments(tmp_path)
    maker.write_cancer(tmp_path)
    maker.write_scene(tmp_path)
    for name in ("preds.pt", "targets.pt"):
        made, kept = (torch.load(folder / name, weights_only=True) for folder in (tmp_path, SAMPLES))
        torch.testing.assert_close(made, kept, rtol=1e-3, atol=1e-3)
    for name in ("digits.csv", "digits_knn.csv", "segments.csv"):
        made, kept = (pd.read_csv(folder / name) for folder in (tmp_path, SAMPLES))
        pd.testing.assert_frame_equal(made, kept, rtol=1e-3, atol=1e-3)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "cancer.parquet"), pd.read_parquet(SAMPLES / "cancer.parquet"), rtol=1e-3, atol=1e-3
    )
    for name in ("scene_preds.npy", "scene_targets.npy"):
        np.testing.assert_allclose(np.load(tmp_path / name), np.load(SAMPLES / name), rtol=1e-2, atol=1e-2)
