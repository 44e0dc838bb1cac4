"""The usual advice for vLLM on Kubernetes: scale on the requests that wait.

Source: vllm-project/production-stack, docs/source/use_cases/autoscaling-keda.rst (a trigger on
`vllm:num_requests_waiting` with threshold 5), acted on as `keda` and `hpa` say.

    desired = ⌈waiting/5⌉

Added: what waits at the gateway counts, or a service with no replica would never wake.
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
class HpaWaiting:
    """Waiting requests per replica."""

    waiting_per_replica: float = 5.0
    scale_down_after_s: float = 300.0
    name: str = "hpa-waiting"
    interval_s: float = SYNC_S

    def begin(self, observation: Observation, terms: Terms) -> Scaled:
        """No recommendation so far."""
        return begin(observation.at_s)

    def decide(self, observation: Observation, terms: Terms, state: Scaled, now_s: float) -> Decision:
        """As many replicas as the waiting requests ask for, paced as the HPA paces."""
        requests = in_flight(observation)
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        view = observation.variants[0]
        keda = Keda.paced(self.waiting_per_replica, self.scale_down_after_s)
        desired, target, kept = keda.scale(view, requests.waiting, requests.total > 0, terms, state, now_s)
        facts = {"waiting": requests.waiting, "per_replica": self.waiting_per_replica, "desired": desired}
        reason = Reason(rule=Rule.BACKLOG, says=f"{requests.waiting} waiting requests ask for {desired}", facts=facts)
        return sized(observation, terms, target, (reason,), kept, now_s)


def settings() -> tuple[HpaWaiting, ...]:
    """The threshold, and how long fewer must do before the fleet shrinks."""
    return grid(HpaWaiting(), waiting_per_replica=(5.0, 0.2, 1.0, 20.0), scale_down_after_s=(300.0, 120.0, 900.0))
