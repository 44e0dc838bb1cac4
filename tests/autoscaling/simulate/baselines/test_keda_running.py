from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.simulate.baselines.keda_running import KedaRunning


def test_sixteen_requests_in_flight_ask_for_a_replica(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(KedaRunning()).target(seen(ready=3, running=60, waiting=12, num_queued=1)) == 5  # ⌈73/16⌉
    assert loop(KedaRunning()).target(seen(ready=3, running=500)) == 7  # ⌈500/16⌉ = 32, at most max(6, 7)


def test_a_load_near_its_target_changes_nothing(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(KedaRunning()).target(seen(ready=3, running=52)) == 3  # 52/48 = 1.083


def test_fewer_requests_shrink_the_fleet_after_five_minutes(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    keda = loop(KedaRunning())
    assert keda.target(seen(at_s=0.0, ready=8, running=128)) == 8
    assert keda.target(seen(at_s=150.0, ready=8, running=64)) == 8
    assert keda.target(seen(at_s=290.0, ready=8, running=20)) == 8
    assert keda.target(seen(at_s=305.0, ready=8, running=20)) == 4  # the greatest of 300 s is ⌈64/16⌉


def test_the_concurrency_of_a_replica_is_a_setting(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    assert loop(KedaRunning(requests_per_replica=32.0)).target(seen(ready=3, running=150)) == 5  # ⌈4.69⌉
