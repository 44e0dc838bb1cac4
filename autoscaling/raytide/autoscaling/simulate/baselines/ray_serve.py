"""Ray Serve's default: ongoing requests per replica.

Source: ray-project/ray 2.60, python/ray/serve/autoscaling_policy.py, _private/autoscaling_state.py and config.py. With
the mean `q` of 30 s of the requests that run, wait at a replica or wait for one, and r running replicas:

    desired = r·(q/(2·r)) = q/2         then the delays of `serve_delay`

Simplified: a decision each second where Serve's controller loops each 0.1 s (its delays are 30 s and 600 s); reports
arrive at once where handles push them each 10 s.
"""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.serve_delay import Delays, Since
from raytide.autoscaling.simulate.baselines.signals import in_flight
from raytide.autoscaling.simulate.baselines.window import Window
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Ongoing:
    """What the controller remembers."""

    requests: Window
    since: Since | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RayServe:
    """Ongoing requests per replica."""

    target_ongoing_requests: float = 2.0
    look_back_s: float = 30.0
    upscale_delay_s: float = 30.0
    downscale_delay_s: float = 600.0
    name: str = "ray-serve"
    interval_s: float = 1.0

    def begin(self, observation: Observation, terms: Terms) -> Ongoing:
        """An empty window."""
        return Ongoing(requests=Window(length_s=self.look_back_s))

    def decide(self, observation: Observation, terms: Terms, state: Ongoing, now_s: float) -> Decision:
        """As many replicas as the mean number of ongoing requests asks for, after the delay."""
        requests, view = in_flight(observation), observation.variants[0]
        if isinstance(requests, Missing):
            return held(observation, terms, requests.reason, state, now_s)
        window = state.requests.add(now_s, requests.total)
        ongoing = window.mean
        desired = ongoing / self.target_ongoing_requests if view.num_ready else float(view.target)
        target, since = self._delayed(observation, ongoing, desired, state, now_s)
        facts = {"ongoing": ongoing, "per_replica": self.target_ongoing_requests, "desired": desired}
        reason = Reason(rule=Rule.DEMAND, says=f"{ongoing:.1f} ongoing requests ask for {desired:.2f}", facts=facts)
        return sized(observation, terms, target, (reason,), Ongoing(requests=window, since=since), now_s)

    def _delayed(
        self, observation: Observation, ongoing: float, desired: float, state: Ongoing, now_s: float
    ) -> tuple[int, Since | None]:
        delays, view = Delays(up_s=self.upscale_delay_s, down_s=self.downscale_delay_s), observation.variants[0]
        awake = delays.from_zero(view, ongoing)
        return (awake, state.since) if awake is not None else delays.apply(view, desired, state.since, now_s)


def settings() -> tuple[RayServe, ...]:
    """The ongoing requests of a replica, and the delay of a decrease."""
    return grid(RayServe(), target_ongoing_requests=(2.0, 4.0, 8.0, 16.0, 32.0, 64.0), downscale_delay_s=(600.0, 300.0))
