"""Round numbers: a request of 100 prompt and 80 output tokens keeps a replica busy for 0.5 s (0.1 s + 0.4 s)."""

from __future__ import annotations

import pytest

from raytide.autoscaling.capacity import Capacity, CapacityPoint
from raytide.autoscaling.live.reports import ReplicaReport, Traffic, VariantView
from raytide.autoscaling.live.sizing import Bound, Limits


@pytest.fixture(scope="session")
def capacity() -> Capacity:
    points = (
        CapacityPoint(concurrency=1, tpot_s=0.01, output_tokens_per_s=100.0),
        CapacityPoint(concurrency=4, tpot_s=0.02, output_tokens_per_s=200.0),
        CapacityPoint(concurrency=16, tpot_s=0.064, output_tokens_per_s=250.0),
    )
    return Capacity(prefill_tokens_per_s=1000.0, points=points)


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(
        attainment=0.99,
        ttft=Bound(quantile=0.95, seconds=0.5),
        tpot=Bound(quantile=0.95, seconds=0.05),
        min_replicas=1,
        max_replicas=10,
        max_usd_per_hour=None,
        utilisation=0.5,
        window_s=20.0,
        scale_down_after_s=120.0,
    )


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    return Traffic(
        arrivals_per_s=1.0,
        prompt_tokens=100.0,
        output_tokens=80.0,
        running=1,
        mean_running=0.0,
        waiting=0,
        errors=0,
        samples=(),
    )


@pytest.fixture(scope="session")
def view(capacity: Capacity, traffic: Traffic) -> VariantView:
    return VariantView(
        name="v", num_ready=1, num_starting=0, target=1, usd_per_hour=2.0, capacity=capacity, traffic=traffic
    )


@pytest.fixture(scope="session")
def report(capacity: Capacity) -> ReplicaReport:
    return ReplicaReport(
        replica="a",
        variant="v",
        at_s=100.0,
        span_s=1.0,
        arrivals=2,
        errors=0,
        running=3,
        waiting=1,
        kv_used_fraction=0.5,
        finished=(),
        capacity=capacity,
    )
