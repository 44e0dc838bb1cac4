from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.ray_ttft import RayTtft

SLOW = (3.0,) * 2 + (0.5,) * 98  # P99 is 3 s
FAST = (3.0,) + (0.5,) * 99  # P99 is 0.5 s


def _ticks(first_s: int, last_s: int) -> range:
    return range(first_s, last_s + 1, 10)


def test_one_replica_more_once_the_p99_has_been_late_for_thirty_seconds(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    ray = loop(RayTtft())
    targets = [ray.target(seen(at_s=float(s), ready=3, running=30, demand=demand(ttft_s=SLOW))) for s in _ticks(0, 60)]
    assert targets == [3, 3, 3, 4, 3, 3, 3]  # this loop grants nothing, so the delay begins again


def test_a_p99_within_the_target_keeps_busy_replicas(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    ray = loop(RayTtft())
    for at_s in _ticks(0, 1200):
        assert ray.target(seen(at_s=float(at_s), ready=3, running=3, demand=demand(ttft_s=FAST))) == 3


def test_idle_replicas_go_one_by_one_after_ten_minutes(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    ray = loop(RayTtft())
    for at_s in _ticks(0, 590):  # 2 requests on 3 replicas: fewer than 1 each
        assert ray.target(seen(at_s=float(at_s), ready=3, running=2, demand=demand(ttft_s=FAST))) == 3
    assert ray.target(seen(at_s=600.0, ready=3, running=2, demand=demand(ttft_s=FAST))) == 2


def test_the_quantile_is_over_the_last_minute(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    ray = loop(RayTtft())
    ray.target(seen(at_s=0.0, running=9, demand=demand(ttft_s=SLOW)))
    late = ray.see(seen(at_s=50.0, running=9, demand=demand(ttft_s=(0.5,) * 90))).variants[0].binding.facts
    assert late["ttft_s"] > 2.9  # 2 of 190 are late: more than 1 %
    on_time = ray.see(seen(at_s=60.0, running=9, demand=demand(ttft_s=(0.5,) * 10))).variants[0].binding.facts
    assert on_time["ttft_s"] < 0.6


def test_without_a_first_token_nothing_changes(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    for nothing in (demand(), Missing(reason="no scrape")):
        ray = loop(RayTtft())
        for at_s in _ticks(0, 900):
            assert ray.target(seen(at_s=float(at_s), ready=3, demand=nothing)) == 3
