from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic
from raytide.autoscaling.simulate.baselines.tokenscale import (
    TokenScale,
    needed_replicas,
    released_tokens_per_s,
    settings,
)

CHAT = Lengths(prompt_tokens=1000.0, output_tokens=200.0)


def test_a_replica_releases_the_tokens_of_its_largest_batch(engine: Engine) -> None:
    # Decode alone: 13.5 ms + n·(30 µs + 79 ns·1100) = 13.5 + n·0.1169 ms ≤ 100 ms allows 739.9, the cache 245.45.
    # 245.45·1200/(200·(13.5 + 245.45·0.1169) ms) = 294 545/8.4386 s = 34 904 tokens/s
    assert released_tokens_per_s(engine, CHAT, 0.1) == pytest.approx(34_904, abs=5)
    # Within 30 ms: n = 16.5/0.1169 = 141.15; 141.15·1200/(200·30 ms) = 28 229 tokens/s
    assert released_tokens_per_s(engine, CHAT, 0.03) == pytest.approx(28_229, abs=5)


def test_prompts_and_finished_requests_take_their_share_of_a_replica(
    engine: Engine, demand: Callable[..., Any]
) -> None:
    # 40 requests/s: 40 000/17 828 + (40 000 + 8000)/28 229 = 2.2437 + 1.7004 = 3.944
    rate = Traffic(length_s=10.0).add(demand(arrivals=400, span_s=10.0), 0.0)
    assert needed_replicas(engine, CHAT, rate, 0.03) == pytest.approx(3.944, abs=1e-3)


@pytest.mark.parametrize(("convertible", "target"), [(0.0, 4), (0.1, 5), (0.25, 5), (0.5, 6)])
def test_convertible_replicas_come_on_top(
    convertible: float, target: int, loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # ⌈3.944·1⌉, ⌈4.338⌉, ⌈4.930⌉, ⌈5.916⌉
    policy = loop(TokenScale(convertible=convertible), tpot_s=0.03)
    assert policy.target(seen(ready=1, demand=demand(arrivals=400, span_s=10.0))) == target


def test_a_rate_is_that_of_its_window(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(TokenScale(convertible=0.0), tpot_s=0.03)
    targets = []
    for second in range(12):
        burst = demand(arrivals=400 if second == 0 else 0, span_s=1.0)
        targets.append(policy.target(seen(at_s=float(second), ready=1, demand=burst)))
    # 400 arrivals are 40/s once ten seconds have been seen, and none a second later.
    assert targets[9] == 4
    assert targets[10] == 1


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(TokenScale()).target(seen(ready=5, demand=Missing(reason="scrape failed"))) == 5


def test_twelve_settings_begin_with_the_default() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == TokenScale()
