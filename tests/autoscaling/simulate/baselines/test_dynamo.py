from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.simulate.baselines.dynamo import Dynamo, settings
from raytide.autoscaling.simulate.baselines.predictors import Kind

BOTH = Dynamo(predictor=Kind.CONSTANT)


def test_the_floor_comes_after_the_first_throughput_interval(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy, traffic = loop(BOTH, tpot_s=0.05), demand(arrivals=300, span_s=5.0)
    # One engine serves 10.012 requests/s within 50 ms (13.5 ms + n·0.3644 ms ≤ 50 ms: n = 100; 100/(200·49.94 ms)),
    # so 60 requests/s need 6. What the loop sees of the engines stays idle, and asks for fewer.
    targets = [policy.target(seen(at_s=5.0 * tick, ready=2, demand=traffic)) for tick in range(40)]
    assert targets[:36] == [1] * 36
    assert targets[36:] == [6] * 4


def test_the_floor_is_of_the_traffic_since_the_last_one(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(BOTH, tpot_s=0.05)
    rates = [60] * 37 + [20] * 36
    for tick, rate_rps in enumerate(rates):
        traffic = demand(arrivals=5 * rate_rps, span_s=5.0)
        target = policy.target(seen(at_s=5.0 * tick, ready=8, demand=traffic))
        if tick in (36, 71):
            # One fewer than the eight that idle, which is above the floor of ⌈60/10.012⌉ = 6.
            assert target == 7
    # ⌈20/10.012⌉ = 2, so it no longer is what holds.
    assert policy.state.floor == 2


def test_the_load_loop_goes_above_the_floor(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(BOTH, tpot_s=0.03)
    late = seen(ready=2, kv_tokens=[200_000] * 2, demand=demand(arrivals=10))
    # 13.5 ms + 109 ns·200 000 = 35.3 ms > 30 ms on both
    assert policy.target(late) == 3


def test_holds_while_an_engine_starts_even_below_the_floor(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy, traffic = loop(BOTH, tpot_s=0.05), demand(arrivals=300, span_s=5.0)
    for tick in range(37):
        policy.target(seen(at_s=5.0 * tick, ready=2, demand=traffic))
    assert policy.target(seen(at_s=185.0, ready=2, starting_for_s=[5.0], demand=traffic)) == 3


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == Dynamo()
