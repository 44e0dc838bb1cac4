from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths
from raytide.autoscaling.simulate.baselines.wva_actuator import SAMPLE
from raytide.autoscaling.simulate.baselines.wva_tokens import Load, Thresholds, carried_tokens, derived_tokens
from raytide.autoscaling.simulate.baselines.wva_v2 import WvaV2, settings

AT_ONCE = WvaV2(behaviour=SAMPLE)
CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)


def load(view: Callable[..., Any], demand: float, capacity: float, **of_view: object) -> tuple[Load, ...]:
    return (Load(view=view(**of_view), demand=demand, capacity=capacity, cost=10.0, observed=()),)


def test_grows_by_the_tokens_that_are_lacking(view: Callable[..., Any]) -> None:
    # 200 000/0.85 − 2·100 000 = 35 294 > 0: one more
    desired, reason = AT_ONCE.desired(load(view, 200_000.0, 100_000.0, ready=2), 0.0)
    assert desired == {"v": 3}
    assert reason.facts["lacks_tokens"] == pytest.approx(35_294, abs=1)


def test_replicas_that_start_count_as_supply(view: Callable[..., Any]) -> None:
    desired, _ = AT_ONCE.desired(load(view, 200_000.0, 100_000.0, ready=2, starting_for_s=[10.0]), 0.0)
    assert desired == {"v": 3}


def test_tokens_queued_at_the_gateway_are_demand(view: Callable[..., Any]) -> None:
    # (200 000 + 240 000)/0.85 − 200 000 = 317 647: ⌈3.18⌉ = 4 more
    desired, _ = AT_ONCE.desired(load(view, 200_000.0, 100_000.0, ready=2), 240_000.0)
    assert desired == {"v": 6}


def test_shrinks_by_whole_replicas_that_are_spare(view: Callable[..., Any]) -> None:
    # 6·100 000 − 200 000/0.70 = 314 286: ⌊3.14⌋ = 3 fewer
    desired, _ = AT_ONCE.desired(load(view, 200_000.0, 100_000.0, ready=6), 0.0)
    assert desired == {"v": 3}


def test_keeps_the_last_replica_of_the_cheapest_variant(view: Callable[..., Any]) -> None:
    desired, _ = AT_ONCE.desired(load(view, 0.0, 100_000.0, ready=3), 0.0)
    assert desired == {"v": 1}


def test_a_replica_carries_a_share_of_its_cache_or_its_steady_batch(engine: Engine) -> None:
    # k1 = 0.8·270 000 = 216 000. N = min(2048·200/1200, 256) = min(341.3, 256); k2 = 256·1100 = 281 600.
    assert derived_tokens(engine, CHAT) == pytest.approx(281_600)
    assert carried_tokens(engine, CHAT, (), Thresholds()) == pytest.approx(216_000)
    # Prompts of 8000 tokens: N = 2048·200/8200 = 49.95; k2 = 49.95·8100 = 404 605
    long = Lengths(prompt_tokens=8000.0, output_tokens=200.0)
    assert derived_tokens(engine, long) == pytest.approx(404_605, abs=1)
    # What saturated replicas held beats what is derived: (120 000 + 140 000)/2
    assert carried_tokens(engine, CHAT, (120_000.0, 140_000.0), Thresholds()) == pytest.approx(130_000)


def test_learns_what_a_replica_carries_from_saturated_ones(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(AT_ONCE)
    traffic = demand(arrivals=60)
    # All three queue 6 ≥ 5 requests with 100 000 tokens in use, which so is their capacity. Demand is
    # 3·(100 000 + 6·1000) = 318 000; (318 000/0.85 − 300 000)/100 000 = 0.74: one more.
    full = seen(at_s=0.0, ready=3, kv_tokens=300_000, waiting=18, demand=traffic)
    assert policy.target(full) == 4
    # It is remembered: 180 000/0.85 − 200 000 = 11 765 asks for one more, where 216 000 a replica would not.
    assert policy.target(seen(at_s=30.0, ready=2, kv_tokens=180_000, demand=traffic)) == 3


def test_the_chart_waits_for_four_minutes(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy = loop(WvaV2())
    targets = [policy.target(seen(at_s=30.0 * tick, ready=2, kv_tokens=400_000)) for tick in range(9)]
    # 400 000/0.85 − 432 000 = 38 588: one more
    assert targets == [2] * 8 + [3]


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(AT_ONCE).target(seen(ready=3, gauges=False)) == 3


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == WvaV2()
