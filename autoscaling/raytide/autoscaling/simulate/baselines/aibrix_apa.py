"""AIBrix's APA: the ratio of a metric to its target, with a dead band and at most a doubling or halving.

Source: vllm-project/aibrix at e3e10f9, pkg/controller/podautoscaler/algorithm/apa.go and samples/autoscaling/apa.yaml.
With ρ = (mean of the metric per ready replica over 180 s) / target, and n replicas:

    ρ > 1.1:  min(⌈n·ρ⌉, ⌈2·n⌉)
    ρ < 0.9:  max(⌈n·ρ⌉, ⌊n/2⌋)
    else:     n

The metric is the share of the KV cache in use (target 0.5 in the samples) or the requests of a replica. `aibrix` says
how a recommendation becomes a target. Nothing happens while no replica reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.aibrix import (
    MAX_SCALE_RATE,
    RESYNC_S,
    STABLE_WINDOW_S,
    TOLERANCE,
    cooled,
)
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.hpa import NO_SCALING, Scaling
from raytide.autoscaling.simulate.baselines.measured import engine_of
from raytide.autoscaling.simulate.baselines.signals import gauges_of
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaged:
    """What the controller remembers."""

    metric: Window
    scaling: Scaling = NO_SCALING


@dataclass(frozen=True, slots=True, kw_only=True)
class AibrixApa:
    """A metric per replica."""

    metric: Literal["kv", "requests"] = "kv"
    target: float = 0.5
    """Share of the KV cache, or requests per replica."""
    scale_down_after_s: float = 300.0
    name: str = "aibrix-apa"
    interval_s: float = RESYNC_S

    def begin(self, observation: Observation, terms: Terms) -> Averaged:
        """An empty window."""
        return Averaged(metric=Window(length_s=STABLE_WINDOW_S))

    def decide(self, observation: Observation, terms: Terms, state: Averaged, now_s: float) -> Decision:
        """The present number scaled by how far the metric is from its target."""
        value = self._per_replica(observation, terms)
        if isinstance(value, Missing):
            return held(observation, terms, value.reason, state, now_s)
        window, present = state.metric.add(now_s, value), observation.variants[0].target
        recommended = self.recommend(present, window.mean)
        target, scaling = cooled(present, recommended, self.scale_down_after_s, state.scaling, now_s)
        facts = {self.metric: window.mean, "target": self.target, "recommended": recommended}
        says = f"{self.metric} per replica {window.mean:.2f}, {self.target:g} wanted: {recommended}"
        reason = Reason(rule=Rule.DEMAND, says=says, facts=facts)
        return sized(observation, terms, target, (reason,), Averaged(metric=window, scaling=scaling), now_s)

    def recommend(self, present: int, value: float) -> int:
        """Replicas for this mean value of the metric."""
        ratio = value / self.target
        if ratio > 1 + TOLERANCE:
            return min(math.ceil(present * ratio), math.ceil(MAX_SCALE_RATE * present))
        if ratio < 1 - TOLERANCE:
            return max(math.ceil(present * ratio), math.floor(present / MAX_SCALE_RATE))
        return present

    def _per_replica(self, observation: Observation, terms: Terms) -> float | Missing:
        gauges, engine = gauges_of(observation), engine_of(observation.variants[0], terms)
        if isinstance(gauges, Missing):
            return gauges
        if self.metric == "requests":
            return float((gauges.running + gauges.waiting).mean())
        return engine if isinstance(engine, Missing) else float(gauges.kv_tokens.mean()) / engine.kv_capacity_tokens


def settings() -> tuple[AibrixApa, ...]:
    """The share of the KV cache, or the requests of a replica."""
    kv = (AibrixApa(metric="kv", target=share) for share in (0.5, 0.1, 0.2, 0.3, 0.4, 0.7))
    requests = (AibrixApa(metric="requests", target=number) for number in (8.0, 16.0, 24.0, 32.0, 48.0, 64.0))
    return (*kv, *requests)
