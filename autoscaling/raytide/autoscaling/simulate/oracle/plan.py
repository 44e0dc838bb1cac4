"""A plan: so many replicas ready in each window of a lap; and the policy that carries it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.decision import Decision, Reason, Rule, VariantDecision
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Replicas of the first variant that are ready in each window; played in a circle."""

    window_s: float
    counts: NDArray[np.int64]
    """Shape (windows,)."""
    span_s: float
    """Length of a lap; the last window may be shorter."""

    def at(self, at_s: float) -> int:
        """How many are ready at this moment of any lap."""
        return int(self.counts[min(int((at_s % self.span_s) / self.window_s), len(self.counts) - 1)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Carries out a plan: orders one cold start ahead, and keeps what the plan still needs until then."""

    plan: Plan
    lead_s: float
    name: str = "oracle"
    interval_s: float = 5.0

    def begin(self, observation: Observation, terms: Terms) -> None:
        """A plan remembers nothing."""

    def decide(self, observation: Observation, terms: Terms, state: None, now_s: float) -> Decision:
        """The larger of what is needed now and what must be ready when an order of now is."""
        view = observation.variants[0]
        target = max(self.plan.at(now_s), self.plan.at(now_s + self.lead_s))
        reason = Reason(rule=Rule.DEMAND, says="as planned", facts={"need": target})
        wanted = VariantDecision(variant=view.name, target=target, previous=view.target, reasons=(reason,))
        return Decision(at_s=now_s, variants=(wanted,), state=None)
