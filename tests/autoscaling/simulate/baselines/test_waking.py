from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytide.autoscaling.simulate.baselines import PEERS

NAMES = (
    "wva-v1",
    "wva-v2",
    "wva-queueing",
    "llmd-slo",
    "llmd-tokens",
    "dynamo-throughput",
    "dynamo-load",
    "dynamo",
    "chiron",
    "sageserve",
    "tokenscale",
    "inferline",
    "autopilot",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_with_nothing_running_wakes_on_a_request(
    name: str, loop: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    policy = PEERS[name]()[0]
    asleep = {"ready": 0, "target": 0, "gauges": False}
    assert loop(policy, min_replicas=0).target(seen(num_queued=3, **asleep)) == 1
    assert loop(policy, min_replicas=0).target(seen(num_queued=0, **asleep)) == 0
