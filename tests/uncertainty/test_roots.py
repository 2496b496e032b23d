"""Places of falling functions, sought side by side."""

import numpy as np
import pytest

from evalcli.uncertainty.roots import roots, roots_of_each


@pytest.mark.parametrize("critical", [0.5, 1.96, 7.0])
def test_ends_are_where_a_function_is_critical(critical):
    low, high = roots(lambda factors: 3.0 - factors**3, critical)
    assert low == pytest.approx(np.cbrt(max(3.0 - critical, 0.0)), abs=1e-8)
    assert high == pytest.approx(np.cbrt(3.0 + critical), abs=1e-8)


def test_functions_do_not_see_each_other():
    tops, asked = np.array([0.1, 2.0, 50.0, 3.0]), []

    def falling(factors, places):
        asked.append(len(factors))
        return tops[places] - factors * factors

    low, high = roots_of_each(falling, np.full(len(tops), 1.96))
    alone = [roots(lambda factors, top=top: top - factors * factors, 1.96) for top in tops.tolist()]
    assert [*zip(low.tolist(), high.tolist(), strict=True)] == alone
    assert asked[0] == 2 * len(tops)
    assert asked[-1] < len(tops)  # who has found his place asks no more


def test_what_never_falls_ends_far_out():
    assert roots(lambda factors: np.full(len(factors), 9.0), 2.0)[1] > 1e5
