from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.simulate.baselines.sageserve import SageServe, settings

KV = 270_000
HOUR_S = 3600.0
# An instance serves 11.87 requests/s of 1000 prompt tokens: θ = 11 870 tokens/s.


def hour(
    policy: Any,
    seen: Callable[..., Any],
    demand: Callable[..., Any],
    *,
    ready: int,
    rate_rps: float,
    start_s: float = 0.0,
    kv: float = 0.4,
) -> None:
    """An hour of steady traffic that changes nothing: the cache is between both thresholds."""
    for tick in range(int(HOUR_S / 15.0) + 1):
        traffic = demand(arrivals=round(15.0 * rate_rps), span_s=15.0)
        policy.see(seen(at_s=15.0 * tick, ready=ready, demand=traffic, kv_tokens=[int(0.4 * KV)] * ready))


@pytest.mark.parametrize(("rate_rps", "ready", "changes"), [(60.0, 3, 3), (60.0, 6, 0), (60.0, 9, -3), (12.0, 3, -1)])
def test_the_hour_plans_what_the_forecast_takes(
    rate_rps: float,
    ready: int,
    changes: int,
    loop: Callable[..., Any],
    seen: Callable[..., Any],
    demand: Callable[..., Any],
) -> None:
    # 60 000/11 870 = 5.05, so 6; 12 000/11 870 = 1.01, so 2
    policy = loop(SageServe())
    hour(policy, seen, demand, ready=ready, rate_rps=rate_rps)
    assert policy.state.changes == changes


def test_utilisation_decides_when_the_plan_is_carried_out(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(SageServe())
    hour(policy, seen, demand, ready=3, rate_rps=60.0)
    traffic = demand(arrivals=900, span_s=15.0)
    half, busy = [int(0.5 * KV)] * 3, [int(0.51 * KV)] * 3
    assert policy.target(seen(at_s=3615.0, ready=3, demand=traffic, kv_tokens=half)) == 3
    assert policy.target(seen(at_s=3630.0, ready=3, demand=traffic, kv_tokens=busy)) == 4
    # Nothing for 155 s, then the next of the three.
    assert policy.target(seen(at_s=3770.0, ready=4, demand=traffic, kv_tokens=[KV] * 4)) == 4
    assert policy.target(seen(at_s=3785.0, ready=4, demand=traffic, kv_tokens=[KV] * 4)) == 5
    assert policy.state.changes == 1


def test_instances_go_one_by_one_where_a_quarter_is_used(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(SageServe())
    hour(policy, seen, demand, ready=9, rate_rps=60.0)
    traffic, idle = demand(arrivals=900, span_s=15.0), int(0.24 * KV)
    targets = [
        policy.target(seen(at_s=3615.0 + 15.0 * tick, ready=9 - tick, demand=traffic, kv_tokens=[idle] * (9 - tick)))
        for tick in range(4)
    ]
    # Three were planned away, and no fourth is.
    assert targets == [8, 7, 6, 6]


def test_more_than_half_again_of_the_forecast_overrides_the_plan(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(SageServe())
    hour(policy, seen, demand, ready=6, rate_rps=60.0)
    used = [int(0.4 * KV)] * 6
    targets = []
    for tick, rate_rps in enumerate([88, 88, 88, 88, 92, 92, 92]):
        surge = demand(arrivals=15 * rate_rps, span_s=15.0)
        targets.append(policy.target(seen(at_s=HOUR_S + 15.0 * (tick + 1), ready=6, demand=surge, kv_tokens=used)))
    # The last minute is at 88, 89, 90 and 91 requests/s: 1.52 times the forecast of 60. One more, and it is owed back.
    assert targets == [6] * 6 + [7]
    assert policy.state.changes == -1


def test_utilisation_alone_decides_in_the_first_hour(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(SageServe()).target(seen(ready=4, kv_tokens=[int(0.6 * KV)] * 4)) == 5
    assert loop(SageServe()).target(seen(ready=4, kv_tokens=[int(0.2 * KV)] * 4)) == 3
    assert loop(SageServe()).target(seen(ready=4, kv_tokens=[int(0.3 * KV)] * 4)) == 4


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(SageServe()).target(seen(ready=3, gauges=False)) == 3


def test_twelve_settings_begin_with_the_default() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == SageServe()
