"""What is simulated of two models on the same rows."""

from __future__ import annotations

from benchmarks.simulated import Case, PairCase
from benchmarks.simulated.clusterpairs import TESTED as TESTED_CLUSTERS
from benchmarks.simulated.clusterpairs import bin_cluster_tests, cluster_tests
from benchmarks.simulated.defined import OwnF1, OwnMean
from benchmarks.simulated.definedpairs import TEXTS, defined_apart, defined_tests, two_labels, two_values
from benchmarks.simulated.labelpairs import TESTED, apart, p_values
from benchmarks.simulated.losspairs import FewWrong, loss_difference
from benchmarks.simulated.meanpairs import mean_apart
from benchmarks.simulated.ownpairs import own_apart, own_test
from benchmarks.simulated.pairs import (
    Pair,
    compared,
    difference,
    equal_f1,
    log_losses,
    mean_log_loss,
    ranked,
    with_interval,
    with_p,
)
from benchmarks.simulated.scorepairs import BINS, score_difference, score_tests
from benchmarks.simulated.scorepairs import TESTED as TESTED_SCORES
from benchmarks.simulated.scores import area
from benchmarks.simulated.valuepairs import ORDERED, SPREAD
from benchmarks.simulated.valuepairs import apart as values_apart
from benchmarks.simulated.valuepairs import p_values as values_p

FEW = Pair((0.9, 0.1), (0.95, 0.8), (0.95, 0.8), 100)
EVEN = Pair((1, 1, 1), (0.85,) * 3, (0.85,) * 3, 400)
UNEVEN = Pair((0.95, 0.05), (0.97, 0.7), equal_f1((0.95, 0.05), (0.97, 0.7), 0.5), 1000)
BETTER = Pair((0.6, 0.3, 0.1), (0.92, 0.88, 0.8), (0.88, 0.82, 0.7), 500)
CLOSE = Pair((1, 1, 1), (0.97,) * 3, (0.95,) * 3, 300, 0.9)

OF_LABELS = (
    *(
        ("Hamming loss", "hamming_loss"),
        ("micro F1", "f1_micro"),
        ("macro F1", "f1_macro"),
        ("F1 of rows", "f1_samples"),
    ),
    *(
        ("macro AUROC", "auroc_macro"),
        ("macro AP", "average_precision_macro"),
        ("LRAP", "lrap"),
        ("log loss", "log_loss"),
    ),
)

OF_ORDERS = (
    *(
        (f"{title}, {rows:,} rows", (name, rows, 0.5, 1.25))
        for title, name in (("median error", "medae"), ("Spearman", "spearman"), ("Kendall", "kendall"))
        for rows in (100, 1000)
    ),
    *(
        (f"{title} of errors alike, 100 rows", (name, 100, 0.9, 1.25))
        for title, name in (("median error", "medae"), ("Spearman", "spearman"))
    ),
    *(
        (f"{title}, none, {rows:,} rows", (name, rows, 0.5, 1.0))
        for title, name in (("median error", "medae"), ("Spearman", "spearman"))
        for rows in (100, 1000)
    ),
)
"""Medians and rank correlations of two models: what they share of their errors, and how much sharper the second is."""

DEFINED_OF = tuple(
    (two.__name__.removeprefix("two_"), two, tuple(one.title for one in TEXTS if one.two is two))
    for two in dict.fromkeys(one.two for one in TEXTS)
)

FEW_WRONG_ROWS = (
    ("one too sure, 100 rows", 100, FewWrong((2.0, 2.0), (1.0, 4.0), 0.9)),
    ("one too sure, 400 rows", 400, FewWrong((2.5, 2.5), (1.0, 2.5), 0.9)),
    ("one far too sure, 400 rows", 400, FewWrong((2.5, 2.5), (1.0, 4.0), 0.5)),
    ("one better, 400 rows", 400, FewWrong((2.5, 3.0), (1.0, 1.0), 0.5)),
)

