"""The metrics of counts: one row each. Importing this module imports no numpy."""

from __future__ import annotations

from evalcli.metrics import formulas
from evalcli.metrics.entry import AVERAGES, OVER_ROWS, Entry, Parameter

_OVER_ALL = "Undefined only without rows."
_IN_MEAN = (
    "0/0 is undefined: null in JSON, listed, and it fails its gate. In a mean over classes it counts as 0. "
    "macro: the plain mean over the classes seen in target or predictions, with some weight (--classes declared: all); "
    "weighted: by support; micro: the cells of all these classes added up first. "
    "Bare, in a binary task: the positive class."
)
_UNPREDICTED = " A row without a prediction (--nan wrong) is an error of the model: it "
_CELLS = " Of several labels a row, such a cell is wrong."
_AS_ALARM = (
    f"{_UNPREDICTED}counts like a false alarm of every class but its own. Of two classes, the specificity of one so is "
    f"the recall of the other.{_CELLS}"
)
_AS_NO_NEGATIVE = (
    f"{_UNPREDICTED}was not called another class, and is in neither TN nor FN. Of two classes, the NPV of one so is "
    f"the precision of the other.{_CELLS}"
)
_TASKS = ("binary", "multiclass", "multilabel")
_OVER_ROWS = (
    " samples, in a multilabel task: the mean over rows of each row's own value, where 0/0 counts as 0 as well."
)

COUNT_ROWS = (
    Entry(
        name="accuracy",
        title="Accuracy",
        formula=formulas.accuracy,
        formula_text="correct / n",
        source="Metz 1978, Basic principles of ROC analysis",
        summary="The share of rows whose prediction is right.",
        convention=f"Always the share correct, never a mean over classes (that is balanced_accuracy). {_OVER_ALL}",
    ),
    Entry(
        name="balanced_accuracy",
        title="Balanced accuracy",
        formula=formulas.balanced_accuracy,
        formula_text="mean of recall over classes with support",
        source="Brodersen et al. 2010, The balanced accuracy and its posterior distribution",
        summary="Accuracy as if every class were equally frequent.",
        convention="Classes that are predicted but never a target have no recall and stay out of the mean.",
    ),
    Entry(
        name="precision",
        title="Precision",
        formula=formulas.precision,
        formula_text="TP / (TP + FP)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="Of what the model called this class, the share that was.",
        convention=_IN_MEAN + _OVER_ROWS,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
        multilabel=(OVER_ROWS,),
    ),
    Entry(
        name="recall",
        title="Recall",
        formula=formulas.recall,
        formula_text="TP / (TP + FN)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="Of what was this class, the share that the model found (sensitivity).",
        convention=_IN_MEAN + _OVER_ROWS,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
        multilabel=(OVER_ROWS,),
    ),
    Entry(
        name="f1",
        title="F1",
        formula=formulas.f1,
        formula_text="2·TP / (2·TP + FP + FN)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7; Opitz and Burst 2019, Macro F1 and Macro F1",
        summary="The harmonic mean of precision and recall.",
        convention="Macro F1 is the mean of the class F1. Undefined only when TP, FP and FN are all 0. "
        + _IN_MEAN
        + _OVER_ROWS,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
        multilabel=(OVER_ROWS,),
    ),
    Entry(
        name="fbeta",
        spelling="fbeta{}",
        parameter=Parameter("beta", "β", 0.001, 1000.0, "2"),
        title="F-beta",
        formula=formulas.fbeta,
        formula_text="(1 + β²)·TP / ((1 + β²)·TP + β²·FN + FP)",
        source="van Rijsbergen 1979, Information Retrieval, ch. 7",
        summary="F1 with recall β times as important as precision; β stands in the name: fbeta2, fbeta0.5_macro.",
        convention=f"Undefined only when TP, FP and FN are all 0. {_IN_MEAN}{_OVER_ROWS}",
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
        multilabel=(OVER_ROWS,),
    ),
    Entry(
        name="jaccard",
        title="Jaccard index",
        formula=formulas.jaccard,
        formula_text="TP / (TP + FP + FN)",
        source="Jaccard 1912, The distribution of the flora in the alpine zone",
        summary="The overlap of predicted and true rows (intersection over union).",
        convention=_IN_MEAN + _OVER_ROWS,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
        multilabel=(OVER_ROWS,),
    ),
    Entry(
        name="specificity",
        title="Specificity",
        formula=formulas.specificity,
        formula_text="TN / (TN + FP)",
        source="Yerushalmy 1947, Statistical problems in assessing methods of medical diagnosis",
        summary="Of what was not this class, the share that the model left alone.",
        convention=_IN_MEAN + _AS_ALARM,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
    ),
    Entry(
        name="npv",
        title="Negative predictive value",
        formula=formulas.npv,
        formula_text="TN / (TN + FN)",
        source="Altman and Bland 1994, Diagnostic tests 2: predictive values",
        summary="Of what the model did not call this class, the share that was not.",
        convention=_IN_MEAN + _AS_NO_NEGATIVE,
        per_class=True,
        averages=AVERAGES,
        tasks=_TASKS,
    ),
    Entry(
        name="selection_rate",
        title="Selection rate",
        formula=formulas.selection_rate,
        formula_text="(TP + FP) / n",
        source="Dwork et al. 2012, Fairness through awareness",
        summary="How often the model says this class.",
        convention="Says what the model does, not how well: compare it between slices. Undefined only without rows.",
        per_class=True,
        direction="neither",
    ),
    Entry(
        name="mcc",
        title="Matthews correlation",
        formula=formulas.mcc,
        formula_text="Σ(TP·TN − FP·FN) / √(Σ p·(n − p) · Σ t·(n − t))",
        source="Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient",
        summary="The correlation between target and prediction; 0 is no better than chance.",
        convention="Predictions or targets all of one class: 0. Both: undefined.",
        low=-1.0,
    ),
    Entry(
        name="kappa",
        title="Cohen's kappa",
        formula=formulas.kappa,
        formula_text="(p_o − p_e) / (1 − p_e), p_e = Σ t·p / n²",
        source="Cohen 1960, A coefficient of agreement for nominal scales",
        summary="The agreement beyond what the class frequencies alone would give.",
        convention="Undefined when target and prediction are one and the same class throughout.",
        low=-1.0,
    ),
    Entry(
        name="error_rate",
        title="Error rate",
        formula=formulas.error_rate,
        formula_text="wrong / n",
        source="1 − accuracy",
        summary="The share of rows whose prediction is wrong.",
        convention=_OVER_ALL,
        direction="lower",
    ),
    Entry(
        name="majority_baseline",
        title="Majority baseline",
        formula=formulas.majority_baseline,
        formula_text="max support / n",
        source="Holte 1993, Very simple classification rules perform well on most commonly used datasets",
        summary="The accuracy of always naming the most frequent class.",
        convention="Says something about the data, nothing about the model: accuracy should be clearly above it.",
        direction="neither",
    ),
)
