from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.skyserve import SkyServe

TICK_S = 20.0


def test_more_come_after_fifteen_ticks_that_want_more(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe())
    busy = demand(arrivals=240, span_s=20.0)  # 12 requests/s: ⌈12/2.5⌉ = 5
    targets = [sky.target(seen(at_s=TICK_S * tick, ready=2, demand=busy)) for tick in range(1, 17)]
    # The window holds 20 s, 40 s and then 60 s of it: 4 and 8 requests/s ask for ⌈1.6⌉ = 2 and ⌈3.2⌉ = 4 at first.
    assert targets == [2] * 15 + [5]


def test_fewer_come_after_sixty_ticks_that_want_fewer(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe())
    calm = demand(arrivals=20, span_s=20.0)  # 1 request/s: 1 replica
    targets = [sky.target(seen(at_s=TICK_S * tick, ready=6, demand=calm)) for tick in range(1, 61)]
    assert targets == [6] * 59 + [1]


def test_a_tick_that_wants_the_present_number_starts_the_count_anew(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe(target_qps=1.0))
    counts = []
    for tick, arrivals in enumerate([100] * 10 + [10] * 4, start=1):
        sky.target(seen(at_s=TICK_S * tick, ready=1, demand=demand(arrivals=arrivals, span_s=20.0)))
        counts.append(sky.state.num_up)
    # With 10 requests a tick the window holds 210, 120 and then 30: 3.5, 2 and 0.5 requests/s.
    assert counts == [*range(1, 13), 0, 0]
    assert sky.state.replicas == 1


def test_a_tick_that_wants_fewer_starts_the_count_upwards_anew(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe(target_qps=1.0))
    counts = []
    for tick, arrivals in enumerate([300] * 3 + [0] * 3 + [300], start=1):
        sky.target(seen(at_s=TICK_S * tick, ready=6, demand=demand(arrivals=arrivals, span_s=20.0)))
        counts.append((sky.state.num_up, sky.state.num_down))
    # The window asks for 5, 10, 15, 10, 5, 0 and 5 replicas, 6 are there.
    assert counts == [(0, 1), (1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3)]


def test_from_zero_the_rate_is_followed_at_once(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe(), min_replicas=0)
    assert sky.target(seen(at_s=0.0, ready=0)) == 0
    assert sky.target(seen(at_s=20.0, ready=0, demand=demand(arrivals=300, span_s=20.0))) == 2  # 5 requests/s


def test_requests_that_were_not_reported_were_not_counted(
    seen: Callable[..., Any], demand: Callable[..., Any], loop: Callable[..., Any]
) -> None:
    sky = loop(SkyServe())
    sky.target(seen(at_s=0.0, ready=2, demand=demand(arrivals=240, span_s=20.0)))
    for at_s in (20.0, 40.0):
        sky.target(seen(at_s=at_s, ready=2, demand=Missing(reason="no sync")))
        assert sky.state.qps == 4.0
    sky.target(seen(at_s=60.0, ready=2, demand=Missing(reason="no sync")))
    assert sky.state.qps == 0.0
