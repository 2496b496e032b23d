"""How sure what bins of slices add up to is does not depend on which others are looked at with them."""

import numpy as np
import pytest

from evalcli.classification.scoring import Scoring
from evalcli.classification.sliced_gaps import SlicedGaps
from evalcli.metrics.probability import ScoreForm, score_rows
from evalcli.metrics.registry import parse
from evalcli.metrics.scorestate import ProbabilityState, feed
from evalcli.uncertainty.bins import calibration_interval
from evalcli.uncertainty.intervals import Confidence
from evalcli.uncertainty.squares import reliability_interval, resolution_interval


def scoring(classes: int) -> Scoring:
    form = ScoreForm("probs", classes=classes, binary=classes == 2)
    return Scoring("probs", classes, form, 64, frozenset({"CalibrationBins", "ForecastBins", "ConfidenceTable"}))


@pytest.mark.parametrize("classes", [2, 3])
def test_all_at_once_is_each_by_itself(classes: int) -> None:
    """Slices of many rows, of one, of rows that are all right and sure, and of none that has a score."""
    rng, every = np.random.default_rng(4), []
    for rows in (500, 1, 30, 0):
        states, target = scoring(classes).fresh().states, rng.integers(classes, size=rows)
        probs = rng.dirichlet(np.ones(classes), size=rows) if rows != 30 else np.eye(classes)[target]
        scores, form = probs[:, 1] if classes == 2 else probs, scoring(classes).form
        if rows:
            feed(
                [state for state in states.values() if isinstance(state, ProbabilityState)],
                score_rows(scores, target, form),
            )
        every.append(states)
    confidence, methods = (
        Confidence(),
        {
            "ece": calibration_interval,
            "ece_positive" if classes == 2 else "ece_classwise": calibration_interval,
            "brier_reliability": reliability_interval,
            "brier_resolution": resolution_interval,
        },
    )
    together = SlicedGaps(every, confidence)
    for base, method in methods.items():
        name = parse(base)
        found = [together.interval(name, place) for place in range(4)]
        alone = [method(states[name.entry.state].compute(), confidence) for states in every]
        assert found == alone
    assert together.interval(parse("ece_equal_mass"), 0) is None
