"""A fixed number of replicas: what a team runs that sizes for its peak by hand.

    desired = n

The league picks the cheapest `n` that keeps the objective in hindsight, which no team can: it is the bar to clear.
"""

from __future__ import annotations

from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.bounds import sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A fixed number remembers nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """Keeps `num_replicas` of the first variant."""

    num_replicas: int = 4
    name: str = "static"
    interval_s: float = 60.0

    def begin(self, observation: Observation, terms: Terms) -> Nothing:
        """Nothing to remember."""
        return Nothing()

    def decide(self, observation: Observation, terms: Terms, state: Nothing, now_s: float) -> Decision:
        """The fixed number."""
        reason = Reason(
            rule=Rule.DEMAND, says=f"{self.num_replicas} replicas, always", facts={"num_replicas": self.num_replicas}
        )
        return sized(observation, terms, self.num_replicas, (reason,), state, now_s)


def settings() -> tuple[Static, ...]:
    """Twelve fleets, 1 to 32 replicas."""
    return grid(Static(), num_replicas=(1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32))
