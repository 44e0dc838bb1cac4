from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.pools.floors import STALE_S, Floors, after, hold_s
from raytide.autoscaling.pools.plan import PoolPlan
from raytide.core.spec.cluster import Pool

HOLD_S = {"h100": 300.0}
AWAY = Missing(reason="the gateway does not answer")


def plan(needed: int, taken: int = 0) -> tuple[PoolPlan, ...]:
    return (PoolPlan(pool="h100", needed=needed, taken=taken, least=0, most=20),)


def walked(*steps: tuple[float, int | Missing], begins: int = 0) -> Floors:
    floors = Floors(nodes={"h100": begins}, heard_s=0.0)
    for at_s, said in steps:
        floors = after(floors, said if isinstance(said, Missing) else plan(said), at_s, HOLD_S)
    return floors


def test_a_floor_rises_at_once() -> None:
    assert walked((0.0, 1), (15.0, 5)).nodes == {"h100": 5}


def test_a_floor_falls_once_it_was_lower_for_as_long_as_it_is_held() -> None:
    assert walked((0.0, 5), (15.0, 2), (299.0, 2)).nodes == {"h100": 5}
    assert walked((0.0, 5), (15.0, 2), (299.0, 2), (300.0, 2)).nodes == {"h100": 2}


def test_a_floor_falls_to_the_highest_that_was_planned_meanwhile() -> None:
    assert walked((0.0, 5), (100.0, 3), (310.0, 1)).nodes == {"h100": 3}


def test_floors_outlast_a_gateway_that_is_away_and_fall_once_nobody_can_know_them() -> None:
    away = walked((0.0, 5), (15.0, AWAY), (STALE_S - 1.0, AWAY))
    assert (away.nodes, away.silent) == ({"h100": 5}, AWAY)
    assert walked((0.0, 5), (15.0, AWAY), (STALE_S, AWAY)).nodes == {}


def test_who_comes_back_with_nothing_running_yet_takes_no_node_away_at_once() -> None:
    back = walked((0.0, 5), (400.0, AWAY), (415.0, 0))
    assert (back.nodes, back.silent) == ({"h100": 5}, None)
    assert walked((0.0, 5), (400.0, AWAY), (415.0, 0), (500.0, 5), (760.0, 5)).nodes == {"h100": 5}
    assert walked((0.0, 5), (400.0, AWAY), (415.0, 0), (715.0, 0)).nodes == {"h100": 0}


def test_a_new_operator_goes_on_from_the_floor_that_it_finds() -> None:
    assert walked((15.0, 2), begins=6).nodes == {"h100": 6}
    assert walked((15.0, 2), (315.0, 2), begins=6).nodes == {"h100": 2}
    assert walked((15.0, AWAY), begins=6).nodes == {"h100": 6}


def test_the_nodes_of_a_job_go_with_it_and_those_of_replicas_late() -> None:
    floors = Floors(nodes={}, heard_s=0.0)
    for at_s, needed, taken, expected in ((0.0, 3, 4, 7), (15.0, 0, 4, 7), (30.0, 0, 0, 3), (300.0, 0, 2, 0)):
        floors = after(floors, plan(needed, taken), at_s, HOLD_S)
        assert floors.nodes == {"h100": expected}


def test_a_new_operator_counts_the_nodes_of_a_job_once() -> None:
    floors = after(Floors(nodes={"h100": 7}, heard_s=0.0), plan(3, 4), 15.0, HOLD_S)
    assert floors.nodes == {"h100": 7}
    back = after(after(floors, AWAY, 30.0, HOLD_S), plan(0, 4), 45.0, HOLD_S)
    assert back.nodes == {"h100": 7}


def test_a_pool_is_held_for_as_long_as_its_nodes_take_to_come(pool_of: Callable[..., Pool]) -> None:
    pools = [pool_of("near"), pool_of("far", provisioning_time="8m")]
    assert hold_s(pools, 60.0) == {"near": 60.0, "far": 480.0}


@given(st.lists(st.tuples(st.integers(1, 400), st.none() | st.integers(0, 20)), min_size=1, max_size=40))
def test_no_floor_is_below_the_last_plan_nor_falls_while_any_of_the_hold_was_as_high(
    steps: list[tuple[int, int | None]],
) -> None:
    floors, now_s = Floors(nodes={}, heard_s=0.0), 0.0
    planned: list[tuple[float, int]] = []
    for wait_s, said in steps:
        now_s += wait_s
        before = floors.nodes.get("h100", 0)
        floors = after(floors, AWAY if said is None else plan(said), now_s, HOLD_S)
        if said is not None:
            planned.append((now_s, said))
            recent = [nodes for at_s, nodes in planned if now_s - at_s < HOLD_S["h100"]]
            assert floors.nodes["h100"] >= max(recent)
            assert floors.nodes["h100"] <= max(*recent, before)
