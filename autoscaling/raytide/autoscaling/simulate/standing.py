"""Standing headroom: replicas beside what a policy asks for, paid for jumps that nobody can foresee.

A jump to k times the load within less than a cold start can only be served by what already runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from raytide.autoscaling.decision import Decision, Policy, Reason, Rule, VariantDecision
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A policy with so many replicas of the first variant on top; the policy itself does not know of them."""

    policy: Policy
    num_standing: int

    @property
    def name(self) -> str:
        """Of the policy, with the headroom."""
        return f"{self.policy.name} +{self.num_standing}"

    @property
    def interval_s(self) -> float:
        """Of the policy."""
        return self.policy.interval_s

    def begin(self, observation: Observation, terms: Terms) -> Any:
        """Of the policy."""
        return self.policy.begin(self._without(observation), self._left(terms))

    def decide(self, observation: Observation, terms: Terms, state: Any, now_s: float) -> Decision:
        """What the policy wants, and the standing replicas, within the bounds of the service."""
        inner = self.policy.decide(self._without(observation), self._left(terms), state, now_s)
        first, *others = inner.variants
        room = terms.max_replicas - sum(variant.target for variant in inner.variants)
        quota = terms.variant(first.variant).max_replicas
        target = first.target + max(0, min(self.num_standing, room))
        target = target if quota is None else min(target, quota)
        reason = Reason(
            rule=Rule.MIN_REPLICAS,
            says=f"{target - first.target} standing replicas beside {first.target}",
            facts={"num_standing": target - first.target},
        )
        present = observation.variants[0].target
        topped = VariantDecision(
            variant=first.variant, target=target, previous=present, reasons=(*first.reasons, reason)
        )
        return replace(inner, variants=(topped, *others))

    def _without(self, observation: Observation) -> Observation:
        first, *others = observation.variants
        return replace(observation, variants=(replace(first, target=max(0, first.target - self.num_standing)), *others))

    def _left(self, terms: Terms) -> Terms:
        price, budget = terms.variants[0].usd_per_hour, terms.max_usd_per_hour
        if budget is not None and not isinstance(price, Missing):
            budget -= self.num_standing * price
        most = max(terms.min_replicas, 1, terms.max_replicas - self.num_standing)
        return replace(terms, max_replicas=most, max_usd_per_hour=budget)
