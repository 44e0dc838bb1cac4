from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.autoscaling.live.reports import ReplicaReport
from raytide.autoscaling.performance.measured import engine_from_capacity
from raytide.services.engines.meter import ReplicaMeter

from .collector import Collector
from .databases import postgres, url

__all__ = ["postgres", "url"]


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.server.shutdown()


@pytest.fixture
def capacity() -> Capacity:
    points = (CapacityPoint(concurrency=1, tpot_s=0.01, output_tokens_per_s=100.0),)
    return Capacity(prefill_tokens_per_s=1000.0, points=points)


@pytest.fixture
def meter() -> ReplicaMeter:
    return ReplicaMeter(replica="a", variant="v", started_s=100.0)


@pytest.fixture
def reported(meter: ReplicaMeter, capacity: Capacity) -> Callable[[float], ReplicaReport]:
    """The meter's report at a time, of an engine that holds 1,000 tokens."""
    engine = engine_from_capacity(capacity, 1000, max_num_seqs=4)
    return lambda now_s: meter.report(
        now_s,
        address="10.0.0.1:4000",
        key="k",
        is_draining=False,
        capacity=capacity,
        engine=engine,
        waiting_prompt_tokens=70,
    )
