from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.dynamo_load import DynamoLoad, Target, settings
from raytide.autoscaling.simulate.baselines.dynamo_samples import Means, itl_s, sampled_of, ttft_s
from raytide.autoscaling.simulate.baselines.regression import Fitted

KV = 270_000
SLA = DynamoLoad(target=Target.SLA)


@pytest.mark.parametrize(
    ("target", "shares", "engines"),
    [
        (Target.THROUGHPUT, (1.01, 0.2, 0.2), 4),  # any above 100 %
        (Target.THROUGHPUT, (0.59, 0.59, 0.59), 2),  # all below 60 %
        (Target.THROUGHPUT, (0.61, 0.2, 0.2), 3),
        (Target.LATENCY, (0.41, 0.0, 0.0), 4),  # any above 40 %
        (Target.LATENCY, (0.09, 0.09, 0.09), 2),  # all below 10 %
        (Target.LATENCY, (0.39, 0.39, 0.39), 3),
    ],
)
def test_the_easy_targets_look_at_the_cache(
    target: Target, shares: tuple[float, ...], engines: int, loop: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    observation = seen(ready=3, kv_tokens=[int(share * KV) for share in shares])
    assert loop(DynamoLoad(target=target)).target(observation) == engines


def test_prompts_that_wait_count_as_cache(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    observation = seen(ready=2, kv_tokens=[KV - 5000, 0], waiting_prompt_tokens=[6000, 0])
    assert loop(DynamoLoad()).target(observation) == 3


def test_latencies_are_those_of_the_next_request(engine: Engine) -> None:
    fitted = Fitted(base_s=0.01, per_prefill_token_s=50e-6, per_kv_token_s=100e-9)
    means = Means(prompt_tokens=1000.0, context_tokens=1100.0, prefill_tokens=300.0, uncached=0.5)
    waiting, kv = np.array([7192.0, 0.0]), np.array([1e5, 0.0])
    # (7192 + 1000)·0.5 = 4096 tokens in two chunks: 2·(10 + 102.4 + 10 ms) = 244.8 ms; 500 tokens: 10 + 25 ms
    assert ttft_s(fitted, means, engine, waiting, kv) == pytest.approx([0.2448, 0.035])
    # 10 + 15 + 10.11 ms; 10 + 15 + 0.11 ms
    assert itl_s(fitted, means, kv) == pytest.approx([0.03511, 0.02511])


def test_one_more_where_every_engine_will_miss_its_ttft(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # 80 000 tokens are 40 chunks of about 115 ms: 4.6 s > 2 s
    traffic, late = demand(arrivals=10), [80_000, 80_000, 80_000]
    assert loop(SLA).target(seen(ready=3, waiting_prompt_tokens=late, demand=traffic)) == 4
    assert loop(SLA).target(seen(ready=3, waiting_prompt_tokens=[*late[:2], 0], demand=traffic)) == 3


def test_one_more_where_every_engine_will_miss_its_itl(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # 13.5 ms + 109 ns·200 000 = 35.3 ms > 30 ms
    assert loop(SLA, tpot_s=0.03).target(seen(ready=2, kv_tokens=[200_000] * 2, demand=demand(arrivals=10))) == 3


def test_one_fewer_where_the_others_keep_four_fifths_of_both_bounds(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # Of 3, each holds 120 000; on 2 it is 180 000: 13.5 ms + 109 ns·180 000 = 33.12 ms, within 0.8·42 = 33.6 ms
    # but not within 0.8·41 = 32.8 ms.
    observation = seen(ready=3, kv_tokens=[120_000] * 3, demand=demand(arrivals=10))
    assert loop(SLA, tpot_s=0.042).target(observation) == 2
    assert loop(SLA, tpot_s=0.041).target(observation) == 3


def test_none_fewer_where_the_others_cache_would_overflow(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # On 2 of 3 engines 190 000 become 285 000 > 270 000, whatever the bound.
    observation = seen(ready=3, kv_tokens=[190_000] * 3, demand=demand(arrivals=10))
    assert loop(SLA, tpot_s=1.0).target(observation) == 3


def test_learns_a_slower_engine_from_its_iterations(engine: Engine, seen: Callable[..., Any]) -> None:
    sampled = sampled_of(engine)
    rng = np.random.default_rng(0)
    for tick in range(200):
        prefill, kv = rng.uniform(0.0, 2048.0), rng.uniform(2e4, 2e5)
        seconds = 0.02 + 70e-6 * prefill + 150e-9 * kv
        iterations = Iterations(num=100, seconds=100 * seconds, kv_tokens=100 * kv, prefill_tokens=100 * prefill)
        sampled = sampled.add(seen(at_s=5.0 * tick, iterations=iterations), 5.0 * tick)
    assert isinstance(sampled.fitted, Fitted)
    assert sampled.fitted.per_prefill_token_s == pytest.approx(70e-6, rel=0.1)
    assert sampled.fitted.per_kv_token_s == pytest.approx(150e-9, rel=0.1)


@pytest.mark.parametrize("policy", [DynamoLoad(), SLA])
def test_holds_while_an_engine_starts(policy: DynamoLoad, loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    decision = loop(policy).see(seen(ready=3, starting_for_s=[4.0], kv_tokens=[2 * KV] * 3))
    assert decision.variants[0].target == 4
    assert "start" in decision.variants[0].binding.says


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(SLA).target(seen(ready=3, gauges=False)) == 3


def test_twelve_settings_begin_with_the_products() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == DynamoLoad()
