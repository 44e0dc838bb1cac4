"""AIBrix's KPA: the requests in the service, over a stable window and a short one.

Source: vllm-project/aibrix at e3e10f9, pkg/controller/podautoscaler/algorithm/kpa.go, metrics/client.go and
samples/autoscaling/external-metrics-kpa.yaml (`aibrix_running_requests`, target 100). With the means `s` of 180 s
and `p` of 60 s, target `t`, and n replicas:

    desired(m) = n where 0.9·t ≤ m ≤ 1.1·t, else ⌈m/t⌉, within ⌊n/2⌋ … max(1, 2·n)
    stable:  desired(s)
    panic:   max(desired(s), desired(p))    while p/s > 2, or s ≤ 0

The most wanted in a panic is not remembered: the controller makes a new context at each reconciliation. `aibrix` says
how a recommendation becomes a target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.aibrix import (
    MAX_SCALE_RATE,
    PANIC_WINDOW_S,
    RESYNC_S,
    STABLE_WINDOW_S,
    TOLERANCE,
    cooled,
)
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.hpa import NO_SCALING, Scaling
from raytide.autoscaling.simulate.baselines.signals import in_flight
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms

PANIC_THRESHOLD = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaged:
    """What the controller remembers."""

    stable: Window
    short: Window
    scaling: Scaling = NO_SCALING


@dataclass(frozen=True, slots=True, kw_only=True)
class AibrixKpa:
    """Requests in flight per replica, with panic."""

    requests_per_replica: float = 100.0
    scale_down_after_s: float = 300.0
    name: str = "aibrix-kpa"
    interval_s: float = RESYNC_S

    def begin(self, observation: Observation, terms: Terms) -> Averaged:
        """Empty windows."""
        return Averaged(stable=Window(length_s=STABLE_WINDOW_S), short=Window(length_s=PANIC_WINDOW_S))

    def decide(self, observation: Observation, terms: Terms, state: Averaged, now_s: float) -> Decision:
        """As many replicas as the mean number of requests asks for."""
        requests = in_flight(observation)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        stable, short = state.stable.add(now_s, requests.total), state.short.add(now_s, requests.total)
        present = observation.variants[0].target
        recommended = self.recommend(present, stable.mean, short.mean)
        target, scaling = cooled(present, recommended, self.scale_down_after_s, state.scaling, now_s)
        facts = {"stable": stable.mean, "short": short.mean, "recommended": recommended}
        says = f"{stable.mean:.1f} requests in flight, {short.mean:.1f} of late: {recommended}"
        kept = Averaged(stable=stable, short=short, scaling=scaling)
        return sized(observation, terms, target, (Reason(rule=Rule.DEMAND, says=says, facts=facts),), kept, now_s)

    def recommend(self, present: int, stable: float, short: float) -> int:
        """Replicas for these mean numbers of requests."""
        by_stable = self._desired(present, stable)
        in_panic = stable <= 0 or short / stable > PANIC_THRESHOLD
        return max(by_stable, self._desired(present, short)) if in_panic else by_stable

    def _desired(self, present: int, requests: float) -> int:
        near = (1 - TOLERANCE) * self.requests_per_replica <= requests <= (1 + TOLERANCE) * self.requests_per_replica
        desired = present if near else math.ceil(requests / self.requests_per_replica)
        most = max(1, math.ceil(MAX_SCALE_RATE * present))
        return min(max(desired, math.floor(present / MAX_SCALE_RATE)), most)


def settings() -> tuple[AibrixKpa, ...]:
    """The requests of a replica, and how long fewer must do before the fleet shrinks."""
    return grid(
        AibrixKpa(), requests_per_replica=(100.0, 8.0, 16.0, 24.0, 40.0, 64.0), scale_down_after_s=(300.0, 900.0)
    )
