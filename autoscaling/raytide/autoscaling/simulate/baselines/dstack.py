"""dstack: requests per second per replica, with a delay since the last change.

Source: dstackai/dstack at 511c318, src/dstack/_internal/server/services/services/autoscalers.py (RPSAutoscaler) and
core/models/configurations.py (a window of 60 s, delays of 5 and 10 min).

    desired = ⌈(requests of the last 60 s)/60/target⌉
    up      300 s after the last change at the earliest; at once from 0
    down    600 s after it at the earliest

The product has no default for the target; 10 is the example of its documentation. A decision each 10 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms

WINDOW_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """What the server remembers."""

    requests: Window
    last_scaled_at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dstack:
    """Requests per second per replica."""

    target_rps: float = 10.0
    scale_up_delay_s: float = 300.0
    scale_down_delay_s: float = 600.0
    name: str = "dstack"
    interval_s: float = 10.0

    def begin(self, observation: Observation, terms: Terms) -> Scaled:
        """An empty window; never scaled so far."""
        return Scaled(requests=Window(length_s=WINDOW_S))

    def decide(self, observation: Observation, terms: Terms, state: Scaled, now_s: float) -> Decision:
        """As many replicas as the rate asks for, unless the last change is too recent."""
        demand, present = observation.demand, observation.variants[0].target
        if isinstance(demand, Missing):
            return held(observation, terms, demand.reason, state, now_s)
        requests = state.requests.add(now_s, float(demand.num_arrivals))
        rps = requests.total / WINDOW_S
        desired = min(max(ceil(rps / self.target_rps), terms.min_replicas), terms.max_replicas)
        target = present if self._too_early(present, desired, state.last_scaled_at_s, now_s) else desired
        kept = Scaled(requests=requests, last_scaled_at_s=state.last_scaled_at_s if target == present else now_s)
        facts = {"rps": rps, "target_rps": self.target_rps, "desired": desired}
        says = f"{rps:.2f} requests/s at {self.target_rps:g} per replica ask for {desired}"
        return sized(observation, terms, target, (Reason(rule=Rule.DEMAND, says=says, facts=facts),), kept, now_s)

    def _too_early(self, present: int, desired: int, last_scaled_at_s: float | None, now_s: float) -> bool:
        if not present or last_scaled_at_s is None:
            return False
        return now_s - last_scaled_at_s < (self.scale_up_delay_s if desired > present else self.scale_down_delay_s)


def settings() -> tuple[Dstack, ...]:
    """The rate of a replica."""
    return grid(Dstack(), target_rps=(10.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0))
