from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.chiron import Chiron, settings

# ITL(n) = 13.5 ms + n·(30 µs + 79 ns·1100 + 5·49.5 µs) = 13.5 + n·0.3644 ms ≤ 50 ms: a full batch is n = 100.


@pytest.mark.parametrize(
    ("running", "packed"),
    [(100, 1), (101, 2), (350, 4), (0, 0)],
)
def test_requests_fill_as_few_instances_as_they_can(
    running: int, packed: int, seen: Callable[..., Any], demand: Callable[..., Any], terms: Callable[..., Any]
) -> None:
    policy, bounds = Chiron(), terms(tpot_s=0.05)
    observation = seen(ready=5, running=running, demand=demand(arrivals=10))
    traffic = policy.begin(observation, bounds).add(observation.demand, 0.0)
    assert policy.packed(observation, bounds, traffic) == packed


@pytest.mark.parametrize(
    ("ready", "running", "target"),
    [
        (5, 310, 6),  # ⌈3.1⌉/5 = 0.8 > 0.6
        (5, 300, 4),  # 3/5 = 0.6 is not above it
        (10, 690, 11),  # ⌈6.9⌉/10 = 0.7
        (2, 0, 1),
    ],
)
def test_one_instance_more_or_fewer(
    ready: int,
    running: int,
    target: int,
    loop: Callable[..., Any],
    seen: Callable[..., Any],
    demand: Callable[..., Any],
) -> None:
    observation = seen(ready=ready, running=running, demand=demand(arrivals=10))
    assert loop(Chiron(), tpot_s=0.05).target(observation) == target


def test_requests_that_wait_need_a_place_too(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    observation = seen(ready=5, running=250, waiting=60, demand=demand(arrivals=10))
    assert loop(Chiron(), tpot_s=0.05).target(observation) == 6


def test_holds_while_an_instance_starts(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    observation = seen(ready=5, starting_for_s=[9.0], running=900, demand=demand(arrivals=10))
    assert loop(Chiron(), tpot_s=0.05).target(observation) == 6


def test_holds_before_it_knows_how_long_requests_are(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(Chiron()).target(seen(ready=5, running=900, demand=Missing(reason="scrape failed"))) == 5


def test_twelve_settings_begin_with_the_papers() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == Chiron()
