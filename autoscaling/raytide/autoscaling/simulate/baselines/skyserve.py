"""SkyServe: requests per second per replica, with long delays.

Source: skypilot-org/skypilot, sky/serve/autoscalers.py (RequestRateAutoscaler); the law is in `sky_hysteresis`. The
product has no default for the target; 2.5 requests per second is the example of its documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.sky_hysteresis import TICK_S, Hysteresis, Wanted, begin
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class SkyServe:
    """Requests per second per replica."""

    target_qps: float = 2.5
    upscale_delay_s: float = 300.0
    downscale_delay_s: float = 1200.0
    name: str = "skyserve"
    interval_s: float = TICK_S

    def begin(self, observation: Observation, terms: Terms) -> Wanted:
        """The present number, and an empty window."""
        return begin(observation.variants[0].target)

    def decide(self, observation: Observation, terms: Terms, state: Wanted, now_s: float) -> Decision:
        """As many replicas as the rate has asked for since the delay."""
        delays = Hysteresis(
            target_qps=self.target_qps,
            upscale_delay_s=self.upscale_delay_s,
            downscale_delay_s=self.downscale_delay_s,
        )
        wanted = delays.next(state, observation.demand, terms, now_s)
        facts = {"qps": wanted.qps, "target_qps": self.target_qps, "ticks_up": wanted.num_up}
        says = f"{wanted.qps:.2f} requests/s at {self.target_qps:g} per replica: {wanted.replicas} after the delay"
        reason = Reason(rule=Rule.DEMAND, says=says, facts={**facts, "ticks_down": wanted.num_down})
        return sized(observation, terms, wanted.replicas, (reason,), wanted, now_s)


def settings() -> tuple[SkyServe, ...]:
    """The rate of a replica."""
    return grid(SkyServe(), target_qps=(2.5, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0))