OWN = (("F1", OwnF1, two_labels), ("mean of errors", OwnMean, two_values))

PAIRS = (
    PairCase("test of accuracy, 400 rows", compared("accuracy", EVEN, both=True), null=True),
    PairCase("test of accuracy, 100 rows", compared("accuracy", FEW), null=True),
    PairCase("test of macro F1, 400 rows", compared("f1_macro", EVEN), null=True),
    PairCase("test of macro F1, 100 rows, 10 % positive", compared("f1_macro", FEW, both=True), null=True),
    PairCase("test of macro F1, equal by other errors, 1,000 rows", compared("f1_macro", UNEVEN, both=True), null=True),
    PairCase("test of MCC, 400 rows", compared("mcc", EVEN), null=True),
    PairCase("test of MCC, 100 rows, 10 % positive", compared("mcc", FEW), null=True),
    PairCase("test of balanced accuracy, 100 rows, 10 % positive", compared("balanced_accuracy", FEW), null=True),
    PairCase("test of AUROC, 50 + 50 rows", with_p(ranked(50, 50, 1.5, 1.5)), null=True),
    PairCase("test of AUROC, 25 + 475 rows", with_p(ranked(25, 475, 1.5, 1.5)), null=True),
    PairCase("test of AUROC near 1, 100 + 400 rows", with_p(ranked(100, 400, 3.0, 3.0)), null=True),
    PairCase("test of log loss, 200 rows", with_p(log_losses(200, 1.0)), null=True),
    PairCase("test of several labels, 300 rows", p_values(300, 1.0), null=True, promised=TESTED),
    PairCase("test of several labels, 100 rows", p_values(100, 1.0), null=True, promised=TESTED),
    PairCase("test of several labels, rare ones, 100 rows", p_values(100, 1.5), null=True, promised=TESTED),
    *(
        PairCase(
            f"test of {task}, {n} clusters", cluster_tests(n, task), null=True, promised=promised if n > 10 else ()
        )
        for task, promised in TESTED_CLUSTERS.items()
        for n in (10, 20, 40)
    ),
    *(
        PairCase(f"test of scores, {task}, {n:,} rows", score_tests(n, task), null=True, promised=promised)
        for task, promised in TESTED_SCORES.items()
        for n in (200, 1000)
    ),
    *(
        PairCase(
            f"test of bins, {task}, {n:,} rows, too sure", score_tests(n, task, 2.0, names), null=True, promised=names
        )
        for task, names in BINS.items()
        for n in (100, 300, 1000, 5000)
    ),
    *(
        PairCase(f"test of bins, {n} clusters, {task}", bin_cluster_tests(n, task, names), null=True, promised=names)
        for task, names in BINS.items()
        for n in (30, 100)
    ),
    *(
        PairCase(f"test of orders, {rows:,} rows", values_p(rows, 0.5), null=True, promised=ORDERED)
        for rows in (100, 1000)
    ),
    PairCase("test of orders, alike, 100 rows", values_p(100, 0.9), null=True, promised=ORDERED),
    PairCase("test of orders, heavy tails, 100 rows", values_p(100, 0.5, "heavy"), null=True, promised=ORDERED),
    *(
        PairCase(
            f"test beside a spread, log-normal, {rows:,} rows",
            values_p(rows, 0.5, "log-normal", SPREAD),
            null=True,
            promised=SPREAD,
        )
        for rows in (200, 1000)
    ),
    *(
        PairCase(f"test of what is defined, {task}, {rows} rows", defined_tests(two, rows), null=True, promised=titles)
        for task, two, titles in DEFINED_OF
        for rows in (200, 400)
    ),
    PairCase("test of what is defined, 100 clusters", defined_tests(two_labels, 100, 3), null=True, promised=()),
    *(
        PairCase(f"test of an own {title}, {rows} rows", own_test(metric, two, rows), null=True)
        for title, metric, two in OWN
        for rows in (100, 400)
    ),
    PairCase("test of an own F1, 100 clusters", own_test(OwnF1, two_labels, 100, 3), null=True),
    PairCase("test of accuracy, 500 rows", compared("accuracy", BETTER), null=False),
    PairCase("test of macro F1, 500 rows", compared("f1_macro", BETTER), null=False),
    PairCase("test of AUROC, 100 + 100 rows", with_p(ranked(100, 100, 1.7, 1.3)), null=False),
    PairCase("test of several labels, 300 rows, one model sharper", p_values(300, 1.0, 1.05), null=False),
)

