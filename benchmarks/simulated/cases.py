"""What is simulated: the cases of docs/intervals.md; those of two models are in ``paircases``."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.simulated import Case, GateCase
from benchmarks.simulated.careful import with_reasons
from benchmarks.simulated.classmeans import mean_distance, mean_of_classes
from benchmarks.simulated.clustered import evaluated, label_sets_of, measured
from benchmarks.simulated.counts import (
    accuracy,
    clustered,
    composite,
    gate,
    largest,
    matrix_of,
    mean_of_seen,
    weighted,
)
from benchmarks.simulated.defined import OwnF1, OwnMean, binary, coins, defined, label_sets, labels, many_scores, own
from benchmarks.simulated.defined import scores as drawn_scores
from benchmarks.simulated.defined import values as drawn_values
from benchmarks.simulated.fewclusters import of_classes, of_diagnoses
from benchmarks.simulated.labelled import multilabel
from benchmarks.simulated.paircases import (
    BETTER,
    DEFINED_DIFFERENCES,
    DIFFERENCES,
    FEW,
    MEAN_DIFFERENCES,
    OWN_DIFFERENCES,
)
from benchmarks.simulated.pairs import (
    difference,
    drop_gate,
)
from benchmarks.simulated.scores import (
    auroc,
    average_precision,
    calibration,
    distance_of_curves,
    loss_of_two,
    mean_loss,
    operating,
    partial_area,
    selective,
    split,
)
from benchmarks.simulated.values import regression

RARE = matrix_of([0.6, 0.25, 0.1, 0.03, 0.02], [0.95, 0.85, 0.8, 0.7, 0.6])
RARE_GOOD = matrix_of([0.6, 0.25, 0.1, 0.03, 0.02], [0.95] * 5)
VERY_RARE = matrix_of(0.6 ** np.arange(10), [0.9] * 10)
HALF_RARE = {
    (each, rows): matrix_of([rows / 5 - each] * 5 + [each] * 5, [0.9] * 5 + [0.8, 0.9, 0.6, 0.95, 0.7])
    for each in (2, 5)
    for rows in (100, 300)
}
"""Ten classes, half of which have so many rows each on average: shares of cells."""
MEANS_OF_CLASSES = (
    *(("macro recall", "recall_macro"), ("macro precision", "precision_macro"), ("macro F1", "f1_macro")),
    ("balanced accuracy", "balanced_accuracy"),
)
TEN = matrix_of(np.ones(10), [0.9] * 10)
FIVE = matrix_of(np.ones(5), [0.8] * 5)
SKEWED = matrix_of([0.95, 0.05], [0.97, 0.7])
GOOD = matrix_of(np.ones(3), [0.98] * 3)
COIN = matrix_of(np.ones(3), [0.4] * 3)

CLUSTERED = (
    *(("accuracy", "accuracy"), ("AUROC", "auroc"), ("log loss", "log_loss"), ("Brier score", "brier")),
    *(("average precision", "average_precision"), ("ECE", "ece"), ("risk–coverage area", "aurc")),
)
CLUSTERED_VALUES = (("RMSE", "rmse"), ("MAE", "mae"), ("R²", "r2"), ("Pearson", "pearson"), ("median AE", "medae"))
CLUSTERED_SETS = (
    *(("subset accuracy", "subset_accuracy"), ("micro F1", "f1_micro"), ("macro F1", "f1_macro")),
    *(("Hamming loss", "hamming_loss"), ("mean AUROC", "auroc_macro"), ("log loss", "log_loss")),
)
OF_A_CURVE = (
    *(("distance", "ks[1]"), ("partial AUROC", "auroc_fpr0.2[1]")),
    *(("recall at a precision", "recall_at_precision0.7[1]"), ("mean distance", "ks_macro")),
)
CLUSTERED_3 = (("macro F1", "f1_macro"), ("mean AUROC", "auroc_macro"), ("mean reciprocal rank", "mrr"))

PARTS = tuple((part, rows) for part in ("reliability", "resolution", "uncertainty") for rows in (100, 1000))
VALUES = (
    *(("R²", "r2", model, 100) for model in ("normal", "heavy tails", "errors grow", "good", "useless")),
    *(("R²", "r2", "log-normal", rows) for rows in (300, 1000)),
    *(("explained variance", "explained_variance", model, 300) for model in ("normal", "heavy tails")),
    *(("Pearson", "pearson", model, 100) for model in ("normal", "heavy tails", "errors grow", "useless")),
    *(("Pearson", "pearson", model, 1000) for model in ("heavy tails", "log-normal")),
    *(("Spearman", "spearman", model, 100) for model in ("normal", "heavy tails", "useless", "five stars")),
    ("Spearman", "spearman", "good", 300),
    *(("Kendall", "kendall", model, 100) for model in ("normal", "heavy tails", "useless", "five stars")),
    *(("WAPE", "wape", model, 100) for model in ("heavy tails", "errors grow")),
    *(("MAPE", "mape", "errors grow", 100), ("sMAPE", "smape", "normal", 100), ("MSLE", "msle", "errors grow", 100)),
    *(("Poisson deviance", "poisson_deviance", "errors grow", 100), ("pinball 0.9", "pinball0.9", "normal", 100)),
    *(("MAE", "mae", "heavy tails", 100), ("RMSE", "rmse", "heavy tails", 100), ("bias", "bias", "heavy tails", 100)),
    *(("RMSE", "rmse", "errors grow", rows) for rows in (200, 1000)),
    *(("MAE", "mae", "log-normal", 200), ("median error", "medae", "heavy tails", 100)),
)
FEW_VALUES = (
    *(("R²", "r2", model, rows) for model in ("normal", "errors grow") for rows in (20, 50)),
    *(("Pearson", "pearson", model, rows) for model in ("normal", "heavy tails") for rows in (20, 50)),
    *(("Spearman", "spearman", model, rows) for model in ("normal", "good") for rows in (20, 50)),
    *(("Kendall", "kendall", "normal", rows) for rows in (20, 50)),
    *(("WAPE", "wape", "heavy tails", rows) for rows in (20, 50)),
    *(("MAE", "mae", "heavy tails", rows) for rows in (20, 50)),
    *(("median error", "medae", "heavy tails", rows) for rows in (20, 50)),
)
LABELS: tuple[tuple[str, str, int, int, float], ...] = (
    *(("subset accuracy", "subset_accuracy", 300, 6, 1.0), ("Hamming loss", "hamming_loss", 100, 6, 1.0)),
    *(("macro F1", "f1_macro", rows, 6, 1.0) for rows in (100, 300)),
    *(("macro F1, rare labels", "f1_macro", 300, 6, 2.0), ("macro F1 of 12 labels", "f1_macro", 1000, 12, 2.0)),
    *(("macro recall, rare labels", "recall_macro", 300, 6, 2.0), ("weighted F1", "f1_weighted", 100, 6, 1.0)),
    *(("micro F1", "f1_micro", 100, 6, 1.0), ("micro specificity", "specificity_micro", 100, 6, 1.0)),
    *(("mean F1 of rows", "f1_samples", 100, 6, 1.0), ("LRAP", "lrap", 300, 6, 1.0)),
    *(("coverage error", "coverage_error", 100, 6, 1.0), ("ranking loss", "ranking_loss", 300, 6, 1.0)),
    *(("log loss", "log_loss", 100, 6, 1.0), ("Brier score", "brier", 100, 6, 1.0)),
)
FEW_LABELS = tuple(
    (title, name, rows)
    for title, name in (("macro F1", "f1_macro"), ("micro F1", "f1_micro"), ("LRAP", "lrap"), ("log loss", "log_loss"))
    for rows in (20, 50)
)
RANKED_LABELS = (
    *(("macro AUROC", "auroc_macro"), ("weighted AUROC", "auroc_weighted"), ("micro AUROC", "auroc_micro")),
    *(("macro AP", "average_precision_macro"), ("micro AP", "average_precision_micro")),
)

FEW_CLASSES = ((3, 100), (3, 2000), (10, 300), (10, 2000))
CLASS_MEANS: tuple[tuple[str, tuple[str, int, int], dict[str, Any]], ...] = (
    *((f"macro AUROC, {n} classes, {rows:,} rows", ("auroc", rows, n), {}) for n in (3, 10) for rows in (100, 2000)),
    ("macro AUROC, 5 skewed classes, 300 rows", ("auroc", 300, 5), {"skewed": True}),
    ("weighted AUROC, 10 skewed classes, 300 rows", ("auroc", 300, 10), {"skewed": True, "weighted": True}),
    *((f"macro AP, {n} classes, {rows:,} rows", ("average_precision", rows, n), {}) for n, rows in FEW_CLASSES),
    ("macro AP, 5 skewed classes, 300 rows", ("average_precision", 300, 5), {"skewed": True}),
    ("weighted AP, 5 skewed classes, 300 rows", ("average_precision", 300, 5), {"skewed": True, "weighted": True}),
)

POINT_TITLES = {
    "recall_at_precision": "recall at a precision of {}",
    "precision_at_recall": "precision at a recall of {}",
    "specificity_at_sensitivity": "specificity at a sensitivity of {}",
}
POINTS: tuple[tuple[str, tuple[str, float, int, float, float], dict[str, float]], ...] = (
    ("200 rows", ("recall_at_precision", 0.8, 200, 0.5, 1.5), {}),
    ("500 rows", ("recall_at_precision", 0.8, 500, 0.2, 2.5), {}),
    ("2 % positive, 5,000 rows", ("recall_at_precision", 0.8, 5000, 0.02, 2.5), {}),
    ("1,000 rows", ("recall_at_precision", 0.9, 1000, 0.5, 1.5), {}),
    ("100 rows", ("precision_at_recall", 0.8, 100, 0.5, 1.5), {}),
    ("500 rows", ("precision_at_recall", 0.8, 500, 0.2, 1.5), {}),
    ("4 % positive, 500 rows", ("precision_at_recall", 0.8, 500, 0.04, 1.5), {}),
    ("5,000 rows", ("precision_at_recall", 0.5, 5000, 0.3, 2.5), {}),
    ("few levels, 2,000 rows", ("precision_at_recall", 0.5, 2000, 0.1, 1.7), {"levels": 0.35}),
    ("few levels, 500 rows", ("precision_at_recall", 0.5, 500, 0.2, 1.7), {"levels": 1.0}),
    ("uneven scatter, 200 rows", ("precision_at_recall", 0.8, 200, 0.3, 1.7), {"scatter": 2.0}),
    ("500 rows", ("specificity_at_sensitivity", 0.9, 500, 0.2, 1.5), {}),
    ("4 % positive, 500 rows", ("specificity_at_sensitivity", 0.9, 500, 0.04, 1.5), {}),
    ("2 % positive, 5,000 rows", ("specificity_at_sensitivity", 0.9, 5000, 0.02, 1.5), {}),
    ("2.4 % positive, 500 rows", ("specificity_at_sensitivity", 0.9, 500, 0.024, 1.5), {}),
    ("3 % positive, 500 rows", ("specificity_at_sensitivity", 0.8, 500, 0.03, 1.5), {}),
    ("6 % positive, 500 rows", ("specificity_at_sensitivity", 0.9, 500, 0.06, 1.5), {}),
)

CASES = (
    Case("accuracy, balanced, 200 rows", accuracy(200, 0.6, 0.9)),
    Case("accuracy, skewed, 1,000 rows", accuracy(1000, 0.93, 0.97)),
    Case("accuracy, 100 rows", accuracy(100, 0.5, 0.95)),
    Case("accuracy near 1, 100 rows", accuracy(100, 0.97, 0.999)),
    Case("accuracy near 1, 1,000 rows", accuracy(1000, 0.985, 0.999)),
    Case("accuracy near 0, 500 rows", accuracy(500, 0.001, 0.03)),
    Case("accuracy, weighted, 300 rows", weighted(300, 0.0), ("evalcli", "overall Σw²")),
    Case("accuracy, heavy rows are hard, 300 rows", weighted(300, 0.4)),
    Case("accuracy, 100 clusters", clustered("accuracy", 100, 0.85, 0.3)),
    Case("accuracy, 40 clusters", clustered("accuracy", 40, 0.85, 0.3)),
    Case("accuracy near 1, 60 clusters", clustered("accuracy", 60, 0.97, 0.3)),
    Case("macro F1, 100 clusters", clustered("f1_macro", 100, 0.85, 0.3)),
    *of_diagnoses(small=False),
    *of_classes(small=False),
    *(Case(f"{name}, clusters of scores", evaluated(metric, 100)) for name, metric in CLUSTERED),
    *(Case(f"{name}, 3 classes, clusters of scores", evaluated(metric, 100, size=3)) for name, metric in CLUSTERED_3),
    *(Case(f"{name}, {n} clusters of values", measured(m, n)) for name, m in CLUSTERED_VALUES for n in (100, 50)),
    *(
        Case(f"multilabel {name}, {n} clusters", measured(metric, n, label_sets_of, "multilabel"))
        for name, metric in CLUSTERED_SETS
        for n in (100, 50)
    ),
    *(
        Case(f"multilabel {name}, 30 clusters", measured(metric, 30, label_sets_of, "multilabel"))
        for name, metric in OF_A_CURVE
    ),
    Case("macro AP, clusters of scores near 1", evaluated("average_precision_macro", 100, size=3, skill=4.0)),
    Case("AUROC, 40 clusters of scores", evaluated("auroc", 40)),
    Case("log loss, 40 clusters of scores", evaluated("log_loss", 40)),
    Case("AUROC, 400 clusters of scores", evaluated("auroc", 400)),
    Case("log loss, 400 clusters of scores", evaluated("log_loss", 400)),
    Case("AUROC, 200 clusters of one row", evaluated("auroc", 200, single=True)),
    Case("macro F1, balanced, 5 classes, 200 rows", composite("f1_macro", FIVE, 200)),
    Case("macro F1, balanced, 10 classes, 100 rows", composite("f1_macro", TEN, 100, every=True)),
    Case("macro F1, rare classes, 300 rows", composite("f1_macro", RARE, 300, every=True)),
    Case("macro F1, rare classes, 1,000 rows", composite("f1_macro", RARE, 1000)),
    Case("macro F1, rare good classes, 300 rows", composite("f1_macro", RARE_GOOD, 300, every=True)),
    Case("macro F1, 5 % positive, 200 rows", composite("f1_macro", SKEWED, 200, every=True)),
    Case("macro F1, 5 % positive, 2,000 rows", composite("f1_macro", SKEWED, 2000)),
    Case("macro F1 near 1, 200 rows", composite("f1_macro", GOOD, 200, every=True)),
    Case("weighted F1, rare classes, 300 rows", composite("f1_weighted", RARE, 300)),
    Case("macro precision, rare classes, 300 rows", composite("precision_macro", RARE, 300)),
    Case("balanced accuracy, rare classes, 300 rows", composite("balanced_accuracy", RARE, 300)),
    Case("balanced accuracy, rare good classes, 300 rows", composite("balanced_accuracy", RARE_GOOD, 300, every=True)),
    Case("balanced accuracy, 5 % positive, 200 rows", composite("balanced_accuracy", SKEWED, 200)),
    Case("balanced accuracy, 10 classes, 2,000 rows", composite("balanced_accuracy", TEN, 2000)),
    *(
        Case(f"{title}, 10 classes, half with five rows, {rows} rows", mean_of_seen(name, HALF_RARE[5, rows], rows))
        for title, name in MEANS_OF_CLASSES
        for rows in (100, 300)
    ),
    Case("most frequent of 8 classes, 100 rows", largest([0.9 / 7] * 7 + [0.1], 100)),
    Case("most frequent of 3 classes, 300 rows", largest([0.4, 0.33, 0.27], 300)),
    Case("MCC, 5 % positive, 200 rows", composite("mcc", SKEWED, 200, every=True)),
    Case("MCC, 5 classes, 200 rows", composite("mcc", FIVE, 200)),
    Case("MCC near 1, 200 rows", composite("mcc", GOOD, 200, every=True)),
    Case("MCC near 0, 150 rows", composite("mcc", COIN, 150)),
    Case("kappa, 5 % positive, 200 rows", composite("kappa", SKEWED, 200)),
    Case("kappa, 10 classes, 2,000 rows", composite("kappa", TEN, 2000)),
    Case("F1 of 5 % positive, 500 rows", composite("f1", SKEWED, 500)),
    Case("recall of 5 % positive, 500 rows", composite("recall", SKEWED, 500)),
    Case("F2 of 5 % positive, 500 rows", composite("fbeta2", SKEWED, 500)),
    Case("AUROC 0.86, 50 + 50 rows", auroc(50, 50, 1.5)),
    Case("AUROC 0.86, 25 + 975 rows", auroc(25, 975, 1.5)),
    Case("AUROC 0.96, 200 + 200 rows", auroc(200, 200, 2.5)),
    Case("AUROC 0.96, 25 + 975 rows", auroc(25, 975, 2.5)),
    Case("AUROC 0.993, 200 + 200 rows", auroc(200, 200, 3.5)),
    Case("AUROC 0.993, 100 + 1,900 rows", auroc(100, 1900, 3.5)),
    *(Case(title, mean_of_classes(*told, **more)) for title, told, more in CLASS_MEANS),
    Case("average precision 0.92, 200 rows", average_precision(200, 0.5, 2.0)),
    Case("average precision 0.50, 4 % positive, 500 rows", average_precision(500, 0.04, 2.0)),
    Case("average precision 0.54, 5 % positive, 2,000 rows", average_precision(2000, 0.05, 2.0)),
    Case("log loss, 100 rows", mean_loss("log_loss", 100, 2.0, 1.0)),
    Case("log loss, too sure, 300 rows", mean_loss("log_loss", 300, 4.0, 0.5)),
    Case("log loss, good model, 1,000 rows", mean_loss("log_loss", 1000, 8.0, 1.0)),
    *(
        Case(f"log loss of few wrong rows, z = {z:g}, s = {s:g}, {n} rows", loss_of_two(n, z, s))
        for z, s, n in ((2.0, 4.0, 100), (2.5, 2.5, 400), (2.5, 4.0, 400))
    ),
    Case("Brier score, 100 rows", mean_loss("brier", 100, 2.0, 1.0)),
    Case("Brier score, good model, 1,000 rows", mean_loss("brier", 1000, 8.0, 1.0)),
    Case("ECE 0.08, 300 rows", calibration(300, 2.0, 0.6)),
    Case("ECE 0.08, 5,000 rows", calibration(5000, 2.0, 0.6)),
    Case("ECE 0.02, 1,000 rows", calibration(1000, 2.0, 0.85)),
    Case("ECE 0, 1,000 rows", calibration(1000, 2.0, 1.0)),
    Case("ECE 0, 100 rows", calibration(100, 2.0, 1.0)),
    *(Case(f"Brier {part}, {rows:,} rows", split(part, rows, 2.0, 0.6)) for part, rows in PARTS),
    Case("Brier reliability 0, 1,000 rows", split("reliability", 1000, 1.0, 1.0)),
    *(Case(f"{part}, 1,000 rows", split(part, 1000, 2.0, 0.6)) for part in ("overconfidence", "underconfidence")),
    Case("partial AUROC, 100 + 400 rows", partial_area(100, 400, 1.5)),
    Case("partial AUROC to 0.2, 15 + 485 rows", partial_area(15, 485, 2.5, 0.2)),
    Case("partial AUROC, 50 + 50 rows", partial_area(50, 50, 1.0)),
    Case("partial AUROC, 25 + 475 rows", partial_area(25, 475, 2.5)),
    *(Case(f"{POINT_TITLES[told[0]].format(told[1])}, {more}", operating(*told, **how)) for more, told, how in POINTS),
    Case("Kolmogorov–Smirnov, 100 + 400 rows", distance_of_curves(100, 400, 1.5)),
    Case("Kolmogorov–Smirnov, 50 + 50 rows", distance_of_curves(50, 50, 1.0)),
    Case("Kolmogorov–Smirnov, uneven scatter, 50 + 50 rows", distance_of_curves(50, 50, 1.0, 2.0)),
    Case("Kolmogorov–Smirnov, uneven scatter, 20 + 980 rows", distance_of_curves(20, 980, 1.0, 2.0)),
    Case("Kolmogorov–Smirnov near 1, 200 + 200 rows", distance_of_curves(200, 200, 4.0)),
    Case("Kolmogorov–Smirnov near 0, 1,000 + 1,000 rows", distance_of_curves(1000, 1000, 0.3)),
    Case("macro Kolmogorov–Smirnov, 3 classes, 100 rows", mean_distance(100, 3)),
    Case("macro Kolmogorov–Smirnov, 5 skewed classes, 300 rows", mean_distance(300, 5, distance=2.5, skewed=True)),
    Case("macro Kolmogorov–Smirnov, 10 classes, 2,000 rows", mean_distance(2000, 10)),
    Case("risk–coverage area, 500 rows", selective("aurc", 500)),
    *(Case(f"risk–coverage area, z = 2, {rows} rows", selective("aurc", rows, 2.0)) for rows in (100, 400)),
    *(
        Case(f"risk–coverage excess, z = {distance:g}, {rows} rows", selective("excess_aurc", rows, distance))
        for distance, rows in ((1.0, 100), (1.0, 400), (1.5, 100), (1.5, 400), (2.0, 400))
    ),
    *(
        Case(f"risk–coverage {what}, 3 % positive, {apart:g} apart, 500 rows", selective(name, 500, apart, rare=0.03))
        for what, name in (("area", "aurc"), ("excess", "excess_aurc"))
        for apart in (1.5, 2.5)
    ),
    Case("accuracy at a coverage of 0.8, 500 rows", selective("accuracy_at_coverage", 500)),
    *(
        Case(
            f"accuracy at a coverage of {share:g}, z = {distance:g}, {rows} rows",
            selective("accuracy_at_coverage", rows, distance, share),
        )
        for share, distance, rows in ((0.8, 1.0, 100), (0.8, 1.5, 200), (0.9, 0.5, 150), (0.2, 0.3, 200))
    ),
    *(
        Case(f"{title}, {model}, {rows:,} rows", regression(metric, model, rows))
        for title, metric, model, rows in VALUES
    ),
    *(
        Case(f"multilabel {title}, {rows:,} rows", multilabel(metric, rows, *more))
        for title, metric, rows, *more in LABELS
    ),
    *(Case(f"multilabel {title}, 300 rows", multilabel(metric, 300)) for title, metric in RANKED_LABELS),
    *(
        Case(f"multilabel {title} near 1, 200 rows", multilabel(metric, 200, noise=0.6))
        for title, metric in RANKED_LABELS
        if metric.endswith("micro")
    ),
    Case("multilabel macro precision, rare labels, 300 rows", multilabel("precision_macro", 300, 6, 2.0)),
)

SMALL = (
    *(Case(f"{title}, {model}, {rows} rows", regression(name, model, rows)) for title, name, model, rows in FEW_VALUES),
    *(Case(f"multilabel {title}, {rows} rows", multilabel(name, rows)) for title, name, rows in FEW_LABELS),
    Case("Brier reliability, 50 rows", split("reliability", 50, 2.0, 0.6)),
    Case("Brier resolution, 50 rows", split("resolution", 50, 2.0, 0.6)),
    *(Case(f"accuracy, {rows} rows", accuracy(rows, 0.5, 0.95)) for rows in (10, 20, 30, 50)),
    *(Case(f"accuracy near 0.5, {rows} rows", accuracy(rows, 0.45, 0.55)) for rows in (20, 50)),
    *(Case(f"accuracy near 0.95, {rows} rows", accuracy(rows, 0.93, 0.97)) for rows in (20, 50)),
    *(Case(f"accuracy near 1, {rows} rows", accuracy(rows, 0.97, 0.999)) for rows in (10, 20, 30, 50)),
    *(Case(f"macro F1, 3 classes, {rows} rows", composite("f1_macro", GOOD, rows)) for rows in (20, 30, 50)),
    *(Case(f"macro F1, 5 classes, {rows} rows", composite("f1_macro", FIVE, rows)) for rows in (20, 30, 50)),
    *(Case(f"macro F1, rare classes, {rows} rows", composite("f1_macro", RARE, rows)) for rows in (50, 100)),
    Case("macro F1, 10 classes, some with 2 rows, 500 rows", composite("f1_macro", VERY_RARE, 500)),
    *(
        Case(f"{title}, 10 classes, half with two rows, {rows} rows", mean_of_seen(name, HALF_RARE[2, rows], rows))
        for title, name in MEANS_OF_CLASSES
        for rows in (100, 300)
    ),
    *(
        Case(f"balanced accuracy, rare classes, {rows} rows", composite("balanced_accuracy", RARE, rows))
        for rows in (50, 100)
    ),
    *(Case(f"MCC, 5 classes, {rows} rows", composite("mcc", FIVE, rows)) for rows in (20, 30, 50)),
    *(Case(f"MCC, 5 % positive, {rows} rows", composite("mcc", SKEWED, rows)) for rows in (50, 100)),
    Case("accuracy, 15 clusters", clustered("accuracy", 15, 0.85, 0.3)),
    *of_diagnoses(small=True),
    *of_classes(small=True),
    *(Case(f"AUROC 0.86, {rows} + {rows} rows", auroc(rows, rows, 1.5)) for rows in (10, 15, 25)),
    Case("AUROC 0.96, 10 + 990 rows", auroc(10, 990, 2.5)),
    Case("AUROC 0.993, 25 + 25 rows", auroc(25, 25, 3.5)),
    Case("average precision 0.27, 1 % positive, 2,000 rows", average_precision(2000, 0.01, 2.0)),
    *(Case(f"log loss, {rows} rows", mean_loss("log_loss", rows, 2.0, 1.0)) for rows in (20, 50)),
    Case("log loss, good model, 100 rows", mean_loss("log_loss", 100, 8.0, 1.0)),
    *(Case(f"ECE 0.08, {rows} rows", calibration(rows, 2.0, 0.6)) for rows in (50, 100)),
    Case("difference of balanced accuracy, 10 % positive, 100 rows", difference("balanced_accuracy", FEW)),
)

COST = "error_rate + 4 * (1 - recall) * (1 - majority_baseline)"
SPREAD = "recall * (1 - recall) + specificity * (1 - specificity)"
DEFINED = (
    ("at its top", SPREAD, coins),
    ("gap of two recalls", "recall[0] - recall[1]", labels),
    ("size of a gap", "abs(recall[1] - recall[2])", labels),
    ("ratio of precision to recall", "precision[0] / recall[0]", labels),
    ("harmonic mean", "2 * precision[0] * recall[0] / (precision[0] + recall[0])", labels),
    ("mean of class F1 and accuracy", "(f1[1] + accuracy) / 2", labels),
    ("cost of 5 a miss, 1 a false alarm", COST, binary),
    ("Gini", "2 * auroc - 1", drawn_scores),
    ("AUROC less accuracy", "auroc - accuracy", drawn_scores),
    ("Brier score less errors", "brier - error_rate", drawn_scores),
    ("AUROC less average precision", "auroc - average_precision", drawn_scores),
    ("AUROC of a class less its recall", "auroc[0] - recall[0]", many_scores),
    ("RMSE over MAE", "rmse / mae", drawn_values),
    ("bias over RMSE", "bias / rmse", drawn_values),
    ("R² less the squared correlation", "r2 - pearson ** 2", drawn_values),
    ("gap of two labels' recalls", "recall[0] - recall[1]", label_sets),
    ("macro F1 less micro F1", "f1_macro - f1_micro", label_sets),
)
CASES = (
    *CASES,
    *DIFFERENCES,
    *MEAN_DIFFERENCES,
    *(Case(f"defined: {name}, {n} rows", defined(text, made, n)) for name, text, made in DEFINED for n in (100, 400)),
    Case("defined: gap of two recalls, 100 clusters", defined("recall[0] - recall[1]", labels, 100, 3)),
    Case("defined: AUROC less accuracy, 100 clusters", defined("auroc - accuracy", drawn_scores, 100, 3)),
    *(Case(f"own mean of errors, {rows} rows", own(OwnMean, drawn_values, rows)) for rows in (100, 400)),
    *(Case(f"own F1, {rows} rows", own(OwnF1, binary, rows)) for rows in (100, 400)),
    *(Case(f"own F1, {rows} rows of a slice", own(OwnF1, binary, rows, inside=True)) for rows in (100, 400)),
    *(Case(f"own mean, {rows} rows of a slice", own(OwnMean, drawn_values, rows, inside=True)) for rows in (100, 400)),
    Case("own F1, 20 parts of 20 rows", own(OwnF1, binary, 20, parts=20)),
    *DEFINED_DIFFERENCES,
)
CASES = (*with_reasons(CASES), *OWN_DIFFERENCES)

GATES = (
    GateCase("gate on accuracy 0.9, 1,000 rows", gate("accuracy", matrix_of(np.ones(2), [0.9, 0.9]), 1000)),
    GateCase("gate on macro F1, rare classes, 1,000 rows", gate("f1_macro", RARE, 1000)),
    GateCase("gate on a drop of accuracy, 500 rows", drop_gate("accuracy", BETTER)),
    GateCase("gate on a drop of macro F1, 500 rows", drop_gate("f1_macro", BETTER)),
)
