"""Of counts that only grow, what came: once each, however often a gateway or the brain begins anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.by_class import Arriving, added, by_class_of
from raytide.autoscaling.live.counted import NOBODY, ClassCount
from raytide.autoscaling.observation import NOT_BY_CLASS, ClassDemand
from raytide.autoscaling.terms import TrafficClass


def _count(num: int, shed: int = 0) -> ClassCount:
    return ClassCount(num=num, prompt_tokens=10 * num, num_shed=shed, shed_prompt_tokens=10 * shed)


def test_the_first_word_of_a_gateway_is_where_counting_begins() -> None:
    arriving = Arriving()
    assert arriving.since("g", {"paid": _count(900)}) is None
    then = {"paid": _count(903), "free": _count(2, shed=1)}
    assert arriving.since("g", then) == {"paid": _count(3), "free": _count(2, shed=1)}
    assert arriving.since("other", {"paid": _count(50)}) is None
    assert arriving.since("g", then) == {"paid": NOBODY, "free": NOBODY}


def test_a_counter_that_fell_began_anew() -> None:
    arriving = Arriving()
    arriving.since("g", {"free": _count(90, shed=40)})
    assert arriving.since("g", {"free": _count(7, shed=2)}) == {"free": _count(7, shed=2)}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.booleans()), max_size=40))
def test_every_request_is_told_once_whenever_a_gateway_begins_anew(told: list[tuple[str, int, bool]]) -> None:
    arriving, counted, came = Arriving(), {"a": 0, "b": 0}, []
    for gateway in counted:
        arriving.since(gateway, {})
    for gateway, num, restarts in told:
        is_anew = restarts and num < counted[gateway]  # one that has counted as much again looks like the same
        counted[gateway] = num if is_anew else counted[gateway] + num
        since = arriving.since(gateway, {"free": _count(counted[gateway])})
        assert since is not None
        came.append(since)
    assert added(came).get("free", NOBODY) == _count(sum(num for _, num, _ in told))


def test_the_demand_names_every_declared_class_in_its_order_and_nobody_else() -> None:
    classes = (TrafficClass(name="paid", priority=1), TrafficClass(name="free", priority=0))
    told = [{"free": _count(4, shed=3)}, {"free": _count(1), "gone": _count(7)}]
    assert by_class_of(told, classes) == (
        ClassDemand(name="paid", num_arrivals=0, num_shed=0, prompt_tokens=0),
        ClassDemand(name="free", num_arrivals=5, num_shed=3, prompt_tokens=50),
    )
    assert by_class_of(told, ()) == by_class_of([], classes) == NOT_BY_CLASS
