from __future__ import annotations

import pytest

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.services.engines.meter import ReplicaMeter


@pytest.fixture
def capacity() -> Capacity:
    points = (CapacityPoint(concurrency=1, tpot_s=0.01, output_tokens_per_s=100.0),)
    return Capacity(prefill_tokens_per_s=1000.0, points=points)


@pytest.fixture
def meter() -> ReplicaMeter:
    return ReplicaMeter(replica="a", variant="v", started_s=100.0)
