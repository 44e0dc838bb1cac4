from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.simulate.baselines.hpa import (
    DEFAULT_BEHAVIOUR,
    NO_SCALING,
    Behaviour,
    Pace,
    paced,
    per_pod,
)


@pytest.mark.parametrize(
    ("total", "pods", "desired"),
    [
        (24.0, 3, 5),  # 24/5 = 4.8, and 24/15 = 1.6 is beyond the tolerance
        (16.0, 3, 3),  # 16/15 = 1.07 is within it: the present number
        (13.5, 3, 3),  # 13.5/15 = 0.9 is just within it
        (13.0, 3, 3),  # 0.87 is beyond it: ⌈2.6⌉
        (10.0, 3, 2),
        (0.0, 3, 0),
        (7.0, 0, 2),  # no pod has no ratio
    ],
)
def test_replicas_carry_the_target_each_unless_they_nearly_do(total: float, pods: int, desired: int) -> None:
    assert per_pod(total, 5.0, pods) == desired


def test_a_fleet_grows_by_four_or_doubles_in_fifteen_seconds() -> None:
    assert paced(1, 100, DEFAULT_BEHAVIOUR, NO_SCALING, 0.0)[0] == 5  # max(1 + 4, 2·1)
    assert paced(6, 100, DEFAULT_BEHAVIOUR, NO_SCALING, 0.0)[0] == 12  # max(6 + 4, 2·6)


def test_a_second_step_in_the_period_counts_from_where_it_began() -> None:
    target, state = paced(1, 100, DEFAULT_BEHAVIOUR, NO_SCALING, 0.0)
    again, state = paced(target, 100, DEFAULT_BEHAVIOUR, state, 10.0)
    assert again == 5  # the period began with 1: max(1 + 4, 2·1)
    assert paced(again, 100, DEFAULT_BEHAVIOUR, state, 15.0)[0] == 10


def test_a_fleet_shrinks_to_the_greatest_recommendation_of_five_minutes() -> None:
    target, state = paced(10, 10, DEFAULT_BEHAVIOUR, NO_SCALING, 0.0)
    target, state = paced(target, 4, DEFAULT_BEHAVIOUR, state, 150.0)
    assert target == 10
    target, state = paced(target, 2, DEFAULT_BEHAVIOUR, state, 299.0)
    assert target == 10
    assert paced(target, 2, DEFAULT_BEHAVIOUR, state, 300.0)[0] == 4  # the 10 of time 0 is 300 s old


def test_an_up_window_takes_the_least_recommendation_of_it() -> None:
    slow = Behaviour(up=Pace(pods=4, share=1.0, period_s=15.0, stabilisation_s=30.0))
    target, state = paced(2, 2, slow, NO_SCALING, 0.0)
    target, state = paced(target, 6, slow, state, 15.0)
    assert target == 2
    assert paced(target, 5, slow, state, 30.0)[0] == 5


def test_a_down_pace_limits_each_step() -> None:
    down = Pace(pods=1, share=0.0, period_s=120.0, stabilisation_s=0.0)
    one_by_one = Behaviour(down=down)
    target, state = paced(9, 1, one_by_one, NO_SCALING, 0.0)
    assert target == 8
    target, state = paced(target, 1, one_by_one, state, 60.0)
    assert target == 8
    assert paced(target, 1, one_by_one, state, 120.0)[0] == 7


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 40))
def test_no_step_is_wider_than_the_behaviour_allows(recommendations: list[int], present: int) -> None:
    state, now_s, history = NO_SCALING, 0.0, []
    for recommended in recommendations:
        now_s += 15.0
        history.append((now_s, recommended))
        target, state = paced(present, recommended, DEFAULT_BEHAVIOUR, state, now_s)
        assert target <= max(present + 4, 2 * present)
        greatest = max(number for at_s, number in history if at_s > now_s - 300.0)
        assert target >= min(present, greatest)
        present = target
