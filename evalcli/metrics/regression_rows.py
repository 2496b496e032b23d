"""The metrics of values: one row each. Formulas load on first use: importing this module imports no numpy."""

from __future__ import annotations

from math import inf
from typing import Any

from evalcli.metrics.entry import Entry, Parameter, late

REGRESSION = (
    *("rmse", "mae", "r2", "medae", "bias", "max_error", "mse", "explained_variance", "pearson", "spearman"),
    *("mape", "smape", "wape"),
)
"""What a report on a regression computes unless asked otherwise, in the order of presentation."""


def _row(name: str, formula: str, *, state: str = "Moments", **more: Any) -> Entry:
    """A row; ``formula`` names the function in ``metrics.regression`` unless a module stands before it."""
    module, _, function = formula.rpartition(".")
    given: dict[str, Any] = {"low": 0.0, "high": inf, "direction": "lower"} | more
    return Entry(
        name,
        formula=late(module or "regression", function),
        state=state,
        reads="values",
        tasks=("regression",),
        **given,
    )


_OVER = "Of several outputs the plain mean of theirs, as scikit-learn takes it; [NAME] is one of them."
_EXACT = f"From sums without any rounding, so that neither the order nor the size of the values shows. {_OVER}"
_UNBOUNDED = "No interval: the largest error seen does not bound the next."
_DEFINED = "Undefined otherwise, with the count."
_BOUNDED = f"Exact, or with a certified interval past --ranking-budget. {_OVER}"
_DEVIANCE = f"Each term is right to 1e-13 of itself, however near the two are. {_OVER}"

