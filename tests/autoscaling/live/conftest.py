"""`report_of`: what a replica says; `terms`: one variant, one to ten replicas, bounds of 500 ms and 50 ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.live.fleet import Fleet
from raytide.autoscaling.live.reports import Arrivals, ReplicaReport, RequestSample
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Iterations
from raytide.autoscaling.performance.measured import engine_from_capacity
from raytide.autoscaling.terms import Objective, Terms, Variant

SAMPLE = RequestSample(prompt_tokens=100, output_tokens=80, ttft_s=0.1, tpot_s=0.02)


@pytest.fixture(scope="session")
def sample() -> RequestSample:
    return SAMPLE


@pytest.fixture(scope="session")
def terms() -> Terms:
    variant = Variant(name="v", engine=Missing(reason="not measured"), usd_per_hour=3600.0, cold_start_s=20.0)
    objective = Objective(ttft_s=0.5, tpot_s=0.05, attainment=0.99)
    return Terms(objective=objective, variants=(variant,), min_replicas=1, max_replicas=10)


@pytest.fixture(scope="session")
def report_of(capacity: Capacity) -> Callable[..., ReplicaReport]:
    """The report of a second that ends at `at_s`, with so many arrivals in it, as many of which finished."""
    engine = engine_from_capacity(capacity, 10_000, max_num_seqs=16)

    def make(at_s: float = 100.0, arrived: Mapping[int, int] | int = 0, **said: Any) -> ReplicaReport:
        by_second = arrived if isinstance(arrived, Mapping) else {int(at_s) - 1: arrived} if arrived else {}
        finished = (SAMPLE,) * sum(by_second.values())
        known: dict[str, Any] = {
            "replica": "a",
            "variant": "v",
            "address": "10.0.0.1:4000",
            "number": round(at_s),
            "since_s": at_s - 1.0,
            "arrivals": {at: Arrivals(num=num, prompt_tokens=100 * num) for at, num in by_second.items()},
            "errors": 0,
            "first_tokens_s": tuple(sample.ttft_s for sample in finished),
            "finished": finished,
            "iterations": Iterations(),
            "running": 0,
            "waiting": 0,
            "waiting_prompt_tokens": 0,
            "kv_tokens": 0,
            "capacity": capacity,
            "engine": engine,
        }
        return ReplicaReport(at_s=at_s, **{**known, **said})

    return make


@pytest.fixture(scope="session")
def fleet_of() -> Callable[..., Fleet]:
    """Replicas by name: `ready="ab"`, and what each that starts was ordered at."""

    def make(ready: str = "a", *, draining: str = "", target: int | None = None, **starting: float) -> Fleet:
        wanted = len(ready) + len(starting) if target is None else target
        return Fleet(
            variant="v", target=wanted, ready=frozenset(ready), starting=starting, draining=frozenset(draining)
        )

    return make
