from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.hpa import Behaviour
from raytide.autoscaling.simulate.baselines.llmd_tokens import LlmdTokens, settings
from raytide.autoscaling.simulate.baselines.measured import prefill_tokens_per_s
from raytide.autoscaling.terms import Variant


def test_the_peak_prefill_rate_is_that_of_full_chunks(engine: Engine) -> None:
    # 2048 / (13.5 ms + 2048·49.5 µs) = 2048 / 114.876 ms = 17 828 tokens/s; the guide measured 15 928 on this machine.
    assert prefill_tokens_per_s(engine) == pytest.approx(17_828, abs=1)
    assert prefill_tokens_per_s(engine) == pytest.approx(15_928, rel=0.15)


def test_waiting_prompts_ask_for_a_replica_per_second_and_a_half(
    loop: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    # 120 000 / 17 828 = 6.73 s; ⌈6.73/1.5⌉ = 5
    observation = seen(ready=2, waiting_prompt_tokens=120_000)
    assert loop(LlmdTokens(behaviour=Behaviour())).target(observation) == 5


def test_used_cache_asks_for_a_replica_per_four_fifths(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # 900 000 / 270 000 = 3.33 caches; ⌈3.33/0.8⌉ = 5
    observation = seen(ready=3, kv_tokens=900_000)
    assert loop(LlmdTokens(behaviour=Behaviour())).target(observation) == 5


def test_a_tenth_more_or_less_is_tolerated(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # 3.33/(0.8·4) = 1.04
    observation = seen(ready=4, kv_tokens=900_000)
    assert loop(LlmdTokens(behaviour=Behaviour())).target(observation) == 4


def test_the_greater_need_wins(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    # Cache: ⌈3.33/0.8⌉ = 5; prefill: 240 000/17 828/1.5 = 8.97, so 9.
    observation = seen(ready=5, kv_tokens=900_000, waiting_prompt_tokens=240_000)
    assert loop(LlmdTokens(behaviour=Behaviour())).target(observation) == 9


def test_grows_by_one_replica_in_three_minutes(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    policy, wanted, targets = loop(LlmdTokens()), 1, []
    for tick in range(26):
        wanted = policy.target(seen(at_s=15.0 * tick, ready=wanted, waiting_prompt_tokens=500_000))
        targets.append(wanted)
    assert targets == [2] * 12 + [3] * 12 + [4] * 2


def test_holds_without_gauges(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(LlmdTokens()).target(seen(ready=3, gauges=False)) == 3


def test_holds_without_an_engine(seen: Callable[..., Any], terms: Callable[..., Any]) -> None:
    variant = Variant(name="v", engine=Missing(reason="never profiled"), usd_per_hour=10.0, cold_start_s=60.0)
    observation, policy = seen(ready=3, waiting_prompt_tokens=10**6), LlmdTokens()
    one = terms(variants=[variant])
    decision = policy.decide(observation, one, policy.begin(observation, one), observation.at_s)
    assert decision.variants[0].target == 3
    assert "never profiled" in decision.variants[0].binding.says


def test_twelve_settings_begin_with_the_guides() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == LlmdTokens()
