from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.wva_actuator import SAMPLE
from raytide.autoscaling.simulate.baselines.wva_v1 import Spare, WvaV1, settings
from raytide.autoscaling.terms import Variant

AT_ONCE = WvaV1(behaviour=SAMPLE)
KV = 270_000


def test_what_is_spare_is_the_mean_over_replicas_that_are_not_saturated(
    seen: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    # Replica 3 is saturated by its cache, 4 by its queue.
    # Spare KV is (0.8 − 0.5 + 0.8 − 0.7)/2 = 0.2 and spare queue (5 + 3)/2 = 4.
    observation = seen(ready=4, kv_tokens=[KV // 2, 7 * KV // 10, 8 * KV // 10, 0], waiting=[0, 2, 0, 5])
    spare = WvaV1().spare(observation, terms())
    assert isinstance(spare, Spare)
    assert (spare.num, spare.queue) == (2, 4.0)
    assert spare.kv == pytest.approx(0.2)


def test_one_more_where_a_tenth_of_cache_is_not_spare(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # 0.8 − 0.71 = 0.09 < 0.1
    assert loop(AT_ONCE).target(seen(ready=3, kv_tokens=[int(0.71 * KV)] * 3)) == 4


def test_one_more_where_three_places_of_queue_are_not_spare(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # 5 − 2.33 = 2.67 < 3
    assert loop(AT_ONCE).target(seen(ready=3, waiting=[3, 2, 2])) == 4


def test_one_more_where_every_replica_is_saturated(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # Nothing is spare of no replica: 0 < 0.1
    assert loop(AT_ONCE).target(seen(ready=2, waiting=[9, 9])) == 3


def test_one_fewer_where_the_others_carry_its_load() -> None:
    # Load 0.8 − 0.45 = 0.35 on each of 3; on 2 it is 0.525, and 0.8 − 0.525 = 0.275 ≥ 0.1 is spare.
    assert WvaV1().can_lose_one(Spare(num=3, kv=0.45, queue=5.0))
    # Load 0.5 on each of 3; on 2 it is 0.75, and 0.05 < 0.1 is spare.
    assert not WvaV1().can_lose_one(Spare(num=3, kv=0.3, queue=5.0))
    # Queue 5 − 3.5 = 1.5 on each of 3; on 2 it is 2.25, and 2.75 < 3 places are spare.
    assert not WvaV1().can_lose_one(Spare(num=3, kv=0.8, queue=3.5))
    assert not WvaV1().can_lose_one(Spare(num=1, kv=0.8, queue=5.0))


def test_an_idle_fleet_loses_one(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(AT_ONCE).target(seen(ready=3)) == 2


def test_holds_while_a_replica_starts(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    decision = loop(AT_ONCE).see(seen(ready=3, starting_for_s=[20.0], kv_tokens=[KV] * 3))
    assert decision.variants[0].target == 4
    assert "start or stop" in decision.variants[0].binding.says


def test_the_chart_waits_for_four_minutes(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy = loop(WvaV1())
    targets = [policy.target(seen(at_s=30.0 * tick, ready=2, waiting=[4, 4])) for tick in range(9)]
    assert targets == [2] * 8 + [3]


def test_grows_the_cheapest_and_shrinks_the_dearest(
    seen: Callable[..., Any], terms: Callable[..., Any], view: Callable[..., Any], engine: Engine
) -> None:
    cheap = Variant(name="cheap", engine=engine, usd_per_hour=4.0, cold_start_s=60.0)
    dear = Variant(name="dear", engine=engine, usd_per_hour=9.0, cold_start_s=60.0)
    both, policy = terms(variants=[dear, cheap]), AT_ONCE

    def targets(**gauges: object) -> list[int]:
        observation = seen(variants=[view(name="dear", ready=2, **gauges), view(name="cheap", ready=2, **gauges)])
        decision = policy.decide(observation, both, policy.begin(observation, both), observation.at_s)
        return [variant.target for variant in decision.variants]

    assert targets(waiting=[4, 4]) == [2, 3]
    assert targets() == [1, 2]


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(AT_ONCE).target(seen(ready=3, gauges=False)) == 3


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == WvaV1()
