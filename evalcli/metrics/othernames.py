"""What others call the metrics of the registry: only a name that is none of them asks.

Spelling alone would suggest specificity to who asks for the sensitivity.
"""

from __future__ import annotations

from evalcli.metrics.entry import AVERAGES, OVER_ROWS

_CALLED = {
    "accuracy": "acc accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score bacc uar",
    "precision": "ppv positive_predictive_value precision_score",
    "recall": "sensitivity tpr true_positive_rate hit_rate recall_score",
    "f1": "f1_score f_score f_measure fscore dice",
    "fbeta": "fbeta_score",
    "jaccard": "iou miou jaccard_score jaccard_similarity",
    "specificity": "tnr true_negative_rate selectivity",
    "mcc": "matthews_corrcoef matthews_correlation_coefficient phi",
    "kappa": "cohen_kappa cohens_kappa cohen_kappa_score",
    "auroc": "auc roc_auc auc_roc rocauc roc_auc_score",
    "average_precision": "ap map pr_auc auprc aupr auc_pr average_precision_score",
    "log_loss": "logloss cross_entropy crossentropy ce nll bce",
    "brier": "brier_score brier_score_loss",
    "ece": "calibration_error expected_calibration_error",
    "topk_accuracy": "top_k_accuracy top_k_accuracy_score",
    "subset_accuracy": "exact_match exact_match_ratio",
    "hamming_loss": "hamming",
    "lrap": "label_ranking_average_precision label_ranking_average_precision_score",
    "ranking_loss": "label_ranking_loss",
    "r2": "r2_score r_squared r_square",
    "explained_variance": "explained_variance_score",
    "pearson": "pearsonr pearson_r",
    "spearman": "spearmanr spearman_r",
    "kendall": "kendalltau kendall_tau",
}
"""Name of a metric → what it is called elsewhere."""
_MEANT = {other: name for name, others in _CALLED.items() for other in others.split()}


def name_for(text: str) -> tuple[str, str] | None:
    """The base and the average (empty: none) of the metric that ``text`` may be meant for; ``None``: it is unknown.

    >>> name_for("roc_auc"), name_for("macro_f1"), name_for("sensitivity_micro"), name_for("blue")
    (('auroc', ''), ('f1', 'macro'), ('recall', 'micro'), None)
    """
    text = text.lower()
    for average in (*AVERAGES, OVER_ROWS):
        for bare in (text.removeprefix(f"{average}_"), text.removesuffix(f"_{average}")):
            if bare != text and (bare in _MEANT or bare in _CALLED):
                return _MEANT.get(bare, bare), average
    return (_MEANT[text], "") if text in _MEANT else None