DIFFERENCES = (
    Case("difference of accuracy, 500 rows", difference("accuracy", BETTER)),
    Case("difference of accuracy, close models near 1, 300 rows", difference("accuracy", CLOSE, both=True)),
    Case("difference of macro F1, 500 rows", difference("f1_macro", BETTER, both=True)),
    Case("difference of macro F1, none, 1,000 rows", difference("f1_macro", UNEVEN)),
    Case("difference of MCC, 500 rows", difference("mcc", BETTER)),
    Case("difference of balanced accuracy, 400 rows", difference("balanced_accuracy", EVEN)),
    Case("difference of AUROC, 100 + 100 rows", with_interval(ranked(100, 100, 1.7, 1.3), area(1.7) - area(1.3))),
    Case("difference of log loss, 300 rows", mean_log_loss(300, 1.5)),
    *(
        Case(f"difference of log loss of few wrong rows, {title}", loss_difference(rows, models))
        for title, rows, models in FEW_WRONG_ROWS
    ),
    *(Case(f"difference of multilabel {title}, 200 rows", apart(name, 200)) for title, name in OF_LABELS),
    *(
        Case(f"difference of {name}, {task}, 500 rows", score_difference(500, task, 0.5, name))
        for task, promised in TESTED_SCORES.items()
        for name in promised
    ),
    Case("difference of multilabel ECE, 200 rows", apart("ece", 200)),
    Case("difference of multilabel ECE, 1,000 rows", apart("ece", 1000)),
    *(Case(f"difference of orders: {title}", values_apart(*drawn)) for title, drawn in OF_ORDERS),
    *(
        Case(f"difference of {title}, log-normal, {rows:,} rows", values_apart(name, rows, 0.5, 1.6, "log-normal"))
        for title, name in (("R²", "r2"), ("Pearson", "pearson"))
        for rows in (200, 1000)
    ),
    Case("difference of AUROC, none, 25 + 475 rows", with_interval(ranked(25, 475, 1.5, 1.5), 0.0)),
    *(
        Case(
            f"difference of AUROC near 1, {few} + {many} rows",
            with_interval(ranked(few, many, *at), area(at[0]) - area(at[1])),
        )
        for few, many, *at in ((20, 480, 2.9, 2.0), (50, 50, 3.3, 2.5), (50, 450, 2.9, 2.2), (200, 200, 3.3, 2.66))
    ),
)

MEAN_DIFFERENCES = tuple(
    Case(f"difference of {title} near 1, {len(shares)} classes, {rows} rows", mean_apart(name, rows, shares, apart))
    for title, name in (("macro AUROC", "auroc_macro"), ("macro AP", "average_precision_macro"))
    for rows, shares, apart in ((100, (1 / 3,) * 3, (2.5, 3.3)), (300, (0.8, 0.1, 0.05, 0.05), (2.0, 2.9)))
)

DEFINED_DIFFERENCES = (
    *(
        Case(
            f"difference of what is defined: {one.title}, {rows} rows",
            defined_apart(one, rows),
        )
        for one in TEXTS
        for rows in (200, 400)
    ),
)

OWN_DIFFERENCES = (
    *(
        Case(f"difference of an own {title}, {rows} rows", own_apart(metric, two, rows))
        for title, metric, two in OWN
        for rows in (100, 400)
    ),
    Case("difference of an own F1, 100 clusters", own_apart(OwnF1, two_labels, 100, 3)),
)
