"""Work that several threads share."""

from __future__ import annotations

import threading

import pytest

from evalcli.metrics.threads import each


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_are_in_the_order_of_the_items(workers):
    assert each(lambda item: item * item, range(20), workers) == [item * item for item in range(20)]
    assert each(str, [], workers) == []


def test_as_many_work_side_by_side_as_were_asked_for():
    together = threading.Barrier(3, timeout=30)
    assert len(set(each(lambda _: (together.wait(), threading.get_ident())[1], range(3), 3))) == 3


def test_of_two_failures_the_first_items_is_raised():
    together = threading.Barrier(2, timeout=30)

    def fail(item):
        together.wait()
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        each(fail, [0, 1], 2)


def test_nothing_is_begun_after_a_failure():
    begun = []

    def work(item):
        begun.append(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(work, range(100), 2)
    assert len(begun) <= 2
