"""The metrics of scores: one row each. Formulas load on first use: importing this module imports no numpy."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from evalcli.metrics.entry import Entry, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

_MEANS = ("macro", "weighted")
_LABELS = ("binary", "multiclass", "multilabel")
_OF_LABEL = " In a multilabel task that of P(label), for each label and as their plain mean."


def late(module: str, name: str) -> Callable[..., Any]:
    """A formula of a module that is imported when it is first called."""

    def formula(*args: Any) -> Any:
        from importlib import import_module

        return getattr(import_module(f"evalcli.metrics.{module}"), name)(*args)

    return formula


def _share(word: str, symbol: str, example: str = "0.9") -> Parameter:
    return Parameter(word, symbol, 0.0001, 1.0, example)


_RANKED = (
    "Ranks on raw scores in a binary or multilabel task, on the odds of each class from float64 log-softmax in a "
    "multiclass one; ties count half. Undefined without positives or without negatives. Exact, or with a certified "
    "interval past --ranking-budget. macro: the plain mean over the classes that have both, the others are named; "
    "weighted: by support; micro, in a multilabel task: over the cells of all labels."
)
_OPERATING = f"Cut with >=, as the threshold is; 0 where none reaches it. {_RANKED}"
_TOP_LABEL = "Top label, 15 bins (a, b], the last closed at 1; in a binary task the top label of the two."
_SELECTIVE = "Rows of equal confidence have no order: the mean over all their orders."

SCORE_ROWS = (
    Entry(
        name="auroc",
        title="Area under the ROC curve",
        formula=late("roc", "auroc"),
        formula_text="(#{pos > neg} + ½·#{pos = neg}) / (P·N)",
        source="Mann and Whitney 1947; Hanley and McNeil 1982",
        summary="The chance that a row of the class scores higher than a row of another.",
        convention=_RANKED,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="average_precision",
        title="Average precision",
        formula=late("roc", "average_precision"),
        formula_text="Σ (Rₙ − Rₙ₋₁)·Pₙ",
        source="Buckley and Voorhees 2000, Evaluating evaluation measure stability",
        summary="The mean, over the rows of the class, of the precision at their score.",
        convention=f"Steps, not trapezoids; tied scores are one step. {_RANKED}",
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="auroc_fpr",
        spelling="auroc_fpr{}",
        parameter=_share("highest false positive rate", "f", "0.1"),
        title="Partial AUROC",
        formula=late("roc", "partial_auroc"),
        formula_text="½·(1 + (area up to FPR f − f²/2) / (f − f²/2))",
        source="McClish 1989, Analyzing a portion of the ROC curve",
        summary="AUROC over low false positive rates only, so scaled that 0.5 is chance; f stands in the name.",
        convention=_RANKED,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="recall_at_precision",
        spelling="recall_at_precision{}",
        parameter=_share("precision", "p"),
        title="Recall at a precision",
        formula=late("roc", "recall_at_precision"),
        formula_text="max recall over thresholds with precision ≥ p",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="How much is found when the alarms must be right that often; p stands in the name.",
        convention=_OPERATING,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="precision_at_recall",
        spelling="precision_at_recall{}",
        parameter=_share("recall", "r"),
        title="Precision at a recall",
        formula=late("roc", "precision_at_recall"),
        formula_text="max precision over thresholds with recall ≥ r",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="How often the alarms are right when that much must be found; r stands in the name.",
        convention=_OPERATING,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="specificity_at_sensitivity",
        spelling="specificity_at_sensitivity{}",
        parameter=_share("sensitivity", "s"),
        title="Specificity at a sensitivity",
        formula=late("roc", "specificity_at_sensitivity"),
        formula_text="max 1 − FP/N over thresholds with recall ≥ s",
        source="Metz 1978, Basic principles of ROC analysis",
        summary="How many of the others are left alone when that much must be found; s stands in the name.",
        convention=_OPERATING,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="ks",
        title="Kolmogorov–Smirnov distance",
        formula=late("roc", "ks"),
        formula_text="max |TP/P − FP/N|",
        source="Smirnov 1948, Table for estimating the goodness of fit of empirical distributions",
        summary="How far apart the scores of the class and of the others lie.",
        convention=_RANKED,
        per_class=True,
        averages=_MEANS,
        state="KeyTable",
        reads="scores",
        tasks=_LABELS,
        multilabel=("micro",),
    ),
    Entry(
        name="auroc_ovo",
        title="One-vs-one AUROC",
        formula=late("ranking", "auroc_ovo"),
        formula_text="mean over pairs of classes of ½·(A(i|j) + A(j|i))",
        source="Hand and Till 2001, A simple generalisation of the area under the ROC curve",
        summary="AUROC of every class against every other, which does not depend on how frequent they are.",
        convention="The mean over pairs of classes that both have rows. Ranks as auroc does, ties count half.",
        state="PairwiseKeyTable",
        reads="scores",
        tasks=("multiclass",),
    ),
    Entry(
        name="log_loss",
        title="Log loss",
        formula=late("losses", "mean_loss"),
        formula_text="−Σ log P(target) / n",
        source="Good 1952, Rational decisions",
        summary="How surprised the model was by what happened, in nats.",
        convention="From logits by log-softmax in float64, not clipped. From probabilities clipped at the eps of the "
        "type they were stored in, the clipped rows counted; rows must sum to 1 within 1e-3 (half types 1e-2)."
        + _OF_LABEL,
        direction="lower",
        high=inf,
        state="LogLoss",
        reads="scores",
        tasks=_LABELS,
        by_label=late("label_calibration", "label_log_loss"),
    ),
    Entry(
        name="brier",
        title="Brier score",
        formula=late("losses", "mean_loss"),
        formula_text="Σ Σ_j (p_j − [j = target])² / n",
        source="Brier 1950, Verification of forecasts expressed in terms of probability",
        summary="The squared distance between the probabilities and what happened.",
        convention="The sum over classes in a multiclass task, at most 2; the squared error of P(positive) in a binary "
        "one, at most 1." + _OF_LABEL,
        direction="lower",
        high=2.0,
        state="Brier",
        reads="scores",
        tasks=_LABELS,
        by_label=late("label_calibration", "label_brier"),
    ),
    Entry(
        name="ece",
        title="Expected calibration error",
        formula=late("calibration", "ece"),
        formula_text="Σ_b |right_b − confidence_b| / n",
        source="Guo et al. 2017, On calibration of modern neural networks",
        summary="How far confidence is from accuracy, on average over bins of confidence.",
        convention=_TOP_LABEL + _OF_LABEL,
        direction="lower",
        state="CalibrationBins",
        reads="scores",
        tasks=_LABELS,
        by_label=late("label_calibration", "label_ece"),
    ),
    Entry(
        name="ece_positive",
        title="Expected calibration error of P(positive)",
        formula=late("calibration", "ece"),
        formula_text="Σ_b |positives_b − ΣP(positive)_b| / n",
        source="Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning",
        summary="How far P(positive) is from the share of positives, on average over bins.",
        convention="15 bins (a, b] of P(positive), the last closed at 1.",
        direction="lower",
        state="PositiveBins",
        reads="scores",
        tasks=("binary",),
    ),
    Entry(
        name="ece_equal_mass",
        title="Equal-mass calibration error",
        formula=late("confidence", "equal_mass_ece"),
        formula_text="Σ_b |right_b − confidence_b| / n, bins of n/15 rows",
        source="Nguyen and O'Connor 2015, Posterior calibration and exploratory analysis",
        summary="The calibration error over bins that hold equally many rows.",
        convention="15 bins; ties are never split. Exact, or with a certified interval past --ranking-budget.",
        direction="lower",
        state="ConfidenceTable",
        reads="scores",
    ),
    Entry(
        name="ece_classwise",
        title="Classwise calibration error",
        formula=late("calibration", "classwise_ece"),
        formula_text="mean over classes of Σ_b |right_b − P(class)_b| / n",
        source="Kull et al. 2019, Beyond temperature scaling",
        summary="The calibration error of every class's probability, averaged.",
        convention="15 bins (a, b] of P(class), the last closed at 1; the mean over all classes.",
        direction="lower",
        state="ClasswiseBins",
        reads="scores",
        tasks=("multiclass",),
    ),
    Entry(
        name="mce",
        title="Maximum calibration error",
        formula=late("calibration", "mce"),
        formula_text="max_b |accuracy_b − mean confidence_b|",
        source="Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning",
        summary="How far confidence is from accuracy in the worst bin.",
        convention=_TOP_LABEL,
        direction="lower",
        state="CalibrationBins",
        reads="scores",
    ),
    Entry(
        name="mean_confidence",
        title="Mean confidence",
        formula=late("calibration", "mean_confidence"),
        formula_text="Σ confidence / n",
        source="Guo et al. 2017, On calibration of modern neural networks",
        summary="The mean probability of the top label: above the accuracy, the model promises too much.",
        convention="Says how sure the model is, not how good: compare it with accuracy.",
        state="CalibrationBins",
        reads="scores",
    ),
    Entry(
        name="topk_accuracy",
        spelling="top{}_accuracy",
        parameter=Parameter("k", "k", 1, 1_000_000, "3", whole=True),
        title="Top-k accuracy",
        formula=late("topk", "topk_accuracy"),
        formula_text="#{rank < k} / n",
        source="Russakovsky et al. 2015, ImageNet Large Scale Visual Recognition Challenge",
        summary="The share of rows whose target is among the k best classes; k stands in the name.",
        convention="rank = #{s > s_y} + #{j < y: s = s_y}: equal scores stand in the order of their classes.",
        state="RankHistogram",
        reads="scores",
        tasks=("multiclass",),
    ),
    Entry(
        name="mean_rank",
        title="Mean rank",
        formula=late("topk", "mean_rank"),
        formula_text="Σ (rank + 1) / n",
        source="Bordes et al. 2013, Translating embeddings for modeling multi-relational data",
        summary="At which place the target stands among the classes, on average; 1 is best.",
        convention="rank = #{s > s_y} + #{j < y: s = s_y}: equal scores stand in the order of their classes.",
        direction="lower",
        low=1.0,
        high=inf,
        state="RankHistogram",
        reads="scores",
        tasks=("multiclass",),
    ),
    Entry(
        name="mrr",
        title="Mean reciprocal rank",
        formula=late("topk", "mean_reciprocal_rank"),
        formula_text="Σ 1/(rank + 1) / n",
        source="Voorhees 1999, The TREC-8 question answering track report",
        summary="The mean of one over the place of the target.",
        convention="rank = #{s > s_y} + #{j < y: s = s_y}: equal scores stand in the order of their classes.",
        state="RankHistogram",
        reads="scores",
        tasks=("multiclass",),
    ),
    Entry(
        name="aurc",
        title="Area under the risk–coverage curve",
        formula=late("selective", "aurc"),
        formula_text="Σ_k risk of the k most confident rows / n",
        source="Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural classifiers",
        summary="How wrong the model is on the rows it is most sure of; 0 is best.",
        convention=f"{_SELECTIVE} Exact, or with a certified interval past --ranking-budget.",
        direction="lower",
        state="ConfidenceTable",
        reads="scores",
    ),
    Entry(
        name="accuracy_at_coverage",
        spelling="accuracy_at_coverage{}",
        parameter=_share("coverage", "c"),
        title="Accuracy at a coverage",
        formula=late("selective", "accuracy_at_coverage"),
        formula_text="accuracy of the c·n most confident rows",
        source="El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification",
        summary="The accuracy when the least confident rows are left to someone else; c stands in the name.",
        convention=f"{_SELECTIVE} Exact, or with a certified interval past --ranking-budget.",
        state="ConfidenceTable",
        reads="scores",
    ),
)
