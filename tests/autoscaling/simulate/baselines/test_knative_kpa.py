from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.simulate.baselines.knative_kpa import KnativeKpa, Panic

KPA = KnativeKpa(concurrency=32.0)  # 0.7·32 = 22.4 wanted per replica


def test_a_burst_of_twice_the_capacity_is_a_panic() -> None:
    target, panic = KPA.recommend(stable=90.0, short=300.0, num_ready=5, panic=None, now_s=0.0)
    assert target == 14  # stable ⌈90/22.4⌉ = 5, short ⌈300/22.4⌉ = 14, and 14 ≥ 2·5
    assert panic == Panic(at_s=0.0, most=14)


def test_below_twice_the_capacity_the_stable_window_decides() -> None:
    target, panic = KPA.recommend(stable=90.0, short=200.0, num_ready=5, panic=None, now_s=0.0)
    assert (target, panic) == (5, None)  # short ⌈200/22.4⌉ = 9, and 9 < 10


def test_nothing_shrinks_in_a_panic_and_it_ends_a_stable_window_after_it_last_held() -> None:
    panic = Panic(at_s=0.0, most=14)
    target, still = KPA.recommend(stable=40.0, short=10.0, num_ready=14, panic=panic, now_s=60.0)
    assert (target, still) == (14, panic)
    target, still = KPA.recommend(stable=40.0, short=10.0, num_ready=14, panic=panic, now_s=60.1)
    assert (target, still) == (7, None)  # ⌈40/22.4⌉ = 2, but not below ⌊14/2⌋


def test_the_two_windows_are_means_of_what_was_in_flight(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    kpa = loop(KPA)
    for at_s in (0.0, 10.0, 20.0, 30.0, 40.0):
        assert kpa.target(seen(at_s=at_s, ready=5, running=48)) == 5
    decided = kpa.see(seen(at_s=50.0, ready=5, running=300)).variants[0]
    assert decided.binding.facts["stable"] == 90.0  # (5·48 + 300)/6
    assert decided.binding.facts["short"] == 300.0
    assert decided.target == 14


def test_a_start_beside_several_replicas_is_a_panic_of_that_many(
    seen: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    assert loop(KPA).target(seen(ready=9)) == 9
    assert loop(KPA).target(seen(ready=1)) == 1


def test_a_quiet_service_may_go_to_zero_and_the_gateway_wakes_it(
    seen: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    kpa = loop(KPA, min_replicas=0)
    assert kpa.target(seen(at_s=0.0, ready=1)) == 0
    assert kpa.target(seen(at_s=2.0, ready=0, num_queued=60)) == 2  # both means 30: ⌈30/22.4⌉


def test_the_fleet_is_held_while_gauges_are_missing(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(KPA).target(seen(ready=4, gauges=False)) == 4
