"""`terms_of`, `trace_of`, `scripted`: a service of made engines, a trace of given requests, and given targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Objective, Terms, Variant


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Ten milliseconds an iteration, a little more for a full batch."""
    iteration = Iteration(base_s=0.01, per_sequence_s=1e-4, per_kv_token_s=1e-7, per_prefill_token_s=5e-5)
    return Engine(iteration=iteration, kv_capacity_tokens=100_000, chunk_tokens=2048, max_num_seqs=64)


@pytest.fixture(scope="session")
def terms_of() -> Callable[..., Terms]:
    def make(*engines: Engine, max_replicas: int = 8, cold_start_s: float = 60.0, **fields: Any) -> Terms:
        variants = tuple(
            Variant(name=f"v{index}", engine=engine, usd_per_hour=float(index + 1), cold_start_s=cold_start_s, **fields)
            for index, engine in enumerate(engines)
        )
        objective = Objective(ttft_s=1.0, tpot_s=0.05, attainment=0.99)
        return Terms(objective=objective, variants=variants, min_replicas=0, max_replicas=max_replicas)

    return make


@pytest.fixture(scope="session")
def trace_of() -> Callable[..., Trace]:
    def make(requests: Sequence[tuple[float, int, int]], span_s: float, cached: Sequence[int] | None = None) -> Trace:
        arrival_s, prompt, output = np.array(requests, dtype=float).reshape(-1, 3).T
        return Trace(
            name="made",
            arrival_s=arrival_s,
            prompt_tokens=prompt.astype(np.int32),
            output_tokens=output.astype(np.int32),
            cached_tokens=None if cached is None else np.array(cached, dtype=np.int32),
            span_s=span_s,
        )

    return make


@dataclass
class Scripted:
    """Wants what it is told, and remembers what it saw."""

    targets: Callable[[float], Sequence[int]]
    interval_s: float = 10.0
    name: str = "scripted"
    seen: list[Observation] = field(default_factory=list)
    asked_at_s: list[float] = field(default_factory=list)
    num_begun: int = 0

    def begin(self, observation: Observation, terms: Terms) -> int:
        self.num_begun += 1
        return self.num_begun

    def decide(self, observation: Observation, terms: Terms, state: int, now_s: float) -> Decision:
        self.seen.append(observation)
        self.asked_at_s.append(now_s)
        reason = Reason(rule=Rule.DEMAND, says="as told")
        wanted = tuple(
            VariantDecision(variant=view.name, target=target, previous=view.target, reasons=(reason,))
            for view, target in zip(observation.variants, self.targets(now_s), strict=True)
        )
        return Decision(at_s=now_s, variants=wanted, state=state)


@pytest.fixture(scope="session")
def scripted() -> Callable[..., Scripted]:
    """A policy whose targets are a function of time, or the same number always."""

    def make(targets: int | Callable[[float], Sequence[int]], interval_s: float = 10.0) -> Scripted:
        return Scripted(targets if callable(targets) else lambda now_s: (targets,), interval_s)

    return make
