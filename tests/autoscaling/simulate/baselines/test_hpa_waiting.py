from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.simulate.baselines.hpa_waiting import HpaWaiting


def test_five_waiting_requests_ask_for_a_replica(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(HpaWaiting()).target(seen(ready=4, waiting=33)) == 7  # ⌈33/5⌉; at most max(2·4, 4 + 4) = 8
    assert loop(HpaWaiting()).target(seen(ready=4, waiting=60)) == 8  # ⌈60/5⌉ = 12


def test_a_queue_near_its_target_changes_nothing(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(HpaWaiting()).target(seen(ready=4, waiting=21)) == 4  # 21/(5·4) = 1.05
    assert loop(HpaWaiting()).target(seen(ready=4, waiting=23)) == 5  # 1.15: ⌈23/5⌉


def test_replicas_that_start_count_in_the_ratio(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    starting = seen(ready=2, starting_for_s=(30.0, 30.0), waiting=21)  # 21/(5·4) = 1.05 of four
    assert loop(HpaWaiting()).target(starting) == 4


def test_an_empty_queue_shrinks_the_fleet_only_after_five_minutes(
    seen: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    hpa = loop(HpaWaiting())
    assert hpa.target(seen(at_s=0.0, ready=6, waiting=30)) == 6
    for at_s in range(15, 300, 15):
        assert hpa.target(seen(at_s=float(at_s), ready=6, running=50)) == 6
    assert hpa.target(seen(at_s=300.0, ready=6, running=50)) == 1  # ⌈0/5⌉ = 0, and never below 1


def test_a_request_at_the_gateway_wakes_a_service_from_zero(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    asleep = loop(HpaWaiting(), min_replicas=0)
    assert asleep.target(seen(at_s=0.0, ready=0)) == 0
    assert asleep.target(seen(at_s=15.0, ready=0, num_queued=1)) == 1


def test_a_service_goes_to_zero_after_its_cooldown_but_not_while_requests_run(
    seen: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    idle = loop(HpaWaiting(), min_replicas=0)
    assert idle.target(seen(at_s=0.0, ready=1, running=3)) == 1
    assert idle.target(seen(at_s=200.0, ready=1, running=3)) == 1
    assert idle.target(seen(at_s=485.0, ready=1)) == 1  # 285 s without a request
    assert idle.target(seen(at_s=500.0, ready=1)) == 0


def test_the_cooldown_ends_nothing_where_the_minimum_is_one(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    slow = loop(HpaWaiting(scale_down_after_s=900.0))
    assert slow.target(seen(at_s=0.0, ready=6, waiting=30)) == 6
    assert slow.target(seen(at_s=400.0, ready=6)) == 6


def test_the_fleet_is_held_while_gauges_are_missing(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(HpaWaiting()).target(seen(ready=4, gauges=False)) == 4
