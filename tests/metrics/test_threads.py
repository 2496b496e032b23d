"""Work that several threads share."""

from __future__ import annotations

import threading

import pytest

from evalcli.metrics.once import CachedProperty
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


class Slow:
    """Something with a property that takes a while."""

    def __init__(self) -> None:
        self.turns = 0

    @CachedProperty
    def together(self) -> int:
        """Computed once, of several objects at a time."""
        self.turns += 1
        BARRIER.wait()
        return self.turns


BARRIER = threading.Barrier(2, timeout=30)


def test_properties_of_several_objects_are_computed_side_by_side_and_of_one_once():
    objects = [Slow(), Slow()]
    assert each(lambda one: one.together, objects, 2) == [1, 1]
    assert each(lambda one: one.together, objects * 3, 3) == [1] * 6
    assert objects[0].__dict__ == {"turns": 1, "together": 1}


def test_threads_that_ask_for_one_property_wait_for_it():
    held = Slow()
    asked = each(lambda wait: BARRIER.wait() if wait else held.together, [False, False, True], 3)
    assert (asked[0], asked[1], held.turns) == (1, 1, 1)


def test_a_property_that_fails_leaves_nothing_behind():
    class Broken:
        @CachedProperty
        def value(self) -> int:
            """None."""
            raise ValueError("none")

    held = Broken()
    with pytest.raises(ValueError, match="none"):
        _ = held.value
    assert held.__dict__ == {}
    assert Broken.value.__doc__ == "None."
