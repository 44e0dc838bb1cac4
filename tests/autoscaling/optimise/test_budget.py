from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.optimise.budget import ClassLoad, fitting, marginal_usd_per_hour, shed, spend
from raytide.autoscaling.optimise.option import Bounds, Option

ONE = st.builds(
    Option,
    variant=st.just("a"),
    capacity=st.floats(0.1, 5),
    usd_per_hour=st.floats(0, 9),
    num_ready=st.integers(0, 3),
    num_draining=st.integers(0, 2),
    starting_ready_in_s=st.sampled_from(((), (20.0,))),
)
CLASSES = st.lists(
    st.builds(
        ClassLoad,
        name=st.uuids().map(str),
        work=st.floats(0.1, 9),
        priority=st.integers(0, 2),
        value_per_work=st.floats(0.1, 9),
    ),
    max_size=5,
).map(tuple)


@given(first=ONE, second=ONE, wanted=st.tuples(st.integers(0, 6), st.integers(0, 6)), budget=st.floats(0, 60))
def test_orders_never_push_the_spend_over_the_budget(
    first: Option, second: Option, wanted: tuple[int, int], budget: float
) -> None:
    options = (first, Option(variant="b", capacity=second.capacity, usd_per_hour=second.usd_per_hour))
    targets = dict(zip("ab", wanted, strict=True))
    allowed = fitting(options, targets, budget)
    held = spend(options, {option.variant: option.num_now for option in options})
    assert spend(options, allowed) <= max(budget, held) + 1e-6
    assert all(allowed[name] <= targets[name] for name in targets)
    assert all(allowed[o.variant] >= min(targets[o.variant], o.num_now) for o in options)


def test_a_replacement_waits_until_what_it_replaces_is_gone(option: Callable[..., Option]) -> None:
    new, old = option("new"), option("old", num_ready=2)
    assert fitting((new, old), {"new": 2, "old": 0}, 2.0) == {"new": 0, "old": 0}
    draining = option("old", num_draining=1)
    assert fitting((new, draining), {"new": 2, "old": 0}, 2.0) == {"new": 1, "old": 0}


@given(classes=CLASSES, capacity=st.floats(0, 40))
def test_a_class_is_served_only_where_all_above_it_are(classes: tuple[ClassLoad, ...], capacity: float) -> None:
    kept = shed(classes, capacity)
    total = sum(one.work for one in classes)
    assert sum(one.work * kept.served[one.name] for one in classes) == pytest.approx(min(capacity, total))
    assert kept.shed_work == pytest.approx(max(0.0, total - capacity), abs=1e-9)
    for low in classes:
        for high in classes:
            above = (high.priority, high.value_per_work) > (low.priority, low.value_per_work)
            assert not above or kept.served[low.name] == 0 or kept.served[high.name] == 1


def test_the_value_of_more_capacity_is_that_of_the_first_class_left_out() -> None:
    paid = ClassLoad(name="paid", work=4.0, priority=1, value_per_work=3.0)
    free = ClassLoad(name="free", work=4.0, priority=0, value_per_work=1.0)
    kept = shed((free, paid), 6.0)
    assert kept.served == {"paid": 1.0, "free": 0.5}
    assert kept.value_of_more == 1.0
    assert shed((free, paid), 2.0).value_of_more == 3.0
    assert shed((free, paid), 8.0).value_of_more == 0.0


def test_one_more_request_costs_what_the_cheapest_capacity_left_costs(option: Callable[..., Option]) -> None:
    options = (option("cheap", max_replicas=3), option("dear", usd_per_hour=4.0))
    room = Bounds(max_replicas=9)
    assert marginal_usd_per_hour(options, 2.0, 0.5, room) == pytest.approx(0.5)
    assert marginal_usd_per_hour(options, 5.0, 0.5, room) == pytest.approx(2.0)
    assert marginal_usd_per_hour(options, 0.0, 0.5, Bounds(max_replicas=9, min_replicas=1)) == pytest.approx(0.0)
    assert isinstance(marginal_usd_per_hour(options, 50.0, 0.5, room), Missing)
