"""What each row adds to a metric of values, so that the mean over rows is the metric.

Of a mean of errors that is the error of the row. An RMSE, a ratio of sums or a correlation moves with a row by its
influence, the derivative of the metric by the weight of the row; added to the metric itself it has the same mean. The
difference of two models is then the mean of the differences of their rows, whatever the metric: the delta method, with
the covariance of the two in it.

Rank correlations and medians are no smooth means of rows, and have no terms here but in ``orders``; the largest error
says nothing of how large others may be, and has none at all.

Source: Hampel 1974, The influence curve and its role in robust estimation.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from evalcli.metrics import regression
from evalcli.regression.intervals import row_terms
from evalcli.regression.states import StateKey
from evalcli.regression.together import Together

if TYPE_CHECKING:
    from evalcli.metrics.absolute import AbsoluteSums
    from evalcli.metrics.arrays import HostArray
    from evalcli.metrics.moments import Moment
    from evalcli.metrics.registry import MetricName
    from evalcli.metrics.values import ValueRows
    from evalcli.regression.results import Results

_LOSSES = frozenset({"bias", "mae", "mse", "pinball"})
_RELATIVE = frozenset({"mape", "smape", "msle", "poisson_deviance", "gamma_deviance", "tweedie_deviance"})
_SMOOTH = frozenset({"rmse", "r2", "adjusted_r2", "explained_variance", "wape", "pearson"})
_MOMENTS, _ABSOLUTE = StateKey("Moments"), StateKey("AbsoluteErrors")


def has_terms(name: MetricName) -> bool:
    """Whether a metric can be compared row by row."""
    return name.base in _LOSSES | _RELATIVE | _SMOOTH


def terms(name: MetricName, rows: ValueRows, results: Results) -> HostArray:
    """The terms (N,) of a metric of the output it names, else of the mean over all: their mean is its value."""
    outputs = range(rows.outputs) if name.label is None else [results.outputs.index(name.label)]
    total = np.zeros(rows.preds.shape[1])
    for output in outputs:
        total += _of_output(name, rows, results, output)
    return total / len(outputs)


def slopes(name: MetricName, rows: ValueRows, results: Results) -> HostArray:
    """By how much the terms (N,) of a metric that is divided by a spread fall where it rises, less the mean of 1.

    A row does so by as much as it makes of the spread of the targets, of a correlation also of that of predictions.
    """
    outputs = range(rows.outputs) if name.label is None else [results.outputs.index(name.label)]
    moments = results.read(_MOMENTS)
    total = np.zeros(rows.preds.shape[1])
    for output in outputs:
        moment: Moment = moments[output]
        u = _standard(rows.target[output], moment)
        if name.base == "pearson":
            v = _standard(rows.preds[output], moment, preds=True)
            total += (u * u + v * v) / 2.0
        else:
            total += u * u
    found: HostArray = total / len(outputs) - 1.0
    return found


def usual_size(name: MetricName, results: Results) -> float:
    """How large the terms of a metric are where a model always answers the mean of the targets, at least."""
    if name.base in {"bias", "mae", "medae", "pinball", "rmse", "mse"}:
        moments = results.read(_MOMENTS)
        spread = max(float(each.target_spread / each.n) for each in moments if each.n)
        return spread if name.base == "mse" else sqrt(spread)
    return 1.0


def _of_output(name: MetricName, rows: ValueRows, results: Results, output: int) -> HostArray:
    preds, target, error = rows.preds[output], rows.target[output], rows.residual[output]
    if name.base in _LOSSES:
        return _loss(name, error)
    if name.base in _RELATIVE:
        return row_terms(name, Together(preds, target, np.ones(len(target))))
    value = float(results.of_output(name, output).value)
    moment: Moment = results.read(_MOMENTS)[output]
    if name.base == "wape":
        sums: AbsoluteSums = results.read(_ABSOLUTE)[output]
        size = float(sums.target / sums.n)
        ratio: HostArray = value + (np.abs(error) - value * np.abs(target)) / size
        return ratio
    if name.base == "rmse":
        return (error * error + value * value) / (2.0 * value) if value > 0.0 else np.zeros(len(error))
    if name.base == "pearson":
        u, v = _standard(target, moment), _standard(preds, moment, preds=True)
        correlation: HostArray = value + u * v - value / 2.0 * (u * u + v * v)
        return correlation
    return _share(name, error, target - float(moment.target / moment.n), moment, value)


def _loss(name: MetricName, error: HostArray) -> HostArray:
    if name.base == "bias":
        return error
    if name.base == "mse":
        return error * error
    if name.base == "mae":
        return np.abs(error)
    level = float(name.arguments[0])
    return np.maximum(-level * error, (1.0 - level) * error)


def _share(name: MetricName, error: HostArray, off: HostArray, moment: Moment, value: float) -> HostArray:
    """The terms of ``1 − factor·Σ error² / Σ off²``: R² and its relatives."""
    if name.base == "explained_variance":
        error = error - regression.bias(moment)
    spread = float(moment.target_spread / moment.n)
    if not spread > 0.0:
        return np.full(len(error), value)
    factor = 1.0
    if name.base == "adjusted_r2":
        factor = (moment.rows - 1) / (moment.rows - name.arguments[0] - 1)
    left = 1.0 - value
    return value - (factor * (error * error) - left * (off * off)) / spread


def _standard(values: HostArray, moment: Moment, *, preds: bool = False) -> HostArray:
    """Targets (N,), or predictions, from their mean in standard deviations; 1 where none differs."""
    total, square = (moment.preds, moment.preds_spread) if preds else (moment.target, moment.target_spread)
    spread = sqrt(float(square / moment.n))
    found: HostArray = (values - float(total / moment.n)) / spread if spread > 0.0 else np.ones(len(values))
    return found
