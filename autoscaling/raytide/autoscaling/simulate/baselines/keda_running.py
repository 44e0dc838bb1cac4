"""KEDA on the requests in the service, running or waiting: concurrency per replica.

Source: llm-d/llm-d, guides/workload-autoscaling (16 running requests per replica); kedacore/keda (see `keda`, `hpa`).

    desired = ⌈(running + waiting)/16⌉
"""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.keda import SYNC_S, Keda, Scaled, begin
from raytide.autoscaling.simulate.baselines.signals import in_flight
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class KedaRunning:
    """Requests in flight per replica."""

    requests_per_replica: float = 16.0
    scale_down_after_s: float = 300.0
    name: str = "keda-running"
    interval_s: float = SYNC_S

    def begin(self, observation: Observation, terms: Terms) -> Scaled:
        """No recommendation so far."""
        return begin(observation.at_s)

    def decide(self, observation: Observation, terms: Terms, state: Scaled, now_s: float) -> Decision:
        """As many replicas as the requests in flight ask for, paced as the HPA paces."""
        requests = in_flight(observation)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        view = observation.variants[0]
        keda = Keda.paced(self.requests_per_replica, self.scale_down_after_s)
        desired, target, kept = keda.scale(view, requests.total, requests.total > 0, terms, state, now_s)
        facts = {"in_flight": requests.total, "per_replica": self.requests_per_replica, "desired": desired}
        reason = Reason(rule=Rule.DEMAND, says=f"{requests.total} requests in flight ask for {desired}", facts=facts)
        return sized(observation, terms, target, (reason,), kept, now_s)


def settings() -> tuple[KedaRunning, ...]:
    """The concurrency, and how long fewer must do before the fleet shrinks."""
    return grid(
        KedaRunning(), requests_per_replica=(16.0, 8.0, 24.0, 32.0, 48.0, 64.0), scale_down_after_s=(300.0, 900.0)
    )