REGRESSION_ROWS = (
    _row(
        "mse",
        "mse",
        title="Mean squared error",
        formula_text="Σ (p − t)² / n",
        source="Gauss 1821, Theoria combinationis observationum",
        summary="The mean of the squared errors, in the square of the target's unit.",
        convention=_EXACT,
    ),
    _row(
        "rmse",
        "rmse",
        title="Root mean squared error",
        formula_text="√(Σ (p − t)² / n)",
        source="Gauss 1821, Theoria combinationis observationum",
        summary="How large an error is, large ones counting more, in the unit of the target.",
        convention="Of several outputs the mean of their roots, as scikit-learn takes it, not the root of their mean; "
        "[NAME] is one of them. From sums without any rounding, so that neither the order nor the size of the values "
        "shows.",
    ),
    _row(
        "mae",
        "mae",
        state="AbsoluteErrors",
        title="Mean absolute error",
        formula_text="Σ |p − t| / n",
        source="Willmott and Matsuura 2005, Advantages of the mean absolute error over the root mean square error",
        summary="How large an error is on average, in the unit of the target.",
        convention=_OVER,
    ),
    _row(
        "medae",
        "residuals.median_absolute_error",
        state="ResidualTable",
        title="Median absolute error",
        formula_text="median |p − t|",
        source="Hyndman and Fan 1996, Sample quantiles in statistical packages, type 2",
        summary="Half of the errors are smaller: how large an ordinary error is, whatever a few rows do.",
        convention=f"Of an even number of rows the mean of the two in the middle. {_BOUNDED}",
    ),
    _row(
        "max_error",
        "max_error",
        state="Extremes",
        title="Maximum error",
        formula_text="max |p − t|",
        source="scikit-learn, max_error",
        summary="The largest error of any row.",
        convention=f"{_UNBOUNDED} Weights do not matter, but for 0. {_OVER}",
    ),
    _row(
        "mape",
        "mape",
        state="AbsoluteErrors",
        title="Mean absolute percentage error",
        formula_text="Σ |p − t|/|t| / n",
        source="Hyndman and Koehler 2006, Another look at measures of forecast accuracy",
        summary="How large an error is beside the target, as a share: 0.1 is 10 %.",
        convention="Undefined where a target is 0, with the count of zeros; wape and smape are not. " + _OVER,
    ),
    _row(
        "smape",
        "smape",
        state="AbsoluteErrors",
        title="Symmetric mean absolute percentage error",
        formula_text="Σ 2·|p − t|/(|t| + |p|) / n",
        source="Makridakis 1993, Accuracy measures: theoretical and practical concerns",
        summary="How large an error is beside the mean of target and prediction: from 0 to 2.",
        convention=f"A row whose target and prediction are both 0 is right. {_OVER}",
        high=2.0,
    ),
    _row(
        "wape",
        "wape",
        state="AbsoluteErrors",
        title="Weighted absolute percentage error",
        formula_text="Σ |p − t| / Σ |t|",
        source="Kolassa and Schütz 2007, Advantages of the MAD/mean ratio over the MAPE",
        summary="All errors together beside all targets together, as a share.",
        convention=f"Undefined only where every target is 0. {_OVER}",
    ),
    _row(
        "r2",
        "r2",
        title="Coefficient of determination",
        formula_text="1 − Σ (p − t)² / Σ (t − mean t)²",
        source="Wright 1921, Correlation and causation",
        summary="The share of the target's spread that the model explains: 0 is no better than always saying the mean.",
        convention=f"Of a constant target 1 if every prediction is right, else 0. Undefined below 2 rows. {_EXACT}",
        direction="higher",
        low=-inf,
        high=1.0,
    ),
    _row(
        "adjusted_r2",
        "adjusted_r2",
        spelling="adjusted_r2_p{}",
        parameter=Parameter("number of features", "p", 1, 1_000_000, "3", whole=True),
        title="Adjusted R²",
        formula_text="1 − (1 − R²)·(n − 1)/(n − p − 1)",
        source="Theil 1961, Economic forecasts and policy",
        summary="R² as if the p features that the model was fitted with had cost nothing; p stands in the name.",
        convention=f"n is the number of rows, whatever they weigh. Undefined up to p + 1 rows. {_OVER}",
        direction="higher",
        low=-inf,
        high=1.0,
    ),
    _row(
        "explained_variance",
        "explained_variance",
        title="Explained variance",
        formula_text="1 − Var(t − p) / Var(t)",
        source="scikit-learn, explained_variance_score",
        summary="R² for predictions whose bias is taken away: far above R² the model is off by a constant.",
        convention=f"Of a constant target 1 if the errors are constant, else 0. Undefined below 2 rows. {_EXACT}",
        direction="higher",
        low=-inf,
        high=1.0,
    ),
    _row(
        "pearson",
        "pearson",
        title="Pearson correlation",
        formula_text="Cov(t, p) / √(Var t · Var p)",
        source="Pearson 1895, Notes on regression and inheritance in the case of two parents",
        summary="How nearly predictions and targets lie on a line, whatever its slope.",
        convention=f"Undefined where a side is constant. {_EXACT}",
        direction="higher",
        low=-1.0,
        high=1.0,
    ),
    _row(
        "spearman",
        "rankcorrelation.spearman",
        state="RankPairs",
        title="Spearman correlation",
        formula_text="Pearson's r of the ranks, ties at their mean",
        source="Spearman 1904, The proof and measurement of association between two things",
        summary="How nearly predictions and targets come in one order, whatever the scale.",
        convention=f"Undefined where a side is constant. {_BOUNDED}",
        direction="higher",
        low=-1.0,
        high=1.0,
    ),
    _row(
        "kendall",
        "rankcorrelation.kendall",
        state="RankPairs",
        title="Kendall's τ_b",
        formula_text="(C − D) / √((n₀ − n₁)·(n₀ − n₂))",
        source="Kendall 1945, The treatment of ties in ranking problems",
        summary="Of two rows, how much likelier it is that they come in the right order than in the wrong one.",
        convention=f"Undefined where a side is constant. {_BOUNDED}",
        direction="higher",
        low=-1.0,
        high=1.0,
    ),
    _row(
        "bias",
        "bias",
        title="Bias",
        formula_text="Σ (p − t) / n",
        source="Theil 1961, Economic forecasts and policy",
        summary="By how much predictions are too high on average; below 0 they are too low.",
        convention=_EXACT,
        direction="zero",
        low=-inf,
    ),
    _row(
        "msle",
        "mean_loss",
        state="LogErrors",
        title="Mean squared logarithmic error",
        formula_text="Σ (log(1 + p) − log(1 + t))² / n",
        source="scikit-learn, mean_squared_log_error",
        summary="The squared error of logarithms: 10 % too much counts the same for small and for large targets.",
        convention=f"Every value must be above −1. {_DEFINED} {_OVER}",
    ),
    _row(
        "poisson_deviance",
        "mean_loss",
        state="Deviance",
        title="Mean Poisson deviance",
        formula_text="2·Σ (t·log(t/p) − t + p) / n",
        source="Nelder and Wedderburn 1972, Generalized linear models",
        summary="How far predicted rates are from counts.",
        convention=f"Targets from 0, predictions above 0. {_DEFINED} {_DEVIANCE}",
    ),
    _row(
        "gamma_deviance",
        "mean_loss",
        state="Deviance",
        title="Mean gamma deviance",
        formula_text="2·Σ (log(p/t) + t/p − 1) / n",
        source="Nelder and Wedderburn 1972, Generalized linear models",
        summary="How far predicted sizes are from sizes, as a ratio.",
        convention=f"Targets and predictions above 0. {_DEFINED} {_DEVIANCE}",
    ),
    _row(
        "tweedie_deviance",
        "mean_loss",
        state="Deviance",
        spelling="tweedie_deviance{}",
        parameter=Parameter("power", "q", 1.0, 10.0, "1.5"),
        title="Mean Tweedie deviance",
        formula_text="2·Σ ∫ (t − u)/u^q du / n, u from p to t",
        source="Jørgensen 1987, Exponential dispersion models",
        summary="How far predicted amounts are from amounts, 0 among them; the power stands in the name: 1 is the "
        "Poisson, 2 the gamma deviance.",
        convention=f"Predictions above 0; targets from 0, from power 2 on above 0. {_DEFINED} {_DEVIANCE}",
    ),
    _row(
        "pinball",
        "pinball",
        state="AbsoluteErrors",
        spelling="pinball{}",
        parameter=Parameter("quantile", "q", 0.0001, 0.9999, "0.9", default=0.5),
        title="Pinball loss",
        formula_text="Σ max(q·(t − p), (1 − q)·(p − t)) / n",
        source="Koenker and Bassett 1978, Regression quantiles",
        summary="How good predictions of a quantile are; it stands in the name, and without one it is the median.",
        convention=_OVER,
    ),
)
